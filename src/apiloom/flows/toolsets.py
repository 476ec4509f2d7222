"""Toolsets: named groups of a connector's tools, suggested from its document or given by somebody.

A toolset belongs to the house, for all tenants that are shown the connector, or to one tenant, whose own stands in
front of the house's of the same name. Servers name toolsets; switching one of a server on or off is the server's flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from apiloom.base.errors import CallerError
from apiloom.catalog.toolsets import check_membership, read_membership
from apiloom.flows import fields
from apiloom.flows.access import scope_of
from apiloom.flows.asking import Affected, Page, Query, Removal, Removed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.dependants import every_server
from apiloom.flows.ground import Ground
from apiloom.flows.parts import compiled, connector_named, version_of
from apiloom.flows.reached import Reached
from apiloom.flows.removing import check_free, removed, removing
from apiloom.identity.principal import Principal
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Server, Toolset

_PATCHED = ("title", "description", "select")
_MEMBERS = ("connector", "name", "tenant", *_PATCHED)
_LONGEST_DESCRIPTION = 2000
_TOOLSETS: Reached[Toolset] = Reached(
    kind="toolsets",
    one="toolset",
    rows=lambda scope: scope.toolsets,
    filters={"connector": str, "tenant": str, "name": str, "origin": str},
)

MOST_TOOLSETS = 500
"""Toolsets of one connector that the house, or one tenant, may have."""


class Suggested(Protocol):
    """A toolset that was found in a document; ``tools`` are names."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def tools(self) -> Sequence[str]: ...


