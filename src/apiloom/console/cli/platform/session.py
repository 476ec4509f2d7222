"""What all commands of the platform share: which gateway they ask, with what, and how work is done with it.

``--gateway``, ``APILOOM_GATEWAY`` and ``--data`` say where; a token comes from ``APILOOM_TOKEN`` or a private file and
never from the command line. What stands behind is the same API either way.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.options import answering, gateway_url, public_url
from apiloom.console.cli.platform.private import read_private
from apiloom.console.cli.platform.signed_in import saved_token
from apiloom.console.cli.seat import Seat
from apiloom.console.house import Reach, Say

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Result = TypeVar("Result")

WHERE = ("gateway", "token_file", "data", "public_url")
"""The options that say which gateway is meant, by their names in ``given``."""

PUBLIC_URL = "http://127.0.0.1:8787"
"""Where the gateway of this machine is unless somebody says otherwise: as ``apiloom serve`` does."""

_LONGEST_TOKEN = 4096

_WHERE: tuple[Callable[[Any], Any], ...] = (
    click.option("--gateway", metavar="URL", help="The gateway to ask.  [env: APILOOM_GATEWAY]"),
    click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(),
        help="Its token, in a file only you can read.  [env: APILOOM_TOKEN]",
    ),
    click.option(
        "--data", metavar="DIR|URL", help="Open this instead of asking a gateway, as its owner.  [env: APILOOM_DATA]"
    ),
)


def asking(command: Decorated) -> Decorated:
    """What every command of the platform has."""
    for decorate in reversed(_WHERE):
        command = decorate(command)
    return answering(command)


def with_urls(command: Decorated) -> Decorated:
    """``--public-url``, for commands that show the URL of a server."""
    return click.option(
        "--public-url",
        metavar="URL",
        callback=public_url,
        help=f"What URLs begin with when --data is opened.  [default: {PUBLIC_URL}]",
    )(command)


def asked(seat: Seat, given: dict[str, Any], work: Callable[[Gateway], Awaitable[Result]]) -> Result:
    """Do work with a client of the gateway that is meant.

    Raises:
        CallerError: ``cli.gateway_twice``, ``cli.no_token``, and what the gateway refuses.
        ApiloomError: it cannot be reached, or its data not be opened.
    """
    return asked_telling(seat, given, lambda gateway, _: work(gateway))


def asked_telling(seat: Seat, given: dict[str, Any], work: Callable[[Gateway, Say], Awaitable[Result]]) -> Result:
    """As :func:`asked`, for work that says how far it is."""
    reach = _reach(seat, given)
    with seat.progress() as say:
        try:
            result: Result = seat.house.platform(reach, say, lambda gateway: work(gateway, say))
        except CallerError as error:
            if error.code == "api.token":
                error.hint = _renewing(seat, given)
            raise
    return result


def _renewing(seat: Seat, given: dict[str, Any]) -> str:
    """What helps where the gateway does not know the token, by where the token came from."""
    if given.get("token_file"):
        return "the token in this file has ended, was revoked, or is another gateway's"
    if seat.house.surroundings.environment.get("APILOOM_TOKEN", "").strip():
        return "the token in APILOOM_TOKEN has ended, was revoked, or is another gateway's"
    return "the sign-in here is over: run apiloom login again"


def _reach(seat: Seat, given: dict[str, Any]) -> Reach:
    around = seat.house.surroundings.environment
    if given.get("gateway") and given.get("data"):
        raise CallerError("--gateway and --data exclude each other", code="cli.gateway_twice", hint="choose one")
    public_url = (gateway_url(given.get("public_url")) or PUBLIC_URL).rstrip("/").removesuffix("/mcp")
    url = given.get("gateway") or ("" if given.get("data") else around.get("APILOOM_GATEWAY", ""))
    if not url:
        return Reach(data=given.get("data") or "", public_url=public_url)
    house = seat.house
    token = _token(seat, given.get("token_file") or "") or saved_token(house.surroundings, url, house.outbound)
    if not token:
        raise CallerError(
            "no token for the gateway",
            code="cli.no_token",
            hint="set APILOOM_TOKEN, give a file with --token-file, or run apiloom login",
        )
    return Reach(gateway=url, token=token)


def _token(seat: Seat, file: str) -> str:
    if file:
        return read_private(seat.house.surroundings.folder / file, _LONGEST_TOKEN).decode("utf-8", "replace").strip()
    return seat.house.surroundings.environment.get("APILOOM_TOKEN", "").strip()


def is_watched() -> bool:
    """Whether a person sits at both ends of a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def file_at(seat: Seat, name: str) -> Path:
    """A path as it was typed, from the folder the command was typed in."""
    return seat.house.surroundings.folder / name
