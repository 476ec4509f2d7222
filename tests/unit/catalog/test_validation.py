from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from apiloom.catalog.objects import object_shape
from apiloom.catalog.patterns import for_checking, for_showing, length_of
from apiloom.catalog.shapes import flat
from apiloom.catalog.validation import MOST_SHOWN, answer_schema, request_schema
from apiloom.catalog.views import render_tool
from support.catalogs import OK, catalog_of, strict_of, tool_with_body


def accepts(schema: Any, value: Any) -> bool:
    tool, catalog = tool_with_body({"type": "object", "properties": {"x": schema}})
    result: bool = strict_of(tool, catalog).is_valid({"x": value})
    return result


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^[\w-\.]+$", "a-b.c", "a b"),
        (r"^\h+$", "\t ", "a"),
        (r"/^abc$/i", "ABC", "/abc/"),
        (r"^a\Z", "a", "ab"),
        (r"^a{,3}$", "a{,3}", "aaa"),
        (r"^\p{ASCII}*$", "abc", "é"),
        (r"^[\d-x]$", "-", "y"),
        (r"^(?!x)a", "a", "x"),
        (r"^a++b", "aab", "b"),
        (r"^[a&&b]$", "&", "c"),
        (r"^(?=.*\d)(?=.*[a-z]).{4,}$", "abc1", "abcd"),
        (r"^(?!.*\.\.)[a-z.]+(?<!\.)$", "a.b", "a..b"),
        (r"^(?!.*\.\.)[a-z.]+(?<!\.)$", "a.b", "a."),
        (r"^[\p{L}\p{N}]{1,255}$", "é", "é" * 256),
        (r"^[\p{L}\p{N}]{1,255}$", "é1", "-"),
        (r"^\S{1,512}$", "a", "a b"),
        (r"^.{2,65536}$", "ab", "a"),
        (r"^[\s\S]{1,100000}$", "a", ""),
    ],
)
def test_patterns_of_other_dialects_mean_what_their_authors_meant(pattern: str, good: str, bad: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    assert accepts(schema, good)
    assert not accepts(schema, bad)


@pytest.mark.parametrize(
    "pattern",
    ["(", "[", "*a", r"\Q.\E", "(?<n", "a" * 3000, r"\p{Nonsense}", "[]", r"^(a)\1$", "a(?=b)", "(a{900}){900}"],
)
def test_patterns_that_cannot_be_read_are_left_out_and_never_stop_a_call(pattern: str) -> None:
    assert accepts({"type": "string", "pattern": pattern}, "anything")


def test_a_pattern_built_to_stall_is_answered_all_the_same() -> None:
    for pattern in ("^(a+)+$", "^(a|a)*$", r"^(?=a)(a+)+$", "^(a*)*b$"):
        assert not accepts({"type": "string", "pattern": pattern}, "a" * 500_000 + "!")


def test_only_what_every_engine_reads_alike_is_shown() -> None:
    for pattern in ("^[a-z0-9_-]+$", r"^\d{3}-\d{4}$", "^(a|b)?c*$", r"^[^/]+\.json$"):
        assert for_showing(pattern) == pattern
    for pattern in (r"\p{L}", "(?i)a", "(?<=a)b", "[[:alpha:]]", r"\h", "[a&&b]", "(", "/^a$/i", r"\ud800"):
        assert for_showing(pattern) is None


def test_escapes_that_strict_engines_refuse_are_not_shown_and_repeats_of_repeats_neither() -> None:
    assert for_showing(r"^\d{3}\-[\-\_\@]$") == r"^\d{3}-[\-_@]$"
    assert for_showing("^(a+)+$") is None
    assert for_showing("[!--]") == r"[!-\-]"
    assert for_showing("a++b") == "a+b"


def test_a_pattern_that_only_counts_is_a_length() -> None:
    assert length_of("^.{1,65536}$") == (1, 65536)
    assert length_of("^.+$") == (1, None)
    assert length_of("^.*$") == (0, None)
    assert length_of("^.{5}$") == (5, 5)
    assert length_of("^[a-z]{5}$") is None


def test_a_respelled_pattern_is_known_to_compile() -> None:
    assert for_checking(r"[\w-.]") == r"[\w\-.]"
    assert for_checking("x{") == r"x\{"


def test_a_lost_pattern_of_names_refuses_no_name() -> None:
    schema = {"type": "object", "patternProperties": {r"^(x)\1": {"type": "integer"}}, "additionalProperties": False}
    assert accepts(schema, {"anything": "goes"})
    assert not accepts({**schema, "patternProperties": {"^x": {"type": "integer"}}}, {"anything": "goes"})


def test_a_type_that_contradicts_the_union_beside_it_is_left_out() -> None:
    schema = {"type": "object", "oneOf": [{"type": "string"}, {"type": "null"}]}
    assert accepts(schema, "a")
    assert accepts(schema, None)
    assert not accepts(schema, 1)


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "nonsense"},
        {"type": ["string", "nonsense"]},
        {"minimum": "1"},
        {"minLength": -1},
        {"maxLength": 1.5},
        {"enum": []},
        {"enum": "abc"},
        {"required": "x"},
        {"properties": []},
        {"items": [{}]},
        {"allOf": []},
        {"anyOf": "x"},
        {"multipleOf": 0},
        {"$ref": "#/$defs/Missing"},
        {"$ref": 7},
        {"additionalProperties": "yes"},
        {"patternProperties": {"(": {}}},
        {"dependentRequired": []},
        {"format": 1},
        {"pattern": 1},
        {"not": 1},
        {"$id": "%%%", "$schema": "nope", "$anchor": "1 2"},
    ],
)
def test_what_no_schema_allows_is_left_out_so_that_it_always_compiles(broken: Any) -> None:
    schema = request_schema({"type": "object", "properties": {"x": broken}}, {})
    assert jsonschema_rs.Draft202012Validator(schema).is_valid({})


