"""Backups made and put back: refused early, checked first, and whoever is stopped in the middle has lost nothing."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway import backups, journal_outside
from apiloom.app.gateway.backups import back_up, claim, restore, upgrade
from apiloom.app.gateway.copies import Copies
from apiloom.app.gateway.doctor import examine
from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.place import Place, read_place
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError, HouseFault
from apiloom.flows.access import HOST
from apiloom.flows.accounts import create_account
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.flows.tenants import create_tenant
from apiloom.store.records import Grant
from apiloom.store.sql import copying
from apiloom.store.sql.node import hold_node_lock
from support.gateway import add_version, document
from support.postgres import Postgres

NOW = 1_800_000_000.0


def silent(_: str) -> None:
    """Nobody watches."""


def place_at(folder: Path, name: str = "house", url: str = "") -> Place:
    return read_place(url or str(folder / name), {"APILOOM_KEY_FILE": str(folder / "keys" / "key")})


async def tenants(place: Place) -> set[str]:
    grounds = await open_grounds(place, environment=place.environment)
    try:
        async with grounds.store.reading() as work:
            return {tenant.id for tenant in await work.house().tenants.every()}
    finally:
        await grounds.close()


async def add_tenants(place: Place, *ids: str) -> None:
    grounds = await open_grounds(place, environment=place.environment)
    try:
        for id_ in ids:
            await create_tenant(grounds.ground, HOST, {"id": id_})
    finally:
        await grounds.close()


async def refusal(attempt: Any) -> str:
    with pytest.raises(ApiloomError) as refused:
        await attempt
    assert "\n" not in refused.value.sentence()
    return refused.value.code


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A store with a sealed credential and a sealed client, backed up; then a tenant more."""
    place = place_at(tmp_path)
    grounds = await open_grounds(place, environment=place.environment)
    async with grounds.store.writing() as work:
        from_house = work.house()
        await from_house.connectors.add(connector())
        await add_version(from_house, "notes", 1, document(), {"base_url": "https://notes.example.com"})
    made = {"connector": "notes", "credentials": {"token": {"token": "hush-hush-hush"}}}
    await create_account(grounds.ground, HOST, made)
    await create_oauth_client(
        grounds.ground, HOST, {"connector": "notes", "client_id": "c", "secret": "hush-hush-hush"}
    )
    await create_tenant(grounds.ground, HOST, {"id": "first"})
    await grounds.close()
    await back_up(place, tmp_path / "backup", silent)
    await add_tenants(place, "second")
    return place


def connector() -> Any:
    return plugins.load("apiloom.store.records:Connector")(
        id="notes", current=1, options={"base_url": "https://notes.example.com"}
    )


def checks(told: dict[str, Any]) -> dict[str, str]:
    return {line["check"]: line["how"] for line in told["checks"]}


async def test_a_backup_holds_no_secret_and_no_key_and_is_proved_to_open(place: Place, tmp_path: Path) -> None:
    content = (tmp_path / "backup").read_bytes()
    key = (tmp_path / "keys" / "key").read_bytes().strip()
    assert b"hush-hush-hush" not in content
    assert key not in content
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    told = await examine(place, silent, backup=tmp_path / "backup", deep=True, public_url="https://loom.example.com")
    assert told["ok"], told
    assert {line["told"] for line in told["checks"] if "sealed" in line["check"]} == {
        "keys of tenants: 1 unwrap; sealed things: all 2 open"
    }


async def test_a_restored_store_is_what_it_was_and_what_was_there_is_kept(place: Place, tmp_path: Path) -> None:
    assert await refusal(restore(place, tmp_path / "backup", (), silent, force=False)) == "restore.there"
    assert "second" in await tenants(place)
    done = await restore(place, tmp_path / "backup", (), silent, force=True)
    assert await tenants(place) == {"default", "first"}
    shutil.copy(done["saved"], tmp_path / "house" / "apiloom.db")
    assert "second" in await tenants(place)


