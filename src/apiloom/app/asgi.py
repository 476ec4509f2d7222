"""The quick server's ASGI application: `/mcp`, the health paths, and one clear 404 for everything else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from apiloom.base import json
from apiloom.wire.door import AsgiLine, Line, Pairs, refused
from apiloom.wire.files import FilesHttp, behind_files
from apiloom.wire.http import McpHttp

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


_STOPPING = refused(503, "This server is stopping; try again in a moment", (b"retry-after", b"2"))


async def to_the_end(answering: Awaitable[None], line: Line, extra: Pairs = ()) -> None:
    """Answer a request. Where we stop and it does not end in time, whoever waits is told so: left alone, the server
    would print where it stood instead.
    """
    try:
        await answering
    except asyncio.CancelledError:
        with contextlib.suppress(RuntimeError, OSError):  # it has been answered in part, or nobody reads any more
            await line.answer(_STOPPING, extra)


class Front:
    """Routes a request by its path: the MCP application at one path, files and health beside it.

    ``ready`` says whether calls can be answered now.
    """

    __slots__ = ("_files", "_mcp", "_path", "_ready", "_target")

    def __init__(
        self, mcp: McpHttp, files: FilesHttp | None = None, *, path: str = "/mcp", ready: Callable[[], bool]
    ) -> None:
        self._mcp = mcp
        self._files = files
        self._path = path
        self._target = path.encode()
        self._ready = ready

    def straight(self, path: bytes) -> McpHttp | None:
        """Who answers a POST to a path, if a server may hand it over without a scope."""
        return self._mcp if path == self._target else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; only ``http`` is spoken."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == self._path:
            await to_the_end(self._mcp(scope, receive, send), AsgiLine(receive, send))
        elif self._files is not None and behind_files(path) is not None:
            await self._files(scope, receive, send)
        elif path == "/healthz":
            await say(send, 200, {"status": "ok"})
        elif path == "/readyz":
            ready = self._ready()
            await say(send, 200 if ready else 503, {"status": "ready" if ready else "not ready"})
        else:
            await say(send, 404, {"title": "Not Found", "status": 404, "detail": f"MCP is spoken at {self._path}"})


async def say(send: Send, status: int, value: dict[str, Any]) -> None:
    """A whole answer in JSON."""
    body = json.dumps(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
