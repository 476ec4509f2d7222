"""The record of what was done: a line in the same transaction as each change, and the listing of them.

A line names what was changed, never what it was changed to: no argument, no result, no secret.
"""

from __future__ import annotations

from typing import Any

from apiloom.base.ids import fresh_at
from apiloom.flows.asking import Page, Query
from apiloom.flows.ground import Ground
from apiloom.flows.reached import Reached, page_of_past
from apiloom.identity.principal import Principal
from apiloom.store.kinds import KINDS
from apiloom.store.ports import Scope
from apiloom.store.records import Audited, Tenant

_KINDS = {kind.record: kind.name for kind in KINDS}
_LINES: Reached[Audited] = Reached(
    kind="audit",
    rows=lambda scope: scope.audit,
    filters={"tenant": str, "principal": str, "action": str, "target": str, "outcome": str},
)


async def note(ground: Ground, scope: Scope, who: Principal, action: str, record: Any, **detail: Any) -> None:
    """Keep a line about a change of ``record``, in the transaction of ``scope``.

    Args:
        scope: the house's, or that of the tenant the record belongs to.
        action: what was done, such as ``create``; the line says ``server.create``.
        record: what it was done to; its id becomes the target and its tenant the line's.
        detail: plain JSON values, fit to be read by whoever may read the tenant's lines.
    """
    now = ground.now()
    if who.token and who.token != who.id:
        detail["token"] = who.token
    tenant = record.id if isinstance(record, Tenant) else getattr(record, "tenant", None)
    await scope.audit.add(
        Audited(
            id=fresh_at("aud", now),
            at=now,
            principal=who.id,
            action=f"{_KINDS[type(record)]}.{action}",
            tenant=tenant,
            target=record.id,
            detail=detail,
        )
    )


async def list_audit(ground: Ground, who: Principal, query: Query) -> Page[Audited]:
    """Lines, newest first. A tenant that was made anew under an id sees none of those from before.

    Raises:
        CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.listed`.
    """
    return await page_of_past(_LINES, ground, who, query)
