"""``POST /files``: files come in and handles go out. ``GET /files/…`` gives back what is kept, to whom it belongs.

The same door as the endpoint's: hosts, origins, callers. A body is never held: each piece goes on as it comes, and an
upload that breaks off leaves nothing. Where files are kept is the keeper's matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
import re
import secrets
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError, HouseFault
from apiloom.calls.ports import Draft, Keeper, Kept
from apiloom.identity.gate import Gate
from apiloom.identity.principal import Principal
from apiloom.net.disposition import file_name
from apiloom.wire.door import AsgiLine, Door, Exchange, Pairs, Reply
from apiloom.wire.forms import Form, Head, readable
from apiloom.wire.leash import Receive
from apiloom.wire.settings import WireSettings
from apiloom.wire.stream import Send

_log = logging.getLogger("apiloom.wire")

PATH: Final = "/files"
"""Where files go in, and are read below it."""

STEP: Final = 256 * 1024
"""Bytes of a file that are sent at a time."""

_LINGER: Final = 32 * 1024 * 1024
_LINGER_FOR: Final = 2.0
"""Bytes and seconds of a refused upload that are still taken: a client that is not done writing hears no answer."""

_CLOSE: Final = (b"connection", b"close")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+(?:[ ]?;[\x20-\x7e]*)?")
_UNSAID = frozenset(("", "application/octet-stream", "application/x-www-form-urlencoded"))
"""Types that clients state when they were told none."""

_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cache-control", b"private, no-store"),
)
_STATUS: Final = {
    "files.too_large": 413,
    "files.no_room": 507,
    "files.slow": 408,
    "files.gone": 404,
    "files.encoding": 415,
}


def below(scope: MutableMapping[str, Any]) -> str:
    """The path below the one that this is mounted at: some servers leave that in front, others have cut it off."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def behind_files(path: str) -> str | None:
    """What stands behind ``/files/``; empty for ``/files`` itself, None for a path that is not for here."""
    if path == PATH:
        return ""
    return path[len(PATH) + 1 :] if path.startswith(f"{PATH}/") else None


