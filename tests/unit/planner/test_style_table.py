"""Every cell of OpenAPI's style table (3.2, "Style Examples"), byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base.errors import CallerError, DesignError
from support.bindings import binding, parameter, planned

STRING, ARRAY, OBJECT = "blue", ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}

PATH = [
    ("matrix", False, "", ";color"),
    ("matrix", False, STRING, ";color=blue"),
    ("matrix", False, ARRAY, ";color=blue,black,brown"),
    ("matrix", False, OBJECT, ";color=R,100,G,200,B,150"),
    ("matrix", True, "", ";color"),
    ("matrix", True, STRING, ";color=blue"),
    ("matrix", True, ARRAY, ";color=blue;color=black;color=brown"),
    ("matrix", True, OBJECT, ";R=100;G=200;B=150"),
    ("label", False, STRING, ".blue"),
    ("label", False, ARRAY, ".blue,black,brown"),
    ("label", False, OBJECT, ".R,100,G,200,B,150"),
    ("label", True, STRING, ".blue"),
    ("label", True, ARRAY, ".blue.black.brown"),
    ("label", True, OBJECT, ".R=100.G=200.B=150"),
    ("simple", False, STRING, "blue"),
    ("simple", False, ARRAY, "blue,black,brown"),
    ("simple", False, OBJECT, "R,100,G,200,B,150"),
    ("simple", True, STRING, "blue"),
    ("simple", True, ARRAY, "blue,black,brown"),
    ("simple", True, OBJECT, "R=100,G=200,B=150"),
]

QUERY = [
    ("form", False, "", "color="),
    ("form", False, STRING, "color=blue"),
    ("form", False, ARRAY, "color=blue,black,brown"),
    ("form", False, OBJECT, "color=R,100,G,200,B,150"),
    ("form", True, "", "color="),
    ("form", True, STRING, "color=blue"),
    ("form", True, ARRAY, "color=blue&color=black&color=brown"),
    ("form", True, OBJECT, "R=100&G=200&B=150"),
    ("spaceDelimited", False, ARRAY, "color=blue%20black%20brown"),
    ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
    ("pipeDelimited", False, ARRAY, "color=blue%7Cblack%7Cbrown"),
    ("pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
    ("deepObject", False, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
]

COOKIE = [
    ("form", False, STRING, "color=blue"),
    ("form", False, ARRAY, "color=blue,black,brown"),
    ("form", False, OBJECT, "color=R,100,G,200,B,150"),
    ("cookie", False, "", "color="),
    ("cookie", False, STRING, "color=blue"),
    ("cookie", False, ARRAY, "color=blue,black,brown"),
    ("cookie", False, OBJECT, "color=R,100,G,200,B,150"),
    ("cookie", True, STRING, "color=blue"),
    ("cookie", True, ARRAY, "color=blue; color=black; color=brown"),
    ("cookie", True, OBJECT, "R=100; G=200; B=150"),
]


@pytest.mark.parametrize(("style", "explode", "value", "text"), PATH)
def test_a_path_value_is_written_as_the_table_says(style: str, explode: bool, value: Any, text: str):
    bound = binding("GET", "/c/{color}/x", parameter("path", "color", style, explode))
    assert planned(bound, {"color": value}).target == f"/v1/c/{text}/x"


@pytest.mark.parametrize(("style", "explode", "value", "text"), QUERY)
def test_a_query_value_is_written_as_the_table_says(style: str, explode: bool, value: Any, text: str):
    bound = binding("GET", "/c", parameter("query", "color", style, explode))
    assert planned(bound, {"color": value}).target == f"/v1/c?{text}"


@pytest.mark.parametrize(("style", "explode", "value", "text"), COOKIE)
def test_a_cookie_is_written_as_the_table_says(style: str, explode: bool, value: Any, text: str):
    bound = binding("GET", "/c", parameter("cookie", "color", style, explode))
    assert planned(bound, {"color": value}).headers == [("Accept", "*/*"), ("Cookie", text)]


@pytest.mark.parametrize(
    ("explode", "value", "text"),
    [
        (False, "", ""),
        (False, STRING, "blue"),
        (False, ARRAY, "blue,black,brown"),
        (False, OBJECT, "R,100,G,200,B,150"),
        (True, ARRAY, "blue,black,brown"),
        (True, OBJECT, "R=100,G=200,B=150"),
    ],
)
def test_a_header_is_written_as_the_table_says(explode: bool, value: Any, text: str):
    bound = binding("GET", "/c", parameter("header", "X-Color", "simple", explode, argument="color"))
    assert planned(bound, {"color": value}).headers == [("Accept", "*/*"), ("X-Color", text)]


def test_an_exploded_form_list_in_a_cookie_is_several_cookies():
    bound = binding("GET", "/c", parameter("cookie", "color", "form", explode=True), parameter("cookie", "a"))
    assert planned(bound, {"color": ARRAY, "a": 1}).headers[1] == (
        "Cookie",
        "color=blue; color=black; color=brown; a=1",
    )


def test_swagger_tabs_are_escaped_like_the_other_delimiters():
    bound = binding("GET", "/c", parameter("query", "color", "tabDelimited", explode=False))
    assert planned(bound, {"color": ARRAY}).target == "/v1/c?color=blue%09black%09brown"


@pytest.mark.parametrize("style", ["spaceDelimited", "pipeDelimited", "tabDelimited"])
def test_an_exploded_delimited_list_repeats_its_name(style: str):
    bound = binding("GET", "/c", parameter("query", "color", style, explode=True))
    assert planned(bound, {"color": ARRAY}).target == "/v1/c?color=blue&color=black&color=brown"


@pytest.mark.parametrize(
    ("style", "text"),
    [("form", "a%2Cb,c"), ("spaceDelimited", "a%2Cb%20c"), ("pipeDelimited", "a%2Cb%7Cc")],
)
def test_a_comma_inside_a_value_is_escaped_and_so_told_from_a_separator(style: str, text: str):
    bound = binding("GET", "/c", parameter("query", "x", style, explode=False))
    assert planned(bound, {"x": ["a,b", "c"]}).target == f"/v1/c?x={text}"


@pytest.mark.parametrize(
    ("style", "value"), [("spaceDelimited", "a b"), ("pipeDelimited", "a|b"), ("tabDelimited", "a\tb")]
)
def test_a_delimiter_inside_a_value_is_refused_where_it_cannot_be_told_apart(style: str, value: str):
    bound = binding("GET", "/c", parameter("query", "x", style, explode=False))
    with pytest.raises(CallerError, match=r"argument 'x' holds .* separator") as told:
        planned(bound, {"x": [value, "c"]})
    assert told.value.code == "call.argument"
    assert told.value.facts == {"argument": "x"}


@pytest.mark.parametrize("value", [["a.b", "c"], {"k": "a.b"}])
def test_a_full_stop_inside_an_exploded_label_is_refused(value: Any):
    bound = binding("GET", "/c{x}", parameter("path", "x", "label", explode=True))
    with pytest.raises(CallerError, match="separator"):
        planned(bound, {"x": value})


def test_a_full_stop_in_a_single_label_stands_bare():
    bound = binding("GET", "/c{x}", parameter("path", "x", "label"))
    assert planned(bound, {"x": 3.5}).target == "/v1/c.3.5"


@pytest.mark.parametrize(
    ("place", "style"),
    [
        ("path", "form"),
        ("path", "deepObject"),
        ("query", "simple"),
        ("query", "nonsense"),
        ("header", "form"),
        ("cookie", "simple"),
    ],
)
def test_a_style_that_has_no_place_there_is_the_documents_fault(place: str, style: str):
    with pytest.raises(DesignError) as told:
        planned(binding("GET", "/c/{x}" if place == "path" else "/c", parameter(place, "x", style)), {"x": "a"})
    assert told.value.code == "parameter.style"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": {"b": 1, "c": {"d": "x"}}}, "f%5Ba%5D%5Bb%5D=1&f%5Ba%5D%5Bc%5D%5Bd%5D=x"),
        ({"tags": ["x", "y"]}, "f%5Btags%5D%5B0%5D=x&f%5Btags%5D%5B1%5D=y"),
        ({"or": [{"a": 1}, {"b": 2}]}, "f%5Bor%5D%5B0%5D%5Ba%5D=1&f%5Bor%5D%5B1%5D%5Bb%5D=2"),
        (["x", "y"], "f%5B0%5D=x&f%5B1%5D=y"),
        ("x", "f=x"),
    ],
)
def test_deep_objects_nest_with_brackets_and_number_their_lists(value: Any, text: str):
    bound = binding("GET", "/c", parameter("query", "f", "deepObject"))
    assert planned(bound, {"f": value}).target == f"/v1/c?{text}"


def test_a_list_of_objects_in_an_exploded_form_value_is_numbered():
    bound = binding("GET", "/c", parameter("query", "f"))
    assert planned(bound, {"f": [{"a": 1}, {"a": 2}]}).target == "/v1/c?f%5B0%5D%5Ba%5D=1&f%5B1%5D%5Ba%5D=2"


def test_nesting_inside_an_exploded_form_object_takes_the_members_name():
    bound = binding("GET", "/c", parameter("query", "f"))
    assert planned(bound, {"f": {"a": 1, "b": {"c": 2}}}).target == "/v1/c?a=1&b%5Bc%5D=2"


@pytest.mark.parametrize(
    "made",
    [
        parameter("query", "x", "form", explode=False),
        parameter("query", "x", "pipeDelimited"),
        parameter("path", "x"),
        parameter("path", "x", "matrix", explode=True),
        parameter("path", "x", "label"),
        parameter("header", "x"),
        parameter("cookie", "x", "form", explode=False),
        parameter("cookie", "x", "form", explode=True),
        parameter("cookie", "x", "cookie"),
    ],
)
@pytest.mark.parametrize("value", [[["a"], "b"], {"a": {"b": 1}}, [{"a": 1}]])
def test_nesting_is_refused_where_a_style_has_no_form_for_it(made: Any, value: Any):
    bound = binding("GET", "/c/{x}" if made.place == "path" else "/c", made)
    with pytest.raises(CallerError, match=r"argument 'x' holds (a list|an object) where only a single value"):
        planned(bound, {"x": value})


def test_a_bracket_in_a_members_name_is_refused_because_it_looks_like_nesting():
    bound = binding("GET", "/c", parameter("query", "f", "deepObject"))
    with pytest.raises(CallerError, match="bracket"):
        planned(bound, {"f": {"a][b": 1}})


def test_nesting_is_bounded():
    value: Any = "x"
    for _ in range(200):
        value = {"a": value}
    with pytest.raises(CallerError, match="more than 32 levels"):
        planned(binding("GET", "/c", parameter("query", "f", "deepObject")), {"f": value})


@pytest.mark.parametrize("value", [[], {}])
@pytest.mark.parametrize("style", ["form", "pipeDelimited", "deepObject"])
def test_an_empty_list_or_object_says_nothing_in_a_query(style: str, value: Any):
    bound = binding("GET", "/c", parameter("query", "x", style), parameter("query", "y"))
    assert planned(bound, {"x": value, "y": 1}).target == "/v1/c?y=1"
    assert planned(bound, {"x": value}).target == "/v1/c"


def test_an_empty_list_in_a_header_or_cookie_sends_none():
    bound = binding("GET", "/c", parameter("header", "X-A"), parameter("cookie", "c"))
    assert planned(bound, {"X-A": [], "c": {}}).headers == [("Accept", "*/*")]


@pytest.mark.parametrize("place", ["query", "header", "cookie", "path"])
@pytest.mark.parametrize("value", [[], {}])
def test_an_empty_list_that_is_required_is_refused(place: str, value: Any):
    bound = binding("GET", "/c/{x}" if place == "path" else "/c", parameter(place, "x", required=True))
    with pytest.raises(CallerError, match="argument 'x' is empty"):
        planned(bound, {"x": value})


@pytest.mark.parametrize("value", [None, [], {}, ""])
def test_a_parameter_that_allows_empty_values_says_so(value: Any):
    bound = binding("GET", "/c", parameter("query", "x", allow_empty=True, required=True))
    assert planned(bound, {"x": value}).target == "/v1/c?x="


@pytest.mark.parametrize("place", ["query", "header", "cookie", "path"])
@pytest.mark.parametrize("value", [None, ["a", None], {"a": None}])
def test_null_is_refused_outside_json(place: str, value: Any):
    bound = binding("GET", "/c/{x}" if place == "path" else "/c", parameter(place, "x"))
    with pytest.raises(CallerError, match=r"argument 'x' holds null.*") as told:
        planned(bound, {"x": value})
    assert told.value.hint == "leave it out instead"


def test_an_empty_list_inside_a_nested_value_is_refused():
    bound = binding("GET", "/c", parameter("query", "f", "deepObject"))
    with pytest.raises(CallerError, match="empty object or list inside"):
        planned(bound, {"f": {"a": []}})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-7, "-7"),
        (9007199254740993, "9007199254740993"),
        (10**40 + 1, "1" + "0" * 39 + "1"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1.5e-10, "0.00000000015"),
        (1e22, "10000000000000000000000"),
        (1.2345678901234567e20, "123456789012345670000"),
        (-2.5e16, "-25000000000000000"),
        (5e-324, "0." + "0" * 323 + "5"),
    ],
)
def test_scalars_are_written_exactly_and_without_exponent(value: Any, text: str):
    bound = binding("GET", "/c", parameter("query", "x"))
    assert planned(bound, {"x": value}).target == f"/v1/c?x={text}"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_not_finite_is_refused(value: float):
    with pytest.raises(CallerError, match="finite"):
        planned(binding("GET", "/c", parameter("query", "x")), {"x": value})


def test_a_number_of_absurd_length_is_refused():
    with pytest.raises(CallerError, match="digits"):
        planned(binding("GET", "/c", parameter("query", "x")), {"x": 10**5000})


def test_half_a_surrogate_pair_is_refused_by_name():
    with pytest.raises(CallerError, match="argument 'x' holds half of a surrogate pair"):
        planned(binding("GET", "/c", parameter("query", "y"), parameter("query", "x")), {"y": "a", "x": "\ud83d"})
