"""MCP over Streamable HTTP, every era on one URL, as a raw ASGI application without a framework.

One POST is one coroutine from its door to its answer: body, message, ladder, endpoint. What is special for an era is
read from its revision's row. Mountable anywhere: the path is not looked at, whoever mounts this has routed by it.
Sources: MCP 2026-07-28 and 2025-11-25, transports "Streamable HTTP"; ASGI 3.0.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from apiloom.calls.endpoint import Directory
from apiloom.identity.gate import Gate
from apiloom.identity.principal import Principal
from apiloom.protocol.errors import INTERNAL_ERROR, Rejection
from apiloom.protocol.frames import (
    NO_PARAMS,
    Message,
    MessageId,
    Unreadable,
    error_frame,
    id_bytes,
    is_batch,
    read_message,
)
from apiloom.protocol.headers import settle
from apiloom.protocol.mirror import disagreement
from apiloom.protocol.revisions import MODERN, Revision
from apiloom.wire.dialogue import GONE, Answer, Ask, Dialogue, Progress, progress_token
from apiloom.wire.door import AsgiLine, Door, Exchange, Line, Pairs, Reply, Visitor, refused, too_large
from apiloom.wire.files import PATH as FILES
from apiloom.wire.files import FilesHttp, behind_files, below
from apiloom.wire.leash import Leash, Receive, Rounds
from apiloom.wire.legacy import SESSION_HEADER, Legacy, stated_by
from apiloom.wire.notices import Notices, subscription
from apiloom.wire.running import rejection_frame, run_call
from apiloom.wire.session_ids import SessionIds
from apiloom.wire.sessions import Session
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import Send
from apiloom.wire.streams import Streams

_log = logging.getLogger("apiloom.wire")

_ALLOW: Final = (b"allow", b"GET, POST, DELETE")
_LIMITS: Final = (("limit", b"ratelimit-limit"), ("remaining", b"ratelimit-remaining"), ("reset", b"ratelimit-reset"))


class McpHttp:
    """An ASGI application that speaks MCP for the endpoint under one key of a Directory.

    Args:
        directory: where the endpoint is found, and whose swaps become ``list_changed``.
        gate: who may come in; or a door that is shared with others.
        settings: bounds, hosts, origins.
        key: the endpoint's key.
        files: answers what is asked below the path that this is mounted at.
        ids: of legacy sessions; without, they are known to this application alone.
    """

    __slots__ = ("_dialogue", "_door", "_files", "_legacy", "_rounds", "_settings", "_streams")

    def __init__(
        self,
        directory: Directory,
        gate: Gate | Door,
        settings: WireSettings,
        *,
        key: str = "",
        files: FilesHttp | None = None,
        ids: SessionIds | None = None,
    ) -> None:
        self._settings = settings
        self._files = files
        self._door = gate if isinstance(gate, Door) else Door(gate, settings)
        self._dialogue = Dialogue(directory, settings, key, None if ids is None else ids.visits)
        self._streams = Streams(directory, key, settings)
        self._legacy = Legacy(self._dialogue, self._streams, settings, ids)
        self._rounds = Rounds(settings.watch_after)

    def close(self) -> None:
        """End every notification stream gracefully; calls in flight finish. For the moment a server stops."""
        self._streams.close()

    @property
    def busy(self) -> bool:
        """Whether a stream is open or a request is being answered."""
        return bool(self._streams) or self._rounds.busy

    def cut(self, ends: Callable[[Principal], bool]) -> int:
        """End streams and cancel running calls of principals whose right to them has ended; how many that were."""
        return self._streams.cut(ends) + self._rounds.cut(ends)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: HTTP and lifespan; WebSockets are turned away."""
        if scope["type"] != "http":
            return await self._other(scope["type"], receive, send)
        if self._files is not None and FILES in scope["path"] and behind_files(below(scope)) is not None:
            return await self._files(scope, receive, send)
        line = AsgiLine(receive, send)
        try:
            visitor = self._door.look(scope["method"], scope["headers"], scope.get("query_string", b""))
            exchange = visitor if isinstance(visitor, Reply) else self._door.enter(visitor, line)
            if isinstance(exchange, Reply):
                await line.answer(exchange)
            elif scope["method"] == "POST":
                await self._post(exchange)
            else:
                await self.serve(exchange, scope["method"])
        except Exception as error:  # noqa: BLE001 - the outer wall
            await stumbled(error, line)

    async def serve(self, exchange: Exchange, method: str) -> None:
        """Answer a request that was let in, here or by whoever shares the door."""
        if method == "POST":
            await self._post(exchange)
        elif self._dialogue.card() is None:
            await exchange.answer(refused(404, GONE.message))
        elif method in {"GET", "DELETE"}:
            await self._legacy.visit(exchange, method)
        else:
            await exchange.answer(refused(405, "This endpoint takes POST, and for sessions GET and DELETE", _ALLOW))

    def look(self, headers: Iterable[tuple[bytes, bytes]], length: int, query: bytes = b"") -> Visitor | None:
        """What the head of a POST says, for a server that hands whole requests to :meth:`hear`.

        None: the answer is a refusal, or another matter than this short road's; ask the application.
        """
        visitor = self._door.look("POST", headers, query)
        return None if isinstance(visitor, Reply) or length > self._settings.max_body else visitor

    async def hear(self, visitor: Visitor, body: bytes, line: Line, task: asyncio.Task[None]) -> None:
        """Answer a POST that has arrived whole, in the task that runs this."""
        try:
            exchange = self._door.enter(visitor, line)
            if isinstance(exchange, Reply):
                return await line.answer(exchange, ())
            await self._answer(exchange, body, Leash(self._rounds, task=task))
        except Exception as error:  # noqa: BLE001 - the outer wall
            await stumbled(error, line)

    async def hear_admitted(self, exchange: Exchange, body: bytes, task: asyncio.Task[None]) -> None:
        """Answer a POST that has arrived whole and was let in by whoever shares the door."""
        leash = Leash(self._rounds, task=task)
        leash.holder = exchange.principal
        await self._answer(exchange, body, leash)

    async def _other(self, kind: str, receive: Receive, send: Send) -> None:
        if kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif kind == "lifespan":
            while (event := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{event}.complete"})
            self.close()
            await send({"type": "lifespan.shutdown.complete"})

    async def _post(self, exchange: Exchange) -> None:
        """Answer a POST whose body is still to come."""
        settings, length = self._settings, exchange.heads.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > settings.max_body):
            await exchange.answer(too_large(settings.max_body))
        else:
            leash = Leash(self._rounds, settings.body_timeout)
            leash.holder = exchange.principal
            await self._answer(exchange, None, leash)

    async def _answer(self, exchange: Exchange, body: bytes | Reply | None, leash: Leash) -> None:
        """Answer a body, in the form its answer turns out to need; leave early with whoever leaves early."""
        reply: Reply | Notices | None = None
        try:
            with leash:
                if body is None:
                    body = await exchange.body(self._settings.max_body)
                    leash.limit = None
                reply = await self._heard(exchange, body, leash) if isinstance(body, bytes) else body
        except BaseException:
            if exchange.events is not None:
                await exchange.events.abandon()
            raise
        if leash.gone:
            return await self._called_off(exchange, leash)
        if isinstance(reply, Notices):
            return await self._streams.serve(exchange, reply)
        if reply is not None and not (exchange.events is not None and await exchange.events.finish(reply.body)):
            await exchange.answer(reply)
        return None

    async def _called_off(self, exchange: Exchange, leash: Leash) -> None:
        """End a request that was cancelled: no response, but HTTP needs an ending where somebody still listens."""
        events = exchange.events
        if leash.cut:
            # Not the id of the request: what its caller is told from here on is what any stranger is.
            if events is None or not await events.finish(error_frame(None, GONE)):
                await exchange.answer(refused(404, GONE.message))
        elif leash.late:
            seconds = f"{self._settings.body_timeout:g}"
            await exchange.answer(refused(408, f"The body did not arrive within {seconds} seconds"))
        elif leash.receive is not None:
            await events.abandon() if events is not None else None
        elif events is None or not await events.finish(b""):
            await exchange.answer(Reply(202))

    async def _heard(self, exchange: Exchange, body: bytes, leash: Leash) -> Reply | Notices:
        """Answer a body: a request, a notification, a response or a batch."""
        message = read_message(body)
        if isinstance(message, Unreadable):
            if is_batch(body):
                return await self._legacy.batch(exchange, body)
            stated = stated_by(exchange)
            row = stated if isinstance(stated, Revision) else MODERN
            return Reply(row.statuses.get(message.rejection.code, 200), rejection_frame(message))
        if message.method and isinstance(message.id, int | str):
            return await self._request(exchange, message, message.id, leash)
        return self._legacy.one_way(exchange, message)

    async def _request(self, exchange: Exchange, message: Message, key: MessageId, leash: Leash) -> Reply | Notices:
        answer_to = id_bytes(key)
        revision = settle(message, exchange.heads, exchange.twice)
        if isinstance(revision, Rejection):
            return Reply(MODERN.statuses.get(revision.code, 400), error_frame(answer_to, revision))
        session = None
        if SESSION_HEADER in exchange.heads and not revision.modern and message.method != "initialize":
            found = self._legacy.session(exchange)
            if isinstance(found, Reply):
                return found
            session = found
        card = self._dialogue.card()
        if card is None:
            return Reply(404, error_frame(answer_to, GONE))
        ask = Ask(
            card=card,
            revision=revision if session is None else session.revision,
            opens=session is not None and session.opens,
            method=message.method,
            params=message.params or NO_PARAMS,
            principal=exchange.principal,
            answer_to=answer_to,
        )
        answer: Answer | Notices | Rejection
        if ask.method == "tools/call":
            wrong = _mirrored(exchange, ask) if revision.modern else None
            answer = wrong or await self._call(exchange, ask, key, leash, session)
        elif ask.method == "resources/read":
            answer = await self._dialogue.read(ask)
        elif ask.method == "subscriptions/listen" and revision.modern:
            answer = subscription(ask.params, answer_to, revision, card)
        else:
            answer = await self._legacy.plain(exchange, ask, session)
        if isinstance(answer, Answer):
            return Reply(200, answer.frame, _limit_headers(answer.limits) if answer.limits else ())
        if isinstance(answer, Rejection):
            return Reply(ask.revision.statuses.get(answer.code, 200), error_frame(answer_to, answer))
        return answer

    def _call(
        self, exchange: Exchange, ask: Ask, key: MessageId, leash: Leash, session: Session | None
    ) -> Awaitable[Answer | Rejection]:
        """``tools/call``: answered in JSON, or as a stream once there is progress to tell or silence to bridge."""
        params = ask.params
        if ask.revision.modern:
            # Only this era takes a disconnect for a cancellation; a legacy call runs on and may be called off by id.
            leash.receive = exchange.line.receive
        progress = None
        if exchange.stream:
            leash.later = exchange.bridge
            if params.meta and "progressToken" in params.meta and (token := progress_token(params.meta)) is not None:
                progress = Progress(token, exchange.tell)
        if session is None:
            return self._dialogue.call(ask, progress)
        return run_call(self._dialogue, ask, progress, leash=leash, running=session.running, key=key)


