"""Any operation, any arguments: what goes into a tool comes out of the request, all of it and nothing else.

Operations are made up: parameters of every style beside each other and beside bodies, with names that collide. Each
becomes a tool by the whole of the catalog, is planned, and read back by the oracle from the document alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from urllib.parse import unquote

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apiloom.base.errors import ApiloomError
from apiloom.catalog.servers import resolve_origin
from apiloom.catalog.tool import Catalog, Tool
from apiloom.catalog.validation import input_validator_schema
from apiloom.model.api import Server, ServerVariable
from support import oracle_document
from support.arguments import Argument, argument_sets
from support.bindings import binding, parameter, planned
from support.catalogs import OK, catalog_of
from support.oracle import parse_request
from support.oracle_excuses import excused
from support.oracle_judge import Asked, Place, lost_arguments, mistakes

TEXT = {"type": "string"}
SHAPES: Mapping[str, list[dict[str, Any]]] = {
    "scalar": [TEXT, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"type": ["string", "null"]}],
    "array": [{"type": "array", "items": TEXT}, {"type": "array", "items": {"type": "integer"}}],
    "object": [{"type": "object", "additionalProperties": TEXT}],
}
NAMES = {
    "path": ["id", "a", "B-1", "x.y"],
    "query": ["id", "a", "$top", "user[name]", "ö", "x y", "Id"],
    "header": ["id", "X-A", "a"],
    "cookie": ["id", "sid", "a"],
}
STYLES = {
    ("path", "any"): ["simple", "label", "matrix"],
    ("query", "scalar"): ["form"],
    ("query", "array"): ["form", "spaceDelimited", "pipeDelimited"],
    ("query", "object"): ["form", "deepObject"],
    ("header", "any"): ["simple"],
    ("cookie", "any"): ["form", "cookie"],
}
MEMBERS = ["id", "a", "body", "$top", "x y", "id_body"]
MEDIA = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "application/merge-patch+json"]

thorough = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
quick = settings(max_examples=200)
T = TypeVar("T")


def attempted(make: Callable[[], T]) -> tuple[T | None, str]:
    """What came of it, or the words in which it was refused."""
    try:
        return make(), ""
    except ApiloomError as error:
        return None, f"{error.code} {error.message}"


@st.composite
def parameters(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Parameters with a name and place of their own.

    At most one object is spread over the query and one over the cookies: whose a pair is nobody could tell of two.
    """
    made, spread = [], set()
    for place, names in NAMES.items():
        for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=3)):
            shape = draw(st.sampled_from(sorted(SHAPES)))
            style = draw(st.sampled_from(STYLES.get((place, "any")) or STYLES[place, shape]))
            explode = style == "deepObject" or (
                draw(st.booleans()) and style not in ("spaceDelimited", "pipeDelimited")
            )
            if place in ("query", "cookie") and style != "deepObject" and shape == "object" and explode:
                explode = place not in spread
                spread.add(place)
            made.append(
                {
                    "name": name,
                    "in": place,
                    "style": style,
                    "explode": explode,
                    "required": place == "path" or draw(st.booleans()),
                    "schema": draw(st.sampled_from(SHAPES[shape])),
                }
            )
    return made


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A path and the operation on it."""
    listed = draw(parameters())
    path = "/p" + "".join(f"/{{{each['name']}}}" for each in listed if each["in"] == "path") + draw(st.just("/end"))
    made: dict[str, Any] = {"operationId": "act", "parameters": listed, "responses": OK}
    members = draw(st.lists(st.sampled_from(MEMBERS), unique=True, max_size=4))
    if members:
        schemas = st.sampled_from([schema for shape in SHAPES.values() for schema in shape])
        properties = {name: draw(schemas) for name in members}
        needed = draw(st.lists(st.sampled_from(members), unique=True))
        schema = {"type": "object", "properties": properties, "required": needed, "additionalProperties": draw(extra)}
        made["requestBody"] = {"required": draw(st.booleans()), "content": {draw(media): {"schema": schema}}}
    return path, made


extra = st.sampled_from([False, True, TEXT])
media = st.sampled_from(MEDIA)


def only(catalog: Catalog) -> Tool:
    assert [line.reason for line in catalog.ledger] == [""]
    (tool,) = catalog.tools.values()
    return tool


def read_by_the_oracle(path: str, operation: Mapping[str, Any]) -> oracle_document.Document:
    """The document of one operation as the oracle reads it."""
    tree = {"openapi": "3.1.0", "info": {}, "servers": [{"url": "https://api.example.com/v1"}]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "it.json"
        file.write_text(json.dumps({**tree, "paths": {path: {"post": operation}}}))
        oracle_document.load.cache_clear()
        return oracle_document.Document(file)


def places_of(tool: Tool) -> dict[str, Place]:
    rest = tool.binding.body.rest if tool.binding.body is not None else ""
    return {
        each.name: Place(each.place, each.original, rest=each.place == "body" and each.name == rest)
        for each in tool.arguments
    }


def argument_choices(tool: Tool, catalog: Catalog, places: Mapping[str, Place], seed: int) -> Iterator[dict[str, Any]]:
    """Arguments that are valid by the tool's own schema, edges included."""
    schema = input_validator_schema(tool, catalog.schemas)
    assert isinstance(schema, dict)
    of_body = "form" if tool.binding.body is not None and "json" not in tool.binding.body.media_type else "json"
    wanted = [Argument(name, of_body if where.place == "body" else where.place) for name, where in places.items()]
    for made in argument_sets(schema, wanted, jsonschema_rs.Draft202012Validator(schema).is_valid, str(seed)):
        yield made.arguments


