"""Applications that are loaded when they are first asked: no start waits for them, and who is never asked holds none.

The admin API alone is half of what a gateway would load before it is ready. A load runs in a thread, one at a time: the
loop answers calls meanwhile, and no two threads wait for each other's imports. Knows nothing of what it loads; the node
and its reception stand above.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from apiloom.app.asgi import AsgiApp, Receive, Scope, Send, say
from apiloom.app.garbage import unhindered
from apiloom.base.errors import ApiloomError

TURN = 0.0005
"""Seconds after which a thread that loads gives way to the loop; Python's own are ten times as many."""

_Loaded = TypeVar("_Loaded")

_log = logging.getLogger("apiloom.gateway")

_one_at_a_time = threading.Lock()


class Late:
    """An ASGI application that ``build`` makes, in a thread, when the first request comes.

    Whoever asks meanwhile waits for the same. A build that failed is tried again by the next request.
    """

    __slots__ = ("_app", "_build", "_building")

    def __init__(self, build: Callable[[], AsgiApp]) -> None:
        self._build = build
        self._app: AsgiApp | None = None
        self._building: asyncio.Future[AsgiApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; what cannot be loaded is said to be unavailable."""
        try:
            app = self._app or await self._built()
        except ApiloomError as error:
            _log.error("what is asked for cannot be loaded: %s", error.sentence())
            detail = "this cannot be loaded here; the log of the gateway says why"
            return await say(send, 503, {"title": "Service Unavailable", "status": 503, "detail": detail})
        return await app(scope, receive, send)

    async def _built(self) -> AsgiApp:
        building = self._building
        if building is None:
            building = self._building = asyncio.ensure_future(asyncio.to_thread(aside, self._build))
            building.add_done_callback(self._over)
        # a caller who goes away takes nothing from those who wait beside it
        return await asyncio.shield(building)

    def _over(self, building: asyncio.Future[AsgiApp]) -> None:
        self._building = None
        if not building.cancelled() and building.exception() is None:
            self._app = building.result()


def aside(load: Callable[[], _Loaded]) -> _Loaded:
    """Load something in a thread beside the loop: after others that do, and giving way often."""
    with _one_at_a_time, _giving_way(), unhindered():
        return load()


@contextmanager
def _giving_way() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
