"""``/overlays``: edits of tools that are kept apart from what was read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from apiloom.console.api.asking import Listing
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Json, Revision, Shown
from apiloom.console.api.resource import Resource
from apiloom.flows import overlays as flows

Layer = Literal["connector", "tenant", "account", "server"]

_PATCH = Field(
    description="instructions for the whole server, and under tools by name: title, description, rename, hide, class, "
    "instructions, schema, and arguments by name with description, default, value or hide.",
    examples=[{"tools": {"create_pet": {"description": "Adds a pet to the shelter."}}}],
)


class Overlay(Shown):
    """Edits of a connector's tools in one layer. A later layer wins: connector, tenant, account, server."""

    id: str
    layer: Layer
    connector: str = Field(description="The connector's slug.")
    tenant: str | None
    target: str = Field(description="The tenant's, account's or server's id; empty for the connector's own layer.")
    patch: Json = _PATCH
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision


class NewOverlay(Given):
    """An overlay to be made: one for each layer, connector and target."""

    layer: Layer
    connector: str = Field(description="The connector's slug.")
    tenant: str | None = Field(None, description="For the layer tenant; omitted: the token's own, else default.")
    target: str | None = Field(None, description="The account's or server's id, for their layers.")
    patch: Json = _PATCH


class OverlayPatch(Given):
    """What of an overlay is to be changed."""

    patch: Json = Field(description="Merged into what is there; a member that is null is removed.")


class Overlays(Listing):
    """Which overlays are wanted."""

    tenant: str | None = None
    connector: str | None = None
    layer: str | None = None
    target: str | None = None


overlays = Resource("/overlays/{overlay}", "overlay", "an overlay", Overlay)
overlays.lists(
    flows.list_overlays,
    Overlays,
    "Overlays in the order of their ids; a tenant sees its own, and the connectors' layers.",
)
overlays.creates(
    flows.create_overlay,
    NewOverlay,
    "Edit tools of a connector in one layer. The edits show in the next listing of tools.",
)
overlays.reads(flows.read_overlay, "One overlay.")
overlays.changes(flows.patch_overlay, OverlayPatch, "Change the edits of an overlay.")
overlays.deletes(flows.delete_overlay, "Take all edits of an overlay back.")

routes = overlays.routes
