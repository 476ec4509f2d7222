"""Lists of tools stay in proportion to their documents, and the page that shows it shows what is so."""

from __future__ import annotations

from types import ModuleType

import pytest

from support.listed import Listed, listed_corpus
from support.source import loaded

MB = 1_000_000
STRIPE = "openapi/stripe__stripe__2022-11-15.yaml"
GITHUB = "openapi/github__api.github.com__23.0.2.json"

MOST = {"full": 4.0}
"""Bytes of a list for each byte of its document; 1.25 but in the profile that repeats definitions."""

SLACK = 4_000
"""Bytes that a list may have beside, since a document of one line still needs whole tools."""

DRIFT = 0.05
"""How far a list may have moved from the figure that is shown before the picture must be made anew."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("tools", "sizes.py")


def named(name: str) -> Listed:
    (found,) = (one for one in listed_corpus().listed if one.id == name)
    return found


@pytest.mark.parametrize(("name", "tools", "most"), [(STRIPE, 446, 1.2 * MB), (GITHUB, 1_223, 1.6 * MB)])
def test_the_lists_of_the_largest_documents_stay_small(name: str, tools: int, most: float) -> None:
    listed = named(name)
    assert listed.tools == tools
    assert 0.2 * MB < listed.sizes["intersection"] <= most
    for provider in ("anthropic", "openai", "gemini"):
        assert listed.sizes[provider] <= most


def test_no_list_outgrows_its_document() -> None:
    grown = [
        f"{one.id}: {one.read:,} bytes become {size:,} in {profile}"
        for one in listed_corpus().listed
        for profile, size in one.sizes.items()
        if size > MOST.get(profile, 1.25) * one.read + SLACK
    ]
    assert not grown, "\n".join(grown)


def test_lists_grow_no_faster_than_in_proportion_over_the_corpus(tool: ModuleType) -> None:
    for profile in ("intersection", "anthropic", "openai", "gemini", "full"):
        lines = [
            tool.Line(one.id, one.read, one.tools, one.sizes[profile]) for one in listed_corpus().listed if one.tools
        ]
        assert len(lines) > 200
        assert 0.5 < tool.slope(lines) <= 1.05, profile


def test_the_picture_shows_what_is_so(tool: ModuleType) -> None:
    shown = {line.id: line for line in tool.figures()}
    listed = {one.id: one for one in listed_corpus().listed if one.tools}
    again = "run tools/sizes.py"
    assert {name: (one.read, one.tools) for name, one in listed.items()} == {
        name: (line.read, line.tools) for name, line in shown.items()
    }, again
    moved = [
        f"{name}: {shown[name].size:,} is now {one.sizes['intersection']:,}"
        for name, one in listed.items()
        if abs(one.sizes["intersection"] - shown[name].size) > DRIFT * shown[name].size + 200
    ]
    assert not moved, "\n".join([again, *moved])
