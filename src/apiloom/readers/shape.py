"""Bounds and repairs of a parsed tree: how many values, how deep, only what JSON can say.

Knows neither where a tree came from nor what it means.
"""

from __future__ import annotations

import math
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.model.findings import Finding
from apiloom.readers.source import LIMITS

_NOT_MARKS = bytes(set(range(256)) - set(b",[]{}"))


def check_counts(text: bytes, tree: Any, location: str) -> None:
    """Refuse a JSON tree with too many values or levels.

    Counting marks in the text is a hundred times faster than walking the tree; only where brackets inside strings
    spoil the count is the tree walked.

    Raises:
        DesignError: ``document.too_deep`` or ``document.bomb``.
    """
    marks = text.translate(None, _NOT_MARKS)
    most = marks.count(b",") + marks.count(b"{") + marks.count(b"[") + 1
    brackets = marks.replace(b",", b"")
    for _ in range(LIMITS.depth):
        if not brackets:
            break
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    if brackets or most > LIMITS.nodes:
        _walk(tree, location)


def _walk(tree: Any, location: str) -> None:
    count = 0
    level = [tree]
    for _ in range(LIMITS.depth + 1):
        below: list[Any] = []
        for value in level:
            if type(value) is dict:
                below.extend(value.values())
            elif type(value) is list:
                below.extend(value)
        count += len(below)
        if count > LIMITS.nodes:
            raise too_many(location)
        if not below:
            return
        level = below
    raise _too_deep(location)


def too_many(location: str) -> DesignError:
    """The refusal of a document that expands to too many values."""
    return DesignError(
        f"{location} holds more than {LIMITS.nodes:,} values",
        code="document.bomb",
        hint="take out what is not needed, or repeated aliases",
    )


def _too_deep(location: str) -> DesignError:
    return DesignError(
        f"{location} nests deeper than {LIMITS.depth} levels", code="document.too_deep", hint="flatten it"
    )


def check_tree(tree: Any, location: str) -> tuple[Any, list[Finding]]:
    """A YAML tree as plain JSON values, in place: string keys, lists for sets, merge keys merged, finite numbers.

    Raises:
        DesignError: ``document.too_deep`` or ``document.bomb``.
    """
    plain = _Plain(location)
    return plain.value(tree, 0), plain.findings


class _Plain:
    """One pass over one tree."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.findings: list[Finding] = []
        self._count = 0
        self._place: list[object] = []
        """Keys and positions that lead to the value at hand: few places are ever told, so no pointer is kept."""

    def value(self, value: Any, depth: int) -> Any:
        """The value as JSON can say it, its containers changed in place."""
        kind = type(value)
        if kind is dict:
            return self._mapping(value, depth)
        if kind is list:
            self._enter(len(value), depth)
            for index, item in enumerate(value):
                if type(item) is not str:
                    self._place.append(index)
                    value[index] = self.value(item, depth + 1)
                    self._place.pop()
            return value
        if kind is float and not math.isfinite(value):
            self._add("document.not_finite", "infinity and not-a-number are no JSON numbers; null was read")
            return None
        if kind in (set, frozenset, tuple):
            members = sorted(value, key=repr) if kind is not tuple else list(value)
            return self.value(members, depth)
        return value

    def _enter(self, members: int, depth: int) -> None:
        if depth > LIMITS.depth:
            raise _too_deep(self.location)
        self._count += members
        if self._count > LIMITS.nodes:
            raise too_many(self.location)

    def _mapping(self, mapping: dict[Any, Any], depth: int) -> dict[str, Any]:
        self._enter(len(mapping), depth)
        odd = False
        for key, item in mapping.items():
            if type(key) is not str:
                odd = True
            kind = type(item)
            if kind is not str and kind is not int and kind is not bool and item is not None:
                self._place.append(key)
                mapping[key] = self.value(item, depth + 1)
                self._place.pop()
        if odd:
            mapping = self._named(mapping)
        if "<<" in mapping:
            return self._merged(mapping)
        return mapping

    def _named(self, mapping: dict[Any, Any]) -> dict[str, Any]:
        named: dict[str, Any] = {}
        for key, item in mapping.items():
            name = key_text(key)
            if name in named:
                self._add("document.duplicate_key", f'the key "{name}" stands twice; only the last counts')
            named[name] = item
        return named

    def _merged(self, mapping: dict[str, Any]) -> dict[str, Any]:
        """Merge keys (a YAML 1.1 type that authors rely on): own members win, then earlier sources."""
        given = mapping["<<"]
        sources = given if isinstance(given, list) else [given]
        if not sources or not all(isinstance(source, dict) for source in sources):
            return mapping
        merged: dict[str, Any] = {key: item for key, item in mapping.items() if key != "<<"}
        for source in sources:
            self._enter(len(source), 0)
            for key, item in source.items():
                merged.setdefault(key, item)
        return merged

    def _add(self, code: str, message: str) -> None:
        pointer = "".join(f"/{_token(key)}" for key in self._place)
        self.findings.append(Finding(level="warning", code=code, message=message, pointer=pointer))


def _token(key: object) -> str:
    return key_text(key).replace("~", "~0").replace("/", "~1")


def key_text(key: object) -> str:
    """A mapping key as the text that stood in the source, as near as it can be told."""
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
