"""A canary in every field that takes a secret, then every road out of the house: none is found in any form.

Each field is one line of :func:`furnish`, each road one function that adds to the haul; all of it is searched at once.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import httpx2 as httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apiloom.calls.call import Call
from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account
from apiloom.flows.connecting import create_session
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.net.request import Request, Response
from support.catalogs import catalog_of
from support.gateway import Gateway, gateway, http, words
from support.leaks import Canaries, Leak, core_of, files, leaks, listening, objects, shown
from support.servers import APILOOM, clean_environment
from support.upstream import Answer, Seen, Upstream, upstream

SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "custom": {"type": "http", "scheme": "token"},
    "machine": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example/t", "scopes": {}}}},
    "renewed": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example/t", "scopes": {}}}},
    "service": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example/t", "scopes": {}}}},
    "lent": {"type": "http", "scheme": "bearer"},
}
STATIC = ("bearer", "basic", "header", "query", "cookie", "custom")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "json": lambda raw: json.dumps({"it": raw.decode("latin-1")}).encode(),
    "json2": lambda raw: json.dumps(json.dumps(raw.decode("latin-1"))).encode(),
    "base64": base64.b64encode,
    "base64a": lambda raw: base64.b64encode(b"x" + raw),
    "base64b": lambda raw: base64.b64encode(b"xx" + raw),
    "base64url": base64.urlsafe_b64encode,
    "url": lambda raw: quote(raw, safe="").encode(),
    "url2": lambda raw: quote(quote(raw, safe=""), safe="").encode(),
    "hex": lambda raw: raw.hex().encode(),
    "hexupper": lambda raw: raw.hex().upper().encode(),
    "hexcolons": lambda raw: raw.hex(":").encode(),
    "utf16": lambda raw: raw.decode("latin-1").encode("utf-16"),
}
"""How the upstream writes back all that it was sent."""

FILLING = b"\0\1" * 500
STATUSES = {"teapot": 418, "denied": 401, "limited": 429, "fails": 500, "moved": 302, "empty": 204}
LARGE = ("plain", "base64a", "hex")
TYPES = {"text": "text/plain", "csv": "text/csv", "bytes": "application/octet-stream", "large": "application/pdf"}
KINDS = ("ok", "events", *STATUSES, *TYPES)


def sent(seen: Seen) -> bytes:
    """All that a request says, and what its pair of basic authentication says inside."""
    lines = [f"{seen.method} {seen.target}", *(f"{name}: {value}" for name, value in seen.headers.items())]
    pair = seen.headers.get("authorization", "").partition(" ")[2]
    try:
        lines.append(base64.b64decode(pair, validate=True).decode())
    except ValueError:
        lines.append(pair)
    return "\n".join(lines).encode("utf-8", "replace")


def mirrored(seen: Seen) -> Answer:
    """The kind of answer that was asked for, which tells all that was sent in the form that was."""
    _, _, _, kind, form = seen.target.partition("?")[0].split("/")
    written = FORMS[form](sent(seen))
    text = written.decode("latin-1")
    line = "".join(sign for sign in text if sign.isascii() and sign.isprintable())
    escaped = line if form == "hexcolons" else quote(line)
    heads = {"X-Echo": line[:2000], "Set-Cookie": f"e={escaped[:1000]}", "ETag": f'"{line[:500]}"'}
    heads |= {"Location": f"https://elsewhere.example/?{escaped}", "Link": f"</m?{escaped}>; rel=next"}
    if kind in TYPES:
        filling = FILLING * (1100 if kind == "large" else 1)
        whole = written if kind in ("text", "csv") else filling + written + filling
        return Answer(whole, content_type=TYPES[kind], headers=heads)
    if kind == "events":
        events = "".join(f"data: {part}\n\n" for part in text.split("\n"))
        return Answer(events.encode("utf-8"), content_type="text/event-stream", headers=heads)
    told = {"error": {"message": text}, "next": f"/m?{escaped}", "said": text}
    return Answer(None if kind in ("empty", "moved") else told, STATUSES.get(kind, 200), headers=heads)


def document() -> bytes:
    """The artefact of an API with one operation for each scheme."""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in ("kind", "form")
    ]
    ok = {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "object"}}}}}
    paths = {
        f"/m/{scheme}/{{kind}}/{{form}}": {
            "get": {
                "operationId": f"read_{scheme}",
                "security": [{scheme: []}],
                "parameters": parameters,
                "responses": ok,
            }
        }
        for scheme in SCHEMES
    }
    return pack(catalog_of(paths, {}, SCHEMES))


def pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@dataclass(repr=False)
class Hunt:
    """A gateway full of canaries, and what came out of it so far."""

    house: Gateway
    client: httpx.AsyncClient
    api: Upstream
    provider: Upstream
    canaries: Canaries
    haul: dict[str, bytes | str] = field(default_factory=dict)
    url: str = ""
    token: str = ""
    owner: str = ""
    lent: str = ""
    link: str = ""

    def take(self, road: str, *content: bytes | str) -> None:
        before = self.haul.get(road, b"")
        raw = [one.encode("utf-8", "surrogateescape") if isinstance(one, str) else one for one in (before, *content)]
        self.haul[road] = b"\n".join(raw)

    def took(self, road: str, reply: httpx.Response) -> httpx.Response:
        self.take(road, repr(reply.headers.raw), reply.content)
        return reply

    def found(self) -> list[Leak]:
        return leaks(self.canaries, self.haul)


# -- fields ------------------------------------------------------------------------------------------------------------


def granting(canaries: Canaries) -> Callable[[Seen], Answer]:
    """A token endpoint whose tokens are canaries, and which tells all it was sent when it refuses."""
    tokens = {kind: canaries.plain(f"{kind} token") for kind in ("access", "refresh", "next refresh")}
    identity = canaries.plain("id token")

    def answer(seen: Seen) -> Answer:
        form = {name: one[0] for name, one in parse_qs(seen.body.decode()).items()}
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token", "").startswith("refuse"):
            return Answer({"error": "invalid_grant", "error_description": f"{seen.headers} {form}"}, 400)
        return Answer(
            {
                "access_token": tokens["access"],
                "refresh_token": tokens["next refresh"],
                "id_token": f"e30.{identity}.x",
                "token_type": "Bearer",
                "expires_in": 3600,
            }
        )

    return answer


async def furnish(hunt: Hunt) -> None:
    """Put a canary into every field."""
    house, canaries, at = hunt.house, hunt.canaries, f"{hunt.provider.url}/token"
    key = pem()
    canaries.add("service key", key.splitlines()[5])
    given: dict[str, Any] = {
        "bearer": {"token": canaries.add("bearer")},
        "basic": {"username": "me", "password": canaries.add("password")},
        "header": {"key": canaries.add("header key")},
        "query": {"key": canaries.add("query key")},
        "cookie": {"key": canaries.add("cookie key")},
        "custom": {"token": canaries.plain("custom scheme")},
        "machine": {"client_id": "loom", "client_secret": canaries.add("own client secret"), "token_url": at},
        "renewed": {
            "client_id": "loom",
            "client_secret": canaries.add("other client secret"),
            "refresh_token": canaries.plain("brought refresh token"),
            "token_url": at,
        },
        "service": {"private_key": key, "issuer": "loom@example.com", "token_url": at},
    }
    await house.connector("mirror", hunt.api.url, document())
    account = await house.account("mirror", credentials=given)
    before = {**given, "bearer": {"token": canaries.add("replaced bearer")}}
    await house.done(patch_account(house.ground, HOST, account.id, {"credentials": before}))
    await house.done(patch_account(house.ground, HOST, account.id, {"credentials": given}))
    for scheme, proof in {
        "machine": {"client_secret": canaries.add("house client secret")},
        "service": {"private_key": key},
    }.items():
        wanted = {
            "connector": "mirror",
            "scheme": scheme,
            "client_id": "loom",
            "secret": proof,
            "endpoints": {"token_url": at},
        }
        await house.done(create_oauth_client(house.ground, HOST, wanted))
    config = {"delegation": {"mirror": {"mode": "header", "fallback": True}}}
    opened = await house.server(name="mirror", accounts=[account.id], config=config)
    hunt.url = house.at(opened)
    canaries.add("server token", opened.issued.text)
    hunt.token = canaries.add("agent token", await house.api_token(tenant="default"))
    hunt.owner = canaries.add("owner token", await house.api_token("owner"))
    hunt.lent = canaries.add("lent")
    hunt.link = (await house.done(create_session(house.ground, HOST, {"connector": "mirror"}))).url
    canaries.add("connect link", hunt.link.rpartition("/")[2])
    keys(hunt)


def keys(hunt: Hunt) -> None:
    """The house's own keys: the file's, and those under it, as they are in memory."""
    custody = hunt.house.grounds.custody
    for purpose in ("tokens", "seals", "sessions"):
        for version, key in custody.sub_keys(purpose).items():
            hunt.canaries.add(f"{purpose} key {version}", key)
    held = hunt.house.grounds.place.key_file().read_text()
    for number, word in enumerate(word for word in held.split() if len(word) > 30):
        hunt.canaries.add(f"key file {number}", word)


# -- roads -------------------------------------------------------------------------------------------------------------


async def call(hunt: Hunt, tool: str, kind: str, form: str, *heads: tuple[str, str]) -> None:
    """One call, and whatever it left behind to be read."""
    message, head = words("tools/call", {"name": tool, "arguments": {"kind": kind, "form": form}})
    message["params"]["_meta"] = {**message["params"]["_meta"], "progressToken": "p"}
    reply = hunt.took("answers", await hunt.client.post(hunt.url, json=message, headers=[*head.items(), *heads]))
    last = reply.text.strip().rpartition("data: ")[2].strip() if "data: " in reply.text else reply.text
    result = json.loads(last).get("result")
    assert result is not None, (tool, kind, form, last[:300])
    for part in result["content"]:
        if part["type"] == "resource_link":
            message, head = words("resources/read", {"uri": part["uri"]})
            reply = await hunt.client.post(hunt.url, json=message, headers={**head, "mcp-name": part["uri"]})
            blobs = [base64.b64decode(one["blob"]) for one in reply.json()["result"]["contents"]]
            hunt.take("kept files", *(blob.replace(FILLING, b"") for blob in blobs))


async def every_answer(hunt: Hunt) -> None:
    """Every kind of answer in every form, by all schemes in turn."""
    lent = ("x-upstream-authorization-mirror", f"Bearer {hunt.lent}")
    pairs = [(kind, form) for kind in KINDS for form in FORMS if kind != "large" or form in LARGE]
    pairs = [(kind, form) for kind, form in pairs if form != "utf16" or kind in ("text", "csv")]
    for offset, scheme in enumerate(SCHEMES):
        for kind, form in pairs[offset :: len(SCHEMES)]:
            await call(hunt, f"read_{scheme}", kind, form, *((lent,) if scheme == "lent" else ()))


async def bad_requests(hunt: Hunt) -> None:
    """Requests that are refused, each with secrets in it; and a page that is opened by its link, and says it back."""
    client, house = hunt.client, hunt.house
    await client.get(hunt.link)
    hunt.took("refusals", await client.get(hunt.link[:-1], follow_redirects=False))
    message, head = words("tools/call", {"name": "read_bearer", "arguments": {"kind": 5}})
    lent = ("x-upstream-authorization-mirror", f"Bearer {hunt.lent}")
    asyncio.get_running_loop().set_debug(True)
    for url in (hunt.url, hunt.url + "x", hunt.url + "/more", f"{house.url}/mcp", f"{house.url}/mcp/s/none"):
        for more in ((), (lent, lent), (("authorization", f"Bearer {hunt.token}"),), (("host", "elsewhere.example"),)):
            heads = [*head.items(), *more]
            hunt.took("refusals", await client.post(url, json=message, headers=heads))
            hunt.took("refusals", await client.post(url, content=b"{", headers=heads))
            hunt.took("refusals", await client.request("PUT", url, headers=list(more)))
    for path in (f"/nowhere/{hunt.token}", f"/api/v1/accounts/{hunt.token}", f"/connect/{hunt.token}", "/oauth/token"):
        for bearer in (hunt.owner, hunt.token, "wrong"):
            heads = [("authorization", f"Bearer {bearer}")]
            hunt.took("refusals", await client.get(house.url + path, headers=heads))
    asyncio.get_running_loop().set_debug(False)


LISTED = ("audit", "events", "catalogue")
"""Kinds whose items say nothing more than their lists do, or come with the package."""


async def admin(hunt: Hunt) -> None:
    """All that the admin API and the node tell, to the one who may read everything."""
    await hunt.house.node.flush()
    heads = {"authorization": f"Bearer {hunt.owner}"}
    kinds = (
        "tenants connectors accounts oauth-clients connect-sessions servers toolsets overlays api-tokens events audit "
        "health state grants catalogue openapi.json"
    )
    for kind in kinds.split():
        reply = hunt.took("admin", await hunt.client.get(f"{hunt.house.url}/api/v1/{kind}", headers=heads))
        assert reply.status_code < 500, (kind, reply.text)
        items = reply.json().get("items", []) if reply.status_code == 200 and kind not in LISTED else []
        for one in items:
            name = one.get("id") or one.get("slug")
            for below in ("", "/servers", "/versions", "/tokens", "/health", "/explain"):
                path = f"{hunt.house.url}/api/v1/{kind}/{name}{below}"
                hunt.took("admin", await hunt.client.get(path, headers=heads))
    for path in ("/healthz", "/readyz", "/metrics", "/", "/.well-known/oauth-protected-resource"):
        hunt.took("health", await hunt.client.get(hunt.house.url + path))
    hunt.take("state", repr(await hunt.house.node.state()))


async def wrong_credentials(hunt: Hunt) -> None:
    """Credentials that are refused are not repeated."""
    heads = {"authorization": f"Bearer {hunt.owner}"}
    bad = [hunt.canaries.add("refused key") + "\n\x00", {"deep": hunt.canaries.add("refused object")}, 7, None]
    for value in bad:
        for scheme in ("bearer", "basic", "nobody", "machine"):
            body = {"connector": "mirror", "credentials": {scheme: {"token": value, "client_secret": value}}}
            url = f"{hunt.house.url}/api/v1/accounts"
            reply = hunt.took("refused credentials", await hunt.client.post(url, json=body, headers=heads))
            assert reply.status_code >= 400
            whole = {**body, "credentials": {scheme: value}}
            hunt.took("refused credentials", await hunt.client.post(url, json=whole, headers=heads))


async def commands(hunt: Hunt) -> None:
    """What the command line says of a gateway's data, and the backup that it writes."""
    place = hunt.house.grounds.place
    env = {"APILOOM_KEY_FILE": str(place.key_file()), "APILOOM_DATA": str(place.folder)}
    assert place.folder is not None
    file = place.folder.parent / "backup.out"
    for words_ in (["db", "backup", str(file)], ["doctor", "--json"], ["pull"], ["account", "list", "--json"]):
        done = await asyncio.to_thread(
            subprocess.run,
            [*APILOOM, *words_],
            capture_output=True,
            timeout=60,
            check=False,
            env=clean_environment(str(place.folder.parent), env),
        )
        hunt.take(f"command {words_[0]}", done.stdout, done.stderr)
    assert file.stat().st_size > 10_000, "there was no backup to search"


