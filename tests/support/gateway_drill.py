"""Somebody who changes a gateway without pause and notes what it has acknowledged: for tests that kill it meanwhile."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx

from support.importing import described

PATIENCE = 30.0


@dataclass
class Noted:
    """What was acknowledged. What was on its way is ``served`` as one of several, or in neither set of tokens."""

    versions: dict[int, str] = field(default_factory=dict)
    served: set[int] = field(default_factory=set)
    servers: dict[str, str] = field(default_factory=dict)
    """Secret tokens that live, with the ids of their servers."""
    gone: set[str] = field(default_factory=set)
    """Tokens that were revoked."""
    answers: int = 0


class Drill:
    """Imports, promotions, rollbacks, servers and rotations on one node, until it is gone.

    Args:
        url: the node's.
        token: an owner's.
        noted: goes on from one node to the next.
    """

    def __init__(self, url: str, token: str, noted: Noted) -> None:
        self.url = url
        self.noted = noted
        self._client = httpx.AsyncClient(
            base_url=f"{url}/api/v1", headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE
        )
        self._account = ""
        self._left: asyncio.Queue[str] = asyncio.Queue()

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request; its answer was read whole, so it is acknowledged."""
        reply = await self._client.request(method, path, json=body, headers=headers)
        assert reply.status_code < 300, f"{method} {path}: {reply.status_code} {reply.text}"
        self.noted.answers += 1
        if reply.headers.get("content-type", "").startswith("application/x-ndjson"):
            last = json.loads(reply.text.splitlines()[-1])
            assert last["status"] < 300, last
            return last["value"]
        return reply.json()

    async def set_up(self) -> None:
        """A connector and an account, where they are not there yet."""
        found = (await self.ask("GET", "/accounts"))["items"]
        if not found:
            wanted = {"slug": "shop", "source": {"text": described("first")}}
            made = await self.ask("POST", "/connectors", wanted)
            self.noted.versions[made["version"]] = ""
            self.noted.served = {made["version"]}
            found = [await self.ask("POST", "/accounts", {"connector": "shop"})]
        self._account = found[0]["id"]
        for token in self.noted.servers:
            self._left.put_nowait(token)

    async def run(self) -> None:
        """Go on until the node is gone."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._until_gone(self._versions))
            group.create_task(self._until_gone(self._servers))

    async def _until_gone(self, work: Any) -> None:
        try:
            for count in range(1_000_000):
                await work(count)
        except httpx.TransportError:
            return

    async def _versions(self, count: int) -> None:
        noted = self.noted
        text = described(*(f"tool{len(noted.versions)}n{each}" for each in range(20)), title=f"Shop {noted.answers}")
        accept = "application/x-ndjson" if count % 2 else "application/json"
        made = await self.ask("POST", "/connectors/shop/versions", {"source": {"text": text}}, accept=accept)
        assert made["new"]
        assert made["number"] == max(noted.versions) + 1, "a number was lost or given twice"
        noted.versions[made["number"]] = made["hash"]
        noted.served |= {made["number"]}
        done = await self.ask("POST", f"/connectors/shop/versions/{made['number']}/promote?cascade=true", {})
        noted.served = {made["number"]}
        if count % 3 == 2:
            noted.served |= {done["before"]}
            done = await self.ask("POST", "/connectors/shop/rollback", {})
            noted.served = {done["version"]["number"]}

    async def _servers(self, count: int) -> None:
        noted = self.noted
        made = await self.ask("POST", f"/accounts/{self._account}/servers", {"name": f"n{noted.answers}-{count}"})
        self._hold(made)
        if count % 2:
            token = self._left.get_nowait()
            id_ = noted.servers.pop(token)
            if count % 4 == 1:
                await self.ask("DELETE", f"/servers/{id_}")
            else:
                self._hold({**(await self.ask("POST", f"/servers/{id_}/rotate", {})), "id": id_})
            noted.gone.add(token)

    def _hold(self, made: Any) -> None:
        token = made["url"].rpartition("/")[2]
        self.noted.servers[token] = made["id"]
        self._left.put_nowait(token)
