"""A request with a key is done once; what cannot be known is said and not guessed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from apiloom.base.errors import CallerError
from apiloom.flows.idempotency import Answer, begin, finish, forget
from support.grounds import NOON, OWNER, admin, with_shop
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")
ASKED = b'POST /servers {"name":"one"}'
DONE = Answer(status=201, body={"id": "srv_1"})


async def test_the_same_question_again_gets_the_answer_it_got() -> None:
    grounds = await with_shop()

    assert await begin(grounds.ground, ACME, "key", ASKED) is None
    await finish(grounds.ground, ACME, "key", DONE)

    assert await begin(grounds.ground, ACME, "key", ASKED) == DONE
    assert await begin(grounds.ground, ACME, "other", ASKED) is None
    grounds.clock.now = NOON + 86400
    assert await begin(grounds.ground, ACME, "key", ASKED) is None


async def test_the_same_key_with_another_question_is_refused() -> None:
    grounds = await with_shop()
    await begin(grounds.ground, ACME, "key", ASKED)
    await refusal(begin(grounds.ground, ACME, "key", ASKED + b" "), "idempotency.conflict")
    await finish(grounds.ground, ACME, "key", DONE)

    await refusal(begin(grounds.ground, ACME, "key", ASKED + b" "), "idempotency.conflict")


async def test_keys_of_different_principals_never_meet() -> None:
    grounds = await with_shop()

    for who in (ACME, BOLT, OWNER, replace(ACME, id="key_other")):
        assert await begin(grounds.ground, who, "key", ASKED) is None


async def test_of_requests_at_once_one_is_done() -> None:
    grounds = await with_shop()

    begun = await asyncio.gather(*(begin(grounds.ground, ACME, "key", ASKED) for _ in range(5)), return_exceptions=True)

    assert begun.count(None) == 1
    assert [each.code for each in begun if isinstance(each, CallerError)] == ["idempotency.conflict"] * 4


async def test_a_request_that_never_came_back_is_in_doubt() -> None:
    grounds = await with_shop()
    await begin(grounds.ground, ACME, "key", ASKED)

    await refusal(begin(grounds.ground, ACME, "key", ASKED), "idempotency.conflict")
    grounds.clock.now = NOON + 121
    await refusal(begin(grounds.ground, ACME, "key", ASKED), "idempotency.in_doubt")


async def test_a_key_that_is_given_back_can_be_used_again_and_an_answer_is_never_taken_back() -> None:
    grounds = await with_shop()
    await begin(grounds.ground, ACME, "key", ASKED)
    await forget(grounds.ground, ACME, "key")

    assert await begin(grounds.ground, ACME, "key", ASKED + b" ") is None
    await finish(grounds.ground, ACME, "key", DONE)
    await forget(grounds.ground, ACME, "key")
    await finish(grounds.ground, ACME, "key", Answer(status=500))
    assert await begin(grounds.ground, ACME, "key", ASKED + b" ") == DONE


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\nb", "\0"])
async def test_what_is_no_key_is_refused(key: str) -> None:
    grounds = await with_shop()

    await refusal(begin(grounds.ground, ACME, key, ASKED), "idempotency.key")


async def test_what_was_asked_cannot_be_guessed_from_what_is_kept() -> None:
    grounds = await with_shop()
    await begin(grounds.ground, ACME, "key", ASKED)

    async with grounds.ground.store.reading() as work:
        (kept,) = await work.house().remembered.every()

    other = await with_shop()
    other_ground = replace(other.ground, digests=lambda text: (b"another key",))
    await begin(other_ground, ACME, "key", ASKED)
    async with other.ground.store.reading() as work:
        (elsewhere,) = await work.house().remembered.every()
    assert kept.request != elsewhere.request
