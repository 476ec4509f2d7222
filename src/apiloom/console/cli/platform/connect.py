"""``apiloom connect``: a link to a page where somebody connects an account, and word of what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform.account import KIND as ACCOUNT
from apiloom.console.cli.platform.records import answer, found, path
from apiloom.console.cli.platform.session import asked_telling, asking, with_urls
from apiloom.console.cli.platform.values import read_json, read_pairs, said
from apiloom.console.cli.seat import NO, OK, Seat, announce, one_line
from apiloom.console.house import Say

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

_POLL = 1.0
_MEMBERS = (
    "connector",
    "tenant",
    "end_user",
    "external_id",
    "label",
    "variables",
    "return_url",
    "expires_in",
    "allow_other_identity",
    "check",
)


@click.command("connect")
@click.argument("connector", required=False)
@click.option("--account", metavar="ID", help="Connect this account anew, instead of a new one of CONNECTOR.")
@click.option("--tenant", metavar="ID", help="The tenant that connects.  [default: the token's own, else default]")
@click.option("--end-user", metavar="ID", help="Whose account it will be, in your own words.")
@click.option("--external-id", metavar="ID", help="Your own id for the new account.")
@click.option("--label", metavar="TEXT", help="What people call the new account.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    callback=read_pairs,
    help="A variable of the API's address that is known and need not be asked for.",
)
@click.option("--scope", "scopes", multiple=True, help="Asked of the provider besides those that the tools need.")
@click.option("--allowed-origin", "origins", multiple=True, metavar="ORIGIN", help="A site that may hold the page.")
@click.option("--return-url", metavar="URL", help="Where the page leads back to.")
@click.option("--look", metavar="JSON", help="name, logo, colours and language: a JSON object, @FILE or @-.")
@click.option("--expires-in", type=int, metavar="SECONDS", help="How long the link works.  [default: 900]")
@click.option("--allow-other-identity", is_flag=True, default=None, help="Let it be connected anew as somebody else.")
@click.option("--check", is_flag=True, default=None, help="Count it as connected only once a tool that reads works.")
@click.option("--wait", is_flag=True, help="Wait until it is connected, or the link has ended.")
@with_urls
@asking
@click.pass_obj
def command(seat: Seat, /, **given: Any) -> int:
    """Make a link where somebody connects an account of CONNECTOR.

    The link is shown once and works in the first browser that opens it. Whoever opens it is asked for what the
    connector needs, or signs in at its provider.
    """
    if bool(given["connector"]) == bool(given["account"]):
        raise CallerError("give a connector, or --account", code="cli.usage", hint="apiloom connect --help")
    body = said(given, *_MEMBERS)
    look = read_json(seat, given["look"], "--look")
    body |= {} if look is None else {"look": look}
    body |= {"scopes": list(given["scopes"])} if given["scopes"] else {}
    body |= {"allowed_origins": list(given["origins"])} if given["origins"] else {}

    async def work(gateway: Gateway, say: Say) -> Mapping[str, Any]:
        if given["account"]:
            body["account"] = await found(gateway, ACCOUNT, given["account"], {"tenant": given["tenant"]})
        made: Mapping[str, Any] = await gateway.ask("POST", "/connect-sessions", None, body)
        if not given["wait"]:
            return made
        announce(f"open {one_line(made['url'])}")
        say("waiting until it is connected")
        while True:
            now: Mapping[str, Any] = await gateway.ask("GET", path("connect-sessions", made["id"]))
            if now["state"] in ("done", "expired", "failed"):
                return now
            await asyncio.sleep(_POLL)

    record = asked_telling(seat, given, work)
    answer(seat, record, lambda: _tell(seat, record))
    return NO if record["state"] in ("expired", "failed") else OK


def _tell(seat: Seat, record: Mapping[str, Any]) -> None:
    if record["state"] == "done":
        who = record["result"].get("identity") or {}
        named = next((str(who[name]) for name in ("email", "login", "name", "sub") if who.get(name)), "")
        as_whom = f" as {one_line(named)}" if named else ""
        seat.print(f"account {record['result']['account']} is connected{as_whom}")
    elif record["state"] == "expired":
        seat.print("the link has ended, and nothing was connected")
    else:
        seat.print(str(record["url"]))
        announce(f"the link works until {record['expires_at']}, in the first browser that opens it")
