"""Providers: what their entries say, and the documented behaviour of each replayed on a real server."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields, replace
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest

from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Sender
from apiloom.vault.oauth.asking import build_request, join_scopes
from apiloom.vault.oauth.authorizing import callback_extra, called_back
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.identity import fetch_identity
from apiloom.vault.oauth.providers import OPEN, provider_for, provider_ids, provider_of
from apiloom.vault.oauth.refusals import GrantEnded
from apiloom.vault.oauth.terms import ByCode, ByRefresh, Endpoints, OAuthKeys, Provider, Terms, Tokens
from support.oauth import endpoints_of, sign_in, terms_of, there_and_back
from support.oidc import AuthorizationServer, authorization_server
from support.source import ROOT

KNOWN = tomllib.loads(files("apiloom.vault.oauth").joinpath("providers.toml").read_text("utf-8"))
NO_REFRESH = {"facebook", "mailchimp", "shopify", "stripe"}
ONE_LIFE = 3600.0
LIVES = {
    "discord": 604_800, "dropbox": 14_400, "facebook": 5_183_944, "fitbit": 28_800, "gitlab": 7_200, "hubspot": 1_800,
    "linkedin": 5_184_000, "mailchimp": None, "notion": None, "salesforce": None, "shopify": None, "stripe": None,
    "zendesk": 172_800,
}  # fmt: skip
"""Seconds that a token lives where it is not the test server that says so; None where nobody says."""

SCOPES = {
    "gitlab": None, "facebook": None, "mailchimp": None, "notion": None, "quickbooks": None, "square": None,
    "strava": None, "stripe": ("read_write",), "zoho": None,
}  # fmt: skip
"""What the answer tells of scopes where it is not what was asked."""

NOT_SPOKEN = {"title", "hosts", "source", "endpoints", "variables", "kinds", "server"}
"""Members of entries that say where a provider is asked, not how."""

IDENTITIES = {
    "airtable": {"sub": "usr12345", "email": "foo@bar.com"},
    "asana": {"sub": "4673218951", "email": "gsanchez@example.com", "name": "Greg Sanchez"},
    "atlassian": {"sub": "112233aa-bb11-cc22", "email": "mia@example.com", "name": "Mia Krystof"},
    "box": {"sub": "11446498", "email": "ceo@example.com", "name": "Aaron Levie"},
    "discord": {"sub": "80351110224678912", "email": "nelly@discord.com", "name": "Nelly"},
    "dropbox": {"sub": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"},
    "facebook": {"sub": "10150000000000000", "email": "ada@example.com", "name": "Ada Lovelace"},
    "figma": {"sub": "1234567"},
    "fitbit": {"sub": "26FWFL"},
    "github": {"sub": "583231", "email": "octocat@github.com", "name": "octocat"},
    "gitlab": {"sub": "7", "email": "ada@example.com", "name": "ada"},
    "linkedin": {"sub": "782bbtaQ", "email": "doe@example.com", "name": "John Doe"},
    "notion": {"sub": "user-1", "email": "ada@example.com", "name": "Acme"},
    "okta": {"sub": "user-of-okta"},
    "quickbooks": {"sub": "62aea54d", "email": "ada@example.com", "name": "Ada"},
    "reddit": {"sub": "1w72", "name": "reddit_bot"},
    "salesforce": {"sub": "005", "email": "pat@example.com", "name": "Pat Patterson"},
    "slack": {"sub": "U1234", "name": "Slack Softball Team"},
    "slack-user": {"sub": "U1234", "name": "Slack Softball Team"},
    "spotify": {"sub": "smedjan", "email": "email@example.com", "name": "JM Wizzler"},
    "square": {"sub": "MERCHANT"},
    "strava": {"sub": "134815", "name": "marianne_t"},
    "stripe": {"sub": "acct_1"},
    "tiktok": {"sub": "afd97af1"},
    "twitch": {"sub": "713936733", "email": "scott@example.com", "name": "scottvdp"},
    "x": {"sub": "2244994945", "name": "XDevelopers"},
    "xero": {"sub": "1945393b", "email": "ada@example.com", "name": "Ada Lovelace"},
    "zoom": {"sub": "KDcuGIm1QgePTO8WbOqwIQ", "email": "jchill@example.com", "name": "Jill Chill"},
}
"""Whom the token answer or the identity endpoint names, in the provider's own members."""

