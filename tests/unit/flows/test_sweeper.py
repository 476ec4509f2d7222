"""What has ended is taken away, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from apiloom.flows import events
from apiloom.flows.api_tokens import create_api_token, list_api_tokens
from apiloom.flows.asking import Query
from apiloom.flows.audit import list_audit
from apiloom.flows.idempotency import Answer, begin, finish
from apiloom.flows.server_tokens import rotate_tokens
from apiloom.flows.servers import create_server, list_servers, patch_server
from apiloom.flows.sweeper import Swept, sweep
from support.grounds import NOON, OWNER, admin, with_shop

ACME = admin("acme")


async def test_what_ends_at_a_second_goes_from_that_second_on() -> None:
    grounds = await with_shop()
    ground = grounds.ground
    await create_server(ground, ACME, {"name": "short", "connectors": ["shop"], "expires_at": NOON + 60})
    kept = await create_server(ground, ACME, {"name": "long", "connectors": ["shop"]})
    forever = await create_server(ground, OWNER, {"name": "ever", "connectors": ["shop"], "expires_at": None})
    await rotate_tokens(ground, ACME, kept.server.id, {"grace_seconds": 60})
    await create_api_token(ground, ACME, {"role": "agent", "expires_at": NOON + 60})
    lasting = await create_api_token(ground, ACME, {"role": "agent", "expires_at": NOON + 61})

    grounds.clock.now = NOON + 59.999
    assert await sweep(ground) == Swept()
    grounds.clock.now = NOON + 60
    assert await sweep(ground) == Swept(servers=1, server_tokens=1, api_tokens=1)

    assert {each.id for each in (await list_servers(ground, OWNER, Query())).items} == {
        kept.server.id,
        forever.server.id,
    }
    assert (await list_api_tokens(ground, OWNER, Query())).items == (lasting.token,)
    async with ground.store.reading() as work:
        assert len(await work.house().server_tokens.every()) == 2
    lines = (await list_audit(ground, ACME, Query(where={"principal": "sweeper"}))).items
    assert sorted(line.action for line in lines) == ["api_token.expire", "server.expire", "server_token.expire"]


async def test_a_server_that_was_given_more_time_stays() -> None:
    grounds = await with_shop()
    opened = await create_server(grounds.ground, ACME, {"connectors": ["shop"], "expires_at": NOON + 60})
    await patch_server(grounds.ground, ACME, opened.server.id, {"expires_at": NOON + 600})
    grounds.clock.now = NOON + 60

    assert await sweep(grounds.ground) == Swept()


async def test_one_round_takes_away_no_more_than_it_may_and_says_so() -> None:
    grounds = await with_shop()
    for _ in range(5):
        await create_api_token(grounds.ground, ACME, {"role": "agent", "expires_at": NOON + 1})
    grounds.clock.now = NOON + 1

    assert await sweep(grounds.ground, most=3) == Swept(api_tokens=3, more=True)
    assert await sweep(grounds.ground, most=3) == Swept(api_tokens=2)


async def test_remembered_answers_go_too() -> None:
    grounds = await with_shop()
    assert await begin(grounds.ground, ACME, "one", b"q") is None
    await finish(grounds.ground, ACME, "one", Answer(status=201))
    grounds.clock.now = NOON + 86400

    assert await sweep(grounds.ground) == Swept(remembered=1)


async def test_what_happened_is_told_for_ninety_days() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        for at in (NOON, NOON + 1):
            await events.record(scope, at=at, kind=events.CONNECTED, tenant="acme", target="acc_1", detail={})
    grounds.clock.now = NOON + 90 * 86400 - 1
    assert (await sweep(grounds.ground)).events == 0
    grounds.clock.now += 1
    assert await sweep(grounds.ground) == Swept(events=1)
    async with grounds.ground.store.reading() as work:
        assert [event.at for event in await work.house().events.every()] == [NOON + 1]


async def test_a_server_that_is_given_more_time_while_the_broom_is_at_work_stays() -> None:
    grounds = await with_shop()
    await create_server(grounds.ground, ACME, {"connectors": ["shop"], "expires_at": NOON + 60})
    seen = iter([NOON + 60])

    assert await sweep(replace(grounds.ground, now=lambda: next(seen, NOON))) == Swept()


async def test_of_a_thousand_things_that_are_over_those_that_are_left_are_told_of() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        for _ in range(1001):
            await events.record(scope, at=NOON, kind=events.CONNECTED, tenant="acme", target="acc_1", detail={})
    grounds.clock.now = NOON + 90 * 86400

    rounds = []
    while not rounds or rounds[-1].more:
        rounds.append(await sweep(grounds.ground))
    assert sum(swept.events for swept in rounds) == 1001
    assert len(rounds) > 1
