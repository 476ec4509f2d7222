"""``apiloom server``: MCP servers, each with secret URLs of its own that are shown once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from apiloom.console.cli.platform import account
from apiloom.console.cli.platform.filters import config_of, filtering
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    found,
    group,
    if_match,
    list_command,
    naming,
    page_query,
    pages,
    paging,
    place_of,
    post_to,
    remove_command,
    show_page,
)
from apiloom.console.cli.platform.session import asked, asking, with_urls
from apiloom.console.cli.platform.showing import column, show_once, show_record, show_removed, show_warnings
from apiloom.console.cli.platform.values import (
    checked_patch,
    expiry,
    options,
    read_expiry,
    read_seconds,
    said,
    unsetting,
    with_metadata,
    with_unset,
)
from apiloom.console.cli.seat import Seat

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

KIND = Kind(
    word="server",
    place="servers",
    columns=(
        column("id"),
        column("tenant"),
        column("name"),
        ("shows", lambda record: [*record["accounts"], *record["connectors"]]),
        column("ends", "expires_at"),
        column("enabled"),
    ),
    filters=("tenant", "name", "external_id"),
    prefix="srv_",
    names=("name", "external_id"),
    has_metadata=True,
)

_TOKENS = (column("id"), column("label"), column("ends", "expires_at"), column("last used", "last_used_at"))

_describing = options(
    click.option("--account", "accounts", multiple=True, metavar="ACCOUNT", help="Show this account; may be repeated."),
    click.option(
        "--connector",
        "connectors",
        multiple=True,
        metavar="SLUG",
        help="Show this connector with the account of whoever calls.",
    ),
    filtering,
    click.option(
        "--expires",
        metavar="WHEN",
        callback=read_expiry,
        help="When it ends: 30d, 12h, never, or a time.  [default: 30d]",
    ),
    click.option("--external-id", metavar="ID", help="Your own id for it, unique in the tenant."),
    click.option("--metadata", metavar="JSON", help="Your own JSON object, @FILE or @-."),
    click.option("--enabled/--disabled", default=None, help="Answer callers, or nobody."),
)


def commands() -> list[click.Command]:
    """All of them."""
    tokens = group("token", _token_add, _token_list, _token_revoke, told="Give a server more URLs, and end them.")
    toolsets = group("toolset", _switch("on"), _switch("off"), told="Switch groups of a server's tools.")
    return [_create, list_command(KIND), _show, _set, remove_command(KIND), _rotate, tokens, toolsets]


async def _members(seat: Seat, given: dict[str, Any], gateway: Gateway) -> dict[str, Any]:
    """What options say of a server, its accounts by their ids."""
    body = with_metadata(seat, given, {**said(given, "connectors", "external_id", "enabled"), **config_of(seat, given)})
    if given["accounts"]:
        where = {"tenant": given["tenant"]}
        body["accounts"] = [await found(gateway, account.KIND, word, where) for word in given["accounts"]]
    return {**body, **expiry(given["expires"])}


@click.command("create")
@click.argument("name", required=False)
@click.option("--tenant", metavar="ID", help="Whose it is.  [default: the token's own, else default]")
@_describing
@with_urls
@asking
@click.pass_obj
def _create(seat: Seat, /, name: str | None, **given: Any) -> int:
    """Make a server. Its URL is a secret, and shown this once."""

    async def work(gateway: Gateway) -> Any:
        named = {"name": name} if name else {}
        body = {**named, **said(given, "tenant"), **await _members(seat, given, gateway)}
        return await gateway.ask("POST", "/servers", None, body)

    made = asked(seat, given, work)
    return answer(seat, made, lambda: _tell_made(seat, made))


def _tell_made(seat: Seat, made: Mapping[str, Any]) -> None:
    ends = f"until {made['expires_at']}" if made["expires_at"] else "for ever"
    seat.print(f"server {made['name']} ({made['id']}) shows {_amount(made)}, {ends}")
    show_warnings(made["warnings"])
    show_once(seat, made, "the server")


def _amount(shown: Mapping[str, Any]) -> str:
    return f"{shown['tools']:,} tool{'' if shown['tools'] == 1 else 's'}, about {shown['tokens']:,} tokens"


@click.command("show")
@naming(KIND)
@asking
@click.pass_obj
def _show(seat: Seat, /, id_: str, **given: Any) -> int:
    """Show one server, and what it shows."""

    async def work(gateway: Gateway) -> tuple[Any, Any]:
        place = await place_of(gateway, KIND, given, id_)
        record = await gateway.ask("GET", place)
        # for a program the record alone, as the API answers it
        return record, None if seat.machine else await gateway.ask("GET", f"{place}/shown")

    record, shown = asked(seat, given, work)

    def show() -> None:
        show_record(seat, record)
        seat.print(f"it shows {_amount(shown)}")
        show_warnings(shown["warnings"])

    return answer(seat, record, show)


@click.command("set")
@click.option("--name", metavar="NAME", help="Another name, unique in the tenant.")
@_describing
@unsetting
@conditions
@naming(KIND)
@asking
@click.pass_obj
def _set(seat: Seat, /, id_: str, **given: Any) -> int:
    """Change a server. Its URLs stay, and what it shows changes at once."""

    async def work(gateway: Gateway) -> Any:
        members = {**said(given, "name"), **await _members(seat, given, gateway)}
        patch = checked_patch(with_unset(members, given["unset"]))
        place = await place_of(gateway, KIND, given, id_)
        return await gateway.ask("PATCH", place, None, patch, if_match(given))

    record = asked(seat, given, work)
    return answer(seat, record, lambda: _tell_changed(seat, record))


def _tell_changed(seat: Seat, record: Mapping[str, Any]) -> None:
    seat.print(f"server {record['name']} shows {_amount(record)}")
    show_warnings(record["warnings"])


@click.command("rotate")
@click.option("--grace", metavar="TIME", callback=read_seconds, help="How long old URLs live on: 3600, 12h, 7d.")
@click.option("--token", metavar="ID", help="Replace this one only.")
@click.option("--label", metavar="TEXT", help="The new one's label.")
@naming(KIND)
@with_urls
@asking
@click.pass_obj
def _rotate(seat: Seat, /, id_: str, **given: Any) -> int:
    """Replace a server's URLs by a new one. Without --grace the old ones end now."""
    body = {**said(given, "token", "label"), "grace_seconds": given["grace"] or 0}
    made = post_to(seat, given, KIND, id_, "rotate", body)
    return answer(seat, made, lambda: _tell_token(seat, made))


