"""Properties of planning, from document to request: nothing is lost or invented, nothing leads elsewhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.catalog.plan import HttpPlan
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.servers import BaseUrl, resolve_origin
from apiloom.catalog.tool import Tool
from apiloom.model.api import Server, ServerVariable
from support.bindings import BASE, binding, parameter, planned
from support.catalogs import OK, catalog_of
from support.oracle import Described, DescribedBody, Recorded, read_arguments, said

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

NAMES = ("id", "name", "$top", "filter[a]", "X-Id", "body")
STYLES: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "path": (("simple", False), ("simple", True), ("label", False), ("matrix", False), ("matrix", True)),
    "query": (("form", True), ("form", False), ("pipeDelimited", False), ("deepObject", True)),
    "header": (("simple", False), ("simple", True)),
    "cookie": (("form", False), ("cookie", False)),
}
words = st.text(alphabet="abcXYZ019_~", min_size=1, max_size=6)
texts = st.text(alphabet="ab/?#&=+ %é😀\r\n\"';@", min_size=1, max_size=6)


@st.composite
def operations(draw: st.DrawFn) -> tuple[dict[str, Any], list[Described], dict[str, Any], Any]:
    """Parameters as a document has them, as the oracle wants them, a value for each that is given, and a JSON body."""
    wanted = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(STYLES))), unique=True, max_size=7))
    parameters, described, given_values = [], [], {}
    for name, place in wanted:
        if place in ("header", "cookie") and not re.fullmatch(r"[A-Za-z$-]+", name):
            continue
        style, explode = draw(st.sampled_from(STYLES[place]))
        shape = "object" if style == "deepObject" else draw(st.sampled_from(["scalar", "array"]))
        plain = words if place in ("header", "cookie") or style == "pipeDelimited" else texts
        value: Any = draw(plain if shape == "scalar" else st.lists(plain, min_size=1, max_size=3))
        if shape == "object":
            value = draw(st.dictionaries(st.text("abcXYZ", min_size=1, max_size=6), texts, min_size=1, max_size=3))
        raw = {"name": name, "in": place, "required": place == "path", "style": style, "explode": explode, "schema": {}}
        parameters.append(raw)
        described.append(Described(name, place, style, explode, shape))  # type: ignore[arg-type]
        if place == "path" or draw(st.booleans()):
            given_values[f"{place}.{name}"] = value
    anything = st.one_of(
        texts, st.none(), st.booleans(), st.integers(), st.lists(texts), st.dictionaries(texts, st.none())
    )
    body = draw(st.none() | st.dictionaries(st.sampled_from(NAMES), anything, min_size=1))
    operation: dict[str, Any] = {"operationId": "it", "parameters": parameters, "responses": OK}
    if body is not None:
        schema = {"type": "object", "properties": {name: {} for name in NAMES}}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation, described, given_values, body


def recorded(made: HttpPlan) -> Recorded:
    return Recorded(method=made.method, target=made.target, headers=made.headers, body=made.body)


def arguments_of(tool: Tool, values: Mapping[str, Any], body: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values under the names the tool calls them by."""
    found = {}
    for argument in tool.arguments:
        if argument.place == "body":
            member = argument.original.removeprefix("/").replace("~1", "/").replace("~0", "~")
            if body is not None and member in body:
                found[argument.name] = body[member]
        elif f"{argument.place}.{argument.original}" in values:
            found[argument.name] = values[f"{argument.place}.{argument.original}"]
    return found


@quick
@given(operations())
def test_what_the_document_describes_and_the_caller_gives_is_what_is_sent(
    made: tuple[dict[str, Any], list[Described], dict[str, Any], Any],
) -> None:
    operation, described, values, body = made
    path = "/things" + "".join(f"/{{{one.name}}}" for one in described if one.place == "path")
    tool = next(iter(catalog_of({path: {"post": operation}}).tools.values()))
    arguments = arguments_of(tool, values, body)
    assert len(arguments) == len(values) + len(body or {})
    plan = compile_planner(tool.binding, BASE)(arguments)
    description = DescribedBody("application/json") if body is not None else None
    found = read_arguments(recorded(plan), f"/v1{path}", described, description)
    assert found == {name: said(value) for name, value in values.items()} | ({} if body is None else {"body": body})


hostile = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="./%2eE\\;:@?#&=\r\n \t\x00é", max_size=12),
    st.sampled_from(
        [
            "..",
            "../../admin",
            "%2e%2e/%2e%2e/admin",
            "..%2f..%2fadmin",
            "..\\..\\admin",
            "..;/admin",
            "//evil.example",
            "@evil.example",
            "https://evil.example/",
            "x HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "#",
            "?",
            "%",
            "%00",
        ]
    ),
)
ORIGIN = "https://api.example.com"
PLACES = ("/v1/files/{x}", "/v1/files/{x}/meta", "/v1/files/a{x}b", "/v1/files/{x}:run", "/v1/files/{x}/{x2}")


