"""What callers are told before their first call: credentials nobody declared, version headers, servers elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.model.api import ApiModel
from support.reading import codes, operation, read


def told(model: ApiModel, code: str) -> str:
    """The only message of a code, or nothing."""
    found = [finding.message for finding in model.findings() if finding.code == code]
    assert len(found) < 2, found
    return found[0] if found else ""


def described(text: str, **more: Any) -> ApiModel:
    return read({"info": {"title": "T", "version": "1", "description": text}, "paths": {"/a": {"get": {}}}, **more})


@pytest.mark.parametrize(
    ("text", "auth"),
    [
        ("Send `Authorization: Bearer YOUR_TOKEN`.", "bearer"),
        ('curl -H "Authorization: Basic abc" https://x', "basic"),
        ('curl -H "Authorization: token OAUTH-TOKEN" https://x', "scheme:token"),
        ("Authorization: SSWS {api_key}", "scheme:SSWS"),
        ("Authorization: Token token=abc", "scheme:Token"),
        ("Use the `Authorization: <API_KEY>` header.", "header:Authorization"),
        ("Pass your key in the `X-API-Key` header.", "header:X-API-Key"),
        ('curl -H "X-Auth-Token: abc" https://x', "header:X-Auth-Token"),
        ("Set the HTTP header `Acme-Key`.", "header:Acme-Key"),
        ("GET https://x.example/a?api_key=DEMO", "query:api_key"),
        ("Calls use HTTP Basic authentication.", "basic"),
        ("curl https://x.example -u user:pass", "basic"),
        ("Every call needs a bearer token.", "bearer"),
        ("Create a personal access token first.", "bearer"),
    ],
)
def test_what_the_description_says_about_signing_is_proposed(text: str, auth: str) -> None:
    message = told(described(text), "security.undeclared")
    assert f"add --auth {auth} and set APILOOM_AUTH_DEFAULT" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A list of pets.",
        "Send an `Idempotency-Key` header.",
        "Use `next_page_token` to go on, and the page-token: header.",
        "The primary key is the id.",
    ],
)
def test_where_nothing_is_said_nothing_is_proposed(text: str) -> None:
    assert not told(described(text), "security.undeclared")


def test_nothing_is_proposed_where_a_scheme_is_declared() -> None:
    schemes = {"components": {"securitySchemes": {"k": {"type": "http", "scheme": "bearer"}}}}
    assert not told(described("Authorization: Basic abc", **schemes), "security.undeclared")


@pytest.mark.parametrize(
    ("parameter", "auth"),
    [
        ({"name": "Authorization", "in": "header", "description": "Bearer <token>"}, "bearer"),
        ({"name": "authorization", "in": "header", "schema": {"example": "Basic abc"}}, "basic"),
        ({"name": "Authorization", "in": "header", "description": "token abc"}, "scheme:token"),
        ({"name": "Authorization", "in": "header"}, "header:Authorization"),
        ({"name": "X-ListenAPI-Key", "in": "header"}, "header:X-ListenAPI-Key"),
        ({"name": "api_key", "in": "query"}, "query:api_key"),
        ({"name": "appKey", "in": "query"}, "query:appKey"),
    ],
)
def test_a_credential_among_the_parameters_is_proposed(parameter: dict[str, Any], auth: str) -> None:
    model = read({"paths": {"/a": {"get": {"parameters": [{"schema": {"type": "string"}, **parameter}]}}}})
    assert f"add --auth {auth} and" in told(model, "security.undeclared")


def test_two_keys_that_stand_together_are_proposed_together() -> None:
    keys = [{"name": name, "in": "header", "schema": {}} for name in ("X-App-Key", "X-Api-Key")]
    model = read({"paths": {"/a": {"parameters": keys, "get": {}, "put": {}}}})
    message = told(model, "security.undeclared")
    assert "--auth header:X-Api-Key,header:X-App-Key and set APILOOM_AUTH_DEFAULT and APILOOM_AUTH_DEFAULT_2" in message


def test_an_undefined_scheme_is_told_once_with_a_way_in() -> None:
    asks = {"security": [{"petstore_api_key": []}]}
    model = read({"paths": {"/a": {"get": asks, "put": asks}, "/b": {"get": {"security": [{}]}}}})
    message = told(model, "security.undefined")
    assert '"petstore_api_key" is not defined, and 2 operations ask for it' in message
    assert "add --auth header:X-API-Key and set APILOOM_AUTH_DEFAULT" in message


@pytest.mark.parametrize(
    ("scheme", "code", "words"),
    [
        (
            {"type": "oauth2", "flows": {"implicit": {}, "password": {}}},
            "security.oauth",
            "OAuth 2 (implicit, password)",
        ),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://x"}, "security.open_id_connect", "APILOOM_AUTH_S_1"),
        ({"type": "mutualTLS"}, "security.mutual_tls", "APILOOM_CLIENT_CERTIFICATE"),
        ({"type": "http", "scheme": "Digest"}, "security.unsupported", "HTTP Digest"),
        (
            {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
            "security.unsupported",
            "AWS Signature",
        ),
    ],
)
def test_a_scheme_that_is_not_simply_written_down_is_told_in_one_sentence(
    scheme: dict[str, Any], code: str, words: str
) -> None:
    message = told(read({"components": {"securitySchemes": {"s-1": scheme}}}), code)
    assert words in message
    assert message.startswith('"s-1" is ')


@pytest.mark.parametrize(
    "scheme",
    [
        {"type": "apiKey", "in": "header", "name": "X\r\nY"},
        {"type": "http", "scheme": "a b"},
        {"type": "http", "scheme": ""},
    ],
)
def test_a_scheme_that_no_request_can_carry_is_left_out(scheme: dict[str, Any]) -> None:
    model = read({"components": {"securitySchemes": {"s": scheme}}})
    assert model.schemes == {}
    assert "security.invalid" in codes(model)


def test_a_version_header_is_told_with_the_option_that_settles_it() -> None:
    header = {"name": "Box-Version", "in": "header", "required": True, "schema": {"type": "string", "enum": ["2025.0"]}}
    optional = {"name": "X-Other-Version", "in": "header", "schema": {"type": "string"}}
    model = read({"paths": {"/a": {"get": {"parameters": [header, optional]}}}})
    assert "--header Box-Version=2025.0 sends it" in told(model, "header.version")
    assert [each.name for each in operation(model, "GET /a").shape.parameters] == ["Box-Version", "X-Other-Version"]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("Every request needs the header `Notion-Version: 2022-06-28`.", "Notion-Version=2022-06-28"),
        ('curl -H "anthropic-version: 2023-06-01"', "anthropic-version=2023-06-01"),
        ("Set header X-GitHub-Api-Version=2022-11-28 to pin.", "X-GitHub-Api-Version=2022-11-28"),
        ("Works with node-version: 18 and newer.", ""),
        ("The `If-Version` header", ""),
    ],
)
def test_a_version_header_that_only_the_description_names_is_told(text: str, option: str) -> None:
    message = told(described(text), "header.undeclared")
    assert message.endswith(f"add --header {option}") if option else not message


def test_operations_at_another_server_are_told_with_the_option_that_trusts_it() -> None:
    other = {"servers": [{"url": "https://files.example/v1"}], "get": {}, "post": {}}
    model = read({"servers": [{"url": "https://api.example"}], "paths": {"/a": {"get": {}}, "/f": other}})
    message = told(model, "server.elsewhere")
    assert message.startswith("2 operations answer at https://files.example")
    assert message.endswith("--trust https://files.example")
    same = {"servers": [{"url": "https://api.example/other"}], "get": {}}
    assert not told(read({"servers": [{"url": "https://API.example"}], "paths": {"/f": same}}), "server.elsewhere")
    assert not told(read({"paths": {"/f": other}}), "server.elsewhere")


@pytest.mark.parametrize(
    ("document", "location", "code"),
    [
        ({}, "/api/openapi.yaml", "server.none"),
        ({}, "https://x.example/openapi.yaml", "server.none"),
        ({"servers": [{"url": "/v1"}]}, "/api/openapi.yaml", "server.relative"),
        ({"servers": [{"url": "/v1"}]}, "https://x.example/openapi.yaml", ""),
        ({"servers": [{"url": "https://x.example"}, {"url": "http://x.example"}]}, "/api/openapi.yaml", ""),
        (
            {"servers": [{"url": "https://x.example"}, {"url": "https://y.example"}]},
            "/api/openapi.yaml",
            "server.several",
        ),
    ],
)
def test_what_is_guessed_about_the_server_is_told(document: dict[str, Any], location: str, code: str) -> None:
    found = {one for one in codes(read(document, location=location)) if one.startswith("server.")}
    assert found == ({code} if code else set())


def test_a_missing_server_is_a_warning_and_says_what_to_do() -> None:
    finding = next(one for one in read({}).findings() if one.code == "server.none")
    assert (finding.level, "--base-url" in finding.message) == ("warning", True)
