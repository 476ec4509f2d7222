"""What the members of admin requests may hold: bounded, plain, and refused in one sentence that names the member.

Knows no kind of record and no role. Every flow stands on it. A sentence made here never repeats a value, which could
be a secret in the wrong place.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.merging import merged
from apiloom.base.nearest import nearest

LONGEST_TEXT = 200
"""Characters of a label, a name or an outside id."""

LONGEST_LIST = 100
MOST_METADATA = 16 * 1024
"""Bytes of a record's metadata as JSON."""

_DEEPEST = 12
_LATEST = 253402300799.0
"""The last second of the year 9999: what no calendar can show is no date."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"

_plain = re.compile(r"[A-Za-z0-9_-]{1,60}").fullmatch
_slug = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*").fullmatch


def members(wanted: Any, known: Iterable[str]) -> Mapping[str, Any]:
    """The members of a request, all of them known.

    Raises:
        CallerError: ``field.form`` when it is no object, ``field.unknown`` with the nearest name.
    """
    if not isinstance(wanted, Mapping):
        raise refused("", "must be a JSON object")
    names = sorted(known)
    for name in wanted:
        if name not in names:
            raise CallerError(
                f"there is no member {str(name)[:60]!r} here",
                code="field.unknown",
                hint=meant(str(name), names) or f"known are {', '.join(names)}",
                pointer=f"/{str(name)[:60]}",
            )
    return wanted


def meant(name: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant; empty when nothing is near."""
    close = nearest(name, known)
    return f"did you mean {' or '.join(close)}?" if close else ""


def refused(member: str, why: str, *, code: str = "field.form", hint: str = "") -> CallerError:
    """The error for one member, with a JSON Pointer to it (RFC 6901). Members inside members are parted by dots."""
    return CallerError(f"{member or 'the request'} {why}", code=code, hint=hint, pointer=_pointer(member))


def _pointer(member: str) -> str:
    return f"/{member.replace('.', '/')}" if member else ""


def inner(member: str, name: str) -> str:
    """The member of a member, for sentences; the outer one where the name is no plain word."""
    return f"{member}.{name}" if _plain(name) else member


def is_line(value: str) -> bool:
    """Whether a text is one line that shows all that is in it: no control, no turn of direction, no half character.

    The joiners that some scripts spell words with, and emoji families, are let be.
    """
    return value.isprintable() or not any(
        unicodedata.category(sign) in _UNSEEN for sign in value if sign not in _JOINERS
    )


def text(value: Any, member: str, *, least: int = 0, most: int = LONGEST_TEXT) -> str:
    """One line of text without control characters.

    Raises:
        CallerError: ``field.form``, ``field.bounds``.
    """
    if not isinstance(value, str):
        raise refused(member, "must be a text")
    if len(value) > most:
        raise refused(member, f"has more than {most} characters", code="field.bounds")
    if not is_line(value):
        raise refused(member, "holds characters that cannot be shown", hint="write one line of plain text")
    if len(value.strip()) < least:
        raise refused(member, "is empty")
    return value


def optional_text(value: Any, member: str, *, most: int = LONGEST_TEXT) -> str | None:
    """A text that is not empty, or None."""
    return None if value is None else text(value, member, least=1, most=most)


def slug(value: Any, member: str, *, most: int = 40) -> str:
    """Lower-case letters, digits and single hyphens, beginning with a letter."""
    value = text(value, member, least=1, most=most)
    if not _slug(value):
        raise refused(member, "must be lower-case letters, digits and hyphens, and begin with a letter")
    return str(value)


def flag(value: Any, member: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refused(member, "must be true or false")
    return value


def whole(value: Any, member: str, *, least: int, most: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise refused(member, "must be a whole number")
    if not least <= value <= most:
        raise refused(member, f"must be between {least} and {most}", code="field.bounds")
    return value


def moment(value: Any, member: str, now: float) -> float | None:
    """A time to come in seconds since the epoch, or None for never."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise refused(member, "must be a time in seconds since the epoch, or null for never")
    if not now < value <= _LATEST:
        raise refused(member, "must lie in the future", code="field.bounds")
    return float(value)


def texts(value: Any, member: str, *, most: int = LONGEST_LIST) -> tuple[str, ...]:
    """A list of different texts, in its own order.

    Raises:
        CallerError: ``field.form``, ``field.bounds``.
    """
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise refused(member, "must be a list of texts")
    if len(value) > most:
        raise refused(member, f"has more than {most} entries", code="field.bounds")
    found = tuple(text(entry, inner(member, str(at)), least=1) for at, entry in enumerate(value))
    if len(set(found)) != len(found):
        raise refused(member, "names something twice")
    return found


def values(value: Any, member: str, *, longest: int = 2048) -> dict[str, str]:
    """An object of texts by name, such as the variables of an account."""
    if not isinstance(value, Mapping):
        raise refused(member, "must be an object of texts")
    if len(value) > LONGEST_LIST:
        raise refused(member, f"has more than {LONGEST_LIST} entries", code="field.bounds")
    return {
        text(name, member, least=1): text(entry, inner(member, name), most=longest) for name, entry in value.items()
    }


def json_object(value: Any, member: str, *, most: int, deepest: int) -> dict[str, Any]:
    """A JSON object of up to ``most`` bytes in canonical form and ``deepest`` levels.

    Raises:
        CallerError: ``field.form``, ``field.bounds``.
    """
    if not isinstance(value, Mapping):
        raise refused(member, "must be a JSON object")
    if _depth(value, deepest) > deepest:
        raise refused(member, f"nests deeper than {deepest} levels", code="field.bounds")
    try:
        written = json.canonical(value)
        kept: dict[str, Any] = json.loads(written)
    except (ValueError, TypeError):
        raise refused(member, "holds what JSON in UTF-8 cannot carry") from None
    if len(written) > most:
        raise refused(member, f"is larger than {most} bytes", code="field.bounds")
    return kept


def metadata(value: Any, member: str = "metadata") -> dict[str, Any]:
    """Somebody's own JSON object, up to 16 KB.

    Raises:
        CallerError: ``field.form``, ``field.bounds``.
    """
    return json_object(value, member, most=MOST_METADATA, deepest=_DEEPEST)


def _depth(value: Any, most: int) -> int:
    """How deep values nest, counted no further than matters."""
    level, deep = [value], 0
    while level and deep <= most:
        deep += 1
        level = [
            child
            for entry in level
            for child in (entry.values() if isinstance(entry, Mapping) else entry)
            if isinstance(child, Mapping | list)
        ]
    return deep


def patched_metadata(kept: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """Metadata with a merge patch applied; null empties it.

    Raises:
        CallerError: ``field.form``, ``field.bounds``.
    """
    if patch is None:
        return {}
    return metadata(merged(kept, metadata(patch)))
