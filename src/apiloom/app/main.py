"""The door: one command line in, the house built around it, an exit code out.

What a command needs is loaded when it is run: asking for help costs neither a reader nor a client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from apiloom.base import plugins
from apiloom.calls.call import Outcome
from apiloom.console.cli.run import run
from apiloom.console.house import Connector, House, Listen, Options, Say, Served, Surroundings


def main(argv: Sequence[str]) -> int:
    """Run one command line, without the program's name; the exit code."""
    return run(build_house(), argv)


def build_house() -> House:
    """The house that commands work in: this process's environment, files and network."""
    desk = _Desk()
    surroundings = Surroundings(environment=os.environ)
    return House(read=desk.read, call=desk.call, preview=desk.preview, serve=desk.serve, surroundings=surroundings)


class _Desk:
    """The ports of the console. Sources are read once for each command, however many ports it uses."""

    def __init__(self) -> None:
        self._reading: Any = None

    def read(self, source: str, options: Options, say: Say) -> Connector:
        connector: Connector = plugins.load("apiloom.app.showing:read_source")(self._read(say), source, options)
        return connector

    def call(self, source: str, options: Options, tool: str, arguments: dict[str, Any], say: Say) -> Outcome:
        single = plugins.load("apiloom.app.single")
        outcome: Outcome = single.call_tool(self._read(say), source, options, tool, arguments)
        return outcome

    def preview(self, source: str, options: Options, tool: str, arguments: dict[str, Any], say: Say) -> dict[str, Any]:
        single = plugins.load("apiloom.app.single")
        plan: dict[str, Any] = single.preview_tool(self._read(say), source, options, tool, arguments)
        return plan

    def serve(
        self, sources: Sequence[str], options: Options, listen: Listen, say: Say, ready: Callable[[Served], None]
    ) -> int:
        code: int = plugins.load("apiloom.app.serve:serve")(sources, options, listen, say, ready)
        return code

    def _read(self, say: Say) -> Any:
        if self._reading is None:
            self._reading = plugins.load("apiloom.app.connectors:Reading")(say)
        return self._reading
