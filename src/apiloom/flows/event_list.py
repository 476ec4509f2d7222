"""The listing of what happened. Who writes events is :mod:`apiloom.flows.events`' matter."""

from __future__ import annotations

from apiloom.flows.access import scope_of
from apiloom.flows.asking import Page, Query, listed
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_may
from apiloom.store.records import Event

_FILTERS = {"tenant": str, "kind": str, "target": str}


async def list_events(ground: Ground, who: Principal, query: Query) -> Page[Event]:
    """Events, newest first. A tenant that was made anew under an id sees none of those from before.

    Raises:
        CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.listed`.
    """
    check_may(who, "list", "events", who.tenant)
    async with ground.store.reading() as work:
        scope = scope_of(work, who)
        page = await listed(scope.events, query, _FILTERS)
        tenant = None if who.of_house else await scope.tenants.load(who.tenant)
    if tenant is None:
        return page
    own = tuple(event for event in page.items if event.at >= tenant.created_at)
    return page if len(own) == len(page.items) else Page(own)
