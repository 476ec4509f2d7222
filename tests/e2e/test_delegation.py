"""Callers lend their own credential for a call: it goes to that API alone, word for word, and nobody else's does."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2 as httpx
import pytest

from apiloom.app.gateway.delegating import PAUSE
from apiloom.app.gateway.welcome import Welcome
from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.asking import Query
from apiloom.flows.audit import list_audit
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.flows.servers import create_server, patch_server
from apiloom.identity.delegation import Delegation
from apiloom.identity.guests import Guest, Guests
from apiloom.identity.principal import Principal
from apiloom.identity.settings import Identity
from apiloom.store.records import OAuthClient
from support.catalogs import OK
from support.gateway import Gateway, document, gateway, http, words
from support.upstream import Answer, Seen, Upstream, upstream

ADA, BOB = "Bearer ada-own-token-1234567890", "Bearer bob-own-token-0987654321"
LENT = "x-upstream-authorization-desk"
HEADER = {"delegation": {"desk": {"mode": "header"}}}
EXCHANGE = {"delegation": {"desk": {"mode": "exchange"}}}
OPENING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
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


async def test_what_is_lent_goes_to_no_server_that_only_an_operation_names(tmp_path: Path) -> None:
    with upstream(echoed) as other:
        away = {"/away": {"servers": [{"url": other.url}], "get": {"operationId": "readAway", "responses": OK}}}
        async with lending(tmp_path, {**ECHO, **away}) as desk:
            url = desk.house.at(await desk.house.server(connectors=["desk"], config=HEADER))
            await desk.call(url, (LENT, ADA))
            await desk.call(url, (LENT, ADA), tool="read_away")
            assert desk.sent() == [ADA]
            assert [seen.headers.get("authorization") for seen in other.seen] == [None]
            assert ADA.split()[1] not in str([(seen.target, seen.headers, seen.body) for seen in other.seen])


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
        desk.house.clock.now += PAUSE
        assert (await desk.call(url, token="ada-jwt-token")).json()["result"]["isError"] is False


async def test_a_refused_exchange_is_asked_for_again_only_after_a_pause(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        welcomed(desk.house, ada="", bob="")
        provider.refuses = True
        told = {await desk.said(url, token="ada-jwt-token") for _ in range(5)}
        assert len(told) == 1
        assert len(provider.api.seen) == 1
        await desk.said(url, token="bob-jwt-token")
        assert len(provider.api.seen) == 2
        desk.house.clock.now += PAUSE
        await desk.said(url, token="ada-jwt-token")
        assert len(provider.api.seen) == 3


async def test_an_api_that_always_refuses_causes_no_exchange_for_each_call(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        welcomed(desk.house, ada="")
        desk.refuses = True
        for _ in range(5):
            await desk.said(url, token="ada-jwt-token")
        assert (len(desk.api.seen), len(provider.api.seen)) == (5, 1)
        desk.house.clock.now += PAUSE
        desk.refuses = False
        await desk.call(url, token="ada-jwt-token")
        assert desk.sent()[-1] == "Bearer upstream-of-ada-jwt-token-2"


async def test_a_token_that_did_not_let_its_bearer_in_is_never_exchanged(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        guests = welcomed(desk.house, ada="", bob="")
        # known here, but for the admin API, of another tenant and without the scope that calls need
        eve = Principal(id="oidc:eve", tenant="other", role="auditor", end_user="eve")
        lacking = (("/mcp", ("mcp",)),)
        guests.put("eve-jwt-token", Guest(principal=eve, key="eve", resources=frozenset({"/api/v1"}), lacking=lacking))
        secret = desk.house.at(await desk.house.server(connectors=["desk"], config=EXCHANGE))
        for token in ("ada-jwt-token", "eve-jwt-token"):
            assert "own access" in await desk.said(secret, token=token)
        assert (await desk.call(url, token="eve-jwt-token")).status_code in {401, 403}
        assert provider.api.seen == []
        assert desk.api.seen == []


async def test_with_two_factors_each_lends_their_own_and_keeps_their_own(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, _):
        welcomed(desk.house, ada="", bob="", cy="")
        config = {**EXCHANGE, "require_api_token_auth": True}
        secret = desk.house.at(await desk.house.server(connectors=["desk"], config=config))
        tokens = [f"{name}-jwt-token" for name in ("ada", "bob", "cy")]
        for token in tokens[:2]:
            assert (await desk.call(secret, tool="read_file", token=token)).json()["result"]["isError"] is False
        assert [form["subject_token"] for form in provider.forms()] == tokens[:2]
        assert await shown_at(desk, secret, tokens) == [1, 1, 0]


async def test_nothing_of_one_token_is_there_for_another_of_the_same_person(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, _, url):
        guests = welcomed(desk.house, ada="")
        # what the provider makes of a token may follow from more of it than from who its subject is
        who = Principal(id="oidc:ada", tenant="default", role="agent", end_user="ada")
        guests.put("ada-jwt-other", Guest(principal=who, key="view", resources=frozenset({"/mcp"})))
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": OPENING}
        head = {"accept": "application/json, text/event-stream", "authorization": "Bearer ada-jwt-token"}
        opened = await desk.client.post(url, json=message, headers=head)
        head["mcp-session-id"] = opened.headers["mcp-session-id"]
        asked = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await desk.client.post(url, json=asked, headers=head)).status_code == 200
        other = {**head, "authorization": "Bearer ada-jwt-other"}
        assert (await desk.client.post(url, json=asked, headers=other)).status_code == 404


async def test_what_is_kept_for_an_exchanging_caller_is_at_files_for_the_same_token(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, _, url):
        welcomed(desk.house, ada="", bob="")
        reply = await desk.call(url, tool="read_file", token="ada-jwt-token")
        handle = reply.json()["result"]["content"][0]["uri"].removeprefix("apiloom://")
        for token, status in (("ada-jwt-token", 200), ("bob-jwt-token", 404)):
            head = {"authorization": f"Bearer {token}"}
            got = await desk.client.get(f"{desk.house.url}/files/{handle}", headers=head)
            assert got.status_code == status


async def test_the_token_of_another_tenants_caller_or_of_the_houses_is_never_passed_on(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        guests = welcomed(desk.house, ada="")
        everywhere = frozenset({"/mcp", "/api/v1"})
        for name, tenant in (("operator", ""), ("stranger", "other")):
            who = Principal(id=f"oidc:{name}", tenant=tenant, role="operator")
            guests.put(f"{name}-jwt-token", Guest(principal=who, key=name, resources=everywhere))
        assert "own access" in await desk.said(url, token="operator-jwt-token")
        union = f"{desk.house.url}/mcp"
        for tool in ("read_echo", "desk_read_echo"):
            await desk.call(union, tool=tool, token="operator-jwt-token")
        assert (await desk.call(url, token="stranger-jwt-token")).status_code == 404
        assert provider.api.seen == []
        assert (await desk.call(url, token="ada-jwt-token")).json()["result"]["isError"] is False


async def own_client(desk: Lending, token_url: str) -> OAuthClient:
    """An OAuth client that a tenant registered for itself."""
    secret = {"client_secret": "tenants-client-secret"}
    wanted = {"connector": "desk", "client_id": "mine", "secret": secret, "endpoints": {"token_url": token_url}}
    made: OAuthClient = await desk.house.done(
        create_oauth_client(desk.house.ground, HOST, {**wanted, "tenant": "default"})
    )
    return made


async def test_a_tenants_own_client_cannot_be_set_to_exchange(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, _):
        mine = await own_client(desk, f"{provider.api.url}/mine")
        admin = Principal(id="tok_admin", tenant="default", role="tenant-admin")
        for who in (HOST, admin):
            wanted = {
                "connectors": ["desk"],
                "config": {"delegation": {"desk": {"mode": "exchange", "client": mine.id}}},
            }
            with pytest.raises(CallerError) as caught:
                await create_server(desk.house.ground, who, wanted)
            assert caught.value.facts["pointer"] == "/config/delegation/desk/client"
        # without a name it is the house's that counts, though the tenant has its own
        opened = await desk.house.server(name="free", connectors=["desk"], config=EXCHANGE)
        welcomed(desk.house, ada="")
        await desk.call(f"{desk.house.url}/mcp/s/{opened.server.id}", token="ada-jwt-token")
        assert [seen.target for seen in provider.api.seen] == ["/token"]


async def test_a_tenants_own_client_exchanges_nothing_however_it_came_to_be_named(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, url):
        mine = await own_client(desk, f"{provider.api.url}/mine")
        config = {"delegation": {"desk": {"mode": "exchange", "client": mine.id}}}
        async with desk.house.ground.store.writing() as work:
            servers = work.house().servers
            kept = await servers.load(url.rpartition("/")[2])
            assert kept is not None
            await servers.save(replace(kept, config=config), kept.revision)
        await desk.house.settle()
        welcomed(desk.house, ada="")
        assert "no OAuth client" in await desk.said(url, token="ada-jwt-token")
        assert provider.api.seen == []


async def test_in_a_union_each_server_uses_what_it_is_set_up_for(tmp_path: Path) -> None:
    async with exchanging(tmp_path) as (desk, provider, _):
        welcomed(desk.house, ada="")
        for _ in range(3):
            await desk.house.server(connectors=["desk"], config=HEADER)
        union = f"{desk.house.url}/mcp"
        message, head = words("tools/list")
        listed = await desk.client.post(union, json=message, headers={**head, "authorization": "Bearer ada-jwt-token"})
        tools = [one["name"] for one in listed.json()["result"]["tools"] if "read_echo" in one["name"]]
        assert len(tools) == 4
        for tool in tools:
            reply = await desk.call(union, (LENT, BOB), tool=tool, token="ada-jwt-token")
            assert reply.json()["result"]["isError"] is False, reply.text
        assert sorted(str(one) for one in desk.sent()) == [BOB] * 3 + ["Bearer upstream-of-ada-jwt-token-1"]
        assert BOB.split()[1] not in str([seen.body for seen in provider.api.seen])
