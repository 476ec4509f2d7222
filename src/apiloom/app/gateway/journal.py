"""Audit lines of calls, gathered in memory and written in the background: no call ever waits for one.

Bounded: when the store cannot keep up, or is away for long, the oldest lines that are not written yet give way, and how
many did is said. What a call was given and what it answered is in no line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.base.ids import fresh_at
from apiloom.identity.principal import Principal
from apiloom.store.ports import Store
from apiloom.store.records import Audited

MOST = 50_000
"""Lines that wait to be written."""

AT_ONCE = 500
"""Lines of one transaction."""

EVERY = 0.5
"""Seconds between two writes."""

_log = logging.getLogger("apiloom.gateway")


class Journal:
    """The lines of one node.

    Args:
        store: where they are written.
        now: seconds since the epoch.
    """

    __slots__ = ("_lost", "_now", "_store", "_turn", "_waiting")

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._waiting: deque[Audited] = deque()
        self._lost = 0
        self._turn = asyncio.Lock()

    def sink(self, server: str, tenant: str) -> ServerSink:
        """The :class:`~apiloom.calls.ports.AuditSink` of one server."""
        return ServerSink(self, server, tenant)

    def note(self, line: Audited) -> None:
        """Take a line; it is written soon."""
        if len(self._waiting) >= MOST:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(line)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now()

    async def flush(self) -> None:
        """Write what waits.

        Raises:
            HouseFault: ``store.unreachable``; what was not written waits on.
        """
        async with self._turn:
            while self._waiting:
                lines = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                written = False
                try:
                    await self._write(lines)
                    written = True
                finally:
                    if not written:
                        self._waiting.extendleft(reversed(lines))
            if self._lost:
                _log.error("%d audit lines of calls were lost: the store could not keep up", self._lost)
                self._lost = 0

    async def _write(self, lines: list[Audited]) -> None:
        """Write lines together; of those that are refused so each that is not: some may stand since a broken try."""
        try:
            await self._store.append_audit(lines)
        except CallerError:
            for line in lines:
                with contextlib.suppress(CallerError):
                    await self._store.append_audit([line])

    async def run(self) -> None:
        """Write now and then, until cancelled; then what is left."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                with contextlib.suppress(ApiloomError):
                    await self.flush()
        finally:
            with contextlib.suppress(ApiloomError):
                await self.flush()


class ServerSink:
    """Notes the calls of one server."""

    __slots__ = ("_journal", "_server", "_tenant")

    def __init__(self, journal: Journal, server: str, tenant: str) -> None:
        self._journal = journal
        self._server = server
        self._tenant = tenant

    def called(self, principal: Principal, tool: str, outcome: str, seconds: float) -> None:
        """See :class:`~apiloom.calls.ports.AuditSink`."""
        at = self._journal.now()
        self._journal.note(
            Audited(
                id=fresh_at("aud", at),
                at=at,
                principal=principal.id,
                action="call",
                tenant=self._tenant,
                target=self._server,
                outcome=outcome,
                detail={"tool": tool, "milliseconds": round(seconds * 1000, 3), "token": principal.token},
            )
        )
