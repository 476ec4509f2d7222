"""Applications that are loaded when they are first asked: beside the loop, once for all who wait, and again in vain."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from apiloom.app.gateway.late import Late, aside
from apiloom.base.errors import HouseFault

WITHIN = 10.0
SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def asked(late: Late) -> int:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await late(SCOPE, receive, send)
    return int(sent[0]["status"])


class Slow:
    """Builds in its own time: ``begun`` when it is asked to, done when ``go`` is set."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.times = 0
        self.threads: set[int] = set()

    def __call__(self) -> Any:
        self.times += 1
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.go.wait(WITHIN)
        return answer


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not true():
            await asyncio.sleep(0.001)


async def test_the_loop_runs_on_while_an_application_is_loaded_once_for_all_who_ask() -> None:
    slow = Slow()
    late = Late(slow)
    asking = [asyncio.create_task(asked(late)) for _ in range(20)]
    # that we get here at all is the promise: the build waits for us
    await until(slow.begun.is_set)
    slow.go.set()
    async with asyncio.timeout(WITHIN):
        assert await asyncio.gather(*asking) == [204] * 20
        assert await asked(late) == 204
    assert slow.times == 1
    assert threading.get_ident() not in slow.threads


async def test_whoever_goes_away_meanwhile_takes_nothing_from_those_who_wait() -> None:
    slow = Slow()
    late = Late(slow)
    first, second = asyncio.create_task(asked(late)), asyncio.create_task(asked(late))
    await until(slow.begun.is_set)
    first.cancel()
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError)
    slow.go.set()
    async with asyncio.timeout(WITHIN):
        assert await second == 204
    assert slow.times == 1


async def test_what_cannot_be_loaded_is_told_and_tried_again_by_the_next_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    missing = [HouseFault("a needs b, which is not installed", code="plugin.missing")]

    def build() -> Any:
        if missing:
            raise missing.pop()
        return answer

    late = Late(build)
    assert await asked(late) == 503
    assert "a needs b, which is not installed" in caplog.text
    assert await asked(late) == 204


async def test_two_applications_are_loaded_one_after_the_other() -> None:
    one, two = Slow(), Slow()
    first = asyncio.create_task(asked(Late(one)))
    await until(one.begun.is_set)
    second = asyncio.create_task(asked(Late(two)))
    await asyncio.sleep(0)
    # threads begin in the order they were asked for: when this one has, that of the second has had its turn
    await asyncio.to_thread(one.begun.wait)
    assert not two.begun.is_set()
    one.go.set()
    await until(two.begun.is_set)
    two.go.set()
    async with asyncio.timeout(WITHIN):
        assert [await first, await second] == [204, 204]


def test_what_loads_beside_the_loop_gives_way_often_and_looks_for_no_garbage() -> None:
    before = sys.getswitchinterval(), gc.isenabled()
    threshold = gc.get_threshold()
    try:
        turn, looks = aside(lambda: (sys.getswitchinterval(), gc.isenabled()))
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
    assert turn < before[0] / 5
    assert not looks
    assert (sys.getswitchinterval(), gc.isenabled()) == before
