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

from apiloom.wire.rounds import Rounds

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Leash:
    """A context manager around the awaiting of one piece of work, in the task that awaits it.

    Args:
        rounds: tells when the work has lasted a moment; None when nothing is to happen then.
        receive: tells of the disconnect; None leaves the work alone (legacy: a disconnect is no cancellation).
        later: called when the work has lasted a moment.

    ``gone`` says that the work was cancelled through the leash: its client wants no answer.
    """

    __slots__ = ("_before", "_later", "_receive", "_rounds", "_task", "_visited", "_watcher", "gone")

    def __init__(
        self, rounds: Rounds | None = None, receive: Receive | None = None, later: Callable[[], None] | None = None
    ) -> None:
        self._rounds = rounds
        self._receive = receive
        self._later = later
        self._watcher: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._visited = False
        self._before = 0
        self.gone = False

    def __enter__(self) -> Self:
        task = self._task = asyncio.current_task()
        self._before = task.cancelling() if task is not None else 0
        if self._rounds is not None:
            self._rounds.sign_in(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._rounds is not None:
            self._rounds.sign_out(self)
        if self._watcher is not None:
            self._watcher.cancel()
        if not self.gone or self._task is None:
            return False
        # Only our own cancellation is swallowed; one that came from elsewhere goes on.
        return self._task.uncancel() <= self._before and kind is asyncio.CancelledError

    def visit(self, now: float) -> None:  # noqa: ARG002 - the shape of a visit
        """Begin to watch at the second round: the first may come right after the beginning."""
        if not self._visited:
            self._visited = True
            return
        if self._rounds is not None:
            self._rounds.sign_out(self)
        self.watch()

    def watch(self) -> None:
        """Begin to watch for a client that hangs up."""
        if self._later is not None:
            self._later()
        if self._receive is not None:
            self._watcher = asyncio.ensure_future(self._wait(self._receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.pull()

    def pull(self) -> None:
        """Cancel the work. Once is enough."""
        if not self.gone and self._task is not None:
            self.gone = True
            self._task.cancel()


class Deadline:
    """A context manager that ends the awaiting in it after some seconds, to the coarseness of the rounds.

    ``passed`` says that it has; the awaiting then ended with TimeoutError.
    """

    __slots__ = ("_before", "_rounds", "_seconds", "_task", "_until", "passed")

    def __init__(self, rounds: Rounds, seconds: float) -> None:
        self._rounds = rounds
        self._seconds = seconds
        self._until: float | None = None
        self._task: asyncio.Task[Any] | None = None
        self._before = 0
        self.passed = False

    def __enter__(self) -> Self:
        task = self._task = asyncio.current_task()
        self._before = task.cancelling() if task is not None else 0
        self._rounds.sign_in(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rounds.sign_out(self)
        if not self.passed or self._task is None:
            return
        if self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def visit(self, now: float) -> None:
        """Start the clock at the first round, so that what is quick never looks at one."""
        if self._until is None:
            self._until = now + self._seconds
        elif now >= self._until and not self.passed and self._task is not None:
            self.passed = True
            self._task.cancel()
