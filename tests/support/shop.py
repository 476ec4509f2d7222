"""A small API for end-to-end tests: its OpenAPI document, and how its upstream answers."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.upstream import Answer, Seen, Upstream, upstream

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def _answers(schema: dict[str, Any], status: str = "200") -> dict[str, Any]:
    return {"responses": {status: {"description": "Done.", "content": {"application/json": {"schema": schema}}}}}


ITEM = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "price": {"type": "number"}},
}
LINE = {
    "type": "object",
    "required": ["sku", "count"],
    "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
}
PATHS: dict[str, Any] = {
    "/items/{id}": {
        "get": {
            "operationId": "getItem",
            "summary": "Read one item",
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},
                {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            ],
            **_answers({"$ref": "#/components/schemas/Item"}),
        },
        "delete": {
            "operationId": "deleteItem",
            "summary": "Delete an item",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "responses": {"204": {"description": "Gone."}},
        },
    },
    "/items": {
        "get": {
            "operationId": "findItems",
            "summary": "Find items by words",
            "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
            **_answers({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}),
        }
    },
    "/orders": {
        "post": {
            "operationId": "createOrder",
            "summary": "Place an order",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["customer", "lines"],
                            "properties": {
                                "customer": {"type": "object", "properties": {"name": {"type": "string"}}},
                                "lines": {"type": "array", "items": LINE},
                                "note": {"type": "string"},
                            },
                        }
                    }
                },
            },
            **_answers({"type": "object", "properties": {"number": {"type": "integer"}}}, "201"),
        }
    },
    "/photo": {
        "get": {
            "operationId": "getPhoto",
            "summary": "Read the photo",
            "responses": {
                "200": {
                    "description": "A photo.",
                    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
                }
            },
        }
    },
    "/broken": {
        "get": {"operationId": "alwaysFails", "summary": "Fail", "responses": {"200": {"description": "Never."}}}
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1.0"},
    "servers": [{"url": "http://shop.invalid"}],
    "paths": PATHS,
    "components": {"schemas": {"Item": ITEM}},
}
TOOLS = ["always_fails", "create_order", "delete_item", "find_items", "get_item", "get_photo"]


def answer(seen: Seen) -> Answer:
    """What the shop says: the arguments come back in the answer, so that a mix-up shows."""
    parts = urlsplit(seen.target)
    query = parse_qs(parts.query)
    if parts.path == "/items":
        words = query["q"][0]
        return Answer([{"id": 1, "name": words}, {"id": 2, "name": words[::-1]}])
    if parts.path.startswith("/items/") and seen.method == "DELETE":
        return Answer(status=204)
    if parts.path.startswith("/items/"):
        number = int(unquote(parts.path[7:]))
        return Answer({"id": number, "name": f"item {number}", "fields": query.get("fields", [])})
    if parts.path == "/orders":
        order = seen.json
        return Answer({"number": len(order["lines"]), "order": order}, 201)
    if parts.path == "/photo":
        return Answer(PIXEL, content_type="image/png")
    return Answer({"message": "the shelf fell down"}, 503, headers={"Retry-After": "7"})


@contextlib.contextmanager
def shop(folder: Path, document: dict[str, Any] | None = None) -> Iterator[tuple[str, Upstream]]:
    """The running upstream, and the path of a document that describes it, written into ``folder``."""
    path = folder / "shop.json"
    path.write_text(json.dumps(document or DOCUMENT))
    with upstream(answer) as running:
        yield str(path), running
