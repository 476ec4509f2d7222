"""What happened and others may want to be told: written in the transaction of what it tells of, or not at all.

Delivery is another matter; so is who may list them. Every kind of event that there is stands in :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiloom.base.ids import fresh_at
from apiloom.store.ports import Scope
from apiloom.store.records import Event, Grant

_ACCOUNT: Final = "account"
NEEDS_RECONNECT: Final = f"{_ACCOUNT}.needs_reconnect"
CONNECTED: Final = f"{_ACCOUNT}.connected"
REVOKED: Final = f"{_ACCOUNT}.revoked"

KINDS: Final[Mapping[str, str]] = {
    NEEDS_RECONNECT: "only a person can renew what an account was granted: connect it anew",
    CONNECTED: "an account was connected, for the first time or anew",
    REVOKED: "what an account was granted was given up here",
}
"""The kinds of events, and what each means."""


async def record(
    scope: Scope, *, at: float, kind: str, tenant: str | None, target: str, detail: Mapping[str, Any]
) -> None:
    """Keep an event in the transaction of ``scope``.

    Args:
        at: seconds since the epoch.
        kind: one of :data:`KINDS`.
        tenant: whose it is, None: the house's.
        target: the id of what it happened to.
        detail: plain JSON values, never a secret and never a text from outside.
    """
    await scope.events.add(
        Event(id=fresh_at("evt", at), at=at, kind=kind, tenant=tenant, target=target, detail=dict(detail))
    )


async def record_of_grant(scope: Scope, grant: Grant, kind: str, *, at: float, code: str) -> None:
    """Keep an event of what an account was granted, for the reason that ``code`` names."""
    detail = {"scheme": grant.scheme, "code": code}
    await record(scope, at=at, kind=kind, tenant=grant.tenant, target=grant.account, detail=detail)
