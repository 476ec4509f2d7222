"""What a document that is no OpenAPI looks like, so that its owner is told in one sentence.

Looks only; reads nothing. Formats whose readers come later are named as such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apiloom.base.errors import DesignError

_LATER = "a later release will read it; for now give an OpenAPI or Swagger document"
_NEVER = "give an OpenAPI or Swagger document"

_TEXTS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"#%RAML\b"), "a RAML document", _LATER),
    (re.compile(r"(?i)\s*(?:<!doctype html|<html)"), "an HTML page", "give the URL of the document behind the page"),
    (re.compile(r"(?s)\s*<.*?(?:<wsdl:|<definitions[\s>]|schemas\.xmlsoap\.org/wsdl)"), "a WSDL document", _NEVER),
    (re.compile(r"(?s)\s*<.*?(?:<edmx:|<Edmx)"), "an OData metadata document", _NEVER),
    (re.compile(r"\s*<"), "an XML document", _NEVER),
    (re.compile(r"(?m)^[ \t]*syntax[ \t]*=[ \t]*[\"']proto[23][\"']\s*;"), "a protocol buffers file", _LATER),
    (
        re.compile(
            r"(?m)^[ \t]*(?:extend[ \t]+)?(?:schema[ \t]*(?:@[^\n]*)?\{|(?:type|interface|input|enum)[ \t]+\w+[^\n:]*\{"
            r"|scalar[ \t]+\w+[ \t]*$"
            r"|directive[ \t]+@\w+)"
        ),
        "a GraphQL schema",
        _LATER,
    ),
    (re.compile(r"(?m)^FORMAT:[ \t]*1A"), "an API Blueprint", _NEVER),
)


def _has(*keys: str) -> Any:
    return lambda tree: all(key in tree for key in keys)


def _postman(tree: Mapping[str, Any]) -> bool:
    about = tree.get("info")
    return isinstance(about, Mapping) and (
        "_postman_id" in about
        or "getpostman.com" in str(about.get("schema", ""))
        or "postman" in str(about.get("schema", ""))
    )


def _introspection(tree: Mapping[str, Any]) -> bool:
    inner = tree.get("data")
    return "__schema" in tree or (isinstance(inner, Mapping) and "__schema" in inner)


def _har(tree: Mapping[str, Any]) -> bool:
    log = tree.get("log")
    return isinstance(log, Mapping) and "entries" in log


def _json_schema(tree: Mapping[str, Any]) -> bool:
    return "json-schema.org" in str(tree.get("$schema", "")) or (
        "properties" in tree and ("type" in tree or "$defs" in tree)
    )


_TREES: tuple[tuple[Any, str, str], ...] = (
    (_has("asyncapi"), "an AsyncAPI document", _LATER),
    (_has("swaggerVersion"), "a Swagger 1.x document", "convert it to Swagger 2.0 or OpenAPI 3"),
    (_postman, "a Postman collection", _LATER),
    (_introspection, "a GraphQL introspection result", _LATER),
    (lambda tree: str(tree.get("kind", "")).startswith("discovery#"), "a Google Discovery document", _LATER),
    (_has("openrpc"), "an OpenRPC document", _NEVER),
    (_has("arazzo"), "an Arazzo description", _NEVER),
    (_has("overlay", "actions"), "an OpenAPI overlay", "apply it to its document first"),
    (_has("mcpServers"), "an MCP servers file", "MCP sources come with a later release; give an OpenAPI document"),
    (_har, "an HTTP archive (HAR)", _NEVER),
    (_has("apiVersion", "kind"), "a Kubernetes manifest", _NEVER),
    (_json_schema, "a JSON Schema", _NEVER),
)


def not_openapi(location: str, tree: object) -> DesignError:
    """The refusal of a tree that is no OpenAPI document, naming what it looks like."""
    if isinstance(tree, Mapping):
        for looks, name, hint in _TREES:
            if looks(tree):
                return _refusal(location, name, hint)
        keys = ", ".join(f'"{str(key)[:30]}"' for key in list(tree)[:4])
        found = f"an object with {keys}" if keys else "an empty object"
        return _refusal(location, found, 'an OpenAPI document has a member "openapi" or "swagger"')
    if tree is None:
        return _refusal(location, "an empty document", _NEVER)
    kind = "a list" if isinstance(tree, list) else "plain text" if isinstance(tree, str) else "a single value"
    return _refusal(location, kind, 'an OpenAPI document is an object with a member "openapi" or "swagger"')


def other_text(location: str, content: bytes) -> DesignError | None:
    """The refusal of text that is neither JSON nor YAML but a format we know, else None."""
    head = content[:65_536].decode("utf-8", "replace").lstrip("\ufeff")
    for pattern, name, hint in _TEXTS:
        if pattern.match(head) or (pattern.flags & re.MULTILINE and pattern.search(head)):
            return _refusal(location, name, hint)
    return None


def _refusal(location: str, found: str, hint: str) -> DesignError:
    return DesignError(
        f"{location} looks like {found}, not like an OpenAPI document", code="document.not_openapi", hint=hint
    )
