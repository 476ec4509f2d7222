"""Work tied to a client, deadlines, and the one timer they share."""

import asyncio
from typing import Any

import pytest

from apiloom.wire.leash import Deadline, Leash
from apiloom.wire.rounds import Rounds

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
    with Leash(Rounds(SOON), line.receive) as leash:
        await for_ever()
    assert leash.gone
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # not cancelled any more


async def test_work_that_ends_at_once_is_never_watched() -> None:
    line = Line()
    line.hang_up()
    with Leash(Rounds(SOON), line.receive) as leash:
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
    with Leash(Rounds(SOON), later=later.set):
        async with asyncio.timeout(10):
            await later.wait()


async def test_a_deadline_ends_waiting_with_a_timeout() -> None:
    with pytest.raises(TimeoutError), Deadline(Rounds(SOON), SOON):
        await for_ever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_deadline_that_was_kept_does_nothing() -> None:
    with Deadline(Rounds(SOON), 10) as deadline:
        await asyncio.sleep(0)
    assert not deadline.passed


async def test_rounds_stop_when_nobody_is_there_and_begin_again() -> None:
    class Guest:
        def __init__(self) -> None:
            self.visited = asyncio.Event()

        def visit(self, now: float) -> None:
            self.visited.set()

    rounds = Rounds(SOON)
    for guest in (Guest(), Guest()):
        rounds.sign_in(guest)
        async with asyncio.timeout(10):
            await guest.visited.wait()
        rounds.sign_out(guest)
        async with asyncio.timeout(10):
            while rounds._timer is not None:
                await asyncio.sleep(0)
