"""What stands in a list of tools, how little of it in a long one, and what the report says it costs."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base import json
from apiloom.catalog.listing import render_listing
from apiloom.catalog.report import build_report
from apiloom.catalog.tool import Catalog
from support.catalogs import OK, catalog_of

METHODS = ("get", "put", "patch", "delete")


def methods(paths: int) -> Catalog:
    """Four tools for each path."""
    return catalog_of(
        {
            f"/p{number}": {method: {"operationId": f"{method}_{number}", "responses": OK} for method in METHODS}
            for number in range(paths)
        }
    )


def hints(catalog: Catalog) -> dict[str, dict[str, Any]]:
    listed = {name: json.loads(entry)["annotations"] for name, entry in render_listing(catalog).items()}
    return {method: listed[f"{method}_0"] for method in METHODS}


def test_a_short_list_says_every_hint() -> None:
    every = {"title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    assert all(set(said) == every for said in hints(methods(10)).values())


def test_a_long_list_leaves_out_the_one_hint_that_is_false_where_it_is_not_there() -> None:
    said = hints(methods(11))
    assert {method: hint.get("idempotentHint") for method, hint in said.items()} == {
        "get": True,
        "put": True,
        "patch": None,
        "delete": True,
    }
    asked_of_every_tool = {"readOnlyHint", "destructiveHint", "openWorldHint"}
    assert all(set(hint) >= asked_of_every_tool and "title" not in hint for hint in said.values())


@pytest.mark.parametrize(("others", "told"), [(39, 400), (40, 240)])
def test_a_long_list_tells_less_of_an_argument_and_the_report_says_the_same(others: int, told: int) -> None:
    words = "word " * 200
    parameter = {"name": "q", "in": "query", "description": words, "schema": {"type": "string"}}
    paths = {f"/p{number}": {"get": {"responses": OK}} for number in range(others)}
    catalog = catalog_of({"/q": {"get": {"parameters": [parameter], "responses": OK}}, **paths})
    listed = json.loads(render_listing(catalog)["get_q"])
    (reported,) = (tool for tool in build_report(catalog)["tools"] if tool["name"] == "get_q")
    said = listed["inputSchema"]["properties"]["q"]["description"]
    assert told - 10 < len(said) <= told
    assert reported["inputSchema"] == listed["inputSchema"]


def test_a_report_names_the_ten_costliest_tools_with_what_they_cost_in_the_list() -> None:
    catalog = methods(11)
    report = build_report(catalog)
    cost = {name: -(-len(entry) // 4) for name, entry in render_listing(catalog).items()}
    assert {tool["name"]: tool["tokens"] for tool in report["tools"]} == cost
    costliest = [(line["tool"], line["tokens"]) for line in report["tokens"]["costliest"]]
    assert costliest == sorted(cost.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
    assert report["tokens"]["largest"] == costliest[0][1]
