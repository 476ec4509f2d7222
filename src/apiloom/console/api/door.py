"""The door of the admin API: who asks, how much is read, and what every answer carries.

What stands behind it is an ASGI application that meets only recognised callers and bodies already read as JSON. Knows
tokens only as text that ``admit`` judges; knows nothing of resources. Sources: RFC 6750, RFC 9110, RFC 9457.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apiloom.base import ids, json
from apiloom.base.errors import ApiloomError, CallerError
from apiloom.console.api.problems import MEDIA_TYPE, Problem, failed, problem_of
from apiloom.flows.ground import Ground
from apiloom.identity.principal import ANYONE, Principal
from apiloom.identity.roles import may

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """How a caller who may not come in is told what would let them in.

    ``challenge`` is the value of WWW-Authenticate (RFC 6750 section 3). ``scopes`` are all that are needed where the
    token is good and lacks one of them; empty where it is none.
    """

    challenge: bytes = b"Bearer"
    scopes: tuple[str, ...] = ()


Admit = Callable[[str], Principal | Refused | None]
"""Says whose token a text is; a refusal, or None for a plain one, for whatever is no live API token."""

UNVOUCHED: Final = "unvouched"
"""The member of a scope's ``state`` that says that whoever could vouch for the caller cannot be asked now."""

State = Callable[[], Awaitable[Mapping[str, Any]]]
"""Says how this node is, as plain JSON members."""

Uploads = Callable[[Principal, str], Awaitable[bytes | None]]
"""Gives the bytes of an upload by its handle; None when there is none that is the principal's."""

Settle = Callable[[], Awaitable[None]]
"""Returns when this node serves what was committed before it was called."""

PREFIX: Final = "/api/v1"
DOCUMENT: Final = "/openapi.json"
"""Where the API's own description is, the one place that is open: it is published anyway."""

MOST: Final = 1024 * 1024
MOST_OF_A_DOCUMENT: Final = 64 * 1024 * 1024
_MOST_AT_ONCE: Final = 256 * 1024 * 1024
"""Bytes of large bodies that are read at the same time."""

_SETTLE_IN: Final = 1.0
"""Seconds that an answer waits for this node to serve what it tells of."""

_DEEPEST: Final = 80
_PIECE_IN: Final = 30.0
_BODY_IN: Final = 600.0
"""Seconds for one piece of a body, and for all of it."""

_log = logging.getLogger("apiloom.console.api")

_REFUSED: Final = Problem(
    status=401,
    code="api.token",
    detail="a valid API token is needed in the Authorization header",
    hint="send Authorization: Bearer ala_…",
)

_CANNOT_BE_ASKED: Final = Problem(
    status=503,
    code="identity.unreachable",
    detail="whoever vouches for this token cannot be asked now",
    hint="try again in a moment",
)

