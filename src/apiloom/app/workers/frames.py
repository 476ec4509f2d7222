"""What goes through the pipes between this process and a worker: frames of one JSON text and some bytes behind it.

Nothing in a frame is ever run: a worker that has been taken over by what it read can only answer wrongly, and that
within the sizes given here. Knows no pipes and no jobs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from apiloom.base import json

LONGEST_TEXT = 16 * 1024 * 1024
LONGEST_BYTES = 512 * 1024 * 1024
"""Bytes of the JSON of one frame, and of all that follows it."""

MOST_PARTS = 64

_HEAD = struct.Struct(">IQ")
HEAD_SIZE = _HEAD.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """``told`` is plain JSON with a ``kind``; ``parts`` are bytes that stand beside it."""

    told: dict[str, Any]
    parts: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the head of a frame announces, in bytes."""

    text: int
    parts: int


def write_frame(frame: Frame) -> list[bytes]:
    """The pieces of a frame, to be written one after the other."""
    text = json.dumps([[len(part) for part in frame.parts], frame.told])
    return [_HEAD.pack(len(text), sum(map(len, frame.parts))), text, *frame.parts]


def read_sizes(head: bytes) -> Sizes:
    """What a frame's first bytes announce.

    Raises:
        ValueError: more than a frame may hold.
    """
    text, parts = _HEAD.unpack(head)
    if text > LONGEST_TEXT or parts > LONGEST_BYTES:
        raise ValueError("a frame is too large")
    return Sizes(text, parts)


def read_text(text: bytes, sizes: Sizes) -> tuple[dict[str, Any], list[int]]:
    """What a frame's text tells, and how long each of its parts is.

    Raises:
        ValueError: it is not one of ours.
    """
    read = json.loads(text)
    if not (isinstance(read, list) and len(read) == 2 and isinstance(read[0], list) and isinstance(read[1], dict)):
        raise ValueError("no frame")
    lengths, told = read
    if len(lengths) > MOST_PARTS or not all(isinstance(length, int) and length >= 0 for length in lengths):
        raise ValueError("no lengths")
    if sum(lengths) != sizes.parts:
        raise ValueError("other lengths")
    return told, lengths
