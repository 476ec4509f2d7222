"""Devices, discovery and identity, against a real authorization server."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import jwt
import pytest

from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Request, Response, Sender
from apiloom.vault.oauth.device import begin_device
from apiloom.vault.oauth.discovery import discover, issuer_of, read_endpoints
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.identity import fetch_identity
from apiloom.vault.oauth.key_sets import PAUSE, KeySets
from apiloom.vault.oauth.refusals import GrantEnded
from apiloom.vault.oauth.terms import ByClient, ByDevice, Terms, Tokens
from support.oauth import endpoints_of, sign_in, terms_of
from support.oidc import AuthorizationServer

# devices


async def test_a_device_gets_tokens_when_a_person_has_confirmed_it(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server, "device")
    begun = await begin_device(sender, terms, time.time())
    assert begun.url == f"{server.url}/device"
    assert begun.user_code in begun.complete_url
    assert begun.interval == 5
    ask = ByDevice(code=begun.code)
    with pytest.raises(UpstreamError) as caught:
        await fetch_tokens(sender, terms, ask, time.time())
    assert (caught.value.code, caught.value.facts) == ("oauth.pending", {"slower": False})
    server.approve(begun.complete_url, "eve")
    tokens = await fetch_tokens(sender, terms, ask, time.time())
    assert server.introspect(tokens.access.reveal())["sub"] == "eve"
    assert tokens.refresh is not None


async def test_a_device_that_asks_too_often_is_told_to_be_slower(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server, "device")
    begun = await begin_device(sender, terms, time.time())
    server.fail('{"error": "slow_down"}', 400)
    with pytest.raises(UpstreamError) as caught:
        await fetch_tokens(sender, terms, ByDevice(code=begun.code), time.time())
    assert (caught.value.code, caught.value.facts) == ("oauth.pending", {"slower": True})


async def test_a_device_that_is_declined_or_forgotten_is_over(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server, "device")
    begun = await begin_device(sender, terms, time.time())
    server.approve(begun.complete_url, deny=True)
    with pytest.raises(GrantEnded) as caught:
        await fetch_tokens(sender, terms, ByDevice(code=begun.code), time.time())
    assert caught.value.code == "oauth.denied"
    begun = await begin_device(sender, terms, time.time())
    server.skew(700)
    with pytest.raises(GrantEnded) as caught:
        await fetch_tokens(sender, terms, ByDevice(code=begun.code), time.time())
    assert caught.value.code in ("oauth.expired", "oauth.ended")


async def test_a_provider_without_devices_is_told_before_anything_is_asked(
    server: AuthorizationServer, sender: Sender
) -> None:
    terms = terms_of(server, "device", endpoints=replace(endpoints_of(server), device_url=""))
    with pytest.raises(DesignError) as caught:
        await begin_device(sender, terms, time.time())
    assert caught.value.code == "oauth.url"


# discovery


async def test_an_issuer_tells_where_it_is_asked(server: AuthorizationServer, sender: Sender) -> None:
    for told in (server.issuer, f"{server.issuer}/", f"{server.issuer}/.well-known/openid-configuration"):
        found = await discover(sender, told)
        expected = replace(endpoints_of(server), methods=found.methods)
        assert found == expected
        assert "private_key_jwt" in found.methods
    tokens = await fetch_tokens(sender, terms_of(server, "machine", endpoints=found), ByClient(), time.time())
    assert tokens.access


class Told:
    """A sender that answers from a table of targets."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request.target)
        found = self.answers.get(request.target)
        if found is None:
            return Response(status=404, headers=[], body=b"")
        return Response(status=200, headers=[], body=json.dumps(found).encode())

    async def close(self) -> None: ...


async def test_an_issuer_with_a_path_is_looked_for_in_both_places() -> None:
    issuer = "https://login.example/tenant"
    told = {"issuer": issuer, "token_endpoint": f"{issuer}/token"}
    sender = Told(**{"/.well-known/oauth-authorization-server/tenant": told})
    assert (await discover(sender, issuer)).token_url == f"{issuer}/token"
    assert sender.asked == [
        "/tenant/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/tenant",
    ]
    assert issuer_of("https://login.example/.well-known/oauth-authorization-server/tenant") == issuer
    with pytest.raises(UpstreamError, match="cannot be read") as caught:
        await discover(Told(), issuer)
    assert caught.value.code == "oauth.discovery"


