"""JSON in and out, and the canonical form that hashes and comparisons rest on.

Stands on msgspec: integers of any size and every double survive a round trip unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

Part = bytes | memoryview | msgspec.Raw
"""A JSON text, or a part of one that was never copied out of it; ``memoryview(part)`` shows its bytes."""

Read = TypeVar("Read")

_plain = msgspec.json.Encoder()
_canonical = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder()
_raw = msgspec.json.Decoder(msgspec.Raw)
_items: Any = msgspec.json.Decoder(list[msgspec.Raw])
_members: Any = msgspec.json.Decoder(dict[str, msgspec.Raw])


def loads(text: bytes | str) -> Any:
    """Decode JSON text (RFC 8259).

    Raises:
        ValueError: the text is not JSON, is not UTF-8, or nests deeper than the interpreter's stack allows.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def reader(shape: type[Read]) -> Callable[[bytes], Read]:
    """A decoder of JSON objects into one kind of ``base.values.Value``; members that it does not have are skipped.

    The decoder raises ValueError for a text that is not JSON or not of this shape.
    """
    decode = msgspec.json.Decoder(shape).decode

    def read(text: bytes) -> Read:
        try:
            return decode(text)
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None

    return read


def dumps(value: Any) -> bytes:
    """Encode a value as compact UTF-8 JSON, members in their own order."""
    return _plain.encode(value)


def canonical(value: Any) -> bytes:
    """Encode a value so that equal values give equal bytes: members sorted, no white space."""
    return _canonical.encode(value)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, as 64 hexadecimal characters."""
    return hashlib.sha256(canonical(value)).hexdigest()


def is_json(text: bytes) -> bool:
    """Whether the bytes are one well-formed JSON value in UTF-8, found without building it."""
    try:
        _raw.decode(text)
        text.decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True


def one_line(text: bytes) -> bytes:
    """Well-formed JSON with its line breaks removed, which can only stand between tokens (RFC 8259 section 7)."""
    if b"\n" in text or b"\r" in text:
        return text.translate(None, b"\r\n")
    return text


def items(text: Part) -> list[Part]:
    """The items of a well-formed JSON array as they stand in it, unread."""
    found: list[Part] = _items.decode(text)
    return found


def members(text: Part) -> dict[str, Part]:
    """The members of a well-formed JSON object as they stand in it, unread; of equal names the last."""
    found: dict[str, Part] = _members.decode(text)
    return found


def compact(text: bytes) -> bytes:
    """Well-formed JSON without white space between its tokens."""
    return msgspec.json.format(text, indent=-1)


def quoted(text: str) -> bytes:
    """One string as a JSON string literal, lone surrogates replaced so that any text can be said."""
    try:
        return _plain.encode(text)
    except UnicodeEncodeError:
        return _plain.encode(text.encode("utf-8", "replace").decode())
