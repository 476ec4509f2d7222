"""Bodies that are not held in memory, on both roads: out in pieces, in by way of a sink, never beyond a bound."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import queue
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
import uvloop

from apiloom.base.errors import UpstreamError
from apiloom.base.pieces import STEP, Pieces, Stored
from apiloom.net import intake, reading
from apiloom.net.inprocess import InProcess
from apiloom.net.intake import HELD, Held
from apiloom.net.request import IN_MEMORY, Request, Response, Sender, Sink
from support.roads import ROADS, Way
from support.sockets import WITHIN, Peer, answer, peer, says

BIG = 3 * IN_MEMORY + 17


@pytest.fixture(params=list(ROADS))
def way(request: pytest.FixtureRequest) -> Way:
    """How to open a sender: the test holds on both roads."""
    return ROADS[request.param]


@dataclass
class Basket:
    """A sink that remembers. It has room for ``most`` bytes."""

    most: int = 1 << 40
    pieces: list[bytes] = field(default_factory=list)
    asked: list[tuple[int, str, bytes]] = field(default_factory=list)
    dropped: bool = False
    wanted: bool = True

    def overflow(self, status: int, headers: Sequence[tuple[str, str]], start: bytes) -> Sink | None:
        self.asked.append((status, dict(headers).get("content-type", ""), start[:4]))
        return self if self.wanted else None

    def write(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        return sum(map(len, self.pieces)) <= self.most

    def drop(self) -> None:
        self.dropped = True

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)


def stored(content: bytes, reads: list[int] | None = None) -> Stored:
    def read(start: int, length: int) -> bytes:
        if reads is not None:
            reads.append(length)
        return content[start : start + length]

    return Stored(size=len(content), seal=b"", read=read)


def request(it: Peer, method: str = "GET", **more: Any) -> Request:
    return Request(method=method, origin=it.origin, target="/", **{"timeout": WITHIN, **more})


async def asked(way: Way, it: Peer, **more: Any) -> Response:
    sender = way()
    try:
        return await asyncio.wait_for(sender.send(request(it, **more)), WITHIN)
    finally:
        await sender.close()


async def refusal(way: Way, it: Peer, **more: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await asked(way, it, **more)
    return caught.value


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[Peer]:
    """A server that reads and writes as it likes; what it leaves open is closed."""
    tasks: list[asyncio.Task[Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
            while await reader.read(1 << 20):
                pass
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield Peer(says(b""), port=server.sockets[0].getsockname()[1])
    server.close()
    await asyncio.wait_for(asyncio.gather(*tasks), WITHIN)


# out


async def test_a_body_in_pieces_goes_out_in_order_with_its_length_and_is_read_a_step_at_a_time(way: Way) -> None:
    reads: list[int] = []
    content = bytes(range(256)) * 4100
    body = Pieces((b"head", stored(content, reads), b"", stored(b""), b"tail"))
    async with peer(says(answer())) as it:
        await asked(way, it, method="POST", body=body, headers=[("Content-Type", "a/b")])
    assert it.seen[0][1] == b"head" + content + b"tail"
    assert it.header("content-length") == [b"%d" % len(body)]
    assert it.header("transfer-encoding") == []
    assert max(reads) == STEP


async def test_pieces_are_read_no_faster_than_they_are_taken() -> None:
    reads: list[int] = []
    body = Pieces((stored(bytes(60 * STEP), reads),))
    heard, going = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        heard.set()
        await going.wait()
        await reader.readexactly(len(body))
        writer.write(answer())

    sender = ROADS["plain"]()
    async with listening(slow) as it:
        task = asyncio.create_task(sender.send(request(it, method="PUT", body=body)))
        await heard.wait()
        before = -1
        while before != len(reads):  # until the buffers of both sides are full
            before = len(reads)
            for _ in range(200):
                await asyncio.sleep(0)
        assert len(reads) < 60
        going.set()
        assert (await asyncio.wait_for(task, WITHIN)).status == 200
        await sender.close()


async def test_an_answer_that_comes_before_the_body_has_gone_is_the_answer(way: Way) -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"no", status="413 Too Large"))

    async with listening(early) as it:
        response = await asked(way, it, method="POST", body=Pieces((stored(bytes(64 * STEP)),)))
    assert (response.status, response.body) == (413, b"no")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_so_it_is_where_the_server_hangs_up_right_behind_it(loop: str) -> None:
    ports: queue.Queue[int] = queue.Queue()

    def refusing() -> None:
        """In a thread, so that it comes while the sender is busy with a piece."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            ports.put(listener.getsockname()[1])
            for _ in range(20):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer(b"no", status="413 Too Large"))
                    # with much unread: the other side is told by a reset

    async def tried(port: int) -> None:
        it = Peer(says(b""), port=port)
        for _ in range(20):
            response = await asked(ROADS["plain"], it, method="POST", body=Pieces((stored(bytes(64 * STEP)),)))
            assert (response.status, response.body) == (413, b"no")

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    server = threading.Thread(target=refusing, daemon=True)
    server.start()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(tried(ports.get(timeout=WITHIN)))
    server.join(WITHIN)


