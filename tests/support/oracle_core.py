"""A second opinion on recorded requests: ``openapi-core`` validates them against the document, with code of its own.

It checks values against schemas, which the oracle does only by type; it does not notice what nobody described.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from referencing.exceptions import Unresolvable
from werkzeug.datastructures import Headers, ImmutableMultiDict

from support.oracle import Recorded
from support.oracle_document import load


class CoreRequest:
    """A recorded request in the form that ``openapi-core`` asks for. Path parameters are its own to find."""

    def __init__(self, recorded: Recorded, origin: str) -> None:
        path, _, query = recorded.target.partition("?")
        # It compares path values as they stand, so they are decoded for it, as far as that makes no other URL.
        kept = re.compile("%(2F|3F|23)", re.IGNORECASE).search
        plain = "/".join(each if kept(each) else unquote(each) for each in path.split("/"))
        self.host_url, self.path, self.method = origin, plain, recorded.method.lower()
        cookies = [pair.partition("=")[::2] for pair in (recorded.header("cookie") or "").split("; ") if pair]
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)),
            header=Headers(list(recorded.headers)),
            cookie=ImmutableMultiDict(cookies),
        )
        self.body = recorded.body
        self.content_type = recorded.header("content-type") or ""


class CoreOpinion:
    """One document, stripped of its security. ``base`` replaces its servers."""

    def __init__(self, path: Path, base: str = "") -> None:
        tree = _without(load(path))
        if base:
            tree["servers"] = [{"url": base}]
        self.openapi = OpenAPI.from_dict(tree)

    def objections(self, recorded: Recorded, origin: str) -> list[str]:
        """What is wrong with a request; nothing when it is valid."""
        try:
            return [_told(error) for error in self.openapi.iter_request_errors(CoreRequest(recorded, origin))]
        except (OpenAPIError, Unresolvable) as error:
            return [_told(error)]


def _told(error: Exception) -> str:
    causes = getattr(error.__cause__, "schema_errors", None) or ()
    inner = "; ".join(getattr(each, "message", str(each)) for each in causes)
    return f"{type(error).__name__}: {error} {type(error.__cause__).__name__}: {error.__cause__} {inner}"[:4000]


def _without(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The document without security, since calls are made without credentials."""
    lean = {key: value for key, value in tree.items() if key != "security"}
    paths = {}
    for key, item in (tree.get("paths") or {}).items():
        paths[key] = {
            name: {k: v for k, v in each.items() if k not in ("security", "callbacks")}
            if isinstance(each, dict) and name not in ("parameters", "servers")
            else each
            for name, each in item.items()
        }
    return {**lean, "paths": paths}
