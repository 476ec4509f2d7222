"""Connect sessions as they are made: what a vendor may ask for, checked before anybody sees a page.

One that is confirmed at another screen asks the provider for a code at once, so that whoever makes it can show that.
Stands above what the page of a session asks for; the admin API stands above.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base.errors import CallerError, DesignError
from apiloom.base.ids import fresh
from apiloom.flows import fields
from apiloom.flows.access import find, find_account, tenant_for
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.connect_device import begin_device
from apiloom.flows.connect_page import Kept, with_kept
from apiloom.flows.connect_people import check_people
from apiloom.flows.connect_ports import Confirming, Connecting, Needs
from apiloom.flows.connect_wanted import (
    read_look,
    read_origins,
    read_return_url,
    read_scopes,
    read_variables,
    tenant_origins,
)
from apiloom.flows.connect_ways import beyond
from apiloom.flows.connecting import (
    BY_DEVICE,
    ENTROPY,
    MADE_WITH,
    PREFIX,
    SIGNED_IN,
    WITHIN_CLIENT,
    connecting_of,
    digest_of,
)
from apiloom.flows.ground import Ground, check_awake
from apiloom.flows.oauth_clients import load_clients
from apiloom.flows.parts import compiled, connector_named, version_of
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_end_user, check_lasts, check_may, check_reaches
from apiloom.store.ports import Scope, Work
from apiloom.store.records import DEFAULT_TENANT, Account, ConnectSession

LIFE = 900
"""Seconds that a session lives when nothing is said."""

LONGEST = 86400

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
    "device",
    "signed_in",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A new session with its link, shown this once. ``embed_url`` is empty where no page may hold it, ``confirming`` is
    what a person confirms at another screen.
    """

    session: ConnectSession
    url: str = field(repr=False)
    embed_url: str = field(default="", repr=False)
    confirming: Confirming | None = field(default=None, repr=False)


async def create_session(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Started:
    """A new session: for a new account of a ``connector``, or to connect an ``account`` anew.

    Raises:
        CallerError: ``tenant.not_found``, ``connector.not_found``, ``connector.conflict``, ``account.not_found``,
            ``field.…``, ``connect.origin``, ``connect.unavailable``, ``identity.forbidden``, ``identity.wider``,
            ``store.exists`` for an external id that is taken, ``store.dormant``, ``connect.people``,
            ``connect.device``.
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
        id=fresh(PREFIX), tenant="", connector="", expires_at=now + life, created_by=who.id, created_at=now
    )
    async with ground.store.reading() as work:
        session, scope = await _placed(work, who, wanted, blank)
        session = await _shaped(scope, session, wanted)
        session = _signed(who, session)
        needs, blanks = await _needs(port, scope, session)
        _check_variables(needs, blanks, session)
        await _check_scopes(scope, who, session, needs)
        await _check_free(scope, session)
    if session.wanted.get(SIGNED_IN):
        check_people(ground)
    check_lasts(who, session.expires_at)
    if not session.wanted.get(BY_DEVICE):
        return await _kept(ground, who, session, None)
    begun = await begin_device(ground, session)
    return await _kept(ground, who, begun[0], begun[1:])


async def _kept(
    ground: Ground, who: Principal, session: ConnectSession, begun: tuple[Kept, Confirming] | None
) -> Started:
    """The session with its link, once it is kept."""
    text = f"{session.id}.{secrets.token_urlsafe(ENTROPY)}"
    session = replace(session, digest=digest_of(ground, "link", text))

    async def change(work: Work) -> ConnectSession:
        scope = work.tenant(session.tenant)
        made = session if begun is None else await with_kept(ground, scope, session, begun[0])
        kept = await scope.connect_sessions.add(made)
        await connector_named(scope, session.connector)
        await note(ground, scope, who, "create", kept, connector=kept.connector)
        return kept

    kept = await changing(ground, change)
    url = f"{ground.public_url}/connect/{text}"
    return Started(
        session=kept,
        url=url,
        embed_url=f"{url}/embed" if kept.origins else "",
        confirming=None if begun is None else begun[1],
    )


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
        BY_DEVICE: fields.flag(wanted.get("device") or False, "device"),
        SIGNED_IN: fields.flag(wanted.get("signed_in") or False, "signed_in"),
    }
    if given[SIGNED_IN] and not session.end_user:
        raise fields.refused("signed_in", "needs an end_user: who has to sign in")
    if given[SIGNED_IN] and given[BY_DEVICE]:
        raise fields.refused("signed_in", "says who opens a page, and what is confirmed elsewhere needs none")
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


async def _needs(port: Connecting, scope: Scope, session: ConnectSession) -> tuple[Needs, frozenset[str]]:
    """What the connector needs, and the names of what its providers' addresses do."""
    connector = await connector_named(scope, session.connector)
    made = compiled(scope, await version_of(scope, connector))
    if not any(session.wanted.get(name) for name in ("variables", "ask", "scopes")):
        return Needs(), frozenset()  # nothing is compared with it
    needs = await port.needs(made.version, made.artefact, connector.options)
    clients = await load_clients(scope, session.connector, needs.schemes, session.tenant)
    names = {blank.name for name, client in clients.items() for blank in port.blanks(client, needs.schemes[name])}
    return needs, frozenset(names)


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


def _check_variables(needs: Needs, blanks: Collection[str], session: ConnectSession) -> None:
    named = (*session.wanted.get("variables", {}), *session.wanted.get("ask", ()))
    known = {*needs.known, *blanks}
    stray = next((name for name in named if name not in known), None)
    if stray is not None:
        raise DesignError(
            f"no server has the variable {stray[:60]!r}",
            code="server.variable",
            hint=f"there are {', '.join(sorted(known)[:12])}" if known else "it has no variables",
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
