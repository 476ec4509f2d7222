"""A gateway whose callers lend their own credentials for a call: in a header, or by their token's exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2 as httpx

from apiloom.app.gateway.welcome import Welcome
from apiloom.flows.access import HOST
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.identity.guests import Guest, Guests
from apiloom.identity.principal import Principal
from apiloom.identity.settings import Identity
from support.catalogs import OK
from support.gateway import Gateway, document, gateway, http, words
from support.upstream import Answer, Seen, Upstream, upstream

ADA, BOB = "Bearer ada-own-token-1234567890", "Bearer bob-own-token-0987654321"
LENT = "x-upstream-authorization-desk"
HEADER = {"delegation": {"desk": {"mode": "header"}}}
EXCHANGE = {"delegation": {"desk": {"mode": "exchange"}}}
ECHO = {
    "/echo": {"get": {"operationId": "readEcho", "responses": OK}},
    "/file": {"get": {"operationId": "readFile", "responses": OK}},
}


def echoed(seen: Seen) -> Answer:
    if seen.target == "/file":
        return Answer(b"\0" * 40_000, content_type="application/octet-stream")
    return Answer({"saw": seen.headers})


@dataclass
class Lending:
    """A gateway with one connector over an API that tells what it was sent."""

    house: Gateway
    client: httpx.AsyncClient
    api: Upstream
    refuses: bool = False

    def sent(self) -> list[str | None]:
        """The Authorization of every request that reached the API."""
        return [seen.headers.get("authorization") for seen in self.api.seen]

    async def call(self, url: str, *more: tuple[str, str], tool: str = "read_echo", token: str = "") -> httpx.Response:
        message, head = words("tools/call", {"name": tool, "arguments": {}})
        if token:
            head["authorization"] = f"Bearer {token}"
        return await self.client.post(url, json=message, headers=[*head.items(), *more])

    async def said(self, url: str, *more: tuple[str, str], token: str = "") -> str:
        """The text of a failure."""
        result = (await self.call(url, *more, token=token)).json()["result"]
        assert result["isError"], result
        return str(result["content"][0]["text"])


@asynccontextmanager
async def lending(folder: Path, paths: Mapping[str, Any] | None = None) -> AsyncIterator[Lending]:
    """Over an API that tells what it was sent, or refuses it."""
    made: list[Lending] = []

    def answered(seen: Seen) -> Answer:
        return Answer({"told": "no"}, 401) if made[0].refuses else echoed(seen)

    with upstream(answered) as api:
        async with gateway(folder) as house, http() as client:
            await house.connector("desk", api.url, document(paths or ECHO))
            made.append(Lending(house, client, api))
            yield made[0]


@dataclass
class Provider:
    """A token endpoint that gives a token named after whose token it was shown."""

    api: Upstream
    refuses: bool = False

    def forms(self) -> list[dict[str, str]]:
        return [{name: one[0] for name, one in parse_qs(seen.body.decode()).items()} for seen in self.api.seen]


@asynccontextmanager
async def exchanging(folder: Path, **more: Any) -> AsyncIterator[tuple[Lending, Provider, str]]:
    """A server whose callers' own tokens are exchanged; its URL by name."""
    given: list[Provider] = []

    def token(seen: Seen) -> Answer:
        form = {name: one[0] for name, one in parse_qs(seen.body.decode()).items()}
        if given[0].refuses:
            return Answer({"error": "invalid_grant"}, 400)
        return Answer(
            {
                "access_token": f"upstream-of-{form['subject_token']}-{len(given[0].api.seen)}",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer",
                "expires_in": 600,
            }
        )

    with upstream(token) as issuer:
        given.append(Provider(issuer))
        async with lending(folder) as desk:
            client = await desk.house.done(
                create_oauth_client(
                    desk.house.ground,
                    HOST,
                    {
                        "connector": "desk",
                        "client_id": "loom",
                        "secret": {"client_secret": "exchanging-client-secret"},
                        "endpoints": {"token_url": f"{issuer.url}/token"},
                    },
                )
            )
            terms = {"mode": "exchange", "client": client.id, "audience": "https://desk.example", **more}
            opened = await desk.house.server(name="pad", connectors=["desk"], config={"delegation": {"desk": terms}})
            yield desk, given[0], f"{desk.house.url}/mcp/s/{opened.server.id}"


async def shown_at(desk: Lending, url: str, tokens: Sequence[str]) -> list[int]:
    """How many kept files whoever shows each of the tokens sees."""
    seen = []
    for token in tokens:
        message, head = words("resources/list")
        if token:
            head["authorization"] = f"Bearer {token}"
        seen.append(len((await desk.client.post(url, json=message, headers=head)).json()["result"]["resources"]))
    return seen


def welcomed(house: Gateway, **families: str) -> Guests:
    """People whom an issuer vouches for, by their tokens; of a family: signed in at the gateway itself."""
    guests = Guests()

    async def meet(_token: str, _address: str) -> Guest | None:
        return None

    class Living:
        def lives(self, _id: str) -> bool:
            return True

        def reads(self, _token: str) -> bool:
            return False

    living: Any = Living()
    house.node.admission.welcome = Welcome(Identity(), house.url, guests, meet, house.clock, living)
    for name, family in families.items():
        who = Principal(id=f"oidc:{name}", tenant="default", role="agent", end_user=name)
        guests.put(
            f"{name}-jwt-token", replace(Guest(principal=who, key="view", resources=frozenset({"/mcp"})), family=family)
        )
    return guests
