"""Lists of tools and what calling them gives, in every revision."""

import base64
import logging
from typing import Any

import pytest

from apiloom.identity.gate import OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import mcp
from support.behaviours import holds
from support.pets import PNG, Pets, pets, tool


def serve(world: Pets, **settings: Any) -> McpHttp:
    return McpHttp(world.directory, OpenGate(), WireSettings(**settings))


async def pages(app: McpHttp, revision: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        result = (await mcp.ask(app, revision, "tools/list", cursor)).json()["result"]
        found.append(result)
        if "nextCursor" not in result:
            return found
        cursor = {"cursor": result["nextCursor"]}


@holds("list")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("count", [1, 2, 4])
async def test_every_tool_is_listed_once_over_the_pages(revision: str, count: int) -> None:
    world = pets(pages=count)
    app = serve(world)
    listed = await pages(app, revision)
    names = [each["name"] for page in listed for each in page["tools"]]
    endpoint = world.directory.get()
    assert endpoint is not None
    assert len(listed) == count
    assert names == sorted(endpoint.routes)
    assert listed[0]["tools"][0] == tool(names[0])
    assert await pages(app, revision) == listed


@holds("list.cursor")
@pytest.mark.parametrize("cursor", ["x", "0", "2", "aaaaaaaaaaaaaaaa.1", "aaaaaaaaaaaaaaaa.99999999999999999999", "é"])
async def test_a_cursor_we_did_not_give_is_invalid(cursor: str) -> None:
    app = serve(pets())
    for revision in mcp.EVERY:
        reply = await mcp.ask(app, revision, "tools/list", {"cursor": cursor})
        assert reply.json()["error"]["code"] == -32602
        assert reply.status == (400 if revision == mcp.MODERN else 200)


@holds("list.cursor")
async def test_a_cursor_beyond_the_last_page_is_invalid() -> None:
    app = serve(pets(pages=2))
    following = (await mcp.ask(app, mcp.MODERN, "tools/list")).json()["result"]["nextCursor"]
    beyond = following.rpartition(".")[0] + ".2"
    assert (await mcp.ask(app, mcp.MODERN, "tools/list", {"cursor": beyond})).json()["error"]["code"] == -32602


@holds("list.cursor")
async def test_no_cursor_a_null_one_and_the_empty_one_mean_the_first_page() -> None:
    app = serve(pets())
    first = (await mcp.ask(app, mcp.MODERN, "tools/list")).body
    for cursor in (None, ""):
        assert (await mcp.ask(app, mcp.MODERN, "tools/list", {"cursor": cursor})).body == first


@holds("list.cursor")
async def test_paging_across_a_swap_starts_again_instead_of_missing_a_tool() -> None:
    world = pets(pages=2)
    app = serve(world)
    following = (await mcp.ask(app, mcp.MODERN, "tools/list")).json()["result"]["nextCursor"]
    pets(pages=2, etag="two", world=world)
    assert (await mcp.ask(app, mcp.MODERN, "tools/list", {"cursor": following})).json()["error"]["code"] == -32602
    assert len(await pages(app, mcp.MODERN)) == 2


@holds("list.cache")
async def test_modern_pages_say_how_long_and_for_whom_they_are_fresh() -> None:
    app = serve(pets(pages=3), ttl_ms=5000, cache_scope="public")
    for page in await pages(app, mcp.MODERN):
        assert (page["resultType"], page["ttlMs"], page["cacheScope"]) == ("complete", 5000, "public")
        assert page["_meta"][mcp.SERVER_KEY]["name"] == "pets"
    for page in await pages(app, "2025-11-25"):
        assert set(page) <= {"tools", "nextCursor"}


@holds("list.empty")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_server_without_tools_lists_none(revision: str) -> None:
    listed = await pages(serve(pets(pages=0)), revision)
    assert [page["tools"] for page in listed] == [[]]


@holds("call", "call.structured", "call.meta")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_an_outcome_comes_back_as_content(revision: str) -> None:
    result = (await mcp.call(serve(pets()), revision, "get_pet")).json()["result"]
    expected: dict[str, Any] = {
        "content": [{"type": "text", "text": 'Rex\n\u2028 "quoted" é'}],
        "isError": False,
        "_meta": {"dev.apiloom/x": 1},
    }
    if revision != "2025-03-26":
        expected["structuredContent"] = {"id": 7, "name": "Rex"}
    if revision == mcp.MODERN:
        expected["resultType"] = "complete"
        expected["_meta"][mcp.SERVER_KEY] = {"name": "pets", "title": "Pet shop", "version": "1.2"}
    assert result == expected


@holds("call.meta")
async def test_results_without_meta_carry_only_what_the_era_asks_for() -> None:
    app = serve(pets())
    assert "_meta" not in (await mcp.call(app, "2025-11-25", "echo")).json()["result"]
    assert set((await mcp.call(app, mcp.MODERN, "echo")).json()["result"]["_meta"]) == {mcp.SERVER_KEY}


@holds("call.content")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_bytes_are_images_sounds_or_resources(revision: str) -> None:
    text, image, sound, named, unnamed = (await mcp.call(serve(pets()), revision, "media")).json()["result"]["content"]
    pdf = base64.b64encode(b"%PDF").decode()
    assert text == {"type": "text", "text": "three"}
    assert image == {"type": "image", "data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}
    assert sound["type"] == "audio"
    assert named["resource"] == {"uri": "apiloom://result/a%20b.pdf", "mimeType": "application/pdf", "blob": pdf}
    assert unnamed["resource"]["uri"].startswith("apiloom://result/")


@holds("call.content")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_no_content_is_an_empty_list(revision: str) -> None:
    assert (await mcp.call(serve(pets()), revision, "nothing")).json()["result"]["content"] == []


@holds("call.unknown")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_name(revision: str) -> None:
    reply = await mcp.call(serve(pets()), revision, "get_pets", key="x")
    assert (reply.json()["error"]["code"], reply.json()["id"]) == (-32602, "x")
    assert "get_pet" in reply.json()["error"]["message"]
    assert reply.status == (400 if revision == mcp.MODERN else 200)


@holds("call.arguments")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_absent_arguments_are_none_at_all(revision: str) -> None:
    world = pets()
    for params in ({"name": "echo"}, {"name": "echo", "arguments": None}, {"name": "echo", "arguments": {}}):
        assert (await mcp.ask(serve(world), revision, "tools/call", params)).status == 200
    assert [call.arguments for call in world.calls] == [{}, {}, {}]


@holds("call.arguments")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("arguments", [[1], "x", 5, True])
async def test_arguments_that_are_no_object_are_invalid(revision: str, arguments: object) -> None:
    world = pets()
    reply = await mcp.ask(serve(world), revision, "tools/call", {"name": "echo", "arguments": arguments})
    assert reply.json()["error"]["code"] == -32602
    assert reply.status == (400 if revision == mcp.MODERN else 200)
    assert world.calls == []


@holds("call.arguments")
async def test_arguments_arrive_as_they_were_sent() -> None:
    sent = {"a": [1, 2.5, None, {"é\n": "\U0001f600"}], "big": 10**25, "deep": {"x": {"y": {}}}}
    reply = await mcp.call(serve(pets()), mcp.MODERN, "echo", sent)
    assert reply.json()["result"]["structuredContent"] == sent


@holds("call.error")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("refuse", "call.arguments", "that argument is wrong: use another"),
        ("down", "net.refused", "the API cannot be reached"),
        ("fault", "house.broken", "a promise was broken"),
    ],
)
async def test_what_goes_wrong_in_a_call_is_a_result(revision: str, name: str, code: str, said: str) -> None:
    reply = await mcp.call(serve(pets()), revision, name)
    result = reply.json()["result"]
    assert (reply.status, result["isError"], result["content"][0]["text"]) == (200, True, said)
    assert result["_meta"]["dev.apiloom/error"] == {"code": code}


