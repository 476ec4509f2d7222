r"""Regular expressions of documents, written for ECMA-262, PCRE, Java or .NET, made fit to be checked and shown.

Two questions. *Checking*: what the validator does not take as it stands is respelled where a spelling with the same
meaning is known (``\h``, ``\Z``, ``[\w-.]``, ``/…/i``), else dropped and reported; the validator itself bounds the work
of a match. *Showing*: a client gets a pattern only in the small dialect on which all of them agree.
"""

from __future__ import annotations

import re
from functools import lru_cache

from apiloom.base import plugins

LONGEST = 2000
"""Characters of a pattern worth compiling."""

MOST_REPEATS = 1000
"""Repetitions beyond which an engine unrolls a pattern into megabytes."""

_LOOKS_AROUND = re.compile(r"\(\?<?[=!]|\\[1-9k]|[+*?}]\+").search
_COUNTS_FAR = re.compile(r"\{\d*,?\d{3}").search
_TOKEN = re.compile(r"\\.|\[|\{[^{}]*\}|.", re.DOTALL)
_CLASS_TOKEN = re.compile(r"\\(?:[pP]\{[^{}]*\}|.)|.", re.DOTALL)
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}\Z")
_DELIMITED = re.compile(r"/(\^.+|.+\$)/([a-z]*)\Z", re.DOTALL)
_ONLY_LENGTH = re.compile(r"\^(?:\.|\[\\s\\S\]|\[\\d\\D\]|\[\\w\\W\])(?:\{(\d+)(?:(,)(\d*))?\}|\*|\+)\$\Z")
_SPACES = r"\t\u00A0\u1680\u180E\u2000-\u200A\u202F\u205F\u3000"
_OUTSIDE = {
    r"\h": f"[ {_SPACES}]",
    r"\Z": "$",
    r"\A": "^",
    r"\R": r"(?:\r\n|[\n\r])",
    r"\e": r"\x1B",
    r"\a": r"\x07",
    r"\0": r"\x00",
    r"\i": "[A-Za-z_:]",
    r"\c": "[-A-Za-z0-9._:]",
}
_INSIDE = {r"\h": f" {_SPACES}", r"\R": r"\r\n", r"\e": r"\x1B", r"\a": r"\x07", r"\b": r"\x08", r"\0": r"\x00"}
_PORTABLE = re.compile(
    r"(?:[^\\\[\](){}|?*+^$]|\\[dDwWsS.*+?^$(){}|\[\]/\\-]|\[\^?(?:[^\\\[\]&~]|\\[dDwWsS.\]\[\\/^$*+?(){}|-])+\]"
    r"|\((?:\?:)?(?!\?)|\)|\||\^|\$|[?*+](?![?*+])|\{\d{1,3}(?:,\d{0,3})?\}(?![?*+]))*\Z"
)


@lru_cache(maxsize=4096)
def for_checking(pattern: str) -> str | None:
    """The pattern as our validator compiles it, or None when no spelling is known to mean the same."""
    if len(pattern) > LONGEST:
        return None
    if _DELIMITED.match(pattern) is None and _compiles(pattern):
        return pattern
    respelled = translated(pattern)
    return respelled if respelled is not None and _compiles(respelled) else None


def longest_checked(pattern: str) -> int | None:
    """Characters of the longest text worth holding against a pattern; None for patterns that cost the same anywhere.

    Look-around, back references and possessive repeats are tried anew at every character, which grows with the square
    of the text; far counts multiply the states that every character is held against.
    """
    if _LOOKS_AROUND(pattern):
        return 2_000
    return 20_000 if _COUNTS_FAR(pattern) else None


@lru_cache(maxsize=4096)
def for_showing(pattern: str) -> str | None:
    """The pattern if every client's engine reads it in one way; None for all others."""
    if len(pattern) > 200 or not pattern.isascii() or _DELIMITED.match(pattern) or not _PORTABLE.match(pattern):
        return None
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
    return pattern


def length_of(pattern: str) -> tuple[int, int | None] | None:
    """For a pattern that states nothing but a length, such as ``^.{1,65536}$``: the least and the most."""
    found = _ONLY_LENGTH.match(pattern)
    if found is None:
        return None
    least = int(found.group(1)) if found.group(1) else int("+" in pattern[-3:])
    if not found.group(1):
        return least, None
    if not found.group(2):
        return least, least
    return least, int(found.group(3)) if found.group(3) else None


def translated(pattern: str) -> str | None:
    """A pattern in ECMA, PCRE or Java spelling, respelled for the validator; None where that would change it."""
    delimited = _DELIMITED.match(pattern)
    if delimited is not None and set(delimited.group(2)) <= set("imsu"):
        flags = delimited.group(2).replace("u", "")
        pattern = (f"(?{flags})" if flags else "") + delimited.group(1)
    out: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern[position] == "[":
            spelled, position = _class(pattern, position)
        else:
            token = _TOKEN.match(pattern, position)
            if token is None:
                return None
            spelled, position = _outside(token.group()), token.end()
        if spelled is None:
            return None
        out.append(spelled)
    return "".join(out)


def _outside(token: str) -> str | None:
    if token[0] == "\\":
        return _OUTSIDE.get(token, token)
    if token[0] != "{":
        return token
    found = _COUNT.match(token)
    if found is None:
        return token.replace("{", r"\{").replace("}", r"\}")
    low = int(found.group(1))
    high = int(found.group(3)) if found.group(3) else None
    if low > MOST_REPEATS:
        return None
    return f"{{{low},}}" if high is not None and high > MOST_REPEATS else token


def _class(pattern: str, position: int) -> tuple[str | None, int]:
    """A bracket expression, with literal hyphens and brackets escaped; None when it never ends."""
    out = ["["]
    position += 1
    if pattern.startswith("^", position):
        out.append("^")
        position += 1
    after_set = False
    while token := _CLASS_TOKEN.match(pattern, position):
        text = token.group()
        position = token.end()
        if text == "]":
            return ("".join([*out, "]"]) if len(out) > 1 and out[-1] != "^" else None), position
        is_set = len(text) > 1 and text[1] in "dDwWsSpPh"
        if text == "-" and (after_set or _starts_set(pattern, position)):
            text = r"\-"
        out.append(_INSIDE.get(text, "\\" + text if text in "[&~" else text))
        after_set = is_set
    return None, position


def _starts_set(pattern: str, position: int) -> bool:
    return pattern[position : position + 1] == "\\" and pattern[position + 1 : position + 2] in set("dDwWsSpPh")


def _compiles(pattern: str) -> bool:
    """Whether the validator takes it; asked of the validator itself, since only its own answer counts."""
    rust = plugins.load("jsonschema_rs")
    try:
        rust.Draft202012Validator({"pattern": pattern}, pattern_options=rust.FancyRegexOptions())
    except ValueError:
        return False
    return True
