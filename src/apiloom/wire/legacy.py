"""What only the legacy era has over HTTP: sessions with a stream and an end, messages that ask nothing, batches.

Where the modern era meets the same requests it is answered here too, in one line each.
Sources: MCP 2025-11-25, basic/transports "Session Management", "Listening for Messages from the Server"; 2025-03-26,
"Batching"; 2026-07-28, Streamable HTTP "Earlier Streamable HTTP Revisions".
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from apiloom.protocol.errors import INVALID_REQUEST, Rejection
from apiloom.protocol.frames import NO_PARAMS, Message, Unreadable, error_frame, id_bytes
from apiloom.protocol.headers import VERSION_HEADER, accepts, stated_revision
from apiloom.protocol.revisions import UNSTATED, Revision, negotiated
from apiloom.protocol.visits import opens_pages
from apiloom.wire.dialogue import Answer, Ask, Dialogue
from apiloom.wire.door import Exchange, Reply, refused
from apiloom.wire.leash import Leash
from apiloom.wire.listings import Listings, client_profile
from apiloom.wire.notices import PLAIN
from apiloom.wire.running import answer_batch, answer_frame, call_off, rejection_frame, run_call
from apiloom.wire.session_ids import SessionIds
from apiloom.wire.sessions import Session, Sessions
from apiloom.wire.settings import WireSettings
from apiloom.wire.streams import Streams

SESSION_HEADER: Final = b"mcp-session-id"

_ALLOW_POST: Final = (b"allow", b"POST")
_EXPIRED: Final = "That session is not known here; initialize again"


def stated_by(exchange: Exchange) -> Revision | Rejection:
    """The revision the version header names; without one, the revision that stands for saying nothing."""
    stated = exchange.heads.get(VERSION_HEADER)
    return UNSTATED if stated is None else stated_revision(stated)


def _bad(rejection: Rejection) -> Reply:
    return Reply(400, error_frame(None, rejection))


class Legacy:
    """Sessions of one endpoint, and what is done with them."""

    __slots__ = ("_dialogue", "_listings", "_sessions", "_settings", "_streams")

    def __init__(
        self, dialogue: Dialogue, streams: Streams, settings: WireSettings, ids: SessionIds | None = None
    ) -> None:
        self._dialogue = dialogue
        self._streams = streams
        self._settings = settings
        self._listings = Listings(settings)
        self._sessions = Sessions(settings.max_sessions, settings.session_idle, ids=ids)

    def session(self, exchange: Exchange) -> Session | Reply | None:
        """The session a request names; None when it names none, 404 when it does not live or is another's."""
        named = exchange.heads.get(SESSION_HEADER)
        if named is None:
            return None
        return self._sessions.get(named.decode("latin-1"), exchange.principal) or refused(404, _EXPIRED)

    async def plain(self, exchange: Exchange, ask: Ask, session: Session | None) -> Answer | Rejection:
        """Answer a request that takes no time, and note in a session what it changes there.

        A list in a profile that nobody asked for yet does take some.
        """
        if ask.method == "tools/list":
            ask.card = await self._listings.card(ask.card, exchange.profile or (session.profile if session else ""))
        answer = self._dialogue.answer(ask)
        if isinstance(answer, Rejection):
            return answer
        if ask.method == "initialize":
            profile = client_profile(ask.card.endpoint, ask.params.client_info)
            agreed, opens = negotiated(str(ask.params.protocol_version)), opens_pages(ask.params.capabilities)
            minted = self._sessions.open(exchange.principal, agreed, profile, opens=opens)
            exchange.extra = (*exchange.extra, (SESSION_HEADER, minted.id.encode()))
        elif ask.method == "logging/setLevel" and session is not None:
            session.level = str(ask.params.level)
        return answer

    # -- GET and DELETE ------------------------------------------------------------------------------------------------

    async def visit(self, exchange: Exchange, method: str) -> None:
        """GET opens a session's notification stream, DELETE ends the session. Without a session neither exists."""
        revision = stated_by(exchange)
        if isinstance(revision, Rejection):
            return await exchange.answer(_bad(revision))
        if revision.modern:
            return await exchange.answer(refused(405, f"{revision.name} takes POST only", _ALLOW_POST))
        session = self.session(exchange)
        if session is None:
            return await exchange.answer(refused(405, f"{method} needs a session; POST does not", _ALLOW_POST))
        if isinstance(session, Reply):
            return await exchange.answer(session)
        if method == "DELETE":
            self._sessions.end(session)
            return await exchange.answer(Reply(204))
        _, exchange.stream = accepts(exchange.heads.get(b"accept", b""))
        return await self._stream(exchange, session)

    async def _stream(self, exchange: Exchange, session: Session) -> None:
        # A message goes out on one stream of a session only: the newest, for an older one may be dead unnoticed.
        superseded = asyncio.Event()
        if session.stream is not None and exchange.stream:
            session.stream.set()
        session.stream = superseded
        try:
            await self._streams.serve(exchange, PLAIN, session.ended, superseded)
        finally:
            if session.stream is superseded:
                session.stream = None
            self._sessions.touch(session)

    # -- messages that ask nothing -------------------------------------------------------------------------------------

    def one_way(self, exchange: Exchange, message: Message) -> Reply:
        """A notification or a response: taken note of with 202, refused with 400 where it has no place."""
        revision = stated_by(exchange)
        if isinstance(revision, Rejection):
            return _bad(revision)
        if revision.modern:
            # Nothing one-way is defined over HTTP here: the sender of a notification is let be, a response is wrong.
            wrong = Rejection(INVALID_REQUEST, "A client sends requests and notifications, not responses")
            return Reply(202) if message.method else _bad(wrong)
        session = self.session(exchange)
        if isinstance(session, Reply):
            return session
        self._note(message, session)
        return Reply(202)

    def _note(self, message: Message, session: Session | None) -> None:
        # Ids of requests are unique in a session only: without one, nobody may call off a call by guessing its id.
        if message.method == "notifications/cancelled" and session is not None and message.params is not None:
            call_off(session.running, message.params.request_id)

    # -- batches -------------------------------------------------------------------------------------------------------

    async def batch(self, exchange: Exchange, body: bytes) -> Reply:
        """Answer a batch where the revision has batches."""
        revision = stated_by(exchange)
        session = None if isinstance(revision, Revision) and revision.modern else self.session(exchange)
        if isinstance(session, Reply):
            return session
        if session is not None:
            revision = session.revision
        if isinstance(revision, Rejection):
            return _bad(revision)
        if not revision.batches:
            return _bad(Rejection(INVALID_REQUEST, f"{revision.name} has no batches"))
        answer_one = partial(self._entry, revision, exchange, session)
        answered = await answer_batch(body, self._settings.max_batch, answer_one)
        if isinstance(answered, Rejection):
            return _bad(answered)
        return Reply(200, answered) if answered else Reply(202)

    async def _entry(
        self, revision: Revision, exchange: Exchange, session: Session | None, entry: Message | Unreadable
    ) -> bytes:
        """The response to one message of a batch, empty for what gets none."""
        if isinstance(entry, Unreadable):
            return rejection_frame(entry)
        if not entry.method or not isinstance(entry.id, int | str):
            self._note(entry, session)
            return b""
        answer_to, card = id_bytes(entry.id), self._dialogue.card()
        # 2025-03-26 lifecycle: initialize must stand alone, for nothing else may be asked before its answer.
        if entry.method == "initialize" or card is None:
            return error_frame(answer_to, Rejection(INVALID_REQUEST, "initialize must not be part of a batch"))
        ask = Ask(
            card=card,
            revision=revision,
            method=entry.method,
            params=entry.params or NO_PARAMS,
            principal=exchange.principal,
            answer_to=answer_to,
            opens=session is not None and session.opens,
        )
        if ask.method == "resources/read":
            return answer_frame(answer_to, await self._dialogue.read(ask))
        if ask.method != "tools/call":
            return answer_frame(answer_to, await self.plain(exchange, ask, session))
        running = {} if session is None else session.running
        with Leash() as leash:
            answer = await run_call(self._dialogue, ask, None, leash=leash, running=running, key=entry.id)
        return b"" if leash.gone else answer_frame(answer_to, answer)
