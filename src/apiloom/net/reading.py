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
from apiloom.net.intake import Intake
from apiloom.net.request import MOST_OF_A_STREAM, Cut, Request, Response

MOST_HEAD = 64 * 1024
MOST_HEADERS = 256
_MOST_MEMBERS = 64
_TURN = 1024 * 1024
"""Decoded bytes that are made at a time: a small piece of an answer may mean a thousand times as much."""


class Reading:
    """The answer to one request. Feed it until :attr:`done`; then :meth:`response` is the answer.

    ``begun`` says that the head has come, ``keep`` that the connection may carry another exchange, ``partial`` that
    what has come is an answer even if no more does. ``ended`` says that all has come, ``behind`` that not all of it is
    decoded yet: then :meth:`advance` is to be called, one turn of the loop after the other.
    """

    __slots__ = (
        "_behind",
        "_dry",
        "_fault",
        "_headers",
        "_inflation",
        "_intake",
        "_named",
        "_parser",
        "_request",
        "_size",
        "_taken",
        "_until_end",
        "begun",
        "done",
        "ended",
        "host",
        "keep",
        "partial",
        "status",
    )

    def __init__(self, request: Request, host: str) -> None:
        self.host = host
        self.begun = self.done = self.ended = self.keep = self.partial = self._named = False
        self.status = 0
        self._request = request
        self._intake = Intake(request, host)
        self._headers: list[tuple[str, str]] = []
        self._behind: list[bytes] = []
        self._size = self._taken = self._dry = 0
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
            if not self.ended and self._fault is None:
                self._fault = self._garbled(str(error))
        # chunk sizes, trailers and heads are not kept, but none of them may go on for ever
        self._dry = self._dry + len(data) if self._taken == before else 0
        if self._dry > MOST_HEAD and not self.ended and self._fault is None:
            self._fault = (
                self._garbled("it goes on without content") if self.begun else mishaps.head_too_large(self.host)
            )
        if self.ended or self._fault is not None:
            self._parser = None  # it holds methods of this object: a circle
        self.advance()

    @property
    def behind(self) -> bool:
        """Whether there is something left to decode."""
        return bool(self._behind) and self._fault is None

    def advance(self) -> None:
        """Decode what has come, up to a bound; and find out whether that was all.

        Raises:
            UpstreamError: as for :meth:`feed`.
        """
        try:
            if self._inflation is not None and self._behind and self._fault is None:
                self._inflate(self._inflation)
        except UpstreamError as fault:
            self._fault = fault
        if self._fault is not None:
            raise self._fault
        if self.ended and not self._behind and not self.done:
            if self._inflation is not None and self._taken and not self._inflation.complete:
                raise mishaps.undecodable(self.host, "it is cut short")
            self.done = True

    def end(self) -> None:
        """The connection was closed in good order, which completes some answers.

        Raises:
            UpstreamError: ``net.broken`` when the coding of the body is cut short.
        """
        self.ended = self.ended or self._until_end
        self._parser = None
        self.advance()

    def drop(self) -> None:
        """Let go of what has come: nobody wants it."""
        self._intake.drop()
        self._behind.clear()

    def response(self, cut: Cut = "") -> Response:
        """The answer: whole, or as far as it has come."""
        headers = self._headers
        if self._inflation is not None and self._taken:
            # they described the encoded form
            headers = [pair for pair in headers if pair[0] not in {"content-encoding", "content-length"}]
        return self._intake.response(headers, cut)

    # what llhttp calls

    def on_message_begin(self) -> None:
        """Another answer starts; behind a complete one that is surplus."""
        self.keep = self.keep and not self.ended

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
        if self.ended or parser is None:
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
        if self._request.partial and not bodiless and status < 300:
            self._look_for_stream()
        self._measure(bodiless=bodiless)
        self.begun = True
        if bodiless:
            self.keep = parser.should_keep_alive()
            self.ended = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body as it travels, without its frame."""
        if self.ended:
            self.keep = False
            return
        self._taken += len(body)
        if self._inflation is not None:
            self._behind.append(body)
            if self._taken > self._intake.most + MOST_HEAD:
                self._stop(failures.too_large(self.host, self._intake.most))
            return
        try:
            self._intake.add(body)
        except UpstreamError as fault:
            self._stop(fault)

    def on_message_complete(self) -> None:
        """The end, as its frame says."""
        if self.begun and not self.ended and self._parser is not None:
            self.keep = self._parser.should_keep_alive()
            self.ended = True

    def _look_for_stream(self) -> None:
        """Answers that may never end are bounded more tightly, and whatever there is of them is worth having."""
        kind = next((value for name, value in self._headers if name == "content-type"), "")
        if kind.partition(";")[0].strip().lower() in self._request.partial:
            self.partial = True
            self._intake.stay(MOST_OF_A_STREAM)

    def _measure(self, *, bodiless: bool) -> None:
        """What the head says about the body."""
        frame = [value for name, value in self._headers if name == "transfer-encoding"]
        length = next((value for name, value in self._headers if name == "content-length"), None)
        if frame and (len(frame) > 1 or frame[0].lower() != "chunked"):
            self._stop(self._garbled("its transfer coding is not known"))
        self._until_end = not bodiless and not frame and length is None
        if bodiless:
            self._begin(None)
            return
        codings = [value.lower() for name, value in self._headers if name == "content-encoding"]
        if len(codings) == 1 and codings[0] in _WINDOWS:
            self._inflation = Inflation(codings[0])
        if self._inflation is None:
            self._begin(int(length) if length is not None else None)
            return
        self._begin(None)
        if length is not None and int(length) > self._intake.most + MOST_HEAD:
            self._stop(failures.too_large(self.host, self._intake.most))

    def _begin(self, total: int | None) -> None:
        try:
            self._intake.begin(self.status, self._headers, total)
        except UpstreamError as fault:
            self._stop(fault)

    def _inflate(self, inflation: Inflation) -> None:
        """One turn's share of what the body means."""
        left = _TURN
        while self._behind and left > 0:
            try:
                piece = inflation.feed(self._behind[0], left)
            except zlib.error as error:
                # the reason stands behind the number of the error
                raise mishaps.undecodable(self.host, str(error).rpartition(": ")[2]) from None
            if inflation.rest is None:
                del self._behind[0]
            else:
                self._behind[0] = inflation.rest
            left -= len(piece)
            if piece:
                self._intake.add(piece)

    def _garbled(self, why: str) -> UpstreamError:
        return mishaps.garbled(self.host, why, begun=self.begun)

    def _stop(self, fault: UpstreamError) -> NoReturn:
        """Keep the fault and make llhttp return; it cannot carry an exception of ours outward."""
        self._fault = fault
        raise fault


