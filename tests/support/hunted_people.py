"""What people hold who connect by a device, grant twice or sign in at an issuer: walks through all of it, each a hunt.

Each walk goes through what succeeds and through what fails in every way, at a real provider and at one that tells all
that it was told. Everything the house makes of it is taken down as it comes to be; then every road is searched on which
it should not be. A walk that is told of a road on which a leak was planted wants it found there.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt

from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.oauth_clients import create_oauth_client
from support.catalogs import catalog_of
from support.connecting import KEYS, PATHS, SCHEMES, ConnectHouse, Shown, connect_house, notes, query_of, visitor
from support.gateway import Gateway, ask, http
from support.harvest import Harvest, harvesting
from support.hunting import Hunt, broken_way_out, own_temporary_files
from support.issuer import RSA, jwk, received
from support.leaks import Canaries, listening
from support.oidc import SECRET, AuthorizationServer, authorization_server
from support.signing_in import App, Person
from support.upstream import Answer, Seen, Upstream, upstream

Walk = Callable[..., Awaitable[None]]

ASKING = ("apiloom.vault", "apiloom.net", *(f"apiloom.app.gateway.{one}" for one in ("connecting", "asking")))
CONNECTING = (*ASKING, "apiloom.flows", "apiloom.app.gateway.confirming")
SIGNING_IN = (*ASKING, "apiloom.app.gateway.identifying")
"""Whose frames are dumped. Those above hold what a person's request brought, as every server's do."""


@asynccontextmanager
async def hunting(folder: Path) -> AsyncIterator[Harvest]:
    """Everything that is a secret from now on is looked for."""
    with own_temporary_files(folder), harvesting(Canaries()) as harvest:
        yield harvest


@asynccontextmanager
async def searched(
    house: Gateway, folder: Path, harvest: Harvest, leaking: str = "", but: Sequence[Path] = ()
) -> AsyncIterator[Hunt]:
    """A hunt whose roads are walked when the block ends; what it held by then is found nowhere, or on the one road
    where a leak was planted. ``but`` are files that are there to hold a secret.
    """
    async with http() as client:
        hunt = Hunt(house=house, client=client, canaries=harvest.canaries, harvest=harvest)
        hunt.owner = await house.api_token("owner")
        with listening() as heard:
            yield hunt
            hunt.objects()
            await hunt.admin()
        hunt.take("logs", heard.text())
        hunt.files(folder, *but)
        found = hunt.found()
    if leaking:
        assert any(leak.road.startswith(leaking) for leak in found), sorted({leak.road for leak in found})
    else:
        assert not found, "\n".join(map(str, found[:20]))


def reached(harvest: Harvest, *places: str) -> None:
    """That secrets of these places were made at all, though they may have been known before."""
    for place in places:
        assert any(one.startswith(place) for one in harvest.touched), (place, sorted(harvest.touched))


# -- a provider that tells all that it was told ------------------------------------------------------------------------

REFUSALS = ("400", "401", "500", "302", "html", "echo", "large", "odd")
"""How it refuses: with a status, or with an answer that is none."""


def told_again(seen: Seen, how: str, secrets: Mapping[str, str]) -> Answer:
    """An answer that repeats all that it was asked with, and what would have been given."""
    told = f"{seen.target} {seen.headers} {seen.body.decode()} {dict(secrets)}"
    heads = {"X-Told": quote(told)[:3000], "WWW-Authenticate": f'Bearer error="{quote(told)[:1000]}"'}
    if how == "302":
        return Answer(None, 302, headers={**heads, "Location": f"https://elsewhere.example/?{quote(told)}"})
    if how == "html":
        return Answer(f"<p>{told}</p>".encode(), content_type="text/html", headers=heads)
    if how == "echo":  # a form, as old endpoints answer: with no member that is known
        return Answer(seen.body, content_type="application/x-www-form-urlencoded", headers=heads)
    if how == "large":
        return Answer((told * 3000).encode(), content_type="application/json", headers=heads)
    if how == "odd":
        return Answer({"error": next(iter(secrets.values()), told), "told": told}, 400, headers=heads)
    error = {"error": "invalid_grant" if how == "400" else "invalid_client", "error_description": told}
    return Answer({**error, "error_uri": f"https://x.example/{quote(told)}"}, int(how), headers=heads)


@dataclass
class Telling:
    """A provider of devices and people alike. ``how`` it refuses at which ``place``; it gives where that is empty."""

    canaries: Canaries
    api: Upstream | None = None
    place: str = ""
    how: str = ""
    nonce: str = ""
    now: Callable[[], float] = field(default=lambda: 0.0)

    @property
    def url(self) -> str:
        assert self.api is not None
        return self.api.url

    @property
    def secrets(self) -> dict[str, str]:
        """What it gives."""
        names = ("provider access token", "provider refresh token", "device code", "user code at the provider")
        return {name: self.canaries.plain(name) for name in names}

    def answer(self, seen: Seen) -> Answer:
        path = seen.target.partition("?")[0]
        access, refresh, device, user = self.secrets.values()
        if path == self.place:
            return told_again(seen, self.how, self.secrets)
        if path == "/device":
            confirmed = {"verification_uri": f"{self.url}/confirm", "expires_in": 600, "interval": 5}
            complete = f"{self.url}/confirm?user_code={user}"
            return Answer(
                {"device_code": device, "user_code": user, "verification_uri_complete": complete, **confirmed}
            )
        if path == "/token":
            given = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600}
            return Answer({**given, "id_token": self.id_token()})
        if path == "/me":
            return Answer({"sub": "alice", "name": "alice"})
        if path == "/keys":
            return Answer({"keys": [jwk(RSA, "one")]})
        if path == "/.well-known/openid-configuration":
            return Answer(self.metadata())
        return Answer({"error": "none"}, 404)

    def id_token(self) -> str:
        now = int(self.now())
        claims = {"iss": self.url, "sub": "alice", "aud": "web", "iat": now, "exp": now + 600, "nonce": self.nonce}
        token = jwt.encode(claims, RSA, algorithm="RS256", headers={"kid": "one"})
        self.canaries.add(f"ID token of {self.nonce[:8] or 'a device'} at {now}", token.rpartition(".")[2])
        return token

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/me",
        }


@asynccontextmanager
async def telling(canaries: Canaries) -> AsyncIterator[Telling]:
    provider = Telling(canaries)
    with upstream(provider.answer) as api:
        provider.api = api
        yield provider


def without_link(page: Shown, link: str) -> bytes:
    """A page as its own person is shown it, whose link leads back to it."""
    return page.reply.content.replace(link.rpartition(".")[2].encode(), b"")


# -- a device that is confirmed at a provider --------------------------------------------------------------------------

DEVICE = {"secret": None, "scopes": ["openid", "email", "offline_access"]}


def only_device(url: str, at: str, token: str) -> bytes:
    """An API whose provider takes consent at another screen alone."""
    flow = {"deviceAuthorizationUrl": f"{url}{at}", "tokenUrl": f"{url}{token}", "scopes": {"openid": "Know you"}}
    schemes = {**SCHEMES, "Account": {"type": "oauth2", "flows": {"deviceAuthorization": flow}}}
    return pack(catalog_of(PATHS, {}, schemes, security=[{"Account": ["openid"]}]))


async def rounds(house: ConnectHouse, seconds: float = 5.0) -> None:
    """The time comes at which the provider is asked, and it is."""
    house.gateway.clock.now += seconds
    await house.gateway.node.confirmations.round()
    await house.gateway.settle()


async def begun_by_api(house: ConnectHouse, hunt: Hunt, how: str = "") -> dict[str, Any]:
    """A session that whoever runs the vendor's backend began; what they alone are told. Refused ones tell nothing."""
    wanted = {"connector": "notes", "tenant": "acme", "device": True}
    heads = {"authorization": f"Bearer {hunt.owner}"}
    reply = await hunt.client.post(f"{house.gateway.url}/api/v1/connect-sessions", json=wanted, headers=heads)
    if how:
        assert reply.status_code >= 400, (how, reply.text)
        hunt.took("refusals", reply)
        return {}
    assert reply.status_code == 201, reply.text
    told: dict[str, Any] = reply.json()
    for number, code in enumerate((told["user_code"], told["url"].rpartition("/")[2])):
        hunt.canaries.add(f"told to the backend {number} of {told['id']}", code)
    await house.gateway.settle()
    return told


