"""Which addresses a guarded sender connects to: only those that were looked at, and of those only public ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest

from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.net import dial
from apiloom.net.client import connect
from apiloom.net.guard import Guard, is_public, public_guard, read_literal
from apiloom.net.request import Request, Response
from apiloom.net.settings import NetSettings
from support.forms import LITERALS, NAMES, NO_HOSTS, Rebinding, resolve
from support.sockets import WITHIN, answer, peer, says

STRICT = replace(public_guard(), resolve=resolve)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where connections were begun to; none of them is made."""
    begun: list[tuple[str, int]] = []

    async def refuse(_loop: object, _build: object, to: tuple[str, int], _tls: object) -> object:
        begun.append(to)
        raise ConnectionRefusedError

    monkeypatch.setattr(dial, "_connected", refuse)
    return begun


async def sent(origin: str, guard: Guard, **more: object) -> Response:
    sender = connect(NetSettings(guard=guard, **more))  # type: ignore[arg-type]
    try:
        return await asyncio.wait_for(sender.send(Request(method="GET", origin=origin, target="/")), WITHIN)
    finally:
        await sender.close()


async def refusal(origin: str, guard: Guard, **more: object) -> ApiloomError:
    with pytest.raises(ApiloomError) as caught:
        await sent(origin, guard, **more)
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", [*LITERALS.values(), *NAMES])
async def test_what_is_not_public_is_refused_and_no_connection_begun(
    host: str, scheme: str, tried: list[tuple[str, int]]
) -> None:
    error = await refusal(f"{scheme}://{host}:81", STRICT)
    assert (type(error), error.code) == (DesignError, "net.address")
    assert error.message == f"the request was not sent, because {host.strip('[]')} is not at a public address"
    assert "--allow-address" in error.hint
    assert tried == []


@pytest.mark.parametrize("host", NO_HOSTS.values())
async def test_what_is_no_host_is_refused_before_it_is_looked_up(host: str, tried: list[tuple[str, int]]) -> None:
    assert (await refusal(f"http://{host}", STRICT)).code == "net.origin"
    assert tried == []


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher", "HTTP", "ws", ""])
async def test_only_http_and_https_are_spoken(scheme: str, tried: list[tuple[str, int]]) -> None:
    assert (await refusal(f"{scheme}://public.example", STRICT)).code == "net.origin"
    assert tried == []


@pytest.mark.parametrize(
    "host",
    [
        "93.184.215.14",
        "1572395790",
        "8.8.8.8",
        "[2606:4700::1111]",
        "[64:ff9b::808:808]",
        "[::ffff:8.8.8.8]",
        "172.32.0.1",
    ],
)
async def test_public_addresses_are_connected_to(host: str, tried: list[tuple[str, int]]) -> None:
    assert (await refusal(f"https://{host}", STRICT)).code == "net.refused"
    assert [(ip_address(to), port) for to, port in tried] == [(read_literal(host), 443)]


async def test_a_name_that_means_another_place_a_moment_later_changes_nothing(tried: list[tuple[str, int]]) -> None:
    rebinding = Rebinding()
    error = await refusal("http://rebinding.example", replace(public_guard(), resolve=rebinding))
    assert error.code == "net.refused"
    assert rebinding.asked == 1
    assert tried == [("93.184.215.14", 80)]


async def test_every_connection_is_looked_at_anew(tried: list[tuple[str, int]]) -> None:
    rebinding = Rebinding()
    sender = connect(NetSettings(guard=replace(public_guard(), resolve=rebinding)))
    request = Request(method="GET", origin="http://rebinding.example", target="/")
    codes = []
    for _ in range(3):
        with pytest.raises(ApiloomError) as caught:
            await asyncio.wait_for(sender.send(request), WITHIN)
        codes.append(caught.value.code)
    await sender.close()
    assert codes == ["net.refused", "net.address", "net.address"]
    assert tried == [("93.184.215.14", 80)]


