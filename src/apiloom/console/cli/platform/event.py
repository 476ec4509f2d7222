"""``apiloom event``: what happened that others may want to be told."""

from __future__ import annotations

import click

from apiloom.console.cli.platform.records import Kind, list_command
from apiloom.console.cli.platform.showing import column

KIND = Kind(
    word="event",
    place="events",
    columns=(column("at"), column("kind"), column("tenant"), column("target"), column("detail")),
    filters=("tenant", "kind", "target"),
)


def commands() -> list[click.Command]:
    """The only one: events are written by the gateway."""
    return [list_command(KIND)]
