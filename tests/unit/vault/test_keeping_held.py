"""Pauses that a provider wants, pairs that cannot be written or that nobody will use, and doubts that stay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from apiloom.base.errors import HouseFault, UpstreamError
from apiloom.base.secret import Secret
from apiloom.vault import breaking, keeping, unwritten
from apiloom.vault.in_memory import InMemory
from apiloom.vault.keeping import LEASE, Keeper
from apiloom.vault.oauth.terms import Terms, Tokens
from apiloom.vault.ports import Held, Renewal
from support.grounds import NOON, Clock
from support.keeping import Asked, Bench, With, fails, pair


@pytest.fixture
def bench() -> Bench:
    return Bench()


# a provider that wants to be left alone


def busy(after: float, status: int = 429) -> Callable[[], None]:
    def fail() -> None:
        raise UpstreamError("it is busy", code="oauth.unavailable", status=status, after=after)

    return fail


async def test_a_pause_that_a_provider_wants_is_kept_and_costs_nobody_with_a_living_token_anything(
    bench: Bench,
) -> None:
    bench.clock.now += 2880
    bench.provider.answers = [busy(200)]
    for _ in range(199):
        assert (await bench.node.fresh("g")).generation == 1
        await bench.idle()
        bench.clock.now += 1
    assert len(bench.provider.asked) == 1
    bench.clock.now += 1
    assert (await bench.node.fresh("g")).generation == 1
    await bench.idle()
    assert (await bench.node.fresh("g")).generation == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_counts_for_all_that_one_client_asks_there_and_for_no_other(bench: Bench, status: int) -> None:
    asked = Asked(bench, busy(200, status))
    assert await asked.come_to("bad/1") == "oauth.unavailable"
    assert [await asked.come_to(f"bad/{number}") for number in range(2, 9)] == ["oauth.paused"] * 7
    assert await asked.come_to("good/1") == ""
    bench.clock.now += 200
    assert [await asked.come_to(f"bad/{number}") for number in (10, 11)] == ["oauth.unavailable", "oauth.paused"]
    assert bench.provider.asked == ["bad", "good", "bad"]


async def test_other_nodes_do_not_renew_ahead_what_a_provider_wants_to_wait(bench: Bench) -> None:
    bench.clock.now += 2880
    other, known = bench.another(), await bench.store.load("g")
    bench.provider.answers = [busy(200)]
    for node in (bench.node, other):
        assert (await node.fresh("g", known)).generation == 1
        await node.close()
    assert len(bench.provider.asked) == 1


def test_an_answer_from_before_a_pause_was_wished_for_does_not_end_it() -> None:
    clock = Clock()
    breaker = breaking.Breaker(clock)
    early, late = breaker.enter(), breaker.enter()
    breaker.wished(100, probe=late)
    breaker.succeeded(probe=early)
    with pytest.raises(UpstreamError) as told:
        breaker.enter()
    assert told.value.facts["after"] == 100
    clock.now += 100
    breaker.succeeded(probe=breaker.enter())
    assert not breaker.enter()


# a store that is away for longer


@dataclass
class Away:
    """A store that takes no pair while it is ``away``, and counts how often that was tried."""

    store: InMemory
    away: bool = True
    tried: int = 0

    async def keep(self, id_: str, was: int, tokens: Tokens, at: float | None) -> Held | None:
        self.tried += 1
        if self.away:
            raise HouseFault("away", code="store.unreachable")
        return await self.store.keep(id_, was, tokens, at)


def away(bench: Bench) -> Away:
    found = Away(bench.store)
    with_away = With(bench.store, found.keep)
    keeper = Keeper(replace(bench.node.ports, store=with_away), bench.node.timing)
    bench.node = keeper
    return found


async def test_a_pair_that_cannot_be_kept_is_used_by_its_node_and_written_when_the_store_is_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    store = away(bench)
    bench.clock.now += 3600
    held = await bench.node.fresh("g")
    assert held.tokens is not None
    assert held.tokens.access == Secret("access-1")
    assert bench.node.lives(held)
    assert len(bench.node.unwritten) == 1
    # whoever has the old one, or looks it up, is given the same, and nobody asks the provider
    old = await bench.store.load("g")
    assert old is not None
    for found in (await bench.node.fresh("g"), await bench.node.renew(old), await bench.node.renewed(old)):
        assert found == held
    assert await bench.node.renewed(held) == held
    assert bench.provider.asked == ["refresh-0"]
    store.away = False
    while len(bench.node.unwritten):
        await asyncio.sleep(0)
    kept = await bench.store.load("g")
    assert kept is not None
    assert (kept.generation, kept.tokens) == (2, held.tokens)
    assert (await bench.node.fresh("g")) == kept
    assert [one.levelname for one in caplog.records] == ["ERROR", "WARNING"]
    assert not any("access-1" in one.getMessage() or "refresh-1" in one.getMessage() for one in caplog.records)


async def test_a_pair_in_hand_that_is_due_is_written_before_the_next_is_asked_for(bench: Bench) -> None:
    store = away(bench)
    bench.clock.now += 3600
    held = await bench.node.fresh("g")
    bench.clock.now += 3600
    with pytest.raises(HouseFault) as told:
        await bench.node.renew(held)
    assert told.value.code == "store.unreachable"
    assert bench.provider.asked == ["refresh-0"]
    store.away = False
    bench.clock.now += 60
    assert (await bench.node.renew(held)).generation == 3
    assert bench.provider.asked == ["refresh-0", "refresh-1"]


async def test_a_node_that_stops_tries_a_last_time_to_write_what_it_has_in_hand(bench: Bench) -> None:
    store = away(bench)
    bench.clock.now += 3600
    await bench.node.fresh("g")
    store.away = False
    await bench.node.close()
    kept = await bench.store.load("g")
    assert kept is not None
    assert kept.generation == 2


async def test_a_node_that_stops_while_a_pair_is_being_written_tries_a_last_time(bench: Bench) -> None:
    store = away(bench)
    bench.clock.now += 3600

    async def never(_: float) -> None:
        await asyncio.Event().wait()

    bench.node = Keeper(bench.node.ports, replace(bench.node.timing, pause=never))
    waiting = asyncio.create_task(bench.node.fresh("g"))
    while not store.tried:
        await asyncio.sleep(0)
    store.away = False
    await bench.node.close(0.0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    kept = await bench.store.load("g")
    assert kept is not None
    assert kept.generation == 2


async def test_a_store_that_stays_away_lets_a_node_stop_all_the_same(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    away(bench)
    monkeypatch.setattr(keeping, "_LAST", 0.0)
    bench.clock.now += 3600
    await bench.node.fresh("g")
    await bench.node.close()
    assert "could not be written before the end" in caplog.text


async def test_only_so_many_pairs_are_held(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    away(bench)
    monkeypatch.setattr(unwritten, "MOST", 1)
    bench.store.put(Held(id="h", generation=1, tokens=pair(50, NOON)))
    bench.clock.now += 3600
    await bench.node.fresh("g")
    assert await refusal_of(bench.node.fresh("h")) == "store.unreachable"
    assert len(bench.node.unwritten) == 1


async def refusal_of(asked: Awaitable[Held]) -> str:
    with pytest.raises((UpstreamError, HouseFault)) as told:
        await asked
    return told.value.code


async def test_a_pair_in_hand_gives_way_to_what_somebody_wrote_meanwhile(bench: Bench) -> None:
    store, given = away(bench), given_back(bench)
    bench.clock.now += 3600
    await bench.node.fresh("g")
    bench.put(generation=2, tokens=pair(70, bench.clock.now + 3600))
    store.away = False
    found = await bench.node.fresh("g")
    assert found.tokens is not None
    assert found.tokens.access == Secret("access-70")
    await bench.node.close()
    assert len(bench.node.unwritten) == 0
    # the other pair may be of the same consent, which many providers would end with this one
    assert given == []


# pairs that nobody will use


def given_back(bench: Bench) -> list[str]:
    told: list[str] = []

    async def give(_terms: Terms, tokens: Tokens) -> None:
        told.append(tokens.access.reveal())

    bench.node = Keeper(replace(bench.node.ports, give_back=give), bench.node.timing)
    return told


@pytest.mark.parametrize("end", [None, "oauth.revoked"])
async def test_a_pair_that_comes_when_its_grant_is_no_more_is_given_back(bench: Bench, end: str | None) -> None:
    told = given_back(bench)
    bench.clock.now += 3600

    def ended() -> None:
        if end is None:
            bench.store.drop("g")
        else:
            bench.put(generation=2, tokens=None, ended=True, code=end)

    bench.provider.answers = [ended]
    assert await bench.refused() == ("oauth.gone" if end is None else "oauth.ended")
    await bench.node.close()
    assert told == ["access-1"]


# doubt


@pytest.mark.parametrize("unread", [fails("oauth.answer"), busy(0, 502), fails("net.too_large"), fails("net.broken")])
@pytest.mark.parametrize("then", ["oauth.unavailable", "oauth.refused", "net.refused", "oauth.client"])
async def test_a_doubt_stays_until_an_answer_is_definite(bench: Bench, unread: Callable[[], None], then: str) -> None:
    def used() -> None:
        bench.provider.used.add("refresh-0")
        unread()

    bench.provider.answers = [used, fails(then), fails(then), fails(then)]
    bench.clock.now += 3600
    for _ in range(3):
        assert await bench.refused() not in {"oauth.ended", "oauth.in_doubt"}
        bench.clock.now += 60
    bench.provider.answers = []
    assert await bench.refused(bench.another()) == "oauth.in_doubt"


async def test_a_new_pair_ends_a_doubt(bench: Bench) -> None:
    bench.provider.answers = [busy(0, 502)]
    bench.clock.now += 3600
    await bench.refused()
    bench.clock.now += 60
    assert (await bench.node.fresh("g")).generation == 2
    bench.clock.now += 3600
    bench.provider.used.add("refresh-2")
    assert await bench.refused() == "oauth.ended"


async def test_the_doubt_that_a_lease_leaves_behind_stays_when_the_next_attempt_fails_otherwise(bench: Bench) -> None:
    bench.clock.now += 3600
    await bench.store.take("g", 1, LEASE)
    bench.provider.used.add("refresh-0")
    bench.provider.answers = [fails("oauth.unavailable")]
    assert await bench.refused() == "oauth.unavailable"
    bench.clock.now += 60
    assert await bench.refused() == "oauth.in_doubt"


async def test_nobody_tries_a_grant_before_the_end_of_a_pause_that_was_wanted_for_it(bench: Bench) -> None:
    bench.provider.answers = [busy(200)]
    bench.clock.now += 3600
    assert await bench.refused() == "oauth.unavailable"
    assert bench.node.rest("g") == 200


# a machine that sleeps


async def test_a_renewal_that_is_overtaken_by_a_jump_of_the_clock_is_begun_anew(bench: Bench) -> None:
    renewals, jumps = bench.node.ports.renewals, [300.0]

    class Asleep:
        async def renewal(self, held: Held) -> Renewal:
            bench.clock.now += jumps.pop() if jumps else 0.0
            return await renewals.renewal(held)

    bench.node = Keeper(replace(bench.node.ports, renewals=Asleep()), bench.node.timing)
    bench.clock.now += 3600
    assert (await bench.node.fresh("g")).generation == 2
    assert bench.provider.asked == ["refresh-0"]
