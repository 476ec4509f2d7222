"""Keys of the house that were opened stay at hand, each once and not without end."""

from __future__ import annotations

import os

from apiloom.app.gateway import keys
from apiloom.vault.custody import PURPOSES, Custody, RootKey, fresh_custody


def test_each_root_is_held_once_with_those_found_last_in_front() -> None:
    one, two = RootKey(os.urandom(32)), RootKey(os.urandom(32))
    held: tuple[RootKey, ...] = (one,)
    for _ in range(5):
        held = keys._merged((two, one), held)
    assert [root.fingerprint for root in held] == [two.fingerprint, one.fingerprint]


def test_roots_of_long_ago_are_let_go() -> None:
    held: tuple[RootKey, ...] = ()
    for _ in range(2 * keys._MOST_ROOTS):
        last = RootKey(os.urandom(32))
        held = keys._merged((last,), held)
    assert (len(held), held[0]) == (keys._MOST_ROOTS, last)


def test_what_a_store_that_was_put_back_does_not_have_makes_nothing_more() -> None:
    root = RootKey(os.urandom(32))
    then = fresh_custody(root)
    now = Custody({purpose: {**then.sub_keys(purpose), 2: os.urandom(32)} for purpose in PURPOSES}, root.fingerprint)
    now.take(then)
    assert {now.newest(purpose) for purpose in PURPOSES} == {1}
    assert all(now.sub_key(purpose, 1) == then.sub_key(purpose, 1) for purpose in PURPOSES)
