"""A gateway with an API that takes keys, logins or OAuth, and people who open its connect pages with a browser each."""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2 as httpx

from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.connect_create import Started, create_session
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.store.records import OAuthClient, Tenant
from support.catalogs import OK, catalog_of
from support.gateway import Gateway, gateway
from support.oidc import AuthorizationServer

VENDOR = "http://vendor.localhost:9"
SCHEMES = {
    "Key": {"type": "apiKey", "in": "header", "name": "X-Key", "description": "Found under Settings, API."},
    "Login": {"type": "http", "scheme": "basic"},
    "Hook": {"type": "http", "scheme": "bearer"},
    "Account": {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": "https://auth.example.com/authorize",
                "tokenUrl": "https://auth.example.com/token",
                "scopes": {"openid": "Know who you are", "email": "See your address", "profile": "See your name"},
            }
        },
    },
}
PATHS: Mapping[str, Any] = {
    "/notes": {"get": {"operationId": "listNotes", "summary": "List notes", "responses": OK}},
    "/notes/{id}": {
        "get": {
            "operationId": "getNote",
            "summary": "Read a note",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": OK,
        }
    },
}
KEYS = [{"Key": []}]
LOGINS = [{"Login": []}]
EITHER = [{"Account": ["openid", "email"]}, {"Key": []}]
REGION = [{"url": "https://{region}.notes.example.com", "variables": {"region": {"default": "your-region"}}}]


def notes(security: list[Any] | None = None, servers: list[Any] | None = None) -> bytes:
    """The artefact of a small API."""
    more = {"servers": servers} if servers else {}
    return pack(catalog_of(PATHS, {}, SCHEMES, security=EITHER if security is None else security, **more))


@dataclass
class ConnectHouse:
    """A running gateway, and what its vendor does."""

    gateway: Gateway

    async def start(self, **wanted: Any) -> Started:
        """A session for somebody, made by the host."""
        made = await create_session(self.gateway.ground, HOST, {"tenant": "acme", **wanted})
        await self.gateway.settle()
        return made

    async def client(self, server: AuthorizationServer, name: str = "web", **more: Any) -> OAuthClient:
        """The vendor's OAuth client at a provider, which is told where people come back to."""
        server.allow(f"{self.gateway.url}/connect/callback")
        wanted = {
            "connector": "notes",
            "scheme": "Account",
            "client_id": name,
            "secret": {"client_secret": server.secret},
            "endpoints": {"issuer": server.issuer},
            **more,
        }
        made = await create_oauth_client(self.gateway.ground, HOST, wanted)
        await self.gateway.settle()
        return made

    async def kept(self, rows: str) -> list[Any]:
        async with self.gateway.ground.store.reading() as work:
            found: list[Any] = list(await getattr(work.house(), rows).every())
        return found


@asynccontextmanager
async def connect_house(
    folder: Path, artefact: bytes | None = None, base_url: str = "https://notes.example.com", **more: Any
) -> AsyncIterator[ConnectHouse]:
    """A gateway with the connector ``notes`` and the tenant ``acme``, whose pages may stand at :data:`VENDOR`."""
    async with gateway(folder, **more) as served:
        served.clock.now = time.time()  # a provider's statements are checked by it
        async with served.ground.store.writing() as work:
            await work.house().tenants.add(
                Tenant(id="acme", name="Acme Inc.", metadata={"connect_origins": [VENDOR, "https://app.example.com"]})
            )
        await served.connector("notes", base_url, notes() if artefact is None else artefact)
        yield ConnectHouse(served)


_FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_INPUT = re.compile(r"<input[^>]*>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_ONWARD = re.compile(r'<meta http-equiv="refresh" content="\d+; url=([^"]*)"')
_LINE = re.compile(r"<[^>]+>")


@dataclass
class Shown:
    """A page as it was answered."""

    reply: httpx.Response

    @property
    def status(self) -> int:
        return self.reply.status_code

    @property
    def text(self) -> str:
        """What a person reads."""
        body = re.sub(r"<style.*?</style>|<script.*?</script>|<head>.*?</head>", "", self.reply.text, flags=re.DOTALL)
        return " ".join(html.unescape(_LINE.sub(" ", body)).split())

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the form."""
        found = _FORM.search(self.reply.text)
        told = [dict(_ATTRIBUTE.findall(tag)) for tag in _INPUT.findall(found[2])] if found else []
        return {each["name"]: html.unescape(each.get("value", "")) for each in told if "name" in each}

    @property
    def action(self) -> str:
        found = _FORM.search(self.reply.text)
        assert found, self.text
        return html.unescape(found[1])

    @property
    def onward(self) -> str:
        """Where the page leads by itself."""
        found = _ONWARD.search(self.reply.text)
        return html.unescape(found[1]) if found else ""

    def header(self, name: str) -> str:
        return str(self.reply.headers.get(name, ""))


OPENED = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "cross-site"}


@dataclass
class Visitor:
    """A person's browser, as far as a page without scripts needs one."""

    client: httpx.AsyncClient
    origin: str
    seen: list[str] = field(default_factory=list)

    async def open(self, url: str, **headers: str) -> Shown:
        """Navigate somewhere and follow what the gateway says."""
        reply = await self.client.get(url, headers={**OPENED, **headers})
        return await self._followed(reply)

    async def send(self, page: Shown, headers: Mapping[str, str] | None = None, **typed: str) -> Shown:
        """Send a page's form; ``Key=…`` fills in the field that belongs to the scheme."""
        fields = page.fields
        for name, value in typed.items():
            place = next((one for one in fields if one == name or name in one.split(":")), name)
            fields[place] = value
        sent = {"origin": self.origin, "sec-fetch-site": "same-origin"} if headers is None else dict(headers)
        reply = await self.client.post(f"{self.origin}{page.action}", data=fields, headers=sent)
        return await self._followed(reply)

    async def _followed(self, reply: httpx.Response) -> Shown:
        for _ in range(5):
            if reply.status_code != 303:
                break
            place = reply.headers["location"]
            self.seen.append(place)
            reply = await self.client.get(f"{self.origin}{place}", headers=OPENED)
        return Shown(reply)


@asynccontextmanager
async def visitor(house: ConnectHouse) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own."""
    async with httpx.AsyncClient(timeout=30) as client:
        yield Visitor(client, house.gateway.url)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))