def below(target: str, folder: str) -> bool:
    """Whether the target's path stays below a folder, also for a server that undoes its escapes first."""
    path = target.partition("?")[0]
    readings = (path, unquote(path), unquote(path).replace("\\", "/"))
    return all((posixpath.normpath(one) + "/").startswith(folder + "/") for one in readings)


@quick
@example(first="a/..", second="..", slashes=True, reserved=False, place=PLACES[4])
@example(first="%2e%2e%2f", second="x", slashes=True, reserved=True, place=PLACES[0])
@given(hostile, hostile, st.booleans(), st.booleans(), st.sampled_from(PLACES))
def test_no_path_value_leaves_the_folder_or_the_origin(
    first: str, second: str, slashes: bool, reserved: bool, place: str
) -> None:
    more = {"slashes": slashes, "allow_reserved": reserved}
    bound = binding("GET", place, parameter("path", "x", **more), parameter("path", "x2", **more))
    try:
        made = planned(bound, {"x": first, "x2": second}, BaseUrl(origin=ORIGIN, path_prefix="/base"))
    except CallerError:
        return
    assert made.origin == ORIGIN
    assert made.target.isascii()
    assert not re.search(r"[\x00-\x20\x7f#]", made.target)
    assert urlsplit(made.origin + made.target).netloc == "api.example.com"
    assert below(made.target, "/base/v1/files")


@quick
@given(hostile, st.sampled_from(["header", "cookie"]), st.booleans(), st.booleans())
def test_no_value_adds_a_header_or_a_line(value: str, place: str, listed: bool, explode: bool) -> None:
    style = "simple" if place == "header" else "cookie"
    bound = binding("GET", "/a", parameter(place, "X-Note", style, explode))
    for one in ([value, value] if listed else value, {value: "a"}, {"a": value}):
        try:
            made = planned(bound, {"X-Note": one})
        except CallerError:
            continue
        assert [name for name, _ in made.headers[1:]] in ([], ["X-Note"], ["Cookie"])
        assert all(re.fullmatch(r"[\t\x20-\x7e]*", text) for _, text in made.headers)
        if place == "cookie":
            pairs = dict(made.headers)["Cookie"].split("; ")
            many = explode and not isinstance(one, str)
            assert len(pairs) == (len(one) if many else 1)


@quick
@given(hostile, hostile)
def test_no_query_value_adds_a_pair_or_ends_the_query(name: str, value: str) -> None:
    bound = binding("GET", "/a", parameter("query", "q", "deepObject"), parameter("query", "r", allow_reserved=True))
    try:
        made = planned(bound, {"q": {name: value}, "r": value})
    except CallerError:
        return
    query = made.target.partition("?")[2]
    assert query.count("&") == 1
    assert not re.search(r"[\x00-\x20\x7f#]", query)
    assert made.target.startswith("/v1/a?")


@quick
@given(hostile)
def test_no_variable_of_a_server_moves_the_host(value: str) -> None:
    server = Server(
        url="https://{tenant}.api.example.com/{base}",
        variables={"tenant": ServerVariable(default="x"), "base": ServerVariable(default="v1")},
    )
    for variables in ({"tenant": value}, {"base": value}):
        try:
            base = resolve_origin(
                [server], own_servers=False, base_url_override=None, document_url="", variables=variables
            )
        except ApiloomError:
            continue
        parts = urlsplit(base.origin)
        assert parts.scheme == "https"
        assert (parts.hostname or "").endswith(".api.example.com")
        assert parts.port is None
        assert parts.username is None
        assert below(base.path_prefix or "/", "") or base.path_prefix == ""


@quick
@given(hostile, st.sampled_from(["filename", "type"]))
def test_nothing_a_caller_says_of_a_file_ends_its_heading(value: str, key: str) -> None:
    from_document = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}}}
    operation = {"requestBody": {"content": {"multipart/form-data": {"schema": from_document}}}, "responses": OK}
    tool = next(iter(catalog_of({"/a": {"post": operation}}).tools.values()))
    try:
        made = compile_planner(tool.binding, BASE)({"f": {"data": "aGk=", key: value}})
    except CallerError:
        return
    assert made.body is not None
    heading, _, rest = made.body.partition(b"\r\n\r\n")
    assert len(heading.split(b"\r\n")) == 3
    assert rest.startswith(b"hi\r\n--")


@pytest.mark.parametrize("both", [{"a": 1, "body_form": {"b": 1}}, {"body_form": {"b": 1}, "body_text": "x"}])
def test_of_two_bodies_neither_is_dropped_in_silence(both: dict[str, Any]) -> None:
    content = {
        "application/json": {"schema": {"type": "object", "properties": {"a": {}}}},
        "application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {"b": {}}}},
        "text/plain": {"schema": {"type": "string", "maxLength": 5}},
    }
    operation = {"requestBody": {"required": True, "content": content}, "responses": OK}
    tool = next(iter(catalog_of({"/a": {"post": operation}}).tools.values()))
    plan = compile_planner(tool.binding, BASE)
    with pytest.raises(CallerError, match="another form of the body"):
        plan(both)
    assert plan({"body_text": "x"}).body == b"x"
    assert plan({"a": 1}).body == b'{"a":1}'
