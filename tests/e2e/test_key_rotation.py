"""Keys rotated while the gateway serves: no call fails, and every URL, token and credential stays what it is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.key_sources import key_sources
from apiloom.app.gateway.keydesk import create, rotate, show
from apiloom.app.gateway.keys import HouseKeys
from apiloom.app.gateway.place import Place, read_place
from apiloom.app.gateway.rotation import rotate_root, rotate_tenant
from apiloom.app.gateway.sealing import VaultSealing
from apiloom.base import plugins
from apiloom.base.errors import CallerError, DesignError, HouseFault
from apiloom.console.house import KeyAsk
from apiloom.flows.access import HOST
from apiloom.flows.accounts import create_account
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.store.records import HouseKey
from apiloom.vault.custody import derived_custody, new_key_text, parse_keys, read_keys
from support.gateway import Gateway, ask, call, desk, gateway, http
from support.granted import Granted, granted, office
from support.oidc import authorization_server
from support.postgres import Postgres

ROTATE = KeyAsk(word="rotate")
HOUSE = KeyAsk(word="rotate", house=True)
LIFE = 60.0
"""Seconds that a token of the provider lives."""


def of_tenant(tenant: str) -> KeyAsk:
    return KeyAsk(word="rotate", tenant=tenant)


def quiet(_: str) -> None:
    """Nobody watches."""


@pytest.fixture(params=["sqlite", "postgresql"])
async def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Gateway]]:
    """One node on a folder, or two on one database. All look for changes themselves."""
    data, count = "", 1
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        data, count = server.url(await server.database()).replace("+asyncpg", ""), 2
        await create(place_of(tmp_path, data))
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(gateway(tmp_path, data=data, running=True)) for _ in range(count)]


def place_of(folder: Path, data: str = "", **more: str) -> Place:
    return read_place(data or str(folder / "house"), {"APILOOM_KEY_FILE": str(folder / "keys" / "key"), **more})


@dataclass
class Load:
    """Work on every node all the while, with new things among it; every answer is checked at the end.

    ``urls`` are secret tokens of servers, each of an account of its own; ``tokens`` are API tokens.
    """

    nodes: list[Gateway]
    there: Granted
    client: httpx.AsyncClient
    urls: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    answers: list[tuple[int, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    granted: list[dict[str, Any]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def settle(self) -> None:
        for node in self.nodes:
            await node.settle()

    async def open_one(self, number: int) -> None:
        """A new account, a server of it and an API token."""
        first = self.nodes[0]
        wanted = {"connector": "desk", "credentials": {"token": {"token": f"w{number}-x"}}}
        account = await create_account(first.ground, HOST, wanted)
        made = await first.server(name=f"s{number}", accounts=[account.id])
        token = await first.api_token(tenant="default")
        await self.settle()
        self.urls.append(made.issued.text)
        self.tokens.append(token)

    async def make(self) -> None:
        number = len(self.urls)
        while not self.stop.is_set():
            await self.open_one(number)
            number += 1

    async def ask(self, at: Gateway) -> None:
        for number in itertools.count():
            if self.stop.is_set():
                return
            place = number % len(self.urls)
            self.answers.append((place, await call(self.client, f"{at.url}/mcp/{self.urls[place]}", "list_notes")))
            self.statuses.append(await self.status(at, self.tokens[number % len(self.tokens)]))

    async def status(self, at: Gateway, token: str) -> int:
        """What is answered to an API token."""
        reply = await self.client.get(f"{at.url}/api/v1/whoami", headers={"authorization": f"Bearer {token}"})
        return reply.status_code

    async def renew(self) -> None:
        """Let the tokens of a grant end again and again, and call with it on every node."""
        passed = 0.0
        path = self.there.url.removeprefix(self.there.gateway.url)
        while not self.stop.is_set():
            passed += LIFE
            self.there.server.skew(passed)
            for node in self.nodes:
                node.clock.now += LIFE
            asked = [
                ask(self.client, node.url + path, "tools/call", {"name": "list_notes", "arguments": {}})
                for node in self.nodes
            ]
            self.granted += [reply.json()["result"] for reply in await asyncio.gather(*asked)]

    async def check(self) -> None:
        """That nothing has failed, and that all of it is still good on every node."""
        assert len(self.answers) > len(self.nodes)
        assert [(place, answer["whose"]) for place, answer in self.answers] == [
            (place, f"w{place}") for place, _ in self.answers
        ]
        assert {*self.statuses} == {200}
        assert not [answer for answer in self.granted if answer["isError"]]
        for node in self.nodes:
            for place, url in enumerate(self.urls):
                assert (await call(self.client, f"{node.url}/mcp/{url}", "list_notes"))["whose"] == f"w{place}"
            assert {await self.status(node, token) for token in self.tokens} == {200}
        grant = await self.there.grant()
        renewals = self.there.server.count("refresh_token")
        assert (grant.state, grant.generation - 1) == ("active", renewals)
        assert renewals > 2


@asynccontextmanager
async def load(nodes: list[Gateway], there: Granted) -> AsyncIterator[Load]:
    """Calls on every node all the while, with new accounts, URLs, API tokens and renewals among them."""
    async with http() as client:
        on = Load(nodes, there, client)
        for number in range(3):
            await on.open_one(number)
        tasks = [asyncio.create_task(work) for work in (*(on.ask(node) for node in nodes), on.make(), on.renew())]
        yield on
        on.stop.set()
        await asyncio.gather(*tasks)
        await on.check()


async def test_every_key_is_rotated_under_load_and_no_call_fails(nodes: list[Gateway], tmp_path: Path) -> None:
    first = nodes[0]
    place = first.grounds.place
    with desk() as api, authorization_server() as server, office(server) as granting:
        server.ttl(LIFE)
        there = await granted(first, server, granting)
        server.reset()
        await first.connector("desk", api.api.url)
        await first.tenant("acme")
        for node in nodes:
            await node.settle()
        session = first.grounds.custody.sub_keys("sessions")
        async with load(nodes, there):
            before = first.grounds.custody.fingerprint
            for _ in range(2):
                for wanted in (ROTATE, of_tenant("default"), HOUSE):
                    done = await rotate(place, wanted, quiet)
                    assert not done["damaged"]
        for node in nodes:
            await node.settle()
            assert node.grounds.keys.trouble == ""
            assert node.grounds.custody.fingerprint not in (before, "")
            assert node.grounds.custody.sub_keys("sessions") == session
            assert node.grounds.custody.newest("secrets") == node.grounds.custody.newest("data-keys") == 3
        grant = await there.grant()
    async with nodes[0].ground.store.reading() as work:
        accounts = await work.tenant("default").accounts.every()
        keys = await work.house().tenant_keys.every()
    # of all that was there before the last rotation nothing is under an older key
    assert {key.version for key in keys} == {1, 2, 3}
    assert {account.sealed[4] for account in accounts if account.sealed} == {3}
    assert grant.sealed[4] == 3


async def test_what_a_store_of_an_earlier_release_has_goes_on_and_moves_to_a_new_key(tmp_path: Path) -> None:
    """Schema 1 derived every key from the key-encryption key: they become keys of the house, once, and stay."""
    file = tmp_path / "keys" / "key"
    async with gateway(tmp_path) as served:
        pass
    root = read_keys(file)[0]
    derived = derived_custody(root)
    store = served.grounds.place.url
    opened = await plugins.load("apiloom.store.sql.opening:open_store")(store)
    async with opened.writing() as work:
        for row in await work.house().house_keys.every():
            await work.house().house_keys.remove(row.id)
    kept = (await opened.installation())["key_fingerprint"]
    assert kept == f"v2/{root.fingerprint}"
    await opened.bind_key(root.fingerprint, kept)
    await opened.close()
    both = await asyncio.gather(*[open_grounds(place_of(tmp_path), environment={}) for _ in range(3)])
    for grounds in both:
        for purpose in ("tokens", "seals", "sessions", "data-keys", "secrets"):
            assert grounds.custody.sub_keys(purpose) == {1: derived.sub_key(purpose, 1)}
    # the release before may still open it, until its keys are no longer those it would derive
    assert (await both[0].store.installation())["key_fingerprint"] == root.fingerprint
    await rotate(both[0].place, ROTATE, quiet)
    assert (await both[0].store.installation())["key_fingerprint"] == f"v2/{read_keys(file)[0].fingerprint}"
    await both[0].keys.refresh()
    assert both[0].custody.sub_keys("tokens") == {1: derived.sub_key("tokens", 1)}
    for grounds in both:
        await grounds.close()


async def test_two_nodes_that_open_an_empty_database_at_once_have_the_same_keys(
    tmp_path: Path, postgres: Postgres
) -> None:
    data = postgres.url(await postgres.database()).replace("+asyncpg", "")
    await create(place_of(tmp_path, data))
    opened = await asyncio.gather(*[open_grounds(place_of(tmp_path, data), environment={}) for _ in range(4)])
    assert len({grounds.custody.sub_key("tokens", 1) for grounds in opened}) == 1
    assert len({(await grounds.store.installation())["key_fingerprint"] for grounds in opened}) == 1
    for grounds in opened:
        await grounds.close()


async def test_a_rotation_that_was_killed_anywhere_is_completed_by_the_next(tmp_path: Path) -> None:
    """The process ends at each step in turn; each time the store opens, and the next rotation completes it."""
    async with gateway(tmp_path) as served:
        place = served.grounds.place
        await served.connector("notes", "http://127.0.0.1:9")
        for number in range(30):
            await served.account("notes", f"w{number}-x")
        store = served.grounds.store
        tokens = served.grounds.custody.sub_key("tokens", 1)

        class Killed(BaseException):
            pass

        for step in range(1, 5):
            keys = HouseKeys(store, key_sources(place), served.clock)
            await keys.open()
            sealing = VaultSealing(keys.custody, served.clock, keys.refresh)
            countdown = itertools.count(1)

            @asynccontextmanager
            async def writing(step: int = step, countdown: Any = countdown) -> AsyncIterator[Any]:
                async with store.writing() as work:
                    yield work
                    if next(countdown) == step:
                        raise Killed

            keys.store = _Killing(store, writing)
            try:
                await rotate_root(keys)
                await rotate_tenant(keys, sealing, "default", quiet)
            except Killed:
                pass
            again = HouseKeys(store, key_sources(place), served.clock)
            custody = await again.open()
            assert custody.sub_key("tokens", 1) == tokens
            done = await rotate_tenant(again, VaultSealing(custody, served.clock, again.refresh), "default", quiet)
            assert done.damaged == ()
            async with store.reading() as work:
                scope = work.tenant("default")
                accounts = await scope.accounts.every()
                versions = {account.sealed[4] for account in accounts}
                assert len(versions) == 1
                opened = [
                    await served.grounds.sealing.open(scope, "default", account.id, account.sealed)
                    for account in accounts
                ]
            assert len(set(opened)) == 30
        # an interrupted rotation of the key-encryption key took the new key that was there instead of making another
        assert len(read_keys(tmp_path / "keys" / "key")) <= 5


class _Killing:
    """A store of which one transaction ends the process before it commits."""

    def __init__(self, store: Any, writing: Any) -> None:
        self._store = store
        self.writing = writing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_a_second_rotation_at_the_same_time_is_refused(nodes: list[Gateway]) -> None:
    place = nodes[0].grounds.place
    lock = await plugins.load("apiloom.store.sql.turning:hold_turning_lock")(place.url)
    for wanted in (ROTATE, HOUSE, of_tenant("default")):
        with pytest.raises(CallerError) as error:
            await rotate(place, wanted, quiet)
        assert error.value.code == "custody.turning"
    await lock.release()
    await rotate(place, ROTATE, quiet)
    assert nodes[0].grounds.keys.trouble == ""


async def test_keys_in_the_environment_are_rotated_by_hand_and_nodes_with_the_old_one_go_on(
    tmp_path: Path, postgres: Postgres
) -> None:
    data = postgres.url(await postgres.database()).replace("+asyncpg", "")
    old, new = new_key_text(), new_key_text()
    before = await open_grounds(place_of(tmp_path, data, APILOOM_KEY=old), environment={})
    with pytest.raises(DesignError) as alone:
        await rotate(place_of(tmp_path, data, APILOOM_KEY=old), ROTATE, quiet)
    assert alone.value.code == "custody.given"
    both = place_of(tmp_path, data, APILOOM_KEY=f"{new},{old}")
    ready = await open_grounds(both, environment={})
    assert ready.custody.fingerprint == before.custody.fingerprint
    assert (await rotate(both, ROTATE, quiet))["now"] == parse_keys(new)[0].fingerprint
    for grounds in (before, ready):
        await grounds.keys.refresh()
        assert grounds.custody.sub_keys("tokens") == ready.custody.sub_keys("tokens")
    # the one that was given only the old key serves on, and says that it could not start again
    assert (before.keys.trouble, ready.keys.trouble) == ("custody.other", "")
    with pytest.raises(DesignError) as error:
        await open_grounds(place_of(tmp_path, data, APILOOM_KEY=old), environment={})
    assert error.value.code == "custody.other"
    after = await open_grounds(place_of(tmp_path, data, APILOOM_KEY=new), environment={})
    assert after.custody.sub_keys("tokens") == before.custody.sub_keys("tokens")
    for grounds in (before, ready, after):
        await grounds.close()


async def test_what_is_damaged_is_named_and_the_rest_is_sealed_anew(tmp_path: Path) -> None:
    async with gateway(tmp_path) as served:
        await served.connector("notes", "http://127.0.0.1:9")
        whole, broken = [await served.account("notes", f"w{number}-x") for number in range(2)]
        async with served.ground.store.writing() as work:
            rows = work.tenant("default").accounts
            kept = await rows.load(broken.id)
            assert kept is not None
            await rows.save(replace(kept, sealed=kept.sealed[:-1] + bytes([kept.sealed[-1] ^ 1])), kept.revision)
        for version in (2, 3):
            done = await rotate(served.grounds.place, of_tenant("default"), quiet)
            assert done == {
                "rotated": "data key of default",
                "now": f"version {version}",
                "sealed_anew": 1,
                "damaged": [broken.id],
            }
        with pytest.raises(CallerError) as error:
            await rotate(served.grounds.place, of_tenant("nobody"), quiet)
        assert error.value.code == "tenant.not_found"
        told = await show(served.grounds.place)
        assert told["in_use"] == served.grounds.custody.fingerprint
        assert told["house"]["tokens"] == [1]
        assert "key" in told["sources"][0]["source"]
        async with served.ground.store.reading() as work:
            found = await work.tenant("default").accounts.load(whole.id)
            assert found is not None
            assert found.sealed[4] == 3


def swapped(rows: list[HouseKey]) -> list[tuple[str, HouseKey]]:
    """Every way in which rows of keys can lie wrong: each in the place of each other, cut, changed, relabelled."""
    ways: list[tuple[str, HouseKey]] = []
    for row, other in itertools.permutations(rows, 2):
        ways.append((row.id, replace(row, wrapped=other.wrapped)))
    for row in rows:
        ways += [(row.id, replace(row, wrapped=row.wrapped[:length])) for length in range(0, len(row.wrapped), 19)]
        ways += [
            (row.id, replace(row, wrapped=row.wrapped[:n] + bytes([row.wrapped[n] ^ 1]) + row.wrapped[n + 1 :]))
            for n in range(3, len(row.wrapped), 13)
        ]
        ways.append((row.id, replace(row, wrapped=row.wrapped + b"\0")))
    return ways


async def test_no_key_of_the_house_opens_where_it_was_not_put_and_nothing_is_served(tmp_path: Path) -> None:
    async with gateway(tmp_path) as served:
        store, place = served.grounds.store, served.grounds.place
        async with store.reading() as work:
            rows = list(await work.house().house_keys.every())
        ways = swapped(rows)
        assert len(ways) > 60
        for id_, wrong in ways:
            right = next(row for row in rows if row.id == id_)
            await put(store, wrong)
            with pytest.raises((HouseFault, DesignError)) as error:
                await HouseKeys(store, key_sources(place), served.clock).open()
            assert error.value.code in {"vault.sealed", "custody.other"}
            # a node that runs has seen it whole: it goes on, and says so
            await served.grounds.keys.refresh()
            state: Any = await served.node.state()
            assert state["vault"]["trouble"] == error.value.code
            await put(store, right)
        for row in rows:
            async with store.writing() as work:
                await work.house().house_keys.remove(row.id)
            with pytest.raises(HouseFault) as error:
                await HouseKeys(store, key_sources(place), served.clock).open()
            assert error.value.code == "vault.sealed"
            async with store.writing() as work:
                await work.house().house_keys.add(replace(row, revision=1))
        await served.grounds.keys.refresh()
        assert served.grounds.keys.trouble == ""
        await HouseKeys(store, key_sources(place), served.clock).open()


async def put(store: Any, row: HouseKey) -> None:
    async with store.writing() as work:
        there = await work.house().house_keys.load(row.id)
        await work.house().house_keys.save(row, there.revision)


async def test_no_credential_opens_in_another_row_and_the_node_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(tmp_path) as served:
        await served.connector("notes", "http://127.0.0.1:9")
        await served.tenant("acme")
        mine = [await served.account("notes", f"w{number}-x") for number in range(2)]
        hers = await served.account("notes", "w9-x", tenant="acme")
        client = await create_oauth_client(
            served.ground, HOST, {"connector": "notes", "client_id": "c", "secret": {"client_secret": "s"}}
        )
        async with served.ground.store.reading() as work:
            kept = {one.id: await work.house().accounts.load(one.id) for one in (*mine, hers)}
            kept_client = await work.house().oauth_clients.load(client.id)
            keys = {key.id: key for key in await work.house().tenant_keys.every()}
        assert kept_client is not None
        sealed = {id_: record.sealed for id_, record in kept.items() if record is not None}
        sealed[client.id] = kept_client.sealed
        tenants = {**{one.id: one.tenant for one in (*mine, hers)}, client.id: ""}
        wrong = [(id_, sealed[other]) for id_, other in itertools.permutations(sealed, 2)]
        for id_, content in sealed.items():
            wrong += [(id_, content[:length]) for length in range(len(content))]
            wrong += [(id_, content[:n] + bytes([content[n] ^ 4]) + content[n + 1 :]) for n in range(len(content))]
        for id_, content in wrong:
            async with served.ground.store.reading() as work:
                scope = work.tenant(tenants[id_]) if tenants[id_] else work.house()
                with pytest.raises(HouseFault) as error:
                    await served.grounds.sealing.open(scope, tenants[id_], id_, content)
                assert error.value.code == "vault.sealed"
        state: Any = await served.node.state()
        assert state["vault"]["damaged"] == 4
        assert sum("cannot be opened" in record.getMessage() for record in caplog.records) == 4
        # a data key of another tenant, or of another version, wraps nothing here
        async with served.ground.store.writing() as work:
            rows = work.house().tenant_keys
            default = keys["default/1"]
            await rows.save(replace(default, wrapped=keys["acme/1"].wrapped), default.revision)
        fresh = VaultSealing(served.grounds.custody, served.clock)
        async with served.ground.store.reading() as work:
            with pytest.raises(HouseFault):
                await fresh.open(work.tenant("default"), "default", mine[0].id, sealed[mine[0].id])


async def test_a_call_whose_credential_is_damaged_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    with desk() as api:
        async with gateway(tmp_path) as served, http() as client:
            await served.connector("notes", api.api.url)
            account = await served.account("notes", "ada-x")
            other = await served.account("notes", "bob-x")
            url = served.at(await served.server(name="s", accounts=[account.id]))
            async with served.ground.store.writing() as work:
                rows = work.tenant("default").accounts
                kept, theirs = await rows.load(account.id), await rows.load(other.id)
                assert kept is not None
                assert theirs is not None
                await rows.save(replace(kept, sealed=theirs.sealed), kept.revision)
            await served.settle()
            answer = await call(client, url, "list_notes")
            assert "cannot be opened" in answer
            assert api.api.seen == []
