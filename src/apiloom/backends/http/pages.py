"""Pages of an answer: one ``cursor`` in, one ``next_cursor`` out, and as many pages gathered as were asked for.

Stands around the backend of a tool that is paged, whatever its way; others are not touched. A cursor is sealed: it is
of use for the same tool, the same other arguments and the same caller only, and where it leads was said by the API.
What the API answered stays as it came, with ``next_cursor`` beside it; where the next page begins is found in
:mod:`positions`, which addresses may be followed in :mod:`nextlinks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.backends.http.backend import HttpBackend
from apiloom.backends.http.nextlinks import LONGEST, Unfollowed, target_of
from apiloom.backends.http.positions import (
    FIRST,
    Asked,
    Link,
    Page,
    Position,
    following,
    read_page,
    repeats,
    stepped,
)
from apiloom.backends.http.turn import Turn
from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.seal import Sealer
from apiloom.base.values import replace
from apiloom.calls.call import Call, Content, Outcome, Progress, Text, refusal
from apiloom.catalog.tool import Controls, Paging

PREFIX = "alc_"
"""How a sealed cursor begins, so that it is told from a cursor of the API's own."""

PURPOSE = "page.cursor"

LIFETIME = 24 * 3600.0
"""Seconds for which a cursor is taken."""

MOST_PAGES = 50
MOST_BYTES = 16 * 1024 * 1024
"""Pages, and bytes of them, that one call gathers."""

