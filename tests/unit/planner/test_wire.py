"""The wire oracle reads back what planners write: for every style, what goes in comes out, or is refused for a reason.

The oracle (``support.oracle``) knows OpenAPI's table and nothing of the package. Whether a value has a form in a style
is decided here a second time, by :func:`has_a_form`: a planner can neither mangle a value nor refuse a good one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyreqwest.http import Url

from apiloom.base.errors import CallerError
from apiloom.catalog.plan import HttpPlan
from apiloom.catalog.tool import BoundBody, BoundField
from apiloom.model.api import Encoding
from apiloom.net.target import sent_exactly
from support.bindings import binding, parameter, planned
from support.oracle import Described, DescribedBody, DescribedField, File, Recorded, read_arguments, said

RESERVED = ":/?#[]@!$&'()*+,;=%|.-_~ {}<>\"\\^`"
FORM = "application/x-www-form-urlencoded"

texts = st.one_of(
    st.text(alphabet=st.sampled_from(RESERVED + "aZ0é日😀"), max_size=8),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from([".", "..", "%2e%2e", "%2F", "a,b", "true", "null", "a b", "1e5", ""]),
)
numbers = st.one_of(
    st.integers(min_value=2**53 - 2, max_value=2**53 + 2),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: str(number) != "-0.0"),
)
scalars = st.one_of(texts, numbers, st.booleans())
names = st.text(alphabet=st.sampled_from("abcXYZ_$.é &=,;%"), min_size=1, max_size=6).filter(lambda n: n != "x")
values = {
    "scalar": scalars,
    "array": st.lists(scalars, max_size=4),
    "object": st.dictionaries(names, scalars, max_size=4),
}
nested = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=8,
)
shapes = st.sampled_from(["scalar", "array", "object"])
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def recorded(made: HttpPlan) -> Recorded:
    """The plan as a server would receive it, after the HTTP client had its chance to rewrite the target."""
    assert sent_exactly(made.target)
    assert str(Url(made.origin + made.target)) == made.origin + made.target
    return Recorded(method=made.method, target=made.target, headers=made.headers, body=made.body)


def leaves(value: Any) -> list[str]:
    """Every name and scalar of a flat value as text."""
    if isinstance(value, Mapping):
        return [text for member in value.items() for text in (member[0], said(member[1]))]
    return [said(item) for item in value] if isinstance(value, list) else [said(value)]


def has_a_form(place: str, style: str, explode: bool, value: Any) -> bool:
    """Whether the style has an unambiguous form for the value in this place."""
    several = isinstance(value, dict | list)
    told = leaves(value)
    delimiter = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}.get(style)
    if place == "query":
        if delimiter and several and not explode:
            return not any(delimiter in text for text in told)
        return True
    if place == "path":
        return path_has_a_form(style, explode, value, told)
    if place == "header":
        unchanged = all(re.fullmatch(r"[\x20-\x7e\t]*", text) for text in told)
        joined = ",".join(told) if several else told[0]
        if several:
            keys = list(value) if isinstance(value, dict) else []
            unchanged &= not any("," in text for text in told if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', text))
            unchanged &= not (explode and any("=" in key for key in keys))
        return bool(unchanged and joined.strip(" \t") == joined)
    if style == "cookie":
        octets = all(re.fullmatch(r"[\x20-\x7e]*", text) and not set(text) & set('",;\\') for text in told)
        keys = list(value) if isinstance(value, dict) and explode else []
        tokens = all(re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", key) for key in keys)
        pairs = [said(item) for item in value.values()] if keys else told if explode else [",".join(told)]
        return bool(octets and tokens and all(text.strip(" ") == text for text in pairs))
    return True


def path_has_a_form(style: str, explode: bool, value: Any, told: list[str]) -> bool:
    if isinstance(value, dict | list) and not value:
        return False
    if style == "matrix":
        return True
    if style == "label":
        if value == "" or (explode and isinstance(value, dict | list) and any("." in text for text in told)):
            return False
        between = "." if explode else ","
        return between.join(told) not in ("", ".")
    return value not in ("", [""], ".", "..", ["."], [".."])


def agrees(place: str, style: str, explode: bool, shape: str, value: Any) -> None:
    """What the planner writes for the value, the oracle reads as the value."""
    path = "/a/{x}/b" if place == "path" else "/a"
    bound = binding("GET", path, parameter(place, "x", style, explode))
    if not has_a_form(place, style, explode, value):
        with pytest.raises(CallerError, match=r"argument 'x'"):
            planned(bound, {"x": value})
        return
    found = read_arguments(
        recorded(planned(bound, {"x": value})),
        "/v1" + path,
        [Described("x", place, style, explode, shape)],  # type: ignore[arg-type]
    )
    if isinstance(value, dict | list) and not value:
        assert found == {}  # an empty list says nothing (RFC 6570 section 2.3)
    else:
        assert found == {f"{place}.x": said(value)}


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@pytest.mark.parametrize("explode", [False, True])
@quick
@given(data=st.data())
def test_path_values_come_out_as_they_went_in(style: str, explode: bool, data: st.DataObject):
    shape = data.draw(shapes)
    agrees("path", style, explode, shape, data.draw(values[shape]))


@pytest.mark.parametrize("style", ["form", "spaceDelimited", "pipeDelimited", "tabDelimited"])
@pytest.mark.parametrize("explode", [False, True])
@quick
@given(data=st.data())
def test_query_values_come_out_as_they_went_in(style: str, explode: bool, data: st.DataObject):
    shape = data.draw(shapes if style == "form" or not explode else st.sampled_from(["scalar", "array"]))
    agrees("query", style, explode, shape, data.draw(values[shape]))


@pytest.mark.parametrize("explode", [False, True])
@quick
@given(data=st.data())
def test_header_values_come_out_as_they_went_in(explode: bool, data: st.DataObject):
    shape = data.draw(shapes)
    agrees("header", "simple", explode, shape, data.draw(values[shape]))


@pytest.mark.parametrize("style", ["form", "cookie"])
@pytest.mark.parametrize("explode", [False, True])
@quick
@given(data=st.data())
def test_cookies_come_out_as_they_went_in(style: str, explode: bool, data: st.DataObject):
    shape = data.draw(shapes)
    agrees("cookie", style, explode, shape, data.draw(values[shape]))


@quick
@given(value=st.dictionaries(names, nested, min_size=1, max_size=3))
def test_deep_objects_come_out_as_they_went_in(value: dict[str, Any]):
    bound = binding("GET", "/a", parameter("query", "x", "deepObject"))
    found = read_arguments(
        recorded(planned(bound, {"x": value})), "/v1/a", [Described("x", "query", "deepObject", shape="object")]
    )
    assert found == {"query.x": said(value)}


@pytest.mark.parametrize("place", ["path", "query", "header", "cookie"])
@quick
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | texts, lambda i: st.lists(i) | st.dictionaries(texts, i)
    )
)
def test_json_content_comes_out_as_it_went_in(place: str, value: Any):
    path = "/a/{x}" if place == "path" else "/a"
    bound = binding("GET", path, parameter(place, "x", media_type="application/json"))
    found = read_arguments(
        recorded(planned(bound, {"x": value})),
        "/v1" + path,
        [Described("x", place, media_type="application/json")],  # type: ignore[arg-type]
    )
    assert found == {f"{place}.x": value}


@quick
@given(
    arguments=st.fixed_dictionaries({"p": texts}, optional={"q": texts, "l": values["array"], "o": values["object"]})
)
def test_parameters_beside_each_other_do_not_mix(arguments: dict[str, Any]):
    bound = binding(
        "GET",
        "/a/{p}.json",
        parameter("path", "p"),
        parameter("query", "q1", argument="q"),
        parameter("query", "l[]", argument="l"),
        parameter("query", "o1", explode=False, argument="o"),
    )
    if arguments["p"] == "":
        with pytest.raises(CallerError, match="argument 'p' is empty"):
            planned(bound, arguments)
        return
    found = read_arguments(
        recorded(planned(bound, arguments)),
        "/v1/a/{p}.json",
        [
            Described("p", "path", "simple"),
            Described("q1", "query", "form", explode=True),
            Described("l[]", "query", "form", explode=True, shape="array"),
            Described("o1", "query", "form", explode=False, shape="object"),
        ],
    )
    wanted = {"path.p": "p", "query.q1": "q", "query.l[]": "l", "query.o1": "o"}
    assert found == {
        key: said(arguments[name]) for key, name in wanted.items() if arguments.get(name, []) not in ([], {})
    }


ENCODED = {
    "plain": (None, DescribedField("scalar")),
    "listed": (None, DescribedField("array")),
    "joined": (Encoding(style="form", explode=False), DescribedField("array", "form", explode=False)),
    "deep": (Encoding(style="deepObject", explode=True), DescribedField("object", "deepObject")),
    "json": (Encoding(content_type="application/json"), DescribedField(content="json")),
}
form_members = st.fixed_dictionaries(
    {},
    optional={
        "plain": scalars,
        "listed": st.lists(scalars, min_size=1, max_size=3),
        "joined": st.lists(scalars, min_size=1, max_size=3),
        "deep": st.dictionaries(names, nested, min_size=1, max_size=3),
        "json": st.dictionaries(texts, st.none() | texts | st.integers()),
        "loose": st.dictionaries(names, nested, min_size=1, max_size=3),
    },
)


@quick
@given(arguments=form_members)
def test_forms_come_out_as_they_went_in(arguments: dict[str, Any]):
    fields = tuple(
        BoundField(argument=name, name=name, encoding=ENCODED.get(name, (None,))[0]) for name in [*ENCODED, "loose"]
    )
    bound = binding("POST", "/a", body=BoundBody(media_type=FORM, required=True, fields=fields))
    described = DescribedBody(FORM, {name: entry[1] for name, entry in ENCODED.items()})
    found = read_arguments(recorded(planned(bound, arguments)), "/v1/a", [], described)
    wanted = {name: value if name == "json" else said(value) for name, value in arguments.items()}
    assert found == {"body": wanted}


files = st.fixed_dictionaries(
    {"data": st.binary(max_size=40)},
    optional={"filename": st.text(alphabet=st.sampled_from('aé"日 ;.='), min_size=1), "type": st.just("image/png")},
)


@quick
@given(
    arguments=st.fixed_dictionaries(
        {},
        optional={
            "plain": scalars,
            "listed": st.lists(scalars, min_size=1, max_size=3),
            "json": st.dictionaries(texts, st.none() | texts | st.integers()),
            "file": files,
            "files": st.lists(files, min_size=1, max_size=2),
        },
    )
)
@example(arguments={"file": {"data": b"\r\n--apiloom-\r\n\r\n"}})
def test_multipart_bodies_come_out_as_they_went_in(arguments: dict[str, Any]):
    bound = binding(
        "POST",
        "/a",
        body=BoundBody(
            media_type="multipart/form-data",
            required=True,
            fields=(
                BoundField(argument="plain", name="plain"),
                BoundField(argument="listed", name="listed"),
                BoundField(argument="json", name="json", kind="json"),
                BoundField(argument="file", name="file", kind="binary"),
                BoundField(argument="files", name="files", kind="binaries"),
            ),
        ),
    )
    described = DescribedBody(
        "multipart/form-data",
        {
            "listed": DescribedField("array"),
            "json": DescribedField(content="json"),
            "file": DescribedField(content="file"),
            "files": DescribedField("array", content="file"),
        },
    )
    found = read_arguments(recorded(planned(bound, encoded(arguments))), "/v1/a", [], described)
    wanted: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in ("file", "files"):
            read = [as_file(name, item) for item in (value if name == "files" else [value])]
            wanted[name] = read if name == "files" else read[0]
        else:
            wanted[name] = value if name == "json" else said(value)
    assert found == {"body": wanted}


def encoded(value: Any) -> Any:
    """Arguments as a caller gives them: bytes as base64 text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: encoded(item) for key, item in value.items()}
    return [encoded(item) for item in value] if isinstance(value, list) else value


