"""Who is next: one after the other among those who wait, and for each of them in the order they came.

So that somebody with a hundred imports holds nobody else up for longer than one. Knows nothing of what is waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from apiloom.base.errors import CallerError

Seat = TypeVar("Seat")


class Turns(Generic[Seat]):
    """Gives out seats. ``most`` may wait in all, ``most_each`` of one name."""

    def __init__(self, seats: list[Seat], *, most: int, most_each: int) -> None:
        self._free = deque(seats)
        self._waiting: dict[str, deque[asyncio.Future[Seat]]] = {}
        self._most = most
        self._most_each = most_each

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def seat(self, name: str) -> AsyncIterator[Seat]:
        """A seat, once it is this name's turn; given back at the end of the block.

        Raises:
            CallerError: ``import.busy`` when too many are waiting.
        """
        seat = self._free.popleft() if self._free else await self._wait(name)
        try:
            yield seat
        finally:
            self._give(seat)

    async def _wait(self, name: str) -> Seat:
        line = self._waiting.get(name, ())
        if len(line) >= self._most_each or self.waiting >= self._most:
            raise CallerError(
                "too many imports are waiting already",
                code="import.busy",
                hint="try again when some of them are done",
                waiting=self.waiting,
            )
        turn: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give(turn.result())  # the seat came in the moment its taker went
            else:
                self._leave(name, turn)
            raise

    def _give(self, seat: Seat) -> None:
        """Hand a seat to whoever has waited longest of the name that was served longest ago."""
        while self._waiting:
            name = next(iter(self._waiting))
            line = self._waiting.pop(name)
            turn = line.popleft()
            if line:
                self._waiting[name] = line  # at the end: all others come first
            if not turn.done():
                turn.set_result(seat)
                return
        self._free.append(seat)

    def _leave(self, name: str, turn: asyncio.Future[Seat]) -> None:
        line = self._waiting.get(name)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[name]
