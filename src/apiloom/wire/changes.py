"""Word of changes: has the list of tools under one key become another since this listener last looked?

Shared by every kind of notification stream. Knows the Directory's turns; not how a notification is written.
"""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Self

from apiloom.calls.endpoint import Directory


class Turn(enum.Enum):
    """What a listener woke up to."""

    CHANGED = "changed"
    QUIET = "quiet"
    ENDED = "ended"


class Listener:
    """Waits for the listing of one endpoint to change. Use as an async context manager.

    Args:
        directory: where endpoints are swapped.
        key: the endpoint's key.
        ends: events any of which ends the listening.
    """

    __slots__ = ("_directory", "_ends", "_key", "_known", "_swap", "_waiting")

    def __init__(self, directory: Directory, key: str, *ends: asyncio.Event) -> None:
        self._directory = directory
        self._key = key
        self._ends = ends
        self._known = self._etag()
        self._swap: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Task[object]] = set()

    def _etag(self) -> str | None:
        endpoint = self._directory.get(self._key)
        return None if endpoint is None else endpoint.listing.etag

    async def __aenter__(self) -> Self:
        self._waiting = {asyncio.ensure_future(end.wait()) for end in self._ends}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._waiting, self._swap] if self._swap is not None else [*self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self, seconds: float) -> Turn:
        """The next thing worth telling, or QUIET after that many seconds of nothing."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while True:
            if self._swap is None or self._swap.done():
                self._swap = asyncio.ensure_future(self._directory.changed())
                # Once round the loop the task stands in line: a later swap wakes it, an earlier one shows below.
                await asyncio.sleep(0)
            if (told := self._look()) is not None:
                return told
            if (left := deadline - clock()) <= 0:
                return Turn.QUIET
            await asyncio.wait({*self._waiting, self._swap}, timeout=left, return_when=asyncio.FIRST_COMPLETED)

    def _look(self) -> Turn | None:
        etag = self._etag()
        if etag is None or any(end.is_set() for end in self._ends):
            return Turn.ENDED
        if etag == self._known:
            return None
        self._known = etag
        return Turn.CHANGED
