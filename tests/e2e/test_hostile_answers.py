"""Answers that mean harm, from a real socket to a real server: one tool error or a true result each, in bounds.

Time and memory are bounded, and the server answers the next call.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.servers import Serving, modern, serving, text_of
from support.upstream import Conduct, drip, flood, misbehaving

MOST_MEMORY = 600 << 20
"""Bytes that the server may ever have held. An answer of 60 MB is in memory a few times over, a bomb of a gigabyte
never once."""

PATIENCE = ("--timeout", "5")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
PET = {"type": "object", "properties": {"name": {"type": "string"}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pet": {
            "get": {
                "operationId": "getPet",
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": PET}}}},
            }
        }
    },
}


def says(*pieces: bytes) -> Conduct:
    def conduct(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)

    conduct.__name__ = "says"
    return conduct


def framed(body: bytes, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in (*fields, f"Content-Length: {len(body)}"))
    return OK + lines.encode() + b"\r\n" + body


def endless(start: bytes, again: bytes) -> Conduct:
    """An answer that goes on for as long as anybody listens."""

    def conduct(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(start)
        while not over.is_set():
            connection.sendall(again)

    return conduct


def never_ending(start: bytes) -> Conduct:
    """An answer that begins well, and then nothing more comes."""

    def conduct(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(start)
        over.wait(60)

    return conduct


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def bomb(pack: Callable[[bytes], bytes]) -> bytes:
    """A gigabyte of nothing; the second packing makes the first one small."""
    member = pack(bytes(64 << 20))
    return member if pack is zlib.compress else member * 16


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CUT_OFF: dict[str, tuple[Callable[[], Conduct], str]] = {
    "gzip bomb": (lambda: says(framed(bomb(gzip.compress), "Content-Encoding: gzip")), "larger than"),
    "deflate bomb": (lambda: says(framed(zlib.compress(bytes(200 << 20)), "Content-Encoding: deflate")), "larger than"),
    "nested gzip bomb": (
        lambda: says(framed(gzip.compress(gzip.compress(bytes(200 << 20))), "Content-Encoding: gzip, gzip")),
        "content coding gzip, gzip",
    ),
    "twice coded": (
        lambda: says(framed(gzip.compress(b"{}"), "Content-Encoding: gzip", "Content-Encoding: br")),
        "content coding",
    ),
    "brotli unasked": (lambda: says(framed(b"\x8b\x01\x80{}\x03" * 99, "Content-Encoding: br")), "content coding br"),
    "zstd unasked": (lambda: says(framed(b"\x28\xb5\x2f\xfd" * 99, "Content-Encoding: zstd")), "content coding zstd"),
    "broken gzip": (lambda: says(framed(b"\x1f\x8b" + b"x" * 5000, "Content-Encoding: gzip")), "could not be decoded"),
    "endless body": (lambda: flood, "larger than"),
    "endless chunks": (lambda: endless(OK + CHUNKED, chunk(b"[" * 65_536)), "larger than"),
    "endless empty chunk headers": (lambda: endless(OK + CHUNKED, b"0000000000"), "broke off"),
    "a promise of an exabyte": (lambda: says(OK + b"Content-Length: 1152921504606846976\r\n\r\n{"), "larger than"),
    "slow trickle": (lambda: drip, "within"),
    "1 MB of one header": (lambda: says(OK + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n"), "more headers"),
    "100,000 headers": (
        lambda: says(OK + b"".join(b"X-%d: a\r\n" % n for n in range(100_000)) + b"\r\n"),
        "more headers",
    ),
    "endless headers": (lambda: endless(OK, b"X-Y: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 64), "more headers"),
    "endless interim answers": (lambda: endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 64), "more headers"),
    "endless trailers": (lambda: endless(OK + CHUNKED + b"0\r\n", b"X-Y: aaaaaaaaaaaaaaaaa\r\n" * 64), "broke off"),
    "two lengths": (lambda: says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"), ""),
}
TRUE: dict[str, tuple[Callable[[], bytes], Callable[[dict[str, Any], str], bool]]] = {
    "JSON a million levels deep": (
        lambda: framed(b"[" * 1_000_000 + b"]" * 1_000_000),
        lambda result, text: text.startswith("[[[["),
    ),
    "objects a million levels deep": (
        lambda: framed(b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000),
        lambda result, text: text.startswith('{"a":{"a":'),
    ),
    "60 MB of JSON": (
        lambda: framed(b'{"all":[' + b",".join([b'{"name":"Rex"}'] * 3_900_000) + b"]}"),
        lambda result, text: '"Rex"' in text and result["structuredContent"]["all"][0] == {"name": "Rex"},
    ),
    "one string of 50 MB": (
        lambda: framed(b'{"name":"' + b"x" * (50 << 20) + b'"}'),
        lambda result, text: result["structuredContent"]["name"].startswith("xxx"),
    ),
    "ten million empty lists": (
        lambda: framed(b"[" + b",".join([b"[]"] * 10_000_000) + b"]"),
        lambda result, text: result["structuredContent"]["result"][0] == [],
    ),
    "a number of a million digits": (
        lambda: framed(b'{"n":' + b"9" * 1_000_000 + b"}"),
        lambda result, text: "cut to fit" in text,
    ),
    "a stream of nothing": (
        lambda: STREAM.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"\r\n" + b"\n" * (3 << 20),
        lambda result, text: len(text) > 0,
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("hostile") / "pets.json"
    path.write_text(json.dumps(DOCUMENT))
    return str(path)


class Upstream:
    """A listener that behaves as it is told to from one call to the next."""

    def __init__(self) -> None:
        self.conduct: Conduct = says(framed(b'{"name":"Rex"}'))

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        self.conduct(connection, over)


@pytest.fixture(scope="module")
def hostile(source: str) -> Iterator[tuple[Upstream, Serving]]:
    told = Upstream()
    with misbehaving(told) as url, serving(source, "--base-url", url, *PATIENCE) as server:
        yield told, server
        assert server.stop() == 0
        assert "Traceback" not in server.said()


def peak(server: Serving) -> int:
    """The most memory that the server ever had, in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def lives_on(told: Upstream, server: Serving) -> None:
    told.conduct = says(framed(b'{"name":"Rex"}'))
    assert server.call("get_pet")["result"]["structuredContent"] == {"name": "Rex"}
    assert server.alive()
    print(f"at most {peak(server) >> 20} MB")
    assert peak(server) < MOST_MEMORY


