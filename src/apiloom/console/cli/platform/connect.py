"""``apiloom connect``: a link to a page where somebody connects an account, and word of what came of it."""

from __future__ import annotations

from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform.account import KIND as ACCOUNT
from apiloom.console.cli.platform.connected import connected, device
from apiloom.console.cli.platform.session import asking, with_urls
from apiloom.console.cli.platform.values import read_json, read_pairs, said
from apiloom.console.cli.seat import Seat

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
    "device",
    "signed_in",
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
@device
@click.option("--wait", is_flag=True, help="Wait until it is connected, or the link has ended.")
@click.option("--signed-in", is_flag=True, default=None, help="Let only the end user open it, who signs in first.")
@with_urls
@asking
@click.pass_obj
def command(seat: Seat, /, **given: Any) -> int:
    """Make a link where somebody connects an account of CONNECTOR.

    The link is shown once and works in the first browser that opens it. Whoever opens it is asked for what the
    connector needs, or signs in at its provider. With --device there is a code instead, which is typed at the provider.
    """
    if bool(given["connector"]) == bool(given["account"]):
        raise CallerError("give a connector, or --account", code="cli.usage", hint="apiloom connect --help")
    body = said(given, *_MEMBERS)
    look = read_json(seat, given["look"], "--look")
    body |= {} if look is None else {"look": look}
    body |= {"scopes": list(given["scopes"])} if given["scopes"] else {}
    body |= {"allowed_origins": list(given["origins"])} if given["origins"] else {}
    return connected(seat, given, body, ACCOUNT)
