"""Which operations are paged, and how: found in fragments as APIs publish them."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.catalog.build import CatalogOptions, build_catalog
from apiloom.catalog.pins import pins_of
from apiloom.catalog.report import build_report
from apiloom.catalog.storage import tool_from_json, tool_to_json
from apiloom.catalog.tool import Paging, Tool
from support.catalogs import catalog_of, model_of

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}
THING = {"type": "object", "properties": {"id": TEXT, "name": TEXT}}
THINGS = {"type": "array", "items": THING}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def operation(schema: Any, *parameters: Any, **more: Any) -> dict[str, Any]:
    """An operation: parameters are names of whole numbers, or pairs of a name and a schema."""
    pairs = [(each, WHOLE) if isinstance(each, str) else each for each in parameters]
    headers = {name: {"schema": TEXT} for name in more.pop("headers", ())}
    said = {"description": "", "content": {"application/json": {"schema": schema}}, "headers": headers}
    return {
        "parameters": [{"name": name, "in": "query", "schema": inner} for name, inner in pairs],
        "responses": {more.pop("status", "200"): said},
        **more,
    }


def tool_of(described: Any, path: str = "/things", method: str = "get", schemas: Any = None) -> Tool:
    (tool,) = catalog_of({path: {method: described}}, schemas).tools.values()
    return tool


def found(described: Any, path: str = "/things", method: str = "get", schemas: Any = None) -> Paging:
    paging = tool_of(described, path, method, schemas).paging
    assert paging is not None
    return paging


def test_microsoft_graph_collections_are_found_by_their_next_link() -> None:
    schemas = {
        "BaseCollectionPaginationCountResponse": of(
            **{
                "@odata.count": {"type": "integer", "format": "int64", "nullable": True},
                "@odata.nextLink": {"type": "string", "nullable": True},
            }
        ),
        "microsoft.graph.userCollectionResponse": {
            "allOf": [
                {"$ref": "#/components/schemas/BaseCollectionPaginationCountResponse"},
                of(value={"type": "array", "items": THING}),
            ]
        },
    }
    described = operation(
        {"$ref": "#/components/schemas/microsoft.graph.userCollectionResponse"}, "$top", "$skip", status="2XX"
    )
    described["x-ms-pageable"] = {"nextLinkName": "@odata.nextLink", "operationName": "listMore", "itemName": "value"}
    for one in (described, {key: value for key, value in described.items() if key != "x-ms-pageable"}):
        paging = found(one, "/users", schemas=schemas)
        assert (paging.style, paging.next, paging.items, paging.size) == ("url", "/@odata.nextLink", "/value", "top")
    without = operation(of(value=THINGS), status="2XX", **{"x-ms-pageable": {"nextLinkName": "@odata.nextLink"}})
    assert found(without).next == "/@odata.nextLink"
    assert found(operation(of(**{"odata.nextLink": TEXT, "value": THINGS}))).rule == "odata"


def test_azures_lists_of_one_page_are_not_paged() -> None:
    assert (
        tool_of(operation(of(value=THINGS, nextLink=TEXT), **{"x-ms-pageable": {"nextLinkName": None}})).paging is None
    )


@pytest.mark.parametrize(
    ("described", "told"),
    [
        # Slack
        (
            operation(of(ok=FLAG, channels=THINGS, response_metadata=of(next_cursor=TEXT)), ("cursor", TEXT), "limit"),
            Paging(
                style="cursor",
                argument="cursor",
                size="limit",
                next="/response_metadata/next_cursor",
                items="/channels",
                rule="nested_cursor",
            ),
        ),
        # HubSpot
        (
            operation(of(results=THINGS, paging=of(next=of(after=TEXT, link=TEXT))), ("after", TEXT), "limit"),
            Paging(
                style="cursor",
                argument="after",
                size="limit",
                next="/paging/next/after",
                items="/results",
                rule="nested_cursor",
            ),
        ),
        # Google
        (
            operation(of(kind=TEXT, items=THINGS, nextPageToken=TEXT), ("pageToken", TEXT), ("maxResults", WHOLE)),
            Paging(
                style="cursor",
                argument="pageToken",
                size="maxResults",
                next="/nextPageToken",
                items="/items",
                rule="cursor",
            ),
        ),
        # Amazon
        (
            operation(of(Functions=THINGS, NextMarker=TEXT), ("Marker", TEXT), "MaxItems"),
            Paging(
                style="cursor",
                argument="Marker",
                size="MaxItems",
                next="/NextMarker",
                items="/Functions",
                rule="cursor",
            ),
        ),
        # Django REST framework
        (
            operation(of(count=WHOLE, next={"type": "string", "format": "uri"}, previous=TEXT, results=THINGS), "page"),
            Paging(style="url", next="/next", items="/results", rule="next_url"),
        ),
        # HAL
        (
            operation(
                of(_embedded=of(items=THINGS), _links=of(next=of(href=TEXT), self=of(href=TEXT))), "page", "limit"
            ),
            Paging(style="url", size="limit", next="/_links/next/href", items="/_embedded/items", rule="next_link"),
        ),
        # links as in JSON:API
        (
            operation(of(data=THINGS, links=of(self=TEXT, next=TEXT), included=THINGS), "page[size]"),
            Paging(style="url", size="page_size", next="/links/next", items="/data", rule="next_url"),
        ),
        # Spring
        (
            operation(of(content=THINGS, last=FLAG, totalElements=WHOLE, totalPages=WHOLE), "page", "size"),
            Paging(
                style="page",
                argument="page",
                size="size",
                items="/content",
                more="!/last",
                total="/totalElements",
                pages="/totalPages",
                first=1,
                rule="page",
            ),
        ),
        # Jira
        (
            operation(
                of(startAt=WHOLE, maxResults=WHOLE, total=WHOLE, isLast=FLAG, values=THINGS), "startAt", "maxResults"
            ),
            Paging(
                style="offset",
                argument="startAt",
                size="maxResults",
                items="/values",
                more="!/isLast",
                total="/total",
                rule="offset",
            ),
        ),
        # Intercom
        (
            operation(of(data=THINGS, pages=of(next=of(starting_after=TEXT))), ("starting_after", TEXT), "per_page"),
            Paging(
                style="cursor",
                argument="starting_after",
                size="per_page",
                next="/pages/next/starting_after",
                items="/data",
                rule="nested_cursor",
            ),
        ),
        # Stripe
        (
            operation(of(object=TEXT, data=THINGS, has_more=FLAG, url=TEXT), ("starting_after", TEXT), "limit"),
            Paging(
                style="last_item",
                argument="starting_after",
                size="limit",
                next="/id",
                items="/data",
                more="/has_more",
                rule="last_item",
            ),
        ),
        # GitHub
        (
            operation(THINGS, ("per_page", {"type": "integer", "default": 30}), "page", headers=("Link",)),
            Paging(style="link", size="per_page", items="", usual=30, rule="link_header"),
        ),
        # SCIM
        (
            operation(of(totalResults=WHOLE, Resources=THINGS, schemas={"type": "array"}), "startIndex", "count"),
            Paging(
                style="offset",
                argument="startIndex",
                size="count",
                items="/Resources",
                total="/totalResults",
                first=1,
                rule="scim",
            ),
        ),
        # totals in headers
        (
            operation(THINGS, "page", "per_page", headers=("X-Total", "X-Total-Pages")),
            Paging(
                style="page",
                argument="page",
                size="per_page",
                items="",
                total="header:x-total",
                pages="header:x-total-pages",
                first=1,
                rule="page",
            ),
        ),
    ],
)
def test_lists_are_found_as_well_known_apis_describe_them(described: Any, told: Paging) -> None:
    assert found(described) == told


def test_a_search_by_post_is_paged_by_its_body() -> None:
    """As Notion's."""
    described = operation(of(object=TEXT, results=THINGS, next_cursor={"type": ["string", "null"]}, has_more=FLAG))
    described["requestBody"] = {
        "content": {"application/json": {"schema": of(query=TEXT, start_cursor=TEXT, page_size=WHOLE)}}
    }
    paging = found(described, "/v1/search", "post")
    assert (paging.style, paging.argument, paging.next, paging.more) == (
        "cursor",
        "start_cursor",
        "/next_cursor",
        "/has_more",
    )
    assert tool_of(described, "/v1/pages", "post").paging is None
    named = {**described, "operationId": "ListTables"}
    assert found(named, "/", "post").argument == "start_cursor"
    assert tool_of({**described, "operationId": "getOrCreateTables"}, "/", "post").paging is None