_STOPPING: Final = Problem(
    status=503, code="api.busy", detail="the gateway is stopping", hint="look whether it was done, once it is back"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request behind the door: what it stands on, who asks, its number, and its body as JSON values."""

    ground: Ground
    who: Principal = ANYONE
    number: str = ""
    state: State | None = None
    uploads: Uploads | None = None
    settle: Settle | None = None
    body: Any = field(default=None, repr=False)


class _Gone(Exception):  # noqa: N818 - what it says
    """The client went away before it had asked."""


class Door:
    """Recognises, bounds, numbers and ends requests; see the module.

    Args:
        inside: who answers; finds an :class:`Asked` as ``scope["state"]["asked"]`` and paths without a prefix.
        admit: who a token's holder is.
        asked: what of every request is the same: see :class:`Asked`.
    """

    __slots__ = ("_admit", "_asked", "_inside", "_large")

    def __init__(self, inside: AsgiApp, admit: Admit, asked: Asked) -> None:
        self._inside = inside
        self._admit = admit
        self._asked = asked
        self._large = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; only ``http`` is spoken."""
        if scope["type"] != "http":
            return
        answer = _Answer(send, ids.fresh("req"))
        try:
            await self._answer(scope, receive, answer)
        except ApiloomError as error:
            await answer.refuse(problem_of(error))
        except _Gone:
            _log.debug("a client went away while it asked (request %s)", answer.number)
        except asyncio.CancelledError:
            # the server stops and waits no longer; raised, it would log a trace of what was asked
            await answer.refuse(_STOPPING)
        except Exception as error:  # noqa: BLE001 - the outer wall
            # neither the error's text nor its traceback: they may show what was asked
            _log.error("an admin request failed unexpectedly: %s (request %s)", type(error).__name__, answer.number)
            await answer.refuse(failed(answer.number))

    async def _answer(self, scope: Message, receive: Receive, answer: _Answer) -> None:
        path = _below(scope)
        heads = _Heads(scope["headers"])
        who = self._admit(heads.bearer())
        if not isinstance(who, Principal) or not who.role:
            if path != DOCUMENT:
                unvouched = UNVOUCHED in scope.get("state", ())
                await _turn_away(who if isinstance(who, Refused) else Refused(), answer, unvouched=unvouched)
                return
            who = ANYONE
        if "\x00" in path or b"%00" in scope.get("query_string", b""):
            raise CallerError("a NUL character stands in the URL", code="api.unreadable", hint="leave it out")
        # who may import nothing has no large document to send, and takes no room from those who have
        large = path.startswith("/connectors") and scope["method"] == "POST" and may(who, "create", "versions", None)
        body = await self._read(MOST_OF_A_DOCUMENT if large else MOST, heads, receive)
        asked = replace(self._asked, who=who, number=answer.number, body=body)
        inner = {
            **scope,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "state": {"asked": asked},
            "headers": heads.plain(has_body=body is not None),
        }
        if scope["method"] != "GET":
            answer.settle = self._asked.settle
        # the body has been read: those behind see that there is one, and take its values from what was asked
        await self._inside(inner, _read_already(b"{}" if body is not None else b"", receive), answer.send)

    async def _read(self, most: int, heads: _Heads, receive: Receive) -> Any:
        """The body as JSON values, of at most so many bytes; None when there is none.

        Raises:
            CallerError: ``api.too_large``, ``api.media_type``, ``api.unreadable``, ``api.too_deep``, ``api.slow``,
                ``api.busy``.
        """
        pieces: list[bytes] = []
        held = 0
        try:
            async with asyncio.timeout(_BODY_IN):
                size, more = 0, True
                while more:
                    async with asyncio.timeout(_PIECE_IN):
                        event = await receive()
                    if event["type"] != "http.request":
                        raise _Gone
                    piece: bytes = event.get("body", b"")
                    size += len(piece)
                    if size > most:
                        raise _too_large(most)
                    if size > MOST:
                        held = self._hold(size, held)
                    pieces.append(piece)
                    more = event.get("more_body", False)
            text = b"".join(pieces)
            pieces.clear()
            if size > MOST:
                # others are served while a large document is looked through
                return await asyncio.to_thread(_values, text, heads)
            return _values(text, heads) if text else None
        except TimeoutError:
            raise CallerError("the body did not arrive in time", code="api.slow", hint="send it again") from None
        finally:
            self._large -= held

    def _hold(self, size: int, held: int) -> int:
        if self._large + size - held > _MOST_AT_ONCE:
            raise CallerError(
                "too many large documents are being sent at once", code="api.busy", hint="try again in a moment"
            )
        self._large += size - held
        return size


class _Answer:
    """The answer of one request: numbered, never kept by caches, begun once."""

    __slots__ = ("_begun", "_send", "number", "settle")

    def __init__(self, send: Send, number: str) -> None:
        self._send = send
        self._begun = False
        self.number = number
        self.settle: Settle | None = None

    async def send(self, message: Message) -> None:
        """Pass on an event of the answer."""
        if message["type"] == "http.response.start":
            self._begun = True
            if self.settle is not None and message["status"] < 300:
                await _waited(self.settle)
            own = [
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
                (b"x-request-id", self.number.encode()),
            ]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        await self._send(message)

    async def refuse(self, problem: Problem, *headers: tuple[bytes, bytes]) -> None:
        """Answer with a problem, unless an answer has begun, which then breaks off."""
        if self._begun:
            return
        body = problem.body(self.number)
        head = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body)), *headers]
        if problem.status == 503:
            head.append((b"retry-after", b"1"))
        await self.send({"type": "http.response.start", "status": problem.status, "headers": head})
        await self.send({"type": "http.response.body", "body": body})


