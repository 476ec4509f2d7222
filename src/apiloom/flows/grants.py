"""What accounts were granted: how it is, renewed at once, and given up.

Knows no token: :class:`~apiloom.flows.grant_ports.Grants` does what needs one. Whoever calls an account renews what is
due; here people do, and the durable work of :mod:`apiloom.flows.durable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.flows import events
from apiloom.flows.access import find_account, scope_of
from apiloom.flows.asking import Page, Query, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.grant_ports import Grants
from apiloom.flows.ground import Ground, check_awake
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_end_user, check_may, check_reaches
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Account, Grant

REVOKED = "oauth.revoked"
"""The ``last_error`` of a grant that was given up here."""

_FILTERS = {"tenant": str, "account": str, "state": str, "scheme": str, "client": str}


async def list_grants(ground: Ground, who: Principal, query: Query) -> Page[Grant]:
    """The grants that a principal reaches, without anything of their tokens.

    Raises:
        CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.listed`.
    """
    check_may(who, "list", "accounts", who.tenant)
    async with ground.store.reading() as work:
        return await listed(scope_of(work, who).grants, query, _FILTERS)


async def grants_of(ground: Ground, who: Principal, id_: str) -> Sequence[Grant]:
    """The grants of one account.

    Raises:
        CallerError: ``account.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        account = await find_account(work, who, "read", id_)
        return await work.tenant(account.tenant).grants.every({"account": account.id})


def health(grant: Grant) -> Mapping[str, Any]:
    """How a grant is, as plain values; times in seconds since the epoch, None where there is none."""
    return {
        "account": grant.account,
        "tenant": grant.tenant,
        "scheme": grant.scheme,
        "kind": grant.kind,
        "client": grant.client or None,
        "state": grant.state,
        "scopes": list(grant.scopes),
        "identity": dict(grant.identity),
        "expires_at": grant.expires_at,
        "next_refresh_at": grant.refresh_at,
        "refreshed_at": grant.refreshed_at,
        "failures": grant.failures,
        "last_error": grant.last_error or None,
        "last_error_at": grant.last_error_at,
    }


async def refresh_account(ground: Ground, who: Principal, id_: str) -> Sequence[Grant]:
    """Renew what an account was granted now, whether it is due or not.

    Raises:
        CallerError: ``account.not_found``, ``account.ungranted``, ``identity.forbidden``, ``identity.wider``,
            ``store.dormant``.
        ApiloomError: why the provider gave nothing.
    """
    async with ground.store.reading() as work:
        account = await find_account(work, who, "update", id_)
        _check_whose(who, account)
        check_awake(ground)
        port = _port(ground)
        grants = await work.tenant(account.tenant).grants.every({"account": account.id})
    _check_granted(account, grants)
    for grant in grants:
        await port.renew(grant.id, grant.generation)
    async with ground.store.writing() as work:
        await note(ground, work.tenant(account.tenant), who, "refresh", account)
    return await grants_of(ground, who, id_)


async def revoke_account(ground: Ground, who: Principal, id_: str) -> Mapping[str, Any]:
    """Give up what an account was granted: from now on nothing is called with it, and the provider is told.

    That the provider could not be told undoes nothing; the answer says how many of the grants it took back. What was
    given up before is not again.

    Raises:
        CallerError: ``account.not_found``, ``account.ungranted``, ``identity.forbidden``, ``identity.wider``,
            ``store.dormant``.
    """

    async def change(work: Work) -> tuple[Account, Sequence[Grant]]:
        account = await find_account(work, who, "update", id_)
        _check_whose(who, account)
        check_awake(ground)
        _port(ground)
        scope = work.tenant(account.tenant)
        grants = await scope.grants.every({"account": account.id})
        _check_granted(account, grants)
        left = [grant for grant in grants if grant.sealed or grant.last_error != REVOKED]
        for grant in left:
            await _give_up(ground, scope, grant)
        if left:
            await note(ground, scope, who, "revoke", account, grants=len(left))
        return account, left

    account, grants = await changing(ground, change)
    told = await told_back(ground, account, grants)
    return {"account": account.id, "revoked": len(grants), "told_provider": told}


def _check_whose(who: Principal, account: Account) -> None:
    """That whoever gives up or renews what an account was granted could change the account itself."""
    check_end_user(who, account.end_user)
    check_reaches(who, role="", tenant=account.tenant)


async def told_back(ground: Ground, account: Account, grants: Sequence[Grant]) -> int:
    """Tell providers that grants are over, now that they are here no more; never fails, a copy tells nobody. The
    records are those from before.
    """
    if ground.grants is None or ground.dormant() or not grants:
        return 0
    try:
        return await ground.grants.give_back(account, grants)
    except ApiloomError:
        return 0


async def _give_up(ground: Ground, scope: Scope, grant: Grant) -> None:
    now = ground.now()
    over = replace(
        grant,
        state="needs_reconnect",
        sealed=b"",
        generation=grant.generation + 1,
        expires_at=None,
        refresh_at=None,
        last_error=REVOKED,
        last_error_at=now,
        lease_holder="",
        lease_until=0.0,
    )
    await scope.grants.save(over, grant.revision)
    await events.record_of_grant(scope, grant, events.REVOKED, at=now, code=REVOKED)


async def due_grants(ground: Ground, most: int = 500) -> Sequence[Grant]:
    """Grants of every tenant whose time to be renewed has come: those that wait longest first, or where there are more
    than that, one of each tenant in turn. Nobody's crowd hides all others.
    """
    now = ground.now()
    async with ground.store.reading() as work:
        due = await work.house().grants.due("refresh_at", now, most)
        return due if len(due) < most else await work.house().grants.due("refresh_at", now, most, in_turn=True)


def _port(ground: Ground) -> Grants:
    if ground.grants is None:
        raise CallerError(
            "access is renewed and given up by a gateway", code="account.ungranted", hint="ask one over the network"
        )
    return ground.grants


def _check_granted(account: Account, grants: Sequence[Grant]) -> None:
    if not grants:
        raise CallerError(
            f"{account.id} has nothing that was granted by OAuth",
            code="account.ungranted",
            hint="change its credentials instead",
        )
