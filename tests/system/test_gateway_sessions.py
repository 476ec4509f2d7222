"""A session of the older era over processes that share one PostgreSQL and one key: no call fails, nor when one ends."""

from __future__ import annotations

import base64
import secrets
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx2 as httpx

from support.gateway import http, until
from support.importing import described
from support.mcp import words
from support.postgres import Postgres
from support.servers import Serving, serving

REVISION = "2025-11-25"
OPENING = {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
HEAD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": REVISION}


async def admin(client: httpx.AsyncClient, node: Serving, token: str, path: str, body: Any) -> Any:
    reply = await client.post(f"{node.url}/api/v1{path}", json=body, headers={"authorization": f"Bearer {token}"})
    assert reply.status_code < 300, reply.text
    return reply.json()


async def alternate(client: httpx.AsyncClient, urls: list[str], session: str, count: int) -> list[int]:
    """The statuses of requests in one session that take turns over nodes."""
    head = {**HEAD, "mcp-session-id": session}
    methods = cycle(["tools/list", "tools/list", "ping", "ping"])
    return [
        (await client.post(url, json=words(REVISION, method, key=at), headers=head)).status_code
        for at, (url, method) in enumerate(islice(zip(cycle(urls), methods, strict=False), count))
    ]


async def test_a_session_goes_on_over_two_processes_and_over_the_end_of_the_one_that_opened_it(
    postgres: Postgres, tmp_path: Path
) -> None:
    database = postgres.url(await postgres.database()).replace("+asyncpg", "")
    around = {"APILOOM_KEY": base64.b64encode(secrets.token_bytes(32)).decode(), "APILOOM_DATA": database}
    file = tmp_path / "owner"
    with ExitStack() as stack:
        one = stack.enter_context(serving("--token-file", str(file), environment=around))
        two = stack.enter_context(serving("--token-file", str(tmp_path / "none"), environment=around))
        owner = file.read_text().strip()
        async with http() as client:
            await admin(client, one, owner, "/connectors", {"slug": "shop", "source": {"text": described("first")}})
            account = await admin(client, one, owner, "/accounts", {"connector": "shop"})
            made = await admin(client, one, owner, f"/accounts/{account['id']}/servers", {"name": "first"})
            path = "/mcp/" + made["url"].rpartition("/")[2]
            here, there = one.url + path, two.url + path
            known = [404]
            while known[-1] == 404:
                reply = await client.post(there, json=words(REVISION, "ping"), headers=HEAD)
                known.append(reply.status_code)
                assert len(known) < 10_000
            opened = await client.post(here, json=words(REVISION, "initialize", OPENING), headers=HEAD)
            session = opened.headers["mcp-session-id"]
            assert set(await alternate(client, [here, there], session, 400)) == {200}
            one.stop()
            await until(lambda: not one.alive())
            assert set(await alternate(client, [there], session, 50)) == {200}
            ended = await client.delete(there, headers={"mcp-session-id": session})
            assert ended.status_code == 204
            assert set(await alternate(client, [there], session, 4)) == {404}
