from __future__ import annotations

import json
from typing import Any

from apiloom.base import json as canonical
from apiloom.catalog.report import build_report
from support.catalogs import OK, catalog_of, tool_with_body

TEXT = {"type": "string"}


def report_of(paths: dict[str, Any], schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    return build_report(catalog_of(paths, schemas))


def test_a_report_has_the_members_that_programs_rely_on() -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"properties": {"a/b": TEXT}}}}}
    parameters = [{"name": "$top", "in": "query", "schema": {"type": "integer"}}]
    operation = {"operationId": "send", "tags": ["t"], "parameters": parameters, "requestBody": body, "responses": OK}
    report = report_of({"/a": {"post": operation}, "/x": {"get": {"responses": OK}}})
    assert list(report) == ["api", "ledger", "operations", "tools", "findings", "tokens", "score"]
    assert report["api"] == {"title": "Things", "version": "1", "format": report["api"]["format"]}
    assert report["ledger"] == {"operations": 2, "exposed": 2, "gated": 0, "quarantined": 0}
    assert report["operations"][0] == {
        "key": "POST /a",
        "method": "POST",
        "path": "/a",
        "status": "exposed",
        "tool": "send",
        "reason": None,
    }
    tool = next(tool for tool in report["tools"] if tool["name"] == "send")
    assert (tool["tags"], tool["class"], tool["method"], tool["path"]) == (["t"], "write", "POST", "/a")
    assert tool["arguments"] == {"top": {"in": "query", "name": "$top"}, "a_b": {"in": "body", "pointer": "/a~1b"}}
    assert set(tool["inputSchema"]["properties"]) == set(tool["arguments"])
    assert {"level", "code", "message", "pointer"} == set(report["findings"][0])


def test_a_whole_body_and_its_rest_point_at_the_root() -> None:
    whole, whole_catalog = tool_with_body({"type": "array", "items": TEXT})
    assert whole.name == "send"
    assert build_report(whole_catalog)["tools"][0]["arguments"] == {"body": {"in": "body", "pointer": ""}}
    _, rest_catalog = tool_with_body({"properties": {"a": TEXT}, "additionalProperties": TEXT})
    assert build_report(rest_catalog)["tools"][0]["arguments"] == {
        "a": {"in": "body", "pointer": "/a"},
        "additional_properties": {"in": "body", "pointer": "", "rest": True},
    }


def test_a_report_tells_what_reading_found_in_definitions_that_no_tool_uses() -> None:
    codes = {one["code"] for one in report_of({}, {"Unused": {"type": "wrong"}})["findings"]}
    assert "schema.type" in codes


def test_patterns_that_cannot_be_checked_or_were_respelled_are_told_once() -> None:
    schemas = {
        "A": {"type": "string", "pattern": r"\Qx\E"},
        "B": {"type": "string", "pattern": r"\Qx\E"},
        "C": {"type": "string", "pattern": r"^\h+$"},
        "D": {"type": "string", "pattern": "^[a-z]+$"},
        "E": {"type": "string", "pattern": "^.{1,9000}$"},
        "F": {"type": "string", "pattern": "(?i)^abc$"},
        "G": {"type": "string", "pattern": r"^(?=.*\d).{8,}$"},
    }
    codes = [one["code"] for one in report_of({}, schemas)["findings"] if "pattern" in one["code"]]
    respelled = ["catalog.pattern_respelled"] * 2
    assert sorted(codes) == ["catalog.pattern", *respelled, "catalog.pattern_unshown"]


def test_renamed_arguments_are_told() -> None:
    operation = {"parameters": [{"name": "ids[]", "in": "query", "schema": TEXT}], "responses": OK}
    found = [one for one in report_of({"/a": {"get": operation}})["findings"] if "renamed" in one["code"]]
    assert [one["message"] for one in found] == [
        "GET /a takes ids[] as ids: clients refuse the original names",
    ]


def test_a_report_is_plain_json_and_the_same_every_time() -> None:
    paths = {"/a": {"get": {"responses": OK}}}
    first = report_of(paths)
    assert json.loads(canonical.dumps(first)) == first
    assert canonical.dumps(first) == canonical.dumps(report_of(paths))


def test_documented_and_typed_apis_score_higher() -> None:
    bare = {"responses": OK, "parameters": [{"name": "a", "in": "query", "schema": {}}]}
    told = {
        "summary": "List things",
        "responses": OK,
        "parameters": [{"name": "a", "in": "query", "description": "Which", "schema": TEXT}],
    }
    low, high = report_of({"/a": {"get": bare}})["score"], report_of({"/a": {"get": told}})["score"]
    assert high["total"] == 100
    assert low["total"] < high["total"]
    assert low["parts"]["descriptions"] == {"score": 0, "weight": 25, "counted": 0, "of": 1}
    assert low["parts"]["arguments"]["score"] == 0


def test_operations_that_are_lost_and_tools_that_are_huge_cost_points() -> None:
    body = {"required": True, "content": {"text/csv": {"schema": {"type": "object"}}}}
    xml = {"requestBody": body, "responses": OK}
    told = {"in": "query", "description": "d" * 200, "schema": TEXT}
    wide = {"parameters": [{"name": f"p{number}", **told} for number in range(40)]}
    report = report_of({"/a": {"post": xml}, "/b": {"get": {"summary": "B", "responses": OK, **wide}}})
    assert report["score"]["parts"]["operations"]["score"] == 50
    assert report["score"]["parts"]["size"]["score"] < 100


def test_the_score_of_nothing_is_nothing() -> None:
    assert report_of({})["score"]["total"] == 0