async def test_a_kept_connection_is_not_looked_at_again_and_a_new_one_is() -> None:
    async with peer(says(answer(b"{}"))) as it:
        rebinding = Rebinding("127.0.0.1", "10.0.0.1")
        guard = replace(public_guard([f"127.0.0.1:{it.port}"]), resolve=rebinding)
        sender = connect(NetSettings(guard=guard))
        request = Request(method="GET", origin=f"http://rebinding.example:{it.port}", target="/")
        for _ in range(3):
            assert (await asyncio.wait_for(sender.send(request), WITHIN)).status == 200
        assert (rebinding.asked, it.connections) == (1, 1)
        assert it.header("host") == [f"rebinding.example:{it.port}".encode()]
        both = await asyncio.gather(sender.send(request), sender.send(request), return_exceptions=True)
        assert {getattr(one, "code", "") for one in both} == {"", "net.address"}
        await sender.close()


async def test_the_system_resolves_what_is_no_number(tried: list[tuple[str, int]]) -> None:
    assert (await refusal("http://localhost", public_guard())).code == "net.address"
    unknown = await refusal("http://nonexistent.invalid", public_guard())
    assert (type(unknown), unknown.code) == (UpstreamError, "net.dns")
    assert tried == []


@pytest.mark.parametrize(
    "host", ["0x", "1.2.3.4.5", "999.1.1.1", "4294967296", "a.0x7f", "09.1.1.1", "public.example.1"]
)
async def test_what_ends_in_a_number_and_is_no_address_leads_nowhere(host: str, tried: list[tuple[str, int]]) -> None:
    anywhere = replace(public_guard(), resolve=Rebinding())
    assert (await refusal(f"http://{host}", anywhere)).code == "net.address"
    assert tried == []


# what an operator lets through


@pytest.mark.parametrize(
    ("allowed", "origin", "is_let"),
    [
        (["127.0.0.1"], "http://127.0.0.1:81", True),
        (["127.0.0.1"], "http://2130706433", True),
        (["127.0.0.1"], "http://[::ffff:127.0.0.1]", True),
        (["127.0.0.1"], "http://[64:ff9b::7f00:1]", True),
        (["127.0.0.1"], "http://127.0.0.2", False),
        (["127.0.0.0/8"], "http://127.0.0.2", True),
        (["127.0.0.1:81"], "http://127.0.0.1:81", True),
        (["127.0.0.1:81"], "http://127.0.0.1:82", False),
        (["127.0.0.1:443"], "https://127.0.0.1", True),
        (["::1"], "http://[::1]", True),
        (["[::1]:81"], "http://[::1]:81", True),
        (["[::1]:81"], "http://[::1]:82", False),
        (["[fd00::/8]"], "http://[fd00::5]", True),
        (["fd00::/8"], "http://[fd00::5]", True),
        (["10.0.0.0/8"], "http://to-private.example", True),
        (["10.0.0.0/8"], "http://mixed.example", False),
        (["mixed.example"], "http://mixed.example", True),
        (["Mixed.Example."], "http://mixed.example", True),
        (["mixed.example:81"], "http://mixed.example:81", True),
        (["mixed.example:81"], "http://mixed.example", False),
        (["localhost"], "http://localhost", True),
        (["localhost"], "http://inner.localhost", False),
        (["127.0.0.1"], "http://localhost", False),
        (["0.0.0.0/0", "::/0"], "http://to-private.example", True),
        (["0.0.0.0/0", "::/0"], "http://169.254.169.254", False),
        (["0.0.0.0/0", "::/0"], "http://[fd00:ec2::254]", False),
        (["169.254.0.0/16"], "http://to-metadata.example", False),
        (["169.254.0.0/16"], "http://169.254.42.42", False),
        (["169.254.0.0/16"], "http://169.254.0.23", False),
        (["fd00::/8"], "http://[fd00:42::42]", False),
        (["fd00::/8"], "http://[fd00:c1::a9fe:a9fe]", False),
        (["fe80::/10"], "http://[fe80::a9fe:a9fe]", False),
        (["to-metadata.example"], "http://to-metadata.example", False),
        (["169.254.169.254"], "http://to-metadata.example", True),
        (["169.254.169.254"], "http://[64:ff9b::a9fe:a9fe]", False),
        ([" ", ""], "http://127.0.0.1", False),
    ],
)
async def test_an_operator_lets_through_what_is_named_and_no_more(
    allowed: Sequence[str], origin: str, is_let: bool, tried: list[tuple[str, int]]
) -> None:
    error = await refusal(origin, replace(public_guard(allowed), resolve=resolve))
    assert error.code == ("net.refused" if is_let else "net.address")
    assert bool(tried) is is_let


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.1/8",
        "127.1",
        "2130706433",
        "a b",
        "host:0",
        "host:70000",
        "host:x",
        "[::1",
        "[::1]x",
        "http://host",
        "é.example",
        "x" * 300,
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused_when_it_is_read(entry: str) -> None:
    with pytest.raises(DesignError) as caught:
        public_guard(["10.0.0.0/8", entry])
    assert caught.value.code == "net.settings"


