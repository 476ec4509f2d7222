"""API tokens: made no wider than who makes them, shown once, rotated, revoked; and the first one of a new house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from apiloom.base.ids import fresh
from apiloom.flows import fields
from apiloom.flows.access import HOST, end_of, find, not_found, scope_of
from apiloom.flows.asking import Page, Query, Removal, Removed, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.flows.removing import removed, removing
from apiloom.identity.principal import Principal
from apiloom.identity.roles import (
    OF_TENANT_ONLY,
    Verb,
    check_end_user,
    check_may,
    check_no_wider,
    check_reaches,
    check_shape,
)
from apiloom.store.ports import Rows, Scope, Work
from apiloom.store.records import DEFAULT_TENANT, ApiToken, Role

FIRST_LIFE = 3600.0
"""Seconds that the first owner token lives."""

LONGEST_GRACE = 30 * 86400

_FILTERS = {"tenant": str, "name": str, "role": str, "end_user": str}
_MEMBERS = ("name", "role", "tenant", "servers", "end_user", "allow_commands", "expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedApiToken:
    """A new API token: its record, and its text, which nobody can be shown again."""

    token: ApiToken
    text: str = field(repr=False)


async def create_api_token(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> IssuedApiToken:
    """A new API token. ``tenant`` left out is the principal's own; of the house it is the house, or ``default`` for
    roles that only a tenant's token has. ``expires_at`` is as for servers.

    Raises:
        CallerError: ``identity.scope`` for a role that such a token cannot have, ``identity.wider``,
            ``identity.forbidden``, ``tenant.not_found``, ``server.not_found``, ``field.…``.
    """
    wanted = fields.members(wanted, _MEMBERS)
    asked = _asked(wanted, who, ground.now())

    async def change(work: Work) -> IssuedApiToken:
        if asked.tenant is not None:
            await find(scope_of(work, who).tenants, "tenant", asked.tenant)
        check_may(who, "create", "api-tokens", asked.tenant)
        check_shape(role=asked.role, tenant=asked.tenant, allow_commands=asked.allow_commands)
        _check_width(who, asked)
        scope = scope_of(work, who)
        issued = await _kept(ground, scope, asked)
        await _check_servers(work, issued.token)
        await note(ground, scope, who, "create", issued.token, role=asked.role)
        return issued

    return await changing(ground, change)


def _asked(wanted: Mapping[str, Any], who: Principal, now: float) -> ApiToken:
    """The token that is asked for, each member checked by itself."""
    role = cast("Role", fields.text(wanted.get("role"), "role", least=1, most=40))
    tenant = fields.optional_text(wanted.get("tenant"), "tenant")
    if tenant is None:
        tenant = who.tenant or (DEFAULT_TENANT if role in OF_TENANT_ONLY else None)
    servers = wanted.get("servers")
    end = wanted["expires_at"] if "expires_at" in wanted else end_of(who, now)
    return ApiToken(
        id=fresh("key"),
        tenant=tenant,
        name=fields.text(wanted.get("name") or "", "name"),
        role=role,
        digest=b"",
        servers=None if servers is None else fields.texts(servers, "servers"),
        end_user=fields.optional_text(wanted.get("end_user"), "end_user"),
        allow_commands=fields.flag(wanted.get("allow_commands") or False, "allow_commands"),
        expires_at=fields.moment(end, "expires_at", now),
        created_by=who.id,
        created_at=now,
    )


def _check_width(who: Principal, token: ApiToken) -> None:
    check_end_user(who, token.end_user)
    check_no_wider(
        who,
        role=token.role,
        tenant=token.tenant,
        servers=token.servers,
        expires_at=token.expires_at,
        allow_commands=token.allow_commands,
    )


async def _kept(ground: Ground, scope: Scope, token: ApiToken) -> IssuedApiToken:
    minted = ground.mint("ala")
    kept = await scope.api_tokens.add(replace(token, digest=minted.digest, key_version=minted.key_version))
    return IssuedApiToken(token=kept, text=minted.text)


async def _check_servers(work: Work, token: ApiToken) -> None:
    scope = work.house() if token.tenant is None else work.tenant(token.tenant)
    for id_ in token.servers or ():
        await find(scope.servers, "server", id_)


async def list_api_tokens(ground: Ground, who: Principal, query: Query) -> Page[ApiToken]:
    """The API tokens that a principal reaches, never their texts."""
    check_may(who, "list", "api-tokens", who.tenant)
    async with ground.store.reading() as work:
        return await listed(scope_of(work, who).api_tokens, query, _FILTERS)


async def read_api_token(ground: Ground, who: Principal, id_: str) -> ApiToken:
    """One API token.

    Raises:
        CallerError: ``api_token.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        return (await _find(work, who, "read", id_))[0]


