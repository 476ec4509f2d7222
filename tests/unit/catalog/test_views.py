from __future__ import annotations

import json
from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.catalog.views import BUDGET, Views, render_tool
from support.catalogs import OK, catalog_of, strict_of, tool_with_body, view_of
from support.client_limits import PROVIDERS, problems


def member(schema: Any, schemas: dict[str, Any] | None = None, *, profile: str = "intersection") -> dict[str, Any]:
    """The view of one optional member of a body."""
    tool, catalog = tool_with_body({"type": "object", "properties": {"x": schema}}, schemas)
    view = render_tool(tool, catalog.schemas, profile=profile, with_output=True)
    assert problems(view, profile) == []
    found: dict[str, Any] = view["inputSchema"]["properties"]["x"]
    return found


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"const": 5}, {"type": "integer", "minimum": 5, "maximum": 5, "description": "Always 5."}),
        ({"const": True}, {"type": "boolean", "description": "Always true."}),
        (
            {"type": "integer", "enum": [3, 1]},
            {"type": "integer", "minimum": 1, "maximum": 3, "description": "One of: 3, 1."},
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "description": "Greater than 0."}),
        ({"type": "number", "multipleOf": 5}, {"type": "number", "description": "A multiple of 5."}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (
            {
                "oneOf": [
                    {"type": "integer"},
                    {"type": "number"},
                    {"type": "string", "format": "date"},
                    {"type": "string"},
                ]
            },
            {"anyOf": [{"type": "string"}, {"type": "number"}]},
        ),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "string", "format": "date"}, {"type": "string", "description": "Written YYYY-MM-DD."}),
        (
            {"type": "string", "format": "email", "description": "The mail to use"},
            {"type": "string", "description": "The mail to use"},
        ),
        ({"type": "string", "format": "weird"}, {"type": "string"}),
        ({"type": "string", "pattern": "^[a-z]+$"}, {"type": "string", "pattern": "^[a-z]+$"}),
        ({"type": "string", "pattern": r"^\p{L}+$"}, {"type": "string"}),
        ({"type": "string", "pattern": "(unclosed"}, {"type": "string"}),
        ({"type": "string", "default": "a", "enum": ["a"]}, {"type": "string", "enum": ["a"], "default": "a"}),
        ({"type": "string", "default": "b", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"allOf": [{"type": "string"}], "description": "D"}, {"description": "D", "type": "string"}),
        (
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string"}, {"type": "boolean"}]},
            {"anyOf": [{"type": "string", "description": "Known values: a."}, {"type": "boolean"}]},
        ),
        ({"enum": ["a", "b", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"oneOf": [{"const": "a"}, {"enum": ["b"]}]}, {"type": "string", "enum": ["a", "b"]}),
        ({"properties": {"a": {"type": "boolean"}}}, {"type": "object", "properties": {"a": {"type": "boolean"}}}),
    ],
)
def test_every_keyword_takes_its_portable_form(schema: dict[str, Any], shown: dict[str, Any]) -> None:
    assert member(schema) == shown


NULLABLE = {"type": ["string", "null"], "description": "D", "enum": ["a", "b", None]}
EITHER = {
    "anyOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}}, {"type": "boolean"}, {"type": "null"}]
}
A = {"type": "object", "properties": {"a": {"type": "boolean"}}}


@pytest.mark.parametrize(
    ("profile", "one", "many"),
    [
        (
            "intersection",
            {"type": "string", "enum": ["a", "b"], "description": "D. Or null."},
            {"anyOf": [{**A, "description": "Or null."}, {"type": "boolean"}]},
        ),
        (
            "gemini",
            {"type": "string", "enum": ["a", "b"], "description": "D", "nullable": True},
            {"anyOf": [{**A, "nullable": True}, {"type": "boolean"}]},
        ),
        (
            "anthropic",
            {"type": ["string", "null"], "enum": ["a", "b", None], "description": "D"},
            {"anyOf": [A, {"type": "boolean"}, {"type": "null"}]},
        ),
        (
            "openai",
            {"type": ["string", "null"], "enum": ["a", "b", None], "description": "D"},
            {"anyOf": [A, {"type": "boolean"}, {"type": "null"}]},
        ),
    ],
)
def test_null_is_offered_in_the_way_that_a_profile_takes(
    profile: str, one: dict[str, Any], many: dict[str, Any]
) -> None:
    assert member(NULLABLE, profile=profile) == one
    assert member(EITHER, profile=profile) == many


