"""The short road on real sockets: every form an answer has, every way a connection ends, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import random
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from apiloom.base.errors import CallerError, DesignError, UpstreamError
from apiloom.net import dial as dialling
from apiloom.net.client import connect
from apiloom.net.plain import Line, Plain, Spot
from apiloom.net.reading import Reading
from apiloom.net.request import Request, Response
from apiloom.net.settings import NetSettings
from support.sockets import WITHIN, Peer, answer, peer, says, silence

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Onward:
    """What stands behind the short road."""

    def __init__(self) -> None:
        self.origins: list[str] = []

    async def send(self, request: Request) -> Response:
        self.origins.append(request.origin)
        return Response(status=299, headers=(), body=b"")

    async def close(self) -> None:
        self.origins.append("closed")


@asynccontextmanager
async def plain(settings: NetSettings | None = None) -> AsyncIterator[Plain]:
    sender = Plain(settings or NetSettings(), onward=Onward())
    try:
        yield sender
    finally:
        await asyncio.wait_for(sender.close(), WITHIN)
        assert not sender.lines


def get(it: Peer, path: str = "/", method: str = "GET", **more: Any) -> Request:
    return Request(method=method, origin=it.origin, target=path, **{"timeout": WITHIN, **more})


async def asked(wire: bytes, then: str = "keep", **more: Any) -> Response:
    async with peer(says(wire, then=then)) as it, plain() as sender:
        return await asyncio.wait_for(sender.send(get(it, **more)), WITHIN)


async def refused(wire: bytes, then: str = "hang", **more: Any) -> UpstreamError:
    """The error; the connection must be gone with it."""
    async with peer(says(wire, then=then)) as it, plain() as sender:
        with pytest.raises(UpstreamError) as caught:
            await asyncio.wait_for(sender.send(get(it, **more)), WITHIN)
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        return caught.value


async def until(true: Callable[[], object]) -> None:
    async def turn() -> None:
        while not true():
            await asyncio.sleep(0)

    await asyncio.wait_for(turn(), WITHIN)


# which connections are used again


@pytest.mark.parametrize(
    "wire",
    [
        answer(b"ab"),
        answer(b""),
        answer(b"ab", "Connection: keep-alive", "Keep-Alive: timeout=5"),
        answer(b"ab", "Set-Cookie: a=1", "Set-Cookie: b=2"),
        CHUNKED + b"2\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"2;x=y\r\nab\r\n0\r\nDigest: z\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
        answer(gzip.compress(b"ab"), "Content-Encoding: gzip"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"ab"),
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab",
    ],
)
async def test_a_connection_whose_answer_has_a_clear_end_is_used_again(wire: bytes) -> None:
    async with peer(says(wire)) as it, plain() as sender:
        for _ in range(3):
            await asyncio.wait_for(sender.send(get(it)), WITHIN)
        assert it.connections == 1


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (answer(b"ab", "Connection: close"), b"ab"),
        (answer(b"ab", "Connection: x, Close"), b"ab"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab"),
        (answer(b"ab") + b"surplus", b"ab"),
        (answer(b"ab") + answer(b"cd"), b"ab"),
        (CHUNKED + b"2\r\nab\r\n0\r\n\r\n" + answer(b"cd"), b"ab"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nab", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nab", b""),
    ],
)
async def test_a_connection_that_may_hold_more_than_was_asked_is_closed(wire: bytes, body: bytes) -> None:
    async with peer(says(wire)) as it, plain() as sender:
        for number in (1, 2):
            assert (await asyncio.wait_for(sender.send(get(it)), WITHIN)).body == body
            await asyncio.wait_for(it.gone.wait(), WITHIN)
            it.gone.clear()
            assert it.connections == number


async def test_an_answer_to_head_ends_with_its_headers() -> None:
    async with peer(says(answer(b"", "X-A: b").replace(b"Length: 0", b"Length: 900"))) as it, plain() as sender:
        for _ in range(2):
            response = await asyncio.wait_for(sender.send(get(it, method="HEAD")), WITHIN)
            assert (response.status, response.body, response.header("content-length")) == (200, b"", "900")
        assert it.connections == 1


async def test_the_connection_used_last_is_used_next_and_the_others_grow_old() -> None:
    both = asyncio.Event()

    async def together(it: Peer, writer: asyncio.StreamWriter) -> None:
        if len(it.seen) == 2:
            both.set()
        await both.wait()
        writer.write(answer(b"%d" % it.writers.index(writer)))

    async with peer(together) as it, plain() as sender:
        await asyncio.wait_for(asyncio.gather(sender.send(get(it)), sender.send(get(it))), WITHIN)
        later = [(await asyncio.wait_for(sender.send(get(it)), WITHIN)).body for _ in range(4)]
        assert it.connections == 2
        assert len(set(later)) == 1


async def test_no_more_connections_are_kept_than_the_settings_say() -> None:
    async with peer(says(answer())) as it, plain(NetSettings(max_idle_per_host=2)) as sender:
        await asyncio.wait_for(asyncio.gather(*[sender.send(get(it)) for _ in range(5)]), WITHIN)
        await until(lambda: len(sender.lines) == 2)
        assert it.connections == 5


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with peer(says(answer())) as it, plain(NetSettings(idle=0.05)) as sender:
        await sender.send(get(it))
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        await until(lambda: not sender.lines)
        assert (await sender.send(get(it))).status == 200
        assert it.connections == 2


@pytest.mark.parametrize("how", ["closed", "talked over"])
async def test_an_idle_connection_that_stirs_is_given_up_and_even_a_post_gets_a_new_one(how: str) -> None:
    async with peer(says(answer())) as it, plain() as sender:
        await sender.send(get(it))
        if how == "closed":
            it.writers[0].close()
        else:
            it.writers[0].write(answer(b"unasked"))
        await until(lambda: not sender.lines)
        assert (await sender.send(get(it, method="POST", body=b"x"))).body == b"{}"
        assert it.connections == 2


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)])
async def test_a_dead_connection_is_told_by_its_silence_and_only_repeatable_requests_are_repeated(
    method: str, times: int
) -> None:
    async def once(it: Peer, writer: asyncio.StreamWriter) -> bool:
        if len(it.seen) in {2, 3}:
            writer.close()
            return False
        writer.write(answer())
        return True

    async with peer(once) as it, plain() as sender:
        await sender.send(get(it))
        with pytest.raises(UpstreamError, match="closed the connection without an answer"):
            await asyncio.wait_for(sender.send(get(it, method=method)), WITHIN)
        assert len(it.seen) == 1 + times


@pytest.mark.parametrize("wire", [b"H", OK, answer(b"abc")[:-1]])
async def test_a_request_of_which_any_answer_came_is_not_repeated(wire: bytes) -> None:
    async def twice(it: Peer, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer() if len(it.seen) == 1 else wire)
        if len(it.seen) > 1:
            writer.close()
        return len(it.seen) == 1

    async with peer(twice) as it, plain() as sender:
        await sender.send(get(it))
        with pytest.raises(UpstreamError, match="closed the connection"):
            await asyncio.wait_for(sender.send(get(it)), WITHIN)
        assert len(it.seen) == 2


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
        (answer(gzip.compress(b"hel") + gzip.compress(b"lo"), "Content-Encoding: GZIP"), "keep", b"hello"),
        (OK + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(b"hello"), "close", b"hello"),
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
    response = await asked(answer(gzip.compress(b"hello"), "Content-Encoding: gzip", "X-A: b"))
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
        (answer(gzip.compress(b"x" * 300_000), "Content-Encoding: gzip"), None),
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
        (answer(gzip.compress(b"ab")[:-1], "Content-Encoding: gzip"), "hang", "could not be decoded: it is cut short"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ab")[:-9], "close", "decoded: it is cut short"),
        (answer(gzip.compress(b"ab") + b"junk", "Content-Encoding: gzip"), "hang", "could not be decoded: "),
        (answer(zlib.compress(b"ab") + b"junk", "Content-Encoding: deflate"), "hang", "could not be decoded: "),
        (answer(gzip.compress(b"") * 500, "Content-Encoding: gzip"), "hang", "could not be decoded: "),
    ],
)
async def test_a_broken_answer_is_told_as_what_it_is_and_its_connection_closed(
    wire: bytes, then: str, sentence: str
) -> None:
    error = await refused(wire, then)
    assert error.code == "net.broken"
    assert sentence in error.message


BOMB = gzip.compress(b"\0" * 50_000_000)


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
    body = dice.choice([b"hello", b"hello", b"", b"hello!", b"0\r\n\r\n", gzip.compress(b"hello"), b"x" * 101])
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
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(gzip.compress(b"hello"), "Content-Encoding: gzip"),
    ):
        results = [await read(wire, cut, "GET") for cut in range(1, len(wire) + 1)]
        assert all(result == results[0] for result in results)
        assert results[0][0][2] == b"hello"  # type: ignore[index]


# going out


async def test_a_large_body_arrives_whole_and_the_connection_stays() -> None:
    body = bytes(range(256)) * 20_000
    async with peer(says(answer())) as it, plain() as sender:
        for _ in range(2):
            await asyncio.wait_for(sender.send(get(it, method="POST", body=body)), WITHIN)
        assert [seen for _, seen in it.seen] == [body, body]
        assert it.connections == 1


@asynccontextmanager
async def deaf(wire: bytes = b"") -> AsyncIterator[Peer]:
    """A peer that reads the head of the first request and nothing more."""
    it = Peer(silence())
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        it.writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        it.asked.set()
        writer.write(wire)
        await it.over.wait()
        writer.transport.abort()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        it.over.set()
        server.close()
        await asyncio.wait_for(left.wait(), WITHIN)


async def test_an_answer_that_comes_before_the_request_is_out_is_taken_and_the_connection_closed() -> None:
    wire = answer(b"too much", status="413 Content Too Large")
    async with deaf(wire) as it, plain() as sender:
        response = await asyncio.wait_for(sender.send(get(it, method="PUT", body=b"x" * 20_000_000)), WITHIN)
        assert (response.status, response.body) == (413, b"too much")
        await until(lambda: not sender.lines)


async def test_a_server_that_does_not_read_meets_the_deadline() -> None:
    async with deaf() as it, plain() as sender:
        with pytest.raises(UpstreamError, match=r"did not answer within 0\.2 s"):
            await asyncio.wait_for(sender.send(get(it, method="PUT", body=b"x" * 20_000_000, timeout=0.2)), WITHIN)
        await until(lambda: not sender.lines)


async def test_cancelling_ends_a_request_that_is_still_going_out() -> None:
    async with deaf() as it, plain() as sender:
        task = asyncio.create_task(sender.send(get(it, method="PUT", body=b"x" * 20_000_000)))
        await asyncio.wait_for(it.asked.wait(), WITHIN)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not sender.lines)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("User-Agent", "mine")], {b"user-agent": [b"mine"], b"accept-encoding": [b"gzip, deflate"]}),
        ([("ACCEPT-ENCODING", "br")], {b"accept-encoding": [b"br"]}),
        ([("Range", "bytes=0-1")], {b"accept-encoding": [b"identity"]}),
        ([("Range", "bytes=0-1"), ("Accept-Encoding", "gzip")], {b"accept-encoding": [b"gzip"]}),
        ([("X-Colon", "a: b"), ("X-Empty", ""), ("X-Tab", "a\tb")], {b"x-colon": [b"a: b"], b"x-tab": [b"a\tb"]}),
    ],
)
async def test_what_a_request_says_itself_is_not_said_twice(
    headers: list[tuple[str, str]], expected: dict[bytes, list[bytes]]
) -> None:
    async with peer(says(answer())) as it, plain() as sender:
        await sender.send(get(it, headers=headers))
        assert {name: it.header(name.decode()) for name in expected} == expected


@pytest.mark.parametrize(
    "header",
    [
        ("X: a\r\nY", "b"),
        ("X:", "b"),
        ("X: y", "b"),
        ("X", "a\r\nY: b"),
        ("X", "a\r\n\r\nGET / HTTP/1.1"),
        ("X", "a\n"),
        ("X", "\r"),
        ("X", "\x01"),
        ("X", "\x7f"),
        ("é", "b"),
        ("X", "\udcff"),
    ],
)
async def test_a_header_that_would_read_as_something_else_is_refused(header: tuple[str, str]) -> None:
    async with peer(says(answer())) as it, plain() as sender:
        for headers in ([header], [("A", "b"), header, ("C", "d")], [("Range", "x"), header]):
            with pytest.raises(CallerError) as caught:
                await sender.send(get(it, headers=headers))
            assert caught.value.code == "net.header"
        assert it.connections == 0


@pytest.mark.parametrize("method", ["CONNECT", "GET ", "G\r\nT", ""])
async def test_what_is_no_method_for_a_target_is_refused(method: str) -> None:
    async with plain() as sender:
        with pytest.raises(CallerError):
            await sender.send(Request(method=method, origin="http://127.0.0.1:9", target="/"))


@pytest.mark.parametrize(
    ("origin", "host", "port", "shown"),
    [
        ("http://API.example", "API.example", 80, "api.example"),
        ("http://api.example:80", "api.example", 80, "api.example"),
        ("http://api.example:8080", "api.example", 8080, "api.example:8080"),
        ("http://[::1]", "::1", 80, "[::1]"),
        ("http://[::1]:81", "::1", 81, "[::1]:81"),
    ],
)
def test_an_origin_leads_to_its_host_and_port(origin: str, host: str, port: int, shown: str) -> None:
    spot = Spot(origin, NetSettings())
    assert (spot.host, spot.port) == (host, port)
    assert f"Host: {shown}\r\n" in spot.common


async def test_a_port_that_is_none_is_refused() -> None:
    async with plain() as sender:
        with pytest.raises(DesignError, match="70000 is not a port"):
            await sender.send(Request(method="GET", origin="http://127.0.0.1:70000", target="/"))


async def test_other_schemes_go_on_to_the_sender_behind() -> None:
    onward = Onward()
    sender = Plain(NetSettings(), onward=onward)
    assert (await sender.send(Request(method="GET", origin="https://api.example", target="/"))).status == 299
    await sender.close()
    assert onward.origins == ["https://api.example", "closed"]


# getting there


async def test_a_connection_that_is_never_accepted_is_given_up_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(8)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        origin = f"http://127.0.0.1:{full.getsockname()[1]}"
        for settings, timeout in ((NetSettings(connect_timeout=0.1), WITHIN), (NetSettings(), 0.1)):
            async with plain(settings) as sender:
                request = Request(method="GET", origin=origin, target="/", timeout=timeout)
                with pytest.raises(UpstreamError, match="did not accept a connection in time") as caught:
                    await asyncio.wait_for(sender.send(request), WITHIN)
                assert caught.value.code == "net.timeout"
        async with plain() as sender:
            task = asyncio.create_task(sender.send(Request(method="GET", origin=origin, target="/")))
            await until(lambda: sender._connecting)
            await sender.close()
            with pytest.raises(UpstreamError, match="this program is stopping"):
                await asyncio.wait_for(task, WITHIN)
        for one in crowd:
            one.close()


@pytest.mark.parametrize(
    ("origin", "code", "sentence"),
    [
        ("http://nonexistent.invalid", "net.dns", "the host name of nonexistent.invalid cannot be resolved"),
        ("http://" + "a" * 70 + ".invalid", "net.dns", "cannot be resolved"),
        ("http://a..invalid", "net.dns", "cannot be resolved"),
        ("http://127.0.0.1:0", "net.refused", "127.0.0.1:0"),
    ],
)
async def test_a_host_that_cannot_be_reached_is_told(origin: str, code: str, sentence: str) -> None:
    async with plain() as sender:
        with pytest.raises(UpstreamError) as caught:
            await asyncio.wait_for(sender.send(Request(method="GET", origin=origin, target="/")), WITHIN)
    assert caught.value.code == code
    assert sentence in caught.value.message


async def test_an_address_that_swallows_packets_does_not_hide_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connected, tried = loop.create_connection, []
    stream = (socket.SOCK_STREAM, 6, "")

    async def found(*_: object, **__: object) -> list[object]:
        return [
            (socket.AF_INET6, *stream, ("::dead", 1, 0, 0)),
            (socket.AF_INET6, *stream, ("::beef", 1, 0, 0)),
            (socket.AF_INET, *stream, ("127.0.0.1", 1)),
            (socket.AF_INET, *stream, ("127.0.0.1", 1)),
        ]

    async def reached(build: Callable[[], asyncio.Protocol], host: str, port: int) -> object:
        tried.append(host)
        if host == "127.0.0.1":
            return await connected(build, host, port)
        if host == "::beef":
            raise OSError(101, "Network is unreachable")
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(loop, "getaddrinfo", found)
    monkeypatch.setattr(loop, "create_connection", reached)
    monkeypatch.setattr(dialling, "_HEAD_START", 0.01)
    async with peer(says(answer())) as it, plain() as sender:
        assert (await asyncio.wait_for(sender.send(get(it)), WITHIN)).status == 200
    assert tried == ["::dead", "127.0.0.1"]


async def test_every_address_is_tried_before_a_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def found(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 1)) for last in range(20)]

    tried = []

    async def reached(_build: object, host: str, _port: int) -> object:
        tried.append(host)
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(loop, "getaddrinfo", found)
    monkeypatch.setattr(loop, "create_connection", reached)
    async with plain() as sender:
        with pytest.raises(UpstreamError, match=r"api\.example cannot be reached: Network is unreachable"):
            await asyncio.wait_for(sender.send(Request(method="GET", origin="http://api.example", target="/")), WITHIN)
    assert tried == [f"192.0.2.{last}" for last in range(8)]


# many, long, and in the end


async def test_an_answer_that_drips_for_ever_meets_the_deadline() -> None:
    for start in (b"HTTP/1.1 200 OK\r\nX: ", CHUNKED + b"fffff\r\n", OK + b"Content-Length: 99999\r\n\r\n"):

        async def drip(it: Peer, writer: asyncio.StreamWriter, start: bytes = start) -> bool:
            writer.write(start)
            while not it.over.is_set() and not writer.transport.is_closing():
                writer.write(b"x")
                try:
                    await asyncio.wait_for(it.over.wait(), 0.01)
                except TimeoutError:
                    continue
            return False

        async with peer(drip) as it, plain() as sender:
            what = "answer" if start.endswith(b"X: ") else "finish its answer"
            with pytest.raises(UpstreamError, match=rf"did not {what} within 0\.2 s") as caught:
                await asyncio.wait_for(sender.send(get(it, timeout=0.2)), WITHIN)
            assert caught.value.code == "net.timeout"


async def test_a_short_deadline_holds_on_a_connection_that_was_opened_with_a_long_one() -> None:
    async def first_only(it: Peer, writer: asyncio.StreamWriter) -> bool:
        if len(it.seen) == 1:
            writer.write(answer())
        return len(it.seen) == 1

    async with peer(first_only) as it, plain() as sender:
        await sender.send(get(it, timeout=500.0))
        with pytest.raises(UpstreamError, match=r"within 0\.1 s"):
            await asyncio.wait_for(sender.send(get(it, timeout=0.1)), WITHIN)


async def test_a_deadline_that_is_over_before_the_next_exchange_does_not_touch_it() -> None:
    async def second_waits(it: Peer, writer: asyncio.StreamWriter) -> None:
        if len(it.seen) == 2:
            with suppress(TimeoutError):
                await asyncio.wait_for(it.over.wait(), 0.2)
        writer.write(answer())

    async with peer(second_waits) as it, plain() as sender:
        await sender.send(get(it, timeout=0.1))
        assert (await asyncio.wait_for(sender.send(get(it)), WITHIN)).status == 200
        assert it.connections == 1


def echo(it: Peer) -> bytes:
    path = it.seen[-1][0].split(b" ", 2)[1]
    if len(it.seen) % 2:
        return answer(path)
    return CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(path), path)


async def echoes(it: Peer, writer: asyncio.StreamWriter) -> None:
    writer.write(echo(it))


async def test_sixty_four_at_a_time_each_get_their_own_answer() -> None:
    async with peer(echoes) as it, plain() as sender:

        async def one(name: int) -> None:
            for turn in range(10):
                assert (await sender.send(get(it, f"/{name}/{turn}"))).body == f"/{name}/{turn}".encode()

        await asyncio.wait_for(asyncio.gather(*[one(name) for name in range(64)]), 3 * WITHIN)
        assert it.connections <= 64
        assert len(sender.lines) == it.connections


async def test_five_thousand_exchanges_leave_one_connection_and_nothing_else() -> None:
    async with peer(echoes) as it, plain() as sender:
        for number in range(5000):
            await sender.send(get(it, f"/{number}"))
            it.seen.pop() if number % 3 else it.seen.clear()
        assert it.connections == 1
        (line,) = sender.lines
        assert (line.answer, line.reading, line.pieces, line.missing) == (None, None, [], 0)
        gc.disable()
        try:
            before = sum(isinstance(thing, Reading) for thing in gc.get_objects())
            for number in range(50):
                await sender.send(get(it, f"/{number}"))
            after = sum(isinstance(thing, Reading) for thing in gc.get_objects())
        finally:
            gc.enable()
        assert after <= before


async def test_closing_ends_every_exchange_and_refuses_new_ones() -> None:
    async with peer(silence()) as it, plain() as sender:
        tasks = [asyncio.create_task(sender.send(get(it))) for _ in range(3)]
        await until(lambda: len(it.seen) == 3)
        await asyncio.wait_for(sender.close(), WITHIN)
        for task in tasks:
            with pytest.raises(UpstreamError, match="this program is stopping"):
                await task
        with pytest.raises(UpstreamError, match="this program is stopping"):
            await sender.send(get(it))
        assert len(it.seen) == 3


async def several(kept: Plain | None = None) -> None:
    """Some exchanges of each kind, on whatever loop runs this."""
    async with peer(echoes) as it:
        sender = kept or connect()
        for number in range(6):
            assert (await sender.send(get(it, f"/{number}"))).body == f"/{number}".encode()
        assert it.connections == 1
        task = asyncio.create_task(sender.send(get(it, "/cancelled")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        assert (await sender.send(get(it, method="POST", body=b"x" * 3_000_000))).status == 200
        await asyncio.wait_for(sender.close(), WITHIN)
    async with peer(says(OK + b"\r\nhello", then="close")) as it, plain() as other:
        assert (await asyncio.wait_for(other.send(get(it)), WITHIN)).body == b"hello"
    async with peer(silence()) as it, plain() as other:
        with pytest.raises(UpstreamError, match="did not answer within"):
            await asyncio.wait_for(other.send(get(it, timeout=0.1)), WITHIN)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with plain() as other:
            with pytest.raises(UpstreamError, match="refused the connection"):
                await other.send(Request(method="GET", origin=f"http://127.0.0.1:{taken.getsockname()[1]}", target="/"))


def test_the_road_is_the_same_on_the_loop_a_server_runs_on() -> None:
    uvloop.run(several())


def test_a_sender_that_outlives_its_loop_starts_anew_on_the_next() -> None:
    async def one(sender: Plain) -> None:
        async with peer(says(answer())) as it:
            assert (await sender.send(get(it))).status == 200
            for line in tuple(sender.lines):
                line.leave()

    sender = Plain(NetSettings(), onward=Onward())
    for _ in range(2):
        asyncio.run(one(sender))
