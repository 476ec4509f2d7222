"""The schema that calls are checked against: canonical, self-contained, closed, and sure to compile.

It differs from what a document says in five ways, each of them so that a request the API would take is not refused
here: members that are read only are never required; a ``oneOf`` counts as ``anyOf``, since documents often write the
one and mean the other; a type that contradicts the union beside it is left out; patterns are spelled for the validator
or left out; and so are keywords whose value no JSON Schema allows. A union told apart by a discriminator keeps its
tag's meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from apiloom.catalog.effort import lightened
from apiloom.catalog.patterns import for_checking, length_of, longest_checked
from apiloom.catalog.shapes import Pool, admits_null, flat, is_null, is_read_only, is_write_only, types
from apiloom.catalog.tags import tagged_members
from apiloom.catalog.tool import Tool
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, IN_MAP, IN_VALUE, escape, unescape

MAX_DEPTH = 200
"""Levels of one schema that are read; what is deeper admits anything."""

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_COUNTS = frozenset(
    {
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
    }
)
_BOUNDS = frozenset({"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"})
_PLAIN = frozenset({"const", "contentEncoding", "contentMediaType", "default", "deprecated", "title", "description"})
_FORMATS = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uri-reference",
        "uuid",
    }
)

Side = Callable[[Schema, Pool], bool]


def input_validator_schema(tool: Tool, schemas: Pool) -> Schema:
    """The closed canonical schema of a tool's arguments: what is unknown is refused, references are under $defs."""
    return request_schema(tool.input_schema, schemas)


def request_schema(schema: Schema, pool: Pool) -> Schema:
    """A schema of something sent, self-contained and ready to compile."""
    return _Closing(pool, is_read_only).close(schema)


def answer_schema(schema: Schema, pool: Pool) -> Schema:
    """A schema of something answered, self-contained and ready to compile; what is write only is not required."""
    return _Closing(pool, is_write_only).close(schema)


