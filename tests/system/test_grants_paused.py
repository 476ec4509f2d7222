"""A node that stands still in the middle of a renewal, and goes on when another has taken over: at every step."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from apiloom.vault.custody import create_key
from support.drills import drill
from support.gateway import PATIENCE, ask, gateway, http
from support.granted import granted, office
from support.oidc import authorization_server
from support.postgres import Postgres

pytestmark = pytest.mark.system

DRILL = """
import asyncio, os, signal, sys
from dataclasses import replace
from pathlib import Path
from contextlib import asynccontextmanager
from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.place import read_place

async def main():
    data, key, id_, clock, step = sys.argv[1:6]
    around = {"APILOOM_KEY_FILE": key, "APILOOM_ALLOW_ADDRESSES": "127.0.0.0/8,::1"}
    now = lambda: float(Path(clock).read_text())
    grounds = await open_grounds(read_place(data, around), now=now, environment=around)
    keeper, kept, stopped = grounds.living.keeper, grounds.living.grants, []

    def still(here):
        # once: what was held up begins anew
        if here == step and not stopped:
            stopped.append(here)
            print("still", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)

    class Stepped:
        async def take(self, *given):
            found = await kept.take(*given)
            still("taken")
            return found

        async def renewal(self, held):
            found = await kept.renewal(held)
            still("looked up")
            return found

        async def keep(self, *given):
            still("answered")
            found = await kept.keep(*given)
            still("written")
            return found

        def __getattr__(self, name):
            return getattr(kept, name)

    store = kept.store

    class Turned:
        turns = 0

        def __getattr__(self, name):
            return getattr(store, name)

        @asynccontextmanager
        async def writing(self):
            async with store.writing() as work:
                yield work
                self.turns += 1
                still({1: "taking", 2: "writing"}.get(self.turns, ""))

    kept.store = Turned()
    stepped = Stepped()
    keeper.ports = replace(keeper.ports, store=stepped, lease=stepped, renewals=stepped)
    held = await kept.load(id_)
    try:
        print("has", (await keeper.renew(held)).generation, flush=True)
    except Exception as error:
        print("failed", getattr(error, "code", type(error).__name__), flush=True)
    await keeper.close()
    await grounds.close()

asyncio.run(main())
"""


def stands_still(process: subprocess.Popen[str]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def idle(postgres: Postgres) -> int:
    """How many hold a transaction open and do nothing."""
    async with postgres.connected() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'apiloom' AND state = 'idle in transaction'"
        )
    return count


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "is killed"])
@pytest.mark.parametrize("step", ["taking", "taken", "looked up", "answered", "writing", "written"])
async def test_a_renewal_that_stands_still_anywhere_ends_nothing_that_another_goes_on_with(
    tmp_path: Path, postgres: Postgres, step: str, end: signal.Signals
) -> None:
    create_key(tmp_path / "keys" / "key")
    data = postgres.url(await postgres.database()).replace("+asyncpg", "")
    clock = tmp_path / "clock"
    with authorization_server() as server, office(server) as api:
        async with gateway(tmp_path, data=data) as house, http() as client:
            there = await granted(house, server, api)
            server.reset()

            def later(seconds: float) -> None:
                house.clock.now += seconds
                draft = clock.with_suffix(".draft")
                draft.write_text(str(house.clock.now))
                draft.replace(clock)
                server.skew(house.clock.now - 1_800_000_000.0)

            async def told() -> str:
                reply = await ask(client, there.url, "tools/call", {"name": "list_notes", "arguments": {}})
                # whoever is kept waiting is answered in a stream
                last = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.strip()][-1]
                result = json.loads(last)["result"]
                return str(result["_meta"]["dev.apiloom/error"]["code"]) if result["isError"] else ""

            later(3600)
            given = (data, str(tmp_path / "keys" / "key"), f"{there.account.id}/login", str(clock), step)
            with drill(DRILL, *given) as process:
                assert process.stdout is not None
                line = await asyncio.to_thread(process.stdout.readline)
                assert line.strip() == "still", line
                async with asyncio.timeout(PATIENCE):
                    while not stands_still(process):
                        await asyncio.sleep(0.01)
                asked = asyncio.create_task(told())
                async with asyncio.timeout(3 * PATIENCE):
                    # whoever stands still in its turn to write loses it
                    while await idle(postgres):
                        await asyncio.sleep(0.1)
                    while not asked.done():
                        later(0.5)
                        await asyncio.sleep(0.1)
                first = await asked
                os.kill(process.pid, end)
                said = (await asyncio.to_thread(process.stdout.readline)).strip()
                await asyncio.to_thread(process.wait, PATIENCE)
            await house.settle()
            # a token that was used by one and shown by the other is what nobody can tell: only there it may be over
            is_lost = step in {"answered", "writing"}
            assert server.count("refresh_token", "invalid_grant") == is_lost
            assert server.count("refresh_token") == 1
            if not is_lost:
                assert first == ""
                assert (said == "has 2") == (end == signal.SIGCONT), said
                later(11)
                assert await told() == ""
                assert not await there.events()
            else:
                assert first == "account.needs_reconnect"
                assert len(await there.events()) == 1
                # what the late pair is worth, the next call finds out
                later(60)
                assert await told() in {"", "account.needs_reconnect"}
                await there.connect()
                assert await told() == ""
