"""Cutting text where it may be cut: between characters, between escapes, between lines; and pointers into JSON.

Pure; knows nothing of what the text means.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from apiloom.base import json

_CHUNK = 1024 * 1024
_QUOTE, _COMMA, _LIST, _OBJECT = b'",[{'
_CLOSING = {_LIST: b"]", _OBJECT: b"}"}
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:(")|\\?\Z)|[\[\]{},]|[^\s"\[\]{},]+', re.DOTALL)
_HIGH = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")


def pointer_of(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def steps_of(pointer: str) -> list[str] | None:
    """The steps of a JSON Pointer, None where it is none."""
    if not pointer:
        return []
    if pointer[0] != "/":
        return None
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def cut_literal(raw: bytes, most: int) -> tuple[bytes, int, int]:
    """A JSON string literal cut to about ``most`` bytes, and how many of its characters it keeps, of how many.

    It ends in a mark that says how many are missing. Neither a character nor an escape is ever split.
    """
    of = _characters(raw)
    head = _whole(raw[1 : max(1, most - 40)].decode(errors="ignore"))
    kept = len(json.loads(f'"{head}"'.encode()))
    literal = f'"{head}… [{of - kept:,} more characters]"'.encode()
    return literal, kept, of


def _characters(raw: bytes) -> int:
    """The characters of a literal, piece by piece, so that no other thread waits for all of a long one."""
    count, at, last = 0, 1, len(raw) - 1
    while at < last:
        piece = raw[at : min(at + _CHUNK, last)]
        if at + _CHUNK < last:
            piece = _whole(piece.decode(errors="ignore")).encode()
        count += len(json.loads(b'"%b"' % piece))
        at += len(piece)
    return count


def _whole(head: str) -> str:
    """The beginning of a literal's inside without the escape that was split at its end, if any."""
    slash = head.rfind("\\", max(0, len(head) - 6))
    before = head[: slash + 1]
    if slash < 0 or not (len(before) - len(before.rstrip("\\"))) % 2:
        return head
    length = 6 if head[slash + 1 : slash + 2] in {"u", ""} else 2
    if slash + length > len(head):
        return _whole(head[:slash])
    # the first half of a surrogate pair is no character
    return head[:slash] if slash + 6 == len(head) and _HIGH.match(head, slash) else head


def cut_lines(text: str, most: int) -> str:
    """The beginning of a text in at most ``most`` UTF-8 bytes: whole lines, if its second half has a line break."""
    if len(text) * 4 <= most:
        return text
    encoded = text[: most + 1].encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    head = encoded[:most].decode("utf-8", "ignore")
    line = head.rfind("\n", len(head) // 2)
    return head[: line + 1] if line > 0 else head


def has_more_commas(text: bytes, most: int) -> bool:
    """Whether well-formed JSON has more than so many commas outside its strings: a bound on its items and members."""
    return text.count(b",") > most and count_commas(text, most) > most


def count_commas(text: bytes, most: int = sys.maxsize) -> int:
    """The commas of well-formed JSON outside its strings; no more are counted once there are more than ``most``."""
    count, inside, held = 0, 0, b""
    for start in range(0, len(text), _CHUNK):
        piece = held + text[start : start + _CHUNK]
        # An escape that is split here is looked at with its other half.
        end = len(piece.rstrip(b"\\"))
        piece, held = piece[:end], piece[end:]
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        count += sum(part.count(b",") for part in parts[inside::2])
        inside ^= (len(parts) - 1) & 1
        if count > most:
            break
    return count


def prefix_of(text: bytes, most: int) -> bytes:
    """The beginning of well-formed JSON as well-formed JSON: what is open at the end of ``most`` bytes is closed there.

    The root must be an object or a list. What is not whole is left out, but for the beginning of a long string.
    """
    window = text[:most]
    open_at: list[int] = []
    end, before = 0, b""
    for token in _TOKEN.finditer(window):
        sign = window[token.start()]
        if sign in _CLOSING:
            open_at.append(sign)
            end = token.end()
        elif sign in b"]}":
            open_at.pop()
            end = token.end()
        elif sign == _COMMA:
            # All before a comma is whole.
            end = token.start()
        elif sign == _QUOTE and token[1] is None and (before[-1:] == b":" or open_at[-1:] == [_LIST]):
            head = _whole(window[token.start() + 1 :].decode(errors="ignore"))
            return window[: token.start() + 1] + f'{head}"'.encode() + _closed(open_at)
        before = token[0]
    return window[:end] + _closed(open_at)


def _closed(open_at: list[int]) -> bytes:
    return b"".join(_CLOSING[sign] for sign in reversed(open_at))
