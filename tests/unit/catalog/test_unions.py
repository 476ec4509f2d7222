from __future__ import annotations

from typing import Any

import pytest

from apiloom.catalog.outline import Outlines
from apiloom.catalog.tags import Families
from apiloom.catalog.views import render_tool
from support.catalogs import strict_of, tool_with_body, view_of
from support.client_limits import problems

REF = "#/components/schemas/"
TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def accepts(schema: Any, value: Any, schemas: dict[str, Any] | None = None) -> bool:
    tool, catalog = tool_with_body({"type": "object", "properties": {"x": schema}}, schemas)
    result: bool = strict_of(tool, catalog).is_valid({"x": value})
    return result


def members(required: list[str], *names: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": dict.fromkeys(names, TEXT), "required": required, **more}


@pytest.mark.parametrize(
    ("forms", "one", "both"),
    [
        ([members(["card"], "card"), members(["bank"], "bank")], {"card": "c"}, {"card": "c", "bank": "b"}),
        ([{"required": ["a"]}, {"required": ["b"]}], {"a": 1}, {"a": 1, "b": 1}),
        ([{"type": "string", "maxLength": 3}, {"type": "string", "pattern": "^a"}], "abcd", "abc"),
        ([{"type": "number", "multipleOf": 3}, {"type": "number", "multipleOf": 5}], 9, 15),
        (
            [
                members(["a"], "a", "b", additionalProperties=False),
                members(["a"], "a", "c", additionalProperties=False),
            ],
            {"a": "1", "b": "2"},
            {"a": "1"},
        ),
    ],
)
def test_exactly_one_means_one_where_members_can_be_told_apart(forms: list[Any], one: Any, both: Any) -> None:
    assert accepts({"oneOf": forms}, one)
    assert not accepts({"oneOf": forms}, both)
    assert accepts({"anyOf": forms}, both)


@pytest.mark.parametrize(
    ("forms", "value"),
    [
        ([{"type": "integer"}, {"type": "number"}], 1),
        ([{"type": "string", "format": "date"}, {"type": "string", "format": "uuid"}], "a"),
        ([{"type": ["string", "null"]}, {"type": "string", "enum": ["a"]}], "a"),
        ([{"type": "null"}, {"type": ["object", "null"]}], None),
        ([members([], "a"), members([], "b")], {"a": "1"}),
        ([members(["a"], "a"), members(["a"], "a", "b")], {"a": "1"}),
        ([{"enum": ["a", "b"]}, {"enum": ["a"]}], "a"),
        ([{}, TEXT], "a"),
        ([{"type": "array", "items": {}}, {"type": "array", "items": TEXT}], ["a"]),
        ([TEXT, {"type": "string", "pattern": "("}], "a"),
        ([{"type": "object", "properties": {"k": NUMBER}, "required": ["k"]}, members(["k"], "k")], {"k": 1}),
    ],
)
def test_exactly_one_counts_as_any_where_one_member_covers_another(forms: list[Any], value: Any) -> None:
    assert accepts({"oneOf": forms}, value)
    assert accepts({"oneOf": forms[::-1]}, value)


def test_what_is_never_sent_does_not_tell_members_apart() -> None:
    inner = {"type": "object", "properties": {"id": {"type": "string", "readOnly": True}, "a": TEXT}}
    forms = [{**inner, "required": ["id", "a"]}, {**inner, "required": ["a"]}]
    assert accepts({"oneOf": forms}, {"a": "x"})


def test_one_value_of_each_form_fits_however_many_forms_there_are() -> None:
    forms = [members([f"m{number}"], f"m{number}") for number in range(60)]
    assert accepts({"oneOf": forms}, {"m59": "x"})


def test_a_model_is_told_that_only_one_form_may_fit() -> None:
    schema = {"oneOf": [members(["card"], "card"), members(["bank"], "bank")], "description": "How to pay"}
    tool, catalog = tool_with_body(schema)
    shown = view_of(tool, catalog)["properties"]["body"]
    assert shown["anyOf"][0]["description"] == "How to pay. Exactly one of these forms."
    tool, catalog = tool_with_body({**schema, "oneOf": [members([], "a"), members([], "b")]})
    assert "Exactly" not in str(view_of(tool, catalog))


PETS: dict[str, Any] = {
    "Pet": {
        "type": "object",
        "properties": {"kind": TEXT, "name": TEXT},
        "required": ["kind", "name"],
        "discriminator": {"propertyName": "kind"},
    },
    "Dog": {"allOf": [{"$ref": f"{REF}Pet"}, members(["bark"], "bark")]},
    "Puppy": {"allOf": [{"$ref": f"{REF}Dog"}]},
    "Cat": {"allOf": [{"$ref": f"{REF}Pet"}, members(["lives"], "lives")], "x-ms-discriminator-value": "#Cat"},
    "Friends": {"allOf": [{"$ref": f"{REF}Pet"}, {"properties": {"friend": {"$ref": f"{REF}Pet"}}}]},
}


def test_the_head_of_a_family_stands_for_all_that_are_composed_of_it() -> None:
    tool, catalog = tool_with_body({"$ref": f"{REF}Pet"}, PETS)
    assert [one.name for one in tool.arguments] == ["body"]
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"body": {"kind": "Dog", "name": "n", "bark": "b"}})
    assert strict.is_valid({"body": {"kind": "Puppy", "name": "n", "bark": "b"}})
    assert strict.is_valid({"body": {"kind": "#Cat", "name": "n", "lives": "9"}})
    assert strict.is_valid({"body": {"kind": "Pet", "name": "n"}})
    assert not strict.is_valid({"body": {"kind": "Dog", "name": "n"}})
    assert not strict.is_valid({"body": {"kind": "Cow", "name": "n"}})
    view = render_tool(tool, catalog.schemas, with_output=False)
    assert problems(view) == []
    forms = view["inputSchema"]["properties"]["body"]["anyOf"]
    tags = {form["properties"]["kind"]["enum"][0]: sorted(form["properties"]) for form in forms}
    assert tags["Dog"] == tags["Puppy"] == ["bark", "kind", "name"]
    assert tags["#Cat"] == ["kind", "lives", "name"]
    assert all("kind" in form["required"] for form in forms)


