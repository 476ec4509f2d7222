"""``/connectors``: imported APIs under their slugs."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import AliasChoices, Field

from apiloom.console.api.asking import Asking, Listing, Removing, made, tag
from apiloom.console.api.fields import CreatedAt, Given, Json, Metadata, Revision, Shown
from apiloom.console.api.importing import Say, told, upload_of
from apiloom.console.api.once import Once
from apiloom.console.api.resource import Resource
from apiloom.flows import connectors as flows

_TENANTS = Field(None, description="Ids of the tenants it is shown to; null: to all.")


class Options(Given):
    """How a document is read and its API called. They hold from the next version on."""

    base_url: str | None = Field(None, description="Replaces the document's own servers.")
    server: str | None = Field(None, description="Which of the document's servers: a number, or a part of its name.")
    variables: dict[str, str | None] | None = Field(None, description="Values of the variables of the API's address.")
    headers: dict[str, str | None] | None = Field(None, description="Constant headers of every call; no credentials.")
    trust: list[str] | None = Field(None, description="Further origins that credentials may go to.")
    auth: str | None = Field(
        None, description="Where the document has no scheme: bearer, basic, header:NAME or query:NAME."
    )
    require_descriptions: bool | None = Field(
        None, description="Leave out operations that the document says nothing of."
    )
    remote_refs: bool | None = Field(None, description="Follow references to other hosts.")
    timeout: float | None = Field(None, description="Seconds that one call may take.")


class Source(Given):
    """Where the document comes from: one of these."""

    url: str | None = Field(None, description="Where to fetch it, now and for each new version.")
    text: str | None = Field(None, description="The document itself, JSON or YAML.", repr=False)
    upload: str | None = Field(None, description="The handle of a file that was sent to /files.")


class Connector(Shown):
    """An imported API."""

    slug: str = Field(
        validation_alias=AliasChoices("id", "slug"),
        description="Its name for good: up to 12 lower-case letters and digits.",
    )
    title: str
    source: Json = Field(description="Where versions come from.")
    options: Json
    tenants: list[str] | None = _TENANTS
    current: int = Field(description="The number of the version that is served; 0: none yet.")
    enabled: bool
    trusted: bool = Field(description="Whether its texts may change without review.")
    auto_promote: bool = Field(description="Whether a version that only adds is served at once.")
    metadata: Metadata
    created_at: CreatedAt
    revision: Revision


class ImportedConnector(Connector):
    """A connector that was just imported, and what came of its document."""

    version: int
    tools: int
    ledger: dict[str, int] = Field(description="How many operations there are, exposed, gated and quarantined.")
    findings: list[Json] = Field(description="The first problems of the document.")


class NewConnector(Given):
    """An API to be imported."""

    slug: str | None = Field(
        None, description="Its name for good: up to 12 lower-case letters and digits. Omitted: made from the title."
    )
    source: Source
    title: str | None = Field(None, description="Omitted: the document's own.")
    options: Options | None = None
    tenants: list[str] | None = _TENANTS
    enabled: bool | None = None
    trusted: bool | None = None
    auto_promote: bool | None = None
    metadata: Json | None = None


class ConnectorPatch(Given):
    """What of a connector is to be changed. Its source and options hold for the next version."""

    title: str | None = None
    source: Source | None = None
    options: Options | None = None
    tenants: list[str] | None = _TENANTS
    enabled: bool | None = None
    trusted: bool | None = None
    auto_promote: bool | None = None
    metadata: Json | None = Field(None, description="Merged into what is there; a member that is null is removed.")


class Connectors(Listing):
    """Which connectors are wanted."""

    enabled: bool | None = None
    title: str | None = None
    trusted: bool | None = None
    auto_promote: bool | None = None


def _imported(created: flows.Created) -> ImportedConnector:
    version = created.version
    return ImportedConnector(
        **dict(Connector.of(created.connector)),
        version=version.number,
        tools=version.tools,
        ledger=dict(version.ledger),
        findings=[dict(finding) for finding in version.findings],
    )


connectors = Resource("/connectors/{connector}", "connector", "a connector", Connector)
routes = connectors.routes

connectors.lists(
    flows.list_connectors,
    Connectors,
    "The connectors that are shown to the caller, in the order of their slugs.",
)


@routes.post("/connectors", operation_id="create_connector", summary="Import an API", status_code=201)
async def create_connector(
    asked: Asking, body: NewConnector, once: Once, request: Request, response: Response
) -> ImportedConnector:
    """Import an API's document as a new connector. What it describes is served from now on."""
    wanted = body.members()
    upload = await upload_of(asked, wanted)

    async def make(say: Say) -> ImportedConnector:
        created = await flows.create_connector(asked.ground, asked.who, wanted, upload=upload, say=say)
        made(response, created.connector, f"connectors/{created.connector.id}")
        return _imported(created)

    return await told(asked, request, response, lambda say: once(lambda: make(say)))


connectors.reads(flows.read_connector, "One connector. A tenant is not told where its document comes from.")


@routes.patch("/connectors/{connector}", operation_id="update_connector", summary="Change a connector")
async def update_connector(
    asked: Asking, connector: str, body: ConnectorPatch, how: Removing, response: Response
) -> Connector:
    """Change members of a connector. What it serves changes with its next version."""
    changed = await flows.patch_connector(asked.ground, asked.who, connector, body.members(), how)
    tag(response, changed)
    return Connector.of(changed)


connectors.deletes(
    flows.delete_connector,
    "Remove a connector with its versions; with cascade=true, its accounts too, and servers that show nothing else.",
)
