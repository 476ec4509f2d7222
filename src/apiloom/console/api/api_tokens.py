"""``/api-tokens``: tokens for this API and for MCP. Shown once, when they are made."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal, Self

from fastapi import Response
from pydantic import Field

from apiloom.console.api.asking import Asking, Listing, made
from apiloom.console.api.audit import AuditLine
from apiloom.console.api.fields import (
    CreatedAt,
    CreatedBy,
    ExpiresAt,
    Given,
    GivenExpiry,
    Revision,
    Secret,
    Shown,
    ShownTime,
)
from apiloom.console.api.once import Once
from apiloom.console.api.resource import Resource
from apiloom.flows import api_tokens as flows
from apiloom.flows import leaked
from apiloom.store.records import ServerToken

Role = Literal["owner", "operator", "auditor", "tenant-admin", "agent"]


class ApiToken(Shown):
    """A token, without its text."""

    id: str
    name: str
    role: Role
    tenant: str | None = Field(description="The tenant it belongs to; null: the house.")
    servers: list[str] | None = Field(description="The servers it may call over MCP; null: all of its tenant.")
    end_user: str | None = Field(description="Who calls with it, in the vendor's own words.")
    allow_commands: bool
    expires_at: ExpiresAt
    last_used_at: ShownTime | None
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision


class MadeApiToken(ApiToken):
    """A token that was just made, with its text."""

    token: Secret = Field(description="The token itself, shown this once; null when the request was sent again.")

    @classmethod
    def of(cls, record: flows.IssuedApiToken) -> Self:
        """The answer that shows a token with its text."""
        return cls(**dict(ApiToken.of(record.token)), token=record.text)


class NewApiToken(Given):
    """A token to be made. It can be no wider than the one that makes it."""

    name: str
    role: Role
    tenant: str | None = Field(None, description="Omitted: the asking token's own tenant, else the house.")
    servers: list[str] | None = Field(None, description="Ids of the only servers it may call.")
    end_user: str | None = None
    allow_commands: bool | None = None
    expires_at: GivenExpiry = None


class ApiTokens(Listing):
    """Which tokens are wanted."""

    tenant: str | None = None
    name: str | None = None
    role: str | None = None
    end_user: str | None = None


class Found(Given):
    """A text with tokens of this gateway in it."""

    text: str = Field(description="What was found where it should not be: a token, a URL, a log.", repr=False)


class Leak(Shown):
    """A token that was found, and is revoked now."""

    id: str
    kind: Literal["server_token", "api_token"]
    tenant: str | None
    name: str = Field(description="The token's name or label.")
    server: str | None = Field(description="The server it opened.")
    lines: list[AuditLine] = Field(description="What was done with it, newest first.")
    more: bool = Field(description="Whether more was done than is listed.")


class Leaks(Shown):
    """The tokens that stood in a text."""

    items: list[Leak]
    more_tokens: int = Field(description="How many further tokens stand in the text that were not looked up.")
    more_characters: int = Field(description="How many characters at the end of the text were not searched.")


class Rotation(Given):
    """How a token is to be replaced."""

    grace_seconds: int | None = Field(None, description="How long the old one lives on. Omitted: it ends now.")


_PLAIN_ROTATION = Rotation.model_validate({})


def _leak(leak: leaked.Leak) -> Leak:
    token = leak.token
    opened = token if isinstance(token, ServerToken) else None
    return Leak(
        id=token.id,
        kind="server_token" if opened else "api_token",
        tenant=token.tenant,
        name=token.label if isinstance(token, ServerToken) else token.name,
        server=opened.server if opened else None,
        lines=[AuditLine.of(line) for line in leak.lines],
        more=leak.more,
    )


tokens = Resource("/api-tokens/{token}", "api_token", "an API token", ApiToken)
routes = tokens.routes

tokens.lists(flows.list_api_tokens, ApiTokens, "Tokens in the order of their ids, without their texts.")
tokens.reads(flows.read_api_token, "One token by its id, without its text.")
tokens.deletes(
    flows.revoke_api_token, "Revoke a token at once; streams and calls that run under it are cut.", verb="Revoke"
)
tokens.creates(
    flows.create_api_token,
    NewApiToken,
    "A new token, whose text is in this answer and nowhere else.",
    seen=MadeApiToken,
    record=attrgetter("token"),
)


@routes.post(
    "/api-tokens/{token}/rotate", operation_id="rotate_api_token", summary="Replace an API token", status_code=201
)
async def rotate_api_token(
    asked: Asking, token: str, once: Once, response: Response, body: Rotation = _PLAIN_ROTATION
) -> MadeApiToken:
    """A new text in place of a token's, which lives on for the grace that is given."""

    async def make() -> MadeApiToken:
        issued = await flows.rotate_api_token(asked.ground, asked.who, token, body.members())
        made(response, issued.token, f"api-tokens/{issued.token.id}")
        return MadeApiToken.of(issued)

    return await once(make)


@routes.post("/api-tokens/leaked", operation_id="report_leaked_tokens", summary="Revoke tokens that have leaked")
async def report_leaked_tokens(asked: Asking, body: Found) -> Leaks:
    """Revoke every token that stands in a text, and say what was done with each."""
    report = await leaked.report_leak(asked.ground, asked.who, body.text)
    return Leaks(
        items=[_leak(leak) for leak in report.leaks],
        more_tokens=report.more_tokens,
        more_characters=report.more_characters,
    )
