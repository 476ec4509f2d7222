"""What a caller may cost before it has said what it wants: a bounded head, and a bounded wait for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apiloom.app.patience import Impatient, hang_up


class Line:
    """A transport that remembers being closed."""

    closed = False
    said = b""

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def write(self, piece: bytes) -> None:
        self.said += piece


def connection(cycle: Any = None, alarm: Any = None, task: Any = None) -> Any:
    return SimpleNamespace(
        cycle=cycle, timeout_keep_alive_task=alarm, waited=None, transport=Line(), task=task, served=0
    )


def test_a_connection_that_two_rounds_find_waiting_for_the_same_head_is_closed() -> None:
    silent, between = connection(), connection(SimpleNamespace(response_complete=True))
    hang_up([silent, between])
    assert not silent.transport.closed
    assert not between.transport.closed
    hang_up([silent, between])
    assert silent.transport.closed
    assert between.transport.closed


def test_a_connection_that_got_on_or_is_being_answered_or_has_an_alarm_of_its_own_is_left_alone() -> None:
    moving = connection()
    answered = connection(SimpleNamespace(response_complete=False))
    resting = connection(SimpleNamespace(response_complete=True), alarm=object())
    calling, counting = connection(task=object()), connection()
    for _ in range(3):
        hang_up([moving, answered, resting, calling, counting])
        moving.cycle = SimpleNamespace(response_complete=True)
        counting.served += 1
    assert not calling.transport.closed
    assert not counting.transport.closed
    assert not moving.transport.closed
    assert not answered.transport.closed
    assert not resting.transport.closed


@pytest.mark.parametrize(
    ("cycle", "headed", "told"),
    [
        (None, False, True),
        ((False, False), True, True),
        ((True, False), True, False),
        ((True, False), False, False),
        ((True, True), True, False),
        ((True, True), False, True),
    ],
)
def test_a_refusal_stands_neither_in_another_answer_nor_behind_it(
    cycle: tuple[bool, bool] | None, headed: bool, told: bool
) -> None:
    started = None if cycle is None else SimpleNamespace(response_started=cycle[0], response_complete=cycle[1])
    line: Any = SimpleNamespace(cycle=started, headed=headed, transport=Line())
    for _ in range(2):
        Impatient.refuse(line)
    assert line.transport.closed
    assert line.transport.said.count(b"HTTP/1.1 431") == told
