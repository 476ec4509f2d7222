"""The short road for origins reached without a proxy: connections of our own, each with one exchange at a time.

The client behind :mod:`apiloom.net.client` hands every request to threads of its own and back, which costs more than
the whole rest of a call. Here a request is one write and most answers are one read. Answers of the plain form, a head
in one piece and a body of known length, are read right here; all others by :mod:`apiloom.net.reading`. HTTP/2 and
proxies are not known here. ``https://`` is spoken only where no other sender is given to do it: under a guard, because
the client resolves names by itself and what it connects to cannot be looked at before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import Iterator
from math import inf
from typing import cast

from apiloom.base.errors import DesignError, UpstreamError
from apiloom.base.pieces import Body, Pieces
from apiloom.net import failures, mishaps, names, rules, target
from apiloom.net.dial import NoAddressAnswered, dial
from apiloom.net.intake import HELD, Hold
from apiloom.net.reading import MOST_HEAD, MOST_HEADERS, Reading
from apiloom.net.request import IN_MEMORY, SHARE_OF_A_STREAM, Cut, Request, Response, Sender
from apiloom.net.settings import NetSettings
from apiloom.net.tls import Tls, bade_farewell, build_context, check_settings

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METHOD = re.compile(_NAME).fullmatch
_PLANNED = re.compile(rf"({_NAME}): ([\t -~\x80-\U0010ffff]*)\r\n").findall
"""Header lines as a server reads them. What it finds must be what was planned, or a value holds more than a value."""

_STATUS = re.compile(r"HTTP/1\.1 ([2-9][0-9]{2}) [\t -~\x80-\xff]*(?=\r\n)").match
_FIELDS = re.compile(rf"\r\n({_NAME}):[\t ]*+([\t -~\x80-\xff]*+)(?<![\t ])(?=\r\n)").findall
_LONG = frozenset(("connection", "content-encoding", "transfer-encoding", "upgrade"))
_NOTED = rules.FRAMING | {"accept-encoding", "range", "user-agent"}
_BODILESS = frozenset((204, 304))
_ACCEPTS = "Accept-Encoding: gzip, deflate\r\n"
_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"))
_MOST_SAID, _LONGEST_SAID = 64, 4096
"""Sets of headers whose lines an origin remembers; most operations of an API say the same few."""

_CUT = ssl.SSLEOFError(0, "it was cut off")
_ONE_WRITE = 64 * 1024
_MOST_TURNS = 64
"""Turns of the loop that a connection may take to be gone; two are usual."""


class Plain:
    """A sender for ``http://`` origins; whatever starts otherwise is sent by ``onward``, which it closes too.

    Without an ``onward`` it speaks TLS itself. Under the settings' guard each connection is made to an address that was
    looked at; one that stands is not looked at again.
    """

    __slots__ = ("_closed", "_connecting", "_context", "_loop", "_onward", "_resolve", "_settings", "_spots", "lines")

    def __init__(self, settings: NetSettings, onward: Sender | None) -> None:
        self._settings = settings
        self._onward = onward
        self._resolve: names.Resolve = names.resolve if settings.guard is None else settings.guard.addresses
        self._context: asyncio.Future[ssl.SSLContext] | None = None
        if onward is None:
            check_settings(settings)
        self._spots: dict[str, Spot] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connecting: set[asyncio.Timeout] = set()
        self._closed = False
        self.lines: set[Line] = set()

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        if request.origin[:7] != "http://" and self._onward is not None:
            return await self._onward.send(request)
        spot = self._spots.get(request.origin) or self._admitted(request.origin)
        head = _head(request, spot)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._settle(loop)
        ends = loop.time() + request.timeout
        if not spot.free:
            return await (await self._opened(spot, ends)).exchange(request, head, ends)
        line = spot.free.pop()
        try:
            return await line.exchange(request, head, ends)
        except UpstreamError:
            # a server that closes an idle connection just as we write looks like this; these methods may be repeated
            if not line.silent or request.method not in rules.IDEMPOTENT or self._closed:
                raise
        return await (await self._opened(spot, ends)).exchange(request, head, ends)

    async def close(self) -> None:
        """End every exchange in flight and every kept connection."""
        self._closed = True
        for limit in self._connecting:
            if not limit.expired():
                limit.reschedule(0)
        if asyncio.get_running_loop() is self._loop:
            for line in tuple(self.lines):
                line.fail(mishaps.stopping(line.spot.name))
            for _ in range(_MOST_TURNS):
                if not self.lines:
                    break
                await asyncio.sleep(0)
        if self._onward is not None:
            await self._onward.close()

    async def _opened(self, spot: Spot, ends: float) -> Line:
        loop = asyncio.get_running_loop()
        until = min(ends, loop.time() + self._settings.connect_timeout)
        host = spot.name
        limit = asyncio.timeout_at(until)
        try:
            if self._closed:
                raise mishaps.stopping(host)
            async with limit:
                self._connecting.add(limit)
                tls = Tls(await self._trusted(loop), spot.host.rstrip(".")) if spot.tls else None
                to = await self._resolve(spot.host, spot.port)
                line = await dial(lambda: Line(self, spot, loop), to, spot.port, tls)
        except TimeoutError:
            raise mishaps.stopping(host) if self._closed else mishaps.unaccepted(host) from None
        except (socket.gaierror, UnicodeError):
            raise mishaps.unresolved(host) from None
        except NoAddressAnswered as none:
            raise mishaps.unconnected(host, none.errors) from None
        finally:
            self._connecting.discard(limit)
        return line

    async def _trusted(self, loop: asyncio.AbstractEventLoop) -> ssl.SSLContext:
        """The TLS settings, read once and in a thread: others are being answered meanwhile."""
        if self._context is None:
            self._context = loop.run_in_executor(None, build_context, self._settings)
        return await asyncio.shield(self._context)

    def _admitted(self, origin: str) -> Spot:
        rules.admit(origin, self._settings)
        if len(self._spots) >= rules.MOST_ORIGINS:
            for spot in self._spots.values():
                for line in tuple(spot.free):
                    line.leave()
            self._spots.clear()
        spot = self._spots[origin] = Spot(origin, self._settings)
        return spot

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections belong to the loop they were made in; a sender may outlive it."""
        self._loop = loop
        if self._context is not None and not self._context.done():
            self._context = None
        self.lines.clear()
        for spot in self._spots.values():
            spot.free.clear()


