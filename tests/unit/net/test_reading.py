"""Every form an answer has, and everything that is none: read to its clear end or refused, never guessed."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib

import pytest

from apiloom.base.errors import UpstreamError
from apiloom.net.plain import Line, Plain, Spot
from apiloom.net.request import Request
from apiloom.net.settings import NetSettings
from support.short_road import CHUNKED, OK, Onward, asked, refused
from support.sockets import WITHIN, answer

# what an answer may look like


@pytest.mark.parametrize(
    ("wire", "then", "body"),
    [
        (CHUNKED + b"5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n", "keep", b"hello"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", "close", b"hello"),
        (OK + b"\r\nhello", "close", b"hello"),
        (OK + b"\r\nhello", "half-close", b"hello"),
        (OK + b"\r\n", "close", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "close", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n" + answer(b"hello"), "keep", b"hello"),
        (answer(zlib.compress(b"hello")[2:-4], "Content-Encoding: deflate"), "keep", b"hello"),
        (
            answer(gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0), "Content-Encoding: GZIP"),
            "keep",
            b"hello",
        ),
        (OK + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(b"hello", mtime=0), "close", b"hello"),
        (answer(b"", "Content-Encoding: gzip"), "keep", b""),
        (answer(b"hello", "Content-Encoding: identity"), "keep", b"hello"),
        (answer(b"hello", "Content-Encoding: br"), "keep", b"hello"),
        (b"HTTP/1.1 299 \xfcber\r\nContent-Length:5\r\n\r\nhello", "keep", b"hello"),
        (b"\r\n" + answer(b"hello"), "keep", b"hello"),
    ],
)
async def test_a_body_is_found_in_every_form(wire: bytes, then: str, body: bytes) -> None:
    response = await asked(wire, then)
    assert response.body == body
    assert response.header("x-late") == response.header("x-early") == ""


async def test_an_undone_coding_is_no_longer_named_and_an_unknown_one_is() -> None:
    response = await asked(answer(gzip.compress(b"hello", mtime=0), "Content-Encoding: gzip", "X-A: b"))
    assert list(response.headers) == [("x-a", "b")]
    response = await asked(answer(b"?", "Content-Encoding: br"))
    assert list(response.headers) == [("content-length", "1"), ("content-encoding", "br")]


@pytest.mark.parametrize("more", [(), ("Connection: close",)], ids=["short", "long"])
async def test_headers_keep_their_order_and_repetitions_and_lose_their_case(more: tuple[str, ...]) -> None:
    response = await asked(answer(b"", "B: 1", "X-A:  é\t", "b:2", "Empty:", *more))
    assert list(response.headers)[1:5] == [("b", "1"), ("x-a", "Ã©"), ("b", "2"), ("empty", "")]


async def test_a_watch_hears_of_decoded_bytes_and_of_a_total_only_where_it_is_known() -> None:
    for wire, total in (
        (answer(b"x" * 300_000), 300_000),
        (CHUNKED + b"493e0\r\n" + b"x" * 300_000 + b"\r\n0\r\n\r\n", None),
        (answer(gzip.compress(b"x" * 300_000, mtime=0), "Content-Encoding: gzip"), None),
    ):
        heard: list[tuple[int, int | None]] = []
        await asked(wire, watch=lambda received, of, heard=heard: heard.append((received, of)))
        assert heard[0] == (0, total)
        assert heard[-1] == (300_000, total)
        assert [received for received, _ in heard] == sorted({received for received, _ in heard})


# what is no answer


@pytest.mark.parametrize(
    "wire",
    [
        answer(b"ab", "Content-Length: 2"),
        answer(b"ab", "Content-Length: 3"),
        answer(b"ab", "Transfer-Encoding: chunked"),
        OK + b"Content-Length: 2, 2\r\n\r\nab",
        OK + b"Content-Length: +2\r\n\r\nab",
        OK + b"Content-Length: -2\r\n\r\nab",
        OK + b"Content-Length: 0x2\r\n\r\nab",
        OK + b"Content-Length:\r\n\r\nab",
        OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nab",
        OK + b"Content-Length: \xb2\r\n\r\nab",
        OK + b"Content-Length : 2\r\n\r\nab",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        OK + b" Folded: x\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
        OK + b": a\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16" + b"\0" * 8,
    ],
)
async def test_an_answer_whose_frame_is_in_doubt_is_refused(wire: bytes) -> None:
    error = await refused(wire)
    assert error.code == "net.broken"
    assert "is not HTTP" in error.message


@pytest.mark.parametrize(
    ("wire", "then", "sentence"),
    [
        (b"", "close", "closed the connection without an answer"),
        (OK + b"Content-", "half-close", "closed the connection without an answer"),
        (OK + b"Content-Length: 9\r\n\r\nab", "close", "in the middle of its answer"),
        (OK + b"Content-Length: 9\r\n\r\n", "half-close", "in the middle of its answer"),
        (CHUNKED + b"9\r\nab", "close", "in the middle of its answer"),
        (CHUNKED + b"2\r\nab\r\n0\r\n", "half-close", "in the middle of its answer"),
        (CHUNKED + b"zz\r\nab", "hang", "broke off: Invalid character in chunk size"),
        (CHUNKED + b"2\r\nabc\r\n", "hang", "broke off: "),
        (CHUNKED + b"2\nab\n0\n\n", "hang", "broke off: "),
        (CHUNKED + b"-2\r\nab\r\n", "hang", "broke off: "),
        (CHUNKED + b"2\r\nab\r\n0\r\nT: a\x00\r\n\r\n", "hang", "broke off: "),
        (CHUNKED + b"2;" + b"x" * 400_000, "hang", "broke off: it goes on without content"),
        (CHUNKED + b"2\r\nab\r\n0\r\nT: " + b"x" * 400_000, "hang", "broke off: it goes on without content"),
        (CHUNKED + b"0\r\n" + b"T: x\r\n" * 60_000, "hang", "broke off: it goes on without content"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "hang", "another protocol"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "hang", "another protocol"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "hang", "sent more headers than can be read"),
        (OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n", "hang", "sent more headers than can be read"),
        (OK + b"X: " + b"x" * 400_000, "hang", "sent more headers than can be read"),
        (OK + b"X" * 400_000, "hang", "sent more headers than can be read"),
        (b"HTTP/1.1 200 " + b"x" * 400_000, "hang", "sent more headers than can be read"),
        (OK + b"X: a\r\n" * 257 + b"Content-Length: 0\r\n\r\n", "hang", "sent more headers than can be read"),
        (OK + b"Connection: close\r\n" + b"X: a\r\n" * 257 + b"\r\n", "hang", "sent more headers than can be read"),
        (answer(b"0123456789", "Content-Encoding: gzip"), "hang", "could not be decoded: incorrect header check"),
        (
            answer(gzip.compress(b"ab", mtime=0)[:-1], "Content-Encoding: gzip"),
            "hang",
            "could not be decoded: it is cut short",
        ),
        (
            OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ab", mtime=0)[:-9],
            "close",
            "decoded: it is cut short",
        ),
        (answer(gzip.compress(b"ab", mtime=0) + b"junk", "Content-Encoding: gzip"), "hang", "could not be decoded: "),
        (answer(zlib.compress(b"ab") + b"junk", "Content-Encoding: deflate"), "hang", "could not be decoded: "),
        (answer(gzip.compress(b"", mtime=0) * 500, "Content-Encoding: gzip"), "hang", "could not be decoded: "),
    ],
)
async def test_a_broken_answer_is_told_as_what_it_is_and_its_connection_closed(
    wire: bytes, then: str, sentence: str
) -> None:
    error = await refused(wire, then)
    assert error.code == "net.broken"
    assert sentence in error.message


BOMB = gzip.compress(b"\0" * 50_000_000, mtime=0)


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"Content-Length: 999999999\r\n\r\n",
        OK + b"Content-Length: 999999999\r\nConnection: close\r\n\r\n",
        OK + b"Content-Length: 999999999\r\nContent-Encoding: gzip\r\n\r\n",
        OK + b"\r\n" + b"x" * 5001,
        CHUNKED + b"1389\r\n" + b"x" * 5001,
        answer(BOMB, "Content-Encoding: gzip"),
        answer(zlib.compress(b"\0" * 50_000_000), "Content-Encoding: deflate"),
        OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB,
        # empty blocks that never become content
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: deflate\r\n\r\n")
        + b"493e0\r\n"
        + b"\x00\x00\x00\xff\xff" * 60_000,
    ],
)
async def test_what_exceeds_the_bound_is_refused_as_early_as_it_is_known(wire: bytes) -> None:
    error = await refused(wire, max_bytes=5000)
    assert error.code == "net.too_large"
    assert error.message.endswith("is larger than 5,000 bytes")


async def test_an_answer_of_exactly_the_bound_is_taken_in_every_form() -> None:
    body = b"x" * 5000
    for wire in (
        answer(body),
        answer(body, "Connection: close"),
        CHUNKED + b"1388\r\n" + body + b"\r\n0\r\n\r\n",
        answer(gzip.compress(body), "Content-Encoding: gzip"),
    ):
        assert (await asked(wire, max_bytes=5000)).body == body


# both ways of reading agree


class Cable:
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        self.aborted = False

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None:
        self.aborted = True


async def read(wire: bytes, cut: int, method: str) -> tuple[object, bool]:
    """What a line makes of these bytes, when they come in two pieces, and whether it would be used again."""
    loop = asyncio.get_running_loop()
    spot = Spot("http://x", NetSettings())
    line = Line(Plain(NetSettings(), onward=Onward()), spot, loop)
    line.connection_made(Cable())  # type: ignore[arg-type]
    request = Request(method=method, origin="http://x", target="/", max_bytes=100)
    task = loop.create_task(line.exchange(request, b"", loop.time() + WITHIN))
    await asyncio.sleep(0)
    for piece in (wire[:cut], wire[cut:]):
        if piece and line.answer is not None:
            line.data_received(piece)
    kept = bool(spot.free)
    if line.answer is not None:
        line.eof_received()
    try:
        response = await task
    except UpstreamError as error:
        return (error.code, error.message), kept
    finally:
        line.leave()
    return (response.status, list(response.headers), response.body), kept


def crooked(dice: random.Random) -> bytes:
    """An answer, most often nearly right."""
    first = [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 500 O\xdfK"]
    odd = [b"HTTP/1.1 204 None", b"HTTP/1.1 304 Same", b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 O\x00K"]
    odd += [b"HTTP/1.1 100 Go", b"HTTP/1.1 199 ?", b"HTTP/1.1 999 ?", b"HTTP/1.1 20 OK", b"HTTP/1.1  200 OK", b"\r\n"]
    usual = [b"A: b", b"Set-Cookie: c", b"set-cookie: d", b"E:", b"F:\tg", b"H: \xe9", b"Connection: keep-alive"]
    strange = [b"A: b ", b"A : b", b" A: b", b"A", b": b", b"A: b\rc", b"A: b\nc", b"A: \x7f", b"A\xe9: b", b"A: b:c"]
    strange += [b"Connection: close", b"Upgrade: x", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b""]
    lengths = [b"5", b"0", b"05", b"4", b"6", b"101", b"5 ", b"+5", b"5, 5", b"", b"\xb2", b"9" * 20, b"99999999999999"]
    body = dice.choice([b"hello", b"hello", b"", b"hello!", b"0\r\n\r\n", gzip.compress(b"hello", mtime=0), b"x" * 101])
    lines = [dice.choice(first if dice.random() < 0.8 else odd)]
    lines += [dice.choice(usual if dice.random() < 0.85 else strange) for _ in range(dice.randrange(4))]
    if dice.random() < 0.9:
        value = b"%d" % len(body) if dice.random() < 0.6 else dice.choice(lengths)
        lines.insert(dice.randrange(1, len(lines) + 1), dice.choice([b"Content-Length: ", b"content-length:"]) + value)
    return dice.choice([b"\r\n"] * 30 + [b"\n"]).join([*lines, b"", body])


async def test_the_short_way_of_reading_says_what_llhttp_says_or_leaves_it_to_llhttp() -> None:
    dice = random.Random(5)
    kinds: dict[object, int] = {}
    for _ in range(6000):
        wire, method = crooked(dice), dice.choice(["GET", "GET", "POST", "HEAD"])
        whole, kept = await read(wire, len(wire), method)
        piecemeal, kept_too = await read(wire, 1, method)
        assert whole == piecemeal, wire
        assert kept_too or not kept, wire
        kinds[whole[0]] = kinds.get(whole[0], 0) + 1  # type: ignore[index]
    assert kinds[200] > 1000
    assert kinds["net.broken"] > 1000
    assert kinds["net.too_large"] > 10


async def test_an_answer_means_the_same_wherever_it_is_cut() -> None:
    for wire in (
        answer(b"hello", "A: b"),
        CHUNKED + b"3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(gzip.compress(b"hello", mtime=0), "Content-Encoding: gzip"),
    ):
        results = [await read(wire, cut, "GET") for cut in range(1, len(wire) + 1)]
        assert all(result == results[0] for result in results)
        assert results[0][0][2] == b"hello"  # type: ignore[index]