def test_members_of_a_family_are_themselves_wherever_they_stand() -> None:
    tool, catalog = tool_with_body({"$ref": f"{REF}Puppy"}, PETS)
    assert sorted(one.name for one in tool.arguments) == ["bark", "kind", "name"]
    families = Families(catalog.schemas)
    assert families.members({"$ref": "#/$defs/Puppy"}) is None
    assert families.members({"$ref": "#/$defs/Pet"}, within="Dog") is None
    assert families.members({"allOf": [{"$ref": "#/$defs/Pet"}], "description": "D"}) is not None
    assert families.members({"allOf": [{"$ref": "#/$defs/Pet"}, {}]}) is None


def test_a_family_may_contain_itself_without_end() -> None:
    tool, catalog = tool_with_body({"type": "object", "properties": {"x": {"$ref": f"{REF}Friends"}}}, PETS)
    inner = {"kind": "Dog", "name": "n", "bark": "b"}
    assert strict_of(tool, catalog).is_valid({"x": {"kind": "Friends", "name": "n", "friend": inner}})
    assert not strict_of(tool, catalog).is_valid(
        {"x": {"kind": "Friends", "name": "n", "friend": {**inner, "bark": 1}}}
    )
    assert problems(render_tool(tool, catalog.schemas, with_output=False)) == []


def test_a_mapping_of_its_own_decides_whether_the_head_is_a_choice() -> None:
    mapped = {**PETS["Pet"], "discriminator": {"propertyName": "kind", "mapping": {"dog": f"{REF}Dog"}}}
    tool, catalog = tool_with_body({"$ref": f"{REF}Pet"}, {**PETS, "Pet": mapped})
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"body": {"kind": "dog", "name": "n", "bark": "b"}})
    assert strict.is_valid({"body": {"kind": "Puppy", "name": "n", "bark": "b"}})
    assert not strict.is_valid({"body": {"kind": "Pet", "name": "n"}})


def test_a_tag_that_nobody_is_composed_for_is_an_ordinary_member() -> None:
    tool, catalog = tool_with_body({"$ref": f"{REF}Pet"}, {"Pet": PETS["Pet"]})
    assert sorted(one.name for one in tool.arguments) == ["kind", "name"]
    assert strict_of(tool, catalog).is_valid({"kind": "any", "name": "n"})


def test_an_answer_may_have_the_members_of_a_whole_family() -> None:
    _, catalog = tool_with_body({"$ref": f"{REF}Pet"}, PETS)
    found = Outlines(catalog.schemas).render({"$ref": "#/$defs/Pet"})
    assert set(found["properties"]) == {"bark", "friend", "kind", "lives", "name"}


def test_members_that_are_asked_for_and_not_described_are_arguments() -> None:
    schema = {
        "type": "object",
        "properties": {"a": TEXT},
        "required": ["ghost"],
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    tool, catalog = tool_with_body(schema)
    strict = strict_of(tool, catalog)
    assert sorted(one.name for one in tool.arguments) == ["a", "b", "ghost"]
    assert "Give exactly one of: a; b." in tool.description
    assert strict.is_valid({"a": "x", "ghost": 1})
    assert strict.is_valid({"b": [], "ghost": 1})
    assert not strict.is_valid({"a": "x", "b": 1, "ghost": 1})
    assert not strict.is_valid({"ghost": 1})
    assert not strict.is_valid({"a": "x"})


def test_sets_of_which_one_is_part_of_another_are_at_least_one() -> None:
    schema = {
        "type": "object",
        "properties": {"a": TEXT, "b": TEXT},
        "oneOf": [{"required": ["a"]}, {"required": ["a", "b"]}],
    }
    tool, catalog = tool_with_body(schema)
    assert strict_of(tool, catalog).is_valid({"a": "x", "b": "y"})
    assert "Give at least one of" in tool.description


def test_what_is_never_sent_is_not_asked_for_in_a_set() -> None:
    named = {"id": {"type": "string", "readOnly": True}, "a": TEXT, "b": TEXT}
    schema = {"type": "object", "properties": named, "anyOf": [{"required": ["id", "a"]}, {"required": ["b"]}]}
    tool, catalog = tool_with_body(schema)
    assert strict_of(tool, catalog).is_valid({"a": "x"})
    schema["anyOf"] = [{"required": ["id"]}, {"required": ["b"]}]
    tool, catalog = tool_with_body(schema)
    assert strict_of(tool, catalog).is_valid({})


def test_a_closed_object_has_no_members_but_its_own() -> None:
    schema = {
        "type": "object",
        "properties": {"a": TEXT},
        "additionalProperties": False,
        "anyOf": [{"required": ["a"]}, {"required": ["ghost"]}],
    }
    tool, catalog = tool_with_body(schema)
    assert [one.name for one in tool.arguments] == ["a"]
    assert not strict_of(tool, catalog).is_valid({})


def test_what_is_asked_of_an_inner_object_is_told_in_words() -> None:
    inner = {
        "type": "object",
        "properties": {"a": TEXT, "b": TEXT},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    tool, catalog = tool_with_body({"type": "object", "properties": {"x": inner}})
    assert view_of(tool, catalog)["properties"]["x"]["description"] == "Give at least one of: a; b."
