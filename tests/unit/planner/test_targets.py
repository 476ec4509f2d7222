"""Paths and queries: what is escaped, what is kept, and that no value leads anywhere else."""

from __future__ import annotations

from typing import Any

import pytest
from pyreqwest.http import Url

from apiloom.base.errors import CallerError, DesignError
from apiloom.catalog.servers import BaseUrl
from apiloom.net.target import sent_exactly
from support.bindings import BASE, binding, parameter, planned

NASTY = [
    "a/b",
    "a/..b/c..",
    "a b",
    "%2e%2e",
    "%",
    "a'b",
    "é/ü",
    "?q#f",
    "[x]",
    'a|b^`{}<>"\\',
    "~-._",
    "@evil",
    ":cancel",
]


@pytest.mark.parametrize("value", NASTY)
def test_a_path_value_has_everything_escaped_but_unreserved_characters(value: str):
    target = planned(binding("GET", "/f/{x}/y", parameter("path", "x")), {"x": value}).target
    text = target.removeprefix("/v1/f/").removesuffix("/y")
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")


SENT = [(place, allowed, value) for place in ("path", "query") for allowed in (False, True) for value in NASTY]


@pytest.mark.parametrize(("place", "allow_reserved", "value"), [sent for sent in SENT if sent[1:] != (True, "%2e%2e")])
def test_the_http_client_sends_every_target_as_planned(place: str, allow_reserved: bool, value: str):
    path = "/a'b/{x}" if place == "path" else "/a'b"
    made = planned(binding("GET", path, parameter(place, "x", allow_reserved=allow_reserved)), {"x": value})
    assert sent_exactly(made.target)
    assert str(Url(made.origin + made.target)) == made.origin + made.target


@pytest.mark.parametrize("value", [".", ".."])
@pytest.mark.parametrize("path", ["/a/{x}", "/a/{x}/b", "/{x}"])
def test_a_dot_segment_is_refused_and_its_argument_named(path: str, value: str):
    with pytest.raises(CallerError, match="argument 'x' makes a path segment"):
        planned(binding("GET", path, parameter("path", "x")), {"x": value})


def test_the_argument_that_leads_elsewhere_is_named_and_not_one_that_only_looks_like_it():
    bound = binding("GET", "/a/{w}/{x}", parameter("path", "w"), parameter("path", "x"))
    with pytest.raises(CallerError, match="argument 'x' makes a path segment"):
        planned(bound, {"w": "...", "x": ".."})


@pytest.mark.parametrize(
    ("path", "style", "value"),
    [
        ("/a/.{x}", "simple", "."),
        ("/a/{x}.", "simple", "."),
        ("/a/{x}", "label", "."),
        ("/a/%2e{x}", "simple", "."),
        ("/a/{x};v=1", "simple", ".."),
    ],
)
def test_a_dot_segment_is_refused_however_it_comes_about(path: str, style: str, value: str):
    with pytest.raises(CallerError, match="leads to another place"):
        planned(binding("GET", path, parameter("path", "x", style)), {"x": value})


@pytest.mark.parametrize("value", ["%2e%2E", "..", ".%2e", "%2e"])
def test_a_dot_segment_is_refused_where_reserved_characters_are_allowed(value: str):
    with pytest.raises(CallerError, match="leads to another place"):
        planned(binding("GET", "/a/{x}", parameter("path", "x", allow_reserved=True)), {"x": value})


@pytest.mark.parametrize("value", ["../..", "../admin", "a/../b", "a/..", "..\\b", "..;x/b", "/../"])
def test_two_dots_between_slashes_are_refused_though_the_slashes_are_escaped(value: str):
    with pytest.raises(CallerError, match=r"argument 'x' .* leads to another place"):
        planned(binding("GET", "/{y}/{x}/b", parameter("path", "y"), parameter("path", "x")), {"y": "a", "x": value})


@pytest.mark.parametrize("value", ["...", ".a", "a.", "a..b", "..a"])
def test_full_stops_that_make_no_dot_segment_are_sent(value: str):
    assert planned(binding("GET", "/a/{x}", parameter("path", "x")), {"x": value}).target == f"/v1/a/{value}"


@pytest.mark.parametrize("value", ["", [""]])
def test_an_empty_path_value_is_refused(value: Any):
    with pytest.raises(CallerError, match="argument 'x' is empty, but it is part of the path"):
        planned(binding("GET", "/a/{x}", parameter("path", "x")), {"x": value})


def test_a_missing_path_argument_is_refused():
    with pytest.raises(CallerError, match="argument 'x' is missing"):
        planned(binding("GET", "/a/{x}", parameter("path", "x")), {})


def test_a_placeholder_that_stands_twice_is_filled_twice():
    assert planned(binding("GET", "/a/{x}/b/{x}", parameter("path", "x")), {"x": 7}).target == "/v1/a/7/b/7"


def test_several_placeholders_share_a_segment():
    bound = binding("GET", "/compare/{base}...{head}", parameter("path", "base"), parameter("path", "head"))
    assert planned(bound, {"head": "v2", "base": "v1"}).target == "/v1/compare/v1...v2"


