"""Two nodes on one PostgreSQL, and nodes that are killed: a grant is renewed once, and what is in doubt is told."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from apiloom.vault.custody import create_key
from apiloom.vault.keeping import LEASE
from support.drills import drill
from support.gateway import PATIENCE, Gateway, ask, gateway, http
from support.granted import Granted, granted, office
from support.oidc import AuthorizationServer, authorization_server
from support.postgres import Postgres

pytestmark = pytest.mark.system

HOUR = 3600.0


async def result(client: Any, url: str) -> Any:
    return (await ask(client, url, "tools/call", {"name": "list_notes", "arguments": {}})).json()["result"]


def at(house: Gateway, url: str) -> str:
    """The same secret URL on another node."""
    return f"{house.url}/mcp/{url.rpartition('/')[2]}"


@pytest.mark.parametrize("off", [0.0, 300.0, -300.0])
async def test_two_nodes_renew_a_grant_once_whatever_their_clocks_say(
    tmp_path: Path, postgres: Postgres, off: float
) -> None:
    create_key(tmp_path / "keys" / "key")
    data = postgres.url(await postgres.database()).replace("+asyncpg", "")
    with authorization_server() as server, office(server) as api:
        async with gateway(tmp_path, data=data) as one, gateway(tmp_path, data=data) as two, http() as client:
            there = await granted(one, server, api)
            two.clock.now += off
            await two.settle()
            urls = [there.url, at(two, there.url)]
            for url in urls:
                assert not (await result(client, url))["isError"]
            # the later clock decides when it is over
            for passed in (HOUR, HOUR):
                server.reset()
                one.clock.now += passed
                two.clock.now += passed
                server.skew(one.clock.now - 1_800_000_000.0)
                answers = await asyncio.gather(*(result(client, url) for _ in range(50) for url in urls))
                assert not any(answer["isError"] for answer in answers)
                assert server.count("refresh_token") == 1
                assert server.count("refresh_token", "invalid_grant") == 0
                await one.settle()
                await two.settle()


DRILL = """
import asyncio, os, sys
from pathlib import Path
from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.place import read_place

async def main():
    data, key, id_, now, when = sys.argv[1:6]
    around = {"APILOOM_KEY_FILE": key, "APILOOM_ALLOW_ADDRESSES": "127.0.0.0/8,::1"}
    grounds = await open_grounds(read_place(data, around), now=lambda: float(now), environment=around)
    grants = grounds.living.grants
    if when == "answered":
        async def keep(*_):
            print("answered", flush=True)
            await asyncio.Event().wait()
        type(grants).keep = lambda *_: keep()
    held = await grants.load(id_)
    print("begun", flush=True)
    await grounds.living.keeper.renew(held)
    print("renewed", flush=True)

asyncio.run(main())
"""


async def _killed(there: Granted, data: str, folder: Path, when: str) -> None:
    """A node that is killed in the middle of a renewal."""
    given = (data, str(folder / "keys" / "key"), f"{there.account.id}/login", str(there.gateway.clock.now), when)
    with drill(DRILL, *given) as process:
        assert process.stdout is not None
        wanted = "answered" if when == "answered" else "begun"
        while (line := await asyncio.to_thread(process.stdout.readline)).strip() != wanted:
            assert line, "the node ended by itself"
        if when == "asked":
            async with asyncio.timeout(PATIENCE):
                while not there.server.waiting():
                    await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)


def advance(there: Granted, server: AuthorizationServer, seconds: float) -> None:
    there.gateway.clock.now += seconds
    server.skew(there.gateway.clock.now - 1_800_000_000.0)


async def _answered(asked: asyncio.Task[Any], there: Granted, server: AuthorizationServer) -> Any:
    """Let time pass until a call is answered: longer than a lease lasts, and never while the dead may be at work."""
    passed = 0.0
    async with asyncio.timeout(PATIENCE):
        while not asked.done():
            assert passed > LEASE or not server.count("refresh_token", "invalid_grant")
            advance(there, server, 1)
            passed += 1
            await asyncio.sleep(0.1)
    return await asked


async def test_a_node_killed_between_the_answer_and_the_write_leaves_a_doubt_that_is_told(tmp_path: Path) -> None:
    with authorization_server() as server, office(server) as api:
        async with gateway(tmp_path) as house, http() as client:
            there = await granted(house, server, api)
            advance(there, server, HOUR)
            await _killed(there, str(tmp_path / "house"), tmp_path, "answered")
            assert server.count("refresh_token") == 1
            # the refresh token was used up by the one that died: the provider says so, and that is what is told
            told = await _answered(asyncio.create_task(result(client, there.url)), there, server)
            assert told["_meta"]["dev.apiloom/error"]["code"] == "account.needs_reconnect"
            assert "the answer got lost" in told["content"][0]["text"]
            assert (await there.grant()).last_error == "oauth.in_doubt"
            assert len(await there.events()) == 1
            await there.connect()
            assert not (await result(client, there.url))["isError"]


async def test_a_node_killed_before_the_provider_took_the_token_costs_nothing(tmp_path: Path) -> None:
    with authorization_server() as server, office(server) as api:
        async with gateway(tmp_path) as house, http() as client:
            there = await granted(house, server, api)
            advance(there, server, HOUR)
            server.down("close")
            with drill(
                DRILL,
                str(tmp_path / "house"),
                str(tmp_path / "keys" / "key"),
                f"{there.account.id}/login",
                str(house.clock.now),
                "never",
            ) as process:
                await asyncio.to_thread(process.wait, PATIENCE)
            server.up()
            assert not (await result(client, there.url))["isError"]
            assert server.count("refresh_token") == 1
