"""The way out on real sockets: what goes on the wire, what comes back, and that nothing stays open."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from apiloom import __version__
from apiloom.base.errors import CallerError, DesignError, UpstreamError
from apiloom.net.client import connect
from apiloom.net.request import Request, Response
from apiloom.net.settings import NetSettings
from support.roads import ROADS, Way, by_client
from support.sockets import WITHIN, Peer, answer, peer, says, silence


@pytest.fixture(params=list(ROADS))
def way(request: pytest.FixtureRequest) -> Way:
    """How to open a sender: the test holds on both roads."""
    return ROADS[request.param]


async def sent(way: Way, request: Request, settings: NetSettings | None = None) -> Response:
    sender = way(settings)
    try:
        return await asyncio.wait_for(sender.send(request), WITHIN)
    finally:
        await sender.close()


def get(it: Peer, path: str = "/", **more: object) -> Request:
    return Request(method="GET", origin=it.origin, target=path, **more)  # type: ignore[arg-type]


async def test_a_request_carries_what_was_planned_and_only_what_a_connection_needs_besides(way: Way) -> None:
    async with peer(says(answer(b"{}"))) as it:
        headers = [("X-Trace", "a"), ("Accept", "application/json"), ("X-Trace", "b"), ("X-Name", "naïve")]
        await sent(
            way, Request(method="PUT", origin=it.origin, target="/a%2Fb?c=%20", headers=headers, body=b"\x00body")
        )
    head, body = it.seen[0]
    assert body == b"\x00body"
    lines = head.decode().split("\r\n")
    accepted = "gzip, deflate" if way is not by_client else "zstd,gzip,deflate,br"
    assert lines[0] == "PUT /a%2Fb?c=%20 HTTP/1.1"
    assert sorted(lines[1:-2]) == sorted(
        [
            "X-Trace: a",
            "X-Trace: b",
            "Accept: application/json",
            "X-Name: naïve",
            "Content-Length: 5",
            f"User-Agent: apiloom/{__version__}",
            f"Accept-Encoding: {accepted}",
            f"Host: 127.0.0.1:{it.port}",
        ]
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "QUERY", "PURGE", "POST", "PATCH"])
async def test_every_method_goes_out_under_its_own_name(method: str, way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        await sent(way, Request(method=method, origin=it.origin, target="/x"))
    assert it.seen[0][0].startswith(f"{method} /x HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [None, b""])
async def test_a_method_that_expects_a_body_says_that_there_is_none(method: str, body: bytes | None, way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        await sent(way, Request(method=method, origin=it.origin, target="/x", body=body))
    assert it.header("content-length") == [b"0"]


async def test_a_range_is_asked_of_the_plain_form(way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        await sent(way, get(it, headers=[("Range", "bytes=0-9")]))
    assert it.header("accept-encoding") == [b"identity"]


async def test_one_connection_serves_many_requests(way: Way) -> None:
    async with peer(says(answer(b"{}", "X-Number: 7"))) as it:
        sender = way()
        for number in range(5):
            response = await sender.send(get(it, f"/{number}"))
            assert (response.status, response.body, response.header("x-number")) == (200, b"{}", "7")
        await sender.close()
        assert it.connections == 1
        assert it.targets() == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_closing_the_sender_closes_its_kept_connections(way: Way) -> None:
    async with peer(says(answer(b"{}"))) as it:
        await sent(way, get(it))
        await asyncio.wait_for(it.gone.wait(), WITHIN)


async def test_redirects_are_answers_and_cookies_are_forgotten(way: Way) -> None:
    redirect = answer(b"", "Location: /elsewhere", "Set-Cookie: a=b", status="302 Found")
    async with peer(says(redirect)) as it:
        sender = way()
        response = await sender.send(get(it))
        assert (response.status, response.header("location")) == (302, "/elsewhere")
        await sender.send(get(it))
        await sender.close()
        assert it.targets() == [b"/", b"/"]
        assert it.header("cookie") == []
        assert it.header("referer") == []


def chunked(body: bytes) -> bytes:
    parts = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


def encoded(coding: str, body: bytes) -> bytes:
    return answer(body, f"Content-Encoding: {coding}")


@pytest.mark.parametrize(
    "wire",
    [
        answer(b"hello" * 1000),
        chunked(b"hello" * 1000),
        encoded("gzip", gzip.compress(b"hello" * 1000)),
        encoded("deflate", zlib.compress(b"hello" * 1000)),
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"hello" * 1000),
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(b"hello" * 1000),
    ],
    ids=["length", "chunked", "gzip", "deflate", "continue", "early-hints"],
)
async def test_a_body_comes_whole_however_it_travels(wire: bytes, way: Way) -> None:
    async with peer(says(wire)) as it:
        assert (await sent(way, get(it))).body == b"hello" * 1000


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"\x0b\x02\x80hello\x03"),
        ("zstd", bytes.fromhex("28b52ffd2005290000") + b"hello"),
    ],
)
async def test_the_client_undoes_newer_codings_too(coding: str, body: bytes) -> None:
    async with peer(says(encoded(coding, body))) as it:
        assert (await sent(by_client, get(it))).body == b"hello"


async def test_a_body_without_a_length_ends_with_the_connection(way: Way) -> None:
    async with peer(says(b"HTTP/1.1 200 OK\r\n\r\nhello", then="close")) as it:
        assert (await sent(way, get(it))).body == b"hello"


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 3_000_000])
async def test_large_answers_are_read_to_their_end(size: int, way: Way) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with peer(says(answer(body))) as it:
        sender = way()
        for _ in range(2):
            assert (await sender.send(get(it))).body == body
        await sender.close()
        assert it.connections == 1


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + b"x" * 300_000,
        chunked(b"x" * 200_000).removesuffix(b"0\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"\0" * 50_000_000),
    ],
    ids=["length", "chunked", "unknown", "gzip-bomb"],
)
async def test_an_answer_beyond_the_bound_is_refused_and_its_connection_closed(wire: bytes, way: Way) -> None:
    async with peer(says(wire, then="hang")) as it:
        sender = way()
        with pytest.raises(UpstreamError, match=r"is larger than 5,000 bytes") as caught:
            await asyncio.wait_for(sender.send(get(it, max_bytes=5000)), WITHIN)
        assert caught.value.code == "net.too_large"
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        await sender.close()


async def test_an_answer_of_exactly_the_bound_is_taken(way: Way) -> None:
    for wire in (answer(b"x" * 5000), chunked(b"x" * 5000), encoded("gzip", gzip.compress(b"x" * 5000))):
        async with peer(says(wire)) as it:
            assert len((await sent(way, get(it, max_bytes=5000))).body) == 5000


async def test_header_names_are_lower_case_and_repeated_ones_stay_in_order(way: Way) -> None:
    wire = answer(b"", "X-One: 1", "x-two: a", "X-Two: b", "X-Bad: é", "X-Empty:")
    async with peer(says(wire)) as it:
        response = await sent(way, get(it))
    assert [h for h in response.headers if h[0].startswith("x-") and h[0] != "x-bad"] == [
        ("x-one", "1"),
        ("x-two", "a"),
        ("x-two", "b"),
        ("x-empty", ""),
    ]
    assert response.header("x-nothing") == ""
    # the client cannot read a value that is not ASCII; it is left out and costs the others nothing
    assert bool(response.header("x-bad")) is (way is not by_client)


@pytest.mark.parametrize("moment", ["before the answer", "in the middle of it", "in the middle of a large one"])
async def test_cancelling_closes_the_connection_to_the_upstream(moment: str, way: Way) -> None:
    body = b"x" * (200_000 if "large" in moment else 10)
    wire = b"" if moment.startswith("before") else b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + body
    begun = asyncio.Event()
    async with peer(says(wire, then="hang")) as it:
        sender = way()
        watch = None if moment.startswith("before") else (lambda received, total: begun.set())
        # the client's road cannot end an exchange whose answer has not begun before the deadline it was given
        seconds = 0.3 if way is by_client and not wire else WITHIN * 2
        task = asyncio.create_task(sender.send(get(it, watch=watch, timeout=seconds)))
        await asyncio.wait_for((begun if wire else it.asked).wait(), WITHIN)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        await sender.close()


async def test_a_watch_hears_of_the_headers_and_then_of_rising_numbers(way: Way) -> None:
    heard: list[tuple[int, int | None]] = []
    async with peer(says(answer(b"x" * 500_000))) as it:
        response = await sent(way, get(it, watch=lambda received, total: heard.append((received, total))))
    assert len(response.body) == 500_000
    assert heard[0] == (0, 500_000)
    assert heard[-1] == (500_000, 500_000)
    assert heard == sorted(set(heard))


async def closes_on_the_second(it: Peer, writer: asyncio.StreamWriter) -> bool:
    """Answers the first request of all, then closes its connection when the next one comes; later ones are served."""
    if len(it.seen) == 2:
        writer.close()
        return False
    writer.write(answer(b"{}"))
    await writer.drain()
    return True


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_kept_connection_found_dead_costs_a_repeatable_request_nothing(method: str, way: Way) -> None:
    async with peer(closes_on_the_second) as it:
        sender = way()
        for path in ("/1", "/2"):
            assert (await sender.send(Request(method=method, origin=it.origin, target=path))).status == 200
        await sender.close()
        assert it.targets() == [b"/1", b"/2", b"/2"]


async def test_a_request_that_may_not_be_repeated_is_never_sent_twice(way: Way) -> None:
    async with peer(closes_on_the_second) as it:
        sender = way()
        await sender.send(Request(method="POST", origin=it.origin, target="/1", body=b"x"))
        with pytest.raises(UpstreamError, match="closed the connection without an answer"):
            await sender.send(Request(method="POST", origin=it.origin, target="/2", body=b"x"))
        await sender.close()
        assert it.targets() == [b"/1", b"/2"]


async def test_a_request_is_repeated_once_at_most(way: Way) -> None:
    async def only_the_first(it: Peer, writer: asyncio.StreamWriter) -> bool:
        if len(it.seen) > 1:
            writer.close()
            return False
        writer.write(answer(b"{}"))
        await writer.drain()
        return True

    async with peer(only_the_first) as it:
        sender = way()
        await sender.send(get(it, "/1"))
        with pytest.raises(UpstreamError, match="closed the connection without an answer"):
            await sender.send(get(it, "/2"))
        await sender.close()
        assert it.targets() == [b"/1", b"/2", b"/2"]


@pytest.mark.parametrize(
    "header",
    [
        ("X-Note", "a\r\nX-Evil: 1"),
        ("X-Note", "a\nb"),
        ("X-Note", "a\0b"),
        ("X-Note\r\nX-Evil", "1"),
        ("X Note", "1"),
        ("X-Note", "\ud800"),
        ("", "1"),
    ],
)
async def test_a_header_that_could_smuggle_another_is_refused_without_showing_its_value(
    header: tuple[str, str], way: Way
) -> None:
    async with peer(says(answer(b""))) as it:
        with pytest.raises(CallerError) as caught:
            await sent(way, get(it, headers=[header]))
        assert caught.value.code == "net.header"
        assert "Evil: 1" not in caught.value.sentence()
        assert it.seen == []


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "transfer-encoding", "Host", "Connection", "Upgrade", "TE", "Expect", "Proxy-Authorization"],
)
async def test_headers_of_the_connection_cannot_be_planned(name: str, way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        with pytest.raises(CallerError, match="belongs to the connection"):
            await sent(way, get(it, headers=[(name, "3")]))
        assert it.connections == 0


@pytest.mark.parametrize("method", ["GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", "", "G E T", "GÉT"])
async def test_a_method_that_is_none_is_refused(method: str, way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        with pytest.raises(CallerError) as caught:
            await sent(way, Request(method=method, origin=it.origin, target="/"))
        assert caught.value.code == "net.header"
        assert it.connections == 0


async def test_only_plain_origins_are_reached_and_only_allowed_ones(way: Way) -> None:
    async with peer(says(answer(b""))) as it:
        with pytest.raises(DesignError) as caught:
            await sent(way, Request(method="GET", origin=f"http://user:secret@127.0.0.1:{it.port}", target="/"))
        assert caught.value.code == "net.origin"
        assert "secret" not in caught.value.sentence()
        only = NetSettings(origins=frozenset([it.origin]))
        assert (await sent(way, get(it), only)).status == 200
        with pytest.raises(DesignError, match="is not a server this connector may reach"):
            await sent(way, Request(method="GET", origin=f"http://localhost:{it.port}", target="/"), only)
        assert len(it.seen) == 1


async def test_a_proxy_is_used_when_set_and_never_because_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(says(answer(b"proxied"))) as proxy, peer(says(answer(b"direct"))) as it:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert (await sent(connect, get(it, "/a?b=%27"))).body == b"direct"
        assert (await sent(connect, get(it, "/a?b=%27"), NetSettings(environment_proxies=True))).body == b"proxied"
        mine = NetSettings(proxy=proxy.origin.replace("//", "//user:secret@"))
        assert (await sent(connect, get(it, "/a?b=%27"), mine)).body == b"proxied"
        assert proxy.targets() == [f"{it.origin}/a?b=%27".encode()] * 2
        assert proxy.header("proxy-authorization") == [b"Basic dXNlcjpzZWNyZXQ="]
        assert "secret" not in repr(mine)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (NetSettings(proxy="secret::"), "proxy setting"),
        (NetSettings(ca_pem=b"secret"), "certificate authorities"),
        (NetSettings(ca_pem=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "TLS setting"),
        (NetSettings(identity_pem=b"secret"), "client certificate"),
    ],
)
def test_settings_that_cannot_be_used_are_told_at_once(settings: NetSettings, what: str) -> None:
    with pytest.raises(DesignError, match=f"the .*{what} cannot be used") as caught:
        connect(settings)
    assert "secret" not in caught.value.sentence()


async def test_a_sender_that_is_closed_says_so(way: Way) -> None:
    async with peer(silence()) as it:
        sender = way()
        task = asyncio.create_task(sender.send(get(it)))
        await asyncio.wait_for(it.asked.wait(), WITHIN)
        await sender.close()
        with pytest.raises(UpstreamError, match="this program is stopping"):
            await task
