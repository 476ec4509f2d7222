"""Every grant, against a real authorization server."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Sender
from apiloom.vault.oauth.authorizing import authorization_url, read_callback
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.refusals import GrantEnded
from apiloom.vault.oauth.revocation import revoke
from apiloom.vault.oauth.terms import ByAssertion, ByClient, ByCode, ByExchange, ByRefresh, Terms, Tokens
from support.oauth import sign_in, terms_of
from support.oidc import AuthorizationServer

API = "https://api.example"


async def refreshed(sender: Sender, terms: Terms, tokens: Tokens) -> Tokens:
    assert tokens.refresh is not None
    return await fetch_tokens(sender, terms, ByRefresh(token=tokens.refresh), time.time())


async def failed(sender: Sender, terms: Terms, ask: object) -> ApiloomError:
    with pytest.raises(ApiloomError) as caught:
        await fetch_tokens(sender, terms, ask, time.time())  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("client", ["web", "posted", "secret-jwt", "signed", "public"])
async def test_a_code_becomes_tokens_that_are_renewed_however_the_client_proves_itself(
    server: AuthorizationServer, sender: Sender, client: str
) -> None:
    method = {"posted": "client_secret_post", "secret-jwt": "client_secret_jwt"}.get(client, "")
    terms = terms_of(server, client, method=method)
    before = time.time()
    tokens = await sign_in(sender, server, terms)
    assert server.introspect(tokens.access.reveal())["sub"] == "alice"
    assert tokens.scopes == ("openid", "read")
    assert tokens.type == "Bearer"
    assert tokens.expires_at is not None
    assert before + 3600 <= tokens.expires_at <= time.time() + 3600
    again = await refreshed(sender, terms, tokens)
    assert again.access != tokens.access
    assert again.refresh != tokens.refresh
    assert server.introspect(again.access.reveal())["active"]


async def test_a_refresh_token_used_twice_ends_its_whole_family(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server)
    tokens = await sign_in(sender, server, terms)
    again = await refreshed(sender, terms, tokens)
    assert tokens.refresh is not None
    assert again.refresh is not None
    for token in (tokens.refresh, again.refresh):
        error = await failed(sender, terms, ByRefresh(token=token))
        assert isinstance(error, GrantEnded)
        assert error.code == "oauth.ended"
    assert server.introspect(again.access.reveal())["active"] is False
    assert server.count("refresh_token", "invalid_grant") == 2


async def test_a_code_works_once_and_only_with_its_verifier(server: AuthorizationServer, sender: Sender) -> None:
    terms, verifier = terms_of(server), Secret("v" * 43)
    url = authorization_url(terms, state="s", verifier=verifier)

    def code() -> Secret:
        return read_callback(parse_qsl(urlsplit(server.authorize(url)).query), terms, state="s")

    wrong = ByCode(code=code(), verifier=Secret("w" * 43))
    assert isinstance(await failed(sender, terms, wrong), GrantEnded)
    right = ByCode(code=code(), verifier=verifier)
    tokens = await fetch_tokens(sender, terms, right, time.time())
    assert isinstance(await failed(sender, terms, right), GrantEnded)
    # RFC 6749 section 4.1.2: a code that is used twice was stolen, so what it gave is taken back
    assert server.introspect(tokens.access.reveal())["active"] is False


@pytest.mark.parametrize("client", ["machine", "posted", "secret-jwt", "signed"])
async def test_a_client_gets_a_token_of_its_own(server: AuthorizationServer, sender: Sender, client: str) -> None:
    method = {"posted": "client_secret_post", "secret-jwt": "client_secret_jwt"}.get(client, "")
    terms = terms_of(server, client, method=method, scopes=("write", "read"))
    tokens = await fetch_tokens(sender, terms, ByClient(), time.time())
    told = server.introspect(tokens.access.reveal())
    assert told["client_id"] == client
    assert tokens.scopes == ("read", "write")
    assert tokens.refresh is None


async def test_a_token_is_asked_for_one_resource(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server, "machine", scopes=("read",), resource=API)
    tokens = await fetch_tokens(sender, terms, ByClient(), time.time())
    claims = jwt.decode(tokens.access.reveal(), options={"verify_signature": False})
    assert (claims["aud"], claims["scope"]) == (API, "read")


async def test_a_service_account_signs_its_grant_and_names_whom_it_acts_as(
    server: AuthorizationServer, sender: Sender
) -> None:
    terms = terms_of(server, "service@project.example", private_key=Secret(server.key), scopes=())
    ask = ByAssertion(issuer="service@project.example", subject="carol", claims={"scope": "read write"})
    tokens = await fetch_tokens(sender, terms, ask, time.time())
    told = server.introspect(tokens.access.reveal())
    assert (told["sub"], told["scope"]) == ("carol", "read write")
    alone = await fetch_tokens(sender, terms, ByAssertion(issuer="service@project.example"), time.time())
    assert server.introspect(alone.access.reveal())["sub"] == "service@project.example"
    error = await failed(sender, terms, ByAssertion(issuer="service@project.example", audience="https://other.example"))
    assert error.code == "oauth.ended"


async def test_a_token_is_exchanged_for_one_of_another_audience(server: AuthorizationServer, sender: Sender) -> None:
    mine = await sign_in(sender, server, terms_of(server, "public"), "dora")
    terms = terms_of(server, "machine", scopes=("read",), audience=API)
    tokens = await fetch_tokens(sender, terms, ByExchange(subject_token=mine.access), time.time())
    claims = jwt.decode(tokens.access.reveal(), options={"verify_signature": False})
    assert (claims["sub"], claims["aud"], claims["scope"]) == ("dora", API, "read")
    server.revoke("dora")
    error = await failed(sender, terms, ByExchange(subject_token=mine.access))
    assert error.code == "oauth.ended"
    assert "exchanged" in error.message


@pytest.mark.parametrize("seconds", [300, -300])
@pytest.mark.parametrize("client", ["signed", "secret-jwt"])
async def test_a_clock_five_minutes_off_does_not_keep_a_signing_client_out(
    server: AuthorizationServer, sender: Sender, client: str, seconds: float
) -> None:
    server.skew(seconds)
    terms = terms_of(server, client, method="client_secret_jwt" if client == "secret-jwt" else "", scopes=("read",))
    before = time.time()
    tokens = await fetch_tokens(sender, terms, ByClient(), before)
    assert tokens.expires_at is not None
    assert abs(tokens.expires_at - before - 3600) < 30


async def test_a_clock_five_minutes_off_does_not_keep_a_service_account_out(
    server: AuthorizationServer, sender: Sender
) -> None:
    terms = terms_of(server, "service@project.example", private_key=Secret(server.key), scopes=())
    for seconds in (-400, 400):
        server.skew(seconds)
        await fetch_tokens(sender, terms, ByAssertion(issuer="service@project.example"), time.time())


async def test_a_secret_that_is_not_taken_in_a_header_is_sent_in_the_form(
    server: AuthorizationServer, sender: Sender
) -> None:
    terms = terms_of(server, "posted", scopes=("read",))
    server.fail('{"error": "invalid_client"}', 401)
    await fetch_tokens(sender, terms, ByClient(), time.time())
    assert server.count("client_credentials") == 1
    server.fail('{"error": "invalid_client"}', 401)
    told = replace(terms, keys=replace(terms.keys, method="client_secret_basic"))
    assert (await failed(sender, told, ByClient())).code == "oauth.refused"


async def test_a_wrong_secret_a_wrong_scope_and_a_wrong_grant_are_told_apart(
    server: AuthorizationServer, sender: Sender
) -> None:
    good = terms_of(server, "machine", scopes=("read",))
    wrong = replace(good, keys=replace(good.keys, secret=Secret("n0t-the-secret")))
    error = await failed(sender, wrong, ByClient())
    assert error.code == "oauth.refused"
    assert "invalid_client" in error.message
    assert "client id and secret" in error.hint
    assert "n0t" not in repr(error) + error.sentence()
    error = await failed(sender, good, ByRefresh(token=Secret("x")))
    assert error.code == "oauth.refused"
    error = await failed(sender, replace(good, keys=replace(good.keys, method="private_key_jwt")), ByClient())
    assert isinstance(error, DesignError)
    assert error.code == "oauth.key"


async def test_an_endpoint_that_is_down_is_no_end_of_a_grant(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server)
    tokens = await sign_in(sender, server, terms)
    assert tokens.refresh is not None
    server.down()
    error = await failed(sender, terms, ByRefresh(token=tokens.refresh))
    assert error.code == "oauth.unavailable"
    server.down("close")
    error = await failed(sender, terms, ByRefresh(token=tokens.refresh))
    assert error.code == "net.broken"
    server.up()
    assert await refreshed(sender, terms, tokens)


async def test_a_token_is_given_back(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server)
    tokens = await sign_in(sender, server, terms)
    assert tokens.refresh is not None
    assert await revoke(sender, terms, tokens.refresh)
    assert await revoke(sender, terms, Secret("never-heard-of"))
    assert isinstance(await failed(sender, terms, ByRefresh(token=tokens.refresh)), GrantEnded)
    nowhere = replace(terms, endpoints=replace(terms.endpoints, revocation_url=""))
    assert await revoke(sender, nowhere, tokens.refresh) is False
    wrong = replace(terms, keys=replace(terms.keys, secret=Secret("other")))
    with pytest.raises(UpstreamError, match="invalid_client"):
        await revoke(sender, wrong, tokens.refresh)
