"""JSON that is too large to be said becomes JSON of the same shape that is not, and an account of what was cut.

In this order: long strings, then lists (a common length for all, so the longest lose first; their heads stay), then
members, deep ones first. Every cut is marked in its place and counted. Nothing is decoded that is not said: the text is
opened level by level, a bounded part of each, and what stays is copied byte for byte. The same text and room give the
same bytes. Pure; knows nothing of calls, links or where the rest is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from apiloom.base import json
from apiloom.base.json import Part
from apiloom.calls.texts import count_commas, cut_literal, has_more_commas, pointer_of, prefix_of

Kind = Literal["text", "items", "members", "value", "rest", "repeated"]
"""What a cut took: characters of a string, items, members, a whole object, list or number, the end of the document, or
all but the last of several members of one name."""

KEPT_MEMBER = "next_cursor"
"""The member of an answer's root that is never cut: how to go on."""

MOST_CUTS = 20
"""Places in the account; the marks in the text tell of all."""

MOST_PARTS = 500_000
"""Commas of a text that is opened level by level. Of a denser one only the beginning is looked at, so that ten million
tiny members cost neither gigabytes nor seconds: building so many names and values takes half of one."""

_SMALL = 256
"""Bytes up to which a value is kept or left as one."""

_FLOOR, _LAST_FLOOR = 500, 100
"""Bytes of a string that stay before lists are cut, and before members are."""

