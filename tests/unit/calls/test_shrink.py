"""JSON that is cut to fit stays JSON, keeps only what was there, and says everything that it leaves out."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.calls.shrink import MOST_CUTS, MOST_PARTS, Shrunk, shrink
from apiloom.calls.texts import cut_lines, cut_literal, has_more_commas, prefix_of

TEXTS = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda part, times: part * times,
        st.sampled_from(["ab ", "é€", "😀", '\\"', "\n\t", "\x01"]),
        st.integers(0, 900),
    ),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(TEXTS, inner, max_size=25),
    max_leaves=150,
)
MARK = re.compile(r"… \[([\d,]+)\+? more (characters|items)\]\Z|… \[(a list|an object) of ([\d,]+) bytes\]\Z")
GENEROUS = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def cuts_of(shrunk: Any, whole: Any) -> int:
    """How many places were cut; fails on anything that is neither as it was nor marked as cut."""
    if shrunk == whole and type(shrunk) is type(whole):
        return 0
    if isinstance(shrunk, str):
        found = MARK.search(shrunk)
        assert found, f"{shrunk[:50]!r} is not {str(whole)[:50]!r}"
        if isinstance(whole, str):
            kept = shrunk[: found.start()]
            assert whole.startswith(kept)
            assert int(found[1].replace(",", "")) == len(whole) - len(kept)
        else:
            assert found[3] == ("a list" if isinstance(whole, list) else "an object")
        return 1
    if isinstance(shrunk, list):
        assert isinstance(whole, list)
        mark = MARK.search(shrunk[-1]) if shrunk and isinstance(shrunk[-1], str) else None
        if len(shrunk) <= len(whole) and mark and mark[2] == "items":
            left_out = int(mark[1].replace(",", ""))
            assert left_out == len(whole) - len(shrunk) + 1
            return 1 + sum(map(cuts_of, shrunk[:-1], whole))
        assert len(shrunk) == len(whole)
        return sum(map(cuts_of, shrunk, whole))
    assert isinstance(shrunk, dict)
    assert isinstance(whole, dict)
    marks = [name for name in shrunk if name not in whole]
    assert len(marks) <= 1
    if marks:
        found = re.fullmatch(r"\[([\d,]+)\+? more members\]", shrunk[marks[0]])
        assert found
        assert int(found[1].replace(",", "")) == len(whole) - len(shrunk) + 1
    else:
        assert shrunk.keys() == whole.keys()
    return len(marks) + sum(cuts_of(shrunk[name], whole[name]) for name in shrunk if name in whole)


def told(shrunk: Shrunk) -> int:
    return sum(cut.places for cut in shrunk.cuts) + shrunk.further


@GENEROUS
@given(
    value=VALUES,
    room=st.sampled_from([100, 160, 400, 1500, 6000]),
    indent=st.sampled_from([None, 2]),
    escaped=st.booleans(),
)
def test_any_json_is_cut_to_valid_json_that_fits_and_every_cut_is_told(
    value: Any, room: int, indent: int | None, escaped: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    shrunk = shrink(text, room)
    assert len(shrunk.text) <= room
    assert cuts_of(json.loads(shrunk.text), value) == told(shrunk)
    assert shrink(text, room) == shrunk


def test_white_space_goes_before_anything_else_does() -> None:
    value = {"a": [1, 2, 3] * 100}
    text = json.dumps(value, indent=8).encode()
    shrunk = shrink(text, len(text) // 3)
    assert (json.loads(shrunk.text), shrunk.cuts) == (value, ())


def test_numbers_keep_their_spelling() -> None:
    text = b'{"a":1.50,"b":12345678901234567890123,"c":"%s"}' % (b"x" * 2000)
    assert shrink(text, 400).text.startswith(b'{"a":1.50,"b":12345678901234567890123,"c":"xxx')


def test_long_strings_give_way_first_and_use_all_the_room() -> None:
    value = {"id": 1, "tags": ["a"] * 30, "short": "s" * 300, "one": "x" * 50_000, "two": "y" * 50_000}
    shrunk = shrink(json.dumps(value).encode(), 5_000)
    seen = json.loads(shrunk.text)
    assert {name: seen[name] for name in ("id", "tags", "short")} == {
        name: value[name] for name in ("id", "tags", "short")
    }
    assert {cut.pointer for cut in shrunk.cuts} == {"/one", "/two"}
    assert len(shrunk.text) > 4_500


def test_then_lists_lose_their_tails_the_longest_first() -> None:
    value = {"many": [{"id": n, "name": "n" * 20} for n in range(900)], "few": [{"id": n} for n in range(9)]}
    shrunk = shrink(json.dumps(value).encode(), 4_000)
    seen = json.loads(shrunk.text)
    assert seen["few"] == value["few"]
    [cut] = shrunk.cuts
    assert (cut.pointer, cut.kind, cut.of) == ("/many", "items", 900)
    assert seen["many"] == [*value["many"][: cut.kept], f"… [{900 - cut.kept:,} more items]"]
    assert cut.kept > 50


def test_a_list_keeps_its_first_item_and_members_go_last_the_deep_ones_first() -> None:
    deep = {f"d{n}": {f"e{m}": "v" * 30 for m in range(40)} for n in range(20)}
    value = {"id": 7, "list": [{"top": n, "deep": deep} for n in range(5)]}
    shrunk = shrink(json.dumps(value).encode(), 1_500)
    seen = json.loads(shrunk.text)
    assert (seen["id"], seen["list"][0]["top"]) == (7, 0)
    assert {cut.kind for cut in shrunk.cuts} == {"items", "members", "value"}
    assert all(cut.pointer.startswith("/list/0/deep") for cut in shrunk.cuts if cut.kind == "value")


def test_the_cursor_to_go_on_with_is_never_cut() -> None:
    value = {**{f"member{n}": "v" * 90 for n in range(5_000)}, "next_cursor": "c" * 900}
    seen = json.loads(shrink(json.dumps(value).encode(), 3_000).text)
    assert seen["next_cursor"] == "c" * 900
    assert len(seen) > 5


def test_many_places_of_one_kind_are_told_as_one_line() -> None:
    value = {"items": [{"body": "b" * 2_000, "n": n} for n in range(10)]}
    shrunk = shrink(json.dumps(value).encode(), 8_000)
    [cut] = shrunk.cuts
    assert (cut.pointer, cut.kind, cut.places, cut.of, cut.first) == (
        "/items/*/body",
        "text",
        10,
        2_000,
        "/items/0/body",
    )


def test_the_account_is_bounded_and_counts_what_it_has_no_room_for() -> None:
    value = {f"m{n}": "x" * 900 for n in range(60)}
    shrunk = shrink(json.dumps(value).encode(), 30_000)
    assert len(shrunk.cuts) == MOST_CUTS
    assert shrunk.further == 60 - MOST_CUTS


@pytest.mark.parametrize("sign", ["é", "€", "😀", "\\", '"', "\n", "\x01", "a\\u00e9"])
@pytest.mark.parametrize("escaped", [True, False])
def test_no_character_is_split_wherever_the_cut_falls(sign: str, escaped: bool) -> None:
    value = sign * 300
    text = json.dumps(value, ensure_ascii=escaped).encode()
    for room in range(100, 150):
        seen = json.loads(shrink(text, room).text)
        if seen != value:
            kept = seen[: seen.index("… [")]
            assert value.startswith(kept)
            assert not kept or ord(kept[-1]) < 0xD800 or ord(kept[-1]) > 0xDBFF


HUGE = {
    "a list of objects": (
        b'{"items":[' + b",".join(b'{"id":%d,"body":"%s"}' % (n, b"b" * 900) for n in range(30_000)) + b'],"n":1}',
        False,
    ),
    "one string": (b'{"id":1,"content":"' + b"lorem, ipsum \\n" * 3_800_000 + b'"}', False),
    "many tiny members": (b"{" + b",".join(b'"k%d":1' % n for n in range(300_000)) + b"}", False),
    "too many tiny items": (b"[" + b"[]," * 520_000 + b"[]]", True),
    "lists in lists": (b"[" * 900 + b"1," * 300_000 + b"1" + b"]" * 900, False),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_answers_take_memory_by_the_room_and_not_by_their_size(name: str) -> None:
    text, dense = HUGE[name]
    tracemalloc.start()
    try:
        shrunk = shrink(text, 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    json.loads(shrunk.text)
    assert len(shrunk.text) <= 100_000
    assert shrunk.cuts
    assert any(cut.kind == "rest" for cut in shrunk.cuts) == dense
    # The text itself may be copied once or twice; what is made of it may not be ten times that.
    assert peak < 200_000_000 + 3 * len(text)


def test_of_a_text_too_dense_to_be_counted_the_beginning_is_shown_and_nothing_is_miscounted() -> None:
    text = b'{"before":"x","list":[' + b"0," * (MOST_PARTS + 9) + b"0]}"
    shrunk = shrink(text, 1_000)
    seen = json.loads(shrunk.text)
    assert seen["before"] == "x"
    assert seen["list"][-1].endswith("+ more items]")
    kinds = {cut.kind: cut for cut in shrunk.cuts}
    assert (kinds["rest"].of, kinds["items"].of) == (len(text), None)


@pytest.mark.parametrize("most", [0, 1, 2, 3, 4])
def test_commas_inside_strings_count_for_nothing(most: int) -> None:
    assert has_more_commas(rb'["a,,,,\",,\\",",",3,4]', most) == (most < 3)


SMALL = st.recursive(
    st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(value=st.lists(SMALL, min_size=1, max_size=4), most=st.integers(2, 60))
def test_the_beginning_of_json_is_json(value: Any, most: int) -> None:
    text = json.dumps(value).encode()
    assert type(json.loads(prefix_of(text, most) if most < len(text) else text)) is type(value)


@given(text=st.text(max_size=300), most=st.integers(1, 300))
def test_text_is_cut_between_characters(text: str, most: int) -> None:
    head = cut_lines(text, most)
    assert text.startswith(head)
    assert len(head.encode("utf-8", "replace")) <= most


def test_text_is_cut_at_the_end_of_a_line_where_one_is_near() -> None:
    assert cut_lines("one,1\ntwo,2\nthree,3\n", 14) == "one,1\ntwo,2\n"


@pytest.mark.parametrize("following", [b'"%s"' % (b"c" * 30_000), b'{"deep":"%s"}' % (b"c" * 30_000)])
def test_a_member_called_like_the_cursor_that_is_none_is_cut_like_any_other(following: bytes) -> None:
    shrunk = shrink(b'{"items":[1,2,3],"next_cursor":%b}' % following, 1_000)
    seen = json.loads(shrunk.text)
    assert seen["items"] == [1, 2, 3]
    assert "next_cursor" in seen
    assert cuts_of(seen, json.loads(b'{"items":[1,2,3],"next_cursor":%b}' % following)) == told(shrunk) == 1


def test_a_huge_number_is_told_by_its_digits_and_takes_nothing_with_it() -> None:
    for text, place in (
        (b'{"a":1,"n":%b,"b":2}' % (b"9" * 9_000), "n"),
        (b'{"a":1,"n":-1.%be5,"b":2}' % (b"1" * 9_000), "n"),
    ):
        shrunk = shrink(text, 1_000)
        seen = json.loads(shrunk.text)
        assert (seen["a"], seen["b"]) == (1, 2)
        assert seen[place].startswith("… [a number of 9,0")
        assert [(cut.pointer, cut.kind) for cut in shrunk.cuts] == [("/n", "value")]


def test_members_of_one_name_are_not_dropped_in_silence() -> None:
    shrunk = shrink(b'{"a":"%s","a":1}' % (b"x" * 9_000), 1_000)
    assert json.loads(shrunk.text) == {"a": 1}
    assert [cut.kind for cut in shrunk.cuts] == ["repeated"]
    spaced = shrink(b'{ "a" : [1, 2],' + b" " * 9_000 + b'"b" : "\\u00e9" }', 1_000)
    assert (json.loads(spaced.text), spaced.cuts) == ({"a": [1, 2], "b": "é"}, ())


@pytest.mark.parametrize("sign", ["x", "é", "😀", "\\u00e9", "\\ud83d\\ude00", "\\n", "\\\\"])
def test_the_characters_of_a_very_long_string_are_counted_right(sign: str) -> None:
    for offset in range(3):
        raw = ('"' + "a" * offset + sign * 260_000 + '"').encode()
        literal, kept, of = cut_literal(raw, 1_000)
        assert of == len(json.loads(raw))
        assert json.loads(literal).startswith(json.loads(raw)[:kept])


def test_marks_of_huge_numbers_take_room_as_well() -> None:
    text = b"[" + b",".join([b"9" * 300] * 900) + b"]"
    for room in (200, 1_000, 5_000):
        assert len(shrink(text, room).text) <= room
