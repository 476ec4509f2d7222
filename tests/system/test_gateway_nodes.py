"""Two nodes on one PostgreSQL serve the same truth: what is changed on one is live on the other, and no call fails."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
from mcp import Client

from support.catalogs import OK
from support.gateway import PATHS, READS, SCHEMES, ask, call, desk, http, names
from support.postgres import Postgres
from support.servers import Serving, serving

PATIENCE = 30.0
MORE = {**PATHS, "/news": {"get": {"operationId": "readNews", "tags": ["notes"], "responses": OK}}}


def text(paths: dict[str, Any]) -> str:
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Desk", "version": "1"},
            "paths": paths,
            "components": {"securitySchemes": SCHEMES},
            "security": [{"token": []}],
        }
    )


async def becomes(question: Callable[[], Coroutine[Any, Any, Any]], wanted: Any) -> None:
    found = None
    async with asyncio.timeout(PATIENCE):
        while (found := await question()) != wanted:
            await asyncio.sleep(0.02)
    assert found == wanted


class Admin:
    """The admin API of one node."""

    def __init__(self, client: httpx.AsyncClient, node: Serving, token: str) -> None:
        self._client = client
        self._base = f"{node.url}/api/v1"
        self._head = {"authorization": f"Bearer {token}"}

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self._client.request(method, self._base + path, json=body, headers=self._head)
        assert reply.status_code < 300, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None


async def keep_calling(client: httpx.AsyncClient, urls: list[str], over: asyncio.Event) -> int:
    """Call until told to stop; how often that was. Every call must succeed."""
    count = 0
    while not over.is_set():
        for url in urls:
            assert (await call(client, url, "list_notes"))["whose"] == "ada"
            count += 1
        await asyncio.sleep(0)
    return count


async def test_what_one_node_changes_the_other_serves(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.url(await postgres.database()).replace("+asyncpg", "")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    file = tmp_path / "owner"
    with ExitStack() as stack:
        upstream = stack.enter_context(desk())
        around = {"APILOOM_KEY": key, "APILOOM_DATA": url}
        one = stack.enter_context(serving("--token-file", str(file), environment=around))
        two = stack.enter_context(serving("--token-file", str(tmp_path / "none"), environment=around))
        assert not (tmp_path / "none").exists()
        owner = file.read_text().strip()
        assert owner not in one.said()
        async with http() as client:
            admin = Admin(client, one, owner)
            options = {"base_url": upstream.api.url}
            wanted = {"slug": "desk", "source": {"text": text(PATHS)}, "options": options}
            await admin("POST", "/connectors", wanted)
            account = await admin(
                "POST", "/accounts", {"connector": "desk", "credentials": {"token": {"token": "ada-secret"}}}
            )
            first = await admin("POST", f"/accounts/{account['id']}/servers", {"name": "first"})
            second = await admin("POST", f"/accounts/{account['id']}/servers", {"name": "second"})
            here = f"{two.url}/mcp/{second['url'].rpartition('/')[2]}"

            async def status() -> int:
                return (await ask(client, here, "tools/list")).status_code

            async def listed() -> list[str]:
                return await names(client, here)

            await becomes(status, 200)
            steady = first["url"].rpartition("/")[2]
            over = asyncio.Event()
            calling = asyncio.create_task(
                keep_calling(client, [f"{node.url}/mcp/{steady}" for node in (one, two)], over)
            )
            try:
                assert await listed() == READS
                await admin("POST", "/connectors/desk/versions", {"source": {"text": text(MORE)}})
                await admin("POST", "/connectors/desk/versions/2/promote", {})
                await becomes(listed, [*READS[:2], "read_news", "wait_long"])
                async with Client(here, mode="legacy") as legacy, Client(here, mode="2026-07-28") as modern:
                    for speaking in (legacy, modern):
                        assert len((await speaking.list_tools()).tools) == len(READS) + 1
                        answer = await speaking.call_tool("read_news", {})
                        assert answer.structured_content is not None
                        assert answer.structured_content["path"] == "/news"
                await admin("POST", "/connectors/desk/rollback", {})
                await becomes(listed, READS)
                overlay = {
                    "layer": "server",
                    "connector": "desk",
                    "target": second["id"],
                    "patch": {"tools": {"wait_long": {"hide": True}}},
                }
                await admin("POST", "/overlays", overlay)
                await becomes(listed, READS[:2])
                await admin("POST", f"/servers/{second['id']}/rotate", {"grace_seconds": 0})
                await becomes(status, 404)
            finally:
                over.set()
                count = await calling
            assert count > 10
            assert one.alive()
            assert two.alive()