class FilesHttp:
    """An ASGI application for uploads and kept files. Whoever mounts this has routed by its path.

    Args:
        keeper: where files are kept.
        gate: who may come in.
        settings: bounds, hosts, origins.
    """

    __slots__ = ("_door", "_keeper", "_settings")

    def __init__(self, keeper: Keeper, gate: Gate, settings: WireSettings) -> None:
        self._keeper = keeper
        self._door = Door(gate, settings)
        self._settings = settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, which is for here: see :func:`behind_files`."""
        line = AsgiLine(receive, send)
        try:
            # the door's rules for bodies are those of JSON; files have their own
            visitor = self._door.look("OPTIONS" if scope["method"] == "OPTIONS" else "GET", scope["headers"])
            exchange = visitor if isinstance(visitor, Reply) else self._door.enter(visitor, line)
            if isinstance(exchange, Reply):
                await line.answer(_plainly(exchange))
                return
            try:
                await self._answer(exchange, scope["method"], behind_files(below(scope)) or "")
            except ApiloomError as error:
                await self._refuse(error, exchange)
        except (OSError, TimeoutError):
            _log.debug("a client went away in the middle of a file")
        except Exception as error:  # noqa: BLE001 - the outer wall
            number = secrets.token_hex(8)
            _log.error("a file failed unexpectedly: %s (request %s)", type(error).__name__, number)
            await line.answer(_told(500, f"something went wrong on our side (request {number})", "files.failed"))

    async def _answer(self, exchange: Exchange, method: str, place: str) -> None:
        if method == "POST" and not place:
            await self._upload(exchange)
        elif method in {"GET", "HEAD"} and place:
            await self._download(exchange, f"apiloom://{place}", head=method == "HEAD")
        else:
            allowed = b"GET, HEAD" if place else b"POST"
            refusal = _told(405, "files are sent with POST to /files, and read at /files/…", "files.method")
            await exchange.line.answer(refusal, (*exchange.extra, (b"allow", allowed)))

    # in

    async def _upload(self, exchange: Exchange) -> None:
        heads, most = exchange.heads, self._settings.max_upload
        if heads.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise CallerError("the body must not be compressed", code="files.encoding", hint="send the file as it is")
        length = heads.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > most:
            raise _too_large(most)
        kind = readable(heads.get(b"content-type", b"")).strip()
        upload = _Upload(self._keeper, exchange.principal)
        try:
            if kind.lower().startswith("multipart/form-data"):
                form = Form(kind)
                await self._each(exchange, lambda piece: upload.take(form, piece))
                form.check()
            else:
                name = file_name(readable(heads.get(b"content-disposition", b"")))
                upload.begin(Head(filename=name, type=kind))
                await self._each(exchange, upload.write)
            handles = [_handle(kept) for kept in upload.keep()]
        except ConnectionError:
            return  # the client has gone, and so has what it sent
        finally:
            upload.drop()
        value = handles[0] if len(handles) == 1 else {"handles": handles}
        await exchange.line.answer(Reply(201, json.dumps(value)), exchange.extra)

    async def _each(self, exchange: Exchange, take: Callable[[bytes], None]) -> None:
        """Every piece of the body.

        Raises:
            CallerError: ``files.too_large``, ``files.slow``.
            ConnectionError: the client has gone.
        """
        settings = self._settings
        receive = exchange.line.receive
        size, more = 0, True
        loop = asyncio.get_running_loop()
        ends = loop.time() + settings.upload_timeout
        try:
            async with asyncio.timeout_at(ends) as limit:
                while more:
                    limit.reschedule(min(ends, loop.time() + settings.body_timeout))
                    event = await receive()
                    if event["type"] != "http.request":
                        raise ConnectionError
                    piece: bytes = event.get("body", b"")
                    size += len(piece)
                    if size > settings.max_upload:
                        raise _too_large(settings.max_upload)
                    if piece:
                        take(piece)
                    more = event.get("more_body", False)
        except TimeoutError:
            raise CallerError("the file did not arrive in time", code="files.slow", hint="send it again") from None

    async def _refuse(self, error: ApiloomError, exchange: Exchange) -> None:
        """Say no; take some of what is still coming first, unless the client waits to be told to go on."""
        if exchange.heads.get(b"expect", b"").strip().lower() != b"100-continue":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_pass_over(exchange.line.receive), _LINGER_FOR)
        status = 500 if isinstance(error, HouseFault) else _STATUS.get(error.code, 400)
        reply = _told(status, error.message, error.code, error.hint)
        await exchange.line.answer(reply, (*exchange.extra, _CLOSE))

    # out

    async def _download(self, exchange: Exchange, uri: str, *, head: bool) -> None:
        kept = self._keeper.open(exchange.principal, uri)
        if kept is None:
            raise CallerError("there is no such file", code="files.gone", hint="it may have expired; get it again")
        name = quote(kept.name, safe="") or "file"
        headers: Pairs = (
            (b"content-type", kept.mime_type.encode("latin-1", "replace")),
            (b"content-length", b"%d" % kept.size),
            (b"content-disposition", f"attachment; filename*=UTF-8''{name}".encode()),
            *_SAFE,
            *exchange.extra,
        )
        send = exchange.line.send
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        async with asyncio.timeout(self._settings.upload_timeout):
            for start in range(0, 0 if head else kept.size, STEP):
                piece = kept.read(start, min(STEP, kept.size - start))
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _pass_over(receive: Receive) -> None:
    """What is left of a body, up to a bound, unread."""
    left, more = _LINGER, True
    while more and left > 0:
        event = await receive()
        left -= len(event.get("body", b""))
        more = event["type"] == "http.request" and event.get("more_body", False)


class _Upload:
    """The files of one request. None is kept before all have come."""

    __slots__ = ("_drafts", "_keeper", "_principal")

    def __init__(self, keeper: Keeper, principal: Principal) -> None:
        self._keeper = keeper
        self._principal = principal
        self._drafts: list[tuple[Draft, Head]] = []

    def take(self, form: Form, piece: bytes) -> None:
        """A piece of a form."""
        for event in form.feed(piece):
            if isinstance(event, Head):
                self.begin(event)
            else:
                self.write(event)

    def begin(self, head: Head) -> None:
        """The next file."""
        draft = self._keeper.begin(self._principal, "uploads")
        if draft is None:
            raise _no_room()
        self._drafts.append((draft, head))

    def write(self, piece: bytes) -> None:
        """A piece of the file begun last."""
        if not self._drafts[-1][0].write(piece):
            raise _no_room()

    def keep(self) -> list[Kept]:
        """All have come."""
        drafts, self._drafts = self._drafts, []
        return [draft.keep(mime_type=_type_of(head), name=head.filename) for draft, head in drafts]

    def drop(self) -> None:
        """Forget what is not kept."""
        for draft, _ in self._drafts:
            draft.drop()
        self._drafts = []


def _type_of(head: Head) -> str:
    """What the client said, unless it said what clients say that know nothing; then what the name tells."""
    said = head.type if _MEDIA_TYPE.fullmatch(head.type) else ""
    if said.partition(";")[0].strip().lower() in _UNSAID:
        return mimetypes.guess_type(head.filename)[0] or "application/octet-stream"
    return said


def _handle(kept: Kept) -> dict[str, Any]:
    due = datetime.fromtimestamp(kept.expires_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {"handle": kept.uri, "expires_at": due, "filename": kept.name, "type": kept.mime_type, "size": kept.size}
    return {key: value for key, value in told.items() if value != ""}


def _plainly(reply: Reply) -> Reply:
    """A refusal of the door in the words of this place; all but its body stays."""
    if not reply.body:
        return reply
    sentence = json.loads(reply.body)["error"]["message"]
    told = _told(reply.status, sentence, "files.refused")
    # the line stays open: a client, or a proxy before it, that is not done writing would not hear why it is cut
    return Reply(told.status, told.body, reply.headers)


def _told(status: int, detail: str, code: str, hint: str = "") -> Reply:
    value = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code, "hint": hint}
    return Reply(status, json.dumps({key: member for key, member in value.items() if member != ""}))


def _too_large(most: int) -> CallerError:
    return CallerError(f"the body is larger than {most:,} bytes", code="files.too_large", hint="send a smaller file")


def _no_room() -> CallerError:
    return CallerError(
        "there is no room for the file now", code="files.no_room", hint="try again later, or send a smaller one"
    )
