"""``/oauth-clients``: the vendor's own OAuth apps at providers. Their secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated, Any, Self

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
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Revision, Shown
from apiloom.console.api.once import Once
from apiloom.flows import oauth_clients as flows
from apiloom.flows.ground import Ground

routes = router("oauth-clients")

_SECRET = Field(
    None,
    description="A client secret as text, {private_key, key_id, algorithm} with a key in PEM or as JWK, or {ref}. "
    "Written only: no answer ever holds it.",
    examples=["…"],
    repr=False,
)
_METHOD = "How it proves itself at the token endpoint (RFC 8414); empty: what the provider wants."
_ENDPOINTS = "Addresses that take the place of the document's: authorization_url, token_url, issuer and the like."


_PROVIDER = "A known provider, such as github; without, it is found by the endpoints."
_CLIENT_ID = "Its id at the provider."
_SCOPES = "Asked for besides those that the exposed tools need."
_PARAMETERS = "Added to the authorization request."


class OAuthClient(Shown):
    """An OAuth client of a connector."""

    id: str
    connector: str = Field(description="The connector's slug.")
    tenant: str | None = Field(description="Whose it is; null: the house's, for every tenant without one of its own.")
    scheme: str = Field(description="The security scheme that it serves; empty: every OAuth scheme.")
    provider: str = Field(description="Whose known quirks count; empty: found by the endpoints.")
    client_id: str
    method: str = Field(description=_METHOD)
    proof: str = Field(description="What is kept as its secret: client_secret, private_key, ref, or nothing.")
    scopes: list[str] = Field(description="Asked for besides those that the exposed tools need.")
    endpoints: dict[str, str] = Field(description=_ENDPOINTS)
    parameters: dict[str, str] = Field(description="Added to the authorization request.")
    label: str
    redirect_uri: str = Field("", description="What is to be registered with the provider.")
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision

    @classmethod
    def told(cls, record: Any, ground: Ground) -> Self:
        """The answer that shows a client, with the redirect URI of this gateway."""
        return cls.of(record).model_copy(update={"redirect_uri": flows.redirect_uri(ground, record)})


class NewOAuthClient(Given):
    """An OAuth client to be made."""

    tenant: str | None = Field(None, description="Whose it is; omitted: the token's own tenant, else the house.")
    connector: str = Field(description="The connector's slug.")
    scheme: str | None = Field(None, description="The security scheme that it serves; omitted: every one.")
    provider: str | None = Field(None, description=_PROVIDER)
    client_id: str = Field(description=_CLIENT_ID)
    method: str | None = Field(None, description=_METHOD)
    secret: str | dict[str, str] | None = _SECRET
    scopes: list[str] | None = Field(None, description=_SCOPES)
    endpoints: dict[str, str] | None = Field(None, description=_ENDPOINTS)
    parameters: dict[str, str] | None = Field(None, description=_PARAMETERS)
    label: str | None = Field(None, description="What people call it.")


class OAuthClientPatch(Given):
    """What of an OAuth client is to be changed; null empties a member."""

    provider: str | None = Field(None, description=_PROVIDER)
    client_id: str | None = Field(None, description=_CLIENT_ID)
    method: str | None = Field(None, description=_METHOD)
    secret: str | dict[str, str] | None = _SECRET
    scopes: list[str] | None = Field(None, description=_SCOPES)
    endpoints: dict[str, str | None] | None = Field(None, description=_ENDPOINTS)
    parameters: dict[str, str | None] | None = Field(None, description=_PARAMETERS)
    label: str | None = Field(None, description="What people call it.")


class OAuthClients(Listing):
    """Which OAuth clients are wanted."""

    tenant: str | None = None
    connector: str | None = None
    scheme: str | None = None
    provider: str | None = None


@routes.get("/oauth-clients", operation_id="list_oauth_clients", summary="List OAuth clients")
async def list_oauth_clients(asked: Asking, query: Annotated[OAuthClients, Query()]) -> Listed[OAuthClient]:
    """OAuth clients in the order of their ids, without secrets."""
    page = await flows.list_oauth_clients(asked.ground, asked.who, query.query())
    return shown(page, lambda record: OAuthClient.told(record, asked.ground))


@routes.post("/oauth-clients", operation_id="create_oauth_client", summary="Create an OAuth client", status_code=201)
async def create_oauth_client(asked: Asking, body: NewOAuthClient, once: Once, response: Response) -> OAuthClient:
    """Keep an OAuth client that was registered with a provider."""

    async def make() -> OAuthClient:
        client = await flows.create_oauth_client(asked.ground, asked.who, body.members())
        made(response, client, f"oauth-clients/{client.id}")
        return OAuthClient.told(client, asked.ground)

    return await once(make)


@routes.get("/oauth-clients/{client}", operation_id="read_oauth_client", summary="Read an OAuth client")
async def read_oauth_client(asked: Asking, client: str, response: Response) -> OAuthClient:
    """One OAuth client, without its secret."""
    found = await flows.read_oauth_client(asked.ground, asked.who, client)
    tag(response, found)
    return OAuthClient.told(found, asked.ground)


@routes.patch("/oauth-clients/{client}", operation_id="update_oauth_client", summary="Change an OAuth client")
async def update_oauth_client(
    asked: Asking, client: str, body: OAuthClientPatch, if_match: IfMatch, response: Response
) -> OAuthClient:
    """Change members of an OAuth client. Its secret stays, unless it leads to other endpoints from then on."""
    changed = await flows.patch_oauth_client(asked.ground, asked.who, client, body.members(), if_match)
    tag(response, changed)
    return OAuthClient.told(changed, asked.ground)


@routes.delete("/oauth-clients/{client}", operation_id="delete_oauth_client", summary="Delete an OAuth client")
async def delete_oauth_client(asked: Asking, client: str, removal: Removing) -> RemovedShown:
    """Remove an OAuth client; with cascade=true, accounts that were connected with it need to be connected anew."""
    return RemovedShown.of(await flows.delete_oauth_client(asked.ground, asked.who, client, removal))