async def test_a_server_that_closes_while_a_body_goes_out_is_one_clear_error(way: Way) -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with listening(closing) as it:
        error = await refusal(way, it, method="POST", body=Pieces((stored(bytes(64 * STEP)),)))
    assert error.code == "net.broken"


async def test_a_stretch_that_has_become_shorter_breaks_the_request_off(way: Way) -> None:
    async with peer(says(answer())) as it:
        body = Pieces((Stored(size=1000, seal=b"", read=lambda *_: b"short"),))
        error = await refusal(way, it, method="POST", body=body)
    assert error.code == "net.broken"
    assert "could not be read" in error.message
    assert not it.seen


async def test_an_application_is_given_pieces_and_its_answer_goes_into_a_sink() -> None:
    came: list[int] = []

    async def application(_: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        more = True
        while more:
            event = await receive()
            came.append(len(event["body"]))
            more = event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for last in (False, True):
            await send({"type": "http.response.body", "body": bytes(IN_MEMORY), "more_body": not last})

    basket = Basket()
    sender: Sender = InProcess(application)
    body = Pieces((b"12", stored(bytes(STEP + 1))))
    response = await sender.send(
        Request(method="POST", origin="http://here", target="/", body=body, overflow=basket.overflow)
    )
    assert came == [2, STEP, 1]
    assert response.sink is basket
    assert len(basket.content) == 2 * IN_MEMORY


# in


async def test_a_large_answer_goes_into_the_sink_that_its_head_and_start_are_shown_to(way: Way) -> None:
    body = b"%PDF" + bytes(BIG)
    basket = Basket()
    async with peer(says(answer(body, "Content-Type: application/pdf"))) as it:
        response = await asked(way, it, overflow=basket.overflow, max_bytes=IN_MEMORY)
    assert basket.asked == [(200, "application/pdf", b"%PDF")]
    assert response.sink is basket
    assert response.body == b""
    assert basket.content == body


@pytest.mark.parametrize("framing", ["chunked", "until the end", "gzip"])
async def test_so_does_one_whose_length_nobody_said(way: Way, framing: str) -> None:
    body = bytes(BIG)
    wire = {
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "until the end": b"HTTP/1.1 200 OK\r\n\r\n" + body,
        "gzip": answer(gzip.compress(body), "Content-Encoding: gzip"),
    }[framing]
    basket = Basket()
    async with peer(says(wire, then="close")) as it:
        await asked(way, it, overflow=basket.overflow)
    assert basket.content == body


async def test_one_that_is_not_wanted_elsewhere_stays_in_memory_under_its_own_bound(way: Way) -> None:
    basket = Basket(wanted=False)
    async with peer(says(answer(bytes(BIG)))) as it:
        response = await asked(way, it, overflow=basket.overflow)
        error = await refusal(way, it, overflow=basket.overflow, max_bytes=BIG - 1)
    assert len(response.body) == BIG
    assert response.sink is None
    assert error.code == "net.too_large"
    assert f"{BIG - 1:,} bytes" in error.message


async def test_a_small_one_asks_nobody(way: Way) -> None:
    basket = Basket()
    async with peer(says(answer(bytes(IN_MEMORY)))) as it:
        response = await asked(way, it, overflow=basket.overflow)
    assert basket.asked == []
    assert len(response.body) == IN_MEMORY


async def test_beyond_the_larger_bound_it_is_refused_and_nothing_is_left(way: Way) -> None:
    basket = Basket()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (BIG, bytes(BIG))
    async with peer(says(chunked)) as it:
        error = await refusal(way, it, overflow=basket.overflow, max_stored=2 * IN_MEMORY, max_bytes=IN_MEMORY)
        told = await refusal(way, it, overflow=Basket(most=2 * IN_MEMORY).overflow)
    assert error.code == "net.too_large"
    assert basket.dropped
    assert told.code == "net.no_room"


async def test_one_that_breaks_off_is_dropped(way: Way) -> None:
    basket = Basket()
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (BIG + 1, bytes(BIG))
    async with peer(says(wire, then="close")) as it:
        error = await refusal(way, it, overflow=basket.overflow)
    assert error.code == "net.broken"
    assert basket.dropped


async def test_so_is_one_that_nobody_waits_for_any_more(way: Way) -> None:
    basket = Basket()
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (BIG + 1, bytes(BIG))
    sender = way()
    async with peer(says(wire)) as it:
        task = asyncio.create_task(sender.send(request(it, overflow=basket.overflow)))
        async with asyncio.timeout(WITHIN):
            while not basket.pieces:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await it.gone.wait()
    await sender.close()
    assert basket.dropped


async def test_all_answers_in_memory_have_one_bound_and_give_their_share_back(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "HELD", Held(BIG + 10))
    monkeypatch.setattr("apiloom.net.plain.HELD", intake.HELD)
    async with peer(says(answer(bytes(BIG)))) as it:
        first = await asked(way, it)
        error = await refusal(way, it)
        assert error.code == "net.no_room"
        assert len(first.body) == BIG
        del first
        assert len((await asked(way, it)).body) == BIG
    assert intake.HELD.taken == 0


async def test_an_answer_of_several_reads_counts_too_and_a_lost_one_gives_back(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = IN_MEMORY - 1
    monkeypatch.setattr(intake, "HELD", Held(size - 1))
    monkeypatch.setattr("apiloom.net.plain.HELD", intake.HELD)
    async with peer(says(answer(bytes(size)))) as it:
        assert (await refusal(way, it)).code == "net.no_room"
    assert intake.HELD.taken == 0


async def test_a_small_piece_that_means_very_much_is_decoded_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of them others go on."""
    made: list[int] = []
    turns: list[int] = []
    original = reading.Inflation.feed

    def feed(self: reading.Inflation, body: bytes, most: int) -> bytes:
        piece = original(self, body, most)
        made.append(len(piece))
        return piece

    monkeypatch.setattr(reading.Inflation, "feed", feed)
    body = bytes(20 * IN_MEMORY)

    async def others() -> None:
        while True:
            turns.append(sum(made))
            await asyncio.sleep(0)

    for then in ("keep", "close", "half-close"):
        made.clear()
        turns.clear()
        async with peer(says(answer(gzip.compress(body), "Content-Encoding: gzip"), then=then)) as it:
            beside = asyncio.create_task(others())
            response = await asked(ROADS["plain"], it)
            beside.cancel()
        assert response.body == body
        assert max(b - a for a, b in pairwise(turns)) <= 2 * IN_MEMORY


async def test_a_connection_goes_on_after_an_answer_that_was_decoded_in_turns() -> None:
    body = bytes(5 * IN_MEMORY)
    sender = ROADS["plain"]()
    async with peer(says(answer(gzip.compress(body), "Content-Encoding: gzip"))) as it:
        for _ in range(3):
            assert (await asyncio.wait_for(sender.send(request(it)), WITHIN)).body == body
        assert it.connections == 1
    await sender.close()


async def test_a_coding_that_is_cut_short_is_found_after_the_last_turn() -> None:
    wire = answer(gzip.compress(bytes(5 * IN_MEMORY))[:-4], "Content-Encoding: gzip")
    async with peer(says(wire)) as it:
        assert "cut short" in (await refusal(ROADS["plain"], it)).message


def test_nothing_is_held_when_all_is_over() -> None:
    gc.collect()  # an answer that a refusal was made of hangs in its traceback's circle until then
    assert HELD.taken == 0
