"""Overlays: edits of a connector's tools for all, for a tenant, for an account or for a server.

What a patch may say is :mod:`apiloom.catalog.overlays`' to check, against the tools as they were read; here is who may
edit which layer, and that an edit keeps what it was made upon, so that a later version can be told from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from apiloom.base.ids import fresh
from apiloom.base.merging import merged
from apiloom.catalog import overlays
from apiloom.catalog.rebase import base_of, rebase
from apiloom.flows import fields
from apiloom.flows.access import find_account, find_server, tenant_for
from apiloom.flows.asking import Page, Query, Removal, Removed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.ground import Ground
from apiloom.flows.parts import compiled, connector_named, version_of
from apiloom.flows.reached import Reached, home
from apiloom.flows.removing import removed, removing
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_end_user, check_may, check_reaches
from apiloom.model.findings import Finding
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Layer, Overlay

MOST_PATCH = 256 * 1024
"""Bytes of one overlay's patch as JSON."""

Made = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A patch, and what the places it edits held when it was made."""

_DEEPEST = 60
_MEMBERS = ("layer", "connector", "tenant", "target", "patch")
_OVERLAYS: Reached[Overlay] = Reached(
    kind="overlays",
    one="overlay",
    rows=lambda scope: scope.overlays,
    filters={"layer": str, "connector": str, "tenant": str, "target": str},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """An overlay beside the version that is served now."""

    overlay: Overlay
    patch: Mapping[str, Any]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an overlay lies, and the scope that holds it."""

    layer: Layer
    connector: str
    tenant: str | None
    target: str
    scope: Scope


