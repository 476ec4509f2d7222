"""Connectors: imported from a document, shown to tenants, set, and removed with all that hangs on them.

A connector belongs to the house. What it serves are its versions: see :mod:`apiloom.flows.versions`. Options say how
the next import reads and what it serves then; nothing that is being served changes with them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.base.merging import merged
from apiloom.catalog.slugs import slug_of
from apiloom.compile.artefact import Artefact, unpack
from apiloom.flows import fields
from apiloom.flows.access import find, scope_of
from apiloom.flows.asking import Affected, Page, Query, Removal, Removed, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.dependants import servers_showing
from apiloom.flows.ground import Ground, Imported
from apiloom.flows.options import read_options
from apiloom.flows.parts import connector_named
from apiloom.flows.removing import check_free, remove_account, remove_server, removed, removing
from apiloom.flows.sources import Source, read_source
from apiloom.flows.toolsets import keep_suggested
from apiloom.flows.versions import Say, Seen, job_for, new_version, silently
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_may
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Account, Connector, Server, Version

_FILTERS = {"title": str, "enabled": bool, "trusted": bool, "auto_promote": bool, "metadata": dict}
_PATCHED = ("title", "source", "options", "tenants", "enabled", "trusted", "auto_promote", "metadata")
_MEMBERS = ("slug", *_PATCHED)
_MOST_TENANTS = 1_000
_slug = re.compile(r"[a-z][a-z0-9]{0,11}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new connector and its first version, which is served."""

    connector: Connector
    version: Version


async def create_connector(
    ground: Ground, who: Principal, wanted: Mapping[str, Any], *, upload: bytes = b"", say: Say = silently
) -> Created:
    """Import a document as a new connector. ``slug`` left out is made from the document's title.

    ``upload`` are the bytes of the upload that ``source`` names; ``say`` is told how far the import is.

    Raises:
        CallerError: ``field.…``, ``connector.source``, ``identity.forbidden``, ``tenant.not_found``,
            ``import.busy``; ``store.exists`` when the slug is taken.
        ApiloomError: as :meth:`~apiloom.flows.ground.Imports.run`.
    """
    check_may(who, "create", "connectors", None)
    wanted = fields.members(wanted, _MEMBERS)
    slug = _read_slug(wanted["slug"]) if wanted.get("slug") is not None else ""
    source = read_source(wanted.get("source"), upload)
    given = {name: value for name, value in wanted.items() if name not in ("slug", "source")}
    blank = Connector(id=slug, source=source.kept(), created_at=ground.now())
    connector = _patched(blank, given)
    async with ground.store.reading() as work:
        await _check_tenants(work.house(), connector)
        if slug and await work.house().connectors.load(slug) is not None:
            raise _taken(slug)
    imported = await ground.imports.run(job_for(connector, source, who, Seen(connector=connector)), say)
    artefact = await asyncio.to_thread(unpack, imported.artefact)
    titled = replace(connector, title=connector.title or imported.title[: fields.LONGEST_TEXT])

    async def change(work: Work) -> Created:
        house = work.house()
        named = titled if slug else replace(titled, id=await _free_slug(house, imported, source))
        return await _added(ground, house, who, named, imported, artefact)

    return await changing(ground, change)


def _read_slug(value: Any) -> str:
    slug = fields.text(value, "slug", least=1)
    if not _slug(slug):
        raise fields.refused("slug", "must be 1 to 12 lower-case letters and digits, and begin with a letter")
    return slug


def _taken(slug: str) -> CallerError:
    return CallerError(
        f"there is a connector {slug} already",
        code="store.exists",
        hint="import a new version of it, or choose another slug",
        pointer="/slug",
    )


async def _free_slug(house: Scope, imported: Imported, source: Source) -> str:
    """A slug from the document's title, numbered where it is taken."""
    wanted = slug_of(imported.title, source.url or source.name)
    free, number = wanted, 2
    while await house.connectors.load(free) is not None:
        free, number = f"{wanted[: 12 - len(str(number))]}{number}", number + 1
    return free


