"""A store copied into a file and back: all of it, of one moment, and nothing of a file that is not whole."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from apiloom.base.errors import ApiloomError
from apiloom.store.kinds import KINDS
from apiloom.store.ports import Store
from apiloom.store.sql import copying
from apiloom.store.sql.copying import check_whole, copy_in, copy_out, is_blank, read_about
from apiloom.store.sql.opening import open_store
from apiloom.store.sql.store import SqlStore
from apiloom.store.sql.tables import METADATA
from support.stores import ACME, OPEN, furnish, of_tenant, rows_of

KEY = bytes(range(32))
ABOUT = {"made_at": "5.0"}


def silent(_: str) -> None:
    """Nobody watches."""


async def everything(store: Store) -> dict[str, list[object]]:
    async with store.reading() as work:
        found = {kind.rows: list(await rows_of(work.house(), kind.rows).every()) for kind in KINDS}
        found["contents"] = [await work.house().versions.document(f"{OPEN}/1")]
    return found


@pytest.fixture
async def filled(bare: object) -> SqlStore:
    store = await open_store(bare.url)  # type: ignore[attr-defined]
    await furnish(store)
    return store


async def test_all_that_a_store_holds_is_in_the_file_and_comes_back_on_either_database(
    filled: SqlStore, bare: object, tmp_path: Path
) -> None:
    file = tmp_path / "copy"
    rows = await copy_out(filled, file, ABOUT, KEY, silent)
    before, told, seq = await everything(filled), await filled.installation(), await filled.change_seq()
    assert rows > 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"], "no log lies beside it"
    assert read_about(file)["made_at"] == "5.0"
    check_whole(file, KEY, silent)

    other = await open_store(await bare.new())  # type: ignore[attr-defined]
    assert await is_blank(other)
    async with other.writing() as work:
        for name in ("tenants", "tenant_keys"):
            await rows_of(work.house(), name).add(replace(of_tenant(ACME)[name]))
    assert not await is_blank(other) or (await other.change_seq()) > 0
    assert await copy_in(file, other, silent) == rows
    assert await everything(other) == before
    assert (await other.installation(), await other.change_seq()) == (told, seq)
    await other.close()
    await filled.close()


async def test_what_is_written_meanwhile_is_in_the_file_whole_or_not_at_all(
    filled: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every transaction adds a tenant and its key: a file that held one without the other would be of two moments."""
    monkeypatch.setattr(copying, "_AT_ONCE", 1)
    done = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not done.is_set() and written < 400:
            async with filled.writing() as work:
                for name in ("tenants", "tenant_keys"):
                    sample = of_tenant(f"t{written}")[name]
                    await rows_of(work.house(), name).add(sample)
            written += 1
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    while not written:
        await asyncio.sleep(0)
    await copy_out(filled, tmp_path / "copy", ABOUT, KEY, silent)
    done.set()
    await writing
    with closing(sqlite3.connect(tmp_path / "copy")) as connection:
        tenants = {row[0] for row in connection.execute("SELECT id FROM tenants WHERE id LIKE 't%'")}
        keys = {row[0] for row in connection.execute("SELECT tenant FROM tenant_keys WHERE tenant LIKE 't%'")}
    assert tenants == keys
    assert 0 < len(tenants) < written, "others wrote while it was copied"
    await filled.close()


def statement(text: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(text)

    return spoil


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4096])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    at = content.index("Größe".encode())
    content[at + 1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        cut,
        flipped,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no database at all, but long enough " * 200),
        statement("UPDATE api_tokens SET role = 'owner'"),
        statement("DELETE FROM audit WHERE id = 'aud_2house'"),
        statement("UPDATE backup SET value = '9' WHERE name = 'made_at'"),
        statement("DELETE FROM backup WHERE name = 'mark:api_tokens'"),
        statement("DROP TABLE backup"),
        statement("CREATE TABLE more (id TEXT)"),
        statement("CREATE INDEX more ON tenants (name)"),
        statement("CREATE TRIGGER more AFTER INSERT ON tenants BEGIN DELETE FROM tenants; END"),
        statement("CREATE VIEW more AS SELECT * FROM tenants"),
        statement("CREATE VIRTUAL TABLE more USING fts5(id)"),
        statement("UPDATE backup SET value = '0' WHERE name = 'shape'"),
        statement("DELETE FROM installation"),
    ],
)
async def test_a_file_that_is_not_as_it_was_made_is_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store/apiloom.db")
    await furnish(store)
    file = tmp_path / "copy"
    await copy_out(store, file, ABOUT, KEY, silent)
    await store.close()
    spoil(file)
    assert refusal_of(file) == "backup.damaged"


def refusal_of(file: Path) -> str:
    try:
        read_about(file)
        check_whole(file, KEY, silent)
    except ApiloomError as error:
        return error.code
    return ""


async def test_a_file_of_a_later_release_is_told_so(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store/apiloom.db")
    await copy_out(store, tmp_path / "copy", ABOUT, KEY, silent)
    await store.close()
    assert refusal_of(tmp_path / "copy") == ""
    statement("UPDATE installation SET value = '9' WHERE name = 'schema'")(tmp_path / "copy")
    assert refusal_of(tmp_path / "copy") == "backup.newer"


async def test_a_file_of_another_installation_is_told_by_its_marks(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store/apiloom.db")
    await copy_out(store, tmp_path / "copy", ABOUT, KEY, silent)
    await store.close()
    with pytest.raises(ApiloomError) as refusal:
        check_whole(tmp_path / "copy", b"x" * 32, silent)
    assert refusal.value.code == "backup.damaged"


async def test_a_store_of_a_later_release_is_not_copied_by_halves(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store/apiloom.db")
    await store.set_installation({}, {"schema": "9"})
    with pytest.raises(ApiloomError) as refusal:
        await copy_out(store, tmp_path / "copy", ABOUT, KEY, silent)
    assert refusal.value.code == "backup.newer"
    await store.close()


async def test_what_fails_in_the_middle_changes_nothing(filled: SqlStore, bare: object, tmp_path: Path) -> None:
    await copy_out(filled, tmp_path / "copy", ABOUT, KEY, silent)
    await filled.close()
    other = await open_store(await bare.new())  # type: ignore[attr-defined]
    await furnish(other)
    before = await everything(other)

    def full(told: str) -> None:
        if told.startswith("servers"):
            raise OSError(28, "no space left")

    with pytest.raises(ApiloomError) as fault:
        await copy_in(tmp_path / "copy", other, full)
    assert fault.value.code == "store.unreachable"
    assert await everything(other) == before
    await other.close()


async def test_every_table_is_copied(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store/apiloom.db")
    await copy_out(store, tmp_path / "copy", ABOUT, KEY, silent)
    told = read_about(tmp_path / "copy")
    marked = {name.removeprefix("mark:") for name in told if name.startswith("mark:")}
    assert marked == {*METADATA.tables, "alembic_version"}
    await store.close()
