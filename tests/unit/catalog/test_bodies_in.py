from __future__ import annotations

from typing import Any

import pytest

from apiloom.catalog.bodies_in import MAX_FIELDS
from apiloom.catalog.storage import tool_from_json, tool_to_json
from apiloom.catalog.tool import BoundBody, LedgerLine, Tool
from support.catalogs import OK, catalog_of, strict_of, tool_with_body, view_of

TEXT = {"type": "string"}


def body_of(tool: Tool) -> BoundBody:
    assert tool.binding.body is not None
    return tool.binding.body


def sent_as(content: dict[str, Any]) -> tuple[Tool | None, LedgerLine]:
    operation = {"operationId": "send", "requestBody": {"required": True, "content": content}, "responses": OK}
    catalog = catalog_of({"/things": {"post": operation}})
    return next(iter(catalog.tools.values()), None), catalog.ledger[0]


def test_members_of_an_object_become_arguments_required_ones_first() -> None:
    schema = {"type": "object", "properties": {"b": TEXT, "a": TEXT, "z": TEXT}, "required": ["z"]}
    tool, catalog = tool_with_body(schema)
    assert [one.name for one in tool.arguments] == ["z", "a", "b"]
    assert view_of(tool, catalog)["required"] == ["z"]
    assert not strict_of(tool, catalog).is_valid({})
    assert not strict_of(tool, catalog).is_valid({"z": "1", "unknown": "2"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": TEXT},
        {"type": "string"},
        {"type": "object"},
        {"type": "object", "additionalProperties": TEXT},
        {"oneOf": [{"type": "object", "properties": {"a": TEXT}}, {"type": "object", "properties": {"b": TEXT}}]},
        {"type": "object", "properties": {"a": TEXT}, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"type": "object", "properties": {f"p{number}": TEXT for number in range(MAX_FIELDS + 1)}},
        {},
    ],
)
def test_what_has_no_list_of_members_stays_whole(schema: dict[str, Any]) -> None:
    tool, _ = tool_with_body(schema)
    assert [(one.name, one.place, one.original) for one in tool.arguments] == [("body", "body", "")]
    assert body_of(tool).whole == "body"


def test_parts_of_an_all_of_are_merged_and_what_both_say_of_a_member_holds() -> None:
    schemas = {"Base": {"type": "object", "properties": {"id": TEXT, "n": {"minimum": 3}}, "required": ["id"]}}
    part = {"type": "object", "properties": {"n": {"type": "integer"}, "x": TEXT}, "required": ["n"]}
    tool, catalog = tool_with_body({"allOf": [{"$ref": "#/components/schemas/Base"}, part]}, schemas)
    assert {one.name for one in tool.arguments} == {"id", "n", "x"}
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"id": "1", "n": 3})
    assert not strict.is_valid({"id": "1", "n": 2})
    assert not strict.is_valid({"id": "1", "n": 3.5})
    assert not strict.is_valid({"n": 3})


def test_a_map_with_named_members_takes_the_others_in_one_argument() -> None:
    schema = {"type": "object", "properties": {"name": TEXT}, "additionalProperties": {"type": "integer"}}
    tool, catalog = tool_with_body(schema)
    assert body_of(tool).rest == "additional_properties"
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"name": "a", "additional_properties": {"other": 1}})
    assert not strict.is_valid({"additional_properties": {"other": "text"}})
    assert not strict.is_valid({"additional_properties": {"name": 1}})


def test_members_of_an_optional_body_are_required_only_when_there_is_a_body() -> None:
    schema = {"type": "object", "properties": {"a": TEXT, "b": TEXT, "c": TEXT}, "required": ["a", "b"]}
    tool, catalog = tool_with_body(schema, required=False)
    strict = strict_of(tool, catalog)
    assert strict.is_valid({})
    assert strict.is_valid({"a": "1", "b": "2"})
    assert not strict.is_valid({"c": "3"})
    assert not strict.is_valid({"a": "1"})
    assert "required" not in view_of(tool, catalog)
    assert "If any body argument is given, a and b must be given too." in tool.description


