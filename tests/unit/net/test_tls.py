"""TLS on connections of our own, as a guarded sender speaks it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from apiloom.base.errors import DesignError, UpstreamError
from apiloom.base.secret import replaced
from apiloom.net.client import connect
from apiloom.net.guard import public_guard
from apiloom.net.request import Request, Response
from apiloom.net.settings import NetSettings
from apiloom.net.tls import build_context
from support.roads import guarded
from support.short_road import OK
from support.sockets import WITHIN, Peer, answer, peer, says, silence
from support.tls import Identity, identity, server_context

AUTHORITY = identity("authority")
TRUSTING = NetSettings(ca_pem=AUTHORITY.certificate_pem)


def context(folder: Path, *hosts: str, **more: Identity) -> ssl.SSLContext:
    return server_context(identity("server", *(hosts or ("127.0.0.1",)), by=AUTHORITY), folder, **more)


def get(it: Peer, **more: object) -> Request:
    return Request(method="GET", origin=it.origin, target="/", timeout=WITHIN, **more)  # type: ignore[arg-type]


async def sent(it: Peer, settings: NetSettings = TRUSTING, request: Request | None = None) -> Response:
    sender = guarded(settings)
    try:
        return await asyncio.wait_for(sender.send(request or get(it)), WITHIN)
    finally:
        await asyncio.wait_for(sender.close(), WITHIN)


async def failed(it: Peer, settings: NetSettings = TRUSTING, request: Request | None = None) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await sent(it, settings, request)
    return caught.value


async def several(folder: Path) -> None:
    async with peer(says(answer(b"{}")), tls=context(folder)) as it:
        sender = guarded(TRUSTING)
        for _ in range(5):
            assert (await asyncio.wait_for(sender.send(get(it)), WITHIN)).body == b"{}"
        assert it.connections == 1
        await asyncio.wait_for(sender.close(), WITHIN)
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        assert not sender.lines  # type: ignore[attr-defined]


async def test_one_connection_serves_many_requests_and_is_gone_with_its_sender(tmp_path: Path) -> None:
    await several(tmp_path)


def test_the_road_is_the_same_on_the_loop_a_server_runs_on(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(several(tmp_path))


def test_a_sender_that_outlives_its_loop_starts_anew_on_the_next(tmp_path: Path) -> None:
    sender = guarded(TRUSTING)

    async def once() -> None:
        async with peer(says(answer(b"{}")), tls=context(tmp_path)) as it:
            assert (await asyncio.wait_for(sender.send(get(it)), WITHIN)).status == 200

    asyncio.run(once())
    asyncio.run(once())
    asyncio.run(sender.close())


async def test_the_certificate_must_be_for_the_name_that_was_asked_for(tmp_path: Path) -> None:
    async def resolve(_host: str, _port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    guard = replace(public_guard(["127.0.0.1"]), resolve=resolve)
    async with peer(says(answer(b"{}")), tls=context(tmp_path, "api.example")) as it:
        for host, is_right in (("api.example", True), ("api.example.", True), ("other.example", False)):
            sender = connect(replaced(TRUSTING, guard=guard))
            request = Request(method="GET", origin=f"https://{host}:{it.port}", target="/")
            if is_right:
                assert (await asyncio.wait_for(sender.send(request), WITHIN)).status == 200
            else:
                with pytest.raises(UpstreamError) as caught:
                    await asyncio.wait_for(sender.send(request), WITHIN)
                assert caught.value.message.endswith("was not accepted: it is for another host name")
            await sender.close()
        assert len(it.seen) == 2


async def test_a_certificate_nobody_trusts_is_refused(tmp_path: Path) -> None:
    async with peer(says(answer(b"{}")), tls=context(tmp_path)) as it:
        error = await failed(it, NetSettings())
        assert error.code == "net.tls"
        assert error.message.endswith("was not accepted: its issuer is not trusted")
        assert it.seen == []


@pytest.mark.parametrize(
    ("hosts", "days", "why"), [(["other.example"], 10, "it is for another host name"), (["127.0.0.1"], -1, "expired")]
)
async def test_a_certificate_that_does_not_fit_is_refused(
    tmp_path: Path, hosts: list[str], days: int, why: str
) -> None:
    of = identity("server", *hosts, by=AUTHORITY, days=days)
    async with peer(says(answer(b"{}")), tls=server_context(of, tmp_path)) as it:
        error = await failed(it)
        assert error.code == "net.tls"
        assert why in error.message
        assert it.seen == []


async def test_a_port_that_does_not_speak_tls_is_told() -> None:
    async with peer(says(answer(b"{}"))) as it:
        it.scheme = "https"
        for writer in it.writers:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async def plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(plainly, "127.0.0.1", 0)
        it.port = server.sockets[0].getsockname()[1]
        error = await failed(it)
        server.close()
    assert (error.code, error.message) == ("net.tls", f"127.0.0.1:{it.port} does not speak TLS on this port")


async def test_a_server_that_hangs_in_the_handshake_meets_the_deadline() -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    it = Peer(silence(), scheme="https", port=server.sockets[0].getsockname()[1])
    error = await failed(it, replaced(TRUSTING, connect_timeout=0.1))
    server.close()
    assert error.code == "net.timeout"


async def test_a_client_certificate_is_shown_to_a_server_that_asks(tmp_path: Path) -> None:
    mine = identity("client", "client.example", by=AUTHORITY)
    async with peer(says(answer(b"{}")), tls=context(tmp_path, clients_of=AUTHORITY)) as it:
        assert (await failed(it)).code in {"net.tls", "net.broken"}
        assert (await sent(it, replaced(TRUSTING, identity_pem=mine.pem))).status == 200


async def test_a_large_body_goes_out_and_comes_back(tmp_path: Path) -> None:
    body = bytes(range(256)) * 16_384
    async with peer(says(answer(body)), tls=context(tmp_path)) as it:
        request = Request(method="POST", origin=it.origin, target="/", body=body, timeout=WITHIN)
        assert (await sent(it, request=request)).body == body
        assert it.seen[0][1] == body


async def cut_off(folder: Path) -> None:
    async def cut(_it: Peer, writer: asyncio.StreamWriter) -> bool:
        writer.write(OK + b"\r\nhalf of what")
        await writer.drain()
        # what sits between ends the connection, without TLS's farewell
        with socket.socket(fileno=os.dup(writer.transport.get_extra_info("socket").fileno())) as raw:
            raw.shutdown(socket.SHUT_WR)
        return False

    async with peer(cut, tls=context(folder)) as it:
        assert (await failed(it)).code == "net.broken"


async def ended(folder: Path) -> None:
    async with peer(says(OK + b"\r\nall of it", then="close"), tls=context(folder)) as it:
        assert (await sent(it)).body == b"all of it"


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_that_is_cut_off_is_not_taken_for_a_whole_one(loop: str, tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(cut_off(tmp_path))


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_that_ends_with_tls_own_farewell_is_whole(loop: str, tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(ended(tmp_path))


async def test_cancelling_closes_the_connection(tmp_path: Path) -> None:
    async with peer(silence(), tls=context(tmp_path)) as it:
        sender = guarded(TRUSTING)
        task = asyncio.create_task(sender.send(get(it)))
        await asyncio.wait_for(it.asked.wait(), WITHIN)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        await sender.close()


def test_only_http_1_is_offered_and_old_tls_is_not() -> None:
    made = build_context(TRUSTING)
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_authorities_are_found_between_words_for_people() -> None:
    told = "# Zertifizierungsstelle für alles\n".encode() + AUTHORITY.certificate_pem + b"\nend\n"
    before = len(build_context(NetSettings()).get_ca_certs())
    assert len(build_context(NetSettings(ca_pem=told)).get_ca_certs()) == before + 1


@pytest.mark.parametrize(
    "settings",
    [
        NetSettings(ca_pem=b"no certificate"),
        NetSettings(ca_pem=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        NetSettings(identity_pem=b"no identity"),
        NetSettings(identity_pem=AUTHORITY.certificate_pem),
        NetSettings(identity_pem=AUTHORITY.certificate_pem + identity("other").pem.partition(b"-----BEGIN PRIV")[2]),
        NetSettings(identity_pem=b"x" * 1_000_000),
    ],
)
def test_settings_that_cannot_be_used_are_told_at_once(settings: NetSettings) -> None:
    with pytest.raises(DesignError) as caught:
        guarded(settings)
    assert caught.value.code == "net.settings"
