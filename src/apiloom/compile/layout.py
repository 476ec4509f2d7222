"""How compiled catalogs lie in bytes: a line that tells what follows, a head, then texts that the head points into.

The head is plain JSON; the texts stand in named groups and each is decoded when it is first asked for, so that opening
a large catalog costs little more than its head. What the texts mean is known to ``compile/artefact`` alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from apiloom.base import json

Value = TypeVar("Value")

LAYOUT = 3
"""Raised whenever the meaning of the bytes changes."""

_FIRST = b"apiloom"


class LazyTexts(Mapping[str, Value], Generic[Value]):
    """Values by name, each decoded from its JSON text when first asked for and kept from then on."""

    __slots__ = ("_decode", "_places", "_ready", "_text")

    def __init__(
        self, text: memoryview, places: Mapping[str, tuple[int, int]], decode: Callable[[bytes], Value]
    ) -> None:
        self._text = text
        self._places = places
        self._decode = decode
        self._ready: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._ready:
            start, length = self._places[name]
            self._ready[name] = self._decode(bytes(self._text[start : start + length]))
        return self._ready[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The groups of some bytes by name: where each text starts and how long it is."""

    text: memoryview
    places: Mapping[str, Mapping[str, tuple[int, int]]]

    def lazily(self, group: str, decode: Callable[[bytes], Value]) -> LazyTexts[Value]:
        """One group as a mapping that decodes when asked."""
        return LazyTexts(self.text, self.places[group], decode)


def write_layout(head: Mapping[str, Any], groups: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """The bytes of a head and its groups; the same for the same, in the same order."""
    text, places = bytearray(), {}
    for group, values in groups.items():
        places[group] = _append(text, values)
    told = json.dumps({**head, "places": places})
    checked = zlib.crc32(text, zlib.crc32(told))
    first = b"%s %d %d %d %08x\n" % (_FIRST, LAYOUT, len(told), len(text), checked)
    return b"".join((first, told, text))


def read_layout(content: bytes | memoryview, *, checked: bool = True) -> tuple[dict[str, Any], Groups]:
    """The head and the groups of some bytes. ``checked`` compares every byte with the checksum, a second per gigabyte.

    Raises:
        ValueError: the bytes are damaged, or of another layout.
    """
    view = memoryview(content)
    first, start = _first_line(view)
    try:
        mark, layout, told, size, checksum = first.split(b" ")
        if mark != _FIRST or int(layout) != LAYOUT:
            raise ValueError("another layout")
        end = start + int(told)
        if end < start or len(view) != end + int(size):
            raise ValueError("another length")
        if checked and zlib.crc32(view[start:]) != int(checksum, 16):
            raise ValueError("another checksum")
        head = json.loads(bytes(view[start:end]))
        places = {
            group: {name: (at, length) for name, (at, length) in values.items()}
            for group, values in head.pop("places").items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("another head") from error
    return head, Groups(text=view[end:], places=places)


def _first_line(view: memoryview) -> tuple[bytes, int]:
    line, mark, _ = bytes(view[:80]).partition(b"\n")
    if not mark:
        raise ValueError("no first line")
    return line, len(line) + 1


def _append(text: bytearray, group: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    for name, value in group.items():
        places[name] = (len(text), len(value))
        text += value
    return places
