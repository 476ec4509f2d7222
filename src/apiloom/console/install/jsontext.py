"""Setting one member of a JSON file without touching any other byte of it.

Clients' files are JSON as people keep it: with comments, trailing commas, any indentation. So the text is scanned, the
place found, and only that place rewritten; the rest stays as it was typed. It knows no client.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apiloom.base import json
from apiloom.emit.config import render_json

MOST_DEPTH = 200
"""Levels of nesting; configuration files have five."""

_TOKEN = re.compile(
    r"(?P<blank>[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)"
    r'|(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<sign>[{}\[\]:,])"
    r"|(?P<word>[-+.\w]+)",
    re.DOTALL,
)
_INDENT = re.compile(r'\n([ \t]+)"')


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True)
class _Node:
    """A value and where it stands. ``members`` are an object's; of a repeated key the last counts, as everywhere."""

    value: Any
    start: int
    end: int = 0
    members: dict[str, _Node] = field(default_factory=dict)


def read_jsonc(text: str) -> Any:
    """The value of JSON text with comments and trailing commas.

    Raises:
        ValueError: with the line and what stands there.
    """
    return _Parser(text).document().value


def set_member(text: str, container: str, name: str, value: Any) -> str:
    """The text with ``container``'s member ``name`` set to ``value``; an absent container is added.

    Raises:
        ValueError: the text is not JSON, or it or its container is no object.
    """
    if not text.strip():
        return render_json({container: {name: value}}) + "\n"
    root = _Parser(text).document()
    if not isinstance(root.value, dict):
        raise ValueError("the file holds no JSON object")  # noqa: TRY004 - a wrong text, no wrong call
    style = _Style.of(text)
    holder = root.members.get(container)
    if holder is None:
        return _insert(text, root, container, {name: value}, style)
    if not isinstance(holder.value, dict):
        raise ValueError(f"{container} is no JSON object")  # noqa: TRY004 - as above
    old = holder.members.get(name)
    if old is None:
        return _insert(text, holder, name, value, style)
    rendered = style.render(value, _indent_at(text, old.start), flat=_is_flat(text, holder))
    return text[: old.start] + rendered + text[old.end :]


@dataclass(frozen=True, slots=True)
class _Style:
    """How this file is written: its indentation and its line ends."""

    unit: str
    newline: str

    @classmethod
    def of(cls, text: str) -> _Style:
        found = _INDENT.search(text)
        return cls(found[1] if found else "  ", "\r\n" if "\r\n" in text else "\n")

    def render(self, value: Any, indent: str, *, flat: bool) -> str:
        if flat:
            return json.dumps(value).decode()
        return render_json(value, self.unit).replace("\n", self.newline + indent)


def _insert(text: str, holder: _Node, name: str, value: Any, style: _Style) -> str:
    """A new last member. It goes behind the last comment, so that comments stay with what they describe."""
    last = max(holder.members.values(), key=lambda node: node.end, default=None)
    before = holder.start + 1 if last is None else last.end
    close = holder.end - 1
    comma = "" if last is None else ","
    behind = before
    for token in _tokens(text, before):
        if token.start >= close:
            break
        if token.kind == "sign":
            comma = ""
        if token.kind == "sign" or text[token.start] == "/":
            behind = token.end
    start = text[:before] + comma + text[before:behind]
    if _is_flat(text, holder):
        return f"{start} {_pair(name, style.render(value, '', flat=True))}{text[behind:]}"
    outer = _indent_at(text, holder.start)
    indent = outer + style.unit if last is None else _indent_at(text, last.start)
    pair = _pair(name, style.render(value, indent, flat=False))
    return f"{start}{style.newline}{indent}{pair}{style.newline}{outer}{text[close:]}"


def _pair(name: str, rendered: str) -> str:
    return f"{json.quoted(name).decode()}: {rendered}"


def _is_flat(text: str, node: _Node) -> bool:
    """Whether an object that holds something stands on one line."""
    return bool(node.members) and "\n" not in text[node.start : node.end]


def _indent_at(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _tokens(text: str, position: int = 0) -> Iterator[_Token]:
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _wrong(text, position)
        yield _Token(found.lastgroup or "", found[0], found.start(), found.end())
        position = found.end()


def _wrong(text: str, position: int) -> ValueError:
    """Where reading stopped. What stands there is not quoted: it may be a secret."""
    line = text.count("\n", 0, position) + 1
    return ValueError(f"line {line}, column {position - text.rfind(chr(10), 0, position)} is not JSON")


class _Parser:
    """A reader of one text that remembers where every value stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = (token for token in _tokens(text) if token.kind != "blank")
        self._next = next(self._tokens, None)

    def document(self) -> _Node:
        node = self._value(0)
        if self._next is not None:
            raise _wrong(self._text, self._next.start)
        return node

    def _take(self) -> _Token:
        token = self._next
        if token is None:
            raise _wrong(self._text, len(self._text))
        self._next = next(self._tokens, None)
        return token

    def _comma(self) -> bool:
        found = self._next is not None and self._next.text == ","
        if found:
            self._take()
        return found

    def _value(self, depth: int) -> _Node:
        if depth > MOST_DEPTH:
            raise ValueError(f"nested over {MOST_DEPTH} levels")
        token = self._take()
        if token.text == "{":
            return self._object(token, depth)
        if token.text == "[":
            return self._array(token, depth)
        if token.kind == "sign":
            raise _wrong(self._text, token.start)
        try:
            return _Node(json.loads(token.text), token.start, token.end)
        except ValueError:
            raise _wrong(self._text, token.start) from None

    def _object(self, opened: _Token, depth: int) -> _Node:
        node = _Node({}, opened.start)
        for key in self._items("}", node):
            if key.kind != "text":
                raise _wrong(self._text, key.start)
            colon = self._take()
            if colon.text != ":":
                raise _wrong(self._text, colon.start)
            name = json.loads(key.text)
            node.members[name] = self._value(depth + 1)
            node.value[name] = node.members[name].value
        return node

    def _array(self, opened: _Token, depth: int) -> _Node:
        node = _Node([], opened.start)
        for _ in self._items("]", node, take=False):
            node.value.append(self._value(depth + 1).value)
        return node

    def _items(self, close: str, node: _Node, *, take: bool = True) -> Iterator[_Token]:
        """The first token of each item up to the closing sign, which ends the node; ``take`` consumes that token."""
        while (token := self._next) is not None and token.text != close:
            yield self._take() if take else token
            if not self._comma():
                break
        last = self._take()
        if last.text != close:
            raise _wrong(self._text, last.start)
        node.end = last.end
