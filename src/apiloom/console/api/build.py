"""The admin API as one ASGI application: its resources behind its door, and its errors in one shape.

Every rule is in the flows; here requests are parsed, flows called, answers rendered. ``app`` hands in what flows stand
on and who is recognised, and mounts the application at ``/api/v1``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from apiloom import __version__
from apiloom.base import json
from apiloom.base.errors import ApiloomError
from apiloom.console.api import (
    accounts,
    api_tokens,
    audit,
    catalogue,
    connect_sessions,
    connectors,
    events,
    grants,
    node,
    oauth_clients,
    overlays,
    server_tokens,
    servers,
    sign_ins,
    tenants,
    toolsets,
    versions,
)
from apiloom.console.api.document import DESCRIPTION, TAGS, polished
from apiloom.console.api.door import DOCUMENT, Admit, AsgiApp, Asked, Door, Settle, State, Uploads
from apiloom.console.api.later import build_later
from apiloom.console.api.problems import MEDIA_TYPE, Problem, failed, invalid, problem_of
from apiloom.flows.ground import Ground

_ROUTERS: Final = (
    tenants.routes,
    connectors.routes,
    versions.routes,
    accounts.routes,
    grants.routes,
    oauth_clients.routes,
    connect_sessions.routes,
    servers.routes,
    server_tokens.routes,
    toolsets.routes,
    overlays.routes,
    api_tokens.routes,
    sign_ins.routes,
    audit.routes,
    events.routes,
    catalogue.routes,
    node.routes,
)

_NO_ROUTE: Final = Problem(
    status=404,
    code="api.no_route",
    detail="there is nothing at this path",
    hint="GET /api/v1/openapi.json lists what is there",
)


def build_api(
    ground: Ground,
    admit: Admit,
    *,
    state: State | None = None,
    uploads: Uploads | None = None,
    settle: Settle | None = None,
) -> AsgiApp:
    """The application. It answers below ``/api/v1`` whether that prefix is still in the path or cut off already.

    Args:
        ground: what the flows stand on.
        admit: whose API token a text is; None for anything that is no live one.
        state: how this node is; without it, ``GET /health`` tells of the store alone.
        uploads: files that were sent before, for imports that name one.
        settle: waits until this node serves what was committed, so that whoever was told of a URL can call it.
    """
    return Door(_inside(), admit, Asked(ground=ground, state=state, uploads=uploads, settle=settle))


def build_document() -> dict[str, Any]:
    """The OpenAPI document of the API: the same for every gateway of this release."""
    return polished(_inside().openapi())


@cache
def _inside() -> FastAPI:
    """The operations: the same for all gateways of a process, for they hold nothing of one."""
    api = FastAPI(
        title="apiloom",
        version=__version__,
        summary="The gateway's admin API: connectors, accounts and MCP servers.",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for routes in _ROUTERS:
        api.include_router(routes)
    api.include_router(build_later())
    api.add_exception_handler(ApiloomError, _on_error)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, _on_no_route)
    api.add_exception_handler(Exception, _on_failure)
    api.add_route(DOCUMENT, _describing(api), methods=["GET"], include_in_schema=False)
    return api


def _describing(api: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    """Answers the document, which is made when it is first asked for."""
    made: list[bytes] = []

    async def describe(_: Request) -> Response:
        if not made:
            made.append(json.dumps(polished(api.openapi())))
        return Response(made[0], media_type="application/json")

    return describe


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiloomError)  # noqa: S101 - the framework's handlers are typed by the root of all errors
    return _answer(request, problem_of(error))


def _on_invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return _answer(request, invalid(found))


def _on_no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        allowed = dict((error.headers or {}) if isinstance(error, HTTPException) else {})
        problem = Problem(
            status=405,
            code="api.method",
            detail=f"{request.method[:20]} is not answered here",
            hint=f"use {allowed.get('Allow', 'another method')}",
        )
        return _answer(request, problem, allowed)
    if status == 404:
        return _answer(request, _NO_ROUTE)
    return _answer(request, Problem(status=status, code="api.unreadable", detail=HTTPStatus(status).phrase))


def _on_failure(request: Request, _: Exception) -> Response:
    asked: Asked = request.scope["state"]["asked"]
    return _answer(request, failed(asked.number))


def _answer(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    asked: Asked = request.scope["state"]["asked"]
    more = {**(headers or {}), **({"retry-after": "1"} if problem.status == 503 else {})}
    return Response(problem.body(asked.number), problem.status, more, MEDIA_TYPE)