def test_kubernetes_lists_are_found_through_their_metadata() -> None:
    schemas = {"ListMeta": of(**{"continue": TEXT, "resourceVersion": TEXT, "remainingItemCount": WHOLE})}
    described = operation(
        of(apiVersion=TEXT, items=THINGS, kind=TEXT, metadata={"$ref": "#/components/schemas/ListMeta"}),
        ("continue", TEXT),
        "limit",
        ("watch", FLAG),
    )
    paging = found(described, schemas=schemas)
    assert (paging.argument, paging.next, paging.items) == ("continue", "/metadata/continue", "/items")


@pytest.mark.parametrize(
    "described",
    [
        operation(THINGS),
        operation(THINGS, "limit"),
        operation(THING, "page"),
        operation(of(id=TEXT, cursor=TEXT, tags={"type": "array", "items": TEXT}), ("id", TEXT)),
        operation(of(errors=THINGS), "page"),
        operation(THINGS, ("start", {"type": "string", "format": "date-time"}), "limit"),
        operation(of(data=THINGS), ("from", WHOLE), "limit"),
        operation(of(a=THINGS, b=THINGS), "offset", "limit"),
        operation(of(data=THINGS, next=of(title=TEXT))),
        operation(TEXT, "page"),
        operation(of(data=THINGS, has_more=FLAG), "limit"),
        operation(of(pages=WHOLE, title=TEXT), "page"),
        operation({}, "page", "per_page"),
        {"responses": {"204": {"description": "nothing"}}, "parameters": []},
    ],
)
def test_what_is_not_surely_paged_is_not_paged(described: Any) -> None:
    tool = tool_of(described)
    assert tool.paging is None
    assert tool.controls.cursor == ""


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_what_changes_things_is_never_paged(method: str) -> None:
    assert tool_of(operation(of(data=THINGS, next_cursor=TEXT), ("cursor", TEXT)), method=method).paging is None


