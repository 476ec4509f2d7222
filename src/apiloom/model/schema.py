"""JSON Schema 2020-12 as plain data: where subschemas stand, which definitions they name, and closing a schema.

Only positions that hold schemas are visited, so that a property called ``$ref``, an ``enum`` value or an example is
never taken for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiloom.model.api import Schema

DEFS = "#/$defs/"

IN_VALUE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
"""Keywords whose value is a schema."""

IN_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
"""Keywords whose value is a list of schemas."""

IN_MAP = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose value is an object with a schema under each member."""

_HOLDERS = {keyword: kind for kind in (IN_VALUE, IN_LIST, IN_MAP) for keyword in kind}
"""All of them, each with its kind: most keywords are none, which one look tells."""


def subschemas(schema: Schema) -> Iterator[Schema]:
    """The schemas directly inside this one, in its own order."""
    if isinstance(schema, bool):
        return
    for keyword, value in schema.items():
        kind = _HOLDERS.get(keyword)
        if kind is None:
            continue
        if kind is IN_VALUE:
            if isinstance(value, dict | bool):
                yield value
        elif kind is IN_LIST:
            if isinstance(value, list):
                yield from (item for item in value if isinstance(item, dict | bool))
        elif isinstance(value, dict):
            yield from (item for item in value.values() if isinstance(item, dict | bool))


def references(schema: Schema) -> set[str]:
    """The names of the definitions that a schema refers to, directly or in its subschemas; not through them."""
    names: set[str] = set()
    stack: list[Schema] = [schema]
    while stack:
        here = stack.pop()
        if isinstance(here, bool):
            continue
        ref = here.get("$ref")
        if isinstance(ref, str) and ref.startswith(DEFS):
            names.add(unescape(ref[len(DEFS) :]))
        stack.extend(subschemas(here))
    return names


def reachable(schema: Schema, pool: Mapping[str, Schema]) -> dict[str, Schema]:
    """Every definition a schema needs, through any number of references, sorted by name."""
    found: dict[str, Schema] = {}
    waiting = references(schema)
    while waiting:
        name = waiting.pop()
        if name in found or name not in pool:
            continue
        found[name] = pool[name]
        waiting |= references(found[name])
    return dict(sorted(found.items()))


def closed(schema: Schema, pool: Mapping[str, Schema]) -> Schema:
    """The schema with every definition it needs under ``$defs``, so that it stands alone."""
    needed = reachable(schema, pool)
    if isinstance(schema, bool) or not needed:
        return schema
    return {**schema, "$defs": needed}


def reference(name: str) -> dict[str, Any]:
    """A schema that is nothing but a reference to the named definition."""
    return {"$ref": DEFS + escape(name)}


def escape(token: str) -> str:
    """One JSON Pointer reference token (RFC 6901 section 3)."""
    if "~" in token or "/" in token:
        return token.replace("~", "~0").replace("/", "~1")
    return token


def unescape(token: str) -> str:
    """The name behind a JSON Pointer reference token."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token
