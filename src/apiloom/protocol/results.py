"""Result objects of each method as bytes, spliced from parts that were encoded once.

Knows the members each revision adds, by the revision's row; not where text, bytes or pages come from.
Source: MCP 2026-07-28 server/discover, server/tools, utilities/caching; 2025-11-25 basic/lifecycle.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from apiloom.base import json
from apiloom.protocol.revisions import SUPPORTED, Revision

SERVER_KEY: Final = b'"io.modelcontextprotocol/serverInfo":'
SUBSCRIPTION_KEY: Final = b'"io.modelcontextprotocol/subscriptionId":'
CAPABILITIES: Final = b'{"tools":{"listChanged":true},"resources":{}}'
EMPTY: Final = b"{}"


def implementation(name: str, title: str, version: str, *, titled: bool) -> bytes:
    """Who the server says it is (``Implementation``); ``title`` only where the revision has one."""
    said = (
        {"name": name, "title": title, "version": version} if titled and title else {"name": name, "version": version}
    )
    return json.dumps(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """What one server's results carry in one revision.

    ``signed`` is the member of ``_meta`` that names the server; ``hints`` are ``ttlMs`` and ``cacheScope`` with a
    leading comma. Each is empty where the revision has none.
    """

    revision: Revision
    server: bytes
    signed: bytes
    hints: bytes


def imprint(revision: Revision, server: bytes, *, ttl_ms: int, scope: str) -> Imprint:
    """The imprint of a server (its encoded ``Implementation``) in a revision."""
    hints = b',"ttlMs":%d,"cacheScope":"%s"' % (ttl_ms, scope.encode())
    return Imprint(
        revision=revision,
        server=server,
        signed=SERVER_KEY + server if revision.signed else b"",
        hints=hints if revision.cacheable else b"",
    )


def _meta(signed: bytes) -> bytes:
    return b',"_meta":{' + signed + b"}" if signed else b""


def discovery(given: Imprint, instructions: str) -> bytes:
    """``DiscoverResult``: every version we speak, newest first."""
    told = b',"instructions":' + json.quoted(instructions) if instructions else b""
    versions = b'"supportedVersions":' + json.dumps(list(SUPPORTED))
    head = (b"{", given.revision.opening, versions, b',"capabilities":', CAPABILITIES)
    return b"".join((*head, told, given.hints, _meta(given.signed), b"}"))


def initialization(given: Imprint, instructions: str) -> bytes:
    """``InitializeResult`` in the revision that was negotiated."""
    told = b',"instructions":' + json.quoted(instructions) if instructions else b""
    head = b'{"protocolVersion":"' + given.revision.name.encode() + b'","capabilities":' + CAPABILITIES
    return head + b',"serverInfo":' + given.server + told + b"}"


def listing(given: Imprint, page: bytes, cursor: str) -> bytes:
    """``ListToolsResult`` around one rendered page; no ``nextCursor`` when ``cursor`` is empty."""
    following = b',"nextCursor":' + json.quoted(cursor) if cursor else b""
    head = (b"{", given.revision.opening, b'"tools":[', page, b"]", following)
    return b"".join((*head, given.hints, _meta(given.signed), b"}"))


_OF_THE_MOMENT: Final = b',"ttlMs":0,"cacheScope":"private"'


def _of_the_moment(given: Imprint) -> bytes:
    """What a caller keeps is the caller's, and changes with every call."""
    return _OF_THE_MOMENT if given.hints else b""


def resource(uri: str, name: str, mime_type: str, size: int) -> bytes:
    """A ``Resource`` of a list."""
    return json.dumps({"uri": uri, "name": name, "mimeType": mime_type, "size": size})


def resources(given: Imprint, member: str, entries: Sequence[bytes], cursor: str) -> bytes:
    """``ListResourcesResult`` or ``ListResourceTemplatesResult``, by the name of its member."""
    following = b',"nextCursor":' + json.quoted(cursor) if cursor else b""
    head = (b"{", given.revision.opening, b'"', member.encode(), b'":[', b",".join(entries), b"]", following)
    return b"".join((*head, _of_the_moment(given), _meta(given.signed), b"}"))


def template(uri: str, name: str, description: str) -> bytes:
    """A ``ResourceTemplate``."""
    return json.dumps({"uriTemplate": uri, "name": name, "description": description})


def contents(uri: str, mime_type: str, content: str | bytes) -> bytes:
    """``TextResourceContents`` or ``BlobResourceContents``."""
    head = b'{"uri":' + json.quoted(uri) + b',"mimeType":' + json.quoted(mime_type)
    if isinstance(content, str):
        return b"".join((head, b',"text":', json.quoted(content), b"}"))
    return b"".join((head, b',"blob":"', base64.b64encode(content), b'"}'))


def reading(given: Imprint, pieces: Sequence[bytes]) -> bytes:
    """``ReadResourceResult``."""
    head = (b"{", given.revision.opening, b'"contents":[', b",".join(pieces), b"]")
    return b"".join((*head, _of_the_moment(given), _meta(given.signed), b"}"))


def call_frame(
    given: Imprint, answer_to: bytes, content: Sequence[bytes], *, structured: bytes | None, failed: bool, meta: bytes
) -> bytes:
    """The whole response with its ``CallToolResult``, joined once: an answer may be large.

    ``content`` is the content blocks in pieces, commas included; ``meta`` an encoded object (``{}`` for none).
    """
    revision, signed = given.revision, given.signed
    parts = [b'{"jsonrpc":"2.0","id":', answer_to, b',"result":{', revision.opening, b'"content":[', *content]
    if structured is not None and revision.structured:
        parts += (b'],"structuredContent":', structured, b',"isError":true' if failed else b',"isError":false')
    else:
        parts.append(b'],"isError":true' if failed else b'],"isError":false')
    if meta != EMPTY:
        # Ours stands last: of two equal members most readers keep the later one.
        parts += (b',"_meta":{', meta[1:-1], b"," + signed if signed else b"", b"}")
    elif signed:
        parts += (b',"_meta":{', signed, b"}")
    parts.append(b"}}")
    return b"".join(parts)


def subscription_end(given: Imprint, subscription: bytes) -> bytes:
    """``SubscriptionsListenResult``: the stream ended by our choice, not by accident."""
    tail = b"," + given.signed if given.signed else b""
    return b"{" + given.revision.opening + b'"_meta":{' + SUBSCRIPTION_KEY + subscription + tail + b"}}"


TEXT_HEAD: Final = b'{"type":"text","text":'
"""Before the encoded text of a ``TextContent``, which :data:`TEXT_TAIL` closes."""

TEXT_TAIL: Final = b"}"


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


def link_block(uri: str, name: str, mime_type: str, size: int, description: str = "") -> bytes:
    """``ResourceLink``: what ``resources/read`` gives. ``size`` is in bytes."""
    said = {"type": "resource_link", "uri": uri, "name": name, "mimeType": mime_type, "size": size}
    return json.dumps({**said, "description": description} if description else said)


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
