"""Access that was granted by a real authorization server is kept alive while it is called, and its end is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.gateway.grants import OLD, KeptGrants
from apiloom.app.gateway.visits import Linked
from apiloom.flows import events
from apiloom.flows.access import HOST
from apiloom.flows.grants import revoke_account
from apiloom.flows.ground import dormant_refusal
from apiloom.flows.oauth_clients import patch_oauth_client
from apiloom.store import refusals
from apiloom.store.sql.counting import counting
from apiloom.vault import keeping, unwritten
from apiloom.vault.keeping import LEASE
from apiloom.vault.oauth.terms import Ask, Terms, Tokens
from apiloom.vault.ports import Failure
from support.gateway import ask, call, gateway, http
from support.granted import Granted, Office, granted, office
from support.oidc import SECRET, AuthorizationServer

HOUR = 3600.0


@pytest.fixture
def server(oidc: AuthorizationServer) -> AuthorizationServer:
    return oidc


@asynccontextmanager
async def connected(
    folder: Path, server: AuthorizationServer, **more: Any
) -> AsyncIterator[tuple[Granted, Office, httpx.AsyncClient]]:
    with office(server) as api:
        async with gateway(folder) as house, http() as client:
            there = await granted(house, server, api, **more)
            server.reset()
            yield there, api, client


def later(there: Granted, seconds: float) -> None:
    """Let time pass, here and at the provider."""
    there.gateway.clock.now += seconds
    there.server.skew(there.gateway.clock.now - 1_800_000_000.0)


async def result(client: httpx.AsyncClient, there: Granted, tool: str = "list_notes") -> Any:
    return (await ask(client, there.url, "tools/call", {"name": tool, "arguments": {}})).json()["result"]


async def renewed(there: Granted, generation: int = 2) -> None:
    """Wait for what is renewed beside the calls."""
    async with asyncio.timeout(20):
        while (await there.grant()).generation < generation:
            await asyncio.sleep(0.01)
    await there.gateway.settle()


async def test_fifty_callers_at_the_instant_of_expiry_cause_one_renewal_and_none_fails(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        await call(client, there.url, "list_notes")
        later(there, HOUR)
        answers = await asyncio.gather(*(result(client, there) for _ in range(50)))

        assert not any(answer["isError"] for answer in answers)
        assert {name: n for name, n in server.stats().items() if name.startswith("refresh")} == {"refresh_token ok": 1}
        assert (await there.grant()).generation == 2
        assert len(set(api.shown)) == 2


async def test_a_warm_call_with_living_tokens_asks_no_store(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connected(tmp_path, server) as (there, _, client):
        await call(client, there.url, "list_notes")
        with counting() as counted:
            await call(client, there.url, "list_notes")
        assert counted.trips == 0


async def test_a_token_is_renewed_ahead_of_its_end_while_calls_go_on_with_it(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        later(there, 0.81 * HOUR)
        assert not (await result(client, there))["isError"]
        await renewed(there)
        assert not (await result(client, there))["isError"]

        assert len(set(api.shown)) == 2
        assert server.count("refresh_token") == 1
        grant = await there.grant()
        assert grant.refresh_at is not None
        assert grant.expires_at == pytest.approx(there.gateway.clock() + HOUR)
        assert 0.75 * HOUR < grant.refresh_at - there.gateway.clock() <= 0.8 * HOUR


async def test_a_provider_that_is_down_costs_no_call_while_the_token_lives_and_is_found_again(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        later(there, 0.81 * HOUR)
        server.down()
        api.asks = False
        for _ in range(10):
            assert not (await result(client, there))["isError"]
            later(there, 6)
        assert (await there.grant()).state == "failing"
        assert 1 <= server.count("refresh_token", "down") <= 5

        later(there, 0.2 * HOUR)
        before = server.count("refresh_token", "down")
        told = [await result(client, there) for _ in range(20)]
        assert {one["_meta"]["dev.apiloom/error"]["code"] for one in told} == {"account.unrenewed"}
        assert "try again in a minute" in told[0]["content"][0]["text"]
        assert server.count("refresh_token", "down") <= before + 1

        server.up()
        later(there, 61)
        assert not (await result(client, there))["isError"]
        assert (await there.grant()).state == "active"
        assert not await there.events()


@asynccontextmanager
async def owned(there: Granted, **more: Any) -> AsyncIterator[tuple[str, str, list[str]]]:
    """The account is ada's: her agent's token, another person's, and the accounts that a link was made for."""
    async with there.gateway.ground.store.writing() as work:
        rows = work.tenant("default").accounts
        account = await rows.load(there.account.id)
        assert account is not None
        there.account = await rows.save(replace(account, end_user="ada", **more), account.revision)
    await there.gateway.settle()
    made: list[str] = []

    async def link(account: Any, scopes: Any, person: str) -> Linked:
        assert not person, "an API token says of nobody who signs in"
        made.append(account.id)
        return Linked(url=f"https://gateway.example/connect/cs_{len(made)}", expires_at=there.gateway.clock() + 900)

    there.gateway.grounds.connections.links.make = link
    ada = await there.gateway.api_token(tenant="default", end_user="ada")
    yield ada, await there.gateway.api_token(tenant="default", end_user="eve"), made


