"""Tenants whose every object carries a word of theirs, and callers whose answers are searched for words of others.

A gateway in this process over a real store; whoever asks, asks over HTTP. ``World.ask`` and ``World.mcp`` fail the test
when an answer holds a word, an id or a token of a tenant that is not the caller's.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2 as httpx

from apiloom.base import json
from apiloom.store.kinds import KINDS
from apiloom.store.records import TokenFamily
from support.gateway import PATHS, Gateway, document, gateway, http, words
from support.upstream import Answer, Seen, Upstream, upstream

TENANTS = ("acmecanary", "globexcanary", "initecanary")
"""Ids that are words of their tenants as well: whatever holds one of them is about that tenant."""

ONLY = {tenant: f"{tenant[:6]}only" for tenant in TENANTS}
"""Connectors that are shown to one tenant alone."""

KINDS_SEEN = (
    "accounts",
    "servers",
    "api-tokens",
    "overlays",
    "toolsets",
    "connectors",
    "tenants",
    "oauth-clients",
    "connect-sessions",
    "sign-ins",
    "events",
)
_SECRETS = ("url", "token", "handle")
_REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')


@dataclass(frozen=True)
class Caller:
    """Somebody who asks. ``token`` is an API token, or for ``kind`` ``server`` that of a server."""

    tenant: str
    kind: str
    token: str


@dataclass
class Answered:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body) if self.body else None

    def told(self, *ids: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """All of it but its time and number, with ids written as one word."""
        own = {"date", "x-request-id"}
        headers = [(name, value) for name, value in self.headers if name not in own]
        body = _REQUEST_ID.sub(b"", self.body)
        for id_ in ids:
            body = body.replace(id_.encode(), b"ID")
        return self.status, headers, body


@dataclass
class World:
    """A gateway with tenants. ``ids`` are what each tenant has, by kind; ``secrets`` all that names or opens it."""

    house: Gateway
    client: httpx.AsyncClient
    api: Upstream
    owner: str = ""
    callers: list[Caller] = field(default_factory=list)
    ids: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    secrets: dict[str, set[str]] = field(default_factory=dict)
    urls: dict[str, list[str]] = field(default_factory=dict)
    resources: dict[str, list[str]] = field(default_factory=dict)
    sessions: dict[str, list[str]] = field(default_factory=dict)
    asked: int = 0

    # asking

    async def send(
        self, token: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """One request to the admin API, as it comes back."""
        given = {"authorization": f"Bearer {token}", **(headers or {})}
        self.asked += 1
        reply = await self.client.request(method, f"{self.house.url}/api/v1{path}", json=body, headers=given)
        return Answered(reply.status_code, list(reply.headers.items()), reply.content)

    async def ask(
        self, who: Caller, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """One request to the admin API, whose answer tells nothing of other tenants."""
        answer = await self.send(who.token, method, path, body, headers)
        assert answer.status < 500, (who, method, path, body, answer)
        self.judge(who, f"{method} {path} {json.dumps(body).decode()} {headers}", answer)
        if answer.status == 201:
            self.learn(who.tenant, answer.value)
        return answer

    async def mcp(
        self, who: Caller, path: str, method: str, params: dict[str, Any] | None = None, *, bearer: bool = True
    ) -> Answered:
        """One modern MCP request, whose answer tells nothing of other tenants."""
        message, head = words(method, params)
        if params and "uri" in params:
            head["mcp-name"] = params["uri"]
        if bearer:
            head["authorization"] = f"Bearer {who.token}"
        self.asked += 1
        reply = await self.client.post(f"{self.house.url}{path}", json=message, headers=head)
        answer = Answered(reply.status_code, list(reply.headers.items()), reply.content)
        assert answer.status < 500, (who, path, message, answer)
        self.judge(who, f"{path} {json.dumps(message).decode()}", answer)
        return answer

    def judge(self, who: Caller, said: str, answer: Answered) -> None:
        """Fail where an answer holds what is another tenant's, unless it repeats what was asked."""
        text = (answer.body.decode() + repr(answer.headers)).lower()
        said = f"{said} {unquote(said)}".lower()
        for tenant in TENANTS:
            if tenant != who.tenant:
                for secret in self.secrets[tenant]:
                    assert secret not in text or secret in said, (who, said, secret, answer)

    def learn(self, tenant: str, value: Any) -> None:
        """Take note of whatever names or opens something of a tenant."""
        if not isinstance(value, Mapping):
            return
        known = self.secrets[tenant]
        for name in ("id", "token_id", *_SECRETS):
            if isinstance(value.get(name), str):
                known.add(value[name].rpartition("/mcp/")[2].lower())
        if isinstance(value.get("url"), str):
            self.urls[tenant].append(value["url"].removeprefix(self.house.url))

    async def legacy(self, who: Caller, path: str, method: str, session: str = "") -> Answered:
        """One request of a session, or the one that opens it."""
        head = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2025-11-25",
            "authorization": f"Bearer {who.token}",
        }
        params: dict[str, Any] = {}
        if session:
            head["mcp-session-id"] = session
        else:
            client = {"name": "t", "version": "0"}
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.asked += 1
        reply = await self.client.post(f"{self.house.url}{path}", json=message, headers=head)
        answer = Answered(reply.status_code, list(reply.headers.items()), reply.content)
        self.judge(who, f"{path} {session}", answer)
        return answer

    # what there is

    async def records(self, tenant: str) -> dict[str, dict[str, Any]]:
        """Every record of a tenant as the store has it, by kind and id; lines and remembered answers apart."""
        kept: dict[str, dict[str, Any]] = {}
        async with self.house.ground.store.reading() as work:
            house = work.house()
            for kind in KINDS:
                if kind.shown != "house" and kind.rows not in ("connectors", "versions", "audit", "remembered"):
                    rows = await getattr(house, kind.rows).every({kind.owner: tenant})
                    kept[kind.rows] = {record.id: record for record in rows}
        return kept

    async def refresh(self, tenant: str) -> None:
        """Look what a tenant has now."""
        kept = await self.records(tenant)
        self.ids[tenant] = {name: sorted(each) for name, each in kept.items()}
        self.ids[tenant] |= {"connectors": [ONLY[tenant]], "tenants": [tenant]}
        for each in kept.values():
            self.secrets[tenant] |= {id_.lower() for id_ in each}

    def of(self, tenant: str, kind: str) -> list[str]:
        return self.ids[tenant].get(kind, [])


