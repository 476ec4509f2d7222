"""``/tenants``."""

from __future__ import annotations

from pydantic import Field

from apiloom.console.api.asking import Listing
from apiloom.console.api.fields import CreatedAt, ExternalId, Given, Json, Metadata, Revision, Shown
from apiloom.console.api.resource import Resource
from apiloom.flows import tenants as flows


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


tenants = Resource("/tenants/{tenant}", "tenant", "a tenant", Tenant)
tenants.lists(flows.list_tenants, Tenants, "Tenants in the order of their ids. A tenant's own token sees its own.")
tenants.creates(flows.create_tenant, NewTenant, "A new tenant, with nothing in it.")
tenants.reads(flows.read_tenant, "One tenant.")
tenants.changes(flows.patch_tenant, TenantPatch, "Change members of a tenant; what is not named stays.")
tenants.deletes(flows.delete_tenant, "Remove a tenant; with cascade=true, all that lies in it.")

routes = tenants.routes