def test_what_is_read_only_is_neither_shown_nor_required_through_references_and_all_of() -> None:
    schemas = {
        "Id": {"type": "string", "readOnly": True},
        "Base": {"type": "object", "properties": {"id": {"$ref": "#/components/schemas/Id"}}, "required": ["id"]},
        "Owner": {
            "type": "object",
            "properties": {"since": {**TEXT, "readOnly": True}, "n": TEXT},
            "required": ["since"],
        },
    }
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Base"}],
        "properties": {"owner": {"$ref": "#/components/schemas/Owner"}, "made": {"readOnly": True}},
        "required": ["made", "owner", "id"],
    }
    tool, catalog = tool_with_body(schema, schemas)
    assert [one.name for one in tool.arguments] == ["owner"]
    assert list(view_of(tool, catalog)["properties"]["owner"]["properties"]) == ["n"]
    assert strict_of(tool, catalog).is_valid({"owner": {"n": "x"}})


def test_what_is_required_elsewhere_in_an_all_of_is_not_when_read_only() -> None:
    nested = {"allOf": [{"properties": {"id": {"readOnly": True}, "n": TEXT}}, {"required": ["id", "n"]}]}
    tool, catalog = tool_with_body({"type": "object", "properties": {"thing": nested}})
    assert strict_of(tool, catalog).is_valid({"thing": {"n": "x"}})
    assert not strict_of(tool, catalog).is_valid({"thing": {}})


def test_one_of_several_members_must_be_there_and_the_tool_says_so() -> None:
    schema = {
        "type": "object",
        "properties": {"id": TEXT, "name": TEXT},
        "anyOf": [{"required": ["id"]}, {"required": ["name"]}],
    }
    tool, catalog = tool_with_body(schema)
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"name": "x"})
    assert not strict.is_valid({})
    assert "anyOf" not in view_of(tool, catalog)
    assert "Give at least one of: id; name." in tool.description


def test_null_and_absence_are_two_things() -> None:
    tool, catalog = tool_with_body({"type": "object", "properties": {"note": {"type": ["string", "null"]}}})
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"note": None})
    assert strict.is_valid({})
    assert view_of(tool, catalog)["properties"]["note"] == {"type": "string", "description": "Or null."}


def test_json_is_preferred_wherever_it_stands_and_parameters_are_kept() -> None:
    tool, _ = sent_as({"application/xml": {"schema": {"type": "object"}}, "application/json; v=1": {"schema": TEXT}})
    assert tool is not None
    assert body_of(tool).media_type == "application/json; v=1"