def large(seen: Seen) -> Answer:
    """The upstream: it tells whose credentials it was shown, and of a note called ``large`` very much of that."""
    whose = seen.headers.get("authorization", "").removeprefix("Bearer ").partition("-")[0]
    much = f"{whose} " * (2_000 if seen.target.endswith("/large") else 1)
    return Answer({"path": seen.target, "whose": whose, "text": much})


@asynccontextmanager
async def world(folder: Path, data: str = "") -> AsyncIterator[World]:
    """Three tenants with one of everything, a connector for each alone and two for all, on a store of any sort."""
    async with AsyncExitStack() as stack:
        api = stack.enter_context(upstream(large))
        house = await stack.enter_async_context(gateway(folder, data=data))
        client = await stack.enter_async_context(http())
        made = World(house, client, api)
        made.owner = await house.api_token("owner")
        for slug in ("desk", "shelf"):
            await house.connector(slug, api.url)
        for tenant in TENANTS:
            await _furnish(made, tenant)
        yield made


async def _furnish(made: World, tenant: str) -> None:
    house = made.house
    made.secrets[tenant], made.urls[tenant], made.resources[tenant] = {tenant}, [], []
    made.sessions[tenant] = []

    async def owner(method: str, path: str, body: Any) -> Any:
        answer = await made.send(made.owner, method, path, body)
        assert answer.status in (200, 201), answer
        made.learn(tenant, answer.value)
        return answer.value

    await owner("POST", "/tenants", {"id": tenant, "name": f"{tenant} Inc", "external_id": f"x-{tenant}"})
    paths = {f"/{tenant}": {"get": {"operationId": f"read_{tenant}", "tags": [tenant], "summary": tenant}}}
    for operation in paths.values():
        operation["get"]["responses"] = PATHS["/notes"]["get"]["responses"]
    secret = document({**PATHS, **paths})
    await house.connector(ONLY[tenant], made.api.url, secret, tenants=(tenant,), metadata={"plan": tenant})
    made.secrets[tenant].add(ONLY[tenant])
    marked = {"label": tenant, "external_id": f"x-{tenant}", "metadata": {"note": tenant}}
    held = {"token": {"token": f"{tenant}-secret"}}
    accounts = [
        await owner("POST", "/accounts", {"tenant": tenant, "connector": slug, "credentials": held, **more})
        for slug, more in (
            ("desk", marked),
            (ONLY[tenant], {"label": tenant}),
            ("shelf", {"label": f"{tenant} shared", "shared": True}),
            ("shelf", {"label": f"{tenant} ann", "end_user": f"ann-{tenant}"}),
        )
    ]
    kept = {"config": {"methods": ["read", "write"], "result_tokens": 300}}
    servers = [
        await owner("POST", "/servers", {"tenant": tenant, "name": f"{tenant} {number}", **wanted})
        for number, wanted in enumerate(
            (
                {"accounts": [accounts[0]["id"]], "metadata": {"note": tenant}, "external_id": f"x-{tenant}", **kept},
                {"accounts": [accounts[1]["id"]], "connectors": ["shelf"]},
                {"connectors": ["shelf"], "config": {"require_api_token_auth": True}},
                {"connectors": ["shelf"], **kept},
            )
        )
    ]
    await owner("POST", f"/servers/{servers[0]['id']}/tokens", {"label": tenant})
    edit = {"tools": {"list_notes": {"title": tenant, "description": f"Lists the notes of {tenant}."}}}
    for layer, target in (("tenant", ""), ("account", accounts[0]["id"]), ("server", servers[3]["id"])):
        slug = "shelf" if layer == "server" else "desk"
        place = {"layer": layer, "connector": slug, "patch": {**edit, "instructions": f"Ask {tenant}."}}
        await owner("POST", "/overlays", {**place, **({"target": target} if target else {"tenant": tenant})})
    chosen = {"tenant": tenant, "name": "mine", "title": tenant, "select": {"tags": ["notes"]}}
    await owner("POST", "/toolsets", {"connector": "desk", **chosen})
    app = {"tenant": tenant, "connector": "desk", "client_id": tenant, "secret": f"{tenant}-secret", "label": tenant}
    await owner("POST", "/oauth-clients", app)
    link = {"tenant": tenant, "connector": "desk", "end_user": tenant, "label": tenant, "look": {"name": tenant}}
    await owner("POST", "/connect-sessions", link)
    signed_in = TokenFamily(
        id=f"fam_{tenant}",
        tenant=tenant,
        client=f"https://{tenant}.example/app.json",
        subject=f"oidc:{tenant}",
        principal={"role": "agent", "servers": [f"{tenant} 0"], "end_user": f"ann-{tenant}"},
        resource="/mcp",
        digest=tenant.encode(),
        expires_at=made.house.clock.now + 86400,
    )
    async with made.house.ground.store.writing() as work:
        await work.house().token_families.add(signed_in)
    for kind, more in (
        ("tenant-admin", {}),
        ("operator", {}),
        ("auditor", {}),
        ("agent", {}),
        ("agent", {"servers": [servers[0]["id"], servers[2]["id"]]}),
        ("agent", {"end_user": f"ann-{tenant}"}),
        ("tenant-admin", {"end_user": f"ann-{tenant}"}),
    ):
        token = await owner("POST", "/api-tokens", {"name": tenant, "role": kind, "tenant": tenant, **more})
        made.callers.append(Caller(tenant, kind, token["token"]))
    for server in servers:
        made.callers.append(Caller(tenant, "server", server["url"].rpartition("/")[2]))
    await made.refresh(tenant)


def stranger(id_: str) -> str:
    """An id of the same form that nobody has."""
    at = len(id_) - 1
    other = random.Random(id_).choice([letter for letter in "bcdfghkm" if letter != id_[at]])
    return id_[:at] + other
