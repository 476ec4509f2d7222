"""Tenants: made, read, changed, and removed with all that lies in them.

Stands on access, fields and changing; the admin API, the command line and ``apply`` stand above.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.flows import fields
from apiloom.flows.access import find, scope_of
from apiloom.flows.asking import Affected, Page, Query, Removal, Removed, listed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.ground import Ground
from apiloom.flows.removing import check_free, removed, removing
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_may
from apiloom.store.ports import Scope, Work
from apiloom.store.records import DEFAULT_TENANT, Connector, Tenant

_FILTERS = {"name": str, "external_id": str, "metadata": dict}
_MEMBERS = ("id", "name", "external_id", "metadata")
_PATCHED = ("name", "external_id", "metadata")
_other = re.compile(r"[^a-z0-9]+")


async def create_tenant(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Tenant:
    """A new tenant. ``id`` is a slug, made from the name where it is left out.

    Raises:
        CallerError: ``field.…``, ``identity.forbidden``, ``store.exists`` when the id or the external id is taken.
    """
    check_may(who, "create", "tenants", None)
    wanted = fields.members(wanted, _MEMBERS)
    name = fields.text(wanted.get("name") or "", "name")
    tenant = Tenant(
        id=fields.slug(wanted["id"], "id") if wanted.get("id") is not None else _slug_of(name),
        name=name,
        external_id=fields.optional_text(wanted.get("external_id"), "external_id"),
        metadata=fields.metadata(wanted.get("metadata") or {}),
        created_at=ground.now(),
    )

    async def change(work: Work) -> Tenant:
        house = work.house()
        kept = await house.tenants.add(tenant)
        await note(ground, house, who, "create", kept)
        return kept

    return await changing(ground, change)


def _slug_of(name: str) -> str:
    """An id nobody has yet that can be told by its name."""
    told = _other.sub("-", name.lower()).strip("-")[:24].strip("-")
    if not told[:1].isalpha():
        told = f"t-{told}".strip("-")
    return f"{told}-{secrets.token_hex(4)}"


async def list_tenants(ground: Ground, who: Principal, query: Query) -> Page[Tenant]:
    """The tenants that a principal reaches: all, or its own."""
    check_may(who, "list", "tenants", who.tenant)
    async with ground.store.reading() as work:
        return await listed(scope_of(work, who).tenants, query, _FILTERS)


async def read_tenant(ground: Ground, who: Principal, id_: str) -> Tenant:
    """One tenant.

    Raises:
        CallerError: ``tenant.not_found``, ``identity.forbidden``.
    """
    check_may(who, "read", "tenants", who.tenant)
    async with ground.store.reading() as work:
        return await find(scope_of(work, who).tenants, "tenant", id_)


async def patch_tenant(
    ground: Ground, who: Principal, id_: str, patch: Mapping[str, Any], if_match: int | None = None
) -> Tenant:
    """Change members of a tenant by a merge patch (RFC 7396).

    Raises:
        CallerError: ``tenant.not_found``, ``field.…``, ``store.stale``, ``store.exists``; ``identity.forbidden`` for
            an external id from a tenant's own token, to which it would tell those of others.
    """
    check_may(who, "update", "tenants", who.tenant)
    patch = fields.members(patch, _PATCHED)
    if "external_id" in patch:
        check_may(who, "update", "tenants", None)

    async def change(work: Work) -> Tenant:
        scope = scope_of(work, who)
        tenant = await find(scope.tenants, "tenant", id_)
        check_may(who, "update", "tenants", tenant.id)
        check_revision(tenant, if_match)
        changed = tenant
        if "name" in patch:
            changed = replace(changed, name=fields.text(patch["name"] or "", "name"))
        if "external_id" in patch:
            changed = replace(changed, external_id=fields.optional_text(patch["external_id"], "external_id"))
        if "metadata" in patch:
            changed = replace(changed, metadata=fields.patched_metadata(tenant.metadata, patch["metadata"]))
        if changed == tenant:
            return tenant
        kept = await scope.tenants.save(changed, tenant.revision)
        await note(ground, scope, who, "update", kept, changed=sorted(patch))
        return kept

    return await changing(ground, change, if_match)


async def delete_tenant(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """Remove a tenant, with ``cascade`` all that lies in it. Its audit lines stay.

    Raises:
        CallerError: ``tenant.not_found``, ``tenant.conflict`` for the one every store has, ``tenant.depended_on``.
    """
    check_may(who, "delete", "tenants", who.tenant)

    async def change(work: Work) -> Removed:
        house = work.house()
        tenant = await find(scope_of(work, who).tenants, "tenant", id_)
        check_revision(tenant, how.if_match)
        if tenant.id == DEFAULT_TENANT:
            raise CallerError(
                f"the tenant {DEFAULT_TENANT} stays: it is where everything goes that names none",
                code="tenant.conflict",
                hint="remove what lies in it instead",
            )
        if not how.plan:
            # the first change: nobody can put anything into the tenant from here on
            await note(ground, house, who, "delete", tenant)
            tenant = await house.tenants.save(tenant, tenant.revision)
        affected = await _lies_in(house, work.tenant(tenant.id), tenant.id)
        check_free("tenant", tenant.id, affected, how)
        if not how.plan:
            await _emptied(work, tenant.id)
            await house.tenants.remove(tenant.id)
        return removed("tenant", tenant.id, affected, how)

    return await removing(ground, change, how)


async def _lies_in(house: Scope, scope: Scope, tenant: str) -> tuple[Affected, ...]:
    kinds: tuple[tuple[str, Any], ...] = (
        ("server", scope.servers),
        ("account", scope.accounts),
        ("api_token", scope.api_tokens),
        ("overlay", scope.overlays),
        ("toolset", scope.toolsets),
        ("oauth_client", scope.oauth_clients),
    )
    own = [
        Affected(kind=kind, id=record.id)
        for kind, rows in kinds
        for record in await rows.every()
        if record.tenant == tenant
    ]
    shown = [Affected(kind="connector", id=each.id, becomes="changed") for each in await _shown_to(house, tenant)]
    return (*own, *shown)


async def _shown_to(house: Scope, tenant: str) -> list[Connector]:
    """Connectors that name the tenant among those they are shown to."""
    return [each for each in await house.connectors.every() if each.tenants is not None and tenant in each.tenants]


async def _emptied(work: Work, tenant: str) -> None:
    """Remove all that lies in a tenant, in the order in which one depends on another."""
    scope, house = work.tenant(tenant), work.house()
    rooms: tuple[Any, ...] = (
        scope.server_tokens,
        scope.servers,
        scope.grants,
        scope.connect_sessions,
        scope.accounts,
        scope.api_tokens,
        scope.overlays,
        scope.toolsets,
        scope.oauth_clients,
        scope.token_families,
        scope.tenant_keys,
    )
    for rows in rooms:
        for record in await rows.every():
            if record.tenant == tenant:
                await rows.remove(record.id)
    for connector in await _shown_to(house, tenant):
        left = tuple(each for each in connector.tenants or () if each != tenant)
        # an empty list shows it to nobody; None would show it to all
        await house.connectors.save(replace(connector, tenants=left), connector.revision)
