"""The short road in: a POST that arrives whole is answered without the ASGI cycle around it.

Nearly every call of a tool is one read: a head that this client has sent before and a body of known length. Such a
head is recognised by its bytes, and the request goes straight to the wire and out again as one write. Everything else,
a request in pieces, an unusual head, another path or method, is the business of the protocol below, uvicorn's.
Source: RFC 9112 sections 2 to 6; what is not plainly one request in that grammar is never read here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from apiloom.wire.door import Line, Pairs, Reply, Visitor


class Hearer(Protocol):
    """Who answers requests that come whole: one wire, or one of many that is chosen by the path or the caller."""

    def look(self, headers: Iterable[tuple[bytes, bytes]], length: int, query: bytes = b"") -> Visitor | None:
        """What a head says; None when its answer is another matter than this road's."""

    async def hear(self, visitor: Visitor, body: bytes, line: Line, task: asyncio.Task[None]) -> None:
        """Answer it."""


Find = Callable[[bytes], Hearer | None]
"""Who answers a POST to a path, if it is one that may come by this road."""

MOST_KNOWN = 1024
"""Heads that are remembered."""

LONGEST_KNOWN = 4096
"""Bytes of a head that is remembered; longer ones come by the other road."""

AHEAD = 64 * 1024
"""Bytes of a client's next requests that are held while the present one is answered."""

_START = re.compile(rb"POST ([!-~]+) HTTP/1\.1\r\n").match
_FIELD = re.compile(rb"(?<=\n)([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*+([\t -~\x80-\xff]*+)(?<![\t ])\r\n").findall
_EMPTY_FIELD = re.compile(rb":[\t ]*\r\n").search
_UNUSUAL = frozenset((b"connection", b"expect", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_JSON = (b"content-type", b"application/json")
_END = b"\r\n\r\n"
_ONE_PIECE = 32 * 1024


@dataclass(frozen=True, slots=True)
class Known:
    """A head that was read before: who answers, what it says, and the length of its body."""

    mcp: Hearer
    visitor: Visitor
    length: int


class Road:
    """What the connections of one server share: the heads they know, and the head of the usual answer.

    A head may hold a bearer token. It is found by a keyed hash of all its bytes, so nothing is learned by trying
    others, and the gate is asked about the token at every request.
    """

    __slots__ = ("_defaults", "_find", "_usual", "known")

    def __init__(self, find: Find) -> None:
        self._find = find
        self.known: dict[bytes, Known] = {}
        self._defaults: Pairs | None = None
        self._usual = b""

    def meet(self, head: bytes) -> Known | None:
        """Read a head for the first time."""
        seen = recognise(head, self._find)
        if seen is not None:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[head] = seen
        return seen

    def usual(self, defaults: Pairs) -> bytes:
        """The head of a whole 200 in JSON up to its length. ``defaults`` is a new value each second, for its date."""
        if defaults is not self._defaults:
            self._defaults, self._usual = defaults, banner(200, (*defaults, _JSON), b"content-length: ")[: -len(_END)]
        return self._usual


def banner(status: int, headers: Pairs, framing: bytes) -> bytes:
    """The head of an answer; ``framing`` is its last field."""
    lines = [b"%b: %b\r\n" % pair for pair in headers]
    return b"".join((b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b"")), *lines, framing, _END))


def recognise(head: bytes, find: Find) -> Known | None:
    """Read a head, blank line included; None for one that is not plainly that of a POST with a body of known length."""
    start = _START(head)
    if start is None:
        return None
    path, _, query = start[1].partition(b"?")
    mcp = find(path)
    if mcp is None or _EMPTY_FIELD(head):
        return None
    found = _FIELD(head, start.end())
    if len(found) + 2 != head.count(b"\n"):
        return None
    fields = [(name.lower(), value) for name, value in found]
    length = [value for name, value in fields if name == b"content-length"]
    unusual = [value for name, value in fields if name in _UNUSUAL]
    if len(length) != 1 or not length[0].isdigit() or len(length[0]) > 9:
        return None
    if unusual and [value.lower() for value in unusual] != [b"keep-alive"]:
        return None
    visitor = mcp.look(fields, int(length[0]), query)
    return None if visitor is None else Known(mcp, visitor, int(length[0]))


