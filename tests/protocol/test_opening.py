"""Discovery, initialisation, and the sessions of the legacy era."""

import asyncio

import pytest

from apiloom.identity.gate import Gate, OpenGate, Refusal
from apiloom.identity.principal import Principal
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.pets import pets


class NameGate:
    """Believes whatever name it is told."""

    def admit(self, authorization: bytes) -> Principal | Refusal:
        return Principal(id=authorization.decode() or "nobody")


def open_app(gate: Gate | None = None, **settings: object) -> McpHttp:
    return McpHttp(pets().directory, gate or OpenGate(), WireSettings(**settings))  # type: ignore[arg-type]


async def status(app: McpHttp, session: str, **extra: str) -> int:
    reply = await mcp.ask(app, "2025-11-25", "tools/list", extra={"mcp-session-id": session, **extra})
    return reply.status


@holds("discover")
async def test_discovery_tells_everything_a_client_needs() -> None:
    result = (await mcp.ask(open_app(), mcp.MODERN, "server/discover")).json()["result"]
    assert result == {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
        "capabilities": {"tools": {"listChanged": True}, "resources": {}},
        "instructions": "Ask for pets.",
        "ttlMs": 60_000,
        "cacheScope": "private",
        "_meta": {mcp.SERVER_KEY: {"name": "pets", "title": "Pet shop", "version": "1.2"}},
    }


@holds("initialize")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_initialize_settles_the_version_and_mints_a_session(revision: str) -> None:
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    reply = await mcp.post(open_app(), mcp.words(revision, "initialize", params))
    titled = {} if revision == "2025-03-26" else {"title": "Pet shop"}
    assert reply.json()["result"] == {
        "protocolVersion": revision,
        "capabilities": {"tools": {"listChanged": True}, "resources": {}},
        "serverInfo": {"name": "pets", **titled, "version": "1.2"},
        "instructions": "Ask for pets.",
    }
    session = reply.header("mcp-session-id") or ""
    assert len(session) >= 32
    assert all(0x21 <= ord(character) <= 0x7E for character in session)


@holds("initialize")
async def test_session_ids_are_never_the_same() -> None:
    app = open_app()
    assert len({await mcp.initialize(app) for _ in range(50)}) == 50


@holds("initialize.version")
@pytest.mark.parametrize("asked", ["2024-11-05", "2026-07-28", "1.0", ""])
async def test_an_unknown_version_is_answered_with_our_newest_legacy_one(asked: str) -> None:
    reply = await mcp.post(open_app(), mcp.words("2025-11-25", "initialize", {"protocolVersion": asked}))
    assert reply.json()["result"]["protocolVersion"] == "2025-11-25"


@holds("initialize")
@pytest.mark.parametrize("params", [{}, {"protocolVersion": 5}, {"protocolVersion": None}])
async def test_initialize_without_a_version_is_refused_and_mints_nothing(params: dict[str, object]) -> None:
    reply = await mcp.post(open_app(), mcp.words("2025-11-25", "initialize", params))
    assert reply.json()["error"]["code"] == -32602
    assert reply.header("mcp-session-id") is None


@holds("initialize")
async def test_initialize_may_already_name_its_version_in_the_header() -> None:
    params = {"protocolVersion": "2025-06-18", "capabilities": {}}
    reply = await mcp.post(
        open_app(), mcp.words("2025-11-25", "initialize", params), {"mcp-protocol-version": "2025-06-18"}
    )
    assert reply.json()["result"]["protocolVersion"] == "2025-06-18"


@holds("ping")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_ping_is_answered_with_nothing(revision: str) -> None:
    assert (await mcp.ask(open_app(), revision, "ping")).json()["result"] == {}


@holds("set-level")
async def test_a_log_level_is_taken_and_nonsense_is_not() -> None:
    app = open_app()
    session = {"mcp-session-id": await mcp.initialize(app)}
    taken = await mcp.ask(app, "2025-11-25", "logging/setLevel", {"level": "warning"}, extra=session)
    assert taken.json()["result"] == {}
    for params in ({"level": "loud"}, {}, {"level": 3}):
        refused = await mcp.ask(app, "2025-11-25", "logging/setLevel", params, extra=session)
        assert (refused.status, refused.json()["error"]["code"]) == (200, -32602)


