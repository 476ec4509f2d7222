"""One renewal however many need it, kept before it is used, and a failed one that costs nobody anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from apiloom.base.errors import HouseFault, UpstreamError
from apiloom.base.secret import Secret
from apiloom.vault import breaking
from apiloom.vault.keeping import LEASE, QUIET
from apiloom.vault.moments import AHEAD, MARGIN, SETTLED, Timing, refresh_at
from apiloom.vault.oauth.terms import Ask, Terms, Tokens
from apiloom.vault.ports import Failure, Held
from support.grounds import NOON, Clock
from support.keeping import Asked, Bench, With, fails, pair


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_living_token_is_used_as_it_is(bench: Bench) -> None:
    held = await bench.node.fresh("g")
    assert held.generation == 1
    assert bench.provider.asked == []


async def test_many_who_need_a_token_at_once_cause_one_request(bench: Bench) -> None:
    bench.clock.now += 3600
    found = await asyncio.gather(*(bench.node.fresh("g") for _ in range(50)))
    assert {held.generation for held in found} == {2}
    assert bench.provider.asked == ["refresh-0"]


async def test_of_two_nodes_one_asks_and_the_other_uses_what_came(bench: Bench) -> None:
    bench.clock.now += 3600
    other = bench.another()
    found = await asyncio.gather(*(node.fresh("g") for node in (bench.node, other) for _ in range(20)))
    assert {held.generation for held in found} == {2}
    assert len(bench.provider.asked) == 1


async def test_a_token_that_is_due_is_renewed_beside_and_nobody_waits(bench: Bench) -> None:
    bench.clock.now += 2880
    bench.provider.wait = asyncio.Event()
    assert (await bench.node.fresh("g")).generation == 1
    bench.provider.wait.set()
    await bench.idle()
    assert (await bench.node.fresh("g")).generation == 2


async def test_a_token_is_over_a_moment_before_its_end(bench: Bench) -> None:
    bench.clock.now += 3600 - MARGIN
    assert (await bench.node.fresh("g")).generation == 2


async def test_a_caller_who_goes_away_stops_nothing(bench: Bench) -> None:
    bench.clock.now += 3600
    bench.provider.wait = asyncio.Event()
    caller = asyncio.create_task(bench.node.fresh("g"))
    while not bench.provider.asked:
        await asyncio.sleep(0)
    caller.cancel()
    bench.provider.wait.set()
    await bench.idle()
    held = await bench.store.load("g")
    assert held is not None
    assert held.generation == 2


async def test_a_new_pair_is_kept_before_it_is_used_and_not_lost_when_the_store_is_away(bench: Bench) -> None:
    keep, away = bench.store.keep, [True, True, True]

    async def kept(id_: str, was: int, tokens: Tokens, at: float | None) -> Held | None:
        if away:
            away.pop()
            raise HouseFault("away", code="store.unreachable")
        return await keep(id_, was, tokens, at)

    bench.node.ports = replace(bench.node.ports, store=With(bench.store, kept))
    bench.clock.now += 3600
    assert (await bench.node.fresh("g")).generation == 2
    assert not away
    assert len(bench.provider.asked) == 1


async def test_a_store_that_is_away_for_a_moment_leaves_no_lease_that_others_wait_for(bench: Bench) -> None:
    failed, away = bench.store.failed, [True, True]

    async def gave_up(id_: str, was: int, failure: Failure) -> None:
        if away:
            away.pop()
            raise HouseFault("away", code="store.unreachable")
        await failed(id_, was, failure)

    bench.node.ports = replace(bench.node.ports, store=With(bench.store, bench.store.keep, gave_up))
    bench.provider.answers = [fails("oauth.unavailable")]
    bench.clock.now += 3600
    assert await bench.refused() == "oauth.unavailable"
    bench.clock.now += 1
    before = bench.clock.now
    assert (await bench.node.fresh("g")).generation == 2
    assert bench.clock.now == before


async def test_a_pair_that_somebody_wrote_meanwhile_counts(bench: Bench) -> None:
    bench.clock.now += 3600
    bench.provider.wait = asyncio.Event()
    asked = asyncio.create_task(bench.node.fresh("g"))
    while not bench.provider.asked:
        await asyncio.sleep(0)
    bench.put(generation=7, tokens=pair(70, bench.clock.now + 60))
    bench.provider.wait.set()
    assert (await asked).generation == 7


async def test_what_ended_is_told_once_and_never_asked_for_again(bench: Bench) -> None:
    bench.provider.used.add("refresh-0")
    bench.clock.now += 3600
    codes = [await bench.refused() for _ in range(5)]
    bench.clock.now += 86_400
    codes.append(await bench.refused(bench.another()))
    assert set(codes) == {"oauth.ended"}
    assert len(bench.provider.asked) == 1
    assert bench.store.told == ["g"]


async def test_a_failed_renewal_costs_nobody_anything_while_the_token_lives(bench: Bench) -> None:
    bench.provider.answers = [fails("oauth.unavailable")] * 9
    for _ in range(9):
        bench.clock.now = NOON + 2880
        assert (await bench.node.fresh("g")).generation == 1
        await bench.idle()
    # nobody asks again at once
    assert len(bench.provider.asked) == 1


async def test_attempts_are_spaced_and_the_reason_is_told_meanwhile(bench: Bench) -> None:
    bench.provider.answers = [fails("oauth.unavailable")] * 3
    bench.clock.now += 3600
    for _ in range(10):
        assert await bench.refused() == "oauth.unavailable"
    assert len(bench.provider.asked) == 1
    bench.clock.now += 1
    assert await bench.refused() == "oauth.unavailable"
    assert len(bench.provider.asked) == 2
    bench.clock.now += 1
    assert await bench.refused() == "oauth.unavailable"
    assert len(bench.provider.asked) == 2
    bench.clock.now += 1
    assert await bench.refused() == "oauth.unavailable"
    bench.clock.now += 60
    assert (await bench.node.fresh("g")).generation == 2


async def test_an_answer_that_got_lost_is_asked_for_once_more_with_the_same_token(bench: Bench) -> None:
    bench.provider.answers = [fails("net.timeout")]
    bench.clock.now += 3600
    assert (await bench.node.fresh("g")).generation == 2
    assert bench.provider.asked == ["refresh-0", "refresh-0"]


async def test_a_token_that_was_used_up_by_a_lost_answer_leaves_a_doubt_that_is_told(bench: Bench) -> None:
    def used() -> None:
        bench.provider.used.add("refresh-0")
        raise UpstreamError("it broke", code="net.broken")

    bench.provider.answers = [used]
    bench.clock.now += 3600
    assert await bench.refused() == "oauth.in_doubt"
    assert bench.provider.asked == ["refresh-0", "refresh-0"]
    assert bench.store.told == ["g"]


@pytest.mark.parametrize("second", ["oauth.unavailable", "oauth.refused", "net.refused", "net.timeout"])
async def test_a_doubt_is_not_forgotten_because_nothing_can_be_asked_at_the_moment(bench: Bench, second: str) -> None:
    def used() -> None:
        bench.provider.used.add("refresh-0")
        raise UpstreamError("it broke", code="net.broken")

    bench.provider.answers = [used, fails(second)]
    bench.clock.now += 3600
    assert await bench.refused() in {"net.broken", "net.timeout"}
    bench.clock.now += 60
    assert await bench.refused() == "oauth.in_doubt"
    assert bench.provider.asked == ["refresh-0"] * 3


async def test_the_lease_of_a_node_that_died_runs_out_and_leaves_a_doubt(bench: Bench) -> None:
    bench.clock.now += 3600
    began = bench.clock.now
    await bench.store.take("g", 1, LEASE)
    bench.provider.used.add("refresh-0")
    assert await bench.refused() == "oauth.in_doubt"
    assert bench.clock.now >= began + LEASE


async def test_a_token_that_an_api_refuses_is_renewed_once_and_not_again_at_once(bench: Bench) -> None:
    held = await bench.node.fresh("g")
    second = await bench.node.renewed(held)
    assert second.generation == 2
    assert (await bench.node.renewed(second)).generation == 2
    # whoever still had the first one gets the second
    assert (await bench.node.renewed(held)).generation == 2
    assert len(bench.provider.asked) == 1
    bench.clock.now += QUIET
    assert (await bench.node.renewed(second)).generation == 3


async def test_a_token_that_cannot_be_renewed_is_left_as_it_is(bench: Bench) -> None:
    bench.put(renewable=False)
    held = await bench.node.fresh("g")
    assert (await bench.node.renewed(held)).generation == 1
    assert bench.provider.asked == []


async def test_an_endpoint_that_is_dead_is_left_alone_and_tried_by_one(bench: Bench) -> None:
    ids = [f"g{number}" for number in range(20)]
    for id_ in ids:
        bench.store.put(Held(id=id_, generation=1, tokens=pair(0, NOON)))
    bench.provider.answers = [fails("oauth.unavailable")] * 100
    for id_ in ids:
        with pytest.raises(UpstreamError):
            await bench.node.fresh(id_)
    assert len(bench.provider.asked) == breaking.FAILURES
    bench.clock.now += breaking.SECONDS + 1
    for id_ in ids:
        with pytest.raises(UpstreamError):
            await bench.node.fresh(id_)
    assert len(bench.provider.asked) == breaking.FAILURES + 1
    bench.provider.answers = []
    bench.provider.used = set()
    bench.clock.now += breaking.SECONDS + 60
    assert (await bench.node.fresh("g0")).generation == 2


@pytest.mark.parametrize("life", [5.0, 1.0, 0.0, -30.0])
async def test_a_token_that_lives_for_a_moment_costs_one_request_and_not_one_for_each_call(
    bench: Bench, life: float
) -> None:
    bench.provider.life = life
    bench.clock.now += 3600
    for _ in range(50):
        assert (await bench.node.fresh("g")).generation == 2
        await bench.idle()
    other = bench.another()
    assert (await other.fresh("g")).generation == 2
    assert len(bench.provider.asked) == 1
    bench.clock.now += max(life, 1)  # then it is really over
    assert (await bench.node.fresh("g")).generation == 3


async def test_a_long_life_is_not_used_to_its_very_end(bench: Bench) -> None:
    bench.provider.life = 30
    bench.clock.now += 3600
    assert (await bench.node.fresh("g")).generation == 2
    bench.clock.now += 30 - MARGIN
    assert (await bench.node.fresh("g")).generation == 3


async def test_what_one_client_gets_from_an_endpoint_says_nothing_of_another(bench: Bench) -> None:
    asked = Asked(bench, fails("net.refused"))
    codes = [await asked.come_to(f"bad/{number}") for number in range(breaking.FAILURES + 1)]
    assert codes[-2:] == ["net.refused", "oauth.paused"]
    assert await asked.come_to("good/1") == ""


def fails_with(status: int) -> Callable[[], None]:
    def fail() -> None:
        raise UpstreamError("it went wrong", code="oauth.unavailable", status=status)

    return fail


@pytest.mark.parametrize(
    ("fail", "left_alone"),
    [
        (fails("oauth.answer"), False),
        (fails("oauth.refused"), False),
        (fails_with(429), False),
        (fails_with(400), False),
        (fails_with(503), True),
        (fails("net.timeout"), True),
    ],
)
async def test_only_an_endpoint_that_is_down_is_left_alone(
    bench: Bench, fail: Callable[[], None], left_alone: bool
) -> None:
    asked = Asked(bench, fail)
    codes = [await asked.come_to(f"bad/{number}") for number in range(2 * breaking.FAILURES)]
    assert ("oauth.paused" in codes) is left_alone


def test_a_request_from_before_an_endpoint_was_left_alone_does_not_end_the_attempt_of_another() -> None:
    clock = Clock()
    breaker = breaking.Breaker(clock)
    late = breaker.enter()
    for _ in range(breaking.FAILURES):
        breaker.failed(probe=breaker.enter())
    clock.now += breaking.SECONDS
    probe = breaker.enter()
    assert (late, probe) == (False, True)
    breaker.left(probe=late)
    with pytest.raises(UpstreamError):
        breaker.enter()
    breaker.left(probe=probe)
    assert breaker.enter()


async def test_a_grant_that_is_gone_says_so(bench: Bench) -> None:
    with pytest.raises(HouseFault) as told:
        await bench.node.fresh("other")
    assert told.value.code == "oauth.gone"


async def test_a_provider_that_does_not_rotate_leaves_the_refresh_token_as_it_was(bench: Bench) -> None:
    async def plain(_terms: Terms, _ask: Ask) -> Tokens:
        return Tokens(access=Secret("new"), expires_at=bench.clock.now + 60)

    bench.node.ports = replace(bench.node.ports, fetch=plain)
    bench.clock.now += 3600
    held = await bench.node.fresh("g")
    assert held.tokens is not None
    assert held.tokens.refresh == Secret("refresh-0")
    assert held.tokens.access == Secret("new")


@pytest.mark.parametrize(
    ("life", "dice", "at"),
    [
        (3600, 0.0, 2880),
        (3600, 1.0, 2736),
        (120, 0.0, 60),
        (240, 0.0, 180),
        (60, 0.0, 48),
        (10, 0.0, SETTLED),
        (0, 0.0, SETTLED),
    ],
)
def test_a_token_is_renewed_at_four_fifths_of_its_life_and_a_minute_before_its_end(
    life: float, dice: float, at: float
) -> None:
    timing = Timing(now=lambda: NOON, dice=lambda: dice)
    found = refresh_at(NOON + life, timing)
    assert (found or 0) - NOON == pytest.approx(at, abs=0.01)
    assert life < 2 * AHEAD or (found or 0) <= NOON + life - AHEAD
    assert refresh_at(None, timing) is None