def test_encryption_is_encryption_however_it_is_spelled() -> None:
    told = {"issuer": "HTTPS://good.example", "token_endpoint": "HTTPS://good.example/t"}
    assert read_endpoints(told, "HTTPS://good.example").token_url == "HTTPS://good.example/t"
    with pytest.raises(ApiloomError, match="without encryption"):
        read_endpoints({**told, "userinfo_endpoint": "http://good.example/me"}, "HTTPS://good.example")


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"issuer": "https://evil.example", "token_endpoint": "https://evil.example/t"}, "another issuer"),
        ({"token_endpoint": "https://good.example/t"}, "another issuer"),
        ({"issuer": "https://good.example"}, "no token endpoint"),
        ({"issuer": "https://good.example", "token_endpoint": 7}, "no token endpoint"),
        ({"issuer": "https://good.example", "token_endpoint": "http://good.example/t"}, "without encryption"),
        (
            {"issuer": "https://good.example", "token_endpoint": "https://good.example/t", "jwks_uri": "file:///etc"},
            "with",
        ),
    ],
)
def test_what_is_published_is_not_believed_beyond_its_issuer(told: dict[str, Any], says: str) -> None:
    with pytest.raises(ApiloomError, match=says):
        read_endpoints(told, "https://good.example")


# whose access it is


async def test_an_id_token_tells_whose_access_it_is(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server, scopes=("openid", "email", "profile"))
    tokens = await sign_in(sender, server, terms, "frida")
    found = await fetch_identity(sender, terms, tokens, nonce="nonce-1")
    assert found == {"sub": "frida", "email": "frida@example.com", "name": "The user frida"}
    assert server.count("me", "GET") == 0
    plain = replace(tokens, id_token=None)
    assert await fetch_identity(sender, terms, plain) == found
    assert server.count("me", "GET") == 1
    alone = replace(terms, endpoints=replace(terms.endpoints, identity_url=""))
    assert await fetch_identity(sender, alone, plain) == {}


async def refused(sender: Sender, terms: Terms, tokens: Tokens, **more: Any) -> str:
    with pytest.raises(UpstreamError) as caught:
        await fetch_identity(sender, terms, tokens, **more)
    assert caught.value.code == "oauth.identity"
    return caught.value.message


async def test_an_id_token_that_is_not_what_it_should_be_tells_nothing(
    server: AuthorizationServer, sender: Sender
) -> None:
    terms = terms_of(server, scopes=("openid",))
    tokens = await sign_in(sender, server, terms, "gina")
    now = time.time()
    assert "another sign-in" in await refused(sender, terms, tokens, nonce="nonce-2")
    assert "too old" in await refused(sender, terms, tokens, nonce="nonce-1", now=now + 3600 + 301)
    assert "of the future" in await refused(sender, terms, tokens, nonce="nonce-1", now=now - 302)
    await fetch_identity(sender, terms, tokens, nonce="nonce-1", now=now + 3600 + 290)
    other = replace(terms, endpoints=replace(terms.endpoints, issuer="https://other.example"))
    assert "another issuer" in await refused(sender, other, tokens)
    stranger = replace(terms, keys=replace(terms.keys, client_id="posted"))
    assert "another client" in await refused(sender, stranger, tokens)


def forged(server: AuthorizationServer, algorithm: str, key: Any, **more: Any) -> Tokens:
    claims = {"iss": server.issuer, "aud": "web", "sub": "mallory", "exp": time.time() + 60, "nonce": "nonce-1", **more}
    token = jwt.encode(claims, key, algorithm)
    return Tokens(access=Secret("x"), id_token=Secret(token))


async def test_a_forged_id_token_is_not_believed(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server)
    assert "keys" in await refused(sender, terms, forged(server, "RS256", server.key))
    assert "signed in a way" in await refused(sender, terms, forged(server, "none", None))
    assert "signed in a way" in await refused(sender, terms, forged(server, "HS256", server.secret * 2))
    broken = Tokens(access=Secret("x"), id_token=Secret("not.a.token"))
    assert "cannot be read" in await refused(sender, terms, broken)


async def test_an_answer_about_another_person_is_not_used(server: AuthorizationServer, sender: Sender) -> None:
    terms = terms_of(server, scopes=("openid",))
    mine, hers = await sign_in(sender, server, terms, "hedi"), await sign_in(sender, server, terms, "ida")
    assert "another person" in await refused(sender, terms, replace(mine, access=hers.access), nonce="nonce-1")


async def test_keys_are_kept_and_asked_for_again_when_a_new_one_signs(
    server: AuthorizationServer, sender: Sender
) -> None:
    at = [1000.0]
    key_sets, terms = KeySets(clock=lambda: at[0]), terms_of(server, scopes=("openid", "email"))
    for login in ("jo", "kim", "lea"):
        tokens = await sign_in(sender, server, terms, login)
        await fetch_identity(sender, terms, tokens, key_sets=key_sets)
    assert server.count("jwks", "GET") == 1
    server.rotate_keys()
    tokens = await sign_in(sender, server, terms, "mia")
    for _ in range(5):
        # at once it is not asked again: whoever makes up key ids would have us ask for each
        await refused(sender, terms, tokens, key_sets=key_sets)
    assert server.count("jwks", "GET") == 1
    at[0] += PAUSE
    await fetch_identity(sender, terms, tokens, key_sets=key_sets)
    assert server.count("jwks", "GET") == 2