_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}


class Inflation:
    """Undoes gzip or deflate piece by piece; what comes out is bounded before it exists."""

    __slots__ = ("_members", "_stream", "_window", "rest")

    def __init__(self, coding: str) -> None:
        self._window = _WINDOWS[coding]
        self._stream = zlib.decompressobj(self._window)
        self._members = 0
        self.rest: bytes | None = None

    @property
    def complete(self) -> bool:
        """Whether the coding came to its own end, checksum and all."""
        return self._stream.eof

    def feed(self, body: bytes, most: int) -> bytes:
        """At most ``most`` bytes of what the body means. What is to be fed next is in ``rest``; None: nothing is left.

        Raises:
            zlib.error: this is not the coding.
        """
        found: list[bytes] = []
        while True:
            if body and self._stream.eof:
                self._another(body)
            elif body and self._members == 0 and self._window == zlib.MAX_WBITS:
                # servers that say deflate often leave out the frame of RFC 1950; its first byte is easily told
                if body[0] & 0x0F != 8:
                    self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
                self._members = 1
            piece = self._stream.decompress(body, most)
            found.append(piece)
            most -= len(piece)
            body = self._stream.unconsumed_tail or self._stream.unused_data
            if most <= 0 or not body:
                break
        # with no input left there may still be output that did not fit
        self.rest = body if body or (most <= 0 and not self._stream.eof) else None
        return found[0] if len(found) == 1 else b"".join(found)

    def _another(self, body: bytes) -> None:
        """A gzip file may have several members (RFC 1952 section 2.2); nothing may follow a deflated body."""
        self._members += 1
        if self._window != _WINDOWS["gzip"] or self._members > _MOST_MEMBERS:
            raise zlib.error(f"nothing: {len(body)} bytes behind its end")
        self._stream = zlib.decompressobj(self._window)
