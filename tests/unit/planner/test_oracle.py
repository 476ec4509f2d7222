"""The oracle of the wire notices what goes wrong: each mistake is planted in a request that is right, and told.

An oracle that always agrees would make every test that uses it worthless. Documents, arguments and bytes stand here in
full, so that nothing of the package takes part.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.oracle_document import Document, load
from support.oracle_excuses import excused
from support.oracle_judge import Asked, Place, lost_arguments, mistakes

TESTS = Path(__file__).resolve().parents[2]
BASE = "https://api.example.com/v1"
ORIGIN = "https://api.example.com"
TEXT = {"type": "string"}
LIST = {"type": "array", "items": TEXT}
OBJECT = {"type": "object", "additionalProperties": TEXT}


def parameter(place: str, name: str, schema: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"in": place, "name": name, "schema": schema, "required": place == "path", **more}


def body(media_type: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema, **more}}}


PATHS: dict[str, Any] = {
    "/a/{p}": {
        "get": {
            "parameters": [
                parameter("path", "p"),
                parameter("query", "q", {"type": ["string", "number"]}),
                parameter("query", "list", LIST),
                parameter("query", "pipes", LIST, style="pipeDelimited", explode=False),
                parameter("query", "deep", {"type": "object"}, style="deepObject"),
                parameter("query", "json", content={"application/json": {}}) | {"schema": None},
                parameter("header", "X-List", LIST),
                parameter("cookie", "c"),
            ]
        }
    },
    "/m/{x}{y}?fixed=1": {
        "get": {"parameters": [parameter("path", "x", OBJECT, style="matrix", explode=True), parameter("path", "y")]}
    },
    "/json": {"post": {"requestBody": body("application/json", {"type": "object", "properties": {"a": TEXT}})}},
    "/form": {
        "post": {
            "requestBody": body(
                "application/x-www-form-urlencoded",
                {"type": "object", "properties": {"a": TEXT, "o": OBJECT, "l": LIST}},
                encoding={"l": {"style": "form", "explode": False}},
            )
        }
    },
    "/parts": {
        "post": {
            "requestBody": body(
                "multipart/form-data",
                {"properties": {"f": {"type": "string", "format": "binary"}, "j": OBJECT, "t": TEXT}},
                encoding={"f": {"contentType": "image/png"}},
            )
        }
    },
    "/xml": {
        "post": {
            "requestBody": body(
                "application/xml",
                {
                    "type": "object",
                    "xml": {"name": "order"},
                    "properties": {
                        "id": {"type": "integer", "xml": {"attribute": True}},
                        "lines": {
                            "type": "array",
                            "items": {**TEXT, "xml": {"name": "line"}},
                            "xml": {"wrapped": True},
                        },
                    },
                },
            )
        }
    },
    "/bytes": {"put": {"requestBody": body("image/png", {})}},
}

NAMES = {"p", "q", "list", "pipes", "deep", "json", "X-List", "c", "x", "y"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    path: Path = tmp_path_factory.mktemp("oracle") / "things.json"
    tree = {"openapi": "3.1.0", "info": {}, "servers": [{"url": BASE}], "paths": PATHS}
    path.write_text(json.dumps(tree))
    load.cache_clear()
    return Document(path)


def asked(document: Document, key: str, arguments: Mapping[str, Any]) -> Asked:
    operation = document.operations[key]
    places = {each.name: Place(each.place, each.name) for each in operation.parameters}
    places |= {name: Place("body", "" if name == "body" else f"/{name}") for name in arguments if name not in NAMES}
    return Asked(document, operation, places, arguments)


def request(start: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{start} HTTP/1.1", "Host: api.example.com", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def parts(*pieces: str) -> bytes:
    return (
        "".join(f"--b\r\nContent-Disposition: form-data; name={piece}\r\n" for piece in pieces).encode() + b"--b--\r\n"
    )


GET = "GET /a/{p}", {"p": "a/b", "q": 1e22, "list": ["x", "y,z"], "c": "é"}
RIGHT_GET = request("GET /v1/a/a%2Fb?q=10000000000000000000000&list=x&list=y%2Cz", "Cookie: c=%C3%A9")
WHOLE = (
    "GET /a/{p}",
    {"p": "a", "pipes": ["x", "y"], "deep": {"a": {"b": [1]}}, "json": {"n": None}, "X-List": ["1", "2"]},
)
RIGHT_WHOLE = request("GET /v1/a/a?pipes=x%7Cy&deep%5Ba%5D%5Bb%5D%5B0%5D=1&json=%7B%22n%22%3Anull%7D", "X-List: 1,2")
MATRIX = "GET /m/{x}{y}?fixed=1", {"x": {"a": "1", "b": "2"}, "y": "z"}
RIGHT_MATRIX = request("GET /v1/m/;a=1;b=2z?fixed=1")
JSON = "POST /json", {"a": "b", "n": 2**53 + 1, "null": None, "t": True}
RIGHT_JSON = request(
    "POST /v1/json", "Content-Type: application/json", body=b'{"a":"b","n":9007199254740993,"null":null,"t":true}'
)
FORM = "POST /form", {"a": "+ &", "o": {"k": "v"}, "l": ["1", "2"]}
RIGHT_FORM = request(
    "POST /v1/form", "Content-Type: application/x-www-form-urlencoded", body=b"a=%2B+%26&o%5Bk%5D=v&l=1,2"
)
PARTS = "POST /parts", {"f": {"data": "/w==", "filename": "n.png"}, "j": {"k": "v"}, "t": "x"}
RIGHT_PARTS = request(
    "POST /v1/parts",
    "Content-Type: multipart/form-data; boundary=b",
    body=parts(
        '"f"; filename="n.png"\r\nContent-Type: image/png\r\n\r\n@',
        '"j"\r\nContent-Type: application/json\r\n\r\n{"k":"v"}\r\n'.removesuffix("\r\n"),
        '"t"\r\n\r\nx',
    ).replace(b"@", b"\xff"),
)
XML = "POST /xml", {"id": 7, "lines": ["a<b", "c"]}
RIGHT_XML = request(
    "POST /v1/xml",
    "Content-Type: application/xml",
    body=b'<order id="7"><lines><line>a&lt;b</line><line>c</line></lines></order>',
)
BYTES = "PUT /bytes", {"body": "AP8="}
RIGHT_BYTES = request("PUT /v1/bytes", "Content-Type: image/png", body=b"\x00\xff")

RIGHT = {
    "get": (GET, RIGHT_GET),
    "whole": (WHOLE, RIGHT_WHOLE),
    "matrix": (MATRIX, RIGHT_MATRIX),
    "json": (JSON, RIGHT_JSON),
    "form": (FORM, RIGHT_FORM),
    "parts": (PARTS, RIGHT_PARTS),
    "xml": (XML, RIGHT_XML),
    "bytes": (BYTES, RIGHT_BYTES),
}

PLANTED = [
    ("get", b"GET", b"PUT", "method"),
    ("get", b"/v1/", b"/v2/", "does not fit"),
    ("get", b"/v1/", b"/", "does not fit"),
    ("get", b"a%2Fb", b"a/b", "does not fit"),
    ("get", b"a%2Fb", b"a%252Fb", "path.p is"),
    ("get", b"a%2Fb", b"..", "elsewhere"),
    ("get", b"10000000000000000000000", b"1e22", "query.q"),
    ("get", b"&list=y%2Cz", b"", "query.list"),
    ("get", b"list=x&list=y%2Cz", b"list=x,y%2Cz", "query.list"),
    ("get", b"list=x&", b"list=x&more=1&", "nobody described"),
    ("get", b"q=1", b"q=1%00", "query.q"),
    ("get", b"c=%C3%A9", b"c=%C3%A8", "cookie.c"),
    ("get", b"Cookie: c=%C3%A9\r\n", b"", "cookie.c is missing"),
    ("get", b"Host:", b"X-Trace: 1\r\nHost:", "nobody's"),
    ("get", b"Host:", b"Content-Type: text/plain\r\nHost:", "there is a body"),
    ("whole", b"x%7Cy", b"x,y", "query.pipes"),
    ("whole", b"%5B0%5D", b"", "query.deep"),
    ("whole", b"null", b"0", "query.json"),
    ("whole", b"1,2", b"1, 2", "header.X-List"),
    ("matrix", b";a=1;b=2", b";b=2", "path.x"),
    ("matrix", b"2z", b"2y", "path."),
    ("matrix", b"?fixed=1", b"", "fixed=1"),
    ("json", b"9007199254740993", b"9007199254740992.0", "the JSON is"),
    ("json", b',"null":null', b"", "the JSON is"),
    ("json", b'"t":true', b'"t":1', "the JSON is"),
    ("json", b'"t":true', b'"t":true,"t":true', "twice"),
    ("json", b"application/json", b"text/json", "is none of"),
    ("json", b'"b"', b'"b "', "the JSON is"),
    ("form", b"%2B", b"+", "form, a is"),
    ("form", b"o%5Bk%5D=v", b"o=%7B%7D", "form, o is"),
    ("form", b"l=1,2", b"l=1%2C2", "form, l is"),
    ("form", b"&l=1,2", b"&l=1&l=2", "stands 2 times"),
    ("parts", b'; filename="n.png"', b"", "no file name"),
    ("parts", b"\xff", b"/w==", "the part 'f' is"),
    ("parts", b"image/png", b"text/html", "is of type"),
    ("parts", b'{"k":"v"}', b"{'k':'v'}", "Error"),
    ("parts", b"\r\n\r\nx", b"\r\n\r\ny", "the part 't' is"),
    ("parts", b'name="t"', b'name="u"', "nobody gave"),
    ("xml", b' id="7"', b"", "attribute 'id'"),
    ("xml", b"&lt;", b"<", "no XML"),
    ("xml", b"<line>c</line>", b"", "for 2 items"),
    ("xml", b"order", b"Order", "stands where 'order' should"),
    ("bytes", b"\x00\xff", b"AP8=", "the bytes are"),
]


def judged(document: Document, name: str, raw: bytes) -> list[str]:
    (key, arguments), _ = RIGHT[name]
    return mistakes(asked(document, key, arguments), raw, ORIGIN, "")


def with_length(raw: bytes) -> bytes:
    """The request with the length its body has now."""
    head, _, content = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, *([b"Content-Length: %d" % len(content)] if content else []), b"", b""]) + content


@pytest.mark.parametrize("name", list(RIGHT))
def test_a_request_that_says_what_was_given_is_right(document: Document, name: str) -> None:
    assert judged(document, name, RIGHT[name][1]) == []


@pytest.mark.parametrize(("name", "right", "wrong", "told"), PLANTED, ids=lambda value: str(value)[:24])
def test_a_planted_mistake_is_told(document: Document, name: str, right: bytes, wrong: bytes, told: str) -> None:
    assert right in RIGHT[name][1], "the mistake is planted nowhere"
    found = judged(document, name, with_length(RIGHT[name][1].replace(right, wrong)))
    assert told in "; ".join(found), found


def test_a_body_of_another_length_than_it_says_is_told(document: Document) -> None:
    assert "were announced" in judged(document, "json", RIGHT_JSON + b" ")[0]


def test_a_request_to_another_origin_is_told(document: Document) -> None:
    key, arguments = GET
    assert "instead of" in mistakes(asked(document, key, arguments), RIGHT_GET, "https://evil.example", "")[0]


def test_a_value_of_a_type_that_the_document_does_not_admit_is_told(document: Document) -> None:
    raw = request("GET /v1/a/a?list=x")
    assert (
        "where the document has array"
        in mistakes(asked(document, "GET /a/{p}", {"p": "a", "list": "x"}), raw, ORIGIN, "")[0]
    )


def test_parameters_without_argument_and_arguments_without_parameter_are_told(document: Document) -> None:
    operation = document.operations["GET /m/{x}{y}?fixed=1"]
    places = {"x": Place("path", "x"), "z": Place("query", "z"), "body": Place("body", "")}
    assert list(lost_arguments(document, operation, places)) == [
        "the path parameter 'y' has no argument",
        "the query argument 'z' is none of the document's",
        "there are arguments of a body, but the document has none",
    ]


@pytest.mark.parametrize(
    ("key", "arguments", "name", "right"),
    [
        ("GET /a/{p}", {"p": ".."}, "p", True),
        ("GET /a/{p}", {"p": ""}, "p", True),
        ("GET /a/{p}", {"p": "...", "q": ".."}, "p", False),
        ("GET /a/{p}", {"p": "a", "pipes": ["a|b"]}, "pipes", True),
        ("GET /a/{p}", {"p": "a", "pipes": ["a,b"]}, "pipes", False),
        ("GET /a/{p}", {"p": "a", "list": ["a|b", ","]}, "list", False),
        ("GET /a/{p}", {"p": "a", "X-List": ["a,b"]}, "X-List", True),
        ("GET /a/{p}", {"p": "a", "X-List": ["é"]}, "X-List", True),
        ("GET /a/{p}", {"p": "a", "deep": {"a": []}}, "deep", True),
        ("GET /a/{p}", {"p": "a", "q": None}, "q", True),
        ("GET /a/{p}", {"p": "a", "q": "\r\n\x00é"}, "q", False),
        ("POST /json", {"a": "\x00"}, "a", False),
        ("POST /form", {"a": None}, "a", True),
        ("POST /xml", {"lines": ["\x00"]}, "lines", True),
        ("PUT /bytes", {"body": "no base64!"}, "body", True),
        ("PUT /bytes", {"body": "AP8"}, "body", False),
    ],
)
def test_a_refusal_is_right_only_where_no_request_could_say_it(
    document: Document, key: str, arguments: dict[str, Any], name: str, right: bool
) -> None:
    assert excused(asked(document, key, arguments), f"argument {name!r} cannot be sent") is right
    assert not excused(asked(document, key, arguments), "something cannot be sent")


def test_the_oracle_loads_nothing_of_the_package() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from support import oracle_judge, oracle_excuses, oracle_core, arguments\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'apiloom'])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


def test_what_calls_the_tools_and_has_them_judged_knows_tools_and_outcomes_but_no_planner() -> None:
    tree = ast.parse((TESTS / "support/oracle_calls.py").read_text(encoding="utf-8"))
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in named if name and name.startswith("apiloom")} == {
        "apiloom",
        "apiloom.base.errors",
        "apiloom.base.values",
        "apiloom.calls.call",
        "apiloom.catalog.tool",
        "apiloom.catalog.validation",
        "apiloom.net.request",
    }
