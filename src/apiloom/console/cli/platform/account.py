"""``apiloom account``: what a tenant has connected. Credentials go in and are never shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from apiloom.console.cli.platform.credentials import crediting, given_credentials
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    found,
    if_match,
    list_command,
    naming,
    page_query,
    pages,
    paging,
    path,
    remove_command,
    show_command,
    show_page,
)
from apiloom.console.cli.platform.session import asked, asking
from apiloom.console.cli.platform.showing import column, show_record, show_table
from apiloom.console.cli.platform.values import checked_patch, read_json, read_pairs, said, unsetting, with_unset
from apiloom.console.cli.seat import NO, OK, Seat, one_line

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

KIND = Kind(
    word="account",
    place="accounts",
    columns=(
        column("id"),
        column("tenant"),
        column("connector"),
        column("label"),
        column("external id", "external_id"),
        column("credentials", "schemes"),
        column("shared"),
        column("enabled"),
    ),
    filters=("tenant", "connector", "external_id", "end_user"),
    prefix="acc_",
    names=("external_id", "label"),
    has_metadata=True,
)

_MEMBERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--label", metavar="TEXT", help="What people call it."),
    click.option(
        "--variable",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        callback=read_pairs,
        help="A variable of the API's address, such as a region.",
    ),
    crediting,
    click.option("--end-user", metavar="ID", help="Whose it is, in your own words."),
    click.option("--external-id", metavar="ID", help="Your own id for it, unique in the tenant."),
    click.option("--shared/--not-shared", default=None, help="Let every caller of the tenant use it."),
    click.option("--metadata", metavar="JSON", help="Your own JSON object, @FILE or @-."),
)


def _describing(command: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in reversed(_MEMBERS):
        command = decorate(command)
    return command


def _members(seat: Seat, given: dict[str, Any], slug: str) -> dict[str, Any]:
    body = said(given, "label", "variables", "end_user", "external_id", "shared")
    metadata = read_json(seat, given["metadata"], "--metadata")
    body = body if metadata is None else {**body, "metadata": metadata}
    return {**body, **given_credentials(seat, given, slug)}


def commands() -> list[click.Command]:
    """All of them."""
    return [
        _add,
        list_command(KIND),
        show_command(KIND, _show),
        _set,
        remove_command(KIND),
        _test,
        _refresh,
        _revoke,
        _health,
    ]


@click.command("add")
@click.argument("connector")
@click.option("--tenant", metavar="ID", help="The tenant that connects.  [default: the token's own, else default]")
@_describing
@asking
@click.pass_obj
def _add(seat: Seat, /, connector: str, **given: Any) -> int:
    """Connect a tenant to CONNECTOR."""
    body = {"connector": connector, **said(given, "tenant"), **_members(seat, given, connector)}
    made = asked(seat, given, lambda gateway: gateway.ask("POST", "/accounts", None, body))
    return answer(seat, made, lambda: _tell(seat, made))


def _tell(seat: Seat, made: Mapping[str, Any]) -> None:
    schemes = ", ".join(made["schemes"])
    seat.print(f"account {made['id']} of tenant {made['tenant']} is made for {made['connector']}")
    seat.print(f"it has credentials for {one_line(schemes)}" if schemes else "it has no credentials yet")


@click.command("set")
@_describing
@click.option("--enabled/--disabled", default=None, help="Let it be used, or not.")
@unsetting
@conditions
@naming(KIND)
@asking
@click.pass_obj
def _set(seat: Seat, /, id_: str, **given: Any) -> int:
    """Change an account. Credentials of schemes that are not named stay."""
    patch = checked_patch(with_unset({**_members(seat, given, ""), **said(given, "enabled")}, given["unset"]))

    async def work(gateway: Gateway) -> Any:
        place = path("accounts", await found(gateway, KIND, id_, {"tenant": given["tenant"]}))
        return await gateway.ask("PATCH", place, None, patch, if_match(given))

    record = asked(seat, given, work)
    return answer(seat, record, lambda: show_record(seat, record))


@click.command("test")
@click.option("--tool", metavar="NAME", help="The tool to call.  [default: one that reads and needs no argument]")
@naming(KIND)
@asking
@click.pass_obj
def _test(seat: Seat, /, id_: str, **given: Any) -> int:
    """Call a tool that only reads with an account's credentials, and say what came of it."""

    async def work(gateway: Gateway) -> Any:
        place = path("accounts", await found(gateway, KIND, id_, {"tenant": given["tenant"]}), "test")
        return await gateway.ask("POST", place, None, {"tool": given["tool"]})

    told = asked(seat, given, work)
    answer(seat, told, lambda: show_record(seat, told))
    return OK if told.get("ok", True) else NO


@click.command("refresh")
@naming(KIND)
@asking
@click.pass_obj
def _refresh(seat: Seat, /, id_: str, **given: Any) -> int:
    """Renew what an account was granted by OAuth now."""
    told = _posted(seat, given, id_, "refresh")
    return answer(seat, told, lambda: show_table(_HEALTH, told["grants"], "nothing was granted"))


@click.command("revoke")
@naming(KIND)
@asking
@click.pass_obj
def _revoke(seat: Seat, /, id_: str, **given: Any) -> int:
    """Give up what an account was granted by OAuth, here and at the provider."""
    told = _posted(seat, given, id_, "revoke")
    return answer(seat, told, lambda: show_record(seat, told))


def _posted(seat: Seat, given: dict[str, Any], id_: str, word: str) -> Any:
    async def work(gateway: Gateway) -> Any:
        place = path("accounts", await found(gateway, KIND, id_, {"tenant": given["tenant"]}), word)
        return await gateway.ask("POST", place, None, {})

    return asked(seat, given, work)


_HEALTH = (
    column("account"),
    column("scheme"),
    column("state"),
    column("expires", "expires_at"),
    column("next refresh", "next_refresh_at"),
    column("last error", "last_error"),
)


def _show(seat: Seat, record: Mapping[str, Any]) -> None:
    grants = record.get("grants") or []
    show_record(seat, {name: value for name, value in record.items() if name != "grants"})
    if grants:
        show_table(_HEALTH, grants, "")


@click.command("health")
@click.option("--tenant", metavar="VALUE", help="Only of this tenant.")
@click.option("--account", metavar="VALUE", help="Only of this account.")
@click.option("--state", metavar="VALUE", help="Only active, failing or needs_reconnect.")
@paging
@asking
@click.pass_obj
def _health(seat: Seat, /, **given: Any) -> int:
    """List the credentials that end and are renewed, and how they are."""
    query = {**page_query(given), **said(given, "tenant", "account", "state")}
    place = path("health", "credentials")
    page = asked(seat, given, lambda gateway: pages(gateway, place, query, every=given["all_"]))
    show_page(seat, _HEALTH, page, "there is no credential that is renewed")
    return OK