class _Closing:
    """One walk over everything a schema reaches. Definitions are visited once each, so its cost is linear."""

    def __init__(self, pool: Pool, leaves_out: Side) -> None:
        self._pool = pool
        self._leaves_out = leaves_out
        self._waiting: list[str] = []
        self._met: set[str] = set()

    def close(self, schema: Schema) -> Schema:
        root = self._node(schema, 0)
        defs: dict[str, Schema] = {}
        while self._waiting:
            name = self._waiting.pop()
            defs[name] = self._node(self._pool[name], 0)
        if isinstance(root, bool) or not defs:
            return root
        names = {DEFS + _as_fragment(escape(name)): name for name in defs}
        return {**root, "$defs": dict(sorted(lightened(root, names, defs).items()))}

    def _node(self, schema: Any, depth: int, left_out: frozenset[str] = frozenset()) -> Schema:
        """``left_out`` are members that a schema around this ``allOf`` part says are of the other direction."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return True
        if "allOf" in schema:
            left_out |= self._left_out(flat(schema, self._pool))
        left_out |= self._left_out(schema)
        members = tagged_members(schema, self._pool)
        if members is not None:
            schema = {key: value for key, value in schema.items() if key not in ("oneOf", "anyOf")}
            schema["anyOf"] = members
        out: dict[str, Any] = {}
        drops_type = "type" in schema and self._is_contradicted(schema)
        for keyword, value in schema.items():
            if drops_type and keyword == "type":
                continue
            if keyword == "allOf" and isinstance(value, list) and value:
                out.setdefault(keyword, []).extend(self._node(part, depth + 1, left_out) for part in value)
            elif keyword == "required" and isinstance(value, list):
                names = [name for name in value if isinstance(name, str) and name not in left_out]
                out.update({"required": list(dict.fromkeys(names))} if names else {})
            else:
                self._keyword(keyword, value, depth, out)
        return out

    def _is_contradicted(self, schema: Mapping[str, Any]) -> bool:
        """Whether a type stands beside a union that has members of other types, which nothing could satisfy."""
        members = schema.get("oneOf") or schema.get("anyOf")
        if not isinstance(members, list):
            return False
        stated = set(types(schema)) | ({"null"} if admits_null(schema) else set())
        stated |= {"integer"} if "number" in stated else set()
        inner = [flat(member, self._pool) for member in members if isinstance(member, dict)]
        return any(is_null(member) and "null" not in stated for member in inner) or any(
            set(types(member)) - stated for member in inner if not is_null(member)
        )

    def _left_out(self, node: Mapping[str, Any]) -> frozenset[str]:
        named = node.get("properties")
        if not isinstance(named, dict):
            return frozenset()
        return frozenset(name for name, part in named.items() if self._leaves_out(part, self._pool))

    def _keyword(self, keyword: str, value: Any, depth: int, out: dict[str, Any]) -> None:
        if keyword == "$ref":
            self._ref(value, out)
        elif keyword in IN_MAP and keyword != "$defs":
            if isinstance(value, dict):
                self._map(keyword, value, depth, out)
        elif keyword in IN_VALUE:
            if isinstance(value, dict | bool):
                out[keyword] = self._node(value, depth + 1)
        elif keyword in ("anyOf", "oneOf", "prefixItems"):
            self._list(keyword, value, depth, out)
        elif keyword in _PLAIN:
            out[keyword] = value
        elif (check := _KEYWORDS.get(keyword)) is not None:
            check(keyword, value, out)

    def _ref(self, value: Any, out: dict[str, Any]) -> None:
        """A reference to what the document does not hold admits anything; reading has reported it."""
        if not isinstance(value, str) or not value.startswith(DEFS):
            return
        name = unescape(value[len(DEFS) :])
        if name not in self._pool:
            return
        out["$ref"] = DEFS + _as_fragment(escape(name))
        if name not in self._met:
            self._met.add(name)
            self._waiting.append(name)

    def _map(self, keyword: str, value: Mapping[str, Any], depth: int, out: dict[str, Any]) -> None:
        if keyword == "patternProperties":
            spelled = {for_checking(name): part for name, part in value.items()}
            out[keyword] = {name: self._node(part, depth + 1) for name, part in spelled.items() if name is not None}
            return
        out[keyword] = {name: self._node(part, depth + 1) for name, part in value.items()}

    def _list(self, keyword: str, value: Any, depth: int, out: dict[str, Any]) -> None:
        if not isinstance(value, list) or not value:
            return
        nodes = [self._node(part, depth + 1) for part in value]
        if keyword != "oneOf":
            out.setdefault(keyword, []).extend(nodes)
        elif "anyOf" in out:
            out.setdefault("allOf", []).append({"anyOf": nodes})
        else:
            out["anyOf"] = nodes


_UNSAFE_IN_FRAGMENT = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")


def _as_fragment(token: str) -> str:
    """A JSON Pointer token in a URI fragment (RFC 6901 section 6)."""
    return _UNSAFE_IN_FRAGMENT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), token)


def _type(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, str) and value in _TYPES:
        out[keyword] = value
    elif isinstance(value, list):
        kinds = list(dict.fromkeys(kind for kind in value if isinstance(kind, str) and kind in _TYPES))
        if kinds and len(kinds) == len(value):
            out[keyword] = kinds


def _enum(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, list) and value:
        out[keyword] = value


def _count(keyword: str, value: Any, out: dict[str, Any]) -> None:
    """A count; where a pattern has said a length already, the tighter of the two holds."""
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0 or value != int(value):
        return
    count = int(value)
    if keyword in out:
        count = max(count, out[keyword]) if keyword.startswith("min") else min(count, out[keyword])
    out[keyword] = count


def _bound(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        out[keyword] = value


def _multiple(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        out[keyword] = value


def _flag(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, bool):
        out[keyword] = value


def _format(keyword: str, value: Any, out: dict[str, Any]) -> None:
    """Only formats of JSON Schema mean what they say; others are a document's own words."""
    if isinstance(value, str) and value in _FORMATS:
        out[keyword] = value


def _pattern(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if not isinstance(value, str):
        return
    lengths = length_of(value)
    if lengths is None:
        spelled = for_checking(value)
        most = None if spelled is None else longest_checked(spelled)
        if most is not None:
            out.setdefault("allOf", []).append({"if": {"maxLength": most}, "then": {keyword: spelled}})
        elif spelled is not None:
            out[keyword] = spelled
        return
    out["minLength"] = max(lengths[0], out.get("minLength", 0))
    if lengths[1] is not None:
        out["maxLength"] = min(lengths[1], out.get("maxLength", lengths[1]))


def _needs(keyword: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, dict):
        named = {name: [one for one in others if isinstance(one, str)] for name, others in value.items() if others}
        out[keyword] = {name: list(dict.fromkeys(others)) for name, others in named.items()}


_KEYWORDS: dict[str, Callable[[str, Any, dict[str, Any]], None]] = {
    "type": _type,
    "enum": _enum,
    "multipleOf": _multiple,
    "uniqueItems": _flag,
    "readOnly": _flag,
    "writeOnly": _flag,
    "format": _format,
    "pattern": _pattern,
    "dependentRequired": _needs,
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(_BOUNDS, _bound),
}
