"""Every tool of the corpus in every profile as it stands in a list: nothing refused, dangling or lost."""

from __future__ import annotations

import pytest

from support.client_limits import PROFILES
from support.listed import dangling, depth, listed_corpus

LEAST = {"documents": 200, "tools": 14_000}
"""What must have been listed, so that a reader that refuses everything proves nothing here."""


def none_of(kind: str) -> None:
    found = listed_corpus().wrong.get(kind, [])
    assert not found, "\n".join([f"{len(found)} problems", *found[:20]])


def test_nearly_the_whole_corpus_is_listed_in_every_profile() -> None:
    listed = listed_corpus().listed
    assert len(listed) >= LEAST["documents"], listed_corpus().refused
    assert sum(one.tools for one in listed) >= LEAST["tools"]
    assert all(set(one.sizes) == set(PROFILES) for one in listed)


def test_no_tool_is_refused_by_the_rules_of_its_profile() -> None:
    none_of("refused")


def test_no_reference_dangles_in_any_profile() -> None:
    none_of("dangling")


def test_no_tool_and_no_argument_is_lost_in_any_profile() -> None:
    none_of("lost")


def test_inlining_is_bounded_in_depth_and_size() -> None:
    none_of("deep")


@pytest.mark.parametrize(
    ("schema", "profile", "count"),
    [
        ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}}, "full", 0),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}}, "intersection", 1),
        ({"properties": {"a": {"$ref": "#/$defs/B"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}, "full", 1),
        ({"properties": {"a": {"$ref": "#/components/schemas/A"}}}, "full", 1),
        ({"$defs": {"a/b~c": {}}, "items": [{"anyOf": [{"$ref": "#/$defs/a~1b~0c"}]}]}, "full", 0),
        ({"properties": {"$ref": {"type": "string"}}, "enum": [{"$ref": "x"}]}, "full", 0),
    ],
)
def test_what_dangles_is_seen(schema: object, profile: str, count: int) -> None:
    assert len(list(dangling(schema, profile))) == count


def test_depth_is_counted_through_objects_lists_and_unions() -> None:
    assert depth({}) == 0
    assert depth({"properties": {"a": {"anyOf": [{"items": {}}]}}}) == 5
