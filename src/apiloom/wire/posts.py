"""POST over Streamable HTTP: one message, or a batch where the revision has batches, and its answer.

What is special for an era is read from its revision's row. Knows the order of the steps, from the body to the answer;
the door has been passed before, the endpoint is asked through the dialogue.
Sources: MCP 2026-07-28 and 2025-11-25, transports "Sending Messages"; 2025-03-26, "Batching".
"""

from __future__ import annotations

import asyncio
from typing import Final

from apiloom.protocol.errors import INVALID_REQUEST, Rejection
from apiloom.protocol.frames import (
    NO_PARAMS,
    Message,
    MessageId,
    Unreadable,
    error_frame,
    id_bytes,
    is_batch,
    read_batch,
    read_message,
    result_frame,
)
from apiloom.protocol.headers import VERSION_HEADER, settle, stated_revision
from apiloom.protocol.mirror import disagreement
from apiloom.protocol.revisions import MODERN, UNSTATED, Revision, negotiated
from apiloom.wire.dialogue import Answer, Ask, Dialogue, Progress, progress_token
from apiloom.wire.door import Door, Refused, Visitor, refused
from apiloom.wire.exchange import Exchange, limit_headers
from apiloom.wire.leash import Leash
from apiloom.wire.notices import subscription
from apiloom.wire.rounds import Rounds
from apiloom.wire.running import answer_frame, call_off, rejection_frame, run_call
from apiloom.wire.sessions import Session, Sessions
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import EventStream
from apiloom.wire.streams import Streams

SESSION_HEADER: Final = b"mcp-session-id"

_EXPIRED: Final = "That session is not known here; initialize again"


def session_of(sessions: Sessions, visitor: Visitor) -> Session | Refused | None:
    """The session a legacy request names; None when it names none, 404 when it does not live or is another's."""
    named = visitor.heads.get(SESSION_HEADER)
    if named is None:
        return None
    return sessions.get(named.decode("latin-1"), visitor.principal) or refused(404, _EXPIRED)


def stated_by(visitor: Visitor) -> Revision | Rejection:
    """The revision the version header names; without one, the revision that stands for saying nothing."""
    stated = visitor.heads.get(VERSION_HEADER)
    return UNSTATED if stated is None else stated_revision(stated)


