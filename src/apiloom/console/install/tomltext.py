"""Setting one ``[mcp_servers.NAME]`` table of a TOML file without touching any other line of it.

The standard library reads TOML and cannot write it. So statements are found in the text (TOML 1.0: a header or a
``key = value`` that may run over lines), and only those of our table are taken out and written anew.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apiloom.emit.config import Entry, emit_toml_table

_TRIPLES = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class _Statement:
    """One header or pair: its span with the line end, and the header's path or the pair's first key."""

    start: int
    end: int
    header: tuple[str, ...] | None
    key: str


def read_toml(text: str) -> dict[str, Any]:
    """The value of TOML text.

    Raises:
        ValueError: with the line and what is wrong there.
    """
    return tomllib.loads(text)


def set_table(text: str, name: str, entry: Entry, *, whole: bool, owned: tuple[str, ...]) -> str:
    """The text with the table ``mcp_servers.NAME`` saying ``entry``.

    An existing table loses the ``owned`` keys and those of ``entry``; with ``whole`` it loses every key and sub-table.
    Other lines stay, comments too. A table that is written in another way than under its own header is left to the
    caller to notice: the result then does not read as expected, or not at all.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    table = emit_toml_table(name, entry).replace("\n", newline)
    path = ("mcp_servers", name)
    statements = list(_statements(text))
    opening = next((one for one in statements if one.header == path), None)
    if opening is None:
        head = text if not text or text.endswith("\n") else text + newline
        return head + (newline if head.strip() else "") + table
    gone: list[_Statement] = []
    inside: tuple[str, ...] = ()
    for one in statements:
        if one.header is not None:
            inside = one.header
        below = inside[:2] == path and len(inside) > 2
        ours = inside == path and one.header is None and (whole or one.key in owned or one.key in entry)
        if ours or (whole and below):
            gone.append(one)
    pairs = table.split(newline, 1)[1]
    edits = [(opening.end, opening.end, pairs), *((one.start, one.end, "") for one in gone)]
    return _apply(text, edits, newline)


def _apply(text: str, edits: list[tuple[int, int, str]], newline: str) -> str:
    # From the end, and what is taken out before what is put in at the same place.
    for start, end, new in sorted(edits, reverse=True):
        before = text[:start]
        if new and before and not before.endswith("\n"):
            before += newline
        text = before + new + text[end:]
    return text


def _statements(text: str) -> Iterator[_Statement]:
    position = 0
    while position < len(text):
        if text[position] in " \t\r\n":
            position += 1
        elif text[position] == "#":
            position = _line_end(text, position)
        else:
            end = _statement_end(text, position)
            yield _statement(text, position, end)
            position = end


def _statement(text: str, start: int, end: int) -> _Statement:
    source = text[start:end]
    if source.startswith("["):
        return _Statement(start, end, _header_path(source), "")
    # Indentation in front goes with the pair.
    line = text.rfind("\n", 0, start) + 1
    return _Statement(line if not text[line:start].strip() else start, end, None, next(iter(tomllib.loads(source)), ""))


def _header_path(source: str) -> tuple[str, ...]:
    value: Any = tomllib.loads(source)
    path: list[str] = []
    while isinstance(value, dict) and value:
        key = next(iter(value))
        path.append(key)
        value = value[key]
    return tuple(path) if not isinstance(value, list) else (*path, "[]")


def _statement_end(text: str, position: int) -> int:
    """Past the line end that closes a statement: one outside of strings, brackets and comments."""
    depth = 0
    header = text[position] == "["
    while position < len(text):
        sign = text[position]
        if sign in "\"'":
            position = _string_end(text, position)
            continue
        if sign == "#":
            position = _line_end(text, position) - 1
            sign = "\n"
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "\n" and (depth <= 0 or header):
            return position + 1
        position += 1
    return len(text)


def _string_end(text: str, position: int) -> int:
    quote = text[position : position + 3]
    quote = quote if quote in _TRIPLES else text[position]
    position += len(quote)
    while position < len(text) and not text.startswith(quote, position):
        position += 2 if text[position] == "\\" and quote[0] == '"' else 1
    position += len(quote)
    # Up to two quotes may stand before the closing three.
    while len(quote) == 3 and position < len(text) and text[position] == quote[0]:
        position += 1
    return position


def _line_end(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1
