"""How often one may ask: by address, and in a minute."""

from __future__ import annotations

import pytest

from apiloom.base.errors import CallerError
from apiloom.identity import turns
from apiloom.identity.turns import Turns, place_of


def test_one_subscriber_of_ipv6_has_one_place() -> None:
    asking = Turns(20, lambda: 0.0)
    for number in range(20):
        asking.take(f"2001:db8::{number:x}")
    with pytest.raises(CallerError) as told:
        asking.take("2001:db8::ffff")
    assert told.value.code == "sign_in.slow_down"
    asking.take("2001:db8:0:1::1")
    asking.take("192.0.2.1")


def test_places_are_told_apart_as_their_owners_are() -> None:
    assert place_of("192.0.2.1") != place_of("192.0.2.2")
    assert place_of("::ffff:192.0.2.1") == place_of("192.0.2.1")
    assert place_of("fe80::1%eth0") == place_of("fe80::2")
    assert place_of("") == ""
    assert place_of("no:address") == "no:address"


def test_without_a_bound_for_all_nobody_uses_up_what_is_others() -> None:
    asking = Turns(1, lambda: 0.0)
    for number in range(5000):
        asking.take(f"10.0.{number // 250}.{number % 250}")
    with pytest.raises(CallerError):
        asking.take("10.0.0.0")
    together = Turns(1, lambda: 0.0, every=2)
    together.take("a")
    together.take("b")
    with pytest.raises(CallerError):
        together.take("c")


def test_more_addresses_than_are_counted_lock_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST", 10)
    asking = Turns(1, lambda: 0.0)
    for number in range(50):
        asking.take(str(number))
    assert len(asking._counts) == 10


def test_a_new_minute_begins_anew() -> None:
    now = [0.0]
    asking = Turns(1, lambda: now[0])
    asking.take("a")
    asking.check("b")
    assert not asking.left("a")
    now[0] = 60.0
    asking.take("a")
