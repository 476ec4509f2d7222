"""A list in the profile that a URL names, or in a legacy session in the one its client wants; calls know of none."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

import apiloom
from apiloom.app.library import Api
from apiloom.app.straight import recognise
from apiloom.calls.endpoint import Listing
from apiloom.catalog.profiles import NAMES
from apiloom.console.house import Options
from apiloom.identity.gate import BearerGate, OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import mcp
from support.pets import Pets, pets

LEVEL = {"name": "level", "in": "query", "schema": {"type": ["integer", "null"], "minimum": 1}}
BY_PROFILE: dict[str, Any] = {
    "intersection": {"type": "integer", "description": "Or null.", "minimum": 1},
    "anthropic": {"type": ["integer", "null"], "minimum": 1},
    "openai": {"type": ["integer", "null"], "minimum": 1},
    "gemini": {"type": "integer", "nullable": True, "minimum": 1},
    "full": {"type": ["integer", "null"], "minimum": 1},
}
BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Rank"}}}}


def document(operations: int = 1) -> dict[str, Any]:
    """Operations that take a number or null, in a body of one member, so that null can be sent."""
    rank = {"type": "object", "properties": {"level": LEVEL["schema"]}}
    done = {"200": {"description": "done"}}
    paths = {
        f"/ranks/{number:03}": {"post": {"operationId": f"rank_{number:03}", "requestBody": BODY, "responses": done}}
        for number in range(operations)
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ranks", "version": "1"},
        "servers": [{"url": "https://ranks.example.com"}],
        "paths": paths,
        "components": {"schemas": {"Rank": rank}},
    }


def ranks(operations: int = 1, profile: str = "intersection") -> Api:
    return apiloom.load(document(operations), options=Options(cache=False, profile=profile))


def at(app: Any, query: str) -> Any:
    """The application as it is reached under a URL with a query."""

    async def queried(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "query_string": query.encode()}, receive, send)

    return queried


def level_of(reply: Any) -> Any:
    (tool,) = reply.json()["result"]["tools"]
    return tool["inputSchema"]["properties"]["level"]


def by(profile: str, reply: Any) -> bool:
    """Whether a list is in a profile; the order of keywords means nothing."""
    return bool(level_of(reply) == BY_PROFILE[profile])


def test_every_profile_is_tried_here() -> None:
    assert set(BY_PROFILE) == set(NAMES)


@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("profile", NAMES)
async def test_a_list_is_in_the_profile_that_its_url_names(profile: str, revision: str) -> None:
    async with ranks() as api:
        app = api.asgi()
        assert by(profile, await mcp.ask(at(app, f"profile={profile}"), revision, "tools/list"))
        assert by("intersection", await mcp.ask(app, revision, "tools/list"))


@pytest.mark.parametrize("query", ["a=1&profile=gemini&b", "profile=%67emini", "profil=x&profile=gemini"])
async def test_other_members_of_a_query_are_let_be(query: str) -> None:
    async with ranks() as api:
        assert by("gemini", await mcp.ask(at(api.asgi(), query), mcp.MODERN, "tools/list"))


@pytest.mark.parametrize("query", ["", "x=1", "profiles=gemini", "Profile=gemini", "&&"])
async def test_without_a_profile_in_its_url_a_list_is_in_the_servers_own(query: str) -> None:
    async with ranks(profile="gemini") as api:
        assert by("gemini", await mcp.ask(at(api.asgi(), query), mcp.MODERN, "tools/list"))


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "initialize", "server/discover"])
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_profile_that_is_not_there_is_refused_in_one_sentence(revision: str, method: str) -> None:
    async with ranks() as api:
        reply = await mcp.ask(at(api.asgi(), "profile=Gemini"), revision, method)
    assert reply.status == 400
    error = reply.json()["error"]
    assert error["code"] == -32600
    assert error["message"] == (
        "there is no profile named 'Gemini': there are intersection, anthropic, openai, gemini and full"
    )


@pytest.mark.parametrize("query", ["profile", "profile=", "profile=gemini&profile=gemini", "profile=a%00b"])
async def test_a_query_that_names_no_one_profile_is_refused(query: str) -> None:
    async with ranks() as api:
        reply = await mcp.ask(at(api.asgi(), query), mcp.MODERN, "tools/list")
    assert reply.status == 400
    assert "profile" in reply.json()["error"]["message"]


async def test_strangers_are_not_told_which_profiles_there_are() -> None:
    app = McpHttp(pets().directory, BearerGate("secret"), WireSettings())
    reply = await mcp.ask(at(app, "profile=x"), mcp.MODERN, "tools/list")
    assert reply.status == 401
    assert b"intersection" not in reply.body


async def test_pages_stay_within_the_profile_they_began_in() -> None:
    async with ranks(operations=600) as api:
        app = api.asgi()
        gemini = at(app, "profile=gemini")
        first = (await mcp.ask(gemini, mcp.MODERN, "tools/list")).json()["result"]
        cursor = {"cursor": first["nextCursor"]}
        second = (await mcp.ask(gemini, mcp.MODERN, "tools/list", cursor)).json()["result"]
        elsewhere = await mcp.ask(app, mcp.MODERN, "tools/list", cursor)
    tools = [*first["tools"], *second["tools"]]
    assert [tool["name"] for tool in tools] == [f"rank_{number:03}" for number in range(600)]
    assert all(tool["inputSchema"]["properties"]["level"] == BY_PROFILE["gemini"] for tool in tools)
    assert elsewhere.json()["error"]["code"] == -32602


async def test_a_call_takes_the_same_arguments_in_every_profile() -> None:
    async with ranks() as api:
        app = api.asgi()
        said = []
        for query in ("", *(f"profile={name}" for name in NAMES)):
            reply = await mcp.call(at(app, query), mcp.MODERN, "rank_000", {"level": 0})
            said.append(reply.json()["result"]["content"])
    assert said == [said[0]] * len(said)
    assert "level" in said[0][0]["text"]


# -- in the legacy era by the name a client gives itself ---------------------------------------------------------------


async def listed_to(app: Any, client: Any, query: str = "", revision: str = "2025-11-25") -> Any:
    """What a client that gives itself a name is listed in its session."""
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": client}
    opened = await mcp.post(at(app, query), mcp.words(revision, "initialize", params))
    assert opened.status == 200, opened.body
    session = {"mcp-session-id": opened.header("mcp-session-id")}
    return await mcp.ask(at(app, query), revision, "tools/list", extra=session)


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("gemini-cli-mcp-client", "gemini"),
        ("gemini-cli", "gemini"),
        ("claude-ai", "anthropic"),
        ("openai-mcp", "openai"),
        ("claude-code", "intersection"),
        ("codex-mcp-client", "intersection"),
        ("cursor-vscode", "intersection"),
        ("gemini-climate", "intersection"),
        ("", "intersection"),
        (7, "intersection"),
    ],
)
async def test_a_legacy_client_of_one_provider_is_listed_its_profile(name: Any, profile: str) -> None:
    async with ranks() as api:
        assert by(profile, await listed_to(api.asgi(), {"name": name, "version": "1"}))


@pytest.mark.parametrize("client", [None, [], "gemini-cli", {}])
async def test_a_client_without_a_name_is_served_all_the_same(client: Any) -> None:
    async with ranks() as api:
        assert by("intersection", await listed_to(api.asgi(), client))


async def test_what_the_url_names_comes_before_what_the_client_is() -> None:
    async with ranks() as api:
        assert by("full", await listed_to(api.asgi(), {"name": "gemini-cli"}, "profile=full"))


async def test_a_profile_that_the_server_was_given_comes_before_what_the_client_is() -> None:
    async with ranks(profile="full") as api:
        assert by("full", await listed_to(api.asgi(), {"name": "gemini-cli"}))


async def test_the_modern_era_does_not_go_by_what_the_client_is() -> None:
    meta = {"_meta": {"io.modelcontextprotocol/clientInfo": {"name": "gemini-cli", "version": "1"}}}
    async with ranks() as api:
        assert by("intersection", await mcp.ask(api.asgi(), mcp.MODERN, "tools/list", meta))


async def test_a_list_inside_a_batch_is_in_the_profile_of_its_url() -> None:
    async with ranks() as api:
        batch = [mcp.words("2025-03-26", "tools/list")]
        reply = await mcp.post(at(api.asgi(), "profile=gemini"), batch, {"mcp-protocol-version": "2025-03-26"})
    (answer,) = reply.json()
    assert answer["result"]["tools"][0]["inputSchema"]["properties"]["level"] == BY_PROFILE["gemini"]


# -- rendered once, beside the calls -----------------------------------------------------------------------------------

OTHER = Listing(pages=(b'{"name":"in_full"}',), etag="other", count=1)


class Slow:
    """Renders when it is let, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun, self.let = threading.Event(), threading.Event()
        self.faults: list[Exception] = []

    def __call__(self, profile: str) -> Listing:
        self.asked.append(profile)
        self.begun.set()
        assert self.let.wait(10)
        if self.faults:
            raise self.faults.pop()
        return OTHER


