"""A link that an agent's person is told is opened by that person and by nobody else, by the word of a real issuer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.base.errors import CallerError
from apiloom.flows.connect_create import Started
from support.connecting import KEYS, ConnectHouse, Shown, Visitor, connect_house, notes, query_of, visitor
from support.gateway import ask, http
from support.issuer import received
from support.oidc import AuthorizationServer, authorization_server
from support.signing_in import App, Person

REFUSED = "This link is for somebody else than who signed in."


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture
def issuer(running: AuthorizationServer) -> AuthorizationServer:
    running.reset()
    running.up()
    return running


@dataclass
class Somebody:
    """A person with a browser, in which they are signed in at the issuer."""

    login: str
    browser: Visitor
    issuer: AuthorizationServer
    jar: CookieJar = field(default_factory=CookieJar)

    async def leave(self, url: str) -> str:
        """Open a link of the gateway and go where it sends, up to the issuer; the URL that the issuer sends back to."""
        reply = await self.browser.client.get(url, headers={"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"})
        assert reply.status_code == 303, reply.text
        self.browser.seen.append(reply.text)
        return self.issuer.authorize(reply.headers["location"], self.login, jar=self.jar)

    async def open(self, url: str) -> Shown:
        """Open a link and sign in as it wants."""
        return await self.browser.open(await self.leave(url))


@asynccontextmanager
async def house_of(folder: Path, issuer: AuthorizationServer | None, **more: Any) -> AsyncIterator[ConnectHouse]:
    """A gateway whose people sign in at an issuer, and a server with an API that takes keys."""
    async with connect_house(folder, notes(KEYS), **more) as house:
        gateway = house.gateway
        await gateway.server(name="notes", tenant="acme", connectors=["notes"])
        facade: dict[str, Any] = {}
        if issuer is not None:
            issuer.allow(f"{gateway.url}/oauth/callback")
            facade = {
                "issuer": issuer.issuer,
                "client_id": "web",
                "client_secret": "env:SIGN_IN_SECRET",
                "scopes": ["openid", "email"],
                "principals": [{"tenant": "acme", "end_user": "{sub}"}],
            }
        secret = {} if issuer is None else {"environment": {"SIGN_IN_SECRET": issuer.secret}}
        received(gateway, folder, {"facade": facade}, **secret)
        yield house


@asynccontextmanager
async def somebody(house: ConnectHouse, issuer: AuthorizationServer, login: str) -> AsyncIterator[Somebody]:
    async with visitor(house) as browser:
        yield Somebody(login, browser, issuer)


async def bearer(house: ConnectHouse, person: Person) -> str:
    """The token that a client gets from somebody who signs in."""
    async with httpx.AsyncClient(timeout=20) as client:
        app = App(house.gateway, client)
        await app.register()
        token: str = (await app.sign_in(person))["access_token"]
    await person.client.aclose()
    return token


async def told(house: ConnectHouse, token: str) -> str:
    """The link in the error of a tool that somebody has no account for."""
    async with http() as client:
        call = {"name": "list_notes", "arguments": {}}
        reply = await ask(client, f"{house.gateway.url}/mcp/s/notes", "tools/call", call, token)
        text = reply.json()["result"]["content"][0]["text"]
        return re.findall(rf"{re.escape(house.gateway.url)}/connect/\S+", text)[0].rstrip(",")


async def test_the_person_who_was_told_opens_it_and_nobody_else(tmp_path: Path, issuer: AuthorizationServer) -> None:
    async with (
        house_of(tmp_path, issuer) as house,
        somebody(house, issuer, "alice") as alice,
        somebody(house, issuer, "mallory") as mallory,
    ):
        token = await bearer(house, Person(login="alice"))
        link = await told(house, token)
        assert await told(house, token) == link, "one need, one link"

        # stolen: whoever reads the agent's screen is sent to the issuer, and refused
        page = await mallory.open(link)
        assert (page.status, page.text) == (403, f"This does not work {REFUSED} Sign in as the person it was given to.")
        assert not [one for one in mallory.browser.seen if "notes" in one or "alice" in one or "Acme" in one]
        (session,) = await house.kept("connect_sessions")
        assert (session.state, session.browser) == ("open", b"")

        page = await alice.open(link)
        assert "Acme Inc. asks to use notes for you." in page.text
        assert "For alice" in page.text
        # now it is this browser's, and the issuer is not asked again
        again = await alice.browser.open(link)
        assert again.status == 200
        elsewhere = await mallory.browser.open(link)
        assert elsewhere.status == 403
        assert "opened in another browser" in elsewhere.text
        page = await alice.browser.send(page, Key="k")
        assert "Connected" in page.text
        (account,) = await house.kept("accounts")
        assert (account.end_user, account.schemes) == ("alice", ("Key",))


async def test_nothing_is_shown_typed_or_bound_without_it(tmp_path: Path, issuer: AuthorizationServer) -> None:
    async with house_of(tmp_path, issuer) as house, visitor(house) as mallory:
        link = await told(house, await bearer(house, Person(login="alice")))
        own = {"origin": house.gateway.url, "sec-fetch-site": "same-origin"}
        for method, path in (("GET", ""), ("HEAD", ""), ("GET", "?channel=" + "a" * 64)):
            reply = await mallory.client.request(method, link + path)
            assert reply.status_code == 303
            assert reply.headers["location"].startswith(issuer.url)
            assert reply.text == ""
            assert link.rpartition("/")[2] not in reply.headers["location"]
        begun = await mallory.client.post(f"{link}/begin", data={"token": "", "channel": ""}, headers=own)
        sent = await mallory.client.post(link, data={"token": "x", "way": "1", "c:Key:token": "k"}, headers=own)
        assert (begun.status_code, sent.status_code) == (403, 403)
        (session,) = await house.kept("connect_sessions")
        assert (session.state, session.browser) == ("open", b"")
        assert await house.kept("accounts") == []


async def test_a_way_back_counts_for_its_session_its_browser_and_its_time(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    async with (
        house_of(tmp_path, issuer) as house,
        somebody(house, issuer, "alice") as alice,
        somebody(house, issuer, "mallory") as mallory,
    ):
        made = [await house.start(connector="notes", end_user=name, signed_in=True) for name in ("alice", "mallory")]
        hers, theirs = (one.url for one in made)
        back, other = await alice.leave(hers), await mallory.leave(theirs)

        # mallory's answer in alice's browser, alice's in mallory's, and each with the state of the other
        for browser, url in ((alice.browser, other), (mallory.browser, back)):
            page = await browser.open(url)
            assert (page.status, "sign-in is over" in page.text or "no question" in page.text) == (400, True), page.text
        swapped = back.replace(query_of(back)["code"], query_of(other)["code"])
        page = await alice.browser.open(swapped)
        assert (page.status, page.text) == (403, f"This does not work {REFUSED} Sign in as the person it was given to.")
        for broken in (
            back[:-3],
            back.replace("state=who.", "state=who.A"),
            back + "&state=x",
            back.replace("who.", ""),
        ):
            assert (await alice.browser.open(broken)).status in (400, 403), broken
        # alice, led to mallory's link: she is not who that is for
        page = await alice.open(theirs)
        assert page.status == 403
        assert all(one.browser == b"" for one in await house.kept("connect_sessions"))

        late = await alice.leave(hers)
        house.gateway.clock.now += 601
        assert (await alice.browser.open(late)).status == 400
        house.gateway.clock.now -= 601
        good = await alice.leave(hers)
        assert (await alice.browser.open(good)).status == 200
        # a second time it proves nothing new
        assert (await alice.browser.open(good)).status in (200, 403, 404)
        sessions = {one.end_user: one for one in await house.kept("connect_sessions")}
        assert (sessions["alice"].state, sessions["mallory"].state) == ("bound", "open")


@pytest.mark.system
async def test_whoever_calls_with_anything_else_is_told_a_link_as_before(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    async with house_of(tmp_path, issuer) as house, visitor(house) as ann:
        token = await house.gateway.api_token(tenant="acme", end_user="alice")
        assert "Acme Inc. asks to use notes for you." in (await ann.open(await told(house, token))).text


@pytest.mark.system
async def test_without_an_issuer_links_are_as_before(tmp_path: Path) -> None:
    async with house_of(tmp_path, None) as house, visitor(house) as ann:
        token = await house.gateway.api_token(tenant="acme", end_user="ann")
        signed_in = await bearer(house, Person(token=token))
        assert "Acme Inc. asks to use notes for you." in (await ann.open(await told(house, signed_in))).text
        with pytest.raises(CallerError) as refused:
            await house.start(connector="notes", end_user="ann", signed_in=True)
        assert refused.value.code == "connect.people"


@pytest.mark.parametrize("wanted", [{}, {"end_user": "alice", "device": True}])
async def test_a_vendor_says_whom_it_is_for(
    tmp_path: Path, issuer: AuthorizationServer, wanted: dict[str, Any]
) -> None:
    async with house_of(tmp_path, issuer) as house:
        with pytest.raises(CallerError) as refused:
            await house.start(connector="notes", signed_in=True, **wanted)
        assert refused.value.code == "field.form"
        assert await house.kept("connect_sessions") == []


@pytest.mark.system
async def test_a_link_of_the_vendor_s_is_for_the_end_user_by_the_issuer_s_word(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    async with house_of(tmp_path, issuer) as house, somebody(house, issuer, "alice") as alice:
        started: Started = await house.start(
            connector="notes", end_user="alice", signed_in=True, allowed_origins=["https://app.example.com"]
        )
        frame = await alice.browser.open(started.embed_url)
        assert "Sign in to go on" in frame.text
        assert "notes" not in frame.text
        assert "Acme" not in frame.text
        assert "Acme Inc. asks to use notes for you." in (await alice.open(started.url)).text


@pytest.mark.system
async def test_an_issuer_that_is_down_is_told_and_the_link_stays_good(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    async with house_of(tmp_path, issuer) as house, somebody(house, issuer, "alice") as alice:
        started = await house.start(connector="notes", end_user="alice", signed_in=True)
        back = await alice.leave(started.url)
        issuer.down()
        page = await alice.browser.open(back)
        assert page.status == 422
        assert "cannot be reached" in page.text
        issuer.up()
        assert "asks to use notes" in (await alice.open(started.url)).text
