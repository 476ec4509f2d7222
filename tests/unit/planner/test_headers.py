"""Headers and cookies: what they carry, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base.errors import CallerError, DesignError
from support.bindings import binding, parameter, planned


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7fb"])
def test_a_line_break_or_control_character_never_enters_a_header(value: str):
    with pytest.raises(CallerError, match="argument 'x' holds a line break or control character"):
        planned(binding("GET", "/c", parameter("header", "X-A", argument="x")), {"x": value})


@pytest.mark.parametrize("value", ["é", "日本", ["a", "ü"]])
def test_a_character_outside_ascii_is_refused_in_a_header(value: Any):
    with pytest.raises(CallerError, match="outside ASCII"):
        planned(binding("GET", "/c", parameter("header", "X-A", argument="x")), {"x": value})


@pytest.mark.parametrize("value", [" a", "a ", "\ta"])
def test_white_space_at_either_end_of_a_header_is_refused_because_it_is_lost(value: str):
    with pytest.raises(CallerError, match="white space"):
        planned(binding("GET", "/c", parameter("header", "X-A", argument="x")), {"x": value})


def test_a_header_value_passes_unchanged():
    value = 'W/"67ab43", %2C; q=0.5\t(x)'
    assert planned(binding("GET", "/c", parameter("header", "If-Match")), {"If-Match": value}).headers == [
        ("Accept", "*/*"),
        ("If-Match", value),
    ]


@pytest.mark.parametrize(
    ("value", "explode"),
    [(["a,b", "c"], False), ({"a": "b,c"}, False), ({"a,b": "c"}, True), ({"a": "b,c"}, True), ({"a=b": "c"}, True)],
)
def test_a_separator_inside_a_header_list_is_refused(value: Any, explode: bool):
    with pytest.raises(CallerError, match="separator inside a value"):
        planned(binding("GET", "/c", parameter("header", "X-A", argument="x", explode=explode)), {"x": value})


def test_an_equals_sign_separates_nothing_where_an_object_is_not_exploded():
    bound = binding("GET", "/c", parameter("header", "X-A", argument="x", explode=False))
    assert planned(bound, {"x": {"a=b": "c=d"}}).headers[1] == ("X-A", "a=b,c=d")


def test_a_quoted_item_of_a_header_list_may_hold_a_comma():
    bound = binding("GET", "/c", parameter("header", "X-A", argument="x"))
    assert planned(bound, {"x": ['"a,b"', "c"]}).headers[1] == ("X-A", '"a,b",c')


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Authorization", "Accept", "Upgrade"])
def test_an_argument_never_sets_a_header_of_the_connection(name: str):
    with pytest.raises(CallerError, match=f"would set {name}, which no argument may set"):
        planned(binding("GET", "/c", parameter("header", name, argument="x")), {"x": "1"})


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\r\nA", "é"])
def test_a_header_name_that_is_none_is_the_documents_fault(name: str):
    with pytest.raises(DesignError) as told:
        planned(binding("GET", "/c", parameter("header", name, argument="x")), {"x": "1"})
    assert told.value.code == "parameter.name"


def test_an_accept_that_is_none_is_the_documents_fault():
    with pytest.raises(DesignError, match="no media type"):
        planned(binding("GET", "/c", accept="a/b\r\nX: 1"), {})


def test_json_in_a_header_is_ascii():
    bound = binding("GET", "/c", parameter("header", "X-J", argument="x", media_type="application/json"))
    assert planned(bound, {"x": {"ü": "a😀,b"}}).headers[1] == ("X-J", '{"\\u00fc":"a\\ud83d\\ude00,b"}')


def test_text_content_in_a_header_is_not_rewritten_but_refused():
    bound = binding("GET", "/c", parameter("header", "X-J", argument="x", media_type="text/plain"))
    assert planned(bound, {"x": "a b"}).headers[1] == ("X-J", "a b")
    with pytest.raises(CallerError, match="outside ASCII"):
        planned(bound, {"x": "ü"})


def test_headers_come_in_the_documents_order_and_cookies_in_one_line():
    bound = binding(
        "GET",
        "/c",
        parameter("cookie", "b"),
        parameter("header", "X-B"),
        parameter("cookie", "a"),
        parameter("header", "X-A"),
    )
    assert planned(bound, {"a": 1, "X-A": 2, "b": 3, "X-B": 4}).headers == [
        ("Accept", "*/*"),
        ("X-B", "4"),
        ("X-A", "2"),
        ("Cookie", "b=3; a=1"),
    ]


def test_a_header_parameter_named_cookie_joins_the_one_cookie_line():
    bound = binding("GET", "/c", parameter("header", "Cookie", argument="raw"), parameter("cookie", "a"))
    assert planned(bound, {"raw": "s=1; t=2", "a": 3}).headers == [("Accept", "*/*"), ("Cookie", "s=1; t=2; a=3")]


def test_a_form_cookie_is_percent_encoded():
    bound = binding("GET", "/c", parameter("cookie", "greeting"))
    assert planned(bound, {"greeting": "Hello, world!"}).headers[1] == ("Cookie", "greeting=Hello%2C%20world%21")


def test_a_form_cookie_that_allows_reserved_characters_keeps_those_a_cookie_can_hold():
    bound = binding("GET", "/c", parameter("cookie", "a", allow_reserved=True))
    assert planned(bound, {"a": "x/y=z;p,q r%2C"}).headers[1] == ("Cookie", "a=x/y=z%3Bp%2Cq%20r%2C")


def test_a_cookie_in_style_cookie_passes_unchanged():
    bound = binding("GET", "/c", parameter("cookie", "cookie", "cookie"))
    value = {"greeting": "Hello%2C world!", "code": 42}
    assert planned(bound, {"cookie": value}).headers[1] == ("Cookie", "greeting=Hello%2C world!; code=42")


@pytest.mark.parametrize("value", ["a;b", "a,b", 'a"b', "a\\b", "a\r\nb", "é", " a", ["a,b"], {"a;b": 1}, {"": 1}])
def test_what_a_cookie_cannot_hold_is_refused_in_style_cookie(value: Any):
    with pytest.raises(CallerError, match="argument 'x' holds a character that a cookie cannot carry"):
        planned(binding("GET", "/c", parameter("cookie", "x", "cookie")), {"x": value})


def test_a_comma_in_a_joined_cookie_list_is_refused_in_style_cookie():
    bound = binding("GET", "/c", parameter("cookie", "x", "cookie", explode=False))
    assert planned(bound, {"x": ["a", "b"]}).headers[1] == ("Cookie", "x=a,b")
    with pytest.raises(CallerError, match="list separator"):
        planned(bound, {"x": ["a,b", "c"]})


def test_a_json_cookie_is_percent_encoded():
    bound = binding("GET", "/c", parameter("cookie", "x", media_type="application/json"))
    assert planned(bound, {"x": {"a": "b;c"}}).headers[1] == ("Cookie", "x=%7B%22a%22%3A%22b%3Bc%22%7D")