class Failing:
    """A sender that fails as nobody expected, with what it was given in its hands."""

    async def send(self, request: Request) -> Response:
        held = request
        raise RuntimeError(f"it broke at {held.origin}")

    async def close(self) -> None:
        """Nothing to close."""


async def crashes(hunt: Hunt) -> None:
    """A failure deep inside, told in full: what every frame holds, and what the objects of the process show."""
    house = hunt.house
    account = next(iter(house.node.memory.accounts.values()))
    connection = await house.grounds.connections.connect(account)
    connector = house.node.memory.connectors["mirror"]
    shared = await house.grounds.artefacts.get(connector, 1)
    answering = house.grounds.connections.answering(connection, connector, shared)
    for scheme in SCHEMES.keys() - {"lent"}:
        tool = next(one for name, one in answering.loaded.tools.items() if scheme in name)
        backend = answering.backend(tool)
        plain = getattr(backend, "inner", backend)
        plain.sender = Failing()
        arguments = {"kind": "ok", "form": "plain"}
        with pytest.raises(RuntimeError) as caught:
            await backend.answer(Call(tool=tool.name, arguments=arguments))
        hunt.take(
            "crash",
            shown(caught.value),
            repr(backend),
            repr(connection),
            repr(backend.preview(Call(tool="", arguments=arguments))),
        )
    hunt.take("objects", objects())
    for task in asyncio.all_tasks():
        hunt.take("tasks", repr(task), *(repr(frame) for frame in task.get_stack()))


