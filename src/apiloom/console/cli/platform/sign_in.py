"""``apiloom sign-in``: who is signed in at a gateway with which client, and how that is ended."""

from __future__ import annotations

from typing import Any

import click

from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    if_match,
    list_command,
    naming,
    path,
    show_command,
)
from apiloom.console.cli.platform.session import asked, asking
from apiloom.console.cli.platform.showing import column
from apiloom.console.cli.seat import Seat

KIND = Kind(
    word="sign-in",
    place="sign-ins",
    columns=(
        column("id"),
        column("tenant"),
        column("client", "client_name"),
        column("end user", "end_user"),
        column("subject"),
        column("role"),
        column("servers"),
        column("resource"),
        column("since", "created_at"),
        column("ends", "expires_at"),
    ),
    filters=("tenant", "client", "subject", "resource"),
    prefix="fam_",
)


def commands() -> list[click.Command]:
    """All of them. How one begins is ``apiloom login``, or an MCP client's matter."""
    return [list_command(KIND), show_command(KIND), _end]


@click.command("end")
@click.option("--plan", is_flag=True, help="Only say what would happen.")
@conditions
@naming(KIND)
@asking
@click.pass_obj
def _end(seat: Seat, /, id_: str, **given: Any) -> int:
    """End a sign-in at once, on every node."""
    query = {"plan": given["plan"] or None}
    told = asked(
        seat, given, lambda gateway: gateway.ask("DELETE", path(KIND.place, id_), query, None, if_match(given))
    )
    return answer(seat, told, lambda: seat.print(f"sign-in {told['id']} {'is' if told['done'] else 'would be'} ended"))
