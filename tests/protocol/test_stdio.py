"""Both eras on one pair of byte streams."""

import asyncio
from typing import Any

import pytest

from support import asgi, mcp
from support.behaviours import holds
from support.lines import Client, served
from support.pets import pets

CANCEL = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LISTEN = {"notifications": {"toolsListChanged": True}}


def opening(revision: str) -> dict[str, Any]:
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    return mcp.words("2025-11-25", "initialize", params, "open")


async def opened(client: Client, revision: str) -> None:
    if revision != mcp.MODERN:
        assert (await client.ask(opening(revision)))["result"]["protocolVersion"] == revision


def call(revision: str, name: str, key: object = 1, **meta: object) -> dict[str, Any]:
    params: dict[str, Any] = {"name": name, "arguments": {}}
    return mcp.words(revision, "tools/call", {**params, "_meta": meta} if meta else params, key)


async def happens(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), asgi.SECONDS)


@holds("stdio.eras")
async def test_both_eras_are_spoken_on_one_channel() -> None:
    async with served(pets().directory) as client:
        assert "resultType" in (await client.ask(mcp.words(mcp.MODERN, "server/discover")))["result"]
        await opened(client, "2025-06-18")
        assert (await client.ask(mcp.words("2025-06-18", "ping")))["result"] == {}
        assert "resultType" not in (await client.ask(call("2025-06-18", "echo")))["result"]
        assert "resultType" in (await client.ask(call(mcp.MODERN, "echo")))["result"]


@holds("stdio.eras", "call.structured")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_every_revision_lists_and_calls(revision: str) -> None:
    async with served(pets(pages=1).directory) as client:
        await opened(client, revision)
        listed = (await client.ask(mcp.words(revision, "tools/list", key="l")))["result"]
        assert "get_pet" in [tool["name"] for tool in listed["tools"]]
        result = (await client.ask(call(revision, "get_pet")))["result"]
        assert ("structuredContent" in result) == (revision != "2025-03-26")
        assert (await client.ask(call(revision, "nobody")))["error"]["code"] == -32602
        assert (await client.ask(mcp.words(revision, "no/such")))["error"]["code"] == -32601


@holds("stdio.unopened")
@pytest.mark.parametrize("method", ["tools/list", "tools/call", "server/discover", "logging/setLevel"])
async def test_a_request_out_of_nowhere_is_told_what_is_missing(method: str) -> None:
    async with served(pets().directory) as client:
        answer = await client.ask(mcp.words("2025-11-25", method))
        assert answer["error"]["code"] == -32602
        assert (await client.ask(mcp.words("2025-11-25", "ping")))["result"] == {}


@holds("stdio.eras", "version.unsupported", "meta.required")
async def test_the_modern_ladder_is_climbed_without_headers() -> None:
    async with served(pets().directory) as client:
        old = mcp.words(mcp.MODERN, "tools/list", {"_meta": {mcp.VERSION_KEY: "2025-11-25"}})
        assert (await client.ask(old))["error"]["data"]["requested"] == "2025-11-25"
        bare = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {mcp.VERSION_KEY: mcp.MODERN}}}
        assert (await client.ask(bare))["error"]["code"] == -32602


@holds("stdio.frames")
async def test_each_message_is_one_line_however_it_was_cut() -> None:
    async with served(pets().directory) as client:
        text = mcp.encoded(call(mcp.MODERN, "get_pet", 1)) + b"\r\n\n  \n" + mcp.encoded(call(mcp.MODERN, "get_pet", 2))
        for at in range(0, len(text), 7):
            client.reader.feed_data(text[at : at + 7])
        client.reader.feed_data(b"\n")
        assert {(await client.hear())["id"], (await client.hear())["id"]} == {1, 2}


@holds("stdio.frames")
async def test_a_last_line_without_an_end_is_a_line() -> None:
    async with served(pets().directory) as client:
        client.reader.feed_data(mcp.encoded(call(mcp.MODERN, "echo")))
    assert client.frames()[0]["result"]["isError"] is False