def test_a_list_has_an_end() -> None:
    with pytest.raises(DesignError, match="1001 entries"):
        public_guard(["10.0.0.0/8"] * 1001)


# numbers


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("0x", None),
        ("00", "0.0.0.0"),
        ("1.2.3.4.", "1.2.3.4"),
        ("0300.0250.1", "192.168.0.1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("example.com", None),
        ("dead.beef", None),
        ("1.2.3.4.5", None),
        ("999.1.1.1", None),
        ("4294967296", None),
        ("1.2.3.example", None),
        ("[1::2::3]", None),
        ("", None),
    ],
)
def test_a_number_is_read_as_the_system_would(host: str, address: str | None) -> None:
    assert read_literal(host) == (ip_address(address) if address else None)


def test_what_is_called_public_is_so_for_the_standard_library_too() -> None:
    starts = [ip_address(first << 24 | second << 16 | 9) for first in range(256) for second in range(256)]
    wrong = [str(one) for one in starts if is_public(one) and not one.is_global]
    assert wrong == []
    wide = [ip_address(first << 112 | 9) for first in range(65_536)]
    assert [str(one) for one in wide if is_public(one) and not one.is_global] == []


# behind a proxy


@pytest.mark.parametrize("host", [*LITERALS.values(), *(name for name in NAMES if NAMES[name])])
async def test_what_can_be_seen_not_to_be_public_is_not_asked_of_a_proxy_either(host: str) -> None:
    async with peer(says(answer(b"{}"))) as proxy:
        assert (await refusal(f"http://{host}", STRICT, proxy=proxy.origin)).code == "net.address"
        assert proxy.connections == 0


async def test_a_proxy_is_asked_for_names_that_cannot_be_resolved_here() -> None:
    async with peer(says(answer(b"{}"))) as proxy:
        assert (await sent("http://unknown.example", STRICT, proxy=proxy.origin)).status == 200
        assert (await sent("http://93.184.215.14", STRICT, proxy=proxy.origin)).status == 200
        allowed = replace(public_guard(["localhost"]), resolve=resolve)
        assert (await sent("http://localhost", allowed, proxy=proxy.origin)).status == 200
        for name in ("localhost", "metadata.google.internal", "x.localhost."):
            nowhere = replace(public_guard(), resolve=Unknown())
            assert (await refusal(f"http://{name}", nowhere, proxy=proxy.origin)).code == "net.address"
        assert proxy.connections == 3


class Unknown:
    """Nothing has an address."""

    async def __call__(self, _host: str, _port: int) -> tuple[str, ...]:
        raise OSError
