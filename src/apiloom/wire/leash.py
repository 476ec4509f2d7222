"""Ties running work to its client: when the client hangs up or calls it off, the work is cancelled.

Most calls end before anyone could hang up, so nothing is watched until a call has lasted a moment; a client that has
gone by then is noticed at once, for ASGI tells it to whoever asks later.
Source: MCP 2026-07-28, basic/patterns/cancellation; ASGI 3.0 "Disconnect".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Leash:
    """A context manager around the awaiting of one piece of work.

    Args:
        receive: tells of the disconnect; None leaves the work alone (legacy: a disconnect is no cancellation).
        delay: seconds before the watching begins.
        later: called when the work has outlasted the delay.

    ``gone`` says that the work was cancelled through the leash: its client wants no answer.
    """

    __slots__ = ("_before", "_delay", "_later", "_receive", "_task", "_timer", "_watcher", "gone")

    def __init__(self, receive: Receive | None, delay: float, later: Callable[[], None] | None = None) -> None:
        self._receive = receive
        self._delay = delay
        self._later = later
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._before = 0
        self.gone = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task = self._task = asyncio.current_task()
        self._before = task.cancelling() if task is not None else 0
        self._timer = loop.call_later(self._delay, self._begin, loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if not self.gone or self._task is None:
            return False
        # Only our own cancellation is swallowed; one that came from elsewhere goes on.
        return self._task.uncancel() <= self._before and kind is asyncio.CancelledError

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._later is not None:
            self._later()
        if self._receive is not None:
            self._watcher = loop.create_task(self._watch(self._receive))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.pull()

    def pull(self) -> None:
        """Cancel the work. Once is enough."""
        if not self.gone and self._task is not None:
            self.gone = True
            self._task.cancel()
