"""Tokens of servers: each opens one server by its secret URL, which is shown once and kept only as a hash.

A server has several, told apart by labels: one for each place it was given to, so that one can be taken back alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.base.ids import fresh
from apiloom.flows import fields
from apiloom.flows.access import check_acting, find, find_server, not_found
from apiloom.flows.asking import Page, Query, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.identity.roles import Verb, check_lasts, check_may, check_reaches
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Server, ServerToken

MOST_TOKENS = fields.LONGEST_LIST
"""Tokens that one server has at a time, those in their grace period included."""

LONGEST_GRACE = 30 * 86400
"""Seconds that an old token may live on after a rotation."""

_FILTERS = {"label": str, "server": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token of a server: its record, and its text and URL, which nobody can be shown again."""

    token: ServerToken
    text: str = field(repr=False)
    url: str = field(repr=False)


async def new_token(ground: Ground, scope: Scope, who: Principal, server: Server, label: str) -> Issued:
    """Make a token of a server, in the transaction of its tenant's ``scope``."""
    minted = ground.mint("als")
    token = await scope.server_tokens.add(
        ServerToken(
            id=fresh("tok"),
            tenant=server.tenant,
            server=server.id,
            label=label,
            digest=minted.digest,
            key_version=minted.key_version,
            created_by=who.id,
            created_at=ground.now(),
        )
    )
    return Issued(token=token, text=minted.text, url=f"{ground.public_url}/mcp/{minted.text}")


async def add_token(ground: Ground, who: Principal, server_id: str, wanted: Mapping[str, Any]) -> Issued:
    """One more token of a server. Members: ``label``.

    Raises:
        CallerError: ``server.not_found``, ``server.tokens`` when it has as many as it may, ``field.…``,
            ``identity.forbidden``; ``identity.wider`` for a server that outlives the principal's own token.
    """
    wanted = fields.members(wanted, ("label",))
    label = fields.text(wanted.get("label") or "", "label")

    async def change(work: Work) -> Issued:
        server, scope = await _server(work, who, "create", server_id)
        issued = await new_token(ground, scope, who, server, label)
        await _check_count(scope, server)
        await note(ground, scope, who, "create", issued.token, server=server.id)
        return issued

    return await changing(ground, change)


async def list_tokens(ground: Ground, who: Principal, server_id: str, query: Query) -> Page[ServerToken]:
    """The tokens of a server: labels and last use, never their texts.

    Raises:
        CallerError: ``server.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        check_may(who, "list", "server-tokens", who.tenant)
        server = await find_server(work, who, "read", server_id)
        own = replace(query, where={**query.where, "server": server.id})
        return await listed(work.tenant(server.tenant).server_tokens, own, _FILTERS)


async def rotate_tokens(ground: Ground, who: Principal, server_id: str, wanted: Mapping[str, Any]) -> Issued:
    """A new token in place of a server's old ones, or of the one that ``token`` names.

    The old live ``grace_seconds`` more (0: they end now), and never longer than they would have. The new one is
    labelled as the old, or as ``label`` says.

    Raises:
        CallerError: ``server.not_found``, ``server_token.not_found``, ``server.tokens``, ``field.…``,
            ``identity.forbidden``, ``identity.wider`` as for :func:`add_token`.
    """
    wanted = fields.members(wanted, ("grace_seconds", "label", "token"))
    grace = fields.whole(wanted.get("grace_seconds") or 0, "grace_seconds", least=0, most=LONGEST_GRACE)
    label = fields.optional_text(wanted.get("label"), "label")
    only = fields.optional_text(wanted.get("token"), "token")

    async def change(work: Work) -> Issued:
        server, scope = await _server(work, who, "update", server_id)
        # the first change: whoever adds a token meanwhile comes before or after all of this
        issued = await new_token(ground, scope, who, server, label or "")
        old = [each for each in await scope.server_tokens.every({"server": server.id}) if each.id != issued.token.id]
        if only is not None:
            old = [each for each in old if each.id == only]
            if not old:
                raise not_found("server_token", only)
        if label is None and old:
            newest = max(old, key=lambda each: (each.created_at, each.id))
            kept = await scope.server_tokens.save(replace(issued.token, label=newest.label), issued.token.revision)
            issued = replace(issued, token=kept)
        for each in old:
            await _end(scope, each, ground.now(), grace)
        await _check_count(scope, server)
        await note(ground, scope, who, "rotate", server, tokens=[each.id for each in old], grace_seconds=grace)
        return issued

    return await changing(ground, change)


async def _end(scope: Scope, token: ServerToken, now: float, grace: int) -> None:
    end = now + grace if token.expires_at is None else min(token.expires_at, now + grace)
    if grace and end > now:
        await scope.server_tokens.save(replace(token, expires_at=end), token.revision)
    else:
        await scope.server_tokens.remove(token.id)


async def revoke_token(ground: Ground, who: Principal, server_id: str, token_id: str) -> ServerToken:
    """End one token of a server at once; the others live on.

    Raises:
        CallerError: ``server.not_found``, ``server_token.not_found``, ``identity.forbidden``.
    """

    async def change(work: Work) -> ServerToken:
        server, scope = await _server(work, who, "delete", server_id)
        token = await find(scope.server_tokens, "server_token", token_id)
        if token.server != server.id:
            raise not_found("server_token", token_id)
        await scope.server_tokens.remove(token.id)
        await note(ground, scope, who, "revoke", token, server=server.id)
        return token

    return await changing(ground, change)


async def _server(work: Work, who: Principal, verb: Verb, id_: str) -> tuple[Server, Scope]:
    """A server whose tokens the principal may make, change or end, and the scope of its tenant."""
    check_may(who, verb, "server-tokens", who.tenant)
    server = await find_server(work, who, "read", id_)
    check_may(who, verb, "server-tokens", server.tenant)
    check_reaches(who, role="", tenant=server.tenant, servers=(server.id,))
    scope = work.tenant(server.tenant)
    if verb != "delete":
        # a token lives as long as its server
        check_lasts(who, server.expires_at)
        await check_acting(scope, who, server.accounts)
    return server, scope


async def _check_count(scope: Scope, server: Server) -> None:
    if await scope.server_tokens.count({"server": server.id}) > MOST_TOKENS:
        raise CallerError(
            f"the server has {MOST_TOKENS} tokens already",
            code="server.tokens",
            hint="revoke those that are no longer used",
        )
