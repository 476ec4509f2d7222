"""``whoami`` and ``health``: who the caller is to this gateway, and how the gateway is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apiloom import __version__
from apiloom.base.errors import HouseFault
from apiloom.console.api.asking import Asking, router
from apiloom.console.api.fields import ExpiresAt, Json, Shown

routes = router("node")

_NEVER = float("inf")


class Caller(Shown):
    """Who a token's holder is."""

    id: str = Field(description="The principal's id, as it stands in audit lines.")
    token: str = Field(description="The id of the token that was shown.")
    role: str
    tenant: str | None = Field(description="The tenant the token belongs to; null: the house.")
    servers: list[str] | None = Field(description="The servers it may call over MCP; null: all of its tenant.")
    end_user: str | None
    allow_commands: bool
    expires_at: ExpiresAt


@routes.get("/whoami", operation_id="whoami", summary="Who the caller is")
async def whoami(asked: Asking) -> Caller:
    """The role, tenant and end of the token that the request carries."""
    who = asked.who
    return Caller(
        id=who.id,
        token=who.token,
        role=who.role,
        tenant=who.tenant or None,
        servers=None if who.servers is None else list(who.servers),
        end_user=who.end_user or None,
        allow_commands=who.allow_commands,
        expires_at=None if who.expires_at == _NEVER else who.expires_at,
    )


class StoreHealth(Shown):
    """The store, as this node sees it."""

    reachable: bool
    change_seq: int | None = Field(
        description="The number of the last committed change; null: not known, or not told to a tenant's token."
    )


class Health(Shown):
    """How a gateway is."""

    status: Literal["ok", "degraded"] = Field(description="degraded: the store does not answer; calls still do.")
    version: str = Field(description="The release of apiloom.")
    store: StoreHealth
    node: Annotated[Json, Field(description="What this node says of itself.")]


@routes.get("/health", operation_id="read_health", summary="How the gateway is")
async def read_health(asked: Asking) -> Health:
    """Whether the store answers, and what the serving node says of itself; a tenant is told no numbers of others."""
    whole = asked.who.of_house
    try:
        last = await asked.ground.store.change_seq()
        store = StoreHealth(reachable=True, change_seq=last if whole else None)
    except HouseFault:
        store = StoreHealth(reachable=False, change_seq=None)
    state = await asked.state() if asked.state is not None else {}
    return Health(
        status="ok" if store.reachable else "degraded",
        version=__version__,
        store=store,
        node={name: said for name, said in state.items() if whole or name == "ready"},
    )
