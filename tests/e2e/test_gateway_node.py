"""One node and its store: the key, the lock, the first owner, and what a node does that hears of no change."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.key_sources import key_sources
from apiloom.app.gateway.place import read_place
from apiloom.base import plugins
from apiloom.base.errors import CallerError, DesignError
from apiloom.flows.access import HOST
from apiloom.flows.servers import patch_server
from apiloom.store.records import Overlay
from support.gateway import READS, arrival, ask, call, desk, gateway, http, names


def around(folder: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder), **more}


async def test_the_key_is_made_once_outside_of_the_data_and_nothing_opens_without_it(tmp_path: Path) -> None:
    environment = around(tmp_path)
    place = read_place(str(tmp_path / "house"), environment)
    first = await open_grounds(place, environment=environment)
    fingerprint = first.custody.fingerprint
    await first.close()
    file = place.key_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "house").stat().st_mode) == 0o700
    assert not file.is_relative_to(tmp_path / "house")
    again = await open_grounds(place, environment=environment)
    assert again.custody.fingerprint == fingerprint
    await again.close()
    kept = file.read_text()
    file.unlink()
    with pytest.raises(DesignError, match="there is no key at"):
        await open_grounds(place, environment=environment)
    assert not file.exists()
    other = read_place(str(tmp_path / "other"), environment)
    await (await open_grounds(other, environment=environment)).close()
    wrong = {**environment, "APILOOM_KEY_FILE": str(other.key_file())}
    with pytest.raises(DesignError, match="the key is another than the one this store was made with"):
        await open_grounds(read_place(str(tmp_path / "house"), wrong), environment=wrong)
    given = {**environment, "APILOOM_KEY": kept.strip()}
    opened = await open_grounds(read_place(str(tmp_path / "house"), given), environment=given)
    assert opened.custody.fingerprint == fingerprint
    await opened.close()


async def test_a_first_start_that_ended_before_there_was_a_key_is_gone_on_with(tmp_path: Path) -> None:
    environment = around(tmp_path)
    place = read_place(str(tmp_path / "house"), environment)
    place.folder.mkdir(mode=0o700)  # type: ignore[union-attr]
    await (await plugins.load("apiloom.store.sql.opening:open_store")(place.url)).close()
    assert not place.is_new
    assert not place.key_file().exists()
    await (await open_grounds(place, environment=environment)).close()
    assert place.key_file().exists()


def test_a_key_is_not_kept_with_the_data(tmp_path: Path) -> None:
    environment = around(tmp_path, APILOOM_KEY_FILE=str(tmp_path / "house" / "key"))
    with pytest.raises(DesignError, match="lies inside of the data folder"):
        key_sources(read_place(str(tmp_path / "house"), environment))


async def test_no_key_is_ever_made_for_a_database_that_others_use(tmp_path: Path) -> None:
    place = read_place("postgresql://someone:hidden@db.invalid/house", around(tmp_path))
    assert "hidden" not in place.shown
    assert "hidden" not in repr(place)
    with pytest.raises(DesignError, match="there is no key at"):
        await key_sources(place)[0].read(())


@pytest.mark.parametrize("chosen", ["mysql://x/y", "https://x.invalid"])
def test_other_places_are_refused(chosen: str, tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="takes a folder or a postgresql"):
        read_place(chosen, around(tmp_path))


async def test_a_data_folder_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir(mode=0o755)
    environment = around(tmp_path)
    with pytest.raises(DesignError, match="is open to others"):
        await open_grounds(read_place(str(tmp_path / "house"), environment), environment=environment)


async def test_one_node_serves_a_folder(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'apiloom.db'}"
    hold = plugins.load("apiloom.store.sql.node:hold_node_lock")
    lock = await hold(url)
    with pytest.raises(CallerError, match="another node serves this data folder already"):
        await hold(url)
    await lock.release()
    await (await hold(url)).release()


async def test_a_node_that_hears_of_no_change_for_a_minute_is_not_ready(tmp_path: Path) -> None:
    seconds = [0.0]
    with desk() as upstream:
        async with gateway(tmp_path, seconds=lambda: seconds[0]) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            filtered = house.at(await house.server(accounts=[account.id], expires_at=None))
            free = {"methods": ["read", "write", "custom"]}
            ending = house.at(await house.server(accounts=[account.id], config=free))
            plain = house.at(await house.server(accounts=[account.id], config=free, expires_at=None))
            ready = f"{house.url}/readyz"
            assert (await client.get(ready)).status_code == 200
            seconds[0] = 60.5
            assert (await client.get(ready)).status_code == 503
            assert (await client.get(f"{house.url}/healthz")).status_code == 200
            answers = [(await ask(client, url, "tools/list")).status_code for url in (filtered, ending, plain)]
            assert answers == [503, 503, 200]
            await house.settle()
            assert (await client.get(ready)).status_code == 200
            assert (await ask(client, filtered, "tools/list")).status_code == 200


async def test_endpoints_give_way_and_come_back(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path, residents=2) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            urls = [house.at(await house.server(accounts=[account.id])) for _ in range(5)]
            for url in (*urls, *urls):
                assert (await call(client, url, "list_notes"))["whose"] == "ada"
                assert len(house.node.residents) <= 2


async def test_what_cannot_be_made_anew_is_served_as_it_was(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            url = house.at(await house.server(accounts=[account.id]))
            before = await names(client, url)
            await house.promote("desk", 9)
            assert await names(client, url) == before
            await house.promote("desk", 1)
            assert await names(client, url) == before


async def test_a_node_that_missed_too_much_reads_everything_anew(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            gone = await house.server(accounts=[account.id])
            assert await names(client, house.at(opened))
            async with house.ground.store.writing() as work:
                scope = work.tenant("default")
                await scope.server_tokens.remove(gone.issued.token.id)
                await scope.servers.remove(gone.server.id)
                patch = {"tools": {"get_note": {"hide": True}}}
                await work.house().overlays.add(Overlay(id="ovl_1", layer="connector", connector="desk", patch=patch))
            await house.node.reload()
            assert await names(client, house.at(opened)) == ["list_notes", "wait_long"]
            assert (await ask(client, house.at(gone), "tools/list")).status_code == 404


async def test_a_server_that_asks_for_more_cuts_who_came_in_with_less(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            opened = await house.server(accounts=[account.id])
            url = house.at(opened)
            running = asyncio.create_task(ask(client, url, "tools/call", {"name": "wait_long"}))
            await arrival(upstream)
            patch = {"config": {"require_api_token_auth": True}}
            await house.done(patch_server(house.ground, HOST, opened.server.id, patch))
            async with asyncio.timeout(15):
                assert (await running).status_code == 404
            assert (await ask(client, url, "tools/list")).status_code == 401


async def test_a_name_that_needs_escaping_is_found_on_either_road(tmp_path: Path) -> None:
    with desk() as upstream:
        async with gateway(tmp_path) as house, http() as client:
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-secret")
            await house.server(name="Ada's notes, öl", accounts=[account.id])
            token = await house.api_token()
            assert await names(client, f"{house.url}/mcp/s/Ada's%20notes,%20%C3%B6l", token) == READS
