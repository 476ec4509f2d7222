"""One file on disk that nobody else can open and that is gone when it is closed.

The file has no name: it is unlinked as soon as it is made (or never linked at all), so nothing is left behind by a
process that was killed, and there is no folder to clean. Reads and writes are short and go through the page cache;
they are done in place. Knows nothing of who the content belongs to.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable

Counted = Callable[[int], None]
"""Told how many bytes on disk were let go."""


class Spool:
    """Written once from front to end, then read anywhere.

    The place on disk is given back when the last holder lets go of this value, so that what is being read never
    vanishes under the reader.
    """

    __slots__ = ("_given_back", "_hash", "_number", "_taken", "size")

    def __init__(self, given_back: Counted) -> None:
        """Raises OSError: no file can be made."""
        self._number = -1
        with tempfile.TemporaryFile(buffering=0, prefix="apiloom-") as file:
            self._number = os.dup(file.fileno())
        self.size = self._taken = 0
        self._hash = hashlib.sha256()
        self._given_back = given_back

    def write(self, piece: bytes) -> None:
        """Add a piece at the end.

        Raises:
            OSError: the disk is full or broken.
        """
        rest = memoryview(piece)
        self._taken += len(rest)
        while rest:
            rest = rest[os.write(self._number, rest) :]
        self._hash.update(piece)
        self.size += len(piece)

    def read(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start``; fewer only at the end."""
        length = max(0, min(length, self.size - start))
        found: list[bytes] = []
        while length > 0:
            piece = self._read(start, length)
            if not piece:
                break
            found.append(piece)
            start += len(piece)
            length -= len(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    def seal(self) -> bytes:
        """A hash of all that was written."""
        return self._hash.digest()

    def close(self) -> None:
        """Give the place back now; for a file that nobody reads."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)
            self._given_back(self._taken)

    def __del__(self) -> None:
        self.close()

    def _read(self, start: int, length: int) -> bytes:
        if sys.platform == "win32":
            os.lseek(self._number, start, os.SEEK_SET)
            return os.read(self._number, length)
        return os.pread(self._number, length, start)
