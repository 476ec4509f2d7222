"""What a schema comes to when looked at from outside: references followed, ``allOf`` folded in, nothing copied deep.

Looks are shallow and bounded: a definition is only touched when something refers to it and that something is asked
for, so a document's thousand response types cost nothing while its inputs are shaped. Knows nothing of tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, unescape

Pool = Mapping[str, Schema]

MAX_HOPS = 64
"""References and ``allOf`` parts followed for one node; a document that needs more is not read further."""

ANNOTATIONS = frozenset(
    {
        "$comment",
        "default",
        "deprecated",
        "description",
        "discriminator",
        "example",
        "examples",
        "externalDocs",
        "format",
        "readOnly",
        "title",
        "writeOnly",
        "xml",
    }
)
"""Keywords that assert nothing about a value."""

_HIGHEST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_LOWEST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas"})


def target(schema: Schema, pool: Pool) -> tuple[str, Schema] | None:
    """The name and definition a schema refers to; None for one that refers to nothing we have."""
    if isinstance(schema, bool):
        return None
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith(DEFS):
        return None
    name = unescape(ref[len(DEFS) :])
    try:
        return name, pool[name]
    except KeyError:
        return None


def flat(schema: Schema, pool: Pool) -> dict[str, Any]:
    """One node with its references and ``allOf`` folded into it. Subschemas stay as they are.

    What stands nearer wins among annotations. A union of one member counts as that member, and a union of one member
    with ``null`` as that member with null allowed.
    """
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if "$ref" not in schema and "allOf" not in schema and "anyOf" not in schema and "oneOf" not in schema:
        return schema
    merged: dict[str, Any] = {}
    _fold(schema, pool, merged, [MAX_HOPS], frozenset())
    return merged


def _fold(schema: Schema, pool: Pool, merged: dict[str, Any], hops: list[int], seen: frozenset[str]) -> None:
    if isinstance(schema, bool) or hops[0] <= 0:
        return
    hops[0] -= 1
    inner: list[Schema] = []
    for keyword, value in schema.items():
        if keyword == "$ref":
            continue
        if keyword == "allOf":
            inner += value if isinstance(value, list) else []
        elif keyword in ("anyOf", "oneOf"):
            _fold_union(keyword, value, merged, inner)
        else:
            _merge(merged, keyword, value)
    found = target(schema, pool)
    if found is not None and found[0] not in seen:
        _fold(found[1], pool, merged, hops, seen | {found[0]})
    for part in inner:
        _fold(part, pool, merged, hops, seen)


def _fold_union(keyword: str, value: Any, merged: dict[str, Any], inner: list[Schema]) -> None:
    if not isinstance(value, list):
        return
    some = [member for member in value if not is_null(member)]
    if len(some) == 1:
        if len(some) < len(value):
            merged["nullable"] = True
        inner.append(some[0])
    elif keyword in merged or "anyOf" in merged or "oneOf" in merged:
        merged.setdefault("further", []).append(value)
    else:
        merged[keyword] = value


def is_null(schema: Schema) -> bool:
    """Whether a schema admits null and nothing else."""
    if isinstance(schema, bool):
        return False
    return schema.get("type") in ("null", ["null"]) or schema.get("enum") == [None] or schema.get("const", 0) is None


def _merge(merged: dict[str, Any], keyword: str, value: Any) -> None:
    if keyword not in merged:
        merged[keyword] = value
        return
    here = merged[keyword]
    if here == value:
        return
    if keyword in _BY_NAME and isinstance(here, dict) and isinstance(value, dict):
        merged[keyword] = _named(here, value)
    elif keyword == "required" and isinstance(here, list) and isinstance(value, list):
        merged[keyword] = [*here, *(name for name in value if name not in here)]
    elif keyword == "enum" and isinstance(here, list) and isinstance(value, list):
        merged[keyword] = [item for item in here if item in value]
    elif keyword == "type":
        merged[keyword] = _types_in_both(here, value)
    elif keyword in _HIGHEST and _are_numbers(here, value):
        merged[keyword] = max(here, value)
    elif keyword in _LOWEST and _are_numbers(here, value):
        merged[keyword] = min(here, value)
    elif keyword in ("items", "additionalProperties"):
        merged[keyword] = _both(here, value)


def _named(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    union = dict(here)
    for name, schema in there.items():
        union[name] = _both(here[name], schema) if name in here else schema
    return union


def _both(here: Any, there: Any) -> Any:
    """A schema for values that satisfy both."""
    if here == there or there is True or there == {}:
        return here
    if here is True or here == {}:
        return there
    if here is False or there is False:
        return False
    return {"allOf": [here, there]}


def _types_in_both(here: Any, there: Any) -> Any:
    first = here if isinstance(here, list) else [here]
    second = there if isinstance(there, list) else [there]
    both = [kind for kind in first if kind in second]
    if not both and "number" in first and "integer" in second:
        return "integer"
    if not both:
        return here
    return both[0] if len(both) == 1 else both


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def types(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The types a folded node admits besides null, as it says or shows; empty when it does not."""
    stated = node.get("type")
    if isinstance(stated, str):
        return () if stated == "null" else (stated,)
    if isinstance(stated, list):
        return tuple(kind for kind in stated if isinstance(kind, str) and kind != "null")
    if any(keyword in node for keyword in ("properties", "additionalProperties", "required", "patternProperties")):
        return ("object",)
    if "items" in node or "prefixItems" in node:
        return ("array",)
    return _types_of_values(node)


