"""Drives an ASGI application in this process: one request, its answer, its stream, and hanging up."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

SECONDS = 10.0
"""Bound of every wait; only a broken application ever reaches it."""


class Reply:
    """An answer as it arrives."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.ended = False
        self.turned = asyncio.Condition()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The messages of an event stream so far; comments are left out."""
        found = []
        for block in self.body.decode().split("\n\n")[:-1]:
            data = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
            if data:
                found.append(json.loads("\n".join(data)))
        return found

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(SECONDS), self.turned:
            await self.turned.wait_for(condition)

    async def message(self, number: int) -> Any:
        """The message at this place of the stream, once it is there."""
        await self.until(lambda: len(self.events()) > number or self.ended)
        return self.events()[number]

    async def end(self) -> None:
        await self.until(lambda: self.ended)


class Wire:
    """One connection: what the application is fed, and the reply it makes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.reply = Reply()
        self._feed: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        pieces = list(chunks)
        for number, piece in enumerate(pieces):
            self._feed.put_nowait({"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces)})

    async def receive(self) -> dict[str, Any]:
        return await self._feed.get()

    async def send(self, event: dict[str, Any]) -> None:
        reply = self.reply
        if event["type"] == "http.response.start":
            assert reply.status == 0, "an answer begins once"
            reply.status = event["status"]
            reply.headers = [(name.decode(), value.decode()) for name, value in event["headers"]]
        else:
            assert reply.status, "an answer has a start"
            assert not reply.ended, "an answer has one end"
            reply.body += event.get("body", b"")
            reply.ended = not event.get("more_body", False)
        async with reply.turned:
            reply.turned.notify_all()

    def hang_up(self) -> None:
        self._feed.put_nowait({"type": "http.disconnect"})


def scope(method: str, headers: Iterable[tuple[str, str]], path: str = "/mcp") -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": raw,
    }


@asynccontextmanager
async def connection(
    app: Any, method: str, headers: Iterable[tuple[str, str]], chunks: Iterable[bytes] = (b"",)
) -> AsyncIterator[Wire]:
    """A request in flight. Leaving hangs up and waits until the application is done with it."""
    wire = Wire(chunks)
    task = asyncio.ensure_future(app(scope(method, headers), wire.receive, wire.send))
    task.add_done_callback(lambda _: asyncio.ensure_future(_notify(wire.reply)))
    try:
        yield wire
    finally:
        wire.hang_up()
        async with asyncio.timeout(SECONDS):
            await task


async def _notify(reply: Reply) -> None:
    async with reply.turned:
        reply.turned.notify_all()


async def request(app: Any, method: str, headers: Iterable[tuple[str, str]], chunks: Iterable[bytes] = (b"",)) -> Reply:
    """One request and its whole answer."""
    wire = Wire(chunks)
    async with asyncio.timeout(SECONDS):
        await app(scope(method, headers), wire.receive, wire.send)
    return wire.reply
