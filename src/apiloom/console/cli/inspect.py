"""``apiloom inspect``: what a document becomes, before anything is served."""

from __future__ import annotations

from typing import Any

import click

from apiloom.console.cli.options import SourceCommand, SourceWord, answering, checked, read_options, reading
from apiloom.console.cli.report import render_credentials, render_report
from apiloom.console.cli.seat import OK, Seat


@click.command(cls=SourceCommand)
@click.argument("source", type=SourceWord())
@click.option("--all", "all_", is_flag=True, help="Show every tool and finding.")
@reading
@answering
@click.pass_obj
def inspect(seat: Seat, /, source: str, all_: bool, **given: Any) -> int:
    """Show what an API description becomes.

    The ledger, the tools, the findings, what the list of tools costs in tokens, a score, and the credentials wanted.
    """
    (source,) = checked(seat, [source])
    with seat.progress() as say:
        connector = seat.house.read(source, read_options(given), say)
        report = connector.report()
    if seat.machine:
        seat.print_json(report)
    else:
        render_report(report, whole=all_)
        render_credentials(connector.catalog)
    return OK
