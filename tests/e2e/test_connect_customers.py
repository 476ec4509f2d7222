"""One OAuth client for all customers of a vendor, each with an address of their own at the provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.values import replace as with_value
from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import create_account, patch_account
from apiloom.flows.grants import refresh_account
from apiloom.flows.oauth_clients import patch_oauth_client
from apiloom.net.request import Request, Response, Sender
from apiloom.vault.oauth.fetching import fetch_tokens
from support.catalogs import catalog_of
from support.connecting import PATHS, REGION, ConnectHouse, Shown, connect_house, query_of, visitor
from support.gateway import ask, http
from support.oidc import AuthorizationServer, authorization_server

PLACES = {
    "authorize": "/auth",
    "token": "/token",
    "access_token": "/token",
    "revoke": "/token/revocation",
    "userinfo": "/me",
}
REPLAYED = ("shopify", "microsoft", "salesforce")
HOSTILE = [
    "acme.evil.example",
    "evil.example/",
    "evil.example#",
    "evil.example?",
    "acme@evil.example",
    "acme:443",
    "acme:pass@evil.example:8443/",
    "a/../b",
    "..",
    ".",
    "a..b",
    "acme.",
    ".acme",
    "-acme",
    "acme-",
    "acme%2eevil",
    "acme%00",
    "acme\\evil",
    "acme evil",
    "ACME",
    "аcme",
    "acme。evil",
    "ａcme",
    "acme\u200d",
    "acme\r\nhost: evil.example",
    "{shop}",
    "[::1]",
    "127.0.0.1",
    "a" * 64,
]


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server(pkce=False) as server:
        yield server


@pytest.fixture
def server(running: AuthorizationServer) -> Iterator[AuthorizationServer]:
    running.reset()
    yield running
    running.quirk("")
    running.ttl(3600)
    running.skew(0)


@dataclass
class Rerouted:
    """A way out on which every provider is the same real server. ``seen`` is where requests were meant to go."""

    inner: Sender
    server: AuthorizationServer
    seen: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        if request.origin.startswith("http://127."):
            return await self.inner.send(request)
        self.seen.append(f"{request.origin}{request.target}")
        target = PLACES[request.target.partition("?")[0].rpartition("/")[2]]
        return await self.inner.send(with_value(request, origin=self.server.url, target=target))

    async def close(self) -> None:
        """It is not ours."""


@dataclass(frozen=True)
class Api:
    """An API whose people sign in at a provider, at addresses that its document names."""

    place: str = "https://auth.example.com"
    servers: Any = None

    def artefact(self) -> bytes:
        urls = {"authorizationUrl": f"{self.place}/authorize", "tokenUrl": f"{self.place}/token"}
        account = {"type": "oauth2", "flows": {"authorizationCode": {**urls, "scopes": {"openid": "o"}}}}
        more = {"servers": self.servers} if self.servers else {}
        return pack(catalog_of(PATHS, {}, {"Account": account}, security=[{"Account": ["openid"]}], **more))


@asynccontextmanager
async def customers(
    folder: Path, server: AuthorizationServer, provider: str, api: Api | None = None, **more: Any
) -> AsyncIterator[tuple[ConnectHouse, Rerouted]]:
    """A gateway with one OAuth client of a provider for all."""
    api = api or Api()
    base_url = "" if api.servers else "https://notes.example.com"
    async with connect_house(folder, api.artefact(), base_url) as house:
        out = Rerouted(house.gateway.grounds.sender, server)
        house.gateway.ground.connecting.sender = out  # type: ignore[union-attr]
        keeper = house.gateway.grounds.living.keeper

        async def fetch(terms: Any, ask: Any) -> Any:
            return await fetch_tokens(out, terms, ask, house.gateway.clock.now)

        keeper.ports = replace(keeper.ports, fetch=fetch)
        await house.client(server, "posted", provider=provider, endpoints={}, **more)
        server.quirk(provider if provider in REPLAYED else "")
        yield house, out


def consented(server: AuthorizationServer, page: Shown, login: str) -> str:
    """Where a browser comes back to that was sent to a customer's address."""
    asked = {**dict(parse_qsl(urlsplit(page.onward).query))}
    back = urlsplit(server.authorize(f"{server.url}/auth?{urlencode(asked)}", login))
    # the provider's issuer is not the real server's
    return back._replace(query=urlencode([pair for pair in parse_qsl(back.query) if pair[0] != "iss"])).geturl()


async def connected(house: ConnectHouse, server: AuthorizationServer, login: str, **wanted: Any) -> Any:
    """The account that somebody connects on the page; ``typed`` is what they type."""
    typed = wanted.pop("typed", {})
    async with visitor(house) as person:
        started = await house.start(**{"connector": "notes", **wanted})
        page = await person.send(await person.open(started.url), **typed)
        page = await person.open(consented(server, page, login))
        assert "Connected" in page.text, page.text
        await house.gateway.settle()
    async with house.gateway.ground.store.reading() as work:
        session = await work.house().connect_sessions.load(started.session.id)
        assert session is not None
        return await work.house().accounts.load(session.result["account"])


