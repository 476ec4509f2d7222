"""Connect sessions: a link to a hosted page where somebody connects an account, and what came of it.

The vendor's backend makes a session and sends its end user to the link, which is shown once. Whoever opens it first is
who may use it. What came of it is told three ways: by an event, when the session is read, and for a one-time code.
The page's own steps are in :mod:`apiloom.flows.connect_visit`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base.errors import CallerError, DesignError
from apiloom.base.ids import fresh
from apiloom.flows import fields
from apiloom.flows.access import find, find_account, scope_of, tenant_for, well_formed
from apiloom.flows.asking import Page, Query, Removal, Removed, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.connect_ports import Connecting, Needs
from apiloom.flows.connect_wanted import (
    read_look,
    read_origins,
    read_return_url,
    read_scopes,
    read_variables,
    tenant_origins,
)
from apiloom.flows.connect_ways import beyond
from apiloom.flows.ground import Ground, check_awake
from apiloom.flows.oauth_clients import load_clients
from apiloom.flows.parts import compiled, connector_named, version_of
from apiloom.identity.principal import Principal
from apiloom.identity.roles import Verb, check_end_user, check_lasts, check_may, check_reaches
from apiloom.store.ports import Scope, Work
from apiloom.store.records import DEFAULT_TENANT, Account, ConnectSession

LIFE = 900
"""Seconds that a session lives when nothing is said."""

LONGEST = 86400
KEPT_FOR = 86400.0
"""Seconds that a session's result can be asked for after it has ended."""

SPENT = b"spent"
"""Stands in a session for a code that was redeemed."""

MADE_WITH = "made_with"
"""Member of what is wanted: the ids of the token and the sign-in that a session was made with, by blanks."""

WITHIN_CLIENT = "within_client"
"""Member of what is wanted: that a tenant asks, who may have nothing asked with the house's OAuth client that neither
the tools need nor the client asks for by itself."""