async def asking(client: httpx.AsyncClient, there: Granted, token: str, tool: str = "list_notes") -> Any:
    url = f"{there.gateway.url}/mcp/s/notes"
    return (await ask(client, url, "tools/call", {"name": tool, "arguments": {}}, token)).json()["result"]


async def test_a_revoked_grant_is_told_once_with_one_link_and_is_not_asked_for_again(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client), owned(there) as (ada, _, made):
        server.revoke("alice")
        told = [await asking(client, there, ada) for _ in range(10)]
        told += await asyncio.gather(*(asking(client, there, ada) for _ in range(20)))

        assert {one["_meta"]["dev.apiloom/error"]["code"] for one in told} == {"account.needs_reconnect"}
        assert all("https://gateway.example/connect/cs_1 " in one["content"][0]["text"] for one in told)
        assert made == [there.account.id]
        assert server.count("refresh_token", "invalid_grant") == 1
        assert len(api.shown) == 1
        assert [(event.kind, event.target) for event in await there.events()] == [
            (events.NEEDS_RECONNECT, there.account.id)
        ]

        await there.connect("alice")
        assert not (await asking(client, there, ada))["isError"]
        assert (await there.grant()).state == "active"


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "named by the server"])
async def test_only_the_person_whose_account_it_is_is_given_a_link_to_connect_it_anew(
    tmp_path: Path, server: AuthorizationServer, shared: bool
) -> None:
    async with connected(tmp_path, server) as (there, api, client), owned(there, shared=shared) as (ada, eve, made):
        if shared:
            await there.gateway.server(name="ours", connectors=["notes"], config={"methods": ["read", "write"]})
        url = f"{there.gateway.url}/mcp/s/{'ours' if shared else 'notes'}"

        async def told(token: str, tool: str = "list_notes") -> str:
            reply = await ask(client, url, "tools/call", {"name": tool, "arguments": {}}, token)
            return str(reply.json()["result"])

        lacking = await told(eve, "add_note")
        assert "account.scope" in lacking
        assert "ask whoever runs this server" in lacking
        api.asks = False
        assert "account.scope" not in await told(eve)
        api.asks = True
        server.revoke("alice")
        for _ in range(2):  # refused by the API, and then known to be over
            over = await told(eve)
            assert "ask whoever runs this server to connect the notes account" in over
        assert made == []
        assert "gateway.example" not in lacking + over
        assert "https://gateway.example/connect/cs_1" in await told(ada)
        assert made == [there.account.id]