def test_a_get_that_is_named_like_an_action_is_paged_only_where_its_answer_says_how() -> None:
    acting = {"operationId": "sendThings"}
    assert tool_of(operation(THINGS, "page", "per_page", **acting)).paging is None
    assert found(operation(of(data=THINGS, next_cursor=TEXT), ("cursor", TEXT), **acting)).rule == "cursor"


def test_a_cursor_that_no_answer_gives_comes_in_a_header_if_the_api_tells_of_one_elsewhere() -> None:
    linked = operation(THINGS, "page", "per_page", headers=("Link",))
    alone = operation(THINGS, ("after", TEXT), ("before", TEXT), "per_page")
    assert tool_of(alone).paging is None
    tools = catalog_of({"/a": {"get": linked}, "/b": {"get": alone}}).tools
    assert [tool.paging.rule for tool in tools.values() if tool.paging] == ["link_header", "link_header_elsewhere"]


@pytest.mark.parametrize(
    ("schema", "first"),
    [
        (WHOLE, 1),
        ({**WHOLE, "default": 0}, 0),
        ({**WHOLE, "minimum": 0}, 0),
        ({**WHOLE, "description": "Zero-based page number"}, 0),
        ({**WHOLE, "default": 1, "minimum": 0}, 1),
        ({"type": "string"}, 1),
    ],
)
def test_the_number_of_the_first_page_is_what_the_document_says(schema: Any, first: int) -> None:
    assert found(operation(THINGS, ("page", schema), "per_page")).first == first


# -- what the document says for the purpose ----------------------------------------------------------------------------


def stated(value: Any, *parameters: Any) -> Tool:
    return tool_of(operation(of(rows=THINGS, then=TEXT), *parameters, **{"x-apiloom-pagination": value}))


def test_an_author_can_say_that_an_operation_is_not_paged() -> None:
    described = operation(THINGS, "page", "per_page")
    assert found(described).style == "page"
    assert tool_of({**described, "x-apiloom-pagination": False}).paging is None


