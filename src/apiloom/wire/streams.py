"""Notification streams over HTTP: opened by ``subscriptions/listen`` or a legacy GET, bounded in number.

Knows that a stream is greeted, told of changes, kept alive and sent off; the words come as
:class:`~apiloom.wire.notices.Notices`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from apiloom.calls.endpoint import Directory
from apiloom.identity.principal import Principal
from apiloom.protocol import sse
from apiloom.wire.changes import Listener, Turn
from apiloom.wire.door import Exchange, refused
from apiloom.wire.leash import Leash
from apiloom.wire.notices import Notices
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import open_stream, send_chunk

_BUSY: Final = "Too many notification streams are open; poll tools/list, or try again later"


class Streams:
    """The notification streams of one endpoint."""

    __slots__ = ("_closing", "_directory", "_key", "_open", "_settings")

    def __init__(self, directory: Directory, key: str, settings: WireSettings) -> None:
        self._directory = directory
        self._key = key
        self._settings = settings
        self._open: dict[asyncio.Event, Principal] = {}
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def cut(self, ends: Callable[[Principal], bool]) -> int:
        """End the streams of principals whose right to them has ended; how many that were."""
        over = [event for event, principal in self._open.items() if ends(principal)]
        for event in over:
            event.set()
        return len(over)

    def close(self) -> None:
        """End every stream gracefully, now and from now on."""
        self._closing.set()

    async def serve(self, exchange: Exchange, notices: Notices, *ends: asyncio.Event) -> None:
        """Be one stream until its client leaves, an event ends it, or the endpoint is no more."""
        if not exchange.stream:
            return await exchange.answer(refused(406, "The Accept header must list text/event-stream"))
        if len(self._open) >= self._settings.max_streams:
            return await exchange.answer(refused(503, _BUSY, (b"retry-after", b"60")))
        cut = asyncio.Event()
        self._open[cut] = exchange.principal
        try:
            async with Listener(self._directory, self._key, self._closing, cut, *ends) as listener:
                with Leash(receive=exchange.line.receive) as leash:
                    leash.watch()
                    await self._tell(exchange, notices, listener)
        finally:
            del self._open[cut]
        return None

    async def _tell(self, exchange: Exchange, notices: Notices, listener: Listener) -> None:
        send = exchange.line.send
        await open_stream(send, exchange.extra)
        await send_chunk(send, sse.event(notices.opening) if notices.opening else sse.KEEP_ALIVE)
        while (turn := await listener.turn(self._settings.keep_alive)) is not Turn.ENDED:
            if turn is Turn.QUIET:
                await send_chunk(send, sse.KEEP_ALIVE)
            elif notices.change:
                await send_chunk(send, sse.event(notices.change))
        await send_chunk(send, sse.event(notices.ending) if notices.ending else b"", more=False)
