"""Request bodies of every version."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.model.api import Body, Encoding
from support.reading import codes, operation, quarantined, read


def body(given: object, **document: Any) -> Body | None:
    return operation(read({"paths": {"/a": {"post": {"requestBody": given}}}, **document}), "POST /a").shape.body


def swagger(parameters: list[dict[str, Any]], **said: Any) -> Body:
    model = read({"swagger": "2.0", "paths": {"/a": {"post": {"parameters": parameters, **said}}}})
    found = operation(model, "POST /a").shape.body
    assert found is not None
    return found


def test_media_types_keep_their_order_and_spelling() -> None:
    found = body(
        {"required": True, "description": "D", "content": {"application/xml": {}, " application/json;v=1": {}}}
    )
    assert found is not None
    assert [each.type for each in found.media] == ["application/xml", "application/json;v=1"]
    assert (found.required, found.description) == (True, "D")


def test_a_body_behind_a_reference_is_read() -> None:
    shared = {"B": {"content": {"application/json": {"schema": {"type": "object"}}}}}
    found = body({"$ref": "#/components/requestBodies/B"}, components={"requestBodies": shared})
    assert found is not None
    assert found.media[0].schema == {"type": "object"}


@pytest.mark.parametrize(
    "bad", [{"$ref": "#/gone"}, "text", {"required": True}, {"required": True, "content": {"not a type": {}}}]
)
def test_a_body_that_does_not_say_what_to_send_quarantines(bad: object) -> None:
    assert list(quarantined(read({"paths": {"/a": {"post": {"requestBody": bad}}}}))) == ["POST /a"]


def test_an_optional_body_without_media_type_is_not_sent() -> None:
    assert body({"content": {}}) is None


def test_content_without_schema_is_what_its_type_says() -> None:
    found = body({"content": {"application/octet-stream": {}, "text/csv": {"schema": {}}, "application/json": None}})
    assert found is not None
    assert [each.schema for each in found.media] == [{"type": "string", "format": "binary"}, {"type": "string"}, {}]


def test_encodings_of_parts_are_kept() -> None:
    encoding = {
        "a": {"contentType": "image/png", "headers": {"X": {}}},
        "b": {"style": "deepObject", "explode": True, "allowReserved": True},
        "c": "nonsense",
    }
    found = body({"content": {"multipart/form-data": {"schema": {"type": "object"}, "encoding": encoding}}})
    assert found is not None
    assert found.media[0].encodings == {
        "a": Encoding(content_type="image/png"),
        "b": Encoding(style="deepObject", explode=True, allow_reserved=True),
    }


def test_sequences_of_openapi_3_2_keep_their_item_schema() -> None:
    found = body({"content": {"application/jsonl": {"itemSchema": {"type": "integer"}}}}, openapi="3.2.0")
    assert found is not None
    assert found.media[0].item_schema == {"type": "integer"}


def test_a_swagger_body_is_sent_as_each_type_it_consumes() -> None:
    given = [{"name": "b", "in": "body", "required": True, "schema": {"type": "object"}}]
    assert [each.type for each in swagger(given).media] == ["application/json"]
    assert [each.type for each in swagger(given, consumes=["application/xml", "text/json"]).media] == [
        "application/xml",
        "text/json",
    ]


def test_the_documents_consumes_hold_where_the_operation_has_none() -> None:
    post = {"parameters": [{"name": "b", "in": "body", "schema": {}}]}
    model = read(
        {"swagger": "2.0", "consumes": ["text/xml"], "paths": {"/a": {"post": post, "put": {**post, "consumes": []}}}}
    )
    post_body, put_body = (operation(model, key).shape.body for key in ("POST /a", "PUT /a"))
    assert post_body is not None
    assert put_body is not None
    assert [each.type for each in post_body.media] == ["text/xml"]
    assert [each.type for each in put_body.media] == ["application/json"]


def test_swagger_form_fields_become_one_urlencoded_body() -> None:
    found = swagger(
        [
            {"name": "a", "in": "formData", "type": "string", "required": True, "description": "A"},
            {"name": "b", "in": "formData", "type": "array", "items": {"type": "integer"}, "collectionFormat": "multi"},
            {"name": "c", "in": "formData", "type": "array", "items": {"type": "integer"}, "collectionFormat": "tsv"},
        ]
    )
    (media,) = found.media
    assert (media.type, found.required) == ("application/x-www-form-urlencoded", True)
    assert media.schema == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "A"},
            "b": {"type": "array", "items": {"type": "integer"}},
            "c": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["a"],
    }
    assert media.encodings == {
        "b": Encoding(style="form", explode=True),
        "c": Encoding(style="tabDelimited", explode=False),
    }


def test_a_swagger_file_makes_the_form_multipart() -> None:
    found = swagger([{"name": "f", "in": "formData", "type": "file"}], consumes=["application/x-www-form-urlencoded"])
    (media,) = found.media
    assert media.type == "multipart/form-data"
    assert isinstance(media.schema, dict)
    assert media.schema["properties"] == {"f": {"type": "string", "format": "binary"}}


@pytest.mark.parametrize(
    "second", [{"name": "c", "in": "body", "schema": {}}, {"name": "f", "in": "formData", "type": "string"}]
)
def test_two_bodies_quarantine(second: dict[str, Any]) -> None:
    parameters = [{"name": "b", "in": "body", "schema": {}}, second]
    model = read({"swagger": "2.0", "paths": {"/a": {"post": {"parameters": parameters}}}})
    assert list(quarantined(model)) == ["POST /a"]


def test_swagger_bodies_in_openapi_3_are_read_as_meant() -> None:
    parameters = [{"name": "b", "in": "body", "schema": {"type": "object"}}]
    model = read({"paths": {"/a": {"post": {"parameters": parameters}}}})
    found = operation(model, "POST /a").shape.body
    assert found is not None
    assert [(each.type, each.schema) for each in found.media] == [("application/json", {"type": "object"})]
    assert "parameter.old" in codes(model)


def test_swagger_answers_follow_produces_and_files_are_binary() -> None:
    responses = {"200": {"schema": {"type": "object"}}, "201": {"schema": {"type": "file"}}}
    get = {"responses": responses, "produces": ["application/json", "text/xml"]}
    model = read({"swagger": "2.0", "paths": {"/a": {"get": get, "put": {"responses": responses}}}})
    found = {each.status: each for each in operation(model, "GET /a").shape.responses}
    assert [each.type for each in found["200"].media] == ["application/json", "text/xml"]
    found = {each.status: each for each in operation(model, "PUT /a").shape.responses}
    assert [(each.type, each.schema) for each in found["201"].media] == [
        ("application/octet-stream", {"type": "string", "format": "binary"})
    ]
