"""Where a next page begins, from one page: what ends a walk, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiloom.backends.http.positions import FIRST, Asked, Link, Position, following, read_page
from apiloom.catalog.tool import Paging

FULL = [{"id": number} for number in range(10)]
SHORT = FULL[:7]
ROUND = FULL[:5]


def then(paging: Paging, answer: Any, at: Position = FIRST, headers: Any = None, **asked: Any) -> Any:
    """The next position's value, address or None."""
    value = answer if isinstance(answer, dict) else {"result": answer}
    given = headers or {}
    links = [given["link"]] if "link" in given else []
    found = following(paging, read_page(json.dumps(value).encode(), paging, links, given), at, Asked(**asked))
    return found.address if isinstance(found, Link) else found.value if found is not None else None


PAGE = Paging(style="page", argument="page", size="size", items="/data", first=1)
OFFSET = Paging(style="offset", argument="offset", size="size", items="/data")


def of(items: Any, **more: Any) -> dict[str, Any]:
    return {"data": items, **more}


@pytest.mark.parametrize(
    ("items", "asked", "goes_on"),
    [
        (FULL, {}, True),
        (SHORT, {}, True),
        ([], {}, False),
        (None, {}, False),
        ({}, {}, False),
        (FULL, {"size": 10}, True),
        (SHORT, {"size": 10}, False),
        (ROUND, {"size": 10}, True),
        (SHORT, {"size": 1000}, True),
        (SHORT, {"size": "10"}, False),
    ],
)
def test_a_page_ends_a_walk_when_it_is_surely_shorter_than_it_could_be(items: Any, asked: Any, goes_on: bool) -> None:
    assert (then(PAGE, of(items), **asked) is not None) == goes_on
    assert (then(OFFSET, of(items), **asked) is not None) == goes_on


def test_sizes_that_the_document_tells_are_relied_on() -> None:
    usual = Paging(style="page", argument="page", items="/data", first=1, usual=10)
    assert then(usual, of(FULL)) == 2
    assert then(usual, of(ROUND)) is None
    most = Paging(style="page", argument="page", size="size", items="/data", first=1, most=500)
    assert then(most, of(ROUND), size=500) is None
    assert then(most, of(ROUND), size=5) == 2


def test_numbers_go_on_from_what_was_asked_for() -> None:
    assert then(PAGE, of(FULL)) == 2
    assert then(PAGE, of(FULL), own=4) == 5
    assert then(PAGE, of(FULL), own="4") == 5
    assert then(PAGE, of(FULL), Position(value=7, step=1), own=4) == 8
    assert then(OFFSET, of(SHORT)) == 7
    assert then(OFFSET, of(SHORT), own=20) == 27


@pytest.mark.parametrize(
    ("number", "total", "goes_on"), [(1, 25, True), (2, 25, True), (3, 25, False), (3, 30, False), (3, 31, True)]
)
def test_a_total_ends_a_walk_exactly(number: int, total: int, goes_on: bool) -> None:
    counted = Paging(style="page", argument="page", items="/data", first=1, total="/meta/total")
    assert (then(counted, of(FULL, meta={"total": total}), own=number) is not None) == goes_on
    header = Paging(style="page", argument="page", items="/data", first=1, total="header:x-total-count")
    assert (then(header, of(FULL), headers={"x-total-count": str(total)}, own=number) is not None) == goes_on


def test_a_number_of_pages_ends_a_walk_wherever_counting_begins() -> None:
    for first in (0, 1):
        paging = Paging(style="page", argument="page", items="/data", first=first, pages="/pages")
        assert then(paging, of(FULL, pages=3), own=first + 1) == first + 2
        assert then(paging, of(FULL, pages=3), own=first + 2) is None


def test_what_says_plainly_that_there_is_more_goes_before_what_is_reckoned() -> None:
    told = Paging(style="page", argument="page", size="size", items="/data", first=1, more="/more", total="/total")
    assert then(told, of(SHORT, more=True, total=7), size=10) == 2
    assert then(told, of(FULL, more=False, total=70)) is None
    assert then(told, of([], more=True)) is None
    last = Paging(style="page", argument="page", items="/data", first=1, more="!/last")
    assert then(last, of(FULL, last=True)) is None
    assert then(last, of(FULL, last=False)) == 2
    linked = {"link": '<a>; rel="next"'}
    assert then(PAGE, of(SHORT), headers=linked, size=10) == 2
    assert then(PAGE, of(FULL), headers={"link": '<a>; rel="first"'}) is None


CURSOR = Paging(style="cursor", argument="cursor", next="/meta/next", items="/data")


@pytest.mark.parametrize("end", [None, "", "0", "null", False, True, 0, -1, [], {}, ["x"]])
def test_a_cursor_that_says_nothing_ends_a_walk(end: Any) -> None:
    assert then(CURSOR, of(FULL, meta={"next": end})) is None


@pytest.mark.parametrize(
    "answer", [of(FULL), of(FULL, meta=None), of(FULL, meta=[]), of(FULL, meta="x"), of(FULL, meta={})]
)
def test_a_cursor_that_is_missing_ends_a_walk(answer: Any) -> None:
    assert then(CURSOR, answer) is None


@pytest.mark.parametrize("value", ["c", 7, {"key": {"S": "a"}}, "/c", "?c"])
def test_a_cursor_goes_on_even_behind_an_empty_page(value: Any) -> None:
    assert then(CURSOR, of([], meta={"next": value})) == value


def test_an_address_in_the_place_of_a_cursor_is_an_address() -> None:
    assert isinstance(
        following(
            CURSOR,
            read_page(json.dumps(of([], meta={"next": "https://a.example/?c=1"})).encode(), CURSOR, [], {}),
            FIRST,
            Asked(),
        ),
        Link,
    )


def test_the_last_item_is_named_by_its_own_member() -> None:
    paging = Paging(style="last_item", argument="after", size="limit", next="/a~1b/id", items="", more="/has_more")
    rows = [{"a/b": {"id": 1}}, {"a/b": {"id": 2}}]
    assert then(paging, rows) == 2
    assert then(paging, rows, size=3) is None
    assert then(paging, []) is None
    assert then(paging, [{"a/b": 1}]) is None
    assert then(paging, [1]) is None
    flagged = Paging(style="last_item", argument="after", next="/id", items="/data", more="/more")
    assert then(flagged, of(FULL, more=True)) == 9
    assert then(flagged, of(FULL, more=False)) is None


def test_links_are_followed_whatever_the_page_holds() -> None:
    link = Paging(style="link", items="")
    assert then(link, FULL, headers={"link": "<x>; rel=next"}) == "x"
    assert then(link, FULL) is None
