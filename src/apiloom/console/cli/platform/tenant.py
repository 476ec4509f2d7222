"""``apiloom tenant``: boundaries of isolation."""

from __future__ import annotations

from typing import Any

import click

from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    list_command,
    patched,
    remove_command,
    show_command,
)
from apiloom.console.cli.platform.session import asked, asking
from apiloom.console.cli.platform.showing import column, show_record
from apiloom.console.cli.platform.values import checked_patch, options, said, unsetting, with_metadata, with_unset
from apiloom.console.cli.seat import Seat

KIND = Kind(
    word="tenant",
    place="tenants",
    columns=(column("id"), column("name"), column("external id", "external_id"), column("made", "created_at")),
    filters=("name", "external_id"),
    has_metadata=True,
)

_describing = options(
    click.option("--name", metavar="TEXT", help="What people call it."),
    click.option("--external-id", metavar="ID", help="Your own id for it, unique."),
    click.option("--metadata", metavar="JSON", help="Your own JSON object, @FILE or @-."),
)


def commands() -> list[click.Command]:
    """All of them."""
    return [_add, list_command(KIND), show_command(KIND), _set, remove_command(KIND)]


def _members(seat: Seat, given: dict[str, Any]) -> dict[str, Any]:
    return with_metadata(seat, given, said(given, "name", "external_id"))


@click.command("add")
@click.argument("id_", metavar="ID", required=False)
@_describing
@asking
@click.pass_obj
def _add(seat: Seat, /, id_: str | None, **given: Any) -> int:
    """Make a tenant. Without ID, one is made from the name."""
    body = {**_members(seat, given), **({"id": id_} if id_ else {})}
    made = asked(seat, given, lambda gateway: gateway.ask("POST", "/tenants", None, body))
    return answer(seat, made, lambda: seat.print(f"tenant {made['id']} is made"))


@click.command("set")
@click.argument("id_", metavar="ID")
@_describing
@unsetting
@conditions
@asking
@click.pass_obj
def _set(seat: Seat, /, id_: str, **given: Any) -> int:
    """Change a tenant."""
    patch = checked_patch(with_unset(_members(seat, given), given["unset"]))
    record = patched(seat, given, KIND, id_, patch)
    return answer(seat, record, lambda: show_record(seat, record))
