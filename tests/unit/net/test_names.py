"""Names are resolved on threads of their own, with a share for those that belong together."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apiloom.net import names

PATIENCE = 20.0


class Answers:
    """Resolves every name at once, but those of ``slow.example`` once ``go`` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[str] = []
        self.arrived = threading.Semaphore(0)

    def look(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.endswith("slow.example"):
            self.arrived.release()
            self.go.wait(PATIENCE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    made = Answers()
    monkeypatch.setattr(names, "_DESK", names._Desk())
    monkeypatch.setattr(socket, "getaddrinfo", made.look)
    yield made
    made.go.set()


async def crowd(answers: Answers, many: int) -> list[asyncio.Task[list[str]]]:
    """Tasks that wait for names of one zone, as many of them asked for as may be at once."""
    tasks = [asyncio.create_task(names.resolve(f"h{number}.slow.example", 443)) for number in range(many)]
    for _ in range(min(many, names.TOGETHER)):
        while not answers.arrived.acquire(blocking=False):
            await asyncio.sleep(0.001)
    return tasks


async def test_names_that_nobody_answers_keep_neither_other_names_nor_other_work_waiting(answers: Answers) -> None:
    async with asyncio.timeout(PATIENCE / 2):
        tasks = await crowd(answers, 60)
        assert await names.resolve("other.example", 443) == ["192.0.2.1"]
        await asyncio.to_thread(lambda: None)
    assert len(answers.asked) == names.TOGETHER + 1
    answers.go.set()
    assert await asyncio.gather(*tasks) == [["192.0.2.1"]] * 60


async def test_who_has_gone_before_their_turn_has_never_asked(answers: Answers) -> None:
    async with asyncio.timeout(PATIENCE / 2):
        tasks = await crowd(answers, 40)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        answers.go.set()
        assert await names.resolve("late.slow.example", 443) == ["192.0.2.1"]
    assert len(answers.asked) == names.TOGETHER + 1


async def test_zones_take_turns_where_all_threads_are_taken(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "AT_ONCE", 1)
    async with asyncio.timeout(PATIENCE / 2):
        first = asyncio.create_task(names.resolve("x.slow.example", 1))
        while not answers.asked:
            await asyncio.sleep(0.001)
        tasks = [asyncio.create_task(names.resolve(f"{number}.many.example", 1)) for number in range(5)]
        tasks.append(asyncio.create_task(names.resolve("few.other", 1)))
        await asyncio.sleep(0)
        answers.go.set()
        await asyncio.gather(first, *tasks)
    assert "few.other" in answers.asked[:4]


async def test_a_line_that_is_too_long_and_a_name_that_takes_too_long_are_refused(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "WAITING", 2)
    async with asyncio.timeout(PATIENCE / 2):
        tasks = await crowd(answers, names.TOGETHER)
        tasks += [asyncio.create_task(names.resolve(f"w{number}.slow.example", 443)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(socket.gaierror):
            await names.resolve("one.more.slow.example", 443)
        tasks[-1].cancel()
        await asyncio.gather(tasks[-1], return_exceptions=True)
        monkeypatch.setattr(names, "LONGEST", 0.01)
        with pytest.raises(socket.gaierror):
            await names.resolve("instead.slow.example", 443)
        answers.go.set()
        await asyncio.gather(*tasks[:-1])


@pytest.mark.parametrize(
    ("host", "zone"),
    [
        ("API.Example.com.", "example.com"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_names_belong_together_by_their_last_two_labels(host: str, zone: str) -> None:
    assert names.zone_of(host) == zone
