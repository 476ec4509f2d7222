"""Signing in at a gateway from a machine without a browser: it shows a code, which is typed in on another device.

Asks as often as the gateway says, more seldom when it is told so or cannot be reached, and ends with the code.
Source: RFC 8628 sections 3.1 to 3.5.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apiloom.base.errors import UpstreamError
from apiloom.console.cli.platform.signed_in import CLIENT, Out, asked_of, failed, kept_of, root_of, sending, sent
from apiloom.net.client import connect
from apiloom.net.request import Sender

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"

_LATER = 5.0
_SLOWEST = 60.0
_ENDS: Final[Mapping[str, str]] = {
    "access_denied": "it was not allowed",
    "expired_token": "nobody allowed it in time",
    "invalid_grant": "the code is over",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What whoever signs in is told: the page to open, the code to type in there, and the page that brings it along."""

    page: str
    code: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How somebody is told: ``show`` once, what to do; ``say`` again and again, for how many seconds it counts yet."""

    show: Callable[[Waiting], None]
    say: Callable[[int], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


async def sign_in_by_code(gateway: str, telling: Telling, out: Out = connect) -> Mapping[str, Any]:
    """Sign in at a gateway on another device.

    Raises:
        CallerError: ``cli.sign_in`` where it is denied, over, or not offered.
        UpstreamError: ``net.…``, ``gateway.answer`` where the gateway cannot be asked at the beginning.
    """
    root = root_of(gateway)
    async with sending(out) as sender:
        told = await asked_of(sender, root)
        begin = str(told.get("device_authorization_endpoint", ""))
        if begin != f"{told.get('issuer')}/oauth/device_authorization":
            raise failed("this gateway lets nobody sign in by a code: use apiloom login, or a token of it")
        form = {"client_id": CLIENT, "resource": f"{told.get('issuer')}/api/v1"}
        status, value = await sent(sender, f"{root}/oauth/device_authorization", form)
        if status >= 500 or (status == 200 and not value.get("device_code")):
            raise _unanswered()
        if status != 200:
            raise failed(_why(value))
        if not str(value.get("verification_uri", "")).startswith(f"{root}/"):
            # whoever shows another gateway's page and code would be let in there
            raise _unanswered()
        telling.show(
            Waiting(
                page=str(value.get("verification_uri", "")),
                code=str(value.get("user_code", "")),
                link=str(value.get("verification_uri_complete", "")),
            )
        )
        return await _wait(sender, root, value, telling)


async def _wait(sender: Sender, root: str, value: Mapping[str, Any], telling: Telling) -> Mapping[str, Any]:
    """Ask until somebody has decided."""
    interval = _seconds(value.get("interval"), _LATER, most=_SLOWEST)
    ends = telling.clock() + _seconds(value.get("expires_in"), 900.0, most=3600.0)
    form = {"grant_type": GRANT, "device_code": str(value["device_code"]), "client_id": CLIENT}
    while (left := ends - telling.clock()) > 0:
        telling.say(int(left))
        await telling.sleep(min(interval, left))
        try:
            status, answer = await sent(sender, f"{root}/oauth/token", form)
        except UpstreamError:
            # whoever cannot be reached is asked more and more seldom (RFC 8628 section 3.5)
            interval = min(interval * 2, _SLOWEST)
            continue
        if status == 200 and answer.get("access_token"):
            return kept_of(answer)
        error = str(answer.get("error", ""))
        if error == "slow_down" or status >= 500 or status == 429:
            interval = min(interval + _LATER, _SLOWEST)
        elif error != "authorization_pending":
            raise failed(_ENDS.get(error) or _why(answer))
    raise failed(_ENDS["expired_token"])


def _seconds(value: Any, usual: float, *, most: float) -> float:
    return min(max(float(value), 1.0), most) if isinstance(value, int | float) else usual


def _why(value: Mapping[str, Any]) -> str:
    told = value.get("error_description")
    return str(told)[:200] if isinstance(told, str) and told else "the gateway refused"


def _unanswered() -> UpstreamError:
    return UpstreamError("the gateway cannot answer now", code="gateway.answer", hint="try again in a moment")
