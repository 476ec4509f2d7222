"""``apiloom schema``: what files of state may say, as JSON Schema."""

from __future__ import annotations

import click

from apiloom.console.cli.options import answering
from apiloom.console.cli.seat import OK, Seat
from apiloom.console.state.kinds import kind_of, schema_of


@click.command("schema")
@click.argument("kind", metavar="KIND")
@answering
@click.pass_obj
def command(seat: Seat, /, kind: str) -> int:
    """Print the JSON Schema (2020-12) of KIND: tenant, connector, account, toolset, server or overlay."""
    seat.print_json(schema_of(kind_of(kind)))
    return OK
