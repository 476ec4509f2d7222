"""The door: one command line in, the house built around it, an exit code out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from apiloom.app.connectors import Loaded, load_connector, read_catalog
from apiloom.app.fetching import fetch_url
from apiloom.app.quick import Quick
from apiloom.app.sources import Opened, open_source
from apiloom.base import json, plugins
from apiloom.base.errors import CallerError
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.endpoint import Route
from apiloom.console.cli.run import run
from apiloom.console.house import Connector, House, Listen, Options, Say, Surroundings


def main(argv: Sequence[str]) -> int:
    """Run one command line, without the program's name; the exit code."""
    return run(build_house(), argv)


def build_house() -> House:
    """The house that commands work in: this process's environment, files and network."""
    surroundings = Surroundings(environment=os.environ)
    return House(read=_read, call=_call, preview=_preview, serve=_serve, surroundings=surroundings)


def _read(source: str, options: Options, say: Say) -> Connector:
    opened = _opened(source, options, say)
    catalog = read_catalog(opened, options, say)
    render_tool = plugins.load("apiloom.catalog.views:render_tool")
    build_report = plugins.load("apiloom.catalog.report:build_report")
    slug_of = plugins.load("apiloom.app.slug:slug_of")

    def rendered(tool: str) -> dict[str, Any]:
        view: dict[str, Any] = render_tool(
            catalog.tools[tool], catalog.schemas, profile=options.profile, with_output=True
        )
        return view

    return Connector(
        slug=options.name or slug_of(catalog.title, source),
        source=source,
        catalog=catalog,
        report=lambda: build_report(catalog),
        rendered=rendered,
    )


def _opened(source: str, options: Options, say: Say) -> Opened:
    return open_source(source, remote_refs=options.remote_refs, fetch_url=fetch_url, say=say)


def _call(source: str, options: Options, tool: str, arguments: dict[str, Any], say: Say) -> Outcome:
    quick, loaded = _quick(source, options, say)
    say(f"calling {tool}")
    return asyncio.run(_answered(quick, loaded, Call(tool=tool, arguments=arguments, timeout=options.timeout)))


async def _answered(quick: Quick, loaded: Loaded, call: Call) -> Outcome:
    try:
        outcome = await quick.put([loaded]).run(call)
    finally:
        await quick.sender.close()
    await asyncio.to_thread(loaded.keep)
    return outcome


def _preview(source: str, options: Options, tool: str, arguments: dict[str, Any], say: Say) -> dict[str, Any]:
    quick, loaded = _quick(source, options, say)
    route = quick.put([loaded]).route(tool)
    outcome = asyncio.run(_previewed(route, Call(tool=tool, arguments=arguments)))
    if outcome.structured is None:
        told = " ".join(part.text for part in outcome.content if isinstance(part, Text))
        raise CallerError(told, code=str(outcome.meta.get("dev.apiloom/error", {}).get("code", "call.refused")))
    plan: dict[str, Any] = json.loads(outcome.structured)
    return plan


async def _previewed(route: Route, call: Call) -> Outcome:
    return await route.preview(call)


def _quick(source: str, options: Options, say: Say) -> tuple[Quick, Loaded]:
    build_quick = plugins.load("apiloom.app.serve:build_quick")
    loaded = load_connector(source, _opened(source, options, say), options, say)
    quick: Quick = build_quick(options, say)
    return quick, loaded


def _serve(sources: Sequence[str], options: Options, listen: Listen, say: Say) -> int:
    code: int = plugins.load("apiloom.app.serve:serve")(sources, options, listen, say)
    return code
