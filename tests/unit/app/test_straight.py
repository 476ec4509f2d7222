"""Which heads come by the short road in: those that can be read in one way only."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.app.straight import MOST_KNOWN, Road, recognise
from apiloom.calls.endpoint import Directory
from apiloom.identity.gate import OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings

USUAL = ("Host: 127.0.0.1:8787", "Content-Type: application/json", "Content-Length: 12")


def mcp() -> McpHttp:
    return McpHttp(Directory(), OpenGate(), WireSettings())


def head(*lines: str, start: str = "POST /mcp HTTP/1.1") -> bytes:
    return "\r\n".join((start, *lines, "", "")).encode("latin-1")


def read(text: bytes) -> Any:
    it = mcp()
    return recognise(text, lambda target: it if target == b"/mcp" else None)


def test_a_plain_head_is_read_with_its_names_in_lower_case() -> None:
    known = read(head(*USUAL, "MCP-Method:  tools/call", "Connection: keep-alive"))
    assert known.length == 12
    assert known.visitor.heads[b"mcp-method"] == b"tools/call"
    assert known.visitor.heads[b"host"] == b"127.0.0.1:8787"
    assert known.visitor.json
    assert known.visitor.stream


@pytest.mark.parametrize(
    "text",
    [
        head(*USUAL, start="GET /mcp HTTP/1.1"),
        head(*USUAL, start="POST /mcp HTTP/1.0"),
        head(*USUAL, start="POST /other HTTP/1.1"),
        head(*USUAL, start="POST http://127.0.0.1:8787/mcp HTTP/1.1"),
        head(*USUAL, start="POST  /mcp HTTP/1.1"),
        head(*USUAL[:2]),
        head(*USUAL, "Content-Length: 12"),
        head(*USUAL[:2], "Content-Length: +12"),
        head(*USUAL[:2], "Content-Length: 1_2"),
        head(*USUAL[:2], "Content-Length: 12, 12"),
        head(*USUAL[:2], "Content-Length: 1000000000"),
        head(*USUAL[:2], "Content-Length: 99999999"),
        head(*USUAL[:2], "Content-Length : 12"),
        head(*USUAL[:2], "X Content-Length: 12"),
        head(*USUAL, "Transfer-Encoding: chunked"),
        head(*USUAL, "Expect: 100-continue"),
        head(*USUAL, "Connection: close"),
        head(*USUAL, "Connection: upgrade", "Upgrade: h2c"),
        head(*USUAL, "Connection: keep-alive", "Connection: keep-alive"),
        head(*USUAL, "X-Folded: a", " b"),
        head(*USUAL, "X-Control: a\x01"),
        head(*USUAL, "X-Return: a\rContent-Length: 5"),
        head(*USUAL, "X-Feed: a\nContent-Length: 5"),
        head(*USUAL, "X-Empty:"),
        head(*USUAL, "X-Trailing: a "),
        head(*USUAL, "no colon"),
        head(*USUAL, ": no name"),
        head("Host: evil.example", *USUAL[1:]),
        head(*USUAL[1:]),
    ],
)
def test_every_other_head_is_left_to_the_other_road(text: bytes) -> None:
    assert read(text) is None


def test_a_head_is_read_once_and_only_so_many_are_kept() -> None:
    it = mcp()
    road = Road(lambda target: it)
    first = road.meet(head(*USUAL))
    assert first is not None
    assert road.known[head(*USUAL)] is first
    for number in range(MOST_KNOWN + 5):
        road.meet(head(*USUAL, f"X-Trace: {number}"))
    assert 0 < len(road.known) <= MOST_KNOWN
    assert road.meet(head(*USUAL, start="GET /mcp HTTP/1.1")) is None
    assert len(road.known) <= MOST_KNOWN
