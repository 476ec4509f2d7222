"""The names that somebody may have meant, for a hint."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable

_COMPARED = 64
"""Names that are compared letter by letter: twelve thousand would hold up every other call for a second."""

_LONGEST = 80


def nearest(wanted: str, names: Iterable[str], most: int = 3) -> list[str]:
    """At most so many of the names, the nearest first; none where nothing comes near. Cost is linear in the names."""
    wanted = wanted[:_LONGEST]
    pairs = {wanted[at : at + 2] for at in range(len(wanted) - 1)}
    likely = heapq.nlargest(_COMPARED, names, key=lambda name: sum(pair in name for pair in pairs) / (len(name) + 20))
    return difflib.get_close_matches(wanted, likely, n=most)