@contextmanager
def slowly(world: Pets) -> Iterator[tuple[McpHttp, Slow]]:
    slow = Slow()
    endpoint = world.directory.get()
    assert endpoint is not None
    world.directory.put(replace(endpoint, listed=slow, profile="intersection"))
    try:
        yield McpHttp(world.directory, OpenGate(), WireSettings()), slow
    finally:
        slow.let.set()


def listing(app: Any) -> Any:
    return mcp.ask(at(app, "profile=full"), mcp.MODERN, "tools/list")


async def begun(slow: Slow) -> None:
    assert await asyncio.to_thread(slow.begun.wait, 10)


async def test_calls_are_answered_while_a_list_is_rendered_once_for_all_who_wait() -> None:
    with slowly(pets()) as (app, slow):
        waiting = [asyncio.create_task(listing(app)) for _ in range(3)]
        await begun(slow)
        answered = await mcp.call(app, mcp.MODERN, "echo", {"word": "hello"})
        assert answered.status == 200
        assert not any(task.done() for task in waiting)
        slow.let.set()
        replies = await asyncio.gather(*waiting)
        again = await listing(app)
    assert slow.asked == ["full"]
    assert [reply.json()["result"]["tools"] for reply in (*replies, again)] == [[{"name": "in_full"}]] * 4