async def _added(
    ground: Ground, house: Scope, who: Principal, connector: Connector, imported: Imported, artefact: Artefact
) -> Created:
    now = ground.now()
    first = new_version(connector, imported, 1, now, who.id)
    try:
        kept = await house.connectors.add(replace(connector, current=1))
    except CallerError as error:
        raise _taken(connector.id) if error.code == "store.exists" else error from None
    await _check_tenants(house, kept)  # final now: nobody else writes before this is committed
    version = await house.versions.add(replace(first, state="current", promoted_at=now))
    await house.versions.put_content(version.id, document=imported.document, artefact=imported.artefact)
    await keep_suggested(house, kept.id, artefact.toolsets, now)
    await note(ground, house, who, "create", kept, tools=version.tools)
    return Created(connector=kept, version=version)


def _patched(connector: Connector, patch: Mapping[str, Any]) -> Connector:
    """The connector with a merge patch applied, each member checked by itself; null takes the default back."""
    changed = connector
    if "title" in patch:
        changed = replace(changed, title=fields.text(patch["title"] or "", "title"))
    if "options" in patch:
        options = {} if patch["options"] is None else merged(connector.options, patch["options"])
        changed = replace(changed, options=read_options(options))
    if "tenants" in patch:
        changed = replace(changed, tenants=_tenants(patch["tenants"]))
    if "enabled" in patch:
        enabled = patch["enabled"]
        changed = replace(changed, enabled=fields.flag(True if enabled is None else enabled, "enabled"))
    if "trusted" in patch:
        changed = replace(changed, trusted=fields.flag(patch["trusted"] or False, "trusted"))
    if "auto_promote" in patch:
        changed = replace(changed, auto_promote=fields.flag(patch["auto_promote"] or False, "auto_promote"))
    if "metadata" in patch:
        changed = replace(changed, metadata=fields.patched_metadata(connector.metadata, patch["metadata"]))
    return changed