EXTRA = {
    "notion": {"workspace_id": "ws-1", "workspace_name": "Acme", "bot_id": "bot-1"},
    "pipedrive": {"api_domain": "https://acme.pipedrive.com"},
    "salesforce": {"instance_url": "https://acme.my.salesforce.com"},
    "zoho": {"api_domain": "https://www.zohoapis.eu"},
}
CALLED_BACK = {
    "quickbooks": {"realmId": "123145725"},
    "shopify": {"shop": "acme.myshopify.com"},
    "zoho": {"accounts-server": "https://accounts.zoho.eu", "location": "eu"},
}
"""What the way back says that is kept."""

REFUSALS = {
    "facebook": "OAuthException", "github": "invalid_client", "hubspot": "BAD_CLIENT_ID", "notion": "invalid_client",
    "slack": "bad_client_secret", "slack-user": "bad_client_secret", "square": "service.not_authorized",
    "strava": "Application", "twitch": "Forbidden",
}  # fmt: skip
"""What a wrong secret is called where it is not ``invalid_client``."""

ENDINGS = [
    ("hubspot", 400, {"status": "EXPIRED_AUTH_CODE", "message": "auth code is expired"}),
    ("microsoft", 400, {"error": "interaction_required", "error_description": "AADSTS50076"}),
    ("microsoft", 400, {"error": "consent_required", "error_description": "AADSTS65001"}),
    ("salesforce", 400, {"error": "inactive_user", "error_description": "user is inactive"}),
    ("salesforce", 400, {"error": "inactive_org", "error_description": "organization is inactive"}),
    *(
        (id_, 200, {"ok": False, "error": code})
        for id_ in ("slack", "slack-user")
        for code in ("code_already_used", "token_revoked", "token_expired", "account_inactive")
    ),
]
"""Further answers that say that a grant is over: what the test server has no occasion for."""


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server(pkce=False, extra_params=["access_type"]) as server:
        yield server


@pytest.fixture
def server(running: AuthorizationServer) -> Iterator[AuthorizationServer]:
    running.reset()
    yield running
    running.quirk("")


def terms_for(server: AuthorizationServer, id_: str) -> Terms:
    """An entry as it is, but for its addresses."""
    provider = provider_for(id_)
    endpoints = replace(endpoints_of(server), issuer="", jwks_url="", iss_told=False)
    if provider.endpoints.refresh_url:
        endpoints = replace(endpoints, refresh_url=f"{server.url}/refresh")
    if not identity_url_of(id_):
        endpoints = replace(endpoints, identity_url="")
    scopes = () if id_ == "notion" else ("read", "write")
    return terms_of(server, endpoints=endpoints, provider=replace(provider, server=""), scopes=scopes)


def identity_url_of(id_: str) -> str:
    return str(KNOWN[id_]["endpoints"].get("identity_url", ""))


