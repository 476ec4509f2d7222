"""Sessions of the older revisions over two nodes of one house: opened on one, gone on with on the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from mcp import Client

from apiloom.flows.access import HOST
from apiloom.flows.asking import Removal
from apiloom.flows.servers import Opened, delete_server, patch_server
from apiloom.wire.session_ids import LIFE
from support.gateway import PATIENCE, READS, Desk, Gateway, desk, gateway, http, until
from support.mcp import LEGACY, words

NEWEST = LEGACY[-1]


@dataclass
class Two:
    """Two nodes over one store and one key, the API behind, and a server that both have."""

    one: Gateway
    other: Gateway
    api: Desk
    opened: Opened
    folder: Path = field(repr=False)

    async def settle(self) -> None:
        await self.one.settle()
        await self.other.settle()

    @property
    def urls(self) -> tuple[str, str]:
        return self.one.at(self.opened), self.other.at(self.opened)


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncIterator[Two]:
    with desk() as api:
        async with gateway(folder) as one, gateway(folder) as other:
            await one.connector("desk", api.api.url)
            account = await one.account("desk", "ada-secret")
            opened = await one.server(name="s", accounts=[account.id])
            two = Two(one, other, api, opened, folder)
            await two.settle()
            yield two


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with two_nodes(tmp_path) as made:
        yield made


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http() as made:
        yield made


async def post(
    client: httpx.AsyncClient, url: str, session: str, method: str, params: dict[str, Any] | None = None, key: Any = 1
) -> httpx.Response:
    """A legacy request in a session."""
    head = {"accept": "application/json, text/event-stream", "mcp-protocol-version": NEWEST}
    if session:
        head["mcp-session-id"] = session
    return await client.post(url, json=words(NEWEST, method, params, key), headers=head)


async def opens(client: httpx.AsyncClient, url: str, revision: str = NEWEST) -> str:
    """Open a session; its id."""
    told = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    reply = await post(client, url, "", "initialize", told)
    assert reply.status_code == 200, reply.text
    return reply.headers["mcp-session-id"]


async def status(client: httpx.AsyncClient, url: str, session: str) -> int:
    return (await post(client, url, session, "tools/list")).status_code


async def delete(client: httpx.AsyncClient, url: str, session: str) -> int:
    return (await client.delete(url, headers={"mcp-session-id": session})).status_code


async def test_what_one_node_opened_every_node_goes_on_with(two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0])
    for turn in range(40):
        url = two.urls[turn % 2]
        listed = await post(client, url, session, "tools/list")
        assert listed.status_code == 200, turn
        assert [tool["name"] for tool in listed.json()["result"]["tools"]] == READS
        called = await post(client, url, session, "tools/call", {"name": "get_note", "arguments": {"id": str(turn)}})
        assert called.status_code == 200, turn
        assert called.json()["result"]["structuredContent"]["path"] == f"/notes/{turn}"
        for method in ("ping", "resources/list"):
            assert (await post(client, url, session, method)).status_code == 200, method
        level = await post(client, url, session, "logging/setLevel", {"level": "info"})
        assert level.json()["result"] == {}


@pytest.mark.parametrize("revision", LEGACY)
async def test_what_was_agreed_on_holds_on_the_other_node(revision: str, two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0], revision)
    here, there = [
        # without the version header: only the session can say which revision it is
        (await client.post(url, json=[words(revision, "ping")], headers={"mcp-session-id": session}))
        for url in two.urls
    ]
    assert here.status_code == there.status_code == (200 if revision == LEGACY[0] else 400)
    assert here.json() == there.json()


async def test_a_session_is_worth_nothing_to_another_server_or_principal(two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0])
    second = await two.one.server(name="second", connectors=["desk"])
    key = await two.one.api_token("operator")
    await two.settle()
    for node in (two.one, two.other):
        assert await status(client, node.at(second), session) == 404
        head = {"mcp-session-id": session, "authorization": f"Bearer {key}", "accept": "application/json"}
        for path in (f"/mcp/s/{two.opened.server.id}", "/mcp"):
            reply = await client.post(node.url + path, json=words(NEWEST, "tools/list"), headers=head)
            assert reply.status_code == 404, path
        assert await status(client, node.at(two.opened), session) == 200


async def test_a_session_of_a_caller_on_one_server_is_none_of_theirs_on_another(
    two: Two, client: httpx.AsyncClient
) -> None:
    second = await two.one.server(name="second", connectors=["desk"])
    key = await two.one.api_token("operator")
    await two.settle()
    head = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {key}"}
    told = {"protocolVersion": NEWEST, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    roads = [f"/mcp/s/{two.opened.server.id}", f"/mcp/s/{second.server.id}", "/mcp"]
    opening = await client.post(two.one.url + roads[0], json=words(NEWEST, "initialize", told), headers=head)
    head["mcp-session-id"] = opening.headers["mcp-session-id"]
    for node in (two.one, two.other):
        statuses = [
            (await client.post(node.url + road, json=words(NEWEST, "tools/list"), headers=head)).status_code
            for road in roads
        ]
        assert statuses == [200, 404, 404]


async def test_a_session_of_another_house_or_a_changed_id_is_as_unknown_as_any(
    two: Two, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    session = await opens(client, two.urls[0])
    async with two_nodes(tmp_path / "elsewhere") as elsewhere:
        foreign = await opens(client, elsewhere.urls[0])
    changed = session[:-2] + ("AA" if session[-2:] != "AA" else "BB")
    told = {
        (reply.status_code, reply.content)
        for text in (foreign, changed, "never-there", session + "x", "A" * 4000)
        for url in two.urls
        for reply in [await post(client, url, text, "tools/list")]
    }
    assert len(told) == 1
    assert told.pop()[0] == 404


async def test_a_session_that_is_too_old_is_unknown_where_it_was_never_used(
    two: Two, client: httpx.AsyncClient
) -> None:
    session = await opens(client, two.urls[0])
    two.other.clock.now += LIFE + 1
    assert await status(client, two.urls[1], session) == 404
    assert await status(client, two.urls[0], session) == 200


async def test_an_ended_session_is_refused_where_it_was_ended(two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0])
    assert await delete(client, two.urls[0], session) == 204
    assert await status(client, two.urls[0], session) == 404
    assert await delete(client, two.urls[0], session) == 404
    second = await opens(client, two.urls[0])
    assert await delete(client, two.urls[1], second) == 204
    assert await status(client, two.urls[1], second) == 404


async def test_an_ended_session_stays_ended_when_its_server_is_made_anew(two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0])
    assert await delete(client, two.urls[0], session) == 204
    two.one.node.residents.drop(two.opened.server.id)
    assert await status(client, two.urls[0], session) == 404


async def test_a_session_outlives_the_node_that_opened_it(tmp_path: Path, client: httpx.AsyncClient) -> None:
    with desk() as api:
        async with gateway(tmp_path) as first:
            await first.connector("desk", api.api.url)
            account = await first.account("desk", "ada-secret")
            opened = await first.server(name="s", accounts=[account.id])
            session = await opens(client, first.at(opened))
        async with gateway(tmp_path) as again:
            reply = await post(client, again.at(opened), session, "tools/call", {"name": "list_notes"})
            assert reply.status_code == 200
            assert reply.json()["result"]["isError"] is False


async def test_a_session_lets_nobody_in_whose_server_is_gone(two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0])
    assert await status(client, two.urls[1], session) == 200
    await patch_server(two.one.ground, HOST, two.opened.server.id, {"enabled": False})
    await two.settle()
    assert await status(client, two.urls[1], session) == 404
    await delete_server(two.one.ground, HOST, two.opened.server.id, Removal())
    await two.settle()
    for url in two.urls:
        assert await status(client, url, session) == 404


async def test_a_node_that_did_not_open_a_session_tells_of_changes_too(two: Two, client: httpx.AsyncClient) -> None:
    session = await opens(client, two.urls[0])
    head = {"accept": "text/event-stream", "mcp-session-id": session, "mcp-protocol-version": NEWEST}
    async with asyncio.timeout(PATIENCE), client.stream("GET", two.urls[1], headers=head) as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        await anext(lines)
        await patch_server(two.one.ground, HOST, two.opened.server.id, {"config": {"methods": ["read", "write"]}})
        await two.settle()
        async for line in lines:
            if line.startswith("data:"):
                assert "notifications/tools/list_changed" in line
                break


class Balancer:
    """Sends every request to the next node, whatever it is about."""

    def __init__(self, *nodes: Gateway) -> None:
        self.fronts = [node.node.front() for node in nodes]
        self.served = [0 for _ in nodes]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        at = min(range(len(self.fronts)), key=self.served.__getitem__)
        self.served[at] += 1
        await self.fronts[at](scope, receive, send)


async def test_the_official_client_goes_on_behind_a_balancer_that_takes_turns(two: Two) -> None:
    balancer = Balancer(two.one, two.other)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(balancer, ws="none", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([sock]))
        try:
            await until(lambda: server.started)
            url = f"http://127.0.0.1:{sock.getsockname()[1]}/mcp/{two.opened.issued.text}"
            async with asyncio.timeout(60), Client(url, mode="legacy") as client:
                for turn in range(50):
                    listed = await client.list_tools()
                    assert [tool.name for tool in listed.tools] == READS
                    answer = await client.call_tool("get_note", {"id": str(turn)})
                    assert not answer.is_error, turn
        finally:
            two.one.node.close()
            two.other.node.close()
            server.should_exit = True
            async with asyncio.timeout(PATIENCE):
                await task
    assert min(balancer.served) >= 50
