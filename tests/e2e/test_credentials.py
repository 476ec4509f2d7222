"""Credentials on real sockets: where they arrive, where they never do, and that none of them comes back to a model."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit

import pytest

from apiloom.app.connectors import Loaded, Reading
from apiloom.app.quick import Quick, build_quick
from apiloom.base.errors import DesignError
from apiloom.calls.call import Call
from apiloom.console.house import Options
from support.servers import modern, post, serving
from support.upstream import Answer, Seen, Upstream, upstream

TOKEN = 'tok/en+"q\\z<&>0123456789'
KEY = "AbCdEf0123456789xyz"
PASSWORD = "p&ss: wörd?/~'x"
SESSION = "s3ss;ion=1 2"
GIVEN = {
    "header": {"key": TOKEN},
    "query": {"key": KEY},
    "basic": {"username": "me@example.com", "password": PASSWORD},
    "cookie": {"key": SESSION},
}
SCHEMES = {
    "header": {"type": "apiKey", "in": "header", "name": "X-Token"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "basic": {"type": "http", "scheme": "basic"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
}


def document(url: str, **operations: dict[str, Any]) -> dict[str, Any]:
    paths = {
        f"/{name}": {"post" if name == "post" else "get": {"operationId": name, **more}}
        for name, more in operations.items()
    }
    for item in paths.values():
        for operation in item.values():
            operation.setdefault("responses", {"200": {"description": "it"}})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mirror", "version": "1"},
        "servers": [{"url": url}],
        "components": {"securitySchemes": SCHEMES},
        "security": [{name: [] for name in SCHEMES}],
        "paths": paths,
    }


def written(folder: Path, value: Any, name: str = "api.json", mode: int = 0o600) -> str:
    path = folder / name
    path.touch(mode)
    path.write_text(json.dumps(value))
    return str(path)


def reflected(seen: Seen) -> dict[str, Any]:
    """Everything a request says about its sender, as echo services answer it."""
    parts = urlsplit(seen.target)
    pair = base64.b64decode(seen.headers["authorization"].partition(" ")[2]).decode()
    cookies = seen.headers.get("cookie", "")
    return {
        "url": seen.target,
        "headers": seen.headers,
        "args": dict(parse_qsl(parts.query)),
        "split": pair.split(":", 1),
        "pair": pair,
        "cookies": cookies,
        "cookie": unquote_plus(cookies.partition("sid=")[2]),
        "body": seen.body.decode(),
    }


def shifted(text: str) -> list[str]:
    return [base64.b64encode(b"x" * before + text.encode() + b"!!").decode() for before in range(3)]


def plain(seen: Seen) -> Answer:
    return Answer(reflected(seen))


def in_base64(seen: Seen) -> Answer:
    secrets = [text for value in reflected(seen).values() for text in _texts(value)]
    return Answer({"all": [one for text in secrets for one in (*shifted(text), *map(_url_safe, shifted(text)))]})


def in_percent(seen: Seen) -> Answer:
    secrets = [text for value in reflected(seen).values() for text in _texts(value)]
    return Answer({"all": [spell(text) for text in secrets for spell in (quote, _all_but_safe, _lower, _form)]})


def in_escapes(seen: Seen) -> Answer:
    body = json.dumps(reflected(seen), ensure_ascii=True).replace("/", "\\/").replace("&", "\\u0026")
    return Answer(body.encode())


def in_text_of_json(seen: Seen) -> Answer:
    return Answer(
        {"log": json.dumps(reflected(seen)), "page": html.escape(json.dumps(reflected(seen), ensure_ascii=False))}
    )


def in_utf_16(seen: Seen) -> Answer:
    return Answer(str(_texts(reflected(seen))).encode("utf-16"), content_type="text/plain; charset=utf-16")


def in_bytes(seen: Seen) -> Answer:
    return Answer(
        b"\x01\xff" + json.dumps(reflected(seen), ensure_ascii=False).encode(), content_type="application/x-any"
    )


def in_an_error(seen: Seen) -> Answer:
    return Answer({"error": {"message": f"refused {_texts(reflected(seen))}"}}, status=403)


def in_a_redirect(seen: Seen) -> Answer:
    told = {"Location": f"https://elsewhere.example{seen.target}", "ETag": f'"{seen.headers["x-token"]}"'}
    return Answer(b"", status=302, headers=told)


def in_events(seen: Seen) -> Answer:
    events = [f"event: echo\nid: {n}\ndata: {text}\n\n" for n, text in enumerate(_texts(reflected(seen)))]
    body = "".join(events) + f"data: {json.dumps(reflected(seen))}\n\n"
    return Answer(body.encode(), content_type="text/event-stream")


def in_lines(seen: Seen) -> Answer:
    return Answer(
        "".join(json.dumps(text) + "\n" for text in _texts(reflected(seen))).encode(),
        content_type="application/x-ndjson",
    )


def in_parts(seen: Seen) -> Answer:
    part = json.dumps(reflected(seen), ensure_ascii=False)
    kinds = ("application/json", "text/plain; charset=utf-8", "application/octet-stream", "image/png")
    parts = "".join(
        f'--b\r\nContent-Type: {kind}\r\nContent-Disposition: x; filename="{KEY}"\r\n\r\n{part}\r\n' for kind in kinds
    )
    return Answer(f"{parts}--b--".encode(), content_type="multipart/mixed; boundary=b")


def in_gzip(seen: Seen) -> Answer:
    body = gzip.compress(json.dumps(reflected(seen)).encode())
    return Answer(body, headers={"Content-Encoding": "gzip"})


def in_another_charset(seen: Seen) -> Answer:
    """EBCDIC: no byte of a secret is the one it has in ASCII."""
    text = "\n".join(_texts(reflected(seen)))
    return Answer(text.encode("cp037", "replace"), content_type="text/plain; charset=cp037")


def in_utf_7(seen: Seen) -> Answer:
    return Answer("\n".join(_texts(reflected(seen))).encode("utf-7"), content_type="text/plain; charset=utf-7")


def in_headers_that_are_told(seen: Seen) -> Answer:
    token, cookie = seen.headers["x-token"], quote(seen.headers["cookie"])
    told = {
        "Location": f"/made?at={seen.target}&token={quote(token)}",
        "Link": f'<{seen.target}>; rel="next"; title="{quote(token)}"',
        "Content-Location": seen.target,
        "X-Request-Id": cookie,
        "ETag": base64.b64encode(token.encode()).decode(),
    }
    return Answer({"made": True} if seen.method == "POST" else b"", status=201, headers=told)


def in_limits_and_names(seen: Seen) -> Answer:
    told = {
        "X-RateLimit-Limit": KEY, "X-RateLimit-Remaining": "0", "Retry-After": KEY,
        "Content-Disposition": f'attachment; filename="{KEY}.bin"',
    }  # fmt: skip
    return Answer(b"\x00\x01\x02", content_type="application/octet-stream", headers=told)


def in_a_content_type(seen: Seen) -> Answer:
    return Answer(b"\x00\x01", content_type=f"application/{KEY}; charset={KEY}")


def in_an_error_page(seen: Seen) -> Answer:
    page = (
        f"<html><body><pre>{html.escape(json.dumps(reflected(seen)))}</pre><a href='{seen.target}'>x</a></body></html>"
    )
    return Answer(page.encode(), status=502, content_type="text/html")


def in_an_unasked_coding(seen: Seen) -> Answer:
    return Answer(json.dumps(reflected(seen)).encode(), headers={"Content-Encoding": KEY})


def in_next_pages(seen: Seen) -> Answer:
    """The way to the next page, as many APIs tell it: the URL that was asked for, key and all."""
    more = f"https://{seen.headers['host']}{seen.target}&page=2"
    answer = {"data": [1], "next": more, "links": {"next": more}, "next_cursor": f"{KEY}:2", "cursor": KEY}
    return Answer(answer, headers={"Link": f'<{more}>; rel="next"'})


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for one in (value.values() if isinstance(value, dict) else value) for text in _texts(one)]


def _url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_").rstrip("=")


def _all_but_safe(text: str) -> str:
    return quote(text, safe="")


def _lower(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), quote(text, safe=""))


def _form(text: str) -> str:
    return quote(text, safe="").replace("%20", "+")


MIRRORS = [
    plain,
    in_base64,
    in_percent,
    in_escapes,
    in_text_of_json,
    in_utf_16,
    in_bytes,
    in_an_error,
    in_a_redirect,
    in_events,
    in_lines,
    in_parts,
    in_gzip,
    in_headers_that_are_told,
    in_limits_and_names,
    in_a_content_type,
    in_an_error_page,
    in_an_unasked_coding,
    in_next_pages,
    in_another_charset,
    in_utf_7,
]

DECODED: dict[Any, Callable[[bytes], str]] = {
    in_utf_16: lambda raw: raw.decode("utf-16"),
    in_gzip: lambda raw: gzip.decompress(raw).decode(),
    in_another_charset: lambda raw: raw.decode("cp037"),
    in_utf_7: lambda raw: raw.decode("utf-7"),
}
"""Mirrors whose bytes show a secret only to one who decodes them."""


def readings(raw: bytes) -> Iterator[str]:
    """An answer read in every way in which a model, or whoever asks it to, might read a secret out of it."""
    text = raw.decode("utf-8", "replace")
    layers = [text]
    for _ in range(3):
        layers += [_unescaped(layers[-1])]
    for layer in list(layers):
        layers += [unquote_plus(layer), html.unescape(layer), layer.replace("\\/", "/")]
    yield from layers
    for layer in layers:
        for found in re.finditer(r"[A-Za-z0-9+/_-]{6,}", layer):
            run = found.group().replace("-", "+").replace("_", "/")
            for at in range(4):
                piece = run[at:]
                piece = piece[: len(piece) // 4 * 4]
                with contextlib.suppress(ValueError):
                    decoded = base64.b64decode(piece)
                    yield decoded.decode("utf-8", "replace")
                    yield decoded.decode("utf-16-le", "replace")


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        return str(json.loads(f'"{found.group()}"')) if found.group() != "\\'" else "'"

    return re.sub(r'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])', one, text)


@pytest.fixture(scope="module")
def mirror(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Callable[..., bytes], list[Callable[[Seen], Answer]]]]:
    """A served API that sends back what it was sent; the list's only member says how."""
    folder = tmp_path_factory.mktemp("mirror")
    how: list[Callable[[Seen], Answer]] = [plain]

    def answer(seen: Seen) -> Answer:
        return how[-1](seen)

    with upstream(answer) as it:
        body = {
            "content": {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}
        }
        source = written(folder, document(it.url, ask={}, post={"requestBody": body}))
        with serving(source, "--credentials", written(folder, GIVEN, "credentials")) as server:

            def ask(tool: str, arguments: dict[str, Any]) -> bytes:
                count = len(it.seen)
                reply = modern(server.url, "tools/call", {"name": tool, "arguments": arguments})
                assert len(it.seen) == count + 1
                check_signed(it.last())
                return reply.body

            yield ask, how
            assert not any(secret in server.said() for secret in secrets())


