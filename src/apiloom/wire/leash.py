"""Ties a request to its client and to the clock: whoever hangs up, calls off or takes too long has it cancelled.

Most requests end before anyone could hang up, so nothing is watched until one has lasted a moment; a client that has
gone by then is noticed at once, for ASGI tells it to whoever asks later. One timer serves every request in flight: a
timer of its own for each would cost more than reading it.
Source: MCP 2026-07-28, basic/patterns/cancellation; ASGI 3.0 "Disconnect".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from apiloom.identity.principal import Principal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Rounds:
    """Calls now and then on every leash that is held; stands still while none is.

    Args:
        every: seconds between rounds.

    ``held`` is the leashes to call on, ``watched`` those that need no calls any more but are held still; ``timer`` is
    None while standing still.
    """

    __slots__ = ("_every", "_loop", "held", "timer", "watched")

    def __init__(self, every: float) -> None:
        self._every = every
        self._loop: asyncio.AbstractEventLoop | None = None
        self.held: set[Leash] = set()
        self.watched: set[Leash] = set()
        self.timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Set out; the first round comes after one interval."""
        self._loop = asyncio.get_running_loop()
        self.timer = self._loop.call_later(self._every, self._make)

    @property
    def busy(self) -> bool:
        """Whether any leash is held."""
        return bool(self.held or self.watched)

    def cut(self, ends: Callable[[Principal], bool]) -> int:
        """Cancel what is done for principals whose right to it has ended; how much that was."""
        over = [leash for leash in (*self.held, *self.watched) if leash.holder is not None and ends(leash.holder)]
        for leash in over:
            leash.cut = True
            leash.pull()
        return len(over)

    def _make(self) -> None:
        self.timer = None
        if self._loop is None or not self.held:
            return
        now = self._loop.time()
        for leash in tuple(self.held):
            leash.visit(now)
        self.start()


class Leash:
    """A context manager around the awaiting of one request, in the task that awaits it.

    Args:
        rounds: tells when a moment has passed; None when nothing is to happen then.
        limit: seconds the awaiting may take, to the coarseness of the rounds.
        receive: tells of the disconnect.
        task: the task it is in, when that has just begun; found when not given.

    Attributes:
        limit: set to None once what it limits is over.
        receive: None leaves a disconnect without consequence (legacy: it is no cancellation).
        later: called once the request has lasted a moment.
        gone: it was cancelled through the leash: nobody waits for an answer, unless it is ``late`` or ``cut``.
        cut: its caller's right to an answer ended while it ran.
        holder: for whom it is done, where that may end before it does.
        late: the limit has passed.
    """

    __slots__ = (
        "_before",
        "_rounds",
        "_seen",
        "_task",
        "_until",
        "_watcher",
        "cut",
        "gone",
        "holder",
        "late",
        "later",
        "limit",
        "receive",
    )

    def __init__(
        self,
        rounds: Rounds | None = None,
        limit: float | None = None,
        receive: Receive | None = None,
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        self.limit = limit
        self.receive = receive
        self.later: Callable[[], None] | None = None
        self.gone = False
        self.cut = False
        self.holder: Principal | None = None
        self.late = False
        self._rounds = rounds
        self._seen = False
        self._until: float | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._task = task
        self._before = 0

    def __enter__(self) -> Self:
        if self._task is None:
            self._task = asyncio.current_task()
            if self._task is not None:
                self._before = self._task.cancelling()
        rounds = self._rounds
        if rounds is not None:
            rounds.held.add(self)
            if rounds.timer is None:
                rounds.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._rounds is not None:
            self._rounds.held.discard(self)
        if self._watcher is not None:
            self._watcher.cancel()
        if self._seen and self._rounds is not None:
            self._rounds.watched.discard(self)
        if not self.gone or self._task is None:
            return False
        # Only our own cancellation is swallowed; one that came from elsewhere goes on.
        return self._task.uncancel() <= self._before and kind is asyncio.CancelledError

    def visit(self, now: float) -> None:
        """A round: look at the clock while there is a limit, else begin to watch at the second one.

        The first may come right after the beginning, and says nothing about how long it has been.
        """
        if self.limit is not None:
            if self._until is None:
                self._until = now + self.limit
            elif now >= self._until:
                self.late = True
                self.pull()
        elif not self._seen:
            self._seen = True
        else:
            if self._rounds is not None:
                self._rounds.held.discard(self)
                self._rounds.watched.add(self)
            self.watch()

    def watch(self) -> None:
        """Begin to watch for a client that hangs up."""
        if self.later is not None:
            self.later()
        if self.receive is not None:
            self._watcher = asyncio.ensure_future(self._wait(self.receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.pull()

    def pull(self) -> None:
        """Cancel the work. Once is enough."""
        if not self.gone and self._task is not None:
            self.gone = True
            self._task.cancel()
