"""Progress, cancellation, and streams of notifications over HTTP."""

import asyncio
from typing import Any

import pytest

from apiloom.identity.gate import OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.pets import Pets, pets

LISTEN = {"notifications": {"toolsListChanged": True}}


def serve(world: Pets, **settings: Any) -> McpHttp:
    return McpHttp(world.directory, OpenGate(), WireSettings(watch_after=0.001, **settings))


def token(name: str, value: object = "t") -> dict[str, Any]:
    return {"name": name, "_meta": {"progressToken": value}}


async def happens(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), asgi.SECONDS)


@holds("progress", "stream.headers")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("value", ["t", 0, 7])
async def test_progress_rises_and_comes_before_the_response(revision: str, value: object) -> None:
    reply = await mcp.ask(serve(pets()), revision, "tools/call", token("steps", value))
    assert reply.header("content-type") == "text/event-stream"
    assert (reply.header("x-accel-buffering"), reply.header("cache-control")) == ("no", "no-cache, no-transform")
    *told, last = reply.events()
    assert [each["params"] for each in told] == [
        {"progressToken": value, "progress": 1.0, "total": 3.0, "message": "one"},
        {"progressToken": value, "progress": 2.0},
    ]
    assert {each["method"] for each in told} == {"notifications/progress"}
    assert (last["id"], last["result"]["content"][0]["text"]) == (1, "done")


@holds("progress.none")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_progress_needs_a_token_and_somewhere_to_go(revision: str) -> None:
    app = serve(pets())
    without = await mcp.call(app, revision, "steps")
    deaf = await mcp.ask(app, revision, "tools/call", token("steps"), {"accept": "application/json"})
    wrong = await mcp.ask(app, revision, "tools/call", token("steps", 1.5))
    silent = await mcp.ask(app, revision, "tools/call", token("echo"))
    for reply in (without, deaf, wrong, silent):
        assert (reply.status, reply.header("content-type")) == (200, "application/json")


@holds("progress", "call.wall")
async def test_an_error_after_progress_ends_the_stream() -> None:
    reply = await mcp.ask(serve(pets()), mcp.MODERN, "tools/call", token("steps_then_crash"))
    assert reply.header("content-type") == "text/event-stream"
    assert reply.events()[-1]["error"]["code"] == -32603


@holds("progress")
async def test_progress_is_told_while_the_call_still_runs() -> None:
    world = pets()
    async with mcp.asking(serve(world), mcp.MODERN, "tools/call", token("steps_then_wait")) as wire:
        assert (await wire.reply.message(0))["params"]["message"] == "begun"
        assert not wire.reply.ended
        world.release.set()
        await wire.reply.end()
    assert wire.reply.events()[-1]["result"]["content"][0]["text"] == "waited"


@holds("stream.alive")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_long_silent_call_becomes_a_stream_with_comments(revision: str) -> None:
    world = pets()
    async with mcp.asking(serve(world, keep_alive=0.005), revision, "tools/call", {"name": "wait"}) as wire:
        await wire.reply.until(lambda: b":\n\n:\n\n" in wire.reply.body)
        world.release.set()
        await wire.reply.end()
    assert wire.reply.header("content-type") == "text/event-stream"
    assert [event["id"] for event in wire.reply.events()] == [1]


@holds("stream.alive")
async def test_a_long_call_of_a_client_that_takes_json_only_stays_json() -> None:
    world = pets()
    app, only = serve(world, keep_alive=0.001), {"accept": "application/json"}
    async with mcp.asking(app, mcp.MODERN, "tools/call", {"name": "wait"}, only) as wire:
        await happens(world.started)
        async with mcp.asking(app, mcp.MODERN, "tools/call", {"name": "wait"}) as later:
            await later.reply.until(lambda: later.reply.body)  # one that takes streams has become one by now
        assert wire.reply.status == 0
        world.release.set()
        await wire.reply.end()
    assert wire.reply.json()["result"]["isError"] is False


@holds("cancel.modern")
@pytest.mark.parametrize("params", [{"name": "wait"}, token("steps_then_wait")])
async def test_a_modern_client_that_hangs_up_cancels_its_call(params: dict[str, Any]) -> None:
    world = pets()
    async with mcp.asking(serve(world), mcp.MODERN, "tools/call", params) as wire:
        await happens(world.started)
        if "_meta" in params:
            await wire.reply.message(0)
        before = len(wire.reply.body)
        wire.hang_up()
        await happens(world.cancelled)
    assert len(wire.reply.body) == before
    assert not wire.reply.ended


