"""What a tool answers, as names and descriptions only: a schema under an object root that no real answer can violate.

Clients drop results that break a promised schema, and real answers do break what documents promise. So nothing below
the root says a type, a value or that a member is there. Definitions are touched here for the first time, as deep as
the outline goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiloom.catalog.describe import tidy
from apiloom.catalog.responses import without_empty
from apiloom.catalog.shapes import Pool, flat, is_write_only, types, unions
from apiloom.catalog.tags import Families
from apiloom.model.api import Schema

DEPTH = 3
BUDGET = 3000
"""Bytes, roughly, of one outline; a deeper one is tried only while it fits."""

MOST_MEMBERS = 80
_WORDS = 120
_WRAPPED = "The answer, where it is no object."

Root = frozenset[str]


class Outlines:
    """Outlines over one pool of definitions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._families = Families(pool)
        self._made: dict[tuple[int | str, int], tuple[Schema, dict[str, Any], int]] = {}

    def render(self, schema: Schema) -> dict[str, Any]:
        """The outline of an answer; one that may be no object is told under ``result``."""
        schema, _ = without_empty(schema)
        kinds = self.kinds(schema)
        for depth in range(DEPTH, 0, -1):
            inner, size = self._node(schema, depth)
            if size <= BUDGET:
                break
        properties = dict(inner.get("properties", {})) if not kinds or "object" in kinds else {}
        if kinds != {"object"}:
            wrapped = {key: value for key, value in inner.items() if key != "properties" or not properties}
            wrapped.setdefault("description", _WRAPPED)
            properties["result"] = wrapped
        root: dict[str, Any] = {"type": "object", "properties": properties}
        if kinds == {"object"} and "description" in inner:
            root["description"] = inner["description"]
        return root

    def kinds(self, schema: Schema, hops: int = 8) -> set[str]:
        """The types an answer may have; empty when the document does not say."""
        node = flat(schema, self._pool)
        stated = set(types(node))
        members = unions(node)
        if stated or not members or hops <= 0:
            return stated
        found = [self.kinds(member, hops - 1) for member in members]
        return set().union(*found) if all(found) else set()

    def _node(self, schema: Schema, depth: int) -> tuple[dict[str, Any], int]:
        # What is nothing but a reference is the same wherever it stands.
        ref = schema.get("$ref") if isinstance(schema, dict) and len(schema) == 1 else None
        key = (ref if isinstance(ref, str) else id(schema), depth)
        made = self._made.get(key)
        if made is None:
            shape = flat(schema, self._pool)
            if "discriminator" in shape and (family := self._families.members(schema)) is not None:
                shape = {**shape, "anyOf": family}
            node, size = self._build(shape, depth)
            made = self._made[key] = (schema, node, size)
        return made[1], made[2]

    def _build(self, shape: Mapping[str, Any], depth: int) -> tuple[dict[str, Any], int]:
        node: dict[str, Any] = {}
        text = shape.get("description") or shape.get("title")
        told = tidy(text, _WORDS) if isinstance(text, str) else ""
        size = 4
        if told:
            node["description"] = told
            size += len(told.encode()) + 16
        if depth <= 0:
            return node, size
        items = self._items(shape)
        if items is not None:
            # A list is no level of its own for the objects in it; anything else might go round without end.
            is_object = types(flat(items, self._pool)) == ("object",)
            inner, inner_size = self._node(items, depth if is_object else depth - 1)
            if inner:
                node["items"] = inner
                size += inner_size + 10
        properties, inner_size = self._properties(shape, depth)
        if properties:
            node["properties"] = properties
            size += inner_size + 15
        return node, size

    def _items(self, shape: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a list is made of; of a union, the first member that says."""
        for node in (shape, *(flat(member, self._pool) for member in unions(shape)[:MOST_MEMBERS])):
            if isinstance(node.get("items"), dict):
                return node["items"]  # type: ignore[no-any-return]
        return None

    def _properties(self, shape: Mapping[str, Any], depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        size = 0
        for name, schema in sorted(self._members(shape, 8).items())[:MOST_MEMBERS]:
            found[name], inner = self._node(schema, depth - 1)
            size += inner + len(name) + 4
        return found, size

    def _members(self, shape: Mapping[str, Any], hops: int) -> dict[str, Schema]:
        """The members an answer may have, those of all forms of a union together."""
        named = shape.get("properties")
        found: dict[str, Schema] = {}
        if isinstance(named, dict):
            found = {name: part for name, part in named.items() if not is_write_only(part, self._pool)}
        if hops > 0:
            for member in unions(shape)[:MOST_MEMBERS]:
                for name, part in self._members(flat(member, self._pool), hops - 1).items():
                    found.setdefault(name, part)
        return found
