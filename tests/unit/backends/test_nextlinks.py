"""Addresses of next pages: what Link headers say, and where an address leads."""

from __future__ import annotations

import pytest

from apiloom.backends.http.nextlinks import LONGEST, Unfollowed, next_of, relations, target_of

HOME = "https://api.example"
ASKED = "/v1/things?page=1"


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (["<https://api.example/v1/things?page=2>; rel=next"], "https://api.example/v1/things?page=2"),
        (['</a?b=1,2&c=;>; rel="next"'], "/a?b=1,2&c=;"),
        (['<a>; rel="prev first", <b>;title="x, <y>";REL = "last NEXT"'], "b"),
        (["<a>; rel=first", "<b>; rel=next"], "b"),
        (['<a>; rel="next", <b>; rel="next"'], "a"),
        (['<a>; rel="nextish"'], None),
        (["<a>; title=next"], None),
        (["a; rel=next"], None),
        (["<a; rel=next"], None),
        (["", ",,,", "<>"], None),
        ([], None),
    ],
)
def test_the_next_page_is_the_link_of_that_relation(headers: list[str], address: str | None) -> None:
    assert next_of(headers) == address


@pytest.mark.parametrize(
    "header",
    ["<a>" + " ;" * 200_000, "<" * 400_000, '"' * 399_999, "<a>; rel" + " " * 400_000, '<a>; rel="' + "x" * 400_000],
)
def test_a_hostile_header_is_read_in_a_moment(header: str) -> None:
    assert relations([header]) == {}


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://api.example/v1/things?page=2", "/v1/things?page=2"),
        ("https://API.example:443/v1/things?page=2", "/v1/things?page=2"),
        ("http://api.example/v1/things?page=2", "/v1/things?page=2"),
        ("/v1/others?page=2", "/v1/others?page=2"),
        ("?page=2", "/v1/things?page=2"),
        ("things?page=2", "/v1/things?page=2"),
        ("./things/../more", "/v1/more"),
        ("/v1", "/v1"),
        ("/v1/things?page=2#there", "/v1/things?page=2"),
        ("/v1/things?q=a b&r=ü|^'\"", "/v1/things?q=a%20b&r=%C3%BC|^%27%22"),
        ("/v1/things?q=%7B%22a%22%3A1%7D&$skiptoken=X%27y", "/v1/things?q=%7B%22a%22%3A1%7D&$skiptoken=X%27y"),
        ("/v1/things?Key=x&page=2", "/v1/things?page=2"),
        ("/v1/things?k%65y=x&page=2", "/v1/things?page=2"),
        ("/v1/things?page=2&token=***", "/v1/things?page=2"),
        ("/v1/things?token=%2A%2A%2A", "/v1/things"),
        ("/v1/things?keys=x", "/v1/things?keys=x"),
    ],
)
def test_an_address_at_home_is_followed_without_credentials(address: str, target: str) -> None:
    assert target_of(address, HOME, ASKED, "/v1", frozenset({"key"})) == target


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example.evil/v1/things",
        "https://api.example:8443/v1/things",
        "https://user:password@api.example/v1/things",
        "https://api.example@evil/v1/things",
        "//evil/v1/things",
        "\\\\evil\\v1",
        "/\\evil/v1",
        "ftp://api.example/v1/things",
        "javascript:alert(1)",
        "https://[::1/v1",
        "https://api.example:x/v1",
        "/",
        "/v2/things",
        "/v1x/things",
        "/v1/../v2",
        "../../v2",
        "/v1/%2e%2e/v2",
        "/v1/..%2fv2",
        "/v1/%2E%2E%5cv2",
        "/v1/things/%2e",
        "x" * (LONGEST + 1),
    ],
)
def test_an_address_elsewhere_is_not_followed(address: str) -> None:
    with pytest.raises(Unfollowed):
        target_of(address, HOME, ASKED, "/v1", frozenset())


def test_line_breaks_in_an_address_are_escaped() -> None:
    assert target_of("/v1/a\r\nX: y", HOME, ASKED, "/v1", frozenset()) == "/v1/a%0D%0AX:%20y"