def as_file(name: str, value: dict[str, Any]) -> File:
    return File(value["data"], value.get("filename", name), value.get("type", "application/octet-stream"))


@quick
@given(
    value=st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda i: st.lists(i, max_size=4) | st.dictionaries(texts, i, max_size=4),
    )
)
def test_json_bodies_come_out_as_they_went_in(value: Any):
    bound = binding("POST", "/a", body=BoundBody(media_type="application/json", required=True, whole="body"))
    found = read_arguments(recorded(planned(bound, {"body": value})), "/v1/a", [], DescribedBody("application/json"))
    assert found == {"body": value}


@quick
@given(value=texts.filter(lambda text: not re.search("%[0-9A-Fa-f]{2}", text)))
def test_values_with_reserved_characters_allowed_come_out_as_they_went_in(value: str):
    bound = binding("GET", "/a", parameter("query", "x", allow_reserved=True), parameter("query", "y"))
    found = read_arguments(
        recorded(planned(bound, {"x": value, "y": value})),
        "/v1/a",
        [Described("x", "query", "form", explode=True), Described("y", "query", "form", explode=True)],
    )
    assert found == {"query.x": value, "query.y": value}


def test_the_oracle_notices_what_planners_could_get_wrong():
    queries = [Described("x", "query", "form", explode=True)]
    wrong = ["/a?x=a b", "/a?x=a&y=b", "/a?x", "/a?x=%zz", "/../a?x=1", "/a/%2e%2e?x=1", "a?x=1", "/a?x=é", "/a?x=[b]"]
    for target in wrong:
        with pytest.raises(AssertionError):
            read_arguments(Recorded("GET", target, []), "/a", queries)
    for headers in ([("X", "a\r\nb")], [("X Y", "a")], [("Content-Type", "text/plain")]):
        with pytest.raises(AssertionError):
            read_arguments(Recorded("GET", "/a", headers), "/a", [])
    assert read_arguments(Recorded("GET", "/a?x=%2B+", []), "/a", queries) == {"query.x": "+ "}
