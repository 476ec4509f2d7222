"""What imports need beyond other requests: uploads by their handles, and progress told while the client waits.

Whoever accepts ``application/x-ndjson`` is answered in lines: ``{"said": …}`` for each step, and last
``{"status", "value"}`` or ``{"status", "problem"}``, for the status of the answer was sent long before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, cast

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from apiloom.base import json
from apiloom.base.errors import ApiloomError
from apiloom.console.api.door import Asked
from apiloom.console.api.fields import Shown
from apiloom.console.api.problems import failed, problem_of

LINES: Final = "application/x-ndjson"

Say = Callable[[str], None]

_Made = TypeVar("_Made", bound=Shown)


def wants_lines(request: Request) -> bool:
    """Whether the client wants to be told how far it is."""
    accepted = request.headers.get("accept", "").split(",")
    return any(each.partition(";")[0].strip().lower() == LINES for each in accepted)


async def upload_of(asked: Asked, wanted: Mapping[str, Any]) -> bytes:
    """The bytes of the upload that a source names; empty when there is none that is the caller's."""
    source = wanted.get("source")
    handle = source.get("upload") if isinstance(source, Mapping) else None
    if not isinstance(handle, str) or asked.uploads is None:
        return b""
    return await asked.uploads(asked.who, handle) or b""


async def told(asked: Asked, request: Request, response: Response, make: Callable[[Say], Awaitable[_Made]]) -> _Made:
    """What ``make`` makes; to a client that wants lines, with what it says meanwhile."""
    if not wants_lines(request):
        return await make(_silently)
    # the framework sends a response of ours as it is, whatever the type of the answer is
    return cast("_Made", StreamingResponse(_lines(asked, response, make), media_type=LINES))


async def _lines(asked: Asked, response: Response, make: Callable[[Say], Awaitable[_Made]]) -> AsyncIterator[bytes]:
    said: asyncio.Queue[str | None] = asyncio.Queue()

    async def run() -> _Made:
        try:
            return await make(said.put_nowait)
        finally:
            said.put_nowait(None)

    task = asyncio.create_task(run())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at, whoever waits
    try:
        while (step := await said.get()) is not None:
            yield json.dumps({"said": step[:1000]}) + b"\n"
        yield await _last(asked, response, task)
    finally:
        task.cancel()  # the client has gone, unless it is done


async def _last(asked: Asked, response: Response, task: asyncio.Task[_Made]) -> bytes:
    try:
        made: Shown | Response = await task
        # what was made before is a response already
        value = (
            json.loads(bytes(made.body)) if isinstance(made, Response) else made.model_dump(mode="json", by_alias=True)
        )
        return json.dumps({"status": response.status_code or 201, "value": value}) + b"\n"
    except ApiloomError as error:
        problem = problem_of(error)
    except Exception:  # noqa: BLE001 - the outer wall of what runs beside the answer
        problem = failed(asked.number)
    return json.dumps({"status": problem.status, "problem": json.loads(problem.body(asked.number))}) + b"\n"


def _silently(_: str) -> None:
    """Nobody is told."""
