"""What major clients and model providers refuse, as a linter of its own: it shares no code with the project.

Every rule is one that some client was seen to enforce. ``problems`` returns a sentence for each violation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z")
TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
UNIONS = ("oneOf", "anyOf", "allOf")
NEVER = (
    "$ref",
    "$defs",
    "$schema",
    "$dynamicRef",
    "definitions",
    "const",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "nullable",
    "patternProperties",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "propertyNames",
    "contentEncoding",
    "discriminator",
)
KNOWN = {
    "type",
    "description",
    "properties",
    "required",
    "items",
    "anyOf",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "default",
}
OUTLINE = {"type", "description", "properties", "items"}


def problems(tool: Mapping[str, Any]) -> list[str]:
    """Everything a client would refuse in one entry of ``tools/list``."""
    found = [*_about_words(tool), *_about_root(tool["inputSchema"])]
    found += _about_node(tool["inputSchema"], "inputSchema", root=True)
    if "outputSchema" in tool:
        found += _about_output(tool["outputSchema"])
    return [f"{tool['name']}: {problem}" for problem in found]


def _about_words(tool: Mapping[str, Any]) -> Iterator[str]:
    if not NAME.match(tool["name"]):
        yield f"the name {tool['name']!r} is refused"
    if not tool.get("description", "").strip():
        yield "there is no description"
    if len(tool["description"]) > 1024:
        yield f"the description has {len(tool['description'])} characters"
    if not tool.get("title", "").strip():
        yield "there is no title"
    hints = tool["annotations"]
    for hint in ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"):
        if not isinstance(hints.get(hint), bool):
            yield f"there is no {hint}"


def _about_root(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object":
        yield "the input is not rooted in an object"
    for keyword in UNIONS:
        if keyword in schema:
            yield f"{keyword} stands at the root"
    for key in schema.get("properties", {}):
        if not KEY.match(key):
            yield f"the argument {key!r} is refused"


def _about_node(node: Any, place: str, *, root: bool = False) -> Iterator[str]:
    if not isinstance(node, dict):
        yield f"{place} is no object"
        return
    for keyword in NEVER:
        if keyword in node:
            yield f"{keyword} stands at {place}"
    for keyword in node:
        if keyword not in KNOWN and keyword not in NEVER:
            yield f"the unknown keyword {keyword} stands at {place}"
    kind = node.get("type")
    if kind is None and not ("anyOf" in node and not root):
        yield f"{place} has no type"
    elif kind is not None and (not isinstance(kind, str) or kind not in TYPES):
        yield f"the type at {place} is {kind!r}"
    if kind == "array" and not isinstance(node.get("items"), dict):
        yield f"the array at {place} has no items"
    if "enum" in node:
        yield from _about_values(node, place)
    if "pattern" in node:
        try:
            re.compile(node["pattern"])
        except re.error:
            yield f"the pattern at {place} is no regular expression"
    properties = node.get("properties", {})
    for name in node.get("required", ()):
        if name not in properties:
            yield f"{place} requires {name}, which it does not have"
    for name, inner in properties.items():
        yield from _about_node(inner, f"{place}/{name}")
    if "items" in node:
        yield from _about_node(node["items"], f"{place}/items")
    if "anyOf" in node and not node["anyOf"]:
        yield f"the union at {place} is empty"
    for index, inner in enumerate(node.get("anyOf", ())):
        yield from _about_node(inner, f"{place}/anyOf/{index}")


def _about_values(node: Mapping[str, Any], place: str) -> Iterator[str]:
    values = node["enum"]
    if not isinstance(values, list) or not values:
        yield f"the enum at {place} is empty"
    elif len({repr(value) for value in values}) < len(values):
        yield f"the enum at {place} repeats a value"
    elif node.get("type") != "string" or not all(isinstance(value, str) and value for value in values):
        yield f"the enum at {place} holds more than texts"


def _about_output(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield "the output is not rooted in an object"
        return
    stack = [(schema, "outputSchema")]
    while stack:
        node, place = stack.pop()
        if not isinstance(node, dict):
            yield f"{place} is no object"
            continue
        for keyword in node:
            if keyword not in OUTLINE or (keyword == "type" and node is not schema):
                yield f"{keyword} at {place} is a promise"
        stack += [(inner, f"{place}/{name}") for name, inner in node.get("properties", {}).items()]
        if "items" in node:
            stack.append((node["items"], f"{place}/items"))
