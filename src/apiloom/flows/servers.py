"""MCP servers: opened for accounts or connectors, narrowed, switched, changed and removed.

A server is opened with one token, whose URL is shown once; see :mod:`apiloom.flows.server_tokens` for the rest of its
life. What is shown of its connectors, :class:`~apiloom.flows.ground.Versions` says; who may call it, and whose account
a call uses, is decided where calls are served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.base.ids import fresh
from apiloom.base.merging import merged
from apiloom.catalog.server_config import config_to_json, read_config
from apiloom.flows import fields
from apiloom.flows.access import check_acting, end_of, find_account, find_server, scope_of, tenant_for, well_formed
from apiloom.flows.asking import Page, Query, Removal, Removed, check_query, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.ground import Ground, Part, Shown
from apiloom.flows.lending import check_lendings
from apiloom.flows.parts import account_named, connector_named, load_parts, pins_of, version_of
from apiloom.flows.removing import remove_server, removed, removing
from apiloom.flows.server_tokens import Issued, new_token
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_lasts, check_may, check_reaches
from apiloom.store.ports import Rows, Scope, Work
from apiloom.store.records import DEFAULT_TENANT, Server

_PIN = fields.inner("config", "pin_version")
_SOON = 3 * 86400.0
_FILTERS = {"tenant": str, "name": str, "external_id": str, "enabled": bool, "metadata": dict}
_PATCHED = ("name", "accounts", "connectors", "config", "expires_at", "enabled", "external_id", "metadata")
_MEMBERS = ("tenant", *_PATCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new server, its first token with the URL that is shown once, and what it shows."""

    server: Server
    issued: Issued = field(repr=False)
    shown: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A server and what it shows."""

    server: Server
    shown: Shown


async def create_server(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Opened:
    """A new server for accounts (ids) and connectors (slugs) of one tenant, with a token.

    ``name`` left out is the id; ``config`` left out shows what only reads; ``expires_at`` left out is in thirty days,
    or when the principal's own token ends; null is never, which only an owner may.

    Raises:
        CallerError: ``tenant.not_found``, ``account.not_found``, ``connector.not_found``, ``version.not_found``,
            ``selection.unknown``, ``config.…``, ``field.…``, ``identity.forbidden``, ``identity.wider``,
            ``store.exists`` for a name or external id that is taken.
    """
    wanted = fields.members(wanted, _MEMBERS)
    named = fields.optional_text(wanted.get("tenant"), "tenant")
    now = ground.now()
    id_ = fresh("srv")
    given = {name: value for name, value in wanted.items() if name != "tenant"}
    blank = Server(id=id_, tenant="", name=id_, expires_at=end_of(who, now), config=_plain_config())
    server = replace(_patched(blank, given, now), created_by=who.id, created_at=now)
    async with ground.store.reading() as work:
        tenant, scope = await _place(work, who, named)
        server = replace(server, tenant=tenant)
        _check_width(who, server)
        shown = await _checked(ground, scope, server)
        await check_acting(scope, who, server.accounts)
        await check_lendings(scope, who, server, await _slugs(scope, server))

    async def change(work: Work) -> tuple[Server, Issued]:
        _, scope = await _place(work, who, tenant)
        kept = await scope.servers.add(server)
        await _check_named(scope, kept)  # final now: nobody else writes before this is committed
        issued = await new_token(ground, scope, who, kept, "")
        await note(ground, scope, who, "create", kept, shows=[*kept.accounts, *kept.connectors])
        return kept, issued

    kept, issued = await changing(ground, change)
    return Opened(server=kept, issued=issued, shown=shown)


async def create_server_for(ground: Ground, who: Principal, account_id: str, wanted: Mapping[str, Any]) -> Opened:
    """A new server that shows one account.

    Raises:
        CallerError: ``account.not_found``, and as :func:`create_server`.
    """
    async with ground.store.reading() as work:
        account = await find_account(work, who, "use", account_id)
    wanted = fields.members(wanted, (name for name in _PATCHED if name not in {"accounts", "connectors"}))
    return await create_server(ground, who, {**wanted, "tenant": account.tenant, "accounts": [account.id]})


async def _place(work: Work, who: Principal, wanted: str | None) -> tuple[str, Scope]:
    check_may(who, "create", "servers", wanted or who.tenant or DEFAULT_TENANT)
    return await tenant_for(work, who, wanted)


def _plain_config() -> Mapping[str, Any]:
    return config_to_json(read_config({}))


def _patched(server: Server, patch: Mapping[str, Any], now: float) -> Server:
    """The server with a merge patch applied, each member checked by itself."""
    changed = server
    if "name" in patch:
        name = patch["name"]
        changed = replace(changed, name=server.id if name is None else fields.text(name, "name", least=1))
    if "accounts" in patch:
        changed = replace(changed, accounts=fields.texts(patch["accounts"] or [], "accounts"))
    if "connectors" in patch:
        changed = replace(changed, connectors=fields.texts(patch["connectors"] or [], "connectors"))
    if "config" in patch:
        config = merged(server.config, patch["config"] if patch["config"] is not None else _plain_config())
        changed = replace(changed, config=config_to_json(read_config(config)))
    if "expires_at" in patch:
        changed = replace(changed, expires_at=fields.moment(patch["expires_at"], "expires_at", now))
    if "enabled" in patch:
        enabled = patch["enabled"]
        changed = replace(changed, enabled=fields.flag(True if enabled is None else enabled, "enabled"))
    if "external_id" in patch:
        changed = replace(changed, external_id=fields.optional_text(patch["external_id"], "external_id"))
    if "metadata" in patch:
        changed = replace(changed, metadata=fields.patched_metadata(server.metadata, patch["metadata"]))
    return changed


def _check_width(who: Principal, server: Server) -> None:
    check_reaches(who, role="", tenant=server.tenant, servers=(server.id,))
    check_lasts(who, server.expires_at)


async def _checked(ground: Ground, scope: Scope, server: Server) -> Shown:
    """What a server would show, after all that it names has been looked for."""
    await _check_named(scope, server)
    return await _shown(ground, scope, server, strictly=True)


async def _check_named(scope: Scope, server: Server) -> None:
    """That the accounts, connectors and versions a server names are there."""
    slugs = await _slugs(scope, server)
    if not slugs:
        raise fields.refused("", "names neither accounts nor connectors", hint="a server shows at least one")
    await _check_pins(scope, server, slugs)


async def _slugs(scope: Scope, server: Server) -> list[str]:
    """The connectors that a server names, by itself and through accounts."""
    named = [(await account_named(scope, id_)).connector for id_ in server.accounts]
    named += [(await connector_named(scope, slug)).id for slug in server.connectors]
    return list(dict.fromkeys(named))


async def _check_pins(scope: Scope, server: Server, slugs: Sequence[str]) -> None:
    pins = pins_of(server.config, slugs)
    if isinstance(server.config.get("pin_version"), int) and len(slugs) > 1:
        raise fields.refused(
            _PIN,
            "is one number for several connectors",
            hint="write a number for each, by its slug",
        )
    stray = next((slug for slug in pins if slug not in slugs), None)
    if stray is not None:
        raise fields.refused(_PIN, "names a connector that the server does not show")
    for slug in slugs:
        version = await version_of(scope, await connector_named(scope, slug), pins.get(slug))
        if slug in pins and version.state not in {"current", "past"}:
            raise CallerError(
                f"version {version.number} of {slug} is {version.state} and was never served",
                code="version.conflict",
                hint="pin one that is or was current, or have this one promoted",
            )


async def _shown(ground: Ground, scope: Scope, server: Server, *, strictly: bool = False) -> Shown:
    """What a server shows. A name in its filters that stands for nothing is a warning, ``strictly`` an error: a server
    outlives what it names.
    """
    parts = await load_parts(scope, server)
    shown = await ground.versions.show(server, parts.parts)
    if strictly and shown.unknown is not None:
        raise shown.unknown
    stray = () if shown.unknown is None else (shown.unknown.message,)
    warnings = [*parts.warnings, *stray, *shown.warnings]
    if not server.enabled:
        warnings.append("the server is switched off")
    if server.expires_at is not None and server.expires_at - ground.now() < _SOON:
        left = max(0, int(server.expires_at - ground.now()))
        warnings.append(f"the server ends in {left // 3600} hours and {left % 3600 // 60} minutes")
    return replace(shown, warnings=tuple(warnings))


async def list_servers(ground: Ground, who: Principal, query: Query) -> Page[Server]:
    """The servers that a principal reaches; for a token that is limited to some, those."""
    check_may(who, "list", "servers", who.tenant)
    async with ground.store.reading() as work:
        rows = scope_of(work, who).servers
        if who.servers is None:
            return await listed(rows, query, _FILTERS)
        return await _limited(rows, query, who.servers)


async def _limited(rows: Rows[Server], query: Query, ids: Sequence[str]) -> Page[Server]:
    """A page of the servers that a limited token knows, which are few."""
    check_query(query, _FILTERS)
    found: list[Server] = []
    for id_ in sorted(id_ for id_ in ids if well_formed(id_) and id_ > query.after):
        page, _ = await rows.page(limit=1, where={**query.where, "id": id_})
        found += page
    return Page(tuple(found[: query.limit]), found[query.limit - 1].id if len(found) > query.limit else "")


async def read_server(ground: Ground, who: Principal, id_: str) -> Server:
    """One server.

    Raises:
        CallerError: ``server.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        return await find_server(work, who, "read", id_)