@pytest.mark.parametrize(
    ("schema", "anthropic", "openai"),
    [
        ({"const": 5}, {"type": "integer", "const": 5}, ...),
        ({"type": "integer", "enum": [3, 1]}, {"type": "integer", "enum": [3, 1]}, ...),
        ({"enum": ["", "a"]}, {"type": "string", "enum": ["", "a"]}, ...),
        (
            {"type": "number", "exclusiveMinimum": 0, "multipleOf": 5},
            {"type": "number", "exclusiveMinimum": 0, "multipleOf": 5},
            ...,
        ),
        (
            {"type": "string", "format": "uri"},
            {"type": "string", "format": "uri"},
            {"type": "string", "description": "A URI."},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 3},
            {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 3},
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            {"type": "array", "items": {"type": "string"}},
        ),
        (
            {"type": ["object", "boolean"], "description": "D"},
            {"description": "D", "anyOf": [{"type": "object", "description": "Any members."}, {"type": "boolean"}]},
            ...,
        ),
    ],
)
def test_a_profile_of_one_provider_keeps_what_that_provider_takes(
    schema: dict[str, Any], anthropic: dict[str, Any], openai: Any
) -> None:
    assert member(schema, profile="anthropic") == anthropic
    assert member(schema, profile="openai") == (anthropic if openai is ... else openai)
    for strict in ("gemini", "intersection"):
        assert member(schema, profile=strict).keys().isdisjoint({"const", "exclusiveMinimum", "uniqueItems"})


def test_the_description_of_a_union_stands_in_its_first_member_where_nothing_may_stand_beside_it() -> None:
    schema = {"type": ["object", "boolean"], "description": "D"}
    for profile in ("intersection", "gemini"):
        forms = [{"type": "object", "description": "D. Any members."}, {"type": "boolean"}]
        assert member(schema, profile=profile) == {"anyOf": forms}


@pytest.mark.parametrize("profile", PROVIDERS)
def test_what_the_default_view_shows_every_provider_takes(profile: str) -> None:
    schema = {"type": "object", "properties": {"a": EITHER, "b": {"type": "string", "format": "date-time"}}}
    tool, catalog = tool_with_body(schema)
    assert problems(render_tool(tool, catalog.schemas, with_output=True), profile) == []


def test_null_is_not_offered_where_it_cannot_be_sent() -> None:
    parameter = {"name": "q", "in": "query", "schema": {"type": ["string", "null"], "description": "D"}}
    catalog = catalog_of({"/a": {"get": {"parameters": [parameter], "responses": OK}}})
    (tool,) = catalog.tools.values()
    assert view_of(tool, catalog)["properties"]["q"] == {"type": "string", "description": "D"}


def test_a_long_list_of_values_is_told_in_words() -> None:
    shown = member({"type": "string", "enum": [f"value-number-{number}" for number in range(900)]})
    assert "enum" not in shown
    assert shown["description"].startswith('One of: "value-number-0"')
    assert "and 880 more" in shown["description"]


def test_objects_of_a_union_are_inlined_and_unions_in_unions_are_one() -> None:
    schemas = {
        "A": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        "B": {"oneOf": [{"$ref": "#/components/schemas/A"}, {"type": "array", "items": {"type": "integer"}}]},
    }
    shown = member({"oneOf": [{"$ref": "#/components/schemas/B"}, {"type": "boolean"}]}, schemas)
    assert [one["type"] for one in shown["anyOf"]] == ["object", "array", "boolean"]


