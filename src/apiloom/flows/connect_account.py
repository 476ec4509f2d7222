"""An account connected: with what was typed and granted, in one transaction with the word of it.

Where the vendor wants it, one tool that only reads is called before a new account counts as connected; what does not
work, or is not seen to its end, is taken away again. Until then the account is nobody's but its session's, and takes up
no external id. :mod:`apiloom.flows.connect_visit` stands above.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError
from apiloom.base.ids import fresh
from apiloom.flows import events, fields
from apiloom.flows.accounts import open_credentials
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, see_through
from apiloom.flows.connect_page import Asked, gone, load_again, open_kept, with_kept
from apiloom.flows.connect_ports import Consent, Granted
from apiloom.flows.connect_ways import Way
from apiloom.flows.connecting import connecting_of
from apiloom.flows.ground import Ground
from apiloom.flows.removing import remove_account
from apiloom.identity.principal import Principal
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Account, ConnectSession

_WHO = ("sub", "id", "user_id", "login", "email")
"""Members of an identity that say who somebody is, the surest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All that an account is connected with. ``grants`` are in the order of the way."""

    way: Way
    variables: Mapping[str, str]
    credentials: Mapping[str, Mapping[str, str]] = field(repr=False)
    grants: tuple[tuple[Consent, Granted], ...] = field(default=(), repr=False)


async def connect_account(ground: Ground, asked: Asked, given: Given) -> ConnectSession:
    """Keep the account, with its tokens where there are any, and say so: the session is done.

    Raises:
        CallerError: ``connect.identity``, ``connect.gone``, ``connect.untried`` when the safe read failed,
            ``store.exists`` for an external id that was taken meanwhile.
    """
    check_same_person(asked, given)
    id_ = fresh("acc") if asked.account is None else asked.account.id
    lost: list[tuple[Consent, Granted]] = []
    first = asked.account is None and ground.test_call is not None and bool(asked.session.wanted.get("check"))

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(asked.session.tenant)
        now = await load_again(ground, work, asked.session)
        lost.clear()
        if now.state == "done":
            lost.extend(given.grants)
            return now
        account = await _kept_account(ground, scope, asked, given, id_)
        if first:
            # an external id that is taken was refused just now; it is taken up once the account is known to work
            tried = replace(account, enabled=False, external_id=None, created_by=now.id)
            account = await scope.accounts.save(tried, account.revision)
        for consent, granted in given.grants:
            await connecting_of(ground).keep(scope, account, consent, granted, now.id)
        return now if first else await _done(ground, scope, now, account.id, asked, given)

    async def finish(work: Work) -> ConnectSession:
        scope = work.tenant(asked.session.tenant)
        now = await load_again(ground, work, asked.session)
        account = await scope.accounts.load(id_)
        if account is None:
            raise gone()
        lost.clear()
        if now.state == "done":  # another form of the same page was quicker: one session makes one account
            lost.extend(given.grants)
            await remove_account(scope, id_)
            return now
        counts = replace(account, enabled=True, external_id=now.external_id, created_by=now.created_by)
        await scope.accounts.save(counts, account.revision)
        return await _done(ground, scope, now, id_, asked, given)

    is_settled = False
    try:
        session = await changing(ground, change)
        if first and session.state != "done":
            await _check_works(ground, id_)
            session = await changing(ground, finish)
        is_settled = True
    finally:
        if first and not is_settled:  # whoever waited may be gone: what is half connected is nothing
            await see_through(_undone(ground, asked.session, id_))
    return await _without(ground, session, lost)


async def _undone(ground: Ground, session: ConnectSession, id_: str) -> None:
    """Take an account away that is still being tried; where the store cannot be asked, the broom does it later."""

    async def undo(work: Work) -> None:
        scope = work.tenant(session.tenant)
        account = await scope.accounts.load(id_)
        if account is not None and account.created_by == session.id:
            await remove_account(scope, id_)

    with contextlib.suppress(ApiloomError):
        await changing(ground, undo)


async def _without(ground: Ground, session: ConnectSession, lost: list[tuple[Consent, Granted]]) -> ConnectSession:
    """The session, once what was granted for nothing is given back."""
    for consent, granted in lost:
        await connecting_of(ground).give_back(consent, granted)
    return session


async def _done(
    ground: Ground, scope: Scope, session: ConnectSession, id_: str, asked: Asked, given: Given
) -> ConnectSession:
    account = await scope.accounts.load(id_)
    if account is None:
        raise gone()
    again = asked.account is not None
    who = Principal(id=session.id, tenant=session.tenant)
    await note(ground, scope, who, "connect", account, session=session.id, schemes=list(given.way.schemes))
    await _told(ground, scope, session, account, again=again)
    kept = await open_kept(ground, scope, session)
    identity = next((dict(granted.identity) for _, granted in given.grants if granted.identity), {})
    done = replace(
        await with_kept(ground, scope, session, kept.forgotten()),
        state="done",
        poll_at=None,
        result={"account": id_, "identity": identity, "reconnected": again},
    )
    return await scope.connect_sessions.save(done, session.revision)


def check_same_person(asked: Asked, given: Given) -> None:
    """That an account which is connected anew is still the same person's, unless the session says that it may change.

    Raises:
        CallerError: ``connect.identity``.
    """
    if not asked.held_to_identity:
        return
    if not given.grants:
        raise CallerError(
            "what was typed does not say whose it is, and this account is connected as somebody",
            code="connect.identity",
            hint="sign in as the same person, or ask for a link that allows another",
        )
    known = asked.identities
    # who it was at another provider says nothing of who it is at this one, unless nobody else does
    held = [(known[consent.scheme.id], granted) for consent, granted in given.grants if consent.scheme.id in known]
    if known.keys().isdisjoint(given.way.consents):
        held = [(asked.identity, given.grants[0][1])]
    if all(_is_same(before, granted.identity) for before, granted in held):
        return
    raise CallerError(
        "you signed in as somebody else than this account is connected as",
        code="connect.identity",
        hint="sign in there as the same person, or ask for a link that allows another",
    )


def _is_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    name = next((one for one in _WHO if before.get(one) is not None), "")
    return bool(name) and now.get(name) == before[name]


async def _kept_account(ground: Ground, scope: Scope, asked: Asked, given: Given, id_: str) -> Account:
    session = asked.session
    if asked.account is None:
        account = Account(
            id=id_,
            tenant=session.tenant,
            connector=session.connector,
            label=session.wanted.get("label", ""),
            variables=dict(given.variables),
            metadata=session.wanted.get("metadata", {}),
            end_user=session.end_user,
            external_id=session.external_id,
            created_by=session.created_by,
            created_at=ground.now(),
        )
        account = await _with_credentials(ground, scope, account, given.credentials)
        return await scope.accounts.add(account)
    before = await scope.accounts.load(id_)
    if before is None:
        raise gone()
    kept: dict[str, Mapping[str, str]] = {**await open_credentials(ground, scope, before)}
    for scheme in given.way.consents:
        kept.pop(scheme, None)  # what was granted now counts, and nothing that was typed once
    for grant in await scope.grants.every({"account": before.id}):
        if grant.scheme in given.way.typed:
            await scope.grants.remove(grant.id)
    # what an account lacked to say where one signs in was asked for; nothing else of it changes
    said = replace(before, variables={**given.variables, **before.variables})
    account = await _with_credentials(ground, scope, said, {**kept, **given.credentials})
    return await scope.accounts.save(account, before.revision)


async def _with_credentials(
    ground: Ground, scope: Scope, account: Account, credentials: Mapping[str, Mapping[str, str]]
) -> Account:
    try:
        plain = json.canonical(credentials)
    except (ValueError, TypeError):
        raise fields.refused("credentials", "hold what is no text in UTF-8", code="credentials.value") from None
    sealed = await ground.sealing.seal(scope, account.tenant, account.id, plain) if credentials else b""
    return replace(account, schemes=tuple(sorted(credentials)), sealed=sealed)


async def _told(ground: Ground, scope: Scope, session: ConnectSession, account: Account, *, again: bool) -> None:
    detail: dict[str, Any] = {
        "session": session.id,
        "connector": account.connector,
        "end_user": account.end_user,
        "external_id": account.external_id,
        "reconnected": again,
    }
    await events.record(
        scope, at=ground.now(), kind=events.CONNECTED, tenant=account.tenant, target=account.id, detail=detail
    )


async def _check_works(ground: Ground, id_: str) -> None:
    """Call one tool that only reads.

    Raises:
        CallerError: ``connect.untried``.
    """
    if ground.test_call is None or await _works(ground, id_):
        return
    raise CallerError(
        "it was tried, and did not work", code="connect.untried", hint="check what was typed, and try again"
    )


async def _works(ground: Ground, id_: str) -> bool:
    assert ground.test_call is not None  # noqa: S101 - asked just before
    try:
        return bool((await ground.test_call(id_, ""))["ok"])
    except CallerError as error:
        if error.code != "account.untestable":
            raise
        return True  # no tool can be tried without an argument
