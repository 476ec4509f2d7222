"""Secrets that come back are removed, however they are escaped; everything else stays as it was."""

from __future__ import annotations

import base64
import html
import json
import sys
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from apiloom.backends.http.echo import Eraser
from apiloom.net.request import Response
from apiloom.vault.marks import Spelling, traces

KEY = "k\"ey\\+<é>' a/z&0123=~漢😀"
WRITERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "ascii": lambda key: json.dumps({"k": key}),
    "unicode": lambda key: json.dumps({"k": key}, ensure_ascii=False),
    "slash": lambda key: json.dumps({"k": key}, ensure_ascii=False).replace("/", "\\/"),
    "go": lambda key: json.dumps(key, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e"),
    "dotnet": lambda key: "".join(f"\\u{ord(c):04X}" if c in '"+<>é' else c.replace("\\", "\\\\") for c in key),
    "html": html.escape,
    "numeric": lambda key: html.escape(key).replace("+", "&#43;").replace("é", "&#xE9;").replace("漢", "&#28450;"),
    "entities": lambda key: html.escape(key).replace("é", "&eacute;"),
    "lower": lambda key: quote(key, safe="").lower(),
    "path": quote,
    "form": quote_plus,
    "uri": lambda key: quote(key, safe=";,/?:@&=+$-_.!~*'()#"),
    "twice": lambda key: quote(quote(key, safe=""), safe=""),
    "text of json": lambda key: json.dumps(json.dumps({"k": key})),
    "text of text of json": lambda key: json.dumps(json.dumps(json.dumps({"k": key}, ensure_ascii=False))),
    "html of json": lambda key: html.escape(json.dumps({"k": key})),
    "link to html": lambda key: quote(html.escape(key), safe=""),
    "link to numbers": lambda key: quote(
        html.escape(key).replace("+", "&#43;").replace("é", "&#xE9;"), safe=""
    ).lower(),
    "link to a link to html": lambda key: quote(quote(html.escape(html.escape(key)), safe=""), safe=""),
    "json of html": lambda key: json.dumps(html.escape(html.escape(key))),
    "form of json": lambda key: quote_plus(json.dumps({"k": key})),
    "python": repr,
}


def erased(body: bytes, *secrets: str, **headers: str) -> Response:
    return Eraser(secrets).erased(Response(status=200, headers=list(headers.items()), body=body))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32-le"])
def test_a_secret_is_known_however_a_server_writes_it_back(writer: str, encoding: str) -> None:
    written = WRITERS[writer](KEY)
    found = erased(f"before {written} after".encode(encoding), KEY)
    text = found.body.decode(encoding)
    assert "***" in text
    assert "0123" not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


def test_a_secret_in_a_header_is_removed_and_others_stay() -> None:
    found = erased(
        b"{}", KEY, "abcdef123", location=f"https://x.example/?k={quote(KEY, safe='')}", etag='"abcdef123"', x="y"
    )
    assert list(found.headers) == [("location", "https://x.example/?k=***"), ("etag", '"***"'), ("x", "y")]


def test_latin_1_hides_nothing() -> None:
    assert erased("pässwörd".encode("latin-1"), "pässwörd").body == b"***"


def test_an_answer_without_secrets_is_the_same_object() -> None:
    response = Response(status=200, headers=[("a", "b")], body=b'{"a": "0123 k\\"ey"}')
    assert Eraser((KEY, "abcdef123")).erased(response) is response


def test_a_secret_inside_another_one_leaves_nothing_of_it() -> None:
    assert erased(b"x=abcdef-123456;", "abcdef", "abcdef-123456").body == b"x=***;"


@pytest.mark.parametrize("secret", ["-" * 700 + "abcd1234", "ab-" * 400, "abc" * 400 + "1234", "~" * 900])
@pytest.mark.parametrize(
    "write", [str, quote, lambda one: one.encode().hex(), lambda one: one.encode().hex(":").upper()]
)
def test_a_long_secret_is_known_wherever_in_it_something_can_be_looked_for(
    secret: str, write: Callable[[str], str]
) -> None:
    written = write(secret)
    assert erased(f"before {written} after".encode(), secret).body == b"before *** after"


def test_a_long_secret_is_prepared_with_hardly_more_work_than_a_short_one() -> None:
    def steps(secret: str) -> int:
        found = 0

        def count(*_: object) -> None:
            nonlocal found
            found += 1

        sys.setprofile(count)
        try:
            Eraser((secret,))
        finally:
            sys.setprofile(None)
        return found

    assert steps("Zz0123456789-" * 1200) < 2 * steps("Zz0123456789-" * 20)


def test_looking_for_a_secret_in_a_wall_of_backslashes_ends() -> None:
    wall = b"abcd" + b"\\" * 200_000
    assert erased(wall, "abcd" + 12 * '\\\\"' + "x").body == wall


DUMPS: dict[str, Callable[[bytes], str]] = {
    "lower": lambda raw: raw.hex(),
    "upper": lambda raw: raw.hex().upper(),
    "colons": lambda raw: raw.hex(":"),
    "spaces": lambda raw: raw.hex(" ").upper(),
    "hyphens": lambda raw: raw.hex("-").upper(),
    "inside": lambda raw: (b"Authorization: Bearer " + raw + b"\r\n").hex(),
}


@pytest.mark.parametrize("dump", DUMPS)
@pytest.mark.parametrize("secret", [KEY, "abcdef123", "sk_live_0123", "jklmno", "JKLMNOZZ"])
def test_a_secret_is_known_in_a_dump_of_its_bytes(dump: str, secret: str) -> None:
    written = DUMPS[dump](secret.encode())
    text = erased(f"before {written} after".encode(), secret).body.decode()
    assert "***" in text
    assert secret.encode().hex() not in text.lower().replace(":", "").replace(" ", "").replace("-", "")


@pytest.mark.parametrize("secret", [KEY, "abcdef123", "sk_live_0123"])
def test_a_dump_in_both_cases_is_known_by_what_has_no_case(secret: str) -> None:
    written = "".join(c.upper() if at % 3 else c for at, c in enumerate(secret.encode().hex()))
    assert erased(written.encode(), secret).body == b"***"


def test_what_base64_makes_of_a_secret_is_not_spelled_once_more() -> None:
    plain, spelled = Eraser(("abcdef123",)), Eraser(("abcdef123", Spelling("YWJjZGVmMTIz")))
    hexed = b"YWJjZGVmMTIz".hex().encode()
    assert spelled.cleaned(b"YWJjZGVmMTIz " + hexed) == b"*** " + hexed
    assert plain.cleaned(b"YWJjZGVmMTIz") == b"YWJjZGVmMTIz"


def test_every_trace_of_a_value_is_known_in_base64_whatever_stands_around_it() -> None:
    for secret in (KEY, "sk_live_0123456789"):
        eraser = Eraser(traces(secret))
        for around in range(4):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                text = encode(b"x" * around + secret.encode() + b"y" * around).decode()
                assert secret not in text
                assert b"***" in eraser.cleaned(text.encode()), (around, text)
