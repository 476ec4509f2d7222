"""HTTP headers of MCP: folding them, the value encoding, and the ladder a request climbs to its revision.

Pure: a message and headers in, a :class:`~apiloom.protocol.revisions.Revision` or the first failed rung out. Knows
nothing of sockets, tools or sessions. The same ladder serves standard input, where there are no headers to compare.
Source: MCP 2026-07-28, Streamable HTTP "Request Metadata" and "Server Validation"; basic "_meta".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from apiloom.protocol.errors import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, Rejection
from apiloom.protocol.frames import NO_PARAMS, Message, Params
from apiloom.protocol.revisions import MODERN, NEWEST_LEGACY, REVISIONS, SUPPORTED, UNSTATED, Revision

Heads = Mapping[bytes, bytes]
"""Header values by lower-case name."""

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
RESERVED: Final = "io.modelcontextprotocol/"
"""Prefix of the ``_meta`` keys that are the protocol's own business."""

VERSION_HEADER: Final = b"mcp-protocol-version"
METHOD_HEADER: Final = b"mcp-method"
NAME_HEADER: Final = b"mcp-name"

_LISTS: Final = frozenset({b"accept", b"x-forwarded-for"})
_SPOKEN: Final = MODERN.name.encode()
_ROUTING: Final = frozenset({VERSION_HEADER, METHOD_HEADER, NAME_HEADER})
_NAMED: Final = MappingProxyType({"tools/call": "name", "prompts/get": "name", "resources/read": "uri"})
_OPEN, _CLOSE = "=?base64?", "?="


def fold(headers: Iterable[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], frozenset[bytes]]:
    """Headers by name (as ASGI gives them: lower-case), and the names that stand more than once.

    Of a repeated header the first value is kept, except for those whose values are one list (RFC 9110 section 5.3).
    """
    pairs = headers if isinstance(headers, list) else list(headers)
    heads = dict(pairs)
    if len(heads) == len(pairs):
        return heads, frozenset()
    heads = {}
    twice = set()
    for name, value in pairs:
        if name not in heads:
            heads[name] = value
        elif name in _LISTS:
            heads[name] += b"," + value
        else:
            twice.add(name)
    return heads, frozenset(twice)


def settle(message: Message, heads: Heads | None, twice: frozenset[bytes] = frozenset()) -> Revision | Rejection:
    """The revision in which a request is to be answered, or the first rung it fails.

    Requests that carry the modern metadata, or name a modern version, climb the modern ladder; ``initialize`` and all
    others are legacy (2026-07-28, "Versioning"). Without headers (``heads`` None) a legacy request says no version:
    the newest legacy revision stands for the one its channel has agreed on.
    """
    params = message.params or NO_PARAMS
    meta = params.meta
    if meta is not None and VERSION_KEY in meta:
        plain = heads is not None and not twice and _agrees(message.method, params.name, meta, heads)
        return MODERN if plain else _climb(message, meta, heads, twice)
    if heads is None:
        return NEWEST_LEGACY
    if message.method == "initialize":
        return NEWEST_LEGACY
    stated = heads.get(VERSION_HEADER)
    if stated is None:
        return UNSTATED
    revision = stated_revision(stated)
    if isinstance(revision, Revision) and revision.modern:
        return Rejection(INVALID_PARAMS, f'params._meta must carry "{VERSION_KEY}" and "{CAPABILITIES_KEY}"')
    return revision


def stated_revision(stated: bytes) -> Revision | Rejection:
    """The revision a version header names, or the refusal of one we do not speak."""
    name = stated.decode("latin-1").strip()
    return REVISIONS.get(name) or unsupported(name)


def unsupported(requested: str) -> Rejection:
    """``-32022`` with the versions we speak and the one asked for."""
    data = {"supported": list(SUPPORTED), "requested": requested}
    return Rejection(UNSUPPORTED_VERSION, f"Unsupported protocol version; supported are {', '.join(SUPPORTED)}", data)


def _agrees(method: str, name: object, meta: dict[str, Any], heads: Heads) -> bool:
    """Whether a call is in order at first sight, as nearly every one is; False says nothing, the ladder does."""
    return (
        heads.get(VERSION_HEADER) == _SPOKEN
        and meta[VERSION_KEY] == MODERN.name
        and isinstance(meta.get(CAPABILITIES_KEY), dict)
        and heads.get(METHOD_HEADER) == method.encode()
        and isinstance(name, str)
        and name.isascii()
        and name.isidentifier()
        and heads.get(NAME_HEADER) == name.encode()
        and method == "tools/call"
    )