@pytest.mark.parametrize(
    ("media_types", "chosen"),
    [
        (["text/plain", "application/vnd.x+json"], "application/vnd.x+json"),
        (["multipart/form-data", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"),
        (["application/json-patch+json", "application/merge-patch+json"], "application/merge-patch+json"),
        (["application/octet-stream", "text/csv"], "text/csv"),
    ],
)
def test_the_choice_between_media_types_does_not_depend_on_their_order(media_types: list[str], chosen: str) -> None:
    for order in (media_types, media_types[::-1]):
        tool, _ = sent_as({name: {"schema": {}} for name in order})
        assert tool is not None
        assert body_of(tool).media_type == chosen


def test_any_media_type_is_json_for_objects_and_bytes_for_nothing_in_particular() -> None:
    as_object, _ = sent_as({"*/*": {"schema": {"type": "object", "properties": {"a": TEXT}}}})
    as_bytes, _ = sent_as({"*/*": {"schema": {"type": "string", "format": "binary"}}})
    assert as_object is not None
    assert as_bytes is not None
    assert body_of(as_object).media_type == "application/json"
    assert (body_of(as_bytes).media_type, body_of(as_bytes).binary) == ("application/octet-stream", True)


@pytest.mark.parametrize(
    ("media_type", "schema", "reason"),
    [
        (
            "application/xml",
            {"type": "object", "properties": {"a": TEXT}},
            "its XML body cannot be written: it has no root element: the schema needs an xml object with a name",
        ),
        ("text/csv", {"type": "object"}, "text/csv bodies can only be written from text"),
        ("multipart/form-data", {"type": "array"}, "the parts of a form need names, and its body is a list"),
        ("multipart/byteranges", {"type": "object"}, "multipart/byteranges bodies cannot be written yet"),
    ],
)
def test_what_cannot_be_written_is_gated_with_its_reason(media_type: str, schema: Any, reason: str) -> None:
    tool, line = sent_as({media_type: {"schema": schema}})
    assert tool is None
    assert (line.status, line.reason) == ("gated", reason)


def test_xml_that_is_plain_text_is_sent_as_given() -> None:
    tool, _ = sent_as({"application/xml": {"schema": TEXT}})
    assert tool is not None
    assert (body_of(tool).whole, body_of(tool).binary) == ("body", False)


def test_lines_of_json_are_a_list() -> None:
    tool, _ = sent_as({"application/x-ndjson": {"schema": {"type": "object", "properties": {"a": TEXT}}}})
    assert tool is not None
    assert isinstance(tool.input_schema, dict)
    assert tool.input_schema["properties"]["body"]["type"] == "array"


def test_a_file_is_base64_or_an_object_with_its_name_and_a_plain_string_in_the_view() -> None:
    tool, _ = sent_as({"application/octet-stream": {}})
    assert tool is not None
    catalog_tool, catalog = tool_with_body({}, media_type="application/octet-stream")
    strict = strict_of(catalog_tool, catalog)
    assert strict.is_valid({"body": "aGVsbG8="})
    assert strict.is_valid({"body": {"data": "aGVsbG8=", "filename": "a.txt", "type": "text/plain"}})
    assert not strict.is_valid({"body": {"filename": "a.txt"}})
    assert view_of(catalog_tool, catalog)["properties"]["body"]["type"] == "string"
    assert "base64" in view_of(catalog_tool, catalog)["properties"]["body"]["description"]


def test_parts_of_a_multipart_body_are_files_json_or_values() -> None:
    schema = {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "The photo"},
            "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
            "meta": {"type": "object", "properties": {"a": TEXT}},
            "tags": {"type": "array", "items": TEXT},
            "raw": {"contentMediaType": "image/png", "contentEncoding": "base64", "type": "string"},
            "logo": TEXT,
        },
    }
    encoding = {"logo": {"contentType": "image/png"}}
    tool, catalog = tool_with_body(schema, media_type="multipart/form-data", encoding=encoding)
    assert {one.name: one.kind for one in body_of(tool).fields} == {
        "file": "binary",
        "files": "binaries",
        "meta": "json",
        "tags": "value",
        "raw": "value",
        "logo": "binary",
    }
    assert (
        view_of(tool, catalog)["properties"]["file"]["description"]
        == "The photo. File content as base64, or an apiloom:// handle."
    )


def test_a_tag_tells_members_of_a_union_apart() -> None:
    schemas = {
        "Cat": {"type": "object", "properties": {"kind": TEXT, "claws": {"type": "integer"}}},
        "Dog": {"type": "object", "properties": {"kind": TEXT, "barks": {"type": "boolean"}}},
    }
    schema = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {"propertyName": "kind", "mapping": {"feline": "#/components/schemas/Cat"}},
    }
    tool, catalog = tool_with_body(schema, schemas)
    strict = strict_of(tool, catalog)
    assert strict.is_valid({"body": {"kind": "feline", "claws": 4}})
    assert strict.is_valid({"body": {"kind": "Dog"}})
    assert not strict.is_valid({"body": {"claws": 4}})
    assert not strict.is_valid({"body": {"kind": "Cat"}})
    members = view_of(tool, catalog)["properties"]["body"]["anyOf"]
    assert [one["properties"]["kind"]["enum"] for one in members] == [["feline"], ["Dog"]]
    assert all("kind" in one["required"] for one in members)


