"""Header values and lists, as pure functions."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.protocol.headers import accepts, fold, is_json_type, open_value
from apiloom.protocol.mirror import Mirror, mirrors_of

VALUE = st.text(st.characters(exclude_categories=["Cs"]))


@given(VALUE)
def test_any_text_survives_the_base64_form(text: str) -> None:
    assert open_value(b"=?base64?" + base64.b64encode(text.encode()) + b"?=") == text


@given(st.binary())
def test_no_bytes_break_the_opening(raw: bytes) -> None:
    opened = open_value(raw)
    assert opened is None or isinstance(opened, str)


@pytest.mark.parametrize(
    "raw",
    [b"=?base64?YR==?=", b"=?base64?YQ?=", b"=?base64?Y Q==?=", b"=?base64?/w==?=", b"a\x00b", b"a\x7f", b"\xc3\xa9"],
)
def test_what_no_header_may_hold_is_not_opened(raw: bytes) -> None:
    assert open_value(raw) is None


@pytest.mark.parametrize("raw", [b"=?base64?", b"base64?YQ==?=", b"=?Base64?YQ==?=", b"=?base64?YQ==", b""])
def test_what_only_looks_like_the_form_is_plain(raw: bytes) -> None:
    assert open_value(raw) == raw.decode()


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (b"", (True, True)),
        (b"*/*", (True, True)),
        (b"application/json", (True, False)),
        (b"text/event-stream", (False, True)),
        (b"Application/JSON; q=0.1, TEXT/*", (True, True)),
        (b"*/*, application/json;q=0", (False, True)),
        (b"*/*;q=0", (False, False)),
        (b"text/html", (False, False)),
        (b",,;", (False, False)),
    ],
)
def test_the_most_specific_range_decides(header: bytes, taken: tuple[bool, bool]) -> None:
    assert accepts(header) == taken


@given(st.binary(max_size=50))
def test_no_bytes_break_the_lists(raw: bytes) -> None:
    assert len(accepts(raw)) == 2
    assert is_json_type(raw) in {True, False}


def test_repeated_headers_are_told_and_lists_are_joined() -> None:
    heads, twice = fold([(b"a", b"1"), (b"a", b"2"), (b"accept", b"x"), (b"accept", b"y"), (b"b", b"3")])
    assert heads == {b"a": b"1", b"accept": b"x,y", b"b": b"3"}
    assert twice == {b"a"}
    lists = [(b"x-forwarded-for", b"1.1.1.1, 2.2.2.2"), (b"a", b"1"), (b"x-forwarded-for", b"3.3.3.3")]
    assert fold(lists) == ({b"x-forwarded-for": b"1.1.1.1, 2.2.2.2,3.3.3.3", b"a": b"1"}, frozenset())
    assert fold(iter([(b"a", b"1")])) == ({b"a": b"1"}, frozenset())


def test_mirrors_are_read_along_chains_of_properties() -> None:
    schema = {
        "properties": {
            "a": {"type": "string", "x-mcp-header": "A-b"},
            "b": {"properties": {"c": {"type": "integer", "x-mcp-header": "C"}}},
        }
    }
    found = mirrors_of(schema)
    assert set(found) == {Mirror(path=("a",), header=b"mcp-param-a-b"), Mirror(path=("b", "c"), header=b"mcp-param-c")}


@pytest.mark.parametrize(
    "member",
    [
        {"type": "number", "x-mcp-header": "A"},
        {"type": ["string", "null"], "x-mcp-header": "A"},
        {"x-mcp-header": "A"},
        {"type": "string", "x-mcp-header": ""},
        {"type": "string", "x-mcp-header": "a b"},
        {"type": "string", "x-mcp-header": "a\r\nb"},
        {"type": "string", "x-mcp-header": 5},
    ],
)
def test_one_wrong_annotation_means_no_mirror_at_all(member: dict[str, object]) -> None:
    good = {"type": "string", "x-mcp-header": "Good"}
    assert mirrors_of({"properties": {"good": good, "bad": member}}) == ()


def test_two_annotations_of_one_name_mean_no_mirror_at_all() -> None:
    members = {name: {"type": "string", "x-mcp-header": header} for name, header in (("a", "Same"), ("b", "sAME"))}
    assert mirrors_of({"properties": members}) == ()


@pytest.mark.parametrize(
    "schema",
    [
        True,
        None,
        {},
        {"properties": []},
        {"properties": {"a": True}},
        {"items": {"x-mcp-header": "A", "type": "string"}},
    ],
)
def test_a_schema_without_reachable_annotations_mirrors_nothing(schema: object) -> None:
    assert mirrors_of(schema) == ()
