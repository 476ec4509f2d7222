"""``/tenants``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from apiloom.console.api.asking import (
    Asking,
    IfMatch,
    Listed,
    Listing,
    RemovedShown,
    Removing,
    made,
    router,
    shown,
    tag,
)
from apiloom.console.api.fields import CreatedAt, ExternalId, Given, Json, Metadata, Revision, Shown
from apiloom.console.api.once import Once
from apiloom.flows import tenants as flows

routes = router("tenants")


class Tenant(Shown):
    """A boundary of isolation."""

    id: str
    name: str
    external_id: ExternalId
    metadata: Metadata
    created_at: CreatedAt
    revision: Revision


class NewTenant(Given):
    """A tenant to be made."""

    id: str | None = Field(None, description="Lower-case letters, digits, hyphens. Omitted: made from the name.")
    name: str | None = None
    external_id: ExternalId = None
    metadata: Json | None = Field(None, description="The caller's own JSON object, up to 16 KB.")


class TenantPatch(Given):
    """What of a tenant is to be changed; null empties a member."""

    name: str | None = None
    external_id: ExternalId = None
    metadata: Json | None = Field(None, description="Merged into what is there; a member that is null is removed.")


class Tenants(Listing):
    """Which tenants are wanted."""

    name: str | None = None
    external_id: str | None = None


@routes.get("/tenants", operation_id="list_tenants", summary="List tenants")
async def list_tenants(asked: Asking, query: Annotated[Tenants, Query()]) -> Listed[Tenant]:
    """Tenants in the order of their ids. A tenant's own token sees its own."""
    return shown(await flows.list_tenants(asked.ground, asked.who, query.query()), Tenant.of)


@routes.post("/tenants", operation_id="create_tenant", summary="Create a tenant", status_code=201)
async def create_tenant(asked: Asking, body: NewTenant, once: Once, response: Response) -> Tenant:
    """A new tenant, with nothing in it."""

    async def make() -> Tenant:
        tenant = await flows.create_tenant(asked.ground, asked.who, body.members())
        made(response, tenant, f"tenants/{tenant.id}")
        return Tenant.of(tenant)

    return await once(make)


@routes.get("/tenants/{tenant}", operation_id="read_tenant", summary="Read a tenant")
async def read_tenant(asked: Asking, tenant: str, response: Response) -> Tenant:
    """One tenant."""
    found = await flows.read_tenant(asked.ground, asked.who, tenant)
    tag(response, found)
    return Tenant.of(found)


@routes.patch("/tenants/{tenant}", operation_id="update_tenant", summary="Change a tenant")
async def update_tenant(asked: Asking, tenant: str, body: TenantPatch, if_match: IfMatch, response: Response) -> Tenant:
    """Change members of a tenant; what is not named stays."""
    changed = await flows.patch_tenant(asked.ground, asked.who, tenant, body.members(), if_match)
    tag(response, changed)
    return Tenant.of(changed)


@routes.delete("/tenants/{tenant}", operation_id="delete_tenant", summary="Delete a tenant")
async def delete_tenant(asked: Asking, tenant: str, removal: Removing) -> RemovedShown:
    """Remove a tenant; with cascade=true, all that lies in it."""
    return RemovedShown.of(await flows.delete_tenant(asked.ground, asked.who, tenant, removal))