async def test_it_goes_back_into_an_empty_folder_too(place: Place, tmp_path: Path) -> None:
    there = place_at(tmp_path, "new")
    done = await restore(there, tmp_path / "backup", (), silent, force=False)
    assert (done["saved"], await tenants(there)) == ("", {"default", "first"})
    assert sorted(path.name for path in (tmp_path / "new").iterdir() if "-" not in path.name) == [
        "apiloom.db",
        "apiloom.db.node",
    ]
    del place


async def test_a_database_is_backed_up_and_restored_in_one_transaction(
    place: Place, tmp_path: Path, postgres: Postgres
) -> None:
    there = place_at(tmp_path, url=postgres.url(await postgres.database()))
    assert (await restore(there, tmp_path / "backup", (), silent, force=False))["saved"] == ""
    assert await tenants(there) == {"default", "first"}
    assert (await claim(there, (), keep_grants=False, done=True))["claimed"]
    await add_tenants(there, "third")
    await back_up(there, tmp_path / "other", silent)
    assert await refusal(restore(there, tmp_path / "backup", (), silent, force=False)) == "restore.there"
    done = await restore(there, tmp_path / "other", (), silent, force=True)
    assert Path(done["saved"]).exists()
    assert await tenants(there) == {"default", "first", "third"}
    assert (await examine(there, silent, backup=Path(done["saved"]), deep=True, public_url=""))["ok"] is False
    del place


async def test_what_is_served_or_in_use_is_not_replaced(place: Place, tmp_path: Path) -> None:
    lock = await hold_node_lock(place.url)
    assert await refusal(restore(place, tmp_path / "backup", (), silent, force=True)) == "store.served"
    await lock.release()
    assert "second" in await tenants(place)


async def test_what_cannot_be_is_refused_before_anything_is_touched(place: Place, tmp_path: Path) -> None:
    backup, bad = tmp_path / "backup", tmp_path / "bad"
    assert await refusal(back_up(place, backup, silent)) == "backup.exists"
    assert await refusal(back_up(place, tmp_path / "no" / "where", silent)) == "backup.file"
    assert await refusal(back_up(place_at(tmp_path, "nothing"), tmp_path / "x", silent)) == "backup.empty"
    assert await refusal(upgrade(place_at(tmp_path, "nothing"))) == "backup.empty"
    assert await refusal(claim(place_at(tmp_path, "nothing"), (), keep_grants=False, done=True)) == "backup.empty"
    assert not (tmp_path / "nothing").exists()
    assert await refusal(restore(place, tmp_path / "none", (), silent, force=True)) == "backup.file"
    bad.write_bytes(backup.read_bytes()[:-8192])
    assert await refusal(restore(place, bad, (), silent, force=True)) in {"backup.damaged", "store.unreachable"}
    stranger = read_place(str(tmp_path / "house"), {"APILOOM_KEY_FILE": str(tmp_path / "else" / "key")})
    (tmp_path / "else").mkdir()
    assert await refusal(restore(stranger, backup, (), silent, force=True)) == "custody.missing"
    assert not (tmp_path / "else" / "key").exists()
    other = place_at(tmp_path / "away")
    await add_tenants(other, "far")
    await back_up(other, tmp_path / "far", silent)
    assert await refusal(restore(place, tmp_path / "far", (), silent, force=True)) == "custody.other"
    assert await tenants(place) == {"default", "first", "second"}
    assert not [path.name for path in (tmp_path / "house").iterdir() if "restoring" in path.name]
    assert await upgrade(place) == {"place": place.shown, "from": 2, "to": 2}


