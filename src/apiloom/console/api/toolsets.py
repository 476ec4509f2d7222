"""``/toolsets``: named groups of a connector's tools."""

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
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Json, Revision, Shown
from apiloom.console.api.once import Once
from apiloom.flows import toolsets as flows

routes = router("toolsets")

_SELECT = Field(
    description="Which tools: by tags, paths or tools (globs); any of them.",
    examples=[{"tags": ["invoices"], "tools": ["list_*"]}],
)


class Toolset(Shown):
    """A named group of tools, switched as one."""

    id: str = Field(description="{slug}/{name}, or {slug}/{name}@{tenant}.")
    connector: str = Field(description="The connector's slug.")
    name: str
    tenant: str | None = Field(description="Whose it is; null: the connector's own.")
    title: str
    description: str
    select: Json = _SELECT
    origin: str = Field(description="suggested: made from the document, and nobody has edited it; else given.")
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision


class NewToolset(Given):
    """A toolset to be made."""

    connector: str = Field(description="The connector's slug.")
    name: str
    tenant: str | None = Field(None, description="Whose it is; omitted: the token's own tenant, else the connector's.")
    title: str | None = None
    description: str | None = None
    select: Json = _SELECT


class ToolsetPatch(Given):
    """What of a toolset is to be changed."""

    title: str | None = None
    description: str | None = None
    select: Json | None = Field(None, description="Replaces what is there, member by member.")


class Toolsets(Listing):
    """Which toolsets are wanted."""

    connector: str | None = None
    tenant: str | None = None
    name: str | None = None
    origin: str | None = None


@routes.get("/toolsets", operation_id="list_toolsets", summary="List toolsets")
async def list_toolsets(asked: Asking, query: Annotated[Toolsets, Query()]) -> Listed[Toolset]:
    """Toolsets in the order of their ids."""
    return shown(await flows.list_toolsets(asked.ground, asked.who, query.query()), Toolset.of)


@routes.post("/toolsets", operation_id="create_toolset", summary="Create a toolset", status_code=201)
async def create_toolset(asked: Asking, body: NewToolset, once: Once, response: Response) -> Toolset:
    """A new group of a connector's tools."""

    async def make() -> Toolset:
        toolset = await flows.create_toolset(asked.ground, asked.who, body.members())
        made(response, toolset, f"toolsets/{toolset.id}")
        return Toolset.of(toolset)

    return await once(make)


@routes.get("/toolsets/{toolset:path}", operation_id="read_toolset", summary="Read a toolset")
async def read_toolset(asked: Asking, toolset: str, response: Response) -> Toolset:
    """One toolset; its id's slash may stand as it is, or as %2F."""
    found = await flows.read_toolset(asked.ground, asked.who, toolset)
    tag(response, found)
    return Toolset.of(found)


@routes.patch("/toolsets/{toolset:path}", operation_id="update_toolset", summary="Change a toolset")
async def update_toolset(
    asked: Asking, toolset: str, body: ToolsetPatch, if_match: IfMatch, response: Response
) -> Toolset:
    """Change a toolset; one that was suggested becomes a given one."""
    changed = await flows.patch_toolset(asked.ground, asked.who, toolset, body.members(), if_match)
    tag(response, changed)
    return Toolset.of(changed)


@routes.delete("/toolsets/{toolset:path}", operation_id="delete_toolset", summary="Delete a toolset")
async def delete_toolset(asked: Asking, toolset: str, removal: Removing) -> RemovedShown:
    """Remove a toolset; the tools stay."""
    return RemovedShown.of(await flows.delete_toolset(asked.ground, asked.who, toolset, removal))
