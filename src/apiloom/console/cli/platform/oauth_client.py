"""``apiloom oauth-client``: the vendor's own OAuth apps. Secrets go in from a private file, a variable or a person."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform.private import read_private
from apiloom.console.cli.platform.records import (
    Kind,
    answer,
    conditions,
    list_command,
    naming,
    patched,
    remove_command,
    show_command,
)
from apiloom.console.cli.platform.session import asked, asking, file_at, is_watched
from apiloom.console.cli.platform.showing import column, show_record
from apiloom.console.cli.platform.values import checked_patch, options, read_pairs, said, unsetting, with_unset
from apiloom.console.cli.seat import Seat

KIND = Kind(
    word="OAuth client",
    place="oauth-clients",
    columns=(
        column("id"),
        column("connector"),
        column("tenant"),
        column("scheme"),
        column("provider"),
        column("client id", "client_id"),
        column("secret", "proof"),
        column("label"),
    ),
    filters=("connector", "tenant", "scheme", "provider"),
    prefix="ocl_",
)

_LONGEST = 16 * 1024
_VARIABLE = "APILOOM_OAUTH_SECRET"

_describing = options(
    click.option("--provider", metavar="NAME", help="A known provider, such as github."),
    click.option("--method", metavar="NAME", help="How it proves itself, such as client_secret_post."),
    click.option("--secret", "ask", is_flag=True, help=f"Its secret, from {_VARIABLE} or asked for without echo."),
    click.option("--secret-file", metavar="FILE", type=click.Path(), help="Its secret, in a file only you can read."),
    click.option(
        "--private-key-file", metavar="FILE", type=click.Path(), help="Its key (PEM or JWK), in a file only you read."
    ),
    click.option("--key-id", metavar="ID", help="The key's id at the provider."),
    click.option("--secret-ref", metavar="REF", help="Where its secret lies, such as env:NAME; nothing is kept then."),
    click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="Asked for besides; may be repeated."),
    click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="NAME=URL",
        callback=read_pairs,
        help="authorization_url, token_url, device_url, revocation_url, identity_url or issuer.",
    ),
    click.option(
        "--parameter",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        callback=read_pairs,
        help="Added to the authorization request.",
    ),
    click.option("--label", metavar="TEXT", help="What people call it."),
)


def commands() -> list[click.Command]:
    """All of them."""
    return [_add, list_command(KIND), show_command(KIND), _set, remove_command(KIND)]


def _members(seat: Seat, given: dict[str, Any]) -> dict[str, Any]:
    told = said(given, "provider", "method", "scopes", "endpoints", "parameters", "label")
    secret = _secret(seat, given)
    return told if secret is None else {**told, "secret": secret}


def _secret(seat: Seat, given: dict[str, Any]) -> str | dict[str, str] | None:
    """The secret of a request, from the one place that was named.

    Raises:
        CallerError: ``cli.no_secret`` when it is nowhere, or several places were named.
        DesignError: ``credentials.file``.
    """
    named = [name for name in ("ask", "secret_file", "private_key_file", "secret_ref") if given.get(name)]
    if given["key_id"] and not given["private_key_file"]:
        raise CallerError(
            "--key-id is of a key, and none is given", code="cli.no_secret", hint="give the key with --private-key-file"
        )
    if not named:
        return None
    if len(named) > 1:
        raise CallerError("the secret is named in several ways", code="cli.no_secret", hint="name one of them")
    if given["secret_ref"]:
        return {"ref": given["secret_ref"]}
    if given["secret_file"]:
        return _text(seat, given["secret_file"])
    if given["private_key_file"]:
        return {"private_key": _text(seat, given["private_key_file"]), **said(given, "key_id")}
    value = seat.house.surroundings.environment.get(_VARIABLE, "")
    if not value and is_watched():
        value = getpass.getpass("client secret: ")
    if not value:
        raise CallerError("there is no secret", code="cli.no_secret", hint=f"set {_VARIABLE}, or use --secret-file")
    return value


def _text(seat: Seat, file: str) -> str:
    return read_private(file_at(seat, file), _LONGEST).decode("utf-8", "replace").strip()


@click.command("add")
@click.argument("connector")
@click.argument("client_id")
@click.option("--tenant", metavar="ID", help="Whose it is.  [default: the token's own, else the house's, for all]")
@click.option("--scheme", metavar="NAME", help="The security scheme that it serves.  [default: every OAuth scheme]")
@_describing
@asking
@click.pass_obj
def _add(seat: Seat, /, connector: str, client_id: str, **given: Any) -> int:
    """Keep an OAuth client of CONNECTOR that was registered with its provider."""
    body = {"connector": connector, "client_id": client_id, **said(given, "tenant", "scheme"), **_members(seat, given)}
    made = asked(seat, given, lambda gateway: gateway.ask("POST", "/oauth-clients", None, body))
    return answer(seat, made, lambda: _tell(seat, made))


def _tell(seat: Seat, made: Mapping[str, Any]) -> None:
    whose = f"tenant {made['tenant']}" if made["tenant"] else "the house, for every tenant without one of its own,"
    seat.print(f"OAuth client {made['id']} of {whose} is kept for {made['connector']}")
    seat.print(f"register this redirect URI with the provider: {made['redirect_uri']}")


@click.command("set")
@_describing
@click.option("--client-id", metavar="ID", help="Its id at the provider.")
@unsetting
@conditions
@naming(KIND)
@asking
@click.pass_obj
def _set(seat: Seat, /, id_: str, **given: Any) -> int:
    """Change an OAuth client. Its secret stays, unless it leads to other endpoints from then on."""
    patch = checked_patch(with_unset({**_members(seat, given), **said(given, "client_id")}, given["unset"]))
    record = patched(seat, given, KIND, id_, patch)
    return answer(seat, record, lambda: show_record(seat, record))
