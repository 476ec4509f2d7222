"""``apiloom audit``: what was done, by whom."""

from __future__ import annotations

import click

from apiloom.console.cli.platform.records import Kind, list_command
from apiloom.console.cli.platform.showing import column

KIND = Kind(
    word="audit line",
    place="audit",
    columns=(
        column("at"),
        column("principal"),
        column("action"),
        column("tenant"),
        column("target"),
        column("outcome"),
    ),
    filters=("tenant", "principal", "action", "target", "outcome"),
)


def commands() -> list[click.Command]:
    """The only one: lines are written by the gateway and changed by nobody."""
    return [list_command(KIND)]