@asynccontextmanager
async def furnished(folder: Path) -> AsyncIterator[Hunt]:
    canaries = Canaries()
    with upstream(mirrored) as api, upstream(granting(canaries)) as provider:
        async with gateway(folder) as house, http() as client:
            hunt = Hunt(house, client, api, provider, canaries)
            await furnish(hunt)
            yield hunt


@pytest.mark.system
async def test_no_secret_leaves_the_house_on_any_road(tmp_path: Path) -> None:
    async with furnished(tmp_path) as hunt:
        with listening() as heard:
            for road in (every_answer, bad_requests, wrong_credentials, admin, commands, crashes):
                await road(hunt)
        hunt.take("logs", heard.text())
        for name, content in files(tmp_path, but=[hunt.house.grounds.place.key_file()]).items():
            hunt.take(name, content)
        reached = "\n".join(sent(seen).decode() for seen in hunt.api.seen)
        for scheme in (*STATIC[:1], "access token", "lent"):
            assert core_of(scheme) in reached, f"{scheme} was never sent: nothing was hunted"
        assert len(hunt.haul["answers"]) > 100_000
        assert "\n".join(map(str, hunt.found())) == ""


def test_no_secret_is_in_what_the_command_line_prints_or_writes(tmp_path: Path) -> None:
    canaries, out = Canaries(), tmp_path / "out"
    document_ = {
        "openapi": "3.1.0",
        "info": {"title": "Mirror", "version": "1"},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "components": {"securitySchemes": {name: SCHEMES[name] for name in STATIC}},
        "paths": {
            f"/m/{name}": {"get": {"operationId": f"read_{name}", "security": [{name: []}], "responses": {}}}
            for name in STATIC
        },
    }
    (tmp_path / "api.json").write_text(json.dumps(document_))
    given = {f"APILOOM_AUTH_{name.upper()}": canaries.add(name) for name in STATIC}
    given["APILOOM_AUTH_BASIC"] = f"me:{given['APILOOM_AUTH_BASIC']}"
    given["APILOOM_TOKEN"] = canaries.plain("gateway token")
    source = str(tmp_path / "api.json")
    asked = [["call", source, f"read_{name}", "--dry-run", "--json"] for name in ("query", "basic")]
    asked += [["call", source, "read_query", "--debug"], ["inspect", source, "--json"]]
    asked += [["export", source, "--to", kind, str(out / kind)] for kind in ("python", "config")]
    haul: dict[str, bytes | str] = {}
    for words_ in asked:
        done = subprocess.run(
            [*APILOOM, *words_],
            capture_output=True,
            timeout=60,
            check=False,
            env=clean_environment(str(tmp_path), given),
        )
        haul[" ".join(words_[:1] + words_[2:4])] = done.stdout + done.stderr
    haul |= files(out)
    assert b"***" in haul["call read_query --dry-run"]
    assert leaks(canaries, haul) == []
