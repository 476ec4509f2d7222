"""The door of an HTTP endpoint: host, origin, caller, content type, accepted forms; behind it, one exchange.

Each refusal is a status and a JSON-RPC error without an id. What depends on header values alone is judged once for each
combination of them and remembered. Knows ASGI's events and nothing of MCP's methods.
Source: MCP 2026-07-28, Streamable HTTP "Security & Endpoint"; RFC 9110 sections 7.4, 15.5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import unquote_plus

from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.base.values import Value
from apiloom.catalog.profiles import check_profile
from apiloom.identity.gate import Gate, Refusal
from apiloom.identity.principal import Principal
from apiloom.protocol import sse
from apiloom.protocol.errors import INVALID_REQUEST, Rejection
from apiloom.protocol.frames import error_frame
from apiloom.protocol.headers import Heads, accepts, fold, is_json_type
from apiloom.wire.leash import Receive
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import EventStream, Send, open_stream, send_chunk

Pairs = tuple[tuple[bytes, bytes], ...]

_ONCE: Final = frozenset({b"host", b"origin", b"authorization", b"content-type", b"content-length", b"mcp-session-id"})
_JSON: Final = (b"content-type", b"application/json")
_NO_TOKEN: Final = "A valid bearer token is needed in the Authorization header"  # noqa: S105 - a sentence
_FOREIGN: Final = "Pages of that origin may not use this server"


class Reply(Value):
    """A whole HTTP answer; a body is JSON."""

    status: int
    body: bytes = b""
    headers: Pairs = ()


def refused(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Reply:
    """A refusal that says why in one sentence."""
    return Reply(status, error_frame(None, Rejection(INVALID_REQUEST, sentence)), headers)


class Line(Protocol):
    """The connection a request came on. ``answer`` gives a whole answer, ``send`` ASGI's events of one in pieces.

    ``receive`` gives ASGI's events of what the client does while it waits.
    """

    @property
    def receive(self) -> Receive: ...

    @property
    def address(self) -> str:
        """The address of who is at the other end; empty when that is not known."""

    @property
    def send(self) -> Send: ...

    async def answer(self, reply: Reply, extra: Pairs) -> None: ...


class AsgiLine:
    """The two functions an ASGI server gives us."""

    __slots__ = ("address", "receive", "send")

    def __init__(self, receive: Receive, send: Send, address: str = "") -> None:
        self.receive = receive
        self.send = send
        self.address = address

    async def answer(self, reply: Reply, extra: Pairs = ()) -> None:
        """Send a whole answer."""
        head = [(b"content-length", b"%d" % len(reply.body)), *extra, *reply.headers]
        if reply.body:
            head.append(_JSON)
        await self.send({"type": "http.response.start", "status": reply.status, "headers": head})
        await self.send({"type": "http.response.body", "body": reply.body})


@dataclass(frozen=True, slots=True)
class Visitor:
    """What the head of a request says. It follows from the head's bytes alone, so it may be remembered by them.

    ``extra`` are headers that every answer carries; ``json`` and ``stream`` say which forms of answer are taken;
    ``profile`` is the one its URL names, or empty;
    ``wrong`` is the answer to give once the gate has admitted the caller, for strangers are told nothing. ``lent`` are
    the upstream credentials that it brings, where whoever mounts the wire has read them.
    """

    heads: Heads = field(repr=False)
    twice: frozenset[bytes]
    extra: Pairs
    json: bool = True
    stream: bool = True
    wrong: Reply | None = None
    profile: str = ""
    lent: Mapping[str, Secret] = field(default_factory=dict, repr=False)


class Exchange:
    """A request that was let in, and the ways to answer it; exactly one of them is used.

    Attributes:
        principal: who asks.
        line: where the answer goes.
        extra: headers that every answer to it carries.
        json: whether it takes JSON.
        stream: whether it takes an event stream.
        profile: the profile its URL names, or empty.
        events: the stream its answer has become or may become.
    """

    __slots__ = ("_keep_alive", "events", "extra", "heads", "json", "line", "principal", "profile", "stream", "twice")

    def __init__(self, visitor: Visitor, principal: Principal, line: Line, keep_alive: float) -> None:
        self.heads = visitor.heads
        self.twice = visitor.twice
        self.extra = visitor.extra
        self.json = visitor.json
        self.stream = visitor.stream
        self.profile = visitor.profile
        self.principal = principal
        self.line = line
        self._keep_alive = keep_alive
        self.events: EventStream | None = None

    def tell(self, frame: bytes) -> None:
        """Send a notification soon: the answer becomes a stream."""
        self._events().push(frame)

    def bridge(self) -> None:
        """See to it that a long silence becomes a stream before anyone between us thinks the connection dead."""
        self._events().begin_in_time()

    def _events(self) -> EventStream:
        if self.events is None:
            self.events = EventStream(self.line.send, self.extra, self._keep_alive)
        return self.events

    def answer(self, reply: Reply) -> Awaitable[None]:
        """Answer at once; as a stream of one event when the caller takes nothing else."""
        if self.json or reply.status != 200:
            return self.line.answer(reply, self.extra)
        return self._streamed(reply)

    async def _streamed(self, reply: Reply) -> None:
        await open_stream(self.line.send, (*self.extra, *reply.headers))
        await send_chunk(self.line.send, sse.event(reply.body), more=False)

    async def body(self, most: int) -> bytes | Reply | None:
        """The body, whole; 413 when it is larger than ``most`` bytes, None when the client has gone."""
        event = await self.line.receive()
        whole: bytes = event.get("body", b"")
        chunks, size = [whole], len(whole)
        while event["type"] == "http.request" and event.get("more_body", False) and size <= most:
            event = await self.line.receive()
            chunks.append(event.get("body", b""))
            size += len(chunks[-1])
        if event["type"] != "http.request":
            return None
        return b"".join(chunks) if size <= most else too_large(most)


def too_large(most: int) -> Reply:
    """The refusal of a body beyond the bound."""
    return refused(413, f"The body is larger than {most} bytes")


class Names:
    """A set of allowed hosts or origins: exact values, ``…:*`` for any port or none, ``*`` for all."""

    __slots__ = ("_all", "_exact", "_families")

    def __init__(self, patterns: Iterable[str]) -> None:
        lowered = [pattern.lower() for pattern in patterns]
        self._all = "*" in lowered
        self._exact = frozenset(lowered)
        self._families = frozenset(pattern[:-2] for pattern in lowered if pattern.endswith(":*"))

    def __contains__(self, raw: object) -> bool:
        if self._all:
            return True
        if not isinstance(raw, bytes):
            return False
        value = raw.decode("latin-1").strip().lower()
        if value in self._exact or value in self._families:
            return True
        family, _, port = value.rpartition(":")
        return family in self._families and port.isascii() and port.isdigit()


class Door:
    """Lets requests to one endpoint in, or says why not."""

    __slots__ = ("_form", "_gate", "_hosts", "_keep_alive", "_look", "_named", "_origins")

    def __init__(self, gate: Gate, settings: WireSettings) -> None:
        self._gate = gate
        self._keep_alive = settings.keep_alive
        self._hosts = Names(settings.allowed_hosts)
        self._origins = Names(settings.allowed_origins)
        self._look = lru_cache(maxsize=256)(self._judge)
        self._form = lru_cache(maxsize=256)(_form)
        self._named = lru_cache(maxsize=256)(_named)

    def look(self, method: str, headers: Iterable[tuple[bytes, bytes]], query: bytes = b"") -> Visitor | Reply:
        """Judge a head: no header twice that must stand once (400), Host (421), Origin (403); of a POST also
        Content-Type and Content-Encoding (415) and Accept (406). Names of headers are lower-case. ``query`` may name a
        profile (400 when there is none of that name).
        """
        heads, twice = fold(headers)
        if twice and (doubled := sorted(twice & _ONCE)):
            return refused(400, f"The {doubled[0].decode()} header stands more than once")
        extra = self._look(heads.get(b"host"), heads.get(b"origin"))
        if isinstance(extra, Reply):
            return extra
        if method == "OPTIONS" and b"access-control-request-method" in heads:
            return _preflight(heads, extra)
        profile = self._named(query) if query else ""
        if isinstance(profile, Reply):
            return Visitor(heads, twice, extra, wrong=profile)
        if method != "POST":
            return Visitor(heads, twice, extra, profile=profile)
        form = self._form(heads.get(b"content-type"), heads.get(b"content-encoding"), heads.get(b"accept"))
        if isinstance(form, Reply):
            return Visitor(heads, twice, extra, wrong=form)
        return Visitor(heads, twice, extra, *form, profile=profile)

    def enter(self, visitor: Visitor, line: Line) -> Exchange | Reply:
        """Let a visitor in whom the gate admits (401), unless its head is wrong."""
        principal = self._gate.admit(visitor.heads.get(b"authorization", b""))
        if isinstance(principal, Refusal):
            return refused(401, _NO_TOKEN, (b"www-authenticate", principal.challenge.encode("latin-1")))
        return visitor.wrong or Exchange(visitor, principal, line, self._keep_alive)

    def _judge(self, host: bytes | None, origin: bytes | None) -> Pairs | Reply:
        if host not in self._hosts:
            return refused(421, "This server does not answer to that host name; start it with its public URL")
        if origin is None:
            return ()
        if origin not in self._origins:
            return refused(403, _FOREIGN)
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"mcp-session-id, www-authenticate"),
            (b"vary", b"origin"),
        )


def _form(kind: bytes | None, encoding: bytes | None, accept: bytes | None) -> tuple[bool, bool] | Reply:
    if not is_json_type(kind or b""):
        return refused(415, "The body must be application/json")
    if encoding is not None and encoding.strip().lower() != b"identity":
        return refused(415, "The body must not be compressed")
    taken = accepts(accept or b"")
    return taken if any(taken) else refused(406, "The Accept header must list application/json and text/event-stream")


def _named(query: bytes) -> str | Reply:
    """The profile that the query of a URL names, empty for none; other members of it are let be."""
    pairs = (part.partition(b"=") for part in query.split(b"&"))
    named = [unquote_plus(value.decode("latin-1")) for key, _, value in pairs if key == b"profile"]
    if len(named) > 1:
        return refused(400, "The URL names more than one profile")
    try:
        return check_profile(named[0]) if named else ""
    except CallerError as error:
        return refused(400, error.sentence())


def _preflight(heads: Heads, shared: Pairs) -> Reply:
    """The answer to a browser that asks before it sends, without credentials (Fetch, "CORS protocol")."""
    if not shared:
        return refused(403, _FOREIGN)
    allowed = (
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", heads.get(b"access-control-request-headers") or b"content-type"),
        (b"access-control-max-age", b"600"),
    )
    return Reply(204, b"", (*shared, *allowed))
