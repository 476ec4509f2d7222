"""``/audit``: what was done, by whom. Read only."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from apiloom.console.api.asking import Asking, Listed, Listing, router, shown
from apiloom.console.api.fields import Json, Shown, ShownTime
from apiloom.flows import audit as flows

routes = router("audit")


class AuditLine(Shown):
    """One thing that was done."""

    id: str
    at: ShownTime
    principal: str = Field(description="Who did it.")
    action: str = Field(description="A dotted word such as server.create or call.")
    tenant: str | None
    target: str = Field(description="The id of what it was done to.")
    outcome: str = Field(description="ok, or the code of an error.")
    detail: Json = Field(description="Never arguments, results or secrets.")


class Lines(Listing):
    """Which lines are wanted."""

    tenant: str | None = None
    principal: str | None = None
    action: str | None = None
    target: str | None = None
    outcome: str | None = None


@routes.get("/audit", operation_id="list_audit", summary="List audit lines")
async def list_audit(asked: Asking, query: Annotated[Lines, Query()]) -> Listed[AuditLine]:
    """What was done, newest first."""
    return shown(await flows.list_audit(asked.ground, asked.who, query.query()), AuditLine.of)