def test_what_stands_around_a_union_holds_for_each_member() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "oneOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}}],
    }
    shown = member(schema)
    assert [sorted(one["properties"]) for one in shown["anyOf"]] == [["a", "id"], ["b", "id"]]
    assert all(one["required"] == ["id"] for one in shown["anyOf"])


def test_a_map_says_what_its_members_are() -> None:
    shown = member({"type": "object", "additionalProperties": {"type": "integer"}})
    assert shown == {"type": "object", "description": "Any members, each of type integer."}


def test_what_is_required_and_nowhere_described_is_shown_as_any_value() -> None:
    shown = member({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["ghost"]})
    assert shown["required"] == ["ghost"]
    assert "anyOf" in shown["properties"]["ghost"]


def test_a_definition_that_contains_itself_goes_once_round_and_then_names_its_fields() -> None:
    schemas = {
        "Node": {
            "type": "object",
            "properties": {
                "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
                "name": {"type": "string"},
            },
            "required": ["name"],
        }
    }
    text = json.dumps(member({"$ref": "#/components/schemas/Node"}, schemas))
    assert text.count("Fields: name (required), children.") == 1
    assert len(text) < 1000


def test_definitions_that_refer_to_each_other_everywhere_stay_within_the_budget() -> None:
    names = [f"T{number}" for number in range(30)]
    everything = {name: {"$ref": f"#/components/schemas/{name}"} for name in names}
    schemas = {name: {"type": "object", "properties": everything} for name in names}
    tool, catalog = tool_with_body({"type": "object", "properties": everything}, schemas)
    view = render_tool(tool, catalog.schemas, with_output=False)
    assert problems(view) == []
    assert len(json.dumps(view["inputSchema"])) <= BUDGET * 1.2


