"""Credentials of an account: from a private file, the environment, or a person who is asked; never from an argument."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.platform.private import read_credentials, read_private
from apiloom.console.cli.platform.session import file_at, is_watched
from apiloom.console.cli.seat import Seat
from apiloom.model.variables import variable_name


def crediting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where credentials are."""
    command = click.option(
        "--credential",
        "schemes",
        multiple=True,
        metavar="SCHEME",
        help="The secret of this scheme, from APILOOM_AUTH_<SCHEME> or asked for without echo.",
    )(command)
    return click.option(
        "--credentials", metavar="FILE", type=click.Path(), help="Credentials by scheme, in a file only you can read."
    )(command)


def given_credentials(seat: Seat, given: dict[str, Any], slug: str) -> dict[str, Any]:
    """``credentials`` of a request; nothing where none were named.

    Raises:
        DesignError: ``credentials.file``.
        CallerError: ``cli.no_secret`` for a scheme whose secret is nowhere.
    """
    found: dict[str, Any] = {}
    if given["credentials"]:
        found.update(read_credentials(file_at(seat, given["credentials"])))
    schemes: Sequence[str] = given["schemes"]
    for scheme in schemes:
        found[scheme] = {"token": _secret(seat, scheme, slug)}
    return {"credentials": found} if found else {}


def _secret(seat: Seat, scheme: str, slug: str) -> str:
    names = [variable_name(scheme, slug), variable_name(scheme)] if slug else [variable_name(scheme)]
    around = seat.house.surroundings.environment
    value = next((around[name] for name in names if around.get(name)), "")
    if not value and is_watched():
        value = getpass.getpass(f"{scheme} (user:password for a basic scheme): ")
    if not value:
        raise CallerError(
            f"there is no secret for {scheme}", code="cli.no_secret", hint=f"set {names[-1]}, or use --credentials FILE"
        )
    return value


def follow(seat: Seat, reference: str) -> str:
    """The secret that a reference stands for: ``env:NAME``, or ``file:PATH`` for a file only we can read.

    Raises:
        CallerError: ``cli.no_secret``.
        DesignError: ``credentials.file``.
    """
    kind, _, place = reference.partition(":")
    if kind == "file":
        return read_private(file_at(seat, place)).decode("utf-8", "replace").rstrip("\r\n")
    value = seat.house.surroundings.environment.get(place, "") if kind == "env" else ""
    if not value:
        raise CallerError(
            f"the reference {reference[:80]} leads to no secret",
            code="cli.no_secret",
            hint="write env:NAME of a variable that is set, or file:PATH",
        )
    return value
