"""Speaks MCP to an application in this process, in the words of any revision, well-formed unless told otherwise."""

import json
from collections.abc import Iterable
from typing import Any

from support import asgi

MODERN = "2026-07-28"
LEGACY = ("2025-03-26", "2025-06-18", "2025-11-25")
EVERY = (*LEGACY, MODERN)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"
META = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}

Headers = dict[str, str | None]

BASE: Headers = {
    "host": "localhost:8787",
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}


def headers(*layers: Headers | None) -> list[tuple[str, str]]:
    """Headers laid over each other; None takes one away."""
    merged: Headers = {}
    for layer in (BASE, *layers):
        merged.update(layer or {})
    return [(name, value) for name, value in merged.items() if value is not None]


def words(revision: str, method: str, params: dict[str, Any] | None = None, key: Any = 1) -> dict[str, Any]:
    """A request as a client of that revision writes it."""
    params = dict(params or {})
    if revision == MODERN:
        params["_meta"] = {**META, **params.get("_meta", {})}
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": key, "method": method}
    return {**message, "params": params} if params else message


def routing(revision: str, message: dict[str, Any]) -> Headers:
    """The headers that go with a request in that revision."""
    if revision != MODERN:
        return {"mcp-protocol-version": revision}
    params = message.get("params", {})
    name = params.get("uri") if message["method"] == "resources/read" else params.get("name")
    said: Headers = {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
    return {**said, "mcp-name": name} if isinstance(name, str) else said


async def post(app: Any, body: Any, *layers: Headers | None) -> asgi.Reply:
    """POST a body as it is, or as JSON."""
    return await asgi.request(app, "POST", headers(*layers), [encoded(body)])


async def ask(
    app: Any,
    revision: str,
    method: str,
    params: dict[str, Any] | None = None,
    extra: Headers | None = None,
    key: Any = 1,
) -> asgi.Reply:
    """One request in one revision."""
    message = words(revision, method, params, key)
    return await post(app, message, routing(revision, message), extra)


def asking(
    app: Any,
    revision: str,
    method: str,
    params: dict[str, Any] | None = None,
    extra: Headers | None = None,
    key: Any = 1,
) -> Any:
    """The same, left in flight: a context manager around its :class:`~support.asgi.Wire`."""
    message = words(revision, method, params, key)
    return asgi.connection(app, "POST", headers(routing(revision, message), extra), [encoded(message)])


async def call(app: Any, revision: str, tool: str, arguments: dict[str, Any] | None = None, **more: Any) -> asgi.Reply:
    """One ``tools/call``."""
    return await ask(app, revision, "tools/call", {"name": tool, "arguments": arguments or {}}, **more)


async def initialize(app: Any, revision: str = "2025-11-25", extra: Headers | None = None) -> str:
    """Open a legacy session; its id."""
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    reply = await post(app, words("2025-11-25", "initialize", params), extra)
    assert reply.status == 200
    session = reply.header("mcp-session-id")
    assert session is not None
    return session


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def chunks(body: bytes, size: int) -> Iterable[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]
