"""Connect sessions: a link to a hosted page where somebody connects an account, and what came of it.

The vendor's backend makes a session and sends its end user to the link, which is shown once. Whoever opens it first is
who may use it. What came of it is told three ways: by an event, when the session is read, and for a one-time code.
They are made in :mod:`apiloom.flows.connect_create`; the page's own steps are in :mod:`apiloom.flows.connect_visit`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.flows import fields
from apiloom.flows.access import find, scope_of, well_formed
from apiloom.flows.asking import Page, Query, Removal, Removed, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.connect_ports import Connecting
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.identity.roles import Verb, check_end_user, check_may
from apiloom.store.ports import Work
from apiloom.store.records import Account, ConnectSession

KEPT_FOR = 86400.0
"""Seconds that a session's result can be asked for after it has ended."""

SPENT = b"spent"
"""Stands in a session for a code that was redeemed."""

MADE_WITH = "made_with"
"""Member of what is wanted: the ids of the token and the sign-in that a session was made with, by blanks."""

WITHIN_CLIENT = "within_client"
"""Member of what is wanted: that a tenant asks, who may have nothing asked with the house's OAuth client that neither
the tools need nor the client asks for by itself."""

BY_DEVICE = "device"
"""Member of what is wanted: that the account is connected by a confirmation at another screen, which began with it."""

SIGNED_IN = "signed_in"
"""Member of what is wanted: the id of the person who has to sign in to open the link, or true: the end user."""

TRIED_FOR = 900.0
"""Seconds after which an account that is still being tried never will be: whoever tried it is gone."""

PREFIX = "cs"
"""Begins the ids of sessions."""

ENTROPY = 32
"""Bytes of a link, and of a code."""

_FILTERS = {"tenant": str, "connector": str, "account": str, "end_user": str, "external_id": str, "state": str}


def connecting_of(ground: Ground) -> Connecting:
    """The port for connecting.

    Raises:
        CallerError: ``connect.unavailable`` where there is none.
    """
    if ground.connecting is None:
        raise CallerError(
            "accounts are connected by a gateway", code="connect.unavailable", hint="ask one over the network"
        )
    return ground.connecting


def digest_of(ground: Ground, purpose: str, text: str) -> bytes:
    """What is kept of a secret text of a session; texts for one purpose are nothing for another."""
    return ground.digests(f"connect {purpose} {text}")[0]


def knows(ground: Ground, kept: bytes, purpose: str, text: str) -> bool:
    """Whether a text is the one something was kept of."""
    found = False
    for digest in ground.digests(f"connect {purpose} {text}"):
        found |= hmac.compare_digest(digest, kept)
    return found


# what became of it


def state_of(session: ConnectSession, now: float) -> str:
    """Where a session stands: its state, or ``expired``."""
    over = session.expires_at <= now and session.state not in ("done", "failed")
    return "expired" if over else session.state


async def list_sessions(ground: Ground, who: Principal, query: Query) -> Page[ConnectSession]:
    """The sessions that a principal reaches."""
    check_may(who, "list", "connect-sessions", who.tenant)
    async with ground.store.reading() as work:
        return await listed(scope_of(work, who).connect_sessions, query, _FILTERS)


async def read_session(ground: Ground, who: Principal, id_: str) -> ConnectSession:
    """One session, for whoever asks again and again what became of it.

    Raises:
        CallerError: ``connect_session.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        return await _find(work, who, "read", id_)


async def delete_session(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """End a session: its link opens nothing from now on. An account that it made stays.

    Raises:
        CallerError: ``connect_session.not_found``, ``identity.forbidden``, ``store.stale``.
    """

    async def change(work: Work) -> Removed:
        session = await _find(work, who, "delete", id_)
        check_revision(session, how.if_match)
        check_end_user(who, session.end_user)
        scope = work.tenant(session.tenant)
        if not how.plan:
            await scope.connect_sessions.remove(session.id)
            await note(ground, scope, who, "delete", session)
        return Removed(kind="connect_session", id=session.id, done=not how.plan)

    return await changing(ground, change, how.if_match)


async def redeem(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> ConnectSession:
    """The session of a one-time ``code`` that the vendor's page was given; the code counts once.

    Raises:
        CallerError: ``connect.code`` for one that is unknown, another tenant's, or redeemed; ``identity.forbidden``.
    """
    wanted = fields.members(wanted, ("code",))
    code = fields.text(wanted.get("code"), "code", least=1)
    check_may(who, "use", "connect-sessions", who.tenant)

    async def change(work: Work) -> ConnectSession:
        id_ = code.partition(".")[0]
        found = await scope_of(work, who).connect_sessions.load(id_) if well_formed(id_) else None
        # what is not there is compared too, with what no code has
        if not knows(ground, found.code if found else SPENT, "code", code) or found is None:
            raise CallerError(
                "that is no code of a connect session, or it was redeemed already",
                code="connect.code",
                hint="read the session by its id instead",
            )
        check_may(who, "use", "connect-sessions", found.tenant)
        check_end_user(who, found.end_user)
        scope = work.tenant(found.tenant)
        kept = await scope.connect_sessions.save(replace(found, code=SPENT), found.revision)
        await note(ground, scope, who, "redeem", kept)
        return kept

    return await changing(ground, change)


def is_tried(account: Account) -> bool:
    """Whether a new account is being tried, so that it does not count yet: until then its session has made it, and not
    who made that.
    """
    return not account.enabled and account.created_by.startswith(f"{PREFIX}_")


def new_code(ground: Ground, session: ConnectSession) -> tuple[str, ConnectSession]:
    """A one-time code of a session, and the session that knows it."""
    code = f"{session.id}.{secrets.token_urlsafe(ENTROPY)}"
    return code, replace(session, code=digest_of(ground, "code", code))


async def _find(work: Work, who: Principal, verb: Verb, id_: str) -> ConnectSession:
    check_may(who, verb, "connect-sessions", who.tenant)
    session = await find(scope_of(work, who).connect_sessions, "connect_session", id_)
    check_may(who, verb, "connect-sessions", session.tenant)
    return session