@pytest.mark.parametrize("id_", KNOWN)
async def test_a_provider_gives_and_renews_tokens_as_it_documents(
    server: AuthorizationServer, sender: Sender, id_: str
) -> None:
    server.quirk(id_)
    terms = terms_for(server, id_)
    login, now = f"user-of-{id_}", time.time()
    tokens, back = await there_and_back(sender, server, terms, login)
    assert server.introspect(tokens.access.reveal())["sub"] == login
    assert tokens.type == "Bearer"
    assert tokens.extra == EXTRA.get(id_, {})
    assert callback_extra(back, terms) == CALLED_BACK.get(id_, {})
    assert tokens.scopes == SCOPES.get(id_, ("openid", "read", "write"))
    life = LIVES.get(id_, ONE_LIFE)
    assert tokens.expires_at == (None if life is None else pytest.approx(now + life, abs=60))
    assert await fetch_identity(sender, terms, tokens) == IDENTITIES.get(id_, {})
    assert (tokens.refresh is None) == (id_ in NO_REFRESH)
    if tokens.refresh is not None:
        await renewed_until_its_end(server, sender, terms, tokens, login)
    # whatever a provider does not take was asked as it takes it, at once
    assert [told for told in server.stats() if told.startswith("token ")] == []


async def renewed_until_its_end(
    server: AuthorizationServer, sender: Sender, terms: Terms, tokens: Tokens, login: str
) -> None:
    for _ in range(2):
        assert tokens.refresh is not None
        again = await fetch_tokens(sender, terms, ByRefresh(token=tokens.refresh), time.time())
        assert server.introspect(again.access.reveal())["active"]
        assert again.expires_at == (None if tokens.expires_at is None else pytest.approx(tokens.expires_at, abs=60))
        assert again.scopes == tokens.scopes
        tokens = replace(again, refresh=again.refresh or tokens.refresh)
    server.revoke(login)
    assert tokens.refresh is not None
    with pytest.raises(GrantEnded):
        await fetch_tokens(sender, terms, ByRefresh(token=tokens.refresh), time.time())


@pytest.mark.parametrize("id_", sorted({*KNOWN} - NO_REFRESH))
async def test_a_refresh_token_works_as_often_as_its_entry_says(
    server: AuthorizationServer, sender: Sender, id_: str
) -> None:
    server.quirk(id_)
    terms = terms_for(server, id_)
    first = (await sign_in(sender, server, terms, f"user-of-{id_}")).refresh
    assert first is not None
    await fetch_tokens(sender, terms, ByRefresh(token=first), time.time())
    try:
        await fetch_tokens(sender, terms, ByRefresh(token=first), time.time())
        once = False
    except GrantEnded:
        once = True
    assert once == terms.provider.one_use


@pytest.mark.parametrize("id_", KNOWN)
async def test_a_code_that_is_over_is_an_end_in_each_provider_s_own_words(
    server: AuthorizationServer, sender: Sender, id_: str
) -> None:
    server.quirk(id_)
    ask = ByCode(code=Secret("over"), verifier=Secret("v" * 43))
    with pytest.raises(GrantEnded):
        await fetch_tokens(sender, terms_for(server, id_), ask, time.time())


@pytest.mark.parametrize(
    ("id_", "status", "said"), ENDINGS, ids=[f"{id_}-{n}" for n, (id_, _, _) in enumerate(ENDINGS)]
)
async def test_whatever_else_a_provider_calls_an_end_is_one(
    server: AuthorizationServer, sender: Sender, id_: str, status: int, said: dict[str, Any]
) -> None:
    server.fail(json.dumps(said), status)
    with pytest.raises(GrantEnded):
        await fetch_tokens(sender, terms_for(server, id_), ByRefresh(token=Secret("r")), time.time())


@pytest.mark.parametrize("id_", KNOWN)
async def test_a_wrong_secret_is_no_end_and_is_called_what_the_provider_calls_it(
    server: AuthorizationServer, sender: Sender, id_: str
) -> None:
    server.quirk(id_)
    terms = terms_for(server, id_)
    terms = replace(terms, keys=replace(terms.keys, secret=Secret("a wrong one")))
    ask = ByRefresh(token=Secret("r"))
    with pytest.raises(UpstreamError) as caught:
        await fetch_tokens(sender, terms, ask, time.time())
    # one provider has one word for everything
    assert caught.value.code == ("oauth.ended" if id_ == "facebook" else "oauth.refused")
    assert f"({REFUSALS.get(id_, 'invalid_client')})" in caught.value.message