def test_a_media_type_that_takes_something_else_is_an_argument_of_its_own() -> None:
    file = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}}}
    tool, _ = sent_as(
        {
            "multipart/form-data": {"schema": file},
            "application/json": {"schema": {"type": "object", "properties": {"url": TEXT}, "required": ["url"]}},
            "application/vnd.x+json": {"schema": {"type": "object", "properties": {"x": TEXT}}},
            "*/*": {"schema": {"type": "array"}},
        }
    )
    assert tool is not None
    assert [one.name for one in tool.arguments] == ["url", "body_vnd_x_json", "body_multipart"]
    assert tool.input_schema["anyOf"] == [  # type: ignore[index]
        {"required": ["url"]},
        {"required": ["body_vnd_x_json"]},
        {"required": ["body_multipart"]},
    ]
    assert [(one.media_type, one.whole) for one in body_of(tool).others] == [
        ("application/vnd.x+json", "body_vnd_x_json"),
        ("multipart/form-data", "body_multipart"),
    ]


def test_a_media_type_with_the_same_schema_is_no_choice() -> None:
    same = {"schema": {"type": "object", "properties": {"a": TEXT}}}
    tool, _ = sent_as({"application/json": same, "application/xml": same, "application/x-www-form-urlencoded": same})
    assert tool is not None
    assert [one.name for one in tool.arguments] == ["a"]
    assert body_of(tool).others == ()


def test_of_two_media_types_with_one_schema_the_one_that_takes_its_files_goes_first() -> None:
    same = {"schema": {"type": "object", "properties": {"a": {"type": "string", "format": "binary"}}}}
    tool, _ = sent_as({"application/json": same, "multipart/form-data": same})
    assert tool is not None
    assert body_of(tool).media_type == "multipart/form-data"


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({}, "binary"),
        ({"description": "A name."}, "value"),
        ({"type": "string", "contentEncoding": "binary"}, "binary"),
        ({"type": "string", "contentEncoding": "base64"}, "value"),
        ({"type": "array", "items": {"type": "string", "contentEncoding": "binary"}}, "binaries"),
    ],
)
def test_a_part_that_is_bytes_is_a_file(schema: dict[str, Any], kind: str) -> None:
    tool, _ = sent_as({"multipart/form-data": {"schema": {"type": "object", "properties": {"f": schema}}}})
    assert tool is not None
    assert body_of(tool).fields[0].kind == kind


@pytest.mark.parametrize(
    "content",
    [
        {"application/xml": {"schema": {"$ref": "#/components/schemas/Node"}}},
        {"multipart/mixed": {"schema": {"type": "array", "prefixItems": [{"type": "object"}, {}]}}},
        {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"n": {"$ref": "#/components/schemas/Node"}}},
                "encoding": {"n": {"contentType": "text/xml", "headers": {"X": {"schema": {"const": "y"}}}}},
            },
            "text/plain": {"schema": {"type": "string", "maxLength": 3}},
        },
    ],
)
def test_every_form_of_a_body_survives_being_kept(content: dict[str, Any]) -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "v": TEXT}}
    parameters = [
        {
            "name": "q",
            "in": "querystring",
            "content": {"application/x-www-form-urlencoded": {"schema": {}, "encoding": {"a": {"style": "form"}}}},
        }
    ]
    operation = {"requestBody": {"required": True, "content": content}, "parameters": parameters, "responses": OK}
    tool = next(iter(catalog_of({"/a": {"post": operation}}, {"Node": node}).tools.values()))
    assert tool_from_json(tool_to_json(tool)) == tool
