"""The rungs an HTTP request climbs before its body is read: host, origin, caller, content type, accepted forms.

Each refusal is a status, a JSON-RPC error without an id, and headers. Pure but for the gate, which is in memory.
Source: MCP 2026-07-28, Streamable HTTP "Security & Endpoint"; RFC 9110 sections 7.4, 15.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from apiloom.identity.gate import Gate, Refusal
from apiloom.identity.principal import Principal
from apiloom.protocol.errors import INVALID_REQUEST, Rejection
from apiloom.protocol.frames import error_frame
from apiloom.protocol.headers import Heads, accepts, is_json_type
from apiloom.wire.settings import WireSettings

_ONCE: Final = frozenset({b"host", b"origin", b"authorization", b"content-type", b"content-length", b"mcp-session-id"})
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An HTTP answer that ends a request early."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


def refused(status: int, sentence: str, *headers: tuple[bytes, bytes], code: int = INVALID_REQUEST) -> Refused:
    """A refusal that says why in one sentence."""
    return Refused(status=status, body=error_frame(None, Rejection(code, sentence)), headers=headers)


BAD_TOKEN_SENTENCE: Final = "A valid bearer token is needed in the Authorization header"  # noqa: S105 - a sentence
_TOO_LARGE: Final = "The body is larger than {} bytes"


class Names:
    """A set of allowed hosts or origins: exact values, ``…:*`` for any port or none, ``*`` for all."""

    __slots__ = ("_all", "_exact", "_families", "_known")

    def __init__(self, patterns: Iterable[str]) -> None:
        lowered = [pattern.lower() for pattern in patterns]
        self._all = "*" in lowered
        self._exact = frozenset(lowered)
        self._families = frozenset(pattern[:-2] for pattern in lowered if pattern.endswith(":*"))
        self._known: dict[bytes, bool] = {}

    def __contains__(self, raw: object) -> bool:
        if self._all:
            return True
        if not isinstance(raw, bytes):
            return False
        known = self._known.get(raw)
        if known is None:
            known = self._judge(raw.decode("latin-1").strip().lower())
            if len(self._known) < _REMEMBERED:
                self._known[raw] = known
        return known

    def _judge(self, value: str) -> bool:
        if value in self._exact or value in self._families:
            return True
        family, _, port = value.rpartition(":")
        return family in self._families and port.isascii() and port.isdigit()


@dataclass(slots=True, kw_only=True)
class Visitor:
    """A request that has passed the door: who it is, and the headers that its answer carries in addition."""

    heads: Heads
    twice: frozenset[bytes]
    principal: Principal
    extra: tuple[tuple[bytes, bytes], ...] = ()
    json: bool = True
    stream: bool = True


class Door:
    """Lets requests to one endpoint in, or says why not."""

    __slots__ = ("_gate", "_hosts", "_max_body", "_origins")

    def __init__(self, gate: Gate, settings: WireSettings) -> None:
        self._gate = gate
        self._hosts = Names(settings.allowed_hosts)
        self._origins = Names(settings.allowed_origins)
        self._max_body = settings.max_body

    def enter(self, heads: Heads, twice: frozenset[bytes]) -> Visitor | Refused:
        """Host (421), Origin (403), a caller (401), and no header twice that must stand once (400)."""
        if twice and (doubled := sorted(twice & _ONCE)):
            return refused(400, f"The {doubled[0].decode()} header stands more than once")
        if heads.get(b"host") not in self._hosts:
            return refused(421, "This server does not answer to that host name; start it with its public URL")
        origin = heads.get(b"origin")
        if origin is not None and origin not in self._origins:
            return refused(403, "Pages of that origin may not use this server")
        principal = self._gate.admit(heads.get(b"authorization", b""))
        if isinstance(principal, Refusal):
            challenge = principal.challenge.encode("latin-1")
            return refused(401, BAD_TOKEN_SENTENCE, (b"www-authenticate", challenge))
        visitor = Visitor(heads=heads, twice=twice, principal=principal)
        if origin is not None:
            visitor.extra = _shared(origin)
        return visitor

    def preflight(self, heads: Heads) -> Refused:
        """The answer to OPTIONS: a browser asks before it sends, without credentials (Fetch, "CORS protocol")."""
        origin = heads.get(b"origin")
        if heads.get(b"host") not in self._hosts or origin is None or origin not in self._origins:
            return refused(403, "Pages of that origin may not use this server")
        asked = heads.get(b"access-control-request-headers", b"")
        allowed = (
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", asked or b"content-type"),
            (b"access-control-max-age", b"600"),
        )
        return Refused(status=204, headers=(*_shared(origin), *allowed))

    def posted(self, visitor: Visitor) -> Refused | None:
        """Content type (415), accepted forms (406) and announced length (413) of a POST."""
        heads = visitor.heads
        if not is_json_type(heads.get(b"content-type", b"")):
            return refused(415, "The body must be application/json")
        if heads.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            return refused(415, "The body must not be compressed")
        visitor.json, visitor.stream = accepts(heads.get(b"accept", b""))
        if not visitor.json and not visitor.stream:
            return refused(406, "The Accept header must list application/json and text/event-stream")
        length = heads.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > self._max_body):
            return self.too_large()
        return None

    def too_large(self) -> Refused:
        """The refusal of a body beyond the bound."""
        return refused(413, _TOO_LARGE.format(self._max_body))


def _shared(origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"mcp-session-id, www-authenticate"),
        (b"vary", b"origin"),
    )
