"""Opening a store: empty, older, newer, by two at once, and where its file lies."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from apiloom.base.errors import ApiloomError, CallerError, HouseFault
from apiloom.store.kinds import KINDS
from apiloom.store.records import Connector
from apiloom.store.sql import opening
from apiloom.store.sql.engine import WRITES, build_engine, make_file, read_place
from apiloom.store.sql.migrating import SCRIPTS
from apiloom.store.sql.node import hold_node_lock
from apiloom.store.sql.opening import SCHEMA, open_store
from apiloom.store.sql.store import SqlStore
from apiloom.store.sql.tables import METADATA
from support.postgres import Postgres
from support.stores import ACME, OPEN, of_connector, of_tenant, rows_of

SECOND = {"house_keys", "oauth_clients", "grants", "connect_sessions", "events", "beats", "registrations", "sign_ins"}
SECOND.add("token_families")
"""Tables that the second schema added."""


@pytest.fixture
def ask(bare: Any, request: pytest.FixtureRequest) -> Any:
    """Sends statements past the store."""
    server = request.getfixturevalue("postgres") if bare.engine == "postgresql" else None

    async def asked(statement: str) -> list[Any]:
        return list(await bare.raw(statement, server))

    return asked


def said(name: str, value: int) -> str:
    return f"UPDATE installation SET value = '{value}' WHERE name = '{name}'"  # noqa: S608 - our own words


async def test_an_empty_place_becomes_a_store_and_stays_one(bare: Any) -> None:
    first = await open_store(bare.url)
    told = await first.installation()
    async with first.writing() as work:
        assert [tenant.id for tenant in await work.house().tenants.every()] == ["default"]
        await work.house().connectors.add(Connector(id="a"))
    await first.close()
    again = await open_store(bare.url)
    assert await again.installation() == told
    async with again.reading() as work:
        assert await work.house().connectors.count() == 1
    await again.close()
    other = await open_store(await bare.new())
    assert (await other.installation())["id"] != told["id"]
    await other.close()


# an index over an expression cannot be read back from SQLite; on PostgreSQL it is compared
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
async def test_the_migrations_make_the_tables_that_this_release_reads(bare: Any) -> None:
    store = await open_store(bare.url)

    def difference(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [change for change in compare_metadata(context, METADATA) if not silent(change)]

    def silent(change: Any) -> bool:
        return bare.engine == "sqlite" and change[0] == "add_index" and change[1].unique

    async with store.engine.connect() as connection:
        assert await connection.run_sync(difference) == []
    await store.close()


async def test_several_that_open_an_empty_place_at_once_make_one_store(bare: Any) -> None:
    stores = await asyncio.gather(*(open_store(bare.url) for _ in range(4)))
    assert len({(await store.installation())["id"] for store in stores}) == 1
    for store in stores:
        await store.close()


async def test_a_newer_store_that_we_can_still_use_is_used_as_it_is(bare: Any, ask: Any) -> None:
    await (await open_store(bare.url)).close()
    await ask("ALTER TABLE connectors ADD COLUMN colour TEXT")
    await ask("ALTER TABLE accounts ADD COLUMN weight BIGINT NOT NULL DEFAULT 7")
    await ask(said("schema", SCHEMA + 1))
    await ask("UPDATE alembic_version SET version_num = '9999'")
    store = await open_store(bare.url)
    async with store.writing() as work:
        added = await work.house().connectors.add(Connector(id="a", title="A"))
        assert await work.house().connectors.load("a") == added
    await store.close()
    assert await ask("SELECT value FROM installation WHERE name = 'schema'") == [(str(SCHEMA + 1),)]


async def test_a_newer_store_that_we_cannot_use_is_refused_and_left_alone(bare: Any, ask: Any) -> None:
    await (await open_store(bare.url)).close()
    await ask(said("schema", SCHEMA + 2))
    await ask(said("schema_least", SCHEMA + 1))
    with pytest.raises(CallerError) as refusal:
        await open_store(bare.url)
    assert refusal.value.code == "store.newer"
    assert str(SCHEMA + 2) in refusal.value.message
    assert "\n" not in refusal.value.sentence()


async def test_a_migration_that_fails_leaves_nothing_behind(
    bare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_the_start = opening.plugins.load("apiloom.store.sql.migrating:migrate")

    def broken(connection: Connection) -> None:
        from_the_start(connection)
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    with monkeypatch.context() as patched:
        patched.setattr("apiloom.store.sql.migrating.migrate", broken)
        with pytest.raises(HouseFault):
            await open_store(bare.url)
    tables = (
        "SELECT name FROM sqlite_master"
        if bare.engine == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    assert await ask(tables) == []
    store = await open_store(bare.url)
    assert await store.change_seq() == 0
    await store.close()


async def test_the_release_before_can_use_what_the_last_migration_leaves(bare: Any, ask: Any) -> None:
    numbers = [int(script.revision) for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()]
    assert sorted(numbers) == list(range(1, SCHEMA + 1))
    await (await open_store(bare.url)).close()
    told = dict(await ask("SELECT name, value FROM installation"))
    assert int(told["schema"]) == SCHEMA
    assert int(told["schema_least"]) <= max(1, SCHEMA - 1)
    assert [int(row[0]) for row in await ask("SELECT version_num FROM alembic_version")] == [SCHEMA]


async def test_a_filled_store_of_the_first_schema_keeps_what_it_holds(bare: Any, ask: Any) -> None:
    """Migrated to the first schema alone, filled by hand as a release of that time did, then opened by this one."""
    migrate = opening.plugins.load("apiloom.store.sql.migrating:migrate")
    place = read_place(bare.url)
    if place.file is not None:
        make_file(place.file)
    engine = build_engine(place)
    async with engine.execution_options(**{WRITES: True}).connect() as connection:
        await connection.begin()
        await connection.run_sync(migrate, "0001")
        await connection.commit()
    await engine.dispose()
    first = {kind.rows for kind in KINDS} - SECOND
    store = SqlStore(build_engine(place))
    samples = {**of_connector(OPEN, tenants=None), **of_tenant(ACME)}
    async with store.writing() as work:
        for name, record in samples.items():
            if name in first:
                await rows_of(work.house(), name).add(record)
        await work.house().versions.put_content(f"{OPEN}/1", document=b"doc", artefact=b"artefact")
    told, seq = await store.installation(), await store.change_seq()
    await store.close()
    store = await open_store(bare.url)
    assert (await store.installation(), await store.change_seq()) == (told, seq)
    async with store.writing() as work:
        for name in first & set(samples):
            assert await rows_of(work.tenant(ACME), name).load(samples[name].id) == samples[name], name
        assert await work.house().versions.artefact(f"{OPEN}/1") == b"artefact"
        for name in SECOND & set(samples):
            await rows_of(work.house(), name).add(samples[name])
    await store.close()
    # what stands in columns and tables of the second schema is let be by a release that knows the first alone
    names = dict(await ask("SELECT name, value FROM installation"))
    assert (names["schema"], names["schema_least"]) == ("2", "1")


async def test_a_release_that_knows_the_first_schema_can_use_the_second(
    bare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_store(bare.url)).close()
    monkeypatch.setattr(opening, "SCHEMA", 1)
    store = await open_store(bare.url)
    samples = {**of_connector(OPEN, tenants=None), **of_tenant(ACME)}
    async with store.writing() as work:
        for name, record in samples.items():
            if name not in SECOND:
                await rows_of(work.house(), name).add(record)
                await rows_of(work.house(), name).save(record, 1)
    await store.close()


async def test_the_file_and_its_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/deep/kept/apiloom.db"
    store = await open_store(url)
    lock = await hold_node_lock(url)
    async with store.writing() as work:
        await work.house().connectors.add(Connector(id="a"))
    folder = tmp_path / "deep" / "kept"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes.pop("kept") == 0o700
    assert set(modes) >= {"apiloom.db", "apiloom.db-wal", "apiloom.db.node"}
    assert set(modes.values()) == {0o600}
    await lock.release()
    await store.close()


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "apiloom.db"
    await (await open_store(f"sqlite:///{file}")).close()
    file.chmod(0o644)
    await (await open_store(f"sqlite:///{file}")).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_sqlite_writes_ahead_and_holds_references(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/apiloom.db")
    async with store.engine.connect() as connection:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("foreign_keys", 1),
            ("synchronous", 2),
            ("busy_timeout", 20000),
        ):
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == value
    await store.close()


@pytest.mark.parametrize(
    "url",
    ["", "nowhere", "mysql://a/b", "sqlite://", "sqlite:///:memory:", "sqlite+pysqlite:///x", "http://x", "postgres"],
)
async def test_an_address_that_is_no_store_is_refused_in_one_sentence(url: str) -> None:
    for opened in (open_store, hold_node_lock):
        with pytest.raises(CallerError) as refusal:
            await opened(url)
        assert refusal.value.code == "store.url"


async def test_what_cannot_be_reached_is_said_so_without_its_address(postgres: Postgres, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "text.db").write_text("this is no database, and long enough to be read as one" * 40)
    for url in (
        f"sqlite:///{tmp_path}/file/apiloom.db",
        f"sqlite:///{tmp_path}/text.db",
        "postgresql://who:secret-word@127.0.0.1:1/x",
        postgres.url("no_such_database").replace("apiloom@", "apiloom:secret-word@"),
        postgres.url("postgres", role="nobody_at_all"),
    ):
        with pytest.raises(ApiloomError) as fault:
            await open_store(url)
        told = f"{fault.value.sentence()} {fault.value.facts}"
        assert fault.value.code == "store.unreachable", told
        assert "secret-word" not in told
        assert fault.value.__cause__ is None


async def test_one_node_serves_an_sqlite_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/apiloom.db"
    store = await open_store(url)
    lock = await hold_node_lock(url)
    with pytest.raises(CallerError) as refusal:
        await hold_node_lock(url)
    assert refusal.value.code == "store.served"
    async with store.writing() as work:
        await work.house().connectors.add(Connector(id="beside"))
    await lock.release()
    await lock.release()
    again = await hold_node_lock(url)
    await again.release()
    await store.close()


async def test_any_number_of_nodes_serves_postgres(postgres: Postgres) -> None:
    locks = [await hold_node_lock(postgres.url("any")) for _ in range(3)]
    for lock in locks:
        await lock.release()


ALONE = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode=DELETE').fetchone()[0])"


async def test_a_store_that_is_opened_once_more_here_still_keeps_other_processes_from_thinking_themselves_alone(
    tmp_path: Path,
) -> None:
    """Whoever ends alone clears the log away, with what others have open in it."""
    file = tmp_path / "apiloom.db"
    url = f"sqlite+aiosqlite:///{file}"

    def other() -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", ALONE, str(file)], capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, (done.stdout + done.stderr).strip().rpartition("\n")[2]

    store = await open_store(url)
    async with store.reading() as work:
        await work.house().connectors.every()
    assert other() == (1, "sqlite3.OperationalError: database is locked")
    again = await open_store(url)
    assert other() == (1, "sqlite3.OperationalError: database is locked")
    await again.close()
    await store.close()
    assert other() == (0, "delete")
