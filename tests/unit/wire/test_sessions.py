"""Sessions as a bounded table under a clock of the test's own."""

import asyncio

from apiloom.identity.principal import ANYONE, Principal
from apiloom.protocol.revisions import NEWEST_LEGACY
from apiloom.wire.leash import Leash
from apiloom.wire.sessions import Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_unused_for_too_long_is_forgotten() -> None:
    clock = Clock()
    sessions = Sessions(10, 60, clock)
    session = sessions.open(ANYONE, NEWEST_LEGACY)
    clock.now = 59
    assert sessions.get(session.id, ANYONE) is session
    clock.now = 118
    assert sessions.get(session.id, ANYONE) is session
    clock.now = 179
    assert sessions.get(session.id, ANYONE) is None
    assert session.ended.is_set()
    assert len(sessions) == 0


def test_a_session_in_use_is_not_forgotten() -> None:
    clock = Clock()
    sessions = Sessions(10, 60, clock)
    streaming, calling = (sessions.open(ANYONE, NEWEST_LEGACY) for _ in range(2))
    streaming.stream = asyncio.Event()
    calling.running[1] = Leash()
    clock.now = 1000
    sessions.open(ANYONE, NEWEST_LEGACY)
    assert sessions.get(streaming.id, ANYONE) is streaming
    assert sessions.get(calling.id, ANYONE) is calling


def test_opening_sweeps_what_nobody_uses() -> None:
    clock = Clock()
    sessions = Sessions(10, 60, clock)
    for _ in range(5):
        sessions.open(ANYONE, NEWEST_LEGACY)
    clock.now = 100
    sessions.open(ANYONE, NEWEST_LEGACY)
    assert len(sessions) == 1


def test_another_principal_does_not_keep_a_session_alive() -> None:
    clock = Clock()
    sessions = Sessions(10, 60, clock)
    session = sessions.open(ANYONE, NEWEST_LEGACY)
    for clock.now in (30, 60, 61):
        assert sessions.get(session.id, Principal(id="other")) is None
    assert sessions.get(session.id, ANYONE) is None


def test_an_ended_session_stays_ended() -> None:
    sessions = Sessions(10, 60, Clock())
    session = sessions.open(ANYONE, NEWEST_LEGACY)
    sessions.end(session)
    sessions.touch(session)
    assert sessions.get(session.id, ANYONE) is None
