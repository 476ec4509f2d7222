"""YAML text to a tree, with the meaning of YAML 1.2's core schema laid over a parser that is laxer and lossier.

The parser turns keys such as ``010`` or ``1.10`` into numbers, ``1_000`` into an integer, and copies every alias.
What it would change is marked in the text before, with a character that occurs nowhere else, and the mark is taken off
every string after; what aliases would grow to is reckoned before. Third-party errors end here.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.base.plugins import load_to_stay
from apiloom.model.findings import Finding
from apiloom.readers.aliases import check_aliases
from apiloom.readers.source import LIMITS
from apiloom.readers.spelled import is_number, plain, spelled

_SCALAR = (
    r"[-+]?[0-9.][0-9A-Za-z_.+-]*|_[0-9_]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|~"
    r"|null|Null|NULL|true|True|TRUE|false|False|FALSE"
)
_KEY = rf"(?=[-+0-9._~nNtTfF])(?=(?:{_SCALAR})[ \t]*:(?:[ \t\r\n]|$))"
# Each pattern begins with what is rare, so that the search engine leaps instead of looking at every character; and none
# gives back the white space it took, as no key begins with any.
_BLOCK_KEY = re.compile(rf"(\n[ \t]*+(?:[-?][ ]++)*+){_KEY}")
_ASKED_KEY = re.compile(rf"(\n[ \t]*+\?[ ]++)(?=(?:{_SCALAR})[ \t]*\r?(?:\n|\Z))")
_FLOW_KEYS = tuple(re.compile(rf"({lead}[ \t\n]*+){_KEY}") for lead in (r"\{", ","))
# Numbers of YAML 1.1 that are plain text in 1.2: 1_000, 0b101, 0X1F, 0O17.
_MAYBE_ODD = (
    re.compile(r"_(?<![A-Za-z]_)[0-9_.\s,\]}]"),
    re.compile(r"0[bBOX][0-9A-Fa-f_]"),
    # Numbers that say more as text than as numbers: codes such as 0777 and 0x1F, versions such as 1.10.
    re.compile(r"0(?<=[\s,\[{]0)[0-9xo]"),
    re.compile(r"0(?:(?<=\.[0-9]0)|(?<=\.[0-9][0-9]0))(?=[\s,\]}]|$)"),
)
_ODD_NUMBER = re.compile(
    r"[-+]?(?:[0-9.]*_[0-9_.eE+-]*|0[bBOX][0-9A-Fa-f_]+|0[0-9]+|0o[0-7]+|0x[0-9A-Fa-f]+"
    r"|[0-9]*\.[0-9]+)(?=[\s,\]}]|$)|[-+]?[0-9]{400}"
)
# Numbers of hundreds of digits stay text as well: to build one costs the square of its length.
_VERY_LONG = re.compile(r"[0-9]{400,}")
_TEXT_OR_NUMBER = frozenset(
    {"const", "default", "description", "enum", "name", "operationId", "summary", "title", "version"}
)
"""Members whose numbers may be meant as text."""

_TOKEN_BEFORE = re.compile(r"[-+0-9._]{0,40}\Z")
_LONGEST_NUMBER = 400
_PRIVATE = range(0xE000, 0xF900)
_DUPLICATE = re.compile(r"duplicate mapping key: (.*)", re.DOTALL)
_PATH_LINE = re.compile(r"(?m)^([ ]*)([\"']?)(/[^\n]*?)\2[ \t]*:[ \t]*\r?$")
_SPACED_TAB = re.compile(r"(?m)([:,\-?])([ ]*\t[ \t]*)")
_TAB_INDENT = re.compile(r"(?m)^\t+")
_MIXED_INDENT = re.compile(r"(?m)^ +\t|^\t+ +\S")
_WHERE = re.compile(r"at line (\d+), column (\d+)")


def parse_yaml(text: str, location: str, json_fault: str) -> tuple[Any, list[Finding]]:
    """The tree of a YAML text; keys and odd scalars as the source writes them.

    ``json_fault`` is what the JSON decoder said when the text looked like JSON: the better explanation if YAML fails
    as well.

    Raises:
        DesignError: ``document.not_yaml`` or ``document.bomb``.
    """
    findings = check_aliases(text, location)
    try:
        marks = _free_marks(text)
    except ValueError as error:
        raise _refused(error, location, json_fault) from None
    marked = _marked(text, marks[0])
    try:
        tree = _load(marked)
    except ValueError as error:
        tree, marked = _second_try(marked, marks[1], error, findings, (location, json_fault))
    if marks[0] in marked or marks[1] in marked:
        tree = _Unmark(marks, findings).value(tree, "", 0)
    return tree, findings


def _free_marks(text: str) -> tuple[str, str]:
    """Two private-use characters that the text does not hold: the first two as a rule, found without reading it."""
    first, second = chr(_PRIVATE.start), chr(_PRIVATE.start + 1)
    if first not in text and second not in text:
        return first, second
    held = set(text)
    free = [chr(code) for code in _PRIVATE if chr(code) not in held]
    if len(free) < 2:
        raise ValueError("it holds every private-use character")
    return free[0], free[1]


def _marked(text: str, mark: str) -> str:
    """The text with a mark before every key and number that the parser would change."""
    lines = _BLOCK_KEY.sub(rf"\1{mark}", f"\n{text}")
    if "? " in lines:
        lines = _ASKED_KEY.sub(rf"\1{mark}", lines)
    text = lines[1:]
    if "{" in text:
        for pattern in _FLOW_KEYS:
            text = pattern.sub(rf"\1{mark}", text)
    places: set[int] = set()
    for pattern in (*_MAYBE_ODD, _VERY_LONG) if _may_hold_long_numbers(text) else _MAYBE_ODD:
        seen = 0
        for match in pattern.finditer(text):
            if match.start() < seen:
                continue
            lead = _TOKEN_BEFORE.search(text, max(0, match.start() - 40), match.start())
            start = lead.start() if lead else match.start()
            number = _ODD_NUMBER.match(text, start) if start == 0 or text[start - 1] in " \t\n,[{" else None
            if number:
                places.add(start)
                seen = number.end()
    if not places:
        return text
    cuts = [0, *sorted(places), len(text)]
    return mark.join(text[begin:end] for begin, end in itertools.pairwise(cuts))


def _may_hold_long_numbers(text: str) -> bool:
    """Whether 200 digits stand in a row at a multiple of 200, as some of every 400 do; much faster than a search."""
    return any(text[at : at + 200].isdigit() for at in range(0, len(text), 200))


def _load(text: str, *, strict: bool = True) -> Any:
    library = load_to_stay("yaml_rs")
    policies = library.DuplicateKeyPolicy
    try:
        return library.loads(
            text,
            parse_datetime=False,
            alias_limits=library.AliasLimits(
                max_total_replayed_events=LIMITS.alias_events, max_replay_stack_depth=LIMITS.alias_depth
            ),
            duplicate_key_policy=policies.Error if strict else policies.LastWins,
        )
    except TypeError:
        raise ValueError("a key or a member of a set is a list or a mapping") from None


def _second_try(
    text: str, mark: str, error: ValueError, findings: list[Finding], blame: tuple[str, str]
) -> tuple[Any, str]:
    """The tree after mending tabs or doubled keys; the text as it was finally read."""
    duplicate = _DUPLICATE.match(str(error))
    if duplicate is None and "\t" in text:
        for mended in _untabbed(text):
            try:
                tree = _load(mended)
            except ValueError as again:
                duplicate = _DUPLICATE.match(str(again))
                if duplicate is None:
                    continue
                text = mended
                findings.append(_tabs())
                break
            findings.append(_tabs())
            return tree, mended
    if duplicate is None:
        raise _refused(error, *blame) from None
    key = duplicate.group(1).strip().strip("'\"")
    clean = "".join(char for char in key if ord(char) not in _PRIVATE)
    findings.append(
        Finding(
            level="warning",
            code="document.duplicate_key",
            message=f'the key "{clean[:200]}" stands twice in one mapping; the last one counts',
        )
    )
    text = _apart(text, mark)
    try:
        return _load(text, strict=False), text
    except ValueError as again:
        raise _refused(again, *blame) from None


def _tabs() -> Finding:
    return Finding(
        level="warning", code="document.tabs", message="tabs stand where YAML wants spaces; they were read as spaces"
    )


def _untabbed(text: str) -> list[str]:
    candidates = [_SPACED_TAB.sub(lambda match: match[1] + " " * len(match[2]), text)]
    if not _MIXED_INDENT.search(text):
        candidates.append(_TAB_INDENT.sub(lambda match: "  " * len(match[0]), candidates[0]))
    return candidates


def _apart(text: str, mark: str) -> str:
    """The text with repeated block keys that are paths made different, so that both survive to be joined."""
    seen: dict[tuple[str, str], int] = {}

    def rename(match: re.Match[str]) -> str:
        indent, quote, key = match.groups()
        times = seen.get((indent, key), 0)
        seen[indent, key] = times + 1
        return f"{indent}{quote}{key}{mark * times}{quote}:"

    return _PATH_LINE.sub(rename, text)


def _refused(error: ValueError, location: str, json_fault: str) -> DesignError:
    said = str(error).strip()
    if "alias replay" in said or "alias" in said.split("\n")[0]:
        return DesignError(
            f"{location} grows beyond {LIMITS.alias_events:,} values when its YAML aliases are followed",
            code="document.bomb",
            hint="write the repeated parts out or use $ref",
        )
    if "recursion limit" in said:
        return DesignError(f"{location} nests too deeply", code="document.too_deep", hint="flatten it")
    if json_fault:
        return DesignError(
            f"{location} is not valid JSON: {json_fault}", code="document.not_yaml", hint="mend the text there"
        )
    where = _WHERE.search(said)
    place = f" at line {where[1]}, column {where[2]}" if where else ""
    reason = said.split("\n")[-1].strip()[:200]
    reason = "".join(char for char in reason if ord(char) not in _PRIVATE)
    return DesignError(
        f"{location} is neither JSON nor YAML{place} ({reason})", code="document.not_yaml", hint="mend the text there"
    )


class _Unmark:
    """Takes the marks off again; joins paths that were held apart."""

    def __init__(self, marks: tuple[str, str], findings: list[Finding]) -> None:
        self._mark, self._twin = marks
        self._drop = str.maketrans("", "", "".join(marks))
        self._findings = findings

    def value(self, value: Any, key: object, depth: int) -> Any:
        """The value under a key (or in a list under it), unmarked in place."""
        kind = type(value)
        if kind is str:
            return self._text(value, key) if self._mark in value or self._twin in value else value
        if depth > LIMITS.depth + 1:
            return value
        if kind is list:
            for index, item in enumerate(value):
                value[index] = self.value(item, key, depth + 1)
            return value
        if kind is dict:
            return self._mapping(value, depth)
        return value

    def _text(self, value: str, key: object) -> Any:
        text = value.translate(self._drop)
        if not (value.startswith(self._mark) and len(text) < _LONGEST_NUMBER and is_number(text)):
            return text
        number = spelled(text)
        return number if key in _TEXT_OR_NUMBER and math.isfinite(number) else plain(number)

    def _mapping(self, mapping: dict[Any, Any], depth: int) -> dict[Any, Any]:
        mark, twin, renamed = self._mark, self._twin, False
        for key, item in mapping.items():
            kind = type(item)
            if kind is dict or kind is list or (kind is str and (mark in item or twin in item)):
                mapping[key] = self.value(item, key, depth + 1)
            renamed = renamed or (type(key) is str and (mark in key or twin in key))
        if not renamed:
            return mapping
        plain: dict[Any, Any] = {}
        for key, item in mapping.items():
            name = key.translate(self._drop) if type(key) is str else key
            if name in plain:
                item = self._joined(name, plain[name], item)  # noqa: PLW2901 - the joined value takes its place
            plain[name] = item
        return plain

    def _joined(self, name: str, first: Any, second: Any) -> Any:
        both = isinstance(first, dict) and isinstance(second, dict)
        taken = "the members of both were taken, the later ones first" if both else "the last one counts"
        self._findings.append(
            Finding(level="warning", code="document.duplicate_key", message=f'the key "{name}" stands twice; {taken}')
        )
        return {**first, **second} if both else second
