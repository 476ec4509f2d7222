"""Single values on their way into a request: scalars as text, text as percent-encoded text, file content as bytes.

Knows RFC 3986's character classes and RFC 4648; does not know styles, parameters or media types. Every refusal is a
:class:`CallerError` ``call.argument`` that names the argument and says why.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.pieces import Content
from apiloom.model.api import Nesting

Escape = Callable[[str], str]
"""Text to text that may stand in one place of a request."""

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
"""RFC 3986 section 2.3: never escaped."""

MAX_DEPTH = 32
"""How deep objects and lists may nest where they are spelled with brackets."""

_all_unreserved = re.compile(r"[A-Za-z0-9\-._~]*").fullmatch
_triplet = re.compile(r"(%[0-9A-Fa-f]{2})")
_digits = re.compile(r"(-?)(\d)(?:\.(\d+))?e([+-]\d+)").fullmatch
_data_url = re.compile(r"data:([^;,]*)(?:;[^;,]*)*?;base64,", re.IGNORECASE).match
_media_type = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+(?:[ ]?;[\x20-\x7e]*)?").fullmatch
_control = re.compile(r"[\x00-\x1f\x7f]").search
_to_standard = str.maketrans("-_", "+/", " \t\r\n\f\v")


def refuse(argument: str, why: str, hint: str = "") -> CallerError:
    """The error for a value that cannot be sent as it is. ``why`` continues a sentence that starts with the name."""
    return CallerError(f"argument {argument!r} {why}", code="call.argument", hint=hint, argument=argument)


def empty_inside(argument: str) -> CallerError:
    """The error for what would be missing on the other side, where only its being there says anything."""
    return refuse(argument, "holds an empty object or list inside, which has no form here", "leave it out instead")


def plain(value: Any, argument: str) -> str:
    """A scalar as text: strings as they are, booleans in lower case, numbers exact and without exponent.

    Raises:
        CallerError: the value is null, an object or a list, or a number that no text stands for.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return _whole(value, argument)
    if kind is float:
        return _fraction(value, argument)
    if value is None:
        raise refuse(argument, "holds null, which has no form in this place of a request", "leave it out instead")
    if isinstance(value, list | tuple):
        raise refuse(argument, "holds a list where only a single value can be sent")
    raise refuse(argument, "holds an object where only a single value can be sent")


def _whole(value: int, argument: str) -> str:
    try:
        return str(value)
    except ValueError:
        raise refuse(argument, "holds a number with more than 4,300 digits") from None


