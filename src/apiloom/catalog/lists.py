"""What an answer says about a list in it: where the list stands, and the members that tell how it goes on.

Looks at names and types of a few levels, through references and the objects that APIs wrap answers in; a document's
response types are touched only as far as that. Which way of paging it comes to is decided in :mod:`paging`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from apiloom.base.values import Value
from apiloom.catalog.paging_words import ABOUT, KNOWN, LISTS, WRAPPERS
from apiloom.catalog.responses import without_empty
from apiloom.catalog.shapes import Pool, flat, types, unions
from apiloom.model.api import Schema
from apiloom.model.schema import escape

LEVELS = 3
"""Objects inside each other that are looked into."""

MOST_MEMBERS = 80
"""Members of an object beyond which it is not looked into; answers that say how they go on are no larger."""

FEW_MEMBERS = 12
"""Members up to which references of all of them are followed; among more, only those whose names say something."""

_OTHER = re.compile(r"[^a-z0-9]+")


class Member(Value, frozen=True):
    """One member of an answer: where it stands, what it and the object around it are called, and its folded schema."""

    pointer: str
    name: str
    around: str
    node: Mapping[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types it may have besides null."""
        return types(self.node)


class Answer(Value, frozen=True):
    """An answer as far as it was looked at. ``is_list``: all of it is the list. ``lists`` are those inside it."""

    is_list: bool
    members: tuple[Member, ...]
    lists: tuple[Member, ...]


@lru_cache(maxsize=8192)
def key(name: str) -> str:
    """A name without its case and signs: ``@odata.nextLink`` and ``odata_next_link`` are alike."""
    return _OTHER.sub("", name.lower())


def look(schema: Schema | None, pool: Pool) -> Answer:
    """What the schema of an answer says; of a union, what its first member says."""
    if schema is None:
        return Answer(False, (), ())
    node = flat(without_empty(schema)[0], pool)
    kinds = types(node)
    for member in unions(node) if not kinds else ():
        node = flat(member, pool)
        kinds = types(node)
        if kinds:
            break
    if kinds == ("array",):
        return Answer(True, (), ())
    members = tuple(_members(node, pool, "", "", LEVELS))
    return Answer(False, members, tuple(one for one in members if "array" in one.kinds))


def _members(node: Mapping[str, Any], pool: Pool, pointer: str, around: str, levels: int) -> Iterator[Member]:
    named = node.get("properties")
    if not isinstance(named, dict) or len(named) > MOST_MEMBERS:
        return
    alone = len(named) == 1
    few = len(named) <= FEW_MEMBERS
    for name, schema in sorted(named.items()):
        plain = key(name)
        inner = flat(schema, pool) if few or plain in KNOWN or isinstance(schema, bool) else schema
        one = Member(f"{pointer}/{escape(name)}", plain, around, inner)
        yield one
        # an object of a name that says nothing is looked into only where nothing stands beside it
        if levels > 1 and (one.name in WRAPPERS or alone) and (not one.kinds or "object" in one.kinds):
            forms = [inner] if "properties" in inner else [flat(each, pool) for each in unions(inner)[:4]]
            for form in forms:
                yield from _members(form, pool, one.pointer, one.name, levels - 1)


def main_list(answer: Answer, path: str, pool: Pool) -> str | None:
    """The pointer of the list that was asked for; None where several could be meant, or none is there."""
    if answer.is_list:
        return ""
    if not answer.lists:
        return None
    likely = [one for one in answer.lists if one.name not in ABOUT]
    near = min((one.pointer.count("/") for one in likely), default=0)
    for names, among in ((path_words(path), answer.lists), (LISTS, likely)):
        for name in names:
            for one in among:
                if one.name == name:
                    return one.pointer
    level = [one for one in likely if one.pointer.count("/") == near]
    holding = [one for one in level if "object" in types(flat(one.node.get("items", True), pool))]
    found = holding or level
    return found[0].pointer if len(found) == 1 else None


def path_words(path: str) -> list[str]:
    """What a path names, the last first: ``/teams/{id}/audit-logs`` and ``/users.list`` name the lists they give."""
    fixed = [part for part in reversed(path.split("/")) if part and "{" not in part]
    return [key(word) for part in fixed for word in dict.fromkeys((part, *re.split(r"[.:]", part)))]
