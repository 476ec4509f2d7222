"""Who may ask, and where."""

from __future__ import annotations

from typing import Any

import pytest

from support.reading import codes, operation, read

SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "app": {"type": "apiKey", "in": "query", "name": "app"},
    "token": {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT"},
}


def needs(operation_says: dict[str, Any], **document: Any) -> Any:
    model = read({"paths": {"/a": {"get": operation_says}}, "components": {"securitySchemes": SCHEMES}, **document})
    return operation(model, "GET /a").security


def test_security_is_alternatives_of_needs() -> None:
    assert needs({"security": [{"token": ["b", "a"], "key": []}, {"app": []}, {}]}) == (
        (("key", ()), ("token", ("b", "a"))),
        (("app", ()),),
        (),
    )


def test_the_documents_security_holds_unless_the_operation_says_otherwise() -> None:
    root = [{"token": []}]
    assert needs({}, security=root) == ((("token", ()),),)
    assert needs({"security": []}, security=root) == ()
    assert needs({"security": [{}]}, security=root) == ((),)
    assert needs({"security": "nonsense"}, security=root) == ((("token", ()),),)
    assert needs({"security": ["nonsense"]}, security=root) == ((("token", ()),),)


def test_a_scheme_that_is_defined_and_asked_for_nowhere_may_be_used() -> None:
    each = ((("app", ()),), (("key", ()),), (("token", ()),), ())
    assert needs({}) == each
    assert needs({"security": []}) == ()
    assert needs({}, security=[]) == ()
    silent = {"paths": {"/a": {"get": {}}}, "components": {"securitySchemes": SCHEMES}}
    assert "security.unused" in codes(read(silent))
    assert "security.unused" not in codes(read({**silent, "security": [{"key": []}]}))


def test_an_undefined_scheme_stays_a_need_and_is_a_finding() -> None:
    model = read({"paths": {"/a": {"get": {"security": [{"gone": []}]}}}})
    assert operation(model, "GET /a").security == ((("gone", ()),),)
    assert "security.undefined" in codes(model)


def test_parameters_that_carry_a_key_are_left_out() -> None:
    parameters = [
        {"name": "x-key", "in": "header", "required": True, "schema": {}},
        {"name": "app", "in": "query", "schema": {}},
        {"name": "APP", "in": "query", "schema": {}},
    ]
    model = read(
        {
            "paths": {"/a": {"get": {"parameters": parameters, "security": [{"key": []}]}}},
            "components": {"securitySchemes": SCHEMES},
        }
    )
    assert [each.name for each in operation(model, "GET /a").shape.parameters] == ["APP"]
    assert operation(model, "GET /a").security == ((("app", ()), ("key", ())), (("key", ()),))


@pytest.mark.parametrize(("required", "expected"), [(True, ((("key", ()),),)), (False, ((("key", ()),), ()))])
def test_a_key_asked_for_only_by_a_parameter_becomes_a_need(required: bool, expected: object) -> None:
    assert needs({"parameters": [{"name": "X-Key", "in": "header", "required": required, "schema": {}}]}) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "basic"}, ("http", "", "", "basic")),
        ({"type": "apikey", "in": "Header", "name": "K"}, ("apiKey", "header", "K", "")),
        ({"type": "http", "scheme": "BASIC"}, ("http", "", "", "basic")),
        ({"type": "mutualTLS"}, ("mutualTLS", "", "", "")),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://x"}, ("openIdConnect", "", "", "")),
        ({"type": "oauth2"}, ("oauth2", "", "", "")),
    ],
)
def test_schemes_are_read(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    found = read({"components": {"securitySchemes": {"s": given}}}).schemes["s"]
    assert (found.kind, found.place, found.name, found.scheme) == expected


@pytest.mark.parametrize("given", [{"type": "http"}, {"type": "apiKey", "in": "body", "name": "x"}, {"type": "x"}, 7])
def test_a_scheme_that_cannot_be_read_is_a_finding(given: object) -> None:
    model = read({"components": {"securitySchemes": {"s": given}}})
    assert model.schemes == {}
    assert "security.invalid" in codes(model)


def test_swagger_flows_have_openapi_3_names() -> None:
    given = {
        "type": "oauth2",
        "flow": "accessCode",
        "tokenUrl": "https://t",
        "authorizationUrl": "https://a",
        "scopes": {},
    }
    found = read({"swagger": "2.0", "securityDefinitions": {"o": given}}).schemes["o"]
    assert found.details == {
        "flows": {"authorizationCode": {"authorizationUrl": "https://a", "tokenUrl": "https://t", "scopes": {}}}
    }


def urls(document: dict[str, Any], key: str = "GET /a") -> list[str]:
    return [server.url for server in operation(read(document), key).shape.servers]


def test_servers_of_operation_then_path_then_document_are_in_force() -> None:
    def servers(url: str) -> dict[str, Any]:
        return {"servers": [{"url": url}]}

    document = {
        **servers("https://root"),
        "paths": {"/a": {**servers("https://path"), "get": {}, "post": servers("https://own")}, "/b": {"get": {}}},
    }
    model = read(document)
    found = {each.key: (each.shape.servers[0].url, each.shape.own_servers) for each in model.operations}
    assert found == {
        "GET /a": ("https://path", True),
        "POST /a": ("https://own", True),
        "GET /b": ("https://root", False),
    }


def test_without_servers_the_url_is_a_slash() -> None:
    assert urls({"paths": {"/a": {"get": {}}}, "servers": []}) == ["/"]


def test_server_variables_are_read_and_undeclared_ones_added() -> None:
    server = {
        "url": "https://{tenant}.x.com:{port}/{base}",
        "variables": {"tenant": {"default": "demo", "enum": ["demo", "a"]}, "port": {"default": 8443}},
    }
    model = read({"servers": [server, {"description": "no url"}, 7]})
    (found,) = model.servers
    assert {name: (each.default, each.enum) for name, each in found.variables.items()} == {
        "tenant": ("demo", ("demo", "a")),
        "port": ("8443", ()),
        "base": (None, ()),
    }
    assert {"server.invalid", "server.variable"} <= codes(model)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"host": "x.com", "basePath": "/v1/", "schemes": ["http", "https"]}, ["https://x.com/v1", "http://x.com/v1"]),
        ({"host": "x.com", "basePath": "v1"}, ["https://x.com/v1"]),
        ({"basePath": "/v1"}, ["/v1"]),
        ({}, ["/"]),
        ({"host": "https://x.com/"}, ["https://x.com"]),
        ({"host": "x.com", "schemes": ["ws"]}, ["https://x.com"]),
    ],
)
def test_swagger_hosts_become_servers(said: dict[str, Any], expected: list[str]) -> None:
    assert urls({"swagger": "2.0", **said, "paths": {"/a": {"get": {}}}}) == expected


def test_a_document_from_a_url_knows_its_base() -> None:
    model = read({"swagger": "2.0", "host": "x.com"}, location="http://docs.x.com/swagger.json")
    assert model.base_url == "http://docs.x.com/swagger.json"
    assert [server.url for server in model.servers] == ["http://x.com"]