@holds("session.unknown")
async def test_an_unknown_session_is_not_found_by_any_road() -> None:
    app, claimed = open_app(), {"mcp-session-id": "never-minted", "mcp-protocol-version": "2025-11-25"}
    assert await status(app, "never-minted") == 404
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await mcp.post(app, note, claimed)).status == 404
    assert (await mcp.post(app, [note], claimed)).status == 404
    assert (await asgi.request(app, "GET", mcp.headers(claimed))).status == 404
    assert (await asgi.request(app, "DELETE", mcp.headers(claimed))).status == 404


@holds("session.delete", "session.unknown")
async def test_delete_ends_a_session() -> None:
    app = open_app()
    session = await mcp.initialize(app)
    assert await status(app, session) == 200
    gone = await asgi.request(app, "DELETE", mcp.headers({"mcp-session-id": session}))
    assert (gone.status, gone.body) == (204, b"")
    assert await status(app, session) == 404


@holds("session.delete")
async def test_ending_a_session_calls_off_what_it_runs() -> None:
    world = pets()
    app = McpHttp(world.directory, OpenGate(), WireSettings())
    session = await mcp.initialize(app)
    async with mcp.asking(app, "2025-11-25", "tools/call", {"name": "wait"}, {"mcp-session-id": session}) as wire:
        await asyncio.wait_for(world.started.wait(), asgi.SECONDS)
        await asgi.request(app, "DELETE", mcp.headers({"mcp-session-id": session}))
        await wire.reply.end()
    assert world.cancelled.is_set()
    assert (wire.reply.status, wire.reply.body) == (202, b"")


@holds("session.unknown")
async def test_a_session_is_worthless_to_another_principal() -> None:
    app = open_app(NameGate())
    session = await mcp.initialize(app, extra={"authorization": "ann"})
    assert await status(app, session, authorization="bob") == 404
    assert await status(app, session, authorization="ann") == 200
    assert (
        await asgi.request(app, "DELETE", mcp.headers({"mcp-session-id": session, "authorization": "bob"}))
    ).status == 404


@holds("session.optional")
async def test_get_and_delete_need_a_session_and_post_does_not() -> None:
    app = open_app()
    for method in ("GET", "DELETE"):
        reply = await asgi.request(app, method, mcp.headers())
        assert (reply.status, reply.header("allow")) == (405, "POST")
    assert (await mcp.ask(app, "2025-06-18", "tools/list")).status == 200


@holds("session.bound")
async def test_the_longest_unused_session_gives_way() -> None:
    app = open_app(max_sessions=2)
    first, second = await mcp.initialize(app), await mcp.initialize(app)
    assert await status(app, first) == 200
    third = await mcp.initialize(app)
    assert [await status(app, session) for session in (first, second, third)] == [200, 404, 200]


@holds("session.version")
async def test_the_negotiated_version_rules_in_a_session() -> None:
    app = open_app()
    session = await mcp.initialize(app, "2025-03-26")
    message = mcp.words("2025-03-26", "tools/call", {"name": "get_pet"})
    for said in (None, "2025-11-25", "2025-03-26"):
        reply = await mcp.post(app, message, {"mcp-session-id": session, "mcp-protocol-version": said})
        assert "structuredContent" not in reply.json()["result"]
    newer = await mcp.initialize(app, "2025-11-25")
    reply = await mcp.post(app, message, {"mcp-session-id": newer})
    assert "structuredContent" in reply.json()["result"]


@holds("one-way")
@pytest.mark.parametrize("revision", mcp.LEGACY)
@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed", "params": {}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "nobody"}},
        {"jsonrpc": "2.0", "method": "made/up"},
        {"jsonrpc": "2.0", "id": 1, "result": {"roots": []}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}},
    ],
)
async def test_legacy_notifications_and_responses_are_taken_note_of(revision: str, message: dict[str, object]) -> None:
    app = open_app()
    session = await mcp.initialize(app, revision)
    for extra in ({"mcp-session-id": session}, None):
        reply = await mcp.post(app, message, {"mcp-protocol-version": revision}, extra)
        assert (reply.status, reply.body) == (202, b"")
