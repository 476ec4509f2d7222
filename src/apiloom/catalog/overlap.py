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


class _Look:
    def __init__(self, pool: Pool, leaves_out: Side) -> None:
        self._pool = pool
        self._leaves_out = leaves_out
        self._flat: dict[int, tuple[Schema, dict[str, Any]]] = {}

    def _shape(self, schema: Schema) -> dict[str, Any]:
        """Every member is compared with every other, so each is flattened once."""
        kept = self._flat.get(id(schema))
        if kept is None:
            kept = self._flat[id(schema)] = (schema, flat(schema, self._pool))
        return kept[1]

    def covers(self, wide: Schema, narrow: Schema, depth: int) -> bool:
        """Whether every ordinary value of ``narrow`` is surely one of ``wide``."""
        if depth <= 0:
            return True
        one, other = self._shape(wide), self._shape(narrow)
        if inner := unions(other):
            return all(self.covers(wide, member, depth - 1) for member in inner)
        if not self._is_comparable(one, other):
            return False
        if outer := unions(one):
            return any(self.covers(member, narrow, depth - 1) for member in outer)
        return self._kinds(one, other) and _values(one, other) and self._insides(one, other, depth)

    def _is_comparable(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether ``one`` asserts nothing that is not looked at here, unless ``other`` asserts the very same."""
        return all(
            keyword in _COMPARED
            or keyword in ANNOTATIONS
            or keyword.startswith("x-")
            or other.get(keyword, ...) == value
            or (keyword == "pattern" and isinstance(value, str) and checks_of(value) is None)
            for keyword, value in one.items()
        )

    def _kinds(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        wide, narrow = set(types(one)), set(types(other))
        if is_null(dict(other)):
            return admits_null(one) or (not wide and "enum" not in one and "const" not in one)
        if "number" in wide:
            wide |= _NUMBERS
        return not wide or (bool(narrow) and narrow <= wide)

    def _insides(self, one: Mapping[str, Any], other: Mapping[str, Any], depth: int) -> bool:
        here, there = self._named(one), self._named(other)
        if not set(_required(one, here)) <= set(_required(other, there)):
            return False
        if _is_closed(one) and not there.keys() <= here.keys():
            return False
        if any(not self.covers(here[name], there[name], depth - 1) for name in here.keys() & there.keys()):
            return False
        return "items" not in one or self.covers(one["items"], other.get("items", True), depth - 1)

    def _named(self, node: Mapping[str, Any]) -> dict[str, Schema]:
        named = node.get("properties")
        if not isinstance(named, dict):
            return {}
        return {name: part for name, part in named.items() if not self._leaves_out(part, self._pool)}


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
