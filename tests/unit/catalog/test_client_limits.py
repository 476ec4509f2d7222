"""The linter that all views are held against refuses what each client and provider was seen to refuse."""

from __future__ import annotations

from typing import Any

import pytest

from support.client_limits import PROFILES, problems

ALL = frozenset(PROFILES)
SHOWN = ALL - {"full"}
NARROW = frozenset({"intersection", "gemini"})
TEXT = {"type": "string"}


def tool(arguments: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": arguments or {}}
    hints = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": True}
    entry = {"name": "get", "title": "Get", "description": "Gets.", "inputSchema": schema, "annotations": hints}
    return {**entry, **changes}


def refused_in(entry: dict[str, Any]) -> set[str]:
    return {profile for profile in PROFILES if problems(entry, profile)}


@pytest.mark.parametrize(
    ("node", "profiles"),
    [
        (TEXT, frozenset()),
        ({"type": "array", "items": TEXT, "maxItems": 3}, frozenset()),
        ({"anyOf": [TEXT, {"type": "integer"}]}, frozenset()),
        ({"type": "string", "format": "date-time"}, frozenset()),
        ({}, SHOWN),
        ({"description": "anything"}, SHOWN),
        ({"type": "array"}, SHOWN),
        ({"type": "any"}, ALL),
        ({"$ref": "#/$defs/A"}, ALL),
        ({"oneOf": [TEXT]}, SHOWN),
        ({"allOf": [TEXT]}, SHOWN),
        ({"type": "string", "title": "T"}, SHOWN),
        ({"type": "string", "examples": ["a"]}, SHOWN),
        ({"type": "string", "const": "a"}, NARROW),
        ({"type": "integer", "enum": [1]}, NARROW),
        ({"type": "string", "enum": ["", "a"]}, NARROW),
        ({"type": "string", "enum": ["a", "a"]}, SHOWN),
        ({"type": "string", "enum": []}, SHOWN),
        ({"type": ["string", "null"]}, NARROW),
        ({"anyOf": [TEXT, {"type": "null"}]}, NARROW),
        ({"anyOf": [TEXT], "description": "d"}, NARROW),
        ({"type": "integer", "exclusiveMinimum": 1}, NARROW),
        ({"type": "integer", "multipleOf": 2}, NARROW),
        ({"type": "object", "additionalProperties": TEXT}, NARROW),
        ({"type": "object", "additionalProperties": False}, SHOWN),
        ({"type": "array", "items": TEXT, "uniqueItems": True}, NARROW | {"openai"}),
        ({"type": "object", "minProperties": 1}, NARROW | {"openai"}),
        ({"type": "string", "nullable": True}, SHOWN - {"gemini"}),
        ({"type": "string", "format": "uri"}, NARROW | {"openai"}),
        ({"type": "string", "format": "uuid"}, NARROW),
        ({"type": "string", "pattern": "(?=a)"}, ALL),
        ({"type": "string", "pattern": "["}, ALL),
        ({"type": "object", "properties": {"a": TEXT}, "required": ["b"]}, SHOWN),
        ({"type": "object", "properties": {"a": TEXT}, "required": ["a", "a"]}, ALL),
        ({"type": "string", "minLength": -1}, ALL),
        ({"type": "integer", "minimum": 3, "maximum": 2}, SHOWN),
    ],
)
def test_what_a_provider_refuses_of_an_argument(node: dict[str, Any], profiles: frozenset[str]) -> None:
    assert refused_in(tool({"a": node})) == profiles


@pytest.mark.parametrize("key", ["filter[name]", "$top", "@type", "ä", "", "a" * 65, "a b"])
def test_names_of_arguments_that_claude_refuses_are_refused_everywhere(key: str) -> None:
    assert refused_in(tool({key: TEXT})) == ALL


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Get"},
        {"name": "get.pet"},
        {"name": "1st"},
        {"name": "g" * 41},
        {"title": ""},
        {"description": " "},
        {"description": "d" * 1025},
        {"annotations": {"readOnlyHint": True, "destructiveHint": False}},
        {"annotations": {"readOnlyHint": 1, "destructiveHint": False, "openWorldHint": True}},
        {"inputSchema": {"type": "array", "items": TEXT}},
        {"outputSchema": {"type": "array", "items": TEXT}},
    ],
)
def test_what_is_refused_of_a_tool_is_refused_in_every_profile(changes: dict[str, Any]) -> None:
    assert refused_in(tool(**changes)) == ALL


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf", "allOf", "not"])
def test_a_union_at_the_root_is_refused_where_models_are_spoken_to(keyword: str) -> None:
    member: Any = {"properties": {}} if keyword == "not" else [{"properties": {}}]
    assert refused_in(tool(inputSchema={"type": "object", "properties": {}, keyword: member})) == SHOWN


@pytest.mark.parametrize("promise", [{"type": "integer"}, {"enum": [1]}, {"required": ["a"]}, {"$ref": "#"}])
def test_a_promise_about_an_answer_is_refused(promise: dict[str, Any]) -> None:
    answer = {"type": "object", "properties": {"a": promise}}
    assert refused_in(tool(outputSchema=answer)) >= SHOWN
