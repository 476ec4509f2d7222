"""When a value from the wire is the value that was given, with its types or without; imports nothing of the package."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from support.oracle import MisreadError


@dataclass(frozen=True)
class Exactly:
    """A value that comes back with its types."""

    value: Any


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """How what was found differs from what was wanted, key by key."""
    told = [f"{key} is missing, which was {short(wanted[key])}" for key in wanted if key not in found]
    told += [f"{key} was never given: {short(found[key])}" for key in found if key not in wanted]
    for key, given in wanted.items():
        if key not in found:
            continue
        exact = isinstance(given, Exactly)
        value = given.value if exact else given
        if not (identical if exact else alike)(found[key], value):
            told.append(f"{key} is {short(found[key])}, was {short(value)}")
    return told


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first difference, or nothing."""
    return next(iter(differences(found, wanted)), "")


def short(value: Any) -> str:
    """A value as a message shows it."""
    return repr(value)[:160]


def alike(found: Any, wanted: Any) -> bool:
    """Whether text from the wire is what was said. Members named 0, 1, 2 in brackets look like a list."""
    if isinstance(wanted, dict) and isinstance(found, list):
        return list(wanted) == [str(index) for index in range(len(wanted))] and alike(found, list(wanted.values()))
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(alike(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(alike, found, wanted))
    return bool(found == wanted) and type(found) is type(wanted)


def identical(found: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same value: 1 and 1.0 are, true and 1 are not, and no member is lost."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and wanted.keys() == found.keys()
            and all(identical(found[key], wanted[key]) for key in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(identical, found, wanted))
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return found == wanted or (isinstance(found, float) and isinstance(wanted, float) and math.isnan(found))
    return type(found) is type(wanted) and bool(found == wanted)


def strictly_parsed(text: bytes | str) -> Any:
    """JSON in which no member stands twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise MisreadError("a member stands twice in the JSON")
        return made

    return json.loads(text, object_pairs_hook=once)
