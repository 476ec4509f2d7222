"""The way out: one pooled HTTP/1.1 and HTTP/2 client behind :class:`~apiloom.net.request.Sender`.

Redirects are answers, cookies are not kept, and what was planned is sent byte for byte or refused. Knows nothing of
tools or credentials; the room above signs before it sends.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task, sleep, timeout
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import monotonic as _now

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response as Answer

from apiloom.base.pieces import Pieces
from apiloom.base.values import replace
from apiloom.net import failures, mishaps, rules, target
from apiloom.net.intake import Intake
from apiloom.net.plain import Plain
from apiloom.net.proxied import Proxied
from apiloom.net.request import MOST_OF_A_STREAM, SHARE_OF_A_STREAM, Cut, Request, Response, Sender
from apiloom.net.settings import NetSettings

_GRACE = 0.05
"""Seconds between the end of the client and the end of the process."""


def connect(settings: NetSettings | None = None) -> Sender:
    """A sender with a pool of its own; close it when done.

    Under a guard ``environment_proxies`` is not heeded: a host that the environment excepts would be reached unseen.

    Raises:
        DesignError: ``net.settings`` when a TLS or proxy setting cannot be used.
    """
    chosen = settings or NetSettings()
    if chosen.guard is not None:
        return Proxied(_Pool(chosen), chosen.guard) if chosen.proxy else Plain(chosen, onward=None)
    pool = _Pool(chosen)
    return Plain(chosen, onward=pool) if plain_road(chosen) else pool


def plain_road(settings: NetSettings) -> bool:
    """Whether requests to ``http://`` origins go straight there, over connections of our own."""
    return not settings.proxy and not settings.environment_proxies


class _Spot:
    """An origin this pool has been asked for. ``answered`` says that a kept connection to it may be waiting."""

    __slots__ = ("answered", "host", "prefix")

    def __init__(self, origin: str) -> None:
        self.prefix = origin
        self.host = origin.partition("://")[2]
        self.answered = False


