"""The page of constructs says what the fixtures prove, and leaves nothing out."""

from __future__ import annotations

from types import ModuleType

import pytest

from support.source import ROOT, loaded

ITEMS = range(1, 63)
UNPROVED = {62}
"""Constructs without a fixture yet; this set may only become smaller."""

UNPROVED_ROWS: set[int] = set()
"""Rows of the comparison without a fixture yet."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("tools", "constructs.py")


def test_the_page_is_what_the_fixtures_make(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run tools/constructs.py"


def test_every_construct_has_a_proof(tool: ModuleType) -> None:
    proved = {line.number for line in tool.lines()}
    assert set(ITEMS) - proved == UNPROVED


def test_every_row_of_the_comparison_is_proved_by_a_fixture(tool: ModuleType) -> None:
    proved = {row for line in tool.lines() for row in line.rows}
    rows = [row["number"] for row in tool.facts()["rows"]]
    assert rows == list(range(1, 31))
    assert set(rows) - proved == UNPROVED_ROWS
    assert sorted(proved - set(rows)) == []


def test_every_proof_outside_the_fixtures_exists(tool: ModuleType) -> None:
    assert [line.name for line in tool.lines() if "/" in line.name and not (ROOT / line.name).exists()] == []
