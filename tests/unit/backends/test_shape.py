"""Good answers as outcomes: JSON is passed through, text decoded, bytes kept, empty answers told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiloom.backends.http.shape import shape
from apiloom.calls.call import Blob, Outcome, Text
from apiloom.net.request import Response

PNG = b"\x89PNG\r\n\x1a\n\x00\x00"


def shaped(
    body: bytes, content_type: str = "", *, status: int = 200, method: str = "GET", schema: bool = False, **headers: str
) -> Outcome:
    listed = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if content_type:
        listed.append(("content-type", content_type))
    response = Response(status=status, headers=listed, body=body)
    return shape(method, response, dict(listed), structured_always=schema)


def text(outcome: Outcome) -> str:
    return "\n".join(part.text for part in outcome.content if isinstance(part, Text))


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize(
    ("content_type", "body", "structured"),
    [
        ("application/json", b'{"a":1}', b'{"a":1}'),
        ("application/json; charset=utf-8", b' {\r\n  "a": 1.0,\n  "b": "\\n"\n}\n', b' {  "a": 1.0,  "b": "\\n"}'),
        ("application/problem+json", b'{"a":12345678901234567890123}', b'{"a":12345678901234567890123}'),
        ("text/json", b"[1,2]", b'{"result":[1,2]}'),
        ("APPLICATION/JSON", b"null", b'{"result":null}'),
        ("application/json", b'"text"', b'{"result":"text"}'),
        ("application/json", b"1e400", b'{"result":1e400}'),
        ("", b'{"a":1}', b'{"a":1}'),
        ("", b"\n [1]", b'{"result": [1]}'),
        ("application/json", b'\xef\xbb\xbf{"a":1}', b'{"a":1}'),
        ("application/json", '{"é":"€"}'.encode(), '{"é":"€"}'.encode()),
        ("application/json; charset=iso-8859-1", '{"a":"é"}'.encode("latin-1"), '{"a":"é"}'.encode()),
        ("application/json; charset=utf-16", '{"a":"é"}'.encode("utf-16"), '{"a":"é"}'.encode()),
    ],
)
def test_json_is_passed_through_and_what_is_no_object_is_wrapped(
    content_type: str, body: bytes, structured: bytes, schema: bool
) -> None:
    outcome = shaped(body, content_type, schema=schema)
    assert outcome.structured == structured
    assert b"\n" not in structured
    assert not outcome.failed
    shown = json.loads(text(outcome))
    told = json.loads(structured)
    assert told in (shown, {"result": shown})


def test_the_text_of_json_is_the_body_as_it_came() -> None:
    body = b'{ "b" : 1.50,\n\t"a":[ ] ,"b":2}'
    assert text(shaped(body, "application/json")) == body.decode()


@pytest.mark.parametrize(
    "body", [b'{"a":1', b"{'a':1}", b'{"a":NaN}', b"{} {}", b"hello", b'{"a":"\xff"}', b"[" * 100_000]
)
def test_what_only_claims_to_be_json_is_text(body: bytes) -> None:
    outcome = shaped(body, "application/json")
    assert outcome.structured is None
    assert text(outcome) == body.decode("utf-8") if b"\xff" not in body else text(outcome) == body.decode("latin-1")
    promised = shaped(body, "application/json", schema=True)
    assert promised.structured is not None
    assert json.loads(promised.structured) == {"result": text(outcome)}


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", b"hello", "hello"),
        ("text/plain; charset=utf-8", "é€".encode(), "é€"),
        ("text/plain; charset=ISO-8859-15", b"\xa4", "€"),
        ('text/plain; charset="windows-1252"', b"\x80", "€"),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain; charset=nonsense", "é".encode(), "é"),
        ("text/plain; charset=hex", b"6162", "6162"),
        ("text/plain; charset=punycode", b"bcher-kva", "bcher-kva"),
        ("text/plain", b"\xe9", "é"),
        ("text/plain; charset=us-ascii", "é".encode(), "é"),
        ("text/plain", b"\xef\xbb\xbfa", "a"),
        ("text/csv", b"a,b\r\n1,2\r\n", "a,b\r\n1,2\r\n"),
        ("application/xml", b"<a/>", "<a/>"),
        ("application/atom+xml", b"<a/>", "<a/>"),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("text/html", b"<p>hi</p>", "<p>hi</p>"),
        ("application/yaml", b"a: 1", "a: 1"),
        ("application/x-www-form-urlencoded", b"a=1", "a=1"),
        ("application/vnd.github.diff", b"--- a\n+++ b\n", "--- a\n+++ b\n"),
        ("", b"hello", "hello"),
    ],
)
def test_text_is_decoded_by_its_charset(content_type: str, body: bytes, expected: str) -> None:
    outcome = shaped(body, content_type)
    assert outcome.content == (Text(expected),)
    assert outcome.structured is None
    promised = shaped(body, content_type, schema=True)
    assert json.loads(promised.structured or b"") == {"result": expected}


def test_json_under_another_name_is_structured_where_the_tool_promises_it() -> None:
    assert shaped(b'{"a":1}', "text/html", schema=True).structured == b'{"a":1}'
    assert shaped(b'{"a":1}', "text/html").structured is None
    assert shaped(b"{nonsense", "text/plain", schema=True).structured == b'{"result":"{nonsense"}'


@pytest.mark.parametrize(
    ("content_type", "body", "mime"),
    [
        ("image/png", PNG, "image/png"),
        ("Audio/MPEG; x=y", b"\xff\xfb", "audio/mpeg"),
        ("application/pdf", b"%PDF-1.7 only letters", "application/pdf"),
        ("application/octet-stream", b"letters", "application/octet-stream"),
        ("application/zip", b"PK", "application/zip"),
        ("video/mp4", b"mp4", "video/mp4"),
        ("application/vnd.custom", b"\x00\x01", "application/vnd.custom"),
        ("application/vnd.custom", b"\xff\xfe\xfd", "application/vnd.custom"),
        ("", PNG, "application/octet-stream"),
    ],
)
def test_bytes_that_are_no_text_stay_bytes(content_type: str, body: bytes, mime: str) -> None:
    outcome = shaped(body, content_type)
    assert outcome.content == (Blob(body, mime),)
    assert outcome.structured is None
    assert shaped(body, content_type, schema=True).structured == b"{}"


def test_a_character_cut_by_the_sniffed_part_does_not_make_text_binary() -> None:
    body = b"a" * 8191 + "€".encode() * 3
    assert shaped(body, "application/vnd.custom").content == (Text(body.decode()),)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename=report.pdf; size=3", "report.pdf"),
        ("attachment; filename=\"a.pdf\"; filename*=UTF-8''%e2%82%ac%20rates.pdf", "€ rates.pdf"),
        ("attachment; filename*=iso-8859-1'en'%A3.pdf", "£.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\a.pdf"', "a.pdf"),
        ("attachment; filename*=UTF-8''..%2F..%2Fa%0Ab.pdf", "a_b.pdf"),
        ('attachment; filename="say \\"hi\\".pdf"', 'say "hi".pdf'),
        ("inline", ""),
        ("", ""),
    ],
)
def test_a_file_keeps_its_name_without_any_folder(disposition: str, name: str) -> None:
    outcome = shaped(PNG, "application/pdf", content_disposition=disposition)
    assert outcome.content == (Blob(PNG, "application/pdf", name),)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (204, {}, "204 No Content"),
        (205, {"date": "x"}, "205 Reset Content"),
        (200, {"etag": '"7"', "server": "x"}, '200 OK\netag: "7"'),
        (201, {"location": "/pets/7"}, "201 Created\nlocation: /pets/7"),
        (202, {"location": "/jobs/1", "retry_after": "5"}, "202 Accepted\nlocation: /jobs/1\nretry-after: 5"),
        (304, {"etag": '"7"'}, '304 Not Modified\netag: "7"'),
        (302, {"location": "/x"}, "302 Found\nlocation: /x\n(the redirection was not followed)"),
        (299, {}, "299"),
    ],
)
def test_an_empty_answer_is_its_status_and_the_headers_that_matter(
    status: int, headers: dict[str, str], expected: str
) -> None:
    outcome = shaped(b"", status=status, **headers)
    assert outcome.content == (Text(expected),)
    assert (outcome.structured, outcome.failed) == (None, False)
    assert shaped(b"", status=status, schema=True, **headers).structured == b"{}"


def test_a_redirection_with_a_body_tells_text_but_no_page() -> None:
    told = shaped(b"moved", "text/plain", status=307, location="/x")
    assert text(told) == "307 Temporary Redirect\nlocation: /x\n(the redirection was not followed)\nmoved"
    page = shaped(b"<html>moved</html>", "text/html", status=307, location="/x")
    assert "moved" not in text(page)


@pytest.mark.parametrize("status", [201, 202])
def test_where_to_look_next_is_told_beside_a_body(status: int) -> None:
    outcome = shaped(b'{"id":7}', "application/json", status=status, location="/pets/7")
    assert outcome.structured == b'{"id":7}'
    assert text(outcome).startswith('{"id":7}\n' + str(status))
    assert "location: /pets/7" in text(outcome)


def test_the_answer_to_head_is_its_headers_without_cookies() -> None:
    outcome = shaped(b"", method="HEAD", content_length="120", x_any="1", set_cookie="session=s3cret")
    assert text(outcome) == "200 OK\ncontent-length: 120\nx-any: 1"


def test_the_answer_to_options_is_its_headers_and_its_body() -> None:
    outcome = shaped(b'{"a":1}', "application/json", method="OPTIONS", allow="GET, PUT")
    assert outcome.structured == b'{"a":1}'
    assert "allow: GET, PUT" in text(outcome)


def test_many_and_long_headers_are_bounded() -> None:
    headers: dict[str, Any] = {f"x_{number}": "v" * 5000 for number in range(500)}
    assert len(text(shaped(b"", method="HEAD", **headers))) < 60 * 520