async def walled(answering: Awaitable[None], line: Line) -> None:
    """Answer a request behind the outer wall, for whoever shares the door."""
    try:
        await answering
    except Exception as error:  # noqa: BLE001 - the outer wall
        await stumbled(error, line)


async def stumbled(error: Exception, line: Line) -> None:
    """What nobody expected becomes a number to find it by."""
    if isinstance(error, OSError):
        # The server's way of saying that nobody is there to read any more (ASGI 3.0, "Disconnected Client").
        _log.debug("a client went away before its answer")
        return
    number = secrets.token_hex(8)
    _log.error("a request failed unexpectedly: %s (request %s)", type(error).__name__, number)
    told = Rejection(INTERNAL_ERROR, "Something went wrong on our side", {"dev.apiloom/request_id": number})
    await line.answer(Reply(500, error_frame(None, told)), ())


def _mirrored(exchange: Exchange, ask: Ask) -> Rejection | None:
    """What is wrong with the headers that repeat arguments (2026-07-28, "Custom Headers from Tool Parameters")."""
    try:
        route = ask.card.endpoint.routes[str(ask.params.name)]
    except KeyError:
        return None
    if not route.mirrored:
        return None
    return disagreement(route.mirrored, ask.params.arguments or {}, exchange.heads, exchange.twice)


def _limit_headers(limits: Mapping[str, Any]) -> Pairs:
    """Rate limits as ``RateLimit-*`` headers; whole numbers only."""
    return tuple((name, b"%d" % limits[key]) for key, name in _LIMITS if isinstance(limits.get(key), int))