def _tell_token(seat: Seat, made: Mapping[str, Any]) -> None:
    seat.print(f"token {made['id']} opens server {made['server']}")
    show_once(seat, made, "the server")


@click.command("add")
@click.option("--label", metavar="TEXT", help="Whose or what it is for.")
@naming(KIND)
@with_urls
@asking
@click.pass_obj
def _token_add(seat: Seat, /, id_: str, **given: Any) -> int:
    """Give a server one more secret URL."""
    made = post_to(seat, given, KIND, id_, "tokens", said(given, "label"))
    return answer(seat, made, lambda: _tell_token(seat, made))


@click.command("list")
@naming(KIND)
@paging
@asking
@click.pass_obj
def _token_list(seat: Seat, /, id_: str, **given: Any) -> int:
    """List a server's tokens with their last use, without their texts."""

    async def work(gateway: Gateway) -> Any:
        place = await place_of(gateway, KIND, given, id_, "tokens")
        return await pages(gateway, place, page_query(given), every=given["all_"])

    show_page(seat, _TOKENS, asked(seat, given, work), "the server has no token")
    return 0


@click.command("revoke")
@naming(KIND)
@click.argument("token", metavar="TOKEN_ID")
@asking
@click.pass_obj
def _token_revoke(seat: Seat, /, id_: str, token: str, **given: Any) -> int:
    """End one of a server's URLs at once, with the streams and calls that run under it."""

    async def work(gateway: Gateway) -> Any:
        return await gateway.ask("DELETE", await place_of(gateway, KIND, given, id_, "tokens", token))

    told = asked(seat, given, work)
    return answer(seat, told, lambda: show_removed(seat, told))


def _switch(word: str) -> click.Command:
    def switched(seat: Seat, /, id_: str, name: str, **given: Any) -> int:
        record = post_to(seat, given, KIND, id_, "toolsets", {"name": name, "on": word == "on"})
        return answer(seat, record, lambda: _tell_changed(seat, record))

    command = naming(KIND)(click.argument("name", metavar="TOOLSET")(asking(click.pass_obj(switched))))
    return click.command(word, help=f"Switch a toolset {word}, for all who call the server.")(command)