_NEXT = "next_cursor"
_MOST_SAID = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How the pages of one tool are asked for. ``operation`` names it among all; ``prefix`` is its server's folder,
    ``hidden`` are the lower-case names of query parameters that carry credentials. ``in_body`` says that the argument
    for the position stands in the body, where it may be an object.
    """

    paging: Paging
    controls: Controls
    sealer: Sealer
    operation: str
    prefix: str = ""
    hidden: frozenset[str] = frozenset()
    in_body: bool = False


@dataclass(slots=True)
class _Walk:
    """One call on its way through pages. ``call`` is without controls; ``at`` is where the page at hand begins."""

    call: Call
    at: Position
    most: int
    pages: int = 0
    size: int = 0
    items: list[json.Part] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    meta: dict[str, Any] = field(default_factory=dict)
    told: str = ""
    failed: Outcome | None = None


@dataclass(slots=True, kw_only=True)
class PagedBackend:
    """Answers the calls of one tool whose answers come in pages. ``clock`` gives seconds since the epoch, ``pace``
    seconds for measuring.
    """

    inner: HttpBackend
    ways: Ways
    clock: Callable[[], float] = time.time
    pace: Callable[[], float] = time.monotonic

    async def answer(self, call: Call) -> Outcome:
        """The page that was asked for, or several of them together, and where the next one begins."""
        try:
            walk = self._walk(call)
        except CallerError as error:
            return refusal(error, retryable=False)
        if walk.most:
            return await self._gathered(walk)
        outcome, page, turn = await self._page(walk, call.progress, call.timeout)
        if page is None:
            return outcome
        then = self._then(walk, page, turn)
        changed = bool(walk.at.skip) and page.items is not None
        if changed and page.items is not None:
            page.with_items(page.items[walk.at.skip :])
        return self._told(walk, outcome, page, then, changed=changed)

    def preview(self, call: Call) -> dict[str, Any]:
        """What :meth:`answer` would send first.

        Raises:
            ApiloomError: what would keep the request from being sent.
        """
        walk = self._walk(call)
        return self.inner.preview(self._asking(walk, call.timeout, call.progress), Turn(walk.at.target))

    def _walk(self, call: Call) -> _Walk:
        """The call without controls, and where it begins.

        Raises:
            CallerError: ``page.cursor``.
        """
        controls, paging = self.ways.controls, self.ways.paging
        arguments = dict(call.arguments)
        given = arguments.get(controls.cursor)
        most = arguments.pop(controls.max_items, 0) if controls.max_items else 0
        ours = isinstance(given, str) and given.startswith(PREFIX)
        if ours or controls.cursor != paging.argument:
            arguments.pop(controls.cursor, None)
        at = FIRST
        if ours:
            at = self._opened(str(given), self._bound(arguments, call))
        elif given is not None and controls.cursor != paging.argument:
            raise _no_cursor(controls.cursor)
        return _Walk(replace(call, arguments=arguments), at, int(most))

    def _bound(self, arguments: Mapping[str, Any], call: Call) -> bytes:
        """What a cursor holds for: this tool, this caller, and these arguments but for where the page begins."""
        fixed = {name: value for name, value in arguments.items() if name != self.ways.paging.argument}
        fixed.pop(self.ways.controls.fields, None)
        try:
            return json.canonical([self.ways.operation, call.principal.id, fixed])
        except (ValueError, RecursionError):
            return b""  # what cannot be said cannot be planned either, and planning says why

    def _opened(self, text: str, bound: bytes) -> Position:
        payload = self.ways.sealer.unseal(PURPOSE, text[len(PREFIX) :], bound)
        if payload is None:
            raise _no_cursor(self.ways.controls.cursor)
        expires, value, target, skip, count, step, mark = json.loads(payload)
        if expires < self.clock():
            raise _no_cursor(self.ways.controls.cursor)
        return Position(value=value, target=target, skip=skip, count=count, step=step, mark=mark)

    def _sealed(self, at: Position, call: Call) -> str:
        """The position as text; ``call`` is the one whose pages these are, without controls.

        Raises:
            Unfollowed: it is too long.
        """
        expires = int(self.clock() + LIFETIME)
        payload = json.dumps([expires, at.value, at.target, at.skip, at.count, at.step, at.mark])
        if len(payload) > LONGEST:
            raise Unfollowed("its position is too long to be passed on")
        return PREFIX + self.ways.sealer.seal(PURPOSE, payload, self._bound(call.arguments, call))

    def _asking(self, walk: _Walk, seconds: float, progress: Progress) -> Call:
        """The call for the page at hand."""
        call, arguments = walk.call, walk.call.arguments
        if walk.at.value is not None:
            arguments = {**arguments, self.ways.paging.argument: walk.at.value}
        elif seconds == call.timeout and progress is call.progress:
            return call
        return replace(call, arguments=arguments, timeout=seconds, progress=progress)

    async def _page(self, walk: _Walk, progress: Progress, seconds: float) -> tuple[Outcome, Page | None, Turn]:
        """One exchange, and its page if it is a good one that can be read."""
        turn = Turn(walk.at.target)
        outcome = await self.inner.answer(self._asking(walk, seconds, progress), turn)
        if outcome.failed or outcome.structured is None or turn.response is None:
            return outcome, None, turn
        headers = turn.response.headers
        links = [value for name, value in headers if name == "link"]
        return outcome, read_page(outcome.structured, self.ways.paging, links, dict(headers)), turn

    def _then(self, walk: _Walk, page: Page, turn: Turn) -> Position | None:
        """Where the page behind this one begins; why it is not followed is told beside the answer."""
        paging, arguments = self.ways.paging, walk.call.arguments
        asked = Asked(own=arguments.get(paging.argument), size=arguments.get(paging.size))
        found = following(paging, page, walk.at, asked)
        if isinstance(found, Link):
            try:
                found = Position(
                    target=target_of(found.address, turn.origin, turn.asked, self.ways.prefix, self.ways.hidden)
                )
            except Unfollowed as why:
                walk.told = f"there is a next page, which is not followed: {why}"
                return None
        if found is None or (isinstance(found.value, dict) and not self.ways.in_body):
            return None
        return stepped(paging, walk.at, found, page)

    def _told(self, walk: _Walk, outcome: Outcome, page: Page, then: Position | None, *, changed: bool) -> Outcome:
        """The answer with where to go on from beside it."""
        name = self.ways.controls.cursor
        top = page.levels[0]
        said = [walk.told] if walk.told else []
        cursor = ""
        if then is not None:
            try:
                cursor = self._sealed(then, walk.call)
                said.append(f"next_cursor: {cursor}\npass it back unchanged as {name}, with the same other arguments")
            except Unfollowed as why:
                said.append(f"there is a next page, which is not followed: {why}")
        content: tuple[Content, ...] = outcome.content
        if changed:
            content = (Text(json.dumps(top["result"] if page.is_list else top).decode()), *content[1:])
        if cursor:
            top[_NEXT] = cursor
        elif top.pop(_NEXT, None) is None and not changed and not said:
            return outcome
        outcome.structured = json.dumps(top)
        outcome.content = (*content, *(Text(each) for each in said))
        return outcome

    async def _gathered(self, walk: _Walk) -> Outcome:
        """Pages one after another until there are enough items, or a bound is reached, or one fails."""
        begun = self.pace()
        outcome, page, turn = await self._page(walk, _SILENT, walk.call.timeout)
        if page is None:
            return outcome
        then = self._taken(walk, page, turn, outcome)
        slowest = self.pace() - begun
        while then is not None and page.items is not None and len(walk.items) < walk.most:
            started = self.pace()
            left = walk.call.timeout - (started - begun)
            if walk.pages >= MOST_PAGES or walk.size >= MOST_BYTES or left <= slowest:
                walk.told = f"gathered {len(walk.items):,} items in {walk.pages} pages, as many as one call takes"
                break
            walk.at = then
            later, further, turn = await self._page(walk, _SILENT, left)
            if further is None:
                walk.failed = later
                break
            then = self._taken(walk, further, turn, later)
            slowest = max(slowest, self.pace() - started)
        return self._merged(walk, outcome, page, then)

    def _taken(self, walk: _Walk, page: Page, turn: Turn, outcome: Outcome) -> Position | None:
        """Take the items of a page as far as they are wanted; where to go on from."""
        walk.pages += 1
        walk.size += len(outcome.structured or b"")
        walk.meta = outcome.meta
        if repeats(self.ways.paging, walk.at, page):
            return None
        then = self._then(walk, page, turn)
        if then is not None:
            place = json.canonical([then.value, then.target])
            then = None if place in walk.seen else then
            walk.seen.add(place)
        items = (page.items or [])[walk.at.skip :]
        room = walk.most - len(walk.items)
        walk.items += items[:room]
        if items and walk.call.progress is not _SILENT:
            said = f"{len(walk.items):,} items, page {walk.pages}"
            walk.call.progress(float(len(walk.items)), float(walk.most), said)
        return replace(walk.at, skip=walk.at.skip + room) if len(items) > room else then

    def _merged(self, walk: _Walk, outcome: Outcome, page: Page, then: Position | None) -> Outcome:
        """The first page with its list grown."""
        changed = page.items is not None and (walk.pages > 1 or len(walk.items) != len(page.items))
        if changed:
            page.with_items(walk.items)
        merged = self._told(walk, outcome, page, then, changed=changed)
        merged.meta.update(walk.meta)
        if walk.failed is not None:
            said = "\n".join(part.text for part in walk.failed.content if isinstance(part, Text))[:_MOST_SAID]
            told = Text(f"{len(walk.items):,} items were gathered, then a page failed: {said}")
            merged.content = (*merged.content, told)
            merged.meta.update(walk.failed.meta)
        return merged


_SILENT = Call(tool="", arguments={}).progress


def _no_cursor(name: str) -> CallerError:
    return CallerError(
        f"{name} is not one that this tool gave for these arguments, or it has expired",
        code="page.cursor",
        hint=f"pass next_cursor back unchanged with the same other arguments, or leave {name} out to begin anew",
    )