@holds("cancel.modern")
async def test_a_call_cancelled_by_the_server_itself_is_not_swallowed() -> None:
    world = pets()
    message = mcp.words(mcp.MODERN, "tools/call", {"name": "wait"})
    wire = asgi.Wire([mcp.encoded(message)])
    scope = asgi.scope("POST", mcp.headers(mcp.routing(mcp.MODERN, message)))
    task = asyncio.ensure_future(serve(world)(scope, wire.receive, wire.send))
    await happens(world.started)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.cancelled.is_set()


@holds("cancel.legacy")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_a_legacy_client_that_hangs_up_cancels_nothing(revision: str) -> None:
    world = pets()
    async with mcp.asking(serve(world, keep_alive=0.001), revision, "tools/call", {"name": "wait"}) as wire:
        await happens(world.started)
        wire.hang_up()
        await wire.reply.until(lambda: b":\n\n:\n\n" in wire.reply.body)  # long enough for a watcher to notice
        assert not world.cancelled.is_set()
        world.release.set()
        await wire.reply.end()
    assert wire.reply.events()[0]["result"]["content"][0]["text"] == "waited"


@holds("cancel.notification")
@pytest.mark.parametrize(("tool", "status"), [("wait", 202), ("steps_then_wait", 200)])
async def test_a_legacy_call_is_called_off_by_its_id_without_a_response(tool: str, status: int) -> None:
    world = pets()
    app = serve(world)
    session = {"mcp-session-id": await mcp.initialize(app)}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a", "reason": "bored"}}
    async with mcp.asking(app, "2025-11-25", "tools/call", token(tool), session, key="a") as wire:
        await happens(world.started)
        assert (await mcp.post(app, note, session)).status == 202
        await wire.reply.end()
    assert world.cancelled.is_set()
    assert wire.reply.status == status
    assert all("id" not in event for event in wire.reply.events())


@holds("cancel.notification")
async def test_nobody_calls_off_a_call_of_another_session_or_id() -> None:
    world = pets()
    app = serve(world)
    mine, other = {"mcp-session-id": await mcp.initialize(app)}, {"mcp-session-id": await mcp.initialize(app)}
    async with mcp.asking(app, "2025-11-25", "tools/call", {"name": "wait"}, mine, key=1) as wire:
        await happens(world.started)
        for session, key in ((other, 1), (None, 1), (mine, "1"), (mine, 2), (mine, None)):
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": key}}
            assert (await mcp.post(app, note, session)).status == 202
        world.release.set()
        await wire.reply.end()
    assert not world.cancelled.is_set()
    assert wire.reply.json()["result"]["isError"] is False


@holds("listen")
async def test_a_subscription_is_acknowledged_then_told_of_each_change() -> None:
    world = pets()
    async with mcp.asking(serve(world), mcp.MODERN, "subscriptions/listen", LISTEN, key="sub") as wire:
        acknowledged = await wire.reply.message(0)
        assert acknowledged == {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {"_meta": {mcp.SUBSCRIPTION_KEY: "sub"}, "notifications": {"toolsListChanged": True}},
        }
        for number in (1, 2, 3):
            pets(etag=f"changed {number}", world=world)
            assert await wire.reply.message(number) == {
                "jsonrpc": "2.0",
                "method": "notifications/tools/list_changed",
                "params": {"_meta": {mcp.SUBSCRIPTION_KEY: "sub"}},
            }
    assert len(wire.reply.events()) == 4


@holds("listen")
async def test_a_swap_that_changes_no_tool_is_not_told() -> None:
    world = pets()
    async with mcp.asking(serve(world, keep_alive=0.005), mcp.MODERN, "subscriptions/listen", LISTEN) as wire:
        await wire.reply.message(0)
        pets(world=world)
        quiet = len(wire.reply.body)
        await wire.reply.until(lambda: len(wire.reply.body) > quiet)
        pets(etag="two", world=world)
        await wire.reply.message(1)
    assert len(wire.reply.events()) == 2


@holds("listen.filter")
@pytest.mark.parametrize(
    "wanted", [{}, {"promptsListChanged": True}, {"toolsListChanged": False}, {"resourceSubscriptions": ["file:///x"]}]
)
async def test_nothing_is_sent_that_was_not_asked_for(wanted: dict[str, Any]) -> None:
    world = pets()
    params = {"notifications": wanted}
    async with mcp.asking(serve(world, keep_alive=0.005), mcp.MODERN, "subscriptions/listen", params) as wire:
        assert (await wire.reply.message(0))["params"]["notifications"] == {}
        pets(etag="two", world=world)
        quiet = len(wire.reply.body)
        await wire.reply.until(lambda: len(wire.reply.body) > quiet)
    assert len(wire.reply.events()) == 1


