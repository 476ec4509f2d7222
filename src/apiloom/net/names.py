"""Host names into addresses, as this machine resolves them: on threads of their own, which nothing else waits for.

A name is answered by whoever owns it, as slowly as they like, and a thread that asks cannot be stopped. So names that
belong together (their last two labels) have a share of the threads only, and nobody waits for one longer than
:data:`LONGEST`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, zip_longest
from typing import Any

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""``await resolve(host, port)``: its addresses, those to be tried first in front.

Raises:
    socket.gaierror, UnicodeError: the name cannot be resolved.
"""

AT_ONCE = 16
"""Names that are asked for at the same time."""

TOGETHER = 4
"""Names of one zone among them."""

WAITING = 256
"""Names of one zone that wait for their turn."""

LONGEST = 15.0
"""Seconds that somebody waits for a name."""

_MOST_ADDRESSES = 8
_MOST_WAITING = 4096

_Asked = tuple[str, int, "Future[list[Any]]"]


class _Desk:
    """Gives the threads to zones in turn. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # what is done at once is told in the same breath
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[_Asked]] = {}

    def ask(self, host: str, port: int) -> Future[list[Any]]:
        """What the machine says of a name, later. Whoever cancels it before its turn has never asked."""
        asked: Future[list[Any]] = Future()
        zone = zone_of(host)
        with self._lock:
            line = self._waiting.setdefault(zone, deque())
            if len(line) >= WAITING or sum(map(len, self._waiting.values())) >= _MOST_WAITING:
                self._waiting[zone] = line = deque(one for one in line if not one[2].cancelled())
                if len(line) >= WAITING or sum(map(len, self._waiting.values())) >= _MOST_WAITING:
                    raise socket.gaierror(socket.EAI_AGAIN, "too many names are being resolved")
            line.append((host, port, asked))
            self._begin()
        return asked

    def _begin(self) -> None:
        """Give every free thread to somebody who waits, one zone after the other. Under the lock."""
        passed = 0
        while passed < len(self._waiting) and sum(self._running.values()) < AT_ONCE:
            zone = next(iter(self._waiting))
            line = self._waiting.pop(zone)
            passed += 1
            if self._running.get(zone, 0) < TOGETHER and self._given(zone, line):
                passed = 0
            if line:
                self._waiting[zone] = line

    def _given(self, zone: str, line: deque[_Asked]) -> bool:
        """Give a thread to the first of a zone's line who still waits; whether there is one."""
        while line:
            host, port, asked = line.popleft()
            if asked.set_running_or_notify_cancel():
                if self._threads is None:
                    self._threads = ThreadPoolExecutor(AT_ONCE, "apiloom-names")
                self._running[zone] = self._running.get(zone, 0) + 1
                looking = self._threads.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
                looking.add_done_callback(partial(self._looked, zone, asked))
                return True
        return False

    def _looked(self, zone: str, asked: Future[list[Any]], done: Future[list[Any]]) -> None:
        with self._lock:
            self._running[zone] -= 1
            if not self._running[zone]:
                del self._running[zone]
            self._begin()
        error = done.exception()
        if error is None:
            asked.set_result(done.result())
        else:
            asked.set_exception(error)


_DESK = _Desk()


def zone_of(host: str) -> str:
    """The names that share threads with a host: those of its last two labels; an address stands for itself."""
    labels = host.rstrip(".").lower().split(".")
    return host if labels[-1].isdigit() or ":" in host else ".".join(labels[-2:])


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host; both families take turns (RFC 8305 section 4).

    Raises:
        socket.gaierror, UnicodeError: the name cannot be resolved, or not in time.
    """
    try:
        async with asyncio.timeout(LONGEST):
            found = await asyncio.wrap_future(_DESK.ask(host, port))
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "the name is not resolved in time") from None
    families: dict[int, dict[str, None]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, {})[str(address[0])] = None
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None][:_MOST_ADDRESSES]
