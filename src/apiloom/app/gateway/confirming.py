"""Asks providers what came of confirmations at other screens, and tidies up connect sessions that ended half-way.

What a node does for sessions though nobody opens a page. Every node looks; which one asks is decided by the session
itself. Nobody's slow provider holds up another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from apiloom.base.errors import ApiloomError
from apiloom.flows.connect_device import due_sessions, look_after
from apiloom.flows.ground import Ground
from apiloom.store.records import ConnectSession

LOOK = 2.0
"""Seconds between two looks at what is due."""

MOST = 50
"""Sessions that are looked after at the same time."""

SHARE = 10
"""Of these, one tenant's."""

PATIENCE = 6.0
"""Seconds that a node which stops waits for what is under way: what was granted just now would be lost."""

_log = logging.getLogger("apiloom.connect")


@dataclass(slots=True, kw_only=True)
class Confirmations:
    """Looks after the sessions of one ground, for one node."""

    ground: Ground
    _running: dict[str, tuple[str, asyncio.Task[None]]] = field(default_factory=dict, init=False, repr=False)

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK)
                with contextlib.suppress(ApiloomError):
                    await self.begin()
        finally:
            await self.close()

    async def begin(self) -> None:
        """Begin to look after what is due and nobody looks after yet.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        if self.ground.dormant():
            return
        shares = Counter(tenant for tenant, _ in self._running.values())
        for session in await due_sessions(self.ground):
            if len(self._running) >= MOST:
                return
            if session.id in self._running or shares[session.tenant] >= SHARE:
                continue
            shares[session.tenant] += 1
            task = asyncio.create_task(look_after(self.ground, session))
            self._running[session.id] = (session.tenant, task)
            task.add_done_callback(partial(self._done, session))

    async def round(self) -> None:
        """Look once, and wait until all is done."""
        await self.begin()
        await asyncio.gather(*(task for _, task in self._running.values()), return_exceptions=True)

    async def close(self) -> None:
        """Let what is under way come to its end, for so long; then cut it."""
        tasks = [task for _, task in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, session: ConnectSession, task: asyncio.Task[None]) -> None:
        self._running.pop(session.id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ApiloomError):
            _log.error("a confirmation could not be looked after: %s", type(error).__name__)
