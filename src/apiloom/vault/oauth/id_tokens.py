"""ID tokens: OpenID Connect Core 1.0 section 3.1.3.7. Loaded when one is read, for the library that checks it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import jwt

from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Sender
from apiloom.vault.oauth.discovery import is_issuer
from apiloom.vault.oauth.key_sets import KeySets
from apiloom.vault.oauth.refusals import host_of
from apiloom.vault.oauth.terms import Terms

SKEW = 300.0
"""Seconds that two clocks may differ."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What may have signed. Never ``none``, never a shared secret: who signs is looked up by key."""

_MOST_TRIED = 10
_LATEST = 1e12
_PUBLIC = frozenset({"kty", "n", "e", "crv", "x", "y"})
"""Members of a key that check signatures. What else stands in a set, even a private key, is not looked at."""


async def read_id_token(
    sender: Sender, key_sets: KeySets, terms: Terms, token: Secret, *, nonce: str, now: float
) -> Mapping[str, Any]:
    """The claims of an ID token that is what it should be. An empty ``nonce`` is not compared: none was sent.

    Raises:
        UpstreamError: ``oauth.identity``; ``net.*`` where the provider's keys cannot be fetched.
    """
    text = token.reveal()
    try:
        head = jwt.get_unverified_header(text)
    except jwt.PyJWTError:
        raise _unusable(terms, "cannot be read") from None
    algorithm, key_id = head.get("alg"), head.get("kid", "")
    if algorithm not in ALGORITHMS or not isinstance(key_id, str) or "crit" in head:
        raise _unusable(terms, "is signed in a way that is not taken")
    keys = await key_sets.fetch(sender, terms.endpoints.jwks_url, key_id)
    claims = _verified(terms, text, algorithm, keys)
    _check(terms, claims, nonce, now)
    return claims


def _verified(terms: Terms, text: str, algorithm: str, keys: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    # times are compared below, by the clock that we were given
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    for key in keys[:_MOST_TRIED]:
        try:
            if key.get("alg", algorithm) != algorithm:
                continue
            public = jwt.PyJWK({name: value for name, value in key.items() if name in _PUBLIC}, algorithm)
            found: Mapping[str, Any] = jwt.decode(text, public, algorithms=[algorithm], options=options)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return found
    raise _unusable(terms, "is not signed by the provider's keys")


def _check(terms: Terms, claims: Mapping[str, Any], nonce: str, now: float) -> None:
    client, audience = terms.keys.client_id, claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not is_issuer(claims.get("iss"), terms.endpoints.issuer):
        raise _unusable(terms, "is of another issuer")
    if client not in audiences or (len(audiences) > 1 and claims.get("azp") != client):
        raise _unusable(terms, "is meant for another client")
    end, begun = claims.get("exp"), claims.get("iat")
    if not _is_number(end) or now >= float(end or 0) + SKEW:
        raise _unusable(terms, "is too old")
    if _is_number(begun) and float(begun or 0) > now + SKEW:
        raise _unusable(terms, "is of the future")
    told = claims.get("nonce")
    if nonce and not hmac.compare_digest(str(told).encode("utf-8", "replace"), nonce.encode()):
        raise _unusable(terms, "belongs to another sign-in")


def _is_number(value: object) -> bool:
    # JSON as the library reads it knows NaN, which is neither before nor after anything, and numbers without end
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LATEST


def _unusable(terms: Terms, why: str) -> UpstreamError:
    return UpstreamError(
        f"the ID token of {host_of(terms.endpoints.token_url)} {why}",
        code="oauth.identity",
        hint="connect the account anew",
    )
