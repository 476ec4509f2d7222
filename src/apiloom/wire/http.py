"""MCP over Streamable HTTP, every era on one URL, as a raw ASGI application without a framework.

Here a request finds who answers it: the door, then POST, the legacy stream (GET) or the end of a session (DELETE).
Mountable anywhere: the path is not looked at, whoever mounts this has routed by it.
Sources: MCP 2026-07-28 and 2025-11-25, transports "Streamable HTTP"; ASGI 3.0.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import MutableMapping
from typing import Any, Final

from apiloom.calls.endpoint import Directory
from apiloom.identity.gate import Gate
from apiloom.protocol.errors import INTERNAL_ERROR, Rejection
from apiloom.protocol.frames import error_frame
from apiloom.protocol.headers import accepts, fold
from apiloom.wire.dialogue import Dialogue
from apiloom.wire.door import Door, Refused, refused
from apiloom.wire.exchange import Exchange, send_refused
from apiloom.wire.leash import Receive
from apiloom.wire.notices import PLAIN
from apiloom.wire.posts import Posts, session_of, stated_by
from apiloom.wire.sessions import Session, Sessions
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import Send
from apiloom.wire.streams import Streams

_log = logging.getLogger("apiloom.wire")

_ALLOW: Final = (b"allow", b"GET, POST, DELETE")
_ALLOW_POST: Final = (b"allow", b"POST")


class McpHttp:
    """An ASGI application that speaks MCP for the endpoint under one key of a Directory.

    Args:
        directory: where the endpoint is found, and whose swaps become ``list_changed``.
        gate: who may come in.
        settings: bounds, hosts, origins.
        key: the endpoint's key.
    """

    __slots__ = ("_dialogue", "_door", "_posts", "_sessions", "_streams")

    def __init__(self, directory: Directory, gate: Gate, settings: WireSettings, key: str = "") -> None:
        self._door = Door(gate, settings)
        self._dialogue = Dialogue(directory, settings, key)
        self._sessions = Sessions(settings.max_sessions, settings.session_idle)
        self._streams = Streams(directory, key, settings)
        self._posts = Posts(self._door, self._dialogue, self._sessions, self._streams, settings)

    def close(self) -> None:
        """End every notification stream gracefully; calls in flight finish. For the moment a server stops."""
        self._streams.close()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: HTTP and lifespan; WebSockets are turned away."""
        if scope["type"] != "http":
            return await self._other(scope["type"], receive, send)
        try:
            await self._serve(scope, receive, send)
        except OSError:
            # The server's way of saying that nobody is there to read any more (ASGI 3.0, "Disconnected Client").
            _log.debug("a client went away before its answer")
        except Exception as error:  # noqa: BLE001 - the outer wall
            number = secrets.token_hex(8)
            _log.error("a request failed unexpectedly: %s (request %s)", type(error).__name__, number)
            rejection = Rejection(
                INTERNAL_ERROR, "Something went wrong on our side", {"dev.apiloom/request_id": number}
            )
            await send_refused(send, Refused(status=500, body=error_frame(None, rejection)))

    async def _other(self, kind: str, receive: Receive, send: Send) -> None:
        if kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif kind == "lifespan":
            while (event := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{event}.complete"})
            self.close()
            await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        heads, twice = fold(scope["headers"])
        method = scope["method"]
        if method == "OPTIONS" and b"access-control-request-method" in heads:
            return await send_refused(send, self._door.preflight(heads))
        visitor = self._door.enter(heads, twice)
        if isinstance(visitor, Refused):
            return await send_refused(send, visitor)
        exchange = Exchange(visitor, receive, send)
        if self._dialogue.card() is None:
            return await exchange.refuse(refused(404, "There is no server here"))
        if method == "POST":
            return await self._posts.serve(exchange)
        if method in {"GET", "DELETE"}:
            return await self._session_request(exchange, method)
        return await exchange.refuse(refused(405, "This endpoint takes POST, and for sessions GET and DELETE", _ALLOW))

    async def _session_request(self, exchange: Exchange, method: str) -> None:
        """GET opens a session's notification stream, DELETE ends the session. Without a session neither exists."""
        visitor = exchange.visitor
        revision = stated_by(visitor)
        if isinstance(revision, Rejection):
            return await exchange.json(400, error_frame(None, revision))
        if revision.modern:
            return await exchange.refuse(refused(405, f"{revision.name} takes POST only", _ALLOW_POST))
        session = session_of(self._sessions, visitor)
        if session is None:
            return await exchange.refuse(refused(405, f"{method} needs a session; POST does not", _ALLOW_POST))
        if isinstance(session, Refused):
            return await exchange.refuse(session)
        if method == "DELETE":
            self._sessions.end(session)
            return await exchange.refuse(Refused(status=204))
        _, visitor.stream = accepts(visitor.heads.get(b"accept", b""))
        return await self._session_stream(exchange, session)

    async def _session_stream(self, exchange: Exchange, session: Session) -> None:
        # A message goes out on one stream of a session only: the newest, for an older one may be dead unnoticed.
        superseded = asyncio.Event()
        if session.stream is not None and exchange.visitor.stream:
            session.stream.set()
        session.stream = superseded
        try:
            await self._streams.serve(exchange, PLAIN, session.ended, superseded)
        finally:
            if session.stream is superseded:
                session.stream = None
            self._sessions.touch(session)
