from __future__ import annotations

from typing import Any

from apiloom.catalog.build import build_catalog
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


def test_several_successes_are_a_union_and_a_bodiless_one_adds_nothing() -> None:
    other = {"type": "object", "properties": {"id": {"type": "integer"}}}
    responses = {"202": {"description": "later"}, "201": json_answer(other), "200": json_answer(PET)}
    assert answered(responses)[0].output_schema == {"anyOf": [PET, other]}
    assert answered({"200": json_answer(PET), "201": json_answer(PET)})[0].output_schema == PET


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


def test_the_accept_header_asks_for_json_where_there_is_any() -> None:
    both = {"application/xml": {"schema": PET}, "application/json": {"schema": PET}}
    assert answered({"200": {"description": "", "content": both}})[0].binding.accept == "application/json"
    assert answered({"200": json_answer(PET, "application/vnd.x+json")})[0].binding.accept == "application/vnd.x+json"
    assert answered({"200": json_answer({}, "text/csv")})[0].binding.accept == "text/csv"
    assert answered({"204": {"description": "done"}})[0].binding.accept == "*/*"


def test_an_answer_that_is_not_json_has_no_schema() -> None:
    assert answered({"200": json_answer({"type": "string"}, "text/csv")})[0].output_schema is None


def test_definitions_of_answers_are_not_touched_while_tools_are_built_or_listed() -> None:
    paths = {"/pets": {"get": {"responses": {"200": json_answer({"$ref": "#/components/schemas/Pet"})}}}}
    model = model_of(paths, {"Pet": {"type": "object", "required": 7}})
    catalog = build_catalog(model)
    assert not model.notes
    for name in catalog.schemas:
        assert catalog.schemas[name] is not None
    assert model.notes
    assert catalog.notes