def _tenants(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(sorted(fields.texts(value, "tenants", most=_MOST_TENANTS)))


async def _check_tenants(house: Scope, connector: Connector) -> None:
    for tenant in connector.tenants or ():
        await find(house.tenants, "tenant", tenant)


async def list_connectors(ground: Ground, who: Principal, query: Query) -> Page[Connector]:
    """The connectors that are shown to a principal.

    Raises:
        CallerError: ``identity.forbidden``, ``list.…``.
    """
    check_may(who, "list", "connectors", None)
    # what a tenant is not told it cannot ask for either
    filters = _FILTERS if who.of_house else {name: kind for name, kind in _FILTERS.items() if name != "metadata"}
    async with ground.store.reading() as work:
        page = await listed(scope_of(work, who).connectors, query, filters)
        return replace(page, items=tuple(shown_to(who, each) for each in page.items))


async def read_connector(ground: Ground, who: Principal, slug: str) -> Connector:
    """One connector.

    Raises:
        CallerError: ``connector.not_found``, ``identity.forbidden``.
    """
    check_may(who, "read", "connectors", None)
    async with ground.store.reading() as work:
        return shown_to(who, await connector_named(scope_of(work, who), slug))


def shown_to(who: Principal, connector: Connector) -> Connector:
    """A connector as a principal may read it: a tenant is not told of other tenants, nor where documents come from."""
    if who.of_house:
        return connector
    tenants = None if connector.tenants is None else (who.tenant,)
    return replace(connector, tenants=tenants, source={}, options={}, metadata={})


async def patch_connector(
    ground: Ground, who: Principal, slug: str, patch: Mapping[str, Any], how: Removal | None = None
) -> Connector:
    """Change members of a connector by a merge patch (RFC 7396). ``source`` may become another URL.

    Raises:
        CallerError: ``connector.not_found``, ``tenant.not_found``, ``field.…``, ``store.stale``,
            ``identity.forbidden``; ``connector.depended_on`` when it is taken from a tenant that has accounts or
            servers for it, unless ``how`` cascades: these stay, and show nothing of it.
    """
    check_may(who, "update", "connectors", None)
    patch = fields.members(patch, _PATCHED)
    asked = how or Removal()

    async def change(work: Work) -> Connector:
        house = work.house()
        connector = await connector_named(house, slug)
        check_revision(connector, asked.if_match)
        changed = _patched(connector, patch)
        if "source" in patch:
            changed = replace(changed, source=_another_url(patch["source"]))
        if changed == connector:
            return connector
        kept = await house.connectors.save(changed, connector.revision)
        await _check_tenants(house, kept)
        lost = await _left_out(house, connector, kept)
        check_free("connector", slug, lost, asked)
        await note(ground, house, who, "update", kept, changed=sorted(patch))
        return kept

    if asked.plan:
        async with ground.store.reading() as work:
            return _patched(await connector_named(work.house(), slug), patch)
    return await changing(ground, change, asked.if_match)


def _another_url(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) != {"url"}:
        raise fields.refused("source", "can become another url; import a version to hand over another document")
    return read_source(value).kept()


async def _left_out(house: Scope, before: Connector, after: Connector) -> tuple[Affected, ...]:
    """Accounts and servers for a connector in tenants that it is shown to no longer."""
    if after.tenants is None or before.tenants == after.tenants:
        return ()
    kept = frozenset(after.tenants)
    accounts = [each for each in await house.accounts.every({"connector": after.id}) if each.tenant not in kept]
    servers = [each for each in await servers_showing(house, after.id) if each.tenant not in kept]
    return (
        *(Affected(kind="account", id=each.id, becomes="changed") for each in accounts),
        *(Affected(kind="server", id=each.id, becomes="changed") for each in servers),
    )


async def delete_connector(ground: Ground, who: Principal, slug: str, how: Removal) -> Removed:
    """Remove a connector with its versions, overlays and toolsets; with ``cascade`` its accounts too, and the servers
    that show nothing else.

    Raises:
        CallerError: ``connector.not_found``, ``connector.depended_on``, ``store.stale``, ``identity.forbidden``.
    """
    check_may(who, "delete", "connectors", None)

    async def change(work: Work) -> Removed:
        house = work.house()
        connector = await connector_named(house, slug)
        check_revision(connector, how.if_match)
        if not how.plan:
            connector = await house.connectors.save(connector, connector.revision)
        accounts = list(await house.accounts.every({"connector": slug}))
        servers = await servers_showing(house, slug)
        left = [_without(server, slug, accounts) for server in servers]
        depending = (
            *(Affected(kind="account", id=each.id) for each in accounts),
            *(Affected(kind="server", id=each.id, becomes=_becomes(each)) for each in left),
        )
        check_free("connector", slug, depending, how)
        overlays = [each for each in await house.overlays.every({"connector": slug}) if each.tenant is not None]
        if not how.plan:
            for server in left:
                await _let_go(ground, work, who, slug, server)
            for account in accounts:
                await remove_account(work.tenant(account.tenant), account.id)
            await _emptied(house, slug)
            await house.connectors.remove(slug)
            await note(ground, house, who, "delete", connector, accounts=len(accounts), servers=len(servers))
        affected = (*depending, *(Affected(kind="overlay", id=each.id) for each in overlays))
        return removed("connector", slug, affected, how)

    return await removing(ground, change, how)


def _without(server: Server, slug: str, accounts: list[Account]) -> Server:
    """A server without one of its connectors. A filter that named its tools stays: it must show no more than before."""
    gone = {account.id for account in accounts}
    return replace(
        server,
        accounts=tuple(each for each in server.accounts if each not in gone),
        connectors=tuple(each for each in server.connectors if each != slug),
    )


def _becomes(server: Server) -> str:
    return "changed" if server.accounts or server.connectors else "removed"


async def _let_go(ground: Ground, work: Work, who: Principal, slug: str, server: Server) -> None:
    scope = work.tenant(server.tenant)
    if server.accounts or server.connectors:
        await scope.servers.save(server, server.revision)
        await note(ground, scope, who, "update", server, because=slug)
    else:
        await remove_server(scope, server)
        await note(ground, scope, who, "delete", server, because=slug)


async def _emptied(house: Scope, slug: str) -> None:
    """Remove what is nothing without its connector."""
    rooms: tuple[Any, ...] = (
        house.overlays,
        house.toolsets,
        house.versions,
        house.oauth_clients,
        house.connect_sessions,
    )
    for rows in rooms:
        for record in await rows.every({"connector": slug}):
            await rows.remove(record.id)