async def create_overlay(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Overlay:
    """A new overlay. ``layer`` is ``connector``, ``tenant``, ``account`` or ``server``; ``target`` the id of the
    account or server; ``tenant`` for whom, where the layer is a tenant's.

    Raises:
        CallerError: ``overlay.…`` for a patch that cannot be applied, ``connector.not_found``, ``account.not_found``,
            ``server.not_found``, ``tenant.not_found``, ``field.…``, ``identity.forbidden``, ``store.exists`` when the
            layer has one already.
    """
    wanted = fields.members(wanted, _MEMBERS)

    async def change(work: Work) -> Overlay:
        return await _added(ground, await _place(work, who, wanted), who, wanted)

    return await changing(ground, change)


async def put_overlay(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Overlay:
    """The overlay of a layer as ``wanted`` says, whether or not there was one.

    Raises:
        CallerError: as :func:`create_overlay`.
    """
    wanted = fields.members(wanted, _MEMBERS)

    async def change(work: Work) -> Overlay:
        place = await _place(work, who, wanted)
        where = {
            "layer": place.layer,
            "connector": place.connector,
            "tenant": place.tenant,
            "target": place.target,
        }
        there = next(iter(await place.scope.overlays.every(where)), None)
        if there is None:
            return await _added(ground, place, who, wanted)
        made = await _checked(ground, place.scope, place.connector, wanted.get("patch"), there)
        return await _saved(ground, place.scope, who, there, made)

    return await changing(ground, change)


async def _place(work: Work, who: Principal, wanted: Mapping[str, Any]) -> _Place:
    """Where an overlay is to lie, once the principal may edit there."""
    layer = cast("Layer", fields.text(wanted.get("layer"), "layer", least=1))
    if layer not in get_args(Layer):
        raise fields.refused("layer", f"must be one of {', '.join(get_args(Layer))}")
    slug = fields.text(wanted.get("connector"), "connector", least=1)
    target = fields.optional_text(wanted.get("target"), "target") or ""
    tenant = fields.optional_text(wanted.get("tenant"), "tenant")
    if layer == "connector":
        tenant, scope = None, work.house()
        check_may(who, "create", "overlays", None)
        await connector_named(scope, slug)
        return _Place(layer=layer, connector=slug, tenant=None, target="", scope=scope)
    if layer == "tenant":
        tenant, scope = await tenant_for(work, who, tenant or target or None)
        target = tenant
    elif layer == "account":
        account = await find_account(work, who, "update", target)
        check_end_user(who, account.end_user, shared=account.shared)
        tenant, scope = account.tenant, work.tenant(account.tenant)
        if account.connector != slug:
            raise fields.refused("connector", "is not the one of this account")
    else:
        server = await find_server(work, who, "update", target)
        tenant, scope = server.tenant, work.tenant(server.tenant)
    check_may(who, "create", "overlays", tenant)
    await connector_named(scope, slug)
    return _Place(layer=layer, connector=slug, tenant=tenant, target=target, scope=scope)


async def _added(ground: Ground, place: _Place, who: Principal, wanted: Mapping[str, Any]) -> Overlay:
    check_reaches(who, role="", tenant=place.tenant)
    patch, base = await _checked(ground, place.scope, place.connector, wanted.get("patch"))
    kept = await place.scope.overlays.add(
        Overlay(
            id=fresh("ovl"),
            layer=place.layer,
            connector=place.connector,
            tenant=place.tenant,
            target=place.target,
            patch=patch,
            base=base,
            created_by=who.id,
            created_at=ground.now(),
        )
    )
    await note(ground, place.scope, who, "create", kept, layer=kept.layer, connector=kept.connector)
    return kept


async def _saved(ground: Ground, scope: Scope, who: Principal, overlay: Overlay, made: Made) -> Overlay:
    check_reaches(who, role="", tenant=overlay.tenant)
    patch, base = made
    if patch == overlay.patch and base == overlay.base:
        return overlay
    kept = await scope.overlays.save(replace(overlay, patch=patch, base=base), overlay.revision)
    await note(ground, scope, who, "update", kept, layer=kept.layer, connector=kept.connector)
    return kept


async def _checked(ground: Ground, scope: Scope, slug: str, patch: Any, before: Overlay | None = None) -> Made:
    """A patch that can be applied, and what the places it edits hold now.

    Edits of ``before`` that sleep, since their tool is gone, are kept as they were with what they rest on.
    """
    bounded = fields.json_object(patch, "patch", most=MOST_PATCH, deepest=_DEEPEST)
    read = await _read(ground, scope, slug)
    same = _unchanged(bounded, before.patch) if before else set()
    asleep = {name for name in same if name not in read.tools and name not in read.aliases}
    awake = {name: edit for name, edit in (bounded.get("tools") or {}).items() if name not in asleep}
    overlays.check_patch({**bounded, "tools": awake} if asleep else bounded, read)
    base = base_of(bounded, read.tools, read.aliases)
    return bounded, _resting(base, before, asleep) if before else base


def _unchanged(patch: Mapping[str, Any], before: Mapping[str, Any]) -> set[str]:
    """The tools whose edits are in both patches, and the same."""
    edits, earlier = patch.get("tools"), before.get("tools") or {}
    if not isinstance(edits, Mapping):
        return set()
    return {name for name, edit in edits.items() if name in earlier and earlier[name] == edit}


def _resting(base: Mapping[str, Any], before: Overlay, names: Collection[str]) -> Mapping[str, Any]:
    """What edits rest on, where the edits of some tools rest on what they did before."""
    kept = {name: held for name, held in (before.base.get("tools") or {}).items() if name in names}
    return {**base, "tools": {**base.get("tools", {}), **kept}}


async def _read(ground: Ground, scope: Scope, slug: str) -> overlays.Ground:
    version = await version_of(scope, await connector_named(scope, slug))
    return await ground.versions.read(compiled(scope, version))


async def list_overlays(ground: Ground, who: Principal, query: Query) -> Page[Overlay]:
    """The overlays that a principal sees: its own, and those of connectors shown to it."""
    return await _OVERLAYS.page(ground, who, query)


async def read_overlay(ground: Ground, who: Principal, id_: str) -> Overlay:
    """One overlay.

    Raises:
        CallerError: ``overlay.not_found``, ``identity.forbidden``.
    """
    return await _OVERLAYS.read(ground, who, id_)


async def patch_overlay(
    ground: Ground, who: Principal, id_: str, patch: Mapping[str, Any], if_match: int | None = None
) -> Overlay:
    """Change an overlay by a merge patch (RFC 7396) of its ``patch``.

    Raises:
        CallerError: ``overlay.not_found``, ``overlay.…``, ``field.…``, ``store.stale``, ``identity.forbidden``.
    """
    patch = fields.members(patch, ("patch",))
    given = fields.json_object(patch.get("patch") or {}, "patch", most=MOST_PATCH, deepest=_DEEPEST)

    async def change(work: Work) -> Overlay:
        overlay = await _OVERLAYS.find(work, who, "update", id_)
        scope = home(work, overlay)
        check_revision(overlay, if_match)
        patched, base = await _checked(ground, scope, overlay.connector, merged(overlay.patch, given), overlay)
        # whoever edits one tool has not looked at the others: their conflicts stay
        resting = _resting(base, overlay, _unchanged(patched, overlay.patch))
        return await _saved(ground, scope, who, overlay, (patched, resting))

    return await changing(ground, change, if_match)


async def review_overlay(ground: Ground, who: Principal, id_: str) -> Reviewed:
    """How an overlay stands to the version that is served now.

    Findings are conflicts with what has changed since it was made, and edits that sleep. Whoever has looked at them
    settles the conflicts by putting the patch again.

    Raises:
        CallerError: ``overlay.not_found``, ``connector.conflict``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        overlay = await _OVERLAYS.find(work, who, "read", id_)
        read = await _read(ground, home(work, overlay), overlay.connector)
    patch, findings = rebase(overlay.patch, overlay.base, read.tools, read.aliases)
    return Reviewed(overlay=overlay, patch=patch, findings=findings)


async def delete_overlay(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """Remove an overlay: its tools are shown again as they are below it.

    Raises:
        CallerError: ``overlay.not_found``, ``identity.forbidden``, ``store.stale``.
    """

    async def change(work: Work) -> Removed:
        overlay = await _OVERLAYS.find(work, who, "delete", id_)
        scope = home(work, overlay)
        check_revision(overlay, how.if_match)
        check_reaches(who, role="", tenant=overlay.tenant)
        if not how.plan:
            await scope.overlays.remove(overlay.id)
            await note(ground, scope, who, "delete", overlay, layer=overlay.layer, connector=overlay.connector)
        return removed("overlay", overlay.id, (), how)

    return await removing(ground, change, how)