def _types_of_values(node: Mapping[str, Any]) -> tuple[str, ...]:
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list):
        kinds = dict.fromkeys(_type_of(value) for value in values if value is not None)
        return tuple(kinds)
    if "pattern" in node or "minLength" in node or "maxLength" in node:
        return ("string",)
    if "minimum" in node or "maximum" in node or "multipleOf" in node:
        return ("number",)
    return ()


def _type_of(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"


def admits_null(node: Mapping[str, Any]) -> bool:
    """Whether a folded node admits null."""
    stated, values = node.get("type"), node.get("enum")
    if node.get("nullable") is True or stated == "null":
        return True
    if isinstance(values, list) and None not in values:
        return False
    if isinstance(stated, list):
        return "null" in stated
    return False


def unions(node: Mapping[str, Any]) -> list[Schema]:
    """The members of a folded node's union, without null; empty when it is none."""
    for keyword in ("oneOf", "anyOf"):
        members = node.get(keyword)
        if isinstance(members, list) and members:
            return [member for member in members if isinstance(member, dict | bool) and not is_null(member)]
    return []


def is_read_only(schema: Schema, pool: Pool) -> bool:
    """Whether a property is never sent (OpenAPI 3.1 section 4.8.24; 2.0 and 3.0 alike), seen through references."""
    return _marked("readOnly", schema, pool)


def is_write_only(schema: Schema, pool: Pool) -> bool:
    """Whether a property is never answered, seen through references."""
    return _marked("writeOnly", schema, pool)


def _marked(keyword: str, schema: Schema, pool: Pool) -> bool:
    if isinstance(schema, bool):
        return False
    if keyword in schema:
        return schema[keyword] is True
    if "$ref" not in schema and "allOf" not in schema:
        return False
    return any(part.get(keyword) is True for part in _parts(schema, pool))


def _parts(schema: Schema, pool: Pool) -> Iterator[dict[str, Any]]:
    """A node, what it refers to and its ``allOf`` members, all the way."""
    stack, seen = [schema], set()
    for _ in range(MAX_HOPS):
        if not stack:
            return
        here = stack.pop()
        if isinstance(here, bool):
            continue
        yield here
        found = target(here, pool)
        if found is not None and found[0] not in seen:
            seen.add(found[0])
            stack.append(found[1])
        members = here.get("allOf")
        if isinstance(members, list):
            stack += [member for member in members if isinstance(member, dict)]