async def by_a_device(folder: Path, leaking: str = "") -> None:
    """Confirmed, declined and late, by API and by page, at a real provider that is down in between."""
    with authorization_server() as server:
        document = only_device(server.url, "/device/auth", "/token")
        async with (
            hunting(folder) as harvest,
            connect_house(folder, document) as house,
            visitor(house) as ann,
            visitor(house) as eve,
            searched(house.gateway, folder, harvest, leaking) as hunt,
        ):
            await house.client(server, "device", endpoints={"identity_url": f"{server.url}/me"}, **DEVICE)
            for body, status in (('{"error": "slow_down"}', 400), ("no", 200), ('{"access_token": 7}', 200)):
                await begun_by_api(house, hunt)
                await rounds(house)
                server.fail(body, status)
                await rounds(house, 60)
            told = await begun_by_api(house, hunt)
            server.approve(told["verification_uri_complete"], "alice")
            await rounds(house)
            kinds = [grant.kind for grant in await house.kept("grants")]
            assert kinds == ["device"], (kinds, await house.kept("connect_sessions"))
            started = await house.start(connector="notes", end_user="ann")
            hunt.canaries.add("link of a page", started.url.rpartition("/")[2])
            for deny in (True, False):
                page = await ann.send(await ann.open(started.url))
                url = page.reply.text.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
                hunt.canaries.add(f"user code of a page {deny}", query_of(url)["user_code"])
                hunt.take("strangers", (await eve.open(started.url)).reply.content)
                server.down()
                await rounds(house)
                server.up()
                server.approve(url, "alice", deny=deny)
                await rounds(house, 15)
                done = await ann.open(started.url)
                hunt.take("pages", without_link(done, started.url))
            assert "Connected" in done.text
            late = await begun_by_api(house, hunt)
            await rounds(house, 700)
            assert late
    reached(harvest, "apiloom.vault.oauth.device._read", "apiloom.app.gateway.connecting.Consents.finish_device")


