"""Where the next page of an answer begins: read from one page and the position it was asked for at.

Pure, and careful in one direction: a walk that ends too early loses items, one that goes on asks once more and is given
nothing. What ends a walk is what the API says (a flag, a total, no further link), a page that is empty or shorter than
it could be, or a page that was there before. Sends nothing and knows neither calls nor seals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apiloom.backends.http.nextlinks import next_of, relations
from apiloom.base import json
from apiloom.base.values import Value, replace
from apiloom.catalog.tool import Paging
from apiloom.model.schema import unescape

_TRUSTED = 100
"""Items asked for up to which a page that holds fewer is the last one, where the API does not say how many it gives."""

_ROUND = 5
"""Sizes of pages that APIs choose are multiples of this."""

_COUNTED = ("offset", "page")

_ENDS = frozenset({"", "0", "null", "None"})
"""Texts that mean that there is no next page; so do numbers below 1, where no API goes back to."""


class Position(Value, frozen=True, kw_only=True):
    """Where a page begins.

    ``value`` is that of the operation's own argument, ``target`` the request target of a link; with neither it is the
    first page. ``skip`` items of it were given before, and ``count`` items of the pages before it. ``step`` and
    ``mark`` tell a walk that goes in circles.
    """

    value: Any = None
    target: str = ""
    skip: int = 0
    count: int = 0
    step: int = 0
    mark: str = ""


FIRST = Position()


class Page:
    """One answer, read as far as paging asks.

    ``levels`` are the objects around the list, outermost first, and ``path`` the names that lead through them. The list
    itself is only taken apart when somebody asks for its items.
    """

    __slots__ = ("_items", "_list", "headers", "levels", "links", "path")

    def __init__(
        self,
        levels: list[dict[str, Any]],
        path: Sequence[str],
        found: json.Part | None,
        links: Sequence[str],
        headers: Mapping[str, str],
    ) -> None:
        self.levels = levels
        self.path = path
        self.links = links
        self.headers = headers
        self._list = found
        self._items: list[json.Part] | None = None

    @property
    def items(self) -> list[json.Part] | None:
        """The items as they stand in the answer; None where the list is not there."""
        if self._items is None and self._list is not None:
            self._items = json.items(self._list)
        return self._items

    @property
    def is_list(self) -> bool:
        """Whether the API's own answer is the list."""
        return self.path == _ROOT

    def at(self, pointer: str) -> Any:
        """The value a pointer leads to, None where there is nothing."""
        if pointer.startswith("header:"):
            text = self.headers.get(pointer[7:], "").strip()
            return int(text) if text.isdecimal() and len(text) < 16 else None
        return value_at(self.levels[0], pointer)

    def with_items(self, items: Sequence[json.Part]) -> None:
        """Put other items in the place of its own."""
        inner: Any = list(items)
        for level, name in zip(reversed(self.levels), reversed(self.path), strict=True):
            level[name] = inner
            inner = level
        self._items = list(items)


_ROOT = ("result",)


def read_page(structured: bytes, paging: Paging, links: Sequence[str], headers: Mapping[str, str]) -> Page:
    """The page that structured content holds.

    Raises:
        ValueError: the content is no JSON object.
    """
    path = _steps(paging.items)
    levels: list[dict[str, Any]] = [dict(json.members(structured))]
    found: json.Part | None = None
    for depth, name in enumerate(path):
        part = levels[-1].get(name)
        opens = first_byte(part)
        if depth == len(path) - 1:
            found = part if opens == b"[" else None
        elif part is not None and opens == b"{":
            levels.append(dict(json.members(part)))
        else:
            break
    return Page(levels, path if found is not None else (), found, links, headers)


def _steps(pointer: str | None) -> Sequence[str]:
    return () if pointer is None else names_in(pointer) or _ROOT


@lru_cache(maxsize=4096)
def names_in(pointer: str) -> tuple[str, ...]:
    """The names that a pointer goes through."""
    return tuple(unescape(part) for part in pointer.split("/")[1:])


def first_byte(part: json.Part | None) -> bytes:
    """What a value begins with, which tells its type."""
    return bytes(memoryview(part)[:1]) if part is not None else b""


def value_at(members: Mapping[str, json.Part], pointer: str) -> Any:
    """The value behind a pointer into an object, None where there is nothing."""
    here: Mapping[str, json.Part] = members
    names = names_in(pointer)
    for name in names[:-1]:
        part = here.get(name)
        if first_byte(part) != b"{" or part is None:
            return None
        here = json.members(part)
    part = here.get(names[-1]) if names else None
    return json.loads(bytes(part)) if part is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page was asked for with: the operation's own position and size as given, None where they were not."""

    own: Any = None
    size: Any = None


@dataclass(frozen=True, slots=True)
class Link:
    """A next page that is told as an address, not yet looked at."""

    address: str