async def test_each_shop_is_asked_at_its_own_address_with_one_client(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with customers(tmp_path, server, "shopify") as (house, out), visitor(house) as ann:
        started = await house.start(connector="notes", end_user="ann")
        page = await ann.open(started.url)
        assert [name for name in page.fields if ":" in name] == ["v:shop"]
        assert "As in your address at Shopify" in page.text
        page = await ann.send(page, shop="")
        assert (page.status, out.seen) == (422, [])
        page = await ann.send(page, shop="ann-s-shop")
        parts = urlsplit(page.onward)
        assert (parts.scheme, parts.netloc, parts.path) == (
            "https",
            "ann-s-shop.myshopify.com",
            "/admin/oauth/authorize",
        )
        assert "shop" not in query_of(page.onward)
        page = await ann.open(consented(server, page, "ann"))
        assert "Connected" in page.text, page.text
        bob = await connected(house, server, "bob", variables={"shop": "bobs"})
        accounts = {account.variables["shop"] for account in await house.kept("accounts")}
        assert (accounts, bob.variables) == ({"ann-s-shop", "bobs"}, {"shop": "bobs"})
        assert out.seen == [
            "https://ann-s-shop.myshopify.com/admin/oauth/access_token",
            "https://bobs.myshopify.com/admin/oauth/access_token",
        ]


@pytest.mark.system
async def test_each_tenant_of_microsoft_is_asked_at_its_own_address_with_one_client(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with customers(
        tmp_path, server, "microsoft", Api("https://login.microsoftonline.com/common/oauth2/v2.0")
    ) as (house, out):
        plain = await connected(house, server, "ann")
        await connected(house, server, "bob", variables={"tenant": "contoso.onmicrosoft.com"})
        guid = "72f988bf-86f1-41af-91ab-2d7cd011db47"
        last = await connected(house, server, "cem", variables={"tenant": None}, typed={"tenant": guid})
        assert (plain.variables, last.variables) == ({}, {"tenant": guid})
        told = [
            f"https://login.microsoftonline.com/{one}/oauth2/v2.0/token"
            for one in ("common", "contoso.onmicrosoft.com", guid)
        ]
        assert out.seen == told
        out.seen.clear()
        house.gateway.clock.now += 3000
        server.skew(3000)
        await house.gateway.done(refresh_account(house.gateway.ground, HOST, last.id))
        assert out.seen == [told[2]]


async def test_what_the_client_says_goes_before_what_an_account_does(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    said = {"shop": "house", "grant_options[]": "per-user"}
    async with customers(tmp_path, server, "shopify", parameters=said) as (house, _), visitor(house) as ann:
        page = await ann.open((await house.start(connector="notes", variables={"shop": "mine"})).url)
        assert [name for name in page.fields if ":" in name] == [], "nothing is asked for"
        page = await ann.send(page)
        asked = query_of(page.onward)
        assert (urlsplit(page.onward).netloc, asked["grant_options[]"]) == ("house.myshopify.com", "per-user")
        assert "shop" not in asked


@pytest.mark.system
async def test_no_value_leads_anywhere_else(tmp_path: Path, server: AuthorizationServer) -> None:
    async with customers(tmp_path, server, "shopify") as (house, out), visitor(house) as mallory:
        ground, place = house.gateway.ground, {"tenant": "acme", "connector": "notes"}
        there = await create_account(ground, HOST, place)
        page = await mallory.open((await house.start(connector="notes")).url)
        for number, value in enumerate(HOSTILE):
            if number % 15 == 14:
                page = await mallory.open((await house.start(connector="notes")).url)
            page = await mallory.send(page, shop=value)
            assert (page.status, page.onward) == (422, ""), value
            with pytest.raises(ApiloomError) as made:
                await create_account(ground, HOST, {**place, "variables": {"shop": value}})
            with pytest.raises(ApiloomError) as patched:
                await patch_account(ground, HOST, there.id, {"variables": {"shop": value}})
            assert {made.value.code, patched.value.code} <= {"oauth.variable", "field.form", "field.bounds"}, value
        assert out.seen == []
        assert [one.variables for one in await house.kept("accounts")] == [{}]


@pytest.mark.system
async def test_a_whole_host_is_no_account_s_to_say(tmp_path: Path, server: AuthorizationServer) -> None:
    api = Api("https://gitlab.com/oauth", [{"url": "https://{host}/api", "variables": {"host": {"default": "x"}}}])
    async with (
        customers(tmp_path, server, "gitlab", api) as (house, out),
        visitor(house) as ann,
    ):
        page = await ann.open((await house.start(connector="notes", variables={"host": "evil.example"})).url)
        page = await ann.send(page)
        assert urlsplit(page.onward).netloc == "gitlab.com"
        assert out.seen == []


async def test_a_variable_that_is_changed_takes_nothing_along_and_the_link_mends_it(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with customers(tmp_path, server, "salesforce") as (house, out), http() as client:
        account = await connected(house, server, "ann", end_user="ann", variables={"login": "acme.my"})
        assert out.seen[0] == "https://acme.my.salesforce.com/services/oauth2/token"
        await house.gateway.server(name="notes", tenant="acme", connectors=["notes"])
        out.seen.clear()
        # also where the provider has a host of its own: it is not where this access belongs
        house.gateway.clock.now += 60
        for other in ("evil.my", "login", "test"):
            patch = {"variables": {"login": other}}
            await house.gateway.done(patch_account(house.gateway.ground, HOST, account.id, patch))
            with pytest.raises(DesignError) as refused:
                await refresh_account(house.gateway.ground, HOST, account.id)
            assert (refused.value.code, out.seen) == ("oauth.moved", [])
            house.gateway.grounds.living.keeper.forget(f"{account.id}/Account")

        async with house.gateway.ground.store.writing() as work:
            rows = work.house().grants
            grant = await rows.load(f"{account.id}/Account")
            assert grant is not None
            await rows.save(replace(grant, expires_at=house.gateway.clock.now - 1), grant.revision)
        await house.gateway.settle()
        ann = await house.gateway.api_token(tenant="acme", end_user="ann")
        call = {"name": "list_notes", "arguments": {}}
        for _ in range(2):  # also while nobody asks again so soon
            result = (await ask(client, f"{house.gateway.url}/mcp/s/notes", "tools/call", call, ann)).json()["result"]
            text = result["content"][0]["text"]
            assert result["_meta"]["dev.apiloom/error"]["code"] == "account.needs_reconnect"
            assert "must be connected anew" in text
            assert "/connect/cs_" in text
        link = text[text.index(f"{house.gateway.url}/connect/") :].partition(" ")[0]
        async with visitor(house) as person:
            page = await person.send(await person.open(link))
            assert urlsplit(page.onward).netloc == "test.salesforce.com"
            assert "Connected" in (await person.open(consented(server, page, "ann"))).text
        assert {urlsplit(url).netloc for url in out.seen} == {"test.salesforce.com"}
        await house.gateway.settle()
        out.seen.clear()
        house.gateway.clock.now += 60
        await house.gateway.done(refresh_account(house.gateway.ground, HOST, account.id))
        assert out.seen == ["https://test.salesforce.com/services/oauth2/token"]


@pytest.mark.system
async def test_a_variable_of_the_api_of_the_same_name_may_be_what_it_is(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    api = Api(servers=[{"url": "https://{shop}.notes.example.com", "variables": {"shop": {"default": "your-shop"}}}])
    async with (
        customers(tmp_path, server, "shopify", api) as (house, out),
        visitor(house) as ann,
    ):
        page = await ann.open((await house.start(connector="notes")).url)
        assert [name for name in page.fields if ":" in name] == ["v:shop"]
        page = await ann.send(page, shop="acme")
        assert urlsplit(page.onward).netloc == "acme.myshopify.com"
        assert out.seen == []


@pytest.mark.system
async def test_other_names_are_still_no_variables(tmp_path: Path, server: AuthorizationServer) -> None:
    async with customers(tmp_path, server, "shopify", Api(servers=REGION)) as (house, _):
        for name in ("login", "shops"):
            with pytest.raises(DesignError) as refused:
                await create_account(
                    house.gateway.ground,
                    HOST,
                    {"tenant": "acme", "connector": "notes", "variables": {"region": "eu", name: "acme"}},
                )
            assert refused.value.code == "server.variable"
            with pytest.raises(DesignError) as refused:
                await house.start(connector="notes", variables={name: "acme"})
            assert refused.value.code == "server.variable"


@pytest.mark.system
async def test_where_the_client_names_an_issuer_no_variable_counts(tmp_path: Path, server: AuthorizationServer) -> None:
    async with customers(tmp_path, server, "microsoft") as (house, out):
        patch = {"endpoints": {"issuer": server.issuer}, "secret": server.secret}
        (client,) = await house.kept("oauth_clients")
        await house.gateway.done(patch_oauth_client(house.gateway.ground, HOST, client.id, patch))
        with pytest.raises(DesignError) as refused:
            await house.start(connector="notes", variables={"tenant": "contoso"})
        assert refused.value.code == "server.variable"
        async with visitor(house) as ann:
            page = await ann.send(await ann.open((await house.start(connector="notes")).url))
            assert page.onward.startswith(f"{server.url}/auth?")
        assert out.seen == []
