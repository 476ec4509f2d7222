"""Messages from bytes and to bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.protocol import sse
from apiloom.protocol.errors import Rejection
from apiloom.protocol.frames import (
    Message,
    Unreadable,
    error_frame,
    id_bytes,
    is_batch,
    notification_frame,
    read_batch,
    read_message,
    result_frame,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "other"])


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(text: bytes) -> None:
    assert isinstance(read_message(text), Message | Unreadable)
    assert isinstance(read_batch(text, 5), list | Rejection)


@given(st.dictionaries(MEMBERS, JSON | st.just("2.0")))
def test_no_json_object_breaks_the_reader(value: dict[str, Any]) -> None:
    read = read_message(json.dumps(value).encode())
    if isinstance(read, Unreadable):
        assert read.rejection.code in {-32600, -32602}
    else:
        assert value["jsonrpc"] == "2.0"


@given(JSON)
def test_arguments_survive_the_reading(value: Any) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": {"v": value}}}
    read = read_message(json.dumps(message).encode())
    assert isinstance(read, Message)
    assert read.params is not None
    assert read.params.arguments == {"v": value}


@given(st.integers(-(10**40), 10**40) | st.text(st.characters(exclude_categories=["Cs"])))
def test_an_id_is_written_as_it_was_read(value: int | str) -> None:
    read = read_message(json.dumps({"jsonrpc": "2.0", "id": value, "method": "x"}).encode())
    assert isinstance(read, Message)
    assert isinstance(read.id, int | str)
    assert json.loads(id_bytes(read.id)) == value


def test_a_number_too_long_to_be_one_is_not_read() -> None:
    assert isinstance(read_message(b'{"jsonrpc":"2.0","method":"x","id":' + b"9" * 10_000 + b"}"), Unreadable)


@pytest.mark.parametrize(
    ("text", "owed"),
    [
        (b'{"jsonrpc":"2.0","method":"x","params":5}', False),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":5}', True),
        (b"{", True),
    ],
)
def test_only_a_malformed_notification_is_owed_nothing(text: bytes, owed: bool) -> None:
    read = read_message(text)
    assert isinstance(read, Unreadable)
    assert read.owed is owed


def test_a_complaint_about_parameters_names_the_place_and_no_value() -> None:
    read = read_message(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":["secret"]}}')
    assert isinstance(read, Unreadable)
    assert "params.name" in read.rejection.message
    assert "secret" not in read.rejection.message


@pytest.mark.parametrize(
    ("text", "batch"), [(b"[", True), (b" \r\n\t[1]", True), (b"{}", False), (b"", False), (b'"["', False)]
)
def test_a_batch_is_known_by_its_first_character(text: bytes, batch: bool) -> None:
    assert is_batch(text) is batch


def test_frames_are_json_on_one_line() -> None:
    nasty = 'a\n\r\u2028"\\'
    frames = [
        result_frame(id_bytes(nasty), b'{"x":1}'),
        error_frame(id_bytes(1), Rejection(-1, nasty, {"d": nasty})),
        error_frame(None, Rejection(-1, nasty)),
        notification_frame("notifications/x"),
        notification_frame("notifications/x", b'{"y":2}'),
    ]
    read = [json.loads(frame) for frame in frames]
    assert read[0] == {"jsonrpc": "2.0", "id": nasty, "result": {"x": 1}}
    assert read[1] == {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": nasty, "data": {"d": nasty}}}
    assert read[2] == {"jsonrpc": "2.0", "error": {"code": -1, "message": nasty}}
    assert read[3:] == [
        {"jsonrpc": "2.0", "method": "notifications/x"},
        {"jsonrpc": "2.0", "method": "notifications/x", "params": {"y": 2}},
    ]
    assert all(b"\n" not in frame and b"\r" not in frame for frame in frames)
    assert all(sse.event(frame) == b"event: message\ndata: " + frame + b"\n\n" for frame in frames)
