"""A few worker processes and the line before them: the :class:`~apiloom.flows.ground.Imports` of a gateway.

Used by the serving node, and by the command line when it works on ``--data`` itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from apiloom.app.workers.bounds import Bounds
from apiloom.app.workers.process import Worker
from apiloom.app.workers.turns import Turns
from apiloom.base.errors import ApiloomError, CallerError
from apiloom.flows.ground import Imported, ImportJob

MOST_WAITING = 64
MOST_WAITING_EACH = 16
"""Jobs that wait in all, and of one tenant."""

USUAL = Bounds()


class Workers:
    """``size`` processes at most, each started with its first job and gone when there is none.

    Of the ``environment`` they have what says how the network is reached.
    """

    def __init__(self, size: int = 1, bounds: Bounds = USUAL, environment: Mapping[str, str] = os.environ) -> None:
        self._workers = [Worker(bounds, environment) for _ in range(size)]
        self._turns: Turns[Worker] = Turns(self._workers, most=MOST_WAITING, most_each=MOST_WAITING_EACH)
        self._closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the processes there are."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    async def run(self, job: ImportJob, say: Callable[[str], None]) -> Imported:
        """See :class:`~apiloom.flows.ground.Imports`."""
        if self._turns.waiting:
            say("waiting for other imports")
        async with self._turns.seat(job.tenant) as worker:
            self._check_open()
            try:
                return await worker.run(job, say)
            except ApiloomError as error:
                if error.code in ("import.bounds", "import.failed"):
                    self._check_open()  # its process was ended by us and not by what it did
                raise

    async def stop(self, seconds: float) -> None:
        """Begin nothing any more; what has begun may take so many seconds still."""
        self._closed = True
        await asyncio.sleep(seconds)
        await self.close()

    async def close(self) -> None:
        """End every process, in the middle of a job too."""
        self._closed = True
        for worker in self._workers:
            await worker.close()

    def _check_open(self) -> None:
        if self._closed:
            raise CallerError("the gateway is stopping", code="import.busy", hint="try again when it is back")
