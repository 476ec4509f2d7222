"""The door: one command line in, the house built around it, an exit code out.

What a command needs is loaded when it is run: asking for help costs neither a reader nor a client.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from apiloom.app.cachedir import home_folder
from apiloom.base import plugins
from apiloom.calls.call import Outcome
from apiloom.console.cli.run import run
from apiloom.console.house import (
    Connector,
    CopyAsk,
    Gateway,
    House,
    KeyAsk,
    Listen,
    Opened,
    Options,
    Reach,
    Say,
    Served,
    Surroundings,
)
from apiloom.net.request import Sender


def main(argv: Sequence[str]) -> int:
    """Run one command line, without the program's name; the exit code."""
    open_missing_streams()
    return run(build_house(), argv)


def open_missing_streams() -> None:
    """Give standard streams that whoever started us has closed to nobody, before a socket gets their numbers.

    The event loop ends the process when it finds one of its own connections there.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            given = os.open(os.devnull, os.O_RDWR)
            if given != number:
                os.dup2(given, number)
                os.close(given)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def build_house() -> House:
    """The house that commands work in: this process's environment, files and network."""
    desk = _Desk()
    surroundings = Surroundings(environment=os.environ, home=home_folder(), folder=_folder())
    return House(
        read=desk.read,
        call=desk.call,
        preview=desk.preview,
        serve=desk.serve,
        compare=desk.compare,
        gateway=desk.gateway,
        platform=desk.platform,
        keys=desk.keys,
        copies=desk.copies,
        outbound=desk.outbound,
        surroundings=surroundings,
    )


def _folder() -> Path:
    """Where we stand; the root when somebody has removed that folder."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.sep)


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

    def compare(self, old: str, new: str, options: Options, say: Say, trusted: bool) -> dict[str, Any]:  # noqa: FBT001
        compare_sources = plugins.load("apiloom.app.comparing:compare_sources")
        difference: dict[str, Any] = compare_sources(old, new, options, say, trusted=trusted)
        return difference

    def serve(
        self, sources: Sequence[str], options: Options, listen: Listen, say: Say, ready: Callable[[Served], None]
    ) -> int:
        code: int = plugins.load("apiloom.app.serve:serve")(sources, options, listen, say, ready)
        return code

    def gateway(self, gateway: Gateway, listen: Listen, say: Say, ready: Callable[[Opened], None]) -> int:
        with plugins.load("apiloom.app.garbage:unhindered")():
            serve_gateway = plugins.load("apiloom.app.gateway.serve:serve_gateway")
        code: int = serve_gateway(gateway, listen, say, ready)
        return code

    def platform(self, reach: Reach, say: Say, work: Callable[[Any], Awaitable[Any]]) -> Any:
        return plugins.load("apiloom.app.gateway.reaching:reach_platform")(reach, say, work)

    def copies(self, ask: CopyAsk, say: Say) -> Any:
        return plugins.load("apiloom.app.gateway.copydesk:answer_copies")(ask, say)

    def keys(self, ask: KeyAsk, say: Say) -> Any:
        return plugins.load("apiloom.app.gateway.keydesk:answer_keys")(ask, say)

    def outbound(self) -> Sender:
        sender: Sender = plugins.load("apiloom.app.outbound:open_sender")(os.environ, frozenset())
        return sender

    def _read(self, say: Say) -> Any:
        if self._reading is None:
            self._reading = plugins.load("apiloom.app.connectors:Reading")(say)
        return self._reading