def _climb(
    message: Message, meta: dict[str, Any], heads: Heads | None, twice: frozenset[bytes]
) -> Revision | Rejection:
    """The modern ladder: metadata complete, headers agree with it, version spoken. First failure wins."""
    requested = meta[VERSION_KEY]
    if not isinstance(requested, str):
        return Rejection(INVALID_PARAMS, f'params._meta "{VERSION_KEY}" must be a string')
    if not isinstance(meta.get(CAPABILITIES_KEY), dict):
        return Rejection(INVALID_PARAMS, f'params._meta must carry "{CAPABILITIES_KEY}", an object')
    if heads is not None:
        mismatch = _compare(message, requested, heads, twice)
        if mismatch is not None:
            return mismatch
    # A legacy revision cannot be spoken statelessly: its name in the metadata is as unsupported as an unknown one.
    return MODERN if requested == MODERN.name else unsupported(requested)


def _compare(message: Message, requested: str, heads: Heads, twice: frozenset[bytes]) -> Rejection | None:
    if twice and (doubled := sorted(twice & _ROUTING)):
        # Readers of the first and of the last copy would route differently.
        return _mismatch(f"the {doubled[0].decode()} header stands more than once")
    if not _says(heads.get(VERSION_HEADER), requested):
        return _mismatch(f"MCP-Protocol-Version must be there and equal params._meta {VERSION_KEY}")
    if not _says(heads.get(METHOD_HEADER), message.method):
        return _mismatch("Mcp-Method must be there and equal the method in the body")
    member = _NAMED.get(message.method)
    if member is None:
        return None
    value = getattr(message.params or Params(), member)
    raw = heads.get(NAME_HEADER)
    # A missing name is the method's to refuse, unless a header claims one.
    if not isinstance(value, str):
        return None if raw is None else _mismatch(f"Mcp-Name is there but params.{member} is not")
    if not _says(raw, value) and (raw is None or open_value(raw) != value):
        return _mismatch(f"Mcp-Name must be there and equal params.{member}")
    return None


def _says(raw: bytes | None, value: str) -> bool:
    # Equal only when plain ASCII without padding: anything else travels in the base64 form, or not at all.
    if raw is None or raw.strip(b" \t") != value.encode():
        return False
    return value.isascii() and not value.startswith(_OPEN)


def _mismatch(sentence: str) -> Rejection:
    return Rejection(HEADER_MISMATCH, f"Header mismatch: {sentence}")


def open_value(raw: bytes) -> str | None:
    """A header value decoded: plain, or ``=?base64?…?=`` as UTF-8. None when it holds what no header may.

    Base64 must be canonical, so that two different headers never mean the same value.
    """
    text = raw.strip(b" \t")
    if not text.isascii() or any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in text):
        return None
    plain = text.decode("ascii")
    if not (plain.startswith(_OPEN) and plain.endswith(_CLOSE)):
        return plain
    payload = plain[len(_OPEN) : -len(_CLOSE)]
    try:
        data = base64.b64decode(payload, validate=True)
        decoded = data.decode()
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(data).decode() == payload else None


@lru_cache(maxsize=256)
def accepts(accept: bytes) -> tuple[bool, bool]:
    """Whether an Accept header takes JSON, and whether it takes an event stream. An empty one takes anything.

    Clients must list both; we ask only that the form we answer in is listed (RFC 9110 section 12.5.1).
    """
    if not accept.strip():
        return True, True
    ranges = {}
    for part in accept.decode("latin-1").lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(p.replace(" ", "") in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for p in parameters)
        ranges[kind] = not refused
    json = _taken(ranges, "application/json", "application/*")
    return json, _taken(ranges, "text/event-stream", "text/*")


def _taken(ranges: Mapping[str, bool], exact: str, family: str) -> bool:
    for name in (exact, family, "*/*"):
        if name in ranges:
            return ranges[name]
    return False


@lru_cache(maxsize=256)
def is_json_type(content_type: bytes) -> bool:
    """Whether a Content-Type is ``application/json``, in UTF-8 if it says (RFC 8259 section 8.1)."""
    kind, *parameters = (piece.strip() for piece in content_type.decode("latin-1").lower().split(";"))
    charsets = [p.partition("=")[2].strip('" ') for p in parameters if p.startswith("charset")]
    return kind == "application/json" and all(name in {"utf-8", "utf8", "us-ascii"} for name in charsets)
