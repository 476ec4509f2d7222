"""Who was recognised is found again by the same bearer alone, until it ends, and not for ever."""

from __future__ import annotations

from typing import Any

from apiloom.base.secret import Secret
from apiloom.identity.guests import Guest, Guests
from apiloom.identity.principal import Principal


def guest(name: str = "a", ends: float = 100.0, **more: Any) -> Guest:
    principal = Principal(id=name, tenant="t", role="agent", expires_at=ends)
    return Guest(principal=principal, key=f"view:{name}", resources=frozenset({"/mcp"}), **more)


def test_a_bearer_is_known_until_it_ends() -> None:
    guests = Guests()
    guests.put("one", guest())
    assert guests.get("one", 99.9) is not None
    assert guests.get("one", 100.0) is None
    assert guests.get("two", 0.0) is None
    guests.put("a-bearer", guest(again=Secret("a-bearer")))
    assert "a-bearer" not in repr(guests)
    assert "a-bearer" not in repr(guests.get("a-bearer", 0.0))


def test_a_word_that_must_be_asked_for_again_counts_no_longer() -> None:
    guests = Guests()
    guests.put("one", guest(counts_until=10.0))
    assert guests.get("one", 9.0) is not None
    assert guests.get("one", 10.0) is None


def test_who_has_ended_is_told_once_even_if_forgotten_before() -> None:
    guests = Guests(most=2)
    names = {guests.put(str(n), guest(str(n), 10.0 + n)).principal.token for n in range(4)}
    assert len(guests) == 2
    assert guests.due(9.0) == set()
    assert guests.due(50.0) == names
    assert guests.due(50.0) == set()
    assert len(guests) == 0


def test_a_view_lasts_as_long_as_somebody_has_it() -> None:
    guests = Guests()
    guests.put("one", guest())
    guests.put("two", guest())
    guests.put("one", guest())
    first = guests.get("one", 0.0)
    assert first is not None
    guests.remove(lambda each: each.principal.token == first.principal.token)
    assert guests.view("view:a") is not None
    guests.remove(lambda _: True)
    assert guests.view("view:a") is None


def test_a_token_for_all_servers_is_good_for_each_and_not_the_other_way_round() -> None:
    one = Guest(principal=Principal(id="a"), key="v", resources=frozenset({"/mcp/s/notes"}))
    all_ = guest()
    api = Guest(principal=Principal(id="a"), key="v", resources=frozenset({"/api/v1"}))
    paths = ("/mcp", "/mcp/s/notes", "/mcp/s/other", "/api/v1")
    assert [one.fits(path) for path in paths] == [False, True, False, False]
    assert [all_.fits(path) for path in paths] == [True, True, True, False]
    assert [api.fits(path) for path in paths] == [False, False, False, True]


def test_who_is_recognised_over_and_over_is_kept_once() -> None:
    guests = Guests()
    for _ in range(50):
        guests.put("one", guest())
    assert len(guests._ends) == 1
    for number in range(10_000):
        guests.put("one", guest(ends=100.0 + number))
    assert len(guests._ends) < 1100
    assert guests.due(10_000.0) == set()
    assert guests.get("one", 10_000.0) is not None
    assert len(guests.due(10_099.0)) == 1


def test_ends_of_those_who_gave_way_are_told_early_rather_than_never() -> None:
    guests = Guests(most=2)
    names = {guests.put(str(n), guest(str(n), 10_000.0 + n)).principal.token for n in range(5000)}
    assert len(guests._ends) < 1100
    assert guests.due(50_000.0) == names


def test_a_bearer_is_known_while_its_word_must_be_asked_for_again() -> None:
    guests = Guests()
    guests.put("one", guest(counts_until=10.0))
    assert guests.get("one", 50.0) is None
    assert guests.knows("one")
    assert not guests.knows("two")
