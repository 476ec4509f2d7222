"""The gateway's small authorization server over HTTP: metadata, registration, authorization, consent, tokens.

Every rule is in the flows. Here requests are read, flows called and answers made: pages for people, JSON for clients,
redirects only to places that a client has registered.
Sources: OAuth 2.1, RFC 8414, RFC 7591, RFC 7009, RFC 8707, RFC 9207; MCP 2026-07-28, "Authorization".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.console.signin.counter import OPEN, PREFIX, Counter, redirect, word
from apiloom.console.signin.desk import Desk
from apiloom.console.signin.devices import Devices
from apiloom.console.signin.walls import asked, read_form, read_json
from apiloom.flows import sign_ins, token_families
from apiloom.flows.sign_in_clients import client_of, grants_of, register, shown_as
from apiloom.flows.sign_ins import Person, Wanted
from apiloom.identity.facade_clients import (
    CODE_GRANT,
    DEVICE_GRANT,
    REFRESH_GRANT,
    USUAL_GRANTS,
    allows,
    is_local,
    is_web,
    redirect_host,
    refused,
)
from apiloom.identity.guests import API
from apiloom.identity.turns import Turns
from apiloom.store.records import Registration, SignIn

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"

BEGINNINGS: Final = 60
"""Sign-ins that may begin from one address in a minute; :data:`ALL_BEGINNINGS` from all of them."""

ALL_BEGINNINGS: Final = 1200

RETURNS: Final = 60
"""Ways back from the issuer that one address may have in a minute."""

WRONG: Final = 600
"""Codes and refresh tokens in a minute from one address that are worth nothing."""

REVOCATIONS: Final = 600
"""Tokens that one address may have ended in a minute."""

MOST_NAMED: Final = 50
"""Servers that people are told of by name, before they are told how many more there are."""

_log = logging.getLogger("apiloom.sign_in")
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def build_signin(desk: Desk) -> Starlette:
    """The application; it answers at ``/oauth/…`` and at the well-known place of its metadata."""
    return SignIns(desk).application()


class SignIns:
    """The endpoints over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._at = Counter(desk)
        self._url = self._at.url
        self._devices = Devices(self._at)
        self._registering = Turns(20, desk.clock, every=200)
        self._beginning = Turns(BEGINNINGS, desk.clock, every=ALL_BEGINNINGS)
        self._returning = Turns(RETURNS, desk.clock)
        self._guessing = Turns(10, desk.clock)
        # of these a client behind a crowd's address makes many that are right: only those that are wrong count
        self._redeeming = Turns(WRONG, desk.clock)
        self._revoking = Turns(REVOCATIONS, desk.clock)

    def application(self) -> Starlette:
        client_wall, page_wall = self._at.client_wall, self._at.page_wall
        for_clients = [
            Route(WELL_KNOWN, client_wall(self.metadata), methods=["GET", "OPTIONS"]),
            Route(f"{PREFIX}/register", client_wall(self.register), methods=["POST", "OPTIONS"]),
            Route(f"{PREFIX}/token", client_wall(self.token), methods=["POST", "OPTIONS"]),
            Route(f"{PREFIX}/revoke", client_wall(self.revoke), methods=["POST", "OPTIONS"]),
        ]
        for_people = [
            Route(f"{PREFIX}/authorize", page_wall(self.authorize), methods=["GET"]),
            Route(f"{PREFIX}/callback", page_wall(self.callback), methods=["GET"]),
            Route(f"{PREFIX}/token-page/{{id}}", page_wall(self.token_page), methods=["GET", "POST"]),
            Route(f"{PREFIX}/consent/{{id}}", page_wall(self.consent), methods=["GET", "POST"]),
        ]
        made = Starlette(routes=[*for_clients, *for_people, *self._devices.routes()])
        # a slash too many would lead on to whatever host the request names, and behind a proxy without TLS
        made.router.redirect_slashes = False
        return made

    # for clients

    async def metadata(self, request: Request) -> Response:  # noqa: ARG002 - the shape of an endpoint
        """What this authorization server is (RFC 8414 section 2)."""
        url, facade = self._url, self._at.facade()
        grants = USUAL_GRANTS if facade.devices == "none" else (*USUAL_GRANTS, DEVICE_GRANT)
        value: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}{PREFIX}/authorize",
            "token_endpoint": f"{url}{PREFIX}/token",
            "revocation_endpoint": f"{url}{PREFIX}/revoke",
            "scopes_supported": ["mcp"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(grants),
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": facade.documents,
            **self._devices.metadata(),
        }
        if facade.registration:
            value["registration_endpoint"] = f"{url}{PREFIX}/register"
        return JSONResponse(value, headers={**OPEN, "cache-control": "public, max-age=300"})

    async def register(self, request: Request) -> Response:
        """A client describes itself (RFC 7591 section 3)."""
        facade = self._at.facade()
        if not facade.registration:
            raise refused("sign_in.access_denied", "clients do not register themselves here")
        self._registering.take(self._at.address(request))
        value = await read_json(request)
        made = await register(self._desk.ground, value, facade)
        told = {
            "client_id": made.id,
            "client_id_issued_at": int(made.created_at),
            "client_name": made.name,
            "redirect_uris": list(made.redirect_uris),
            "grant_types": list(grants_of(made)),
            "response_types": ["code"] if CODE_GRANT in grants_of(made) else [],
            "token_endpoint_auth_method": "none",
            "scope": "mcp",
        }
        return JSONResponse(told, 201, headers=OPEN)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token (OAuth 2.1 section 3.2)."""
        address = self._at.address(request)
        # counted first, so that many wrong ones at the same time are as many as one after the other
        minute, is_wrong = self._redeeming.take(address), False
        try:
            issued = await self._redeemed(request)
        except CallerError:
            is_wrong = True
            raise
        finally:
            if not is_wrong:
                self._redeeming.give_back(address, minute)
        if isinstance(issued, Response):
            return issued
        told = {
            "access_token": issued.access.reveal(),
            "token_type": "Bearer",
            "expires_in": issued.seconds,
            "refresh_token": issued.refresh.reveal(),
            "scope": issued.scope,
        }
        return JSONResponse(told, headers=OPEN)

    async def _redeemed(self, request: Request) -> token_families.Issued | Response:
        form, facade, ground = await read_form(request), self._at.facade(), self._desk.ground
        if "client_id" not in form:
            raise refused("sign_in.invalid_client", "the client does not say who it is", "send client_id")
        resource = self._at.resource(form["resource"]) if "resource" in form else None
        kind = form.get("grant_type", "")
        if kind == CODE_GRANT:
            return await token_families.redeem_code(ground, facade, form, resource)
        if kind == REFRESH_GRANT:
            return await token_families.refresh_tokens(ground, facade, form, resource)
        if kind == DEVICE_GRANT:
            return await self._devices.redeemed(form, facade, resource)
        known = ", ".join((*USUAL_GRANTS, DEVICE_GRANT))
        raise refused("sign_in.unsupported_grant_type", f"grant types are {known}")

    async def revoke(self, request: Request) -> Response:
        """End a sign-in (RFC 7009 section 2). What is not known is as good as ended; what is another client's is
        refused (section 2.1), and lives on.
        """
        self._revoking.take(self._at.address(request))
        form = await read_form(request)
        if "token" not in form:
            raise refused("sign_in.invalid_request", "there is no token to end", "send token")
        if "client_id" not in form:
            raise refused("sign_in.invalid_client", "the client does not say who it is", "send client_id")
        await token_families.revoke(self._desk.ground, form["token"], form["client_id"])
        return JSONResponse({}, headers=OPEN)

    # for people

    async def authorize(self, request: Request) -> Response:
        """A client asks for somebody's consent (OAuth 2.1 section 4.1.1)."""
        self._beginning.take(self._at.address(request))
        form = asked(request.scope.get("query_string", b""))
        facade = self._at.facade()
        client = await self._at.client(form, facade)
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
        return self._at.bound(redirect(target), begun.sign_in, begun.browser)

    async def callback(self, request: Request) -> Response:
        """Somebody comes back from the operator's issuer."""
        self._returning.take(self._at.address(request))
        form = asked(request.scope.get("query_string", b""))
        begun = await sign_ins.returned(self._desk.ground, form.get("state", ""), request.cookies)
        try:
            person = await self._desk.home(form, begun)
        except ApiloomError as error:
            _log.info("a sign-in failed: %s", error.code)
            await sign_ins.declined(self._desk.ground, begun.sign_in)
            return self._failed(str(begun.sign_in.asked["redirect_uri"]), str(begun.sign_in.asked["state"]), error)
        return await self._at.identified(begun.sign_in, person)

    async def token_page(self, request: Request) -> Response:
        """Somebody shows an API token, where there is no issuer to ask."""
        sign_in, browser = await self._at.found(request, "issuer")
        if self._at.facade().issuer:
            raise refused("sign_in.lost", "nobody shows a token here")
        wrong = ""
        if request.method == "POST":
            form = await self._at.sent(request, sign_in, browser)
            self._guessing.check(self._at.address(request))
            person = self._desk.by_token(form.get("token", "").strip())
            if person is not None:
                return await self._at.identified(sign_in, person)
            self._guessing.charge(self._at.address(request))
            wrong = "That is no live API token of this gateway."
        values = {
            "title": "Sign in",
            "action": f"{self._url}{PREFIX}/token-page/{sign_in.id}",
            "csrf": sign_ins.csrf(self._desk.ground, sign_in, browser),
            "wrong": wrong,
        }
        # browsers hold the answer of a form to this, over all redirects: one that is remembered leads on at once
        return self._at.page("token", values, status=400 if wrong else 200, leads_to=str(sign_in.asked["redirect_uri"]))

    async def consent(self, request: Request) -> Response:
        """Somebody sees who asks for what, and decides. What was given before in every point is given again."""
        ground = self._desk.ground
        sign_in, browser = await self._at.found(request, "consent")
        person = await sign_ins.person_of(ground, sign_in)
        if request.method == "POST":
            form = await self._at.sent(request, sign_in, browser)
            allowed = form.get("decision") == "allow"
            if sign_ins.device_of(sign_in):
                return await self._devices.decided(sign_in, allowed=allowed)
            if allowed:
                return await self._given(sign_in)
            await sign_ins.declined(ground, sign_in)
            return self._ended(sign_in, {"error": "access_denied"})
        if await sign_ins.is_remembered(ground, sign_in, person):
            return await self._given(sign_in)
        client = await client_of(ground, sign_in.client, self._desk.fetch)
        values = self._values(sign_in, person, client, sign_ins.csrf(ground, sign_in, browser))
        if sign_ins.device_of(sign_in):
            return await self._devices.consent(request, sign_in, values)
        place = str(sign_in.asked["redirect_uri"])
        told = {**values, "host": redirect_host(place), "anyone": not is_web(place)}
        return self._at.page("consent", told, leads_to=place)

    def _values(self, sign_in: SignIn, person: Person, client: Registration, csrf: str) -> Mapping[str, Any]:
        """What everybody is told who is asked."""
        resource = str(sign_in.asked["resource"])
        servers = [] if resource == API else self._desk.reach(person, resource)
        return {
            "title": "Allow access?",
            "name": client.name,
            "shown_as": shown_as(client),
            "person": person.shown or person.id,
            "tenant": person.tenant,
            "admin": resource == API,
            "role": person.role,
            "servers": servers[:MOST_NAMED],
            "more": max(0, len(servers) - MOST_NAMED),
            "action": f"{self._url}{PREFIX}/consent/{sign_in.id}",
            "csrf": csrf,
        }

    async def _given(self, sign_in: SignIn) -> Response:
        code = await sign_ins.consented(self._desk.ground, sign_in)
        return self._ended(sign_in, {"code": code.reveal()})

    def _ended(self, sign_in: SignIn, told: Mapping[str, str]) -> Response:
        answer = self._sent_back(str(sign_in.asked["redirect_uri"]), str(sign_in.asked["state"]), told)
        return self._at.unbound(answer, sign_in)

    # what they share

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
        if CODE_GRANT not in grants_of(client):
            raise refused("sign_in.unauthorized_client", "the application signs in from devices alone")
        if form.get("response_type") != "code":
            raise refused("sign_in.unsupported_response_type", "the response type is code")
        if form.get("response_mode", "query") != "query":
            raise refused("sign_in.invalid_request", "the response mode is query")
        challenge = form.get("code_challenge", "")
        if form.get("code_challenge_method") != "S256" or len(challenge) != 43 or set(challenge) - _SAFE:
            raise refused("sign_in.invalid_request", "a code challenge by S256 is needed")
        resource = self._at.resource_for(client, form)
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

    def _sent_back(self, place: str, state: str, told: Mapping[str, str]) -> Response:
        """Send somebody back to a registered place, with who sends them (RFC 9207)."""
        more = {**told, "iss": self._url}
        if state:
            more["state"] = state
        # a registered place stays as it is, letter by letter; it has no fragment
        return redirect(f"{place}{'&' if '?' in place else '?'}{urlencode(more)}")

    def _failed(self, place: str, state: str, error: ApiloomError) -> Response:
        """What becomes of a request that failed before anybody decided anything.

        Whoever registers a place could send people there by a link to us (RFC 9700 section 4.11.2), be it in the web or
        to an application with words of their own: they are told here instead. A program that listens on their own
        computer is told itself.
        """
        if not is_local(place):
            raise error
        return self._sent_back(place, state, {"error": word(error)})
