"""A tool that advertises what it answers keeps the promise, whatever its API really answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from apiloom.backends.http.shape import shape
from apiloom.calls.call import Text
from apiloom.catalog.tool import Tool
from apiloom.catalog.views import render_tool
from apiloom.net.request import Cut, Response
from support.catalogs import catalog_of

SCHEMAS: list[Any] = [
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {"result": {"type": "string"}}}},
    {"type": "string", "enum": ["x"]},
    {"type": "object", "properties": {"result": {"type": "array", "items": {"type": "integer"}}}},
    {"oneOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"type": "array", "items": {"type": "string"}}]},
    {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Node"}}, "maxProperties": 1},
    {"$ref": "#/components/schemas/Node"},
]
NODE = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Node"}}}


def tools() -> tuple[list[Tool], Any]:
    paths = {
        f"/{place}": {
            "get": {
                "operationId": f"op{place}",
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
            }
        }
        for place, schema in enumerate(SCHEMAS)
    }
    catalog = catalog_of(paths, {"Node": NODE})
    return list(catalog.tools.values()), catalog.schemas


TOOLS, POOL = tools()
OUTPUTS = [
    render_tool(tool, POOL, profile=profile, with_output=True)["outputSchema"]
    for tool in TOOLS
    for profile in ("intersection", "anthropic", "openai", "gemini")
]
VALIDATORS = [
    jsonschema_rs.Draft202012Validator(json.loads(text)) for text in sorted({json.dumps(one) for one in OUTPUTS})
]

ANY_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: (
        some.lists(inner) | some.dictionaries(some.sampled_from(["a", "b", "next", "result"]) | some.text(), inner)
    ),
    max_leaves=20,
)
TYPES = [
    "application/json", "application/json; charset=utf-8", "application/problem+json", "text/plain", "text/html",
    "text/csv; charset=utf-16", "application/xml", "text/event-stream", "application/x-ndjson", "application/json-seq",
    "image/png", "application/pdf", "application/octet-stream", "multipart/mixed; boundary=b", "nonsense", "",
]  # fmt: skip
BODIES = some.one_of(
    ANY_JSON.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")),
    some.binary(),
    some.sampled_from([b"", b"{", b"[" * 50_000, b"data: 1\n\n", b"--b\r\n\r\nx\r\n--b--", b"\xef\xbb\xbf{}", b"NaN"]),
)


def kept(method: str, response: Response, headers: Mapping[str, str]) -> None:
    outcome = shape(method, response, headers, structured_always=True)
    assert not outcome.failed
    assert outcome.content
    assert outcome.structured is not None
    assert b"\n" not in outcome.structured
    try:
        structured = json.loads(outcome.structured)
    except RecursionError:
        return
    assert isinstance(structured, dict)
    for validator in VALIDATORS:
        assert validator.is_valid(structured)


@settings(max_examples=200, deadline=None)
@given(
    body=BODIES,
    content_type=some.sampled_from(TYPES),
    status=some.sampled_from([200, 201, 202, 203, 204, 206, 207, 226, 299, 301, 303, 304, 307]),
    method=some.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "QUERY"]),
    located=some.booleans(),
    cut=some.sampled_from(["", "", "time", "size", "broken"]),
)
@example(
    body=b"--b\r\n\r\nx\r\n--b--",
    content_type="multipart/mixed; boundary=b",
    status=200,
    method="GET",
    located=False,
    cut="",
)
@example(body=b"\x00", content_type="application/pdf", status=200, method="GET", located=False, cut="")
@example(body=b"null", content_type="application/json", status=200, method="GET", located=False, cut="")
@example(body=b"", content_type="application/json", status=202, method="POST", located=True, cut="")
def test_no_answer_breaks_what_a_tool_promises_and_every_good_one_is_structured(
    body: bytes, content_type: str, status: int, method: str, located: bool, cut: Cut
) -> None:
    headers = [("content-type", content_type)] * bool(content_type) + [("location", "/x")] * located
    kept(method, Response(status=status, headers=headers, body=body, cut=cut), dict(headers))


@given(value=ANY_JSON)
def test_what_is_structured_is_what_was_answered(value: Any) -> None:
    body = json.dumps(value).encode()
    headers = [("content-type", "application/json")]
    outcome = shape("GET", Response(status=200, headers=headers, body=body), dict(headers), structured_always=True)
    told = json.loads(outcome.structured or b"")
    assert told == (value if isinstance(value, dict) else {"result": value})
    assert outcome.content == (Text(body.decode()),)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_eyes_of_this_test_see_a_promise(tool: Tool) -> None:
    """The strict schema of the same tool is broken by answers that the view takes."""
    strict = jsonschema_rs.Draft202012Validator(
        render_tool(tool, POOL, profile="full", with_output=True)["outputSchema"]
    )
    assert not all(strict.is_valid(value) for value in ({}, {"result": 5}, {"a": None, "b": 1}, {"result": {}}))