def secrets() -> list[str]:
    pair = base64.b64encode(f"me@example.com:{PASSWORD}".encode()).decode()
    return [TOKEN, KEY, PASSWORD, SESSION, pair]


def check_signed(seen: Seen) -> None:
    """The API did get what must not come back; else nothing is shown here."""
    told = reflected(seen)
    assert told["args"]["key"] == KEY
    assert told["headers"]["x-token"] == TOKEN
    assert told["split"] == ["me@example.com", PASSWORD]
    assert told["cookie"] == SESSION


@pytest.mark.parametrize("how", MIRRORS)
@pytest.mark.parametrize(("tool", "arguments"), [("ask", {}), ("post", {"a": "said by the model"})])
def test_an_api_that_sends_back_what_it_was_sent_gives_no_credential_away(
    mirror: Any, how: Callable[[Seen], Answer], tool: str, arguments: dict[str, Any]
) -> None:
    ask, chosen = mirror
    chosen.append(how)
    raw = ask(tool, arguments)
    assert b'"result"' in raw
    for reading in readings(raw):
        for secret in secrets():
            assert secret not in reading, reading[max(reading.index(secret) - 80, 0) :][:300]
    if tool == "post" and how is plain:
        assert b"said by the model" in raw


PAGED = {
    "parameters": [{"name": "cursor", "in": "query", "schema": {"type": "string"}}],
    "responses": {
        "200": {
            "description": "a page",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "items": {"type": "array", "items": {"type": "integer"}},
                            "next_cursor": {"type": "string"},
                        },
                    }
                }
            },
        }
    },
}


