"""Values in a media type: what a type's name says about how a value is written, and the value written so.

Used wherever a document says ``content`` or ``contentType``: parameters, parts of a body, whole bodies. Knows nothing
of where the text goes, so nothing of escaping.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.catalog.media import is_json
from apiloom.catalog.values import plain, refuse

FORM = "application/x-www-form-urlencoded"

_charset = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE).search
_field_name = re.compile(r"[^:\r\n\0]+").fullmatch
_sayable = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?").fullmatch


def is_wildcard(kind: str) -> bool:
    """Whether an essence is a range such as ``image/*``, which no request can name as its type."""
    return "*" in kind


def matches(kind: str, pattern: str) -> bool:
    """Whether an essence falls under a type or a range of types."""
    if pattern in ("*/*", "*", kind):
        return True
    return pattern.endswith("/*") and kind.startswith(pattern[:-1])


def sayable(media_type: str) -> str:
    """The media type, which goes into a header as written.

    Raises:
        DesignError: ``body.media_type`` when it cannot stand in a header.
    """
    if _sayable(media_type) and "/" in media_type:
        return media_type
    raise DesignError(f"{media_type[:60]!r} is no media type", code="body.media_type", hint="write it as type/subtype")


def charset(media_type: str) -> str:
    """The character encoding that text of this type is sent in: what the type says, else UTF-8.

    Raises:
        DesignError: ``body.charset`` for an encoding nobody knows.
    """
    said = _charset(media_type)
    if said is None:
        return "utf-8"
    try:
        name = codecs.lookup(said[1]).name
        "".encode(name)
    except (LookupError, TypeError, ValueError):
        raise DesignError(
            f"the body's character encoding {said[1][:40]!r} is not known", code="body.charset", hint="use utf-8"
        ) from None
    return name


def encoded(text: str, argument: str, encoding: str) -> bytes:
    """Text in a character encoding.

    Raises:
        CallerError: the encoding has no bytes for it.
    """
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        if encoding == "utf-8":
            raise
        raise refuse(argument, f"holds characters that cannot be written in {encoding}") from None


def text_bytes(value: Any, argument: str, encoding: str = "utf-8") -> bytes:
    """A scalar as encoded text.

    Raises:
        CallerError: an object, a list or null, or text that the encoding has no bytes for.
    """
    if isinstance(value, dict | list | tuple):
        raise refuse(
            argument, "holds an object or list, but the API takes text here", "give the whole text as a string"
        )
    return encoded(plain(value, argument), argument, encoding)


def ascii_json(text: str) -> str:
    """JSON in visible ASCII: what lies beyond only stands inside strings, and goes as escapes (RFC 8259 section 7)."""
    if text.isascii() and "\x7f" not in text:
        return text
    units = text.encode("utf-16-be")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(chr(unit[1]) if unit < b"\x00\x7f" else f"\\u{unit.hex()}" for unit in pairs)


def json_writer(media_type: str) -> Callable[[Any], bytes]:
    """JSON in UTF-8 as RFC 8259 demands; where the media type names another encoding, in a form that both read.

    Raises:
        DesignError: ``body.charset``.
    """
    encoding = charset(media_type)
    if encoding in ("utf-8", "ascii"):
        return json.dumps
    return lambda value: ascii_json(json.dumps(value).decode()).encode(encoding)


def sequence_bytes(value: Any, kind: str, argument: str) -> bytes:
    """A list as events, JSON text sequence or JSON lines; text is the sequence as the caller wrote it."""
    if isinstance(value, str):
        return value.encode()
    items = value if isinstance(value, list | tuple) else [value]
    if kind == "text/event-stream":
        return "".join([_event(item, argument) for item in items]).encode()
    start = b"\x1e" if kind.endswith("json-seq") else b""
    return b"".join([start + json.dumps(item) + b"\n" for item in items])


def _event(value: Any, argument: str) -> str:
    """One server-sent event: its fields, every line of ``data`` in a field of its own (HTML Standard section 9.2)."""
    if not isinstance(value, dict):
        raise refuse(argument, "holds an event that is no object", 'give {"data": …, "event": …, "id": …}')
    lines: list[str] = []
    for name, member in value.items():
        text = plain(member, argument)
        if not _field_name(name) or "\r" in text or ("\n" in text and name != "data") or "\0" in text:
            raise refuse(argument, "holds an event whose fields cannot be told from others")
        lines += [f"{name}: {line}\n" for line in text.split("\n")]
    return "".join(lines) + "\n"


def content_text(media_type: str, argument: str) -> Callable[[Any], str]:
    """The value of a ``content`` parameter as text: JSON for JSON types, else the scalar as it is."""
    if is_json(media_type):
        return lambda value: json.dumps(value).decode()

    def write(value: Any) -> str:
        if isinstance(value, dict | list | tuple):
            raise refuse(argument, f"holds an object or list, but it is sent as {media_type[:60]}", "give it as text")
        return plain(value, argument)

    return write
