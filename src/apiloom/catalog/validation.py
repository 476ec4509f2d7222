"""The schema that calls are checked against: canonical, self-contained, closed, and sure to compile.

It differs from what a document says in six ways, each of them so that a request the API would take is not refused
here: members that are read only are never required; a ``oneOf`` whose members cannot be told apart counts as
``anyOf``; a type that contradicts the union beside it is left out; patterns are spelled for the validator or left out;
and so are keywords whose value no JSON Schema allows. A union told apart by a discriminator keeps its tag's meaning,
and a definition that others inherit from by a tag stands for them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base import json
from apiloom.base.values import Value, replace
from apiloom.catalog.effort import lightened
from apiloom.catalog.overlap import tells_apart
from apiloom.catalog.patterns import checks_of, for_checking, for_showing, longest_checked
from apiloom.catalog.shapes import Pool, admits_null, flat, is_null, is_read_only, is_write_only, types
from apiloom.catalog.tags import Families, tagged_members
from apiloom.catalog.tool import Tool
from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, IN_MAP, IN_VALUE, escape, unescape

MAX_DEPTH = 200
"""Levels of one schema that are read; what is deeper admits anything."""

MOST_SHOWN = 60_000
"""Bytes of a schema that is shown, after which further definitions are only named: some name half a document."""

_NOT_SHOWN: Schema = {"description": "Not shown, for its length."}

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
_FURTHER = ("additionalProperties", "unevaluatedProperties")
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


def input_validator_schema(tool: Tool, schemas: Pool, *, shown: bool = False) -> Schema:
    """The closed canonical schema of a tool's arguments: what is unknown is refused, references are under $defs.

    Arguments are all of them sent, whatever their schemas say; ``shown`` is that of :func:`request_schema`. What an
    overlay sends is checked like what a caller gives, and not shown.
    """
    whole = tool.input_schema if shown or tool.supplied is None else tool.supplied.schema
    return _Closing(schemas, is_read_only, shown=shown).close(whole, all_sent=True)


def request_schema(schema: Schema, pool: Pool, *, shown: bool = False) -> Schema:
    """A schema of something sent, self-contained and ready to compile.

    With ``shown`` it is for the eyes of clients: patterns only in the dialect that all engines read, no members that
    are never sent, and no definitions beyond :data:`MOST_SHOWN`.
    """
    return _Closing(pool, is_read_only, shown=shown).close(schema)


def answer_schema(schema: Schema, pool: Pool, *, shown: bool = False) -> Schema:
    """A schema of something answered, self-contained and ready to compile; what is write only is not required."""
    return _Closing(pool, is_write_only, shown=shown).close(schema)


class _Spot(Value, frozen=True):
    """Where a schema stands. ``within`` is the definition it belongs to while it looks at the same value as that;
    ``is_part`` marks a part of an ``allOf``; ``left_out`` are members that a schema around it says are of the other
    direction; with ``all_sent`` there are none.
    """

    depth: int = 0
    within: str = ""
    is_part: bool = False
    left_out: frozenset[str] = frozenset()
    all_sent: bool = False

    def inside(self) -> _Spot:
        return _Spot(self.depth + 1)

    def beside(self, *, is_part: bool) -> _Spot:
        return _Spot(self.depth + 1, self.within, is_part)


class _Closing:
    """One walk over everything a schema reaches. Definitions are visited once each, so its cost is linear."""

    def __init__(self, pool: Pool, leaves_out: Side, *, shown: bool) -> None:
        self._pool = pool
        self._leaves_out = leaves_out
        self._shown = shown
        self._families = Families(pool)
        self._waiting: list[str] = []
        self._met: set[str] = set()
        self._copies: dict[str, tuple[str, frozenset[str]]] = {}

    def close(self, schema: Schema, *, all_sent: bool = False) -> Schema:
        root = self._node(schema, _Spot(all_sent=all_sent))
        defs = self._definitions(len(json.dumps(root)) if self._shown else 0)
        if isinstance(root, bool) or not defs:
            return root
        names = {DEFS + _as_fragment(escape(name)): name for name in defs}
        return {**root, "$defs": dict(sorted(lightened(root, names, defs).items()))}

    def _definitions(self, size: int) -> dict[str, Schema]:
        """Every definition that is needed, near ones first; of a schema that is shown, as many as there is room for."""
        defs: dict[str, Schema] = {}
        while self._waiting:
            near, self._waiting = sorted(self._waiting), []
            for name in near:
                if size > MOST_SHOWN:
                    defs[name] = _NOT_SHOWN
                    continue
                source, left_out = self._copies.get(name, (name, frozenset()))
                defs[name] = self._node(self._pool[source], _Spot(within=source, left_out=left_out))
                size += len(json.dumps(defs[name])) if self._shown else 0
        return defs

    def _node(self, schema: Any, spot: _Spot) -> Schema:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or spot.depth > MAX_DEPTH:
            return True
        schema = self._with_tags(schema, spot)
        if not spot.all_sent:
            left_out = spot.left_out | self._left_out(schema)
            if "allOf" in schema:
                left_out |= self._left_out(flat(schema, self._pool))
            spot = replace(spot, left_out=left_out)
        out: dict[str, Any] = {}
        drops_type = "type" in schema and self._is_contradicted(schema)
        for keyword, value in schema.items():
            if not (drops_type and keyword == "type"):
                self._keyword(keyword, value, spot, out)
        named = schema.get("patternProperties")
        if isinstance(named, dict) and any(self._spelled(pattern) is None for pattern in named):
            # A pattern that cannot be read may be meant by any name, so no name is refused.
            out.update({keyword: True for keyword in _FURTHER if keyword in out})
        return out

    def _with_tags(self, schema: dict[str, Any], spot: _Spot) -> dict[str, Any]:
        """The schema with the members of its union tagged; the head of a family as the union of its members."""
        members = tagged_members(schema, self._pool)
        if members is not None:
            return {**{key: value for key, value in schema.items() if key not in ("oneOf", "anyOf")}, "anyOf": members}
        if not spot.is_part and ("$ref" in schema or "allOf" in schema):
            family = self._families.members(schema, spot.within)
            if family is not None:
                beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
                return {**beside, "anyOf": family}
        return schema

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

    def _keyword(self, keyword: str, value: Any, spot: _Spot, out: dict[str, Any]) -> None:
        if keyword == "$ref":
            self._ref(value, spot, out)
        elif keyword in IN_MAP and keyword != "$defs":
            if isinstance(value, dict):
                self._map(keyword, value, spot, out)
        elif keyword in IN_VALUE:
            if isinstance(value, dict | bool):
                out.setdefault(keyword, self._node(value, self._place(keyword, spot)))
        elif keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
            self._list(keyword, value, spot, out)
        elif keyword == "required":
            _required(value, spot.left_out, out)
        elif keyword == "pattern":
            _pattern(value, out, shown=self._shown)
        elif keyword in _PLAIN:
            out[keyword] = value
        elif (check := _KEYWORDS.get(keyword)) is not None:
            check(keyword, value, out)

    def _place(self, keyword: str, spot: _Spot) -> _Spot:
        return spot.beside(is_part=True) if keyword in ("not", "if", "then", "else") else spot.inside()

    def _ref(self, value: Any, spot: _Spot, out: dict[str, Any]) -> None:
        """A reference to what the document does not hold admits anything; reading has reported it."""
        if not isinstance(value, str) or not value.startswith(DEFS):
            return
        name = unescape(value[len(DEFS) :])
        if name not in self._pool:
            return
        if spot.left_out:
            name = self._without(name, spot.left_out)
        out["$ref"] = DEFS + _as_fragment(escape(name))
        if name not in self._met:
            self._met.add(name)
            self._waiting.append(name)

    def _without(self, name: str, left_out: frozenset[str]) -> str:
        """The name under which a definition stands that must not require what the schema around it leaves out."""
        inside = flat({"$ref": DEFS + escape(name)}, self._pool)
        required: Any = inside.get("required")
        demanded = left_out.intersection(filter(_is_text, required if isinstance(required, list) else ()))
        demanded -= self._left_out(inside) if demanded else frozenset()
        if not demanded:
            return name
        copy = f"{name} without {', '.join(sorted(demanded))}"
        while copy in self._pool:
            copy += "_"
        self._copies[copy] = (name, demanded)
        return copy

    def _map(self, keyword: str, value: Mapping[str, Any], spot: _Spot, out: dict[str, Any]) -> None:
        if keyword == "patternProperties":
            self._patterned(value, spot, out)
            return
        place = spot.beside(is_part=True) if keyword == "dependentSchemas" else spot.inside()
        hidden = spot.left_out if self._shown and keyword == "properties" else frozenset()
        out[keyword] = {name: self._node(part, place) for name, part in value.items() if name not in hidden}

    def _patterned(self, value: Mapping[str, Any], spot: _Spot, out: dict[str, Any]) -> None:
        spelled = {name: part for pattern, part in value.items() if (name := self._spelled(pattern)) is not None}
        out["patternProperties"] = {name: self._node(part, spot.inside()) for name, part in spelled.items()}

    def _spelled(self, pattern: str) -> str | None:
        return for_showing(pattern) if self._shown else for_checking(pattern)

    def _list(self, keyword: str, value: Any, spot: _Spot, out: dict[str, Any]) -> None:
        if not isinstance(value, list) or not value:
            return
        if keyword == "allOf":
            place = replace(spot, depth=spot.depth + 1, is_part=True, all_sent=False)
        else:
            place = spot.inside() if keyword == "prefixItems" else spot.beside(is_part=spot.is_part)
        nodes = [self._node(part, place) for part in value]
        if keyword != "oneOf":
            out.setdefault(keyword, []).extend(nodes)
        elif tells_apart(value, self._pool, self._leaves_out):
            out[keyword] = nodes
        elif "anyOf" in out:
            out.setdefault("allOf", []).append({"anyOf": nodes})
        else:
            out["anyOf"] = nodes


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _required(value: Any, left_out: frozenset[str], out: dict[str, Any]) -> None:
    names = (
        [name for name in value if isinstance(name, str) and name not in left_out] if isinstance(value, list) else []
    )
    if names:
        out["required"] = list(dict.fromkeys(names))


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


def _pattern(value: Any, out: dict[str, Any], *, shown: bool) -> None:
    """A pattern as what it comes to; a length it states counts beside the lengths stated elsewhere."""
    if not isinstance(value, str):
        return
    whole = for_showing(value) if shown else None
    if whole is not None:
        out["pattern"] = whole
        return
    checks = checks_of(value)
    if checks is None:
        return
    if checks.least:
        _count("minLength", checks.least, out)
    if checks.most is not None:
        _count("maxLength", checks.most, out)
    for pattern in checks.found:
        most = longest_checked(pattern)
        if shown:
            _hold({"pattern": for_showing(pattern)}, out)
        elif most is not None:
            _hold({"if": {"maxLength": most}, "then": {"pattern": pattern}}, out)
        else:
            _hold({"pattern": pattern}, out)
    for pattern in checks.absent:
        spelled = for_showing(pattern) if shown else pattern
        if spelled is not None:
            _hold({"not": {"type": "string", "pattern": spelled}}, out)


def _hold(rule: dict[str, Any], out: dict[str, Any]) -> None:
    """One more rule: as a keyword where there is room, else as a part."""
    if None in rule.values():
        return
    if rule.keys() == {"pattern"} and "pattern" not in out:
        out.update(rule)
    else:
        out.setdefault("allOf", []).append(rule)


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
    "dependentRequired": _needs,
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(_BOUNDS, _bound),
}
