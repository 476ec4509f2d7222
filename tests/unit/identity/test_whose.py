"""Whose account a call uses: never another user's, and never that of whoever made it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from apiloom.identity.principal import ANYONE, Principal
from apiloom.identity.whose import choose_account


@dataclass(frozen=True)
class Account:
    id: str
    end_user: str | None = None
    shared: bool = False
    enabled: bool = True
    created_at: float = 0.0
    created_by: str = ""


ANN = Principal(id="key_ann", tenant="acme", role="agent", end_user="ann")
ANNS, BOBS = Account("anns", "ann"), Account("bobs", "bob", created_by="key_ann")
SHARED, NOBODYS = Account("shared", shared=True), Account("nobodys", created_by="key_ann")


@pytest.mark.parametrize(
    ("named", "accounts", "principal", "chosen"),
    [
        ("bobs", [ANNS, BOBS, SHARED], ANN, "bobs"),
        ("gone", [ANNS, SHARED], ANN, None),
        ("off", [replace(ANNS, id="off", enabled=False), ANNS, SHARED], ANN, None),
        ("", [SHARED, BOBS, ANNS], ANN, "anns"),
        ("", [SHARED, BOBS], ANN, "shared"),
        ("", [BOBS, NOBODYS], ANN, None),
        ("", [replace(ANNS, enabled=False), SHARED], ANN, "shared"),
        ("", [replace(SHARED, enabled=False)], ANN, None),
        ("", [ANNS, BOBS, NOBODYS], ANYONE, None),
        ("", [Account("empty", "")], ANYONE, None),
        ("", [ANNS, SHARED], ANYONE, "shared"),
        ("", [replace(BOBS, shared=True)], ANN, "bobs"),
        ("", [], ANN, None),
    ],
)
def test_the_named_account_else_the_callers_own_else_a_shared_one_else_none(
    named: str, accounts: list[Account], principal: Principal, chosen: str | None
) -> None:
    found = choose_account(named, accounts, principal)

    assert (found and found.id) == chosen


def test_of_several_the_oldest_is_used_whatever_their_order() -> None:
    old, new = Account("z", "ann", created_at=1.0), Account("a", "ann", created_at=2.0)
    first, second = Account("a", shared=True), Account("b", shared=True)

    assert choose_account("", [new, old], ANN) is old
    assert choose_account("", [old, new], ANN) is old
    assert choose_account("", [second, first], ANN) is first
