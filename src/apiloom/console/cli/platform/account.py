"""``apiloom account``: what a tenant has connected. Credentials go in and are never shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from apiloom.console.cli.platform.connected import connected, device, named
from apiloom.console.cli.platform.credentials import crediting, given_credentials
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    list_command,
    naming,
    page_query,
    pages,
    paging,
    patched,
    path,
    post_to,
    remove_command,
    show_command,
    show_page,
)
from apiloom.console.cli.platform.session import asked, asking, with_urls
from apiloom.console.cli.platform.showing import column, show_record, show_table
from apiloom.console.cli.platform.values import (
    checked_patch,
    options,
    read_pairs,
    said,
    unsetting,
    with_metadata,
    with_unset,
)
from apiloom.console.cli.seat import NO, OK, Seat, one_line

KIND = Kind(
    word="account",
    place="accounts",
    columns=(
        column("id"),
        column("tenant"),
        column("connector"),
        column("label"),
        column("end user", "end_user"),
        column("external id", "external_id"),
        column("given credentials", "schemes"),
        column("shared"),
        column("enabled"),
    ),
    filters=("tenant", "connector", "external_id", "end_user"),
    prefix="acc_",
    names=("external_id", "label"),
    has_metadata=True,
)

_describing = options(
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


def _members(seat: Seat, given: dict[str, Any], slug: str) -> dict[str, Any]:
    body = said(given, "label", "variables", "end_user", "external_id", "shared")
    return {**with_metadata(seat, given, body), **given_credentials(seat, given, slug)}


def commands() -> list[click.Command]:
    """All of them."""
    return [
        _add,
        list_command(KIND),
        show_command(KIND, _show),
        _set,
        remove_command(KIND),
        _connect,
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
    record = patched(seat, given, KIND, id_, patch)
    return answer(seat, record, lambda: show_record(seat, record))


@click.command("connect")
@device
@click.option("--allow-other-identity", is_flag=True, default=None, help="Let it be connected anew as somebody else.")
@click.option("--wait", is_flag=True, help="Wait until it is connected, or the link has ended.")
@naming(KIND)
@with_urls
@asking
@click.pass_obj
def _connect(seat: Seat, /, id_: str, **given: Any) -> int:
    """Connect an account anew: make a link, or with --device a code."""
    return connected(seat, {**given, "account": id_}, said(given, "device", "allow_other_identity"), KIND)


@click.command("test")
@click.option("--tool", metavar="NAME", help="The tool to call.  [default: one that reads and needs no argument]")
@naming(KIND)
@asking
@click.pass_obj
def _test(seat: Seat, /, id_: str, **given: Any) -> int:
    """Call a tool that only reads with an account's credentials, and say what came of it."""
    told = post_to(seat, given, KIND, id_, "test", {"tool": given["tool"]})
    answer(seat, told, lambda: show_record(seat, told))
    return OK if told.get("ok", True) else NO


@click.command("refresh")
@naming(KIND)
@asking
@click.pass_obj
def _refresh(seat: Seat, /, id_: str, **given: Any) -> int:
    """Renew what an account was granted by OAuth now."""
    told = post_to(seat, given, KIND, id_, "refresh", {})
    return answer(seat, told, lambda: show_table(_HEALTH, told["grants"], "nothing was granted"))


@click.command("revoke")
@naming(KIND)
@asking
@click.pass_obj
def _revoke(seat: Seat, /, id_: str, **given: Any) -> int:
    """Give up what an account was granted by OAuth, here and at the provider."""
    told = post_to(seat, given, KIND, id_, "revoke", {})
    return answer(seat, told, lambda: show_record(seat, told))


_HEALTH = (
    column("account"),
    column("scheme"),
    column("state"),
    ("connected as", lambda grant: named(grant.get("identity") or {}) or None),
    column("expires", "expires_at"),
    column("next refresh", "next_refresh_at"),
    column("last error", "last_error"),
)


def _show(seat: Seat, record: Mapping[str, Any]) -> None:
    grants = record.get("grants") or []
    show_record(seat, {name: value for name, value in record.items() if name != "grants"})
    if grants:
        seat.print("\nwhat it was granted:")
        show_table(_HEALTH[1:], grants, "")


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
