"""Providers: what their entries say, and the documented behaviour of each replayed on a real server."""

from __future__ import annotations

import time
import tomllib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.secret import Secret
from apiloom.net.request import Sender
from apiloom.vault.oauth.asking import build_request
from apiloom.vault.oauth.authorizing import callback_extra, called_back
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.providers import OPEN, provider_for, provider_ids, provider_of
from apiloom.vault.oauth.refusals import GrantEnded
from apiloom.vault.oauth.terms import ByCode, ByRefresh, Endpoints, OAuthKeys, Provider, Terms, Tokens
from support.oauth import endpoints_of, sending, sign_in, terms_of
from support.oidc import AuthorizationServer, authorization_server

REPLAYED = [
    "airtable", "asana", "atlassian", "box", "dropbox", "facebook", "figma", "github", "google", "hubspot", "linear",
    "linkedin", "mailchimp", "microsoft", "notion", "pipedrive", "quickbooks", "reddit", "salesforce", "shopify",
    "slack", "slack-user", "spotify", "square", "strava", "stripe", "tiktok", "twitch", "x", "xero", "zoho", "zoom",
]  # fmt: skip
NO_REFRESH = {"facebook", "mailchimp", "shopify", "stripe"}
NEVER_ENDING = {"mailchimp", "notion", "salesforce", "shopify", "stripe"}
AS_PLAIN = {"airtable", "box", "mailchimp", "pipedrive", "quickbooks", "spotify", "twitch", "zoom"}
"""Providers that a client of the standard gets along with, though it learns less of them."""