async def by_a_device_at_one_that_tells_all(folder: Path, leaking: str = "") -> None:
    """Each failure of a provider that repeats what it was told, when it is begun, asked, and asked as whom."""
    async with (
        hunting(folder) as harvest,
        telling(harvest.canaries) as provider,
        connect_house(folder, only_device(provider.url, "/device", "/token")) as house,
        searched(house.gateway, folder, harvest, leaking) as hunt,
    ):
        provider.now = house.gateway.clock
        proof = {"client_secret": hunt.canaries.add("secret of a device's client")}
        at = {"identity_url": f"{provider.url}/me"}
        wanted = {"connector": "notes", "scheme": "Account", "client_id": "web", "endpoints": at, "secret": proof}
        await house.gateway.done(create_oauth_client(house.gateway.ground, HOST, wanted))
        for how in REFUSALS:
            provider.place, provider.how = "/device", how
            await begun_by_api(house, hunt, how)
            for place in ("/token", "/me") if how in ("401", "500", "odd") else ("/token",):
                provider.place, provider.how = "", how
                await begun_by_api(house, hunt)
                provider.place = place
                await rounds(house)
                provider.place = ""
                await rounds(house, 700)
        before = len(await house.kept("grants"))
        told = await begun_by_api(house, hunt)
        await rounds(house)
        assert len(await house.kept("grants")) == before + 1
        await crash_at_the_provider(house, hunt)
        assert told
    reached(harvest, "apiloom.vault.oauth.device._read", "apiloom.app.gateway.connecting.Consents.finish_device")


async def crash_at_the_provider(house: ConnectHouse, hunt: Hunt) -> None:
    """The way out breaks as nobody expected, when a device is begun and when it is asked."""
    heads = {"authorization": f"Bearer {hunt.owner}"}
    wanted = {"connector": "notes", "tenant": "acme", "device": True}
    url = f"{house.gateway.url}/api/v1/connect-sessions"
    with broken_way_out(hunt, "/device", *CONNECTING):
        hunt.took("crash", await hunt.client.post(url, json=wanted, headers=heads))
    for path in ("/token", "/me"):
        await begun_by_api(house, hunt)
        with broken_way_out(hunt, path, *CONNECTING):
            await rounds(house)
        await rounds(house, 700)


# -- two consents in one session ---------------------------------------------------------------------------------------


async def by_two_consents(folder: Path, leaking: str = "") -> None:
    """What was granted first waits in the session: for the second, for somebody who says no, and for nobody."""
    schemes = {**SCHEMES, "Files": {**SCHEMES["Account"]}}
    document = pack(catalog_of(PATHS, {}, schemes, security=[{"Account": ["openid"], "Files": ["read"], "Key": []}]))
    with authorization_server() as server:
        async with (
            hunting(folder) as harvest,
            connect_house(folder, document) as house,
            searched(house.gateway, folder, harvest, leaking) as hunt,
        ):
            harvest.take(SECRET, "the provider's client secret")
            await house.client(server, "web", scopes=["openid"])
            await house.client(server, "posted", scheme="Files", scopes=["openid", "read"])
            for end in ("done", "late"):
                await granted_twice(house, hunt, server, end)
            await rounds(house, 1000)
            assert server.stats()["token/revocation POST"] >= 1
    reached(harvest, "apiloom.app.gateway.connecting.Consents.unpack", "apiloom.vault.oauth.asking.read_tokens")


