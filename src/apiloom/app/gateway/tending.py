"""What a gateway does though nobody calls: tokens renewed ahead of their end, the work of nodes that died, a heartbeat.

Begins once callers can connect. The engine takes a second and many megabytes to load, so a gateway without anything to
renew has none, and no heartbeat either: nobody would have to take over from it. Whatever fails here is tried again;
calls never wait for any of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from apiloom.app.gateway.late import aside
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError
from apiloom.base.secret import InTheClear, closed
from apiloom.flows.durable.beats import BEAT, Beats
from apiloom.flows.durable.engine import Engine
from apiloom.flows.durable.renewing import renewing, start_due
from apiloom.flows.grants import due_grants
from apiloom.flows.ground import Ground

ENGINE = "apiloom.flows.durable.dbos_engine:open_engine"

KEPT = 86_400.0
"""Seconds for which the engine remembers what it has done."""

_SWEPT_EVERY = 3600.0
_RETRY = 30.0

_log = logging.getLogger("apiloom.durable")


@closed
@dataclass(slots=True, kw_only=True)
class Tending(InTheClear):
    """Tends one store for one process. ``folder`` is that of an SQLite store, None for PostgreSQL."""

    ground: Ground
    url: str = field(repr=False)
    folder: Path | None
    node: str = field(default_factory=lambda: f"node-{secrets.token_hex(8)}")
    clock: Callable[[], float] = time.monotonic
    engine: Engine | None = None
    _opening: asyncio.Future[Engine] | None = field(default=None, init=False)
    _swept: float = field(default=0.0, init=False)
    _told: str = field(default="", init=False)

    async def run(self) -> None:
        """Tend until cancelled."""
        try:
            beats = Beats(ground=self.ground, node=self.node, clock=self.clock, alone=self.folder is not None)
            while True:
                try:
                    await self.round(beats)
                except ApiloomError as error:
                    self._say(error)
                    await asyncio.sleep(_RETRY if self.engine is None else BEAT)
                else:
                    self._told = ""
                    await asyncio.sleep(BEAT)
        finally:
            await self.close()

    async def round(self, beats: Beats) -> None:
        """Do once what is to be done; nothing is opened for nothing.

        Raises:
            HouseFault: ``store.unreachable``, ``durable.failed``.
        """
        if self.engine is None and not await self._is_needed(beats):
            return
        # said before anything runs here: whoever takes over after us must know that there was somebody
        gone = await beats.beat()
        engine = self.engine or await self._open()
        if gone and not self.ground.dormant():
            await engine.take_over(gone)
            await beats.forget(gone)
        await start_due(self.ground, engine)
        if self.clock() - self._swept > _SWEPT_EVERY:
            self._swept = self.clock()
            await engine.forget(KEPT)

    async def _is_needed(self, beats: Beats) -> bool:
        """Whether there is something to renew, or a node to take over from."""
        return not self.ground.dormant() and bool(await beats.gone() or await due_grants(self.ground, 1))

    async def close(self) -> None:
        """Run nothing any more. An engine that is being opened is waited for: its threads would outlive us."""
        opening, self._opening = self._opening, None
        if opening is not None:
            with contextlib.suppress(ApiloomError):
                self.engine = await opening
        engine, self.engine = self.engine, None
        if engine is not None:
            with contextlib.suppress(ApiloomError):
                await asyncio.shield(engine.close())

    async def _open(self) -> Engine:
        open_engine = await asyncio.to_thread(aside, partial(plugins.load, ENGINE))
        self._opening = asyncio.ensure_future(open_engine(self.url, self.folder, self.node, [renewing(self.ground)]))
        try:
            engine: Engine = await asyncio.shield(self._opening)
        except ApiloomError:
            self._opening = None
            raise
        self.engine, self._opening = engine, None
        return engine

    def _say(self, error: ApiloomError) -> None:
        if error.code != self._told:
            self._told = error.code
            _log.error("tokens are renewed by calls alone for now: %s", error.sentence())
