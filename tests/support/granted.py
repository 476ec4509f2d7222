"""Accounts that were granted access by a real authorization server, and an API that lets in whom that server knows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apiloom.app.gateway.grants import Made
from apiloom.app.gateway.pinning import places_at
from apiloom.app.gateway.terms import Asked
from apiloom.base.secret import Secret
from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.model.api import SecurityScheme
from apiloom.store.records import Account, Event, Grant, OAuthClient
from apiloom.vault.oauth.authorizing import authorization_url, read_callback
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.terms import ByCode
from support.catalogs import OK, catalog_of
from support.gateway import Gateway
from support.oidc import REDIRECT, SECRET, AuthorizationServer
from support.upstream import Answer, Seen, Upstream, upstream

SCOPES = ("openid", "offline_access", "read")


@dataclass
class Office:
    """The API. ``shown`` are the bearer tokens it was shown, in order; it refuses those in ``refused``."""

    api: Upstream
    shown: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    asks: bool = True


@contextmanager
def office(server: AuthorizationServer) -> Iterator[Office]:
    """An API that asks the authorization server about every token it is shown."""
    made: list[Office] = []

    def answer(seen: Seen) -> Answer:
        here = made[0]
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        here.shown.append(token)
        if token in here.refused or (here.asks and not server.introspect(token).get("active")):
            return Answer({"message": "who are you?"}, status=401)
        return Answer({"path": seen.target, "token": token})

    with upstream(answer) as api:
        made.append(Office(api))
        yield made[0]


def document(server: AuthorizationServer, scopes: tuple[str, ...] = ("read",)) -> bytes:
    """The artefact of an API whose one scheme is OAuth."""
    flows = {
        "authorizationCode": {
            "authorizationUrl": f"{server.url}/auth",
            "tokenUrl": f"{server.url}/token",
            "scopes": {scope: scope for scope in ("read", "write")},
        }
    }
    paths: dict[str, Any] = {
        "/notes": {
            "get": {"operationId": "listNotes", "summary": "List", "responses": OK},
            "post": {"operationId": "addNote", "summary": "Add", "responses": OK, "security": [{"login": ["write"]}]},
        }
    }
    schemes = {"login": {"type": "oauth2", "flows": flows}}
    return pack(catalog_of(paths, {}, schemes, security=[{"login": list(scopes)}]))


@dataclass
class Granted:
    """An account with a grant, and its server's URL."""

    gateway: Gateway
    server: AuthorizationServer
    account: Account
    client: OAuthClient
    url: str

    async def grant(self) -> Grant:
        async with self.gateway.ground.store.reading() as work:
            found = await work.house().grants.load(f"{self.account.id}/login")
        assert found is not None
        return found

    async def events(self) -> list[Event]:
        async with self.gateway.ground.store.reading() as work:
            return list(await work.house().events.every())

    async def connect(self, login: str = "alice", scopes: tuple[str, ...] = SCOPES) -> None:
        """Sign in and consent as a person does, and keep what was granted."""
        ground, living = self.gateway.ground, self.gateway.grounds.living
        scheme = SecurityScheme(
            id="login",
            kind="oauth2",
            details={
                "flows": {
                    "authorizationCode": {
                        "tokenUrl": f"{self.server.url}/token",
                        "authorizationUrl": f"{self.server.url}/auth",
                    }
                }
            },
        )
        async with ground.store.reading() as work:
            terms = await living.grants.renewing.of_client(work, self.client, scheme, Asked(scopes))
        terms = replace(terms, redirect_uri=REDIRECT, parameters={"prompt": "consent"})
        verifier, state = Secret(secrets.token_urlsafe(48)), secrets.token_urlsafe(16)
        url = authorization_url(terms, state=state, verifier=verifier)
        back = await asyncio.to_thread(self.server.authorize, url, login)
        code = read_callback(parse_qsl(urlsplit(back).query), terms, state=state)
        tokens = await fetch_tokens(
            self.gateway.grounds.sender, terms, ByCode(code=code, verifier=verifier), self.gateway.clock()
        )
        async with ground.store.writing() as work:
            at = places_at(self.client.endpoints, [scheme])
            made = Made(kind="code", client=self.client.id, tokens=tokens, at=at)
            await living.grants.keep_new(work.tenant(self.account.tenant), self.account, "login", made)
        await self.gateway.settle()


async def granted(gateway: Gateway, server: AuthorizationServer, api: Office, **more: Any) -> Granted:
    """A connector, an OAuth client, a connected account and a server that shows it."""
    await gateway.connector("notes", api.api.url, document(server, **more))
    client = await create_oauth_client(
        gateway.ground,
        HOST,
        {"connector": "notes", "scheme": "login", "client_id": "web", "secret": SECRET},
    )
    account = await gateway.account("notes")
    opened = await gateway.server(name="notes", accounts=[account.id], config={"methods": ["read", "write"]})
    found = Granted(gateway, server, account, client, gateway.at(opened))
    await found.connect()
    return found
