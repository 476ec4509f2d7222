"""Sealed session ids: what they carry, to whom they are worth something, and for how long."""

import asyncio
import base64

import pytest

from apiloom.identity.principal import ANYONE, Principal
from apiloom.protocol.revisions import MODERN, NEWEST_LEGACY, REVISIONS, UNSTATED
from apiloom.wire.session_ids import LIFE, LONGEST, MOST_ENDED, NODE_SIZE, Agreed, RandomIds, SessionIds, SessionSeals
from apiloom.wire.sessions import Sessions

KEY, OLDER = b"k" * 32, b"o" * 32
ADA, BOB = Principal(id="tok_ada"), Principal(id="tok_bob")
START = 1_800_000_000.0


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def node(number: int, clock: Clock | None = None, keys: tuple[bytes, ...] = (KEY,)) -> SessionSeals:
    return SessionSeals(keys, bytes([number]) * NODE_SIZE, clock or Clock())


def table(seals: SessionSeals, key: str = "srv_1", most: int = 10, clock: Clock | None = None) -> Sessions:
    return Sessions(most, 60, clock or Clock(0), seals.of(key))


@pytest.mark.parametrize("revision", [row for row in REVISIONS.values() if not row.modern])
@pytest.mark.parametrize("profile", ["", "anthropic", "intersection"])
def test_every_node_with_the_key_reads_what_was_agreed_on(revision: object, profile: str) -> None:
    agreed = Agreed(revision, profile)  # type: ignore[arg-type]
    text = node(1).of("srv_1").mint(ADA, agreed)
    assert node(2).of("srv_1").read(text, ADA) == agreed
    assert len(text) <= LONGEST
    assert all(0x21 <= ord(character) <= 0x7E for character in text)


def test_no_two_ids_are_alike() -> None:
    ids = node(1).of("srv_1")
    assert len({ids.mint(ADA, Agreed(NEWEST_LEGACY)) for _ in range(100)}) == 100


@pytest.mark.parametrize("key", ["srv_2", "srv_", "srv_1t", "", "7 srv_1"])
def test_an_id_of_another_server_is_none(key: str) -> None:
    text = node(1).of("srv_1").mint(ADA, Agreed(NEWEST_LEGACY))
    assert node(1).of(key).read(text, ADA) is None
    assert node(1).of(key).read(text, Principal(id="ok_ada")) is None


def test_an_id_of_another_principal_is_none() -> None:
    ids = node(1).of("srv_1")
    text = ids.mint(ADA, Agreed(NEWEST_LEGACY))
    assert ids.read(text, BOB) is None
    assert ids.read(text, Principal(id="")) is None
    assert ids.read(text, ADA) is not None


def test_an_id_that_was_changed_in_any_character_is_none() -> None:
    ids = node(1).of("srv_1")
    text = ids.mint(ADA, Agreed(NEWEST_LEGACY, "openai"))
    for at, was in enumerate(text):
        other = "A" if was != "A" else "B"
        assert ids.read(text[:at] + other + text[at + 1 :], ADA) is None, at
    for wrong in (text[:-1], text + "A", text + "=", " " + text, "", "é" * 40, "A" * (LONGEST + 1), text * 200):
        assert ids.read(wrong, ADA) is None


def test_an_id_under_another_key_is_none_and_one_under_an_older_live_key_is_read() -> None:
    text = node(1, keys=(OLDER,)).of("srv_1").mint(ADA, Agreed(NEWEST_LEGACY))
    assert node(1, keys=(KEY,)).of("srv_1").read(text, ADA) is None
    assert node(1, keys=(KEY, OLDER)).of("srv_1").read(text, ADA) is not None
    newer = node(1, keys=(KEY, OLDER)).of("srv_1").mint(ADA, Agreed(NEWEST_LEGACY))
    assert node(1, keys=(KEY,)).of("srv_1").read(newer, ADA) is not None


def test_an_id_names_the_node_that_made_it_and_no_principal_or_server() -> None:
    text = node(7).of("srv_1").mint(ADA, Agreed(NEWEST_LEGACY))
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert bytes([7]) * NODE_SIZE in content
    assert b"ada" not in content
    assert b"srv" not in content