def test_an_author_can_say_how_an_operation_is_paged_in_the_words_of_the_document() -> None:
    value = {"style": "cursor", "argument": "filter[at]", "size": "filter[n]", "next": "/then", "items": "/rows"}
    tool = stated(value, ("filter[at]", TEXT), "filter[n]")
    assert tool.paging == Paging(
        style="cursor",
        argument="filter_at",
        size="filter_n",
        next="/then",
        items="/rows",
        rule="x-apiloom-pagination",
    )
    assert stated({"style": "page", "argument": "n"}, "n").paging == Paging(
        style="page", argument="n", items="/rows", first=1, rule="x-apiloom-pagination"
    )


def test_whoever_builds_a_catalog_can_say_it_too() -> None:
    paths = {"/things": {"get": operation(THINGS, "page", "per_page")}}
    for said, style in (({"style": "offset", "argument": "page"}, "offset"), (False, None)):
        options = CatalogOptions(pagination={"GET /things": said})
        (tool,) = catalog_of(paths, options=options).tools.values()
        assert (tool.paging.style if tool.paging else None) == style


def test_a_number_that_the_answer_gives_goes_before_one_that_is_counted() -> None:
    """As Meilisearch's, where ``from`` is the number of a task and pages go downwards."""
    answer = of(results=THINGS, total=WHOLE, limit=WHOLE, **{"from": WHOLE, "next": {"type": ["integer", "null"]}})
    paging = found(operation(answer, "from", "limit"))
    assert (paging.style, paging.argument, paging.next) == ("cursor", "from", "/next")


def test_an_author_can_page_what_is_asked_for_by_post() -> None:
    described = operation(of(rows=THINGS, then=TEXT))
    described["requestBody"] = {"content": {"application/json": {"schema": of(at=TEXT)}}}
    described["x-apiloom-pagination"] = {"style": "cursor", "argument": "at", "next": "/then"}
    assert found(described, "/reports", "post").argument == "at"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "is false or an object"),
        ({"style": "magic"}, "has a style that is one of cursor, url, link, offset, page, last_item"),
        ({"style": "cursor", "argument": "n"}, "needs next"),
        ({"style": "page", "argument": "nobody"}, "names 'nobody', which the operation does not take"),
        ({"style": "page", "argument": "n", "wrong": 1}, "has the unknown member 'wrong'"),
        ({"style": "page", "argument": "n", "items": "rows"}, "has items that is no JSON Pointer such as /meta/next"),
        ({"style": "page", "argument": "n", "first": "0"}, "has first that is no whole number"),
    ],
)
def test_what_an_author_says_wrong_is_told_and_the_operation_is_not_paged(value: Any, said: str) -> None:
    described = operation(of(rows=THINGS), "n", "page", **{"x-apiloom-pagination": value})
    catalog = catalog_of({"/things": {"get": described}})
    (finding,) = [one for one in catalog.findings if one.code == "catalog.pagination"]
    assert finding.message == f"GET /things is not paged as the document says: x-apiloom-pagination {said}"
    assert all(tool.paging is None for tool in catalog.tools.values())


def speakeasy(kind: str, inputs: list[Any], outputs: Any) -> dict[str, Any]:
    return {"x-speakeasy-pagination": {"type": kind, "inputs": inputs, "outputs": outputs}}


def test_what_authors_wrote_for_other_tools_is_understood() -> None:
    taken = [{"name": "at", "in": "parameters", "type": "cursor"}, {"name": "n", "in": "parameters", "type": "limit"}]
    rows = of(data=of(rows=THINGS), meta=of(then=TEXT))
    by_cursor = speakeasy("cursor", taken, {"results": "$.data.rows[*]", "nextCursor": "$.meta.then"})
    assert found(operation(rows, ("at", TEXT), "n", **by_cursor)) == Paging(
        style="cursor", argument="at", size="n", next="/meta/then", items="/data/rows", rule="x-speakeasy-pagination"
    )
    by_last = speakeasy("cursor", taken, {"nextCursor": "$.data.rows[-1].id"})
    last = found(operation(rows, ("at", TEXT), "n", **by_last))
    assert (last.style, last.next, last.items) == ("last_item", "/id", "/data/rows")
    by_page = speakeasy("offsetLimit", [{"name": "n", "type": "page"}], {"numPages": "$.pages"})
    page = found(operation(of(rows=THINGS, pages=WHOLE), "n", **by_page))
    assert (page.style, page.argument, page.pages, page.items) == ("page", "n", "/pages", "/rows")
    by_url = speakeasy("url", [], {"nextUrl": "$.meta.then"})
    assert found(operation(rows, **by_url)).style == "url"


