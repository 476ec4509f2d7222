"""Signed statements: how a client proves itself with a key (RFC 7523), and JWTs that are themselves the grant.

The one place of the OAuth client that signs. It is loaded when something is signed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import get_default_algorithms

from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.vault.oauth.asking import split_url
from apiloom.vault.oauth.terms import ByAssertion, Method, OAuthKeys, Terms

SECONDS = 300.0
"""How long a client's statement is good for."""

EARLY = 30.0
"""Seconds by which statements are dated back: clocks of providers are rarely as exact as they demand."""

_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
)
_UNREADABLE = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""What the libraries raise for a key that they cannot use."""

_BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def client_assertion(terms: Terms, url: str, method: Method, now: float) -> str:
    """What a client shows at an endpoint instead of its secret (RFC 7523 section 2.2).

    Raises:
        DesignError: ``oauth.key``.
    """
    keys = terms.keys
    claims = {
        "iss": keys.client_id,
        "sub": keys.client_id,
        "aud": _audience(terms.endpoints.token_url, url),
        **_times(now, SECONDS),
    }
    if method == "client_secret_jwt":
        if keys.secret is None:
            raise _unusable("has no secret to sign with", "give client_secret")
        try:
            return jwt.encode(claims, keys.secret.reveal(), "HS256")
        except _UNREADABLE:  # a public key, which everybody has, is no secret
            raise _unusable("has a secret that cannot sign", "give the client_secret that the provider told") from None
    return _signed(claims, keys)


def _audience(token_url: str, url: str) -> str:
    """For whom a client's statement is. All endpoints of a provider know the token URL, some know nothing else; but
    what is sent to another host must be of no use at that one: a provider's document may name the token URL of somebody
    else, to be sent a statement for it.
    """
    return token_url if token_url and split_url(token_url)[0] == split_url(url)[0] else url


def grant_assertion(terms: Terms, ask: ByAssertion, now: float) -> str:
    """A JWT that is the grant itself (RFC 7523 section 2.1), such as a service account signs.

    Raises:
        DesignError: ``oauth.key``.
    """
    claims: dict[str, Any] = {
        "iss": ask.issuer,
        "sub": ask.subject or ask.issuer,
        "aud": ask.audience or terms.endpoints.token_url,
        **_times(now, ask.seconds),
        **ask.claims,
    }
    return _signed(claims, terms.keys)


def check_key(key: Secret, algorithm: str) -> str:
    """The algorithm that a private key signs with.

    Raises:
        DesignError: ``oauth.key`` for no private key, or one that the algorithm does not fit.
    """
    return _prepared(key, algorithm)[1]


def _times(now: float, seconds: float) -> Mapping[str, Any]:
    return {"iat": int(now - EARLY), "exp": int(now + seconds), "jti": secrets.token_urlsafe(24)}


def _signed(claims: Mapping[str, Any], keys: OAuthKeys) -> str:
    if keys.private_key is None:
        raise _unusable("has no key to sign with", "give private_key")
    prepared, algorithm = _prepared(keys.private_key, keys.algorithm)
    headers = {"kid": keys.key_id} if keys.key_id else None
    return jwt.encode(dict(claims), prepared, algorithm, headers=headers)


def _prepared(key: Secret, algorithm: str) -> tuple[Any, str]:
    text = key.reveal().strip()
    if algorithm and algorithm not in _ALGORITHMS:
        raise _unusable("names an algorithm that is not known", "leave algorithm out, or write RS256 or ES256")
    try:
        if text.startswith("{"):
            prepared = jwt.PyJWK.from_json(text, algorithm or None).key
        else:
            prepared = _from_pem(text, algorithm)
        chosen = algorithm or _fitting(prepared)
        get_default_algorithms()[chosen].sign(b"", prepared)
    except _UNREADABLE:  # what the libraries say of a key that they cannot read may quote it
        raise _unusable("has a private key that cannot be used", "give PEM or a JWK, without a passphrase") from None
    return prepared, chosen


def _from_pem(text: str, algorithm: str) -> Any:
    for one in [algorithm] if algorithm else ["RS256", "ES256", "EdDSA"]:
        try:
            return get_default_algorithms()[one].prepare_key(text)
        except _UNREADABLE:  # of another kind; the next one may fit
            continue
    raise ValueError


def _fitting(prepared: Any) -> str:
    if (curve := getattr(prepared, "curve", None)) is not None:
        return _BY_CURVE[curve.name]
    return "RS256" if hasattr(prepared, "private_numbers") else "EdDSA"


def _unusable(what: str, hint: str) -> DesignError:
    return DesignError(f"the OAuth client {what}", code="oauth.key", hint=hint)
