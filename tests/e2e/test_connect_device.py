"""Accounts connected by a confirmation at another screen, at a real provider: by API, by the page, and by two nodes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway.confirming import Confirmations
from apiloom.base.errors import CallerError
from apiloom.compile.artefact import pack
from apiloom.console.client import Gateway
from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import revoke_api_token
from apiloom.flows.asking import Removal
from apiloom.flows.connect_create import Started
from apiloom.flows.connect_device import CLAIMED, end_session
from apiloom.flows.connecting import read_session, state_of
from apiloom.store.records import ConnectSession
from support.catalogs import catalog_of
from support.connecting import EITHER, PATHS, REGION, SCHEMES, ConnectHouse, connect_house, notes, visitor
from support.oidc import AuthorizationServer, authorization_server
from support.servers import APILOOM, clean_environment

CODES = {"secret": None, "scopes": ["openid", "email", "offline_access"]}


@pytest.fixture(scope="module")
def running() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture
def server(running: AuthorizationServer) -> AuthorizationServer:
    running.reset()
    running.up()
    running.skew(0)
    return running


def only_device(server: AuthorizationServer) -> bytes:
    """An API whose provider takes consent only at another screen."""
    flow = {
        "deviceAuthorizationUrl": f"{server.url}/device/auth",
        "tokenUrl": f"{server.url}/token",
        "scopes": {"openid": "Know who you are"},
    }
    schemes = {**SCHEMES, "Account": {"type": "oauth2", "flows": {"deviceAuthorization": flow}}}
    return pack(catalog_of(PATHS, {}, schemes, security=[{"Account": ["openid"]}]))


async def asked_after(house: ConnectHouse, seconds: float = 5.0) -> None:
    """The time comes at which the provider is asked, and it is."""
    house.gateway.clock.now += seconds
    await house.gateway.node.confirmations.round()
    await house.gateway.settle()


async def now(house: ConnectHouse, started: Started) -> ConnectSession:
    return await read_session(house.gateway.ground, HOST, started.session.id)


async def begun(house: ConnectHouse, server: AuthorizationServer, **wanted: Any) -> Started:
    await house.client(server, "device", **CODES)
    return await house.start(**{"connector": "notes", "device": True, **wanted})


def url_of(started: Started) -> str:
    assert started.confirming is not None
    return started.confirming.complete_url


async def test_an_account_is_connected_once_it_was_confirmed_elsewhere(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connect_house(tmp_path) as house:
        started = await begun(house, server, end_user="ann", external_id="crm-1")
        told = started.confirming
        assert told is not None
        assert (told.url, told.interval) == (f"{server.url}/device", 5)
        assert told.user_code in told.complete_url
        assert started.session.state == "authorizing"
        kept = await house.kept("connect_sessions")
        assert told.user_code not in repr(kept)
        assert all(told.kept["device_code"].encode() not in each.sealed for each in kept)

        await house.gateway.node.confirmations.round()
        assert server.stats().get("urn:ietf:params:oauth:grant-type:device_code authorization_pending", 0) == 0
        await asked_after(house)
        assert server.count("urn:ietf:params:oauth:grant-type:device_code", "authorization_pending") == 1
        assert await house.kept("accounts") == []

        server.approve(url_of(started), "alice")
        await asked_after(house)
        session = await now(house, started)
        (account,), (grant,) = await house.kept("accounts"), await house.kept("grants")
        assert (session.state, session.poll_at) == ("done", None)
        assert session.result == {"account": account.id, "identity": grant.identity, "reconnected": False}
        assert (account.end_user, account.external_id, account.schemes) == ("ann", "crm-1", ())
        assert (grant.kind, grant.scheme, grant.identity["sub"]) == ("device", "Account", "alice")
        assert [event.kind for event in await house.kept("events")] == ["account.connected"]

        await asked_after(house, 60)
        assert server.count("urn:ietf:params:oauth:grant-type:device_code") == 1, "what is done is asked no more"


@pytest.mark.system
async def test_the_typed_client_is_shown_the_code_once(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path) as house:
        await house.client(server, "device", **CODES)
        token = await house.gateway.api_token("tenant-admin", tenant="acme")
        async with Gateway(house.gateway.url, token) as vendor:
            wanted = {"connector": "notes", "device": True, "idempotency_key": "1"}
            made = await vendor.connect_sessions.create(**wanted)
            assert made.user_code
            assert (made.state, made.verification_uri, made.interval) == ("authorizing", f"{server.url}/device", 5)
            assert made.user_code in (made.verification_uri_complete or "")
            assert made.user_code not in repr(made)
            again = await vendor.connect_sessions.create(**wanted)
            assert (again.id, again.user_code, again.verification_uri_complete) == (made.id, None, None)
            server.approve(made.verification_uri_complete or "", "bob")
            await asked_after(house)
            found = await vendor.connect_sessions.read(made.id)
            assert (found.state, found.result["identity"]["sub"]) == ("done", "bob")


@pytest.mark.system
async def test_a_provider_that_wants_to_be_asked_less_often_is(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path) as house:
        started = await begun(house, server)
        server.fail('{"error": "slow_down"}', 400)
        await asked_after(house)
        session = await now(house, started)
        assert session.poll_at == house.gateway.clock.now + 10
        await asked_after(house, 9.0)
        assert server.count("urn:ietf:params:oauth:grant-type:device_code", "authorization_pending") == 0
        server.down()
        await asked_after(house, 1.0)
        assert (await now(house, started)).poll_at == house.gateway.clock.now + 20, "one that is down is asked rarely"
        server.up()
        server.approve(url_of(started))
        await asked_after(house, 20.0)
        assert (await now(house, started)).state == "done"


@pytest.mark.parametrize(("how", "code"), [("declined", "oauth.denied"), ("late", "oauth.expired")])
async def test_what_is_declined_or_late_ends_without_an_account(
    tmp_path: Path, server: AuthorizationServer, how: str, code: str
) -> None:
    async with connect_house(tmp_path) as house, visitor(house) as ann:
        started = await begun(house, server)
        if how == "declined":
            server.approve(url_of(started), deny=True)
        await asked_after(house, 5.0 if how == "declined" else 601.0)
        session = await now(house, started)
        assert (session.state, session.result, session.poll_at) == ("failed", {"error": code}, None)
        asked = dict(server.stats())
        await asked_after(house, 60)
        assert server.stats() == asked
        assert await house.kept("accounts") == []
        if how == "declined":
            assert "Access was not granted." in (await ann.open(started.url)).text


@pytest.mark.system
async def test_nobody_asks_for_a_session_that_was_taken_back_or_whose_token_was(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connect_house(tmp_path) as house:
        await house.client(server, "device", **CODES)
        token = await house.gateway.api_token("tenant-admin", tenant="acme")
        async with Gateway(house.gateway.url, token) as vendor:
            made = await vendor.connect_sessions.create(connector="notes", device=True)
            other = await vendor.connect_sessions.create(connector="notes", device=True)
            for each in (made, other):
                server.approve(each.verification_uri_complete or "")
            await vendor.connect_sessions.delete(made.id)
        (key,) = [one for one in await house.kept("api_tokens") if one.tenant == "acme"]
        await house.gateway.done(revoke_api_token(house.gateway.ground, HOST, key.id, Removal()))
        await asked_after(house)
        assert server.count("urn:ietf:params:oauth:grant-type:device_code") == 0
        assert await house.kept("accounts") == []
        (left,) = await house.kept("connect_sessions")
        assert (left.id, left.state, left.result) == (other.id, "failed", {"error": "connect.gone"})


async def test_a_copy_asks_nobody(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path) as house:
        started = await begun(house, server)
        server.approve(url_of(started))
        house.gateway.clock.now += 5
        asleep = Confirmations(ground=replace(house.gateway.ground, dormant=lambda: True))
        await asleep.round()
        assert (await now(house, started)).state == "authorizing"
        assert server.count("urn:ietf:params:oauth:grant-type:device_code") == 0


@pytest.mark.system
async def test_of_many_nodes_one_asks_and_another_goes_on_where_it_died(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connect_house(tmp_path) as house:
        started = await begun(house, server)
        server.approve(url_of(started))
        house.gateway.clock.now += 5
        nodes = [Confirmations(ground=house.gateway.ground) for _ in range(4)]
        server.hold()
        for node in nodes:
            await node.begin()
        for _ in range(200):
            if server.waiting():
                break
            await asyncio.to_thread(server.waiting)
        assert server.waiting() == 1
        # the one that asks dies before it is answered
        for node in nodes:
            for _, task in list(node._running.values()):
                task.cancel()
            await node.round()
        server.fail("", 503)
        server.release()
        await house.gateway.node.confirmations.round()
        assert (await now(house, started)).state == "authorizing", "its time to answer is not over"
        await asked_after(house, CLAIMED)
        await asked_after(house, 10)
        assert (await now(house, started)).state in ("done", "failed")
        assert len(await house.kept("accounts")) <= 1


@pytest.mark.system
async def test_reconnecting_as_somebody_else_is_refused_unless_it_is_allowed(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connect_house(tmp_path) as house:
        started = await begun(house, server, end_user="ann")
        server.approve(url_of(started), "alice")
        await asked_after(house)
        (account,) = await house.kept("accounts")
        for allowed, login, state in ((False, "mallory", "failed"), (False, "alice", "done"), (True, "bob", "done")):
            server.reset()
            wanted = {"account": account.id, "device": True, "allow_other_identity": allowed}
            again = await house.start(tenant=None, **wanted)
            server.approve(url_of(again), login)
            await asked_after(house)
            session = await now(house, again)
            assert session.state == state, login
            (grant,) = await house.kept("grants")
            assert (grant.identity["sub"] == login) == (state == "done")
            if state == "failed":
                assert session.result == {"error": "connect.identity"}
                assert server.stats().get("token/revocation POST", 0) == 1, "what was granted is given back"


@pytest.mark.system
async def test_what_a_device_cannot_do_is_told_at_once(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path, notes(EITHER, REGION), "") as house:
        with pytest.raises(CallerError) as none:
            await house.start(connector="notes", device=True)
        await house.client(server, "device", **CODES)
        with pytest.raises(CallerError) as lacking:
            await house.start(connector="notes", device=True)
        assert (none.value.code, lacking.value.code) == ("connect.device", "connect.device")
        assert "the variable region" in lacking.value.message
        assert await house.kept("connect_sessions") == []
        started = await house.start(connector="notes", device=True, variables={"region": "eu"})
        server.approve(url_of(started))
        await asked_after(house)
        assert (await house.kept("accounts"))[0].variables == {"region": "eu"}


async def test_the_page_shows_the_code_where_there_is_no_other_way_in(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connect_house(tmp_path, only_device(server)) as house, visitor(house) as ann:
        await house.client(server, "device", endpoints={"identity_url": f"{server.url}/me"}, **CODES)
        started = await house.start(connector="notes", end_user="ann")
        page = await ann.open(started.url)
        assert "Know who you are" in page.text
        page = await ann.send(page)
        assert page.status == 200
        assert f"Open {server.url}/device" in page.text
        assert page.onward == f"/connect/{started.url.rpartition('/')[2]}", "it looks again by itself"
        assert page.header("content-security-policy").startswith("default-src 'none'")
        (session,) = await house.kept("connect_sessions")
        assert session.state == "authorizing"
        again = await ann.open(started.url)
        assert again.text == page.text

        server.approve(page.reply.text.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&"))
        await asked_after(house)
        done = await ann.open(f"{house.gateway.url}{page.onward}")
        assert "Connected" in done.text
        assert "alice" in done.text


@pytest.mark.system
async def test_what_was_declined_can_be_begun_anew_on_the_page(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path, only_device(server)) as house, visitor(house) as ann:
        await house.client(server, "device", endpoints={}, **CODES)
        started = await house.start(connector="notes")
        first = await ann.send(await ann.open(started.url))
        url = first.reply.text.partition('class="button" href="')[2].partition('"')[0]
        server.approve(url, deny=True)
        await asked_after(house)
        page = await ann.open(started.url)
        assert "Access was not granted." in page.text
        again = await ann.send(page)
        other = again.reply.text.partition('class="button" href="')[2].partition('"')[0]
        assert other != url
        # another code at any time: what is confirmed of the one before counts no more
        third = await ann.send(await ann.open(f"{started.url}?anew=1"))
        server.approve(other)
        await asked_after(house)
        assert (await now(house, started)).state == "authorizing"
        server.approve(third.reply.text.partition('class="button" href="')[2].partition('"')[0])
        await asked_after(house)
        assert (await now(house, started)).state == "done"
        assert len(await house.kept("grants")) == 1


async def typed(house: ConnectHouse, folder: Path, *words: str) -> asyncio.subprocess.Process:
    """A command that somebody has typed, which waits."""
    token = await house.gateway.api_token("tenant-admin", tenant="acme")
    around = {**clean_environment(str(folder)), "APILOOM_GATEWAY": house.gateway.url, "APILOOM_TOKEN": token}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*APILOOM, *words, stdout=pipe, stderr=pipe, env=around)


async def told_by(process: asyncio.subprocess.Process) -> str:
    """The URL with the code in it that a command prints, once it has printed both."""
    assert process.stderr is not None
    first, second = [(await asyncio.wait_for(process.stderr.readline(), 60)).decode() for _ in range(2)]
    assert " and enter " in first
    return second[second.index("http") :].strip()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), errors.decode()


@pytest.mark.system
@pytest.mark.parametrize("denied", [False, True])
async def test_a_command_shows_the_code_and_waits(tmp_path: Path, server: AuthorizationServer, denied: bool) -> None:
    async with connect_house(tmp_path) as house:
        await house.client(server, "device", **CODES)
        process = await typed(house, tmp_path, "connect", "notes", "--device", "--end-user", "ann")
        server.approve(await told_by(process), "alice", deny=denied)
        await asked_after(house)
        code, out, errors = await ended(process)
        accounts = await house.kept("accounts")
        if denied:
            assert (code, out.strip()) == (1, "access was not granted, and nothing was connected")
            assert accounts == []
        else:
            assert (code, out.strip()) == (0, f"account {accounts[0].id} is connected as alice@example.com")
            # and anew, by its name
            again = await typed(house, tmp_path, "account", "connect", accounts[0].id, "--device", "--json")
            server.approve(await told_by(again), "alice")
            await asked_after(house)
            code, out, errors = await ended(again)
            assert (code, json.loads(out)["result"]["reconnected"]) == (0, True)
        assert "Traceback" not in errors


@pytest.mark.system
async def test_whoever_stops_waiting_connects_nothing(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path) as house:
        await house.client(server, "device", **CODES)
        process = await typed(house, tmp_path, "connect", "notes", "--device")
        url = await told_by(process)
        process.send_signal(signal.SIGINT)
        code, _, errors = await ended(process)
        assert code == 130
        assert "Traceback" not in errors
        assert await house.kept("connect_sessions") == []
        server.approve(url)
        await asked_after(house)
        assert await house.kept("accounts") == []


async def test_a_session_that_ends_tells_so_at_once(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connect_house(tmp_path) as house:
        started = await begun(house, server, expires_in=60)
        assert started.session.expires_at == house.gateway.clock.now + 60
        house.gateway.clock.now += 61
        assert state_of(await now(house, started), house.gateway.clock.now) == "expired"
        await end_session(house.gateway.ground, HOST, started.session.id, Removal())
        assert await house.kept("connect_sessions") == []