@pytest.mark.parametrize("what", CUT_OFF)
def test_an_answer_that_means_harm_is_one_tool_error(hostile: tuple[Upstream, Serving], what: str) -> None:
    told, server = hostile
    make, part = CUT_OFF[what]
    told.conduct = make()
    answer = server.call("get_pet", timeout=60)
    assert answer["result"]["isError"] is True
    assert "structuredContent" not in answer["result"]
    text = text_of(answer)
    assert part in text
    assert len(text) < 2_000
    assert "127.0.0.1" in text or "content coding" in text
    lives_on(told, server)


@pytest.mark.parametrize("what", TRUE)
def test_an_answer_that_is_only_monstrous_is_told_truly(hostile: tuple[Upstream, Serving], what: str) -> None:
    told, server = hostile
    body, is_true = TRUE[what]
    told.conduct = says(body())
    answer = server.call("get_pet", timeout=120)
    assert answer["result"]["isError"] is False, text_of(answer)[:500]
    assert "structuredContent" in answer["result"]
    assert is_true(answer["result"], text_of(answer))
    assert len(json.dumps(answer)) < 2_000_000
    lives_on(told, server)


@pytest.mark.parametrize(
    ("conduct", "word"),
    [
        (never_ending(STREAM + CHUNKED + chunk(b'data: {"name":"Rex"}\n\ndata: unfini')), "did not end in time"),
        (
            endless(STREAM + CHUNKED + chunk(b'data: {"name":"Rex"}\n\n'), chunk(b": " + b"x" * 65_536 + b"\n")),
            "longer",
        ),
        (says(STREAM + CHUNKED + chunk(b'data: {"name":"Rex"}\n\n')), "broke"),
    ],
    ids=["silence", "flood", "break"],
)
def test_a_stream_without_end_is_told_as_far_as_it_came(
    hostile: tuple[Upstream, Serving], conduct: Conduct, word: str
) -> None:
    told, server = hostile
    told.conduct = conduct
    result = server.call("get_pet", timeout=60)["result"]
    assert result["isError"] is False
    assert result["structuredContent"] == {"result": [{"data": {"name": "Rex"}}]}
    assert word in result["content"][-1]["text"]
    lives_on(told, server)


def test_many_hostile_answers_at_once_do_not_keep_the_others_waiting(hostile: tuple[Upstream, Serving]) -> None:
    told, server = hostile
    told.conduct = CUT_OFF["endless chunks"][0]()
    replies: list[Any] = []
    threads = [
        threading.Thread(target=lambda: replies.append(modern(server.url, "tools/call", CALL, timeout=120)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert modern(server.url, "tools/list", timeout=60).status == 200
    for thread in threads:
        thread.join(120)
    assert [reply.value["result"]["isError"] for reply in replies] == [True] * 4
    lives_on(told, server)


CALL = {"name": "get_pet", "arguments": {}}


def catastrophic() -> dict[str, Any]:
    """A document whose schemas are as expensive as schemas can be."""
    node: dict[str, Any] = {
        "anyOf": [
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/components/schemas/N"}, str(n): {}},
                "required": [str(n)],
            }
            for n in range(12)
        ]
    }
    patterns = ["^(a+)+$", "(a|a)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)*x", "^(?=(a+))\\1b", "(x+x+)+y"]
    members = {f"p{n}": {"type": "string", "pattern": pattern} for n, pattern in enumerate(patterns)}
    body = {"type": "object", "properties": {"tree": {"$ref": "#/components/schemas/N"}, **members,
            "all": {"type": "array", "uniqueItems": True, "items": {}}}}  # fmt: skip
    operation = {
        "operationId": "put",
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": body}}}},
    }
    return {**DOCUMENT, "paths": {"/it": {"put": operation}}, "components": {"schemas": {"N": node}}}


def nested(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "arguments",
    [
        {"p0": "a" * 50_000 + "!", "p1": "a" * 50_000, "p2": "a" * 50_000, "p3": "y" * 50_000, "p5": "x" * 50_000},
        {"tree": nested(40)},
        {"all": [{"n": n} for n in range(20_000)]},
        {"p4": "a" * 50_000},
    ],
    ids=["patterns", "unions", "unique items", "look ahead"],
)
def test_catastrophic_schemas_and_hostile_arguments_and_answers_end(tmp_path: Path, arguments: dict[str, Any]) -> None:
    path = tmp_path / "worst.json"
    path.write_text(json.dumps(catastrophic()))
    answered = says(framed(json.dumps(arguments).encode()))
    with misbehaving(answered) as url, serving(str(path), "--base-url", url, *PATIENCE) as server:
        for given in (arguments, {}):
            # refused or sent: either is an answer; what comes back is judged by the same schema
            result = server.call("put", given, timeout=60)["result"]
            assert len(text_of({"result": result})) > 0
        assert server.call("put", {}, timeout=60)["result"]["isError"] is False
        assert peak(server) < MOST_MEMORY
        assert server.stop() == 0
        assert "Traceback" not in server.said()
