"""A connect session made from the command line, by a link or by a code, and the wait until an account is connected."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from apiloom.base.errors import ApiloomError
from apiloom.console.cli.platform.records import Kind, answer, found, path
from apiloom.console.cli.platform.session import asked_telling
from apiloom.console.cli.platform.showing import whole_seconds
from apiloom.console.cli.seat import NO, OK, Seat, announce, one_line
from apiloom.console.house import Say

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

_NAMES = ("email", "login", "name", "preferred_username", "username", "sub", "id")
"""Members of an identity by which people are known, the best first; the page says the same one."""

_POLL = 1.0
_LAST = 5.0
"""Seconds that ending a session may take, once the person who waits wants to go."""

device = click.option("--device", is_flag=True, default=None, help="Show a code to be typed at the provider, and wait.")


def connected(seat: Seat, given: dict[str, Any], body: dict[str, Any], account: Kind) -> int:
    """Make a session, of an account where one is named, and wait where that is wanted; the exit code."""

    async def work(gateway: Gateway, say: Say) -> Mapping[str, Any]:
        if given["account"]:
            body["account"] = await found(gateway, account, given["account"], {"tenant": given["tenant"]})
        made: Mapping[str, Any] = await gateway.ask("POST", "/connect-sessions", None, body)
        if not given["wait"] and not given["device"]:
            return made
        _announce(made)
        say("waiting until it is connected")
        return await _waited(gateway, made, is_ours=bool(given["device"]))

    record = asked_telling(seat, given, work)
    answer(seat, record, lambda: _tell(seat, record))
    return NO if record["state"] in ("expired", "failed") else OK


def _announce(made: Mapping[str, Any]) -> None:
    """Where to go, for the person who sits here."""
    if not made.get("user_code"):
        announce(f"open {one_line(made['url'])}")
        return
    announce(f"open {one_line(made['verification_uri'])} and enter {one_line(made['user_code'])}")
    if made.get("verification_uri_complete"):
        announce(f"or open {one_line(made['verification_uri_complete'])}")


async def _waited(gateway: Gateway, made: Mapping[str, Any], *, is_ours: bool) -> Mapping[str, Any]:
    """The session once it has come to an end. One that only this command can end is ended with it."""
    place = path("connect-sessions", made["id"])
    try:
        while True:
            now: Mapping[str, Any] = await gateway.ask("GET", place)
            if now["state"] in ("done", "expired", "failed"):
                return now
            await asyncio.sleep(_POLL)
    except asyncio.CancelledError:
        if is_ours:
            # whoever confirms the code after that connects nothing
            with contextlib.suppress(ApiloomError, TimeoutError):
                async with asyncio.timeout(_LAST):
                    await gateway.ask("DELETE", place)
        raise


_WHY = {
    "oauth.denied": "access was not granted, and nothing was connected",
    "oauth.expired": "the confirmation took too long, and nothing was connected",
    "connect.identity": "somebody else signed in than the account is connected as, and nothing was changed",
}
"""What is said of a session that has failed, by the error's code."""


def named(identity: Mapping[str, Any]) -> str:
    """As whom an account is connected, in the one word of its provider that people know best; empty where none is."""
    return next((str(identity[name]) for name in _NAMES if identity.get(name)), "")


def _tell(seat: Seat, record: Mapping[str, Any]) -> None:
    if record["state"] == "done":
        who = named(record["result"].get("identity") or {})
        as_whom = f" as {one_line(who)}" if who else ""
        seat.print(f"account {record['result']['account']} is connected{as_whom}")
    elif record["state"] == "failed":
        code = str(record["result"].get("error", ""))
        seat.print(_WHY.get(code) or f"nothing was connected ({one_line(code)})")
    elif record["state"] == "expired":
        seat.print("the link has ended, and nothing was connected")
    else:
        seat.print(str(record["url"]))
        ends = whole_seconds(str(record["expires_at"]))
        announce(f"the link works until {ends}, in the first browser that opens it")