def sent(tool: Tool, arguments: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of the request that a tool's arguments mean, and the origin it goes to."""
    made = planned(tool.binding, dict(arguments))
    lines = [f"{made.method} {made.target} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in made.headers)]
    lines += [f"Content-Length: {len(made.body)}"] if made.body is not None else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (made.body or b""), made.origin


@thorough
@given(operations(), st.integers(0, 2**32))
def test_planning_neither_loses_nor_invents_an_argument(drawn: tuple[str, dict[str, Any]], seed: int) -> None:
    path, operation = drawn
    catalog, document = catalog_of({path: {"post": operation}}), read_by_the_oracle(path, operation)
    tool = only(catalog)
    places, described = places_of(tool), document.operations[f"POST {path}"]
    assert list(lost_arguments(document, described, places)) == []
    for arguments in argument_choices(tool, catalog, places, seed):
        asked = Asked(document, described, places, arguments)
        made, refused = attempted(lambda given=arguments: sent(tool, given))  # type: ignore[misc]
        if made is None:
            assert excused(asked, refused), refused
        else:
            assert mistakes(asked, *made, "") == []


@thorough
@given(operations(), st.randoms(use_true_random=False))
def test_names_of_arguments_do_not_depend_on_the_order_of_anything(drawn: Any, chance: Random) -> None:
    path, operation = drawn

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            chance.shuffle(items)
            return {key: turned(each) for key, each in items}
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return [turned(each) for each in chance.sample(value, len(value))]
        return value

    def named(operation: Any) -> set[tuple[str, str, str]]:
        tool = only(catalog_of({path: {"post": operation}}))
        return {(each.name, each.place, each.original) for each in tool.arguments}

    assert named(turned(operation)) == named(operation)


FOREIGN = (
    *("../", "/../", "..\\", "/%2e%2e/", "..;/", "/..;x/"),
    *("..", ".", "/", "\\", "%2e", "%2F", "%5c", "//", "@", "evil.example", ":80", "?", "#", ";", "&", "=", "é"),
    *("\r\n", "\n", "\r", "\x00", "\t", " ", "X-Evil: 1", "%0d%0a", "。", "／", "＠", "\u2028", "javascript:"),
)
hostile = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(FOREIGN), max_size=6).map("".join))


@quick
@given(hostile, hostile, st.sampled_from(["simple", "label", "matrix"]), st.booleans())
@example("../x", "y", "simple", False)
@example("x", "/../y", "simple", False)
@example("x", "/..", "simple", True)
def test_no_path_value_leads_out_of_the_folder_of_its_server(one: str, two: str, style: str, slashes: bool) -> None:
    bound = binding(
        "GET", "/in/{x}-{y}", parameter("path", "x", style, slashes=slashes), parameter("path", "y", slashes=slashes)
    )
    made, refused = attempted(lambda: planned(bound, {"x": one, "y": two}))
    if made is None:
        assert refused.startswith(("call.argument argument 'x'", "call.argument argument 'y'"))
        return
    assert made.origin == "https://api.example.com"
    assert not {".", ".."} & {piece.partition(";")[0] for piece in made.target.split("/")}
    path = made.target
    # Servers that undo escapes once too often are led nowhere either.
    for _ in range(2):
        assert path.startswith("/v1/in/")
        assert ".." not in {piece.partition(";")[0] for piece in path.replace("\\", "/").split("/")}
        path = unquote(path)
    assert not set(made.target) & set(" \r\n\t?#\\")


@quick
@given(hostile, hostile, hostile)
def test_no_value_adds_a_header_a_line_or_a_second_request(header: str, cookie: str, query: str) -> None:
    given_here = {"h": header, "c": cookie, "q": query}
    bound = [
        binding("GET", "/a", parameter("header", "X-H", argument="h")),
        binding("GET", "/a", parameter("cookie", "c")),
        binding("GET", "/a", parameter("query", "q", allow_reserved=True)),
        binding("GET", "/a", parameter("header", "X-H", media_type="application/json", argument="h")),
    ]
    for one, name in zip(bound, ["h", "c", "q", "h"], strict=True):
        made, refused = attempted(lambda one=one, name=name: planned(one, {name: given_here[name]}))  # type: ignore[misc]
        if made is None:
            assert refused.startswith(f"call.argument argument '{name}'")
            continue
        lines = [f"{made.method} {made.target} HTTP/1.1", "Host: x", *(f"{key}: {text}" for key, text in made.headers)]
        read = parse_request("\r\n".join([*lines, "", ""]).encode("latin-1"))
        assert [key for key, _ in read.headers] == ["Host", *(key for key, _ in made.headers)]
        assert {key for key, _ in read.headers} <= {"Host", "Accept", "X-H", "Cookie"}
        assert read.body is None
        assert made.origin == "https://api.example.com"


@pytest.mark.parametrize(
    "template", ["https://{v}.example.com/a", "https://api.{v}.example.com", "https://api.example.com/{v}/b"]
)
@quick
@given(value=hostile)
def test_no_value_of_a_server_variable_leads_to_another_host(template: str, value: str) -> None:
    server = Server(url=template, variables={"v": ServerVariable(default="x")})
    base, refused = attempted(lambda: resolve_origin([server], variables={"v": value}))
    if base is None:
        assert refused.partition(" ")[0] in ("server.variable", "server.invalid")
        return
    scheme, _, host = base.origin.partition("://")
    assert scheme == "https"
    assert host.endswith(".example.com")
    assert not set(host) & set("/@:?#\\ %")
    assert not {".", ".."} & {piece.partition(";")[0] for piece in base.path_prefix.split("/")}
    assert ".." not in {piece.partition(";")[0] for piece in unquote(base.path_prefix).replace("\\", "/").split("/")}
