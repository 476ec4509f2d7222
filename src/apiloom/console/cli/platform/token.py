"""``apiloom token``: API tokens, whose texts are shown once; and what to do when one has leaked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform import server
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    confirmed,
    found,
    list_command,
    path,
    removals,
    show_command,
)
from apiloom.console.cli.platform.session import asked, asking, file_at
from apiloom.console.cli.platform.showing import column, show_once, show_removed, show_table
from apiloom.console.cli.platform.values import expiry, read_expiry, read_seconds, said
from apiloom.console.cli.seat import Seat
from apiloom.identity.tokens import find_tokens

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

KIND = Kind(
    word="token",
    place="api-tokens",
    columns=(
        column("id"),
        column("name"),
        column("role"),
        column("tenant"),
        column("ends", "expires_at"),
        column("last used", "last_used_at"),
    ),
    filters=("tenant", "name", "role", "end_user"),
    prefix="key_",
)

ROLES = ("owner", "operator", "auditor", "tenant-admin", "agent")
_MOST = 512 * 1024

_LINES = (column("at"), column("action"), column("target"), column("outcome"))


def commands() -> list[click.Command]:
    """All of them."""
    return [_create, list_command(KIND), show_command(KIND), _rotate, _revoke, _leaked]


@click.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may.")
@click.option("--tenant", metavar="ID", help="The tenant it belongs to.  [default: the asking token's, else the house]")
@click.option("--server", "servers", multiple=True, metavar="SERVER", help="The only server it may call; repeatable.")
@click.option("--end-user", metavar="ID", help="Who calls with it, in your own words.")
@click.option("--allow-commands", is_flag=True, default=None, help="Let an owner name files of the gateway's host.")
@click.option(
    "--expires", metavar="WHEN", callback=read_expiry, help="When it ends: 30d, 12h, never, or a time.  [default: 30d]"
)
@asking
@click.pass_obj
def _create(seat: Seat, /, name: str, **given: Any) -> int:
    """Make a token for the API and for MCP. Its text is shown this once."""
    body = {"name": name, **said(given, "role", "tenant", "end_user", "allow_commands"), **expiry(given["expires"])}

    async def work(gateway: Gateway) -> Any:
        where = {"tenant": given["tenant"]}
        ids = [await found(gateway, server.KIND, word, where) for word in given["servers"]]
        return await gateway.ask("POST", "/api-tokens", None, {**body, **({"servers": ids} if ids else {})})

    made = asked(seat, given, work)
    return answer(seat, made, lambda: _tell(seat, made))


def _tell(seat: Seat, made: Mapping[str, Any]) -> None:
    whose = f"tenant {made['tenant']}" if made["tenant"] else "the house"
    ends = f"until {made['expires_at']}" if made["expires_at"] else "for ever"
    seat.print(f"token {made['id']} ({made['name']}) is {made['role']} of {whose}, {ends}")
    show_once(seat, made, "")


@click.command("rotate")
@click.argument("id_", metavar="ID")
@click.option("--grace", metavar="TIME", callback=read_seconds, help="How long the old text lives on: 3600, 12h, 7d.")
@asking
@click.pass_obj
def _rotate(seat: Seat, /, id_: str, **given: Any) -> int:
    """Replace a token by a new one of the same rights. Without --grace the old one ends now."""
    body = {"grace_seconds": given["grace"] or 0}
    place = path("api-tokens", id_, "rotate")
    made = asked(seat, given, lambda gateway: gateway.ask("POST", place, None, body))
    return answer(seat, made, lambda: _tell(seat, made))


@click.command("revoke")
@click.argument("id_", metavar="ID")
@removals
@conditions
@asking
@click.pass_obj
def _revoke(seat: Seat, /, id_: str, **given: Any) -> int:
    """Revoke a token at once, with the streams and calls that run under it."""
    told = asked(seat, given, lambda gateway: confirmed(seat, gateway, given, "DELETE", path("api-tokens", id_)))
    return answer(seat, told, lambda: show_removed(seat, told))


@click.command("leaked")
@click.argument("source", metavar="[STRING|FILE]", default="-")
@asking
@click.pass_obj
def _leaked(seat: Seat, /, source: str, **given: Any) -> int:
    """Revoke every token of this gateway that stands in a text, and list what each did.

    STRING is the text itself, such as a token, a URL or a line of a log; else it is read from FILE or standard input.
    """
    text = _found_text(seat, source)
    told = asked(seat, given, lambda gateway: gateway.ask("POST", "/api-tokens/leaked", None, {"text": text}))
    return answer(seat, told, lambda: _tell_leaks(seat, told))


def _found_text(seat: Seat, source: str) -> str:
    if find_tokens(source) and not file_at(seat, source).exists():
        # others may see what stands on a command line; this one is about to end
        return source
    try:
        if source == "-":
            content = sys.stdin.buffer.read(_MOST + 1)
        else:
            with file_at(seat, source).open("rb") as file:
                content = file.read(_MOST + 1)
    except OSError as error:
        raise CallerError(
            f"the text cannot be read: {error.strerror or 'no reason given'}",
            code="cli.arguments",
            hint="check the path",
        ) from None
    if len(content) > _MOST:
        raise CallerError("the text is over 512 KB", code="cli.arguments", hint="cut out the part with the token")
    return content.decode("utf-8", "replace").replace("\x00", " ")


_UNSEARCHED = ("more_characters", "characters at the end of the text were not searched")


def _tell_leaks(seat: Seat, told: dict[str, Any]) -> None:
    leaks: list[dict[str, Any]] = told["items"]
    if not leaks:
        seat.print("no token of this gateway stands in the text")
    for leak in leaks:
        what = f"server {leak['server']}" if leak["server"] else "the API"
        whose = f" of tenant {leak['tenant']}" if leak["tenant"] else ""
        seat.print(f"token {leak['id']} ({leak['name'] or 'without a label'}) for {what}{whose} is revoked")
        show_table(_LINES, leak["lines"], "nothing was done with it")
        if leak["more"]:
            where = f"--target {leak['server']}" if leak["server"] else f"--principal token:{leak['id']}"
            seat.print(f"more was done with it: apiloom audit list {where}")
    for member, what in (("more_tokens", "tokens of the text were not looked up"), _UNSEARCHED):
        if told.get(member):
            seat.print(f"{told[member]} {what}; send the rest of the text by itself")
