"""How often one may ask: by address, and in a minute."""

from __future__ import annotations

import pytest

from apiloom.base.errors import CallerError
from apiloom.identity import turns
from apiloom.identity.turns import Turns, network_of, place_of


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


def test_a_port_behind_an_address_makes_no_other_place() -> None:
    assert place_of("192.0.2.1:51234") == place_of("192.0.2.1:51235") == place_of("192.0.2.1")
    assert place_of("[2001:db8::1]:443") == place_of("[2001:db8::2]:80") == place_of("2001:db8::3")
    assert place_of("[::ffff:192.0.2.1]:443") == place_of("192.0.2.1")
    assert place_of("::ffff:192.0.2.1") == place_of("192.0.2.1")
    assert place_of("2001:db8::1:443") == place_of("2001:db8::")
    asking = Turns(2, lambda: 0.0)
    for port in (1, 2):
        asking.take(f"192.0.2.1:{port}")
    assert not asking.left("192.0.2.1:3")


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


def served(asking: Turns, address: str, often: int) -> int:
    """How often an address is served, of so many times that it asks."""
    count = 0
    for _ in range(often):
        if asking.left(address):
            asking.charge(address)
            count += 1
    return count


def test_who_asks_much_uses_up_half_and_the_rest_is_for_those_who_ask_seldom() -> None:
    asking = Turns(60, lambda: 0.0, every=1200)
    crowd = [served(asking, f"10.0.{number}.1", 61) for number in range(400)]
    assert crowd == [60] * 10 + [6] * 50 + [1] * 300 + [0] * 40
    # nothing was left by 400 networks; of 30, each of which asks as often as it can, most is left
    asking = Turns(60, lambda: 0.0, every=1200)
    assert sum(served(asking, f"10.0.{number}.1", 61) for number in range(30)) <= 720
    assert [served(asking, f"10.1.{number}.1", 3) for number in range(50)] == [3] * 50


def test_somebody_with_many_addresses_gets_of_what_is_kept_no_more_than_one_with_one() -> None:
    for address in ("2001:db8:0:{:x}::1", "192.0.2.{}"):
        asking = Turns(20, lambda: 0.0, every=200)
        assert sum(served(asking, address.format(number), 20) for number in range(256)) == 100
        assert served(asking, "198.51.100.7", 2) == 2


def test_networks_are_as_their_owners_have_them() -> None:
    assert network_of(place_of("2001:db8:1:2::3")) == network_of(place_of("2001:db8:1:ffff::")) == "2001:db8:1::/48"
    assert network_of("192.0.2.7") == "192.0.2.0/24"
    assert [network_of(text) for text in ("", "no:address")] == ["", "no:address"]


def test_what_is_counted_ends_with_the_minute() -> None:
    now = [0.0]
    asking = Turns(2, lambda: now[0], every=4)
    for minute in range(3):
        now[0] = 60.0 * minute
        for number in range(4):
            asking.take(f"10.{minute}.{number}.1")
        assert not asking.left("10.9.9.9")
        assert len(asking._networks) == len(asking._counts) == 4


def test_what_turns_out_to_be_right_is_given_back_in_its_own_minute() -> None:
    now = [0.0]
    asking = Turns(2, lambda: now[0], every=4)
    minute = asking.take("10.0.0.1")
    asking.take("10.0.0.1")
    assert not asking.left("10.0.0.1")
    asking.give_back("10.0.0.1", minute)
    assert served(asking, "10.0.0.1", 3) == 1
    # and for all as well: of the four that there are two are in use
    assert [served(asking, f"10.{number}.0.1", 1) for number in range(1, 4)] == [1, 1, 0]
    now[0] = 60.0
    asking.take("10.0.0.1")
    asking.give_back("10.0.0.1", minute)
    assert served(asking, "10.0.0.1", 2) == 1
    asking.give_back("10.9.9.9", 1.0)
    assert served(asking, "10.9.9.9", 3) == 1


def test_a_network_is_given_back_what_turned_out_to_be_right() -> None:
    asking = Turns(2, lambda: 0.0, every=4)
    for number in range(6):
        asking.give_back(f"10.0.0.{number}", asking.take(f"10.0.0.{number}"))
    assert [served(asking, f"10.0.0.{number}", 1) for number in range(4)] == [1, 1, 0, 0]
    assert served(asking, "10.1.0.1", 1) == 1
