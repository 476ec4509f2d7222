"""What accounts were granted by OAuth: how it is, renewed at once, given up. No answer ever holds a token."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Query
from pydantic import Field

from apiloom.console.api.asking import Asking, Listed, Listing, router, shown
from apiloom.console.api.fields import Json, Shown, ShownTime
from apiloom.flows import grants as flows
from apiloom.store.records import Grant

routes = router("accounts")


class GrantHealth(Shown):
    """How one credential is that ends and is renewed."""

    account: str
    tenant: str
    scheme: str = Field(description="The security scheme of the API that it serves.")
    kind: str = Field(description="How it was granted, such as code or client_credentials.")
    client: str | None = Field(description="The id of the OAuth client it was granted to; null: the account's own.")
    state: str = Field(description="active, failing (tried again), or needs_reconnect: only a person can renew it.")
    scopes: list[str] = Field(description="What was granted; empty where the provider does not say.")
    identity: Json = Field(description="As whom it is connected, in the provider's words.")
    expires_at: ShownTime | None = Field(description="When the present token ends; null: not told.")
    next_refresh_at: ShownTime | None = Field(description="When it is renewed ahead of that; null: never.")
    refreshed_at: ShownTime | None
    failures: int = Field(description="Failed attempts since it was last renewed.")
    last_error: str | None = Field(description="The code of the last failure.")
    last_error_at: ShownTime | None

    @classmethod
    def of(cls, record: Grant) -> Self:
        """The health of a grant."""
        return cls.model_validate(flows.health(record))


class Credentials(Listing):
    """Which credentials are wanted."""

    tenant: str | None = None
    account: str | None = None
    state: str | None = None
    scheme: str | None = None


class Refreshed(Shown):
    """The credentials of an account after they were renewed."""

    grants: list[GrantHealth]


class Revoked(Shown):
    """What was given up."""

    account: str
    revoked: int = Field(description="How many grants were given up here.")
    told_provider: int = Field(description="How many of them the provider took back.")


@routes.get("/health/credentials", operation_id="list_credential_health", summary="How credentials are")
async def list_health(asked: Asking, query: Annotated[Credentials, Query()]) -> Listed[GrantHealth]:
    """Every credential that ends and is renewed: its state, when it ends, when it is renewed, what went wrong last."""
    return shown(await flows.list_grants(asked.ground, asked.who, query.query()), GrantHealth.of)


@routes.post("/accounts/{account}/refresh", operation_id="refresh_account", summary="Renew an account's tokens")
async def refresh_account(asked: Asking, account: str) -> Refreshed:
    """Renew what an account was granted now, whether it is due or not."""
    grants = await flows.refresh_account(asked.ground, asked.who, account)
    return Refreshed(grants=[GrantHealth.of(grant) for grant in grants])


@routes.post("/accounts/{account}/revoke", operation_id="revoke_account", summary="Give up an account's grants")
async def revoke_account(asked: Asking, account: str) -> Revoked:
    """Give up what an account was granted, here at once and at the provider as well as it can be told."""
    return Revoked.model_validate(await flows.revoke_account(asked.ground, asked.who, account))
