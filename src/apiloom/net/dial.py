"""Opening a TCP connection to a host by all its addresses. Knows no HTTP.

Addresses of both families take turns and each gets a short head start (RFC 8305), because the first one may lead into
a network that swallows packets while the second works.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import TypeVar

_HEAD_START = 0.25
_MOST_ADDRESSES = 8


class NoAddressAnswered(Exception):  # noqa: N818 - it says what happened
    """Every address was tried; ``errors`` in the order they came."""

    def __init__(self, errors: list[OSError]) -> None:
        super().__init__()
        self.errors = errors


_P = TypeVar("_P", bound=asyncio.BaseProtocol)


async def dial(build: Callable[[], _P], host: str, port: int) -> _P:
    """The protocol of the first connection that stands. The caller sets the deadline.

    Raises:
        socket.gaierror, UnicodeError: the name cannot be resolved.
        NoAddressAnswered: no address took the connection.
    """
    loop = asyncio.get_running_loop()
    waiting = await _addresses(loop, host, port)
    running: set[asyncio.Task[tuple[asyncio.Transport, _P]]] = set()
    errors: list[OSError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connected(loop, build, waiting.pop(0), port)))
            pause = _HEAD_START if waiting else None
            done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                running.discard(attempt)
                error = attempt.exception()
                if error is None:
                    running.update(done)
                    running.discard(attempt)
                    return attempt.result()[1]
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
    finally:
        for attempt in running:
            attempt.cancel()
            attempt.add_done_callback(_drop)
    raise NoAddressAnswered(errors)


async def _connected(
    loop: asyncio.AbstractEventLoop, build: Callable[[], _P], address: str, port: int
) -> tuple[asyncio.Transport, _P]:
    return await loop.create_connection(build, address, port)


async def _addresses(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[str]:
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, dict[str, None]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, {})[str(address[0])] = None
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None][:_MOST_ADDRESSES]


def _drop(attempt: asyncio.Task[tuple[asyncio.Transport, _P]]) -> None:
    """A connection that came second, or after the caller left, is not kept."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result()[0].abort()
