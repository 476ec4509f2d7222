"""``fields``: what was named and nothing else, and a word on what is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.errors import CallerError
from apiloom.calls.projection import LONGEST_PATH, MOST_PATHS, project, read_paths

ANSWER = {
    "items": [
        {"id": 1, "owner": {"login": "ada", "mail": "a@x"}, "a.b": {"c": 1}},
        {"id": 2, "owner": None},
        {"id": 3, "tags": ["x", "y", "z"]},
    ],
    "total": 3,
    "@odata.count": 3,
    "next_cursor": "c2",
}


def picked(*paths: str, answer: Any = ANSWER) -> Any:
    found = project(json.dumps(answer).encode(), read_paths(paths))
    return None if found.text is None else json.loads(found.text)


@pytest.mark.parametrize(
    ("paths", "kept"),
    [
        (("total",), {"total": 3}),
        (("items[].id",), {"items": [{"id": 1}, {"id": 2}, {"id": 3}]}),
        (("items.id", "total"), {"items": [{"id": 1}, {"id": 2}, {"id": 3}], "total": 3}),
        (("items[].owner.login",), {"items": [{"owner": {"login": "ada"}}, {"owner": None}, {}]}),
        (("items[1:]",), {"items": ANSWER["items"][1:]}),
        (("items[1:2].id",), {"items": [{"id": 2}]}),
        (("items[0].id", "items[2]"), {"items": [{"id": 1}, ANSWER["items"][2]]}),
        (("items.tags[:2]",), {"items": [{}, {}, {"tags": ["x", "y"]}]}),
        (("items[70:90]",), {"items": []}),
        (('items[0]["a.b"].c',), {"items": [{"a.b": {"c": 1}}]}),
        (("items[0].a.b.c",), {"items": [{"a.b": {"c": 1}}]}),
        (("@odata.count",), {"@odata.count": 3}),
        (("items[0].owner", "items[0].owner.login"), {"items": [{"owner": {"login": "ada", "mail": "a@x"}}]}),
    ],
)
def test_paths_pick_what_they_name(paths: tuple[str, ...], kept: dict[str, Any]) -> None:
    assert picked(*paths) == {**kept, "next_cursor": "c2"}


def test_the_items_of_an_answer_that_is_a_list_are_named_in_either_way() -> None:
    answer = [{"id": 1, "x": 2}, {"id": 3}]
    for path in ("id", "[].id", "result.id", "result[].id"):
        assert picked(path, answer=answer) == [{"id": 1}, {"id": 3}]


def test_a_path_that_leads_nowhere_is_told_with_the_nearest_names() -> None:
    found = project(json.dumps(ANSWER).encode(), read_paths(["total", "items.ownr", "nonsense"]))
    assert json.loads(found.text or b"") == {"items": [{}, {}, {}], "total": 3, "next_cursor": "c2"}
    assert found.unknown["items.ownr"] == ["items.owner"]
    assert "total" in found.unknown["nonsense"]


def test_where_nothing_is_found_nothing_is_thrown_away() -> None:
    found = project(json.dumps(ANSWER).encode(), read_paths(["nam"]))
    assert found.text is None
    assert list(found.unknown) == ["nam"]


def test_what_an_empty_list_or_null_may_hold_is_not_called_unknown() -> None:
    found = project(b'{"items":[],"owner":null}', read_paths(["items.id", "owner.login"]))
    assert (found.text, found.unknown) == (b'{"items":[],"owner":null}', {})


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a[-1:]", "a[x]", '["a]', "x" * (LONGEST_PATH + 1)])
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_paths([path])
    assert caught.value.code == "policy.results.fields"


def test_the_number_of_paths_is_bounded() -> None:
    with pytest.raises(CallerError):
        read_paths(["a"] * (MOST_PATHS + 1))


NAMES = st.sampled_from(["a", "b", "c", "a.b"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)
PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "[]", "[1:3]", "[0]", '["a.b"]']), min_size=1, max_size=4),
    min_size=1,
    max_size=3,
)


def leaves(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {f"{name}/{leaf}" for name, member in value.items() for leaf in leaves(member)} | {"{}"}
    if isinstance(value, list):
        return {leaf for item in value for leaf in leaves(item)} | {"[]"}
    return {json.dumps(value)}


@given(value=VALUES, paths=PATHS)
def test_projection_never_invents(value: Any, paths: list[list[str]]) -> None:
    texts = [".".join(steps).replace(".[", "[") for steps in paths]
    found = project(json.dumps(value).encode(), read_paths(texts))
    if found.text is None:
        assert len(found.unknown) == len(set(texts))
        return
    kept = json.loads(found.text)
    assert type(kept) is type(value)
    assert leaves(kept) <= leaves(value)


def test_hundreds_of_lists_in_lists_are_no_way_to_break_it() -> None:
    found = project(b"[" * 800 + b'{"a":1}' + b"]" * 800, read_paths(["a"]))
    assert found.text is None or json.loads(found.text)


def test_a_name_with_a_dot_in_it_is_meant_where_it_is_there() -> None:
    answer = {"a": {"b": 1}, "a.b": 2, "result": {"r": 3}}
    assert picked("a.b", answer=answer) == {"a.b": 2}
    assert picked("a.b", answer={"a": {"b": 1}}) == {"a": {"b": 1}}


def test_an_object_with_a_member_called_result_is_read_by_its_own_names() -> None:
    assert picked("result.r", answer={"result": {"r": 3, "s": 4}, "r": 5}) == {"result": {"r": 3}}
