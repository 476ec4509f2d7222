"""``apiloom overlay``: edits of tools, kept apart from what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform import account, server
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    found,
    if_match,
    list_command,
    path,
    remove_command,
    show_command,
)
from apiloom.console.cli.platform.session import asked, asking
from apiloom.console.cli.platform.showing import column
from apiloom.console.cli.platform.values import read_json
from apiloom.console.cli.seat import Seat
from apiloom.console.state.patches import patch_between

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

KIND = Kind(
    word="overlay",
    place="overlays",
    columns=(
        column("id"),
        column("layer"),
        column("connector"),
        column("tenant"),
        column("target"),
        ("edits", lambda record: sorted(record["patch"].get("tools", {})) or list(record["patch"])),
    ),
    filters=("tenant", "connector", "layer", "target"),
)


def commands() -> list[click.Command]:
    """All of them."""
    return [list_command(KIND), show_command(KIND), _set, remove_command(KIND)]


@click.command("set")
@click.argument("connector")
@click.argument("patch", metavar="JSON")
@click.option("--tenant", metavar="ID", help="For this tenant; with --account or --server, where these are looked for.")
@click.option("--account", metavar="ACCOUNT", help="For this account.")
@click.option("--server", metavar="SERVER", help="For this server.")
@click.option("--replace", is_flag=True, help="Put the edits in place of all there are.")
@conditions
@asking
@click.pass_obj
def _set(seat: Seat, /, connector: str, patch: str, **given: Any) -> int:
    """Edit tools of CONNECTOR: for all, or for one tenant, account or server.

    JSON is the edits, @FILE or @- for standard input. They are merged into what there is; null takes one back.
    """
    if given["account"] and given["server"]:
        raise CallerError("--account and --server exclude each other", code="cli.usage", hint="choose one")
    edits = read_json(seat, patch, "JSON") or {}

    async def work(gateway: Gateway) -> Any:
        place = await _place(gateway, connector, given)
        page = await gateway.ask("GET", "/overlays", {**place, "limit": 2})
        if not page["items"]:
            body = {name: value for name, value in place.items() if value}
            return await gateway.ask("POST", "/overlays", None, {**body, "patch": edits})
        there = page["items"][0]
        changed = patch_between(there["patch"], edits) if given["replace"] else edits
        return await gateway.ask("PATCH", path("overlays", there["id"]), None, {"patch": changed}, if_match(given))

    record = asked(seat, given, work)
    return answer(seat, record, lambda: seat.print(f"overlay {record['id']} of {record['connector']} is set"))


async def _place(gateway: Gateway, connector: str, given: dict[str, Any]) -> dict[str, Any]:
    """Where the overlay lies, as lists are narrowed by it."""
    where = {"tenant": given["tenant"]}
    if given["account"]:
        target = await found(gateway, account.KIND, given["account"], {**where, "connector": connector})
        return {"connector": connector, "layer": "account", "target": target}
    if given["server"]:
        return {
            "connector": connector,
            "layer": "server",
            "target": await found(gateway, server.KIND, given["server"], where),
        }
    if given["tenant"]:
        return {"connector": connector, "layer": "tenant", "tenant": given["tenant"]}
    return {"connector": connector, "layer": "connector"}