@holds("call.wall")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("name", ["crash", "unencodable"])
async def test_what_nobody_expected_shows_a_number_and_nothing_else(
    revision: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "apiloom.wire"):
        reply = await mcp.call(serve(pets()), revision, name, {"secret": "argument-that-must-not-show"})
    error = reply.json()["error"]
    assert error["code"] == -32603
    assert error["data"]["dev.apiloom/request_id"] in caplog.text
    assert "must-not-show" not in reply.body.decode() + caplog.text


@holds("call.era-blind")
async def test_a_call_does_not_show_which_era_spoke() -> None:
    world = pets()
    app = serve(world, call_timeout=7)
    own = {"dev.apiloom/idempotency_key": "k", "traceparent": "00-x", "progressToken": 1}
    for revision in mcp.EVERY:
        await mcp.call(app, revision, "echo", {"a": 1})
        await mcp.ask(app, revision, "tools/call", {"name": "echo", "arguments": {"a": 1}, "_meta": own})
    plain, meant = world.calls[0::2], world.calls[1::2]
    assert all((call.tool, call.arguments, call.meta, call.timeout) == ("echo", {"a": 1}, {}, 7) for call in plain)
    assert all(call.meta == {"dev.apiloom/idempotency_key": "k", "traceparent": "00-x"} for call in meant)


@holds("call.limits")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_rate_limits_are_also_told_as_headers(revision: str) -> None:
    app = serve(pets())
    reply = await mcp.call(app, revision, "limited")
    told = [reply.header(f"ratelimit-{name}") for name in ("limit", "remaining", "reset")]
    assert told == ["60", "0", "12"]
    assert (await mcp.call(app, revision, "echo")).header("ratelimit-limit") is None


@holds("call")
async def test_calls_after_a_swap_reach_the_new_endpoint() -> None:
    world = pets()
    app = serve(world)
    assert (await mcp.call(app, mcp.MODERN, "echo")).status == 200
    endpoint = world.directory.get()
    assert endpoint is not None
    pets(etag="two", world=world)
    assert (await mcp.call(app, mcp.MODERN, "echo")).status == 200
    world.directory.endpoints.clear()
    assert (await mcp.call(app, mcp.MODERN, "echo")).status == 404