_PREFIX = "cs"
_ENTROPY = 32
_FILTERS = {"tenant": str, "connector": str, "account": str, "end_user": str, "external_id": str, "state": str}
_OF_NEW = ("label", "metadata", "external_id", "variables")
_MEMBERS = (
    "tenant",
    "connector",
    "account",
    "end_user",
    *_OF_NEW,
    "scopes",
    "allowed_origins",
    "return_url",
    "look",
    "expires_in",
    "allow_other_identity",
    "check",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A new session with its link, shown this once. ``embed_url`` is empty where no page may hold it."""

    session: ConnectSession
    url: str = field(repr=False)
    embed_url: str = field(default="", repr=False)


async def create_session(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Started:
    """A new session: for a new account of a ``connector``, or to connect an ``account`` anew.

    Raises:
        CallerError: ``tenant.not_found``, ``connector.not_found``, ``connector.conflict``, ``account.not_found``,
            ``field.…``, ``connect.origin``, ``connect.unavailable``, ``identity.forbidden``, ``identity.wider``,
            ``store.exists`` for an external id that is taken, ``store.dormant``.
        DesignError: ``server.variable`` for a variable that no server has.
    """
    wanted = fields.members(wanted, _MEMBERS)
    port = connecting_of(ground)
    check_awake(ground)
    if (wanted.get("connector") is None) == (wanted.get("account") is None):
        raise fields.refused("connector", "or account must be given, and not both")
    now = ground.now()
    seconds = wanted.get("expires_in")
    life = LIFE if seconds is None else fields.whole(seconds, "expires_in", least=60, most=LONGEST)
    blank = ConnectSession(
        id=fresh(_PREFIX), tenant="", connector="", expires_at=now + life, created_by=who.id, created_at=now
    )
    async with ground.store.reading() as work:
        session, scope = await _placed(work, who, wanted, blank)
        session = await _shaped(scope, session, wanted)
        session = _signed(who, session)
        needs = await _needs(port, scope, session)
        _check_variables(needs, session)
        await _check_scopes(scope, who, session, needs)
        await _check_free(scope, session)
    check_lasts(who, session.expires_at)
    text = f"{session.id}.{secrets.token_urlsafe(_ENTROPY)}"
    session = replace(session, digest=digest_of(ground, "link", text))

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(session.tenant)
        kept = await scope.connect_sessions.add(session)
        await connector_named(scope, session.connector)
        await note(ground, scope, who, "create", kept, connector=kept.connector)
        return kept

    kept = await changing(ground, change)
    url = f"{ground.public_url}/connect/{text}"
    return Started(session=kept, url=url, embed_url=f"{url}/embed" if kept.origins else "")


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


async def _placed(
    work: Work, who: Principal, wanted: Mapping[str, Any], session: ConnectSession
) -> tuple[ConnectSession, Scope]:
    """The session in its tenant: for whom it may be made at all, and whose the account is."""
    named = fields.optional_text(wanted.get("tenant"), "tenant")
    end_user = fields.optional_text(wanted.get("end_user"), "end_user")
    if wanted.get("account") is None:
        check_may(who, "create", "accounts", named or who.tenant or DEFAULT_TENANT)
        tenant, scope = await tenant_for(work, who, named)
        slug = fields.text(wanted["connector"], "connector", least=1)
        end_user = end_user or who.end_user or None
        placed = replace(session, tenant=tenant, connector=slug, end_user=end_user)
    else:
        account = await find_account(work, who, "update", fields.text(wanted["account"], "account", least=1))
        _check_same(account, named, end_user, wanted)
        scope = work.tenant(account.tenant)
        placed = replace(
            session, tenant=account.tenant, connector=account.connector, account=account.id, end_user=account.end_user
        )
    check_may(who, "create", "connect-sessions", placed.tenant)
    check_end_user(who, placed.end_user)
    check_reaches(who, role="", tenant=placed.tenant)
    return placed, scope


def _check_same(account: Account, tenant: str | None, end_user: str | None, wanted: Mapping[str, Any]) -> None:
    """An account that is connected anew stays what it is: only its credentials become others."""
    for name in _OF_NEW:
        if wanted.get(name) is not None:
            raise fields.refused(name, "belongs to a new account; change this one itself")
    for member, given, there in (("tenant", tenant, account.tenant), ("end_user", end_user, account.end_user)):
        if given is not None and given != there:
            raise fields.refused(member, "is not that of the account", hint="leave it out")


async def _shaped(scope: Scope, session: ConnectSession, wanted: Mapping[str, Any]) -> ConnectSession:
    """The session with everything that the vendor said of the page and of the account."""
    tenant = await find(scope.tenants, "tenant", session.tenant)
    allowed = tenant_origins(tenant)
    variables, asked = read_variables(wanted.get("variables") or {})
    given: dict[str, Any] = {
        "label": fields.text(wanted.get("label") or "", "label"),
        "metadata": fields.metadata(wanted.get("metadata") or {}),
        "variables": variables,
        "ask": list(asked),
        "scopes": list(read_scopes(wanted.get("scopes"))),
        "allow_other_identity": fields.flag(wanted.get("allow_other_identity") or False, "allow_other_identity"),
        "check": fields.flag(wanted.get("check") or False, "check"),
    }
    return replace(
        session,
        external_id=fields.optional_text(wanted.get("external_id"), "external_id"),
        wanted={name: value for name, value in given.items() if value},
        look=read_look(wanted.get("look")),
        origins=read_origins(wanted.get("allowed_origins"), "allowed_origins", allowed),
        return_url=read_return_url(wanted.get("return_url"), allowed),
    )


def _signed(who: Principal, session: ConnectSession) -> ConnectSession:
    """The session with what its link ends with, and whether a tenant asks."""
    ids = " ".join(one for one in who.token.split() if one.startswith(("key_", "fam_")))
    more = {MADE_WITH: ids, WITHIN_CLIENT: bool(who.tenant)}
    return replace(session, wanted={**session.wanted, **{name: value for name, value in more.items() if value}})


async def _needs(port: Connecting, scope: Scope, session: ConnectSession) -> Needs:
    connector = await connector_named(scope, session.connector)
    made = compiled(scope, await version_of(scope, connector))
    if not any(session.wanted.get(name) for name in ("variables", "ask", "scopes")):
        return Needs()  # nothing is compared with it
    return await port.needs(made.version, made.artefact, connector.options)


async def _check_scopes(scope: Scope, who: Principal, session: ConnectSession, needs: Needs) -> None:
    """That a tenant has nothing asked in the name of the house's client that this would not ask for by itself.

    Raises:
        CallerError: ``identity.wider``.
    """
    asked = session.wanted.get("scopes", ())
    if not who.tenant or not asked:
        return
    clients = await load_clients(scope, session.connector, needs.schemes, session.tenant)
    for name, client in clients.items():
        wider = beyond(needs, name, client.scopes, asked) if client.tenant is None else ()
        if wider:
            raise CallerError(
                f"the house's OAuth client is not to ask for {' '.join(wider)[:200]}: no tool needs it",
                code="identity.wider",
                hint="leave it out, keep an OAuth client of your own, or ask whoever runs the gateway",
                pointer="/scopes",
            )


def _check_variables(needs: Needs, session: ConnectSession) -> None:
    named = (*session.wanted.get("variables", {}), *session.wanted.get("ask", ()))
    stray = next((name for name in named if name not in needs.known), None)
    if stray is not None:
        raise DesignError(
            f"no server has the variable {stray[:60]!r}",
            code="server.variable",
            hint=f"there are {', '.join(sorted(needs.known)[:12])}" if needs.known else "it has no variables",
        )


async def _check_free(scope: Scope, session: ConnectSession) -> None:
    """That the account can be made in the end: told to the vendor now, not to the end user then."""
    if session.external_id and await scope.accounts.every({"external_id": session.external_id}):
        raise CallerError(
            "an account of this tenant has the external id already",
            code="store.exists",
            hint="connect that account anew, or give another",
            pointer="/external_id",
        )


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


def new_code(ground: Ground, session: ConnectSession) -> tuple[str, ConnectSession]:
    """A one-time code of a session, and the session that knows it."""
    code = f"{session.id}.{secrets.token_urlsafe(_ENTROPY)}"
    return code, replace(session, code=digest_of(ground, "code", code))


async def _find(work: Work, who: Principal, verb: Verb, id_: str) -> ConnectSession:
    check_may(who, verb, "connect-sessions", who.tenant)
    session = await find(scope_of(work, who).connect_sessions, "connect_session", id_)
    check_may(who, verb, "connect-sessions", session.tenant)
    return session