def following(paging: Paging, page: Page, at: Position, asked: Asked) -> Position | Link | None:
    """Where the next page begins; None when this is the last one."""
    more = _more(paging, page)
    if more is False:
        return None
    if paging.style in _COUNTED:
        return _counted(paging, page, at, asked)
    found: Any
    if paging.style == "link":
        found = next_of(page.links)
    elif paging.style == "last_item":
        found = _last(paging, page, asked) if page.items else None
    else:
        found = page.at(paging.next)
    if not _leads_on(found):
        return None
    if paging.style == "link" or (isinstance(found, str) and _is_address(found, paging)):
        return Link(found)
    return Position(value=found) if paging.argument else None


def _leads_on(found: Any) -> bool:
    """Whether a value is one to ask for the next page by."""
    if isinstance(found, str):
        return found not in _ENDS
    if isinstance(found, dict):
        return bool(found)
    return isinstance(found, int | float) and not isinstance(found, bool) and found > 0


def _more(paging: Paging, page: Page) -> bool | None:
    if not paging.more:
        return None
    told = page.at(paging.more.removeprefix("!"))
    if not isinstance(told, bool):
        return None
    return told is not paging.more.startswith("!")


def _is_address(text: str, paging: Paging) -> bool:
    if text.startswith(("http://", "https://")):
        return True
    return paging.style == "url" and (not paging.argument or text.startswith(("/", "?")))


def _last(paging: Paging, page: Page, asked: Asked) -> Any:
    """The member of the last item behind which the next page begins."""
    items = page.items or []
    if _more(paging, page) is None and _is_short(paging, len(items), asked):
        return None
    if not paging.next:
        return json.loads(bytes(items[-1]))
    return value_at(json.members(items[-1]), paging.next) if first_byte(items[-1]) == b"{" else None


def _counted(paging: Paging, page: Page, at: Position, asked: Asked) -> Position | None:
    """The next number of a page or item."""
    number = _whole(at.value if at.value is not None else asked.own, paging.first)
    held = len(page.items or ())
    before = at.count if at.step else _count_before(paging, number, held, asked)
    if held == 0 or not _goes_on(paging, page, asked, number=number, met=before + held):
        return None
    return Position(value=number + (held if paging.style == "offset" else 1), count=before + held)


def _goes_on(paging: Paging, page: Page, asked: Asked, *, number: int, met: int) -> bool:
    """Whether there is more behind a page with items in it: what says so plainly goes before what is reckoned."""
    if _more(paging, page):
        return True
    told = relations(page.links)
    if told:
        return "next" in told
    total, pages = _count_at(page, paging.total), _count_at(page, paging.pages)
    if pages is not None:
        return number - paging.first + 1 < pages
    if total is not None:
        return met < total
    return not _is_short(paging, len(page.items or ()), asked)


def _count_before(paging: Paging, number: int, held: int, asked: Asked) -> int:
    """Items before a page that was asked for by its own number."""
    if paging.style == "offset":
        return max(0, number - paging.first)
    return max(0, number - paging.first) * _whole(asked.size, paging.usual or held)


def _is_short(paging: Paging, held: int, asked: Asked) -> bool:
    """Whether a page holds fewer items than it would if there were more.

    An API may give fewer than were asked for, and not say how many it gives at most: then a round number is none to
    rely on.
    """
    size = _whole(asked.size, paging.usual)
    if not 0 < size <= (paging.most or max(_TRUSTED, paging.usual)) or held >= size:
        return False
    return asked.size is None or bool(paging.most) or held % _ROUND != 0


def _whole(value: Any, otherwise: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return int(value)
    return otherwise


def _count_at(page: Page, pointer: str) -> int | None:
    value = page.at(pointer) if pointer else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def stepped(paging: Paging, at: Position, then: Position, page: Page) -> Position | None:
    """The next position as one more step of the walk; None where the walk has been there.

    Numbers always rise, so for them a page that is the same as the one before ends the walk. Of cursors and links one
    earlier place is kept, a later one each time the steps have doubled: any circle comes by it (Brent's algorithm).
    """
    step = at.step + 1
    if paging.style in _COUNTED:
        return None if repeats(paging, at, page) else replace(then, step=step, mark=_mark_of(page))
    here = _mark([json.canonical([then.value, then.target])])
    if here == at.mark or (then.value, then.target) == (at.value, at.target):
        return None
    return replace(then, step=step, mark=here if step & (step - 1) == 0 else at.mark)


def repeats(paging: Paging, at: Position, page: Page) -> bool:
    """Whether a page that was asked for by its number is the one before it again."""
    return bool(at.mark) and paging.style in _COUNTED and _mark_of(page) == at.mark


def _mark_of(page: Page) -> str:
    """What tells a page from others; empty for lists of bare values, of which two pages may well be alike."""
    items = page.items or []
    return _mark([bytes(item) for item in items]) if first_byte(items[0] if items else None) == b"{" else ""


def _mark(texts: Sequence[bytes]) -> str:
    seal = hashlib.sha256()
    for text in texts:
        seal.update(len(text).to_bytes(8, "big"))
        seal.update(text)
    return seal.hexdigest()[:16]
