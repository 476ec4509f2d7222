"""Legacy sessions whose ids are sealed, over two applications that serve the same: what goes along and what stays."""

import asyncio
from typing import Any

import pytest

import apiloom
from apiloom.calls.endpoint import Directory
from apiloom.console.house import Options
from apiloom.identity.gate import Gate, OpenGate, Refusal
from apiloom.identity.principal import Principal
from apiloom.wire.door import Door
from apiloom.wire.http import McpHttp
from apiloom.wire.session_ids import NODE_SIZE, SessionSeals
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.pets import pets

NEWEST = mcp.LEGACY[-1]
NULLABLE = {"type": ["integer", "null"], "minimum": 1}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Ranks", "version": "1"},
    "servers": [{"url": "https://ranks.example.com"}],
    "paths": {
        "/ranks": {
            "post": {
                "operationId": "rank",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object", "properties": {"level": NULLABLE}}}},
                },
                "responses": {"200": {"description": "done"}},
            }
        }
    },
}


class NameGate:
    """Believes whatever name it is told."""

    def admit(self, authorization: bytes) -> Principal | Refusal:
        return Principal(id=authorization.decode() or "nobody")


def two(directory: Directory, gate: Gate | None = None, **settings: Any) -> tuple[McpHttp, McpHttp]:
    chosen = WireSettings(watch_after=0.001, **settings)
    door = Door(gate or OpenGate(), chosen)

    def node(number: int) -> McpHttp:
        seals = SessionSeals((b"k" * 32,), bytes([number]) * NODE_SIZE, lambda: 1_800_000_000.0)
        return McpHttp(directory, door, chosen, ids=seals.of("srv_1"))

    return node(1), node(2)


def named(session: str, **more: str) -> mcp.Headers:
    return {"mcp-session-id": session, "mcp-protocol-version": NEWEST, **more}


async def status(app: McpHttp, session: str, **more: str) -> int:
    return (await mcp.ask(app, NEWEST, "tools/list", extra=named(session, **more))).status


@pytest.mark.parametrize("client", ["claude-ai", "somebody"])
async def test_the_profile_of_a_client_goes_along(client: str) -> None:
    here, there = two(apiloom.load(DOCUMENT, options=Options(cache=False)).quick.directory)
    params = {"protocolVersion": NEWEST, "capabilities": {}, "clientInfo": {"name": client, "version": "0"}}
    opened = await mcp.post(here, mcp.words(NEWEST, "initialize", params))
    session = opened.header("mcp-session-id")
    assert session is not None
    lists = [
        (await mcp.ask(app, NEWEST, "tools/list", extra=named(session))).json()["result"]["tools"]
        for app in (here, there)
    ]
    assert lists[0] == lists[1]
    assert (lists[1][0]["inputSchema"]["properties"]["level"] == NULLABLE) is (client == "claude-ai")


@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_the_revision_goes_along_with_a_client_that_does_not_repeat_it(revision: str) -> None:
    here, there = two(pets().directory)
    session = await mcp.initialize(here, revision)
    for app in (here, there):
        listed = await mcp.post(
            app,
            mcp.words(revision, "tools/call", {"name": "echo", "arguments": {"word": "x"}}),
            {"mcp-session-id": session},
        )
        assert listed.status == 200
        assert ("structuredContent" in listed.json()["result"]) is (revision != mcp.LEGACY[0])


async def test_what_is_not_ones_own_is_unknown_by_every_road() -> None:
    here, there = two(pets().directory, NameGate())
    session = await mcp.initialize(here, extra={"authorization": "ada"})
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for app in (here, there):
        claimed = named(session, authorization="bob")
        assert await status(app, session, authorization="bob") == 404
        assert (await mcp.post(app, note, claimed)).status == 404
        assert (await mcp.post(app, [note], claimed)).status == 404
        assert (await asgi.request(app, "GET", mcp.headers(claimed))).status == 404
        assert (await asgi.request(app, "DELETE", mcp.headers(claimed))).status == 404
        assert await status(app, session, authorization="ada") == 200


async def test_an_end_that_comes_to_another_node_is_remembered_there() -> None:
    here, there = two(pets().directory)
    session = await mcp.initialize(here)
    assert (await asgi.request(there, "DELETE", mcp.headers(named(session)))).status == 204
    assert await status(there, session) == 404
    assert (await asgi.request(there, "DELETE", mcp.headers(named(session)))).status == 404
    assert (await asgi.request(there, "GET", mcp.headers(named(session)))).status == 404


async def test_a_call_is_called_off_on_the_node_that_runs_it() -> None:
    world = pets()
    here, there = two(world.directory)
    session = named(await mcp.initialize(here))
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    async with mcp.asking(there, NEWEST, "tools/call", {"name": "wait"}, session, key=7) as wire:
        async with asyncio.timeout(asgi.SECONDS):
            await world.started.wait()
        # it is taken where nothing runs, as one that comes too late is
        assert (await mcp.post(here, note, session)).status == 202
        assert not world.cancelled.is_set()
        assert (await mcp.post(there, note, session)).status == 202
        await wire.reply.end()
    assert world.cancelled.is_set()
    assert wire.reply.status == 202


async def test_a_newer_stream_takes_the_place_of_an_older_one_on_a_node_that_took_the_session_over() -> None:
    here, there = two(pets().directory)
    head = mcp.headers(named(await mcp.initialize(here)))
    async with asgi.connection(there, "GET", head) as first, asgi.connection(there, "GET", head) as second:
        await first.reply.end()
        assert not second.reply.ended
        there.close()
        await second.reply.end()


async def test_without_sealed_ids_a_session_is_known_where_it_was_opened() -> None:
    directory = pets().directory
    here, there = (McpHttp(directory, OpenGate(), WireSettings()) for _ in range(2))
    session = await mcp.initialize(here)
    assert await status(here, session) == 200
    assert await status(there, session) == 404
