"""``/oauth-clients``: the vendor's own OAuth apps at providers. Their secrets go in and never come out."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from apiloom.console.api.asking import Listing
from apiloom.console.api.fields import CreatedAt, CreatedBy, Given, Revision, Shown
from apiloom.console.api.resource import Resource
from apiloom.flows import oauth_clients as flows
from apiloom.flows.ground import Ground

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
    scopes: list[str] = Field(description=_SCOPES)
    endpoints: dict[str, str] = Field(description=_ENDPOINTS)
    parameters: dict[str, str] = Field(description=_PARAMETERS)
    label: str
    redirect_uri: str = Field("", description="What is to be registered with the provider.")
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision

    @classmethod
    def here(cls, record: Any, ground: Ground) -> Self:
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
    secret: str | dict[str, Any] | None = _SECRET
    scopes: list[str] | None = Field(None, description=_SCOPES)
    endpoints: dict[str, str] | None = Field(None, description=_ENDPOINTS)
    parameters: dict[str, str] | None = Field(None, description=_PARAMETERS)
    label: str | None = Field(None, description="What people call it.")


class OAuthClientPatch(Given):
    """What of an OAuth client is to be changed; null empties a member."""

    provider: str | None = Field(None, description=_PROVIDER)
    client_id: str | None = Field(None, description=_CLIENT_ID)
    method: str | None = Field(None, description=_METHOD)
    secret: str | dict[str, Any] | None = _SECRET
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


clients = Resource("/oauth-clients/{client}", "oauth_client", "an OAuth client", OAuthClient)
clients.lists(flows.list_oauth_clients, OAuthClients, "OAuth clients in the order of their ids, without secrets.")
clients.creates(flows.create_oauth_client, NewOAuthClient, "Keep an OAuth client that was registered with a provider.")
clients.reads(flows.read_oauth_client, "One OAuth client, without its secret.")
clients.changes(
    flows.patch_oauth_client,
    OAuthClientPatch,
    "Change members of an OAuth client. Its secret stays, unless it leads to other endpoints from then on.",
)
clients.deletes(
    flows.delete_oauth_client,
    "Remove an OAuth client; with cascade=true, accounts that were connected with it need to be connected anew.",
)

routes = clients.routes