@holds("listen")
async def test_a_subscription_must_say_what_it_listens_for_and_take_a_stream() -> None:
    app = serve(pets())
    for params in ({}, {"notifications": None}, {"notifications": {"toolsListChanged": "yes"}}):
        reply = await mcp.ask(app, mcp.MODERN, "subscriptions/listen", params)
        assert (reply.status, reply.json()["error"]["code"]) == (400, -32602)
    reply = await mcp.ask(app, mcp.MODERN, "subscriptions/listen", LISTEN, {"accept": "application/json"})
    assert reply.status == 406


@holds("listen.end")
async def test_a_subscription_we_end_gets_its_result() -> None:
    app = serve(pets())
    async with mcp.asking(app, mcp.MODERN, "subscriptions/listen", LISTEN, key=5) as wire:
        await wire.reply.message(0)
        app.close()
        await wire.reply.end()
    last = wire.reply.events()[-1]
    assert (last["id"], last["result"]["resultType"]) == (5, "complete")
    assert last["result"]["_meta"][mcp.SUBSCRIPTION_KEY] == 5


@holds("listen.end")
async def test_a_subscription_ends_when_its_server_is_no_more() -> None:
    world = pets()
    async with mcp.asking(serve(world), mcp.MODERN, "subscriptions/listen", LISTEN) as wire:
        await wire.reply.message(0)
        endpoint = world.directory.endpoints.pop("")
        world.directory.put(endpoint, "elsewhere")
        await wire.reply.end()
    assert "result" in wire.reply.events()[-1]


@holds("listen.bound")
async def test_streams_are_bounded_and_make_room_when_they_end() -> None:
    app = serve(pets(), max_streams=1)
    async with mcp.asking(app, mcp.MODERN, "subscriptions/listen", LISTEN) as wire:
        await wire.reply.message(0)
        busy = await mcp.ask(app, mcp.MODERN, "subscriptions/listen", LISTEN)
        assert (busy.status, busy.header("retry-after")) == (503, "60")
    async with mcp.asking(app, mcp.MODERN, "subscriptions/listen", LISTEN) as wire:
        assert (await wire.reply.message(0))["method"] == "notifications/subscriptions/acknowledged"


@holds("get")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_a_session_stream_is_told_of_changes(revision: str) -> None:
    world = pets()
    app = serve(world)
    session = {"mcp-session-id": await mcp.initialize(app, revision), "mcp-protocol-version": revision}
    async with asgi.connection(app, "GET", mcp.headers(session)) as wire:
        await wire.reply.until(lambda: wire.reply.body)
        assert (wire.reply.status, wire.reply.header("content-type")) == (200, "text/event-stream")
        pets(etag="two", world=world)
        assert await wire.reply.message(0) == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


@holds("get")
async def test_a_newer_stream_of_a_session_takes_the_place_of_the_older() -> None:
    world = pets()
    app = serve(world)
    session = {"mcp-session-id": await mcp.initialize(app)}
    async with asgi.connection(app, "GET", mcp.headers(session)) as older:
        await older.reply.until(lambda: older.reply.body)
        async with asgi.connection(app, "GET", mcp.headers(session)) as newer:
            await older.reply.end()
            await newer.reply.until(lambda: newer.reply.body)
            pets(etag="two", world=world)
            await newer.reply.message(0)
    assert older.reply.events() == []


@holds("get", "session.delete")
async def test_a_session_stream_ends_with_its_session() -> None:
    app = serve(pets())
    session = {"mcp-session-id": await mcp.initialize(app)}
    async with asgi.connection(app, "GET", mcp.headers(session)) as wire:
        await wire.reply.until(lambda: wire.reply.body)
        await asgi.request(app, "DELETE", mcp.headers(session))
        await wire.reply.end()
    assert wire.reply.events() == []


@holds("get", "accept")
async def test_a_session_stream_must_be_accepted() -> None:
    app = serve(pets())
    session = {"mcp-session-id": await mcp.initialize(app)}
    assert (await asgi.request(app, "GET", mcp.headers(session, {"accept": "application/json"}))).status == 406
