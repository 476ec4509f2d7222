"""A peer on a real socket that does what a test tells it, byte for byte, however wrong that is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

WITHIN = 10.0
"""The longest a test waits for anything, in seconds."""


@dataclass
class Peer:
    """What stands at the other end. ``seen`` are the requests' heads and bodies, ``connections`` how many came."""

    script: Script
    scheme: str = "http"
    port: int = 0
    connections: int = 0
    seen: list[tuple[bytes, bytes]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    serving: list[asyncio.Task[object]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def targets(self) -> list[bytes]:
        """The request targets as they stood on the request lines."""
        return [head.split(b" ", 2)[1] for head, _ in self.seen]

    def header(self, name: str, request: int = -1) -> list[bytes]:
        """The values of a header of a request, in order."""
        lines = self.seen[request][0].split(b"\r\n")[1:]
        return [value for key, _, value in (line.partition(b": ") for line in lines) if key.lower() == name.encode()]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self.serving.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(v) for k, _, v in _fields(head) if k.lower() == b"content-length"), 0)
                self.seen.append((head, await reader.readexactly(length)))
                self.asked.set()
                if await self.script(self, writer) is False:
                    break
        with contextlib.suppress(ConnectionError):
            # a peer that only waits must still notice that the other side has left
            while not self.over.is_set() and writer.transport.is_closing() is False and await reader.read(1024):
                pass
        self.gone.set()
        writer.close()


Script = Callable[[Peer, asyncio.StreamWriter], Awaitable[object]]
"""Answers one request; ``False`` ends the conversation on this connection."""


def _fields(head: bytes) -> list[tuple[bytes, bytes, bytes]]:
    return [line.partition(b":") for line in head.split(b"\r\n")[1:]]


@contextlib.asynccontextmanager
async def peer(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A listening peer on a free port of the loopback; every connection is gone when the block ends."""
    it = Peer(script, scheme="https" if tls else "http")
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, limit=1 << 22, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        it.over.set()
        server.close()
        for writer in it.writers:
            writer.transport.abort()
        if it.serving:
            await asyncio.wait(it.serving, timeout=WITHIN)


def says(data: bytes, *, then: str = "keep") -> Script:
    """Answers every request with these bytes, then keeps the connection, closes it, or hangs."""

    async def script(it: Peer, writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        await writer.drain()
        if then == "close":
            writer.close()
        elif then == "half-close":
            writer.write_eof()
        return then == "keep"

    return script


def answer(body: bytes = b"{}", *fields: str, status: str = "200 OK") -> bytes:
    """A well-formed answer of a known length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def silence() -> Script:
    """Reads the request and never says a word."""
    return says(b"", then="hang")
