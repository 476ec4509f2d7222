"""One tool of one source, called once or shown as the request it would be."""

from __future__ import annotations

import asyncio
from typing import Any

from apiloom.app.connectors import Loaded, Reading
from apiloom.app.quick import Quick, build_quick
from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.values import replace
from apiloom.calls.call import Blob, Call, Content, Link, Outcome, Text
from apiloom.calls.drift import DISCREPANCIES, PROPOSAL, proposal
from apiloom.calls.endpoint import Endpoint
from apiloom.console.house import WARNINGS, Options


def call_tool(reading: Reading, source: str, options: Options, tool: str, arguments: dict[str, Any]) -> Outcome:
    """Call one tool of a source.

    Raises:
        ApiloomError: the source cannot be served, or has no such tool.
    """
    loaded = reading.connector(source, options)
    call = Call(tool=tool, arguments=arguments, timeout=options.timeout)
    return asyncio.run(_answered(loaded, options, call))


async def _answered(loaded: Loaded, options: Options, call: Call) -> Outcome:
    told: list[str] = []
    quick = build_quick(options, told.append)
    endpoint = quick.put([loaded])
    warnings = tuple(told)  # what it is told later is of the answer
    try:
        outcome = await endpoint.run(call)
        await quick.drift.settle()
    finally:
        await quick.close()
    loaded.keep()
    found = quick.drift.found(call.tool)
    if found:
        outcome.meta.update({DISCREPANCIES: quick.drift.known(call.tool), PROPOSAL: proposal(found)})
    if warnings:
        outcome.meta[WARNINGS] = list(warnings)
    return replace(outcome, content=tuple(_at_hand(part, quick, call) for part in outcome.content))


def _at_hand(part: Content, quick: Quick, call: Call) -> Content:
    """What was only linked to: nobody could follow a link into a process that has ended."""
    kept = quick.keeper.open(call.principal, part.uri) if isinstance(part, Link) else None
    return part if kept is None else Blob(kept.read(0, kept.size), kept.mime_type, kept.name)


def preview_tool(
    reading: Reading, source: str, options: Options, tool: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """What calling one tool would send; see :class:`~apiloom.console.house.House`.

    Raises:
        ApiloomError: as for :func:`call_tool`; ``policy.arguments.invalid`` for arguments that would be refused.
    """
    warnings: list[str] = []
    endpoint: Endpoint = build_quick(options, warnings.append).put([reading.connector(source, options)])
    outcome = asyncio.run(_previewed(endpoint, Call(tool=tool, arguments=arguments)))
    if outcome.structured is None:
        told = " ".join(part.text for part in outcome.content if isinstance(part, Text))
        raise CallerError(told, code=str(outcome.meta.get("dev.apiloom/error", {}).get("code", "call.refused")))
    plan: dict[str, Any] = json.loads(outcome.structured)
    noted = [*warnings, *plan.get("warnings", ())]
    return {**plan, "warnings": noted} if noted else plan


async def _previewed(endpoint: Endpoint, call: Call) -> Outcome:
    return await endpoint.route(call.tool).preview(call)
