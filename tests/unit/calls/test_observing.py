"""Which answers are judged: the first of every tool, some of the later ones, never at the cost of a call."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from apiloom.base.errors import HouseFault
from apiloom.calls import observing
from apiloom.calls.drift import Judge
from apiloom.calls.observing import FIRST, LARGEST, MOST_PER_TOOL, MOST_TOLD, MOST_WAITING, ONE_IN, Drift

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
GOOD, BAD = b'{"a":"x"}', b'{"a":null}'
TOLD = [{"pointer": "/a", "expected": "string", "observed": "null", "count": 1}]


def drift_of(*tools: str, schema: Any = None) -> tuple[Drift, list[str]]:
    said: list[str] = []
    drift = Drift(said.append)
    for tool in tools or ("t",):
        drift.watch(tool, lambda: SCHEMA if schema is None else schema)
    return drift, said


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every answer that is judged, in order."""
    answers: list[bytes] = []
    honest = Judge.deviations

    def deviations(judge: Judge, answer: bytes) -> Any:
        answers.append(answer)
        return honest(judge, answer)

    monkeypatch.setattr(Judge, "deviations", deviations)
    return answers


async def test_nothing_is_judged_before_the_answer_was_given(judged: list[bytes]) -> None:
    drift, said = drift_of()
    drift.seen("t", BAD)
    assert (judged, drift.known("t"), said) == ([], None, [])
    await drift.settle()
    assert judged == [BAD]
    assert drift.known("t") == TOLD
    assert said == ["t answered what its document does not say: at /a: expected string, observed null"]


async def test_it_judges_without_being_asked_to(judged: list[bytes]) -> None:
    drift, _ = drift_of()
    told = asyncio.Event()
    drift._say = lambda _: told.set()
    for _ in range(2):
        drift.seen("t", GOOD)
    drift.seen("t", BAD)
    await asyncio.wait_for(told.wait(), 10)
    assert judged == [GOOD, GOOD, BAD]
    assert drift.known("t") == TOLD


async def test_the_first_answers_are_judged_and_then_one_in_a_hundred(judged: list[bytes]) -> None:
    drift, _ = drift_of()
    for _ in range(FIRST + 10 * ONE_IN):
        drift.seen("t", GOOD)
        await drift.settle()
    assert len(judged) == FIRST + 10


async def test_a_flood_of_one_tool_leaves_the_others_their_turn(judged: list[bytes]) -> None:
    drift, _ = drift_of("flood", "quiet")
    for _ in range(10_000):
        drift.seen("flood", GOOD)
    drift.seen("quiet", BAD)
    await drift.settle()
    assert judged == [GOOD] * MOST_WAITING + [BAD]
    assert drift.known("quiet") == TOLD


async def test_what_waits_is_bounded_in_bytes_and_given_back(judged: list[bytes], monkeypatch: Any) -> None:
    monkeypatch.setattr(observing, "MOST_BYTES", 10)
    drift, _ = drift_of("a", "b")
    drift.seen("a", GOOD)
    drift.seen("b", GOOD)
    await drift.settle()
    drift.seen("b", BAD)
    await drift.settle()
    assert judged == [GOOD, BAD]


async def test_a_large_answer_is_not_judged(judged: list[bytes]) -> None:
    drift, _ = drift_of()
    drift.seen("t", b'{"a":"' + b"x" * LARGEST + b'"}')
    await drift.settle()
    assert judged == []


async def test_tools_that_nobody_watches_cost_nothing(judged: list[bytes]) -> None:
    drift, _ = drift_of()
    drift.seen("other", BAD)
    await drift.settle()
    assert judged == []
    assert drift.known("other") is None
    assert drift.found("other") == []


async def test_a_discrepancy_is_said_once_and_counted_each_time() -> None:
    drift, said = drift_of()
    for _ in range(3):
        drift.seen("t", BAD)
    await drift.settle()
    assert drift.known("t") == [{**TOLD[0], "count": 3}]
    assert len(said) == 1
    # the same document read anew
    drift.watch("t", lambda: SCHEMA)
    assert drift.known("t") is None
    drift.seen("t", BAD)
    await drift.settle()
    assert drift.known("t") == TOLD
    assert len(said) == 1


async def test_what_is_kept_and_told_of_one_tool_is_bounded() -> None:
    schema = {"type": "object", "properties": {f"p{place}": {"type": "string"} for place in range(200)}}
    drift, said = drift_of(schema=schema)
    for start in (0, 100):
        drift.seen("t", json.dumps({f"p{start + place}": 1 for place in range(100)}).encode())
        await drift.settle()
    assert len(drift.found("t")) == MOST_PER_TOOL
    assert len(drift.known("t") or []) == MOST_TOLD
    assert len(said) < 10


async def test_no_more_schemas_are_held_than_there_is_room_for(judged: list[bytes], monkeypatch: Any) -> None:
    monkeypatch.setattr(observing, "MOST_JUDGES", 2)
    drift, _ = drift_of(*"abc")
    for tool in "abcb":
        drift.seen(tool, GOOD)
        await drift.settle()
    assert [drift._watched[tool].judge is None for tool in "abc"] == [True, False, False]
    for _ in range(2 * ONE_IN):
        drift.seen("a", BAD)
        await drift.settle()
    assert judged.count(BAD) == 2
    assert drift.known("a") == [{**TOLD[0], "count": 2}]


async def test_what_is_kept_in_all_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "MOST_IN_ALL", 3)
    drift, said = drift_of(*"abcdef")
    for tool in "abcdef":
        drift.seen(tool, BAD)
    await drift.settle()
    assert sum(len(drift.found(tool)) for tool in "abcdef") == 3
    assert len(said) == 3


async def test_a_schema_that_cannot_be_made_ends_the_watching_of_that_tool_only() -> None:
    drift, said = drift_of("t", "broken")

    def broken() -> Any:
        raise HouseFault("no", code="policy.arguments.schema")

    drift.watch("broken", broken)
    for tool in ("broken", "broken", "t"):
        drift.seen(tool, BAD)
        await drift.settle()
    assert drift.known("broken") is None
    assert drift.known("t") == TOLD
    assert len(said) == 1


def test_a_program_with_one_loop_after_another_goes_on_judging() -> None:
    drift, _ = drift_of()

    async def answered() -> None:
        drift.seen("t", BAD)

    asyncio.run(answered())
    asyncio.run(answered())
    asyncio.run(drift.settle())
    assert drift.known("t") == [{**TOLD[0], "count": 2}]


async def test_a_loop_that_is_closing_is_given_no_more_work_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "_PAUSE", 0)
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    drift, _ = drift_of()
    drift.seen("t", BAD)
    await loop.shutdown_default_executor()
    for _ in range(4):
        await asyncio.sleep(0)
    assert complaints == []
    assert drift._loop is None
