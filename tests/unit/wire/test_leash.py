"""Work tied to a client, deadlines, and the one timer they share."""

import asyncio
from typing import Any

import pytest

from apiloom.wire.leash import Leash, Rounds

SOON = 0.001


class Line:
    """A connection that tells what it is fed."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        return await self.events.get()

    def hang_up(self) -> None:
        self.events.put_nowait({"type": "http.request"})
        self.events.put_nowait({"type": "http.disconnect"})


async def for_ever() -> None:
    async with asyncio.timeout(10):
        await asyncio.Event().wait()


async def test_hanging_up_cancels_the_work_and_nothing_around_it() -> None:
    line = Line()
    line.hang_up()
    with Leash(Rounds(SOON), receive=line.receive) as leash:
        await for_ever()
    assert leash.gone
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # not cancelled any more


async def test_work_that_ends_at_once_is_never_watched() -> None:
    line = Line()
    line.hang_up()
    with Leash(Rounds(SOON), receive=line.receive) as leash:
        await asyncio.sleep(0)
    assert not leash.gone
    assert line.events.qsize() == 2


async def test_a_cancellation_from_elsewhere_goes_through() -> None:
    async def work() -> None:
        with Leash():
            await for_ever()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_elsewhere_wins_over_our_own() -> None:
    leash = Leash()

    async def work() -> None:
        with leash:
            await for_ever()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    leash.pull()
    leash.pull()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_of_the_work_go_through() -> None:
    with pytest.raises(KeyError), Leash(Rounds(SOON)):
        raise KeyError


async def test_work_that_refuses_to_be_cancelled_is_still_known_to_be_unwanted() -> None:
    leash = Leash()
    with leash:
        leash.pull()
        try:
            await for_ever()
        except asyncio.CancelledError:
            done = True
    assert done
    assert leash.gone


async def test_what_happens_later_happens_once_the_work_has_lasted() -> None:
    later = asyncio.Event()
    with Leash(Rounds(SOON)) as leash:
        leash.later = later.set
        async with asyncio.timeout(10):
            await later.wait()


async def test_what_takes_longer_than_its_limit_is_late() -> None:
    with Leash(Rounds(SOON), limit=SOON) as leash:
        await for_ever()
    assert leash.gone
    assert leash.late
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_limit_that_was_kept_or_lifted_does_nothing() -> None:
    rounds, later = Rounds(SOON), asyncio.Event()
    with Leash(rounds, limit=10) as kept:
        await asyncio.sleep(0)
    with Leash(rounds, limit=0) as lifted:
        lifted.limit = None
        lifted.later = later.set
        async with asyncio.timeout(10):
            await later.wait()
    assert not kept.gone
    assert not lifted.gone


async def test_rounds_stop_when_nobody_is_held_and_begin_again() -> None:
    rounds = Rounds(SOON)
    for later in (asyncio.Event(), asyncio.Event()):
        with Leash(rounds) as leash:
            leash.later = later.set
            async with asyncio.timeout(10):
                await later.wait()
        async with asyncio.timeout(10):
            while rounds.timer is not None:
                await asyncio.sleep(0)
    assert rounds.held == set()
