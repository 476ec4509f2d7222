r"""Regular expressions of documents, written for ECMA-262, PCRE, Java or .NET, made fit to be checked and shown.

Two questions. *Checking*: what our validator does not take as it stands is respelled where a spelling with the same
meaning is known (``\h``, ``\Z``, ``[\w-.]``, ``/…/i``, looking ahead from the start), else dropped and reported. The
validator's engine takes time linear in the text, so it knows neither back references nor looking around.
*Showing*: a client gets a pattern only in the small dialect that all of them read alike.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from apiloom.base import plugins
from apiloom.base.values import Value

LONGEST = 2000
"""Characters of a pattern worth compiling."""

LONGEST_SHOWN = 200

MOST_REPEATS = 1000
"""Repetitions beyond which an engine unrolls a pattern into megabytes."""

MOST_BYTES = 2_000_000
"""Size of one compiled pattern."""

MOST_CHARACTERS = 20_000
"""Characters of a text held against a pattern that counts far: every character meets as many states as it counts."""

_COUNTS_FAR = re.compile(r"\{\d*,?\d{3}").search
_READ_OTHERWISE = re.compile(r"&&|--|~~|(?<!\\)[+*?}]\+").search
"""What our engine compiles and means something else by: set operations, and possessive repeats."""

_TOKEN = re.compile(r"\\.|\[|\{[^{}]*\}|.", re.DOTALL)
_CLASS_TOKEN = re.compile(r"\\(?:[pP]\{[^{}]*\}|.)|\[:\^?[a-z]{4,6}:\]|.", re.DOTALL)
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}\Z")
_DELIMITED = re.compile(r"/(\^.+|.+\$)/([a-z]*)\Z", re.DOTALL)
_CLASS = r"\[\^?\]?(?:[^\\\[\]]|\\(?:[pP]\{[^{}]*\}|.))*\]"
_COUNTED = re.compile(
    rf"\^(\.|\\[dDwWsSpP](?:\{{[^{{}}]*\}})?|{_CLASS})(?:\{{(\d+)(?:(,)(\d*))?\}}|\*|\+)\$\Z", re.DOTALL
)
_EVERYTHING = frozenset({".", r"[\s\S]", r"[\d\D]", r"[\w\W]", r"[\S\s]", r"[\D\d]", r"[\W\w]"})
_LOOK_AHEAD = re.compile(r"\(\?([=!])")
_LOOK_BEHIND = re.compile(r"\(\?<([=!])")
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
    r"(?:[^\\\[\](){}|?*+^$]|\\(?:[dDwWsSbBtnrfv.*+?^$(){}|\[\]/\\]|x[0-9A-Fa-f]{2}|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4})"
    r"|\[\^?(?:[^\\\[\]&~]|\\(?:[dDwWsStnrfv.\]\[\\/^$*+?(){}|-]|x[0-9A-Fa-f]{2}))+\]"
    r"|\((?:\?:)?(?!\?)|\)|\||\^(?![?*+{])|\$(?![?*+{])|[?*+]\??(?![?*+{])|\{\d{1,3}(?:,\d{0,3})?\}\??(?![?*+{]))*\Z"
)
_STALLS = re.compile(r"[+*]\)[+*{]|--|\|\|").search
"""Repeats of repeats, which stall engines that go back; and what some engines warn of or read as set operations."""

_NEEDLESS = re.compile(r"\\([^A-Za-z0-9])|(\[\^?)|(\])")
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")


class Checks(Value, frozen=True, kw_only=True):
    """What a pattern comes to: patterns that must be found, ones that must not, and a length in characters."""

    found: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None


def engine() -> Any:
    """The options under which a validator's patterns run in time linear in the text, and are bounded in size."""
    return plugins.load("jsonschema_rs").RegexOptions(size_limit=MOST_BYTES, dfa_size_limit=MOST_BYTES)


@lru_cache(maxsize=4096)
def checks_of(pattern: str) -> Checks | None:
    """How a pattern is checked, or None when no spelling is known to mean the same."""
    if len(pattern) > LONGEST:
        return None
    counted = _COUNTED.match(pattern)
    if counted is not None and (found := _counted(counted)) is not None:
        return found
    if (spelled := for_checking(pattern)) is not None:
        return Checks(found=(spelled,))
    return _looking(pattern)


@lru_cache(maxsize=4096)
def for_checking(pattern: str) -> str | None:
    """One pattern that means the same to our validator, or None when there is none."""
    if len(pattern) > LONGEST:
        return None
    if _DELIMITED.match(pattern) is None and not _READ_OTHERWISE(pattern) and _compiles(pattern):
        return pattern
    respelled = translated(pattern)
    return respelled if respelled is not None and _compiles(respelled) else None


def longest_checked(pattern: str) -> int | None:
    """Characters of the longest text worth holding against a pattern; None for patterns that cost little anywhere."""
    return MOST_CHARACTERS if _COUNTS_FAR(pattern) else None


@lru_cache(maxsize=4096)
def for_showing(pattern: str) -> str | None:
    """A pattern that every client's engine reads in the one way that is meant; None where there is none."""
    shown = _portable(pattern) if not _DELIMITED.match(pattern) else None
    if (
        shown is None
        and length_of(pattern) is None
        and (spelled := for_checking(pattern)) is not None
        and spelled != pattern
    ):
        shown = _portable(spelled)
    return shown


def _portable(pattern: str) -> str | None:
    if len(pattern) > LONGEST_SHOWN or not pattern.isascii():
        return None
    plain = _unescaped(pattern)
    if _STALLS(plain) or not _PORTABLE.match(plain):
        return None
    try:
        re.compile(plain)
    except (re.error, RecursionError, OverflowError):
        return None
    return plain if _compiles(plain) else None


