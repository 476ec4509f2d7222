"""Several messages in one body, where the revision has that."""

import asyncio
from typing import Any

import pytest

from apiloom.identity.gate import OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.pets import pets

BATCHES = "2025-03-26"


def open_app(**settings: Any) -> McpHttp:
    return McpHttp(pets().directory, OpenGate(), WireSettings(**settings))


def ping(key: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": key, "method": "ping"}


def call(key: Any, name: str, **meta: Any) -> dict[str, Any]:
    return mcp.words(BATCHES, "tools/call", {"name": name, "_meta": meta} if meta else {"name": name}, key)


@holds("batch")
@pytest.mark.parametrize("said", [{"mcp-protocol-version": BATCHES}, None])
async def test_each_request_of_a_batch_is_answered(said: mcp.Headers | None) -> None:
    body = [
        ping(1),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        call("b", "echo"),
        call(3, "nobody"),
        {"jsonrpc": "2.0", "id": 4},
        5,
    ]
    reply = await mcp.post(open_app(), body, said)
    assert reply.status == 200
    answers = {answer.get("id"): answer for answer in reply.json()}
    assert answers[1]["result"] == {}
    assert answers["b"]["result"]["isError"] is False
    assert answers[3]["error"]["code"] == -32602
    assert answers[4]["error"]["code"] == answers[None]["error"]["code"] == -32600
    assert len(reply.json()) == 5


@holds("batch")
async def test_a_batch_without_requests_is_taken_note_of() -> None:
    body = [{"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "id": 1, "result": {}}]
    reply = await mcp.post(open_app(), body)
    assert (reply.status, reply.body) == (202, b"")


@holds("batch")
async def test_a_batch_may_be_answered_as_a_stream() -> None:
    reply = await mcp.post(open_app(), [ping(1), ping(2)], {"accept": "text/event-stream"})
    assert [answer["id"] for answer in reply.events()[0]] == [1, 2]


@holds("batch")
async def test_calls_of_a_batch_run_side_by_side_and_one_can_be_called_off() -> None:
    world = pets()
    app = McpHttp(world.directory, OpenGate(), WireSettings())
    session = {"mcp-session-id": await mcp.initialize(app, BATCHES)}
    body = mcp.encoded([call(1, "wait"), call(2, "echo", progressToken=9)])
    async with asgi.connection(app, "POST", mcp.headers(session), [body]) as wire:
        await asyncio.wait_for(world.started.wait(), asgi.SECONDS)
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await mcp.post(app, [note], session)).status == 202
        await wire.reply.end()
    assert [answer["id"] for answer in wire.reply.json()] == [2]


@holds("batch.others")
@pytest.mark.parametrize("revision", [revision for revision in mcp.EVERY if revision != BATCHES])
async def test_other_revisions_have_no_batches(revision: str) -> None:
    reply = await mcp.post(open_app(), [ping(1)], {"mcp-protocol-version": revision})
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32600)
    app = open_app()
    if revision != mcp.MODERN:
        session = {"mcp-session-id": await mcp.initialize(app, revision)}
        assert (await mcp.post(app, [ping(1)], session)).status == 400


@holds("batch.others", "version.unsupported")
async def test_a_batch_of_an_unknown_revision_is_unsupported() -> None:
    reply = await mcp.post(open_app(), [ping(1)], {"mcp-protocol-version": "1900-01-01"})
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32022)


@holds("batch.bound")
@pytest.mark.parametrize(
    ("body", "code"), [([], -32600), ([ping(n) for n in range(4)], -32600), (b"[1,", -32700), (b" [", -32700)]
)
async def test_a_batch_that_is_empty_too_long_or_broken_is_refused_whole(body: Any, code: int) -> None:
    reply = await mcp.post(open_app(max_batch=3), body)
    assert (reply.status, reply.json()["error"]["code"]) == (400, code)


@holds("batch.initialize")
async def test_initialize_is_refused_in_a_batch() -> None:
    body = [mcp.words(BATCHES, "initialize", {"protocolVersion": BATCHES}), ping(2)]
    first, second = (await mcp.post(open_app(), body)).json()
    assert first["error"]["code"] == -32600
    assert second["result"] == {}
