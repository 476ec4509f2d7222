"""A client at the other end of a pair of byte streams, in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apiloom.calls.endpoint import Directory
from apiloom.wire.settings import WireSettings
from apiloom.wire.stdio import serve_stdio
from support.asgi import SECONDS


class Client:
    """Writes lines to a server and reads its frames; every wait is bounded."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.written = b""
        self.broken = False
        self.stuck: asyncio.Event | None = None
        self._turned = asyncio.Condition()
        self._read = 0

    # the server's writer
    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        if self.broken:
            raise BrokenPipeError
        if self.stuck is not None:
            await self.stuck.wait()
        async with self._turned:
            self._turned.notify_all()

    # the client's side
    def say(self, *messages: Any) -> None:
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.reader.feed_data(line + b"\n")

    def frames(self) -> list[Any]:
        lines = self.written.split(b"\n")
        assert lines[-1] == b"", "every frame is a whole line"
        return [json.loads(line) for line in lines[:-1]]

    async def hear(self) -> Any:
        """The next frame."""
        async with asyncio.timeout(SECONDS), self._turned:
            await self._turned.wait_for(lambda: len(self.frames()) > self._read)
        self._read += 1
        return self.frames()[self._read - 1]

    async def ask(self, message: Any) -> Any:
        self.say(message)
        return await self.hear()


@asynccontextmanager
async def served(directory: Directory, **settings: Any) -> AsyncIterator[Client]:
    """A server on the other end; leaving ends its input and waits until it has returned."""
    client = Client()
    task = asyncio.ensure_future(serve_stdio(directory, WireSettings(**settings), client.reader, client))
    try:
        yield client
    finally:
        client.reader.feed_eof()
        async with asyncio.timeout(SECONDS):
            await task
