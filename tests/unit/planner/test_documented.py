"""``docs/requests.md`` is right: every row of its tables is planned."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apiloom.base.errors import CallerError
from support.bindings import binding, parameter, planned

PAGE = Path(__file__).resolve().parents[3] / "docs" / "requests.md"
PLACES = {"Path parameters": "path", "Query parameters": "query", "Headers": "header", "Cookies": "cookie"}
ROW = re.compile(r"^\| (\w+) \| (true|false) \| `(.*?)` \| (?:`(.*)`|(\w+)) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, bool, str, str]]:
    """Place, style, explode, value as JSON, and what the page says is sent."""
    sections = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [
        (PLACES[title], style, explode == "true", value, text or word)
        for title, section in zip(sections[::2], sections[1::2], strict=True)
        if title in PLACES
        for style, explode, value, text, word in ROW.findall(section)
    ]


def test_the_page_has_a_table_for_every_place():
    counts = {place: sum(row[0] == place for row in rows()) for place in PLACES.values()}
    assert min(counts.values()) >= 8
    lines = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \w+ \| (?:true|false)", line)
    ]
    assert len(rows()) == len(lines)


@pytest.mark.parametrize(("place", "style", "explode", "value", "said"), rows())
def test_a_row_is_planned_as_the_page_says(place: str, style: str, explode: bool, value: str, said: str):
    path = "/c/{color}/x" if place == "path" else "/c"
    bound = binding("GET", path, parameter(place, "color", style, explode))
    if said == "refused":
        with pytest.raises(CallerError, match="argument 'color'"):
            planned(bound, {"color": json.loads(value)})
        return
    made = planned(bound, {"color": json.loads(value)})
    if place in ("path", "query"):
        text = "" if said == "nothing" else said
        assert made.target == (f"/v1/c/{said}/x" if place == "path" else "/v1/c" + ("?" + text if text else ""))
    else:
        assert made.headers == [("Accept", "*/*"), ("color" if place == "header" else "Cookie", said)]
