"""Content that is not held as one: bytes at hand, and stretches that lie elsewhere and are read when they are needed.

Does no reading itself; whoever stored the content gave the function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

STEP = 256 * 1024
"""Bytes of a stretch that are held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stretch that lies elsewhere: ``read(start, length)`` gives its bytes, ``seal`` is the SHA-256 of all of it."""

    size: int
    seal: bytes
    read: Callable[[int, int], bytes]


Content = bytes | Stored


@dataclass(frozen=True, slots=True)
class Pieces:
    """A body in pieces, which can be gone through any number of times. ``len()`` is its size in bytes."""

    parts: tuple[Content, ...]

    def __len__(self) -> int:
        return sum(map(length, self.parts))

    def chunks(self) -> Iterator[bytes]:
        """All of it, in order, none larger than :data:`STEP`.

        Raises:
            EOFError: a stretch has become shorter than it was.
        """
        for part in self.parts:
            for start in range(0, length(part), STEP):
                most = min(STEP, length(part) - start)
                piece = part[start : start + most] if isinstance(part, bytes) else part.read(start, most)
                if len(piece) != most:
                    raise EOFError
                yield piece


Body = bytes | Pieces


def length(content: Content) -> int:
    """How many bytes it has."""
    return len(content) if isinstance(content, bytes) else content.size


def joined(parts: list[Content]) -> Body:
    """One content of several: bytes where all of it is at hand."""
    found: list[Content] = []
    at_hand: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            at_hand.append(part)
        else:
            found += (b"".join(at_hand), part)
            at_hand = []
    return Pieces((*found, b"".join(at_hand))) if found else b"".join(at_hand)