def test_a_placeholder_with_a_plus_takes_slashes_but_no_dot_segments():
    bound = binding("GET", "/contents/{+path}", parameter("path", "path"))
    assert planned(bound, {"path": "src/a b/c?.py"}).target == "/v1/contents/src/a%20b/c%3F.py"
    with pytest.raises(CallerError, match="leads to another place"):
        planned(bound, {"path": "src/../../secret"})


@pytest.mark.parametrize("path", ["/a/{x}", "/a/{}", "/a/{x", "/a/x}", "/a/{{x}}"])
def test_a_placeholder_that_nothing_fills_is_the_documents_fault(path: str):
    with pytest.raises(DesignError) as told:
        planned(binding("GET", path), {})
    assert told.value.code == "path.placeholder"


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/a/%2E%2e", "/a/.."])
def test_a_path_that_leads_out_by_itself_is_the_documents_fault(path: str):
    with pytest.raises(DesignError) as told:
        planned(binding("GET", path), {})
    assert told.value.code == "path.dot_segment"


def test_literal_path_text_is_kept_and_only_what_cannot_be_sent_is_escaped():
    bound = binding("POST", "/Users('{id}')/job:cancel/a b/%7Bx%7D/é/$batch", parameter("path", "id"))
    assert planned(bound, {"id": "o'x"}).target == "/v1/Users('o%27x')/job:cancel/a%20b/%7Bx%7D/%C3%A9/$batch"


def test_a_path_without_a_slash_still_stays_below_its_server():
    assert planned(binding("GET", "pets"), {}).target == "/v1/pets"
    assert planned(binding("GET", "@evil.example"), {}).target == "/v1/@evil.example"


def test_the_root_path_of_a_server_without_a_folder_is_a_slash():
    assert planned(binding("GET", "/"), {}, BaseUrl(origin="https://h")).target == "/"
    assert planned(binding("GET", "/"), {}).target == "/v1/"


def test_the_fixed_query_comes_first_and_byte_for_byte():
    bound = binding("GET", "/", parameter("query", "x"), fixed_query="Action=List+All&Version=2010-05-08&f=a%2Cb,[c]")
    assert planned(bound, {"x": 1}).target == "/v1/?Action=List+All&Version=2010-05-08&f=a%2Cb,[c]&x=1"


def test_the_fixed_query_is_mended_only_where_no_client_could_send_it():
    made = planned(binding("GET", "/", fixed_query="a='x y'"), {})
    assert made.target == "/v1/?a=%27x%20y%27"
    assert sent_exactly(made.target)


def test_a_placeholder_in_the_fixed_query_takes_its_parameter():
    bound = binding("GET", "/s", parameter("query", "q"), parameter("path", "lang"), fixed_query="q={q}&hl={lang}&v=1")
    assert planned(bound, {"q": "a&b", "lang": "d/e"}).target == "/v1/s?v=1&hl=d%2Fe&q=a%26b"
    with pytest.raises(DesignError, match="placeholder"):
        planned(binding("GET", "/s", fixed_query="q={q}"), {})


def test_query_parameters_stand_in_the_documents_order_not_the_callers():
    bound = binding("GET", "/c", parameter("query", "b"), parameter("query", "a"))
    assert planned(bound, {"a": 1, "b": 2}).target == planned(bound, {"b": 2, "a": 1}).target == "/v1/c?b=2&a=1"


def test_reserved_characters_of_a_query_value_are_escaped():
    bound = binding("GET", "/c", parameter("query", "x"))
    assert planned(bound, {"x": ":/?#[]@!$&'()*+,;= %é"}).target == (
        "/v1/c?x=%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%20%25%C3%A9"
    )


def test_names_keep_what_reads_well_and_escape_the_rest():
    bound = binding("GET", "/c", parameter("query", "$top"), parameter("query", "f[a b]"), parameter("query", "a&b='"))
    assert planned(bound, {"$top": 1, "f[a b]": 2, "a&b='": 3}).target == "/v1/c?$top=1&f%5Ba%20b%5D=2&a%26b%3D%27=3"


def test_allow_reserved_keeps_reserved_characters_that_mean_nothing_in_a_query():
    bound = binding("GET", "/c", parameter("query", "x", allow_reserved=True))
    assert planned(bound, {"x": "http://h/p?a=1:b,c;d@e!f$(g)*"}).target == "/v1/c?x=http://h/p?a=1:b,c;d@e!f$(g)*"


def test_allow_reserved_still_escapes_what_would_change_the_query():
    bound = binding("GET", "/c", parameter("query", "x", allow_reserved=True))
    assert planned(bound, {"x": "a&b#c+d[e]'f g"}).target == "/v1/c?x=a%26b%23c%2Bd%5Be%5D%27f%20g"


def test_allow_reserved_keeps_percent_triplets_and_escapes_other_percent_signs():
    bound = binding("GET", "/c", parameter("query", "x", allow_reserved=True))
    assert planned(bound, {"x": "%2F%zz100%"}).target == "/v1/c?x=%2F%25zz100%25"


