from __future__ import annotations

import re

from apiloom.catalog.arguments import Wanted, assign, plain
from support.catalogs import OK, catalog_of, tool_with_body


def parameter(name: str, place: str, **more: object) -> dict[str, object]:
    return {"name": name, "in": place, "schema": {"type": "string"}, "required": place == "path", **more}


def test_the_path_keeps_a_contested_name_and_the_others_say_where_they_go() -> None:
    tool, _ = tool_with_body(
        {"type": "object", "properties": {"id": {"type": "string"}}},
        parameters=[parameter("id", "cookie"), parameter("id", "header"), parameter("id", "query")],
    )
    assert {(one.name, one.place, one.original) for one in tool.arguments} == {
        ("id", "query", "id"),
        ("id_header", "header", "id"),
        ("id_cookie", "cookie", "id"),
        ("id_body", "body", "/id"),
    }


def test_a_loser_whose_new_name_is_taken_gets_a_number() -> None:
    wanted = [Wanted("path", "id"), Wanted("query", "id"), Wanted("query", "id_query")]
    assert assign(wanted) == ["id", "id_query_2", "id_query"]


def test_a_whole_body_beside_a_parameter_called_body_steps_aside() -> None:
    tool, _ = tool_with_body({"type": "array", "items": {}}, parameters=[parameter("body", "query")])
    assert [(one.name, one.place, one.original) for one in tool.arguments] == [
        ("body", "query", "body"),
        ("body_body", "body", ""),
    ]
    assert tool.binding.body is not None
    assert tool.binding.body.whole == "body_body"


def test_names_that_clients_refuse_are_made_plain_and_mapped_back() -> None:
    originals = ["$top", "filter[a]", "ids[]", "@type", "a.b", "X-Trace-Id", "naïve", "x" * 70]
    paths = {"/things": {"get": {"parameters": [parameter(name, "query") for name in originals], "responses": OK}}}
    (tool,) = catalog_of(paths).tools.values()
    assert {one.original: one.name for one in tool.arguments}.keys() == set(originals)
    assert [one.name for one in tool.arguments[:7]] == [
        "top",
        "filter_a",
        "ids",
        "type",
        "a_b",
        "X-Trace-Id",
        "naive",
    ]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one.name) for one in tool.arguments)
    assert {one.argument: one.name for one in tool.binding.parameters} == {
        one.name: one.original for one in tool.arguments
    }


def test_a_name_with_no_plain_letter_is_named_by_its_hash() -> None:
    assert re.fullmatch(r"arg_[0-9a-f]{6}", plain("名前"))
    assert plain("名前") != plain("値段")


def test_between_two_of_one_place_the_plain_one_keeps_its_name() -> None:
    assert assign([Wanted("query", "ids[]"), Wanted("query", "ids")]) == ["ids_query", "ids"]


def test_names_depend_on_names_and_places_alone() -> None:
    wanted = [
        Wanted("query", "a[]"),
        Wanted("body", "a"),
        Wanted("path", "a"),
        Wanted("query", "@a"),
        Wanted("body", "b"),
    ]
    forward = dict(zip(wanted, assign(wanted), strict=True))
    backward = dict(zip(reversed(wanted), assign(list(reversed(wanted))), strict=True))
    assert forward == backward


def test_members_of_a_body_are_found_by_json_pointers() -> None:
    tool, _ = tool_with_body({"type": "object", "properties": {"a/b~c": {"type": "string"}}})
    assert [(one.name, one.original) for one in tool.arguments] == [("a_b_c", "/a~1b~0c")]


def test_security_parameters_and_headers_of_http_itself_are_never_shown() -> None:
    shown = [
        parameter("Accept", "header"),
        parameter("content-type", "header"),
        parameter("AUTHORIZATION", "header"),
        parameter("Content-Length", "header"),
        parameter("api_key", "query"),
        parameter("X-Key", "header"),
        parameter("page", "query"),
    ]
    schemes = {
        "inQuery": {"type": "apiKey", "in": "query", "name": "api_key"},
        "inHeader": {"type": "apiKey", "in": "header", "name": "x-key"},
    }
    catalog = catalog_of({"/things": {"get": {"parameters": shown, "responses": OK}}}, schemes=schemes)
    (tool,) = catalog.tools.values()
    assert [one.name for one in tool.arguments] == ["page"]
    assert isinstance(tool.input_schema, dict)
    assert list(tool.input_schema["properties"]) == ["page"]


def test_a_parameter_that_looks_like_a_credential_is_reported() -> None:
    catalog = catalog_of({"/things": {"get": {"parameters": [parameter("api_key", "query")], "responses": OK}}})
    assert [one.code for one in catalog.findings if "credential" in one.code] == ["catalog.credential_parameter"]
