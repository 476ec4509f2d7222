"""Bodies: JSON, forms, text and bytes, each exactly as its media type says."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apiloom.base.errors import CallerError, DesignError
from apiloom.catalog.tool import BoundField
from apiloom.catalog.values import FileContent, handle_of, is_file, read_file
from apiloom.model.api import Encoding
from support.bindings import fields, sent

FORM = "application/x-www-form-urlencoded"
BYTES = bytes(range(256))


def test_fields_become_one_json_object_in_the_documents_order():
    assert sent("application/json", {"b": [1], "a": {"x": None}}, fields=fields("a", "b", "c")) == (
        "application/json",
        b'{"a":{"x":null},"b":[1]}',
    )


def test_a_null_and_an_absent_field_differ_in_json():
    assert sent("application/json", {"a": None}, fields=fields("a", "b"))[1] == b'{"a":null}'


def test_json_keeps_every_integer_and_double_exact():
    assert sent("application/json", {"a": 9007199254740993, "b": 0.1, "c": 10**30}, fields=fields("a", "b", "c"))[
        1
    ] == (b'{"a":9007199254740993,"b":0.1,"c":1000000000000000000000000000000}')


def test_json_is_utf_8_without_escapes():
    assert sent("application/json", {"a": "日本😀/"}, fields=fields("a"))[1] == '{"a":"日本😀/"}'.encode()


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "application/vnd.x+json;version=1", "text/json"]
)
def test_a_json_media_type_is_sent_as_written(media_type: str):
    assert sent(media_type, {"a": 1}, fields=fields("a")) == (media_type, b'{"a":1}')


@pytest.mark.parametrize("media_type", ["application/json", FORM, "multipart/form-data"])
def test_an_optional_body_without_fields_is_not_sent(media_type: str):
    assert sent(media_type, {}, fields=fields("a")) == (None, None)


def test_a_required_body_without_fields_is_sent_empty():
    assert sent("application/json", {}, fields=fields("a"), required=True) == ("application/json", b"{}")
    assert sent(FORM, {}, fields=fields("a"), required=True) == (FORM, b"")


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, "x", None, 3, True, []])
def test_a_whole_json_body_is_the_value_itself(value: Any):
    expected = {"[1, 2]": b"[1,2]", "{'a': 1}": b'{"a":1}', "x": b'"x"', "None": b"null", "3": b"3", "True": b"true"}
    assert sent("application/json", {"body": value}, whole="body") == (
        "application/json",
        expected.get(str(value), b"[]"),
    )


def test_a_whole_body_that_is_optional_may_be_left_out():
    assert sent("application/json", {}, whole="body") == (None, None)
    assert sent("text/plain", {}, whole="body") == (None, None)


@pytest.mark.parametrize("media_type", ["application/json", FORM, "multipart/form-data", "text/plain"])
def test_a_whole_body_that_is_required_must_be_given(media_type: str):
    with pytest.raises(CallerError, match="argument 'body' is missing"):
        sent(media_type, {}, whole="body", required=True)


def test_the_rest_is_added_beside_the_fields():
    made = sent("application/json", {"a": 1, "more": {"x": 2, "y": [3]}}, fields=fields("a"), rest="more")
    assert made[1] == b'{"a":1,"x":2,"y":[3]}'


def test_an_empty_rest_alone_is_an_empty_object():
    assert sent("application/json", {"more": {}}, fields=fields("a"), rest="more")[1] == b"{}"


@pytest.mark.parametrize("media_type", ["application/json", FORM, "multipart/form-data"])
def test_the_rest_never_overrides_a_field(media_type: str):
    with pytest.raises(CallerError, match="holds 'a', which has an argument of its own"):
        sent(media_type, {"more": {"a": 2}}, fields=fields("a"), rest="more")


@pytest.mark.parametrize("media_type", ["application/json", FORM, "multipart/form-data"])
def test_the_rest_must_be_an_object(media_type: str):
    with pytest.raises(CallerError, match="must be an object"):
        sent(media_type, {"more": [1]}, fields=fields("a"), rest="more")


def test_file_content_inside_json_is_its_base64_text():
    made = sent(
        "application/json",
        {"f": {"data": "AAE=", "filename": "x"}, "g": ["AA==", {"data": "AQ=="}]},
        fields=fields(f="binary", g="binaries"),
    )
    assert made[1] == b'{"f":"AAE=","g":["AA==","AQ=="]}'


def test_a_body_nested_too_deeply_is_refused_by_name():
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(CallerError, match="argument 'a' is nested too deeply"):
        sent("application/json", {"b": 1, "a": value}, fields=fields("a", "b"))


def test_a_sequence_is_one_json_value_a_line():
    assert sent("application/x-ndjson", {"body": [{"a": 1}, 2]}, whole="body")[1] == b'{"a":1}\n2\n'
    assert sent("application/json-seq", {"body": [1, 2]}, whole="body")[1] == b"\x1e1\n\x1e2\n"


def test_form_scalars_stand_as_they_are_lists_repeat_and_objects_nest():
    arguments = {"a": "x y&=+é", "n": 1.0, "t": True, "l": ["p", "q"], "o": {"k": {"d": "v"}, "l": [1, {"m": 2}]}}
    assert sent(FORM, arguments, fields=fields(*arguments)) == (
        FORM,
        b"a=x%20y%26%3D%2B%C3%A9&n=1&t=true&l=p&l=q&o%5Bk%5D%5Bd%5D=v&o%5Bl%5D%5B0%5D=1&o%5Bl%5D%5B1%5D%5Bm%5D=2",
    )


def test_a_list_of_objects_in_a_form_is_numbered():
    assert sent(FORM, {"items": [{"price": "p1"}, {"price": "p2"}]}, fields=fields("items"))[1] == (
        b"items%5B0%5D%5Bprice%5D=p1&items%5B1%5D%5Bprice%5D=p2"
    )


@pytest.mark.parametrize(
    ("encoding", "value", "text"),
    [
        (Encoding(style="deepObject", explode=True), {"a": {"b": 1}}, b"f%5Ba%5D%5Bb%5D=1"),
        (Encoding(style="deepObject", explode=True), ["x", "y"], b"f%5B0%5D=x&f%5B1%5D=y"),
        (Encoding(style="form", explode=False), ["x,y", "z"], b"f=x%2Cy,z"),
        (Encoding(style="form"), {"a": 1, "b": 2}, b"a=1&b=2"),
        (Encoding(explode=False), {"a": 1, "b": 2}, b"f=a,1,b,2"),
        (Encoding(style="pipeDelimited"), ["x", "y"], b"f=x%7Cy"),
        (Encoding(style="spaceDelimited", explode=False), ["x", "y"], b"f=x%20y"),
        (Encoding(allow_reserved=True), "a/b?c&d", b"f=a/b?c%26d"),
        (Encoding(content_type="application/json"), {"a": 1}, b"f=%7B%22a%22%3A1%7D"),
        (Encoding(content_type="application/json"), ["x", None], b"f=%22x%22&f=null"),
        (Encoding(content_type="text/plain"), "x", b"f=x"),
    ],
)
def test_a_form_field_follows_its_encoding(encoding: Encoding, value: Any, text: bytes):
    assert sent(FORM, {"f": value}, fields=fields(f=encoding))[1] == text


def test_a_whole_form_takes_the_encodings_of_its_members():
    encodings = {"tags": Encoding(style="form", explode=False)}
    made = sent(FORM, {"body": {"tags": ["a", "b"], "x": [1, 2]}}, whole="body", encodings=encodings)
    assert made[1] == b"tags=a,b&x=1&x=2"


def test_file_content_in_a_form_is_its_base64_text():
    assert sent(FORM, {"f": {"data": "AA=="}}, fields=fields(f="binary"))[1] == b"f=AA%3D%3D"


def test_null_in_a_form_is_refused():
    with pytest.raises(CallerError, match="argument 'a' holds null"):
        sent(FORM, {"a": None}, fields=fields("a"))


def test_an_empty_list_in_a_form_says_nothing_unless_it_is_required():
    assert sent(FORM, {"a": [], "b": 1}, fields=fields("a", "b"))[1] == b"b=1"
    required = (BoundField(argument="a", name="a", required=True),)
    with pytest.raises(CallerError, match="is empty, which has no form in this body"):
        sent(FORM, {"a": []}, fields=required)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "text/csv; charset=utf-8", "application/xml", "application/graphql"]
)
def test_text_is_sent_as_utf_8_under_its_type_as_written(media_type: str):
    assert sent(media_type, {"body": "a,é\r\n"}, whole="body") == (media_type, "a,é\r\n".encode())


def test_text_follows_the_character_encoding_of_its_type():
    media_type = "text/plain; charset=ISO-8859-1"
    assert sent(media_type, {"body": "é"}, whole="body") == (media_type, b"\xe9")
    with pytest.raises(CallerError, match="cannot be written in iso8859-1"):
        sent(media_type, {"body": "日"}, whole="body")


@pytest.mark.parametrize("charset", ["nonsense", "base64", "a" * 500])
def test_a_character_encoding_nobody_knows_is_the_documents_fault(charset: str):
    with pytest.raises(DesignError) as told:
        sent(f"text/plain; charset={charset}", {"body": "é"}, whole="body")
    assert told.value.code == "body.charset"


@pytest.mark.parametrize("value", [{"a": 1}, [1]])
def test_an_object_is_no_text(value: Any):
    with pytest.raises(CallerError, match="the API takes text here") as told:
        sent("application/xml", {"body": value}, whole="body")
    assert told.value.hint == "give the whole text as a string"


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode().rstrip("="),
        base64.encodebytes(BYTES).decode(),
        "data:image/png;base64," + base64.b64encode(BYTES).decode(),
        "data:;name=a;base64," + base64.b64encode(BYTES).decode(),
    ],
)
def test_base64_in_any_dress_becomes_the_bytes_exactly(text: str):
    assert sent("application/octet-stream", {"f": text}, whole="f", binary=True) == ("application/octet-stream", BYTES)
    assert sent("image/png", {"f": {"data": text, "type": "image/gif"}}, whole="f", binary=True) == ("image/png", BYTES)


def test_no_bytes_at_all_are_a_body_of_no_bytes():
    assert sent("application/octet-stream", {"f": ""}, whole="f", binary=True) == ("application/octet-stream", b"")


@pytest.mark.parametrize("text", ["a", "AAAAA", "not base64!", "AA=A", "é", "data:image/png,abc", "AA==AA"])
def test_what_is_not_base64_is_refused(text: str):
    with pytest.raises(CallerError, match="argument 'f' is not base64"):
        sent("application/octet-stream", {"f": text}, whole="f", binary=True)


@pytest.mark.parametrize(
    "value", [7, {"data": "AA==", "uri": "data:,"}, {"filename": "a"}, ["AA=="], None, {"data": 7}]
)
def test_what_holds_no_file_content_is_refused(value: Any):
    with pytest.raises(CallerError, match="holds no file content"):
        sent("application/octet-stream", {"f": value}, whole="f", binary=True)


@pytest.mark.parametrize(
    ("key", "value"), [("type", "image/png\r\nX: 1"), ("filename", "a\nb"), ("filename", 7), ("type", "png")]
)
def test_a_file_name_or_type_that_is_none_is_refused(key: str, value: Any):
    with pytest.raises(CallerError, match="argument 'f'"):
        sent("*/*", {"f": {"data": "AA==", key: value}}, whole="f", binary=True)


@pytest.mark.parametrize(
    ("media_type", "value", "content_type"),
    [
        ("*/*", {"data": "AA==", "type": "image/png"}, "image/png"),
        ("image/*", {"data": "AA==", "type": "image/png"}, "image/png"),
        ("image/*", "data:image/gif;base64,AA==", "image/gif"),
        ("*/*", "AA==", "application/octet-stream"),
    ],
)
def test_a_range_of_types_becomes_one_for_file_content(media_type: str, value: Any, content_type: str):
    assert sent(media_type, {"f": value}, whole="f", binary=True) == (content_type, b"\x00")


def test_a_type_outside_the_documents_range_is_refused():
    with pytest.raises(CallerError, match="is of type text/html"):
        sent("image/*", {"f": {"data": "AA==", "type": "text/html"}}, whole="f", binary=True)


@pytest.mark.parametrize(
    ("media_type", "value", "made"),
    [
        ("*/*", {"a": 1}, ("application/json", b'{"a":1}')),
        ("*/*", "é", ("text/plain; charset=utf-8", "é".encode())),
        ("text/*", "x", ("text/plain; charset=utf-8", b"x")),
        ("application/*", [1], ("application/json", b"[1]")),
        ("application/*+json", {"a": 1}, ("application/json", b'{"a":1}')),
    ],
)
def test_a_range_of_types_becomes_one_for_other_values(media_type: str, value: Any, made: tuple[str, bytes]):
    assert sent(media_type, {"body": value}, whole="body") == made


def test_fields_under_any_type_are_json():
    assert sent("*/*", {"a": 1}, fields=fields("a")) == ("application/json", b'{"a":1}')


@pytest.mark.parametrize("media_type", ["application/xml", "text/plain", "application/octet-stream"])
def test_fields_in_a_type_that_has_none_are_the_documents_fault(media_type: str):
    with pytest.raises(DesignError) as told:
        sent(media_type, {"a": 1}, fields=fields("a"))
    assert told.value.code == "body.media_type"


@pytest.mark.parametrize("media_type", ["", "json", "application/json\r\nX-Evil: 1", "text/plain; é"])
def test_a_media_type_that_is_none_is_the_documents_fault(media_type: str):
    with pytest.raises(DesignError, match="no media type"):
        sent(media_type, {"body": 1}, whole="body")


def test_a_whole_form_given_as_text_is_sent_as_it_is():
    assert sent(FORM, {"body": "a=1&b=x%20y+z"}, whole="body") == (FORM, b"a=1&b=x%20y+z")
    assert sent(FORM, {"body": "a=é b"}, whole="body") == (FORM, b"a=%C3%A9%20b")


@pytest.mark.parametrize(
    ("value", "content", "name", "kind"),
    [
        ('{"data": "aGk=", "filename": "a.txt", "type": "text/plain"}', b"hi", "a.txt", "text/plain"),
        ({"uri": "data:text/plain;base64,aGk="}, b"hi", "", "text/plain"),
        ({"uri": "data:text/plain;base64,aGk=", "filename": "b", "type": "x/y"}, b"hi", "b", "x/y"),
        (FileContent(content=b"\0", filename="c"), b"\0", "c", ""),
    ],
)
def test_a_file_may_be_written_as_text_named_by_a_data_uri_or_found_before(
    value: Any, content: bytes, name: str, kind: str
):
    file = read_file(value, "f")
    assert (file.content, file.filename, file.type) == (content, name, kind)


@pytest.mark.parametrize("value", ["apiloom://uploads/x", {"uri": "apiloom://results/x"}])
def test_a_handle_that_nobody_exchanged_is_refused(value: Any):
    assert handle_of(value) == "apiloom://" + str(value).partition("//")[2].rstrip("'}")
    with pytest.raises(CallerError, match="none are kept here"):
        read_file(value, "f")


@pytest.mark.parametrize("uri", ["http://x/y", "file:///etc/passwd", "data:text/plain,hi", "", "APILOOM://uploads/x"])
def test_no_other_uri_is_read(uri: str):
    assert handle_of({"uri": uri}) == ""
    with pytest.raises(CallerError, match="is not read from here"):
        read_file({"uri": uri}, "f")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"uri": "apiloom://uploads/x"}, True),
        ({"uri": "data:a/b;base64,AA==", "filename": "f"}, True),
        ({"data": "AA==", "filename": "f"}, True),
        (FileContent(content=b""), True),
        ({"uri": "http://x/y"}, False),
        ({"uri": "apiloom://uploads/x", "more": 1}, False),
        ({"data": "AA=="}, False),
        ("apiloom://uploads/x", False),
        ({}, False),
    ],
)
def test_an_undeclared_member_is_a_file_only_where_it_says_nothing_else(value: Any, expected: bool):
    assert is_file(value) == expected
