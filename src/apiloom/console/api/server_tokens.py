"""``/servers/{server}/tokens`` and its rotation: the secret URLs of a server, each shown once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from apiloom.console.api.asking import Asking, Listed, Listing, RemovedShown, made, router, shown
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Revision, Secret, Shown, ShownTime
from apiloom.console.api.once import Once
from apiloom.flows import server_tokens as flows

routes = router("servers")


class ServerToken(Shown):
    """One secret URL of a server, without its text."""

    id: str
    server: str
    label: str
    expires_at: ShownTime | None = Field(description="When its grace ends; null: it lives as long as the server.")
    last_used_at: ShownTime | None
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision


class MadeServerToken(ServerToken):
    """A token that was just made."""

    token: Secret = Field(description="The token itself, shown this once; as a bearer at /mcp it selects its server.")
    url: Secret = Field(description="The server's URL with it, shown this once.")


class NewServerToken(Given):
    """A token to be made."""

    label: str | None = Field(None, description="Whose or what it is for.")


class Rotation(Given):
    """How tokens are to be replaced."""

    grace_seconds: int | None = Field(None, description="How long the old ones live on. Omitted: they end now.")
    token: str | None = Field(None, description="The id of the only one to be replaced. Omitted: all of the server.")
    label: str | None = Field(None, description="The new one's label. Omitted: the old one's.")


_PLAIN_TOKEN = NewServerToken.model_validate({})
_PLAIN_ROTATION = Rotation.model_validate({})


class Tokens(Listing):
    """Which tokens are wanted."""

    label: str | None = None


def _issued(issued: flows.Issued, response: Response) -> MadeServerToken:
    made(response, issued.token, f"servers/{issued.token.server}/tokens/{issued.token.id}")
    return MadeServerToken(**dict(ServerToken.of(issued.token)), token=issued.text, url=issued.url)


@routes.get("/servers/{server}/tokens", operation_id="list_server_tokens", summary="List a server's tokens")
async def list_server_tokens(asked: Asking, server: str, query: Annotated[Tokens, Query()]) -> Listed[ServerToken]:
    """The tokens of a server with labels and last use, without their texts."""
    return shown(await flows.list_tokens(asked.ground, asked.who, server, query.query()), ServerToken.of)


@routes.post(
    "/servers/{server}/tokens", operation_id="create_server_token", summary="Add a token to a server", status_code=201
)
async def create_server_token(
    asked: Asking, server: str, once: Once, response: Response, body: NewServerToken = _PLAIN_TOKEN
) -> MadeServerToken:
    """One more secret URL of a server."""

    async def make() -> MadeServerToken:
        return _issued(await flows.add_token(asked.ground, asked.who, server, body.members()), response)

    return await once(make)


@routes.delete(
    "/servers/{server}/tokens/{token}", operation_id="delete_server_token", summary="Revoke a token of a server"
)
async def delete_server_token(asked: Asking, server: str, token: str) -> RemovedShown:
    """End one token at once; the server's others live on."""
    gone = await flows.revoke_token(asked.ground, asked.who, server, token)
    return RemovedShown(kind="server_token", id=gone.id, done=True, affected=[], more=0)


@routes.post(
    "/servers/{server}/rotate",
    operation_id="rotate_server_token",
    summary="Replace a server's tokens",
    status_code=201,
)
async def rotate_server_token(
    asked: Asking, server: str, once: Once, response: Response, body: Rotation = _PLAIN_ROTATION
) -> MadeServerToken:
    """A new secret URL in place of the old ones, which live on for the grace that is given."""

    async def make() -> MadeServerToken:
        return _issued(await flows.rotate_tokens(asked.ground, asked.who, server, body.members()), response)

    return await once(make)
