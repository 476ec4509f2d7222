"""Requests on a raw socket, whole, in pieces, in a row: whichever road one comes in by, its answer is the same."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from support.servers import Serving, serving
from support.shop import shop
from support.upstream import hang, misbehaving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with (
        shop(tmp_path_factory.mktemp("shop")) as (source, upstream),
        serving(source, "--base-url", upstream.url) as one,
    ):
        yield one


def call(number: int, *headers: str, item: int = 5, meta: str = "") -> bytes:
    """A legacy ``tools/call`` as the bytes of a request."""
    params = f'{{"name":"get_item","arguments":{{"id":{item}}}{meta}}}'
    return request(f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{params}}}', *headers)


def request(body: str, *headers: str, framing: str = "") -> bytes:
    lines = ("POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers)
    framing = framing or f"Content-Length: {len(body)}"
    return "\r\n".join((*lines, framing, "", body)).encode()


class Talk:
    """One connection and what has been read of it."""

    def __init__(self, server: Serving) -> None:
        self.line = socket.create_connection(server.place, 10)
        self.line.settimeout(10)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def until(self, mark: bytes) -> bytes:
        while mark not in self.held:
            piece = self.line.recv(65_536)
            if not piece:
                raise EOFError(self.held)
            self.held += piece
        found, _, self.held = self.held.partition(mark)
        return found

    def answer(self) -> tuple[bytes, bytes]:
        """A head and its body, by its length or in chunks."""
        head = self.until(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head.lower():
            body = b""
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            assert self.exactly(2) == b"\r\n"
            return head, body
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return head, self.exactly(int(length.partition(b":")[2]))

    def exactly(self, size: int) -> bytes:
        while len(self.held) < size:
            piece = self.line.recv(65_536)
            assert piece, self.held
            self.held += piece
        found, self.held = self.held[:size], self.held[size:]
        return found

    def result(self) -> tuple[int, str]:
        """The id of the next answer and the text of its result."""
        _, body = self.answer()
        value = json.loads(body)
        return value["id"], value["result"]["content"][0]["text"]


def test_a_request_whole_and_one_in_every_two_pieces_are_answered_alike(server: Serving) -> None:
    whole = call(7)
    with Talk(server) as talk:
        talk.line.sendall(whole)
        head, body = talk.answer()
        for cut in range(1, len(whole), 9):
            talk.line.sendall(whole[:cut])
            talk.line.sendall(whole[cut:])
            again, same = talk.answer()
            assert same == body, cut
            assert [line.partition(b":")[0] for line in sorted(again.lower().split(b"\r\n"))] == [
                line.partition(b":")[0] for line in sorted(head.lower().split(b"\r\n"))
            ]
    assert b"date: " in head
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_sent_before_their_answers_are_answered_in_order(server: Serving) -> None:
    rows = [call(number, item=number) for number in range(1, 30)]
    with Talk(server) as talk:
        talk.line.sendall(rows[0])
        talk.line.sendall(b"".join(rows[1:10]) + rows[10][:50])
        talk.line.sendall(rows[10][50:])
        for row in rows[11:]:
            talk.line.sendall(row)
        for number in range(1, 30):
            key, text = talk.result()
            assert key == number
            assert f"item {number}" in text


def test_both_roads_take_turns_on_one_connection(server: Serving) -> None:
    ping = '{"jsonrpc":"2.0","id":2,"method":"ping"}'
    chunked = request(f"{len(ping):x}\r\n{ping}\r\n0\r\n\r\n", framing="Transfer-Encoding: chunked")
    with Talk(server) as talk:
        for _ in range(3):
            talk.line.sendall(call(1))
            assert talk.result()[0] == 1
            talk.line.sendall(chunked)
            assert json.loads(talk.answer()[1])["id"] == 2
            talk.line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert talk.answer()[1] == b'{"status":"ok"}'
            talk.line.sendall(request("{}", "Expect: 100-continue"))
            assert talk.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
            assert talk.answer()[0].startswith(b"HTTP/1.1 400")


def test_what_follows_a_body_that_was_refused_early_is_still_that_body(server: Serving) -> None:
    hidden = call(66)
    with Talk(server) as talk:
        talk.line.sendall(request("", "Content-Encoding: gzip", framing=f"Content-Length: {len(hidden) + 4}") + b"1234")
        head, _ = talk.answer()
        assert head.startswith(b"HTTP/1.1 415")
        talk.line.sendall(hidden)
        talk.line.sendall(call(67))
        assert talk.result()[0] == 67


def test_a_connection_is_closed_when_its_client_says_so(server: Serving) -> None:
    with Talk(server) as talk:
        talk.line.sendall(call(1, "Connection: close"))
        assert talk.result()[0] == 1
        assert talk.line.recv(10) == b""


def test_progress_becomes_a_stream_on_the_same_connection(server: Serving) -> None:
    with Talk(server) as talk:
        for number in (1, 2):
            talk.line.sendall(call(number, meta=',"_meta":{"progressToken":"p"}'))
            head, body = talk.answer()
            assert b"text/event-stream" in head
            frames = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
            assert [frame.get("method") for frame in frames[:-1]] == ["notifications/progress"] * (len(frames) - 1)
            assert len(frames) > 1
            assert frames[-1]["id"] == number


def test_a_wrong_request_by_the_short_road_is_refused_and_the_connection_goes_on(server: Serving) -> None:
    with Talk(server) as talk:
        talk.line.sendall(request("{}", "Accept: image/png"))
        assert talk.answer()[0].startswith(b"HTTP/1.1 406")
        talk.line.sendall(request("{"))
        assert json.loads(talk.answer()[1])["error"]["code"] == -32700
        talk.line.sendall(call(3))
        assert talk.result()[0] == 3


def test_a_server_that_stops_finishes_the_call_in_flight_and_then_hangs_up(tmp_path: Path) -> None:
    with (
        shop(tmp_path) as (source, _),
        misbehaving(hang) as url,
        serving(source, "--base-url", url, "--timeout", "1") as server,
        Talk(server) as talk,
    ):
        talk.line.sendall(call(1))
        # the call has been taken up when the server answers another connection after it
        with Talk(server) as other:
            other.line.sendall(request('{"jsonrpc":"2.0","id":1,"method":"ping"}'))
            other.answer()
        server.process.send_signal(signal.SIGTERM)
        head, body = talk.answer()
        assert b"connection: close" in head
        assert json.loads(body)["result"]["isError"] is True
        assert talk.line.recv(10) == b""
        assert server.process.wait(15) == 0


def test_a_guarded_server_asks_for_its_token_by_either_road(tmp_path: Path) -> None:
    with (
        shop(tmp_path) as (source, upstream),
        serving(source, "--base-url", upstream.url, listen="0.0.0.0:0") as server,
        Talk(server) as talk,
    ):
        for cut in (None, 30):
            for header in ("X-None: 1", "Authorization: Bearer wrong"):
                text = call(1, header)
                talk.line.sendall(text[:cut])
                if cut is not None:
                    talk.line.sendall(text[cut:])
                assert talk.answer()[0].startswith(b"HTTP/1.1 401")
