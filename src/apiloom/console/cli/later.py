"""Words of the command line that are known and not yet able: each is answered with one sentence and exit code 2.

One table, so that a word leaves it on the day its command arrives.
"""

from __future__ import annotations

from pathlib import Path

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.seat import Seat

PLATFORM = (
    "workflow",
    "policy",
    "explain",
    "calls",
    "forge",
)

NOW = "serve, inspect, call, diff, export and install work today"


def not_yet(what: str, *, hint: str = NOW) -> CallerError:
    """The one sentence for a word that comes with a later release."""
    return CallerError(f"{what} with a later release of apiloom", code="cli.not_yet", hint=hint)


def platform_commands() -> list[click.Command]:
    """The platform's words as commands that answer with their sentence, whatever follows them."""
    return [_later(word) for word in PLATFORM]


def check_source(source: str, folder: Path) -> str:
    """A SOURCE that this release can read; an existing path always wins over a prefix.

    Raises:
        CallerError: ``cli.not_yet`` for ``mcp:`` and ``stdio:`` sources.
    """
    kind, colon, _ = source.partition(":")
    if colon and kind in {"mcp", "stdio"} and not (folder / source).exists():
        raise not_yet(f"{kind}: sources come", hint="give an OpenAPI document: a file, a folder, a URL or -")
    return source


def _later(word: str) -> click.Command:
    def answer(seat: Seat) -> None:  # noqa: ARG001 - every command is given its seat
        raise not_yet(f"the command {word} comes")

    return click.Command(
        word,
        callback=click.pass_obj(answer),
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
        hidden=True,
        help="Comes with a later release.",
    )
