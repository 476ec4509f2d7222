"""Resources of the contract that come with later releases: one clear sentence each, and no place in the description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from fastapi import APIRouter

from apiloom.base.errors import CallerError

RESOURCES: Final = (
    "policies",
    "approvals",
    "workflows",
    "runs",
    "forge/jobs",
    "webhooks",
    "usage",
)

_METHODS: Final = ["GET", "POST", "PATCH", "PUT", "DELETE"]


def build_later() -> APIRouter:
    """The routes of all of them."""
    routes = APIRouter(include_in_schema=False)
    for resource in RESOURCES:
        for path in (f"/{resource}", f"/{resource}/{{rest:path}}"):
            routes.add_api_route(path, _refusing(resource), methods=_METHODS, response_model=None)
    return routes


def _refusing(resource: str) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise CallerError(
            f"{resource} come with a later release of apiloom",
            code="api.not_yet",
            hint="GET /api/v1/openapi.json lists what is there",
        )

    return refuse
