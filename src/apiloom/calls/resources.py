"""What a principal reads of what is kept for it: whole where that is not too much, else in parts.

Knows URIs and bytes; not who asks in which words, nor where things are kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from apiloom.base.errors import CallerError
from apiloom.calls.parts import LONGEST_URI, Asked, json_part, read_asked, text_part, uri_of
from apiloom.calls.ports import Keeper, Kept
from apiloom.catalog.media import is_json
from apiloom.identity.principal import ANYONE, Principal

NOT_FOUND = "resource.not_found"

MOST_READ = 8 * 1024 * 1024
"""Bytes that one reading gives."""

USUAL_TOKENS = 25_000
"""Tokens of a chunk where results have no budget."""

TEMPLATES = (
    (
        "apiloom://results/{id}{?pointer,from}",
        "part of an answer",
        "The rest of an answer that was cut. Results name these URIs: pointer leads into JSON, from is where to begin.",
    ),
)
"""URI template, name and description of what can be read beside what is listed."""

_BLOB_RANGE = 1024 * 1024
_IN_THREAD = 256 * 1024
_TEXTS = ("text/", "application/json", "application/xml", "application/yaml", "application/x-ndjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """One piece of a resource: text or bytes."""

    uri: str
    mime_type: str
    content: str | bytes


def kept_for(keeper: Keeper | None, principal: Principal) -> list[Kept]:
    """What is kept for a principal, newest first.

    Nothing for callers who showed nothing: they are many behind one name, and only who was told a URI may read it.
    """
    return [] if keeper is None or principal.id == ANYONE.id else list(reversed(keeper.listing(principal)))


async def read_resource(keeper: Keeper | None, principal: Principal, uri: str, tokens: int) -> tuple[Contents, ...]:
    """What a URI stands for, for this principal; parts of it by the query. ``tokens`` bounds a chunk, 0 is the usual.

    Raises:
        CallerError: ``resource.not_found``; ``resource.query``, ``resource.pointer``, ``resource.too_large``.
    """
    kept = None
    if keeper is not None and len(uri) <= LONGEST_URI:
        kept = keeper.open(principal, uri.partition("?")[0])
    if kept is None:
        raise CallerError(
            "there is no such resource", code=NOT_FOUND, hint="it may have expired; call the tool again for a new one"
        )
    asked = read_asked(uri)
    room = (tokens or USUAL_TOKENS) * 4
    read = _by_pointer if asked.pointer is not None else _by_bytes if asked.start is not None else _whole
    if kept.size > _IN_THREAD:
        return await asyncio.to_thread(read, kept, asked, uri, room)
    return read(kept, asked, uri, room)


def _by_pointer(kept: Kept, asked: Asked, uri: str, room: int) -> tuple[Contents, ...]:
    if not is_json(kept.mime_type):
        raise CallerError(
            f"{kept.mime_type} has no pointers into it",
            code="resource.pointer",
            hint=f"read its bytes, beginning with {uri_of(kept.uri, start=0)}",
        )
    part = json_part(kept.read(0, kept.size), asked, room)
    return (Contents(uri=uri, mime_type="application/json", content=part.decode()),)


def _by_bytes(kept: Kept, asked: Asked, uri: str, room: int) -> tuple[Contents, ...]:
    start = min(asked.start or 0, kept.size)
    textual = _is_text(kept.mime_type)
    length = min(asked.length or (room if textual else _BLOB_RANGE), MOST_READ)
    content: str | bytes
    if textual:
        # Some bytes more, so that a character at the end is seen whole.
        content, end = text_part(kept.read(start, length + 4), 0, length)
        end += start
    else:
        content = kept.read(start, length)
        end = start + len(content)
    found = Contents(uri=uri, mime_type=kept.mime_type, content=content)
    if end >= kept.size:
        return (found,)
    following = uri_of(kept.uri, start=end)
    told = f"[bytes {start:,} to {end:,} of {kept.size:,}. The next: resource {following}]"
    return (found, Contents(uri=following, mime_type="text/plain", content=told))


def _whole(kept: Kept, _asked: Asked, uri: str, _room: int) -> tuple[Contents, ...]:
    if kept.size > MOST_READ:
        by_pointer = f", or {uri_of(kept.uri, pointer='', start=0)}" if is_json(kept.mime_type) else ""
        raise CallerError(
            f"this resource has {kept.size:,} bytes, and one reading gives {MOST_READ:,}",
            code="resource.too_large",
            hint=f"read it in parts, beginning with {uri_of(kept.uri, start=0)}{by_pointer}",
        )
    content = kept.read(0, kept.size)
    if _is_text(kept.mime_type):
        try:
            return (Contents(uri=uri, mime_type=kept.mime_type, content=content.decode()),)
        except UnicodeDecodeError:
            pass
    return (Contents(uri=uri, mime_type=kept.mime_type, content=content),)


def _is_text(mime_type: str) -> bool:
    return mime_type.lower().startswith(_TEXTS) or is_json(mime_type)