async def create_toolset(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Toolset:
    """A new toolset of a connector: the principal's tenant's, or for the house's roles that of ``tenant`` or of all.

    Raises:
        CallerError: ``connector.not_found``, ``tenant.not_found``, ``field.…``, ``toolset.form``,
            ``toolset.unknown``, ``selection.pattern``, ``identity.forbidden``, ``store.exists`` when the name is taken.
    """
    wanted = fields.members(wanted, _MEMBERS)
    named = fields.optional_text(wanted.get("tenant"), "tenant")
    slug = fields.text(wanted.get("connector"), "connector", least=1)
    name = fields.slug(wanted.get("name"), "name")
    blank = Toolset(id="", connector=slug, name=name, created_by=who.id, created_at=ground.now())
    asked = _patched(blank, {"select": None, **wanted})

    async def change(work: Work) -> Toolset:
        tenant, scope = await _TOOLSETS.place(work, who, named)
        toolset = replace(asked, id=toolset_id(slug, name, tenant), tenant=tenant)
        await _check_select(ground, scope, toolset)
        kept = await scope.toolsets.add(toolset)
        if await scope.toolsets.count({"connector": slug, "tenant": tenant}) > MOST_TOOLSETS:
            raise fields.refused(
                "", f"would be more than {MOST_TOOLSETS} toolsets of one connector", code="field.bounds"
            )
        await note(ground, scope, who, "create", kept)
        return kept

    return await changing(ground, change)


def toolset_id(slug: str, name: str, tenant: str | None) -> str:
    """The id of a toolset: ``{slug}/{name}``, and of a tenant's own ``{slug}/{name}@{tenant}``."""
    return f"{slug}/{name}" if tenant is None else f"{slug}/{name}@{tenant}"


def _patched(toolset: Toolset, patch: Mapping[str, Any]) -> Toolset:
    changed = toolset
    if "title" in patch:
        changed = replace(changed, title=fields.text(patch["title"] or "", "title"))
    if "description" in patch:
        told = fields.text(patch["description"] or "", "description", most=_LONGEST_DESCRIPTION)
        changed = replace(changed, description=told)
    if "select" in patch:
        changed = replace(changed, select=_select(patch["select"]))
    return changed


def _select(value: Any) -> dict[str, list[str]]:
    """Which tools, as :func:`~apiloom.catalog.toolsets.read_membership` reads it, without what says nothing."""
    membership = read_membership({} if value is None else value)
    lists = {"tags": membership.tags, "paths": membership.paths, "tools": membership.tools}
    return {name: list(entries) for name, entries in lists.items() if entries}


async def _check_select(ground: Ground, scope: Scope, toolset: Toolset) -> None:
    """That a toolset has tools in the version that is served; where none is yet, nobody can say.

    Raises:
        CallerError: ``toolset.unknown`` with the nearest name.
    """
    connector = await connector_named(scope, toolset.connector)
    if connector.current:
        read = await ground.versions.read(compiled(scope, await version_of(scope, connector)))
        await asyncio.to_thread(check_membership, read_membership(toolset.select), read.tools)


async def list_toolsets(ground: Ground, who: Principal, query: Query) -> Page[Toolset]:
    """The toolsets that a principal sees: the house's of connectors shown to it, and its own."""
    return await _TOOLSETS.page(ground, who, query)


async def read_toolset(ground: Ground, who: Principal, id_: str) -> Toolset:
    """One toolset.

    Raises:
        CallerError: ``toolset.not_found``, ``identity.forbidden``.
    """
    return await _TOOLSETS.read(ground, who, id_)


async def patch_toolset(
    ground: Ground, who: Principal, id_: str, patch: Mapping[str, Any], if_match: int | None = None
) -> Toolset:
    """Change a toolset. One that was suggested is given from then on, and no import changes it any more.

    Raises:
        CallerError: ``toolset.not_found``, ``store.stale``, and as :func:`create_toolset`.
    """
    patch = fields.members(patch, _PATCHED)

    async def change(work: Work) -> Toolset:
        toolset, scope = await _TOOLSETS.find(work, who, "update", id_), scope_of(work, who)
        check_revision(toolset, if_match)
        changed = _patched(toolset, patch)
        if changed == toolset:
            return toolset
        if changed.select != toolset.select:
            await _check_select(ground, scope, changed)
        kept = await scope.toolsets.save(replace(changed, origin="given"), toolset.revision)
        await note(ground, scope, who, "update", kept, changed=sorted(patch))
        return kept

    return await changing(ground, change, if_match)


async def delete_toolset(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """Remove a toolset. Servers that name it show none of it any more, which ``cascade`` accepts.

    Raises:
        CallerError: ``toolset.not_found``, ``toolset.depended_on``; ``toolset.conflict`` while a server has it switched
            off: what is off would be shown again.
    """

    async def change(work: Work) -> Removed:
        toolset, scope = await _TOOLSETS.find(work, who, "delete", id_), scope_of(work, who)
        check_revision(toolset, how.if_match)
        if not how.plan:
            await scope.toolsets.remove(toolset.id)
        servers = await _named_by(scope, toolset)
        off = [each.id for each in servers if _names(toolset, each.toolsets_off)]
        if off and not how.plan:
            raise CallerError(
                f"{len(off)} servers have {toolset.name} switched off and would show its tools again",
                code="toolset.conflict",
                hint="deny those tools in the config of these servers, or switch it on there first",
                affected=[{"kind": "server", "id": id_, "becomes": "changed"} for id_ in off[:200]],
            )
        affected = tuple(Affected(kind="server", id=each.id, becomes="changed") for each in servers)
        check_free("toolset", toolset.id, affected, how)
        if not how.plan:
            await note(ground, scope, who, "delete", toolset, servers=len(servers))
        return removed("toolset", toolset.id, affected, how)

    return await removing(ground, change, how)


async def _named_by(scope: Scope, toolset: Toolset) -> list[Server]:
    """Servers that a toolset means something to, by name or behind its connector."""
    where = None if toolset.tenant is None else {"tenant": toolset.tenant}
    found = []
    for server in await scope.servers.every(where):
        named = [*(server.config.get("toolsets") or ()), *server.toolsets_off]
        if _names(toolset, named) and await _shows(scope, server, toolset.connector):
            found.append(server)
    return found


def _names(toolset: Toolset, named: Iterable[str]) -> bool:
    return not {toolset.name, f"{toolset.connector}/{toolset.name}"}.isdisjoint(named)


async def _shows(scope: Scope, server: Server, slug: str) -> bool:
    if slug in server.connectors:
        return True
    accounts = [await scope.accounts.load(id_) for id_ in server.accounts]
    return any(account is not None and account.connector == slug for account in accounts)


async def keep_suggested(scope: Scope, slug: str, suggested: Iterable[Suggested], now: float) -> None:
    """Replace the suggested toolsets of a connector by those of its newest version, in the house's ``scope``.

    What somebody has edited or given stays, and so does the name it has. A suggestion that is no more stays as long as
    servers name it.
    """
    there = {each.name: each for each in await scope.toolsets.every({"connector": slug, "tenant": None})}
    wanted = {each.name: each for each in suggested}
    new: list[Toolset] = []
    for name, each in wanted.items():
        toolset = Toolset(
            id=toolset_id(slug, name, None),
            connector=slug,
            name=name,
            title=each.title,
            description=each.description,
            select={"tools": list(each.tools)},
            origin="suggested",
            created_at=now,
        )
        old = there.get(name)
        if old is None:
            new.append(toolset)
        elif old.origin == "suggested" and _said(old) != _said(toolset):
            await scope.toolsets.save(replace(toolset, created_at=old.created_at), old.revision)
    # a large connector has hundreds: one at a time they would hold up every other writer
    await scope.toolsets.add_all(new)
    gone = [old for name, old in there.items() if name not in wanted and old.origin == "suggested"]
    named = await _every_named(scope) if gone else frozenset()
    await scope.toolsets.remove_all(
        [old.id for old in gone if not _names(old, named) or not await _named_by(scope, old)]
    )


async def _every_named(scope: Scope) -> frozenset[str]:
    """What servers name of toolsets, whosever they are: read once, however many toolsets are looked at."""
    named: set[str] = set()
    async for server in every_server(scope):
        named |= {*(server.config.get("toolsets") or ()), *server.toolsets_off}
    return frozenset(named)


def _said(toolset: Toolset) -> tuple[str, str, Mapping[str, Any]]:
    return (toolset.title, toolset.description, toolset.select)
