"""Answers that are sequences become lists, as far as they came; answers in several parts are told part by part."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from apiloom.backends.http.events import MOST_EVENTS, SEQUENCES, read_sequence
from apiloom.backends.http.parts import MOST_PARTS
from apiloom.backends.http.shape import shape
from apiloom.calls.call import Blob, Outcome, Text
from apiloom.net.request import MOST_OF_A_STREAM, Cut, Response

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
RECORDS = "application/json-seq"


def shaped(body: bytes, content_type: str, *, cut: Cut = "", schema: bool = False) -> Outcome:
    headers = [("content-type", content_type)]
    response = Response(status=200, headers=headers, body=body, cut=cut)
    return shape("GET", response, dict(headers), structured_always=schema)


def listed(body: bytes, content_type: str, **more: Any) -> Any:
    outcome = shaped(body, content_type, **more)
    assert isinstance(outcome.content[0], Text)
    assert outcome.structured is not None
    assert b"\n" not in outcome.structured
    assert json.loads(outcome.structured) == {"result": json.loads(outcome.content[0].text)}
    return json.loads(outcome.structured)["result"]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [{"data": "a"}, {"data": "b"}]),
        (b"\xef\xbb\xbfdata: a\r\n\r\ndata:b\r\r", [{"data": "a"}, {"data": "b"}]),
        (b"event: add\nid: 7\ndata: x\n\n", [{"event": "add", "id": "7", "data": "x"}]),
        (b"data: one\ndata: two\n\n", [{"data": "one\ntwo"}]),
        (b'data: {"a":\ndata:  1}\n\n', [{"data": {"a": 1}}]),
        (b"data: [1, 2]\n\n", [{"data": [1, 2]}]),
        (
            b"data: 12345678901234567890123\n\ndata: [DONE]\n\n",
            [{"data": "12345678901234567890123"}, {"data": "[DONE]"}],
        ),
        (b": keep alive\n\nretry: 3\n\nevent: ping\n\ndata\n\n", [{"data": ""}]),
        (b"data: last", [{"data": "last"}]),
        (b": nothing\n\n", []),
        ("data: é€\n\n".encode(), [{"data": "é€"}]),
    ],
)
def test_events_become_a_list_with_what_they_carry(body: bytes, events: list[Any]) -> None:
    assert listed(body, f"{EVENTS}; charset=utf-8") == events
    assert listed(body, EVENTS, schema=True) == events


def test_json_in_an_event_is_not_rebuilt() -> None:
    outcome = shaped(b'data: {"a": 1.0, "b": 12345678901234567890123, "a": 1e400}\n\n', EVENTS)
    assert outcome.structured == b'{"result":[{"data":{"a": 1.0, "b": 12345678901234567890123, "a": 1e400}}]}'


@pytest.mark.parametrize(
    ("media", "body", "values"),
    [
        (LINES, b'{"a":1}\n\n[2]\r\n"x"\n3', [{"a": 1}, [2], "x", 3]),
        ("application/jsonl", b"null\n", [None]),
        (RECORDS, b'\x1e{"a":1}\n\x1e{"a":\n2}\n', [{"a": 1}, {"a": 2}]),
    ],
)
def test_values_one_after_another_become_a_list(media: str, body: bytes, values: list[Any]) -> None:
    assert listed(body, media) == values


@pytest.mark.parametrize("cut", ["time", "size", "broken"])
def test_a_sequence_that_was_cut_is_told_as_far_as_it_is_complete_and_said_to_be_cut(cut: Cut) -> None:
    assert listed(b'data: 1\n\ndata: {"a"', EVENTS, cut=cut) == [{"data": "1"}]
    assert listed(b'{"a":1}\n{"a":', LINES, cut=cut) == [{"a": 1}]
    assert listed(b'\x1e{"a":1}\n\x1e{"a"', RECORDS, cut=cut) == [{"a": 1}]
    assert listed(b"", EVENTS, cut=cut, schema=True) == []
    note = shaped(b"data: 1\n\n", EVENTS, cut=cut).content[-1]
    assert isinstance(note, Text)
    assert "stream" in note.text


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize(
    ("media", "body"),
    [
        (LINES, b'{"a":1}\nnonsense\n{"a":2}'),
        (EVENTS, b"data: x\n\n" * (MOST_EVENTS + 1)),
        (EVENTS, b"\n" * 200_000),
        (LINES, b" " * (MOST_OF_A_STREAM + 1)),
        (RECORDS, b"\x1e1" * (MOST_EVENTS + 5)),
    ],
)
def test_what_is_no_sequence_or_too_long_for_a_list_is_text(media: str, body: bytes, schema: bool) -> None:
    outcome = shaped(body, media, schema=schema)
    assert outcome.content == (Text(body.decode()),)
    assert (outcome.structured is not None) is schema


def test_one_object_over_many_lines_under_the_name_of_lines_is_json_where_it_is_promised() -> None:
    assert listed(b"7\n", LINES, schema=True) == [7]
    outcome = shaped(b'{\n"a": 1\n}', "application/stream+json", schema=True)
    assert outcome.structured == b'{"a": 1}'


@given(
    events=some.lists(
        some.tuples(
            some.text(string.printable + "é€\x85\u2028").filter(lambda text: "\x0d" not in text and text),
            some.booleans(),
        ),
        max_size=8,
    )
)
def test_what_was_sent_as_events_comes_back(events: list[tuple[str, bool]]) -> None:
    text = "".join(
        "".join(f"data: {line}\n" for line in data.split("\n")) + ("event: named\n" if named else "") + "\n"
        for data, named in events
    )
    found = json.loads(read_sequence(EVENTS, text, whole=False) or b"null")
    for (data, named), event in zip(events, found, strict=True):
        held = event["data"]
        assert held == data or json.loads(data) == held
        assert ("event" in event) is named


@given(text=some.text(), media=some.sampled_from(sorted(SEQUENCES)), whole=some.booleans())
def test_any_text_gives_a_json_list_or_nothing(text: str, media: str, whole: bool) -> None:
    found = read_sequence(media, text, whole=whole)
    assert found is None or isinstance(json.loads(found), list)


MIXED = (
    b"a note for nobody\r\n--frontier\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nh\xe9\r\n"
    b'--frontier\r\nContent-Type: application/json\r\n\r\n{"a": 1}\r\n'
    b'--frontier\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename="a.png"\r\n\r\n'
    b"\x89PNG\r\n\r\n\x00\r\n"
    b"--frontier\n\nbare\r\n--frontier--\r\nan end"
)


@pytest.mark.parametrize("body", [MIXED, MIXED[MIXED.index(b"--") :]])
@pytest.mark.parametrize("boundary", ["frontier", '"frontier"'])
def test_an_answer_in_several_parts_is_told_part_by_part(body: bytes, boundary: str) -> None:
    outcome = shaped(body, f"multipart/mixed; boundary={boundary}")
    assert outcome.content == (
        Text("hé"),
        Text('{"a": 1}'),
        Blob(b"\x89PNG\r\n\r\n\x00", "image/png", "a.png"),
        Text("bare"),
    )
    assert outcome.structured is None
    assert shaped(body, "multipart/mixed; boundary=frontier", schema=True).structured == b"{}"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", MIXED),
        ("multipart/mixed; boundary=other", MIXED),
        ("multipart/mixed; boundary=frontier", MIXED[:-30]),
        ("multipart/mixed; boundary=f", b"--f\r\n\r\nx\r\n" * (MOST_PARTS + 1) + b"--f--"),
        ("multipart/mixed; boundary=f", b"--f\r\nA: " + b"b" * 40_000 + b"\r\n\r\nx\r\n--f--"),
        ("multipart/mixed; boundary=f", b"--fx\r\n\r\nx\r\n--f--"),
    ],
)
def test_parts_that_do_not_keep_to_their_boundary_are_one_body(content_type: str, body: bytes) -> None:
    (only,) = shaped(body, content_type).content
    assert only == Blob(body, "multipart/mixed") or only == Text(body.decode())
