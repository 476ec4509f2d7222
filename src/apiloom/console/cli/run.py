"""The door of the command line: one function from words to an exit code, and the outer wall for every failure."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from apiloom import __version__
from apiloom.base.errors import ApiloomError, CallerError, DesignError, HouseFault
from apiloom.console.cli.call import call
from apiloom.console.cli.completion import VARIABLE, completion
from apiloom.console.cli.diff import diff
from apiloom.console.cli.export import export
from apiloom.console.cli.inspect import inspect
from apiloom.console.cli.install import install
from apiloom.console.cli.later import platform_commands
from apiloom.console.cli.options import answering
from apiloom.console.cli.platform.late import platform_words
from apiloom.console.cli.seat import FAULT, INTERRUPTED, OK, PIPE_CLOSED, Seat, exit_code, tell
from apiloom.console.cli.serve import serve
from apiloom.console.house import House

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What the system says when there is no room left for what we write."""


class Root(click.Group):
    """All commands, listed in the order a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has gone; what is still buffered must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(PIPE_CLOSED) from None


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="apiloom", message="%(prog)s %(version)s")
@answering
def root() -> None:
    """Turn any API into MCP tools for AI agents.

    \b
    apiloom serve openapi.yaml              serve it to Claude, Cursor, VS Code …
    apiloom inspect openapi.yaml            see what it becomes first
    apiloom install cursor openapi.yaml     put it into a client's configuration
    """  # noqa: D301 - click wants the character


for _command in (serve, inspect, call, diff, export, install, completion, *platform_words(), *platform_commands()):
    root.add_command(_command)


def run(house: House, argv: Sequence[str]) -> int:
    """Run one command line, without the program's name; the answer is the exit code.

    Every failure becomes one line on standard error: nothing is raised but what ends a process on purpose.
    """
    words = list(argv)
    seat = Seat(house, machine=any(_asks_json(word) for word in words), debug="--debug" in words)
    _tolerate_narrow_encodings()
    try:
        answer = root.main(args=words, prog_name="apiloom", complete_var=VARIABLE, standalone_mode=False, obj=seat)
        return answer if isinstance(answer, int) else OK
    except NoArgsIsHelpError as help_page:
        click.echo(help_page.format_message())
        return OK
    except ApiloomError as error:
        return _failed(error, seat)
    except click.ClickException as error:
        return _failed(_usage(error), seat)
    except (click.Abort, KeyboardInterrupt, EOFError):
        return INTERRUPTED
    except SystemExit as asked:
        # Shell completion ends the process itself; a broken pipe on standard error ends up here too.
        return asked.code if isinstance(asked.code, int) else OK
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            return _broken(error, seat)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        told = DesignError(
            f"what was to be written could not be ({error.strerror})", code="cli.output", hint="make room there"
        )
        return _failed(told, seat)
    except Exception as error:  # noqa: BLE001 - the outer wall
        return _broken(error, seat)


def _broken(error: Exception, seat: Seat) -> int:
    fault = HouseFault(
        f"apiloom broke ({type(error).__name__})",
        code="house.unexpected",
        hint="run it again with --debug and report what it prints",
    )
    fault.__cause__ = error
    _failed(fault, seat)
    return FAULT


def _failed(error: ApiloomError, seat: Seat) -> int:
    if seat.debug:
        traceback.print_exception(error)
    tell(error, machine=seat.machine)
    return exit_code(error)


def _usage(error: click.ClickException) -> CallerError:
    """Click's words as one of ours. They are sentences with a full stop, which our line carries a hint behind."""
    path = "apiloom"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        path = error.ctx.command_path
    message = error.format_message().rstrip(".")
    return CallerError(message[:1].lower() + message[1:], code="cli.usage", hint=f"{path} --help explains")


def _asks_json(word: str) -> bool:
    return word == "--json" or word.startswith("--json=")


def _tolerate_narrow_encodings() -> None:
    """An ASCII terminal shows what it can of a text instead of failing on the rest."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and (stream.encoding or "").lower().replace("-", "") != "utf8":
            reconfigure(errors="replace")