class _Pool:
    """See :func:`connect`. The client is built when first needed: loading the system's authorities takes 10 ms."""

    __slots__ = ("_client", "_default", "_settings", "_spots")

    def __init__(self, settings: NetSettings) -> None:
        self._settings = settings
        self._default = settings.timeout
        self._spots: dict[str, _Spot] = {}
        needs_check = settings.ca_pem or settings.identity_pem or settings.proxy
        self._client: Client | None = _built(settings) if needs_check else None

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        spot = self._spots.get(request.origin) or self._admitted(request.origin)
        started = _now()
        wanted = _Wanted()
        stream = self._prepared(request, spot, request.timeout)
        try:
            answer = await stream.__aenter__()
            # nearly every answer is one piece of the length it declared; all others go the long way
            total = _declared(answer)
            if request.watch is None and total is not None and total <= request.max_bytes:
                piece = await answer.body_reader.read_chunk()
                if piece is not None and len(piece) == total:
                    wanted.check()
                    spot.answered = True
                    return Response(status=answer.status, headers=_headers(answer), body=piece.to_bytes())
                pieces = [piece.to_bytes()] if piece is not None else []
            else:
                pieces = []
            if request.partial and _is_stream(answer, request):
                left = request.timeout * SHARE_OF_A_STREAM - (_now() - started)
                came, cut = await _read_stream(stream, answer, pieces, (wanted, left))
                return Response(status=answer.status, headers=_headers(answer), body=came, cut=cut)
            response = await _read_on(stream, answer, pieces, (Intake(request, spot.host), wanted))
        except EOFError:
            raise mishaps.unreadable(spot.host) from None
        except PyreqwestError as error:
            left = request.timeout - (_now() - started)
            if left > 0 and spot.answered and request.method in rules.IDEMPOTENT and failures.never_answered(error):
                # hyper repeats a request by itself only while nothing of it was written. A server that closes an
                # idle connection just as we write looks like this; these methods may be repeated.
                spot.answered = False
                return await self.send(replace(request, timeout=left))
            raise failures.translated(error, spot.host, request.timeout) from None
        spot.answered = True
        return response

    async def close(self) -> None:
        """End every exchange in flight and every kept connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
            # the client's connections go with it, and its thread needs a moment to let go of the interpreter: a process
            # that ends at once may be aborted by it
            del client
            await sleep(_GRACE)

    def _prepared(self, request: Request, spot: _Spot, seconds: float) -> StreamRequest:
        if not target.sent_exactly(request.target):
            raise target.altered(request.target)
        url = spot.prefix + request.target
        if len(url) > target.LONGEST_URL:
            raise target.too_long(len(url))
        headers = _checked(request.headers)
        if not request.body and request.method in rules.BODY_EXPECTED:
            headers = [*headers, ("content-length", "0")]  # RFC 9110 section 8.6; the client leaves it out
        client = self._client or self._opened()
        try:
            building = client.request(request.method, url).headers(headers)
        except ValueError:
            raise rules.unsendable(request) from None
        if isinstance(request.body, Pieces):
            # with its length stated, the body is not sent in chunks
            building = building.header("content-length", str(len(request.body))).body_stream(_stream(request.body))
        elif request.body:
            building = building.body_bytes(request.body)
        if seconds != self._default:
            building = building.timeout(timedelta(seconds=max(seconds, 0.001)))
        if request.watch is not None or (request.partial and _asks_for_stream(request)):
            building = building.streamed_read_buffer_limit(0)
        return building.build_streamed()

    def _opened(self) -> Client:
        self._client = client = _built(self._settings)
        return client

    def _admitted(self, origin: str) -> _Spot:
        rules.admit(origin, self._settings)
        if len(self._spots) >= rules.MOST_ORIGINS:
            self._spots.clear()
        spot = self._spots[origin] = _Spot(origin)
        return spot


def _declared(answer: Answer) -> int | None:
    """How long the answer says it is. The client drops this header where it decompresses, so it is exact."""
    told = answer.get_header("content-length")
    return int(told) if told is not None and told.isdecimal() else None


class _Wanted:
    """Whether the caller still waits.

    The client's awaitables may be ready in the very moment they are cancelled; then they return, and the cancellation
    is lost unless somebody looks.
    """

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    def check(self) -> None:
        """Raise the cancellation that was lost."""
        if self._task is not None and self._task.cancelling() > self._before:
            raise CancelledError


async def _stream(body: Pieces) -> AsyncIterator[bytes]:
    """A body in pieces: the next one is read when the client asks for it, on the loop like everything here."""
    for piece in body.chunks():
        yield piece


async def _read_on(
    stream: StreamRequest, answer: Answer, pieces: list[bytes], into: tuple[Intake, _Wanted]
) -> Response:
    """The whole answer, of which the pieces have been read already.

    Raises:
        UpstreamError: ``net.too_large`` or ``net.no_room``, as soon as it is known.
    """
    intake, wanted = into
    headers = _headers(answer)
    done = False
    try:
        intake.begin(answer.status, headers, _declared(answer))
        for first in pieces:
            intake.add(first)
        reader = answer.body_reader
        while (piece := await reader.read_chunk()) is not None:
            wanted.check()
            intake.add(piece.to_bytes())
        wanted.check()
        done = True
        return intake.response(headers)
    finally:
        if not done:
            # an answer not read to its end, by size, failure or cancellation, must not hold its connection
            intake.drop()
            await stream.__aexit__(None, None, None)


def _asks_for_stream(request: Request) -> bool:
    """Whether a stream may come: by itself the client waits for the first 64 KiB of an answer before it gives any."""
    accepted = next((value for name, value in request.headers if name.lower() == "accept"), "")
    return any(kind in accepted for kind in request.partial)


def _is_stream(answer: Answer, request: Request) -> bool:
    kind = answer.get_header("content-type") or ""
    return kind.partition(";")[0].strip().lower() in request.partial and answer.status < 300


async def _read_stream(
    stream: StreamRequest, answer: Answer, pieces: list[bytes], bounds: tuple[_Wanted, float]
) -> tuple[bytes, Cut]:
    """As much of an answer as comes in time and has room, and what ended it."""
    wanted, seconds = bounds
    size = sum(map(len, pieces))
    cut: Cut = "broken"
    try:
        async with timeout(seconds):
            while (piece := await answer.body_reader.read_chunk()) is not None:
                wanted.check()
                size += len(piece)
                pieces.append(piece.to_bytes()[: len(piece) + min(0, MOST_OF_A_STREAM - size)])
                if size > MOST_OF_A_STREAM:
                    cut = "size"
                    break
            else:
                cut = ""
    except TimeoutError:
        cut = "time"
    except PyreqwestError:
        pass
    finally:
        if cut:
            await stream.__aexit__(None, None, None)
    return b"".join(pieces), cut


def _headers(answer: Answer) -> Sequence[tuple[str, str]]:
    headers = answer.headers
    try:
        return tuple(headers.items())
    except ValueError:
        return tuple(_legible(answer))


def _legible(answer: Answer) -> list[tuple[str, str]]:
    """The headers one by one: a single value that is not ASCII makes the client refuse to list any."""
    found = []
    for name in dict.fromkeys(answer.headers.keys()):
        try:
            found += [(name, value) for value in answer.headers.getall(name)]
        except ValueError:
            continue
    return found


def _checked(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    ranged = encoded = False
    for name, _ in headers:
        low = name.lower()
        if low in rules.FRAMING:
            raise rules.of_the_connection(name)
        ranged = ranged or low == "range"
        encoded = encoded or low == "accept-encoding"
    # a range of a compressed form is not the range that was asked for
    return [*headers, ("accept-encoding", "identity")] if ranged and not encoded else headers


def _built(settings: NetSettings) -> Client:
    builder = (
        ClientBuilder()
        .user_agent(settings.user_agent)
        .timeout(timedelta(seconds=settings.timeout))
        .connect_timeout(timedelta(seconds=settings.connect_timeout))
        .pool_idle_timeout(timedelta(seconds=settings.idle))
        .pool_max_idle_per_host(settings.max_idle_per_host)
        .follow_redirects(False)
        .referer(False)
        .http2(settings.http2)
    )
    if settings.proxy or not settings.environment_proxies:
        builder = builder.no_proxy()
    if settings.proxy:
        try:
            builder = builder.proxy(ProxyBuilder.all(settings.proxy))
        except (ValueError, PyreqwestError) as error:
            raise failures.unusable(error, "proxy setting") from None
    if settings.ca_pem:
        # anything without a certificate in it is silently taken as "nothing to add"
        if b"-----BEGIN CERTIFICATE-----" not in settings.ca_pem:
            raise failures.unusable(ValueError(), "file of certificate authorities")
        builder = builder.add_root_certificate_pem(settings.ca_pem)
    if settings.identity_pem:
        try:
            builder = builder.identity_pem(settings.identity_pem)
        except (ValueError, PyreqwestError) as error:
            raise failures.unusable(error, "client certificate") from None
    if not settings.verify:
        builder = builder.danger_accept_invalid_certs(True)
    try:
        return builder.build()
    except PyreqwestError as error:
        raise failures.unusable(error, "TLS setting") from None
