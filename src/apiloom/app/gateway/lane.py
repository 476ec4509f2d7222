"""A thread of its own for work on files that must keep nobody waiting: it comes in order, and is waited for only so
long. Knows nothing of what it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MOST = 1000
"""Pieces of work that may be under way."""


class Lane:
    """Does one piece of work after another. Lives on one event loop."""

    __slots__ = ("_name", "_threads", "_under_way")

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads: ThreadPoolExecutor | None = None
        self._under_way: dict[asyncio.Future[Any], bool] = {}

    async def run(self, seconds: float, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``work`` gives. What is late is done all the same, once that is possible; while something is, nobody
        waits for what comes behind it.

        Raises:
            TimeoutError: it is not done in time.
        """
        if len(self._under_way) >= MOST:
            raise TimeoutError
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, self._name)
        waited = asyncio.wrap_future(self._threads.submit(partial(work, *args, **kwargs)))
        is_stuck = any(self._under_way.values())
        self._under_way[waited] = False
        waited.add_done_callback(self._ended)
        done, _ = await asyncio.wait([waited], timeout=0 if is_stuck else seconds)
        if not done:
            self._under_way[waited] = True
            raise TimeoutError
        return waited.result()

    def _ended(self, waited: asyncio.Future[Any]) -> None:
        self._under_way.pop(waited, None)
        if not waited.cancelled():
            waited.exception()  # nobody may wait for it any more