async def show_server(ground: Ground, who: Principal, id_: str) -> Seen:
    """One server with what it shows: tools, tokens and warnings.

    Raises:
        CallerError: as :func:`read_server`.
    """
    async with ground.store.reading() as work:
        server = await find_server(work, who, "read", id_)
        return Seen(server=server, shown=await _shown(ground, work.tenant(server.tenant), server))


async def patch_server(
    ground: Ground, who: Principal, id_: str, patch: Mapping[str, Any], if_match: int | None = None
) -> Seen:
    """Change members of a server by a merge patch (RFC 7396). Its tokens stay.

    Raises:
        CallerError: ``server.not_found``, ``store.stale``, and as :func:`create_server`.
    """
    patch = fields.members(patch, _PATCHED)

    async def change(work: Work) -> Seen:
        server = await find_server(work, who, "update", id_)
        check_revision(server, if_match)
        scope = work.tenant(server.tenant)
        changed = _patched(server, patch, ground.now())
        # one that was made to last longer than this token may be changed, its end may not be moved
        check_reaches(who, role="", tenant=server.tenant, servers=(server.id,))
        if changed.expires_at != server.expires_at:
            check_lasts(who, changed.expires_at)
        await check_acting(scope, who, [id_ for id_ in changed.accounts if id_ not in server.accounts])
        if changed.config.get("delegation") and changed.config != server.config:
            await check_lendings(scope, who, changed, await _slugs(scope, changed))
        if changed == server:
            return Seen(server=server, shown=await _shown(ground, scope, server))
        kept = await scope.servers.save(changed, server.revision)
        names = {"accounts", "connectors", "config"} & set(patch)
        shown = await (_checked(ground, scope, kept) if names else _shown(ground, scope, kept))
        await note(ground, scope, who, "update", kept, changed=sorted(patch))
        return Seen(server=kept, shown=shown)

    return await changing(ground, change, if_match)