class Spot:
    """An origin: where it is, what every request to it starts with, and its free connections, the last used on top."""

    __slots__ = ("agent", "common", "free", "host", "idle", "most", "name", "port", "prefix", "room", "said", "tls")

    def __init__(self, origin: str, settings: NetSettings) -> None:
        scheme, _, self.name = origin.partition("://")
        self.tls = scheme == "https"
        usual = 443 if self.tls else 80
        host, colon, port = self.name.rpartition(":")
        if not colon or self.name.endswith("]"):
            host, port = self.name, str(usual)
        self.port = int(port)
        if self.port > 65_535:
            raise DesignError(
                f"the request was not sent, because {self.port} is not a port",
                code="net.origin",
                hint="check the base URL",
            )
        self.host = host.strip("[]")
        shown = host.lower() if self.port == usual else f"{host.lower()}:{self.port}"
        self.prefix = f" HTTP/1.1\r\nHost: {shown}\r\n"
        self.agent = f"User-Agent: {settings.user_agent}\r\n"
        self.common = f"{self.prefix}{self.agent}{_ACCEPTS}"
        self.free: list[Line] = []
        self.most = settings.max_idle_per_host
        self.idle = settings.idle
        self.room = target.LONGEST_URL - len(origin)
        self.said: dict[tuple[tuple[str, str], ...], str] = {}


