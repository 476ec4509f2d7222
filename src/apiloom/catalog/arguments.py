"""The flat argument names of a tool: one namespace over path, query, header, cookie and body.

A name stays as the API wrote it when every client accepts it; otherwise it is made plain and mapped back. Where several
want one name, the path keeps it, then query, header, cookie and body; losers are called ``{name}_{place}``, then
``{name}_{place}_2``. The outcome depends on names and places alone, not on the order of a document.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Place = Literal["path", "query", "querystring", "header", "cookie", "body"]

LIMIT = 64
_PLACES: tuple[Place, ...] = ("path", "query", "querystring", "header", "cookie", "body")
_RANK = {place: rank for rank, place in enumerate(_PLACES)}
_SAFE = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that needs an argument name: where it goes and what it is called there."""

    place: Place
    name: str


@lru_cache(maxsize=8192)
def plain(name: str) -> str:
    """A name that every client accepts as a property key: ``filter[a]`` is ``filter_a``, ``$top`` is ``top``."""
    if _SAFE.match(name):
        return name
    text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    text = _UNSAFE.sub("_", text).strip("_")
    if not text:
        return f"arg_{_hash(name)}"
    if len(text) > LIMIT:
        return f"{text[: LIMIT - 7].rstrip('_')}_{_hash(name)}"
    return text


def assign(wanted: Sequence[Wanted]) -> list[str]:
    """A name for each, in the same sequence; no two alike."""
    if len({plain(want.name) for want in wanted}) == len(wanted):
        return [plain(want.name) for want in wanted]
    order = sorted(range(len(wanted)), key=lambda index: _precedence(wanted[index]))
    bare = {plain(want.name) for want in wanted}
    names: dict[int, str] = {}
    held: set[str] = set()
    losers: list[int] = []
    for index in order:
        name = plain(wanted[index].name)
        if name in held:
            losers.append(index)
        else:
            names[index] = name
            held.add(name)
    taken = bare | held
    for index in losers:
        name = _free(f"{plain(wanted[index].name)}_{wanted[index].place}", taken)
        names[index] = name
        taken.add(name)
    return [names[index] for index in range(len(wanted))]


def _precedence(want: Wanted) -> tuple[int, bool, str]:
    """Within one place, the name that is plain already goes before one that had to be changed."""
    return _RANK[want.place], plain(want.name) != want.name, want.name


def _free(name: str, taken: set[str]) -> str:
    if len(name) <= LIMIT and name not in taken:
        return name
    number = 2
    while True:
        ending = f"_{number}"
        candidate = f"{name[: LIMIT - len(ending)]}{ending}"
        if candidate not in taken:
            return candidate
        number += 1


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