if TYPE_CHECKING:

    class _Below(asyncio.Protocol):
        """What the short road needs of the protocol below it."""

        client: Any
        cycle: Any
        flow: Any
        loop: asyncio.AbstractEventLoop
        server_state: Any
        tasks: set[asyncio.Task[None]]
        timeout_keep_alive_task: Any
        transport: asyncio.Transport

        def on_message_begin(self) -> None: ...

        def on_message_complete(self) -> None: ...

        def shutdown(self) -> None: ...

        def _unset_keepalive_if_required(self) -> None: ...

else:
    _Below = asyncio.Protocol


class Straight(_Below):
    """One connection. It is busy while ``task`` is there; ``between`` says that the other road's parser is too.

    It is also the :class:`~apiloom.wire.door.Line` of the request being answered.
    """

    road: Road
    task: asyncio.Task[None] | None = None
    between = True
    gone = False
    last = False
    begun = False
    ahead = b""
    served = 0
    leaving: asyncio.Future[None] | None = None

    # what comes in

    def data_received(self, data: bytes) -> None:
        if self.task is not None:
            self.hold(data)
            return
        if self.between and data[:5] == b"POST " and (self.cycle is None or self.cycle.response_complete):
            cut = data.find(b"\r\n\r\n") + 4
            head = data[:cut]
            seen = self.road.known.get(head) or (self.road.meet(head) if 4 < cut <= LONGEST_KNOWN else None)
            if seen is not None and len(data) == cut + seen.length:
                if self.timeout_keep_alive_task is not None:
                    self._unset_keepalive_if_required()
                task = self.task = self.loop.create_task(self.serve(seen, data[cut:]))
                self.tasks.add(task)
                return
        super().data_received(data)

    def hold(self, data: bytes) -> None:
        """Keep what a client sends before it has its answer."""
        self.ahead += data
        if len(self.ahead) > AHEAD:
            self.flow.pause_reading()

    def on_message_begin(self) -> None:
        self.between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self.between = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self.leaving is not None and not self.leaving.done():
            self.leaving.set_result(None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self.task is None:
            super().shutdown()
        self.last = True

    # one request

    async def serve(self, seen: Known, body: bytes) -> None:
        task: Any = self.task
        try:
            await seen.mcp.hear(seen.visitor, body, self, task)
            if self.flow.write_paused and not self.gone:
                await self.flow.drain()
        finally:
            self.tasks.discard(task)
            self.task = None
            self.server_state.total_requests += 1
            self.after()

    def after(self) -> None:
        """Go on with the connection: close it, or take up what has come meanwhile."""
        self.served += 1
        if self.gone:
            return
        if self.last or self.begun:
            self.transport.close()
        elif self.ahead:
            held, self.ahead = self.ahead, b""
            self.flow.resume_reading()
            self.data_received(held)

    # the line of the request being answered

    @property
    def address(self) -> str:
        """The address of who is at the other end."""
        client = self.client
        return str(client[0]) if client else ""

    async def receive(self) -> MutableMapping[str, Any]:
        if not self.gone:
            self.leaving = self.loop.create_future()
            await self.leaving
        return {"type": "http.disconnect"}

    async def answer(self, reply: Reply, extra: Pairs) -> None:
        if self.gone or self.begun:
            return
        body, more = reply.body, extra + reply.headers
        if reply.status == 200 and body and not more and not self.last:
            head = b"%b%d\r\n\r\n" % (self.road.usual(self.server_state.default_headers), len(body))
        else:
            head = self.banner(reply.status, (*more, _JSON) if body else more, b"content-length: %d" % len(body))
        if len(body) > _ONE_PIECE:
            self.transport.writelines((head, body))
        else:
            self.transport.write(head + body)

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if self.gone:
            return
        if event["type"] == "http.response.start":
            self.begun = True
            self.transport.write(self.banner(event["status"], tuple(event["headers"]), b"transfer-encoding: chunked"))
            return
        piece = event.get("body", b"")
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        if not event.get("more_body"):
            self.begun = False
            chunk += b"0\r\n\r\n"
        self.transport.write(chunk)
        if self.flow.write_paused:
            await self.flow.drain()

    def banner(self, status: int, headers: Pairs, framing: bytes) -> bytes:
        """The head of an answer; ``framing`` is its last field."""
        fields = (*self.server_state.default_headers, *headers)
        return banner(status, (*fields, (b"connection", b"close")) if self.last else fields, framing)


def straight(protocol: type[Any], find: Find) -> type[Any]:
    """The HTTP protocol given, with the short road before it."""
    return type("Protocol", (Straight, protocol), {"road": Road(find)})
