"""The load client: N connections, one call in flight on each, and every single answer checked.

Raw connections and httptools, so that the client takes little of the core it shares with what it measures. It knows
HTTP and the MCP envelope; what a call is and what its answer must be stands in :mod:`cells`.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import httptools
import msgspec
from cells import Cell, same_json

MODERN = "2026-07-28"
LEGACY = "2025-06-18"
_encode = msgspec.json.Encoder().encode


class Content(msgspec.Struct):
    """One content block, as far as it is checked."""

    type: str
    text: str = ""


class Result(msgspec.Struct):
    """A ``tools/call`` result, as far as it is checked."""

    content: list[Content]
    structuredContent: msgspec.Raw = msgspec.Raw()  # noqa: N815 - the member's name on the wire
    isError: bool = False  # noqa: N815


class Reply(msgspec.Struct):
    """A JSON-RPC response."""

    id: int | str
    result: Result | None = None
    error: Any = None


_reply = msgspec.json.Decoder(Reply).decode


class Work(Protocol):
    """Makes the request of a call by its number, and says what is wrong with an answer (empty: nothing)."""

    def request(self, number: int) -> bytes: ...

    def wrong(self, number: int, status: int, body: bytes) -> str: ...


@dataclass(slots=True)
class DirectWork:
    """The cell's call as plain HTTP."""

    cell: Cell

    def request(self, number: int) -> bytes:
        call = self.cell.direct(number)
        if not call.body:
            return f"{call.method} {call.target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        return (
            f"{call.method} {call.target} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(call.body)}\r\n\r\n"
        ).encode() + call.body

    def wrong(self, number: int, status: int, body: bytes) -> str:
        if status not in (200, 201):
            return f"status {status}"
        return "" if same_json(body, self.cell.expected(number)) else f"call {number}: another answer: {body[:200]!r}"


@dataclass(slots=True)
class McpWork:
    """The cell's call as ``tools/call`` in one revision, without a session."""

    cell: Cell
    revision: str = MODERN
    path: str = "/mcp"
    host: str = "127.0.0.1"

    def request(self, number: int) -> bytes:
        params: dict[str, Any] = {"name": self.cell.tool, "arguments": self.cell.arguments(number)}
        routing = ""
        if self.revision == MODERN:
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            routing = f"Mcp-Method: tools/call\r\nMcp-Name: {self.cell.tool}\r\n"
        body = _encode({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {self.revision}\r\n{routing}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def wrong(self, number: int, status: int, body: bytes) -> str:
        if status != 200:
            return f"status {status}: {body[:300]!r}"
        reply = _reply(body)
        if reply.id != number or reply.result is None:
            return f"call {number}: {body[:300]!r}"
        if reply.result.isError or len(reply.result.content) != 1:
            return f"call {number} failed: {body[:300]!r}"
        expected = self.cell.expected(number)
        if not same_json(reply.result.content[0].text.encode(), expected):
            return f"call {number}: another text: {reply.result.content[0].text[:200]}"
        structured = bytes(reply.result.structuredContent)
        if structured and not same_json(structured, expected):
            return f"call {number}: another structuredContent: {structured[:200]!r}"
        return ""


@dataclass(slots=True)
class Tally:
    """What came of a block of calls. Latencies in seconds; ``errors`` keeps the first few texts."""

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count another block in."""
        self.calls += other.calls
        self.failed += other.failed
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.errors += other.errors[: 5 - len(self.errors)] if len(self.errors) < 5 else []

    def percentile(self, share: float) -> float:
        """A latency in seconds, such as ``percentile(0.5)``."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Line:
    """One connection: sends, awaits, checks, sends again until there is nothing more to do."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.parts: list[bytes] = []
        self.ended = False

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        self.ended = True

    async def run(self, host: str, port: int) -> None:
        """Call until the block is over or the connection breaks."""
        block, number = self.block, 0
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
        parser = httptools.HttpResponseParser(self)
        try:
            while (number := block.take()) >= 0:
                request = block.work.request(number)
                began = time.perf_counter()
                writer.write(request)
                while not self.ended:
                    data = await reader.read(1 << 18)
                    if not data:
                        raise ConnectionError("the server closed the connection")
                    parser.feed_data(data)
                took = time.perf_counter() - began
                body = b"".join(self.parts)
                self.parts.clear()
                self.ended = False
                block.done(number, took, parser.get_status_code(), body)
        except (OSError, httptools.HttpParserError) as error:
            block.fail(f"call {number}: {error!r}")
        finally:
            writer.close()


class Block:
    """A run of calls on several connections, ended by time or by count."""

    def __init__(self, work: Work, numbers: itertools.count[int], goes_on: Callable[[], bool]) -> None:
        self.work = work
        self.numbers = numbers
        self.goes_on = goes_on
        self.tally = Tally()

    def take(self) -> int:
        """The number of the next call, or -1 when the block is over."""
        return next(self.numbers) if self.goes_on() else -1

    def done(self, number: int, took: float, status: int, body: bytes) -> None:
        """Judge one answer."""
        self.tally.calls += 1
        self.tally.latencies.append(took)
        try:
            wrong = self.work.wrong(number, status, body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            wrong = f"call {number}: {error}: {body[:200]!r}"
        if wrong:
            self.fail(wrong)

    def fail(self, why: str) -> None:
        """Count a failure."""
        self.tally.failed += 1
        if len(self.tally.errors) < 5:
            self.tally.errors.append(why)


@dataclass(slots=True)
class Load:
    """A client for one kind of work at one URL. Numbers of calls go on from block to block."""

    url: str
    work: Work
    connections: int
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def run(self, *, seconds: float = 0.0, calls: int = 0) -> Tally:
        """One block: for some seconds, or for a number of calls."""
        begin = time.perf_counter()
        deadline = begin + seconds if seconds else begin + 600
        last = [calls or 1 << 62]

        def goes_on() -> bool:
            last[0] -= 1
            return last[0] >= 0 and time.perf_counter() < deadline

        block = Block(self.work, self.numbers, goes_on)
        where = urlsplit(self.url)
        assert where.hostname is not None
        assert where.port is not None
        lines = [Line(block).run(where.hostname, where.port) for _ in range(self.connections)]
        await asyncio.wait_for(asyncio.gather(*lines), deadline - begin + 60)
        block.tally.seconds = time.perf_counter() - begin
        return block.tally
