"""``apiloom login``: be somebody at a gateway by signing in there, instead of carrying a token about."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.options import answering, http_url
from apiloom.console.cli.platform.by_code import Telling, Waiting, sign_in_by_code
from apiloom.console.cli.platform.signed_in import ELSEWHERE, ended, file_of, read_kept, sign_in, write_kept
from apiloom.console.cli.seat import Seat, announce


@click.command("login")
@click.option("--gateway", metavar="URL", callback=http_url, help="The gateway to sign in at.  [env: APILOOM_GATEWAY]")
@click.option("--device", is_flag=True, help="Sign in with a browser on another device, by a code.")
@click.option("--end", is_flag=True, help="End the sign-in there, and forget it here.")
@answering
@click.pass_obj
def command(seat: Seat, /, **given: Any) -> int:
    """Sign in at a gateway in the browser of this computer, or of another device.

    Commands that ask this gateway are then yours, until the sign-in ends. APILOOM_TOKEN and --token-file go before it.
    """
    around = seat.house.surroundings
    gateway = given["gateway"] or around.environment.get("APILOOM_GATEWAY", "")
    if not gateway:
        raise CallerError("no gateway is named", code="cli.sign_in", hint="give --gateway URL, or set APILOOM_GATEWAY")
    if given["device"] and given["end"]:
        raise CallerError("--device and --end exclude each other", code="cli.sign_in", hint="choose one")
    file = file_of(around, gateway)
    if given["end"]:
        kept = read_kept(file)
        if kept is not None:
            # in this order: what could not be ended there is still here to be ended by the next attempt
            asyncio.run(ended(gateway, kept, seat.house.outbound))
            file.unlink(missing_ok=True)
        if seat.machine:
            seat.print_json({"gateway": gateway, "ended": kept is not None})
        else:
            announce(f"nobody is signed in at {gateway} from here any more")
        return 0
    write_kept(file, _by_code(seat, gateway) if given["device"] else _here(seat, gateway))
    if seat.machine:
        seat.print_json({"gateway": gateway, "file": str(file)})
    else:
        announce(f"you are signed in at {gateway}")
    return 0


def _here(seat: Seat, gateway: str) -> Mapping[str, Any]:
    """Sign in in the browser of this computer."""

    def show(url: str) -> None:
        announce(f"open this in a browser here: {url}")
        if not _has_browser(seat.house.surroundings.environment):
            announce(f"if there is none: {ELSEWHERE}")

    return asyncio.run(sign_in(gateway, show, seat.house.outbound))


def _by_code(seat: Seat, gateway: str) -> Mapping[str, Any]:
    """Sign in on another device."""

    def show(waiting: Waiting) -> None:
        announce(f"open this in a browser, on any device: {waiting.page}")
        announce(f"and type in this code: {waiting.code}")
        announce(f"or open this, and look that it shows the same code: {waiting.link}")

    with seat.progress() as say:
        telling = Telling(
            show=show,
            say=lambda left: say(f"waiting until it is allowed; the code counts for {left // 60 + 1} min yet"),
        )
        return asyncio.run(sign_in_by_code(gateway, telling, seat.house.outbound))


def _has_browser(environment: Mapping[str, str]) -> bool:
    """Whether whoever sits here has likely a browser on this computer: not over ssh, and not without a screen."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    return not sys.platform.startswith("linux") or bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    )
