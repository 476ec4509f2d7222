"""The account of behaviours is complete: every behaviour has a test, and no test holds one that is not there."""

import re
from pathlib import Path

from support.behaviours import BEHAVIOURS

MARK = re.compile(r"@holds\(((?:\s*\"[^\"]+\",?)+\s*)\)")


def held() -> list[str]:
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    return [name for text in texts for mark in MARK.findall(text) for name in re.findall(r'"([^"]+)"', mark)]


def test_every_behaviour_is_held_by_a_test() -> None:
    assert set(BEHAVIOURS) - set(held()) == set()


def test_no_test_holds_a_behaviour_that_is_not_in_the_account() -> None:
    assert set(held()) - set(BEHAVIOURS) == set()


def test_every_behaviour_names_where_it_is_written() -> None:
    assert [
        name for name, (where, says) in BEHAVIOURS.items() if (":" not in where and "/" not in where) or not says
    ] == []