def test_neither_pages_nor_progress_give_a_credential_away(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Answer:
        more = f"{seen.target}&token={quote(seen.headers['x-token'])}"
        said = {"items": [1], "next_cursor": f"{KEY} {seen.headers['x-token']}", **reflected(seen)}
        return Answer(said, headers={"Link": f'<{more}>; rel="next"', "X-Page": KEY})

    with upstream(answer) as it:
        source = written(tmp_path, document(it.url, pages=PAGED))
        with serving(source, "--credentials", written(tmp_path, GIVEN, "credentials")) as server:
            arguments: dict[str, Any] = {}
            for _ in range(3):
                params = {"name": "pages", "arguments": arguments, "_meta": {"progressToken": "p"}}
                body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
                reply = post(server.url, body, {"MCP-Protocol-Version": "2025-11-25"})
                assert b"progressToken" in reply.body
                for reading in readings(reply.body):
                    assert not any(secret in reading for secret in secrets()), reading[:2000]
                cursor = reply.value["result"]["structuredContent"].get("next_cursor")
                arguments = {"cursor": cursor} if cursor else {}
            assert not any(secret in server.said() for secret in secrets())
            assert all(seen.headers["x-token"] == TOKEN for seen in it.seen)
            # what the upstream is asked for next holds no second copy of a credential
            assert not any(seen.target.count(KEY) > 1 for seen in it.seen)


def test_the_eyes_of_this_test_see_a_secret_in_every_disguise() -> None:
    given = {"x-token": TOKEN, "authorization": "Basic bWU6eA==", "cookie": "sid=1", "host": "127.0.0.1"}
    seen = Seen("GET", f"/ask?key={KEY}", given, b"")
    for how in MIRRORS:
        said = how(seen)
        body = DECODED.get(how, lambda raw: raw.decode("latin-1"))(said.encoded())
        raw = json.dumps({"text": body, "headers": said.headers, "type": said.content_type}).encode()
        assert any(secret in reading for reading in readings(raw) for secret in (TOKEN, KEY)), how.__name__


def quick_of(folder: Path, value: Any, **options: Any) -> tuple[Quick, list[Loaded]]:
    chosen = Options(cache=False, credentials=written(folder, GIVEN_SHORT, "credentials"), **options)
    loaded = [Reading(lambda _: None).connector(written(folder, value), chosen)]
    return build_quick(chosen, lambda _: None), loaded


GIVEN_SHORT = {"header": {"key": "home-key"}}


def guarded(url: str, **paths: Any) -> dict[str, Any]:
    asks = {"responses": {"200": {"description": "it"}}}
    more = {f"/{name}": {**item, "get": {"operationId": name, **asks}} for name, item in paths.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Guarded", "version": "1"},
        "servers": [{"url": url}],
        "components": {"securitySchemes": {"header": SCHEMES["header"]}},
        "security": [{"header": []}],
        "paths": {"/home": {"get": {"operationId": "home", **asks}}, **more},
    }


async def asked(quick: Quick, tool: str) -> Any:
    return await quick.directory.endpoints[""].run(Call(tool=tool, arguments={}))


def signed(it: Upstream) -> list[bool]:
    return ["home-key" in str(seen.headers) or "2022-06-28" in str(seen.headers) for seen in it.seen]


async def test_credentials_do_not_follow_a_redirect_or_a_link(tmp_path: Path) -> None:
    with upstream(lambda _: Answer({})) as other:

        def answer(_: Seen) -> Answer:
            return Answer(
                {"next": f"{other.url}/next"},
                status=307,
                headers={"Location": f"{other.url}/there", "Link": f'<{other.url}/next>; rel="next"'},
            )

        with upstream(answer) as home:
            quick, loaded = quick_of(tmp_path, guarded(home.url), headers=("Api-Version=2022-06-28",))
            quick.put(loaded)
            await asked(quick, "home")
            await quick.sender.close()
            assert signed(home) == [True]
            assert other.seen == []


async def test_another_server_of_the_document_gets_credentials_only_when_it_is_trusted(tmp_path: Path) -> None:
    with upstream(lambda _: Answer({})) as home, upstream(lambda _: Answer({})) as other:
        value = guarded(home.url, elsewhere={"servers": [{"url": other.url}]})
        quick, loaded = quick_of(tmp_path, value, headers=("Api-Version=2022-06-28",))
        quick.put(loaded)
        await asked(quick, "home")
        await asked(quick, "elsewhere")
        await quick.sender.close()
        assert (signed(home), signed(other)) == ([True], [False])
        quick, loaded = quick_of(tmp_path, value, trusted=(other.url,))
        quick.put(loaded)
        await asked(quick, "elsewhere")
        await quick.sender.close()
        assert signed(other) == [False, True]


async def test_an_edited_document_cannot_move_credentials_to_another_server(tmp_path: Path) -> None:
    with upstream(lambda _: Answer({})) as home, upstream(lambda _: Answer({})) as other:
        quick, loaded = quick_of(tmp_path, guarded(home.url))
        quick.put(loaded)
        edited = Reading(lambda _: None).connector(written(tmp_path, guarded(other.url)), quick.options)
        with pytest.raises(DesignError, match="now says that its API answers at") as told:
            quick.put([edited])
        assert told.value.code == "server.moved"
        await asked(quick, "home")
        grown = Reading(lambda _: None).connector(written(tmp_path, guarded(home.url, more={})), quick.options)
        quick.put([grown])
        await asked(quick, "more")
        await quick.sender.close()
        assert (signed(home), other.seen) == ([True, True], [])


async def test_a_source_that_takes_the_title_of_another_one_gets_nothing_that_is_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APILOOM_GUARDED_AUTH_HEADER", "home-key")
    with upstream(lambda _: Answer({})) as home, upstream(lambda _: Answer({})) as evil:
        options = Options(cache=False)
        theirs = {**guarded(evil.url), "info": {"title": "Harmless", "version": "1"}}
        sources = [written(tmp_path, theirs, "evil.json"), written(tmp_path, guarded(home.url), "home.json")]
        quick = build_quick(options, lambda _: None)
        quick.put([Reading(lambda _: None).connector(source, options) for source in sources])
        written(tmp_path, guarded(evil.url), "evil.json")
        quick.put([Reading(lambda _: None).connector(source, options) for source in sources])
        await asked(quick, "harmless_home")
        await asked(quick, "guarded_home")
        await quick.sender.close()
        assert (signed(home), signed(evil)) == ([True], [False])


async def test_the_base_url_holds_whatever_an_edited_document_says(tmp_path: Path) -> None:
    with upstream(lambda _: Answer({})) as home, upstream(lambda _: Answer({})) as other:
        quick, loaded = quick_of(tmp_path, guarded(other.url), base_url=home.url)
        quick.put(loaded)
        written(tmp_path, guarded("https://third.example"))
        quick.put([Reading(lambda _: None).connector(loaded[0].source, quick.options)])
        await asked(quick, "home")
        await quick.sender.close()
        assert (signed(home), other.seen) == ([True], [])
