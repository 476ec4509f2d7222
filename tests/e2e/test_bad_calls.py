"""Bad calls and bad upstreams: one clear sentence each, in bounded time, and the server answers the next call."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import LEGACY, MODERN, Serving, apiloom, modern, post, serving, text_of
from support.shop import shop
from support.upstream import Conduct, close_at_once, drip, garbage, half_close, hang, misbehaving, wrong_json


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with (
        shop(tmp_path_factory.mktemp("shop")) as (source, upstream),
        serving(source, "--base-url", upstream.url) as one,
    ):
        yield one


def still_answers(server: Serving) -> None:
    """The next call works, and nothing looked like a fault of ours."""
    assert server.alive()
    assert "item 5" in text_of(server.call("get_item", {"id": 5}))
    assert "Traceback" not in server.said()


def sentence(answer: dict[str, object]) -> str:
    """The text of a tool error: one clear sentence without a traceback."""
    assert answer["result"]["isError"] is True, answer  # type: ignore[index]
    text = text_of(answer)
    assert "Traceback" not in text
    assert 0 < len(text) < 2000
    return text


def test_an_unknown_tool_is_named_with_the_nearest(server: Serving) -> None:
    error = server.call("get_itm")["error"]
    assert error["code"] == -32602
    assert "get_itm" in error["message"]
    assert "get_item" in error["message"]
    still_answers(server)


def test_every_wrong_argument_is_named_with_its_path(server: Serving) -> None:
    order = {"customer": {"name": 5}, "lines": [{"sku": "S", "count": 0}, {"count": "x"}], "colour": "red"}
    text = sentence(server.call("create_order", order))
    for part in ("customer", "name", "lines", "count", "sku", "colour"):
        assert part in text
    still_answers(server)


def test_unknown_arguments_are_refused_with_the_accepted_ones(server: Serving) -> None:
    text = sentence(server.call("get_item", {"id": 1, "identifier": 2}))
    assert "identifier" in text
    assert "fields" in text
    still_answers(server)


def test_arguments_that_are_no_object_are_refused(server: Serving) -> None:
    for arguments in ([1], "text", 7):
        reply = modern(server.url, "tools/call", {"name": "get_item", "arguments": arguments})
        value = reply.value
        assert value.get("error", {}).get("code") == -32602 or value["result"]["isError"] is True
    still_answers(server)


def test_an_oversize_body_is_refused_before_it_was_sent_whole(server: Serving) -> None:
    host, port = server.place
    size = 40 << 20
    head = f"POST /mcp HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    for framing in (f"Content-Length: {size}\r\n\r\n", f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n"):
        with socket.create_connection((host, port), 10) as line:
            line.settimeout(10)
            line.sendall((head + framing).encode())
            with contextlib.suppress(ConnectionError):
                for _ in range(size >> 20):
                    line.sendall(b" " * (1 << 20))
            assert line.recv(65536).startswith(b"HTTP/1.1 413 ")
    still_answers(server)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 200_000, -32700),
        (b"null", -32600),
        (b"5", -32600),
        (b'"text"', -32600),
        (b"[]", -32600),
        (b"[" * 200_000, -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
    ],
)
def test_malformed_json_rpc_is_refused(server: Serving, body: bytes, code: int) -> None:
    for revision in (LEGACY[-1], MODERN):
        reply = post(server.url, body, {"MCP-Protocol-Version": revision, "Mcp-Method": "ping"})
        assert reply.status == 400, (revision, reply)
        # The modern era judges the headers against the body first where there is a method to compare.
        assert reply.value["error"]["code"] in ({code, -32020, -32602} if revision == MODERN else {code}), reply
    still_answers(server)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_is_not_called_json_is_refused(server: Serving, content_type: str) -> None:
    assert post(server.url, b"{}", {"Content-Type": content_type}).status == 415
    still_answers(server)


def test_garbage_on_the_wire_does_not_end_the_server(server: Serving) -> None:
    for noise in (
        b"\x00" * 1000,
        b"GET\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x02",
    ):
        with socket.create_connection(server.place, 5) as line:
            line.sendall(noise)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(10)
            while line.recv(65536):
                pass
    still_answers(server)


@pytest.mark.parametrize(
    "start", [b"GET /", b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-Long: "], ids=["target", "header"]
)
def test_a_head_without_end_is_cut_off(start: bytes, server: Serving) -> None:
    with socket.create_connection(server.place, timeout=10) as line, contextlib.suppress(ConnectionError):
        line.sendall(start)
        for _ in range(64):
            line.sendall(b"a" * 65_536)
        pytest.fail("four megabytes of a head were taken")
    still_answers(server)


def test_a_client_that_leaves_in_the_middle_of_its_request_is_forgotten(server: Serving) -> None:
    for _ in range(20):
        with socket.create_connection(server.place, 5) as line:
            line.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
    still_answers(server)


@pytest.mark.parametrize("conduct", [close_at_once, half_close, garbage])
def test_an_upstream_that_breaks_off_is_a_tool_error(conduct: Conduct, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, _), misbehaving(conduct) as url, serving(source, "--base-url", url) as server:
        for _ in range(3):
            text = sentence(server.call("get_item", {"id": 1}))
            assert "127.0.0.1" in text
        assert server.alive()
        assert "Traceback" not in server.said()
        assert modern(server.url, "tools/list").status == 200


@pytest.mark.parametrize("conduct", [hang, drip])
def test_an_upstream_that_hangs_or_drips_is_given_up_in_time(conduct: Conduct, tmp_path: Path) -> None:
    impatient = ("--timeout", "1")
    with (
        shop(tmp_path) as (source, _),
        misbehaving(conduct) as url,
        serving(source, "--base-url", url, *impatient) as one,
    ):
        text = sentence(one.call("get_item", {"id": 1}, timeout=20))
        assert "127.0.0.1" in text
        assert one.alive()
        assert modern(one.url, "tools/list").status == 200
        assert one.stop() == 0


def test_an_upstream_that_is_down_is_a_tool_error_and_works_when_it_is_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with shop(tmp_path) as (source, _), serving(source, "--base-url", nobody) as server:
        text = sentence(server.call("get_item", {"id": 1}))
        assert nobody.removeprefix("http://") in text
        assert "refused" in text.lower()
        with misbehaving(close_at_once):
            assert sentence(server.call("get_item", {"id": 1}))
        assert server.alive()


def test_an_upstream_whose_json_is_none_is_still_read(tmp_path: Path) -> None:
    with shop(tmp_path) as (source, _), misbehaving(wrong_json) as url, serving(source, "--base-url", url) as server:
        answer = server.call("get_item", {"id": 1})
        assert text_of(answer) == '{"unfinished": [1, 2'
        assert answer["result"]["structuredContent"] == {"result": '{"unfinished": [1, 2'}


def test_a_host_that_does_not_exist_is_a_tool_error(tmp_path: Path) -> None:
    with shop(tmp_path) as (source, _), serving(source) as server:
        assert "shop.invalid" in sentence(server.call("get_item", {"id": 1}))
        assert server.alive()


def test_the_command_line_says_the_same_and_ends_with_the_right_code(tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream):
        for arguments, code, word in (
            (["get_itm"], 2, "get_item"),
            (["get_item", "--arg", "id=seven"], 2, "id"),
            (["get_item", "--arg", "id=1", "--arg", "colour=red"], 2, "colour"),
            (["always_fails"], 3, "503"),
        ):
            done = apiloom("call", source, *arguments, "--base-url", upstream.url)
            assert done.returncode == code, done
            assert word in done.stderr
            assert "Traceback" not in done.stderr
        right = apiloom("call", source, "get_item", "--arg", "id=4", "--base-url", upstream.url)
        assert right.returncode == 0
        assert json.loads(right.stdout)["name"] == "item 4"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_stops_at_once_and_well(number: int, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream), serving(source, "--base-url", upstream.url) as server:
        still_answers(server)
        assert server.stop(number) == 0
        assert "Traceback" not in server.said()