def _fraction(value: float, argument: str) -> str:
    """The shortest digits that read back as the same double; a whole number has no ``.0``, as in JSON Schema."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    parts = _digits(text)
    if parts is None:
        if "n" in text:
            raise refuse(argument, "is not a finite number")
        return text
    sign, lead, tail, power = parts[1], parts[2], parts[3] or "", int(parts[4])
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{lead}{tail}"
    return f"{sign}{lead}{tail.ljust(power, '0')}"


def _table(keep: str) -> tuple[str, ...]:
    bare = frozenset((UNRESERVED + keep).encode())
    return tuple(chr(byte) if byte in bare else f"%{byte:02X}" for byte in range(256))


_strict = _table("").__getitem__


def escape(text: str) -> str:
    """Percent-encode everything but unreserved characters."""
    if _all_unreserved(text):
        return text
    return "".join(map(_strict, text.encode()))


def bare(text: str) -> str:
    """The text itself, for places where nothing is escaped."""
    return text


def escape_except(keep: str, *, triplets: bool = False) -> Escape:
    """An escape that also leaves the characters of ``keep`` alone, and percent-encoded triplets if asked to.

    Leaving triplets alone is RFC 6570's reserved expansion (section 3.2.3).
    """
    letter = _table(keep).__getitem__

    def lenient(text: str) -> str:
        if _all_unreserved(text):
            return text
        if not triplets or "%" not in text:
            return "".join(map(letter, text.encode()))
        pieces = _triplet.split(text)
        pieces[::2] = ["".join(map(letter, piece.encode())) for piece in pieces[::2]]
        return "".join(pieces)

    return lenient


def nested(name: str, value: Any, argument: str, nesting: Nesting = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Nested objects and lists as pairs of raw text: ``a[b]``, ``a[0]``, ``a[0][b]``.

    OpenAPI leaves nesting undefined; numbered brackets are what PHP, qs, Stripe and validating mocks all read.
    ``nesting`` chooses ``a[]`` for lists, or dots in place of brackets.

    Raises:
        CallerError: too deep, an empty object or list inside, or a member name that looks like nesting itself.
    """
    if depth > MAX_DEPTH:
        raise refuse(argument, f"nests more than {MAX_DEPTH} levels deep")
    if not isinstance(value, dict | list | tuple):
        yield name, plain(value, argument)
        return
    if depth and not value:
        raise empty_inside(argument)
    if isinstance(value, dict):
        for key, item in value.items():
            if any(sign in key for sign in ("." if nesting == "dots" else "[]")):
                sign = "dot" if nesting == "dots" else "bracket"
                raise refuse(argument, f"has a member whose name holds a {sign}, which looks like nesting here")
            step = f"{name}.{key}" if nesting == "dots" else f"{name}[{key}]"
            yield from nested(step, item, argument, nesting, depth + 1)
        return
    for index, item in enumerate(value):
        if nesting == "empty":
            if isinstance(item, dict | list | tuple):
                raise refuse(argument, "holds objects or lists inside a list, which a[] cannot tell apart")
            yield f"{name}[]", plain(item, argument)
        else:
            step = f"{name}.{index}" if nesting == "dots" else f"{name}[{index}]"
            yield from nested(step, item, argument, nesting, depth + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """A file, and what is known of its name and media type (empty: nothing)."""

    content: Content
    filename: str = ""
    type: str = ""


HANDLE = "apiloom://"
"""How the URI of a file starts that was uploaded, or kept of an earlier answer."""

_MEMBERS = frozenset({"data", "uri", "filename", "type"})


def is_file(value: Any) -> bool:
    """Whether a value of no declared kind is a file: an object that says nothing but where it is and what it is called,
    or one that was found already.
    """
    if isinstance(value, FileContent):
        return True
    if not isinstance(value, dict) or not value.keys() <= _MEMBERS:
        return False
    if isinstance(value.get("uri"), str):
        return "data" not in value and value["uri"].startswith((HANDLE, "data:"))
    return isinstance(value.get("data"), str) and len(value) > 1


def handle_of(value: Any) -> str:
    """The URI that a value gives in place of a file's content; empty for a value that holds the content itself."""
    value = _unwrapped(value)
    place = value.get("uri") if isinstance(value, dict) and "data" not in value else value
    return place if isinstance(place, str) and place.startswith(HANDLE) else ""


def read_file(value: Any, argument: str) -> FileContent:
    """A file from an argument: base64 text, a ``data:`` URL, or ``{"data", "filename", "type"}`` with either.

    ``{"uri"}`` takes a ``data:`` URL too; handles were exchanged for what they stand for before. Both alphabets of
    RFC 4648 are taken, white space and missing padding are forgiven, anything else is not.

    Raises:
        CallerError: no such value, or not base64.
    """
    if isinstance(value, FileContent):
        return value
    value = _unwrapped(value)
    filename, media_type = said_of_file(value, argument)
    if isinstance(value, dict):
        if ("data" in value) == ("uri" in value):
            raise refuse(argument, "holds no file content", 'give {"data": BASE64, "filename": …, "type": …}')
        place, value = value.get("uri"), value.get("data", value.get("uri"))
        if isinstance(place, str) and not _data_url(place):
            raise _unreachable(argument, place)
    if not isinstance(value, str):
        raise refuse(argument, "holds no file content", "give it as base64 text")
    if value.startswith(HANDLE):
        raise _unreachable(argument, value)
    prefix = _data_url(value)
    if prefix:
        media_type, value = media_type or prefix[1], value[prefix.end() :]
        if media_type and not _media_type(media_type):
            raise _no_type(argument)
    return FileContent(content=_from_base64(value, argument), filename=filename, type=media_type)


def said_of_file(value: Any, argument: str) -> tuple[str, str]:
    """The file name and the media type that an argument states; empty for none.

    Raises:
        CallerError: one of them cannot stand in a request.
    """
    value = _unwrapped(value)
    if not isinstance(value, dict):
        return "", ""
    filename, media_type = _said(value, "filename", argument), _said(value, "type", argument)
    if media_type and not _media_type(media_type):
        raise _no_type(argument)
    return filename, media_type


def _unwrapped(value: Any) -> Any:
    """An object that was written as text; no base64 and no URI starts like one."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return found if isinstance(found, dict) else value
    return value


def _no_type(argument: str) -> CallerError:
    return refuse(argument, "names a media type that is none", "write it as type/subtype")


def _unreachable(argument: str, place: str) -> CallerError:
    if place.startswith(HANDLE):
        return refuse(argument, "names a kept file, and none are kept here", "give the content as base64 text")
    hint = f"give a handle ({HANDLE}…), a data: URI or base64"
    return refuse(argument, "names a file by a URI that is not read from here", hint)


def _said(value: dict[str, Any], key: str, argument: str) -> str:
    said = value.get(key)
    if said is None:
        return ""
    if not isinstance(said, str) or _control(said):
        raise refuse(argument, f"has a {key} that is no line of text")
    return said


def _from_base64(text: str, argument: str) -> bytes:
    try:
        standard = text.translate(_to_standard).rstrip("=").encode("ascii")
        return binascii.a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both
        raise refuse(argument, "is not base64", "give the file's bytes as base64 text") from None
