"""``apiloom login``: be somebody at a gateway by signing in there, instead of carrying a token about."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from apiloom.base.errors import CallerError
from apiloom.console.cli.options import answering
from apiloom.console.cli.platform.signed_in import ended, file_of, read_kept, sign_in, write_kept
from apiloom.console.cli.seat import Seat, announce


@click.command("login")
@click.option("--gateway", metavar="URL", help="The gateway to sign in at.  [env: APILOOM_GATEWAY]")
@click.option("--end", is_flag=True, help="End the sign-in there, and forget it here.")
@answering
@click.pass_obj
def command(seat: Seat, /, **given: Any) -> int:
    """Sign in at a gateway in the browser of this computer.

    Commands that ask this gateway are then yours, until the sign-in ends. APILOOM_TOKEN and --token-file go before it.
    """
    around = seat.house.surroundings
    gateway = given["gateway"] or around.environment.get("APILOOM_GATEWAY", "")
    if not gateway:
        raise CallerError("no gateway is named", code="cli.sign_in", hint="give --gateway URL, or set APILOOM_GATEWAY")
    file = file_of(around, gateway)
    if given["end"]:
        kept = read_kept(file)
        if kept is not None:
            file.unlink(missing_ok=True)
            asyncio.run(ended(gateway, kept))
        announce(f"nobody is signed in at {gateway} from here any more")
        return 0
    write_kept(file, asyncio.run(sign_in(gateway, lambda url: announce(f"open this in a browser here: {url}"))))
    if seat.machine:
        seat.print_json({"gateway": gateway, "file": str(file)})
    else:
        announce(f"you are signed in at {gateway}")
    return 0