class Posts:
    """Answers POSTs to one endpoint."""

    __slots__ = ("_dialogue", "_door", "_rounds", "_sessions", "_settings", "_streams")

    def __init__(
        self, door: Door, dialogue: Dialogue, sessions: Sessions, streams: Streams, settings: WireSettings
    ) -> None:
        self._door = door
        self._dialogue = dialogue
        self._sessions = sessions
        self._streams = streams
        self._settings = settings
        self._rounds = Rounds(settings.watch_after)

    async def serve(self, exchange: Exchange) -> None:
        """Read the body and answer what it is: a request, a notification, a response or a batch."""
        early = self._door.posted(exchange.visitor)
        if early is not None:
            return await exchange.refuse(early)
        body = await exchange.body(self._settings, self._rounds)
        if type(body) is not bytes:
            return await exchange.refuse(body) if isinstance(body, Refused) else None
        if is_batch(body):
            return await self._batch(exchange, body)
        message = read_message(body)
        if isinstance(message, Unreadable):
            stated = stated_by(exchange.visitor)
            revision = stated if isinstance(stated, Revision) else MODERN
            return await exchange.json(revision.statuses.get(message.rejection.code, 200), rejection_frame(message))
        if message.method and isinstance(message.id, int | str):
            return await self._request(exchange, message, message.id)
        return await self._one_way(exchange, message)

    async def _request(self, exchange: Exchange, message: Message, key: MessageId) -> None:
        visitor = exchange.visitor
        answer_to = id_bytes(key)
        revision = settle(message, visitor.heads, visitor.twice)
        if isinstance(revision, Rejection):
            return await exchange.json(MODERN.statuses.get(revision.code, 400), error_frame(answer_to, revision))
        session = None
        if not revision.modern and message.method != "initialize":
            found = session_of(self._sessions, visitor)
            if isinstance(found, Refused):
                return await exchange.refuse(found)
            session = found
        ask = Ask(
            revision=revision if session is None else session.revision,
            method=message.method,
            params=message.params or NO_PARAMS,
            principal=visitor.principal,
        )
        if ask.method == "tools/call":
            return await self._call(exchange, ask, key, session)
        if ask.method == "subscriptions/listen" and revision.modern:
            return await self._listen(exchange, ask, answer_to)
        answer = self._plain(ask, visitor, session)
        return await self._reply(exchange, ask, answer_to, answer)

    def _plain(self, ask: Ask, visitor: Visitor, session: Session | None) -> Answer | Rejection:
        answer = self._dialogue.answer(ask)
        if isinstance(answer, Rejection):
            return answer
        if ask.method == "initialize":
            minted = self._sessions.open(visitor.principal, negotiated(str(ask.params.protocol_version)))
            visitor.extra = (*visitor.extra, (SESSION_HEADER, minted.id.encode()))
        elif ask.method == "logging/setLevel" and session is not None:
            session.level = str(ask.params.level)
        return answer

    async def _reply(self, exchange: Exchange, ask: Ask, answer_to: bytes, answer: Answer | Rejection) -> None:
        if isinstance(answer, Rejection):
            await exchange.json(ask.revision.statuses.get(answer.code, 200), error_frame(answer_to, answer))
        else:
            await exchange.json(200, result_frame(answer_to, answer.result), *limit_headers(answer.limits))

    async def _call(self, exchange: Exchange, ask: Ask, key: MessageId, session: Session | None) -> None:
        """``tools/call``: answered in JSON, or as a stream once there is progress to tell or silence to bridge."""
        visitor, settings = exchange.visitor, self._settings
        answer_to, modern = id_bytes(key), ask.revision.modern
        if modern and (mismatch := self._mismatch(visitor, ask)):
            return await self._reply(exchange, ask, answer_to, mismatch)
        stream = EventStream(exchange.send, visitor.extra, settings.keep_alive)
        token = progress_token(ask.params) if visitor.stream else None
        # Only the modern era takes a disconnect for a cancellation; a legacy call runs on and may be called off by id.
        leash = Leash(
            self._rounds,
            exchange.receive if modern else None,
            stream.begin_in_time if visitor.stream else None,
        )
        try:
            answer = await run_call(
                self._dialogue,
                ask,
                leash,
                progress=None if token is None else Progress(token, stream.push),
                running=None if session is None else session.running,
                key=key,
            )
        except asyncio.CancelledError:
            await stream.abandon()
            raise
        if answer is None:
            return await self._silence(exchange, stream, hung_up=modern)
        if stream.begun:
            return await stream.finish(answer_frame(answer_to, answer))
        stream.rest()
        return await self._reply(exchange, ask, answer_to, answer)

    async def _silence(self, exchange: Exchange, stream: EventStream, *, hung_up: bool) -> None:
        """End a call that was called off: no response, but HTTP needs an ending where somebody still holds the line."""
        if hung_up:
            await stream.abandon()
        elif stream.begun:
            await stream.finish(None)
        else:
            stream.rest()
            await exchange.accepted()

    def _mismatch(self, visitor: Visitor, ask: Ask) -> Rejection | None:
        card, name = self._dialogue.card(), ask.params.name
        if card is None or not isinstance(name, str):
            return None
        route = card.endpoint.routes.get(name)
        if route is None or not route.mirrored:
            return None
        return disagreement(route.mirrored, ask.params.arguments or {}, visitor.heads, visitor.twice)

    async def _listen(self, exchange: Exchange, ask: Ask, answer_to: bytes) -> None:
        card = self._dialogue.card()
        if card is None:
            return await exchange.refuse(refused(404, "There is no server here"))
        notices = subscription(ask.params, answer_to, ask.revision, card)
        if isinstance(notices, Rejection):
            return await self._reply(exchange, ask, answer_to, notices)
        return await self._streams.serve(exchange, notices)

    async def _one_way(self, exchange: Exchange, message: Message) -> None:
        """A notification or a response: taken note of with 202, refused with 400 where it has no place."""
        visitor = exchange.visitor
        revision = stated_by(visitor)
        if isinstance(revision, Rejection):
            return await exchange.json(400, error_frame(None, revision))
        if revision.modern:
            # Nothing one-way is defined over HTTP here: the sender of a notification is let be, a response is wrong.
            if message.method:
                return await exchange.accepted()
            rejection = Rejection(INVALID_REQUEST, "A client sends requests and notifications, not responses")
            return await exchange.json(400, error_frame(None, rejection))
        session = session_of(self._sessions, visitor)
        if isinstance(session, Refused):
            return await exchange.refuse(session)
        self._note(message, session)
        return await exchange.accepted()

    def _note(self, message: Message, session: Session | None) -> None:
        # Ids of requests are unique in a session only: without one, nobody may call off a call by guessing its id.
        if message.method == "notifications/cancelled" and session is not None and message.params is not None:
            call_off(session.running, message.params.request_id)

    # -- batches -------------------------------------------------------------------------------------------------------

    async def _batch(self, exchange: Exchange, body: bytes) -> None:
        visitor = exchange.visitor
        revision = stated_by(visitor)
        session = None if isinstance(revision, Revision) and revision.modern else session_of(self._sessions, visitor)
        if isinstance(session, Refused):
            return await exchange.refuse(session)
        if session is not None:
            revision = session.revision
        if isinstance(revision, Rejection):
            return await exchange.json(400, error_frame(None, revision))
        if not revision.batches:
            return await exchange.json(
                400, error_frame(None, Rejection(INVALID_REQUEST, f"{revision.name} has no batches"))
            )
        entries = read_batch(body, self._settings.max_batch)
        if isinstance(entries, Rejection):
            return await exchange.json(400, error_frame(None, entries))
        answers = await asyncio.gather(*(self._entry(entry, revision, visitor, session) for entry in entries))
        frames = [frame for frame in answers if frame]
        if not frames:
            return await exchange.accepted()
        return await exchange.json(200, b"[" + b",".join(frames) + b"]")

    async def _entry(
        self, entry: Message | Unreadable, revision: Revision, visitor: Visitor, session: Session | None
    ) -> bytes:
        """The response to one message of a batch, empty for what gets none."""
        if isinstance(entry, Unreadable):
            return rejection_frame(entry)
        if not entry.method or not isinstance(entry.id, int | str):
            self._note(entry, session)
            return b""
        answer_to = id_bytes(entry.id)
        ask = Ask(revision=revision, method=entry.method, params=entry.params or NO_PARAMS, principal=visitor.principal)
        if ask.method == "initialize":
            # 2025-03-26 lifecycle: it must stand alone, for nothing else may be asked before its answer.
            return error_frame(answer_to, Rejection(INVALID_REQUEST, "initialize must not be part of a batch"))
        if ask.method != "tools/call":
            return answer_frame(answer_to, self._plain(ask, visitor, session))
        leash = Leash()
        running = None if session is None else session.running
        answer = await run_call(self._dialogue, ask, leash, progress=None, running=running, key=entry.id)
        return b"" if answer is None else answer_frame(answer_to, answer)
