"""``/connect-sessions``: links to a hosted page where somebody connects an account, and what came of each."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import Field

from apiloom.console.api.asking import (
    Asking,
    Listed,
    Listing,
    RemovedShown,
    Removing,
    made,
    router,
    shown,
    tag,
)
from apiloom.console.api.fields import CreatedAt, CreatedBy, ExternalId, Given, Json, Revision, Secret, Shown, ShownTime
from apiloom.console.api.once import Once
from apiloom.flows import connecting as flows
from apiloom.store.records import ConnectSession as Record

routes = router("connect-sessions")

_URL = "The link for the one who connects, shown this once."


class ConnectSession(Shown):
    """A link to a page where somebody connects an account, and what came of it."""

    id: str
    tenant: str
    connector: str = Field(description="The connector's slug.")
    account: str | None = Field(description="The account that is connected anew; null: a new one is made.")
    end_user: str | None = Field(description="Whose account it is, in the vendor's own words.")
    external_id: ExternalId
    state: str = Field(description="open, bound (a browser has opened it), authorizing, done or expired.")
    result: Json = Field(
        description="Once it is done: the account's id, the identity it is connected as, in the provider's words, and "
        "whether it was connected before."
    )
    allowed_origins: list[str] = Field(description="The origins whose pages may hold the page of this session.")
    return_url: str = Field(description="Where the page leads back to; empty: nowhere.")
    expires_at: ShownTime
    created_by: CreatedBy
    created_at: CreatedAt
    revision: Revision

    @classmethod
    def seen(cls, record: Record, now: float) -> ConnectSession:
        """The answer that shows a session as it is at a moment."""
        return cls(**_members(record, now))


class MadeConnectSession(ConnectSession):
    """A session that was just made."""

    url: Secret = Field(description=_URL)
    embed_url: Secret = Field(description="The page to hold in a frame, shown this once; null: no origin is allowed.")


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


@routes.get("/connect-sessions", operation_id="list_connect_sessions", summary="List connect sessions")
async def list_connect_sessions(asked: Asking, query: Annotated[ConnectSessions, Query()]) -> Listed[ConnectSession]:
    """Sessions in the order of their ids, without their links. What has ended is kept for a day."""
    now = asked.ground.now()
    page = await flows.list_sessions(asked.ground, asked.who, query.query())
    return shown(page, lambda record: ConnectSession.seen(record, now))


@routes.post(
    "/connect-sessions", operation_id="create_connect_session", summary="Create a connect session", status_code=201
)
async def create_connect_session(
    asked: Asking, body: NewConnectSession, once: Once, response: Response
) -> MadeConnectSession:
    """A link to a page where somebody connects an account. Whoever opens it first is who may use it."""

    async def make() -> MadeConnectSession:
        started = await flows.create_session(asked.ground, asked.who, body.members())
        made(response, started.session, f"connect-sessions/{started.session.id}")
        members = _members(started.session, asked.ground.now())
        return MadeConnectSession(**members, url=started.url, embed_url=started.embed_url or None)

    return await once(make)


@routes.post("/connect-sessions/redeem", operation_id="redeem_connect_code", summary="Redeem a one-time code")
async def redeem_connect_code(asked: Asking, body: Redemption, response: Response) -> ConnectSession:
    """What came of the session of a code, once: for the backend whose page was given it."""
    found = await flows.redeem(asked.ground, asked.who, body.members())
    tag(response, found)
    return ConnectSession.seen(found, asked.ground.now())


@routes.get("/connect-sessions/{session}", operation_id="read_connect_session", summary="Read a connect session")
async def read_connect_session(asked: Asking, session: str, response: Response) -> ConnectSession:
    """One session, and once it is done, what came of it."""
    found = await flows.read_session(asked.ground, asked.who, session)
    tag(response, found)
    return ConnectSession.seen(found, asked.ground.now())


@routes.delete("/connect-sessions/{session}", operation_id="delete_connect_session", summary="End a connect session")
async def delete_connect_session(asked: Asking, session: str, removal: Removing) -> RemovedShown:
    """Its link opens nothing from now on. An account that was connected stays."""
    return RemovedShown.of(await flows.delete_session(asked.ground, asked.who, session, removal))