async def _turn_away(refused: Refused, answer: _Answer, *, unvouched: bool) -> None:
    """Tell somebody who may not come in why, as far as that tells nothing of anybody's token but their own."""
    if refused.scopes:
        problem = Problem(
            status=403,
            code="api.scope",
            detail="the token lacks a scope that is needed here",
            hint=f"get one with the scopes {' '.join(refused.scopes)}",
        )
    elif unvouched:
        await answer.refuse(_CANNOT_BE_ASKED)
        return
    else:
        problem = _REFUSED
    await answer.refuse(problem, (b"www-authenticate", refused.challenge))


async def _waited(settle: Settle) -> None:
    """Wait until what was done can be called, but not for ever: what is not served yet will be soon."""
    task = asyncio.ensure_future(settle())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({task}, timeout=_SETTLE_IN)


class _Heads:
    """The headers of a request. A header that stands twice where once is meant counts as none."""

    __slots__ = ("_all",)

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._all = [(name.lower(), value) for name, value in headers]

    def one(self, name: bytes) -> str:
        found = [value for key, value in self._all if key == name]
        return found[0].decode("latin-1").strip() if len(found) == 1 else ""

    def bearer(self) -> str:
        """The token that is shown; the scheme's name is case-insensitive (RFC 9110 section 11.1)."""
        scheme, _, token = self.one(b"authorization").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def plain(self, *, has_body: bool) -> list[tuple[bytes, bytes]]:
        """What those behind the door may see: no token, and one media type, for all of them are JSON."""
        hidden = {b"authorization", b"cookie", b"content-type", b"content-length", b"transfer-encoding"}
        kept = [(name, value) for name, value in self._all if name not in hidden]
        return [*kept, (b"content-type", b"application/json")] if has_body else kept


def _below(scope: Message) -> str:
    """The path below the prefix, whether who mounted us has cut that off or not."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    below = path[len(PREFIX) :] if path == PREFIX or path.startswith(f"{PREFIX}/") else path
    return below.rstrip("/") or "/"


def _read_already(body: bytes, receive: Receive) -> Receive:
    """Gives a body once, and then what the client does."""
    left = [body]

    async def next_event() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return next_event


def _values(text: bytes, heads: _Heads) -> Any:
    kind = heads.one(b"content-type").partition(";")[0].strip().lower()
    encoded = heads.one(b"content-encoding").lower()
    if (kind != "application/json" and not kind.endswith("+json")) or encoded not in {"", "identity"}:
        raise CallerError(
            "the body must be JSON, uncompressed", code="api.media_type", hint="send content-type: application/json"
        )
    try:
        value = json.loads(text)
    except ValueError as error:
        # the decoder says what and where, in its own words and a byte's number
        raise CallerError(f"the body is not JSON: {error}", code="api.unreadable", hint="mend it") from None
    if text.count(b"{") + text.count(b"[") > _DEEPEST:
        _check_depth(value)
    if b"\\u0000" in text and _has_nul(value):
        raise CallerError("a NUL character stands in the body", code="api.unreadable", hint="leave it out")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return
    raise CallerError(
        f"the body nests deeper than {_DEEPEST} levels", code="api.too_deep", hint="no operation takes such a body"
    )


def _has_nul(value: Any) -> bool:
    level = [value]
    while level:
        texts = [part for part in level if isinstance(part, str)]
        names = [name for part in level if isinstance(part, dict) for name in part]
        if any("\x00" in text for text in (*texts, *names)):
            return True
        level = [part for whole in level for part in _parts(whole)]
    return False


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_large(most: int) -> CallerError:
    return CallerError(f"the body is larger than {most:,} bytes", code="api.too_large", hint="send less")
