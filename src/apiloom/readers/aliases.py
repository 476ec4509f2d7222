"""What a YAML text's aliases would grow to, reckoned from the text before anything is built.

The parser bounds how many values aliases repeat but not how large they are: five thousand aliases of one long string
are only five thousand values. Also tells aliases that stand inside what they name, which the parser reads as null.
The reckoning may be too high where text only looks like an anchor, never too low.
"""

from __future__ import annotations

import heapq
import re

from apiloom.base.errors import DesignError
from apiloom.model.findings import Finding
from apiloom.readers.source import LIMITS

_ANCHOR = re.compile(r"&([^\s,\[\]{}&]+)")
_ALIAS = re.compile(r"\*([^\s,\[\]{}*]+)")
_INDICATORS = re.compile(r"(?:[ \t]|[-?:](?=[ \t]|\Z))*")
_BEFORE = frozenset(" \t\r\n[{,")
_TAGS = re.compile(r"[ \t]*(?:![^\s]*[ \t]+)*")
_END_OF_LINE = re.compile(r"(?:#[^\n]*)?\r?(?:\n|\Z)")
_BRACKET = re.compile(r"[\[\]{}]")
_LEAD = re.compile(r"[ ]*(?:[-?][ ]+)*")
_LINE = re.compile(r"([ ]*)(-(?=\s))?[^\n]*(?:\n|\Z)")


def check_aliases(text: str, location: str) -> list[Finding]:
    """Refuse a text that would expand or nest beyond bounds; findings for aliases that name their own container.

    Raises:
        DesignError: ``document.bomb`` or ``document.too_deep``.
    """
    marks = _marks(text)
    _check_columns(text, location, LIMITS.alias_columns if marks else LIMITS.columns)
    return _Reckoning(text, location).run(marks) if marks else []


def _marks(text: str) -> list[re.Match[str]]:
    """Anchors and aliases in their order; none unless there are both."""
    if "&" not in text or "*" not in text:
        return []
    anchors = _standing(_ANCHOR, text)
    aliases = _standing(_ALIAS, text) if anchors else []
    return sorted([*anchors, *aliases], key=lambda match: match.start()) if aliases else []


def _check_columns(text: str, location: str, most: int) -> None:
    """Refuse lines that begin so far to the right that they may nest beyond what the parser's stack holds.

    The parser bounds brackets itself, but not indentation; aliases put one nesting inside another.
    """
    lead = rf"\n[ \t\-?:]{{{most}}}"  # to begin with one letter is many times as fast to look for
    for match in re.finditer(lead, f"\n{text}"):
        if _INDICATORS.fullmatch(match.group().lstrip("\n")):
            raise DesignError(f"{location} nests too deeply", code="document.too_deep", hint="flatten it")


def _standing(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """The matches that can begin a node: the first thing in the text, or behind white space or an opening mark."""
    found = pattern.finditer(text)
    return [match for match in found if match.start() == 0 or text[match.start() - 1] in _BEFORE]


class _Reckoning:
    """One pass over the marks of a text, in its order."""

    def __init__(self, text: str, location: str) -> None:
        self._text = text
        self._location = location
        self._grown = 0
        self._open: list[tuple[int, str, int, int]] = []
        self._weights: dict[str, int] = {}
        self._looked = 0

    def run(self, marks: list[re.Match[str]]) -> list[Finding]:
        recursive: dict[str, None] = {}
        inside: dict[str, int] = {}
        for match in marks:
            self._close(match.start())
            name = match[1]
            if match.group().startswith("*"):
                if match.start() < inside.get(name, 0):
                    recursive[name] = None
                self._grow(self._weights.get(name, 0))
                continue
            end, container = self._extent(match.start(), match.end())
            inside[name] = end if container else 0
            self._weights.pop(name, None)
            heapq.heappush(self._open, (end, name, match.start(), self._grown))
        return [_recursive(name) for name in sorted(recursive)]

    def _close(self, position: int) -> None:
        """Anchors that end before here now have a weight: their own text and what aliases inside them grew to."""
        while self._open and self._open[0][0] <= position:
            end, name, start, before = heapq.heappop(self._open)
            self._weights[name] = (end - start) + (self._grown - before)

    def _grow(self, weight: int) -> None:
        self._grown += weight
        if self._grown > LIMITS.alias_bytes:
            raise DesignError(
                f"{self._location} grows beyond {LIMITS.alias_bytes // 1_000_000} MB as its YAML aliases are followed",
                code="document.bomb",
                hint="write the repeated parts out or use $ref",
            )

    def _extent(self, start: int, after: int) -> tuple[int, bool]:
        """Where the anchored node ends at the latest, and whether it can hold other nodes."""
        tags = _TAGS.match(self._text, after)
        begin = tags.end() if tags else after
        first = self._text[begin : begin + 1]
        if first in ("[", "{"):
            end, container = self._flow_end(begin), True
        elif first in ('"', "'"):
            end, container = self._quote_end(begin, first), False
        else:
            container = _END_OF_LINE.match(self._text, begin) is not None
            end = self._block_end(start, container=container)
        # Looking ahead again for every nested anchor is bounded as a whole, like what the aliases grow to.
        self._looked += end - start
        if self._looked > LIMITS.alias_bytes:
            self._grow(LIMITS.alias_bytes + 1)
        return end, container

    def _flow_end(self, begin: int) -> int:
        level = 0
        for bracket in _BRACKET.finditer(self._text, begin):
            level += 1 if bracket.group() in "[{" else -1
            if level == 0:
                return bracket.end()
        return len(self._text)

    def _quote_end(self, begin: int, quote: str) -> int:
        position = begin + 1
        while True:
            position = self._text.find(quote, position)
            if position < 0:
                return len(self._text)
            if quote == '"' and self._text[position - 1] == "\\":
                position += 1
                continue
            return position + 1

    def _block_end(self, start: int, *, container: bool) -> int:
        """The first line that is indented no deeper than the key or dash that holds the anchor."""
        line = self._text.rfind("\n", 0, start) + 1
        lead = _LEAD.match(self._text, line)
        column = min(lead.end() if lead else line, start) - line
        led_by_dash = lead is not None and lead.end() >= start and "-" in lead.group()
        if led_by_dash and lead is not None:
            column = lead.group().rstrip().rfind("-")
        position = self._text.find("\n", start) + 1
        while 0 < position < len(self._text):
            match = _LINE.match(self._text, position)
            if match is None or match.end() == position:
                break
            blank = not match.group().strip()
            deeper = len(match[1]) > column
            item = container and not led_by_dash and bool(match[2]) and len(match[1]) == column
            if not (blank or deeper or item):
                return position
            position = match.end()
        return len(self._text)


def _recursive(name: str) -> Finding:
    return Finding(
        level="warning",
        code="document.recursive_alias",
        message=f"the YAML alias *{name} stands inside what it names; it was read as null",
    )
