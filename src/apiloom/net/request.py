"""What crosses the way out: a request to send and the answer that came. Plain values; no client is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True, kw_only=True)
class Request:
    """An outgoing request. ``target`` goes on the request line byte for byte or is refused.

    ``timeout`` is in seconds for the whole exchange; ``max_bytes`` bounds the decoded answer.
    """

    method: str
    origin: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    timeout: float = 60.0
    max_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Response:
    """An answer, decoded from its content encoding. Header names are lower-case, repeated ones kept in order."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header (lower-case name), or the empty string."""
        return next((value for key, value in self.headers if key == name), "")


class Sender(Protocol):
    """Sends one request. Redirects are answers, not followed.

    Raises:
        UpstreamError: ``net.refused``, ``net.dns``, ``net.tls``, ``net.timeout``, ``net.broken`` (closed or garbled),
            ``net.too_large``; the sentence names host and cause, never a secret.
        DesignError: ``net.target`` when the client would alter the target.
    """

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...
