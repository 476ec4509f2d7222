"""A multipart/form-data body taken apart while it comes: heads and pieces of content, never a whole part.

Source: RFC 7578, RFC 2046 section 5.1.1. What is not plainly that is refused. Knows nothing of what becomes of a part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apiloom.base.errors import CallerError
from apiloom.net.disposition import file_name

MOST_PARTS = 32
MOST_HEAD = 8 * 1024
"""Bytes of the headers of one part."""

MOST_BEFORE = 8 * 1024
"""Bytes in front of the first boundary, which nobody reads."""

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([!-:<-~]{1,70}))', re.IGNORECASE)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Head:
    """The start of a part: its file name and media type as far as it says them."""

    filename: str
    type: str


class Form:
    """Feed it the body; what comes out are heads and the pieces of content behind each, in order."""

    __slots__ = ("_buffer", "_delimiter", "_parts", "_reads", "done")

    def __init__(self, content_type: str) -> None:
        """Raises CallerError: ``files.form``: the type names no boundary."""
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise broken("its Content-Type names no boundary")
        self._delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
        # the first boundary needs no line break before it
        self._buffer = b"\r\n"
        self._reads = self._before
        self._parts = 0
        self.done = False

    def feed(self, piece: bytes) -> Iterator[Head | bytes]:
        """What the next piece of the body holds.

        Raises:
            CallerError: ``files.form``.
        """
        self._buffer += piece
        while not self.done:
            before = self._reads, len(self._buffer)
            yield from self._reads()
            if (self._reads, len(self._buffer)) == before:
                break

    def check(self) -> None:
        """All of it has come.

        Raises:
            CallerError: ``files.form``: it breaks off, or there is nothing in it.
        """
        if not self.done:
            raise broken("it breaks off before its last boundary")
        if not self._parts:
            raise broken("there is nothing in it")

    def _before(self) -> Iterator[Head | bytes]:
        at = self._buffer.find(self._delimiter)
        if at >= 0:
            self._buffer = self._buffer[at + len(self._delimiter) :]
            self._reads = self._behind_boundary
        elif len(self._buffer) > MOST_BEFORE:
            raise broken("its boundary does not stand at its start")
        yield from ()

    def _behind_boundary(self) -> Iterator[Head | bytes]:
        line, found, rest = self._buffer.partition(b"\r\n")
        if line.startswith(b"--"):
            self.done = True
            self._buffer = b""
        elif found and not line.strip(b" \t"):
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise broken(f"it has more than {MOST_PARTS} parts")
            # with its line break in front, a head without any header ends like all others
            self._buffer = b"\r\n" + rest
            self._reads = self._head
        elif found or len(line) > MOST_HEAD:
            raise broken("something stands behind a boundary")
        yield from ()

    def _head(self) -> Iterator[Head | bytes]:
        text, found, rest = self._buffer.partition(b"\r\n\r\n")
        if len(text) > MOST_HEAD:
            raise broken("the headers of a part are too long")
        if found:
            self._buffer = b"\r\n" + rest if rest.startswith(self._delimiter[2:]) else rest
            self._reads = self._content
            yield _read_head(text)

    def _content(self) -> Iterator[Head | bytes]:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            # the end may be the start of a boundary
            cut = len(self._buffer) - len(self._delimiter)
            if cut > 0:
                piece, self._buffer = self._buffer[:cut], self._buffer[cut:]
                yield piece
            return
        piece, self._buffer = self._buffer[:at], self._buffer[at + len(self._delimiter) :]
        self._reads = self._behind_boundary
        if piece:
            yield piece


def _read_head(text: bytes) -> Head:
    disposition = kind = ""
    for line in readable(text).split("\r\n"):
        header = _HEADER.fullmatch(line)
        if header and header[1].lower() == "content-disposition":
            disposition = header[2]
        elif header and header[1].lower() == "content-type":
            kind = header[2].strip()
    return Head(filename=file_name(disposition), type=kind)


def readable(raw: bytes) -> str:
    """A header as its sender meant it: UTF-8 where it is some."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def broken(why: str) -> CallerError:
    """The refusal of a form."""
    return CallerError(
        f"the form cannot be read, because {why}",
        code="files.form",
        hint="send multipart/form-data, or the file alone as the body",
    )
