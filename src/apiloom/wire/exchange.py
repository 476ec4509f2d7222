"""One HTTP request and its one answer over ASGI: reading a bounded body, sending JSON, refusing, acknowledging.

Knows ASGI's events and nothing of MCP's methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiloom.protocol import sse
from apiloom.wire.door import Refused, Visitor, refused
from apiloom.wire.leash import Deadline, Receive
from apiloom.wire.rounds import Rounds
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import Headers, Send, open_stream, send_chunk

_JSON: Final = (b"content-type", b"application/json")
_LIMITS: Final = (("limit", b"ratelimit-limit"), ("remaining", b"ratelimit-remaining"), ("reset", b"ratelimit-reset"))


class Exchange:
    """What a request brought, and the ways to answer it. Exactly one of the answering methods is used."""

    __slots__ = ("receive", "send", "visitor")

    def __init__(self, visitor: Visitor, receive: Receive, send: Send) -> None:
        self.visitor = visitor
        self.receive = receive
        self.send = send

    async def json(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        """Answer with one JSON text; as a stream of one event when the caller takes nothing else."""
        visitor = self.visitor
        if status == 200 and not visitor.json:
            await open_stream(self.send, [*visitor.extra, *headers])
            await send_chunk(self.send, sse.event(body), more=False)
            return
        head = [_JSON, (b"content-length", b"%d" % len(body)), *visitor.extra, *headers]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body})

    async def accepted(self) -> None:
        """202 without a body: taken note of, nothing will follow."""
        await send_refused(self.send, Refused(status=202), self.visitor.extra)

    async def refuse(self, answer: Refused) -> None:
        """Answer with a refusal."""
        await send_refused(self.send, answer, self.visitor.extra)

    async def body(self, settings: WireSettings, rounds: Rounds) -> bytes | Refused | None:
        """The whole body; a refusal when it is too large (413) or too slow (408); None when the client has gone."""
        try:
            with Deadline(rounds, settings.body_timeout):
                return await self._body(settings.max_body)
        except TimeoutError:
            return refused(408, f"The body did not arrive within {settings.body_timeout:g} seconds")

    async def _body(self, most: int) -> bytes | Refused | None:
        event = await self.receive()
        body: bytes = event.get("body", b"")
        if event["type"] == "http.request" and not event.get("more_body", False) and len(body) <= most:
            return body
        chunks, size = [body], len(body)
        while event["type"] == "http.request" and event.get("more_body", False) and size <= most:
            event = await self.receive()
            chunks.append(event.get("body", b""))
            size += len(chunks[-1])
        if event["type"] != "http.request":
            return None
        return b"".join(chunks) if size <= most else refused(413, f"The body is larger than {most} bytes")


async def send_refused(send: Send, answer: Refused, extra: Headers = ()) -> None:
    """Send a refusal, before or after anyone was let in."""
    head = [(b"content-length", b"%d" % len(answer.body)), *extra, *answer.headers]
    if answer.body:
        head.append(_JSON)
    await send({"type": "http.response.start", "status": answer.status, "headers": head})
    await send({"type": "http.response.body", "body": answer.body})


def limit_headers(limits: Mapping[str, Any] | None) -> list[tuple[bytes, bytes]]:
    """Rate limits as ``RateLimit-*`` headers; whole numbers only."""
    if not limits:
        return []
    return [(name, b"%d" % limits[key]) for key, name in _LIMITS if isinstance(limits.get(key), int)]