async def _find(work: Work, who: Principal, verb: Verb, id_: str) -> tuple[ApiToken, Rows[ApiToken]]:
    check_may(who, verb, "api-tokens", who.tenant)
    rows = scope_of(work, who).api_tokens
    token = await find(rows, "api_token", id_)
    if who.end_user and token.end_user != who.end_user:
        raise not_found("api_token", id_)
    check_may(who, verb, "api-tokens", token.tenant)
    return token, rows


async def rotate_api_token(ground: Ground, who: Principal, id_: str, wanted: Mapping[str, Any]) -> IssuedApiToken:
    """A new text in place of an API token's, which lives ``grace_seconds`` more (0: it ends now). All else stays.

    Raises:
        CallerError: ``api_token.not_found``, ``identity.wider`` for a token wider than the principal, ``field.…``.
    """
    wanted = fields.members(wanted, ("grace_seconds",))
    grace = fields.whole(wanted.get("grace_seconds") or 0, "grace_seconds", least=0, most=LONGEST_GRACE)

    async def change(work: Work) -> IssuedApiToken:
        old, rows = await _find(work, who, "update", id_)
        _check_width(who, old)
        now = ground.now()
        if old.expires_at is not None and old.expires_at <= now:
            raise not_found("api_token", id_)  # it has ended, whoever has swept or not
        scope = scope_of(work, who)
        fresh_one = replace(old, id=fresh("key"), created_by=who.id, created_at=now, last_used_at=None, revision=1)
        issued = await _kept(ground, scope, fresh_one)
        end = now + grace if old.expires_at is None else min(old.expires_at, now + grace)
        if grace and end > now:
            await rows.save(replace(old, expires_at=end), old.revision)
        else:
            await rows.remove(old.id)
        await note(ground, scope, who, "rotate", old, grace_seconds=grace, new=issued.token.id)
        return issued

    return await changing(ground, change)


async def revoke_api_token(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """End an API token at once.

    Raises:
        CallerError: ``api_token.not_found``, ``identity.wider`` for a token wider than the principal.
    """

    async def change(work: Work) -> Removed:
        token, rows = await _find(work, who, "delete", id_)
        check_reaches(
            who, role=token.role, tenant=token.tenant, servers=token.servers, allow_commands=token.allow_commands
        )
        if not how.plan:
            await rows.remove(token.id)
            await note(ground, scope_of(work, who), who, "revoke", token)
        return removed("api_token", token.id, (), how)

    return await removing(ground, change, how)


async def first_owner(ground: Ground, hand_over: Callable[[str], None] = lambda _: None) -> IssuedApiToken | None:
    """An owner token for a house that has no live one, None for every other house. It lives an hour.

    Only the host itself asks this: its text goes to a terminal or into a file that nobody else reads. ``hand_over`` is
    given it before it is kept: whoever is killed in between, or cannot, has left no owner whom nobody knows.
    """
    now = ground.now()
    token = ApiToken(
        id=fresh("key"),
        tenant=None,
        name="first owner",
        role="owner",
        digest=b"",
        expires_at=now + FIRST_LIFE,
        created_by=HOST.id,
        created_at=now,
    )
    async with ground.store.reading() as work:
        if await _owners(work, now):
            return None

    async def change(work: Work) -> IssuedApiToken | None:
        house = work.house()
        issued = await _kept(ground, house, token)
        others = [each for each in await _owners(work, now) if each.id != token.id]
        if others:  # another process was quicker, between the question and this
            await house.api_tokens.remove(token.id)
            return None
        await note(ground, house, HOST, "first_owner", issued.token)
        hand_over(issued.text)
        return issued

    return await changing(ground, change)


async def _owners(work: Work, now: float) -> list[ApiToken]:
    tokens = await work.house().api_tokens.every({"role": "owner"})
    return [each for each in tokens if each.expires_at is None or each.expires_at > now]
