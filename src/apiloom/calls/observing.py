"""Which answers are judged, and when: the :class:`~apiloom.calls.ports.Observer` of a program in one process.

The first answers of every tool and a few of the later ones, each after it was given, one at a time and beside the
calls. What cannot be judged cheaply is not: too large, too many waiting. Knows no HTTP and no document.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apiloom.base.errors import ApiloomError
from apiloom.calls.drift import Deviation, Judge
from apiloom.model.api import Schema

FIRST = 100
"""Answers of a tool that are all judged."""

ONE_IN = 100
"""Of the later ones, each such one."""

MOST_PER_TOOL = 50
MOST_IN_ALL = 2_000
LARGEST = 1024 * 1024
"""Bytes of an answer that is judged."""

MOST_WAITING = 4
"""Answers of one tool that wait; a flood of one tool leaves room for the others."""

MOST_BYTES = 16 * 1024 * 1024
MOST_JUDGES = 128
"""Compiled schemas that are held: one may take half a megabyte, and a document may have thousands."""

MOST_TOLD = 20
"""Discrepancies that ride along with a result."""

_MOST_SAID = 5
_AT_ONCE = 16
_PAUSE = 0.02
"""Seconds between an answer and its judgement, and between one batch and the next."""

_log = logging.getLogger("apiloom.calls")

Key = tuple[str, str, str]


def _unheard(text: str) -> None:
    """Nobody wants to hear it."""


@dataclass(slots=True)
class _Watched:
    """One tool. Only ``judge`` is touched beside the event loop."""

    name: str
    schema: Callable[[], Schema]
    judge: Judge | None = None
    hopeless: bool = False
    seen: int = 0
    taken: int = 0
    waiting: int = 0
    found: dict[Key, Deviation] = field(default_factory=dict)
    counts: dict[Key, int] = field(default_factory=dict)
    told: list[dict[str, Any]] | None = None

    def deviations(self, answer: bytes) -> list[Deviation]:
        """What an answer breaks; runs beside the event loop."""
        if self.hopeless:
            return []
        try:
            if self.judge is None:
                self.judge = Judge(self.name, self.schema())
            return self.judge.deviations(answer)
        except (ApiloomError, ValueError, LookupError, RecursionError) as error:
            # a schema that cannot be made or compiled judges nothing; calls have other ways to tell of it
            self.hopeless = True
            _log.debug("the answers of %s are not judged: %s", self.name, type(error).__name__)
            return []


class Drift:
    """Watches the answers of tools for what their document does not say. ``say`` is told each discrepancy once."""

    def __init__(self, say: Callable[[str], None] = _unheard) -> None:
        self._say = say
        self._watched: dict[str, _Watched] = {}
        self._queue: deque[tuple[_Watched, bytes]] = deque()
        self._judged: deque[tuple[_Watched, int, list[Deviation]]] = deque()
        self._bytes = self._total = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warm: dict[str, _Watched] = {}
        self._turn = threading.Lock()
        self._said: set[tuple[str, Key]] = set()

    def watch(self, tool: str, schema: Callable[[], Schema]) -> None:
        """Judge the answers of a tool from now on by this schema, which is made when it is first needed."""
        before = self._watched.get(tool)
        if before is not None:
            self._total -= len(before.found)
        self._watched[tool] = _Watched(tool, schema)

    def seen(self, tool: str, answer: bytes) -> list[dict[str, Any]] | None:
        """See :class:`~apiloom.calls.ports.Observer`. Called from the event loop."""
        watched = self._watched.get(tool)
        if watched is None or watched.hopeless:
            return None
        watched.seen += 1
        if watched.taken < FIRST or not watched.seen % ONE_IN:
            self._take_up(watched, answer)
        return watched.told

    def _take_up(self, watched: _Watched, answer: bytes) -> None:
        size = len(answer)
        if size > LARGEST or watched.waiting >= MOST_WAITING or self._bytes + size > MOST_BYTES:
            return
        watched.taken += 1
        watched.waiting += 1
        self._bytes += size
        self._queue.append((watched, answer))
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop  # a loop that ended took its turn with it
            loop.call_later(_PAUSE, self._begin, loop)

    def known(self, tool: str) -> list[dict[str, Any]] | None:
        """See :class:`~apiloom.calls.ports.Observer`."""
        watched = self._watched.get(tool)
        return watched.told if watched is not None else None

    def found(self, tool: str) -> list[Deviation]:
        """What was found of a tool, for proposals."""
        watched = self._watched.get(tool)
        return list(watched.found.values()) if watched is not None else []

    async def settle(self) -> None:
        """Judge everything that waits, now."""
        while self._queue:
            await asyncio.to_thread(self._work)
        with self._turn:
            self._merge()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            judging = loop.run_in_executor(None, self._work)
        except RuntimeError:
            self._loop = None  # the loop is closing and takes no more work
        else:
            judging.add_done_callback(lambda done: self._ended(loop, done))

    def _ended(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            _log.error("an answer could not be judged: %s", type(error).__name__)
        self._merge()
        if self._loop is not loop:
            return
        if self._queue and not loop.is_closed():
            loop.call_later(_PAUSE, self._begin, loop)
        else:
            self._loop = None

    def _work(self) -> None:
        """Judge a batch; runs beside the event loop."""
        with self._turn:
            for _ in range(_AT_ONCE):
                if not self._queue:
                    break
                watched, answer = self._queue.popleft()
                self._judged.append((watched, len(answer), watched.deviations(answer)))
                self._warm.pop(watched.name, None)
                self._warm[watched.name] = watched
            while len(self._warm) > MOST_JUDGES:
                coldest = self._warm.pop(next(iter(self._warm)))
                # it is made anew for one answer in many, not for each of the first
                coldest.judge, coldest.taken = None, FIRST

    def _merge(self) -> None:
        """Take in what was judged, on the event loop."""
        while self._judged:
            watched, size, found = self._judged.popleft()
            watched.waiting -= 1
            self._bytes -= size
            if found and self._watched.get(watched.name) is watched:
                self._take(watched, found)

    def _take(self, watched: _Watched, found: list[Deviation]) -> None:
        new = []
        for one in found:
            if one.key not in watched.found:
                if len(watched.found) >= MOST_PER_TOOL or self._total >= MOST_IN_ALL:
                    continue
                watched.found[one.key] = one
                self._total += 1
                new.append(one)
            watched.counts[one.key] = watched.counts.get(one.key, 0) + 1
        first = sorted(watched.found, key=lambda key: (-watched.counts[key], key))[:MOST_TOLD]
        watched.told = [
            {"pointer": pointer, "expected": expected, "observed": observed, "count": watched.counts[key]}
            for key in first
            for pointer, expected, observed in (key,)
        ]
        self._tell(watched.name, new)

    def _tell(self, tool: str, new: list[Deviation]) -> None:
        fresh = [one for one in new if (tool, one.key) not in self._said]
        if len(self._said) < MOST_IN_ALL:
            self._said.update((tool, one.key) for one in fresh)
        for one in fresh[:_MOST_SAID]:
            self._say(f"{tool} answered what its document does not say: {sentence(one)}")
        if len(fresh) > _MOST_SAID:
            self._say(f"{tool}: and {len(fresh) - _MOST_SAID} more")


def sentence(one: Deviation) -> str:
    """One discrepancy for people."""
    return f"at {one.pointer or 'the root'}: expected {one.expected}, observed {one.observed}"