async def delete_server(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """Remove a server with its tokens and overlays: revoked at once.

    Raises:
        CallerError: ``server.not_found``, ``identity.forbidden``, ``store.stale``.
    """

    async def change(work: Work) -> Removed:
        server = await find_server(work, who, "delete", id_)
        check_revision(server, how.if_match)
        check_reaches(who, role="", tenant=server.tenant, servers=(server.id,))
        scope = work.tenant(server.tenant)
        if not how.plan:
            await remove_server(scope, server)
            await note(ground, scope, who, "delete", server)
        return removed("server", server.id, (), how)

    return await removing(ground, change, how)


async def switch_toolset(ground: Ground, who: Principal, id_: str, name: str, on: bool) -> Seen:  # noqa: FBT001 - the question itself
    """Switch a toolset of a server on or off, for all who call it.

    Raises:
        CallerError: ``server.not_found``, ``selection.unknown`` with the nearest name, ``identity.forbidden``.
    """

    async def change(work: Work) -> Seen:
        check_may(who, "use", "toolsets", who.tenant)
        server = await find_server(work, who, "read", id_)
        check_may(who, "use", "toolsets", server.tenant)
        scope = work.tenant(server.tenant)
        _check_toolset(name, (await load_parts(scope, server)).parts, server)
        off = [each for each in server.toolsets_off if each != name] + ([] if on else [name])
        if len(off) > fields.LONGEST_LIST:
            raise fields.refused("toolsets_off", f"has more than {fields.LONGEST_LIST} entries", code="field.bounds")
        if set(off) == set(server.toolsets_off):
            return Seen(server=server, shown=await _shown(ground, scope, server))
        kept = await scope.servers.save(replace(server, toolsets_off=tuple(sorted(off))), server.revision)
        await note(ground, scope, who, "toolset_on" if on else "toolset_off", kept, toolset=name)
        return Seen(server=kept, shown=await _shown(ground, scope, kept))

    return await changing(ground, change)


def _check_toolset(name: str, parts: Sequence[Part], server: Server) -> None:
    """That a server has a toolset of this name: bare, or behind its connector (``shop/orders``)."""
    names = {each.name for part in parts for each in part.toolsets}
    names |= {f"{each.connector}/{each.name}" for part in parts for each in part.toolsets}
    if name not in names and name not in server.toolsets_off:
        shown = name if len(name) <= fields.LONGEST_TEXT and name.isprintable() else "of this name"
        raise CallerError(
            f"the server has no toolset {shown}",
            code="selection.unknown",
            hint=fields.meant(name, sorted(names)) or "list the toolsets of its connectors",
            pointer="/toolset",
        )
