"""Calls that need a person to open a page first: asked in each revision's own way, and gone on with on any node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiloom.identity.gate import OpenGate, Refusal
from apiloom.identity.principal import Principal
from apiloom.wire.door import Door
from apiloom.wire.http import McpHttp
from apiloom.wire.session_ids import NODE_SIZE, SessionSeals
from apiloom.wire.settings import WireSettings
from apiloom.wire.visits import LIFE, MOST_ASKED
from support import mcp
from support.behaviours import holds
from support.lines import served
from support.pets import Pets, pets

URL = {"elicitation": {"url": {}}}
BOTH = {"elicitation": {"form": {}, "url": {}}}
CANNOT: list[Any] = [
    {},
    {"elicitation": {}},
    {"elicitation": {"form": {}}},
    {"elicitation": True},
    {"elicitation": {"url": True}},
    {"elicitation": {"url": None}},
    {"elicitation": ["url"]},
    {"sampling": {}},
]


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class NameGate:
    """Believes whatever name it is told."""

    def admit(self, authorization: bytes) -> Principal | Refusal:
        return Principal(id=authorization.decode() or "nobody")


def node(world: Pets, number: int = 1, clock: Clock | None = None, key: str = "srv_1", secret: bytes = b"k") -> McpHttp:
    settings = WireSettings(watch_after=0.001)
    seals = SessionSeals((secret * 32,), bytes([number]) * NODE_SIZE, clock or Clock())
    return McpHttp(world.directory, Door(NameGate(), settings), settings, ids=seals.of(key))


async def adopt(
    app: McpHttp, params: dict[str, Any] | None = None, capabilities: Any = None, who: str = "ada"
) -> dict[str, Any]:
    """A modern call of the tool that needs a page; the whole response."""
    given = {"name": "adopt", "arguments": {"needs": ["home"]}, **(params or {})}
    given["_meta"] = {**mcp.META, mcp.CAPABILITIES_KEY: URL if capabilities is None else capabilities}
    reply = await mcp.ask(app, mcp.MODERN, "tools/call", given, {"authorization": who})
    answer: dict[str, Any] = reply.json()
    assert reply.status == (400 if answer.get("error", {}).get("code") == -32602 else 200)
    return answer


def said(state: str, action: Any = "accept", key: str = "home") -> dict[str, Any]:
    return {"requestState": state, "inputResponses": {key: {"action": action}}}


async def state_of(app: McpHttp, **more: Any) -> str:
    return str((await adopt(app, **more))["result"]["requestState"])


@holds("visit", "schema")
@pytest.mark.parametrize("capabilities", [URL, BOTH])
async def test_a_client_that_can_open_pages_is_asked_to(capabilities: Any) -> None:
    result = (await adopt(node(pets()), capabilities=capabilities))["result"]
    assert result["resultType"] == "input_required"
    asked = {"mode": "url", "url": "https://pets.example/connect/home", "message": "Tell us of your home."}
    assert result["inputRequests"] == {"home": {"method": "elicitation/create", "params": asked}}
    assert mcp.SERVER_KEY in result["_meta"]
    assert set(result) == {"resultType", "inputRequests", "requestState", "_meta"}
    assert "ada" not in result["requestState"]


@holds("visit.undeclared")
@pytest.mark.parametrize("capabilities", CANNOT)
async def test_nothing_is_asked_that_the_client_did_not_declare(capabilities: Any) -> None:
    result = (await adopt(node(pets()), capabilities=capabilities))["result"]
    assert result["resultType"] == "complete"
    assert result["isError"] is True
    assert "open https://pets.example/connect/home" in result["content"][0]["text"]


@holds("visit")
async def test_the_call_goes_on_where_the_client_comes_back_on_any_node() -> None:
    world = pets()
    state = await state_of(node(world, 1))
    world.connected.add("home")
    result = (await adopt(node(world, 2), said(state)))["result"]
    assert (result["resultType"], result["isError"]) == ("complete", False)
    assert result["structuredContent"] == {"adopted": True}
    assert not {"ttlMs", "cacheScope"} & set(result)
    assert world.calls[-1].arguments == {"needs": ["home"]}
    assert world.calls[-1].meta == {}


@holds("visit.said")
@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
async def test_whatever_was_said_a_need_is_asked_for_once(action: str) -> None:
    app = node(pets())
    result = (await adopt(app, said(await state_of(app), action)))["result"]
    assert (result["resultType"], result["isError"]) == ("complete", True)
    assert "https://pets.example/connect/home" in result["content"][0]["text"]


@holds("visit.said")
@pytest.mark.parametrize("responses", [{}, None, {"other": {"action": "accept"}}])
async def test_who_says_nothing_is_asked_again(responses: Any) -> None:
    app = node(pets())
    params = {"requestState": await state_of(app)} | ({} if responses is None else {"inputResponses": responses})
    assert (await adopt(app, params))["result"]["resultType"] == "input_required"


@holds("visit.said")
@pytest.mark.parametrize(
    "response", ["accept", None, {}, {"action": "yes"}, {"action": ["accept"]}, [], {"action": {}}]
)
async def test_what_is_no_answer_is_refused(response: Any) -> None:
    world = pets()
    app = node(world)
    params = {"requestState": await state_of(app), "inputResponses": {"home": response}}
    world.calls.clear()
    assert (await adopt(app, params))["error"]["code"] == -32602
    assert world.calls == []


@holds("visit")
async def test_several_needs_are_asked_for_one_after_the_other() -> None:
    world = pets()
    app = node(world)
    needs = {"arguments": {"needs": ["home", "papers"]}}
    first = (await adopt(app, needs))["result"]
    world.connected.add("home")
    second = (await adopt(app, {**needs, **said(first["requestState"])}))["result"]
    assert list(second["inputRequests"]) == ["papers"]
    world.connected.add("papers")
    third = await adopt(app, {**needs, **said(second["requestState"], key="papers")})
    assert third["result"]["isError"] is False


@holds("visit.said")
async def test_the_needs_of_one_call_are_bounded() -> None:
    world = pets()
    app = node(world)
    needs = [f"need{number}" for number in range(MOST_ASKED + 2)]
    params: dict[str, Any] = {"arguments": {"needs": needs}}
    for need in needs[:MOST_ASKED]:
        result = (await adopt(app, params))["result"]
        assert list(result["inputRequests"]) == [need]
        world.connected.add(need)
        params |= said(result["requestState"], key=need)
    assert (await adopt(app, params))["result"]["isError"] is True


@holds("visit", "visit.said")
async def test_a_need_with_a_long_name_is_gone_on_with_like_any_other() -> None:
    world = pets()
    app = node(world)
    needs = [f"{number}/" + "https://www.googleapis.example/auth/everything " * 60 for number in range(MOST_ASKED)]
    params: dict[str, Any] = {"arguments": {"needs": [*needs, "\u00e9"]}}
    asked = set()
    for need in needs:
        result = (await adopt(app, params))["result"]
        [key] = result["inputRequests"]
        asked.add(key)
        world.connected.add(need)
        params |= said(result["requestState"], key=key)
    assert len(asked) == MOST_ASKED
    assert (await adopt(app, params))["result"]["isError"] is True
    # said to and not done: asked for once all the same
    again = (await adopt(node(pets()), {"arguments": {"needs": needs}}))["result"]
    [key] = again["inputRequests"]
    params = {"arguments": {"needs": needs}, **said(again["requestState"], key=key)}
    assert (await adopt(node(pets()), params))["result"]["isError"] is True


@holds("visit.state")
async def test_state_is_worth_nothing_anywhere_else() -> None:
    world, clock = pets(), Clock()
    app = node(world, clock=clock)
    state = await state_of(app)
    world.connected.add("home")
    world.calls.clear()
    flipped = ("A" if state[0] != "A" else "B") + state[1:]
    wrong: list[tuple[McpHttp, dict[str, Any], str]] = [
        (app, said(state), "bob"),
        (app, {**said(state), "arguments": {"needs": []}}, "ada"),
        (app, {**said(state), "name": "echo"}, "ada"),
        (node(world, key="srv_2"), said(state), "ada"),
        (node(world, secret=b"other"[:1]), said(state), "ada"),
        (app, said(flipped), "ada"),
        (app, said(state[:-1]), "ada"),
        (app, said(state + "A"), "ada"),
        (app, said(""), "ada"),
        (app, said("x" * 100_000), "ada"),
        (app, said("\u2028é"), "ada"),
    ]
    for at, params, who in wrong:
        assert (await adopt(at, params, who=who))["error"]["code"] == -32602, (params, who)
    for kind in (5, True, {}, []):
        assert (await adopt(app, {"requestState": kind}))["error"]["code"] == -32602
    assert (await adopt(app, {"requestState": state, "inputResponses": "home"}))["error"]["code"] == -32602
    assert world.calls == []
    clock.now += LIFE + 1
    assert (await adopt(app, said(state)))["error"]["code"] == -32602
    clock.now -= 2
    assert (await adopt(app, said(state)))["result"]["isError"] is False


@holds("visit.state")
async def test_a_session_id_is_no_state_and_state_no_session_id() -> None:
    app = node(pets())
    session = await mcp.initialize(app, extra={"authorization": "ada"})
    assert (await adopt(app, said(session)))["error"]["code"] == -32602
    head: mcp.Headers = {"mcp-session-id": await state_of(app), "authorization": "ada"}
    assert (await mcp.ask(app, "2025-11-25", "ping", extra=head)).status == 404


async def legacy(app: McpHttp, capabilities: Any, revision: str = "2025-11-25", **session: Any) -> dict[str, Any]:
    """A call in a session whose client declared so much; ``on`` is the application that is called."""
    params = {"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "0"}}
    opened = await mcp.post(app, mcp.words("2025-11-25", "initialize", params), {"authorization": "ada"})
    head: mcp.Headers = {"mcp-session-id": opened.header("mcp-session-id"), "authorization": "ada"}
    answer: dict[str, Any] = (await mcp.call(session.get("on", app), revision, "adopt", extra=head)).json()
    return answer


@holds("visit.legacy", "schema")
async def test_a_session_that_declared_it_is_told_by_an_error_on_any_node() -> None:
    world = pets()
    error = (await legacy(node(world, 1), URL, on=node(world, 2)))["error"]
    assert (error["code"], error["message"]) == (-32042, "Tell us of your home.")
    [asked] = error["data"]["elicitations"]
    named = asked.pop("elicitationId")
    assert named
    assert asked == {"mode": "url", "url": "https://pets.example/connect/home", "message": "Tell us of your home."}
    again = (await legacy(node(world), BOTH))["error"]
    assert again["data"]["elicitations"][0]["elicitationId"] == named


@holds("visit.legacy")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_other_legacy_clients_are_told_in_text(revision: str) -> None:
    app = node(pets())
    cannot = CANNOT if revision == "2025-11-25" else [URL]
    answers = [await legacy(app, capabilities, revision) for capabilities in cannot]
    answers.append((await mcp.call(app, revision, "adopt", extra={"authorization": "ada"})).json())
    for answer in answers:
        assert answer["result"]["isError"] is True
        assert "open https://pets.example/connect/home" in answer["result"]["content"][0]["text"]


@holds("visit", "visit.legacy")
async def test_both_eras_are_asked_on_standard_input_and_output() -> None:
    world = pets()
    params = {"name": "adopt", "arguments": {}, "_meta": {mcp.CAPABILITIES_KEY: URL}}
    async with served(world.directory) as client:
        asked = (await client.ask(mcp.words(mcp.MODERN, "tools/call", params, 1)))["result"]
        opening = {"protocolVersion": "2025-11-25", "capabilities": URL, "clientInfo": {"name": "t", "version": "0"}}
        await client.ask(mcp.words("2025-11-25", "initialize", opening, "open"))
        told = await client.ask(mcp.words("2025-11-25", "tools/call", {"name": "adopt", "arguments": {}}, 2))
        assert told["error"]["code"] == -32042
        world.connected.add("home")
        done = await client.ask(mcp.words(mcp.MODERN, "tools/call", {**params, **said(asked["requestState"])}, 3))
        assert done["result"]["isError"] is False


@holds("call.era-blind")
async def test_what_a_client_carries_reaches_no_tool() -> None:
    world = pets()
    await mcp.ask(
        McpHttp(world.directory, OpenGate(), WireSettings()),
        "2025-11-25",
        "tools/call",
        {"name": "echo", "arguments": {}, "requestState": "x", "inputResponses": {}},
    )
    assert json.dumps(world.calls[-1].arguments) == "{}"
