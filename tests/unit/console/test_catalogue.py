"""The catalogue as data: what an entry must say, and how one is found."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from apiloom.base.errors import CallerError
from apiloom.console.catalogue.known import entries, entry, search


def test_it_knows_at_least_sixty_apis_under_distinct_names_and_slugs() -> None:
    assert len(entries()) >= 60
    assert len({one.slug for one in entries()}) == len(entries())


@pytest.mark.parametrize("one", entries(), ids=lambda one: one.name)
def test_an_entry_says_where_from_and_how_callers_are_recognised(one) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", one.name)
    assert re.fullmatch(r"[a-z][a-z0-9]{0,11}", one.slug)
    assert urlsplit(one.document).scheme == "https"
    assert not one.base_url or (urlsplit(one.base_url).scheme == "https" and not one.base_url.endswith("/"))
    assert re.fullmatch(r"none|bearer|basic|oauth2|(header|query):[A-Za-z0-9_-]+", one.auth)
    assert one.title
    assert one.key
    assert one.words
    assert all(quirk.endswith(".") for quirk in one.quirks)
    for select in one.toolsets.values():
        assert select.keys() <= {"tags", "paths", "tools"}
        assert all(select.values())


def test_an_entry_becomes_the_body_of_the_request_that_creates_it() -> None:
    assert entry("notion").connector() == {
        "slug": "notion",
        "source": {"url": entry("notion").document},
        "options": {"base_url": "https://api.notion.com", "headers": {"Notion-Version": "2022-06-28"}},
    }


@pytest.mark.parametrize(
    ("text", "first"), [("github", "github"), ("stack overflow", "stackexchange"), ("EMAIL google", "gmail")]
)
def test_search_finds_by_name_title_and_words(text: str, first: str) -> None:
    assert search(text)[0].name == first


def test_search_wants_every_word_found_and_an_empty_text_lists_all() -> None:
    assert search("github no-such-word") == []
    assert [one.name for one in search("  ")] == [one.name for one in entries()]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(CallerError, match="no API named 'githbu'") as caught:
        entry("githbu")
    assert "github" in caught.value.hint
