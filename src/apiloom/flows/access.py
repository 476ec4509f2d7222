"""What of the store a principal reaches, and how it is told that something is not there.

Whoever belongs to the house is given the house's scope, whoever belongs to a tenant that tenant's and nothing else:
an id of another tenant runs the same query as one that never was and is answered with the same sentence. What a role
may do is :mod:`apiloom.identity.roles`' to say; here its question is asked. Every flow stands on this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from apiloom.base.errors import CallerError
from apiloom.identity.principal import Principal
from apiloom.identity.roles import Verb, check_end_user, check_may, sees_server
from apiloom.identity.tokens import find_tokens
from apiloom.store.ports import Rows, Scope, Work
from apiloom.store.records import DEFAULT_TENANT, Account, Server

Record = TypeVar("Record")

HOST = Principal(id="host", role="owner", allow_commands=True)
"""Whoever runs apiloom on the machine that has the store."""

LIFE = 30 * 86400.0
"""Seconds that a server or a token lives when nothing is said: thirty days."""

_LONGEST_ID = 120


def scope_of(work: Work, who: Principal) -> Scope:
    """All that a principal reaches."""
    return work.house() if who.of_house else work.tenant(who.tenant)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Absent:
    """What is said where something is not there."""

    said: str
    code: str


_ABSENT = {
    "tenant": _Absent(said="tenant", code="tenant.not_found"),
    "connector": _Absent(said="connector", code="connector.not_found"),
    "version": _Absent(said="version", code="version.not_found"),
    "account": _Absent(said="account", code="account.not_found"),
    "server": _Absent(said="server", code="server.not_found"),
    "server_token": _Absent(said="token of this server", code="server_token.not_found"),
    "api_token": _Absent(said="API token", code="api_token.not_found"),
    "overlay": _Absent(said="overlay", code="overlay.not_found"),
    "toolset": _Absent(said="toolset", code="toolset.not_found"),
    "oauth_client": _Absent(said="OAuth client", code="oauth_client.not_found"),
    "sign_in": _Absent(said="sign-in", code="sign_in.not_found"),
    "connect_session": _Absent(said="connect session", code="connect_session.not_found"),
}


def not_found(kind: str, id_: str) -> CallerError:
    """What is said of an id that is not there, whether it never was or is another tenant's."""
    shown = id_ if len(id_) <= _LONGEST_ID and id_.isprintable() else f"{id_[:40]!r}…"
    if find_tokens(id_):
        shown = "by that name: it is a token"
    absent = _ABSENT[kind]
    return CallerError(f"there is no {absent.said} {shown}", code=absent.code, hint="list what there is")


async def find(rows: Rows[Record], kind: str, id_: str) -> Record:
    """The record of an id.

    Raises:
        CallerError: ``KIND.not_found``.
    """
    record = await rows.load(id_) if well_formed(id_) else None
    if record is None:
        raise not_found(kind, id_)
    return record


def well_formed(id_: str) -> bool:
    """Whether a text can be an id at all; no other is put to a database, least of all a token that stands in its place:
    databases tell logs what they are asked.
    """
    return 0 < len(id_) <= _LONGEST_ID and id_.isascii() and id_.isprintable() and not find_tokens(id_)


async def tenant_for(work: Work, who: Principal, wanted: str | None) -> tuple[str, Scope]:
    """The tenant that something new is for, and its scope: the principal's own, else the one named, else ``default``.

    Raises:
        CallerError: ``tenant.not_found``, for another's tenant too.
    """
    tenant = wanted or who.tenant or DEFAULT_TENANT
    await find(scope_of(work, who).tenants, "tenant", tenant)
    return tenant, work.tenant(tenant)


def end_of(who: Principal, now: float) -> float:
    """When something ends of which nothing is said.

    In thirty days, and no later than the token it was made with, unless that is an owner's.
    """
    return now + LIFE if who.role == "owner" and who.of_house else min(now + LIFE, who.expires_at)


async def find_account(work: Work, who: Principal, verb: Verb, id_: str) -> Account:
    """An account that the principal may do something with.

    Raises:
        CallerError: ``account.not_found``, ``identity.forbidden``.
    """
    check_may(who, verb, "accounts", who.tenant)
    account = await find(scope_of(work, who).accounts, "account", id_)
    check_may(who, verb, "accounts", account.tenant)
    return account


async def check_acting(scope: Scope, who: Principal, accounts: Sequence[str]) -> None:
    """That whoever stands for one person gets nothing in hand that acts with the accounts of another.

    Raises:
        CallerError: ``identity.wider``.
    """
    for id_ in accounts if who.end_user else ():
        account = await scope.accounts.load(id_)
        if account is not None:
            check_end_user(who, account.end_user, shared=account.shared)


async def find_server(work: Work, who: Principal, verb: Verb, id_: str) -> Server:
    """A server that the principal may do something with: of those it is limited to, if it is limited.

    Raises:
        CallerError: ``server.not_found``, ``identity.forbidden``.
    """
    check_may(who, verb, "servers", who.tenant)
    server = await find(scope_of(work, who).servers, "server", id_)
    if not sees_server(who, server.id):
        raise not_found("server", id_)
    check_may(who, verb, "servers", server.tenant)
    return server
