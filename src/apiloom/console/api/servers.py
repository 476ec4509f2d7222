"""``/servers``: MCP servers, what they show, to whom, and until when."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Literal, Self

from fastapi import Response
from pydantic import Field

from apiloom.console.api.asking import Asking, Listing, made, tag
from apiloom.console.api.fields import (
    CreatedAt,
    CreatedBy,
    ExpiresAt,
    ExternalId,
    Given,
    GivenExpiry,
    Json,
    Metadata,
    Revision,
    Secret,
    Shown,
)
from apiloom.console.api.once import Once
from apiloom.console.api.resource import Resource
from apiloom.flows import servers as flows

_ACCOUNTS = Field(None, description="Ids of the accounts it shows.")
_CONNECTORS = Field(None, description="Slugs of connectors it shows with the account of whoever calls.")


class ToolFilter(Given):
    """Tools by name; * and ? stand for parts of one. What is denied wins."""

    allow: list[str] | None = None
    deny: list[str] | None = None


class ServerConfig(Given):
    """What a server shows, and how. A member that is left out, or null, is as in a plain server."""

    methods: list[str] | None = Field(
        None,
        description="Classes of tools, read, write or custom, or keys of operations; any of them. Omitted: read.",
        examples=[["read"]],
    )
    tags: list[str] | None = Field(None, description="Tools with any of these tags.")
    tools: ToolFilter | None = Field(None, description="Tools by name.")
    toolsets: list[str] | None = Field(None, description="Tools of any of these toolsets.")
    mode: Literal["auto", "direct", "search", "code"] | None = Field(None, description="How tools are listed.")
    profile: str | None = Field(None, description="The client profile that tools are written for.")
    result_tokens: int | None = Field(None, description="How long a result may be; 0: any length. Omitted: 25000.")
    require_api_token_auth: bool | None = Field(None, description="Ask for an API token besides the secret URL.")
    pin_version: int | dict[str, int] | None = Field(
        None, description="The version that is served: a number, or one for each connector by slug. null: the current."
    )
    require_descriptions: bool | None = Field(None, description="Leave out tools whose document says nothing of them.")
    allowed_addresses: list[str] | None = Field(None, description="Networks that callers must come from, as CIDR.")
    delegation: dict[str, Any] | None = Field(
        None, description="For which connectors, by slug, callers lend their own upstream credential."
    )


class Server(Shown):
    """One addressable MCP server."""

    id: str
    tenant: str
    name: str = Field(description="Unique in its tenant; it is at /mcp/s/{id}.")
    accounts: list[str] = Field(description="Ids of the accounts it shows.")
    connectors: list[str] = Field(description="Slugs of connectors it shows with the account of whoever calls.")
    config: Json = Field(description="All settings, with those that were left out.")
    toolsets_off: list[str] = Field(description="Toolsets that are switched off.")
    expires_at: ExpiresAt
    enabled: bool
    external_id: ExternalId
    metadata: Metadata
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision


class ToolsShown(Shown):
    """What a server shows to whoever may use it."""

    tools: int = Field(description="How many tools.")
    tokens: int = Field(description="How many tokens their listing costs, about.")
    warnings: list[str] = Field(description="What its owner should know.")


class SeenServer(ToolsShown, Server):
    """A server, and what it shows."""

    @classmethod
    def of(cls, record: Any) -> Self:
        """The answer that shows both."""
        return cls(**_members(record))


class MadeServer(SeenServer):
    """A server that was just made, with the URL of its first token."""

    url: Secret = Field(description="Its secret URL, shown this once; null when the request was sent again.")
    token_id: str = Field(description="The id of the URL's token, to revoke it by.")

    @classmethod
    def of(cls, record: Any) -> Self:
        """The answer that shows a server with its URL."""
        return cls(**_members(record), url=record.issued.url, token_id=record.issued.token.id)


class NewServer(Given):
    """A server to be made."""

    name: str | None = Field(None, description="Unique in the tenant. Omitted: its id.")
    config: ServerConfig | None = None
    expires_at: GivenExpiry = None
    enabled: bool | None = None
    external_id: ExternalId = None
    metadata: Json | None = None


class NewFreeServer(NewServer):
    """A server to be made for accounts and connectors."""

    tenant: str | None = Field(None, description="Omitted: the token's own tenant, else default.")
    accounts: list[str] | None = _ACCOUNTS
    connectors: list[str] | None = _CONNECTORS


class ServerPatch(NewServer):
    """What of a server is to be changed. In config, null takes a setting back."""

    accounts: list[str] | None = _ACCOUNTS
    connectors: list[str] | None = _CONNECTORS


class Servers(Listing):
    """Which servers are wanted."""

    tenant: str | None = None
    name: str | None = None
    external_id: str | None = None
    enabled: bool | None = None


class Switch(Given):
    """A toolset to be switched."""

    name: str = Field(description="The toolset's name.")
    on: bool


def _members(seen: flows.Seen | flows.Opened) -> dict[str, Any]:
    return {**dict(Server.of(seen.server)), **dict(ToolsShown.of(seen.shown))}


servers = Resource("/servers/{server}", "server", "a server", Server)
routes = servers.routes

servers.lists(flows.list_servers, Servers, "Servers in the order of their ids.")
servers.creates(
    flows.create_server,
    NewFreeServer,
    "A new MCP server for accounts and connectors of one tenant, with its secret URL.",
    seen=MadeServer,
    record=attrgetter("server"),
)


@routes.post(
    "/accounts/{account}/servers",
    operation_id="create_account_server",
    summary="Create a server for an account",
    status_code=201,
)
async def create_account_server(
    asked: Asking, account: str, body: NewServer, once: Once, response: Response
) -> MadeServer:
    """A new MCP server that shows one account, with its secret URL."""

    async def make() -> MadeServer:
        opened = await flows.create_server_for(asked.ground, asked.who, account, body.members())
        made(response, opened.server, f"servers/{opened.server.id}")
        return MadeServer.of(opened)

    return await once(make)


servers.reads(flows.read_server, "One server, without its URL.")


@routes.get("/servers/{server}/shown", operation_id="show_server", summary="See what a server shows")
async def show_server(asked: Asking, server: str) -> ToolsShown:
    """How many tools a server shows, what their listing costs, and what its owner should know."""
    return ToolsShown.of((await flows.show_server(asked.ground, asked.who, server)).shown)


servers.changes(
    flows.patch_server,
    ServerPatch,
    "Change members of a server. Its URLs stay; what it shows changes at once.",
    seen=SeenServer,
    record=attrgetter("server"),
)
servers.deletes(flows.delete_server, "Remove a server with all its URLs at once; streams and calls that run are cut.")


@routes.post("/servers/{server}/toolsets", operation_id="switch_toolset", summary="Switch a toolset of a server")
async def switch_toolset(asked: Asking, server: str, body: Switch, response: Response) -> SeenServer:
    """Switch a toolset on or off, for all who call the server."""
    seen = await flows.switch_toolset(asked.ground, asked.who, server, body.name, body.on)
    tag(response, seen.server)
    return SeenServer.of(seen)
