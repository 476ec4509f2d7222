"""The revisions of MCP as one table: what each knows, adds to results, and answers over HTTP.

Two eras: the *modern* one (2026-07-28) is stateless, every request carries its own metadata; the *legacy* one opens
with ``initialize`` and may have sessions. No code asks for a revision by name; it asks the revision's row.
Sources: the changelogs of 2025-06-18, 2025-11-25 and 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from apiloom.protocol.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One row of the table.

    Attributes:
        name: the date that names it on the wire.
        modern: stateless, with per-request metadata; else ``initialize`` and optional sessions.
        methods: the requests we answer in it.
        batches: several messages may come in one JSON array.
        structured: tool results may carry ``structuredContent``.
        links: tool results may carry links to resources.
        not_found: the error code for a resource that is not there.
        titles: an implementation has a display title.
        opening: members that every result begins with, as JSON with a trailing comma.
        signed: every result names the server in its ``_meta``.
        cacheable: lists and discovery carry ``ttlMs`` and ``cacheScope``.
        visits: how a client that can open pages is asked to: by a result, by an error, or not at all.
        statuses: HTTP status by error code; 200 for all others.
    """

    name: str
    modern: bool
    methods: frozenset[str]
    batches: bool
    structured: bool
    links: bool
    not_found: int
    titles: bool
    opening: bytes
    signed: bool
    cacheable: bool
    visits: Literal["", "error", "result"]
    statuses: Mapping[int, int]


_RESOURCES: Final = ("resources/list", "resources/templates/list", "resources/read")
_LEGACY_METHODS: Final = frozenset({"initialize", "ping", "logging/setLevel", "tools/list", "tools/call", *_RESOURCES})
_MODERN_METHODS: Final = frozenset({"server/discover", "tools/list", "tools/call", "subscriptions/listen", *_RESOURCES})

# Legacy clients expect an answered request to be 200 whatever the answer; only what is no request at all is 400.
_LEGACY_STATUSES: Final = MappingProxyType({PARSE_ERROR: 400, INVALID_REQUEST: 400, UNSUPPORTED_VERSION: 400})
_MODERN_STATUSES: Final = MappingProxyType(
    {
        PARSE_ERROR: 400,
        INVALID_REQUEST: 400,
        INVALID_PARAMS: 400,
        HEADER_MISMATCH: 400,
        UNSUPPORTED_VERSION: 400,
        METHOD_NOT_FOUND: 404,
    }
)


def _legacy(
    name: str,
    *,
    batches: bool = False,
    structured: bool = True,
    titles: bool = True,
    visits: Literal["", "error"] = "",
) -> Revision:
    return Revision(
        name=name,
        modern=False,
        methods=_LEGACY_METHODS,
        batches=batches,
        structured=structured,
        links=structured,
        not_found=RESOURCE_NOT_FOUND,
        titles=titles,
        opening=b"",
        signed=False,
        cacheable=False,
        visits=visits,
        statuses=_LEGACY_STATUSES,
    )


MODERN: Final = Revision(
    name="2026-07-28",
    modern=True,
    methods=_MODERN_METHODS,
    batches=False,
    structured=True,
    links=True,
    not_found=INVALID_PARAMS,
    titles=True,
    opening=b'"resultType":"complete",',
    signed=True,
    cacheable=True,
    visits="result",
    statuses=_MODERN_STATUSES,
)

NEWEST_LEGACY: Final = _legacy("2025-11-25", visits="error")

UNSTATED: Final = _legacy("2025-03-26", batches=True, structured=False, titles=False)
"""What a legacy HTTP request without a version header is taken for (2025-11-25, "Protocol Version Header")."""

REVISIONS: Final[Mapping[str, Revision]] = MappingProxyType(
    {row.name: row for row in (MODERN, NEWEST_LEGACY, _legacy("2025-06-18"), UNSTATED)}
)
"""Every revision we speak, newest first."""

SUPPORTED: Final = tuple(REVISIONS)


def negotiated(asked: str) -> Revision:
    """The revision an ``initialize`` settles on: the one asked for if it is legacy and known, else our newest."""
    row = REVISIONS.get(asked)
    return NEWEST_LEGACY if row is None or row.modern else row
