"""What crosses the way out: a request to send and the answer that came. Plain values; no client is imported here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Watch = Callable[[int, int | None], None]
"""``watch(received, total)``: bytes of the decoded answer so far, and how many there will be if the upstream said.
The first call, with 0, means that the headers have come. It must not block or raise."""


@dataclass(slots=True, kw_only=True)
class Request:
    """An outgoing request. ``target`` goes on the request line byte for byte or is refused.

    ``timeout`` is in seconds for the whole exchange; ``max_bytes`` bounds the decoded answer. With a ``watch`` the
    answer is read in small pieces so that there is something to tell.
    """

    method: str
    origin: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    timeout: float = 60.0
    max_bytes: int = 64 * 1024 * 1024
    watch: Watch | None = None


@dataclass(slots=True, kw_only=True)
class Response:
    """An answer, decoded from its content encoding. Header names are lower-case, repeated ones kept in order.

    Header values that are not ASCII are read as Latin-1 over plain HTTP; through the client they cannot be read and are
    left out.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header (lower-case name), or the empty string."""
        return next((value for key, value in self.headers if key == name), "")


class Sender(Protocol):
    """Sends one request. Redirects are answers, not followed. Cancelling closes the exchange.

    Raises:
        UpstreamError: ``net.refused``, ``net.dns``, ``net.tls``, ``net.timeout``, ``net.broken`` (closed or garbled),
            ``net.too_large``; the sentence names host and cause, never a secret.
        DesignError: ``net.target`` when the client would alter the target; ``net.origin`` when the origin is no plain
            ``http(s)://host[:port]`` or not one this sender may reach.
        CallerError: ``net.header`` when a method, header name or header value cannot stand in a request.
    """

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...
