"""``/connect-sessions``: links to a hosted page where somebody connects an account, and what came of each."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Self

from fastapi import Response
from pydantic import Field

from apiloom.console.api.asking import Asking, Listing, tag
from apiloom.console.api.fields import CreatedAt, CreatedBy, ExternalId, Given, Json, Revision, Secret, Shown, ShownTime
from apiloom.console.api.resource import Resource
from apiloom.flows import connecting as flows
from apiloom.flows.connect_create import create_session
from apiloom.flows.connect_device import end_session
from apiloom.flows.ground import Ground
from apiloom.store.records import ConnectSession as Record

_URL = "The link for the one who connects, shown this once."


class ConnectSession(Shown):
    """A link to a page where somebody connects an account, and what came of it."""

    id: str
    tenant: str
    connector: str = Field(description="The connector's slug.")
    account: str | None = Field(description="The account that is connected anew; null: a new one is made.")
    end_user: str | None = Field(description="Whose account it is, in the vendor's own words.")
    external_id: ExternalId
    state: str = Field(description="open, bound (a browser has opened it), authorizing, done, expired or failed.")
    result: Json = Field(
        description="Once it is done: the account's id, the identity it is connected as, in the provider's words, and "
        "whether it was connected before. Where what was begun came to nothing: the code of the error."
    )
    allowed_origins: list[str] = Field(description="The origins whose pages may hold the page of this session.")
    return_url: str = Field(description="Where the page leads back to; empty: nowhere.")
    expires_at: ShownTime
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision

    @classmethod
    def here(cls, record: Any, ground: Ground) -> Self:
        """The answer that shows a session as it is now."""
        return cls(**_members(record, ground.now()))


class MadeConnectSession(ConnectSession):
    """A session that was just made."""

    url: Secret = Field(description=_URL)
    embed_url: Secret = Field(description="The page to hold in a frame, shown this once; null: no origin is allowed.")

    user_code: Secret = Field(None, description="With device: what is typed at the provider, shown this once.")
    verification_uri: str | None = Field(None, description="With device: where it is typed.")
    verification_uri_complete: Secret = Field(
        None, description="With device: the same with the code in it, shown this once; null: there is none."
    )
    interval: float | None = Field(None, description="With device: seconds between two looks at what came of it.")

    @classmethod
    def here(cls, record: Any, ground: Ground) -> Self:
        """The answer that shows a session with its link."""
        told: dict[str, Any] = {"url": record.url, "embed_url": record.embed_url or None}
        begun = record.confirming
        if begun is not None:
            told |= {
                "user_code": begun.user_code,
                "verification_uri": begun.url,
                "verification_uri_complete": begun.complete_url or None,
                "interval": begun.interval,
            }
        return cls(**_members(record.session, ground.now()), **told)


class Look(Given):
    """How the page looks."""

    name: str | None = Field(None, description="What the vendor is called. Omitted: the tenant's name.")
    logo: str | None = Field(None, description="data:image/png;base64,… (or jpeg, gif, webp) of up to 48 KB.")
    colours: dict[str, str] | None = Field(None, description="accent, or background with text, each as #rrggbb.")
    language: str | None = Field(None, description="en or de. Omitted: the browser's.")


class NewConnectSession(Given):
    """A session to be made: for a new account of a connector, or for an account that is connected anew."""

    tenant: str | None = Field(None, description="Omitted: the token's own tenant, else default.")
    connector: str | None = Field(None, description="The slug of the connector to connect with.")
    account: str | None = Field(None, description="The id of an account to connect anew, instead of a connector.")
    end_user: str | None = Field(None, description="Whose the account will be, in the vendor's own words.")
    external_id: ExternalId = None
    label: str | None = None
    metadata: Json | None = Field(None, description="The new account's.")
    variables: dict[str, str | None] | None = Field(
        None, description="Those that are known and not asked for; null asks for one that has a value."
    )
    scopes: list[str] | None = Field(None, description="Asked of the provider besides those that the tools need.")
    allowed_origins: list[str] | None = Field(
        None, description="Origins whose pages may hold the page, of those in the tenant's connect_origins."
    )
    return_url: str | None = Field(
        None, description="Where the page leads back to, of an origin in the tenant's connect_origins."
    )
    look: Look | None = Field(None, description="How the page looks.")
    expires_in: int | None = Field(None, description="Seconds that the link works, 60 to 86400. Omitted: 900.")
    allow_other_identity: bool | None = Field(
        None, description="Whether an account may be connected anew as somebody else."
    )
    check: bool | None = Field(
        None, description="Whether a new account counts as connected only once a tool that reads has worked."
    )
    device: bool | None = Field(
        None, description="Whether the account is connected by a confirmation at another screen, which begins at once."
    )
    signed_in: bool | None = Field(
        None,
        description="Whether whoever opens the link signs in first, and must be the end_user by the issuer's word.",
    )


class Redemption(Given):
    """A code that the page gave."""

    code: str = Field(description="The one-time code, as the vendor's page was given it.", repr=False)


class ConnectSessions(Listing):
    """Which sessions are wanted."""

    tenant: str | None = None
    connector: str | None = None
    account: str | None = None
    end_user: str | None = None
    external_id: str | None = None


def _members(record: Record, now: float) -> dict[str, Any]:
    own = {name: getattr(record, name) for name in ConnectSession.model_fields if hasattr(record, name)}
    return {**own, "state": flows.state_of(record, now), "allowed_origins": list(record.origins)}


sessions = Resource("/connect-sessions/{session}", "connect_session", "a connect session", ConnectSession)
routes = sessions.routes

sessions.lists(
    flows.list_sessions,
    ConnectSessions,
    "Sessions in the order of their ids, without their links. What has ended is kept for a day.",
)
sessions.creates(
    create_session,
    NewConnectSession,
    "A link to a page where somebody connects an account. Whoever opens it first is who may use it.",
    seen=MadeConnectSession,
    record=attrgetter("session"),
)


@routes.post("/connect-sessions/redeem", operation_id="redeem_connect_code", summary="Redeem a one-time code")
async def redeem_connect_code(asked: Asking, body: Redemption, response: Response) -> ConnectSession:
    """What came of the session of a code, once: for the backend whose page was given it."""
    found = await flows.redeem(asked.ground, asked.who, body.members())
    tag(response, found)
    return ConnectSession.here(found, asked.ground)


sessions.reads(flows.read_session, "One session, and once it is done, what came of it.")
sessions.deletes(end_session, "Its link opens nothing from now on. An account that was connected stays.", verb="End")
