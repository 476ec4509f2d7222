"""``apiloom toolset``: named groups of a connector's tools."""

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
from apiloom.console.cli.platform.values import checked_patch, options, said
from apiloom.console.cli.seat import Seat

KIND = Kind(
    word="toolset",
    place="toolsets",
    columns=(column("id"), column("title"), column("tenant"), column("select"), column("origin")),
    filters=("connector", "tenant", "name", "origin"),
)

_describing = options(
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tools with this tag; may be repeated."),
    click.option("--path", "paths", multiple=True, metavar="PATTERN", help="Tools of such a path; may be repeated."),
    click.option("--tool", "tools", multiple=True, metavar="PATTERN", help="Tools of such a name; may be repeated."),
    click.option("--title", metavar="TEXT", help="What people call it."),
    click.option("--description", metavar="TEXT", help="What it is for."),
)


def commands() -> list[click.Command]:
    """All of them."""
    return [_add, list_command(KIND), show_command(KIND), _set, remove_command(KIND)]


def _members(given: dict[str, Any]) -> dict[str, Any]:
    select = said(given, "tags", "paths", "tools")
    return {**said(given, "title", "description"), **({"select": select} if select else {})}


@click.command("add")
@click.argument("connector")
@click.argument("name")
@click.option("--tenant", metavar="ID", help="Whose it is.  [default: the token's own, else the connector's]")
@_describing
@asking
@click.pass_obj
def _add(seat: Seat, /, connector: str, name: str, **given: Any) -> int:
    """Make a toolset of CONNECTOR. A tool is in it by any of its tags, paths and tools."""
    body = {"connector": connector, "name": name, **said(given, "tenant"), "select": {}, **_members(given)}
    made = asked(seat, given, lambda gateway: gateway.ask("POST", "/toolsets", None, body))
    return answer(seat, made, lambda: seat.print(f"toolset {made['id']} is made"))


@click.command("set")
@click.argument("id_", metavar="ID")
@_describing
@conditions
@asking
@click.pass_obj
def _set(seat: Seat, /, id_: str, **given: Any) -> int:
    """Change a toolset. What it selects is replaced as a whole."""
    patch = checked_patch(_members(given))
    record = patched(seat, given, KIND, id_, patch)
    return answer(seat, record, lambda: show_record(seat, record))
