"""``/overlays``: edits of tools that are kept apart from what was read."""

from __future__ import annotations

from typing import Annotated, Literal

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
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Json, Revision, Shown
from apiloom.console.api.once import Once
from apiloom.flows import overlays as flows

routes = router("overlays")

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


@routes.get("/overlays", operation_id="list_overlays", summary="List overlays")
async def list_overlays(asked: Asking, query: Annotated[Overlays, Query()]) -> Listed[Overlay]:
    """Overlays in the order of their ids; a tenant sees its own, and the connectors' layers."""
    return shown(await flows.list_overlays(asked.ground, asked.who, query.query()), Overlay.of)


@routes.post("/overlays", operation_id="create_overlay", summary="Create an overlay", status_code=201)
async def create_overlay(asked: Asking, body: NewOverlay, once: Once, response: Response) -> Overlay:
    """Edit tools of a connector in one layer. The edits show in the next listing of tools."""

    async def make() -> Overlay:
        overlay = await flows.create_overlay(asked.ground, asked.who, body.members())
        made(response, overlay, f"overlays/{overlay.id}")
        return Overlay.of(overlay)

    return await once(make)


@routes.get("/overlays/{overlay}", operation_id="read_overlay", summary="Read an overlay")
async def read_overlay(asked: Asking, overlay: str, response: Response) -> Overlay:
    """One overlay."""
    found = await flows.read_overlay(asked.ground, asked.who, overlay)
    tag(response, found)
    return Overlay.of(found)


@routes.patch("/overlays/{overlay}", operation_id="update_overlay", summary="Change an overlay")
async def update_overlay(
    asked: Asking, overlay: str, body: OverlayPatch, if_match: IfMatch, response: Response
) -> Overlay:
    """Change the edits of an overlay."""
    changed = await flows.patch_overlay(asked.ground, asked.who, overlay, body.members(), if_match)
    tag(response, changed)
    return Overlay.of(changed)


@routes.delete("/overlays/{overlay}", operation_id="delete_overlay", summary="Delete an overlay")
async def delete_overlay(asked: Asking, overlay: str, removal: Removing) -> RemovedShown:
    """Take all edits of an overlay back."""
    return RemovedShown.of(await flows.delete_overlay(asked.ground, asked.who, overlay, removal))
