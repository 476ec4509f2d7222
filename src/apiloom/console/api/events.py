"""``/events``: what happened and others may want to be told. Read only."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from apiloom.console.api.asking import Asking, Listed, Listing, router, shown
from apiloom.console.api.fields import Json, Shown, ShownTime
from apiloom.flows import event_list as flows

routes = router("events")


class Event(Shown):
    """One thing that happened."""

    id: str
    at: ShownTime
    kind: str = Field(description="A dotted word such as account.needs_reconnect.")
    tenant: str | None
    target: str = Field(description="The id of what it happened to.")
    detail: Json = Field(description="Never a secret.")


class Events(Listing):
    """Which events are wanted."""

    tenant: str | None = None
    kind: str | None = None
    target: str | None = None


@routes.get("/events", operation_id="list_events", summary="List events")
async def list_events(asked: Asking, query: Annotated[Events, Query()]) -> Listed[Event]:
    """What happened, newest first."""
    return shown(await flows.list_events(asked.ground, asked.who, query.query()), Event.of)
