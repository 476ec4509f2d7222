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


def text_bytes(value: Any, argument: str, encoding: str = "utf-8") -> bytes:
    """A scalar as encoded text.

    Raises:
        CallerError: an object, a list or null, or text that the encoding has no bytes for.
    """
    if isinstance(value, dict | list | tuple):
        raise refuse(
            argument, "holds an object or list, but the API takes text here", "give the whole text as a string"
        )
    text = plain(value, argument)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise refuse(argument, f"holds characters that cannot be written in {encoding}") from None


def sequence_bytes(value: Any, kind: str) -> bytes:
    """A list as JSON text sequence or JSON lines; any other value is a sequence of one."""
    items = value if isinstance(value, list | tuple) else [value]
    start = b"\x1e" if kind.endswith("json-seq") else b""
    return b"".join([start + json.dumps(item) + b"\n" for item in items])


def content_text(media_type: str, argument: str) -> Callable[[Any], str]:
    """The value of a ``content`` parameter as text: JSON for JSON types, else the scalar as it is."""
    if is_json(media_type):
        return lambda value: json.dumps(value).decode()

    def write(value: Any) -> str:
        if isinstance(value, dict | list | tuple):
            raise refuse(argument, f"holds an object or list, but it is sent as {media_type[:60]}", "give it as text")
        return plain(value, argument)

    return write
