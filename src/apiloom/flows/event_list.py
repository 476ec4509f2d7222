"""The listing of what happened. Who writes events is :mod:`apiloom.flows.events`' matter."""

from __future__ import annotations

from apiloom.flows.asking import Page, Query
from apiloom.flows.ground import Ground
from apiloom.flows.reached import Reached, page_of_past
from apiloom.identity.principal import Principal
from apiloom.store.records import Event

_EVENTS: Reached[Event] = Reached(
    kind="events", rows=lambda scope: scope.events, filters={"tenant": str, "kind": str, "target": str}
)


async def list_events(ground: Ground, who: Principal, query: Query) -> Page[Event]:
    """Events, newest first. A tenant that was made anew under an id sees none of those from before.

    Raises:
        CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.listed`.
    """
    return await page_of_past(_EVENTS, ground, who, query)
