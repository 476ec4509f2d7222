"""Signing in at two nodes on one PostgreSQL behind one address: each step may be taken at the other node."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest

from support.catalogs import OK
from support.devices import GRANT, GRANTS, sent
from support.gateway import PATHS, SCHEMES, ask, desk
from support.oidc import AuthorizationServer, authorization_server
from support.postgres import Postgres
from support.prism import free_port
from support.servers import serving
from support.signing_in import App, Person

pytestmark = pytest.mark.system

PATIENCE = 30.0
RULES = [
    {"when": {"email": ["alice@example.com"]}, "tenant": "default", "end_user": "{sub}"},
    {"when": {"email": ["olga@example.com"]}, "role": "operator"},
]
CALLBACK = "https://client.example/callback"


@dataclass
class Front:
    """One address before the nodes: each new connection goes to the node whose turn it is, so each request does."""

    ports: list[int] = field(default_factory=list)
    turns: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def nodes(self) -> list[str]:
        """Each node by itself."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self.ports[self.turns % len(self.ports)]
        self.turns += 1
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, there[1]), pour(there[0], writer))


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


def single() -> httpx.AsyncClient:
    """A client that makes a connection for each request."""
    return httpx.AsyncClient(timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Scene:
    front: Front
    http: httpx.AsyncClient
    app: App
    person: Person
    owner: str

    async def admin(self, method: str, path: str, body: Any = None, token: str = "") -> httpx.Response:
        head = {"authorization": f"Bearer {token or self.owner}"}
        return await self.http.request(method, f"{self.front.url}/api/v1{path}", json=body, headers=head)

    async def statuses(self, token: str, path: str = "/mcp") -> set[int]:
        """What each node answers whoever shows a token."""
        replies = [await ask(self.http, f"{node}{path}", "tools/list", token=token) for node in self.front.nodes]
        return {reply.status_code for reply in replies}

    async def become(self, token: str, status: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.statuses(token) != {status}:
                await asyncio.sleep(0.05)


def identity(file: Path, issuer: AuthorizationServer) -> None:
    facade = {
        "issuer": issuer.issuer,
        "client_id": "web",
        "client_secret": "env:SIGN_IN_SECRET",
        "scopes": ["openid", "email"],
        "principals": RULES,
        "devices": "all",
    }
    file.write_text(json.dumps({"facade": facade}))


@asynccontextmanager
async def scene(folder: Path, postgres: Postgres) -> AsyncIterator[Scene]:
    url = postgres.url(await postgres.database()).replace("+asyncpg", "")
    verified = {name: {"email_verified": True} for name in ("alice", "olga")}
    front, owner = Front(), folder / "owner"
    listening = await asyncio.start_server(front.join, "127.0.0.1", 0)
    front.port = listening.sockets[0].getsockname()[1]
    with ExitStack() as stack:
        upstream = stack.enter_context(desk())
        issuer = stack.enter_context(authorization_server(claims=verified, extra_claims=["email_verified"]))
        issuer.allow(f"{front.url}/oauth/callback")
        identity(folder / "identity.json", issuer)
        around = {
            "APILOOM_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "APILOOM_DATA": url,
            "SIGN_IN_SECRET": issuer.secret,
        }
        words = ["--public-url", front.url, "--identity", str(folder / "identity.json"), "--token-file"]
        front.ports = [free_port(), free_port()]
        for name, port in zip(("owner", "none"), front.ports, strict=True):
            stack.enter_context(serving(*words, str(folder / name), listen=f"127.0.0.1:{port}", environment=around))
        async with listening, single() as http, single() as browser:
            app = App(SimpleNamespace(url=front.url, settle=settled), http, redirect_uri=CALLBACK)  # type: ignore[arg-type]
            made = Scene(front, http, app, Person(client=browser), owner.read_text().strip())
            await furnish(made, upstream.api.url)
            yield made


async def settled() -> None:
    """Nobody waits for anything: each node must know by itself."""


async def furnish(made: Scene, base_url: str) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Desk", "version": "1"},
        "paths": {**PATHS, "/news": {"get": {"operationId": "readNews", "tags": ["notes"], "responses": OK}}},
        "components": {"securitySchemes": SCHEMES},
        "security": [{"token": []}],
    }
    source = {"slug": "desk", "source": {"text": json.dumps(document)}, "options": {"base_url": base_url}}
    credentials = {"connector": "desk", "credentials": {"token": {"token": "ada-secret"}}, "shared": True}
    assert (await made.admin("POST", "/connectors", source)).status_code == 201
    async with asyncio.timeout(PATIENCE):
        while (account := await made.admin("POST", "/accounts", credentials)).status_code != 201:
            await asyncio.sleep(0.1)
    reply = await made.admin("POST", "/servers", {"accounts": [account.json()["id"]], "name": "notes"})
    assert reply.status_code == 201, reply.text
    told = await made.app.register(grant_types=["authorization_code", *GRANTS])
    assert "client_id" in told, told


async def test_a_sign_in_goes_from_node_to_node(postgres: Postgres, tmp_path: Path) -> None:
    async with scene(tmp_path, postgres) as on:
        turns = on.front.turns
        came = on.app.came(await on.person.open(on.app.url(), until=(CALLBACK,)))
        code = await on.app.redeem(came["code"])
        assert code.status_code == 200, code.text
        given = code.json()
        assert on.front.turns - turns >= 4
        assert await on.statuses(given["access_token"]) == {200}
        # each refresh is answered by the node whose turn it is; one that is late by the present token
        first = given["refresh_token"]
        for _ in range(4):
            given = (await on.app.refresh(given["refresh_token"])).json()
            assert await on.statuses(given["access_token"]) == {200}
        async with single() as other:
            rivals = [App(on.app.house, client, id=on.app.id) for client in (on.http, other)]
            shown = given["refresh_token"]
            replies = await asyncio.gather(*(app.refresh(shown) for app in rivals for _ in range(5)))
        assert {reply.status_code for reply in replies} == {200}
        assert len({reply.json()["refresh_token"] for reply in replies}) == 1
        token = replies[0].json()["access_token"]
        # a token from long before ends it at both
        assert (await on.app.refresh(first)).json()["error"] == "invalid_grant"
        await on.become(token, 401)


async def test_a_device_begins_here_is_let_in_there_and_ended_by_somebody_else(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with scene(tmp_path, postgres) as on:
        form = {"client_id": on.app.id, "resource": f"{on.front.url}/mcp"}
        told = (await on.http.post(f"{on.front.url}/oauth/device_authorization", data=form)).json()
        asking = {"grant_type": GRANT, "client_id": on.app.id, "device_code": told["device_code"]}
        waiting = [await on.http.post(f"{node}/oauth/token", data=asking) for node in on.front.nodes]
        assert {reply.json()["error"] for reply in waiting} == {"authorization_pending"}
        browser = on.person.client
        page = await sent(await browser.get(told["verification_uri"]), told["user_code"], browser)
        assert page.status_code == 200, page.text
        onward = page.text.split('<a href="')[1].split('"')[0].replace("&amp;", "&")
        await on.person.open(onward)
        assert "Go back to your device" in on.person.seen[-1]
        interval = float(told["interval"])
        async with asyncio.timeout(PATIENCE):
            while (reply := await on.app.post(asking)).status_code != 200:
                assert reply.json()["error"] == "slow_down", reply.text
                await asyncio.sleep(interval := interval + 5)
        token = reply.json()["access_token"]
        assert await on.statuses(token) == {200}
        items = (await on.admin("GET", "/sign-ins")).json()["items"]
        (living,) = (each for each in items if each["client"] == on.app.id)
        assert (living["tenant"], living["redirect_uri"]) == ("default", None)
        assert (await on.admin("DELETE", f"/sign-ins/{living['id']}")).status_code == 200
        await on.become(token, 401)
        assert (await on.app.refresh(reply.json()["refresh_token"])).json()["error"] == "invalid_grant"