@holds("stdio.garbage")
async def test_garbage_is_answered_and_the_channel_lives_on() -> None:
    async with served(pets().directory) as client:
        assert (await client.ask(b"garbage"))["error"]["code"] == -32700
        assert (await client.ask(b"\xff\xfe{}"))["error"]["code"] == -32700
        assert (await client.ask({"id": 3}))["error"]["code"] == -32600
        assert (await client.ask([{}]))["error"]["code"] == -32600
        wrong = await client.ask({"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": 5})
        assert (wrong["id"], wrong["error"]["code"]) == (3, -32602)
        assert "result" in await client.ask(call(mcp.MODERN, "echo"))


@holds("stdio.garbage")
async def test_what_waits_for_no_answer_gets_none() -> None:
    async with served(pets().directory) as client:
        client.say(
            {"jsonrpc": "2.0", "method": "made/up"},
            {"jsonrpc": "2.0", "method": "made/up", "params": [1]},
            {"jsonrpc": "2.0", "id": 1, "result": {}},
            {**CANCEL, "params": {"requestId": "nobody"}},
            CANCEL,
            INITIALIZED,
        )
        assert (await client.ask(call(mcp.MODERN, "echo", "last")))["id"] == "last"
    assert len(client.frames()) == 1


@holds("stdio.bound")
async def test_a_line_beyond_the_bound_is_refused_and_forgotten() -> None:
    async with served(pets().directory, max_body=2000) as client:
        for size in (2001, 300_000):
            refused = await client.ask(b"x" * size)
            assert refused["error"]["code"] == -32600
            assert "2000 bytes" in refused["error"]["message"]
        assert "result" in await client.ask(call(mcp.MODERN, "echo"))
        client.reader.feed_data(b"x" * 3000)
    assert client.frames()[-1]["error"]["code"] == -32600


@holds("stdio.bound")
async def test_too_many_calls_at_once_are_refused() -> None:
    world = pets()
    async with served(world.directory, max_in_flight=2) as client:
        client.say(call(mcp.MODERN, "wait", 1), call(mcp.MODERN, "wait", 2))
        refused = await client.ask(call(mcp.MODERN, "wait", 3))
        assert (refused["id"], refused["error"]["code"]) == (3, -32603)
        world.release.set()
        assert {(await client.hear())["id"], (await client.hear())["id"]} == {1, 2}


@holds("stdio.concurrent")
async def test_a_slow_call_holds_nobody_up() -> None:
    world = pets()
    async with served(world.directory) as client:
        client.say(call(mcp.MODERN, "wait", "slow"), call(mcp.MODERN, "echo", "quick"))
        assert (await client.hear())["id"] == "quick"
        world.release.set()
        assert (await client.hear())["id"] == "slow"


@holds("stdio.concurrent", "invalid-request")
async def test_an_id_that_is_still_running_cannot_be_used_again() -> None:
    world = pets()
    async with served(world.directory) as client:
        client.say(call(mcp.MODERN, "wait", 1))
        assert (await client.ask(call(mcp.MODERN, "echo", 1)))["error"]["code"] == -32600
        world.release.set()
        assert "result" in await client.hear()


@holds("stdio.cancel")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_cancelled_call_gets_no_response(revision: str) -> None:
    world = pets()
    async with served(world.directory) as client:
        await opened(client, revision)
        client.say(call(revision, "wait", "w"), {**CANCEL, "params": {"requestId": "w", "reason": "bored"}})
        await happens(world.cancelled)
        assert (await client.ask(call(revision, "echo", "after")))["id"] == "after"
        assert (await client.ask(call(revision, "echo", "w")))["id"] == "w"


@holds("stdio.progress", "progress")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_progress_comes_before_the_response(revision: str) -> None:
    async with served(pets().directory) as client:
        await opened(client, revision)
        client.say(call(revision, "steps", "s", progressToken="p"))
        told = await client.hear()
        assert told["method"] == "notifications/progress"
        assert told["params"]["progressToken"] == "p"
        while "id" not in (last := await client.hear()):
            assert last["params"]["progress"] > told["params"]["progress"]
        assert last["id"] == "s"


