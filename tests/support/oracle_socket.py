"""One upstream on the loopback interface, in the event loop of the test: keeps the bytes of requests as they came."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


class Recording:
    """``seen`` grows with every request, head and body, framing included."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.origin = ""

    def take(self) -> list[bytes]:
        """What has come since the last time."""
        taken, self.seen = self.seen, []
        return taken


class _Connection(asyncio.Protocol):
    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.held = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := _end(self.held)) is not None:
            raw = bytes(self.held[:end])
            del self.held[:end]
            self.recording.seen.append(raw)
            assert self.transport is not None
            self.transport.write(ANSWER if raw.startswith(b"HEAD ") else ANSWER + b"{}")


def _end(held: bytearray) -> int | None:
    """Where the first request ends, once it is whole."""
    head = held.find(b"\r\n\r\n")
    if head < 0:
        return None
    fields = bytes(held[: head + 2]).lower()
    if re.search(rb"\r\ntransfer-encoding:[^\r]*chunked", fields):
        last = held.find(b"\r\n0\r\n\r\n", head + 2)
        return None if last < 0 else last + 7
    length = re.search(rb"\r\ncontent-length: *(\d+)", fields)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(held) >= end else None


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[Recording]:
    """Listen on a free port until the block ends."""
    it = Recording()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(it), "127.0.0.1", 0)
    it.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield it
    finally:
        server.close()