class Line(asyncio.Protocol):
    """One connection. ``heard`` says whether any byte of the present answer has come, ``lost`` that either side has
    closed, ``silent`` that the other one did so instead of answering, ``bidden`` that it bade farewell before, ``deaf``
    that it is not read from for a while.

    One alarm serves the deadline of an exchange and the time a connection may be idle; it is moved only when it would
    ring too late, so an exchange hardly ever touches it.
    """

    __slots__ = (
        "alarm",
        "alarm_at",
        "answer",
        "bidden",
        "body",
        "deaf",
        "drained",
        "ends",
        "fields",
        "heard",
        "hold",
        "loop",
        "lost",
        "missing",
        "pool",
        "pouring",
        "reading",
        "request",
        "silent",
        "since",
        "spot",
        "status",
        "total",
        "transport",
    )

    def __init__(self, pool: Plain, spot: Spot, loop: asyncio.AbstractEventLoop) -> None:
        self.pool = pool
        self.spot = spot
        self.loop = loop
        self.answer: asyncio.Future[Response] | None = None
        self.drained: asyncio.Future[None] | None = None
        self.heard = self.silent = self.lost = self.pouring = self.deaf = self.bidden = False
        self.reading: Reading | None = None
        self.body = bytearray()
        self.hold: Hold | None = None
        self.missing = self.total = 0
        self.alarm: asyncio.TimerHandle | None = None
        self.alarm_at = inf

    async def exchange(self, request: Request, head: bytes, ends: float) -> Response:
        """Send the request and wait for its answer; before it is returned, this connection is free or closed."""
        if self.lost:
            raise mishaps.lost(self.spot.name, None, begun=False)  # accepted and dropped at once
        self.request = request
        self.heard = False
        self.ends = ends
        answer: asyncio.Future[Response] = self.loop.create_future()
        self.answer = answer
        if ends < self.alarm_at:
            self._wake(ends)
        body = request.body
        try:
            if not body:
                self.transport.write(head)
            elif len(body) <= _ONE_WRITE and isinstance(body, bytes):
                self.transport.write(head + body)
            else:
                self.transport.write(head)
                await self._pour(_pieces(body), answer)
            return await answer
        except (EOFError, OSError):
            raise mishaps.unreadable(self.spot.name) from None
        finally:
            if self.answer is answer:
                self.leave()  # cancelled
            elif answer.done() and not answer.cancelled():
                answer.exception()  # cancelled when it had just failed: nobody else will look

    async def _pour(self, pieces: Iterator[bytes | memoryview], answer: asyncio.Future[Response]) -> None:
        """A large body goes out as fast as the other side takes it, or until it answers."""
        self.pouring = True
        for piece in pieces:
            if self.drained is not None:
                await self.drained
            if answer.done() or self.transport.is_closing():
                return  # still pouring: what was not sent keeps this connection from carrying anything else
            self.transport.write(piece)
        self.pouring = False

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stand in the list of what must be closed."""
        self.transport = cast("asyncio.Transport", transport)
        self.pool.lines.add(self)

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        if self.missing:
            self._more(data)
        elif self.answer is None:
            self.leave()  # nobody asked
        elif self.heard or not self._short(data):
            self._long(data)

    def eof_received(self) -> None:
        """The other side will say no more; what we still have to say is of no use to it."""
        self.bidden = True
        self._over(_CUT if self.spot.tls and not bade_farewell(self.transport) else None)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if error is not None and self.pouring and not self.spot.tls:
            self._last_words()
        if error is None and self.spot.tls and not (self.bidden or self.lost):
            error = _CUT
        self._over(error)
        self.pool.lines.discard(self)

    def _last_words(self) -> None:
        """What a server said that would not hear more and hung up: writing fails before its answer has been read."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):  # nothing more is there, or it is closed already
            while self.answer is not None and (data := os.read(sock.fileno(), MOST_HEAD)):
                self.data_received(data)

    def pause_writing(self) -> None:
        """The other side reads more slowly than we write."""
        self.drained = self.loop.create_future()

    def resume_writing(self) -> None:
        """There is room again."""
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        self.drained = None

    # reading

    def _short(self, data: bytes) -> bool:
        """Take an answer of the plain form. False when it has another one, and nothing has been done."""
        cut = data.find(b"\r\n\r\n")
        request = self.request
        if not 0 < cut < MOST_HEAD or request.method == "HEAD":
            return False
        head = data[: cut + 2].decode("latin-1")
        first = _STATUS(head)
        found = _FIELDS(head)
        if first is None or len(found) + 1 != head.count("\r\n") or len(found) > MOST_HEADERS:
            return False
        fields = [(name.lower(), value) for name, value in found]
        known = dict(fields)
        length = known.get("content-length", "")
        # where a name occurs twice it may be the length, and llhttp decides
        if len(known) != len(fields) or not length.isdecimal() or len(length) > 15 or not _LONG.isdisjoint(known):
            return False
        status = int(first[1])
        if status in _BODILESS:
            return False
        total = int(length)
        body = data[cut + 4 :]
        if total > IN_MEMORY > len(body):
            return False
        self.heard = True
        if request.watch is not None:
            request.watch(0, total)
        if total > request.max_bytes:
            self.fail(failures.too_large(self.spot.name, request.max_bytes))
            return True
        if len(body) >= total:
            if total and request.watch is not None:
                request.watch(total, total)
            self._finish(Response(status=status, headers=fields, body=body[:total]), keep=len(body) == total)
            return True
        self.hold = HELD.take(total)
        if self.hold is None:
            self.fail(failures.no_room(self.spot.name))
            return True
        self.status = status
        self.fields = fields
        self.missing = self.total = total
        if body:
            self._more(body)
        return True

    def _more(self, data: bytes) -> None:
        """A piece of a body of known length."""
        surplus = len(data) > self.missing
        if surplus:
            data = data[: self.missing]
        self.body += data
        self.missing -= len(data)
        if self.request.watch is not None:
            self.request.watch(len(self.body), self.total)
        if not self.missing:
            body, hold = bytes(self.body), self.hold
            self.body, self.hold = bytearray(), None
            self._finish(Response(status=self.status, headers=self.fields, body=body, hold=hold), keep=not surplus)

    def _long(self, data: bytes) -> None:
        """A piece of an answer of any other form."""
        self.heard = True
        reading = self.reading
        if reading is None:
            reading = self.reading = Reading(self.request, self.spot.name)
        known = reading.partial
        try:
            reading.feed(data)
        except UpstreamError as error:
            self._stopped(error, "size" if error.code == "net.too_large" else "broken")
            return
        if self._looked_at(reading):
            return
        if reading.partial and not known:
            self.ends -= self.request.timeout * (1 - SHARE_OF_A_STREAM)
            self._wake(self.ends)

    def _looked_at(self, reading: Reading) -> bool:
        """Finish with an answer that is done; what comes faster than it is decoded lets others have a turn."""
        if reading.done:
            self._hear_again()
            self._finish(reading.response(), keep=reading.keep and not self.lost)
            return True
        if reading.behind:
            if not (self.lost or self.deaf):
                self.deaf = True
                self.transport.pause_reading()
            self.loop.call_soon(self._go_on, reading)
        else:
            self._hear_again()
        return False

    def _go_on(self, reading: Reading) -> None:
        if reading is not self.reading:
            return
        try:
            reading.advance()
        except UpstreamError as error:
            self._stopped(error, "size" if error.code == "net.too_large" else "broken")
            return
        self._looked_at(reading)

    def _hear_again(self) -> None:
        if self.deaf:
            self.deaf = False
            if not self.lost:
                self.transport.resume_reading()

    def _stopped(self, error: UpstreamError, cut: Cut) -> None:
        """The answer came to no good end; of a stream, what came before that is the answer."""
        reading = self.reading
        if reading is not None and reading.partial:
            self._finish(reading.response(cut), keep=False)
        else:
            self.fail(error)

    def _over(self, error: Exception | None) -> None:
        """The other side has closed, which some answers take for their end."""
        reading = self.reading
        if self.answer is None:
            self.leave()
            return
        if reading is not None and (error is None or reading.ended):
            try:
                reading.end()
            except UpstreamError as broken:
                self._stopped(broken, "broken")
                return
            if reading.ended:
                self.lost = True
                self._looked_at(reading)
                return
        self.silent = not self.heard
        self._stopped(mishaps.lost(self.spot.name, error, begun=self._begun()), "broken")

    def _begun(self) -> bool:
        return self.missing > 0 or (self.reading is not None and self.reading.begun)

    # ends

    def _finish(self, response: Response, *, keep: bool) -> None:
        answer = self.answer
        self.answer = self.reading = None
        free = self.spot.free
        if keep and not (self.pouring or self.lost) and len(free) < self.spot.most:
            self.since = self.loop.time()
            if self.alarm_at > (due := self.since + self.spot.idle):
                self._wake(due)
            free.append(self)
        else:
            self.leave()
        if answer is not None and not answer.done():
            answer.set_result(response)

    def fail(self, error: UpstreamError) -> None:
        """End the exchange, if there is one, with an error, and the connection with it."""
        answer = self.answer
        self.leave()
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def leave(self) -> None:
        """Close the connection at once; whoever waits here to write goes on."""
        self.lost = True
        if self.reading is not None:
            self.reading.drop()
        self.answer = self.reading = self.hold = None
        self.missing = 0
        self.body = bytearray()
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        if self in self.spot.free:
            self.spot.free.remove(self)
        self.transport.abort()
        self.resume_writing()

    def _wake(self, at: float) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm_at = at
        self.alarm = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        busy = self.answer is not None
        due = self.ends if busy else self.since + self.spot.idle
        if self.loop.time() < due:
            self._wake(due)
        elif busy:
            self._stopped(mishaps.late(self.spot.name, self.request.timeout, begun=self._begun()), "time")
        else:
            self.leave()


