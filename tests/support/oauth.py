"""apiloom's OAuth client against the authorization server of :mod:`support.oidc`."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apiloom.base.secret import Secret
from apiloom.net.client import connect
from apiloom.net.request import Sender
from apiloom.vault.oauth.authorizing import authorization_url, called_back, read_callback
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.terms import ByCode, Endpoints, OAuthKeys, Terms, Tokens
from support.oidc import REDIRECT, AuthorizationServer

WITH_SECRET = frozenset({"web", "machine", "posted", "secret-jwt"})


def endpoints_of(server: AuthorizationServer) -> Endpoints:
    """What the server would tell of itself, for tests that are not about asking it."""
    return Endpoints(
        token_url=f"{server.url}/token",
        authorization_url=f"{server.url}/auth",
        device_url=f"{server.url}/device/auth",
        revocation_url=f"{server.url}/token/revocation",
        identity_url=f"{server.url}/me",
        jwks_url=f"{server.url}/jwks",
        issuer=server.issuer,
        iss_told=True,
    )


def terms_of(server: AuthorizationServer, client: str = "web", **more: Any) -> Terms:
    """Terms on which a client of the server asks; members of keys and of terms as they are called there."""
    given = {name: more.pop(name) for name in ("method", "secret", "private_key", "algorithm") if name in more}
    if client in WITH_SECRET:
        given = {"secret": Secret(server.secret), **given}
    if client == "signed":
        given = {"private_key": Secret(server.key), "key_id": "client-1", **given}
    kept = {"endpoints": endpoints_of(server), "redirect_uri": REDIRECT, "scopes": ("openid", "read"), **more}
    return Terms(keys=OAuthKeys(client_id=client, **given), **kept)


async def sign_in(
    sender: Sender, server: AuthorizationServer, terms: Terms, login: str = "alice", nonce: str = "nonce-1"
) -> Tokens:
    """The whole way: to the provider, through its pages, back, and the code exchanged."""
    return (await there_and_back(sender, server, terms, login, nonce))[0]


async def there_and_back(
    sender: Sender, server: AuthorizationServer, terms: Terms, login: str, nonce: str = "nonce-1"
) -> tuple[Tokens, list[tuple[str, str]]]:
    """The same, and what else the way back said."""
    state, verifier = secrets.token_urlsafe(16), Secret(secrets.token_urlsafe(48))
    url = authorization_url(terms, state=state, verifier=verifier, nonce=nonce)
    back = parse_qsl(urlsplit(server.authorize(url, login)).query)
    code = read_callback(back, terms, state=state)
    terms = called_back(terms, back)
    ask = ByCode(code=code, verifier=verifier, nonce=nonce)
    return await fetch_tokens(sender, terms, ask, time.time()), back


@contextlib.asynccontextmanager
async def sending() -> AsyncIterator[Sender]:
    """A sender until the block ends."""
    sender = connect()
    try:
        yield sender
    finally:
        await sender.close()
