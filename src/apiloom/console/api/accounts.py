"""``/accounts``: what a tenant has connected, and whether it works. Credentials go in and never come out."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import Field

from apiloom.console.api.asking import Asking, Listing, tag
from apiloom.console.api.fields import (
    CreatedAt,
    CreatedBy,
    ExternalId,
    Given,
    Json,
    Metadata,
    Revision,
    Shown,
)
from apiloom.console.api.grants import GrantHealth
from apiloom.console.api.resource import Resource
from apiloom.flows import accounts as flows
from apiloom.flows.grants import grants_of

_CREDENTIALS = Field(
    None,
    description="By the name of the API's security scheme: a token, a key, a username with password, or a client. "
    "Written only: no answer ever holds them.",
    examples=[{"ApiKeyAuth": {"key": "…"}}],
    repr=False,
)


class Account(Shown):
    """A tenant's connection to a connector."""

    id: str
    tenant: str
    connector: str = Field(description="The connector's slug.")
    label: str
    variables: dict[str, str] = Field(description="Values of the variables of the API's address.")
    schemes: list[str] = Field(description="The security schemes that credentials are set for.")
    end_user: str | None = Field(description="Whose it is, in the vendor's own words.")
    external_id: ExternalId
    shared: bool = Field(description="Whether every caller of the tenant may use it.")
    enabled: bool
    metadata: Metadata
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision


class AccountRead(Account):
    """An account with what it was granted."""

    grants: list[GrantHealth] = Field(description="Its credentials that end and are renewed, one for each scheme.")


class NewAccount(Given):
    """An account to be made."""

    tenant: str | None = Field(None, description="Omitted: the token's own tenant, else default.")
    connector: str = Field(description="The connector's slug.")
    label: str | None = None
    variables: dict[str, str] | None = None
    credentials: dict[str, dict[str, Any]] | None = _CREDENTIALS
    end_user: str | None = None
    external_id: ExternalId = None
    shared: bool | None = None
    metadata: Json | None = None


class AccountPatch(Given):
    """What of an account is to be changed; null empties a member."""

    label: str | None = None
    variables: dict[str, str | None] | None = None
    credentials: dict[str, dict[str, Any] | None] | None = _CREDENTIALS
    end_user: str | None = None
    external_id: ExternalId = None
    shared: bool | None = None
    enabled: bool | None = None
    metadata: Json | None = Field(None, description="Merged into what is there; a member that is null is removed.")


class Accounts(Listing):
    """Which accounts are wanted."""

    tenant: str | None = None
    connector: str | None = None
    external_id: str | None = None
    end_user: str | None = None
    shared: bool | None = None
    enabled: bool | None = None


class Trial(Given):
    """What to try an account with."""

    tool: str | None = Field(None, description="The tool to call. Omitted: one that reads and needs no argument.")


_PLAIN_TRIAL = Trial.model_validate({})


accounts = Resource("/accounts/{account}", "account", "an account", Account)
routes = accounts.routes

accounts.lists(flows.list_accounts, Accounts, "Accounts in the order of their ids, without credentials.")
accounts.creates(flows.create_account, NewAccount, "Connect a tenant to a connector, with variables and credentials.")


@routes.get("/accounts/{account}", operation_id="read_account", summary="Read an account")
async def read_account(asked: Asking, account: str, response: Response) -> AccountRead:
    """One account, without credentials; how those are that are renewed."""
    found = await flows.read_account(asked.ground, asked.who, account)
    granted = await grants_of(asked.ground, asked.who, account)
    tag(response, found)
    health = [GrantHealth.of(grant) for grant in granted]
    return AccountRead(**dict(Account.of(found)), grants=health)


accounts.changes(
    flows.patch_account,
    AccountPatch,
    "Change members of an account; credentials of schemes that are not named stay.",
)
accounts.deletes(
    flows.delete_account,
    "Remove an account and its credentials; with cascade=true, the servers that show it alone.",
)


@routes.post("/accounts/{account}/test", operation_id="test_account", summary="Try an account")
async def try_account(asked: Asking, account: str, body: Trial = _PLAIN_TRIAL) -> Json:
    """Call a tool that only reads with the account's credentials, and say what came of it."""
    return dict(await flows.try_account(asked.ground, asked.who, account, body.tool or ""))
