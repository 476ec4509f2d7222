"""Result objects of each method as bytes, spliced from parts that were encoded once.

Knows the members each revision adds, by the revision's row; not where text, bytes or pages come from.
Source: MCP 2026-07-28 server/discover, server/tools, utilities/caching; 2025-11-25 basic/lifecycle.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final
from urllib.parse import quote

from apiloom.base import json
from apiloom.protocol.revisions import SUPPORTED, Revision

SERVER_KEY: Final = b'"io.modelcontextprotocol/serverInfo":'
SUBSCRIPTION_KEY: Final = b'"io.modelcontextprotocol/subscriptionId":'
CAPABILITIES: Final = b'{"tools":{"listChanged":true}}'
EMPTY: Final = b"{}"


def implementation(name: str, title: str, version: str, *, titled: bool) -> bytes:
    """Who the server says it is (``Implementation``); ``title`` only where the revision has one."""
    said = (
        {"name": name, "title": title, "version": version} if titled and title else {"name": name, "version": version}
    )
    return json.dumps(said)


def signature(revision: Revision, server: bytes) -> bytes:
    """The member of ``_meta`` that names the server, empty where the revision has none."""
    return SERVER_KEY + server if revision.signed else b""


def cache_hints(revision: Revision, ttl_ms: int, scope: str) -> bytes:
    """``ttlMs`` and ``cacheScope`` with a leading comma, empty where the revision has none."""
    return b',"ttlMs":%d,"cacheScope":"%s"' % (ttl_ms, scope.encode()) if revision.cacheable else b""


def _meta(signed: bytes) -> bytes:
    return b',"_meta":{' + signed + b"}" if signed else b""


def discovery(revision: Revision, *, instructions: str, hints: bytes, signed: bytes) -> bytes:
    """``DiscoverResult``: every version we speak, newest first."""
    told = b',"instructions":' + json.quoted(instructions) if instructions else b""
    versions = b'"supportedVersions":' + json.dumps(list(SUPPORTED))
    parts = (b"{", revision.opening, versions, b',"capabilities":', CAPABILITIES, told, hints, _meta(signed), b"}")
    return b"".join(parts)


def initialization(revision: Revision, *, server: bytes, instructions: str) -> bytes:
    """``InitializeResult`` in the revision that was negotiated."""
    told = b',"instructions":' + json.quoted(instructions) if instructions else b""
    head = b'{"protocolVersion":"' + revision.name.encode() + b'","capabilities":' + CAPABILITIES
    return head + b',"serverInfo":' + server + told + b"}"


def listing(revision: Revision, page: bytes, *, cursor: str, hints: bytes, signed: bytes) -> bytes:
    """``ListToolsResult`` around one rendered page; no ``nextCursor`` when ``cursor`` is empty."""
    following = b',"nextCursor":' + json.quoted(cursor) if cursor else b""
    return b"".join((b"{", revision.opening, b'"tools":[', page, b"]", following, hints, _meta(signed), b"}"))


def call_result(
    revision: Revision, content: bytes, *, structured: bytes | None, failed: bool, meta: bytes, signed: bytes
) -> bytes:
    """``CallToolResult``. ``content`` is the blocks without brackets, ``meta`` an encoded object (``{}`` for none)."""
    parts = [b"{", revision.opening, b'"content":[', content]
    if structured is not None and revision.structured:
        parts += (b'],"structuredContent":', structured, b',"isError":true' if failed else b',"isError":false')
    else:
        parts.append(b'],"isError":true' if failed else b'],"isError":false')
    if meta != EMPTY:
        # Ours stands last: of two equal members most readers keep the later one.
        parts += (b',"_meta":{', meta[1:-1], b"," + signed if signed else b"", b"}")
    elif signed:
        parts += (b',"_meta":{', signed, b"}")
    parts.append(b"}")
    return b"".join(parts)


def subscription_end(revision: Revision, subscription: bytes, signed: bytes) -> bytes:
    """``SubscriptionsListenResult``: the stream ended by our choice, not by accident."""
    tail = b"," + signed if signed else b""
    return b"{" + revision.opening + b'"_meta":{' + SUBSCRIPTION_KEY + subscription + tail + b"}}"


def text_block(text: str) -> bytes:
    """``TextContent``."""
    return b'{"type":"text","text":' + json.quoted(text) + b"}"


def blob_block(data: bytes, mime_type: str, name: str) -> bytes:
    """``ImageContent``, ``AudioContent``, or an embedded resource for every other type.

    An embedded resource needs a URI: its name, else a digest of its bytes, so that equal bytes get equal URIs.
    """
    encoded, mime = base64.b64encode(data), json.quoted(mime_type)
    family = mime_type.partition("/")[0].lower()
    if family in {"image", "audio"}:
        return b"".join((b'{"type":"', family.encode(), b'","data":"', encoded, b'","mimeType":', mime, b"}"))
    uri = json.quoted("apiloom://result/" + (quote(name, safe="") or hashlib.sha256(data).hexdigest()[:16]))
    inner = b"".join((b'{"uri":', uri, b',"mimeType":', mime, b',"blob":"', encoded, b'"}'))
    return b'{"type":"resource","resource":' + inner + b"}"


def progress(token: int | str, done: float, total: float | None, message: str) -> bytes:
    """Parameters of ``notifications/progress``."""
    said: dict[str, Any] = {"progressToken": token, "progress": done}
    if total is not None:
        said["total"] = total
    if message:
        said["message"] = message
    return json.dumps(said)


def subscribed(subscription: bytes, *, tools: bool) -> bytes:
    """Parameters of ``notifications/subscriptions/acknowledged``: what we honour of the filter."""
    honoured = b'{"toolsListChanged":true}' if tools else EMPTY
    return b'{"_meta":{' + SUBSCRIPTION_KEY + subscription + b'},"notifications":' + honoured + b"}"


def stamped(subscription: bytes) -> bytes:
    """Parameters of a notification delivered on a subscription: nothing but its id."""
    return b'{"_meta":{' + SUBSCRIPTION_KEY + subscription + b"}}"