@holds("stdio.progress")
async def test_a_client_that_does_not_read_loses_progress_and_nothing_else() -> None:
    async with served(pets().directory) as client:
        client.stuck = asyncio.Event()
        client.say(call(mcp.MODERN, "steps", "s", progressToken="p"))
        async with asyncio.timeout(asgi.SECONDS):
            while b'"id":"s"' not in client.written:
                await asyncio.sleep(0)
        client.stuck.set()
    assert [frame.get("method", "response") for frame in client.frames()] == ["notifications/progress", "response"]


@holds("stdio.changes", "listen")
async def test_a_modern_client_listens_until_it_no_longer_wants_to() -> None:
    world = pets()
    async with served(world.directory) as client:
        first = await client.ask(mcp.words(mcp.MODERN, "subscriptions/listen", LISTEN, "sub"))
        assert first["method"] == "notifications/subscriptions/acknowledged"
        pets(etag="two", world=world)
        changed = await client.hear()
        assert changed["params"]["_meta"] == {mcp.SUBSCRIPTION_KEY: "sub"}
        client.say({**CANCEL, "params": {"requestId": "sub"}})
        assert (await client.ask(call(mcp.MODERN, "echo")))["id"] == 1
        pets(etag="three", world=world)
        assert (await client.ask(call(mcp.MODERN, "echo", 2)))["id"] == 2
    assert len(client.frames()) == 4


@holds("stdio.changes")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_a_legacy_client_is_told_once_it_is_initialized(revision: str) -> None:
    world = pets()
    async with served(world.directory) as client:
        await opened(client, revision)
        client.say(INITIALIZED, INITIALIZED)
        await client.ask(mcp.words(revision, "ping"))
        pets(etag="two", world=world)
        assert await client.hear() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        await client.ask(mcp.words(revision, "ping"))
    assert len(client.frames()) == 4


@holds("stdio.changes")
async def test_a_modern_client_is_told_nothing_it_did_not_ask_for() -> None:
    world = pets()
    async with served(world.directory) as client:
        client.say(INITIALIZED)
        await client.ask(call(mcp.MODERN, "echo", 1))
        pets(etag="two", world=world)
        await client.ask(call(mcp.MODERN, "echo", 2))
    assert len(client.frames()) == 2


@holds("stdio.changes", "params")
async def test_a_subscription_that_says_nothing_is_refused() -> None:
    async with served(pets().directory) as client:
        answer = await client.ask(mcp.words(mcp.MODERN, "subscriptions/listen"))
        assert answer["error"]["code"] == -32602


@holds("batch", "batch.others")
async def test_batches_are_heard_where_the_revision_has_them() -> None:
    async with served(pets().directory) as client:
        await opened(client, "2025-03-26")
        ping = mcp.words("2025-03-26", "ping", key="p")
        answers = await client.ask([ping, call("2025-03-26", "echo", 2), INITIALIZED])
        assert [answer["id"] for answer in answers] == ["p", 2]
        assert (await client.ask([]))["error"]["code"] == -32600
        client.say([INITIALIZED])
        await opened(client, "2025-11-25")
        assert (await client.ask([ping]))["error"]["code"] == -32600


@holds("stdio.end")
async def test_calls_may_finish_when_the_input_has_ended() -> None:
    world = pets()
    async with served(world.directory, drain=asgi.SECONDS) as client:
        client.say(call(mcp.MODERN, "wait"))
        await happens(world.started)
        client.reader.feed_eof()
        world.release.set()
    assert client.frames()[0]["result"]["content"][0]["text"] == "waited"


@holds("stdio.end", "listen.end")
async def test_what_does_not_finish_is_cancelled_and_subscriptions_get_their_result() -> None:
    world = pets()
    async with served(world.directory, drain=0.01) as client:
        await client.ask(mcp.words(mcp.MODERN, "subscriptions/listen", LISTEN, "sub"))
        client.say(call(mcp.MODERN, "wait"))
        await happens(world.started)
    assert world.cancelled.is_set()
    assert client.frames()[-1]["result"]["_meta"][mcp.SUBSCRIPTION_KEY] == "sub"
    assert len(client.frames()) == 2


@holds("stdio.end")
async def test_a_client_that_no_longer_reads_ends_it() -> None:
    world = pets()
    async with served(world.directory) as client:
        client.say(call(mcp.MODERN, "wait"))
        await happens(world.started)
        client.broken = True
        client.say(b"garbage")
        await happens(world.cancelled)
