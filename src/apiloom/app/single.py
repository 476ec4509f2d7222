"""One tool of one source, called once or shown as the request it would be."""

from __future__ import annotations

import asyncio
from typing import Any

from apiloom.app.connectors import Loaded, Reading
from apiloom.app.quick import Quick, build_quick
from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.endpoint import Endpoint
from apiloom.console.house import Options


def call_tool(reading: Reading, source: str, options: Options, tool: str, arguments: dict[str, Any]) -> Outcome:
    """Call one tool of a source.

    Raises:
        ApiloomError: the source cannot be served, or has no such tool.
    """
    loaded = reading.connector(source, options)
    call = Call(tool=tool, arguments=arguments, timeout=options.timeout)
    return asyncio.run(_answered(loaded, options, call))


async def _answered(loaded: Loaded, options: Options, call: Call) -> Outcome:
    quick = _quick(options)
    try:
        outcome = await quick.put([loaded]).run(call)
    finally:
        await quick.sender.close()
    loaded.keep()
    return outcome


def preview_tool(
    reading: Reading, source: str, options: Options, tool: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """What calling one tool would send; see :class:`~apiloom.console.house.House`.

    Raises:
        ApiloomError: as for :func:`call_tool`; ``policy.arguments.invalid`` for arguments that would be refused.
    """
    endpoint: Endpoint = _quick(options).put([reading.connector(source, options)])
    outcome = asyncio.run(_previewed(endpoint, Call(tool=tool, arguments=arguments)))
    if outcome.structured is None:
        told = " ".join(part.text for part in outcome.content if isinstance(part, Text))
        raise CallerError(told, code=str(outcome.meta.get("dev.apiloom/error", {}).get("code", "call.refused")))
    plan: dict[str, Any] = json.loads(outcome.structured)
    return plan


async def _previewed(endpoint: Endpoint, call: Call) -> Outcome:
    return await endpoint.route(call.tool).preview(call)


def _quick(options: Options) -> Quick:
    return build_quick(options, _unheard)


def _unheard(text: str) -> None:
    """A single call has no log; what a missing credential means is told by the answer."""
