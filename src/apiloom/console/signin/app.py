"""The gateway's small authorization server over HTTP: metadata, registration, authorization, consent, tokens.

Every rule is in the flows. Here requests are read, flows called and answers made: pages for people, JSON for clients,
redirects only to places that a client has registered.
Sources: OAuth 2.1, RFC 8414, RFC 7591, RFC 7009, RFC 8707, RFC 9207; MCP 2026-07-28, "Authorization".
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from apiloom.base.errors import ApiloomError, CallerError, HouseFault, UpstreamError
from apiloom.base.secret import Secret
from apiloom.console.signin.desk import Desk
from apiloom.console.signin.pages import render
from apiloom.console.signin.walls import asked, read_form, read_json
from apiloom.flows import sign_ins, token_families
from apiloom.flows.sign_in_clients import CLI, client_of, register, shown_as
from apiloom.flows.sign_ins import Person, Wanted, cookie_of
from apiloom.identity.challenges import resource_of
from apiloom.identity.facade_clients import allows, is_local, redirect_host, refused
from apiloom.identity.guests import API
from apiloom.identity.settings import Facade
from apiloom.identity.turns import Turns
from apiloom.store.records import Registration, SignIn

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"
PREFIX: Final = "/oauth"
GRANTS: Final = ("authorization_code", "refresh_token")

RETURNS: Final = 60
"""Ways back from the issuer that one address may have in a minute."""

WRONG: Final = 600
"""Codes and refresh tokens in a minute from one address that are worth nothing."""

_log = logging.getLogger("apiloom.sign_in")
_OPEN = {"access-control-allow-origin": "*", "cache-control": "no-store", "pragma": "no-cache"}
_STATUS = {"invalid_client": 401, "slow_down": 429, "temporarily_unavailable": 503}
_SIGN_IN = re.compile(r"sgn_[a-z2-7]{20}", re.ASCII)
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

Answer = Callable[[Request], Awaitable[Response]]


def build_signin(desk: Desk) -> Starlette:
    """The application; it answers at ``/oauth/…`` and at the well-known place of its metadata."""
    return SignIns(desk).application()


class SignIns:
    """The endpoints over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._registering = Turns(20, desk.clock, every=200)
        self._beginning = Turns(60, desk.clock, every=1200)
        self._returning = Turns(RETURNS, desk.clock)
        self._guessing = Turns(10, desk.clock)
        # of these a client behind a crowd's address makes many that are right: only those that are wrong count
        self._redeeming = Turns(WRONG, desk.clock)
        self._revoking = Turns(600, desk.clock)

    def application(self) -> Starlette:
        for_clients = [
            Route(WELL_KNOWN, self._client_wall(self.metadata), methods=["GET", "OPTIONS"]),
            Route(f"{PREFIX}/register", self._client_wall(self.register), methods=["POST", "OPTIONS"]),
            Route(f"{PREFIX}/token", self._client_wall(self.token), methods=["POST", "OPTIONS"]),
            Route(f"{PREFIX}/revoke", self._client_wall(self.revoke), methods=["POST", "OPTIONS"]),
        ]
        for_people = [
            Route(f"{PREFIX}/authorize", self._page_wall(self.authorize), methods=["GET"]),
            Route(f"{PREFIX}/callback", self._page_wall(self.callback), methods=["GET"]),
            Route(f"{PREFIX}/token-page/{{id}}", self._page_wall(self.token_page), methods=["GET", "POST"]),
            Route(f"{PREFIX}/consent/{{id}}", self._page_wall(self.consent), methods=["GET", "POST"]),
        ]
        return Starlette(routes=[*for_clients, *for_people])

    # for clients

    async def metadata(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """What this authorization server is (RFC 8414 section 2)."""
        url, facade = self._url, self._facade()
        value: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}{PREFIX}/authorize",
            "token_endpoint": f"{url}{PREFIX}/token",
            "revocation_endpoint": f"{url}{PREFIX}/revoke",
            "scopes_supported": ["mcp"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANTS),
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": facade.documents,
        }
        if facade.registration:
            value["registration_endpoint"] = f"{url}{PREFIX}/register"
        return JSONResponse(value, headers={**_OPEN, "cache-control": "public, max-age=300"})

    async def register(self, request: Request) -> Response:
        """A client describes itself (RFC 7591 section 3)."""
        if not self._facade().registration:
            raise refused("sign_in.access_denied", "clients do not register themselves here")
        self._registering.take(self._address(request))
        value = await read_json(request)
        made = await register(self._desk.ground, value)
        told = {
            "client_id": made.id,
            "client_id_issued_at": int(made.created_at),
            "client_name": made.name,
            "redirect_uris": list(made.redirect_uris),
            "grant_types": list(GRANTS),
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "mcp",
        }
        return JSONResponse(told, 201, headers=_OPEN)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token (OAuth 2.1 section 3.2)."""
        address = self._address(request)
        self._redeeming.check(address)
        try:
            issued = await self._redeemed(request)
        except CallerError:
            self._redeeming.charge(address)
            raise
        told = {
            "access_token": issued.access.reveal(),
            "token_type": "Bearer",
            "expires_in": issued.seconds,
            "refresh_token": issued.refresh.reveal(),
            "scope": issued.scope,
        }
        return JSONResponse(told, headers=_OPEN)

    async def _redeemed(self, request: Request) -> token_families.Issued:
        form, facade, ground = await read_form(request), self._facade(), self._desk.ground
        if "client_id" not in form:
            raise refused("sign_in.invalid_client", "the client does not say who it is", "send client_id")
        resource = self._resource(form["resource"]) if "resource" in form else None
        kind = form.get("grant_type", "")
        if kind == "authorization_code":
            return await token_families.redeem_code(ground, facade, form, resource)
        if kind == "refresh_token":
            return await token_families.refresh_tokens(ground, facade, form, resource)
        raise refused("sign_in.unsupported_grant_type", f"grant types are {' and '.join(GRANTS)}")

    async def revoke(self, request: Request) -> Response:
        """End a sign-in (RFC 7009 section 2). What is not known is as good as ended."""
        self._revoking.take(self._address(request))
        form = await read_form(request)
        await token_families.revoke(self._desk.ground, form.get("token", ""), form.get("client_id", ""))
        return JSONResponse({}, headers=_OPEN)

    # for people

    async def authorize(self, request: Request) -> Response:
        """A client asks for somebody's consent (OAuth 2.1 section 4.1.1)."""
        self._beginning.take(self._address(request))
        form = asked(request.scope.get("query_string", b""))
        facade = self._facade()
        client = await client_of(
            self._desk.ground, form.get("client_id", ""), self._desk.fetch if facade.documents else None
        )
        # until here is known where to, nobody is sent anywhere
        place = self._place(client, form)
        try:
            wanted = self._wanted(client, place, form)
            begun = await sign_ins.begin(self._desk.ground, wanted)
            target = (
                await self._desk.away(begun) if facade.issuer else f"{self._url}{PREFIX}/token-page/{begun.sign_in.id}"
            )
        except ApiloomError as error:
            return self._failed(place, form.get("state", ""), error)
        return self._bound(_redirect(target), begun.sign_in, begun.browser)

    async def callback(self, request: Request) -> Response:
        """Somebody comes back from the operator's issuer."""
        self._returning.take(self._address(request))
        form = asked(request.scope.get("query_string", b""))
        begun = await sign_ins.returned(self._desk.ground, form.get("state", ""), request.cookies)
        try:
            person = await self._desk.home(form, begun)
        except ApiloomError as error:
            _log.info("a sign-in failed: %s", error.code)
            await sign_ins.declined(self._desk.ground, begun.sign_in)
            return self._failed(str(begun.sign_in.asked["redirect_uri"]), str(begun.sign_in.asked["state"]), error)
        return await self._identified(begun.sign_in, person)

    async def token_page(self, request: Request) -> Response:
        """Somebody shows an API token, where there is no issuer to ask."""
        sign_in, browser = await self._found(request, "issuer")
        if self._facade().issuer:
            raise refused("sign_in.lost", "nobody shows a token here")
        wrong = ""
        if request.method == "POST":
            form = await self._sent(request, sign_in, browser)
            self._guessing.check(self._address(request))
            person = self._desk.by_token(form.get("token", "").strip())
            if person is not None:
                return await self._identified(sign_in, person)
            self._guessing.charge(self._address(request))
            wrong = "That is no live API token of this gateway."
        values = {
            "title": "Sign in",
            "gateway": urlsplit(self._url).netloc,
            "action": f"{self._url}{PREFIX}/token-page/{sign_in.id}",
            "csrf": sign_ins.csrf(self._desk.ground, sign_in, browser),
            "wrong": wrong,
        }
        # browsers hold the answer of a form to this, over all redirects: one that is remembered leads on at once
        return self._page("token", values, status=400 if wrong else 200, leads_to=str(sign_in.asked["redirect_uri"]))

    async def consent(self, request: Request) -> Response:
        """Somebody sees who asks for what, and decides. What was given before in every point is given again."""
        ground = self._desk.ground
        sign_in, browser = await self._found(request, "consent")
        person = await sign_ins.person_of(ground, sign_in)
        if request.method == "POST":
            form = await self._sent(request, sign_in, browser)
            if form.get("decision") == "allow":
                return await self._given(sign_in)
            await sign_ins.declined(ground, sign_in)
            return self._ended(sign_in, {"error": "access_denied"})
        if await sign_ins.is_remembered(ground, sign_in, person):
            return await self._given(sign_in)
        client = await client_of(ground, sign_in.client, self._desk.fetch)
        return self._asking(sign_in, person, client, sign_ins.csrf(ground, sign_in, browser))

    def _asking(self, sign_in: SignIn, person: Person, client: Registration, csrf: str) -> Response:
        place, resource = str(sign_in.asked["redirect_uri"]), str(sign_in.asked["resource"])
        values = {
            "title": "Allow access?",
            "gateway": urlsplit(self._url).netloc,
            "name": client.name,
            "shown_as": shown_as(client),
            "host": redirect_host(place),
            "person": person.shown or person.id,
            "tenant": person.tenant,
            "admin": resource == API,
            "role": person.role,
            "servers": [] if resource == API else self._desk.reach(person, resource)[:50],
            "action": f"{self._url}{PREFIX}/consent/{sign_in.id}",
            "csrf": csrf,
        }
        return self._page("consent", values, leads_to=place)

    async def _identified(self, sign_in: SignIn, person: Person) -> Response:
        """On to consent, in the browser of whoever was just recognised and in no other."""
        fresh, browser = await sign_ins.identified(self._desk.ground, sign_in, person)
        return self._bound(_redirect(f"{self._url}{PREFIX}/consent/{fresh.id}"), fresh, browser)

    def _bound(self, answer: Response, sign_in: SignIn, browser: Secret) -> Response:
        """An answer that binds a sign-in to the browser it goes to."""
        answer.set_cookie(
            cookie_of(self._desk.ground, sign_in.id),
            browser.reveal(),
            max_age=int(sign_ins.MINUTES),
            path=self._cookies_at,
            secure=sign_ins.is_secure(self._desk.ground),
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _given(self, sign_in: SignIn) -> Response:
        code = await sign_ins.consented(self._desk.ground, sign_in)
        return self._ended(sign_in, {"code": code.reveal()})

    def _ended(self, sign_in: SignIn, told: Mapping[str, str]) -> Response:
        answer = self._sent_back(str(sign_in.asked["redirect_uri"]), str(sign_in.asked["state"]), told)
        answer.delete_cookie(
            cookie_of(self._desk.ground, sign_in.id),
            path=self._cookies_at,
            secure=sign_ins.is_secure(self._desk.ground),
            httponly=True,
            samesite="lax",
        )
        return answer

    # what they share

    @property
    def _url(self) -> str:
        return self._desk.ground.public_url

    @property
    def _cookies_at(self) -> str:
        """The path of cookies: a cookie with the prefix of a host is the whole host's, or browsers refuse it."""
        return "/" if sign_ins.is_secure(self._desk.ground) else PREFIX

    def _facade(self) -> Facade:
        facade = self._desk.facade()
        if facade is None:
            raise refused("sign_in.temporarily_unavailable", "nobody signs in here now")
        return facade

    def _address(self, request: Request) -> str:
        return self._desk.address(request.scope)

    def _resource(self, text: str) -> str:
        """The path of a resource of this gateway by its URL (RFC 8707 section 2), letter by letter.

        Raises:
            CallerError: ``sign_in.invalid_target``.
        """
        url = self._url
        # names stand encoded in URLs: what is asked for is what a challenge has told
        path = unquote(text[len(url) :]) if text.startswith(f"{url}/") else ""
        known = resource_of(path) if path else None
        if known is None or f"{url}{known}" != text:
            raise refused("sign_in.invalid_target", "the resource is none of this gateway", f"name {url}/mcp")
        return known

    def _place(self, client: Registration, form: Mapping[str, str]) -> str:
        """Where the person is sent back to.

        Raises:
            CallerError: ``sign_in.invalid_redirect_uri``.
        """
        place = form.get("redirect_uri", "")
        if not place and len(client.redirect_uris) == 1:
            place = client.redirect_uris[0]
        if not allows(client.redirect_uris, place):
            raise refused(
                "sign_in.invalid_redirect_uri", "the application did not register the place it wants you back at"
            )
        return place

    def _wanted(self, client: Registration, place: str, form: Mapping[str, str]) -> Wanted:
        if form.get("response_type") != "code":
            raise refused("sign_in.unsupported_response_type", "the response type is code")
        if form.get("response_mode", "query") != "query":
            raise refused("sign_in.invalid_request", "the response mode is query")
        challenge = form.get("code_challenge", "")
        if form.get("code_challenge_method") != "S256" or len(challenge) != 43 or set(challenge) - _SAFE:
            raise refused("sign_in.invalid_request", "a code challenge by S256 is needed")
        if "resource" not in form:
            raise refused("sign_in.invalid_target", "the resource that is meant must be named", f"name {self._url}/mcp")
        resource = self._resource(form["resource"])
        if (resource == API) != (client.id == CLI):
            raise refused("sign_in.invalid_target", "that resource is not for this application")
        state = form.get("state", "")
        if len(state) > 2000:
            raise refused("sign_in.invalid_request", "the state is longer than 2,000 characters")
        return Wanted(
            client=client.id,
            redirect_uri=place,
            state=state,
            challenge=challenge,
            resource=resource,
            scope="api" if resource == API else "mcp",
        )

    async def _found(self, request: Request, state: str) -> tuple[SignIn, str]:
        id_ = str(request.path_params["id"])
        if _SIGN_IN.fullmatch(id_) is None:
            raise refused("sign_in.lost", "there is no such sign-in", "begin again from the application")
        browser = request.cookies.get(cookie_of(self._desk.ground, id_), "")
        return await sign_ins.found(self._desk.ground, id_, browser, state), browser

    async def _sent(self, request: Request, sign_in: SignIn, browser: str) -> Mapping[str, str]:
        """A form that this page was shown with, sent from this page."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise refused("sign_in.lost", "the form was sent from another page")
        form = await read_form(request)
        sign_ins.check_csrf(self._desk.ground, sign_in, browser, form.get("csrf", ""))
        return form

    def _sent_back(self, place: str, state: str, told: Mapping[str, str]) -> Response:
        """Send somebody back to a registered place, with who sends them (RFC 9207)."""
        more = {**told, "iss": self._url}
        if state:
            more["state"] = state
        # a registered place stays as it is, letter by letter; it has no fragment
        return _redirect(f"{place}{'&' if '?' in place else '?'}{urlencode(more)}")

    def _failed(self, place: str, state: str, error: ApiloomError) -> Response:
        """What becomes of a request that failed before anybody decided anything.

        Whoever registers a place could send people there by a link to us (RFC 9700 section 4.11.2), be it in the web or
        to an application with words of their own: they are told here instead. A program that listens on their own
        computer is told itself.
        """
        if not is_local(place):
            raise error
        return self._sent_back(place, state, {"error": _word(error)})

    def _page(self, name: str, values: Mapping[str, Any], *, status: int = 200, leads_to: str = "") -> Response:
        nonce = secrets.token_urlsafe(16)
        return Response(
            render(name, {**values, "nonce": nonce}),
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

    def _page_wall(self, answer: Answer) -> Answer:
        """Errors as a page that sends nobody anywhere."""

        async def walled(request: Request) -> Response:
            try:
                return await answer(request)
            except ApiloomError as error:
                status = _STATUS.get(_word(error), 400)
                return self._page("sorry", {"title": "This did not work", "why": _sentence(error)}, status=status)
            except Exception as error:  # noqa: BLE001 - the outer wall
                _log.error("a sign-in failed unexpectedly: %s", type(error).__name__)
                return self._page("sorry", {"title": "This did not work", "why": _OURS}, status=500)

        return walled

    def _client_wall(self, answer: Answer) -> Answer:
        """Errors in OAuth's shape (OAuth 2.1 section 3.2.4)."""

        async def walled(request: Request) -> Response:
            if request.method == "OPTIONS":
                allowed = {"access-control-allow-methods": "GET, POST", "access-control-max-age": "600"}
                return Response(None, 204, {**_OPEN, **allowed, "access-control-allow-headers": "*"})
            try:
                return await answer(request)
            except ApiloomError as error:
                word = _word(error)
                told = {"error": word, "error_description": _sentence(error)}
                return JSONResponse(told, _STATUS.get(word, 400), headers=_OPEN)
            except Exception as error:  # noqa: BLE001 - the outer wall
                _log.error("a sign-in failed unexpectedly: %s", type(error).__name__)
                return JSONResponse({"error": "server_error", "error_description": _OURS}, 500, headers=_OPEN)

        return walled


_OURS = "Something went wrong on our side."


def _redirect(target: str) -> RedirectResponse:
    return RedirectResponse(target, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})


def _policy(nonce: str, leads_to: str) -> str:
    """What a page may do. A form's answer may lead to the client's place and nowhere else."""
    parts = urlsplit(leads_to)
    place = f" {parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f" {parts.scheme}:"
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'{place if leads_to else ''}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def _word(error: ApiloomError) -> str:
    """OAuth's word for an error."""
    if error.code.startswith("sign_in."):
        return error.code.removeprefix("sign_in.")
    return "temporarily_unavailable" if isinstance(error, UpstreamError | HouseFault) else "invalid_request"


def _sentence(error: ApiloomError) -> str:
    return error.sentence() if isinstance(error, CallerError) else "That cannot be done now: try again in a moment"