async def test_a_full_disk_leaves_no_half_backup(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("_mark", "settle"):
        with monkeypatch.context() as patched:
            patched.setattr(copying, name, full)
            assert await refusal(back_up(place, tmp_path / "new", silent)) == "backup.file"
        assert not [path.name for path in tmp_path.iterdir() if "new" in path.name], name
    with monkeypatch.context() as patched:
        patched.setattr(copying, "_copy_table", full)
        assert await refusal(back_up(place, tmp_path / "new", silent)) == "backup.file"
    assert not [path.name for path in tmp_path.iterdir() if "new" in path.name]


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (backups, "copy_file"),
        (copying, "read_wrapped"),
        (copying, "check_whole"),
        (copying, "remake"),
        (copying, "_refill"),
        (backups, "open_grounds"),
        (backups, "reapply"),
        (copying, "settle"),
        (copying, "let_go"),
        (backups, "_sync"),
    ],
)
async def test_a_restore_that_is_stopped_anywhere_leaves_the_old_store_or_the_new_one_whole(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, what: str
) -> None:
    class StoppedError(BaseException):
        """As a kill: nothing gets to clean up."""

    def stopped(*_: object, **__: object) -> None:
        raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(where, what, stopped)
        patched.setattr(backups, "_clear", lambda _: None)
        with pytest.raises(StoppedError):
            await restore(place, tmp_path / "backup", (), silent, force=True)
    new = what == "_sync"
    assert await tenants(place) == ({"default", "first"} if new else {"default", "first", "second"})
    await restore(place, tmp_path / "backup", (), silent, force=True)
    assert await tenants(place) == {"default", "first"}


