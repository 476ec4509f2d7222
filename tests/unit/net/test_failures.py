"""Every way an exchange can fail gives one sentence with host and cause, in bounded time, and never a secret."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from apiloom.base.errors import UpstreamError
from apiloom.net.client import connect
from apiloom.net.request import Request
from apiloom.net.settings import NetSettings
from support.roads import ROADS, Way
from support.sockets import WITHIN, Peer, answer, peer, says, silence
from support.tls import identity, server_context

KEY = "SECRETKEY"


@pytest.fixture(params=list(ROADS))
def way(request: pytest.FixtureRequest) -> Way:
    """How to open a sender: the test holds on both roads."""
    return ROADS[request.param]


async def failed(way: Way, origin: str, settings: NetSettings | None = None, **more: object) -> UpstreamError:
    """The error of a GET with a key in its query and one in a header; neither may be told."""
    sender = way(settings)
    request = Request(
        method="GET",
        origin=origin,
        target=f"/pets?api_key={KEY}",
        headers=[("Authorization", f"Bearer {KEY}")],
        **more,  # type: ignore[arg-type]
    )
    with pytest.raises(UpstreamError) as caught:
        await asyncio.wait_for(sender.send(request), WITHIN)
    await sender.close()
    error = caught.value
    assert KEY not in f"{error.sentence()} {error.facts} {error!r} {error.__cause__} "
    assert origin.partition("://")[2] in error.message
    assert "\n" not in error.sentence()
    return error


@pytest.mark.parametrize(
    ("wire", "then", "sentence"),
    [
        (b"", "close", "closed the connection without an answer"),
        (b"HTTP/1.1 20", "close", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "close", "closed the connection without an answer"),
        (b"", "half-close", "closed the connection without an answer"),
        (b"\x00\x01garbage\r\n\r\n", "hang", "answered with something that is not HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "hang", "answered with something that is not HTTP"),
        (b"<html>hello</html>\r\n\r\n", "hang", "answered with something that is not HTTP"),
        (b"HTTP/1.1 1000 X\r\n\r\n", "hang", "answered with something that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n", "hang", "answered with something that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "hang", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 900_000 + b"\r\n\r\n", "hang", "sent more headers than can be read"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 500 + b"\r\n", "hang", "sent more headers than can be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "close", "in the middle of its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "half-close", "in the middle of its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "close", "in the middle of its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", "hang", "broke off: Invalid c"),
        (answer(b"abcdefghij", "Content-Encoding: gzip"), "hang", "could not be decoded"),
    ],
)
async def test_a_broken_answer_is_told_as_what_it_is(wire: bytes, then: str, sentence: str, way: Way) -> None:
    async with peer(says(wire, then=then)) as it:
        error = await failed(way, it.origin)
        assert error.code == "net.broken"
        assert sentence in error.message
        assert len(it.seen) == 1


async def test_a_reset_connection_is_told(way: Way) -> None:
    async def reset(it: Peer, writer: asyncio.StreamWriter) -> bool:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False

    async with peer(reset) as it:
        error = await failed(way, it.origin)
    assert error.code == "net.broken"
    assert "reset the connection" in error.message


async def test_a_port_nobody_listens_on_is_told(way: Way) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await failed(way, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert error.code == "net.refused"
    assert error.message.endswith("refused the connection")
    assert error.hint


async def test_a_host_name_that_does_not_exist_is_told(way: Way) -> None:
    error = await failed(way, "http://nonexistent.invalid")
    assert error.code == "net.dns"
    assert error.message == "the host name of nonexistent.invalid cannot be resolved"


async def test_an_upstream_that_never_answers_meets_the_deadline_and_is_left(way: Way) -> None:
    async with peer(silence()) as it:
        error = await failed(way, it.origin, timeout=0.2)
        assert error.code == "net.timeout"
        assert "did not answer within 0.2 s" in error.message
        await asyncio.wait_for(it.gone.wait(), WITHIN)


async def test_an_answer_that_drips_meets_the_deadline_of_the_whole_exchange(way: Way) -> None:
    async def drip(it: Peer, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not it.over.is_set() and not writer.transport.is_closing():
            writer.write(b"x")
            try:
                await asyncio.wait_for(it.over.wait(), 0.02)
            except TimeoutError:
                continue
        return False

    async with peer(drip) as it:
        error = await failed(way, it.origin, timeout=0.3)
        assert error.code == "net.timeout"
        assert "did not finish its answer within 0.3 s" in error.message


async def test_the_senders_own_deadline_holds_where_a_request_names_the_same(way: Way) -> None:
    async with peer(silence()) as it:
        error = await failed(way, it.origin, NetSettings(timeout=0.2), timeout=0.2)
    assert error.code == "net.timeout"


async def test_a_certificate_nobody_trusts_is_refused_and_accepted_once_its_authority_is_given(tmp_path: Path) -> None:
    authority = identity("authority")
    context = server_context(identity("server", "127.0.0.1", by=authority), tmp_path)
    async with peer(says(answer(b"{}")), tls=context) as it:
        error = await failed(connect, it.origin)
        assert error.code == "net.tls"
        assert error.message.endswith("was not accepted: its issuer is not trusted")
        for settings in (NetSettings(ca_pem=authority.certificate_pem), NetSettings(verify=False)):
            sender = connect(settings)
            response = await sender.send(Request(method="GET", origin=it.origin, target="/"))
            assert response.status == 200
            await sender.close()


@pytest.mark.parametrize(
    ("hosts", "days", "why"), [(["other.example"], 10, "it is for another host name"), (["127.0.0.1"], -1, "expired")]
)
async def test_a_certificate_that_does_not_fit_is_refused(
    tmp_path: Path, hosts: list[str], days: int, why: str
) -> None:
    authority = identity("authority")
    context = server_context(identity("server", *hosts, by=authority, days=days), tmp_path)
    async with peer(says(answer(b"{}")), tls=context) as it:
        error = await failed(connect, it.origin, NetSettings(ca_pem=authority.certificate_pem))
        assert error.code == "net.tls"
        assert why in error.message
        assert it.seen == []


async def test_a_client_certificate_is_shown_to_a_server_that_asks(tmp_path: Path) -> None:
    authority = identity("authority")
    context = server_context(identity("server", "127.0.0.1", by=authority), tmp_path, clients_of=authority)
    async with peer(says(answer(b"{}")), tls=context) as it:
        refused = await failed(connect, it.origin, NetSettings(ca_pem=authority.certificate_pem))
        assert refused.code in {"net.tls", "net.broken"}
        mine = identity("client", "client.example", by=authority)
        settings = NetSettings(ca_pem=authority.certificate_pem, identity_pem=mine.pem)
        sender = connect(settings)
        assert (await sender.send(Request(method="GET", origin=it.origin, target="/"))).status == 200
        await sender.close()
        assert "PRIVATE KEY" not in repr(settings)


async def test_http_2_is_spoken_where_the_server_chooses_it(tmp_path: Path) -> None:
    authority = identity("authority")
    context = server_context(identity("server", "127.0.0.1", by=authority), tmp_path)
    context.set_alpn_protocols(["h2"])
    async with peer(says(b"", then="close"), tls=context) as it:
        await failed(connect, it.origin, NetSettings(ca_pem=authority.certificate_pem))
        assert it.seen[0][0] == b"PRI * HTTP/2.0\r\n\r\n"


async def test_a_proxy_that_wants_credentials_is_named_as_the_one_who_refused() -> None:
    refusal = answer(b"", status="407 Proxy Authentication Required")
    async with peer(says(refusal, then="close")) as proxy:
        error = await failed(connect, "https://api.example", NetSettings(proxy=proxy.origin))
    assert error.code == "net.refused"
    assert error.message == "the proxy on the way to api.example wants credentials"
