"""Callers' own tokens are exchanged at a provider, each for itself; nobody else's token ever is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from apiloom.app.gateway.delegating import PAUSE
from apiloom.base.errors import CallerError
from apiloom.flows.access import HOST
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.flows.servers import create_server
from apiloom.identity.guests import Guest
from apiloom.identity.principal import Principal
from apiloom.store.records import OAuthClient
from support.gateway import words
from support.lending import ADA, BOB, EXCHANGE, HEADER, LENT, Lending, exchanging, shown_at, welcomed

OPENING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


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
