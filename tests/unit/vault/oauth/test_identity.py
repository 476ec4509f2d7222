"""Whose access it is, as hostile or reluctant providers tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from apiloom.base.errors import CallerError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Request, Response
from apiloom.vault.oauth.authorizing import read_callback
from apiloom.vault.oauth.identity import fetch_identity
from apiloom.vault.oauth.terms import Endpoints, OAuthKeys, Terms, Tokens

NOW = 1_800_000_000.0
ISSUER = "https://provider.example"
KEY = rsa.generate_private_key(65537, 2048)
TERMS = Terms(
    endpoints=Endpoints(
        token_url=f"{ISSUER}/token", issuer=ISSUER, jwks_url=f"{ISSUER}/keys", identity_url=f"{ISSUER}/me"
    ),
    keys=OAuthKeys(client_id="c"),
)
CLAIMS = {"iss": ISSUER, "aud": "c", "sub": "ann", "exp": NOW + 60}


@dataclass
class Provider:
    """Publishes a set with one key, and says at its identity endpoint what it is told to."""

    status: int = 200
    said: Any = field(default_factory=lambda: {"sub": "ann", "name": "Ann"})
    key: Mapping[str, Any] = field(default_factory=lambda: json.loads(RSAAlgorithm.to_jwk(KEY.public_key())))

    async def send(self, request: Request) -> Response:
        if request.target == "/keys":
            return Response(status=200, headers=[], body=json.dumps({"keys": [self.key]}).encode())
        return Response(status=self.status, headers=[], body=json.dumps(self.said).encode())

    async def close(self) -> None:
        """Nothing is open."""


def tokens(claims: bytes | None = None) -> Tokens:
    if claims is None:
        return Tokens(access=Secret("a-token"))
    return Tokens(access=Secret("a-token"), id_token=Secret(jwt.api_jws.encode(claims, KEY, "RS256")))


@pytest.mark.parametrize("status", [401, 403])
async def test_tokens_that_may_not_ask_whose_they_are_are_tokens_all_the_same(status: int) -> None:
    provider = Provider(status=status, said={"error": "insufficient_scope"})
    assert await fetch_identity(provider, TERMS, tokens(), now=NOW) == {}
    known = await fetch_identity(provider, TERMS, tokens(json.dumps(CLAIMS).encode()), now=NOW)
    assert known == {"sub": "ann"}


@pytest.mark.parametrize(("status", "said"), [(500, {}), (404, {}), (302, {}), (200, []), (200, {"sub": "bob"})])
async def test_an_endpoint_that_fails_or_speaks_of_somebody_else_is_told(status: int, said: Any) -> None:
    with pytest.raises(UpstreamError) as caught:
        await fetch_identity(Provider(status, said), TERMS, tokens(json.dumps(CLAIMS).encode()), now=NOW)
    assert caught.value.code == "oauth.identity"


async def test_a_private_key_in_a_public_set_checks_signatures_and_does_nothing_else() -> None:
    provider = Provider(key=json.loads(RSAAlgorithm.to_jwk(KEY)))
    assert await fetch_identity(provider, TERMS, tokens(json.dumps(CLAIMS).encode()), now=NOW) == {
        "sub": "ann",
        "name": "Ann",
    }


@pytest.mark.parametrize("end", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400, "true", '"2100"', "null"])
async def test_an_id_token_that_names_no_moment_as_its_end_is_not_believed(end: str) -> None:
    claims = json.dumps({**CLAIMS, "exp": 0}).replace('"exp": 0', f'"exp": {end}').encode()
    with pytest.raises(UpstreamError) as caught:
        await fetch_identity(Provider(), TERMS, tokens(claims), now=NOW)
    assert caught.value.code == "oauth.identity"


@pytest.mark.parametrize(
    ("given", "told", "ours"),
    [
        (ISSUER, ISSUER, True),
        (ISSUER, f"{ISSUER}/", True),
        (f"{ISSUER}/", ISSUER, True),
        (f"{ISSUER}/a", f"{ISSUER}/a/", True),
        (f"{ISSUER}/a", ISSUER, False),
        (ISSUER, f"{ISSUER}/a", False),
        (ISSUER, f"{ISSUER}.evil", False),
        (ISSUER, ISSUER.upper(), False),
        (ISSUER, "", False),
    ],
)
async def test_an_issuer_is_the_same_with_and_without_the_slash_at_its_end_and_not_otherwise(
    given: str, told: str, ours: bool
) -> None:
    terms = replace(TERMS, endpoints=replace(TERMS.endpoints, issuer=given, identity_url=""))
    claims = json.dumps({**CLAIMS, "iss": told}).encode()
    back = {"state": "s", "code": "c", "iss": told}
    if ours:
        assert await fetch_identity(Provider(), terms, tokens(claims), now=NOW) == {"sub": "ann"}
        assert read_callback(back, terms, state="s") == Secret("c")
        return
    with pytest.raises(UpstreamError):
        await fetch_identity(Provider(), terms, tokens(claims), now=NOW)
    with pytest.raises(CallerError):
        read_callback(back, terms, state="s")
