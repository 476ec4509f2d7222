"""One timer for everything in flight: whoever takes long is looked after, whoever is quick costs nothing.

A timer of its own for each request would cost more than the request's reading. Instead what begins signs in and what
ends signs out; a round is made now and then while anything is signed in, and calls on whoever is still there.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Lasting(Protocol):
    """Something in flight. ``visit`` is called on each round, with the loop's time; it must not wait."""

    def visit(self, now: float) -> None: ...


class Rounds:
    """Calls on what is in flight.

    Args:
        every: seconds between rounds.
    """

    __slots__ = ("_every", "_loop", "_present", "_timer")

    def __init__(self, every: float) -> None:
        self._every = every
        self._present: set[Lasting] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def sign_in(self, one: Lasting) -> None:
        """Be called on, from the next round until signing out."""
        self._present.add(one)
        if self._timer is None:
            self._start(asyncio.get_running_loop())

    def sign_out(self, one: Lasting) -> None:
        """Be called on no more."""
        self._present.discard(one)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer = loop.call_later(self._every, self._make)

    def _make(self) -> None:
        loop = self._loop
        self._timer = None
        if loop is None or not self._present:
            return
        now = loop.time()
        for one in tuple(self._present):
            one.visit(now)
        self._start(loop)
