"""An admin API on a store in memory, with principals by token, and a way to ask it.

Imports are real and run in a thread; what versions say is read from real artefacts; what seals only marks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base import json
from apiloom.console.api.build import build_api
from apiloom.flows.ground import Imports
from apiloom.identity.principal import Principal
from apiloom.net.inprocess import InProcess
from apiloom.net.request import Request
from apiloom.store.ports import Store
from support.grounds import ground_on
from support.importing import ThreadImports
from support.memory_store import MemoryStore

PETS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://pets.example.com"}],
    "components": {"securitySchemes": {"ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    "security": [{"ApiKeyAuth": []}],
    "paths": {
        "/pets": {
            "get": {"operationId": "listPets", "tags": ["pets"], "responses": {"200": {"description": "pets"}}},
            "post": {
                "operationId": "addPet",
                "tags": ["pets"],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"201": {"description": "a pet"}},
            },
        },
        "/shops": {"get": {"operationId": "listShops", "tags": ["shops"], "responses": {"200": {"description": "x"}}}},
    },
}


def text_of(document: Any) -> str:
    return json.dumps(document).decode()


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass
class AdminHouse:
    """``who`` gives principals by the token that is shown; ``ask`` sends one request and gives the answer."""

    store: Store = field(default_factory=MemoryStore)
    who: dict[str, Principal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        async def test_call(account: str, tool: str) -> Mapping[str, Any]:
            return {"ok": True, "tool": tool or "list_pets"}

        grounds = ground_on(self.store, test_call=test_call)
        self.clock = grounds.clock
        self.ground = replace(grounds.ground, imports=ThreadImports())
        self.who.setdefault("owner", Principal(id="key_owner", role="owner", token="key_owner"))
        self.mount()

    def mount(self, *, imports: Imports | None = None, **more: Any) -> None:
        """Build the API, with other imports or further parts of it."""
        if imports is not None:
            self.ground = replace(self.ground, imports=imports)
        self.app = build_api(self.ground, self.who.get, **more)
        self._sender = InProcess(self.app)

    def principal(self, name: str, role: str, tenant: str = "", **more: Any) -> str:
        """Make somebody; the name is their token."""
        self.who[name] = Principal(id=f"key_{name}", token=f"key_{name}", role=role, tenant=tenant, **more)  # type: ignore[arg-type]
        return name

    async def pets(self) -> None:
        """Import the pets; the second of their four versions is served, the first was before, the rest are proposed."""
        made = await self.ask("POST", "/connectors", {"slug": "pets", "source": {"text": text_of(PETS)}})
        assert made.status == 201, made.value
        for number in (2, 3, 4):
            path = {f"/more{number}": {"get": {"operationId": f"more{number}", "responses": {}}}}
            document = {**PETS, "paths": {**PETS["paths"], **path}}
            body = {"source": {"text": text_of(document)}}
            assert (await self.ask("POST", "/connectors/pets/versions", body)).status == 201
            self.clock.now += 1
            if number == 2:
                assert (await self.ask("POST", "/connectors/pets/versions/2/promote")).status == 200

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "owner",  # noqa: S107 - a name
        **headers: str,
    ) -> Answered:
        heads = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if token:
            heads.append(("authorization", f"Bearer {token}"))
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        if content is not None and "content_type" not in headers:
            heads.append(("content-type", "application/json"))
        async with asyncio.timeout(20):
            answer = await self._sender.send(
                Request(method=method, origin="http://localhost", target=path, headers=heads, body=content)
            )
        return Answered(answer.status, dict(answer.headers), answer.body)