def test_an_id_is_read_for_its_time_and_no_longer() -> None:
    clock = Clock()
    ids = node(1, clock).of("srv_1")
    text = ids.mint(ADA, Agreed(NEWEST_LEGACY))
    clock.now = START + LIFE
    assert ids.read(text, ADA) is not None
    clock.now = START + LIFE + 1
    assert ids.read(text, ADA) is None


def test_an_id_of_a_node_whose_clock_is_ahead_is_read() -> None:
    text = node(1, Clock(START + 30)).of("srv_1").mint(ADA, Agreed(NEWEST_LEGACY))
    assert node(2).of("srv_1").read(text, ADA) is not None


def test_the_modern_era_has_no_sessions_to_take_over() -> None:
    ids = node(1).of("srv_1")
    assert ids.read(ids.mint(ADA, Agreed(MODERN)), ADA) is None


def test_a_profile_that_this_release_does_not_know_is_none() -> None:
    ids = node(1).of("srv_1")
    assert ids.read(ids.mint(ADA, Agreed(NEWEST_LEGACY, "later")), ADA) == Agreed(NEWEST_LEGACY, "")


def test_a_table_takes_over_what_another_opened_with_what_was_agreed_on() -> None:
    opened = table(node(1)).open(ADA, UNSTATED, "openai")
    other = table(node(2))
    taken = other.get(opened.id, ADA)
    assert taken is not None
    assert (taken.id, taken.revision, taken.profile) == (opened.id, UNSTATED, "openai")
    assert other.get(opened.id, ADA) is taken
    assert other.get(opened.id, BOB) is None
    assert len(other) == 1


def test_a_table_takes_over_no_more_than_it_may_hold() -> None:
    first, other = table(node(1), most=10), table(node(2), most=3)
    opened = [first.open(ADA, NEWEST_LEGACY) for _ in range(5)]
    taken = [other.get(session.id, ADA) for session in opened]
    assert None not in taken
    assert len(other) == 3
    assert taken[0] is not None
    assert taken[0].ended.is_set()


def test_what_was_forgotten_for_its_silence_is_taken_over_anew() -> None:
    clock = Clock(0)
    sessions = table(node(1), clock=clock)
    opened = sessions.open(ADA, UNSTATED)
    clock.now = 61
    again = sessions.get(opened.id, ADA)
    assert again is not None
    assert again is not opened
    assert again.revision is UNSTATED
    assert opened.ended.is_set()


def test_a_session_in_use_outlives_the_time_of_its_id() -> None:
    clock = Clock()
    sessions = table(node(1, clock))
    opened = sessions.open(ADA, NEWEST_LEGACY)
    clock.now += 2 * LIFE
    assert sessions.get(opened.id, ADA) is opened


def test_an_ended_session_is_not_taken_over_again_where_it_ended() -> None:
    seals = node(2)
    sessions, beside = table(seals), table(seals)
    opened = table(node(1)).open(ADA, NEWEST_LEGACY)
    taken = sessions.get(opened.id, ADA)
    assert taken is not None
    sessions.end(taken)
    assert sessions.get(opened.id, ADA) is None
    assert beside.get(opened.id, ADA) is None
    assert taken.ended.is_set()


def test_what_has_ended_is_remembered_in_bounds() -> None:
    ids = node(1).of("srv_1")
    text = ids.mint(ADA, Agreed(NEWEST_LEGACY))
    ids.end(text)
    for number in range(MOST_ENDED - 1):
        ids.end(str(number))
    assert ids.read(text, ADA) is None
    ids.end("one more")
    assert ids.read(text, ADA) is not None


async def test_ending_a_taken_over_session_ends_its_stream() -> None:
    sessions = table(node(2))
    taken = sessions.get(table(node(1)).open(ADA, NEWEST_LEGACY).id, ADA)
    assert taken is not None
    waiting = asyncio.create_task(taken.ended.wait())
    sessions.end(taken)
    async with asyncio.timeout(5):
        assert await waiting


def test_random_ids_say_nothing() -> None:
    ids: SessionIds = RandomIds()
    text = ids.mint(ANYONE, Agreed(NEWEST_LEGACY))
    assert len(text) == 32
    assert ids.read(text, ANYONE) is None
