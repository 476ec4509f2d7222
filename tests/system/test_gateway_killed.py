"""A gateway that is killed while it imports, promotes and changes servers has lost nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import random
import secrets
import signal
import subprocess
from functools import partial
from pathlib import Path

import httpx2 as httpx
import pytest

from apiloom.compile.artefact import unpack
from apiloom.store.sql.opening import open_store
from support.gateway import ask, http, until
from support.gateway_drill import Drill, Noted
from support.postgres import Postgres
from support.servers import APILOOM, Serving, clean_environment, ended, serving

pytestmark = pytest.mark.system

KILLS = 8
STARTS = 4
SEED = 20
PATIENCE = 60.0
WORKER = b"apiloom.app.workers.main"


@pytest.fixture(params=("sqlite", "postgresql"))
async def surroundings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a gateway that has no store yet: where it is to be, and its key."""
    if request.param == "sqlite":
        return {"APILOOM_DATA": str(tmp_path / "house"), "APILOOM_KEY_FILE": str(tmp_path / "keys" / "key")}
    server: Postgres = request.getfixturevalue("postgres")
    url = server.url(await server.database()).replace("+asyncpg", "")
    return {"APILOOM_DATA": url, "APILOOM_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}


def store_url(surroundings: dict[str, str]) -> str:
    place = surroundings["APILOOM_DATA"]
    return place if "://" in place else f"sqlite+aiosqlite:///{place}/apiloom.db"


def workers_of(node: int) -> list[int]:
    """The worker processes of a node: its children, by what they run."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and WORKER in (entry / "cmdline").read_bytes():
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == node:
                    found.append(int(entry.name))
    return found


def is_worker(process: int) -> bool:
    """Whether a process still runs, and still is a worker."""
    try:
        return WORKER in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def all_gone(workers: tuple[int, ...]) -> bool:
    """Whether none of these worker processes is left."""
    return not any(is_worker(each) for each in workers)


async def changed_until_killed(node: Serving, token: str, noted: Noted, after: float) -> list[int]:
    """Change things on a node, kill it after so many seconds; the worker processes that it had."""
    drill = Drill(node.url, token, noted)
    try:
        await drill.set_up()
        changing = asyncio.create_task(drill.run())
        _, still = await asyncio.wait({changing}, timeout=after)
        assert still, changing.exception()
        workers = workers_of(node.process.pid)
        os.kill(node.process.pid, signal.SIGKILL)
        node.process.wait(PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await changing
    finally:
        await drill.close()
    return workers


async def check_store(url: str, noted: Noted, unpacked: set[int]) -> None:
    """That every version is there whole, and of those that were acknowledged each is what it was."""
    store = await open_store(url)
    try:
        async with store.reading() as work:
            house = work.house()
            connector = await house.connectors.load("shop")
            assert connector is not None
            versions = {each.number: each for each in await house.versions.every({"connector": "shop"})}
            assert sorted(versions) == list(range(1, len(versions) + 1))
            assert [number for number, each in versions.items() if each.state == "current"] == [connector.current]
            assert connector.current in noted.served
            for number, hash_ in noted.versions.items():
                assert versions[number].hash == (hash_ or versions[number].hash)
            # at most the one that was on its way is there beside what was acknowledged
            assert len(versions) - len(noted.versions) in (0, 1)
            for number in {*versions} - unpacked | {connector.current}:
                artefact = unpack(await house.versions.artefact(f"shop/{number}") or b"")
                assert (artefact.hash, len(artefact.tools)) == (versions[number].hash, versions[number].tools)
                assert await house.versions.document(f"shop/{number}")
            lines = {(line.action, line.target) for line in await house.audit.every()}
            assert {("version.import", f"shop/{number}") for number in versions if number > 1} <= lines
            assert {("server.create", id_) for id_ in noted.servers.values()} <= lines
    finally:
        await store.close()
    unpacked.update(versions)
    noted.versions = {number: each.hash for number, each in versions.items()}
    noted.served = {connector.current}


async def check_served(node: Serving, noted: Noted) -> None:
    """That servers which were acknowledged answer, and revoked tokens do not."""

    async def status(client: httpx.AsyncClient, token: str) -> int:
        reply = await ask(client, f"{node.url}/mcp/{token}", "tools/list")
        if reply.status_code == 200:
            assert reply.json()["result"]["tools"]
        return reply.status_code

    async with http() as client:
        assert {await status(client, token) for token in noted.servers} <= {200}
        assert {await status(client, token) for token in noted.gone} <= {404}


async def test_a_gateway_killed_at_any_moment_has_lost_nothing(surroundings: dict[str, str], tmp_path: Path) -> None:
    moments = random.Random(SEED)
    noted, unpacked, token = Noted(), set[int](), tmp_path / "owner"
    workers: list[int] = []
    for _ in range(KILLS):
        with serving("--token-file", str(token), environment=surroundings) as node:
            if noted.answers:
                await check_store(store_url(surroundings), noted, unpacked)
                await check_served(node, noted)
            workers += await changed_until_killed(node, token.read_text().strip(), noted, moments.uniform(0.1, 1.5))
        await until(partial(all_gone, tuple(workers)))
    with serving("--token-file", str(token), environment=surroundings) as node:
        await check_store(store_url(surroundings), noted, unpacked)
        await check_served(node, noted)
        assert node.stop() == 0
    # what was killed was at something: a drill that does nothing would prove nothing
    assert len(noted.versions) > KILLS // 2
    assert len(noted.servers) > KILLS // 2
    assert workers


async def test_a_gateway_killed_while_it_starts_for_the_first_time_starts_again(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    moments = random.Random(SEED)
    token = tmp_path / "owner"
    for _ in range(STARTS):
        process = subprocess.Popen(
            [*APILOOM, "serve", "--http", "127.0.0.1:0", "--token-file", str(token)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(str(tmp_path), surroundings),
            start_new_session=True,
        )
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0.4, 1.6))
            assert process.poll() is None, "it ended by itself"
            process.kill()
        finally:
            ended(process)
    with serving("--token-file", str(token), environment=surroundings) as node:
        drill = Drill(node.url, token.read_text().strip(), Noted())
        try:
            assert (await drill.ask("GET", "/whoami"))["role"] == "owner"
        finally:
            await drill.close()