def length_of(pattern: str) -> tuple[int, int | None] | None:
    """For a pattern that states nothing but a length, such as ``^.{1,65536}$``: the least and the most."""
    found = checks_of(pattern)
    return (found.least, found.most) if found is not None and not found.found and not found.absent else None


def _counted(match: re.Match[str]) -> Checks | None:
    """One kind of character, so many times: the kind and the number are checked apart, which costs neither size."""
    kind, count, comma, most = match.groups()
    ending = match.group()[-2]
    if count is None:
        least, bound = int(ending == "+"), None
    else:
        least, bound = int(count), int(count) if not comma else int(most) if most else None
    if kind in _EVERYTHING:
        return Checks(least=least, most=bound)
    if count is None or (bound or least) < 100:
        return None
    spelled = for_checking(f"^{kind}*$")
    return None if spelled is None else Checks(found=(spelled,), least=least, most=bound)


def _looking(pattern: str) -> Checks | None:
    """``^(?=A)(?!B)rest(?<!C)$`` as patterns of their own: ``^A``, not ``^B``, ``^rest$``, not ``C$``."""
    if not pattern.startswith("^") or _has_branches(pattern):
        return None
    found: list[str] = []
    absent: list[str] = []
    position = 1
    while ahead := _LOOK_AHEAD.match(pattern, position):
        end = _closing(pattern, position)
        if end is None:
            return None
        (found if ahead.group(1) == "=" else absent).append(f"^(?:{pattern[ahead.end() : end - 1]})")
        position = end
    rest = pattern[position:]
    at = rest.rfind("(?<")
    behind = _LOOK_BEHIND.match(rest, at) if at >= 0 else None
    if behind is not None and rest.endswith("$") and _closing(rest, at) == len(rest) - 1:
        (found if behind.group(1) == "=" else absent).append(f"(?:{rest[behind.end() : -2]})$")
        rest = f"{rest[:at]}$"
    if not found and not absent:
        return None
    if rest:
        found.append(f"^{rest}")
    spelled = [for_checking(one) for one in (*found, *absent)]
    if None in spelled:
        return None
    whole = [one for one in spelled if one is not None]
    return Checks(found=tuple(whole[: len(found)]), absent=tuple(whole[len(found) :]))


def _closing(pattern: str, position: int) -> int | None:
    """Where the group that opens at a position ends."""
    depth = 0
    for piece, end in _tokens(pattern, position):
        depth += (piece == "(") - (piece == ")")
        if not depth:
            return end
    return None


def _has_branches(pattern: str) -> bool:
    depth = 0
    for piece, _ in _tokens(pattern, 0):
        depth += (piece == "(") - (piece == ")")
        if piece == "|" and not depth:
            return True
    return False


def _tokens(pattern: str, position: int) -> list[tuple[str, int]]:
    """The tokens of a pattern from a position, bracket expressions whole, each with where it ends."""
    found = []
    while position < len(pattern):
        if pattern[position] == "[":
            _, end = _class(pattern, position)
        else:
            token = _TOKEN.match(pattern, position)
            end = token.end() if token is not None else position + 1
        found.append((pattern[position:end], end))
        position = end
    return found


def translated(pattern: str) -> str | None:
    """A pattern in ECMA, PCRE or Java spelling, respelled for the validator; None where that would change it."""
    delimited = _DELIMITED.match(pattern)
    if delimited is not None and set(delimited.group(2)) <= set("imsu"):
        flags = delimited.group(2).replace("u", "")
        pattern = (f"(?{flags})" if flags else "") + delimited.group(1)
    out: list[str] = []
    repeated = False
    for piece, end in _tokens(pattern, 0):
        if piece == "+" and repeated:
            repeated = False  # possessive: it takes no other texts than the plain repeat does, or fewer
            continue
        spelled = _class(pattern, end - len(piece))[0] if piece[0] == "[" else _outside(piece)
        if spelled is None:
            return None
        repeated = piece in ("*", "+", "?") or (piece[0] == "{" and _COUNT.match(piece) is not None)
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
        is_set = len(text) > 1 and (text[0] == "[" or text[1] in "dDwWsSpPh")
        if text == "-" and (after_set or _starts_set(pattern, position) or out[-1] == "-"):
            text = r"\-"
        out.append(_INSIDE.get(text, "\\" + text if text in "[&~" else text))
        after_set = is_set
    return None, position


def _starts_set(pattern: str, position: int) -> bool:
    return pattern[position : position + 1] == "\\" and pattern[position + 1 : position + 2] in set("dDwWsSpPh")


def _unescaped(pattern: str) -> str:
    r"""The pattern without escapes of characters that mean themselves, which strict engines refuse: ``\-``, ``\@``."""
    inside = False

    def plain(found: re.Match[str]) -> str:
        nonlocal inside
        escaped, opens, closes = found.groups()
        if opens:
            inside = True
        elif closes:
            inside = False
        elif escaped in _SYNTAX or (inside and escaped == "-"):
            return found.group()
        else:
            return str(escaped)
        return found.group()

    return _NEEDLESS.sub(plain, pattern)


@lru_cache(maxsize=4096)
def _compiles(pattern: str) -> bool:
    """Whether the validator takes it; asked of the validator itself, since only its own answer counts."""
    rust = plugins.load("jsonschema_rs")
    try:
        rust.Draft202012Validator({"pattern": pattern}, pattern_options=engine())
    except ValueError:
        return False
    return True
