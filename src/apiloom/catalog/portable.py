"""Schemas as clients take them: what a tool takes, in the view of a profile.

No reference and no union at the root; every node typed, every array with ``items``. References are inlined to a depth;
below it an object says which fields it has. Whatever fits this view fits the canonical schema too: where a profile has
no place for a keyword it is told in words, where a union has no portable form a member of it is shown.

Nodes are made once for each schema and depth and then shared, so the work is linear in the document however often its
types refer to one another, and the size of a view is known before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apiloom.base import json
from apiloom.catalog.circles import Circles
from apiloom.catalog.describe import NESTED_LIMIT
from apiloom.catalog.overlap import tells_apart
from apiloom.catalog.profiles import Null, Profile
from apiloom.catalog.scalars import (
    SCALARS,
    Node,
    as_text,
    copy_numbers,
    is_scalar,
    joined,
    scalar,
    scalar_union,
    told_of,
    with_words,
)
from apiloom.catalog.shapes import Pool, admits_null, flat, is_null, is_read_only, target, types, unions
from apiloom.catalog.tags import Families, tagged_members
from apiloom.model.api import Schema

MOST_MEMBERS = 12
"""Members of a union that are shown."""
MOST_FIELDS = 60
"""Fields of a nested object that are shown; further ones are named."""

CIRCULAR_DEPTH = 2
"""Levels below a definition that contains itself: once round is enough to see how it goes on."""

_SAID_ONCE = frozenset({"default", "deprecated", "description", "title"})
_KEPT = ("deprecated", "description", "nullable", "title")
_FILE = "File content as base64, or an apiloom:// handle."
_OR_NULL = "Or null."
_ONLY_ONE = "Exactly one of these forms."
_ANY: list[dict[str, Any]] = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "object"}]
_FURTHER = "Nested further."
_DEEPER: dict[str, Any] = {"type": "object", "description": _FURTHER}
_DEEPER_LISTS: dict[str, Any] = {"type": "array", "description": _FURTHER, "maxItems": 0, "items": {"type": "string"}}

Sized = tuple[Node, int]


class Portable:
    """Portable nodes over one pool of definitions. Nodes are shared: nobody may change one."""

    def __init__(self, pool: Pool, profile: Profile) -> None:
        self._pool = pool
        self._profile = profile
        self._circles = Circles(pool)
        self._families = Families(pool)
        self._made: dict[tuple[int, int, int, bool], tuple[Schema, Node, int]] = {}
        self._shapes: dict[int, tuple[Schema, dict[str, Any]]] = {}
        self._apart: dict[int, tuple[Mapping[str, Any], bool]] = {}
        self._sent: dict[int, tuple[object, dict[str, Schema]]] = {}
        self._outlines: dict[int, tuple[object, tuple[dict[str, Schema], list[str], list[str]]]] = {}

    def node(self, schema: Schema, depth: int, words: int = NESTED_LIMIT, *, null: bool = True) -> Sized:
        """The node of a schema with ``depth`` levels below it, and its size in bytes.

        ``null`` says whether null can be sent there.
        """
        key = (id(schema), depth, words, null)
        made = self._made.get(key)
        if made is None and depth and is_scalar(schema):
            made = self._made[key] = (schema, *self.node(schema, 0, words, null=null))
        if made is None:
            if depth > CIRCULAR_DEPTH and (found := target(schema, self._pool)) and self._circles.holds(found[0]):
                depth = CIRCULAR_DEPTH
            shape = self._shape(schema)
            node, size = self._node(shape, depth, words)
            if not null:
                node = as_text(node)
            elif admits_null(shape) or _has_null(shape):
                node, size = _or_null(node, size, self._profile.null)
            made = self._made[key] = (schema, node, size)
        return made[1], made[2]

    def _shape(self, schema: Schema) -> dict[str, Any]:
        kept = self._shapes.get(id(schema))
        if kept is None:
            shape = flat(schema, self._pool)
            if isinstance(schema, dict) and ("$ref" in schema or "allOf" in schema) and "discriminator" in shape:
                family = self._families.members(schema)
                if family is not None:
                    shape = {**{key: shape[key] for key in _KEPT if key in shape}, "anyOf": family}
            kept = self._shapes[id(schema)] = (schema, shape)
        return kept[1]

    def _node(self, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        if "contentEncoding" in shape and "anyOf" in shape:
            return _sized({"type": "string", "description": joined(told_of(shape, words), _FILE)})
        members = self._members(shape)
        if members:
            return self._union(shape, members, depth, words)
        kinds = types(shape)
        if len(kinds) > 1:
            inner = {key: value for key, value in shape.items() if key not in _SAID_ONCE}
            return self._union(shape, [{**inner, "type": kind} for kind in kinds], depth, words)
        return self._typed(kinds[0] if kinds else "", shape, depth, words)

    def _typed(self, kind: str, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        if kind == "object":
            return self._object(shape, depth, words)
        if kind == "array":
            return self._array(shape, depth, words)
        if kind in SCALARS:
            return _sized(scalar(kind, shape, words, self._profile))
        if shape.get("type") == "null" or is_null(dict(shape)):
            return _sized(with_words({"type": "null"}, told_of(shape, words)))
        return self._told({"anyOf": _ANY}, 96, told_of(shape, words))

    def _array(self, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        items = shape.get("items")
        if not isinstance(items, dict) and isinstance(shape.get("prefixItems"), list):
            items = {"anyOf": shape["prefixItems"]}
        if not isinstance(items, dict) or not items:
            inner, size = _sized({"type": "string"})
        elif depth < 0 and not is_scalar(items):
            inner, size = _sized(_DEEPER if types(self._shape(items)) != ("array",) else _DEEPER_LISTS)
        else:
            # An array is no level of its own for the objects in it; anything else might go round without end.
            inner, size = self.node(items, depth if types(self._shape(items)) == ("object",) else depth - 1)
        node: Node = {"type": "array"}
        copy_numbers(shape, node, ("minItems", "maxItems"))
        if self._profile.counts and shape.get("uniqueItems") is True:
            node["uniqueItems"] = True
        with_words(node, told_of(shape, words))
        head = _size(node)
        node["items"] = inner
        return node, head + size + 9

    def _object(self, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        fields, needed, order = self._outline(shape)
        told = joined(told_of(shape, words), _asked(shape))
        if not fields:
            return self._map(shape, told, depth, words)
        if depth <= 0:
            return _sized(with_words({"type": "object"}, joined(told, _field_note("Fields", order, needed, words))))
        shown = order[:MOST_FIELDS]
        further = _field_note("More fields", order[MOST_FIELDS:], needed, words) if len(order) > MOST_FIELDS else ""
        node: Node = with_words({"type": "object"}, joined(told, further))
        if needed:
            node["required"] = needed if len(order) <= MOST_FIELDS else [name for name in needed if name in shown]
        size = self._bounded(shape, node, depth) + _size(node) + 16
        properties: dict[str, Node] = {}
        for name in shown:
            properties[name], inner = self.node(fields[name], depth - 1)
            size += inner + len(name) + 4
        node["properties"] = properties
        return node, size

    def _map(self, shape: Mapping[str, Any], told: str, depth: int, words: int) -> Sized:
        """An object without named members."""
        node: Node = {"type": "object"}
        grown = self._bounded(shape, node, depth)
        if not grown:
            told = joined(told, self._map_note(shape, words))
        head, size = _sized(with_words({"type": "object"}, told))
        return {**head, **node}, size + grown

    def _bounded(self, shape: Mapping[str, Any], node: Node, depth: int) -> int:
        """What a profile takes about the members of an object without naming them; how much longer that made it."""
        if self._profile.counts:
            copy_numbers(shape, node, ("minProperties", "maxProperties"))
        further = shape.get("additionalProperties")
        if not self._profile.maps or depth <= 0 or not isinstance(further, dict) or not further:
            return 0
        node["additionalProperties"], size = self.node(further, depth - 1)
        return size + 25

    def _outline(self, shape: Mapping[str, Any]) -> tuple[dict[str, Schema], list[str], list[str]]:
        """The members of an object, the names it needs, and those of all in the order in which they are shown."""
        kept = self._outlines.get(id(shape))
        if kept is None:
            fields = self.fields(shape)
            required = _names(shape.get("required")) if fields else []
            further = [name for name in required if name not in shape["properties"]]
            if further:
                fields = {**fields, **dict.fromkeys(further, True)}  # required and nowhere described: any value
            needed = [name for name in required if name in fields]
            order = [*sorted(needed), *sorted(fields.keys() - needed)]
            kept = self._outlines[id(shape)] = (shape, (fields, needed, order))
        return kept[1]

    def fields(self, shape: Mapping[str, Any]) -> dict[str, Schema]:
        """The members of an object that can be sent."""
        named = shape.get("properties")
        if not isinstance(named, dict):
            return {}
        kept = self._sent.get(id(named))
        if kept is None:
            sent = {
                name: part for name, part in named.items() if part is not False and not is_read_only(part, self._pool)
            }
            kept = self._sent[id(named)] = (named, sent)
        return kept[1]

    def _map_note(self, shape: Mapping[str, Any], words: int) -> str:
        further = shape.get("additionalProperties")
        if not isinstance(further, dict) or not further:
            return "Any members."
        inner = self._shape(further)
        kinds = types(inner)
        text = f"Any members, each of type {' or '.join(kinds)}." if kinds else "Any members."
        fields = sorted(self.fields(inner))
        return f"{text} {_field_note('Their fields', fields, _names(inner.get('required')), words)}" if fields else text

    def _members(self, shape: Mapping[str, Any]) -> list[Schema]:
        """The members of a union, each with what stands around the union; none where they only ask for fields."""
        if ("anyOf" not in shape and "oneOf" not in shape) or (("enum" in shape or "const" in shape) and types(shape)):
            return []
        tagged = tagged_members(shape, self._pool)
        members = tagged if tagged is not None else unions(shape)
        if all(isinstance(member, dict) and set(member) <= {"required", "description"} for member in members):
            return []
        around = {key: shape[key] for key in ("properties", "required", "type") if key in shape}
        if "properties" not in around and "required" not in around:
            return members
        return [{"allOf": [member, around]} for member in members]

    def _union(self, shape: Mapping[str, Any], members: Sequence[Schema], depth: int, words: int) -> Sized:
        told = told_of(shape, words)
        shapes = [self._shape(member) for member in members]
        kinds = {kind for one in shapes for kind in types(one) or ("",)}
        if kinds <= SCALARS and not any(unions(one) for one in shapes):
            merged = scalar_union(shapes, words, self._profile)
            if merged is not None and "anyOf" in merged:
                return self._told(merged, _size(merged), told)
            if merged is not None:
                return _sized(with_words(merged, joined(told, merged.get("description", ""))))
        if depth < 0:
            return _sized(with_words({"type": _first_kind(shapes)}, joined(told, _FURTHER)))
        found: dict[bytes, tuple[Node, int]] = {}
        for member, one in zip(members[:MOST_MEMBERS], shapes, strict=False):
            node, size = self.node(member, depth - 1 if unions(one) else depth)
            for part in node.get("anyOf") or [node]:
                found.setdefault(json.dumps(part) if size < 4000 else b"%d" % id(part), (part, size))
        if len(members) > MOST_MEMBERS:
            told = joined(told, f"{len(members) - MOST_MEMBERS} more forms are accepted.")
        if len(found) == 1:
            node, size = next(iter(found.values()))
            own = node.get("description", "")
            return with_words(dict(node), own if own.startswith(told) else joined(told, own)), size + len(told)
        objects = [one for one in shapes if "object" in types(one)]
        is_choice = "oneOf" in shape and "discriminator" not in shape and len(objects) > 1
        if is_choice and self._tells_apart(shape, members):
            told = joined(told, _ONLY_ONE)
        total = sum(size for _, size in found.values())
        return self._told({"anyOf": [node for node, _ in found.values()]}, total + 12 + len(found), told)

    def _tells_apart(self, shape: Mapping[str, Any], members: Sequence[Schema]) -> bool:
        """Asked at every depth of a union; comparing its members is most of the work on it, so it is done once."""
        kept = self._apart.get(id(shape))
        if kept is None:
            kept = self._apart[id(shape)] = (shape, tells_apart(members, self._pool, is_read_only))
        return kept[1]

    def _told(self, union: Node, size: int, text: str) -> Sized:
        """A union with a text: some providers take nothing beside ``anyOf``, so there its first member says it."""
        if not text:
            return union, size
        if self._profile.described_unions:
            return {**union, "description": text}, size + len(text.encode()) + 17
        return _first_told(union, text, size)


def _has_null(shape: Mapping[str, Any]) -> bool:
    """Whether null is one of the members of a union."""
    if "anyOf" not in shape and "oneOf" not in shape:
        return False
    return any(
        is_null(member)
        for keyword in ("anyOf", "oneOf")
        if isinstance(shape.get(keyword), list)
        for member in shape[keyword]
        if isinstance(member, dict)
    )


def _asked(shape: Mapping[str, Any]) -> str:
    """In words, a union that only asks for members to be there."""
    said = []
    for keyword, lead in (("anyOf", "at least"), ("oneOf", "exactly")):
        members = shape.get(keyword)
        if not isinstance(members, list) or len(members) > MOST_MEMBERS:
            continue
        sets = [_names(member.get("required")) if isinstance(member, dict) else [] for member in members]
        if all(sets):
            said.append(f"Give {lead} one of: {'; '.join(' with '.join(names) for names in sets)}.")
    return " ".join(said)


def _or_null(node: Node, size: int, null: Null) -> Sized:
    """A node or null, in the way of a profile."""
    kind = node.get("type")
    if kind == "null" or isinstance(kind, list):
        return node, size
    if null == "said":
        if "anyOf" in node:
            return _first_told(node, _OR_NULL, size)
        return {**node, "description": joined(node.get("description", ""), _OR_NULL)}, size + 28
    if null == "keyword":
        if "anyOf" in node:
            return {**node, "anyOf": [{**node["anyOf"][0], "nullable": True}, *node["anyOf"][1:]]}, size + 16
        return {**node, "nullable": True}, size + 16
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]}, size + 16
    if "const" in node:
        value = node["const"]
        node = {**{key: one for key, one in node.items() if key != "const"}, "enum": [value]}
    values = {"enum": [*node["enum"], None]} if "enum" in node else {}
    return {**node, "type": [kind, "null"], **values}, size + 20


def _first_told(node: Node, text: str, size: int) -> Sized:
    """A union with a text in its first member."""
    first, *others = node["anyOf"]
    told = {**first, "description": joined(text, first.get("description", ""))}
    return {**node, "anyOf": [told, *others]}, size + len(text.encode()) + 18


def _field_note(lead: str, names: Sequence[str], needed: Iterable[str], words: int) -> str:
    """The names of fields that are not shown, in half as many characters again as a description may have."""
    required = frozenset(needed)
    spoken: list[str] = []
    room = words + words // 2
    for name in names:
        text = f"{name} (required)" if name in required else name
        room -= len(text) + 2
        if room < 0:
            return f"{lead}: {', '.join(spoken)} and {len(names) - len(spoken)} more."
        spoken.append(text)
    return f"{lead}: {', '.join(spoken)}."


def _names(value: Any) -> list[str]:
    return [name for name in dict.fromkeys(value) if isinstance(name, str)] if isinstance(value, list) else []


def _first_kind(shapes: Iterable[Mapping[str, Any]]) -> str:
    return next((kind for shape in shapes for kind in types(shape) if kind != "array"), "object")


def _size(node: Node) -> int:
    return len(json.dumps(node))


def _sized(node: Node) -> Sized:
    return node, _size(node)