async def granted_twice(house: ConnectHouse, hunt: Hunt, server: AuthorizationServer, end: str) -> None:
    canaries = hunt.canaries
    async with visitor(house) as ann, visitor(house) as eve:
        started = await house.start(connector="notes", end_user=end)
        page = await ann.send(await ann.open(started.url), Key=canaries.plain(f"key that was typed, {end}"))
        back = server.authorize(page.onward, "alice")
        canaries.add(f"first code {end}", query_of(back)["code"])
        page = await ann.open(back)
        hunt.take("pages", without_link(page, started.url))
        hunt.take("strangers", (await eve.open(started.url)).reply.content)
        await rounds(house)
        if end == "late":
            return
        page = await ann.send(page)
        page = await ann.open(server.authorize(page.onward, "alice", deny=True))
        hunt.take("pages", without_link(page, started.url))
        page = await ann.send(page)
        back = server.authorize(page.onward, "alice")
        canaries.add(f"second code {end}", query_of(back)["code"])
        page = await ann.open(back)
        assert "Connected" in page.text, page.text
        hunt.take("pages", without_link(page, started.url))


# -- an issuer in front of which the façade stands ---------------------------------------------------------------------


def facade_of(issuer: str, end_user: str) -> dict[str, Any]:
    """Settings of a façade whose people sign in at an issuer. Who is called what its ID token does not say is asked
    about once more.
    """
    return {
        "issuer": issuer,
        "client_id": "web",
        "client_secret": "env:SIGN_IN_SECRET",
        "scopes": ["openid", "profile"],
        "principals": [{"tenant": "acme", "end_user": end_user}],
    }


