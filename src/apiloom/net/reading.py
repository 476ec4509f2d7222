"""One answer of HTTP/1 read to its end, whatever its form: llhttp finds the frame, this bounds it and keeps it.

Every doubt about where an answer ends is an error, never a guess (RFC 9112 section 6.3): llhttp is strict by default,
and what it tolerates beyond is refused here. Knows no socket; :mod:`apiloom.net.plain` feeds it.
"""

from __future__ import annotations

import zlib
from typing import NoReturn

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from apiloom.base.errors import UpstreamError
from apiloom.net import failures, mishaps
from apiloom.net.request import Request, Response

MOST_HEAD = 64 * 1024
MOST_HEADERS = 256
_MOST_MEMBERS = 64


class Reading:
    """The answer to one request. Feed it until :attr:`done`; then :meth:`response` is the answer.

    ``begun`` says that the head has come, ``keep`` that the connection may carry another exchange.
    """

    __slots__ = (
        "_body",
        "_dry",
        "_fault",
        "_headers",
        "_inflation",
        "_limit",
        "_named",
        "_parser",
        "_request",
        "_size",
        "_taken",
        "_total",
        "_until_end",
        "begun",
        "done",
        "host",
        "keep",
        "status",
    )

    def __init__(self, request: Request, host: str) -> None:
        self.host = host
        self.begun = self.done = self.keep = self._named = False
        self.status = 0
        self._request = request
        self._limit = request.max_bytes
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._size = self._taken = self._dry = 0
        self._total: int | None = None
        self._until_end = False
        self._inflation: Inflation | None = None
        self._fault: UpstreamError | None = None
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what came from the connection.

        Raises:
            UpstreamError: ``net.broken`` or ``net.too_large``; the connection is of no more use then.
        """
        before = self._taken
        if not self._named and (start := data.lstrip(b"\r\n")):
            self._named = True
            if start[0] != 72:  # "H": llhttp takes RTSP and ICE as well
                raise self._garbled("it does not start like HTTP")
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keep = False
            if not self.done and self._fault is None:
                self._fault = self._garbled(str(error))
        # chunk sizes, trailers and heads are not kept, but none of them may go on for ever
        self._dry = self._dry + len(data) if self._taken == before else 0
        if self._dry > MOST_HEAD and not self.done and self._fault is None:
            self._fault = (
                self._garbled("it goes on without content") if self.begun else mishaps.head_too_large(self.host)
            )
        if self._fault is not None:
            self._parser = None
            raise self._fault
        if self.done:
            self._parser = None  # it holds methods of this object: a circle

    def end(self) -> bool:
        """The connection was closed in good order. Whether that completes the answer.

        Raises:
            UpstreamError: ``net.broken`` when the coding of the body is cut short.
        """
        if self._until_end and not self.done:
            self._complete()
            if self._fault is not None:
                raise self._fault
        self._parser = None
        return self.done

    def response(self) -> Response:
        """The whole answer."""
        headers = self._headers
        if self._inflation is not None and self._taken:
            # they described the encoded form
            headers = [pair for pair in headers if pair[0] not in {"content-encoding", "content-length"}]
        return Response(status=self.status, headers=headers, body=bytes(self._body))

    # what llhttp calls

    def on_message_begin(self) -> None:
        """Another answer starts; behind a complete one that is surplus."""
        self.keep = self.keep and not self.done

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is dropped."""
        if self.begun:
            return
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))
        self._size += len(name) + len(value) + 4
        if self._size > MOST_HEAD or len(self._headers) > MOST_HEADERS:
            self._stop(mishaps.head_too_large(self.host))

    def on_headers_complete(self) -> None:
        """The head has come: of an interim answer, or of the one that counts."""
        parser = self._parser
        if self.done or parser is None:
            return
        status = parser.get_status_code()
        if status == 101:
            self._stop(mishaps.switched(self.host))
        if status < 100 or parser.get_http_version() not in {"1.0", "1.1"}:
            self._stop(self._garbled("status or version is none that we know"))
        if status < 200:
            self._headers.clear()
            return
        self.status = status
        self._size = 0
        bodiless = status in {204, 304} or self._request.method == "HEAD"
        self._measure(bodiless=bodiless)
        self.begun = True
        if self._request.watch is not None:
            self._request.watch(0, self._total)
        if bodiless:
            self.keep = parser.should_keep_alive()
            self._complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body as it travels, without its frame."""
        if self.done:
            self.keep = False
            return
        self._taken += len(body)
        if self._taken > self._limit + (MOST_HEAD if self._inflation else 0):
            self._stop(failures.too_large(self.host, self._limit))
        if self._inflation is not None:
            body = self._inflated(self._inflation, body)
        self._size += len(body)
        if self._size > self._limit:
            self._stop(failures.too_large(self.host, self._limit))
        if body:
            self._body += body
            if self._request.watch is not None:
                self._request.watch(self._size, self._total)

    def on_message_complete(self) -> None:
        """The end, as its frame says."""
        if self.begun and not self.done and self._parser is not None:
            self.keep = self._parser.should_keep_alive()
            self._complete()

    def _measure(self, *, bodiless: bool) -> None:
        """What the head says about the body."""
        frame = [value for name, value in self._headers if name == "transfer-encoding"]
        length = next((value for name, value in self._headers if name == "content-length"), None)
        if frame and (len(frame) > 1 or frame[0].lower() != "chunked"):
            self._stop(self._garbled("its transfer coding is not known"))
        self._until_end = not bodiless and not frame and length is None
        if bodiless:
            return
        codings = [value.lower() for name, value in self._headers if name == "content-encoding"]
        if len(codings) == 1 and codings[0] in _WINDOWS:
            self._inflation = Inflation(codings[0])
        if length is not None:
            total = int(length)
            if total > self._limit + (MOST_HEAD if self._inflation else 0):
                self._stop(failures.too_large(self.host, self._limit))
            self._total = None if self._inflation else total

    def _inflated(self, inflation: Inflation, body: bytes) -> bytes:
        try:
            return inflation.feed(body, self._limit - self._size + 1)
        except zlib.error as error:
            # the reason stands behind the number of the error
            self._stop(mishaps.undecodable(self.host, str(error).rpartition(": ")[2]))

    def _complete(self) -> None:
        self.done = True
        if self._inflation is not None and self._taken and not self._inflation.complete:
            self._fault = mishaps.undecodable(self.host, "it is cut short")

    def _garbled(self, why: str) -> UpstreamError:
        return mishaps.garbled(self.host, why, begun=self.begun)

    def _stop(self, fault: UpstreamError) -> NoReturn:
        """Keep the fault and make llhttp return; it cannot carry an exception of ours outward."""
        self._fault = fault
        raise fault


_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}


class Inflation:
    """Undoes gzip or deflate piece by piece; what comes out is bounded before it exists."""

    __slots__ = ("_members", "_stream", "_window")

    def __init__(self, coding: str) -> None:
        self._window = _WINDOWS[coding]
        self._stream = zlib.decompressobj(self._window)
        self._members = 0

    @property
    def complete(self) -> bool:
        """Whether the coding came to its own end, checksum and all."""
        return self._stream.eof

    def feed(self, body: bytes, most: int) -> bytes:
        """At most ``most`` bytes of what the body means; a caller that gets that many has too many.

        Raises:
            zlib.error: this is not the coding.
        """
        found = []
        while body:
            if self._stream.eof:
                self._another(body)
            elif self._members == 0 and self._window == zlib.MAX_WBITS:
                # servers that say deflate often leave out the frame of RFC 1950; its first byte is easily told
                if body[0] & 0x0F != 8:
                    self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
                self._members = 1
            piece = self._stream.decompress(body, most)
            found.append(piece)
            most -= len(piece)
            if most <= 0:
                break
            body = self._stream.unused_data
        return found[0] if len(found) == 1 else b"".join(found)

    def _another(self, body: bytes) -> None:
        """A gzip file may have several members (RFC 1952 section 2.2); nothing may follow a deflated body."""
        self._members += 1
        if self._window != _WINDOWS["gzip"] or self._members > _MOST_MEMBERS:
            raise zlib.error(f"nothing: {len(body)} bytes behind its end")
        self._stream = zlib.decompressobj(self._window)
