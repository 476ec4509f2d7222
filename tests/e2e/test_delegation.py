"""Callers lend their own credential for a call: it goes to that API alone, word for word, and nobody else's does."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2 as httpx
import pytest

from apiloom.app.gateway.welcome import Welcome
from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.asking import Query
from apiloom.flows.audit import list_audit
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.flows.servers import patch_server
from apiloom.identity.delegation import Delegation
from apiloom.identity.guests import Guest, Guests
from apiloom.identity.principal import Principal
from apiloom.identity.settings import Identity
from support.catalogs import OK
from support.gateway import Gateway, document, gateway, http, words
from support.upstream import Answer, Seen, Upstream, upstream

ADA, BOB = "Bearer ada-own-token-1234567890", "Bearer bob-own-token-0987654321"
LENT = "x-upstream-authorization-desk"
HEADER = {"delegation": {"desk": {"mode": "header"}}}
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
async def lending(folder: Path) -> AsyncIterator[Lending]:
    with upstream(echoed) as api:
        async with gateway(folder) as house, http() as client:
            await house.connector("desk", api.url, document(ECHO))
            yield Lending(house, client, api)


async def test_each_call_is_signed_with_exactly_what_its_caller_lent(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        for value in (ADA, "Basic YWRhOm9wZW4tc2VzYW1l", "token  odd  spacing-kept", ADA):
            assert (await desk.call(url, (LENT, value))).json()["result"]["isError"] is False
            assert desk.sent()[-1] == value
        assert all(LENT not in seen.headers for seen in desk.api.seen)


async def test_without_anything_lent_no_account_of_anybodys_is_used(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        await desk.house.account("desk", "tenant-shared-secret", shared=True)
        named = await desk.house.account("desk", "named-secret-value")
        for wanted in ({"connectors": ["desk"]}, {"accounts": [named.id]}):
            url = desk.house.at(await desk.house.server(**wanted, config=HEADER))
            said = await desk.said(url)
            assert "your own access" in said
            assert "X-Upstream-Authorization-desk" in said
            assert "own access" in await desk.said(url, (LENT, ""))
        assert desk.api.seen == []


async def test_a_server_may_let_calls_fall_back_to_the_account(tmp_path: Path) -> None:
    config = {"delegation": {"desk": {"mode": "header", "fallback": True}}}
    async with lending(tmp_path) as desk:
        account = await desk.house.account("desk", "account-secret-value")
        url = desk.house.at(await desk.house.server(accounts=[account.id], config=config))
        await desk.call(url)
        await desk.call(url, (LENT, ADA))
        await desk.call(url)
        assert desk.sent() == ["Bearer account-secret-value", ADA, "Bearer account-secret-value"]


async def test_where_nothing_is_configured_the_header_is_ignored_and_goes_nowhere(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        account = await desk.house.account("desk", "account-secret-value")
        plain = desk.house.at(await desk.house.server(accounts=[account.id]))
        await desk.call(plain, (LENT, ADA))
        other = {"delegation": {"desk": {"mode": "header", "fallback": True}}}
        lent = desk.house.at(await desk.house.server(accounts=[account.id], config=other))
        await desk.call(lent, ("x-upstream-authorization-shop", BOB))
        assert desk.sent() == ["Bearer account-secret-value"] * 2
        assert not [name for seen in desk.api.seen for name in seen.headers if "upstream" in name]
        assert ADA.split()[1] not in str(desk.api.seen)


@pytest.mark.parametrize("second", [ADA, BOB])
async def test_a_header_that_stands_twice_is_refused(second: str, tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        reply = await desk.call(url, (LENT, ADA), (LENT.title(), second))
        assert reply.status_code == 400
        assert "more than once" in reply.text
        assert ADA.split()[1] not in reply.text
        stranger = await desk.call(f"{desk.house.url}/mcp/als_nobody", (LENT, ADA), (LENT, second))
        assert stranger.status_code == 404
        assert desk.api.seen == []


@pytest.mark.parametrize("value", ["Bearer " + "x" * 17_000, "Bearer caf\xe9-\xe9\xe9"])
async def test_what_no_authorization_header_may_hold_is_refused(value: str, tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        message, head = words("tools/call", {"name": "read_echo", "arguments": {}})
        heads = [*((n.encode(), v.encode()) for n, v in head.items()), (LENT.encode(), value.encode("latin-1"))]
        reply = await desk.client.post(url, json=message, headers=heads)
        assert reply.status_code == 400
        assert desk.api.seen == []


async def test_callers_at_one_url_and_on_one_connection_are_never_mixed(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        # the heads have the same length and differ in a few bytes, and each comes again when it is known
        lent = [f"Bearer caller-{number:04d}-{'k' * 20}" for number in range(40)] * 5

        async def one(value: str) -> None:
            reply = await desk.call(url, (LENT, value))
            assert reply.json()["result"]["isError"] is False

        for start in range(0, len(lent), 20):
            await asyncio.gather(*map(one, lent[start : start + 20]))
        assert sorted(str(value) for value in desk.sent()) == sorted(lent)
        assert "own access" in await desk.said(url)
        assert len(desk.api.seen) == len(lent)


async def test_what_an_api_tells_of_a_lent_credential_is_removed(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        for value in (ADA, "Basic YWRhOm9wZW4tc2VzYW1l"):
            text = (await desk.call(url, (LENT, value))).text
            assert "***" in text
            assert value.split()[1] not in text
            assert "open-sesame" not in text


async def test_a_union_lends_to_the_connectors_that_are_configured_for_it(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        opened = await desk.house.server(connectors=["desk"], config=HEADER)
        token = await desk.house.api_token(tenant="default", servers=[opened.server.id])
        for value in (ADA, BOB, ADA):
            reply = await desk.call(f"{desk.house.url}/mcp", (LENT, value), tool="desk_read_echo", token=token)
            if "error" in reply.json():
                reply = await desk.call(f"{desk.house.url}/mcp", (LENT, value), token=token)
            assert reply.json()["result"]["isError"] is False, reply.text
        assert desk.sent() == [ADA, BOB, ADA]


async def test_what_is_kept_for_one_caller_of_a_url_is_no_other_callers(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))

        async def kept(value: str) -> list[Any]:
            message, head = words("resources/list")
            reply = await desk.client.post(url, json=message, headers=[*head.items(), (LENT, value)])
            return list(reply.json()["result"]["resources"])

        reply = await desk.call(url, (LENT, ADA), tool="read_file")
        [link] = reply.json()["result"]["content"]
        assert [one["uri"] for one in await kept(ADA)] == [link["uri"]]
        assert await kept(BOB) == []
        message, head = words("resources/read", {"uri": link["uri"]})
        head["mcp-name"] = link["uri"]
        for value, there in ((BOB, False), (ADA, True)):
            reply = await desk.client.post(url, json=message, headers=[*head.items(), (LENT, value)])
            assert ("result" in reply.json()) is there


async def test_switching_it_off_counts_at_once(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        account = await desk.house.account("desk", "account-secret-value")
        opened = await desk.house.server(accounts=[account.id], config=HEADER)
        url = desk.house.at(opened)
        await desk.call(url, (LENT, ADA))
        await desk.house.done(
            patch_server(desk.house.ground, HOST, opened.server.id, {"config": {"delegation": {"desk": None}}})
        )
        await desk.call(url, (LENT, ADA))
        assert desk.sent() == [ADA, "Bearer account-secret-value"]


async def test_no_audit_line_tells_what_was_lent(tmp_path: Path) -> None:
    async with lending(tmp_path) as desk:
        url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
        await desk.call(url, (LENT, ADA))
        await desk.house.node.flush()
        page = await list_audit(desk.house.ground, HOST, Query())
        assert page.items
        assert ADA.split()[1] not in str(page)


def test_what_is_lent_cannot_be_printed_pickled_or_put_into_json() -> None:
    lent = Delegation(headers={"desk": Secret(ADA)}, subject=Secret(BOB))
    who = Principal(id="tok_1", delegation=lent)
    try:
        _fail(who)
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for text in (repr(lent), str(who), f"{who!r:>400}", shown, str(vars(type(lent)))):
        assert "own-token" not in text
    for value in (lent, who):
        with pytest.raises(TypeError):
            pickle.dumps(value)
        with pytest.raises(TypeError):
            json.dumps(value)


def _fail(who: Principal) -> None:
    lent = who.delegation
    raise RuntimeError(f"{who} {lent}")


@pytest.mark.parametrize(
    ("delegation", "pointer"),
    [
        ([], "/config/delegation"),
        ({"desk": "header"}, "/config/delegation/desk"),
        ({"desk": {"mode": "cookie"}}, "/config/delegation/desk/mode"),
        ({"desk": {"mode": "header", "client": "ocl_1"}}, "/config/delegation/desk/client"),
        ({"desk": {"mode": "header", "fallback": "yes"}}, "/config/delegation/desk/fallback"),
        ({"desk": {"mode": "exchange", "scopes": "a b"}}, "/config/delegation/desk/scopes"),
        ({"desk": {"mode": "exchange", "audience": "a\nb"}}, "/config/delegation/desk/audience"),
        ({"desk": {"mode": "header", "fallbak": True}}, "/config/delegation/desk/fallbak"),
        ({"elsewhere": {"mode": "header"}}, "/config/delegation/elsewhere"),
        ({"desk": {"mode": "exchange", "client": "ocl_none"}}, "/config/delegation/desk/client"),
    ],
)
async def test_a_delegation_that_cannot_be_is_refused_where_it_stands(
    delegation: Any, pointer: str, tmp_path: Path
) -> None:
    async with lending(tmp_path) as desk:
        with pytest.raises(CallerError) as caught:
            await desk.house.server(connectors=["desk"], config={"delegation": delegation})
        assert caught.value.facts["pointer"] == pointer


# -- exchange ----------------------------------------------------------------------------------------------------------


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


def welcomed(house: Gateway, **families: str) -> Guests:
    """People whom an issuer vouches for, by their tokens; of a family: signed in at the gateway itself."""
    guests = Guests()

    async def meet(_token: str) -> Guest | None:
        return None

    class Living:
        def lives(self, _id: str) -> bool:
            return True

        def reads(self, _token: str) -> bool:
            return False

    house.node.admission.welcome = Welcome(Identity(), house.url, guests, meet, Living())  # type: ignore[arg-type]
    for name, family in families.items():
        who = Principal(id=f"oidc:{name}", tenant="default", role="agent", end_user=name)
        guests.put(
            f"{name}-jwt-token", replace(Guest(principal=who, key="view", resources=frozenset({"/mcp"})), family=family)
        )
    return guests


async def test_a_callers_verified_token_is_exchanged_once_until_what_came_has_ended(tmp_path: Path) -> None:
    async with exchanging(tmp_path, scopes=["notes.read"]) as (desk, provider, url):
        welcomed(desk.house, ada="", bob="")
        for name in ("ada", "bob", "ada", "ada", "bob"):
            reply = await desk.call(url, token=f"{name}-jwt-token")
            assert reply.json()["result"]["isError"] is False, reply.text
            assert "-jwt-token" not in reply.text
        assert desk.sent() == [
            f"Bearer upstream-of-{name}-jwt-token-{number}"
            for name, number in (("ada", 1), ("bob", 2), ("ada", 1), ("ada", 1), ("bob", 2))
        ]
        first = provider.forms()[0]
        assert first["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        assert first["subject_token"] == "ada-jwt-token"
        assert (first["audience"], first["scope"]) == ("https://desk.example", "notes.read")
        desk.house.clock.now += 600
        await desk.call(url, token="ada-jwt-token")
        assert desk.sent()[-1] == "Bearer upstream-of-ada-jwt-token-3"


async def test_many_calls_at_once_exchange_once(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        welcomed(desk.house, ada="")
        await asyncio.gather(*(desk.call(url, token="ada-jwt-token") for _ in range(20)))
        assert len(desk.api.seen) == 20
        assert len(provider.api.seen) == 1


async def test_tokens_of_the_gateway_itself_are_never_exchanged(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        welcomed(desk.house, ada="fam_1")
        assert "own access" in await desk.said(url, token="ada-jwt-token")
        token = await desk.house.api_token(tenant="default")
        assert "own access" in await desk.said(url, token=token)
        assert "own access" in await desk.said(url, (LENT, ADA), token=token)
        assert provider.api.seen == []
        assert desk.api.seen == []


async def test_a_refused_exchange_is_told_and_nothing_goes_out(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        welcomed(desk.house, ada="")
        provider.refuses = True
        said = await desk.said(url, token="ada-jwt-token")
        assert "ada-jwt" not in said
        assert "exchanging-client-secret" not in said
        assert desk.api.seen == []
        provider.refuses = False
        assert (await desk.call(url, token="ada-jwt-token")).json()["result"]["isError"] is False
