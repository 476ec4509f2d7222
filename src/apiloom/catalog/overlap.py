"""Whether the members of a ``oneOf`` can be told apart, so that "exactly one" can be held against a value.

Documents often write ``oneOf`` where they mean ``anyOf``: two members of which every ordinary value of the one is a
value of the other, too. Then "exactly one" would refuse what the API takes, and the union counts as ``anyOf``. A value
is ordinary that has only the members which its schema names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiloom.catalog.patterns import checks_of
from apiloom.catalog.shapes import ANNOTATIONS, Pool, admits_null, flat, is_null, types, unions
from apiloom.model.api import Schema

MOST_MEMBERS = 24
"""Members of a union that are compared with each other."""

DEEPEST = 4
"""Levels that are compared; what lies deeper counts as alike."""

_COMPARED = frozenset(
    {
        "additionalProperties",
        "anyOf",
        "const",
        "enum",
        "items",
        "nullable",
        "oneOf",
        "properties",
        "required",
        "type",
        "unevaluatedProperties",
    }
)
_NUMBERS = {"integer", "number"}

Side = Callable[[Schema, Pool], bool]


def tells_apart(members: Sequence[Schema], pool: Pool, leaves_out: Side) -> bool:
    """Whether no member covers another. ``leaves_out`` says which properties are of the other direction."""
    if len(members) > MOST_MEMBERS:
        return False
    look = _Look(pool, leaves_out)
    return not any(
        look.covers(one, other, DEEPEST)
        for at, one in enumerate(members)
        for to, other in enumerate(members)
        if at != to
    )


class _Shape:
    """A member as it is compared: every member is held against every other, so what is asked of it is found once."""

    __slots__ = ("asserted", "inner", "kinds", "node", "parts", "schema")

    def __init__(self, schema: Schema, node: dict[str, Any]) -> None:
        self.schema = schema
        self.node = node
        self.inner = unions(node)
        self.kinds = frozenset(types(node))
        self.asserted = [(keyword, value) for keyword, value in node.items() if _is_beyond(keyword, value)]
        self.parts: tuple[dict[str, Schema], frozenset[str]] | None = None
        """What is sent of its properties, and which of those must be: looked at only when it comes to them."""


class _Look:
    def __init__(self, pool: Pool, leaves_out: Side) -> None:
        self._pool = pool
        self._leaves_out = leaves_out
        self._shapes: dict[int, _Shape] = {}

    def _shape(self, schema: Schema) -> _Shape:
        kept = self._shapes.get(id(schema))
        if kept is None:
            kept = self._shapes[id(schema)] = _Shape(schema, flat(schema, self._pool))
        return kept

    def _parts(self, shape: _Shape) -> tuple[dict[str, Schema], frozenset[str]]:
        if shape.parts is None:
            named = shape.node.get("properties")
            members = named.items() if isinstance(named, dict) else ()
            sent = {name: part for name, part in members if not self._leaves_out(part, self._pool)}
            shape.parts = sent, frozenset(_required(shape.node, sent))
        return shape.parts

    def covers(self, wide: Schema, narrow: Schema, depth: int) -> bool:
        """Whether every ordinary value of ``narrow`` is surely one of ``wide``."""
        if depth <= 0:
            return True
        one, other = self._shape(wide), self._shape(narrow)
        if other.inner:
            return all(self.covers(wide, member, depth - 1) for member in other.inner)
        if any(other.node.get(keyword, ...) != value for keyword, value in one.asserted):
            return False
        if one.inner:
            return any(self.covers(member, narrow, depth - 1) for member in one.inner)
        return _kinds(one, other) and _values(one.node, other.node) and self._insides(one, other, depth)

    def _insides(self, one: _Shape, other: _Shape, depth: int) -> bool:
        (here, needed_here), (there, needed_there) = self._parts(one), self._parts(other)
        if not needed_here <= needed_there:
            return False
        if _is_closed(one.node) and not there.keys() <= here.keys():
            return False
        if any(not self.covers(here[name], there[name], depth - 1) for name in here.keys() & there.keys()):
            return False
        return "items" not in one.node or self.covers(one.node["items"], other.node.get("items", True), depth - 1)


def _is_beyond(keyword: str, value: Any) -> bool:
    """Whether a keyword asserts what is not looked at here: the other side has to assert the very same."""
    if keyword in _COMPARED or keyword in ANNOTATIONS or keyword.startswith("x-"):
        return False
    return keyword != "pattern" or not isinstance(value, str) or checks_of(value) is not None


def _kinds(one: _Shape, other: _Shape) -> bool:
    wide, narrow = one.kinds, other.kinds
    if is_null(other.node):
        return admits_null(one.node) or (not wide and "enum" not in one.node and "const" not in one.node)
    if "number" in wide:
        wide |= _NUMBERS
    return not wide or (bool(narrow) and narrow <= wide)


def _required(node: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    """What must be there; members that are named and not of this direction need not."""
    stated, named = node.get("required"), node.get("properties")
    if not isinstance(stated, list):
        return []
    known = named if isinstance(named, dict) else {}
    return [name for name in stated if isinstance(name, str) and (name in sent or name not in known)]


def _is_closed(node: Mapping[str, Any]) -> bool:
    return node.get("additionalProperties") is False or node.get("unevaluatedProperties") is False


def _values(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    wide, narrow = _stated(one), _stated(other)
    if wide is None:
        return True
    return narrow is not None and all(value in wide for value in narrow)


def _stated(node: Mapping[str, Any]) -> list[Any] | None:
    values = [node["const"]] if "const" in node else node.get("enum")
    return values if isinstance(values, list) else None
