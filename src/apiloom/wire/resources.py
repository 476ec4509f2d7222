"""Resources as MCP speaks of them: what a principal keeps, listed and read, in every revision.

Source: MCP 2026-07-28 and 2025-11-25, server/resources.
"""

from __future__ import annotations

from typing import Final

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.calls.call import Link
from apiloom.calls.endpoint import Endpoint
from apiloom.calls.resources import NOT_FOUND, TEMPLATES, kept_for, read_resource
from apiloom.identity.principal import Principal
from apiloom.protocol import results
from apiloom.protocol.errors import INVALID_PARAMS, Rejection
from apiloom.protocol.results import Imprint
from apiloom.protocol.revisions import Revision

PAGE: Final = 100
"""Resources on one page of a list."""


def list_resources(endpoint: Endpoint, given: Imprint, principal: Principal, cursor: str | None) -> bytes | Rejection:
    """One page of what is kept for this caller, newest first. A cursor is the last URI of the page before."""
    kept = kept_for(endpoint.keeper, principal)
    begin = 0
    if cursor:
        found = [at for at, one in enumerate(kept) if one.uri == cursor]
        if not found:
            return Rejection(INVALID_PARAMS, "The cursor is not valid, or what it names has expired; list again")
        begin = found[0] + 1
    page = kept[begin : begin + PAGE]
    entries = [results.resource(one.uri, one.name or "answer", one.mime_type, one.size) for one in page]
    following = page[-1].uri if begin + PAGE < len(kept) else ""
    return results.resources(given, "resources", entries, following)


def list_templates(given: Imprint) -> bytes:
    """How parts of what is kept are named."""
    entries = [results.template(*template) for template in TEMPLATES]
    return results.resources(given, "resourceTemplates", entries, "")


async def read(endpoint: Endpoint, given: Imprint, principal: Principal, uri: object) -> bytes | Rejection:
    """``resources/read``: text or bytes. What is another's, has expired or never was is not there, alike."""
    if not isinstance(uri, str):
        return Rejection(INVALID_PARAMS, "params.uri must be the URI of a resource")
    try:
        pieces = await read_resource(endpoint.keeper, principal, uri, endpoint.result_tokens)
    except CallerError as error:
        code = given.revision.not_found if error.code == NOT_FOUND else INVALID_PARAMS
        return Rejection(code, error.sentence(), {"uri": uri[:500]})
    return results.reading(given, [results.contents(one.uri, one.mime_type, one.content) for one in pieces])


def link(revision: Revision, given: Link) -> bytes:
    """A link as a content block; as text where the revision knows none."""
    if revision.links:
        return results.link_block(given.uri, given.name or "answer", given.mime_type, given.size, given.description)
    told = f"[{given.size:,} bytes of {given.mime_type}: resource {given.uri}]"
    return results.TEXT_HEAD + json.quoted(told) + results.TEXT_TAIL
