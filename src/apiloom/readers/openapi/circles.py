"""Definitions that contain themselves without going through a property or an item, and how they are opened.

``Base: oneOf [Dog, Cat]`` with ``Dog: allOf [Base, …]`` means no finite check. Where a definition takes in another of
the same circle, it takes that one's own members and not its compositions; the circle is then open. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from apiloom.model.api import Schema
from apiloom.model.schema import DEFS, unescape

_CHOICES = ("anyOf", "oneOf")
_SINGLES = ("not", "if", "then", "else")
_COMPOSED = frozenset({"$ref", "allOf", "dependentSchemas", "discriminator", *_CHOICES, *_SINGLES})


def in_place(schema: Schema) -> Iterator[tuple[str, bool]]:
    """The definitions that apply to the same value as this schema, and whether only as one choice among others."""
    waiting: list[tuple[Any, bool]] = [(schema, False)]
    while waiting:
        here, choice = waiting.pop()
        if not isinstance(here, dict):
            continue
        ref = here.get("$ref")
        if ref is not None:
            yield unescape(ref[len(DEFS) :]), choice
        if "allOf" in here:
            waiting.extend((each, False) for each in here["allOf"])
        for keyword in _CHOICES:
            if keyword in here:
                waiting.extend((each, True) for each in here[keyword])
        waiting.extend((here[keyword], False) for keyword in _SINGLES if keyword in here)
        if "dependentSchemas" in here:
            waiting.extend((each, False) for each in here["dependentSchemas"].values())


def opened(schema: Schema, own: Callable[[str, bool], Schema | None], *, choice: bool = False) -> Schema:
    """The schema with references replaced wherever ``own(name, choice)`` gives something to put there."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    if "allOf" in out:
        out["allOf"] = [opened(each, own) for each in out["allOf"]]
    for keyword in _CHOICES:
        if keyword in out:
            out[keyword] = [opened(each, own, choice=True) for each in out[keyword]]
    for keyword in _SINGLES:
        if keyword in out:
            out[keyword] = opened(out[keyword], own)
    if "dependentSchemas" in out:
        out["dependentSchemas"] = {name: opened(each, own) for name, each in out["dependentSchemas"].items()}
    if "$ref" in out:
        instead = own(unescape(out["$ref"][len(DEFS) :]), choice)
        if isinstance(instead, dict):
            del out["$ref"]
            out = {**instead, **out}
    return out


def bare(schema: Schema) -> dict[str, Any]:
    """A schema's own members without its compositions."""
    if not isinstance(schema, dict):
        return {}
    return {keyword: value for keyword, value in schema.items() if keyword not in _COMPOSED}


def number_circles(start: str, edges: Callable[[str], Iterable[str]], numbers: dict[str, int]) -> None:
    """Give everything reachable from ``start`` a number that it shares with its circle (Tarjan 1972), once."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    held: list[str] = []
    path: list[tuple[str, Iterator[str]]] = []

    def enter(name: str) -> None:
        order[name] = lowest[name] = len(order)
        held.append(name)
        path.append((name, iter(edges(name))))

    if start not in numbers:
        enter(start)
    while path:
        name, ahead = path[-1]
        for other in ahead:
            if other in numbers:
                continue
            if other not in order:
                enter(other)
                break
            lowest[name] = min(lowest[name], order[other])
        else:
            path.pop()
            if path:
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[name])
            if lowest[name] == order[name]:
                _settle(held, name, numbers)


def _settle(held: list[str], name: str, numbers: dict[str, int]) -> None:
    """Number a finished circle: everything held since its first member was entered."""
    start = len(held) - 1
    while held[start] != name:
        start -= 1
    number = len(numbers)
    for member in held[start:]:
        numbers[member] = number
    del held[start:]
