"""The parts of a node by themselves: single flight, bounded lines, ends in order, addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from apiloom.app.gateway import journal
from apiloom.app.gateway.addresses import caller_address, read_proxies, within
from apiloom.app.gateway.journal import Journal
from apiloom.app.gateway.memory import Memory, Touched
from apiloom.app.gateway.residents import Residents
from apiloom.base.errors import CallerError, DesignError, HouseFault
from apiloom.calls.endpoint import Directory, Endpoint, Listing
from apiloom.identity.gate import OpenGate
from apiloom.identity.index import TokenIndex
from apiloom.identity.principal import Principal
from apiloom.identity.tokens import TokenHasher, mint
from apiloom.store.records import Audited, Server, ServerToken
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support.memory_store import MemoryStore

WHO = Principal(id="token:key_1", token="key_1")
HASHER = TokenHasher({1: b"k" * 32}, 1)


def endpoint(name: str) -> Endpoint:
    return Endpoint(
        name=name, title=name, version="", instructions="", listing=Listing(pages=(b"",), etag=name, count=0), routes={}
    )


def wire(_key: str, directory: Directory) -> McpHttp:
    return McpHttp(directory, OpenGate(), WireSettings())


async def test_an_endpoint_is_made_once_for_all_who_wait() -> None:
    made: list[str] = []
    go = asyncio.Event()

    async def build(key: str) -> Endpoint | None:
        made.append(key)
        await go.wait()
        return endpoint(key)

    residents = Residents(build, wire)
    waiting = [asyncio.create_task(residents.ensure("a")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    go.set()
    found = await asyncio.gather(*waiting[1:])
    assert made == ["a"]
    assert len(set(map(id, found))) == 1
    assert residents.get("a") is found[0]


async def test_what_changed_while_an_endpoint_was_made_is_made_next() -> None:
    made: list[int] = []
    residents: Residents

    async def build(key: str) -> Endpoint | None:
        made.append(len(made))
        if len(made) == 1:
            residents.outdate([key])
        return endpoint(f"{key}{len(made)}")

    residents = Residents(build, wire)
    assert await residents.ensure("a") is not None
    assert made == [0, 1]


async def test_what_changes_right_after_an_endpoint_was_made_keeps_it_from_nobody_who_waited() -> None:
    residents: Residents

    async def build(key: str) -> Endpoint | None:
        # told after the making has ended and before whoever waits for it goes on
        making = asyncio.current_task()
        assert making is not None
        making.add_done_callback(lambda _: residents.outdate([key]))
        return endpoint(key)

    residents = Residents(build, wire)
    assert await residents.ensure("a") is not None
    assert residents.get("a") is None


async def test_an_endpoint_that_cannot_be_made_is_tried_again_and_one_that_can_goes_on() -> None:
    broken = [True]

    async def build(key: str) -> Endpoint | None:
        if broken[0]:
            raise HouseFault("the store does not answer", code="store.unreachable")
        return endpoint(key)

    residents = Residents(build, wire)
    with pytest.raises(HouseFault):
        await residents.ensure("a")
    assert len(residents) == 0
    broken[0] = False
    before = await residents.ensure("a")
    broken[0] = True
    residents.outdate(["a"])
    assert residents.get("a") is None
    assert await residents.ensure("a") is before
    assert residents.get("a") is before
    assert residents.retry() == ["a"]
    assert residents.get("a") is None


async def test_an_endpoint_that_is_no_more_is_none() -> None:
    async def build(_key: str) -> Endpoint | None:
        return None

    residents = Residents(build, wire)
    assert await residents.ensure("a") is None
    assert len(residents) == 0


async def test_lines_wait_for_a_store_that_is_away_and_the_oldest_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST", 3)
    store = MemoryStore()
    lines = Journal(store, lambda: 1000.0)
    sink = lines.sink("srv_1", "default")
    store.down = True
    for number in range(5):
        sink.called(WHO, f"tool_{number}", "ok", 0.001)
    with pytest.raises(HouseFault):
        await lines.flush()
    store.down = False
    await lines.flush()
    async with store.reading() as work:
        kept = await work.tenant("default").audit.every()
    assert sorted(line.detail["tool"] for line in kept) == ["tool_2", "tool_3", "tool_4"]
    assert {line.target for line in kept} == {"srv_1"}


async def test_a_line_that_stands_already_does_not_hold_up_the_others() -> None:
    class Strict(MemoryStore):
        async def append_audit(self, entries: Sequence[Audited]) -> None:
            async with self.reading() as work:
                known = {line.id for line in await work.house().audit.every()}
            if any(entry.id in known for entry in entries):
                raise CallerError("there is such a line already", code="store.exists")
            await super().append_audit(entries)

    store = Strict()
    lines = Journal(store, lambda: 1000.0)
    first = Audited(id="aud_1", at=1.0, principal="p", action="call", tenant="default")
    await store.append_audit([first])
    lines.note(first)
    lines.note(Audited(id="aud_2", at=1.0, principal="p", action="call", tenant="default"))
    await lines.flush()
    async with store.reading() as work:
        assert {line.id for line in await work.house().audit.every()} == {"aud_1", "aud_2"}


def server(expires_at: float | None = None, **config: object) -> Server:
    return Server(id="srv_1", tenant="default", name="s", expires_at=expires_at, config=config)


def test_a_token_ends_with_its_server_even_when_the_servers_end_moves() -> None:
    memory = Memory(TokenIndex(HASHER))
    text = mint("als")
    digest, version = HASHER.digest(text)
    token = ServerToken(id="tok_1", tenant="default", server="srv_1", digest=digest, key_version=version)
    take = {kind: taker for kind, (_, taker) in memory._takers.items()}
    take["server"]("srv_1", server(100.0), Touched())
    take["server_token"]("tok_1", token, Touched())
    assert memory.index.get(text, 99.0) is not None
    assert memory.index.get(text, 100.0) is None
    take["server"]("srv_1", server(200.0), Touched())
    assert memory.index.get(text, 150.0) is not None
    assert memory.due(100.0) == set()
    take["server"]("srv_1", server(120.0), Touched())
    assert memory.due(150.0) == {"srv_1", "tok_1"}
    assert memory.due(150.0) == set()


def test_ends_and_configs_that_nobody_has_any_more_do_not_pile_up() -> None:
    memory = Memory(TokenIndex(HASHER))
    _, take = memory._takers["server"]
    for number in range(5000):
        take("srv_1", server(1000.0 + number, result_tokens=number), Touched())
    assert len(memory._ends) < 1100
    assert len(memory._settings) < 1100
    assert memory.settings(memory.servers["srv_1"]).result_tokens == 4999


def test_a_token_whose_hash_is_damaged_is_nobodys_and_stops_nothing() -> None:
    memory = Memory(TokenIndex(HASHER))
    take = memory._takers["server_token"][1]
    take("tok_1", ServerToken(id="tok_1", tenant="default", server="srv_1", digest=b"short"), Touched())
    assert memory.index.holder("tok_1") is None


def test_a_server_whose_config_cannot_be_read_is_not_served() -> None:
    memory = Memory(TokenIndex(HASHER))
    memory._takers["server"][1]("srv_1", server(None, from_a_later_release=True), Touched())
    assert memory.live("srv_1", 1.0) is None


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("192.0.2.7", ("192.0.2.0/24",), True),
        ("192.0.3.7", ("192.0.2.0/24",), False),
        ("::ffff:192.0.2.7", ("192.0.2.0/24",), True),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("", ("0.0.0.0/0", "::/0"), False),
        ("somewhere", ("0.0.0.0/0",), False),
    ],
)
def test_an_address_is_in_a_network_or_not(address: str, networks: tuple[str, ...], *, inside: bool) -> None:
    assert within(address, networks) is inside


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.9", "203.0.113.1", "192.0.2.9"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "x" * 5000, ""),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1:567", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1:567, 10.0.0.2:89, [::ffff:10.0.0.3]:7", "203.0.113.1"),
        ("10.0.0.1", "[2001:db8::1]:567", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "203.0.113.1:567:8", "203.0.113.1:567:8"),
    ],
)
def test_a_forwarded_address_counts_from_a_trusted_proxy_alone(peer: str, forwarded: str, caller: str) -> None:
    heads = {b"x-forwarded-for": forwarded.encode()} if forwarded else {}
    assert caller_address(peer, heads, read_proxies("10.0.0.0/8, 127.0.0.1")) == caller
    assert caller_address(peer, heads, ()) == peer


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(DesignError, match="which is no address or network"):
        read_proxies("10.0.0.0/8,proxy.internal")
