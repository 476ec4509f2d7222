"""Files around a call: handles among the arguments become what they stand for, a large answer of bytes becomes a link.

Neither is ever held in memory whole. Where content is kept is the keeper's matter, what bytes mean the API's.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

from apiloom.backends.http.echo import Eraser
from apiloom.backends.http.failures import unreadable
from apiloom.backends.http.media import is_coded, is_json_type, is_textual, media_type
from apiloom.base.pieces import Body, Content, Pieces, Stored
from apiloom.calls.call import Link, Outcome, refusal
from apiloom.calls.ports import Draft, Keeper, Kept
from apiloom.catalog.tool import BoundBody
from apiloom.catalog.values import FileContent, handle_of, is_file, refuse, said_of_file
from apiloom.identity.principal import Principal
from apiloom.net.disposition import file_name
from apiloom.net.failures import no_room
from apiloom.net.request import Sink

_OVERLAP = 64 * 1024
"""Bytes that are searched again with the next piece: no spelling of a credential is longer."""

_UNSAID = "application/octet-stream"
_FILES = ("binary", "binaries")
_JSON_STARTS = (b"{", b"[")


class FileArguments:
    """Which arguments of a tool take files.

    ``whole`` ones are files or lists of them. Of ``loose`` ones the members are: those of the names given with each,
    and whatever says of itself that it is a file.
    """

    __slots__ = ("_loose", "_whole")

    def __init__(self, body: BoundBody | None) -> None:
        self._whole: list[str] = []
        self._loose: dict[str, frozenset[str]] = {}
        for one in (body, *body.others) if body is not None else ():
            self._add(one)

    def __bool__(self) -> bool:
        return bool(self._whole or self._loose)

    def opened(self, arguments: Mapping[str, Any], keeper: Keeper, principal: Principal) -> Mapping[str, Any]:
        """The arguments with every handle exchanged for the file it stands for.

        Raises:
            CallerError: ``call.argument`` for a handle of which there is no file, for this principal.
        """
        changed: dict[str, Any] = {}
        for name in self._whole:
            if name in arguments:
                changed[name] = _each(arguments[name], name, keeper, principal)
        for name, known in self._loose.items():
            value = arguments.get(name)
            if isinstance(value, dict):
                changed[name] = {
                    key: _each(member, name, keeper, principal) if key in known or _holds_files(member) else member
                    for key, member in value.items()
                }
            elif isinstance(value, list):
                changed[name] = _each(value, name, keeper, principal)
        return {**arguments, **changed} if changed else arguments

    def _add(self, body: BoundBody) -> None:
        is_multipart = body.media_type.strip().lower().startswith("multipart/")
        names = frozenset(field.name for field in body.fields if field.kind in _FILES)
        if body.whole and body.binary:
            self._whole.append(body.whole)
        elif body.whole and is_multipart:
            self._loose[body.whole] = names
        elif is_multipart:
            self._whole += [field.argument for field in body.fields if field.kind in _FILES]
            if body.rest:
                self._loose[body.rest] = frozenset()


def _holds_files(value: Any) -> bool:
    return all(map(is_file, value)) if isinstance(value, list) and value else is_file(value)


def _each(value: Any, argument: str, keeper: Keeper, principal: Principal) -> Any:
    if isinstance(value, list):
        return [_one(item, argument, keeper, principal) for item in value]
    return _one(value, argument, keeper, principal)


def _one(value: Any, argument: str, keeper: Keeper, principal: Principal) -> Any:
    """The file that a handle stands for; any other value as it is."""
    uri = handle_of(value)
    if not uri:
        return value
    kept = keeper.open(principal, uri)
    if kept is None:
        raise refuse(
            argument,
            "names a file that is not here (it has expired, or never was)",
            "upload it again with POST /files and give the new handle, or call the tool again that gave it",
        )
    filename, kind = said_of_file(value, argument)
    if not kind and kept.mime_type != _UNSAID:
        kind = kept.mime_type
    return FileContent(content=_content(kept), filename=filename or kept.name, type=kind)


def _content(kept: Kept) -> Content:
    return Stored(size=kept.size, seal=kept.seal, read=kept.read) if kept.seal else kept.read(0, kept.size)


def told(body: Body | None) -> dict[str, Any] | None:
    """A body for people: as text, else as base64; of what lies elsewhere only how long it is."""
    if body is None:
        return None
    if isinstance(body, Pieces):
        return {"parts": [told(part) if isinstance(part, bytes) else {"bytes": part.size} for part in body.parts]}
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


class Overflowing:
    """Says where a large answer goes (:data:`~apiloom.net.request.Overflow`): bytes that are no text are kept."""

    __slots__ = ("_eraser", "_json_expected", "_keeper", "principal")

    def __init__(self, keeper: Keeper, principal: Principal, eraser: Eraser | None, *, json_expected: bool) -> None:
        self._keeper = keeper
        self.principal = principal
        self._eraser = eraser
        self._json_expected = json_expected

    def __call__(self, status: int, headers: Sequence[tuple[str, str]], start: bytes) -> Sink | None:
        """A sink for bytes; None for what is read as text or tells of a failure."""
        media = media_type(next((value for name, value in headers if name == "content-type"), ""))
        if status >= 300 or is_json_type(media) or is_textual(media, start) or media.startswith("multipart/"):
            return None
        if self._json_expected and media == _UNSAID and start.lstrip().startswith(_JSON_STARTS):
            return None
        draft = self._keeper.begin(self.principal)
        return _Kept(draft, self._eraser) if draft is not None else None


class _Kept:
    """An answer on its way into the keeper, free of credentials: each stretch is searched with the end of the last."""

    __slots__ = ("_draft", "_eraser", "_fresh", "_tail", "size")

    def __init__(self, draft: Draft, eraser: Eraser | None) -> None:
        self._draft = draft
        self._eraser = eraser
        self._fresh = bytearray()
        self.size = 0
        self._tail = b""

    def write(self, piece: bytes) -> bool:
        self.size += len(piece)
        if self._eraser is None:
            return self._draft.write(piece)
        self._fresh += piece
        if len(self._fresh) < _OVERLAP:
            return True
        text = self._eraser.cleaned(self._tail + self._fresh)
        self._fresh.clear()
        cut = max(0, len(text) - _OVERLAP)
        self._tail = text[cut:]
        return not cut or self._draft.write(text[:cut])

    def finish(self, mime_type: str, name: str) -> Kept | None:
        """Keep it; None where there is no room for the end of it."""
        tail = self._tail + self._fresh
        if self._eraser is not None and tail and not self._draft.write(self._eraser.cleaned(tail)):
            return None
        return self._draft.keep(mime_type=mime_type, name=name)

    def drop(self) -> None:
        self._draft.drop()


def linked(method: str, sink: Sink, headers: Mapping[str, str], *, structured_always: bool) -> Outcome:
    """An answer that went into a sink as a link to it; a failed outcome where there was no room for its end, or where
    it is in a coding that nobody can read.
    """
    if isinstance(sink, _Kept) and is_coded(headers.get("content-encoding", "")):
        sink.drop()
        return unreadable(method, headers["content-encoding"], sink.size)
    media = media_type(headers.get("content-type", "")) or _UNSAID
    name = file_name(headers.get("content-disposition", "")) or f"answer{mimetypes.guess_extension(media) or ''}"
    kept = sink.finish(media, name) if isinstance(sink, _Kept) else None
    if kept is None:
        return refusal(no_room("the API"), retryable=False)
    link = Link(
        uri=kept.uri,
        name=kept.name,
        mime_type=kept.mime_type,
        size=kept.size,
        description="The answer's content. Read it as a resource, or give its URI to an argument that takes a file.",
    )
    return Outcome(content=(link,), structured=b"{}" if structured_always else None)
