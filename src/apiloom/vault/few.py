"""Work that may hang, in a few threads of its own: a thread cannot be ended, so what hangs is left behind, and counted.

For keyrings and for files on disks that are gone. Knows neither; they stand above.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from apiloom.base.errors import ApiloomError

T = TypeVar("T")


class Unanswered(Exception):  # noqa: N818 - the silence is no fault of the program
    """It has not come to an end in time, or is not even begun: ``all_hang`` says that every thread is left behind."""

    def __init__(self, *, all_hang: bool) -> None:
        super().__init__()
        self.all_hang = all_hang


class Broken(Exception):  # noqa: N818 - it says what broke
    """It raised what is no error of ours. Its words may hold what was asked for: only its ``kind`` is told."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class _Outcome:
    """What became of work in a thread: what it returned, or what it raised."""

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        self.error = error
        return True


class Few:
    """At most ``most`` threads, whatever hangs in them; nobody waits for one longer than ``seconds``."""

    def __init__(self, name: str, most: int, seconds: float) -> None:
        self._name = name
        self._most = most
        self._seconds = seconds
        self._turns = threading.Semaphore(most)
        self._left: set[threading.Thread] = set()

    def run(self, work: Callable[[], T]) -> T:
        """What work returns.

        Raises:
            Unanswered: it did not return in time, or there is no thread for it.
            Broken: it raised what is none of our errors.
            ApiloomError: whatever it raised.
        """
        until = time.monotonic() + self._seconds
        if self.hanging() >= self._most:
            raise Unanswered(all_hang=True)
        if not self._turns.acquire(timeout=self._seconds):
            raise Unanswered(all_hang=self.hanging() >= self._most)
        outcome = _Outcome()

        def run() -> None:
            with outcome:
                outcome.value = work()
            self._turns.release()

        thread = threading.Thread(target=run, name=self._name, daemon=True)
        thread.start()
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            self._left.add(thread)
            raise Unanswered(all_hang=False)
        if isinstance(outcome.error, ApiloomError):
            raise outcome.error
        if outcome.error is not None:
            raise Broken(type(outcome.error).__name__)
        value: T = outcome.value
        return value

    def hanging(self) -> int:
        """How many threads are left behind now."""
        self._left = {thread for thread in tuple(self._left) if thread.is_alive()}
        return len(self._left)
