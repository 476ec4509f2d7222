"""What all pages and endpoints of a sign-in share: the settings of the moment, cookies, forms, pages and errors.

Decides nothing about a sign-in: that is the flows' matter, and where somebody is sent that of the pages themselves.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from apiloom.base.errors import ApiloomError, CallerError, HouseFault, UpstreamError
from apiloom.base.secret import Secret
from apiloom.console.signin.desk import Desk
from apiloom.console.signin.pages import render
from apiloom.console.signin.walls import read_form
from apiloom.flows import sign_ins
from apiloom.flows.sign_in_clients import CLI, client_of
from apiloom.flows.sign_ins import Person, cookie_of
from apiloom.identity.challenges import resource_of
from apiloom.identity.facade_clients import refused
from apiloom.identity.guests import API
from apiloom.identity.settings import Facade
from apiloom.store.records import Registration, SignIn

PREFIX: Final = "/oauth"

OPEN: Final = {"access-control-allow-origin": "*", "cache-control": "no-store", "pragma": "no-cache"}
"""Headers of an answer that a page of any origin may read: it is asked with no cookie."""

Answer = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger("apiloom.sign_in")
_STATUS = {"invalid_client": 401, "slow_down": 429, "temporarily_unavailable": 503}
_SIGN_IN = re.compile(r"sgn_[a-z2-7]{20}", re.ASCII)
_ORIGIN = re.compile(r"[a-z]+://[a-z0-9.:\[\]-]+", re.ASCII | re.IGNORECASE)
_OURS = "Something went wrong on our side."


class Counter:
    """Where requests of one gateway are taken."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ground = desk.ground
        self.url = desk.ground.public_url

    @property
    def gateway(self) -> str:
        """What people are told that they are at."""
        return urlsplit(self.url).netloc

    def facade(self) -> Facade:
        """The settings as they are now.

        Raises:
            CallerError: ``sign_in.temporarily_unavailable``: there are none any more.
        """
        facade = self.desk.facade()
        if facade is None:
            raise refused("sign_in.temporarily_unavailable", "nobody signs in here now")
        return facade

    def address(self, request: Request) -> str:
        """From where a request comes."""
        return self.desk.address(request.scope)

    # what clients ask for

    async def client(self, form: Mapping[str, str], facade: Facade) -> Registration:
        """The client that a request names.

        Raises:
            CallerError: ``sign_in.invalid_client``.
        """
        fetch = self.desk.fetch if facade.documents else None
        return await client_of(self.ground, form.get("client_id", ""), fetch)

    def resource(self, text: str) -> str:
        """The path of a resource of this gateway by its URL (RFC 8707 section 2), letter by letter but for the case of
        the scheme and the host (RFC 3986 section 6.2.2.1).

        Raises:
            CallerError: ``sign_in.invalid_target``.
        """
        url = _in_one_case(self.url)
        text = _in_one_case(text)
        # names stand encoded in URLs: what is asked for is what a challenge has told
        path = unquote(text[len(url) :]) if text.startswith(f"{url}/") else ""
        known = resource_of(path) if path else None
        if known is None or f"{url}{known}" != text:
            raise refused("sign_in.invalid_target", "the resource is none of this gateway", f"name {self.url}/mcp")
        return known

    def resource_for(self, client: Registration, form: Mapping[str, str]) -> str:
        """The resource that a client asks for, where it may.

        Raises:
            CallerError: ``sign_in.invalid_target``.
        """
        if "resource" not in form:
            raise refused("sign_in.invalid_target", "the resource that is meant must be named", f"name {self.url}/mcp")
        resource = self.resource(form["resource"])
        if (resource == API) != (client.id == CLI):
            raise refused("sign_in.invalid_target", "that resource is not for this application")
        return resource

    # browsers

    async def found(self, request: Request, state: str) -> tuple[SignIn, str]:
        """The sign-in of a page in a state, and the secret of the browser it is bound to.

        Raises:
            CallerError: ``sign_in.lost``.
        """
        id_ = str(request.path_params["id"])
        if _SIGN_IN.fullmatch(id_) is None:
            raise refused("sign_in.lost", "there is no such sign-in", "begin again from the application")
        browser = request.cookies.get(cookie_of(self.ground, id_), "")
        return await sign_ins.found(self.ground, id_, browser, state), browser

    async def sent(self, request: Request, sign_in: SignIn, browser: str) -> Mapping[str, str]:
        """A form that this page was shown with, sent from this page."""
        form = await own_form(request)
        sign_ins.check_csrf(self.ground, sign_in, browser, form.get("csrf", ""))
        return form

    async def identified(self, sign_in: SignIn, person: Person) -> Response:
        """On to consent, in the browser of whoever was just recognised and in no other."""
        fresh, browser = await sign_ins.identified(self.ground, sign_in, person)
        return self.bound(redirect(f"{self.url}{PREFIX}/consent/{fresh.id}"), fresh, browser)

    def bound(self, answer: Response, sign_in: SignIn, browser: Secret) -> Response:
        """An answer that binds a sign-in to the browser it goes to."""
        self.set_cookie(answer, cookie_of(self.ground, sign_in.id), browser)
        return answer

    def set_cookie(self, answer: Response, name: str, value: Secret) -> None:
        """Give a browser a secret, for as long as a sign-in may take."""
        answer.set_cookie(
            name,
            value.reveal(),
            max_age=int(sign_ins.MINUTES),
            path=self._cookies_at,
            secure=sign_ins.is_secure(self.ground),
            httponly=True,
            samesite="lax",
        )

    def unbound(self, answer: Response, sign_in: SignIn) -> Response:
        """An answer that has its browser forget a sign-in."""
        answer.delete_cookie(
            cookie_of(self.ground, sign_in.id),
            path=self._cookies_at,
            secure=sign_ins.is_secure(self.ground),
            httponly=True,
            samesite="lax",
        )
        return answer

    @property
    def _cookies_at(self) -> str:
        """The path of cookies: a cookie with the prefix of a host is the whole host's, or browsers refuse it."""
        return "/" if sign_ins.is_secure(self.ground) else PREFIX

    # answers

    def page(self, name: str, values: Mapping[str, Any], *, status: int = 200, leads_to: str = "") -> Response:
        """A page that nobody frames and that sends nothing but its form, here or where that leads."""
        nonce = secrets.token_urlsafe(16)
        return Response(
            render(name, {"gateway": self.gateway, "onward": "", **values, "nonce": nonce}),
            status,
            {
                "content-security-policy": _policy(nonce, leads_to),
                "x-frame-options": "DENY",
                "referrer-policy": "no-referrer",
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
            },
            "text/html; charset=utf-8",
        )

    def page_wall(self, answer: Answer) -> Answer:
        """Errors as a page that sends nobody anywhere."""

        async def walled(request: Request) -> Response:
            try:
                return await answer(request)
            except ApiloomError as error:
                status = _STATUS.get(word(error), 400)
                # a page asks for no credentials in a header, as 401 would have to (RFC 9110 section 15.5.2)
                status = 400 if status == 401 else status
                return self.page("sorry", {"title": "This did not work", "why": _sentence(error)}, status=status)
            except Exception as error:  # noqa: BLE001 - the outer wall
                _log.error("a sign-in failed unexpectedly: %s", type(error).__name__)
                return self.page("sorry", {"title": "This did not work", "why": _OURS}, status=500)

        return walled

    def client_wall(self, answer: Answer) -> Answer:
        """Errors in OAuth's shape (OAuth 2.1 section 3.2.4)."""

        async def walled(request: Request) -> Response:
            if request.method == "OPTIONS":
                allowed = {"access-control-allow-methods": "GET, POST", "access-control-max-age": "600"}
                return Response(None, 204, {**OPEN, **allowed, "access-control-allow-headers": "*"})
            try:
                return await answer(request)
            except ApiloomError as error:
                return told_error(word(error), _sentence(error))
            except Exception as error:  # noqa: BLE001 - the outer wall
                _log.error("a sign-in failed unexpectedly: %s", type(error).__name__)
                return told_error("server_error", _OURS, 500)

        return walled


