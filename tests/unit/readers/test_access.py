"""What callers are told before their first call: credentials nobody declared, version headers, servers elsewhere."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from apiloom.console.cli.options import _AUTH
from apiloom.model.api import ApiModel
from apiloom.vault.signers import default_schemes
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
            "security.aws",
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


@pytest.mark.parametrize(
    ("place", "name", "auth"),
    [
        ("header", "api.key", "header:api.key"),
        ("query", "api key", "'query:api key'"),
        ("query", "api_kéy_api_key", "'query:api_kéy_api_key'"),
    ],
)
def test_a_proposal_can_be_pasted_into_a_shell(place: str, name: str, auth: str) -> None:
    taken = {"parameters": [{"name": name, "in": place, "required": True, "schema": {"type": "string"}}]}
    message = told(read({"paths": {"/a": {"get": taken}}}), "security.undeclared")
    assert f"add --auth {auth} and set" in message
    given = shlex.split(auth)[0]
    assert default_schemes(given)["DEFAULT"].name == name
    assert _AUTH.fullmatch(given)


def test_what_a_document_says_cannot_become_a_command_where_an_option_is_pasted() -> None:
    evil = "$(touch x);`id`"
    parameter = {"name": "X-Api-Version", "in": "header", "required": True, "schema": {"enum": [evil]}}
    model = read(
        {
            "servers": [{"url": "https://a.example"}],
            "paths": {
                "/a": {"get": {"parameters": [parameter]}},
                "/b": {"get": {"servers": [{"url": f"https://{evil}"}]}},
            },
        }
    )
    for code, option, value in (
        ("header.version", "--header", f"X-Api-Version={evil}"),
        ("server.elsewhere", "--trust", f"https://{evil}"),
    ):
        words = shlex.split(told(model, code))
        assert words[words.index(option) + 1] == value


def test_schemes_that_share_a_variable_are_told() -> None:
    key = {"type": "apiKey", "in": "header"}
    schemes = {"a-key": {**key, "name": "X-A"}, "a_key": {**key, "name": "X-B"}, "b": {**key, "name": "X-C"}}
    message = told(
        read({"components": {"securitySchemes": schemes}, "paths": {"/a": {"get": {}}}}), "security.one_variable"
    )
    assert 'the security schemes "a-key", "a_key" are all read from APILOOM_AUTH_A_KEY' in message


def test_schemes_that_are_asked_for_at_once_in_one_place_are_told() -> None:
    schemes = {"basic": {"type": "http", "scheme": "basic"}, "oauth": {"type": "oauth2", "flows": {}}}
    security = [{"basic": [], "oauth": []}]
    document = {"components": {"securitySchemes": schemes}, "paths": {"/a": {"get": {}}}}
    message = told(read({**document, "security": security}), "security.one_place")
    assert '"basic" and "oauth" are asked for at once, but the header authorization holds one credential' in message
    assert told(read({**document, "security": [{"basic": []}, {"oauth": []}]}), "security.one_place") == ""


def test_a_key_in_a_header_of_the_message_itself_is_told() -> None:
    schemes = {"odd": {"type": "apiKey", "in": "header", "name": "Host"}}
    model = read({"components": {"securitySchemes": schemes}, "paths": {"/a": {"get": {}}}})
    assert "is a key in the header Host, which says how a message" in told(model, "security.unsupported")


def test_a_requirement_may_refer_to_its_scheme_by_where_it_stands() -> None:
    key = {"type": "apiKey", "in": "header", "name": "X-Key"}
    model = read(
        {
            "openapi": "3.2.0",
            "components": {"securitySchemes": {"a/b": key}},
            "paths": {
                "/a": {"get": {"security": [{"#/components/securitySchemes/a~1b": ["x"]}]}},
                "/b": {"get": {"security": [{"a/b": []}]}},
                "/c": {"get": {"security": [{"#/components/securitySchemes/none": []}]}},
                "/d": {"get": {"security": [{"#/x-more/a~1b": []}]}},
            },
            "x-more": {"a/b": {"type": "http", "scheme": "bearer"}},
        }
    )
    needs = {one.key: one.security for one in model.operations}
    assert needs["GET /a"] == ((("a/b", ("x",)),),)
    assert needs["GET /b"] == ((("a/b", ()),),)
    assert needs["GET /d"] == ((("#/x-more/a~1b", ()),),)
    assert model.schemes["#/x-more/a~1b"].scheme == "bearer"
    assert '"#/components/securitySchemes/none" is not defined' in told(model, "security.undefined")


@pytest.mark.parametrize(
    ("security", "required", "needs"),
    [
        ([], True, [["key"]]),
        ([], False, [["key"], []]),
        ([{"bearer": []}, {"basic": []}], True, [["bearer", "key"], ["basic", "key"]]),
        ([{"bearer": []}], False, [["bearer", "key"], ["bearer"]]),
        ([{"key": []}, {"bearer": []}], True, [["key"], ["bearer"]]),
    ],
)
def test_a_parameter_that_is_a_key_is_never_an_argument(security: Any, required: bool, needs: list[list[str]]) -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "basic": {"type": "http", "scheme": "basic"},
    }
    taken = {"parameters": [{"name": "x-key", "in": "header", "required": required, "schema": {}}]}
    model = read(
        {
            "components": {"securitySchemes": schemes},
            "security": [{"basic": []}],
            "paths": {"/a": {"get": {**taken, "security": security}}},
        }
    )
    assert model.operations[0].shape.parameters == ()
    assert [[name for name, _ in need] for need in model.operations[0].security] == needs


@pytest.mark.parametrize(
    ("servers", "is_told"),
    [
        (["http://api.example/v1"], True),
        (["http://api.example/v1", "https://api.example/v1"], False),
        (["http://api.example", "https://other.example"], True),
        (["https://api.example"], False),
        (["http://localhost:8080", "https://api.example"], False),
        (["http://127.0.0.1"], False),
        (["http://[::1]:80/a"], False),
        (["http://127.0.0.1.evil.example"], True),
        (["/v1"], False),
    ],
)
def test_credentials_that_would_go_in_clear_are_told(servers: list[str], is_told: bool) -> None:
    document = {"servers": [{"url": url} for url in servers], "paths": {"/a": {"get": {}}}}
    schemes = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    assert ("server.plain" in codes(read({**document, "components": schemes}))) is is_told
    assert "server.plain" not in codes(read(document))
