"""A house with an account that has every credential there is, and an API and a provider that tell all they are told."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import patch_account
from apiloom.flows.connect_create import create_session
from apiloom.flows.oauth_clients import create_oauth_client
from support.catalogs import catalog_of
from support.gateway import gateway, http, words
from support.harvest import harvesting
from support.hunting import Hunt as House
from support.hunting import own_temporary_files
from support.leaks import Canaries
from support.mirror_elsewhere import Elsewhere, Far, elsewhere
from support.openbao import OpenBao
from support.tls import identity
from support.upstream import Answer, Seen, Upstream, upstream

_CLIENT = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example/t", "scopes": {}}}}
SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "custom": {"type": "http", "scheme": "token"},
    "template": {"type": "apiKey", "in": "header", "name": "X-Auth"},
    "aws": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
    "tls": {"type": "mutualTLS"},
    "environment": {"type": "apiKey", "in": "header", "name": "X-From-Environment"},
    "file": {"type": "apiKey", "in": "header", "name": "X-From-File"},
    "machine": _CLIENT,
    "signed": _CLIENT,
    "renewed": _CLIENT,
    "service": _CLIENT,
    "whole": _CLIENT,
    "lent": {"type": "http", "scheme": "bearer"},
}
OAUTH = ("machine", "signed", "renewed", "service", "whole")
STATIC = ("bearer", "basic", "header", "query", "cookie", "custom")
_WORD = re.compile(rb"[^A-Za-z0-9 ]")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "json": lambda raw: json.dumps({"it": raw.decode("latin-1")}).encode(),
    "json2": lambda raw: json.dumps(json.dumps(raw.decode("latin-1"))).encode(),
    "base64": base64.b64encode,
    "base64a": lambda raw: base64.b64encode(b"x" + raw),
    "base64b": lambda raw: base64.b64encode(b"xx" + raw),
    "base64url": base64.urlsafe_b64encode,
    "base64urla": lambda raw: base64.urlsafe_b64encode(b"x" + raw).rstrip(b"="),
    "base64urlb": lambda raw: base64.urlsafe_b64encode(b"xx" + raw).rstrip(b"="),
    "url": lambda raw: quote(raw, safe="").encode(),
    "url2": lambda raw: quote(quote(raw, safe=""), safe="").encode(),
    "hex": lambda raw: raw.hex().encode(),
    "hexupper": lambda raw: raw.hex().upper().encode(),
    "hexcolons": lambda raw: raw.hex(":").encode(),
    "hexspaces": lambda raw: raw.hex(" ").upper().encode(),
    "escaped": lambda raw: _WORD.sub(lambda sign: b"\\u%04x" % sign[0][0], raw),
    "entities": lambda raw: _WORD.sub(lambda sign: b"&#x%X;" % sign[0][0], raw),
    "utf16": lambda raw: raw.decode("latin-1").encode("utf-16"),
    "utf16be": lambda raw: raw.decode("latin-1").encode("utf-16-be"),
}
"""How the upstream writes back all that it was sent."""

FILLING = b"\0\1" * 500
STATUSES = {"teapot": 418, "denied": 401, "limited": 429, "fails": 500, "moved": 302, "empty": 204}
LARGE = ("plain", "base64a", "hex")
WIDE = ("utf16", "utf16be")
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
    escaped = line if form in ("hexcolons", "hexspaces") else quote(line)
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


@dataclass(repr=False, kw_only=True)
class Hunt(House):
    """A gateway with an account that has every credential, the API that they are for and who gives its tokens."""

    api: Upstream
    provider: Upstream
    url: str = ""
    token: str = ""
    lent: str = ""
    link: str = ""
    folder: Path
    elsewhere: Elsewhere
    far: str = ""
    """The URL of a server with an account whose every secret lies elsewhere."""
    refusing: int = 0
    """The status that the provider refuses with; 0: it gives."""


# -- fields ------------------------------------------------------------------------------------------------------------


def granting(canaries: Canaries, hunts: list[Hunt]) -> Callable[[Seen], Answer]:
    """A token endpoint whose tokens are canaries, and which tells all it was sent when it refuses."""
    tokens = {kind: canaries.plain(f"{kind} token") for kind in ("access", "refresh", "next refresh")}
    identity_ = canaries.plain("id token")
    given = {
        "access_token": tokens["access"],
        "refresh_token": tokens["next refresh"],
        "id_token": f"e30.{identity_}.x",
        "token_type": "Bearer",
        "expires_in": 3600,
    }

    def answer(seen: Seen) -> Answer:
        form = {name: one[0] for name, one in parse_qs(seen.body.decode()).items()}
        if "assertion" in form or "client_assertion" in form:
            canaries.add(f"assertion {len(hunts[0].provider.seen)}", form.get("assertion") or form["client_assertion"])
        status = hunts[0].refusing
        if not status:
            return Answer(given)
        told = {"error": "invalid_grant" if status == 400 else "odd", "error_description": f"{seen.headers} {form}"}
        heads = {"Location": f"https://elsewhere.example/?{quote(str(form))}"} if status == 302 else {}
        return Answer({**told, "error_uri": f"https://x.example/{quote(str(form))}"}, status, headers=heads)

    return answer


@dataclass
class Keys:
    """Private keys, each with a canary for each of its lines that says something."""

    canaries: Canaries

    def add(self, name: str, pem: str) -> str:
        lines = [line for line in pem.splitlines() if not line.startswith("-----")]
        for number, line in enumerate(one for one in lines[1:] if len(one) > 40):
            self.canaries.add(f"{name} line {number}", line)
        return pem


def credentials(canaries: Canaries, at: str, folder: Path) -> dict[str, Any]:
    """A credential of every form, each with a canary in every member that is a secret."""
    keys = Keys(canaries)
    (folder / "secret").write_text(canaries.add("referenced file"))
    (folder / "secret").chmod(0o600)
    service, whole = (keys.add(f"{name} key", pem()) for name in ("service", "whole service"))
    told = {"private_key_id": "1", "client_email": "loom@example.com", "token_uri": at}
    shown_to = identity("mirror", "127.0.0.1")
    certificate = shown_to.certificate_pem.decode()
    return {
        "bearer": {"token": canaries.add("bearer")},
        "basic": {"username": "me", "password": canaries.add("password")},
        "header": {"key": canaries.add("header key")},
        "query": {"key": canaries.add("query key")},
        "cookie": {"key": canaries.add("cookie key")},
        "custom": {"token": canaries.plain("custom scheme")},
        "template": {"headers": {"X-Auth": "Token {a}"}, "values": {"a": canaries.add("template value")}},
        "aws": {
            "access_key_id": canaries.plain("AWS key id"),
            "secret_access_key": canaries.add("AWS secret key"),
            "session_token": canaries.add("AWS session token"),
            "region": "eu-west-1",
            "service": "execute-api",
        },
        "tls": {
            "certificate": certificate,
            "private_key": keys.add("certificate key", shown_to.pem.decode().removeprefix(certificate)),
        },
        "environment": {"ref": "env:MIRROR_SECRET"},
        "file": {"ref": f"file:{folder / 'secret'}"},
        "machine": {"client_id": "loom", "client_secret": canaries.add("own client secret"), "token_url": at},
        "signed": {"client_id": "loom", "private_key": keys.add("client key", pem()), "key_id": "1", "token_url": at},
        "renewed": {
            "client_id": "loom",
            "client_secret": canaries.add("other client secret"),
            "access_token": canaries.plain("brought access token"),
            "refresh_token": canaries.plain("brought refresh token"),
            "expires_at": 1_000_000_000,
            "token_url": at,
        },
        "service": {"service_account": {"private_key": service, **told}},
        "whole": {"service_account": {"private_key": whole, **told}},
    }


async def furnish(hunt: Hunt, folder: Path) -> None:
    """Put a canary into every field."""
    house, canaries, at = hunt.house, hunt.canaries, f"{hunt.provider.url}/token"
    given = credentials(canaries, at, folder)
    await house.connector("mirror", hunt.api.url, document())
    account = await house.account("mirror", credentials=given)
    before = {**given, "bearer": {"token": canaries.add("replaced bearer")}}
    await house.done(patch_account(house.ground, HOST, account.id, {"credentials": before}))
    await house.done(patch_account(house.ground, HOST, account.id, {"credentials": given}))
    for scheme, proof in {
        "machine": {"client_secret": canaries.add("house client secret")},
        "signed": {"private_key": Keys(canaries).add("house client key", pem()), "key_id": "1", "algorithm": "RS256"},
        "service": {"ref": "env:MIRROR_CLIENT"},
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
    far = hunt.elsewhere.referring(credentials(Far(canaries), at, hunt.elsewhere.folder))
    elsewhere_ = await house.account("mirror", credentials=far)
    opened_far = await house.server(name="far", accounts=[elsewhere_.id])
    hunt.far = house.at(opened_far)
    canaries.add("far server token", opened_far.issued.text)
    canaries.add("server token", opened.issued.text)
    hunt.token = canaries.add("agent token", await house.api_token(tenant="default"))
    hunt.owner = canaries.add("owner token", await house.api_token("owner"))
    hunt.lent = canaries.add("lent")
    hunt.link = (await house.done(create_session(house.ground, HOST, {"connector": "mirror"}))).url
    canaries.add("connect link", hunt.link.rpartition("/")[2])
    key_file(hunt, "first")


def key_file(hunt: Hunt, when: str) -> None:
    """What the file of the key-encryption key says. The keys under it are taken down as they are unwrapped."""
    held = hunt.house.grounds.place.key_file().read_text()
    for number, word in enumerate(word for word in held.split() if len(word) > 30):
        hunt.canaries.add(f"key file {when} {number}", word)


@asynccontextmanager
async def furnished(folder: Path, openbao: OpenBao) -> AsyncIterator[Hunt]:
    """A house with every secret there is. What it draws, unwraps and holds meanwhile is looked for as well."""
    canaries = Canaries()
    around = {name: canaries.add(f"referenced {name}") for name in ("MIRROR_SECRET", "MIRROR_CLIENT")}
    with (
        upstream(mirrored) as api,
        own_temporary_files(folder),
        harvesting(canaries) as harvest,
        elsewhere(folder, openbao, canaries) as places,
    ):
        places.environment.update(around)
        async with gateway(folder, surroundings=places.environment) as house, http() as client:
            places.environment = house.grounds.place.environment  # type: ignore[assignment]  # the tests' own
            hunts: list[Hunt] = []
            with upstream(granting(canaries, hunts)) as provider:
                hunt = Hunt(
                    house=house,
                    client=client,
                    api=api,
                    provider=provider,
                    canaries=canaries,
                    harvest=harvest,
                    folder=folder,
                    elsewhere=places,
                )
                hunts.append(hunt)
                await furnish(hunt, folder)
                yield hunt


async def call(hunt: Hunt, tool: str, kind: str, form: str, *heads: tuple[str, str], url: str = "") -> None:
    """One call, and whatever it left behind to be read."""
    message, head = words("tools/call", {"name": tool, "arguments": {"kind": kind, "form": form}})
    message["params"]["_meta"] = {**message["params"]["_meta"], "progressToken": "p"}
    asked = hunt.client.post(url or hunt.url, json=message, headers=[*head.items(), *heads])
    reply = hunt.took("answers", await asked)
    last = reply.text.strip().rpartition("data: ")[2].strip() if "data: " in reply.text else reply.text
    result = json.loads(last).get("result")
    assert result is not None, (tool, kind, form, last[:300])
    for part in result["content"]:
        if part["type"] == "resource_link":
            message, head = words("resources/read", {"uri": part["uri"]})
            head = {**head, "mcp-name": part["uri"], **dict(heads)}
            reply = await hunt.client.post(url or hunt.url, json=message, headers=head)
            assert reply.status_code == 200, (tool, kind, form, reply.text)
            blobs = [base64.b64decode(one["blob"]) for one in reply.json()["result"]["contents"]]
            hunt.take("kept files", *(blob.replace(FILLING, b"") for blob in blobs))
