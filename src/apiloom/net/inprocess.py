"""Requests answered by an ASGI application in this process: a way out that opens no socket.

Used when a service mounts apiloom beside itself. The same :class:`~apiloom.net.request.Sender` promises hold: bounded
size and time, no redirects followed, errors translated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from apiloom.base.errors import UpstreamError
from apiloom.base.pieces import Pieces
from apiloom.net.intake import Intake
from apiloom.net.request import MOST_OF_A_STREAM, SHARE_OF_A_STREAM, Request, Response

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


@dataclass(slots=True)
class _Answer:
    """What the application has sent so far. ``partial`` says that it is an answer even if no more comes."""

    intake: Intake
    request: Request
    limit: asyncio.Timeout
    headers: list[tuple[str, str]] = field(default_factory=list)
    complete: bool = False
    partial: bool = False

    def take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in message.get("headers", ())]
            self.intake.begin(message["status"], self.headers, None)
            kind = next((value for name, value in self.headers if name == "content-type"), "")
            if kind.partition(";")[0].strip().lower() in self.request.partial and message["status"] < 300:
                self.partial = True
                self.intake.stay(MOST_OF_A_STREAM)
                self.limit.reschedule((self.limit.when() or 0) - self.request.timeout * (1 - SHARE_OF_A_STREAM))
        elif message["type"] == "http.response.body":
            piece = message.get("body", b"")
            if piece:
                self.intake.add(piece)
            self.complete = not message.get("more_body", False)


class InProcess:
    """A sender that calls an ASGI application (ASGI 3.0, HTTP scope) instead of a network.

    Raises:
        UpstreamError: ``net.timeout``, ``net.too_large``, ``net.broken`` when the application failed or did not answer.
    """

    def __init__(self, application: AsgiApp) -> None:
        self._application = application

    async def send(self, request: Request) -> Response:
        """Answer one request inside the caller's own task."""
        limit = asyncio.timeout(request.timeout)
        answer = _Answer(Intake(request, "the application"), request, limit)
        try:
            async with limit:
                await self._run(request, answer)
        except UpstreamError as error:
            if answer.partial:
                return answer.intake.response(answer.headers, "size" if error.code == "net.too_large" else "broken")
            raise
        except TimeoutError:
            if answer.partial:
                return answer.intake.response(answer.headers, "time")
            raise UpstreamError(
                f"the application did not answer within {request.timeout:g} seconds",
                code="net.timeout",
                hint="the call may still have taken effect; raise the timeout or ask for less",
            ) from None
        if not answer.complete and answer.partial:
            return answer.intake.response(answer.headers, "broken")
        if not answer.complete:
            raise UpstreamError(
                "the application ended without a complete answer", code="net.broken", hint="read the application's log"
            )
        return answer.intake.response(answer.headers)

    async def close(self) -> None:
        """Nothing is open."""

    async def _run(self, request: Request, answer: _Answer) -> None:
        scope, finished = _scope(request), asyncio.Event()
        pieces = request.body.chunks() if isinstance(request.body, Pieces) else iter((request.body or b"",))
        left = max(1, len(request.body or b""))

        async def receive() -> MutableMapping[str, Any]:
            nonlocal left
            if left > 0:
                piece = next(pieces)
                left -= max(1, len(piece))
                return {"type": "http.request", "body": piece, "more_body": left > 0}
            await finished.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            answer.take(message)
            if answer.complete:
                finished.set()

        try:
            await self._application(scope, receive, send)
        except (UpstreamError, TimeoutError):
            raise
        except Exception as error:
            if answer.complete:
                return
            raise UpstreamError(
                f"the application failed with {type(error).__name__}",
                code="net.broken",
                hint="read the application's log",
            ) from error


def _scope(request: Request) -> dict[str, Any]:
    origin = urlsplit(request.origin)
    path, _, query = request.target.partition("?")
    port = origin.port or (443 if origin.scheme == "https" else 80)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
    if request.body is not None:
        headers.append((b"content-length", str(len(request.body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": origin.scheme,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(b"host", origin.netloc.encode("latin-1")), *headers],
        "client": ("127.0.0.1", 0),
        "server": (origin.hostname or "localhost", port),
        "state": {},
        "extensions": {},
    }
