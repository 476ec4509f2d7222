"""Parts of an answer that was kept whole: what a URI with ``?pointer=…&from=…`` gives, chunk by chunk.

A chunk of JSON is an object that says where it stands and names the next one; a chunk of other text is the text from
some byte on. Pure; whoever keeps the answer hands in its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.json import Part
from apiloom.calls.shrink import MOST_PARTS, shrink
from apiloom.calls.texts import has_more_commas, steps_of

LONGEST_URI = 4_096
_ROOM_FOR_HEAD = 1_500
_NAME = 100
_STRING, _LIST, _OBJECT = b'"[{'


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a kept answer is asked for. ``pointer`` is None where bytes are, ``start`` None where all of it is."""

    uri: str
    pointer: str | None = None
    start: int | None = None
    length: int | None = None


def read_asked(uri: str) -> Asked:
    """A URI and its query.

    Raises:
        CallerError: ``resource.query`` for a query that cannot be read.
    """
    bare, _, query = uri.partition("?")
    if not query:
        return Asked(uri=bare)
    try:
        pairs = dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True, max_num_fields=8))
    except ValueError:
        raise _unreadable("it has pointer, from and length") from None
    start, length = pairs.get("from"), pairs.get("length")
    for number in (start, length):
        if number is not None and not (number.isascii() and number.isdigit() and len(number) <= 12):
            raise _unreadable("from and length are whole numbers")
    if pairs.keys() - {"pointer", "from", "length"}:
        raise _unreadable("it has pointer, from and length")
    return Asked(
        uri=bare,
        pointer=pairs.get("pointer"),
        start=0 if start is None else int(start),
        length=None if length is None else int(length),
    )


def uri_of(uri: str, *, pointer: str | None = None, start: int) -> str:
    """The URI of a part."""
    where = "" if pointer is None else f"pointer={quote(pointer, safe='/')}&"
    return f"{uri}?{where}from={start}"


def json_part(content: bytes, asked: Asked, room: int) -> bytes:
    """One chunk of a JSON answer, in at most ``room`` bytes.

    It is an object of ``pointer``, ``from``, ``of`` and one of ``items``, ``members``, ``text`` and ``value``, with the
    URI of the ``next`` chunk unless it is the last, and ``cut`` where even one item or member was too large.

    Raises:
        CallerError: ``resource.pointer`` where the answer has no such place.
    """
    pointer, start = asked.pointer or "", asked.start or 0
    if has_more_commas(content, MOST_PARTS):
        raise CallerError(
            "this answer has too many values to be read by pointer",
            code="resource.pointer",
            hint=f"read its bytes, beginning with {_bytes_of(asked)}",
        )
    part = _found(content.strip(), pointer)
    first = part[0]
    room = max(_ROOM_FOR_HEAD, room - _ROOM_FOR_HEAD)
    said: dict[str, Any] = {"pointer": pointer, "from": start}
    chunk: _Chunk
    if first == _LIST:
        chunk = _packed(((None, item) for item in json.items(part)), start, room)
    elif first == _OBJECT:
        chunk = _packed(json.members(part).items(), start, room)
    elif first == _STRING:
        return _string(str(json.loads(bytes(part))), said, asked, room)
    else:
        said["of"] = 1
        if part.nbytes > room:
            said["cut"] = f"this number is too long; read the bytes of the answer, beginning with {_bytes_of(asked)}"
        return _spliced(said, "value", shrink(bytes(part), room).text)
    said["of"] = chunk.of
    if chunk.cut:
        said["cut"] = chunk.cut
    if start + chunk.count < chunk.of:
        said["next"] = uri_of(asked.uri, pointer=pointer, start=start + chunk.count)
    brackets = b"[%b]" if first == _LIST else b"{%b}"
    return _spliced(said, "items" if first == _LIST else "members", brackets % b",".join(chunk.pieces))


@dataclass(slots=True)
class _Chunk:
    pieces: list[bytes]
    count: int = 0
    of: int = 0
    cut: str = ""


def _packed(parts: Iterable[tuple[str | None, Part]], start: int, room: int) -> _Chunk:
    """As many values from ``start`` on as fit, one at least."""
    chunk, left = _Chunk([]), room
    for name, part in parts:
        chunk.of += 1
        if chunk.of <= start or left <= 0:
            continue
        key = b"" if name is None else json.quoted(name) + b":"
        is_crowding = len(key) > room // 2
        if name is not None and is_crowding:
            key = json.quoted(f"{name[:_NAME]}… [{len(name) - _NAME:,} more characters]") + b":"
        raw = memoryview(part)
        left -= len(key) + raw.nbytes + 1
        if left >= 0:
            chunk.pieces.append(key + raw)
        elif not chunk.count:
            chunk.pieces.append(key + shrink(bytes(raw), room).text)
            chunk.cut = "this one value is too large and was cut; read what is in it by its own pointer"
        else:
            left = 0
            continue
        chunk.count += 1
        if is_crowding:
            chunk.cut = "a name is too long and was cut"
    return chunk


def _bytes_of(asked: Asked) -> str:
    return uri_of(asked.uri, start=0)


def _string(text: str, said: dict[str, Any], asked: Asked, room: int) -> bytes:
    start = int(said["from"])
    length = room
    while len(piece := json.quoted(text[start : start + length])) > room and length > 1:
        length = max(1, min(length - 1, length * room // len(piece)))
    said["of"] = len(text)
    if start + length < len(text):
        said["next"] = uri_of(asked.uri, pointer=asked.pointer or "", start=start + length)
    return _spliced(said, "text", piece)


def _spliced(said: dict[str, Any], name: str, value: bytes) -> bytes:
    return json.dumps(said)[:-1] + b"," + json.quoted(name) + b":" + value + b"}"


def _found(content: bytes, pointer: str) -> memoryview:
    steps = steps_of(pointer)
    if steps is None:
        raise _nowhere(pointer)
    part = memoryview(content)
    for step in steps:
        inner: Part | None = None
        if part[0] == _OBJECT:
            inner = json.members(part).get(step)
        elif part[0] == _LIST and step.isascii() and step.isdigit() and len(step) <= 9:
            items = json.items(part)
            inner = items[int(step)] if int(step) < len(items) else None
        if inner is None:
            raise _nowhere(pointer)
        part = memoryview(inner)
    return part


def text_part(content: bytes, start: int, room: int) -> tuple[str, int]:
    """The text from a byte on, in at most ``room`` bytes, and the byte where the next chunk begins.

    A start inside a character is moved to its end, so that nothing is garbled.
    """
    while start < len(content) and content[start] & 0xC0 == 0x80:
        start += 1
    end = min(len(content), start + room)
    while end < len(content) and end > start and content[end] & 0xC0 == 0x80:
        end -= 1
    return content[start:end].decode("utf-8", "replace"), end


def _nowhere(pointer: str) -> CallerError:
    return CallerError(
        f"the kept answer has nothing at {pointer[:200]!r}", code="resource.pointer", hint="pointers are RFC 6901"
    )


def _unreadable(hint: str) -> CallerError:
    return CallerError("the query of this resource cannot be read", code="resource.query", hint=hint)
