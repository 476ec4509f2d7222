"""Every (path, method) becomes an operation or is set aside with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from support.reading import codes, operation, quarantined, read

OK: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}


def keys(document: dict[str, Any], **options: Any) -> list[str]:
    return [each.key for each in read(document, **options).operations]


def test_all_nine_methods_are_operations_and_other_members_are_not() -> None:
    methods = ["delete", "get", "head", "options", "patch", "post", "put", "query", "trace"]
    item = dict.fromkeys(methods, OK) | {
        "summary": "s",
        "parameters": [],
        "servers": [],
        "x-get": OK,
        "fetch": OK,
    }
    model = read({"openapi": "3.2.0", "paths": {"/a": item, "x-paths": {"get": OK}}})
    assert [each.key for each in model.operations] == [f"{method.upper()} /a" for method in methods]
    assert "path.unknown_member" in codes(model)


def test_additional_operations_keep_their_method_as_written() -> None:
    item = {"additionalOperations": {"COPY": OK, "Purge": OK, "bad method": OK}}
    model = read({"openapi": "3.2.0", "paths": {"/a": item}})
    assert [each.shape.method for each in model.operations] == ["COPY", "Purge"]
    assert list(quarantined(model)) == ["bad method /a"]


def test_methods_in_capitals_are_read_with_a_finding() -> None:
    model = read({"paths": {"/a": {"GET": OK}}})
    assert [each.key for each in model.operations] == ["GET /a"]
    assert "path.method_case" in codes(model)


def test_a_path_item_behind_a_reference_is_read_and_own_members_win() -> None:
    document = {
        "paths": {"/a": {"$ref": "#/components/pathItems/A", "post": OK}},
        "components": {"pathItems": {"A": {"get": OK, "post": {"operationId": "lost"}}}},
    }
    model = read(document)
    assert [each.key for each in model.operations] == ["GET /a", "POST /a"]
    assert operation(model, "POST /a").name is None


def test_an_operation_behind_a_reference_is_read() -> None:
    model = read({"paths": {"/a": {"get": {"$ref": "ops/get.yaml"}}}}, {"ops/get.yaml": "operationId: getA"})
    assert operation(model, "GET /a").name == "getA"


def test_a_path_item_that_leads_nowhere_is_an_error_finding_and_costs_nobody_else() -> None:
    model = read({"paths": {"/a": {"$ref": "#/nowhere"}, "/b": {"get": OK}}})
    assert [each.key for each in model.operations] == ["GET /b"]
    assert [finding.pointer for finding in model.findings() if finding.level == "error"] == ["/paths/~1a"]


@pytest.mark.parametrize("value", ["text", 7, [1]])
def test_an_operation_that_is_no_object_is_quarantined(value: object) -> None:
    model = read({"paths": {"/a": {"get": value, "post": OK}}})
    assert [each.key for each in model.operations] == ["POST /a"]
    assert list(quarantined(model)) == ["GET /a"]


@pytest.mark.parametrize("value", [None, [], {}])
def test_an_operation_of_which_nothing_is_said_is_an_operation(value: object) -> None:
    assert keys({"paths": {"/a/{id}": {"get": value}}}) == ["GET /a/{id}"]


def test_the_key_keeps_the_path_as_written_while_a_missing_slash_is_added() -> None:
    model = read({"paths": {"pets": {"get": OK}}})
    assert operation(model, "GET pets").shape.path == "/pets"
    assert "path.slash" in codes(model)


def test_a_query_in_the_path_is_fixed_and_a_fragment_is_dropped() -> None:
    model = read({"paths": {"/?Action=List&Version=1#Top": {"get": OK}, "/#X-Target=Y": {"post": OK}}})
    shape = operation(model, "GET /?Action=List&Version=1#Top").shape
    assert (shape.path, shape.fixed_query) == ("/", "Action=List&Version=1")
    shape = operation(model, "POST /#X-Target=Y").shape
    assert (shape.path, shape.fixed_query) == ("/", "")


def test_a_parameter_that_the_path_fixes_is_not_asked_for() -> None:
    parameters = [{"name": "Action", "in": "query", "required": True, "schema": {"enum": ["List"]}}]
    model = read({"paths": {"/?Action=List": {"get": {"parameters": parameters}}}})
    assert operation(model, "GET /?Action=List").shape.parameters == ()


def test_placeholders_in_the_query_of_a_path_become_query_parameters() -> None:
    path = "/find?term={t}&kind={kind}&page={page}&v=1"
    parameters = [
        {"name": "t", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "page", "in": "query", "schema": {"type": "integer"}},
    ]
    shape = operation(read({"paths": {path: {"get": {"parameters": parameters}}}}), f"GET {path}").shape
    assert (shape.path, shape.fixed_query) == ("/find", "v=1")
    found = {each.name: (each.place, each.required, each.schema) for each in shape.parameters}
    assert found == {
        "term": ("query", True, {"type": "integer"}),
        "page": ("query", False, {"type": "integer"}),
        "kind": ("query", True, {"type": "string"}),
    }


def test_a_placeholder_inside_a_query_value_is_quarantined() -> None:
    assert list(quarantined(read({"paths": {"/a?b=x{c}": {"get": OK}}}))) == ["GET /a?b=x{c}"]


def test_an_undeclared_placeholder_is_added_as_text() -> None:
    model = read({"paths": {"/a/{id}/{id}": {"get": OK}}})
    (added,) = operation(model, "GET /a/{id}/{id}").shape.parameters
    assert (added.name, added.place, added.required, added.style) == ("id", "path", True, "simple")
    assert "path.undeclared" in codes(model)


def test_a_declared_path_parameter_that_the_path_lacks_is_left_out() -> None:
    parameters = [{"name": "id", "in": "path", "required": True, "schema": {}}]
    model = read({"paths": {"/a": {"get": {"parameters": parameters}}}})
    assert operation(model, "GET /a").shape.parameters == ()
    assert "path.unused" in codes(model)


@pytest.mark.parametrize(
    ("path", "rewritten"),
    [
        ("/f/{key+}", "/f/{key}"),
        ("/f/{+key}", "/f/{key}"),
        ("/f/:key/x", "/f/{key}/x"),
        ("/f/{key:[0-9]+}", "/f/{key}"),
    ],
)
def test_placeholders_of_other_systems_are_read(path: str, rewritten: str) -> None:
    parameters = [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}]
    shape = operation(read({"paths": {path: {"get": {"parameters": parameters}}}}), f"GET {path}").shape
    assert shape.path == rewritten
    assert [(each.name, each.allow_reserved) for each in shape.parameters] == [("key", "+" in path.partition(":")[0])]


def test_a_query_expansion_becomes_optional_query_parameters() -> None:
    shape = operation(read({"paths": {"/a{?page,size*}": {"get": OK}}}), "GET /a{?page,size*}").shape
    assert shape.path == "/a"
    assert [(each.name, each.place, each.required) for each in shape.parameters] == [
        ("page", "query", False),
        ("size", "query", False),
    ]


@pytest.mark.parametrize("path", ["/a/{b", "/a/b}", "/a/{}", "/a/{ var x = 1; }", "/a/{{b}}"])
def test_braces_that_name_no_parameter_are_quarantined(path: str) -> None:
    assert list(quarantined(read({"paths": {path: {"get": OK}}}))) == [f"GET {path}"]


def test_operations_come_in_one_order_whatever_the_document_has() -> None:
    forward = {"/b": {"post": OK, "get": OK}, "/a": {"get": OK}}
    backward = {"/a": {"get": OK}, "/b": {"get": OK, "post": OK}}
    assert keys({"paths": forward}) == keys({"paths": backward}) == ["GET /a", "GET /b", "POST /b"]


def test_what_an_operation_says_of_itself_is_kept() -> None:
    said = {
        "operationId": " listPets ",
        "summary": "S",
        "description": "D",
        "tags": ["a", "a", 3, "b"],
        "deprecated": True,
    }
    found = operation(read({"paths": {"/a": {"get": said}}}), "GET /a")
    assert (found.name, found.summary, found.description, found.tags, found.deprecated) == (
        "listPets",
        "S",
        "D",
        ("a", "b"),
        True,
    )
    assert found.pointer == "/paths/~1a/get"


def test_the_text_of_a_path_stands_in_where_its_operation_has_none() -> None:
    model = read({"paths": {"/a": {"summary": "path", "get": OK, "post": {"summary": "own"}}}})
    assert operation(model, "GET /a").summary == "path"
    assert operation(model, "POST /a").summary == "own"


def test_responses_keep_their_statuses_and_lose_only_the_bad_ones() -> None:
    responses = {
        "200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}},
        "4xx": {"$ref": "#/components/responses/Bad"},
        "500": {"$ref": "#/nowhere"},
        "default": {},
        "abc": {},
        "x-extra": {},
    }
    shared = {"Bad": {"description": "bad", "content": {"text/plain": {}, "image/png": {}}}}
    model = read({"paths": {"/a": {"get": {"responses": responses}}}, "components": {"responses": shared}})
    found = {each.status: each for each in operation(model, "GET /a").shape.responses}
    assert list(found) == ["200", "4XX", "500", "default"]
    assert [(each.type, each.schema) for each in found["4XX"].media] == [
        ("text/plain", {"type": "string"}),
        ("image/png", {"type": "string", "format": "binary"}),
    ]
    assert found["500"].media == ()
    assert {"response.status", "reference.dangling"} <= codes(model)


def test_a_path_with_more_placeholders_than_any_real_one_is_set_aside_in_few_words() -> None:
    path = "".join(f"/{{p{number}}}" for number in range(3000))
    model = read({"paths": {path: {method: {} for method in ("get", "put", "post", "delete")}}})
    assert len(model.unreadable) == 4
    assert "its path has over" in model.unreadable[0].reason
    assert sum(len(one.message) + len(one.pointer) for one in model.findings()) < 20 * len(path)


def test_undeclared_placeholders_are_all_added_and_the_first_few_are_told() -> None:
    path = "".join(f"/{{p{number}}}" for number in range(100))
    model = read({"paths": {path: {"get": {}}}})
    assert len(operation(model, f"GET {path}").shape.parameters) == 100
    found = [one.message for one in model.findings() if one.code == "path.undeclared"]
    assert len(found) == 9
    assert any("further parameters" in message for message in found)
