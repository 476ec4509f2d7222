"""Rotations of keys that are killed at their steps, beside nodes that serve: nothing is lost, nothing is half."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.gateway.backups import sealed_things
from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.keydesk import create
from apiloom.app.gateway.place import read_place
from apiloom.flows.access import HOST
from apiloom.flows.oauth_clients import create_oauth_client
from support.gateway import Gateway, call, desk, gateway, http, until
from support.gateway_drill import Drill, Noted
from support.killed_at import killed_at
from support.postgres import Postgres
from support.servers import APILOOM, Serving, clean_environment, ended, serving

pytestmark = pytest.mark.system

ACCOUNTS = 30
"""More than are sealed anew in one transaction."""

POINTS = (1, 2, 3, 5, 8, 12, 17, 23, 30, 40, 55, 75, 100, 140)
ROUNDS = 3
SEED = 7


@dataclass
class House:
    """Nodes that serve, the surroundings of commands beside them, and what must stay."""

    nodes: list[Gateway]
    around: dict[str, str]
    client: httpx.AsyncClient
    urls: list[str] = field(default_factory=list)
    token: str = ""

    async def fill(self, api_url: str) -> None:
        first = self.nodes[0]
        await first.connector("desk", api_url)
        for number in range(ACCOUNTS):
            account = await first.account("desk", f"w{number}-x")
            if number % 10 == 0:
                self.urls.append((await first.server(name=f"s{number}", accounts=[account.id])).issued.text)
        wanted = {"connector": "desk", "client_id": "c", "secret": {"client_secret": "s"}}
        await create_oauth_client(first.ground, HOST, wanted)
        self.token = await first.api_token(tenant="default")
        for node in self.nodes:
            await node.settle()

    async def check(self) -> None:
        """That every URL and token is good on every node, and that a process which starts now opens everything."""
        for node in self.nodes:
            await node.settle()
            for place, url in enumerate(self.urls):
                assert (await call(self.client, f"{node.url}/mcp/{url}", "list_notes"))["whose"] == f"w{place * 10}"
            head = {"authorization": f"Bearer {self.token}"}
            assert (await self.client.get(f"{node.url}/api/v1/whoami", headers=head)).status_code == 200
            assert node.grounds.keys.trouble == ""
        grounds = await open_grounds(read_place("", self.around), environment=self.around, watched=False)
        try:
            assert len([one async for one in sealed_things(grounds)]) == ACCOUNTS + 1
            assert grounds.sealing.damaged == 0
        finally:
            await grounds.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """One node on a folder, or two on one database."""
    data, count = str(tmp_path / "house"), 1
    around = {"APILOOM_KEY_FILE": str(tmp_path / "keys" / "key")}
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        data, count = server.url(await server.database()).replace("+asyncpg", ""), 2
        await create(read_place(data, around))
    async with AsyncExitStack() as stack:
        api = stack.enter_context(desk())
        entered = [await stack.enter_async_context(gateway(tmp_path, data=data, running=True)) for _ in range(count)]
        made = House(entered, {**around, "APILOOM_DATA": data}, await stack.enter_async_context(http()))
        await made.fill(api.api.url)
        yield made


@pytest.mark.parametrize("what", [(), ("--tenant", "default"), ("--house",)], ids=["root", "tenant", "house"])
async def test_a_rotation_killed_at_any_step_loses_nothing_and_is_completed_by_the_next(
    what: tuple[str, ...], house: House
) -> None:
    rotate = partial(killed_at, environment=house.around)
    kills = 0
    for point in POINTS:
        done = await asyncio.to_thread(rotate, point, "key", "rotate", *what)
        await house.check()
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
    assert kills > 5
    # the last of them came to its end, so that this is one that finds nothing left over
    done = await asyncio.to_thread(rotate, 0, "key", "rotate", *what)
    assert done.returncode == 0, done.stderr
    await house.check()
    async with house.nodes[0].ground.store.reading() as work:
        accounts = await work.tenant("default").accounts.every()
        assert len({account.sealed[4] for account in accounts}) == 1


def rotating(around: dict[str, str], *what: str) -> subprocess.Popen[bytes]:
    words = [*APILOOM, "key", "rotate", *what]
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(around["HOME"], around),
        start_new_session=True,
    )


async def used(node: Serving, drill: Drill, made: dict[str, str]) -> None:
    """That every URL on a fresh node is good, and that there can be new ones."""
    async with http() as client:
        for number, url in made.items():
            answer = await call(client, f"{node.url}/mcp/{url}", "list_notes")
            assert answer["whose"] == number
    number = f"w{len(made)}"
    wanted = {"connector": "desk", "credentials": {"token": {"token": f"{number}-x"}}}
    account = await drill.ask("POST", "/accounts", wanted)
    opened = await drill.ask("POST", f"/accounts/{account['id']}/servers", {"name": number})
    made[number] = opened["url"].rpartition("/")[2]


async def test_a_gateway_killed_together_with_a_rotation_beside_it_serves_everything_afterwards(
    tmp_path: Path,
) -> None:
    around = {
        "APILOOM_DATA": str(tmp_path / "house"),
        "APILOOM_KEY_FILE": str(tmp_path / "keys" / "key"),
        "HOME": str(tmp_path),
    }
    moments, token = random.Random(SEED), tmp_path / "owner"
    made: dict[str, str] = {}
    kinds = itertools.cycle([("--tenant", "default"), (), ("--house",)])
    with desk() as api:
        for _ in range(ROUNDS):
            with serving("--token-file", str(token), environment=around) as node:
                drill = Drill(node.url, token.read_text().strip(), Noted())
                try:
                    if not made:
                        await drill.ask("POST", "/connectors", described(api.api.url))
                    await used(node, drill, made)
                    turning = rotating(around, *next(kinds))
                    try:
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            await asyncio.to_thread(turning.wait, moments.uniform(0.6, 2.5))
                        os.kill(node.process.pid, signal.SIGKILL)
                        if turning.poll() is None:
                            turning.kill()
                    finally:
                        ended(turning)
                    await until(lambda node=node: not node.alive())  # type: ignore[misc]
                finally:
                    await drill.close()
        with serving("--token-file", str(token), environment=around) as node:
            drill = Drill(node.url, token.read_text().strip(), Noted())
            try:
                await used(node, drill, made)
                for what in ((), ("--tenant", "default"), ("--house",)):
                    done = await asyncio.to_thread(rotating(around, *what).wait, 60)
                    assert done == 0
                await used(node, drill, made)
            finally:
                await drill.close()
            assert node.stop() == 0
    assert len(made) == ROUNDS + 2


def described(url: str) -> dict[str, Any]:
    """The desk's API, to be imported."""
    text = """
openapi: 3.1.0
info: {title: Desk, version: "1"}
components: {securitySchemes: {token: {type: http, scheme: bearer}}}
security: [{token: []}]
paths: {/notes: {get: {operationId: listNotes, responses: {"200": {description: fine}}}}}
"""
    return {"slug": "desk", "source": {"text": text}, "options": {"base_url": url}}
