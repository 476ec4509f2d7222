"""Opening a connection to a host by all its addresses, with TLS or without. Knows no HTTP and no names.

Addresses of both families take turns and each gets a short head start (RFC 8305), because the first one may lead into
a network that swallows packets while the second works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from apiloom.net.tls import Tls

_HEAD_START = 0.25


class NoAddressAnswered(Exception):  # noqa: N818 - it says what happened
    """Every address was tried; ``errors`` in the order they came."""

    def __init__(self, errors: list[OSError]) -> None:
        super().__init__()
        self.errors = errors


_P = TypeVar("_P", bound=asyncio.BaseProtocol)


async def dial(build: Callable[[], _P], to: Sequence[str], port: int, tls: Tls | None = None) -> _P:
    """The protocol of the first connection that stands, to one of some addresses. The caller sets the deadline.

    Raises:
        NoAddressAnswered: no address took the connection.
    """
    loop = asyncio.get_running_loop()
    waiting = list(to)
    running: set[asyncio.Task[tuple[asyncio.Transport, _P]]] = set()
    errors: list[OSError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connected(loop, build, (waiting.pop(0), port), tls)))
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
    loop: asyncio.AbstractEventLoop, build: Callable[[], _P], to: tuple[str, int], tls: Tls | None
) -> tuple[asyncio.Transport, _P]:
    if tls is None:
        return await loop.create_connection(build, *to)
    return await loop.create_connection(build, *to, ssl=tls.context, server_hostname=tls.name)


def _drop(attempt: asyncio.Task[tuple[asyncio.Transport, _P]]) -> None:
    """A connection that came second, or after the caller left, is not kept."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result()[0].abort()
