"""The flat argument names of a tool: one namespace over path, query, header, cookie and body.

A name stays as the API wrote it when every client accepts it; otherwise it is made plain and mapped back. Where several
want one name, the path keeps it, then query, header, cookie and body; losers are called ``{name}_{place}``, then
``{name}_{place}_2``. The outcome depends on names and places alone, not on the order of a document.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Literal

from apiloom.base.values import Value
from apiloom.catalog.names import ascii_of
from apiloom.model.schema import unescape

Place = Literal["path", "query", "querystring", "header", "cookie", "body"]

LIMIT = 64
_PLACES: tuple[Place, ...] = ("path", "query", "querystring", "header", "cookie", "body")
_RANK = {place: rank for rank, place in enumerate(_PLACES)}
_SAFE = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]+")


class Wanted(Value, frozen=True):
    """One thing that needs an argument name: where it goes and what it is called there.

    ``what`` says what it stands for where place and name do not, such as a pointer into the body.
    """

    place: Place
    name: str
    what: str = ""

    @property
    def id(self) -> str:
        """What is kept when the name given to it is published."""
        return f"{self.place}:{self.what or self.name}"


@lru_cache(maxsize=8192)
def plain(name: str) -> str:
    """A name that every client accepts as a property key: ``filter[a]`` is ``filter_a``, ``$top`` is ``top``."""
    if _SAFE.match(name):
        return name
    text = _UNSAFE.sub("_", ascii_of(name)).strip("_")
    if not text:
        return f"arg_{_hash(name)}"
    if len(text) > LIMIT:
        return f"{text[: LIMIT - 7].rstrip('_')}_{_hash(name)}"
    return text


def assign(wanted: Sequence[Wanted], published: Mapping[str, str] | None = None) -> list[str]:
    """A name for each, in the same sequence; no two alike.

    ``published`` are the names that arguments of an earlier version had, by their ids. What is still there keeps its
    name, and no other argument takes one of them.
    """
    bare = {plain(want.name) for want in wanted}
    if not published and len(bare) == len(wanted):
        return [plain(want.name) for want in wanted]
    names = _kept(wanted, published or {})
    order = sorted(range(len(wanted)), key=lambda index: _precedence(wanted[index]))
    held = set((published or {}).values())
    losers: list[int] = []
    for index in order:
        name = plain(wanted[index].name)
        if index in names:
            continue
        if name in held:
            losers.append(index)
        else:
            names[index] = name
            held.add(name)
    taken = bare | held
    for index in losers:
        name = free(f"{plain(wanted[index].name)}_{wanted[index].place}", taken)
        names[index] = name
        taken.add(name)
    return [names[index] for index in range(len(wanted))]


def _kept(wanted: Sequence[Wanted], published: Mapping[str, str]) -> dict[int, str]:
    """Names of arguments that were there before, also of those that only moved from one place to another.

    Our own (``control:…``) are added later and stand for nothing that could have moved.
    """
    published = {what: name for what, name in published.items() if not what.startswith("control:")}
    names = {index: published[want.id] for index, want in enumerate(wanted) if want.id in published}
    if len(names) == len(published):
        return names
    there = {want.id for want in wanted}
    left = Counter(_bare(what) for what in published if what not in there)
    new = Counter(want.name for index, want in enumerate(wanted) if index not in names)
    moved = {_bare(what): name for what, name in published.items() if what not in there}
    for index, want in enumerate(wanted):
        if index not in names and left[want.name] == new[want.name] == 1:
            names[index] = moved[want.name]
    return names


def _bare(what: str) -> str:
    """The name that an id holds, without its place: ``body:/a~1b`` is ``a/b``."""
    place, _, name = what.partition(":")
    return unescape(name[1:]) if place == "body" and name.startswith("/") else name


def _precedence(want: Wanted) -> tuple[int, bool, str]:
    """Within one place, the name that is plain already goes before one that had to be changed."""
    return _RANK[want.place], plain(want.name) != want.name, want.name


def free(name: str, taken: AbstractSet[str]) -> str:
    """The name, with a number behind it where it is taken or too long."""
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