async def test_one_who_leaves_takes_the_list_from_nobody_else() -> None:
    with slowly(pets()) as (app, slow):
        leaving, staying = asyncio.create_task(listing(app)), asyncio.create_task(listing(app))
        await begun(slow)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        slow.let.set()
        assert (await staying).json()["result"]["tools"] == [{"name": "in_full"}]
    assert slow.asked == ["full"]


async def test_a_list_that_could_not_be_rendered_is_tried_again() -> None:
    with slowly(pets()) as (app, slow):
        slow.faults.append(RuntimeError("no"))
        slow.let.set()
        assert (await listing(app)).status == 500
        assert (await listing(app)).json()["result"]["tools"] == [{"name": "in_full"}]


async def test_a_swap_forgets_the_lists_of_what_was_served_before() -> None:
    world = pets()
    with slowly(world) as (app, slow):
        slow.let.set()
        await listing(app)
        endpoint = world.directory.get()
        assert endpoint is not None
        newer = Listing(pages=(b'{"name":"newer"}',), etag="newer", count=1)
        world.directory.put(replace(endpoint, listed=lambda _: newer))
        assert (await listing(app)).json()["result"]["tools"] == [{"name": "newer"}]


class Later:
    """A list that is rendered when its pages are first asked for, and forgotten when somebody says so."""

    etag, count = "later", 1

    def __init__(self) -> None:
        self.slow = Slow()
        self.ready = False

    @property
    def pages(self) -> tuple[bytes, ...]:
        if not self.ready:
            self.slow("")
            self.ready = True
        return (b'{"name":"later"}',)


async def test_a_servers_own_list_is_rendered_when_it_is_first_asked_for_beside_the_calls() -> None:
    world, later = pets(), Later()
    endpoint = world.directory.get()
    assert endpoint is not None
    world.directory.put(replace(endpoint, listing=later))
    app = McpHttp(world.directory, OpenGate(), WireSettings())
    assert (await mcp.ask(app, mcp.MODERN, "server/discover")).status == 200
    assert later.slow.asked == []
    waiting = [asyncio.create_task(mcp.ask(app, mcp.MODERN, "tools/list")) for _ in range(3)]
    await begun(later.slow)
    assert (await mcp.call(app, mcp.MODERN, "echo", {"word": "hello"})).status == 200
    assert not any(task.done() for task in waiting)
    later.slow.let.set()
    replies = await asyncio.gather(*waiting)
    assert [reply.json()["result"]["tools"] for reply in replies] == [[{"name": "later"}]] * 3
    assert later.slow.asked == [""]
    later.ready = False
    later.slow.let.clear()
    again = asyncio.create_task(mcp.ask(app, mcp.MODERN, "tools/list"))
    assert (await mcp.call(app, mcp.MODERN, "echo", {"word": "hello"})).status == 200
    later.slow.let.set()
    assert (await again).json()["result"]["tools"] == [{"name": "later"}]
    assert len(later.slow.asked) == 2


# -- by the short road in ----------------------------------------------------------------------------------------------


def head(target: str) -> bytes:
    said = {"Host": "localhost:8787", "Content-Type": "application/json", "Content-Length": "2"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"POST {target} HTTP/1.1\r\n{lines}\r\n".encode()


def test_a_url_with_a_profile_takes_the_short_road_too_and_is_read_once_for_each_head() -> None:
    app = McpHttp(pets().directory, OpenGate(), WireSettings())

    def find(path: bytes) -> McpHttp | None:
        return app if path == b"/mcp" else None

    known = recognise(head("/mcp?profile=gemini"), find)
    assert known is not None
    assert known.visitor.profile == "gemini"
    wrong = recognise(head("/mcp?profile=x"), find)
    assert wrong is not None
    assert wrong.visitor.wrong is not None
    assert wrong.visitor.wrong.status == 400
    assert json.loads(wrong.visitor.wrong.body)["error"]["message"].startswith("there is no profile named 'x'")
    assert recognise(head("/other?/mcp"), find) is None