def test_allow_reserved_keeps_separators_apart_from_values():
    bound = binding("GET", "/c", parameter("query", "x", explode=False, allow_reserved=True))
    assert planned(bound, {"x": ["a,b/c", "d"]}).target == "/v1/c?x=a%2Cb/c,d"


def test_allow_reserved_in_a_path_never_lets_a_value_leave_its_segment():
    bound = binding("GET", "/c/{x}/d", parameter("path", "x", allow_reserved=True))
    assert planned(bound, {"x": "a:b@c,d;e=f/g?h#i"}).target == "/v1/c/a:b@c,d;e=f%2Fg%3Fh%23i/d"


@pytest.mark.parametrize(
    ("style", "value", "text"), [("matrix", ["a;b", "c,d"], ";x=a%3Bb,c%2Cd"), ("label", ["a,b", "c"], ".a%2Cb,c")]
)
def test_allow_reserved_in_a_path_keeps_separators_apart_from_values(style: str, value: Any, text: str):
    bound = binding("GET", "/c{x}", parameter("path", "x", style, explode=False, allow_reserved=True))
    assert planned(bound, {"x": value}).target == f"/v1/c{text}"


def test_a_content_parameter_is_json_then_escaped():
    bound = binding("GET", "/c", parameter("query", "filter", media_type="application/json"))
    assert planned(bound, {"filter": {"a": [1, None], "b": "x&y"}}).target == (
        "/v1/c?filter=%7B%22a%22%3A%5B1%2Cnull%5D%2C%22b%22%3A%22x%26y%22%7D"
    )


def test_a_content_parameter_says_null_and_empty_lists():
    bound = binding("GET", "/c", parameter("query", "f", media_type="application/json", required=True))
    assert planned(bound, {"f": None}).target == "/v1/c?f=null"
    assert planned(bound, {"f": []}).target == "/v1/c?f=%5B%5D"


def test_a_content_parameter_in_a_path_is_escaped_whole():
    bound = binding("GET", "/c/{f}", parameter("path", "f", media_type="application/json"))
    assert planned(bound, {"f": {"a": "/"}}).target == "/v1/c/%7B%22a%22%3A%22%2F%22%7D"


def test_a_content_parameter_of_plain_text_takes_scalars_only():
    bound = binding("GET", "/c", parameter("query", "f", media_type="text/plain"))
    assert planned(bound, {"f": "a b"}).target == "/v1/c?f=a%20b"
    with pytest.raises(CallerError, match="sent as text/plain"):
        planned(bound, {"f": {"a": 1}})


@pytest.mark.parametrize(
    ("media_type", "value", "text"),
    [
        (
            "application/x-www-form-urlencoded",
            {"a": "x y", "b": [1, 2], "c": {"d": "&"}},
            "a=x%20y&b=1&b=2&c%5Bd%5D=%26",
        ),
        ("application/json", {"a": 1}, "%7B%22a%22%3A1%7D"),
        ("text/plain", "a=1&b", "a%3D1%26b"),
        ("application/jsonpath", "$.a.b[1:1]", "%24.a.b%5B1%3A1%5D"),
    ],
)
def test_a_whole_query_string_is_written_in_its_media_type(media_type: str, value: Any, text: str):
    bound = binding("GET", "/c", parameter("querystring", "q", media_type=media_type))
    assert planned(bound, {"q": value}).target == f"/v1/c?{text}"


def test_an_empty_whole_query_string_leaves_no_question_mark():
    bound = binding("GET", "/c", parameter("querystring", "q", media_type="application/x-www-form-urlencoded"))
    assert planned(bound, {"q": {}}).target == "/v1/c"


def test_a_method_that_is_no_token_is_the_documents_fault():
    with pytest.raises(DesignError, match="no HTTP method"):
        planned(binding("GET /x", "/c"), {})


def test_equal_arguments_give_equal_requests():
    bound = binding("GET", "/c/{x}", parameter("path", "x"), parameter("query", "y"), parameter("header", "Z"))
    arguments = {"x": "a", "y": ["b", "c"], "Z": "d"}
    assert planned(bound, arguments) == planned(bound, dict(reversed(arguments.items())))


def test_the_origin_and_the_accept_header_come_from_the_binding():
    made = planned(binding("GET", "/c", accept="application/json, text/csv;q=0.5"), {"Accept": "evil"})
    assert made.origin == BASE.origin
    assert made.headers == [("Accept", "application/json, text/csv;q=0.5")]
    assert made.body is None


@pytest.mark.parametrize("value", [{"a": []}, {"a": {}}, {"a": [[]]}, {"a": None}])
def test_what_a_form_in_the_query_cannot_say_is_refused(value: dict[str, Any]):
    bound = binding("GET", "/c", parameter("querystring", "q", media_type="application/x-www-form-urlencoded"))
    with pytest.raises(CallerError, match="argument 'q' holds"):
        planned(bound, {"q": value})