def test_definitions_are_attached_once_however_often_they_are_named() -> None:
    pool: dict[str, Any] = {"A": {"properties": {"b": {"$ref": "#/$defs/B"}, "a": {"$ref": "#/$defs/A"}}}, "B": {}}
    closed = request_schema({"properties": {"x": {"$ref": "#/$defs/A"}}}, pool)
    assert isinstance(closed, dict)
    assert list(closed["$defs"]) == ["A", "B"]


def test_each_direction_requires_only_what_it_carries() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"id": {"readOnly": True}, "password": {"writeOnly": True}, "n": {}},
        "required": ["id", "password", "n"],
    }
    sent, answered = request_schema(schema, {}), answer_schema(schema, {})
    assert isinstance(sent, dict)
    assert isinstance(answered, dict)
    assert sent["required"] == ["password", "n"]
    assert answered["required"] == ["id", "n"]


def test_references_that_only_lead_in_circles_end() -> None:
    pool: dict[str, Any] = {"A": {"$ref": "#/$defs/B"}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}}
    assert flat({"$ref": "#/$defs/A"}, pool) == {}
    assert object_shape({"$ref": "#/$defs/A"}, pool) is None


def test_a_pattern_that_counts_far_is_held_against_short_texts_only() -> None:
    schema = request_schema({"type": "string", "pattern": "^(.{0,900}x)$"}, {})
    validator = jsonschema_rs.Draft202012Validator(schema, pattern_options=jsonschema_rs.RegexOptions())
    assert not validator.is_valid("a" * 500)
    assert validator.is_valid("a" * 1_000_000)


def test_a_parameter_is_sent_even_where_its_type_is_read_only() -> None:
    schemas = {"Number": {"type": "integer", "readOnly": True}}
    number = {"name": "n", "in": "path", "required": True, "schema": {"$ref": "#/components/schemas/Number"}}
    catalog = catalog_of({"/a/{n}": {"get": {"parameters": [number], "responses": OK}}}, schemas)
    (tool,) = catalog.tools.values()
    assert not strict_of(tool, catalog).is_valid({})
    full = render_tool(tool, catalog.schemas, profile="full", with_output=False)["inputSchema"]
    assert (list(full["properties"]), full["required"]) == (["n"], ["n"])


def test_a_shown_schema_names_far_definitions_and_shows_near_ones() -> None:
    long = {"type": "object", "properties": {f"a{number}": {"type": "string"} for number in range(100)}}
    pool: dict[str, Any] = {"Near": long, "Deep0": long}
    for number in range(1, 100):
        pool[f"Deep{number}"] = {**long, "allOf": [{"$ref": f"#/$defs/Deep{number - 1}"}]}
    schema = {"properties": {"deep": {"$ref": "#/$defs/Deep99"}, "near": {"$ref": "#/$defs/Near"}}}
    shown: Any = request_schema(schema, pool, shown=True)
    assert shown["$defs"]["Near"] == long
    assert len(str(shown)) < 2 * MOST_SHOWN
    assert "Deep0" not in shown["$defs"]
    whole: Any = request_schema(schema, pool)
    assert len(whole["$defs"]) == 101
    assert jsonschema_rs.Draft202012Validator(shown).is_valid({"deep": {"a1": "x"}})
    assert shown == request_schema({"properties": dict(reversed(schema["properties"].items()))}, pool, shown=True)


def test_a_base_that_requires_what_is_read_only_here_does_not_require_it_here() -> None:
    base = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    schemas = {"Base": base, "Odd": {"required": [{}, "id"]}, "Twisted": {"required": True}}
    derived = {
        "allOf": [{"$ref": f"#/components/schemas/{name}"} for name in schemas],
        "properties": {"id": {"readOnly": True}},
    }
    body = {"type": "object", "properties": {"derived": derived, "base": {"$ref": "#/components/schemas/Base"}}}
    tool, catalog = tool_with_body(body, schemas)
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"derived": {}})
    assert not strict.is_valid({"base": {}})
