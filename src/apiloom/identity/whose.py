"""Whose account a call uses. One rule, and it never ends at another user's.

Knows accounts by four members only; which accounts lie in the tenant and belong to the connector is for its callers to
see to, and so is the sentence when there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from apiloom.identity.principal import Principal


class Owned(Protocol):
    """What an account says of whose it is."""

    @property
    def id(self) -> str: ...
    @property
    def end_user(self) -> str | None: ...
    @property
    def shared(self) -> bool: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def created_at(self) -> float: ...


Account = TypeVar("Account", bound=Owned)


def choose_account(named: str, accounts: Iterable[Account], principal: Principal) -> Account | None:
    """The account that a call uses, of the tenant's accounts with one connector.

    The one that the server names (``named`` is its id), and no other even where that is disabled or gone. Where none
    is named: the caller's own; else one that is marked shared; else None. Of several the oldest, so that an account
    that comes later takes no caller away from one that works. Whoever made an account or a server plays no part.
    """
    if named:
        return next((each for each in accounts if each.id == named and each.enabled), None)
    usable = sorted((each for each in accounts if each.enabled), key=_age)
    own = (each for each in usable if principal.end_user and each.end_user == principal.end_user)
    shared = (each for each in usable if each.shared)
    return next(own, None) or next(shared, None)


def _age(account: Owned) -> tuple[float, str]:
    return (account.created_at, account.id)
