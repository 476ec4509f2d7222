"""Every message we send is valid in its revision's schema, as the official types read it."""

import asyncio
from typing import Any

import mcp_types.methods as official
import pytest
from mcp_types.jsonrpc import JSONRPCError, JSONRPCNotification, JSONRPCResponse

from apiloom.identity.gate import BearerGate, OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.lines import served
from support.pets import Pets, pets

LISTEN = {"notifications": {"toolsListChanged": True}}
NO_ID = {"id": None}
OPENING = {"capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
CALLS = ("echo", "get_pet", "limited", "media", "nothing", "refuse", "down", "fault")


def validate(revision: str, method: str, message: dict[str, Any]) -> str:
    """Check one message against the official types; what kind it was."""
    if "method" in message:
        JSONRPCNotification.model_validate(message)
        official.parse_server_notification(message["method"], revision, message.get("params"))
        return str(message["method"])
    if "error" in message:
        JSONRPCError.model_validate({**NO_ID, **message})
        return "error"
    JSONRPCResponse.model_validate(message)
    official.validate_server_result(method, revision, message["result"])
    return "result"


def serve(world: Pets, gate: Any = None, **settings: Any) -> McpHttp:
    return McpHttp(world.directory, gate or OpenGate(), WireSettings(watch_after=0.001, **settings))


@holds("schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("name", CALLS)
async def test_results_of_calls_are_valid(revision: str, name: str) -> None:
    reply = await mcp.call(serve(pets()), revision, name)
    assert validate(revision, "tools/call", reply.json()) == "result"


@holds("schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_lists_are_valid_on_every_page(revision: str) -> None:
    app = serve(pets(pages=3))
    cursor: dict[str, Any] = {}
    for _ in range(3):
        message = (await mcp.ask(app, revision, "tools/list", cursor)).json()
        assert validate(revision, "tools/list", message) == "result"
        cursor = {"cursor": message["result"].get("nextCursor")}


@holds("schema")
async def test_openings_are_valid() -> None:
    app = serve(pets())
    assert (
        validate(mcp.MODERN, "server/discover", (await mcp.ask(app, mcp.MODERN, "server/discover")).json()) == "result"
    )
    for revision in mcp.LEGACY:
        params = {"protocolVersion": revision, **OPENING}
        reply = await mcp.post(app, mcp.words(revision, "initialize", params))
        assert validate(revision, "initialize", reply.json()) == "result"
        for method, more in (("ping", {}), ("logging/setLevel", {"level": "info"})):
            assert validate(revision, method, (await mcp.ask(app, revision, method, more)).json()) == "result"


@holds("schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_errors_are_valid(revision: str) -> None:
    app = serve(pets(), max_body=2000)
    said = {"mcp-protocol-version": revision}
    replies = [
        await mcp.call(app, revision, "nobody"),
        await mcp.call(app, revision, "crash"),
        await mcp.ask(app, revision, "no/such"),
        await mcp.ask(app, revision, "tools/list", {"cursor": "x"}),
        await mcp.post(app, b"{", said),
        await mcp.post(app, {"jsonrpc": "2.0"}, said),
        await mcp.post(app, b"x" * 2001, said),
        await mcp.post(app, [{}] * 101, said),
        await mcp.ask(app, revision, "tools/list", extra={"host": "evil.example"}),
        await mcp.ask(app, revision, "tools/list", extra={"origin": "http://evil.example"}),
        await mcp.ask(app, revision, "tools/list", extra={"accept": "image/png"}),
        await mcp.ask(app, revision, "tools/list", extra={"content-type": "text/plain"}),
        await mcp.ask(app, revision, "tools/list", extra={"mcp-protocol-version": "1900-01-01"}),
        await mcp.ask(serve(pets(), BearerGate("t")), revision, "tools/list"),
        await asgi.request(app, "PUT", mcp.headers()),
        await asgi.request(app, "GET", mcp.headers({"mcp-session-id": "x"})),
    ]
    assert [validate(revision, "", reply.json()) for reply in replies] == ["error"] * len(replies)
    assert all(reply.json().get("id", 1) == 1 for reply in replies)


@holds("schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_streams_are_valid(revision: str) -> None:
    params = {"name": "steps", "_meta": {"progressToken": "p"}}
    told = (await mcp.ask(serve(pets()), revision, "tools/call", params)).events()
    kinds = [validate(revision, "tools/call", message) for message in told]
    assert kinds == ["notifications/progress", "notifications/progress", "result"]


@holds("schema")
async def test_subscriptions_are_valid() -> None:
    world = pets()
    app = serve(world)
    async with mcp.asking(app, mcp.MODERN, "subscriptions/listen", LISTEN) as wire:
        await wire.reply.message(0)
        pets(etag="two", world=world)
        await wire.reply.message(1)
        app.close()
        await wire.reply.end()
    kinds = [validate(mcp.MODERN, "subscriptions/listen", message) for message in wire.reply.events()]
    assert kinds == ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed", "result"]


@holds("schema")
@pytest.mark.parametrize("revision", mcp.LEGACY)
async def test_what_a_legacy_channel_carries_is_valid(revision: str) -> None:
    world = pets()
    async with served(world.directory) as client:
        client.say(mcp.words(revision, "initialize", {"protocolVersion": revision, **OPENING}))
        assert validate(revision, "initialize", await client.hear()) == "result"
        client.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await asyncio.sleep(0)
        assert validate(revision, "ping", await client.ask(mcp.words(revision, "ping"))) == "result"
        pets(etag="two", world=world)
        assert validate(revision, "", await client.hear()) == "notifications/tools/list_changed"
