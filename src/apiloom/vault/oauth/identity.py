"""Whose access it is: an ID token of OpenID Connect, checked, or what the provider's identity endpoint says.

The answer is shown to people ("connected as …") and compared when somebody connects anew; it never decides what may be
called.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any

from apiloom.base import json
from apiloom.base.errors import UpstreamError
from apiloom.base.plugins import load
from apiloom.net.request import Request, Sender
from apiloom.vault.oauth.asking import LARGEST_ANSWER, TIMEOUT, picked_identity, split_url
from apiloom.vault.oauth.key_sets import KeySets
from apiloom.vault.oauth.refusals import host_of
from apiloom.vault.oauth.terms import Terms, Tokens


async def fetch_identity(
    sender: Sender,
    terms: Terms,
    tokens: Tokens,
    *,
    nonce: str = "",
    now: float | None = None,
    key_sets: KeySets | None = None,
) -> Mapping[str, Any]:
    """Whom tokens stand for: ``sub``, ``email`` and ``name``, as far as the provider says; empty when it does not.

    Raises:
        UpstreamError: ``oauth.identity`` when an ID token is not what it should be, or the endpoint says nothing
            readable; ``net.*``.
    """
    if tokens.identity:
        return tokens.identity
    endpoints, provider = terms.endpoints, terms.provider
    moment = time() if now is None else now
    found: dict[str, str] = {}
    if tokens.id_token is not None and endpoints.issuer and endpoints.jwks_url:
        read = load("apiloom.vault.oauth.id_tokens:read_id_token")
        sets = key_sets or KeySets()
        claims = await read(sender, sets, terms, tokens.id_token, nonce=nonce, now=moment)
        found = picked_identity(claims, provider)
    if not endpoints.identity_url or ("sub" in found and ("email" in found or "name" in found)):
        return found
    answer = await _told(sender, terms, tokens)
    if answer is None:
        return found
    told = picked_identity(answer, provider)
    if found.get("sub", told.get("sub")) != told.get("sub"):
        # OpenID Connect Core 1.0 section 5.3.2: an answer about another person must not be used
        raise _unusable(terms, "speaks of another person than the ID token")
    return {**told, **found}


async def _told(sender: Sender, terms: Terms, tokens: Tokens) -> Mapping[str, Any] | None:
    """What the identity endpoint says; None where these tokens may not ask it."""
    response = await sender.send(_request(terms, tokens))
    if response.status in (401, 403):
        return None  # the fewest scopes that tools need are often none that tell who somebody is
    try:
        value = json.loads(response.body) if response.status == 200 else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _unusable(terms, f"cannot be read (HTTP {response.status})")
    return value


def _request(terms: Terms, tokens: Tokens) -> Request:
    """Made apart, so that the token is not at hand while it is on its way."""
    origin, target = split_url(terms.endpoints.identity_url)
    headers = [("accept", "application/json"), ("authorization", f"{tokens.type} {tokens.access.reveal()}")]
    headers += [(name, value) for name, value in terms.provider.headers.items() if name.lower() != "accept"]
    return Request(
        method="GET", origin=origin, target=target, headers=headers, timeout=TIMEOUT, max_bytes=LARGEST_ANSWER
    )


def _unusable(terms: Terms, why: str) -> UpstreamError:
    return UpstreamError(
        f"what {host_of(terms.endpoints.identity_url)} says of whose access it is {why}",
        code="oauth.identity",
        hint="connect the account anew",
    )
