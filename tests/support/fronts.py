"""Gateways with a sign-in of their own, by API tokens or before a real issuer, and who signs in there."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from apiloom.app.gateway.signin import Reception
from support.gateway import Desk, Gateway, ask, desk, gateway, http
from support.issuer import received
from support.oidc import AuthorizationServer, authorization_server
from support.signing_in import App, Person


@dataclass
class Front:
    """A gateway whose people show an API token on its page, a client and a person with a token."""

    house: Gateway
    http: httpx.AsyncClient
    app: App
    person: Person
    desk: Desk
    reception: Reception
    seconds: list[float]

    async def status(self, token: str, path: str = "/mcp") -> int:
        return (await ask(self.http, self.house.url + path, "tools/list", token=token)).status_code


@asynccontextmanager
async def front(folder: Path, **facade: Any) -> AsyncIterator[Front]:
    seconds = [1000.0]
    with desk() as upstream:
        async with gateway(folder) as house, http() as client, httpx.AsyncClient(timeout=20) as browser:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            await house.server(accounts=[account.id], name="notes")
            reception = received(house, folder, {"facade": facade}, clock=lambda: seconds[0])
            app = App(house, client)
            await app.register()
            person = Person(token=await house.api_token(tenant="default"), client=browser)
            yield Front(house, client, app, person, upstream, reception, seconds)


RULES = [{"when": {"email": ["alice@example.com"]}, "tenant": "default", "end_user": "{sub}"}]


@dataclass
class Issued:
    """A gateway with the server ``notes`` in front of a real issuer."""

    house: Gateway
    issuer: AuthorizationServer


@asynccontextmanager
async def issued_front(folder: Path, **facade: Any) -> AsyncIterator[Issued]:
    """A running node where ``alice`` of the issuer may sign in; ``facade`` is what else it is told."""
    with (
        desk() as upstream,
        authorization_server(claims={"alice": {"email_verified": True}}, extra_claims=["email_verified"]) as issuer,
    ):
        async with gateway(folder, running=True) as house:
            house.clock.now = time.time()
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret", shared=True)
            await house.server(accounts=[account.id], name="notes")
            issuer.allow(f"{house.url}/oauth/callback")
            told = {
                "issuer": issuer.issuer,
                "client_id": "web",
                "client_secret": "env:SIGN_IN_SECRET",
                "scopes": ["openid", "email"],
                "principals": RULES,
                **facade,
            }
            received(house, folder, {"facade": told}, environment={"SIGN_IN_SECRET": issuer.secret})
            yield Issued(house, issuer)
