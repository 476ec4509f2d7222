"""Which copy of a store acts: first starts, copies, moves, put-back files, two nodes, and claims cut in the middle."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apiloom.app.gateway import copies as room
from apiloom.app.gateway.backups import claim
from apiloom.app.gateway.copies import Copies
from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.place import Place, read_place
from apiloom.base.errors import ApiloomError
from apiloom.flows.access import HOST
from apiloom.flows.ground import check_awake
from apiloom.flows.tenants import create_tenant
from apiloom.store.records import Account, ApiToken, Connector, Grant
from support.postgres import Postgres

NOW = 1_800_000_000.0


def place_at(folder: Path, data: str = "") -> Place:
    key = {"APILOOM_KEY_FILE": str(folder / "keys" / "key")}
    return read_place(data or str(folder / "house"), key)


@asynccontextmanager
async def grounds_at(place: Place) -> AsyncIterator[Grounds]:
    grounds = await open_grounds(place, now=lambda: NOW, environment=place.environment)
    try:
        yield grounds
    finally:
        await grounds.close()


async def reason_at(place: Place) -> str:
    async with grounds_at(place) as grounds:
        assert grounds.ground.dormant() is bool(grounds.copies.reason)
        return grounds.copies.reason


async def fill(grounds: Grounds) -> None:
    async with grounds.store.writing() as work:
        house = work.house()
        await house.connectors.add(Connector(id="shop"))
        for number, kind in enumerate(("code", "client_credentials")):
            await house.accounts.add(Account(id=f"acc_{number}", tenant="default", connector="shop", created_at=1.0))
            await house.grants.add(
                Grant(
                    id=f"acc_{number}/o",
                    tenant="default",
                    account=f"acc_{number}",
                    scheme="o",
                    kind=kind,  # type: ignore[arg-type]
                    created_at=1.0,
                )
            )
        await house.api_tokens.add(ApiToken(id="key_1", tenant=None, name="n", role="owner", digest=b"d"))


async def states(place: Place) -> dict[str, str]:
    async with grounds_at(place) as grounds, grounds.store.reading() as work:
        return {grant.id: grant.state for grant in await work.house().grants.every()}


async def test_a_new_store_is_claimed_where_it_was_made_and_stays_so(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    for _ in range(3):
        assert await reason_at(place) == ""


async def test_a_copied_folder_is_dormant_and_says_what_to_do(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    async with grounds_at(place) as grounds:
        await fill(grounds)
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    copy = place_at(tmp_path, str(tmp_path / "copy"))
    async with grounds_at(copy) as grounds:
        assert grounds.copies.reason == "moved"

        async def look_up() -> None:
            check_awake(grounds.ground)

        for refuse in (grounds.copies.check_awake, look_up):
            with pytest.raises(ApiloomError) as refusal:
                await refuse()
            assert (refusal.value.code, "db claim" in refusal.value.hint) == ("store.dormant", True)
    assert await reason_at(place) == "", "the one it was copied from goes on"


async def test_a_moved_folder_needs_one_command_and_loses_no_grant(tmp_path: Path) -> None:
    async with grounds_at(place_at(tmp_path)) as grounds:
        await fill(grounds)
    (tmp_path / "house").rename(tmp_path / "elsewhere")
    moved = place_at(tmp_path, str(tmp_path / "elsewhere"))
    told = await claim(moved, (), keep_grants=False, done=False)
    assert (told["claimed"], told["journal"], told["marked"], bool(told["dormant"])) == (False, True, 0, True)
    assert await reason_at(moved) == "moved", "asking changes nothing"
    assert (await claim(moved, (), keep_grants=False, done=True))["claimed"] is True
    assert await reason_at(moved) == ""
    assert set((await states(moved)).values()) == {"active"}


async def test_claiming_a_copy_puts_the_one_it_was_copied_from_to_sleep_at_once(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    async with grounds_at(place) as original:
        await fill(original)
        shutil.copytree(tmp_path / "house", tmp_path / "copy")
        copy = place_at(tmp_path, str(tmp_path / "copy"))
        await original.copies.check_awake()
        await claim(copy, (), keep_grants=False, done=True)
        with pytest.raises(ApiloomError) as refusal:
            await original.copies.check_awake()
        assert (refusal.value.code, original.copies.reason) == ("store.dormant", "lost")
        await original.copies.look()
        assert original.copies.reason == "lost"
    assert await reason_at(copy) == ""
    assert await reason_at(place) == "lost"
    await claim(place, (), keep_grants=False, done=True)
    assert await reason_at(place) == ""
    assert await reason_at(copy) == "lost"


async def test_a_file_put_back_in_its_own_place_is_found_out_by_its_journal(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    async with grounds_at(place) as grounds:
        await fill(grounds)
    file = tmp_path / "house" / "apiloom.db"
    older = file.read_bytes()
    async with grounds_at(place) as grounds:
        for name in ("a", "b"):
            await create_tenant(grounds.ground, HOST, {"id": name})
        async with grounds.store.writing() as work:
            await work.house().api_tokens.remove("key_1")
    number = file.stat().st_ino
    file.write_bytes(older)
    assert file.stat().st_ino == number
    async with grounds_at(place) as grounds:
        assert grounds.copies.reason == "older"
        async with grounds.store.reading() as work:
            assert await work.house().api_tokens.load("key_1") is None, "what was revoked stays so before any claim"
    assert (await claim(place, (), keep_grants=False, done=True))["claimed"] is True
    assert await reason_at(place) == ""


@pytest.mark.parametrize("keep", [False, True])
async def test_without_a_journal_only_what_a_person_granted_is_marked_unless_it_is_trusted(
    tmp_path: Path, keep: bool
) -> None:
    async with grounds_at(place_at(tmp_path)) as grounds:
        await fill(grounds)
    away = tmp_path / "away"
    shutil.copytree(tmp_path / "house", away / "house")
    (away / "keys").mkdir()
    shutil.copy(tmp_path / "keys" / "key", away / "keys" / "key")
    there = place_at(away)
    told = await claim(there, (), keep_grants=keep, done=True)
    assert (told["journal"], told["marked"]) == (False, 0 if keep else 1)
    assert await states(there) == {"acc_0/o": "active" if keep else "needs_reconnect", "acc_1/o": "active"}


async def test_a_claim_that_was_cut_after_the_store_was_told_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grounds_at(place_at(tmp_path)):
        pass
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    copy = place_at(tmp_path, str(tmp_path / "copy"))
    with monkeypatch.context() as cut:
        cut.setattr(Copies, "_keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            async with grounds_at(copy) as grounds:
                await grounds.copies.settle(grounds.copies.journal.read())
    assert await reason_at(copy) == ""
    assert await reason_at(place_at(tmp_path)) == "lost"


async def test_a_claim_that_was_cut_before_the_store_was_told_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grounds_at(place_at(tmp_path)):
        pass
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    copy = place_at(tmp_path, str(tmp_path / "copy"))
    async with grounds_at(copy) as grounds:
        monkeypatch.setattr(
            type(grounds.store), "set_installation", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            await grounds.copies.settle(grounds.copies.journal.read())
    monkeypatch.undo()
    assert await reason_at(copy) == "moved"
    assert await reason_at(place_at(tmp_path)) == ""


async def test_a_journal_that_cannot_be_written_keeps_nobody_from_revoking(tmp_path: Path) -> None:
    async with grounds_at(place_at(tmp_path)) as grounds:
        await fill(grounds)
        shutil.rmtree(grounds.copies.journal.folder)
        grounds.copies.journal.folder.write_text("in the way")
        async with grounds.store.writing() as work:
            assert await work.house().api_tokens.remove("key_1")
        assert grounds.copies.trouble
        async with grounds.store.reading() as work:
            assert await work.house().api_tokens.load("key_1") is None
        os.unlink(grounds.copies.journal.folder)  # noqa: PTH108 - it stands where a folder should
        await grounds.copies.look()
        assert grounds.copies.trouble == ""


async def test_a_journal_inside_of_the_data_is_refused(tmp_path: Path) -> None:
    around = {"APILOOM_KEY_FILE": str(tmp_path / "key"), "APILOOM_JOURNAL": str(tmp_path / "house" / "j")}
    with pytest.raises(ApiloomError) as refusal:
        await open_grounds(read_place(str(tmp_path / "house"), around), environment=around)
    assert refusal.value.code == "journal.inside"


async def test_two_nodes_on_one_database_both_act_and_both_follow_a_claim(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.url(await postgres.database())
    one = read_place(url, {"APILOOM_KEY_FILE": str(tmp_path / "one" / "key")})
    two = read_place(url, {"APILOOM_KEY_FILE": str(tmp_path / "two" / "key")})
    (tmp_path / "two").mkdir()
    async with grounds_at(make(one)) as first:
        await fill(first)
        shutil.copy(tmp_path / "one" / "key", tmp_path / "two" / "key")
        async with grounds_at(two) as second:
            assert (first.copies.reason, second.copies.reason) == ("", "")
            await second.copies.settle(second.copies.journal.read())
            for node in (first, second):
                await node.copies.look()
                assert node.copies.reason == ""
            # reached by another name, it may be a copy that took over that name
            await first.store.set_installation({}, {"place": "elsewhere"})
            for node in (first, second):
                await node.copies.look()
                assert node.copies.reason == "moved"


def make(place: Place) -> Place:
    """A key for a database: nobody makes one by itself."""
    file = Path(place.environment["APILOOM_KEY_FILE"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(KEY)
    file.chmod(0o600)
    return place


KEY = base64.b64encode(bytes(range(60, 92))).decode()


def test_every_reason_is_a_sentence() -> None:
    assert all(" " in told and told[0].islower() for told in room.REASONS.values())
