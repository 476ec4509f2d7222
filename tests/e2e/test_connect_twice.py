"""An API that wants access of two kinds: the page leads through one consent after the other, or leaves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.asking import Removal
from apiloom.flows.connect_device import end_session
from support.catalogs import catalog_of
from support.connecting import PATHS, SCHEMES, ConnectHouse, Shown, Visitor, connect_house, query_of, visitor
from support.oidc import AuthorizationServer, authorization_server

BOTH = [{"Account": ["openid"], "Files": ["read"], "Key": []}]


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture
def server(running: AuthorizationServer) -> AuthorizationServer:
    running.reset()
    return running


@asynccontextmanager
async def both(folder: Path, server: AuthorizationServer) -> AsyncIterator[ConnectHouse]:
    """A gateway with an API whose tools need two consents and a key, and an OAuth client for each consent."""
    schemes = {**SCHEMES, "Files": {**SCHEMES["Account"]}}
    async with connect_house(folder, pack(catalog_of(PATHS, {}, schemes, security=BOTH))) as house:
        await house.client(server, "web", scopes=["openid"])
        await house.client(server, "posted", scheme="Files", scopes=["openid", "read"])
        yield house


async def first(ann: Visitor, house: ConnectHouse, server: AuthorizationServer, **wanted: Any) -> Shown:
    """What somebody sees who has granted the first access."""
    started = await house.start(connector="notes", end_user="ann", **wanted)
    page = await ann.open(started.url)
    assert [name for name in page.fields if ":" in name] == ["c:Key:token"]
    page = await ann.send(page, Key="k")
    assert query_of(page.onward)["client_id"] == "web"
    return await ann.open(server.authorize(page.onward, "alice"))


async def test_one_consent_comes_after_the_other_and_then_the_account_is_connected(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with both(tmp_path, server) as house, visitor(house) as ann:
        page = await first(ann, house, server)
        assert "Granted already" in page.text
        assert [name for name in page.fields if ":" in name] == [], "nothing is typed twice"
        for rows in ("accounts", "grants", "events"):
            assert await house.kept(rows) == [], rows
        (session,) = await house.kept("connect_sessions")
        assert (session.state, session.poll_at) == ("bound", session.expires_at)

        page = await ann.send(page)
        asked = query_of(page.onward)
        assert (asked["client_id"], asked["scope"].split()) == ("posted", ["read", "openid"])
        page = await ann.open(server.authorize(page.onward, "alice"))
        assert "Connected" in page.text, page.text
        (account,) = await house.kept("accounts")
        grants = {grant.scheme: grant.client for grant in await house.kept("grants")}
        clients = {client.scheme: client.id for client in await house.kept("oauth_clients")}
        assert (account.schemes, grants) == (("Key",), clients)
        assert [event.kind for event in await house.kept("events")] == ["account.connected"]
        (session,) = await house.kept("connect_sessions")
        assert (session.state, session.poll_at) == ("done", None)
        assert server.stats().get("token/revocation POST", 0) == 0


@pytest.mark.system
async def test_somebody_who_says_no_to_the_second_may_be_asked_again(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with both(tmp_path, server) as house, visitor(house) as ann:
        page = await ann.send(await first(ann, house, server))
        page = await ann.open(server.authorize(page.onward, "alice", deny=True))
        assert "Access was not granted." in page.text
        assert "Granted already" in page.text
        assert await house.kept("accounts") == []
        page = await ann.send(page)
        assert query_of(page.onward)["client_id"] == "posted"
        assert "Connected" in (await ann.open(server.authorize(page.onward, "alice"))).text
        assert server.count("authorization_code") == 2


@pytest.mark.parametrize("how", ["late", "ended"])
async def test_whoever_stops_after_the_first_leaves_nothing_half(
    tmp_path: Path, server: AuthorizationServer, how: str
) -> None:
    async with both(tmp_path, server) as house, visitor(house) as ann:
        await first(ann, house, server)
        (session,) = await house.kept("connect_sessions")
        if how == "late":
            house.gateway.clock.now += 60
            await house.gateway.node.confirmations.round()
            assert server.stats().get("token/revocation POST", 0) == 0, "there is time left"
            house.gateway.clock.now += 900
            await house.gateway.node.confirmations.round()
            (over,) = await house.kept("connect_sessions")
            assert (over.poll_at, len(over.sealed) < len(session.sealed)) == (None, True)
            await house.gateway.node.confirmations.round()
        else:
            await end_session(house.gateway.ground, HOST, session.id, Removal())
        assert server.stats()["token/revocation POST"] == 1, "what was granted is given back"
        for rows in ("accounts", "grants", "events"):
            assert await house.kept(rows) == [], rows


@pytest.mark.system
async def test_each_consent_is_held_to_whom_the_account_is_connected_as(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with both(tmp_path, server) as house, visitor(house) as ann:
        page = await ann.send(await first(ann, house, server))
        await ann.open(server.authorize(page.onward, "bob"))
        (account,) = await house.kept("accounts")
        grants = {grant.scheme: grant.identity.get("sub") for grant in await house.kept("grants")}
        assert grants == {"Account": "alice", "Files": "bob"}

        started = await house.start(account=account.id, tenant=None)
        page = await ann.send(await ann.open(started.url), Key="other")
        page = await ann.open(server.authorize(page.onward, "alice"))
        page = await ann.send(page)
        refused = await ann.open(server.authorize(page.onward, "alice"))
        assert "You signed in as somebody else" in refused.text
        page = await ann.send(refused)
        assert "Connected" in (await ann.open(server.authorize(page.onward, "bob"))).text
        assert {grant.scheme: grant.identity.get("sub") for grant in await house.kept("grants")} == grants


@pytest.mark.system
async def test_an_answer_to_the_first_counts_once_also_while_the_second_is_under_way(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with both(tmp_path, server) as house, visitor(house) as ann:
        started = await house.start(connector="notes")
        page = await ann.send(await ann.open(started.url), Key="k")
        back = server.authorize(page.onward, "alice")
        page = await ann.send(await ann.open(back))
        assert (await ann.open(back)).status == 400
        assert "Connected" in (await ann.open(server.authorize(page.onward, "alice"))).text
        assert (await ann.open(back)).status == 400
        assert len(await house.kept("accounts")) == 1
