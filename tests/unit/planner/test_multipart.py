"""Multipart bodies, part by part and byte by byte."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.catalog.multipart import Part, assemble
from apiloom.catalog.tool import BoundField
from apiloom.model.api import Encoding
from support.bindings import fields, sent

FORM_DATA = "multipart/form-data"


def parts_of(made: tuple[str | None, bytes | None]) -> list[bytes]:
    """The parts between the boundaries, headings and all."""
    content_type, body = made
    assert content_type is not None
    assert body is not None
    boundary = content_type.partition("boundary=")[2].encode()
    chunks = body.split(b"--" + boundary)
    assert chunks[0] == b""
    assert chunks[-1] == b"--\r\n"
    return [chunk.removeprefix(b"\r\n").removesuffix(b"\r\n") for chunk in chunks[1:-1]]


def test_values_files_and_json_parts_are_written_as_servers_read_them():
    made = sent(
        FORM_DATA,
        {
            "note": "héllo",
            "count": 3,
            "file": {"data": base64.b64encode(b"\x00\r\n\xff").decode(), "filename": "a.bin", "type": "image/png"},
            "meta": {"a": [1, None]},
            "tags": ["x", "y"],
        },
        fields=fields("note", "count", file="binary", meta="json", tags="value"),
    )
    assert parts_of(made) == [
        'Content-Disposition: form-data; name="note"\r\n\r\nhéllo'.encode(),
        b'Content-Disposition: form-data; name="count"\r\n\r\n3',
        b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: image/png\r\n\r\n\x00\r\n\xff',
        b'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{"a":[1,null]}',
        b'Content-Disposition: form-data; name="tags"\r\n\r\nx',
        b'Content-Disposition: form-data; name="tags"\r\n\r\ny',
    ]


def test_a_list_of_files_is_one_part_each():
    made = sent(FORM_DATA, {"f": ["AA==", {"data": "AQ==", "filename": "b"}]}, fields=fields(f="binaries"))
    assert parts_of(made) == [
        b'Content-Disposition: form-data; name="f"; filename="f"\r\nContent-Type: application/octet-stream\r\n\r\n\x00',
        b'Content-Disposition: form-data; name="f"; filename="b"\r\nContent-Type: application/octet-stream\r\n\r\n\x01',
    ]


def test_a_list_of_objects_is_one_json_part_each():
    made = sent(FORM_DATA, {"f": [{"a": 1}, {"a": 2}]}, fields=fields(f="json"))
    assert [part.rpartition(b"\r\n\r\n")[2] for part in parts_of(made)] == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize(
    ("encoding", "value", "heading", "content"),
    [
        (Encoding(content_type="application/json"), "x", b"application/json", b'"x"'),
        (
            Encoding(content_type="application/json; charset=utf-8"),
            {"a": 1},
            b"application/json; charset=utf-8",
            b'{"a":1}',
        ),
        (Encoding(content_type="text/csv"), "a,b", b"text/csv", b"a,b"),
        (Encoding(content_type="text/*, text/html"), "<p>", b"text/html", b"<p>"),
    ],
)
def test_a_value_part_has_the_type_its_encoding_says(encoding: Encoding, value: Any, heading: bytes, content: bytes):
    part = parts_of(sent(FORM_DATA, {"f": value}, fields=fields(f=encoding)))[0]
    assert part == b'Content-Disposition: form-data; name="f"\r\nContent-Type: ' + heading + b"\r\n\r\n" + content


def test_an_object_under_a_type_that_is_not_json_is_refused():
    with pytest.raises(CallerError, match="the API takes application/xml here"):
        sent(FORM_DATA, {"f": {"a": 1}}, fields=fields(f=Encoding(content_type="application/xml")))


@pytest.mark.parametrize(
    ("allowed", "given", "used"),
    [
        ("image/png", "image/gif", "image/png"),
        ("image/png, image/jpeg", "image/jpeg", "image/jpeg"),
        ("image/png, image/jpeg", "", "image/png"),
        ("image/*", "image/webp", "image/webp"),
        ("image/*", "", "application/octet-stream"),
        ("", "text/x-own", "text/x-own"),
    ],
)
def test_a_file_part_has_the_type_allowed_and_said(allowed: str, given: str, used: str):
    file = {"data": "AA==", "type": given} if given else "AA=="
    made = sent(FORM_DATA, {"f": file}, fields=_file_field(allowed))
    assert f"Content-Type: {used}\r\n".encode() in parts_of(made)[0]


def _file_field(allowed: str) -> tuple[BoundField, ...]:
    return (BoundField(argument="f", name="f", kind="binary", encoding=Encoding(content_type=allowed or None)),)


def test_a_file_of_a_type_the_api_does_not_take_is_refused():
    with pytest.raises(CallerError, match="is of type image/gif"):
        sent(FORM_DATA, {"f": {"data": "AA==", "type": "image/gif"}}, fields=_file_field("image/png, image/jpeg"))


@pytest.mark.parametrize(
    ("encoding", "value", "parts"),
    [
        (Encoding(style="deepObject", explode=True), {"a": {"b": "é&"}}, [("f[a][b]", "é&")]),
        (Encoding(style="deepObject", explode=True), ["x", "y"], [("f[0]", "x"), ("f[1]", "y")]),
        (Encoding(style="form", explode=False), ["x", "y z"], [("f", "x,y z")]),
        (Encoding(style="form"), {"a": 1, "b": 2}, [("a", "1"), ("b", "2")]),
        (Encoding(style="pipeDelimited", explode=False), ["x", "y"], [("f", "x|y")]),
    ],
)
def test_a_styled_part_is_named_as_in_a_query_but_never_escaped(encoding: Encoding, value: Any, parts: Any):
    made = parts_of(sent(FORM_DATA, {"f": value}, fields=fields(f=encoding)))
    assert made == [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode() for name, text in parts]


@pytest.mark.parametrize(("style", "value"), [("form", "a,b"), ("pipeDelimited", "a|b")])
def test_a_separator_inside_a_joined_part_is_refused(style: str, value: str):
    with pytest.raises(CallerError, match="list separator"):
        sent(FORM_DATA, {"f": [value, "c"]}, fields=fields(f=Encoding(style=style, explode=False)))


def test_names_and_file_names_are_escaped_as_browsers_do():
    heading = assemble(FORM_DATA, [Part(name='a"b\r\nX: 1', content=b"", filename='é"\n.txt')])[1]
    assert 'name="a%22b%0D%0AX: 1"; filename="é%22%0A.txt"\r\n'.encode() in heading


def test_null_is_refused_in_a_value_part_and_said_in_a_json_part():
    with pytest.raises(CallerError, match="argument 'f' holds null"):
        sent(FORM_DATA, {"f": None}, fields=fields("f"))
    made = sent(FORM_DATA, {"f": None}, fields=fields(f=Encoding(content_type="application/json")))
    assert parts_of(made)[0].endswith(b"\r\n\r\nnull")


def test_a_whole_multipart_body_finds_its_files_by_their_form():
    made = sent(
        FORM_DATA,
        {
            "body": {
                "a": "x",
                "f": {"data": "AA==", "filename": "n"},
                "fs": [{"data": "AQ==", "type": "a/b"}],
                "d": {"data": "x"},
            }
        },
        whole="body",
    )
    assert [re.sub(rb"\r\n\r\n.*", b"", part) for part in parts_of(made)] == [
        b'Content-Disposition: form-data; name="a"',
        b'Content-Disposition: form-data; name="f"; filename="n"\r\nContent-Type: application/octet-stream',
        b'Content-Disposition: form-data; name="fs"; filename="fs"\r\nContent-Type: a/b',
        b'Content-Disposition: form-data; name="d"\r\nContent-Type: application/json',
    ]


def test_a_required_multipart_body_without_fields_is_only_its_end():
    content_type, body = sent(FORM_DATA, {}, fields=fields("a"), required=True)
    assert content_type is not None
    assert body == f"--{content_type.partition('boundary=')[2]}--\r\n".encode()


def test_the_boundary_is_the_same_for_the_same_content_and_another_for_other_content():
    first, again, other = (sent(FORM_DATA, {"a": value}, fields=fields("a")) for value in ("x", "x", "y"))
    assert first == again
    assert first[0] != other[0]
    assert re.fullmatch(r"multipart/form-data; boundary=[A-Za-z0-9-]{1,70}", str(first[0]))


def test_moving_text_between_parts_moves_the_boundary():
    one = assemble(FORM_DATA, [Part(name="a", content=b"bc")])
    two = assemble(FORM_DATA, [Part(name="ab", content=b"c")])
    assert one[0] != two[0]


def test_the_boundary_is_found_in_no_content(monkeypatch: pytest.MonkeyPatch):
    class Predictable:
        def __init__(self, _: bytes = b"") -> None:
            self.turns = 0

        def digest(self) -> bytes:
            return b""

        def update(self, piece: bytes) -> None:
            self.turns += piece == b"again"

        def hexdigest(self) -> str:
            return str(self.turns) * 64

    monkeypatch.setattr("apiloom.catalog.multipart.hashlib.sha256", Predictable)
    content = b"--apiloom-" + b"0" * 40 + b"\r\n--apiloom-" + b"1" * 40
    content_type, body = assemble(FORM_DATA, [Part(name="a", content=content)])
    assert content_type == f"{FORM_DATA}; boundary=apiloom-{'2' * 40}"
    assert body.count(b"apiloom-" + b"2" * 40) == 2


@pytest.mark.parametrize(
    ("written", "sent_as"),
    [
        ("multipart/related; type=application/json", "multipart/related; type=application/json; boundary="),
        ('multipart/form-data; boundary="x y"; a=b', "multipart/form-data; a=b; boundary="),
        ("multipart/*", "multipart/form-data; boundary="),
    ],
)
def test_parameters_of_the_type_are_kept_and_a_boundary_replaced(written: str, sent_as: str):
    content_type, _ = sent(written, {"a": "x"}, fields=fields("a"))
    assert str(content_type).startswith(sent_as)
    assert str(content_type).count("boundary=") == 1


def test_a_whole_multipart_body_knows_which_of_its_members_are_files():
    known = (
        BoundField(argument="body", name="f", kind="binary"),
        BoundField(argument="body", name="g", kind="binaries"),
    )
    made = sent(FORM_DATA, {"body": {"a": "AA==", "f": "AA==", "g": ["AQ=="]}}, whole="body", fields=known)
    assert [part.rpartition(b"\r\n\r\n")[2] for part in parts_of(made)] == [b"AA==", b"\x00", b"\x01"]
