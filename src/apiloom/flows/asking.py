"""How admin requests are put, and what listings and removals answer.

Knows no kind of record beyond which of its members a listing may be narrowed by. Every flow stands on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from apiloom.base.errors import CallerError
from apiloom.flows.fields import is_line, meant
from apiloom.store.ports import Rows

Record = TypeVar("Record")

MOST_LISTED = 200
"""Records that one page of a listing may hold."""

_MOST_FILTERS = 10
_LONGEST = 200
_metadata = re.compile(r"metadata\.[A-Za-z0-9_-]{1,64}").fullmatch
_cursor = re.compile(r"[\x21-\x7e]{0,120}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of a listing: up to ``limit`` records behind the cursor ``after`` whose members equal ``where``.

    A member ``metadata.NAME`` looks into the metadata.
    """

    limit: int = 50
    after: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """Records of a listing, and the cursor to go on from, empty at the end."""

    items: tuple[Record, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """How something is to be removed.

    ``cascade`` takes along what depends on it; without it that is refused. ``plan`` only says what would happen.
    ``if_match`` is the revision that was read, None for whichever there is.
    """

    cascade: bool = False
    plan: bool = False
    if_match: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Something that depends on what is removed: what would become of it (``removed``, ``changed`` or ``emptied``)."""

    kind: str
    id: str
    becomes: str = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed, or would be. ``affected`` are the first of what went along, ``more`` how many else did."""

    kind: str
    id: str
    done: bool
    affected: tuple[Affected, ...] = ()
    more: int = 0


async def listed(rows: Rows[Record], query: Query, members: Mapping[str, type]) -> Page[Record]:
    """One page of ``rows``; ``members`` are those that may narrow it, with the type of their values.

    Raises:
        CallerError: as :func:`check_query`.
    """
    check_query(query, members)
    items, after = await rows.page(limit=query.limit, after=query.after, where=query.where or None)
    return Page(tuple(items), after)


def check_query(query: Query, members: Mapping[str, type]) -> None:
    """Refuse a question that no listing answers.

    Raises:
        CallerError: ``list.limit``, ``list.cursor`` or ``list.filter``.
    """
    if not 1 <= query.limit <= MOST_LISTED:
        raise CallerError(
            f"a page has 1 to {MOST_LISTED} records", code="list.limit", hint="follow next_cursor for more"
        )
    if not _cursor(query.after):
        raise CallerError("that is no cursor of a listing", code="list.cursor", hint="pass next_cursor back unchanged")
    if len(query.where) > _MOST_FILTERS:
        raise CallerError(f"a listing takes up to {_MOST_FILTERS} filters", code="list.filter")
    for name, value in query.where.items():
        _check_filter(name, value, members)


def _check_filter(name: str, value: Any, members: Mapping[str, type]) -> None:
    of_metadata = "metadata" in members and _metadata(name) is not None
    if not of_metadata and (name == "metadata" or name not in members):
        known = sorted(member for member in members if member != "metadata")
        raise CallerError(
            f"a listing cannot be filtered by {name[:60]!r}",
            code="list.filter",
            hint=meant(name, known) or f"filter by {', '.join(known)}",
        )
    wanted = (str, bool, int, float) if of_metadata else members[name]
    if value is not None and not isinstance(value, wanted):
        raise CallerError(f"the filter {name} has a value of another type", code="list.filter")
    if isinstance(value, str) and (len(value) > _LONGEST or not is_line(value)):
        raise CallerError(f"the filter {name} is longer than any value, or no plain text", code="list.filter")
