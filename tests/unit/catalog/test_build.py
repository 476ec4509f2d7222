from __future__ import annotations

import json
from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.listing import render_listing, tokens_of
from apiloom.catalog.storage import (
    scheme_from_json,
    scheme_to_json,
    tool_from_json,
    tool_to_json,
)
from apiloom.catalog.tool import Catalog
from support.catalogs import OK, catalog_of, model_of

PET = {"$ref": "#/components/schemas/Pet"}
PATHS: dict[str, Any] = {
    "/pets": {
        "get": {
            "operationId": "listPets",
            "summary": "List pets",
            "tags": ["pets"],
            "parameters": [
                {"name": "filter[a]", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                {"name": "q", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
            ],
            "responses": {
                "200": {
                    "description": "",
                    "content": {"application/json": {"schema": {"type": "array", "items": PET}}},
                }
            },
        },
        "post": {
            "operationId": "addPet",
            "summary": "Add a pet",
            "security": [{"key": []}, {}],
            "servers": [{"url": "https://{at}.example.com", "variables": {"at": {"default": "eu", "enum": ["eu"]}}}],
            "requestBody": {
                "content": {
                    "multipart/form-data": {
                        "schema": PET,
                        "encoding": {"photo": {"contentType": "image/png"}},
                    }
                }
            },
            "responses": OK,
        },
    },
    "/pets/{id}?view=full": {
        "get": {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {}}], "responses": OK}
    },
    "/xml": {
        "put": {
            "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "object"}}}},
            "responses": OK,
        }
    },
    "/broken": {"get": {"parameters": [{"name": "a", "in": "nowhere"}], "responses": OK}},
    "/dots/../x": {"get": {"responses": OK}},
}
SCHEMAS: dict[str, Any] = {
    "Pet": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "photo": {"type": "string", "format": "binary"}},
        "additionalProperties": {"type": "string"},
    }
}
SCHEMES: dict[str, Any] = {"key": {"type": "apiKey", "in": "header", "name": "X-Key", "description": "Ask us"}}


def pets() -> Catalog:
    return catalog_of(PATHS, SCHEMAS, SCHEMES)


def test_the_ledger_accounts_for_every_operation_with_a_reason_for_those_not_exposed() -> None:
    catalog = pets()
    status = {line.key: line.status for line in catalog.ledger}
    assert len(status) == 6
    assert status["GET /pets"] == status["POST /pets"] == "exposed"
    assert status["PUT /xml"] == "gated"
    assert all(line.tool and not line.reason for line in catalog.ledger if line.status == "exposed")
    assert all(line.reason and not line.tool for line in catalog.ledger if line.status != "exposed")
    assert {line.tool for line in catalog.ledger if line.tool} == set(catalog.tools)


def test_what_can_never_be_sent_is_gated_before_anyone_calls_it() -> None:
    (line,) = [line for line in pets().ledger if line.path == "/dots/../x"]
    assert (line.status, line.tool) == ("gated", "")
    assert "'..'" in line.reason


def test_tools_are_sorted_by_name() -> None:
    assert list(pets().tools) == sorted(pets().tools)


def test_a_second_run_and_any_order_of_keys_give_the_same_bytes() -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(inner) for key, inner in reversed(value.items())}
        return [turned(item) for item in value] if isinstance(value, list) else value

    first = pets()
    second = catalog_of(turned(PATHS), turned(SCHEMAS), turned(SCHEMES))
    assert render_listing(first) == render_listing(second)
    assert list(render_listing(first)) == list(render_listing(second))
    assert first.ledger == second.ledger
    assert first.findings == second.findings


def test_an_api_without_operations_is_an_empty_catalog() -> None:
    catalog = catalog_of({})
    assert (catalog.tools, catalog.ledger, render_listing(catalog)) == ({}, (), {})
    assert (tokens_of([]).list, tokens_of([]).largest) == (1, 0)


def test_a_listing_says_what_tools_answer_only_while_they_are_few() -> None:
    answer = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}}
    few = catalog_of({f"/p{number}": {"get": {"responses": answer}} for number in range(40)})
    many = catalog_of({f"/p{number}": {"get": {"responses": answer}} for number in range(41)})
    assert all(b"outputSchema" in entry for entry in render_listing(few).values())
    assert not any(b"outputSchema" in entry for entry in render_listing(many).values())


def test_tokens_are_bytes_over_four_rounded_up() -> None:
    cost = tokens_of([b"12345", b"123"])
    assert (cost.list, cost.largest) == (3, 2)


def test_a_listing_in_a_profile_that_is_not_there_is_refused() -> None:
    with pytest.raises(CallerError):
        render_listing(pets(), "nonsense")


def test_a_tool_survives_being_kept_as_text() -> None:
    catalog = pets()
    assert catalog.tools
    for tool in catalog.tools.values():
        text = tool_to_json(tool)
        assert tool_from_json(text) == tool
        assert tool_to_json(tool_from_json(text)) == text


def test_a_scheme_survives_being_kept_as_json() -> None:
    (scheme,) = pets().schemes.values()
    assert scheme_from_json(json.loads(json.dumps(scheme_to_json(scheme)))) == scheme


def test_schemas_nested_beyond_reason_cost_their_operation_only() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(90):
        deep = {"type": "object", "properties": {"x": {"allOf": [deep]}}}
    body = {"required": True, "content": {"application/json": {"schema": deep}}}
    model = model_of({"/deep": {"post": {"requestBody": body, "responses": OK}}, "/flat": {"get": {"responses": OK}}})
    catalog = build_catalog(model)
    assert len(catalog.ledger) == 2
    assert "get_flat" in render_listing(catalog)