async def test_doctor_names_each_thing_that_is_wrong_with_a_hint(place: Place, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert checks(await examine(place, silent, backup=None, deep=False, public_url=""))["sealed"] == "ok"
    backup.chmod(0o644)
    (tmp_path / "house" / "apiloom.db").chmod(0o644)
    told = await examine(place, silent, backup=backup, deep=False, public_url="http://loom.example.com")
    assert checks(told) | {"public url": "wrong", "folder": "wrong", "backup file": "note"} == checks(told)
    assert not told["ok"]
    assert all(line["hint"] for line in told["checks"] if line["how"] != "ok")
    allowed = {**place.environment, "APILOOM_ALLOW_ADDRESSES": "not an address!"}
    told = await examine(read_place(str(tmp_path / "house"), allowed), silent, backup=None, deep=False, public_url="")
    assert checks(told)["addresses"] == "wrong"
    shutil.move(tmp_path / "keys" / "key", tmp_path / "lost")
    told = await examine(place, silent, backup=backup, deep=False, public_url="")
    assert checks(told)["key"] == "wrong"
    assert checks(told)["backup"] == "wrong"
    told = await examine(place_at(tmp_path, "nothing"), silent, backup=None, deep=False, public_url="")
    assert (told["ok"], (tmp_path / "nothing").exists()) == (False, False)


async def test_doctor_finds_what_does_not_open_and_who_wrote_into_the_journal(place: Place, tmp_path: Path) -> None:
    grounds = await open_grounds(place, environment=place.environment)
    async with grounds.store.writing() as work:
        house = work.house()
        (account,) = await house.accounts.every()
        from_record = plugins.load("dataclasses:replace")
        await house.accounts.save(from_record(account, sealed=account.sealed[:-1] + b"\0"), account.revision)
    grounds.copies.journal.file.write_text("mine\n")
    await grounds.close()
    told = checks(await examine(place, silent, backup=None, deep=True, public_url=""))
    assert (told["sealed"], told["journal"]) == ("wrong", "wrong")
    del tmp_path


def lines(place: Place) -> list[bytes]:
    """All that lies in the journal, whoever reads it."""
    folder = Path(place.environment["APILOOM_KEY_FILE"]).parent / "journal"
    return sorted(file.read_bytes() for file in folder.rglob("*.journal") if file.stat().st_size)


async def remove_tenant(place: Place, id_: str) -> None:
    grounds = await open_grounds(place, environment=place.environment)
    async with grounds.store.writing() as work:
        await work.house().tenants.remove(id_)
    await grounds.close()


async def grant(place: Place, scheme: str) -> None:
    """What a person has granted to the first account, for one scheme more."""
    grounds = await open_grounds(place, environment=place.environment)
    async with grounds.store.writing() as work:
        account = (await work.house().accounts.every())[0]
        made = Grant(id=f"{account.id}/{scheme}", tenant=account.tenant, account=account.id, scheme=scheme)
        await work.house().grants.add(made)
    await grounds.close()


async def test_looking_at_a_backup_and_restoring_one_say_nothing_to_the_journal_of_what_lives(
    place: Place, tmp_path: Path
) -> None:
    await remove_tenant(place, "first")
    await add_tenants(place, "first")
    await back_up(place, tmp_path / "later", silent)
    before = lines(place)
    assert len(before) == 1
    await examine(place, silent, backup=tmp_path / "backup", deep=True, public_url="")
    assert lines(place) == before, "the doctor only looks"
    await restore(place, tmp_path / "backup", (), silent, force=True)
    assert "first" not in await tenants(place)
    assert lines(place) == before, "what is ended again is known already"
    await claim(place, (), keep_grants=False, done=True)
    assert lines(place) == before
    await restore(place, tmp_path / "later", (), silent, force=True)
    assert "first" in await tenants(place), "it was made anew before this backup"


async def test_what_ends_in_a_copy_that_does_not_act_ends_nothing_elsewhere_until_it_is_claimed(
    place: Place, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    copy = place_at(tmp_path, "copy")
    await remove_tenant(copy, "first")
    assert lines(place) == []
    await restore(place, tmp_path / "backup", (), silent, force=True)
    assert "first" in await tenants(place)
    await claim(copy, (), keep_grants=False, done=True)
    assert len(lines(place)) == 1
    folder = Path(place.environment["APILOOM_KEY_FILE"]).parent / "journal"
    assert not list(folder.rglob("*.dormant"))
    await restore(place, tmp_path / "backup", (), silent, force=True)
    assert "first" not in await tenants(place), "the copy acts now: what ended there has ended"


async def test_what_was_written_apart_before_a_claim_that_was_cut_counts_once_the_copy_is_opened(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    copy = place_at(tmp_path, "copy")
    await remove_tenant(copy, "first")
    with monkeypatch.context() as cut:
        cut.setattr(Copies, "_keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            await claim(copy, (), keep_grants=False, done=True)
    assert lines(place) == []
    await tenants(copy)
    assert len(lines(place)) == 1


async def test_nothing_that_a_backup_defines_gets_into_the_store(place: Place, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    for text in (
        "CREATE TRIGGER t AFTER INSERT ON tenants BEGIN UPDATE tenants SET name = 'x' WHERE id = new.id; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON tenants (name)",
        "ALTER TABLE tenants ADD COLUMN more TEXT DEFAULT 'x'",
    ):
        shutil.copy(tmp_path / "backup", spoilt)
        with contextlib.closing(sqlite3.connect(spoilt)) as connection, connection:
            connection.execute(text)
        assert await refusal(restore(place, spoilt, (), silent, force=True)) == "backup.damaged", text
        told = checks(await examine(place, silent, backup=spoilt, deep=False, public_url=""))
        assert told["backup"] == "wrong", text
    assert "second" in await tenants(place)


async def test_a_backup_is_checked_before_anything_opens_it_as_a_store(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for where, name in ((copying, "check_whole"), (copying, "remake"), (backups, "open_grounds")):
        real = getattr(where, name)
        monkeypatch.setattr(
            where, name, lambda *a, _real=real, _name=name, **k: (order.append(_name), _real(*a, **k))[1]
        )
    await restore(place, tmp_path / "backup", (), silent, force=True)
    assert order == ["check_whole", "remake", "open_grounds"]


async def test_a_journal_that_began_after_a_backup_was_made_is_not_trusted_with_it(
    place: Place, tmp_path: Path
) -> None:
    """On another machine, where the journal of the first is not, a backup may be put back twice."""
    await grant(place, "one")
    await back_up(place, tmp_path / "granted", silent)
    there = read_place(str(tmp_path / "new"), {**place.environment, "APILOOM_JOURNAL": str(tmp_path / "elsewhere")})
    assert not (await restore(there, tmp_path / "granted", (), silent, force=False))["journal"]
    found = await examine(there, silent, backup=None, deep=False, public_url="")
    assert checks(found)["journal"] == "note"
    assert (await claim(there, (), keep_grants=False, done=True))["marked"] == 1
    await grant(there, "two")
    await back_up(there, tmp_path / "claimed", silent)

    again = await restore(there, tmp_path / "granted", (), silent, force=True)
    assert again["dropped"].endswith("Z")
    assert checks(await examine(there, silent, backup=None, deep=False, public_url=""))["journal"] == "wrong"
    assert (await claim(there, (), keep_grants=False, done=False))["marked"] == 1, "still nobody knows what was renewed"

    assert not (await restore(there, tmp_path / "claimed", (), silent, force=True))["dropped"]
    assert (await claim(there, (), keep_grants=False, done=True))["marked"] == 0, "this one was made since"


async def test_a_journal_that_was_full_makes_restore_and_doctor_complain_and_claiming_trust_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_outside, "LARGEST", 2000)
    monkeypatch.setattr(journal_outside, "MOST", 4000)
    await restore(place, tmp_path / "backup", (), silent, force=True)
    await claim(place, (), keep_grants=False, done=True)
    for number in range(40):
        await add_tenants(place, f"t{number}")
        await remove_tenant(place, f"t{number}")
    assert checks(await examine(place, silent, backup=None, deep=False, public_url=""))["journal"] == "wrong"
    assert (await restore(place, tmp_path / "backup", (), silent, force=True))["dropped"].endswith("Z")


async def test_nodes_that_serve_a_database_stop_acting_before_its_rows_are_replaced(
    place: Place, tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place_at(tmp_path, url=postgres.url(await postgres.database()))
    await restore(there, tmp_path / "backup", (), silent, force=False)
    await claim(there, (), keep_grants=False, done=True)
    node = await open_grounds(there, environment=there.environment)
    await node.copies.check_awake()
    real, seen = copying.copy_in, []

    async def looked(*given: Any) -> int:
        # a node that sees another journal folder finds it out in the store
        assert not node.ground.dormant()
        assert await refusal(node.living.grants.take("acc/oauth", 0, 5.0)) == "store.dormant"
        node.copies.reason = ""
        monkeypatch.setattr(node.living.grants, "check_awake", nothing)
        assert await refusal(node.living.grants.take("acc/oauth", 0, 5.0)) == "store.dormant"
        monkeypatch.undo()
        seen.append(1)
        return await real(*given)

    async def fails(*_: Any) -> int:
        raise HouseFault("no", code="store.unreachable")

    monkeypatch.setattr(copying, "copy_in", fails)
    assert await refusal(restore(there, tmp_path / "backup", (), silent, force=True)) == "store.unreachable"
    await node.copies.check_awake()
    assert not await node.copies.look(), "what failed changes nothing"
    monkeypatch.setattr(copying, "copy_in", looked)
    await restore(there, tmp_path / "backup", (), silent, force=True)
    assert seen == [1]
    assert await refusal(node.copies.check_awake()) == "store.dormant"
    await node.close()
    del place


async def nothing() -> None:
    """Refuses nobody."""


async def test_what_is_there_is_kept_on_a_file_system_without_links_too(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlinked(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(backups.os, "link", unlinked)
    told = await restore(place, tmp_path / "backup", (), silent, force=True)
    monkeypatch.undo()
    assert await tenants(place) == {"default", "first"}
    shutil.move(told["saved"], tmp_path / "house" / "apiloom.db")
    assert await tenants(place) == {"default", "first", "second"}


def really_but_for(full: Any) -> Any:
    def copied(source: Path, target: Path) -> None:
        (full if ".before-" in target.name else shutil.copy)(source, target)

    return copied


async def test_a_store_that_cannot_be_replaced_is_there_still_and_one_sentence_says_so(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(backups.os, "link", full)
        patched.setattr(backups, "copy_file", really_but_for(full))
        assert await refusal(restore(place, tmp_path / "backup", (), silent, force=True)) == "backup.file"
    assert await tenants(place) == {"default", "first", "second"}
