"""What a caller may cost before it has said what it wants: a bounded head, and a bounded wait for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from apiloom.app.patience import hang_up


class Line:
    """A transport that remembers being closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


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
