"""Schema objects of every version come out as JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from apiloom.model.api import ApiModel, Schema
from apiloom.model.schema import closed
from support.reading import codes, read

META = "https://json-schema.org/draft/2020-12/schema"


def pool(schemas: dict[str, Any], version: str = "3.0.3", **document: Any) -> ApiModel:
    return read({"openapi": version, "components": {"schemas": schemas}, **document})


def convert(raw: object, version: str = "3.0.3") -> Schema:
    """One schema, converted and found valid under the meta-schema."""
    found = pool({"S": raw, "Other": {"type": "object"}}, version).schemas["S"]
    if isinstance(found, dict):
        jsonschema_rs.meta.validate({**found, "$schema": META})
    return found


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "x-nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"enum": ["a", None], "nullable": True}, {"enum": ["a", None]}),
        ({"nullable": True}, {}),
        ({"nullable": True, "description": "d"}, {"description": "d"}),
        (
            {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Other"}], "title": "t"},
            {"title": "t", "anyOf": [{"allOf": [{"$ref": "#/$defs/Other"}]}, {"type": "null"}]},
        ),
        (
            {"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        ),
        (
            {"$ref": "#/components/schemas/Other", "nullable": True, "description": "d"},
            {"description": "d", "anyOf": [{"$ref": "#/$defs/Other"}, {"type": "null"}]},
        ),
    ],
)
def test_nullable_allows_null_and_keeps_everything_else(raw: dict[str, Any], expected: dict[str, Any]) -> None:
    assert convert(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"minimum": 1, "exclusiveMinimum": False}, {"minimum": 1}),
        ({"maximum": 9, "exclusiveMaximum": True, "minimum": 1}, {"exclusiveMaximum": 9, "minimum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"exclusiveMinimum": 3}, {"exclusiveMinimum": 3}),
    ],
)
def test_boolean_bounds_become_numbers(raw: dict[str, Any], expected: dict[str, Any]) -> None:
    assert convert(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": "any"}, {}),
        ({"type": "int"}, {"type": "integer"}),
        ({"type": "String"}, {"type": "string"}),
        ({"type": ["string", None]}, {"type": ["string", "null"]}),
        ({"type": ["string"]}, {"type": "string"}),
        ({"type": []}, {}),
        ({"type": {"x": 1}}, {}),
        ({"enum": ["a", "b", "a"]}, {"enum": ["a", "b"]}),
        ({"enum": [1, 1.0, True, "1"]}, {"enum": [1, True, "1"]}),
        ({"enum": []}, {}),
        ({"enum": "a"}, {"enum": ["a"]}),
        ({"type": "string", "enum": [200, True, "x"]}, {"type": "string", "enum": ["200", "true", "x"]}),
        ({"type": "integer", "enum": ["1", "2"]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "integer", "enum": ["1", "b"]}, {"type": "integer", "enum": ["1", "b"]}),
        ({"required": ["a", "a", 3]}, {"required": ["a"]}),
        ({"required": "a"}, {}),
        ({"required": True}, {}),
        ({"required": []}, {}),
        ({"properties": [1]}, {}),
        ({"properties": {"a": None, "b": "text", "c": True}}, {"properties": {"a": {}, "b": {}, "c": True}}),
        ({"minLength": -1}, {}),
        ({"minLength": "3"}, {"minLength": 3}),
        ({"minLength": 3.0}, {"minLength": 3}),
        ({"maxItems": 1.5}, {}),
        ({"minimum": "2.5"}, {"minimum": 2.5}),
        ({"minimum": "low"}, {}),
        ({"maximum": True}, {}),
        ({"multipleOf": 0}, {}),
        ({"multipleOf": 0.01}, {"multipleOf": 0.01}),
        ({"pattern": 7}, {}),
        ({"pattern": "(?i)["}, {"pattern": "(?i)["}),
        ({"format": ["x"]}, {}),
        ({"title": 7, "description": None}, {"title": "7"}),
        ({"deprecated": "true", "uniqueItems": "no"}, {"deprecated": True}),
        ({"items": []}, {}),
        ({"items": None}, {"items": {}}),
        ({"items": [{"type": "string"}]}, {"prefixItems": [{"type": "string"}]}),
        ({"items": [{}], "additionalItems": False}, {"prefixItems": [{}], "items": False}),
        ({"allOf": []}, {}),
        ({"anyOf": {"type": "string"}}, {"anyOf": [{"type": "string"}]}),
        ({"oneOf": [{"type": "string"}, "x"]}, {"oneOf": [{"type": "string"}, {}]}),
        ({"additionalProperties": "false"}, {"additionalProperties": False}),
        ({"additionalProperties": 7}, {}),
        ({"not": []}, {}),
        ({"discriminator": "kind"}, {"discriminator": {"propertyName": "kind"}}),
        ({"discriminator": ""}, {}),
        ({"xml": "x"}, {}),
        ({"example": 1, "examples": [1], "externalDocs": {}, "x-y": 1, "unheard": 1}, {}),
        ({"default": {"$ref": "kept"}, "const": None}, {"default": {"$ref": "kept"}, "const": None}),
        ({"dependencies": {"a": ["b", "b"], "c": {"type": "object"}}}, {
            "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"type": "object"}},
        }),
        ({"type": "string", "contentMediaType": "image/png"}, {
            "type": "string", "contentMediaType": "image/png", "format": "binary",
        }),
        ({"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"}, {
            "type": "string", "contentMediaType": "image/png", "contentEncoding": "base64",
        }),
    ],
)  # fmt: skip
def test_what_no_version_allows_is_mended(raw: dict[str, Any], expected: dict[str, Any]) -> None:
    assert convert(raw) == expected
    assert convert(raw, "3.1.0") == expected


@pytest.mark.parametrize(
    "raw",
    [{"type": "any"}, {"enum": ["a", "a"]}, {"items": []}, {"required": "x"}, {"minLength": -1}, {"properties": 3}, 7],
)
def test_mending_leaves_a_finding_with_its_place(raw: object) -> None:
    findings = [each for each in pool({"S": raw}).findings() if each.pointer.startswith("/components/schemas/S")]
    assert findings
    assert all(each.code.startswith("schema.") for each in findings)


def test_what_2020_12_knows_is_kept() -> None:
    raw = {
        "type": ["object", "null"],
        "prefixItems": [True],
        "unevaluatedProperties": False,
        "dependentRequired": {"a": ["b"]},
        "patternProperties": {"^x": {"type": "string"}},
        "propertyNames": {"pattern": "^a"},
        "if": {"required": ["a"]},
        "then": {"minProperties": 2},
        "else": False,
        "contains": {"const": 1},
        "minContains": 0,
        "readOnly": True,
        "writeOnly": False,
    }
    assert convert(raw, "3.1.0") == raw


def test_properties_may_be_named_like_keywords() -> None:
    raw = {
        "properties": {
            "$ref": {"type": "string"},
            "type": {"type": "object"},
            "properties": {},
            "enum": {},
            "a/b~c": {},
        }
    }
    assert convert(raw) == raw


def test_properties_behind_a_reference_are_read() -> None:
    model = read(
        {"components": {"schemas": {"S": {"properties": {"$ref": "p.yaml#/all", "own": {"type": "integer"}}}}}},
        {"p.yaml": "all:\n  a: {type: string}\n  own: {type: string}\n"},
    )
    assert model.schemas["S"] == {"properties": {"a": {"type": "string"}, "own": {"type": "integer"}}}


def test_required_on_a_property_is_the_objects() -> None:
    raw = {"properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}, "required": ["b"]}
    assert convert(raw) == {"properties": {"a": {"type": "string"}, "b": {}}, "required": ["b", "a"]}


def test_siblings_of_a_reference_count_from_3_1_on() -> None:
    raw = {"$ref": "#/components/schemas/Other", "minProperties": 1, "description": "d"}
    assert convert(raw, "3.1.0") == {"$ref": "#/$defs/Other", "minProperties": 1, "description": "d"}
    assert convert(raw, "3.0.0") == {"$ref": "#/$defs/Other", "description": "d"}
    assert "schema.beside_reference" in codes(pool({"S": raw, "Other": {}}))


def test_discriminator_mappings_name_definitions() -> None:
    raw = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"c": "Cat", "d": "#/components/schemas/Dog", "e": "#/gone"},
        },
    }
    model = pool({"S": raw, "Cat": {}, "Dog": {}})
    found = model.schemas["S"]
    assert isinstance(found, dict)
    assert found["discriminator"] == {"propertyName": "kind", "mapping": {"c": "#/$defs/Cat", "d": "#/$defs/Dog"}}
    assert "reference.dangling" in codes(model)


def test_a_dangling_reference_allows_anything_and_keeps_the_tool() -> None:
    model = pool({"S": {"properties": {"a": {"$ref": "#/components/schemas/Gone", "description": "d"}}}})
    assert model.schemas["S"] == {"properties": {"a": {"description": "d"}}}
    assert [each.pointer for each in model.findings() if each.code == "reference.dangling"] == [
        "/components/schemas/S/properties/a"
    ]


def test_schemas_are_converted_when_first_read() -> None:
    model = pool({"Bad": {"type": "any"}, "Good": {"type": "string"}})
    assert not any(each.code == "schema.type" for each in model.notes)
    assert model.schemas["Good"] == {"type": "string"}
    assert not any(each.code == "schema.type" for each in model.notes)
    assert "schema.type" in codes(model)


def test_names_are_safe_and_do_not_depend_on_order() -> None:
    schemas = {"Ok.Name-1": {}, "Foo<Bar>": {}, "a b": {}, "日本": {}, "": {}}
    names = list(pool(schemas).schemas)
    assert names == list(pool(dict(reversed(schemas.items()))).schemas)
    assert "Ok.Name-1" in names
    assert len(set(names)) == 5
    for name in names:
        assert name.isascii()
        assert not set(name) & set(" /~%<>#")


def test_equally_named_files_in_two_folders_are_two_definitions() -> None:
    files = {"a/Pet.yaml": "type: string", "b/Pet.yaml": "type: integer"}
    schemas = {"A": {"$ref": "a/Pet.yaml"}, "B": {"$ref": "b/Pet.yaml"}}
    found = read({"components": {"schemas": schemas}}, files)
    one, two = (closed(found.schemas[name], found.schemas) for name in "AB")
    assert isinstance(one, dict)
    assert isinstance(two, dict)
    assert list(one["$defs"].values()) == [{"type": "string"}]
    assert list(two["$defs"].values()) == [{"type": "integer"}]


def test_a_schema_nested_beyond_measure_is_split_and_loses_nothing() -> None:
    raw: dict[str, Any] = {"const": "deep"}
    for _ in range(120):
        raw = {"type": "object", "required": ["a"], "properties": {"a": raw}}
    model = pool({"S": raw})
    value: object = "deep"
    for _ in range(120):
        value = {"a": value}
    check = jsonschema_rs.Draft202012Validator(closed(model.schemas["S"], model.schemas))
    assert check.is_valid(value)
    assert not check.is_valid({"a": value})


@pytest.mark.parametrize(
    ("schemas", "good", "bad"),
    [
        ({"S": {"$ref": "#/components/schemas/S"}}, 1, None),
        ({"S": {"$ref": "#/components/schemas/T"}, "T": {"$ref": "#/components/schemas/S"}}, 1, None),
        ({"S": {"allOf": [{"$ref": "#/components/schemas/S"}, {"type": "string"}]}}, "a", 1),
        (
            {
                "S": {"type": "object", "required": ["k"], "oneOf": [{"$ref": "#/components/schemas/D"}]},
                "D": {"allOf": [{"$ref": "#/components/schemas/S"}, {"properties": {"n": {"type": "integer"}}}]},
            },
            {"k": 1, "n": 2},
            {"k": 1, "n": "x"},
        ),
        (
            {
                "S": {"anyOf": [{"$ref": "#/components/schemas/T"}]},
                "T": {"anyOf": [{"$ref": "#/components/schemas/S"}]},
            },
            1,
            None,
        ),
        (
            {"S": {"properties": {"next": {"$ref": "#/components/schemas/S"}}, "type": "object"}},
            {"next": {}},
            {"next": 1},
        ),
    ],
)
def test_a_definition_composed_of_itself_is_opened_and_still_checks(
    schemas: dict[str, Any], good: object, bad: object
) -> None:
    model = pool(schemas)
    check = jsonschema_rs.Draft202012Validator(closed(model.schemas["S"], model.schemas))
    assert check.is_valid(good)
    if bad is not None:
        assert not check.is_valid(bad)


def test_circles_are_opened_the_same_way_whichever_is_read_first() -> None:
    schemas = {
        "A": {"allOf": [{"$ref": "#/components/schemas/B"}], "minProperties": 1},
        "B": {"allOf": [{"$ref": "#/components/schemas/C"}], "minProperties": 2},
        "C": {"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}], "minProperties": 3},
    }
    forward, backward = pool(schemas).schemas, pool(schemas).schemas
    first = {name: forward[name] for name in "ABC"}
    assert first == {name: backward[name] for name in "CBA"}
    assert "schema.circular" in codes(pool(schemas))