async def own_form(request: Request) -> Mapping[str, str]:
    """A form that was not sent by a page of somebody else.

    Raises:
        CallerError: ``sign_in.lost``, ``sign_in.invalid_request``.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise refused("sign_in.lost", "the form was sent from another page")
    return await read_form(request)


def told_error(error: str, description: str, status: int = 0) -> Response:
    """An error in OAuth's shape."""
    told = {"error": error, "error_description": description}
    status = status or _STATUS.get(error, 400)
    # RFC 6749 section 5.2, RFC 9110 sections 15.5.2 and 10.2.3
    more = {401: {"www-authenticate": 'Basic realm="apiloom"'}, 429: {"retry-after": "60"}, 503: {"retry-after": "5"}}
    return JSONResponse(told, status, headers={**OPEN, **more.get(status, {})})


def redirect(target: str) -> RedirectResponse:
    """Send a browser on."""
    return RedirectResponse(target, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})


def word(error: ApiloomError) -> str:
    """OAuth's word for an error."""
    if error.code.startswith("sign_in."):
        return error.code.removeprefix("sign_in.")
    return "temporarily_unavailable" if isinstance(error, UpstreamError | HouseFault) else "invalid_request"


def _in_one_case(url: str) -> str:
    """A URL with its scheme and host in small letters."""
    found = _ORIGIN.match(url)
    return url if found is None else found[0].lower() + url[found.end() :]


def _policy(nonce: str, leads_to: str) -> str:
    """What a page may do. Browsers hold every redirect behind a form to its form-action, also those of the client's own
    pages, and know no IPv6 there: a page whose form leads to a client says nothing of it.
    """
    forms = "" if leads_to else "form-action 'self'; "
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; {forms}frame-ancestors 'none'; base-uri 'none'"
    )


def _sentence(error: ApiloomError) -> str:
    return error.sentence() if isinstance(error, CallerError) else "That cannot be done now: try again in a moment"
