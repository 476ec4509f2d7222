"""Where the body of an answer goes while it comes: into memory, and from a certain size on into a sink if there is one.

All answers in memory have one bound together, beside the bound that each of them has. Knows neither how a body is
framed nor what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiloom.net import failures
from apiloom.net.request import IN_MEMORY, Cut, Request, Response, Sink

_START = 8192
"""Bytes of a body that a sink is chosen by."""


class Held:
    """What all answers in memory take together, of ``most`` bytes."""

    __slots__ = ("most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def take(self, size: int) -> Hold | None:
        """A share of so many bytes; None where there is no room for it."""
        if self.taken + size > self.most:
            return None
        self.taken += size
        return Hold(self, size)


class Hold:
    """A share of :class:`Held`, given back when nobody has it any more."""

    __slots__ = ("_held", "size")

    def __init__(self, held: Held, size: int) -> None:
        self._held = held
        self.size = size

    def grow(self, size: int) -> bool:
        """Make it larger by so many bytes; False where there is no room."""
        if self._held.taken + size > self._held.most:
            return False
        self._held.taken += size
        self.size += size
        return True

    def release(self) -> None:
        """Give it back now."""
        self._held.taken -= self.size
        self.size = 0

    def __del__(self) -> None:
        self.release()


HELD = Held(512 * 1024 * 1024)
"""The bound of this process."""


class Intake:
    """The body of one answer.

    ``size`` is what came so far, decoded; ``total`` how much there will be, if known; ``limit`` how much of it may be
    in memory.
    """

    __slots__ = ("_asked", "_body", "_head", "_hold", "_host", "_request", "_sink", "limit", "size", "total")

    def __init__(self, request: Request, host: str) -> None:
        self._request = request
        self._host = host
        self._head: tuple[int, Sequence[tuple[str, str]]] = (0, ())
        self._asked = request.overflow is None
        self._sink: Sink | None = None
        self._body = bytearray()
        self._hold: Hold | None = None
        self.limit = request.max_bytes
        self.size = 0
        self.total: int | None = None

    @property
    def most(self) -> int:
        """Bytes that could be taken at most."""
        return self.limit if self._asked and self._sink is None else max(self.limit, self._request.max_stored)

    def stay(self, limit: int) -> None:
        """All of it stays in memory, and this much at most."""
        self._asked = True
        self.limit = min(self.limit, limit)

    def begin(self, status: int, headers: Sequence[tuple[str, str]], total: int | None) -> None:
        """The head has come.

        Raises:
            UpstreamError: ``net.too_large`` where the head says so already.
        """
        self._head = (status, headers)
        self.total = total
        if self._request.watch is not None:
            self._request.watch(0, total)
        if total is not None and total > self.most:
            raise failures.too_large(self._host, self.most)

    def add(self, piece: bytes) -> None:
        """A piece of the decoded body.

        Raises:
            UpstreamError: ``net.too_large``, ``net.no_room``.
        """
        size = self.size + len(piece)
        if size > IN_MEMORY and not self._asked:
            self._ask(piece)
        if self._sink is not None:
            if size > self._request.max_stored:
                raise failures.too_large(self._host, self._request.max_stored)
            if not self._sink.write(piece):
                raise failures.no_room(self._host)
        else:
            if max(size, self.total or 0 if self._asked else 0) > self.limit:
                self._body += piece[: max(0, self.limit - self.size)]
                raise failures.too_large(self._host, self.limit)
            self._take(len(piece))
            self._body += piece
        self.size = size
        if self._request.watch is not None:
            self._request.watch(size, self.total)

    def response(self, headers: Sequence[tuple[str, str]], cut: Cut = "") -> Response:
        """The answer, as far as it has come."""
        body, hold, sink = bytes(self._body), self._hold, self._sink
        self._body, self._hold, self._sink = bytearray(), None, None
        return Response(status=self._head[0], headers=headers, body=body, cut=cut, sink=sink, hold=hold)

    def drop(self) -> None:
        """The answer broke off."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.drop()
        self._body, self._hold = bytearray(), None

    def _ask(self, piece: bytes) -> None:
        self._asked = True
        overflow = self._request.overflow
        status, headers = self._head
        sink = overflow(status, headers, bytes(self._body[:_START]) or piece[:_START]) if overflow is not None else None
        if sink is not None:
            self._sink = sink
            if self._body and not sink.write(bytes(self._body)):
                raise failures.no_room(self._host)
            self._body, self._hold = bytearray(), None

    def _take(self, size: int) -> None:
        if self._hold is None:
            self._hold = HELD.take(size)
            if self._hold is None:
                raise failures.no_room(self._host)
        elif not self._hold.grow(size):
            raise failures.no_room(self._host)
