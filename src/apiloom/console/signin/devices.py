"""Signing in for another device: where that begins, the page its short code is typed in at, and what it is told.

Whoever typed the code goes on as every other sign-in does (:mod:`apiloom.console.signin.app`), and is asked last.
A link that holds the code shows it and waits to be told that it is the right one (RFC 8628 section 5.4).
Source: RFC 8628; RFC 8707.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apiloom.base.secret import Secret
from apiloom.console.signin.counter import OPEN, PREFIX, Counter, own_form, redirect
from apiloom.console.signin.polls import Polls
from apiloom.console.signin.walls import asked, read_form
from apiloom.flows import device_sign_ins, sign_ins
from apiloom.flows.device_sign_ins import INTERVAL, PENDING, read_user_code, shown_code
from apiloom.flows.sign_in_clients import grants_of, offers_devices
from apiloom.flows.sign_ins import Begun, Wanted
from apiloom.flows.token_families import Issued
from apiloom.identity.facade_clients import DEVICE_GRANT, refused
from apiloom.identity.guests import API
from apiloom.identity.settings import Facade
from apiloom.identity.turns import Turns, place_of
from apiloom.store.records import Registration, SignIn

BEGIN: Final = f"{PREFIX}/device_authorization"
PAGE: Final = f"{PREFIX}/device"

STARTS: Final = 20
"""Devices that may begin from one address in a minute; :data:`ALL_STARTS` from all of them."""

ALL_STARTS: Final = 200

GUESSES: Final = 10
"""Codes that are none, in a minute from one address; :data:`ALL_GUESSES` from all of them (RFC 8628 section 5.1)."""

ALL_GUESSES: Final = 300

SLOWER: Final = "slow_down"
_TOLD = {PENDING: "nobody has decided yet", SLOWER: "that was asked too early: wait five seconds longer from now on"}


class Devices:
    """The endpoints of devices over one counter."""

    def __init__(self, counter: Counter) -> None:
        self._at = counter
        self._ground = counter.ground
        self._starting = Turns(STARTS, counter.desk.clock, every=ALL_STARTS)
        self._typing = Turns(GUESSES, counter.desk.clock, every=ALL_GUESSES)
        self._polls = Polls(counter.desk.clock)

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route(BEGIN, self._at.client_wall(self.begin), methods=["POST", "OPTIONS"]),
            Route(PAGE, self._at.page_wall(self.type_in), methods=["GET", "POST"]),
        ]

    # for clients

    def metadata(self) -> Mapping[str, Any]:
        """What is said of it in the metadata (RFC 8628 section 4); nothing where nobody may use it."""
        offered = self._at.facade().devices != "none"
        return {"device_authorization_endpoint": f"{self._at.url}{BEGIN}"} if offered else {}

    async def begin(self, request: Request) -> Response:
        """A device asks for its codes (RFC 8628 section 3.1)."""
        address = self._at.address(request)
        self._starting.take(address)
        form, facade = await read_form(request), self._at.facade()
        client = await self._at.client(form, facade)
        _check_client(facade, client)
        resource = self._at.resource_for(client, form)
        wanted = Wanted(
            client=client.id,
            redirect_uri="",
            state="",
            challenge="",
            resource=resource,
            scope="api" if resource == API else "mcp",
        )
        started = await device_sign_ins.start(self._ground, wanted, address)
        page, code = f"{self._at.url}{PAGE}", shown_code(started.user_code)
        told = {
            "device_code": started.device_code.reveal(),
            "user_code": code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': code})}",
            "expires_in": started.seconds,
            "interval": INTERVAL,
        }
        return JSONResponse(told, headers=OPEN)

    async def redeemed(self, form: Mapping[str, str], facade: Facade, resource: str | None) -> Issued | Response:
        """Tokens for a device's code, or that it must wait (RFC 8628 sections 3.4 and 3.5)."""
        if "device_code" not in form:
            raise refused("sign_in.invalid_request", "the device does not show its code", "send device_code")
        if not self._polls.take(form["device_code"]):
            return _wait(SLOWER)
        issued = await device_sign_ins.redeem_device(self._ground, facade, form, resource)
        return issued or _wait(PENDING)

    # for people

    async def type_in(self, request: Request) -> Response:
        """Somebody types in what the device shows, or confirms what a link brought along."""
        if self._at.facade().devices == "none":
            raise refused("sign_in.lost", "nobody signs in for another device here")
        if request.method != "POST":
            brought = asked(request.scope.get("query_string", b"")).get("user_code", "")
            return self._type_in(brought=read_user_code(brought))
        form = await own_form(request)
        page = request.cookies.get(self._cookie, "")
        if not page or not sign_ins.is_form(self._ground, _form(page), form.get("csrf", "")):
            return self._type_in(wrong="This page was not the last one that you opened: type the code here, please.")
        return await self._typed(request, form.get("user_code", ""))

    async def _typed(self, request: Request, code: str) -> Response:
        address, facade = self._at.address(request), self._at.facade()
        # counted first: who guesses many at the same time is told no more than who guesses one after the other
        minute = self._typing.take(address)
        begun = await device_sign_ins.typed(self._ground, facade, read_user_code(code))
        if begun is None:
            return self._type_in(wrong="That code is not known here, or it is over. Look at the device once more.")
        self._typing.give_back(address, minute)
        if not facade.issuer:
            answer: Response = redirect(f"{self._at.url}{PREFIX}/token-page/{begun.sign_in.id}")
        else:
            answer = await self._away(begun)
        return self._at.bound(answer, begun.sign_in, begun.browser)

    async def _away(self, begun: Begun) -> Response:
        """On to the issuer by a page of its own: the answer of a form leads no browser to where the form may not."""
        target = await self._at.desk.away(begun)
        values = {"title": "Sign in", "host": urlsplit(target).netloc, "onward": target}
        return self._at.page("onward", values)

    def _type_in(self, *, brought: str = "", wrong: str = "") -> Response:
        browser = Secret(secrets.token_urlsafe(32))
        values = {
            "title": "Sign in on another device",
            "action": f"{self._at.url}{PAGE}",
            "code": shown_code(brought) if brought else "",
            "csrf": sign_ins.proof_of_form(self._ground, _form(browser.reveal())),
            "wrong": wrong,
        }
        answer = self._at.page("device", values, status=400 if wrong else 200)
        self._at.set_cookie(answer, self._cookie, browser)
        return answer

    @property
    def _cookie(self) -> str:
        return f"{'__Host-' if sign_ins.is_secure(self._ground) else ''}device"

    async def consent(self, request: Request, sign_in: SignIn, values: Mapping[str, Any]) -> Response:
        """What whoever typed the code is asked; ``values`` are what everyone is told who allows something."""
        device = await device_sign_ins.waiting(self._ground, sign_in)
        begun_at = str(device.asked["address"])
        minutes = int((self._ground.now() - device.created_at) // 60)
        more = {
            "title": "Sign in another device?",
            "since": "just now" if minutes < 1 else "a minute ago" if minutes == 1 else f"{minutes} minutes ago",
            "address": begun_at,
            "here": place_of(begun_at) == place_of(self._at.address(request)),
        }
        return self._at.page("device-consent", {**values, **more})

    async def decided(self, sign_in: SignIn, *, allowed: bool) -> Response:
        """What whoever decided is told; the device hears of it when it asks next."""
        if allowed:
            await device_sign_ins.approved(self._ground, sign_in)
            values = {"title": "You are signed in", "why": "Go back to your device: it goes on in a moment."}
        else:
            await device_sign_ins.denied(self._ground, sign_in)
            values = {"title": "Not allowed", "why": "The device was told so, and its code is over."}
        return self._at.unbound(self._at.page("done", values), sign_in)


def _check_client(facade: Facade, client: Registration) -> None:
    """That people may sign in for a device of a client.

    Raises:
        CallerError: ``sign_in.unauthorized_client``.
    """
    if not offers_devices(facade, client.id):
        raise refused("sign_in.unauthorized_client", "nobody signs in for a device of this application here")
    if DEVICE_GRANT not in grants_of(client):
        raise refused(
            "sign_in.unauthorized_client",
            "the application did not say that it signs in from devices",
            f"register with the grant type {DEVICE_GRANT}",
        )


def _wait(why: str) -> Response:
    """No error, though OAuth's shape of one: a device asks again."""
    return JSONResponse({"error": why, "error_description": _TOLD[why]}, 400, headers=OPEN)


def _form(browser: str) -> str:
    return f"form:device:{browser}"
