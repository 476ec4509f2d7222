"""A token is renewed though nobody calls, and though the node that began it is killed: another one goes on with it."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from apiloom.vault.custody import create_key
from support.gateway import gateway
from support.granted import granted, office
from support.oidc import authorization_server
from support.postgres import Postgres
from support.servers import serving

pytestmark = pytest.mark.system

LIFE = 12.0


async def test_a_renewal_that_a_killed_node_had_begun_is_finished_by_another(
    tmp_path: Path, postgres: Postgres
) -> None:
    create_key(tmp_path / "keys" / "key")
    data = postgres.url(await postgres.database()).replace("+asyncpg", "")
    around = {"APILOOM_KEY_FILE": str(tmp_path / "keys" / "key"), "APILOOM_DATA": data}
    with authorization_server(rotate=False) as server, office(server) as api:
        async with gateway(tmp_path, data=data) as house:
            house.clock.now = time.time()
            server.ttl(LIFE)
            there = await granted(house, server, api)
            server.reset()
            server.hold()
            with serving(environment=around, timeout=60) as one:
                async with asyncio.timeout(60):
                    while not server.waiting():
                        await asyncio.sleep(0.1)
                one.stop(signal.SIGKILL)
            assert (await there.grant()).generation == 1
            server.ttl(3600)
            server.release()
            with serving(environment=around, timeout=60):
                async with asyncio.timeout(150):
                    while (await there.grant()).generation == 1:
                        await asyncio.sleep(0.25)
            grant = await there.grant()
            assert (grant.state, grant.generation, grant.last_error) == ("active", 2, "")
            # that of the one which was killed, and the one that counts
            assert server.count("refresh_token") <= 2


async def test_a_node_that_starts_again_goes_on_with_what_it_had_begun(tmp_path: Path) -> None:
    around = {"APILOOM_KEY_FILE": str(tmp_path / "keys" / "key"), "APILOOM_DATA": str(tmp_path / "house")}
    with authorization_server(rotate=False) as server, office(server) as api:
        async with gateway(tmp_path) as house:
            house.clock.now = time.time()
            server.ttl(LIFE)
            there = await granted(house, server, api)
        server.hold()
        with serving(environment=around, timeout=60) as one:
            async with asyncio.timeout(60):
                while not server.waiting():
                    await asyncio.sleep(0.1)
            one.stop(signal.SIGKILL)
        server.ttl(3600)
        server.release()
        with serving(environment=around, timeout=60) as two:
            async with gateway(tmp_path) as beside:
                there.gateway = beside
                async with asyncio.timeout(120):
                    while (await there.grant()).generation == 1:
                        await asyncio.sleep(0.25)
            assert two.stop() == 0
