"""Legacy sessions: what a client that opened with ``initialize`` has agreed on, and which of its calls are running.

Bounded in number and in idle time; ids are unguessable and worthless to any other principal. Where ids say what was
agreed on, a session that is not at hand is taken over from its id. Knows no HTTP.
Source: MCP 2025-11-25, basic/transports "Session Management".
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from apiloom.identity.principal import Principal
from apiloom.protocol.frames import MessageId
from apiloom.protocol.revisions import Revision
from apiloom.wire.leash import Leash
from apiloom.wire.session_ids import Agreed, RandomIds, SessionIds


@dataclass(slots=True, kw_only=True)
class Session:
    """One client's session.

    ``profile`` is the one its client gets where no URL names one; empty means the server's own. ``opens`` says that it
    can be asked to open a page for its user.
    ``ended`` is set when it is deleted or gives way. ``stream`` is set to end the notification stream now open: a
    newer one takes its place, since a message goes out on one stream only.
    """

    id: str
    principal: Principal
    revision: Revision
    used: float
    level: str = ""
    profile: str = ""
    opens: bool = False
    running: dict[MessageId, Leash] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stream: asyncio.Event | None = None


class Sessions:
    """The sessions of one server, least recently used first.

    Args:
        most: how many are kept.
        idle: seconds after which an unused one is forgotten; one with an open stream or a running call is in use.
        clock: seconds that only rise.
        ids: makes their ids, and reads those that are not in the table.
    """

    __slots__ = ("_clock", "_idle", "_ids", "_most", "_table")

    def __init__(
        self, most: int, idle: float, clock: Callable[[], float] = time.monotonic, ids: SessionIds | None = None
    ) -> None:
        self._ids = ids or RandomIds()
        self._most = most
        self._idle = idle
        self._clock = clock
        self._table: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def open(self, principal: Principal, revision: Revision, profile: str = "", *, opens: bool = False) -> Session:
        """Mint a session; the longest unused ones give way when there are too many."""
        agreed = Agreed(revision, profile, opens)
        return self._put(self._ids.mint(principal, agreed), principal, agreed)

    def get(self, session_id: str, principal: Principal) -> Session | None:
        """The session, if it lives and belongs to this principal. Counts as use."""
        session = self._table.get(session_id)
        if session is None:
            return self._adopt(session_id, principal)
        if session.principal.id != principal.id:
            return None
        if self._forgotten(session, self._clock()):
            self._drop(session)
            return self._adopt(session_id, principal)
        self.touch(session)
        return session

    def touch(self, session: Session) -> None:
        """Count something that just ended, or began, as use."""
        if session.id in self._table:
            session.used = self._clock()
            self._table.move_to_end(session.id)

    def end(self, session: Session) -> None:
        """Forget a session and call off what it still runs; its id is not taken here again."""
        self._ids.end(session.id)
        self._drop(session)
        for leash in tuple(session.running.values()):
            leash.pull()

    def _adopt(self, session_id: str, principal: Principal) -> Session | None:
        """Take over a session that was opened elsewhere, or was forgotten here, where its id says enough."""
        agreed = self._ids.read(session_id, principal)
        return None if agreed is None else self._put(session_id, principal, agreed)

    def _put(self, session_id: str, principal: Principal, agreed: Agreed) -> Session:
        self._sweep()
        while len(self._table) >= self._most:
            _, oldest = self._table.popitem(last=False)
            oldest.ended.set()
        session = Session(
            id=session_id,
            principal=principal,
            revision=agreed.revision,
            profile=agreed.profile,
            opens=agreed.opens,
            used=self._clock(),
        )
        self._table[session_id] = session
        return session

    def _drop(self, session: Session) -> None:
        self._table.pop(session.id, None)
        session.ended.set()

    def _forgotten(self, session: Session, now: float) -> bool:
        return now - session.used > self._idle and session.stream is None and not session.running

    def _sweep(self) -> None:
        now = self._clock()
        for session in tuple(self._table.values()):
            if now - session.used <= self._idle:
                return
            if self._forgotten(session, now):
                self._drop(session)
            else:
                session.used = now
                self._table.move_to_end(session.id)
