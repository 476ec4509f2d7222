"""Parameters: gathered, overridden, styled; what cannot be read is left out or quarantines."""

from __future__ import annotations

from typing import Any

import pytest

from support.reading import codes, operation, parameter, quarantined, read


def one(given: dict[str, Any], path: str = "/a", **document: Any) -> Any:
    """A document with one operation that has one parameter."""
    return read({"paths": {path: {"get": {"parameters": [given]}}}, **document})


def test_operation_parameters_override_those_of_the_path_by_name_and_place() -> None:
    item = {
        "parameters": [
            {"name": "a", "in": "query", "schema": {"type": "string"}},
            {"name": "b", "in": "query", "schema": {"type": "string"}},
        ],
        "get": {
            "parameters": [
                {"name": "a", "in": "query", "required": True, "schema": {"type": "integer"}},
                {"name": "a", "in": "header", "schema": {"type": "boolean"}},
            ]
        },
    }
    found = operation(read({"paths": {"/x": item}}), "GET /x").shape.parameters
    assert {(each.name, each.place): each.schema for each in found} == {
        ("b", "query"): {"type": "string"},
        ("a", "query"): {"type": "integer"},
        ("a", "header"): {"type": "boolean"},
    }


@pytest.mark.parametrize(
    ("place", "said", "style", "explode"),
    [
        ("query", {}, "form", True),
        ("query", {"explode": False}, "form", False),
        ("query", {"style": "spaceDelimited"}, "spaceDelimited", False),
        ("query", {"style": "pipeDelimited", "explode": True}, "pipeDelimited", True),
        ("query", {"style": "deepObject"}, "deepObject", False),
        ("query", {"style": "deepObject", "explode": True}, "deepObject", True),
        ("path", {}, "simple", False),
        ("path", {"explode": True}, "simple", True),
        ("path", {"style": "label"}, "label", False),
        ("path", {"style": "matrix", "explode": True}, "matrix", True),
        ("header", {}, "simple", False),
        ("header", {"explode": True}, "simple", True),
        ("cookie", {}, "form", True),
        ("cookie", {"explode": False}, "form", False),
        ("cookie", {"style": "cookie"}, "cookie", True),
    ],
)
def test_style_and_explode_are_resolved_by_the_table(
    place: str, said: dict[str, Any], style: str, explode: bool
) -> None:
    model = one({"name": "p", "in": place, "required": place == "path", "schema": {}, **said}, "/a/{p}")
    found = parameter(model, "GET /a/{p}", "p") if place == "path" else None
    found = found or next(each for each in model.operations[0].shape.parameters if each.place == place)
    assert (found.style, found.explode) == (style, explode)


@pytest.mark.parametrize("style", ["form", {}, [], 7])
def test_a_style_that_has_no_meaning_in_its_place_is_the_default_with_a_finding(style: object) -> None:
    model = one({"name": "p", "in": "header", "style": style, "schema": {}})
    assert parameter(model, "GET /a", "p").style == "simple"
    assert "parameter.style" in codes(model)


@pytest.mark.parametrize(
    ("place", "collection", "style", "explode"),
    [
        ("query", None, "form", False),
        ("query", "csv", "form", False),
        ("query", "multi", "form", True),
        ("query", "ssv", "spaceDelimited", False),
        ("query", "pipes", "pipeDelimited", False),
        ("query", "tsv", "tabDelimited", False),
        ("path", "csv", "simple", False),
        ("header", None, "simple", False),
        ("header", "pipes", "pipeDelimited", False),
    ],
)
def test_collection_formats_of_swagger_are_styles(
    place: str, collection: str | None, style: str, explode: bool
) -> None:
    given = {"name": "p", "in": place, "type": "array", "items": {"type": "string"}, "required": True}
    if collection:
        given["collectionFormat"] = collection
    path = "/a/{p}" if place == "path" else "/a"
    found = parameter(one(given, path, swagger="2.0"), f"GET {path}", "p")
    assert (found.style, found.explode) == (style, explode)
    assert found.schema == {"type": "array", "items": {"type": "string"}}


def test_content_parameters_have_a_media_type() -> None:
    found = parameter(
        one({"name": "p", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}),
        "GET /a",
        "p",
    )
    assert (found.media_type, found.schema) == ("application/json", {"type": "object"})


def test_schema_wins_over_content_with_a_finding() -> None:
    model = one({"name": "p", "in": "query", "schema": {"type": "string"}, "content": {"application/json": {}}})
    assert parameter(model, "GET /a", "p").media_type is None
    assert "parameter.content" in codes(model)


def test_a_querystring_parameter_needs_content() -> None:
    content = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
    model = one({"name": "q", "in": "querystring", "content": content}, openapi="3.2.0")
    found = parameter(model, "GET /a", "q")
    assert (found.place, found.media_type) == ("querystring", "application/x-www-form-urlencoded")
    bad = one({"name": "q", "in": "querystring", "required": True, "schema": {}}, openapi="3.2.0")
    assert "no content" in quarantined(bad)["GET /a"]


@pytest.mark.parametrize("name", ["Accept", "content-type", "Authorization", "Host", "Content-Length"])
def test_headers_that_others_set_are_never_shown(name: str) -> None:
    model = one({"name": name, "in": "header", "required": True, "schema": {"type": "string"}})
    assert operation(model, "GET /a").shape.parameters == ()
    assert "parameter.reserved" in codes(model)


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "p", "in": "nowhere", "schema": {}},
        {"in": "query", "schema": {}},
        {"name": "a b", "in": "header", "schema": {}},
        {"name": "", "in": "query"},
    ],
)
def test_a_bad_parameter_is_left_out_when_optional_and_quarantines_when_required(bad: dict[str, Any]) -> None:
    optional = one(bad)
    assert operation(optional, "GET /a").shape.parameters == ()
    assert "parameter.invalid" in codes(optional)
    assert list(quarantined(one({**bad, "required": True}))) == ["GET /a"]