def test_a_chain_of_doubling_references_costs_no_more_than_its_length() -> None:
    schemas: dict[str, Any] = {"T0": {"type": "object", "properties": {"v": {"type": "string"}}}}
    for number in range(1, 60):
        ref = {"$ref": f"#/components/schemas/T{number - 1}"}
        schemas[f"T{number}"] = {"type": "object", "properties": {"l": ref, "r": ref}, "allOf": [ref, ref]}
    tool, catalog = tool_with_body(
        {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/T59"}}}, schemas
    )
    assert len(json.dumps(view_of(tool, catalog))) <= BUDGET * 1.2
    assert strict_of(tool, catalog).is_valid({})


def test_small_arguments_are_shown_whole_before_big_ones_are_cut() -> None:
    big = {
        f"p{number}": {"type": "object", "properties": {f"q{n}": {"type": "string"} for n in range(40)}}
        for number in range(40)
    }
    small = {"type": "object", "properties": {"inner": {"type": "object", "properties": {"deep": {"type": "boolean"}}}}}
    schema = {"type": "object", "properties": {"big": {"type": "object", "properties": big}, "small": small}}
    tool, catalog = tool_with_body(schema)
    shown = view_of(tool, catalog)["properties"]
    assert shown["small"]["properties"]["inner"]["properties"] == {"deep": {"type": "boolean"}}
    assert "Fields: " in json.dumps(shown["big"])


def test_the_root_has_no_union_whatever_the_body_is() -> None:
    tool, catalog = tool_with_body({"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "string"}]})
    assert problems(render_tool(tool, catalog.schemas, with_output=True)) == []


def test_the_full_view_is_the_strict_schema_with_its_definitions() -> None:
    schemas = {"Pet": {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}}
    schema = {"type": "object", "properties": {"pet": {"$ref": "#/components/schemas/Pet"}}}
    tool, catalog = tool_with_body(schema, schemas)
    shown = render_tool(tool, catalog.schemas, profile="full", with_output=True)["inputSchema"]
    assert shown["properties"]["pet"] == {"$ref": "#/$defs/Pet"}
    assert shown["$defs"] == schemas
    assert shown["additionalProperties"] is False


@pytest.mark.parametrize(
    ("schema", "keys"),
    [
        ({"type": "object", "properties": {"a": {}}}, {"type", "properties"}),
        ({"type": "array", "items": {}}, {"type", "properties", "required"}),
        ({"anyOf": [{"type": "array"}, {"type": "object"}]}, {"type", "anyOf"}),
    ],
)
def test_the_full_view_of_an_answer_is_rooted_in_an_object(schema: Any, keys: set[str]) -> None:
    answer = {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}
    catalog = catalog_of({"/a": {"get": {"responses": answer}}})
    (tool,) = catalog.tools.values()
    shown = render_tool(tool, catalog.schemas, profile="full", with_output=True)["outputSchema"]
    assert shown["type"] == "object"
    assert set(shown) == keys


def test_a_profile_that_is_not_there_is_refused_in_one_sentence() -> None:
    with pytest.raises(CallerError) as caught:
        Views({}, "nonsense")
    assert caught.value.code == "view.profile_unknown"
    assert "intersection, anthropic, openai, gemini and full" in caught.value.hint


@pytest.mark.parametrize("profile", ["intersection", "full"])
def test_a_pattern_that_some_engine_cannot_read_is_shown_in_no_profile(profile: str) -> None:
    for pattern in (r"^\p{L}+$", "(?i)^a$", "^(a+)+$"):
        assert "pattern" not in member({"type": "string", "pattern": pattern}, profile=profile)


def test_a_full_view_has_no_member_that_is_never_sent() -> None:
    inner = {"type": "object", "properties": {"id": {"readOnly": True}, "a": {}}, "required": ["id", "a"]}
    schemas = {"Base": inner, "Thing": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"required": ["id"]}]}}
    schema = {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/Thing"}}}
    tool, catalog = tool_with_body(schema, schemas)
    shown = render_tool(tool, catalog.schemas, profile="full", with_output=False)["inputSchema"]
    assert shown["$defs"]["Base"] == {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    assert "required" not in json.dumps(shown["$defs"]["Thing"])
    assert strict_of(tool, catalog).is_valid({"x": {"a": 1, "id": 2}})


def test_annotations_have_the_names_that_mcp_gives_them() -> None:
    tool, catalog = tool_with_body({"type": "object", "properties": {}})
    assert render_tool(tool, catalog.schemas, with_output=False)["annotations"] == {
        "title": "Send",
        "readOnlyHint": False,
        "destructiveHint": False,
        "idempotentHint": False,
        "openWorldHint": True,
    }


@pytest.mark.parametrize(
    "name", ["$ref", "type", "properties", "__proto__", "allOf", "required", "items", "const", "enum"]
)
def test_members_named_like_keywords_are_members(name: str) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "object", "properties": {name: {"type": "integer"}}}}}
    tool, catalog = tool_with_body(schema)
    assert view_of(tool, catalog)["properties"]["x"]["properties"] == {name: {"type": "integer"}}
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"x": {name: 1}})
    assert not strict.is_valid({"x": {name: "text"}})


def test_a_parameter_of_several_scalar_types_is_a_text_since_it_is_sent_as_one() -> None:
    parameter = {"name": "q", "in": "query", "schema": {"type": ["string", "integer"], "description": "D"}}
    catalog = catalog_of({"/a": {"get": {"parameters": [parameter], "responses": OK}}})
    (tool,) = catalog.tools.values()
    for profile in ("intersection", "anthropic"):
        shown = render_tool(tool, catalog.schemas, profile=profile, with_output=False)["inputSchema"]["properties"]
        assert shown["q"] == {"type": "string", "description": "D"}


def test_lists_in_lists_end_in_one_that_fits() -> None:
    schemas = {"Lists": {"type": "array", "items": {"$ref": "#/components/schemas/Lists"}}}
    shown = member({"$ref": "#/components/schemas/Lists"}, schemas)
    while shown["items"]["type"] == "array":
        shown = shown["items"]
    assert (shown["maxItems"], shown["description"]) == (0, "Nested further.")
