"""Numbers that remember how they were spelled: ``1.10`` is a number to who wants one and a version to who wants text.

YAML writes both alike, and only the schema beside a value says which was meant. Knows nothing of schemas; whoever keeps
such a number takes :func:`plain` of it.
"""

from __future__ import annotations

import re
from typing import Any

_CORE_NUMBER = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
)
"""The numbers of YAML 1.2's core schema (section 10.3.2) that are finite."""


class SpelledInt(int):
    """An integer that is text as its document wrote it."""

    text: str

    def __str__(self) -> str:
        return self.text


class SpelledFloat(float):
    """A number that is text as its document wrote it."""

    text: str

    def __str__(self) -> str:
        return self.text


def is_number(text: str) -> bool:
    """Whether YAML's core schema takes a plain scalar for a number."""
    return _CORE_NUMBER.fullmatch(text) is not None


def spelled(text: str) -> SpelledInt | SpelledFloat:
    """The number that a text spells."""
    number: SpelledInt | SpelledFloat
    if text.startswith(("0x", "0o")):
        number = SpelledInt(int(text[2:], 16 if text[1] == "x" else 8))
    elif text.lstrip("+-").isdecimal():
        number = SpelledInt(int(text))
    else:
        number = SpelledFloat(text)
    number.text = text
    return number


def plain(value: Any) -> Any:
    """The value with ordinary numbers in the place of spelled ones, however deep."""
    kind = type(value)
    if kind is SpelledInt:
        return int(value)
    if kind is SpelledFloat:
        return float(value)
    if kind is list:
        return [plain(item) for item in value]
    if kind is dict:
        return {name: plain(item) for name, item in value.items()}
    return value
