"""Media types: which one a request is written in, which ones are asked for in an answer.

Pure choices by name (RFC 9110 section 8.3, RFC 6838); the order of a document's ``content`` object never matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from apiloom.model.api import Media, Response

Writing = Literal["json", "form", "multipart", "yaml", "xml", "sequence", "text", "binary", "any", "none"]
"""How a body in a media type is written; ``any`` stands for a range, ``none`` for what we cannot write."""

_WELL_FORMED = re.compile(r"[\w!#$&^.+*-]+/[\w!#$&^.+*-]+(\s*;[\x20-\x7e]*)?\Z", re.ASCII)
_JSON = frozenset({"application/json", "text/json", "application/x-json", "text/x-json"})
_AS_TEXT = frozenset(
    {
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/jwt",
        "application/sdp",
        "application/sparql-query",
        "application/sparql-update",
        "application/sql",
        "application/toml",
        "application/x-sh",
    }
)
_YAML = re.compile(r"(application|text)/(vnd\.yaml|x-yaml|yaml)\Z")
_SEQUENCES = frozenset(
    {
        "application/json-lines",
        "application/json-seq",
        "application/jsonl",
        "application/jsonlines",
        "application/ndjson",
        "application/x-jsonlines",
        "application/x-ndjson",
        "text/event-stream",
    }
)
_REQUEST_ORDER: tuple[Writing, ...] = (
    "json",
    "form",
    "multipart",
    "yaml",
    "xml",
    "sequence",
    "text",
    "binary",
    "any",
    "none",
)
_MULTIPART = frozenset({"multipart/form-data", "multipart/mixed", "multipart/related", "multipart/*"})
_PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json")


def essence(media_type: str) -> str:
    """Type and subtype in lower case, without parameters."""
    return media_type.partition(";")[0].strip().lower()


def is_well_formed(media_type: str) -> bool:
    """Whether a media type, as the document wrote it, can stand in a header."""
    return _WELL_FORMED.match(media_type) is not None


def is_json(media_type: str) -> bool:
    """Whether bodies of this type are JSON (RFC 6839 section 3.1 for ``+json``)."""
    name = essence(media_type)
    return name in _JSON or name.endswith("+json")


def is_yaml(media_type: str) -> bool:
    """Whether bodies of this type are YAML (RFC 9512), of which every JSON text is one."""
    name = essence(media_type)
    return _YAML.match(name) is not None or name.endswith("+yaml")


def is_xml(media_type: str) -> bool:
    """Whether bodies of this type are XML (RFC 7303)."""
    name = essence(media_type)
    return name in ("application/xml", "text/xml") or name.endswith("+xml")


def writing(media_type: str) -> Writing:
    """How a request body of this type is written."""
    name = essence(media_type)
    if is_json(name):
        return "json"
    if name == "application/x-www-form-urlencoded":
        return "form"
    if name in _SEQUENCES or name.endswith("+json-seq"):
        return "sequence"
    if is_yaml(name):
        return "yaml"
    if name.startswith("multipart/"):
        return "multipart" if name in _MULTIPART else "none"
    if is_xml(name):
        return "xml"
    if name in ("*/*", "application/*"):
        return "any"
    return "text" if name.startswith("text/") or name in _AS_TEXT else "binary"


def for_request(media: Iterable[Media]) -> list[Media]:
    """Well-formed request media, the one to prefer first."""
    return sorted((one for one in media if is_well_formed(one.type)), key=lambda one: _request_rank(one.type))


def _request_rank(media_type: str) -> tuple[int, int, str]:
    name = essence(media_type)
    return _REQUEST_ORDER.index(writing(media_type)), _nearness(name, media_type), media_type


def _nearness(name: str, media_type: str) -> int:
    """Plain ``application/json`` before JSON with parameters, vendor types, and patch languages last."""
    if name == "application/json":
        return 0 if name == media_type.strip().lower() else 1
    for distance, ending in enumerate(_PATCHES):
        if name.endswith(ending):
            return 10 + distance
    return 0 if name == "multipart/form-data" else 2


def is_success(response: Response) -> bool:
    """Whether a declared answer stands for success by its status."""
    return response.status.startswith("2")


def successes(responses: Sequence[Response]) -> list[Response]:
    """The declared answers that stand for success: 2xx, best first; ``default`` where there is none."""
    good = sorted((one for one in responses if is_success(one)), key=lambda one: one.status.upper())
    return good or [one for one in responses if one.status == "default"]


def accept(responses: Sequence[Response]) -> str:
    """The Accept header for an operation (RFC 9110 section 12.5.1): JSON if there is any, else what is declared."""
    declared = {one.type.strip(): one for response in successes(responses) for one in response.media}
    named = [name for name in declared if is_well_formed(name)]
    json_types = sorted(
        (name for name in named if is_json(name)), key=lambda name: (_nearness(essence(name), name), name)
    )
    chosen = json_types or sorted(named)
    return ", ".join(chosen) if chosen else "*/*"
