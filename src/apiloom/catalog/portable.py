"""Schemas as every client takes them: the ``intersection`` view of what a tool takes.

No reference, no ``const``, no array of types, no exclusive bound, no union at the root; every node typed, every array
with ``items``. References are inlined to a depth; below it an object says which fields it has. Whatever fits this view
fits the canonical schema too: where a keyword cannot be shown it is told in words, where a union has no portable form
a member of it is shown.

Nodes are made once for each schema and depth and then shared, so the work is linear in the document however often its
types refer to one another, and the size of a view is known before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apiloom.base import json
from apiloom.catalog.circles import Circles
from apiloom.catalog.describe import ARGUMENT_LIMIT, NESTED_LIMIT, as_sentence, tidy
from apiloom.catalog.patterns import for_showing
from apiloom.catalog.shapes import Pool, admits_null, flat, is_null, is_read_only, target, types, unions
from apiloom.catalog.tags import tagged_members
from apiloom.model.api import Schema

MOST_MEMBERS = 12
"""Members of a union that are shown."""
MOST_FIELDS = 60
"""Fields of a nested object that are shown; further ones are named."""
MOST_VALUES = 300
MOST_VALUE_CHARACTERS = 1500

CIRCULAR_DEPTH = 2
"""Levels below a definition that contains itself: once round is enough to see how it goes on."""

_SCALARS = frozenset({"string", "number", "integer", "boolean"})
_FORMATS = frozenset({"date", "date-time", "duration", "email", "ipv4", "ipv6", "time", "uri", "uuid"})
_SAID_ONCE = frozenset({"default", "deprecated", "description", "title"})
_FILE = "File content as base64."
_ANY: list[dict[str, Any]] = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "object"}]

Node = dict[str, Any]
Sized = tuple[Node, int]


class Portable:
    """Portable nodes over one pool of definitions. Nodes are shared: nobody may change one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._circles = Circles(pool)
        self._made: dict[tuple[int, int, int], tuple[Schema, Node, int]] = {}
        self._shapes: dict[int, tuple[Schema, dict[str, Any]]] = {}
        self._sent: dict[int, tuple[object, dict[str, Schema]]] = {}

    def argument(self, schema: Schema, depth: int, *, words: int = ARGUMENT_LIMIT, null: bool = True) -> Sized:
        """The node of a top-level argument and its size in bytes; ``null`` says whether null can be sent there."""
        node, size = self.node(schema, depth, words)
        members = node.get("anyOf")
        if null or not members or members[-1] != {"type": "null"}:
            return node, size
        bare = {key: value for key, value in node.items() if key != "anyOf"}
        if len(members) == 2:
            return {**members[0], **bare}, size
        return {**bare, "anyOf": members[:-1]}, size

    def node(self, schema: Schema, depth: int, words: int = NESTED_LIMIT) -> Sized:
        """The node of a schema with ``depth`` levels below it, and its size in bytes."""
        if _is_scalar(schema):
            depth = 0
        key = (id(schema), depth, words)
        made = self._made.get(key)
        if made is None:
            if depth > CIRCULAR_DEPTH and (found := target(schema, self._pool)) and self._circles.holds(found[0]):
                depth = CIRCULAR_DEPTH
            node, size = self._node(self._shape(schema), depth, words)
            made = self._made[key] = (schema, node, size)
        return made[1], made[2]

    def _shape(self, schema: Schema) -> dict[str, Any]:
        kept = self._shapes.get(id(schema))
        if kept is None:
            kept = self._shapes[id(schema)] = (schema, flat(schema, self._pool))
        return kept[1]

    def _node(self, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        if "contentEncoding" in shape and "anyOf" in shape:
            return _sized({"type": "string", "description": _joined(_told(shape, words), _FILE)})
        members = self._members(shape)
        if members:
            node, size = self._union(shape, members, depth, words)
        else:
            kinds = types(shape)
            if len(kinds) > 1:
                inner = {key: value for key, value in shape.items() if key not in _SAID_ONCE}
                node, size = self._union(shape, [{**inner, "type": kind} for kind in kinds], depth, words)
            else:
                node, size = self._typed(kinds[0] if kinds else "", shape, depth, words)
        return _nullable(node, size) if admits_null(shape) else (node, size)

    def _typed(self, kind: str, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        if kind == "object":
            return self._object(shape, depth, words)
        if kind == "array":
            return self._array(shape, depth, words)
        if kind in _SCALARS:
            return _sized(_scalar(kind, shape, words))
        if shape.get("type") == "null" or is_null(dict(shape)):
            return _sized(_with_words({"type": "null"}, _told(shape, words)))
        return _sized(_with_words({"anyOf": _ANY}, _told(shape, words)))

    def _array(self, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        items = shape.get("items")
        if not isinstance(items, dict) and isinstance(shape.get("prefixItems"), list):
            items = {"anyOf": shape["prefixItems"]}
        if not isinstance(items, dict) or not items:
            inner, size = _sized({"type": "string"})
        elif depth < 0 and not _is_scalar(items):
            inner, size = _sized({"type": "object", "description": "Nested further."})
        else:
            # An array is no level of its own for the objects in it; anything else might go round without end.
            inner, size = self.node(items, depth if types(self._shape(items)) == ("object",) else depth - 1)
        node: Node = {"type": "array"}
        _copy_numbers(shape, node, ("minItems", "maxItems"))
        _with_words(node, _told(shape, words))
        head = _size(node)
        node["items"] = inner
        return node, head + size + 9

    def _object(self, shape: Mapping[str, Any], depth: int, words: int) -> Sized:
        fields = self.fields(shape)
        for name in _names(shape.get("required")) if fields else ():
            if name not in shape["properties"]:
                fields = {**fields, name: True}  # required and nowhere described: any value
        told = _told(shape, words)
        if not fields:
            return _sized(_with_words({"type": "object"}, _joined(told, self._map_note(shape, words))))
        needed = [name for name in _names(shape.get("required")) if name in fields]
        order = sorted(fields, key=lambda name: (name not in needed, name))
        if depth <= 0:
            return _sized(_with_words({"type": "object"}, _joined(told, _field_note("Fields", order, needed, words))))
        shown = order[:MOST_FIELDS]
        further = _field_note("More fields", order[MOST_FIELDS:], needed, words) if len(order) > MOST_FIELDS else ""
        node: Node = _with_words({"type": "object"}, _joined(told, further))
        if needed:
            node["required"] = [name for name in needed if name in shown]
        size = _size(node) + 16
        properties: dict[str, Node] = {}
        for name in shown:
            properties[name], inner = self.node(fields[name], depth - 1)
            size += inner + len(name) + 4
        node["properties"] = properties
        return node, size

    def fields(self, shape: Mapping[str, Any]) -> dict[str, Schema]:
        """The members of an object that can be sent."""
        named = shape.get("properties")
        if not isinstance(named, dict):
            return {}
        kept = self._sent.get(id(named))
        if kept is None:
            sent = {name: part for name, part in named.items() if not is_read_only(part, self._pool)}
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
        told = _told(shape, words)
        shapes = [self._shape(member) for member in members]
        kinds = {kind for one in shapes for kind in types(one) or ("",)}
        if kinds <= _SCALARS and not any(unions(one) for one in shapes):
            merged = _scalar_union(shapes, kinds, words)
            if merged is not None:
                return _sized(_with_words(merged, _joined(told, merged.get("description", ""))))
        if depth < 0:
            return _sized(_with_words({"type": _first_kind(shapes)}, _joined(told, "Nested further.")))
        found: dict[bytes, tuple[Node, int]] = {}
        for member, one in zip(members[:MOST_MEMBERS], shapes, strict=False):
            node, size = self.node(member, depth - 1 if unions(one) else depth)
            for part in node.get("anyOf") or [node]:
                found.setdefault(json.dumps(part) if size < 4000 else b"%d" % id(part), (part, size))
        if len(members) > MOST_MEMBERS:
            told = _joined(told, f"{len(members) - MOST_MEMBERS} more forms are accepted.")
        if len(found) == 1:
            node, size = next(iter(found.values()))
            own = node.get("description", "")
            return _with_words(dict(node), own if own.startswith(told) else _joined(told, own)), size + len(told)
        total = sum(size for _, size in found.values())
        return _with_words({"anyOf": [node for node, _ in found.values()]}, told), total + len(told) + 30


def _scalar(kind: str, shape: Mapping[str, Any], words: int) -> Node:
    node: Node = {"type": kind}
    notes: list[str] = []
    values = [shape["const"]] if "const" in shape else shape.get("enum")
    if isinstance(values, list):
        _values(kind, values, node, notes)
    if kind == "string":
        _text_rules(shape, node)
    elif kind != "boolean":
        _number_rules(kind, shape, node, notes)
    default = shape.get("default")
    if _is_of(kind, default) and ("enum" not in node or default in node["enum"]) and len(str(default)) <= 80:
        node["default"] = default
    return _with_words(node, _joined(_told(shape, words), " ".join(notes)))


def _values(kind: str, values: Sequence[Any], node: Node, notes: list[str]) -> None:
    fitting = list(dict.fromkeys(value for value in values if _is_of(kind, value)))
    if not fitting:
        return
    listed = kind == "string" and "" not in fitting
    if listed and len(fitting) <= MOST_VALUES and sum(map(len, fitting)) <= MOST_VALUE_CHARACTERS:
        node["enum"] = fitting
        return
    if kind in ("integer", "number"):
        node["minimum"], node["maximum"] = min(fitting), max(fitting)
    spoken = [json.dumps(value).decode() for value in fitting[:20]]
    more = f" and {len(fitting) - 20} more" if len(fitting) > 20 else ""
    notes.append(f"One of: {', '.join(spoken)}{more}." if len(fitting) > 1 else f"Always {spoken[0]}.")


def _text_rules(shape: Mapping[str, Any], node: Node) -> None:
    if shape.get("format") in _FORMATS:
        node["format"] = shape["format"]
    if "enum" in node:
        return
    _copy_numbers(shape, node, ("minLength", "maxLength"))
    pattern = shape.get("pattern")
    if isinstance(pattern, str) and (shown := for_showing(pattern)) is not None:
        node["pattern"] = shown


def _number_rules(kind: str, shape: Mapping[str, Any], node: Node, notes: list[str]) -> None:
    for bound, strict, step, said in (
        ("minimum", "exclusiveMinimum", 1, "Greater than"),
        ("maximum", "exclusiveMaximum", -1, "Less than"),
    ):
        limit, beyond = shape.get(bound), shape.get(strict)
        if _is_of("number", limit) and bound not in node:
            node[bound] = limit
        if not _is_of("number", beyond) or beyond is None:
            continue
        if kind == "integer" and beyond == int(beyond):
            nearest = int(beyond) + step
            node[bound] = max(node.get(bound, nearest), nearest) if step > 0 else min(node.get(bound, nearest), nearest)
        else:
            notes.append(f"{said} {beyond}.")
    multiple = shape.get("multipleOf")
    if _is_of("number", multiple) and multiple not in (1, 0.01):
        notes.append(f"A multiple of {multiple}.")


def _scalar_union(shapes: Sequence[Mapping[str, Any]], kinds: set[str], words: int) -> Node | None:
    """One scalar node whose values all belong to the union, where there is one that keeps its use."""
    texts = [shape for shape in shapes if "string" in types(shape)]
    free = [shape for shape in texts if not {"enum", "const", "pattern", "minLength", "maxLength"} & set(shape)]
    if free and kinds - {"string"} <= _SCALARS:
        first = _scalar("string", free[0], words)
        if len(shapes) > 1:
            first.pop("format", None)
        known = [value for shape in texts for value in _stated(shape)]
        note = f"Known values: {', '.join(known[:20])}." if known else ""
        return _with_words(first, _joined(first.get("description", ""), note)) if note else first
    if kinds == {"string"} and all(_stated(shape) for shape in texts):
        values = [value for shape in texts for value in _stated(shape)]
        return _scalar("string", {"enum": values}, words)
    if kinds <= {"integer", "number"} and any(len(shape) == 1 for shape in shapes):
        return {"type": "number" if {"type": "number"} in shapes else "integer"}
    return None


def _stated(shape: Mapping[str, Any]) -> list[str]:
    values = [shape["const"]] if "const" in shape else shape.get("enum")
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _nullable(node: Node, size: int) -> Sized:
    """A node or null, described once."""
    if node.get("type") == "null":
        return node, size
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]}, size + 16
    inner = {key: value for key, value in node.items() if key != "description"}
    outer: Node = {"anyOf": [inner, {"type": "null"}]}
    return _with_words(outer, node.get("description", "")), size + 30


def _told(shape: Mapping[str, Any], words: int) -> str:
    text = shape.get("description")
    if not isinstance(text, str) or not text:
        text = shape.get("title")
        text = text if isinstance(text, str) and " " in text.strip() else ""
    told = tidy(text, words) if text else ""
    if shape.get("deprecated") is True and not told.lower().startswith("deprecated"):
        return f"Deprecated. {told}".rstrip()
    return told


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


def _is_scalar(schema: Schema) -> bool:
    """Whether a node looks the same at every depth."""
    if isinstance(schema, bool):
        return True
    kind = schema.get("type")
    return isinstance(kind, str) and kind in _SCALARS and schema.keys().isdisjoint(("$ref", "allOf", "anyOf", "oneOf"))


def _is_of(kind: str, value: Any) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if kind == "integer" else isinstance(value, int | float)


def _copy_numbers(shape: Mapping[str, Any], node: Node, keywords: Iterable[str]) -> None:
    for keyword in keywords:
        value = shape.get(keyword)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            node[keyword] = value


def _names(value: Any) -> list[str]:
    return [name for name in dict.fromkeys(value) if isinstance(name, str)] if isinstance(value, list) else []


def _first_kind(shapes: Iterable[Mapping[str, Any]]) -> str:
    return next((kind for shape in shapes for kind in types(shape) if kind != "array"), "object")


def _joined(first: str, second: str) -> str:
    return f"{as_sentence(first)} {second}" if first and second else first or second


def _with_words(node: Node, text: str) -> Node:
    if text:
        node["description"] = text
    return node


def _size(node: Node) -> int:
    return len(json.dumps(node))


def _sized(node: Node) -> Sized:
    return node, _size(node)