_LONGEST_NEXT = 8_192
_LONGEST_POINTER = 300
_MARK = 48
_CLOSED = 48
_DEEPEST = 100
_RESCANS = 24
_STRING, _LIST, _OBJECT = b'"[{'
_SPACED = re.compile(rb"[\[{,:][ \t\r\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Something that was cut, at one place or at many that differ in the number of an item only (``*``).

    ``kept`` and ``of`` count characters, items, members or bytes, as ``kind`` says; at many places they are the
    smallest and the largest. ``of`` is None where nobody counted. ``first`` is the exact pointer of the first place.
    """

    pointer: str
    kind: Kind
    kept: int
    of: int | None
    places: int = 1
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """JSON that fits, and what is missing from it. ``further`` counts the places that the account has no room for."""

    text: bytes
    cuts: tuple[Cut, ...]
    further: int = 0


def shrink(text: bytes, room: int) -> Shrunk:
    """Well-formed JSON in at most ``room`` bytes, which should be 100 at least; without a cut if white space suffices.

    Linear in the length of ``text``; memory beside it is bounded by ``room`` and :data:`MOST_PARTS`.
    """
    if len(text) <= 8 * room and _SPACED.search(text, 0, 4096):
        text = json.compact(text)
    if len(text) <= room:
        return Shrunk(text=text, cuts=())
    text = text.strip()
    if text[0] not in (_STRING, _LIST, _OBJECT):
        told = json.quoted(f"… [a number of {len(text):,} digits]")
        return Shrunk(text=told, cuts=(Cut(pointer="", kind="value", kept=0, of=len(text)),))
    if has_more_commas(text, MOST_PARTS):
        shrunk = _shrink(prefix_of(text, 8 * room), room, counted=False)
        rest = Cut(pointer="", kind="rest", kept=8 * room, of=len(text))
        return Shrunk(text=shrunk.text, cuts=(rest, *shrunk.cuts), further=shrunk.further)
    shrunk = _shrink(text, room, counted=True)
    if shrunk.cuts or shrunk.further or not has_more_commas(text, count_commas(shrunk.text)):
        return shrunk
    return Shrunk(text=shrunk.text, cuts=(Cut(pointer="", kind="repeated", kept=len(shrunk.text), of=len(text)),))


def _shrink(text: bytes, room: int, *, counted: bool) -> Shrunk:
    # What is measured as it stands may be said with less white space, never with more.
    spaced = _SPACED.search(text, 0, 4096) is not None
    measure = _Measure(text, room, _FLOOR)
    if measure.fill([measure.root], 0):
        measure = _Measure(text, room, _LAST_FLOOR, measure)
        crowded = measure.fill([measure.root], 0)
        if crowded:
            measure.share(crowded)
    measure.lengthen()
    rendering = _Rendering(measure.cap(), spaced=spaced, counted=counted)
    rendering.value(measure.root, ())
    cuts, further = rendering.account()
    return Shrunk(text=b"".join(rendering.pieces), cuts=cuts, further=further)


@dataclass(slots=True)
class _Long:
    """A string that may be cut; ``raw`` is its literal."""

    raw: memoryview


@dataclass(slots=True, eq=False)
class _Box:
    """A list or an object of some size. Closed, it is told by its size; open, it shows the first of its parts."""

    raw: memoryview
    depth: int
    names: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    nodes: list[_Node] = field(default_factory=list)
    open: bool = False

    @property
    def listed(self) -> bool:
        return self.raw[0] == _LIST

    def close(self) -> None:
        self.nodes, self.open = [], False


_Node = memoryview | _Long | _Box


class _Measure:
    """Chooses what is said: grows a tree from the root until the room is used.

    Bytes are counted as they will be written, strings at their floor, boxes closed until they are opened.
    """

    def __init__(self, text: bytes, room: int, floor: int, before: _Measure | None = None) -> None:
        self.room = room
        self.floor = min(floor, room)
        self.small = min(_SMALL, room // 4)
        self.spent = 0
        self.scanned = _RESCANS * len(text)
        self.longs: list[_Long] = []
        self.waiting: list[_Box] = []
        self.root = self._node(memoryview(text), 0)
        if before is not None and isinstance(self.root, _Box) and isinstance(before.root, _Box):
            # What was opened once need not be opened again.
            self.root.names, self.root.parts = before.root.names, before.root.parts

    def _node(self, raw: memoryview, depth: int) -> _Node:
        """A value, and its bytes spent."""
        size, first = raw.nbytes, raw[0]
        if first == _STRING and size > self.floor:
            self.spent += self.floor
            node = _Long(raw)
            self.longs.append(node)
            return node
        if first in (_LIST, _OBJECT) and size > self.small:
            self.spent += _CLOSED
            return _Box(raw, depth)
        if size > _SMALL and first != _STRING:
            # A number, which is said whole or by its length: a box that is never opened.
            self.spent += _CLOSED
            return _Box(raw, _DEEPEST)
        self.spent += size
        return raw

    def fill(self, boxes: Sequence[_Node], item: int) -> list[_Box]:
        """Open boxes and what is in them, level by level, lists up to an item.

        The level that does not fit is given back, closed again; an empty list means that all of them do.
        """
        level = [box for box in boxes if isinstance(box, _Box)]
        while level:
            mark = (self.spent, len(self.longs), len(self.waiting))
            deeper: list[_Box] = []
            if not all(self._opened(box, item, deeper, self.room) for box in level):
                self._undo(mark)
                for box in level:
                    box.close()
                return level
            level = deeper
        return []

    def _undo(self, mark: tuple[int, int, int]) -> None:
        self.spent, longs, waiting = mark
        del self.longs[longs:]
        del self.waiting[waiting:]

    def _opened(self, box: _Box, item: int, deeper: list[_Box], most: int) -> bool:
        """Open a box; False when that costs more than there is. What is too deep or too costly to open stays closed."""
        if box.depth >= _DEEPEST or self.scanned < box.raw.nbytes:
            return self.spent <= most
        self.scanned -= box.raw.nbytes
        self._look(box)
        for part in box.parts[: item + 1] if box.listed else box.parts:
            if not self._takes(box, part, most):
                return False
            if isinstance(node := box.nodes[-1], _Box):
                deeper.append(node)
        if len(box.nodes) < len(box.parts):
            self.spent += _MARK
            self.waiting.append(box)
        return self.spent <= most

    def _look(self, box: _Box) -> None:
        box.open = True
        self.spent += 2 - _CLOSED
        if box.parts:
            return
        if box.listed:
            box.parts = json.items(box.raw)
            return
        found = json.members(box.raw)
        if box.depth == 0 and KEPT_MEMBER in found:
            # In front, where no cut reaches it.
            found = {KEPT_MEMBER: found.pop(KEPT_MEMBER), **found}
        box.names, box.parts = list(found), list(found.values())

    def _takes(self, box: _Box, part: Part, most: int) -> bool:
        self.spent += 1
        name = "" if box.listed else box.names[len(box.nodes)]
        if not box.listed:
            self.spent += len(json.quoted(name)) + 1
        raw = memoryview(part)
        # A long one is no cursor of ours.
        if box.depth == 0 and name == KEPT_MEMBER and raw.nbytes <= min(_LONGEST_NEXT, self.room // 2):
            self.spent += raw.nbytes
            box.nodes.append(raw)
        else:
            box.nodes.append(self._node(raw, box.depth + 1))
        return self.spent <= most

    def lengthen(self) -> None:
        """Let every list show one item more, as often as there is room for all of them."""
        length = 0
        while self.waiting:
            length += 1
            mark = (self.spent, len(self.longs), len(self.waiting))
            waiting, self.waiting = self.waiting, []
            if not self._longer(waiting, length):
                self.spent, longs, _ = mark
                del self.longs[longs:]
                for box in waiting:
                    del box.nodes[length:]
                return

    def _longer(self, waiting: Sequence[_Box], length: int) -> bool:
        added: list[_Node] = []
        for box in waiting:
            if not self._takes(box, box.parts[length], self.room):
                return False
            added.append(box.nodes[-1])
            if len(box.nodes) < len(box.parts):
                self.waiting.append(box)
            else:
                self.spent -= _MARK
        return not self.fill(added, length)

    def share(self, boxes: Sequence[_Box]) -> None:
        """Open boxes as far as an equal share of the room reaches, the smallest first; what is in them stays closed."""
        left = len(boxes)
        for box in sorted(boxes, key=lambda box: box.raw.nbytes):
            most = self.spent + max(0, self.room - self.spent) // left - _MARK
            left -= 1
            mark = (self.spent, len(self.longs), len(self.waiting))
            if not self._opened(box, 0, [], most):
                self._trim(box, mark, most)

    def _trim(self, box: _Box, mark: tuple[int, int, int], most: int) -> None:
        """Take back the part that was too much, and the box with it where nothing is left of it."""
        fitting = max(0, len(box.nodes) - 1)
        self._undo(mark)
        if not fitting and box.depth:
            box.close()
            return
        self.spent += 2 - _CLOSED + _MARK
        box.nodes = []
        for part in box.parts[:fitting]:
            self._takes(box, part, most)

    def cap(self) -> int:
        """The bytes that a string may have, so that all of them together use the room that is left."""
        left = self.room - self.spent + self.floor * len(self.longs)
        waiting = len(self.longs)
        for size in sorted(long.raw.nbytes for long in self.longs):
            if size * waiting > left:
                break
            left -= size
            waiting -= 1
        return max(self.floor, left // waiting) if waiting else self.room


class _Rendering:
    """Writes the tree and keeps the account of what is missing from it."""

    def __init__(self, cap: int, *, spaced: bool, counted: bool) -> None:
        self.pieces: list[bytes] = []
        self._cap = cap
        self._spaced = spaced
        self._counted = counted
        self._plus = "" if counted else "+"
        self._cuts: dict[tuple[str, Kind], Cut] = {}

    def value(self, node: _Node, path: tuple[str | int, ...]) -> None:
        if isinstance(node, memoryview):
            raw = bytes(node)
            self.pieces.append(json.compact(raw) if self._spaced and raw[0] in (_LIST, _OBJECT) else raw)
        elif isinstance(node, _Long):
            self._string(bytes(node.raw), path)
        elif not node.open:
            kind = "a list" if node.listed else "an object" if node.raw[0] == _OBJECT else "a number"
            unit = "digits" if kind == "a number" else "bytes"
            self.pieces.append(json.quoted(f"… [{kind} of {node.raw.nbytes:,} {unit}]"))
            self._note(path, "value", 0, node.raw.nbytes)
        elif node.listed:
            self._list(node, path)
        else:
            self._object(node, path)

    def _string(self, raw: bytes, path: tuple[str | int, ...]) -> None:
        if len(raw) <= self._cap:
            self.pieces.append(raw)
            return
        literal, kept, of = cut_literal(raw, self._cap)
        self.pieces.append(literal)
        self._note(path, "text", kept, of)

    def _list(self, box: _Box, path: tuple[str | int, ...]) -> None:
        self.pieces.append(b"[")
        for number, node in enumerate(box.nodes):
            if number:
                self.pieces.append(b",")
            self.value(node, (*path, number))
        missing = len(box.parts) - len(box.nodes)
        if missing:
            self.pieces += (b"," if box.nodes else b"", json.quoted(f"… [{missing:,}{self._plus} more items]"))
            self._note(path, "items", len(box.nodes), len(box.parts))
        self.pieces.append(b"]")

    def _object(self, box: _Box, path: tuple[str | int, ...]) -> None:
        self.pieces.append(b"{")
        for number, (name, node) in enumerate(zip(box.names, box.nodes, strict=False)):
            self.pieces += (b"," if number else b"", json.quoted(name), b":")
            self.value(node, (*path, name))
        missing = len(box.parts) - len(box.nodes)
        if missing:
            mark = "…"
            while mark in box.names:
                mark += "…"
            self.pieces += (
                b"," if box.nodes else b"",
                json.quoted(mark),
                b":",
                json.quoted(f"[{missing:,}{self._plus} more members]"),
            )
            self._note(path, "members", len(box.nodes), len(box.parts))
        self.pieces.append(b"}")

    def _note(self, path: tuple[str | int, ...], kind: Kind, kept: int, of: int) -> None:
        pattern = pointer_of("*" if isinstance(step, int) else step for step in path)
        known = self._cuts.get((pattern, kind))
        if known is not None:
            kept, of = min(kept, known.kept), max(of, known.of or 0)
            places, first = known.places + 1, known.first
        else:
            places, first = 1, pointer_of(path)
        told = of if self._counted or kind in {"text", "value"} else None
        self._cuts[pattern, kind] = Cut(
            pointer=pattern if places > 1 else first, kind=kind, kept=kept, of=told, places=places, first=first
        )

    def account(self) -> tuple[tuple[Cut, ...], int]:
        """The cuts, outer ones first, as many as there is room for; and the places of all others."""
        order = sorted(self._cuts.values(), key=lambda cut: (cut.pointer.count("/"), cut.kind in {"text", "value"}))
        told = [cut for cut in order if len(cut.pointer) <= _LONGEST_POINTER][:MOST_CUTS]
        return tuple(told), sum(cut.places for cut in order) - sum(cut.places for cut in told)