# -- arguments that are ours -------------------------------------------------------------------------------------------


def test_a_paged_tool_takes_a_cursor_and_a_number_of_items_beside_its_own_arguments() -> None:
    tool = tool_of(operation(THINGS, "page", "per_page"))
    assert list(tool.input_schema["properties"]) == ["page", "per_page", "cursor", "max_items"]  # type: ignore[index]
    assert (tool.controls.cursor, tool.controls.max_items, tool.controls.fields) == ("cursor", "max_items", "")
    assert [one.place for one in tool.arguments] == ["query", "query", "control", "control"]
    assert [one.name for one in tool.binding.parameters] == ["page", "per_page"]


def test_the_operations_own_cursor_serves_both_where_it_takes_any_text() -> None:
    plain = tool_of(operation(of(data=THINGS, next_cursor=TEXT), ("cursor", {"type": "string", "description": "x"})))
    assert plain.controls.cursor == "cursor"
    assert [(one.name, one.place) for one in plain.arguments] == [("cursor", "query"), ("max_items", "control")]
    for schema in ({"type": "string", "maxLength": 40}, WHOLE, {"type": "string", "format": "uuid"}):
        strict = tool_of(operation(of(data=THINGS, next_cursor={"type": ["string", "integer"]}), ("cursor", schema)))
        assert strict.controls.cursor == "cursor_control"


def test_arguments_that_are_ours_give_way_to_those_of_the_operation() -> None:
    tool = tool_of(operation(THINGS, "page", "cursor", "max_items", "max_items_control", "fields"))
    assert tool.controls.cursor == "cursor_control"
    assert tool.controls.max_items == "max_items_control_2"


def test_members_can_be_chosen_where_an_answer_has_many() -> None:
    many = of(**{f"m{number}": TEXT for number in range(8)})
    few = of(**{f"m{number}": TEXT for number in range(7)})
    assert tool_of(operation(many)).controls.fields == "fields"
    assert tool_of(operation({"type": "array", "items": many})).controls.fields == "fields"
    assert tool_of(operation(of(data={"type": "array", "items": many}))).controls.fields == "fields"
    assert tool_of(operation(few)).controls.fields == ""
    assert tool_of(operation(many), method="post").controls.fields == ""


def test_names_of_arguments_that_are_ours_stay_when_the_api_takes_them_later() -> None:
    before = {"/things": {"get": operation(THINGS, "page", "per_page", operationId="list")}}
    after = {"/things": {"get": operation(THINGS, "page", "per_page", ("cursor", TEXT), operationId="list")}}
    first = build_catalog(model_of(before))
    again = build_catalog(model_of(after), None, pins_of(first.tools))
    (tool,) = again.tools.values()
    assert tool.controls == next(iter(first.tools.values())).controls
    assert {one.name: one.place for one in tool.arguments}["cursor"] == "control"
    assert {one.name: one.original for one in tool.arguments if one.place == "query"}["cursor_query"] == "cursor"


def test_paging_survives_storage() -> None:
    tool = tool_of(operation(of(content=THINGS, last=FLAG, totalPages=WHOLE), "page", "size"))
    assert tool_from_json(tool_to_json(tool)) == tool
    plain = tool_of(operation(TEXT))
    assert tool_from_json(tool_to_json(plain)) == plain


def test_a_report_says_how_a_tool_is_paged_and_its_answer_names_the_cursor() -> None:
    (tool,) = build_report(catalog_of({"/things": {"get": operation(THINGS, "page", "per_page")}}))["tools"]
    assert tool["pagination"] == {
        "style": "page",
        "argument": "page",
        "size": "per_page",
        "items": "",
        "first": 1,
        "rule": "page",
    }
    assert tool["arguments"]["cursor"] == {"in": "control"}
    assert "next_cursor" in tool["outputSchema"]["properties"]
