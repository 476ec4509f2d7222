"""An answer over HTTP as an event stream, begun only when there is something to stream.

Frames are pushed without waiting and sent by one task; a quiet stream carries a comment now and then. A reader who is
slower than its progress keeps the newest notifications.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from apiloom.protocol import sse

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

_BACKLOG: Final = 64


async def open_stream(send: Send, headers: Headers) -> None:
    """Begin an event stream's answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [*sse.HEADERS, *headers]})


async def send_chunk(send: Send, chunk: bytes, *, more: bool = True) -> None:
    """Send a piece of a stream that has begun."""
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


class EventStream:
    """The stream of one request: notifications, then the response.

    Args:
        send: the ASGI send.
        headers: extra headers of the answer.
        keep_alive: seconds of silence before a comment.
    """

    __slots__ = ("_frames", "_headers", "_keep_alive", "_last", "_pump", "_send", "_timer", "_wake")

    def __init__(self, send: Send, headers: Headers, keep_alive: float) -> None:
        self._send = send
        self._headers = headers
        self._keep_alive = keep_alive
        self._frames: list[bytes] = []
        self._last: bytes | None = None
        self._pump: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin_in_time(self) -> None:
        """Begin by itself before anyone between us and the caller thinks the connection dead."""
        self._timer = asyncio.get_running_loop().call_later(self._keep_alive, self.begin)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def begin(self) -> None:
        """Commit the answer to being a stream."""
        if self._pump is None:
            self._wake = asyncio.Event()
            self._pump = asyncio.ensure_future(self._run(self._wake))

    def push(self, frame: bytes) -> None:
        """Send a notification soon, beginning the stream if need be."""
        self.begin()
        if len(self._frames) >= _BACKLOG:
            self._frames.pop(0)
        self._frames.append(frame)
        if self._wake is not None:
            self._wake.set()

    async def finish(self, frame: bytes) -> bool:
        """Send what is left and the response, if there is one, and close; False when no stream has begun.

        One that has not begun by now never will: the answer takes another form.
        """
        self._rest()
        if self._wake is None or self._pump is None:
            return False
        self._last = sse.event(frame) if frame else b""
        self._wake.set()
        await self._pump
        return True

    async def abandon(self) -> None:
        """Send nothing more."""
        self._rest()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _run(self, wake: asyncio.Event) -> None:
        await open_stream(self._send, self._headers)
        while True:
            frames, self._frames = self._frames, []
            if self._last is not None:
                await send_chunk(self._send, b"".join([*map(sse.event, frames), self._last]), more=False)
                return
            if frames:
                await send_chunk(self._send, b"".join(map(sse.event, frames)))
                continue
            wake.clear()
            try:
                async with asyncio.timeout(self._keep_alive):
                    await wake.wait()
            except TimeoutError:
                await send_chunk(self._send, sse.KEEP_ALIVE)
