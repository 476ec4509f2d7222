"""Catalogs made from a few lines of OpenAPI, for tests about what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from apiloom.catalog.build import CatalogOptions, build_catalog
from apiloom.catalog.tool import Catalog, Tool
from apiloom.catalog.validation import input_validator_schema
from apiloom.catalog.views import render_tool
from apiloom.model.api import ApiModel
from apiloom.readers.read import read_document
from apiloom.readers.source import Document

OK = {"200": {"description": "done"}}


def model_of(
    paths: Mapping[str, Any],
    schemas: Mapping[str, Any] | None = None,
    schemes: Mapping[str, Any] | None = None,
    **root: Any,
) -> ApiModel:
    """An API read from its paths and components."""
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "servers": [{"url": "https://api.example.com"}],
        "paths": paths,
        "components": {"schemas": dict(schemas or {}), "securitySchemes": dict(schemes or {})},
        **root,
    }

    def fetch(location: str) -> bytes:
        raise AssertionError(f"nothing else is to be read, least of all {location}")

    return read_document(Document(location="/things.json", content=json.dumps(tree).encode()), fetch)


def catalog_of(
    paths: Mapping[str, Any],
    schemas: Mapping[str, Any] | None = None,
    schemes: Mapping[str, Any] | None = None,
    *,
    options: CatalogOptions | None = None,
    **root: Any,
) -> Catalog:
    """The catalog of such an API."""
    return build_catalog(model_of(paths, schemas, schemes, **root), options)


def tool_with_body(
    schema: Any,
    schemas: Mapping[str, Any] | None = None,
    *,
    required: bool = True,
    media_type: str = "application/json",
    parameters: list[Any] | None = None,
    **media: Any,
) -> tuple[Tool, Catalog]:
    """The only tool of an API whose one operation takes a body."""
    body = {"required": required, "content": {media_type: {"schema": schema, **media}}}
    operation = {"operationId": "send", "requestBody": body, "parameters": parameters or [], "responses": OK}
    catalog = catalog_of({"/things": {"post": operation}}, schemas)
    (tool,) = catalog.tools.values()
    return tool, catalog


def view_of(tool: Tool, catalog: Catalog) -> dict[str, Any]:
    """The arguments of a tool in the default view."""
    schema: dict[str, Any] = render_tool(tool, catalog.schemas, with_output=False)["inputSchema"]
    return schema


def strict_of(tool: Tool, catalog: Catalog) -> Any:
    """A tool's arguments as calls check them, compiled: ``is_valid`` and ``iter_errors``."""
    return jsonschema_rs.Draft202012Validator(
        input_validator_schema(tool, catalog.schemas), pattern_options=jsonschema_rs.RegexOptions()
    )