async def test_a_token_that_is_refused_is_renewed_once_and_the_call_made_again(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        await call(client, there.url, "list_notes")
        api.refused.add(api.shown[-1])
        answers = await asyncio.gather(*(result(client, there) for _ in range(10)))
        assert not any(answer["isError"] for answer in answers)
        assert server.count("refresh_token") == 1


async def test_an_api_that_refuses_every_token_causes_no_storm_at_the_provider(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        api.asks = False
        await call(client, there.url, "list_notes")
        api.refused.update(api.shown)
        api.asks = True
        server.revoke("nobody")
        told = []
        for _ in range(10):
            told.append(await result(client, there))
            api.refused.update(api.shown)
        assert {one["_meta"]["dev.apiloom/error"]["status"] for one in told[1:]} == {401}
        assert server.count("refresh_token") == 1


@pytest.mark.parametrize("off", [300.0, -300.0])
async def test_a_clock_that_is_five_minutes_off_costs_no_call(
    tmp_path: Path, server: AuthorizationServer, off: float
) -> None:
    server.ttl(600)
    async with connected(tmp_path, server) as (there, _, client):
        # the provider counts on its own clock; ours jumps by five minutes as clocks do that are set right
        there.gateway.clock.now += off
        for passed in (200, 200, 300, 300):
            assert not (await result(client, there))["isError"]
            there.gateway.clock.now += passed
            server.skew(there.gateway.clock.now - off - 1_800_000_000.0)
        assert not (await result(client, there))["isError"]
        assert server.count("refresh_token", "invalid_grant") == 0
        assert 1 <= server.count("refresh_token") <= 5


async def test_a_tool_that_needs_more_than_was_granted_says_so_and_sends_nothing(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        told = await result(client, there, "add_note")
        assert told["_meta"]["dev.apiloom/error"]["code"] == "account.scope"
        assert "write" in told["content"][0]["text"]
        assert not api.shown

        await there.connect("alice", ("openid", "offline_access", "read", "write"))
        assert not (await result(client, there, "add_note"))["isError"]


async def test_no_answer_shows_a_token_that_the_account_has_or_had(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        await call(client, there.url, "list_notes")
        later(there, HOUR)
        await call(client, there.url, "list_notes")
        grounds = there.gateway.grounds
        async with grounds.store.reading() as work:
            held = await grounds.living.grants.of_account(work.tenant("default"), there.account)
        tokens = held["login"].tokens
        assert tokens is not None
        assert tokens.refresh is not None
        known = [*api.shown, tokens.refresh.reveal()]
        connection = grounds.connections.get(there.account)
        assert connection is not None
        hidden = connection.credentials.by_scheme["login"].hidden
        assert {secret.reveal() for secret in hidden} >= {known[0], known[-1]}


async def test_an_account_gets_tokens_by_itself_where_it_is_a_machine(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    with office(server) as api:
        async with gateway(tmp_path) as house, http() as client:
            there = await granted(house, server, api)
            own = {"login": {"client_id": "machine", "client_secret": SECRET, "scopes": "read"}}
            account = await house.account("notes", credentials=own)
            opened = await house.server(name="machine", accounts=[account.id])
            server.reset()
            url = house.at(opened)
            answers = await asyncio.gather(*(call(client, url, "list_notes") for _ in range(20)))
            assert all(isinstance(answer, dict) for answer in answers), answers
            assert server.count("client_credentials") == 1
            later(there, HOUR)
            assert isinstance(await call(client, url, "list_notes"), dict)
            assert server.count("client_credentials") == 2


async def test_who_has_no_account_yet_is_sent_to_where_one_is_connected(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        house = there.gateway
        opened = await house.server(name="own", connectors=["notes"])
        token = await house.api_token(tenant="default", end_user="ada", servers=[opened.server.id])
        url = f"{house.url}/mcp/s/own"
        told = [
            (await ask(client, url, "tools/call", {"name": "list_notes", "arguments": {}}, token)).json()["result"]
            for _ in range(3)
        ]
        texts = {one["content"][0]["text"] for one in told}
        assert len(texts) == 1
        assert f"open {house.url}/connect/" in texts.pop()
        assert {one["_meta"]["dev.apiloom/error"]["code"] for one in told} == {"account.missing"}
        assert not api.shown


async def test_a_grant_that_is_revoked_here_is_over_at_the_provider_too(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, api, client):
        await call(client, there.url, "list_notes")
        await patch_oauth_client(
            there.gateway.ground,
            HOST,
            there.client.id,
            {"endpoints": {"revocation_url": f"{server.url}/token/revocation"}, "secret": SECRET},
        )
        answer = await revoke_account(there.gateway.ground, HOST, there.account.id)
        await there.gateway.settle()
        assert answer["told_provider"] == 1
        told = await result(client, there)
        assert told["_meta"]["dev.apiloom/error"]["code"] == "account.needs_reconnect"
        assert server.introspect(api.shown[0])["active"] is False
        assert len(api.shown) == 1


async def test_a_copy_that_nobody_has_claimed_renews_nothing_and_says_so(
    tmp_path: Path, server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(tmp_path, server) as (there, _, client):
        assert not (await result(client, there))["isError"]

        async def asleep() -> None:
            raise dormant_refusal()

        monkeypatch.setattr(there.gateway.grounds.living.grants, "check_awake", asleep)
        later(there, 0.81 * HOUR)
        assert not (await result(client, there))["isError"]
        later(there, 0.2 * HOUR)
        told = await result(client, there)
        assert told["_meta"]["dev.apiloom/error"]["code"] == "store.dormant"
        assert server.count("refresh_token") == 0


async def test_a_node_that_was_succeeded_does_not_give_up_the_lease_of_its_successor(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, _, _client):
        first = there.gateway.grounds.living.grants
        second = KeptGrants(
            store=first.store, sealing=first.sealing, renewing=first.renewing, timing=first.timing, node="second"
        )
        id_ = f"{there.account.id}/login"
        assert (await first.take(id_, 1, LEASE)).mine  # type: ignore[union-attr]
        assert not (await second.take(id_, 1, LEASE)).mine  # type: ignore[union-attr]
        # nobody is hurt while the old token lives, so nobody is succeeded either
        later(there, HOUR)
        seen = 0.0
        while not (taken := await second.take(id_, 1, LEASE)).mine:  # type: ignore[union-attr]
            there.gateway.clock.now += 1
            seen += 1
        assert OLD <= seen <= LEASE
        assert taken is not None
        assert (taken.mine, taken.doubt) == (True, True)
        await first.failed(id_, 1, Failure(code="oauth.ended", ended=True))
        grant = await there.grant()
        assert (grant.state, grant.lease_holder.startswith("second/")) == ("active", True)
        # a pair that came late counts, as long as nobody wrote another
        held = await first.load(id_)
        assert held is not None
        assert held.tokens is not None
        assert await first.keep(id_, 1, held.tokens, None) is not None
        assert await second.keep(id_, 1, held.tokens, None) is None


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead of its end", "at its end"])
async def test_tokens_that_come_while_the_store_is_away_are_used_and_written_when_it_is_back(
    tmp_path: Path, server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    monkeypatch.setattr(keeping, "_KEEPING", (0.0,))
    monkeypatch.setattr(unwritten, "AGAIN", 0.05)
    async with connected(tmp_path, server) as (there, api, client):
        assert not (await result(client, there))["isError"]
        keeper, kind, away = there.gateway.grounds.living.keeper, type(there.gateway.grounds.store), []
        fetch = keeper.ports.fetch

        async def fetched(terms: Terms, ask: Ask) -> Tokens:
            tokens = await fetch(terms, ask)
            away.append(tokens)
            return tokens

        def gone(begin: Any) -> Any:
            @asynccontextmanager
            async def begun(self: Any) -> AsyncIterator[Any]:
                if away:
                    raise refusals.unreachable()
                async with begin(self) as work:
                    yield work

            return begun

        monkeypatch.setattr(kind, "writing", gone(kind.writing))
        monkeypatch.setattr(kind, "reading", gone(kind.reading))
        keeper.ports = replace(keeper.ports, fetch=fetched)
        later(there, (0.81 if ahead else 1.0) * HOUR)
        assert not (await result(client, there))["isError"]
        async with asyncio.timeout(20):
            while not len(keeper.unwritten):
                await asyncio.sleep(0.01)
        later(there, (0.2 if ahead else 0.5) * HOUR)
        for _ in range(3):
            assert not (await result(client, there))["isError"]
        assert len(set(api.shown)) == 2
        assert (await there.gateway.node.state())["vault"]["unwritten"] == 1  # type: ignore[index]
        away.clear()
        keeper.ports = replace(keeper.ports, fetch=fetch)
        await renewed(there)
        assert not (await result(client, there))["isError"]
        assert len(keeper.unwritten) == 0
        assert (len(set(api.shown)), server.count("refresh_token")) == (2, 1)


async def test_a_pair_that_comes_after_its_grant_was_ended_for_want_of_it_brings_it_back(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, _, _client):
        kept, id_ = there.gateway.grounds.living.grants, f"{there.account.id}/login"
        held = await kept.load(id_)
        assert held is not None
        assert held.tokens is not None
        for code, state in (("oauth.in_doubt", "active"), ("oauth.client", "needs_reconnect")):
            was = (await there.grant()).generation
            assert (await kept.take(id_, was, LEASE)).mine  # type: ignore[union-attr]
            await kept.failed(id_, was, Failure(code=code, ended=True, doubt=True))
            assert (await there.grant()).state == "needs_reconnect"
            assert await kept.keep(id_, was, held.tokens, None) is not None
            assert (await there.grant()).state == state


async def test_a_doubt_and_a_pause_that_a_provider_wants_are_kept_with_the_grant(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, _, _client):
        kept, id_ = there.gateway.grounds.living.grants, f"{there.account.id}/login"
        for failure in (Failure(code="oauth.unavailable", doubt=True, after=250.0), Failure(code="oauth.refused")):
            taken = await kept.take(id_, 1, LEASE)
            assert taken is not None
            assert taken.mine
            await kept.failed(id_, 1, failure)
            grant = await there.grant()
            assert grant.refresh_at == there.gateway.clock() + (failure.after or 2.0)
            held = await kept.load(id_)
            assert held is not None
            assert held.doubt
