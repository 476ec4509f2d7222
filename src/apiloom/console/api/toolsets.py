"""``/toolsets``: named groups of a connector's tools."""

from __future__ import annotations

from pydantic import Field

from apiloom.console.api.asking import Listing
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Json, Revision, Shown
from apiloom.console.api.resource import Resource
from apiloom.flows import toolsets as flows

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


toolsets = Resource("/toolsets/{toolset:path}", "toolset", "a toolset", Toolset)
toolsets.lists(flows.list_toolsets, Toolsets, "Toolsets in the order of their ids.")
toolsets.creates(flows.create_toolset, NewToolset, "A new group of a connector's tools.")
toolsets.reads(flows.read_toolset, "One toolset; its id's slash may stand as it is, or as %2F.")
toolsets.changes(flows.patch_toolset, ToolsetPatch, "Change a toolset; one that was suggested becomes a given one.")
toolsets.deletes(flows.delete_toolset, "Remove a toolset; the tools stay.")

routes = toolsets.routes
