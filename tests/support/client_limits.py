"""What clients and model providers refuse, by profile, as a linter of its own: it shares no code with the project.

Every rule is one that some client or provider was seen to enforce. ``problems`` returns a sentence for each violation.
The default profile is held against the rules of all others together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z")
TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
UNIONS = ("oneOf", "anyOf", "allOf", "not")
LOOKAROUND = re.compile(r"\(\?<?[=!]")

EVERYWHERE = {
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
"""Keywords that nobody refuses in the input of a tool."""

BOUNDS = {"const", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "additionalProperties"}
KNOWN = {
    "intersection": EVERYWHERE,
    "anthropic": EVERYWHERE | BOUNDS | {"uniqueItems", "minProperties", "maxProperties"},
    "openai": EVERYWHERE | BOUNDS,
    "gemini": EVERYWHERE | {"nullable"},
}
FORMATS = {
    "openai": {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
    "gemini": {"date-time"},
}
STRICTEST = "intersection"
PROVIDERS = ("anthropic", "openai", "gemini")
PROFILES = (STRICTEST, *PROVIDERS, "full")
OUTLINE = {"type", "description", "properties", "items"}
NAMED = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
LISTED = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "propertyNames", "contains"})


def problems(tool: Mapping[str, Any], profile: str = STRICTEST) -> list[str]:
    """Everything a client would refuse in one entry of ``tools/list`` in a profile."""
    schema = tool["inputSchema"]
    found = [*_about_words(tool), *_about_root(schema)]
    if profile == "full":
        found += _about_meaning(schema, "inputSchema")
        if "outputSchema" in tool:
            found += _about_meaning(tool["outputSchema"], "outputSchema")
            found += [] if tool["outputSchema"].get("type") == "object" else ["the output is not rooted in an object"]
    else:
        found += _about_node(schema, "inputSchema", profile, root=True)
        found += _about_dialect(schema)
        if "outputSchema" in tool:
            found += _about_output(tool["outputSchema"])
    found += [
        f"the pattern {pattern} is refused: {why}" for pattern in patterns_of(tool) if (why := _by_engines(pattern))
    ]
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
    for hint in ("readOnlyHint", "destructiveHint", "openWorldHint"):
        if not isinstance(hints.get(hint), bool):
            yield f"there is no {hint}"
    if not isinstance(hints.get("idempotentHint", False), bool):
        yield "idempotentHint is no boolean"


def _about_root(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object":
        yield "the input is not rooted in an object"
    for key in schema.get("properties", {}):
        if not KEY.match(key):
            yield f"the argument {key!r} is refused"


def _about_meaning(schema: Any, place: str) -> Iterator[str]:
    """A full schema need only be one: valid by its own meta-schema, and referring to nothing that is not there."""
    try:
        jsonschema_rs.Draft202012Validator(schema, pattern_options=jsonschema_rs.RegexOptions())
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        yield f"{place} is no schema: {str(error)[:200]}"


def _about_node(node: Any, place: str, profile: str, *, root: bool = False) -> Iterator[str]:
    if not isinstance(node, dict):
        yield f"{place} is no object"
        return
    for keyword in node:
        if keyword not in KNOWN[profile]:
            yield f"{keyword} stands at {place}"
    if root:
        yield from (f"{keyword} stands at the root" for keyword in UNIONS if keyword in node)
    yield from _about_type(node, place, profile)
    yield from _about_format(node, place, profile)
    if "enum" in node:
        yield from _about_values(node, place, profile)
    if "anyOf" in node:
        yield from _about_union(node, place, profile)
    properties = node.get("properties", {})
    for name in node.get("required", ()):
        if name not in properties:
            yield f"{place} requires {name}, which it does not have"
    for least, most in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if least in node and most in node and node[least] > node[most]:
            yield f"{place} takes nothing: {least} is above {most}"
    for name, inner in properties.items():
        yield from _about_node(inner, f"{place}/{name}", profile)
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield from _about_node(node[keyword], f"{place}/{keyword}", profile)


def _about_dialect(schema: Mapping[str, Any]) -> Iterator[str]:
    """Providers hold a schema against the meta-schema of its dialect: no name asked for twice, no count below zero."""
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    except jsonschema_rs.ValidationError as error:
        yield f"the input is no schema: {error.message[:200]}"


def _about_type(node: Mapping[str, Any], place: str, profile: str) -> Iterator[str]:
    kind = node.get("type")
    if kind is None and "anyOf" not in node:
        yield f"{place} has no type"
    kinds = kind if isinstance(kind, list) else [kind] if kind is not None else []
    if isinstance(kind, list) and (profile not in ("anthropic", "openai") or len(set(kind)) < len(kind)):
        yield f"the type at {place} is a list"
    for one in kinds:
        if one not in TYPES:
            yield f"the type at {place} is {one!r}"
    if "array" in kinds and not isinstance(node.get("items"), dict):
        yield f"the array at {place} has no items"


def _about_format(node: Mapping[str, Any], place: str, profile: str) -> Iterator[str]:
    stated = node.get("format")
    for provider in PROVIDERS if profile == STRICTEST else (profile,):
        if stated is not None and stated not in FORMATS.get(provider, {stated}):
            yield f"the format {stated} at {place} is refused by {provider}"


def _about_values(node: Mapping[str, Any], place: str, profile: str) -> Iterator[str]:
    values = node["enum"]
    if not isinstance(values, list) or not values:
        yield f"the enum at {place} is empty"
    elif len({repr(value) for value in values}) < len(values):
        yield f"the enum at {place} repeats a value"
    elif profile in (STRICTEST, "gemini") and (
        node.get("type") != "string" or not all(isinstance(value, str) and value for value in values)
    ):
        yield f"the enum at {place} holds more than texts"


def _about_union(node: Mapping[str, Any], place: str, profile: str) -> Iterator[str]:
    if not node["anyOf"]:
        yield f"the union at {place} is empty"
    if profile in (STRICTEST, "gemini"):
        if len(node) > 1:
            yield f"{', '.join(sorted(set(node) - {'anyOf'}))} stands beside anyOf at {place}"
        if {"type": "null"} in node["anyOf"]:
            yield f"null is a member of the union at {place}"
    for index, inner in enumerate(node["anyOf"]):
        yield from _about_node(inner, f"{place}/anyOf/{index}", profile)


def patterns_of(tool: Mapping[str, Any]) -> set[str]:
    """Every regular expression in the schemas of a tool."""
    found: set[str] = set()
    waiting = [tool["inputSchema"], tool.get("outputSchema", {})]
    while waiting:
        here = waiting.pop()
        if not isinstance(here, dict):
            continue
        for keyword, inner in here.items():
            if keyword == "pattern" and isinstance(inner, str):
                found.add(inner)
            elif keyword in NAMED and isinstance(inner, dict):
                found |= set(inner) if keyword == "patternProperties" else set()
                waiting += inner.values()
            elif keyword in LISTED and isinstance(inner, list):
                waiting += inner
            elif keyword in SINGLE:
                waiting.append(inner)
    return found


@cache
def _by_engines(pattern: str) -> str:
    """Python's and Rust's engines; that of ECMAScript is asked about many at once, where there is Node.js."""
    if LOOKAROUND.search(pattern):
        return "it looks around"
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return f"Python says {error}"
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        return "Rust's regex does not read it"
    return ""


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