def _pieces(body: Body) -> Iterator[bytes | memoryview]:
    if isinstance(body, Pieces):
        return body.chunks()
    view = memoryview(body)
    return (view[at : at + _ONE_WRITE] for at in range(0, len(body), _ONE_WRITE))


def _head(request: Request, spot: Spot) -> bytes:
    """The request line and the headers, as they go out."""
    where, method, headers = request.target, request.method, request.headers
    if not target.sent_exactly(where):
        raise target.altered(where)
    if len(where) > spot.room:
        raise target.too_long(len(where) - spot.room + target.LONGEST_URL)
    lines = spot.said.get(key := tuple(headers))
    if lines is None:
        lines = _lines(request, spot)
        if len(spot.said) >= _MOST_SAID:
            spot.said.clear()
        if len(lines) <= _LONGEST_SAID:
            spot.said[key] = lines
    if method not in _METHODS and (not _METHOD(method) or method == "CONNECT"):
        raise rules.unsendable(request)
    length = ""
    if request.body:
        length = f"Content-Length: {len(request.body)}\r\n"
    elif method in rules.BODY_EXPECTED:
        length = "Content-Length: 0\r\n"
    try:
        return f"{method} {where}{lines}{length}\r\n".encode()
    except UnicodeEncodeError:
        raise rules.unsendable(request) from None


def _lines(request: Request, spot: Spot) -> str:
    """What follows the target on the request line, and the headers, found to be sendable."""
    headers = request.headers
    names = [name.lower() for name, _ in headers]
    common = spot.common if _NOTED.isdisjoint(names) else _adapted(headers, names, spot)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if _PLANNED(lines) != headers:
        raise rules.unsendable(request)
    return common + lines


def _adapted(headers: list[tuple[str, str]], names: list[str], spot: Spot) -> str:
    """What every request says, less what this one says itself."""
    for (name, _), low in zip(headers, names, strict=True):
        if low in rules.FRAMING:
            raise rules.of_the_connection(name)
    common = spot.prefix
    if "user-agent" not in names:
        common += spot.agent
    if "accept-encoding" not in names:
        # a range of a compressed form is not the range that was asked for
        common += "Accept-Encoding: identity\r\n" if "range" in names else _ACCEPTS
    return common
