"""Keys of the house that were opened stay at hand, each once and not without end."""

from __future__ import annotations

import os

from apiloom.app.gateway import keys
from apiloom.vault.custody import RootKey


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