@asynccontextmanager
async def fronted(folder: Path, harvest: Harvest, leaking: str) -> AsyncIterator[tuple[ConnectHouse, Hunt, App]]:
    """A gateway with an API that takes keys, a client of it, and a hunt."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(connect_house(folder, notes(KEYS)))
        hunt = await stack.enter_async_context(searched(house.gateway, folder, harvest, leaking))
        await house.gateway.server(name="notes", tenant="acme", connectors=["notes"])
        yield house, hunt, App(house.gateway, hunt.client)


async def by_an_issuer(folder: Path, leaking: str = "") -> None:
    """People sign in at a real issuer, and open links that are for them alone."""
    with authorization_server() as server:
        async with hunting(folder) as harvest, fronted(folder, harvest, leaking) as (house, hunt, app):
            harvest.take(SECRET, "the issuer's client secret")
            server.allow(f"{house.gateway.url}/oauth/callback")
            facade = {**facade_of(server.issuer, "{sub}"), "scopes": ["openid"]}
            received(house.gateway, folder, {"facade": facade}, environment={"SIGN_IN_SECRET": SECRET})
            await app.register()
            harvest.take(app.verifier, "the client's verifier")
            for how in ("denied", "down", "fine"):
                server.down() if how == "down" else server.up()
                given = await signed_in_at(house, hunt, app, server, how)
            server.up()
            link = await link_told(house, hunt, given["access_token"])
            await opened_by(house, hunt, server, link)
    reached(
        harvest,
        "apiloom.flows.sign_ins.returned",
        "apiloom.app.gateway.vouching._begun",
        "apiloom.flows.connect_people._question",
    )


async def signed_in_at(
    house: ConnectHouse, hunt: Hunt, app: App, server: AuthorizationServer, how: str
) -> dict[str, Any]:
    """Somebody signs in, and somebody else opens what is theirs; the tokens, or none."""
    async with visitor(house) as ann, visitor(house) as eve:
        reply = await ann.client.get(app.url())
        away = reply.headers["location"]
        if how == "down":
            back = f"{house.gateway.url}/oauth/callback?state={query_of(away)['state']}&code=of-nobody"
        else:
            back = server.authorize(away, "alice", deny=how == "denied")
        if "code" in query_of(back):
            hunt.canaries.add(f"the issuer's code {how}", query_of(back)["code"])
        hunt.took("strangers", await eve.client.get(back))
        page = await ann.client.get(back)
        if how != "fine":
            hunt.took("refusals", page)
            return {}
        hunt.took("refusals", await ann.client.get(back))
        person = Person(client=ann.client)
        came = app.came(await person.open(str(page.request.url.join(page.headers["location"]))))
        hunt.take("pages", *person.seen)
    hunt.took("refusals", await app.redeem(came["code"], code_verifier="x" * 43))
    reply = await app.redeem(came["code"])
    assert reply.status_code == 200, reply.text
    given: dict[str, Any] = reply.json()
    return given


async def link_told(house: ConnectHouse, hunt: Hunt, token: str) -> str:
    """The link in the error of a tool that somebody has no account for."""
    listing = {"name": "list_notes", "arguments": {}}
    reply = await ask(hunt.client, f"{house.gateway.url}/mcp/s/notes", "tools/call", listing, token)
    found = re.findall(rf"{re.escape(house.gateway.url)}/connect/\S+", reply.json()["result"]["content"][0]["text"])
    link: str = found[0].rstrip(",")
    hunt.canaries.add("a link for one person", link.rpartition("/")[2])
    return link


async def opened_by(house: ConnectHouse, hunt: Hunt, server: AuthorizationServer, link: str) -> None:
    """Somebody else signs in to open a link, then the one it is for."""
    for login in ("mallory", "alice"):
        async with visitor(house) as somebody, visitor(house) as eve:
            heads = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
            reply = await somebody.client.get(link, headers=heads)
            assert reply.status_code == 303, reply.text
            hunt.canaries.add(f"state of {login}", query_of(reply.headers["location"])["state"])
            back = server.authorize(reply.headers["location"], login)
            hunt.canaries.add(f"code of {login}", query_of(back)["code"])
            hunt.take("strangers", (await eve.open(back)).reply.content)
            server.down()
            hunt.take("refusals", (await somebody.open(back)).reply.content)
            server.up()
            page = await somebody.open(server.authorize((await somebody.client.get(link)).headers["location"], login))
            if login == "mallory":
                hunt.take("refusals", page.reply.content)
            assert ("notes" in page.text) == (login == "alice"), page.text


async def by_an_issuer_that_tells_all(folder: Path, leaking: str = "") -> None:
    """Each failure of an issuer that repeats what it was told, when it is asked for tokens, for keys, and who it is."""
    async with (
        hunting(folder) as harvest,
        telling(harvest.canaries) as issuer,
        fronted(folder, harvest, leaking) as (house, hunt, app),
    ):
        issuer.now = house.gateway.clock
        secret = hunt.canaries.add("client secret at the issuer")
        settings = {"facade": facade_of(issuer.url, "{name}")}
        received(house.gateway, folder, settings, environment={"SIGN_IN_SECRET": secret})
        await app.register()
        for how in ("", *REFUSALS):
            for place in ("/token", "/me") if how else ("",):
                issuer.place, issuer.how = place, how
                await returned_to(house, hunt, app, issuer, how)
        issuer.place = ""
        for path in ("/token", "/me"):
            with broken_way_out(hunt, path, *SIGNING_IN):
                await returned_to(house, hunt, app, issuer, "crash")
    reached(harvest, "apiloom.app.gateway.identifying.Identifying._more", "apiloom.flows.sign_ins.returned")


async def returned_to(house: ConnectHouse, hunt: Hunt, app: App, issuer: Telling, how: str) -> None:
    """Somebody comes back from the issuer."""
    async with visitor(house) as ann:
        reply = await ann.client.get(app.url())
        asked = {name: one[0] for name, one in parse_qs(urlsplit(reply.headers["location"]).query).items()}
        issuer.nonce = asked["nonce"]
        code = hunt.canaries.plain(f"code of the issuer {issuer.place} {how}")
        if how == "crash" and hunt.harvest is not None:  # what the request brings stands in the frames that read it
            hunt.harvest.forget(code, asked["state"], asked["nonce"], *ann.client.cookies.values())
        back = await ann.client.get(f"{asked['redirect_uri']}?state={quote(asked['state'])}&code={code}")
        if how:
            onward = back.headers.get("location", "error=")
            assert "error=" in onward, (issuer.place, how, onward)
            hunt.took("refusals", back)
        else:
            assert back.status_code == 303, back.text
            hunt.take("pages", (await ann.client.get(str(back.request.url.join(back.headers["location"])))).content)
