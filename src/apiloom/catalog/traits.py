"""What filters and toolsets look at of a tool, and the patterns they are written with.

A trait is a fraction of its tool, so that a filter can be held against a large connector without reading every tool.
Knows nothing of servers.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping
from typing import Final

from apiloom.base.errors import CallerError
from apiloom.base.values import Value
from apiloom.catalog.tool import Tool, ToolClass

LONGEST_PATTERN: Final = 200
"""Characters of a pattern."""

MOST_STARS: Final = 8
"""Wild cards of a pattern: with each the time to find that a name does not match may grow by the name's length."""

_WILD: Final = frozenset("*?[")


class Trait(Value, frozen=True, kw_only=True):
    """What is known of a tool without its schemas.

    ``operation`` is the operation's key, ``path`` what stands behind the method in it. ``described`` says that a human
    wrote what it does. ``names`` are those it is found under beside its own: the one it had before it was renamed.
    """

    name: str
    kind: ToolClass
    operation: str
    tags: tuple[str, ...] = ()
    described: bool = True
    names: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path of an operation over HTTP; empty for any other."""
        return self.operation.partition(" ")[2]


def trait_of(tool: Tool | Trait) -> Trait:
    """The trait of a tool. Its own claim to be read only can only narrow: without it, it is in no list of readers."""
    if isinstance(tool, Trait):
        return tool
    kind: ToolClass = "custom" if tool.kind == "read" and not tool.hints.read_only else tool.kind
    return Trait(name=tool.name, kind=kind, operation=tool.operation, tags=tool.tags, described=tool.described)


def traits_of(tools: Mapping[str, Tool] | Mapping[str, Trait]) -> dict[str, Trait]:
    """The traits of all tools, by name, in their order."""
    return {name: trait_of(tool) for name, tool in tools.items()}


class Globs:
    """Patterns of names: ``*`` is any text (also with ``/``), ``?`` one character, ``[…]`` one of some; else the name.

    Raises:
        CallerError: ``selection.pattern`` for one that is too long, has too many wild cards, or is no text.
    """

    __slots__ = ("_exact", "_wild")

    def __init__(self, patterns: Collection[str]) -> None:
        for pattern in patterns:
            check_pattern(pattern)
        self._exact = frozenset(pattern for pattern in patterns if not is_wild(pattern))
        wild = sorted({pattern for pattern in patterns if is_wild(pattern)})
        self._wild = re.compile("|".join(map(fnmatch.translate, wild))).match if wild else None

    def __contains__(self, name: object) -> bool:
        if name in self._exact:
            return True
        return self._wild is not None and isinstance(name, str) and self._wild(name) is not None


def is_wild(pattern: str) -> bool:
    """Whether a pattern may stand for several names."""
    return not _WILD.isdisjoint(pattern)


def check_pattern(pattern: str, pointer: str = "") -> None:
    """Refuse a pattern that is too long or too costly.

    Raises:
        CallerError: ``selection.pattern``.
    """
    if not pattern or len(pattern) > LONGEST_PATTERN or pattern.count("*") > MOST_STARS:
        raise CallerError(
            f"{pattern[:60]!r} is no pattern of names",
            code="selection.pattern",
            hint=f"it has 1 to {LONGEST_PATTERN} characters and at most {MOST_STARS} stars",
            pointer=pointer,
        )
