"""An API that gives the same list page by page in every way that APIs do, and its document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from support.upstream import Answer, Seen

COUNT = 23
PAGE = 5
ITEMS = [{"id": f"it_{number:02}", "name": f"item {number}", "price": number / 4} for number in range(COUNT)]
IDS = [item["id"] for item in ITEMS]

ITEM = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "price": {"type": "number"}},
}
LIST = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}

Query = Mapping[str, str]
Page = tuple[Any, dict[str, str]]


def answer(seen: Seen) -> Answer:
    """The page that a request asks for."""
    parts = urlsplit(seen.target)
    way = parts.path.removeprefix("/api/")
    query = dict(parse_qsl(parts.query))
    if way not in WAYS:
        return Answer({"message": "no such thing"}, status=404)
    if seen.method == "POST":
        query = {name: str(value) for name, value in json.loads(seen.body or b"{}").items()}
    home = f"http://{seen.headers['host']}"
    value, headers = WAYS[way].page(query, f"{home}{parts.path}")
    return Answer(value, headers=headers)


def _slice(start: int, size: int) -> list[dict[str, Any]]:
    return ITEMS[start : start + size]


def _by_cursor(name: str, wrap: Callable[[list[Any], str], Any], size: str = "limit") -> Callable[[Query, str], Page]:
    def page(query: Query, _: str) -> Page:
        start = int(query.get(name, "c0").removeprefix("c"))
        count = int(query.get(size, PAGE))
        there_is_more = start + count < COUNT
        return wrap(_slice(start, count), f"c{start + count}" if there_is_more else ""), {}

    return page


def _next_url(wrap: Callable[[list[Any], str | None], Any], *, relative: bool = False) -> Callable[[Query, str], Page]:
    def page(query: Query, url: str) -> Page:
        start = int(query.get("from_row", 0))
        target = f"{'' if relative else url}?{urlencode({**query, 'from_row': start + PAGE})}"
        return wrap(_slice(start, PAGE), target if start + PAGE < COUNT else None), {}

    return page


def _link(query: Query, url: str) -> Page:
    number = int(query.get("page", 1))
    there_is_more = number * PAGE < COUNT
    links = [f'<{url}?page=1>; rel="first"']
    if there_is_more:
        links.append(f'<{url}?page={number + 1}>; rel="next"; title="a, b"')
    return _slice((number - 1) * PAGE, PAGE), {"Link": ", ".join(links)}


def _counted(
    name: str, first: int, wrap: Callable[[list[Any]], Any], *, size: str = "limit", by_item: bool = True
) -> Callable[[Query, str], Page]:
    def page(query: Query, _: str) -> Page:
        count = int(query.get(size, PAGE))
        number = int(query.get(name, first)) - first
        found = _slice(number if by_item else number * count, count)
        return wrap(found), {"X-Total-Count": str(COUNT)} if name == "page_no" else {}

    return page


def _last_item(query: Query, _: str) -> Page:
    after = query.get("starting_after")
    start = IDS.index(after) + 1 if after else 0
    found = _slice(start, PAGE)
    return {"object": "list", "data": found, "has_more": start + PAGE < COUNT}, {}


def _google(query: Query, _: str) -> Page:
    """The second page is empty, and still not the last."""
    token = query.get("pageToken", "0")
    if token == "empty":
        return {"files": [], "nextPageToken": str(PAGE)}, {}
    start = int(token)
    value: dict[str, Any] = {"files": _slice(start, PAGE)}
    if start + PAGE < COUNT:
        value["nextPageToken"] = "empty" if start == 0 else str(start + PAGE)
    return value, {}


class Way:
    """One way of paging: the parameters and answer that the document describes, and what is answered."""

    def __init__(
        self,
        rule: str,
        parameters: Mapping[str, Any],
        schema: Mapping[str, Any],
        page: Callable[[Query, str], Page],
        *,
        headers: tuple[str, ...] = (),
        post: bool = False,
    ) -> None:
        self.rule = rule
        self.parameters = parameters
        self.schema = schema
        self.page = page
        self.headers = headers
        self.post = post

    def operation(self) -> dict[str, Any]:
        """The operation as a document describes it."""
        said: dict[str, Any] = {"description": "A page.", "content": {"application/json": {"schema": self.schema}}}
        if self.headers:
            said["headers"] = {name: {"schema": {"type": "string"}} for name in self.headers}
        operation: dict[str, Any] = {"summary": "List things", "responses": {"200": said}}
        if self.post:
            body = {"type": "object", "properties": dict(self.parameters)}
            operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
        else:
            operation["parameters"] = [
                {"name": name, "in": "query", "schema": schema} for name, schema in self.parameters.items()
            ]
        return operation


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


COUNTING = {"limit": {"type": "integer", "default": PAGE}, "offset": WHOLE}

WAYS: dict[str, Way] = {
    "cursor": Way(
        "cursor",
        {"cursor": TEXT, "limit": WHOLE},
        object_of(items=LIST, next_cursor=TEXT, has_more=FLAG),
        _by_cursor("cursor", lambda items, then: {"items": items, "next_cursor": then or None, "has_more": bool(then)}),
    ),
    "nested": Way(
        "nested_cursor",
        {"page_token": TEXT, "limit": WHOLE},
        object_of(data=LIST, meta=object_of(pagination=object_of(next_page_token=TEXT))),
        _by_cursor(
            "page_token", lambda items, then: {"data": items, "meta": {"pagination": {"next_page_token": then}}}
        ),
    ),
    "slack": Way(
        "nested_cursor",
        {"cursor": TEXT, "limit": WHOLE},
        object_of(ok=FLAG, channels=LIST, response_metadata=object_of(next_cursor=TEXT)),
        _by_cursor(
            "cursor", lambda items, then: {"ok": True, "channels": items, "response_metadata": {"next_cursor": then}}
        ),
    ),
    "search": Way(
        "cursor",
        {"query": TEXT, "start_cursor": TEXT, "page_size": WHOLE},
        object_of(object=TEXT, results=LIST, next_cursor={"type": ["string", "null"]}, has_more=FLAG),
        _by_cursor(
            "start_cursor",
            lambda items, then: {"results": items, "next_cursor": then or None, "has_more": bool(then)},
            "page_size",
        ),
        post=True,
    ),
    "aws": Way(
        "cursor",
        {"NextToken": TEXT, "MaxResults": WHOLE},
        object_of(Things=LIST, NextToken=TEXT),
        _by_cursor(
            "NextToken", lambda items, then: {"Things": items, **({"NextToken": then} if then else {})}, "MaxResults"
        ),
    ),
    "kubernetes": Way(
        "nested_cursor",
        {"continue": TEXT, "limit": WHOLE},
        object_of(kind=TEXT, items=LIST, metadata={"$ref": "#/components/schemas/ListMeta"}),
        _by_cursor("continue", lambda items, then: {"items": items, "metadata": {"continue": then}}),
    ),
    "google": Way("cursor", {"pageToken": TEXT, "pageSize": WHOLE}, object_of(files=LIST, nextPageToken=TEXT), _google),
    "url": Way(
        "next_url",
        {"limit": WHOLE},
        object_of(count=WHOLE, next={"type": "string", "format": "uri"}, previous=TEXT, results=LIST),
        _next_url(lambda items, then: {"count": COUNT, "next": then, "previous": None, "results": items}),
    ),
    "href": Way(
        "next_link",
        {"limit": WHOLE},
        object_of(data=LIST, links=object_of(next=object_of(href=TEXT))),
        _next_url(
            lambda items, then: {"data": items, "links": {"next": {"href": then}} if then else {}}, relative=True
        ),
    ),
    "odata": Way(
        "odata",
        {"$top": WHOLE, "$skip": WHOLE},
        {"allOf": [object_of(**{"@odata.nextLink": TEXT}), object_of(value=LIST)]},
        _next_url(lambda items, then: {"value": items, **({"@odata.nextLink": then} if then else {})}),
    ),
    "link": Way("link_header", {"page": WHOLE, "per_page": WHOLE}, LIST, _link, headers=("Link",)),
    "offset": Way("offset", COUNTING, LIST, _counted("offset", 0, lambda items: items)),
    "offset_total": Way(
        "offset",
        {"offset": WHOLE, "limit": WHOLE},
        object_of(data=LIST, total=WHOLE),
        _counted("offset", 0, lambda items: {"data": items, "total": COUNT}),
    ),
    "offset_alone": Way("offset", {"offset": WHOLE}, LIST, _counted("offset", 0, lambda items: items)),
    "skip": Way(
        "offset",
        {"$skip": WHOLE, "$top": WHOLE},
        object_of(value=LIST),
        _counted("$skip", 0, lambda items: {"value": items}, size="$top"),
    ),
    "scim": Way(
        "scim",
        {"startIndex": WHOLE, "count": WHOLE, "filter": TEXT},
        object_of(schemas={"type": "array", "items": TEXT}, totalResults=WHOLE, itemsPerPage=WHOLE, Resources=LIST),
        _counted("startIndex", 1, lambda items: {"totalResults": COUNT, "Resources": items}, size="count"),
    ),
    "page": Way(
        "page",
        {"page": WHOLE, "per_page": WHOLE},
        LIST,
        _counted("page", 1, lambda items: items, size="per_page", by_item=False),
    ),
    "page_from_zero": Way(
        "page",
        {"page": {"type": "integer", "minimum": 0}, "size": {"type": "integer", "default": PAGE}},
        object_of(content=LIST, totalPages=WHOLE),
        _counted(
            "page", 0, lambda items: {"content": items, "totalPages": -(-COUNT // PAGE)}, size="size", by_item=False
        ),
    ),
    "page_by_header": Way(
        "page",
        {"page_no": WHOLE, "size": WHOLE},
        LIST,
        _counted("page_no", 1, lambda items: items, size="size", by_item=False),
        headers=("X-Total-Count",),
    ),
    "last_item": Way(
        "last_item",
        {"starting_after": TEXT, "ending_before": TEXT, "limit": WHOLE},
        object_of(object=TEXT, data=LIST, has_more=FLAG, url=TEXT),
        _last_item,
    ),
}


def document(url: str) -> dict[str, Any]:
    """The document of the API that answers at ``url``."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pages", "version": "1"},
        "servers": [{"url": f"{url}/api"}],
        "paths": {f"/{name}": {"post" if way.post else "get": way.operation()} for name, way in WAYS.items()},
        "components": {"schemas": {"Item": ITEM, "ListMeta": object_of(**{"continue": TEXT, "resourceVersion": TEXT})}},
    }
