"""The short road on real sockets: which connections serve again, what goes out, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from apiloom.base.errors import CallerError, DesignError, UpstreamError
from apiloom.net import dial as dialling
from apiloom.net.client import connect
from apiloom.net.plain import Plain, Spot
from apiloom.net.reading import Reading
from apiloom.net.request import Request
from apiloom.net.settings import NetSettings
from support.short_road import CHUNKED, OK, Onward, get, plain
from support.sockets import WITHIN, Peer, answer, peer, says, silence


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
        answer(gzip.compress(b"ab", mtime=0), "Content-Encoding: gzip"),
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

    def found(*_: object, **__: object) -> list[object]:
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

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(loop, "create_connection", reached)
    monkeypatch.setattr(dialling, "_HEAD_START", 0.01)
    async with peer(says(answer())) as it, plain() as sender:
        assert (await asyncio.wait_for(sender.send(get(it)), WITHIN)).status == 200
    assert tried == ["::dead", "127.0.0.1"]


async def test_every_address_is_tried_before_a_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    def found(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 1)) for last in range(20)]

    tried = []

    async def reached(_build: object, host: str, _port: int) -> object:
        tried.append(host)
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(loop, "create_connection", reached)
    async with plain() as sender:
        with pytest.raises(UpstreamError, match=r"api\.example cannot be reached: Network is unreachable"):
            await asyncio.wait_for(sender.send(Request(method="GET", origin="http://api.example", target="/")), WITHIN)
    assert tried == [f"192.0.2.{last}" for last in range(8)]


async def test_a_server_that_drops_whoever_it_accepts_is_told_at_once() -> None:
    def drop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(drop, "127.0.0.1", 0) as server, plain() as sender:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for method in ("GET", "POST"):
            request = Request(method=method, origin=origin, target="/")
            with pytest.raises(UpstreamError, match=r"closed the connection without|reset the connection") as caught:
                await asyncio.wait_for(sender.send(request), WITHIN)
            assert caught.value.code == "net.broken"


async def test_a_connection_that_was_lost_before_its_first_use_is_told_and_not_waited_for() -> None:
    async with peer(says(answer())) as it, plain() as sender:
        await sender.send(get(it))
        (line,) = sender.lines
        it.writers[0].close()
        await until(lambda: not sender.lines)
        with pytest.raises(UpstreamError, match="closed the connection without an answer"):
            await asyncio.wait_for(line.exchange(get(it), b"", asyncio.get_running_loop().time() + WITHIN), WITHIN)


async def test_a_failure_that_meets_a_cancellation_is_not_logged_as_forgotten() -> None:
    forgotten: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: forgotten.append(context))
    async with peer(silence()) as it, plain() as sender:
        task = asyncio.create_task(sender.send(get(it)))
        await asyncio.wait_for(it.asked.wait(), WITHIN)
        (line,) = sender.lines
        line.fail(UpstreamError("broken", code="net.broken"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task, line
        gc.collect()
    assert forgotten == []


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
        assert (line.answer, line.reading, line.body, line.missing) == (None, None, b"", 0)
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
