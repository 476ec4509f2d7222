"""A copy of a store does no harm: after restoring, no family of tokens is ended and nothing that was revoked counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway.backups import back_up, claim, restore
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.accounts import delete_account
from apiloom.flows.api_tokens import revoke_api_token
from apiloom.flows.asking import Removal
from apiloom.flows.server_tokens import revoke_token
from apiloom.flows.servers import delete_server
from apiloom.flows.tenants import delete_tenant
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.terms import ByRefresh
from support.gateway import ask, call, gateway, http
from support.granted import Granted, granted, office
from support.oidc import AuthorizationServer

HOUR = 3600.0


@pytest.fixture
def server(oidc: AuthorizationServer) -> AuthorizationServer:
    return oidc


def silent(_: str) -> None:
    """Nobody watches."""


def later(there: Granted, seconds: float) -> None:
    there.gateway.clock.now += seconds
    there.server.skew(there.gateway.clock.now - 1_800_000_000.0)


async def rotate(there: Granted, client: Any, times: int) -> None:
    for _ in range(times):
        later(there, HOUR + 1)
        reply = await ask(client, there.url, "tools/call", {"name": "list_notes", "arguments": {}})
        assert not reply.json()["result"]["isError"], reply.text


async def refresh_token(there: Granted) -> Secret:
    held = await there.gateway.grounds.living.grants.load(f"{there.account.id}/login")
    assert held is not None
    assert held.tokens is not None
    assert held.tokens.refresh is not None
    return held.tokens.refresh


async def test_after_ten_rotations_and_five_revocations_a_restored_backup_kills_no_family_and_revives_nothing(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    backup = tmp_path / "backup"
    with office(server) as api:
        async with gateway(tmp_path) as house, http() as client:
            there = await granted(house, server, api)
            ground, place = house.ground, house.grounds.place
            other = await house.server(name="other", accounts=[there.account.id])
            gone = await house.server(name="gone", connectors=["notes"])
            spare = await house.account("notes")
            token = await house.api_token()
            await house.tenant("brief")
            await back_up(place, backup, silent)
            assert not (await ask(client, house.at(other), "tools/list")).is_error

            await rotate(there, client, 10)
            await house.done(revoke_token(ground, HOST, other.server.id, other.issued.token.id))
            await house.done(delete_server(ground, HOST, gone.server.id, Removal(cascade=True)))
            await house.done(delete_account(ground, HOST, spare.id, Removal(cascade=True)))
            async with ground.store.reading() as work:
                (key,) = [one for one in await work.house().api_tokens.every() if one.name == "t"]
            await house.done(revoke_api_token(ground, HOST, key.id, Removal()))
            await house.done(delete_tenant(ground, HOST, "brief", Removal(cascade=True)))
            newest, now = await refresh_token(there), house.clock.now
            assert (await there.grant()).generation == 11

        done = await restore(place, backup, (), silent, force=True)
        assert (done["journal"], done["forged"], done["stale"], done["ended"]) == (True, 0, 1, 6), (
            "and the token of a server"
        )
        assert Path(done["saved"]).exists()
        server.reset()

        async with gateway(tmp_path) as house, http() as client:
            house.clock.now = now
            there = Granted(house, server, there.account, there.client, there.url.replace(there.gateway.url, house.url))
            assert house.ground.dormant()
            assert (await client.get(f"{house.url}/readyz")).json() == {
                "status": "ready",
                "dormant": "it was restored from a backup",
            }
            for url in (house.at(other), house.at(gone)):
                assert (await ask(client, url, "tools/list")).status_code == 404
            assert (await ask(client, f"{house.url}/mcp", "tools/list", token=token)).status_code == 401
            async with house.ground.store.reading() as work:
                assert [one.id for one in await work.house().accounts.every()] == [there.account.id]
                assert await work.house().tenants.load("brief") is None

            for dormant in (True, False):
                assert house.ground.dormant() is dormant
                assert isinstance(await call(client, there.url, "list_notes"), str), "a sentence: connect it again"
                grant = await there.grant()
                assert (grant.generation, grant.state, grant.last_error) == (1, "needs_reconnect", "copies.stale")
                if dormant:
                    told = await claim(place, (), keep_grants=False, done=True)
                    assert (told["claimed"], told["journal"]) == (True, True)
                    await house.grounds.copies.look()
                    await house.settle()
            assert not [name for name in server.stats() if name.startswith("refresh")], "nothing old was shown"

            # the family lives: what the other installation held last still works
            async with house.ground.store.reading() as work:
                terms = (await house.grounds.living.grants.renewal(held_of(await grants_of(house, there)))).terms
                del work
            tokens = await fetch_tokens(house.grounds.sender, terms, ByRefresh(token=newest), now)
            assert tokens.refresh is not None

            server.reset()
            await there.connect()
            assert isinstance(await call(client, there.url, "list_notes"), dict)
            assert (await there.grant()).state == "active"


async def grants_of(house: Any, there: Granted) -> Any:
    return await house.grounds.living.grants.load(f"{there.account.id}/login")


def held_of(held: Any) -> Any:
    assert held is not None
    return held


async def test_a_dormant_copy_serves_what_still_lives_and_renews_nothing(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    backup = tmp_path / "backup"
    with office(server) as api:
        async with gateway(tmp_path) as house:
            there = await granted(house, server, api)
            place = house.grounds.place
            await back_up(place, backup, silent)
        await restore(place, backup, (), silent, force=True)
        server.reset()
        async with gateway(tmp_path) as house, http() as client:
            there = Granted(house, server, there.account, there.client, there.url.replace(there.gateway.url, house.url))
            later(there, 0.81 * HOUR)
            assert isinstance(await call(client, there.url, "list_notes"), dict), "its access token lives"
            later(there, HOUR)
            assert isinstance(await call(client, there.url, "list_notes"), str)
            assert not [name for name in server.stats() if name.startswith("refresh")]

            await claim(place, (), keep_grants=False, done=True)
            await house.grounds.copies.look()
            later(there, 120)
            assert isinstance(await call(client, there.url, "list_notes"), dict), "claimed, it renews again"
            assert server.count("refresh_token") == 1
