"""What crosses the way out: a request to send and the answer that came. Plain values; no client is imported here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from apiloom.base.pieces import Body
from apiloom.base.values import Value, field

Watch = Callable[[int, int | None], None]
"""``watch(received, total)``: bytes of the decoded answer so far, and how many there will be if the upstream said.
The first call, with 0, means that the headers have come. It must not block or raise."""

Cut = Literal["", "time", "size", "broken"]
"""What ended an answer before its own end did; empty: nothing."""

MOST_OF_A_STREAM = 4 * 1024 * 1024
"""Bytes of an answer that is given as far as it came."""

SHARE_OF_A_STREAM = 0.9
"""Of the time of an exchange, what an answer that may never end gets: whoever asked is still there to read it."""


IN_MEMORY = 1024 * 1024
"""Bytes of an answer that are held before its request's ``overflow`` is asked where the rest should go."""


class Sink(Protocol):
    """Takes an answer that is not to be held in memory."""

    def write(self, piece: bytes) -> bool:
        """Take a piece; False: there is no room for it."""

    def drop(self) -> None:
        """The answer broke off; forget what came of it."""


Overflow = Callable[[int, Sequence[tuple[str, str]], bytes], Sink | None]
"""``overflow(status, headers, start)`` says where an answer goes that has grown large: into a sink, or, None, on into
memory. ``start`` is how its body begins."""


class Request(Value, kw_only=True):
    """An outgoing request. ``target`` goes on the request line byte for byte or is refused.

    A ``body`` in pieces is read while it is sent, anew where a request is repeated. ``timeout`` is in seconds for the
    whole exchange; ``max_bytes`` bounds the decoded answer in memory, ``max_stored`` one that goes into a sink. With a
    ``watch`` the answer is read in small pieces so that there is something to tell. An answer of a media type in
    ``partial`` is given as far as it has come when time, size or the connection ends before it does.

    It may be signed, so nothing of it is shown but where it goes.
    """

    method: str
    origin: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Body | None = None
    timeout: float = 60.0
    max_bytes: int = 64 * 1024 * 1024
    watch: Watch | None = None
    partial: frozenset[str] = frozenset()
    overflow: Overflow | None = None
    max_stored: int = 512 * 1024 * 1024

    def __repr__(self) -> str:
        return f"Request({self.method} {self.origin}{self.target.partition('?')[0][:200]})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("origin", self.origin)]


class Response(Value, kw_only=True):
    """An answer, decoded from its content encoding. Header names are lower-case, repeated ones kept in order.

    Header values that are not ASCII are read as Latin-1 over plain HTTP; through the client they cannot be read and are
    left out. ``cut`` says why a stream is not here to its end. An answer that went into a ``sink`` has no ``body``.
    ``hold`` is its share of the memory that all answers may take together, given back with the answer.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    cut: Cut = ""
    sink: Sink | None = None
    hold: object = None

    def __repr__(self) -> str:
        # an upstream may have written back what it was sent
        return f"Response({self.status}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("status", self.status)]

    def header(self, name: str) -> str:
        """The first value of a header (lower-case name), or the empty string."""
        return next((value for key, value in self.headers if key == name), "")


class Sender(Protocol):
    """Sends one request. Redirects are answers, not followed. Cancelling closes the exchange.

    Raises:
        UpstreamError: ``net.refused``, ``net.dns``, ``net.tls``, ``net.timeout``, ``net.broken`` (closed or garbled),
            ``net.too_large``, ``net.no_room``; the sentence names host and cause, never a secret.
        DesignError: ``net.target`` when the client would alter the target; ``net.origin`` when the origin is no plain
            ``http(s)://host[:port]`` or not one this sender may reach.
        CallerError: ``net.header`` when a method, header name or header value cannot stand in a request.
    """

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...
