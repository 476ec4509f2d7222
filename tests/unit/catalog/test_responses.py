from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from apiloom.catalog.build import build_catalog
from apiloom.catalog.responses import EMPTY
from apiloom.catalog.tool import Catalog, Tool
from apiloom.catalog.views import render_tool
from support.catalogs import catalog_of, model_of

PET = {"type": "object", "properties": {"name": {"type": "string", "description": "Its name"}}, "required": ["name"]}


def answered(responses: dict[str, Any], schemas: dict[str, Any] | None = None) -> tuple[Tool, Catalog]:
    catalog = catalog_of({"/pets": {"get": {"responses": responses}}}, schemas)
    (tool,) = catalog.tools.values()
    return tool, catalog


def json_answer(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {"description": "", "content": {media_type: {"schema": schema}}}


def outline(responses: dict[str, Any], schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    tool, catalog = answered(responses, schemas)
    schema: dict[str, Any] = render_tool(tool, catalog.schemas, with_output=True)["outputSchema"]
    return schema


def test_an_outline_has_names_and_descriptions_and_nothing_an_answer_could_violate() -> None:
    assert outline({"200": json_answer(PET)}) == {
        "type": "object",
        "properties": {"name": {"description": "Its name"}},
    }


def test_an_answer_that_is_no_object_is_told_under_result() -> None:
    found = outline({"200": json_answer({"type": "array", "items": PET})})
    assert found["type"] == "object"
    assert list(found["properties"]) == ["result"]
    assert found["properties"]["result"]["items"]["properties"] == {"name": {"description": "Its name"}}


def test_an_answer_that_may_be_either_tells_of_both() -> None:
    found = outline({"200": json_answer({"anyOf": [PET, {"type": "array", "items": PET}]})})
    assert {"name", "result"} == set(found["properties"])


def test_the_best_declared_success_counts_and_errors_never_do() -> None:
    error = json_answer({"type": "object", "properties": {"error": {}}})
    assert answered({"200": json_answer(PET), "404": error, "default": error})[0].output_schema == PET
    assert answered({"2XX": json_answer(PET), "default": error})[0].output_schema == PET
    assert answered({"default": json_answer(PET)})[0].output_schema == PET
    assert answered({"404": error})[0].output_schema is None


def test_several_successes_are_a_union_and_beside_one_without_json_nothing_is_promised() -> None:
    other = {"type": "object", "properties": {"id": {"type": "integer"}}}
    responses = {"201": json_answer(other), "200": json_answer(PET)}
    assert answered(responses)[0].output_schema == {"anyOf": [PET, other]}
    for empty in ({"description": "later"}, json_answer({"type": "string"}, "text/csv")):
        assert answered({**responses, "202": empty})[0].output_schema == {"anyOf": [PET, other, EMPTY]}
    assert answered({"200": json_answer(PET), "201": json_answer(PET)})[0].output_schema == PET


@pytest.mark.parametrize("schema", [PET, {"type": "array", "items": PET}, {"type": "string"}, {}])
def test_an_answer_that_may_be_empty_is_outlined_as_ever_and_empty_is_no_breach_of_the_strict_schema(
    schema: Any,
) -> None:
    alone = {"200": json_answer(schema)} if schema else {"200": json_answer({"description": "x"})}
    beside = {**alone, "204": {"description": "done"}}
    assert outline(beside) == outline(alone)
    tool, catalog = answered(beside)
    strict = render_tool(tool, catalog.schemas, profile="full", with_output=True)["outputSchema"]
    assert strict["type"] == "object"
    assert jsonschema_rs.is_valid(strict, {})


def test_a_list_inside_a_union_says_what_it_is_made_of() -> None:
    found = outline({"200": json_answer({"oneOf": [{"type": "string"}, {"type": "array", "items": PET}]})})
    assert found["properties"]["result"]["items"]["properties"] == {"name": {"description": "Its name"}}


def test_what_is_write_only_is_left_out_of_outlines() -> None:
    schema = {"type": "object", "properties": {"name": {}, "password": {"writeOnly": True}}}
    assert list(outline({"200": json_answer(schema)})["properties"]) == ["name"]


def test_answers_that_refer_to_themselves_end() -> None:
    schemas = {
        "Node": {
            "type": "object",
            "properties": {"next": {"$ref": "#/components/schemas/Node"}, "text": {"type": "string"}},
        }
    }
    found = outline({"200": json_answer({"$ref": "#/components/schemas/Node"})}, schemas)
    assert set(found["properties"]) == {"next", "text"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"$ref": "#/components/schemas/Any"}},
        {"oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Any"}}]},
        {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Any"}},
    ],
)
def test_answers_of_lists_in_lists_end(schema: Any) -> None:
    assert outline({"200": json_answer({"$ref": "#/components/schemas/Any"})}, {"Any": schema})["type"] == "object"


def test_the_accept_header_asks_for_json_where_there_is_any() -> None:
    both = {"application/xml": {"schema": PET}, "application/json": {"schema": PET}}
    assert answered({"200": {"description": "", "content": both}})[0].binding.accept == "application/json"
    assert answered({"200": json_answer(PET, "application/vnd.x+json")})[0].binding.accept == "application/vnd.x+json"
    assert answered({"200": json_answer({}, "text/csv")})[0].binding.accept == "text/csv"
    assert answered({"204": {"description": "done"}})[0].binding.accept == "*/*"


def test_an_answer_that_is_not_json_has_no_schema() -> None:
    assert answered({"200": json_answer({"type": "string"}, "text/csv")})[0].output_schema is None


def test_definitions_inside_answers_are_not_touched_while_tools_are_built_or_listed() -> None:
    paths = {"/pets": {"get": {"responses": {"200": json_answer({"$ref": "#/components/schemas/Pet"})}}}}
    named = {f"m{number}": {"type": "string"} for number in range(12)}
    pet = {"type": "object", "properties": {**named, "owner": {"$ref": "#/components/schemas/Owner"}}}
    model = model_of(paths, {"Pet": pet, "Owner": {"type": "object", "required": 7}})
    catalog = build_catalog(model)
    assert not model.notes
    for name in catalog.schemas:
        assert catalog.schemas[name] is not None
    assert model.notes
    assert catalog.notes
