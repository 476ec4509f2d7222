"""``nullable`` of OpenAPI 3.0 and ``x-nullable`` as JSON Schema 2020-12 says it. Pure."""

from __future__ import annotations

from typing import Any

ANNOTATIONS = frozenset(
    {"title", "description", "default", "deprecated", "readOnly", "writeOnly", "xml", "discriminator"}
)
"""Keywords that describe and do not constrain."""

_COMPOSED = ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "const")


def with_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, null allowed as well. Also where an enum or a composition would forbid it: authors mean it so."""
    if any(keyword in schema for keyword in _COMPOSED):
        return _either(schema)
    kind = schema.get("type")
    listed = schema.get("enum")
    widened = dict(schema)
    if isinstance(kind, str) and kind != "null":
        widened["type"] = [kind, "null"]
    elif isinstance(kind, list) and "null" not in kind:
        widened["type"] = [*kind, "null"]
    if isinstance(listed, list) and None not in listed:
        widened["enum"] = [*listed, None]
    return widened


def _either(schema: dict[str, Any]) -> dict[str, Any]:
    said = {keyword: value for keyword, value in schema.items() if keyword in ANNOTATIONS}
    rest = {keyword: value for keyword, value in schema.items() if keyword not in ANNOTATIONS}
    if set(rest) == {"anyOf"}:
        if {"type": "null"} in rest["anyOf"]:
            return schema
        return {**said, "anyOf": [*rest["anyOf"], {"type": "null"}]}
    if "discriminator" in said:
        rest["discriminator"] = said.pop("discriminator")
    return {**said, "anyOf": [rest, {"type": "null"}]}
