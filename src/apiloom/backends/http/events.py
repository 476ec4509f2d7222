"""Answers that are sequences: server-sent events and JSON one value after another, as one JSON list.

Only what stands in the answer is put together, byte for byte: JSON is checked and never rebuilt. Knows nothing of
outcomes. Sources: WHATWG HTML section 9.2.6 (event streams), RFC 7464 (JSON text sequences), and the usage of JSON
lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from apiloom.base import json
from apiloom.net.request import MOST_OF_A_STREAM

MOST_EVENTS = 10_000
"""Events or values of one answer; of more than that nobody makes a list."""

_MOST_LINES = 100_000
_EVENTS = "text/event-stream"
_SEQUENCE = "application/json-seq"
_LINES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/x-jsonlines",
    "application/jsonlines",
    "application/json-lines",
    "application/stream+json",
    "application/x-json-stream",
)
SEQUENCES = frozenset((_EVENTS, _SEQUENCE, *_LINES))
"""Media types of answers that are told as lists, and as far as they came where they do not end."""

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")


def read_sequence(media: str, text: str, *, whole: bool) -> bytes | None:
    """A sequence as a JSON list on one line; None where it is too long for one, or is none.

    Args:
        media: one of :data:`SEQUENCES`.
        text: the answer, decoded.
        whole: it came to its own end, so that what stands last is complete.
    """
    if len(text) > MOST_OF_A_STREAM:
        return None
    found = []
    try:
        for one in _events(text, whole=whole) if media == _EVENTS else _values(media, text, whole=whole):
            found.append(one)
            if len(found) > MOST_EVENTS:
                return None
    except _NoSequenceError:
        return None
    return b"[" + b",".join(found) + b"]"


class _NoSequenceError(ValueError):
    """The text is not what its type says."""


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line and whether it is ended."""
    at = 0
    for _ in range(_MOST_LINES):
        found = _LINE.match(text, at)
        if found is None or at >= len(text):
            return
        at = found.end()
        yield found[1], bool(found[2])
    raise _NoSequenceError


def _events(text: str, *, whole: bool) -> Iterator[bytes]:
    """Events that carry anything, as ``{"event", "id", "data"}``; the name and the id only where one is given."""
    fields: dict[str, list[str]] = {}
    text = text.removeprefix("\ufeff")
    for line, _ in _lines(text):
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        else:
            if "data" in fields:
                yield _event(fields)
            fields = {}
    if whole and "data" in fields:
        yield _event(fields)


def _event(fields: dict[str, list[str]]) -> bytes:
    parts = [b'"%b":%b' % (name.encode(), json.quoted(fields[name][-1])) for name in ("event", "id") if name in fields]
    return b"{" + b",".join([*parts, b'"data":' + _content("\n".join(fields["data"]))]) + b"}"


def _content(text: str) -> bytes:
    """Data that is a JSON object or list is given as such; all else, and numbers among it, stays the text it is."""
    if text.lstrip()[:1] in ("{", "["):
        encoded = text.encode("utf-8", "replace")
        if json.is_json(encoded):
            return json.one_line(encoded)
    return json.quoted(text)


def _values(media: str, text: str, *, whole: bool) -> Iterator[bytes]:
    """JSON values, one a line, or each behind a record separator."""
    if media == _SEQUENCE:
        records = text.split("\x1e", MOST_EVENTS + 2)
        pieces: Iterator[tuple[str, bool]] = ((one, place < len(records)) for place, one in enumerate(records, 1))
    else:
        pieces = _lines(text)
    for piece, ended in pieces:
        value = piece.strip().encode("utf-8", "replace")
        if not value:
            continue
        if not json.is_json(value):
            if whole or ended:
                raise _NoSequenceError
            return
        yield json.one_line(value)