IDENTITIES = {
    "asana": {"sub": "4673218951", "email": "gsanchez@example.com", "name": "Greg Sanchez"},
    "dropbox": {"sub": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"},
    "figma": {"sub": "1234567"},
    "notion": {"sub": "user-1", "email": "ada@example.com", "name": "Acme"},
    "slack": {"sub": "U1234", "name": "Slack Softball Team"},
    "slack-user": {"sub": "U1234", "name": "Slack Softball Team"},
    "square": {"sub": "MERCHANT"},
    "strava": {"sub": "134815", "name": "marianne_t"},
    "stripe": {"sub": "acct_1"},
    "tiktok": {"sub": "afd97af1"},
}
EXTRA = {
    "notion": {"workspace_id": "ws-1", "workspace_name": "Acme", "bot_id": "bot-1"},
    "pipedrive": {"api_domain": "https://acme.pipedrive.com"},
    "salesforce": {"instance_url": "https://acme.my.salesforce.com"},
    "zoho": {"api_domain": "https://www.zohoapis.eu"},
}


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server(pkce=False, extra_params=["access_type"]) as server:
        yield server


@pytest.fixture
def server(running: AuthorizationServer) -> Iterator[AuthorizationServer]:
    running.reset()
    yield running
    running.quirk("")


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as one:
        yield one


def terms_for(server: AuthorizationServer, id_: str) -> Terms:
    """An entry as it is, but for its addresses."""
    provider = provider_for(id_)
    endpoints = endpoints_of(server)
    if provider.endpoints.refresh_url:
        endpoints = replace(endpoints, refresh_url=f"{server.url}/refresh")
    scopes = () if id_ == "notion" else ("read", "write")
    return terms_of(server, endpoints=endpoints, provider=replace(provider, server=""), scopes=scopes)


@pytest.mark.parametrize("id_", REPLAYED)
async def test_a_provider_gives_and_renews_tokens_as_it_documents(
    server: AuthorizationServer, sender: Sender, id_: str
) -> None:
    server.quirk(id_)
    terms = terms_for(server, id_)
    login, now = f"user-of-{id_}", time.time()
    tokens = await sign_in(sender, server, terms, login)
    assert server.introspect(tokens.access.reveal())["sub"] == login
    assert tokens.type == "Bearer"
    assert tokens.identity == IDENTITIES.get(id_, {})
    assert tokens.extra == EXTRA.get(id_, {})
    assert (tokens.expires_at is None) == (id_ in NEVER_ENDING), tokens.expires_at
    assert tokens.expires_at is None or now + 1700 < tokens.expires_at < now + 5_200_000
    if tokens.scopes is not None and id_ != "stripe":
        assert {"read", "write"} <= set(tokens.scopes) or id_ == "notion"
    assert (tokens.refresh is None) == (id_ in NO_REFRESH)
    if tokens.refresh is not None:
        await renewed_until_its_end(server, sender, terms, tokens, login)


async def renewed_until_its_end(
    server: AuthorizationServer, sender: Sender, terms: Terms, tokens: Tokens, login: str
) -> None:
    for _ in range(2):
        assert tokens.refresh is not None
        again = await fetch_tokens(sender, terms, ByRefresh(token=tokens.refresh), time.time())
        assert server.introspect(again.access.reveal())["active"]
        if terms.provider.one_use:
            assert again.refresh is not None
            assert again.refresh != tokens.refresh
        tokens = replace(again, refresh=again.refresh or tokens.refresh)
    server.revoke(login)
    assert tokens.refresh is not None
    with pytest.raises(GrantEnded):
        await fetch_tokens(sender, terms, ByRefresh(token=tokens.refresh), time.time())


@pytest.mark.parametrize("id_", REPLAYED)
async def test_a_code_that_is_over_is_an_end_in_each_provider_s_own_words(
    server: AuthorizationServer, sender: Sender, id_: str
) -> None:
    server.quirk(id_)
    ask = ByCode(code=Secret("over"), verifier=Secret("v" * 43))
    with pytest.raises(GrantEnded):
        await fetch_tokens(sender, terms_for(server, id_), ask, time.time())


@pytest.mark.parametrize("id_", sorted({*REPLAYED} - AS_PLAIN))
async def test_what_an_entry_says_is_needed(server: AuthorizationServer, sender: Sender, id_: str) -> None:
    """A client that only knows the standard is refused, gets no refresh token, misreads the answer or its end."""
    server.quirk(id_)
    entry = terms_for(server, id_)
    plain = replace(entry, provider=Provider(), endpoints=endpoints_of(server))
    login, good, bad = f"plain-of-{id_}", [], []
    for terms, seen in ((entry, good), (plain, bad)):
        try:
            tokens = await sign_in(sender, server, terms, login)
            seen += [tokens.refresh is None, tokens.expires_at is None, tokens.scopes, tokens.identity, tokens.extra]
            if tokens.refresh is not None:
                await fetch_tokens(sender, terms, ByRefresh(token=tokens.refresh), time.time())
            await fetch_tokens(sender, terms, ByCode(code=Secret("over"), verifier=Secret("v" * 43)), time.time())
        except (ApiloomError, AssertionError) as error:
            seen.append(type(error).__name__)
    assert good != bad


def test_every_entry_names_its_source_and_is_found_at_its_hosts() -> None:
    known = tomllib.loads(files("apiloom.vault.oauth").joinpath("providers.toml").read_text("utf-8"))
    assert list(known) == sorted(known)
    assert {*REPLAYED} <= {*known}
    assert len(provider_ids()) > 150
    for id_, told in known.items():
        provider = provider_for(id_)
        assert provider.source.startswith("https://"), id_
        assert provider.title, id_
        for host in told.get("hosts", ()):
            found = provider_for(Endpoints(token_url=f"https://{host.replace('*', 'acme')}/token"))
            assert found.id == id_
        assert "{" not in "".join(str(value) for value in vars_of(provider.endpoints)), id_


def vars_of(endpoints: Endpoints) -> list[str]:
    return [endpoints.token_url, endpoints.authorization_url, endpoints.identity_url, endpoints.revocation_url]


def test_a_provider_of_each_customer_is_asked_at_the_customer_s_own_address() -> None:
    shop = provider_for("shopify", {"shop": "acme"})
    assert shop.endpoints.token_url == "https://acme.myshopify.com/admin/oauth/access_token"
    assert provider_for("shopify").endpoints.token_url == ""
    assert "/organizations/" in provider_for("microsoft", {"tenant": "organizations"}).endpoints.token_url
    for value in ("acme.evil.example/", "a/../b", "a@b", "a..b", "evil.example#", "", "-"):
        if value:
            with pytest.raises(DesignError, match="cannot stand in an address"):
                provider_for("shopify", {"shop": value})


@pytest.mark.parametrize(
    ("id_", "name", "value", "host"),
    [
        ("okta", "org", "acme", "acme.okta.com"),
        ("salesforce", "login", "acme--test.sandbox.my", "acme--test.sandbox.my.salesforce.com"),
        ("zendesk", "subdomain", "acme", "acme.zendesk.com"),
        ("microsoft", "tenant", "Contoso.onmicrosoft.com", "login.microsoftonline.com"),
        ("gitlab", "host", "git.example.com", "git.example.com"),
    ],
)
def test_what_differs_for_each_customer_stands_where_it_belongs(id_: str, name: str, value: str, host: str) -> None:
    endpoints = provider_for(id_, {name: value}).endpoints
    assert {urlsplit(url).netloc for url in vars_of(endpoints) if url} == {host}


@pytest.mark.parametrize("id_", ["okta", "salesforce", "shopify", "zendesk", "microsoft"])
def test_nothing_that_stands_for_a_variable_leads_to_another_host(id_: str) -> None:
    entry = provider_for(id_)
    (name,) = entry.variables
    suffix = urlsplit(provider_for(id_, {name: "x"}).endpoints.token_url).netloc.removeprefix("x.")
    signs = [chr(code) for code in range(0x20, 0x7F)] + list("\r\n\t\0é\u3002\uff0e\uff41\u200d\u0130")
    tried = [f"a{sign}b" for sign in signs] + [f"{sign}a" for sign in signs] + [f"a{sign}" for sign in signs]
    for value in [*tried, "a@evil.example", "evil.example/", "a:1", "a..b", "%2e", "a" * 200, "a\n"]:
        try:
            url = provider_for(id_, {name: value}).endpoints.token_url
        except DesignError:
            continue
        parts = urlsplit(url)
        assert parts.scheme == "https"
        assert parts.netloc == suffix or parts.netloc.endswith(f".{suffix}"), value
        assert (parts.query, parts.fragment, "@" in parts.netloc, ":" in parts.netloc) == ("", "", False, False)


def test_every_variable_says_what_it_may_hold() -> None:
    for id_ in provider_ids():
        entry = provider_for(id_)
        assert set(entry.kinds) == set(entry.variables), id_
        assert set(entry.kinds.values()) <= {*OPEN, "host"}, id_


def test_an_unknown_name_is_told_with_its_neighbours_and_an_unknown_address_is_plain() -> None:
    with pytest.raises(DesignError, match="no OAuth provider") as caught:
        provider_for("hubspott")
    assert "hubspot" in caught.value.hint
    assert provider_for(Endpoints(token_url="https://notgithub.com/token")) == Provider()
    assert provider_for(Endpoints(token_url="https://evil.example/?x=.myshopify.com")) == Provider()
    assert provider_of("", Endpoints(token_url="https://github.com/x")).id == "github"
    assert provider_of("slack", Endpoints(token_url="https://github.com/x")).id == "slack"
    further = provider_for("bitbucket")
    assert further.source == "https://github.com/simov/grant"
    assert further.endpoints.token_url.startswith("https://bitbucket.org/")


def test_the_way_back_may_lead_to_another_of_a_provider_s_hosts_and_to_no_other() -> None:
    zoho = provider_for("zoho")
    terms = Terms(endpoints=zoho.endpoints, keys=OAuthKeys(client_id="c", secret=Secret("s")), provider=zoho)
    back = {"accounts-server": "https://accounts.zoho.eu", "location": "eu", "code": "c", "state": "s"}
    moved = called_back(terms, back)
    assert moved.endpoints.token_url == "https://accounts.zoho.eu/oauth/v2/token"
    assert callback_extra(back, terms) == {"accounts-server": "https://accounts.zoho.eu", "location": "eu"}
    request = build_request(moved, ByRefresh(token=Secret("r")), 0)
    assert request.origin == "https://accounts.zoho.eu"
    assert called_back(terms, {}) is terms
    for server in (
        "https://accounts.zoho.eu.evil.example", "http://accounts.zoho.eu", "https://evil@accounts.zoho.eu",
        "https://accounts.zoho.eu:444", "javascript:alert(1)", "https://[", "//accounts.zoho.eu",
    ):  # fmt: skip
        with pytest.raises(ApiloomError, match="not the provider's"):
            called_back(terms, {"accounts-server": server})
