"""What is and what is not an OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiloom.base.errors import DesignError
from support.reading import codes, read_text

ASK = "paths: {/a: {get: {responses: {}}}}\n"


@pytest.mark.parametrize(
    ("head", "form"),
    [
        ("openapi: 3.1.0", "openapi-3.1"),
        ("openapi: 3.0", "openapi-3.0"),
        ("openapi: 3", "openapi-3.0"),
        ("openapi: '3.2.0'", "openapi-3.2"),
        ("swagger: 2.0", "swagger-2.0"),
        ("swagger: '2.0'", "swagger-2.0"),
        ("openapi: v3.0.1", "openapi-3.0"),
    ],
)
def test_a_version_is_read_as_text_or_number(head: str, form: str) -> None:
    assert read_text(f"{head}\n{ASK}").format == form


def test_an_unknown_minor_version_is_read_with_a_warning() -> None:
    model = read_text(f"openapi: 3.7.0\n{ASK}")
    assert (model.format, len(model.operations)) == ("openapi-3.7", 1)
    assert "document.version" in codes(model)


def test_a_document_without_version_is_recognised_by_its_members() -> None:
    assert read_text(ASK).format == "openapi-3.0"
    assert read_text(f"basePath: /v1\n{ASK}").format == "swagger-2.0"


def test_an_unknown_major_version_is_refused() -> None:
    with pytest.raises(DesignError) as caught:
        read_text(f"openapi: 9.0.0\n{ASK}")
    assert caught.value.code == "document.version"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("asyncapi: 3.0.0\nchannels: {}", "AsyncAPI"),
        ("swaggerVersion: '1.2'\napis: []", "Swagger 1.x"),
        (json.dumps({"info": {"_postman_id": "1", "name": "x"}, "item": []}), "Postman"),
        (json.dumps({"data": {"__schema": {"types": []}}}), "GraphQL introspection"),
        ("type Query {\n  pets: [Pet!]!\n}\n", "GraphQL schema"),
        ('syntax = "proto3";\npackage a;\nservice B { rpc C (D) returns (E); }', "protocol buffers"),
        ("#%RAML 1.0\ntitle: x", "RAML"),
        ("<!DOCTYPE html><html><body>Docs</body></html>", "HTML page"),
        ('<?xml version="1.0"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/"/>', "WSDL"),
        (json.dumps({"kind": "discovery#restDescription"}), "Google Discovery"),
        (json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}), "JSON Schema"),
        (json.dumps({"mcpServers": {}}), "MCP servers file"),
        ("apiVersion: v1\nkind: Service", "Kubernetes"),
        ("arazzo: 1.0.0\nworkflows: []", "Arazzo"),
        ('{"name": "left-pad"}', '"name"'),
        ("just words", "plain text"),
        ("[1, 2]", "a list"),
        ("", "an empty document"),
        ("{}", "an empty object"),
    ],
)
def test_another_format_is_named_in_one_sentence(text: str, named: str) -> None:
    with pytest.raises(DesignError) as caught:
        read_text(text)
    assert caught.value.code == "document.not_openapi"
    assert named in caught.value.sentence()
    assert caught.value.hint


def test_the_openapi_document_among_several_is_read() -> None:
    model = read_text(f"kind: other\n---\nopenapi: 3.1.0\n{ASK}")
    assert [each.key for each in model.operations] == ["GET /a"]
    assert "document.several" in codes(model)


def test_missing_info_costs_nothing_but_a_finding() -> None:
    model = read_text(f"openapi: 3.1.0\n{ASK}")
    assert (model.title, model.version) == ("openapi", "")
    assert {"document.info", "document.title"} <= codes(model)


def test_text_behind_references_is_read() -> None:
    model = read_text(
        f"openapi: 3.1.0\ninfo:\n  title: T\n  description: {{$ref: 'texts.yaml#/about'}}\n{ASK}",
        {"texts.yaml": "about: Hello"},
    )
    assert model.description == "Hello"


@pytest.mark.parametrize("odd", [[], "x", 7, None, {"title": []}])
def test_odd_members_at_the_top_never_raise(odd: Any) -> None:
    for key in ("info", "servers", "security", "components", "tags", "paths", "webhooks", "externalDocs"):
        model = read_text(json.dumps({"openapi": "3.0.3", "paths": {"/a": {"get": {}}}, key: odd}))
        model.findings()
        assert key == "paths" or [each.key for each in model.operations] == ["GET /a"]


def test_webhooks_and_callbacks_are_findings() -> None:
    model = read_text(
        "openapi: 3.1.0\nwebhooks: {a: {post: {}}}\npaths: {/a: {post: {callbacks: {b: {}}, responses: {}}}}\n"
    )
    assert {"document.webhooks", "operation.callbacks"} <= codes(model)
    assert len(model.operations) == 1