@pytest.mark.system
@pytest.mark.parametrize("id_", KNOWN)
async def test_what_an_entry_says_is_needed(
    server: AuthorizationServer, sender: Sender, id_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes one out is refused, gets no refresh token, misreads an answer or its end, or asks once more."""
    entry, plain = provider_for(id_), Provider()
    for name in {*KNOWN[id_]} - NOT_SPOKEN:
        if name == "method" and entry.method == "client_secret_basic":
            continue  # as the standard has it
        less = replace(entry, **{name: getattr(plain, name)})
        monkeypatch.setitem(globals(), "provider_for", lambda _, less=less: less)
        assert await seen(server, sender, id_), name


async def seen(server: AuthorizationServer, sender: Sender, id_: str) -> bool:
    """Whether any replay of a provider fails with its entry as it is now."""
    replays: list[Callable[[], Awaitable[None]]] = [
        lambda: test_a_provider_gives_and_renews_tokens_as_it_documents(server, sender, id_),
        lambda: test_a_code_that_is_over_is_an_end_in_each_provider_s_own_words(server, sender, id_),
        lambda: test_a_wrong_secret_is_no_end_and_is_called_what_the_provider_calls_it(server, sender, id_),
    ]
    if id_ not in NO_REFRESH:
        replays.append(lambda: test_a_refresh_token_works_as_often_as_its_entry_says(server, sender, id_))
    for status, said in [(status, said) for one, status, said in ENDINGS if one == id_]:
        replays.append(
            lambda status=status, said=said: test_whatever_else_a_provider_calls_an_end_is_one(
                server, sender, id_, status, said
            )
        )
    for replay in replays:
        server.reset()
        server.quirk("")
        try:
            await replay()
        except (ApiloomError, AssertionError, pytest.fail.Exception):
            return True
    return False


def test_every_entry_names_its_source_and_is_found_at_its_hosts() -> None:
    assert list(KNOWN) == sorted(KNOWN)
    for id_, told in KNOWN.items():
        provider = provider_for(id_)
        assert provider.source.startswith("https://"), id_
        assert provider.title, id_
        for host in told.get("hosts", ()):
            found = provider_for(Endpoints(token_url=f"https://{host.replace('*', 'acme')}/token"))
            assert found.id == id_
        assert "{" not in "".join(str(value) for value in vars_of(provider.endpoints)), id_


def test_every_member_is_one_that_some_provider_needs() -> None:
    assert {one.name for one in fields(Provider)} - {"id"} == {name for told in KNOWN.values() for name in told}


def test_the_page_lists_every_entry() -> None:
    page = (ROOT / "docs" / "oauth.md").read_text("utf-8")
    listed = page[page.index("airtable, ") :].partition("\n\n")[0]
    assert listed.replace("\n", " ").split(", ") == list(KNOWN)


def test_further_providers_have_addresses_that_can_be_asked_and_no_entry_of_their_own() -> None:
    further = tomllib.loads(files("apiloom.vault.oauth").joinpath("more_providers.toml").read_text("utf-8"))
    assert list(further) == sorted(further)
    assert len(further) > 100
    assert not {*further} & {*KNOWN}
    for id_, (authorization_url, token_url, separator) in further.items():
        assert re.fullmatch(r"[a-z0-9]{2,20}", id_)
        assert separator in (" ", ","), id_
        for url in (authorization_url, token_url):
            assert re.fullmatch(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._/-]*)?", url), url
        entry = provider_for(id_)
        assert (entry.endpoints.authorization_url, entry.endpoints.token_url) == (authorization_url, token_url)
        assert join_scopes(("a", "b"), entry) == f"a{separator}b"
        # whatever is known of a host must not get lost by another name
        assert provider_for(Endpoints(token_url=token_url)) == Provider(), id_


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
