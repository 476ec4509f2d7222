"""``/connectors/{connector}/versions``: imports that are compared, promoted, set aside and taken back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, Field

from apiloom.console.api.asking import AffectedShown, Asking, Listed, Listing, Removing, made, router, shown, tag
from apiloom.console.api.connectors import Source
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Json, Revision, Shown, ShownTime
from apiloom.console.api.importing import told, upload_of
from apiloom.flows import version_tools
from apiloom.flows import versions as flows

routes = router("versions")

Number = Annotated[int, Path(ge=1, le=10**9, description="The version's number.")]


class Version(Shown):
    """One immutable import of a connector."""

    connector: str = Field(description="The connector's slug.")
    number: int
    state: Literal["proposed", "current", "past", "rejected"]
    hash: str = Field(description="Of what is served: equal for equal documents and options, on any gateway.")
    title: str
    api_version: str = Field(description="The version that the document gives itself.")
    tools: int
    ledger: dict[str, int] = Field(description="How many operations there are, exposed, gated and quarantined.")
    verdict: Literal["none", "additive", "review", "breaking"] = Field(
        description="What it means for those who use the version it was compared with."
    )
    against: int = Field(description="The number of the version it was compared with; 0: none.")
    options: Json
    created_by: CreatedBy
    created_at: CreatedAt
    promoted_at: ShownTime | None
    revision: Revision


class WholeVersion(Version):
    """A version with what was found in its document."""

    findings: list[Json] = Field(description="The first problems of the document.")


class ProposedVersion(WholeVersion):
    """What an import became."""

    new: bool = Field(description="False: a version that serves the same was there already, and this is it.")
    promoted: bool = Field(description="Whether it is served already.")


class Promoted(Shown):
    """A version that is served now, or with plan=true would be."""

    version: Version
    before: int = Field(description="The number of the version that was served before.")
    done: bool = Field(description="False when it was only planned.")
    affected: list[AffectedShown] = Field(description="Servers and overlays that name what it does not have.")
    more: int = Field(description="How many more are affected than are listed.")


class NewVersion(Given):
    """A document to be imported anew."""

    source: Source | None = Field(None, description="Omitted: where the connector was fetched from before.")


class Tool(Shown):
    """One tool of a version, before any overlay."""

    name: str
    title: str
    description: str
    kind: Literal["read", "write", "custom"] = Field(
        serialization_alias="class", description="What calling it does: only read, write, or something of its own."
    )
    operation: str = Field(description="The key of the operation it stands for.")
    tags: list[str]


class Versions(Listing):
    """Which versions are wanted."""

    state: str | None = None
    verdict: str | None = None
    hash: str | None = None


class Tools(Listing):
    """Which tools are wanted."""

    kind: str | None = Field(None, alias="class")


class ImportQuery(BaseModel):
    """How an import is to be made."""

    plan: bool = Field(False, description="Keep nothing, and answer what it would become.")


_PLAIN_VERSION = NewVersion.model_validate({})
_PLACE = "/connectors/{connector}/versions"


@routes.get(_PLACE, operation_id="list_versions", summary="List a connector's versions")
async def list_versions(asked: Asking, connector: str, query: Annotated[Versions, Query()]) -> Listed[Version]:
    """The versions of a connector."""
    return shown(await flows.list_versions(asked.ground, asked.who, connector, query.query()), Version.of)


@routes.post(_PLACE, operation_id="import_version", summary="Import a connector anew", status_code=201)
async def import_version(
    asked: Asking,
    connector: str,
    request: Request,
    response: Response,
    query: Annotated[ImportQuery, Query()],
    body: NewVersion = _PLAIN_VERSION,
) -> ProposedVersion:
    """Read the document anew as a proposal, compared with what is served."""
    wanted = {**body.members(), "plan": query.plan}
    upload = await upload_of(asked, wanted)

    async def make(say: flows.Say) -> ProposedVersion:
        got = await flows.import_version(asked.ground, asked.who, connector, wanted, upload=upload, say=say)
        version = got.version
        if query.plan or not got.new:
            response.status_code = 200
            tag(response, version)
        else:
            made(response, version, f"connectors/{connector}/versions/{version.number}")
        return ProposedVersion(**dict(WholeVersion.of(version)), new=got.new, promoted=got.promoted)

    return await told(asked, request, response, make)


@routes.get(_PLACE + "/{number}", operation_id="read_version", summary="Read a version")
async def read_version(asked: Asking, connector: str, number: Number, response: Response) -> WholeVersion:
    """One version of a connector."""
    found = await flows.read_version(asked.ground, asked.who, connector, number)
    tag(response, found)
    return WholeVersion.of(found)


@routes.get(_PLACE + "/{number}/difference", operation_id="read_difference", summary="See what a version changes")
async def read_difference(asked: Asking, connector: str, number: Number) -> Json:
    """What a version changes for those who use the one it was compared with, tool by tool."""
    return dict((await flows.read_version(asked.ground, asked.who, connector, number)).difference)


@routes.get(_PLACE + "/{number}/tools", operation_id="list_version_tools", summary="List a version's tools")
async def list_version_tools(
    asked: Asking, connector: str, number: Number, query: Annotated[Tools, Query()]
) -> Listed[Tool]:
    """The tools of a version by name, as they were read."""
    return shown(await version_tools.list_tools(asked.ground, asked.who, connector, number, query.query()), Tool.of)


@routes.get(
    _PLACE + "/{number}/document",
    operation_id="read_document",
    summary="Read a version's document",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "application/yaml": {}}}},
)
async def read_document(asked: Asking, connector: str, number: Number) -> Response:
    """The document that a version was made from, byte for byte."""
    document = await flows.read_document(asked.ground, asked.who, connector, number)
    kind = "application/json" if document.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "application/yaml"
    return Response(document, media_type=kind, headers={"content-disposition": "attachment"})


@routes.post(_PLACE + "/{number}/promote", operation_id="promote_version", summary="Serve a version")
async def promote_version(asked: Asking, connector: str, number: Number, how: Removing) -> Promoted:
    """Serve a version from now on, without a pause. If-Match takes the connector's ETag."""
    return Promoted.of(await flows.promote_version(asked.ground, asked.who, connector, number, how))


@routes.post(_PLACE + "/{number}/reject", operation_id="reject_version", summary="Set a proposed version aside")
async def reject_version(asked: Asking, connector: str, number: Number, response: Response) -> Version:
    """Turn a proposal down; it stays, and may be promoted after all."""
    rejected = await flows.reject_version(asked.ground, asked.who, connector, number)
    tag(response, rejected)
    return Version.of(rejected)


@routes.post("/connectors/{connector}/rollback", operation_id="rollback_connector", summary="Serve what was before")
async def rollback_connector(asked: Asking, connector: str, how: Removing) -> Promoted:
    """Serve again what a connector served before. If-Match takes the connector's ETag."""
    return Promoted.of(await flows.rollback_version(asked.ground, asked.who, connector, how))