@pytest.mark.parametrize("bad", [{"$ref": "#/components/parameters/Gone"}, "text", {"$ref": "other.yaml#/P"}])
def test_a_parameter_of_which_nothing_is_known_quarantines_its_operation_only(bad: object) -> None:
    model = read({"paths": {"/a": {"get": {"parameters": [bad]}, "post": {}}}})
    assert list(quarantined(model)) == ["GET /a"]
    assert [each.key for each in model.operations] == ["POST /a"]


def test_a_shared_bad_parameter_quarantines_all_that_use_it_each_with_the_reason() -> None:
    shared = {"P": {"name": "q", "in": "querystring", "required": True}}
    uses = {"parameters": [{"$ref": "#/components/parameters/P"}]}
    model = read({"paths": {"/a": {"get": uses, "post": uses}}, "components": {"parameters": shared}})
    assert list(quarantined(model)) == ["GET /a", "POST /a"]
    assert len(set(quarantined(model).values())) == 1


def test_references_to_parameters_are_followed_through_references() -> None:
    shared = {
        "A": {"$ref": "#/components/parameters/B"},
        "B": {"name": "p", "in": "query", "schema": {"type": "integer"}},
    }
    model = one({"$ref": "#/components/parameters/A"}, components={"parameters": shared})
    assert parameter(model, "GET /a", "p").schema == {"type": "integer"}
    assert parameter(model, "GET /a", "p").pointer == "/components/parameters/B"


def test_a_reference_that_leads_back_to_itself_quarantines() -> None:
    shared = {"A": {"$ref": "#/components/parameters/A"}}
    assert list(quarantined(one({"$ref": "#/components/parameters/A"}, components={"parameters": shared}))) == [
        "GET /a"
    ]


def test_a_parameter_declared_twice_counts_once() -> None:
    twice = [{"name": "p", "in": "query", "schema": {"type": kind}} for kind in ("string", "integer")]
    model = read({"paths": {"/a": {"get": {"parameters": twice}}}})
    assert parameter(model, "GET /a", "p").schema == {"type": "string"}
    assert "parameter.duplicate" in codes(model)


def test_a_path_parameter_is_always_required() -> None:
    assert parameter(one({"name": "p", "in": "path", "schema": {}}, "/a/{p}"), "GET /a/{p}", "p").required


def test_swagger_types_in_openapi_3_are_read_as_meant() -> None:
    model = one({"name": "p", "in": "query", "type": "integer", "minimum": 1})
    assert parameter(model, "GET /a", "p").schema == {"type": "integer", "minimum": 1}
    assert "parameter.old" in codes(model)


def test_places_are_read_in_any_case() -> None:
    assert parameter(one({"name": "p", "in": "Query", "schema": {}}), "GET /a", "p").place == "query"


def test_parameters_that_are_no_list_are_read_or_quarantined() -> None:
    single = {"name": "p", "in": "query", "schema": {}}
    assert parameter(read({"paths": {"/a": {"get": {"parameters": single}}}}), "GET /a", "p")
    assert parameter(read({"paths": {"/a": {"get": {"parameters": {"p": single}}}}}), "GET /a", "p")
    assert list(quarantined(read({"paths": {"/a": {"get": {"parameters": "p"}}}}))) == ["GET /a"]


@pytest.mark.parametrize(
    ("key", "given", "slashes", "reserved"),
    [
        ("/a/{p}", {}, False, False),
        ("/a/{+p}", {}, True, True),
        ("/a/{p+}", {}, True, True),
        ("/a/{p:path}", {}, True, False),
        ("/a/{p:.*}", {}, True, False),
        ("/a/{p:[0-9]+}", {}, False, False),
        ("/a/{p}", {"x-ms-skip-url-encoding": True}, True, True),
        ("/a/{p}", {"x-apiloom-slashes": True}, True, False),
        ("/a/{p}", {"allowReserved": True}, False, True),
    ],
)
def test_a_path_value_keeps_its_slashes_where_the_document_says_so(
    key: str, given: dict[str, Any], slashes: bool, reserved: bool
) -> None:
    raw = {"name": "p", "in": "path", "required": True, "schema": {"type": "string"}, **given}
    found = parameter(one(raw, key), f"GET {key}", "p")
    assert (found.slashes, found.allow_reserved) == (slashes, reserved)


@pytest.mark.parametrize(
    ("given", "nesting"),
    [({}, ""), ({"x-apiloom-nesting": "dots"}, "dots"), ({"x-apiloom-nesting": "empty"}, "empty")],
)
def test_a_parameter_says_how_nested_names_are_spelled(given: dict[str, Any], nesting: str) -> None:
    found = one({"name": "p", "in": "query", "schema": {}, **given})
    assert parameter(found, "GET /a", "p").nesting == nesting


@pytest.mark.parametrize("wrong", ["commas", 7, ["dots"], {"a": 1}])
def test_an_unknown_spelling_of_nesting_is_told_and_brackets_are_taken(wrong: Any) -> None:
    found = one({"name": "p", "in": "query", "schema": {}, "x-apiloom-nesting": wrong})
    assert parameter(found, "GET /a", "p").nesting == ""
    assert "parameter.style" in codes(found)
