"""A store copied into one file, and a file copied into a store: every row, in batches, of one moment.

The file is an SQLite store with a table more, ``backup``, that says what it is and holds a keyed mark of the schema and
of every table: a file that was cut, damaged or changed by anybody without the key is told from a whole one. It never
holds the key. A store is made of its rows alone, in tables of our own making: nothing that a file defines ever runs.
Above it stand backup and restore; below it the stores. Loaded by dotted name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from apiloom.base import plugins
from apiloom.base.errors import CallerError, HouseFault
from apiloom.store.records import HouseKey
from apiloom.store.sql.engine import WRITES, build_engine, make_file, read_place
from apiloom.store.sql.failures import errors_of, translated
from apiloom.store.sql.opening import SCHEMA, open_store
from apiloom.store.sql.store import SqlStore
from apiloom.store.sql.tables import INSTALLATION, METADATA

sqlite3: Any = plugins.load("sqlite3")
"""SQLite itself, without the engine: for files that are looked at before anything opens them as a store."""

Say = Callable[[str], None]

FORMAT: Final = "1"

_AT_ONCE: Final = 500
_HEAVY: Final = {"contents": 4}
"""Rows of one statement; fewer where one row may be large."""

_MARK: Final = "mark:"
_SHAPE: Final = "shape"
_PLAIN: Final = ("CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX ")
"""How all begins that a backup may define: a trigger, a view or a virtual table would run what others wrote."""

_ABOUT: Final = "CREATE TABLE backup (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"


async def copy_out(store: SqlStore, draft: Path, about: Mapping[str, str], key: bytes, say: Say) -> int:
    """Copy a store as it is now into a new file; how many rows it has. Others may go on reading and writing meanwhile.

    Args:
        store: what is copied.
        draft: a file that is not there yet; what fails leaves it behind, of no use.
        about: what the file says of itself.
        key: 32 bytes that the marks are made with.
        say: told how far it is.

    Raises:
        CallerError: ``backup.newer`` for a store of a later release, of which this one knows not everything.
        HouseFault: ``store.unreachable``, also where the disk is full.
    """
    target = await open_store(f"sqlite+aiosqlite:///{draft}")
    try:
        async with store.reading() as source:
            await source.run(None, select(1))  # from here on it is the house that reads
            await _check_known(source.connection)
            async with target.writing() as work:
                copied = await _copy(source.connection, work.connection, store, target, say)
        await settle(target)
    finally:
        await target.close()
    say("marking what was copied")
    await asyncio.to_thread(_mark, draft, {**about, "format": FORMAT}, key)
    return copied


async def copy_in(file: Path, store: SqlStore, say: Say) -> int:
    """Replace all that a store holds by what a checked file holds, in one transaction; how many rows that is.

    Raises:
        HouseFault: ``store.unreachable``; nothing is changed then.
    """
    source = await open_store(f"sqlite+aiosqlite:///{file}")
    try:
        async with source.reading() as read, store.writing() as work:
            await work.run(None, select(1))
            return await _copy(read.connection, work.connection, source, store, say)
    finally:
        await source.close()


async def _check_known(connection: AsyncConnection) -> None:
    number = (
        await connection.execute(select(INSTALLATION.c.value).where(INSTALLATION.c.name == "schema"))
    ).scalar_one()
    if int(number) > SCHEMA:
        raise CallerError(
            f"this store is of a later release (its schema is {number}, this release knows {SCHEMA}): "
            "a copy would lose what only that one knows",
            code="backup.newer",
            hint="run the later release's apiloom db backup",
        )


async def _copy(source: AsyncConnection, target: AsyncConnection, store: SqlStore, into: SqlStore, say: Say) -> int:
    copied = 0
    async with translated((*store.errors, *into.errors)):
        for table in reversed(METADATA.sorted_tables):
            await target.execute(delete(table))
        for table in METADATA.sorted_tables:
            copied += await _copy_table(table, source, target, say)
    return copied


async def _copy_table(table: Table, source: AsyncConnection, target: AsyncConnection, say: Say) -> int:
    total = int((await source.execute(select(func.count()).select_from(table))).scalar_one())
    at_once, done = _HEAVY.get(table.name, _AT_ONCE), 0
    if not total:
        return 0
    ordered = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=at_once)
    stream = await source.stream(ordered)
    async for rows in stream.mappings().partitions(at_once):
        await target.execute(insert(table), [dict(row) for row in rows])
        done += len(rows)
        say(f"{table.name}: {done:,} of {total:,}")
    return done


async def settle(store: SqlStore) -> None:
    """Leave one file behind, without a log beside it."""
    async with translated(store.errors), store.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        if raw.driver_connection is not None:
            await raw.driver_connection.execute_fetchall("PRAGMA journal_mode=DELETE")


def _mark(file: Path, about: Mapping[str, str], key: bytes) -> None:
    try:
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(_ABOUT)
            told = {**about, **{f"{_MARK}{name}": mark for name, mark in _marks(connection, key)}}
            told[_SHAPE] = _shape(connection, key)
            told["seal"] = _sealed(told, key)
            connection.executemany("INSERT INTO backup VALUES (?, ?)", sorted(told.items()))
        number = os.open(file, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except (sqlite3.Error, OSError) as error:
        raise HouseFault(
            f"the backup cannot be written: {error}", code="backup.file", hint="look for room on the disk"
        ) from None


def _sealed(told: Mapping[str, str], key: bytes) -> str:
    text = repr(sorted((name, value) for name, value in told.items() if name != "seal"))
    return hmac.digest(key, b"about " + text.encode(), "sha256").hex()


def _shape(connection: Any, key: bytes) -> str:
    """A keyed mark of all that a file defines, the table of the marks with it."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    return hmac.digest(key, b"shape " + repr(sorted(map(repr, rows))).encode("utf-8", "surrogatepass"), "sha256").hex()


def _check_plain(connection: Any) -> None:
    """That a file defines nothing but tables and indices; looked at before anything of it is read.

    Raises:
        CallerError: ``backup.damaged``.
    """
    for kind, text in connection.execute("SELECT type, sql FROM sqlite_master"):
        if kind not in {"table", "index"} or not (text is None or str(text).startswith(_PLAIN)):
            raise damaged("it defines more than tables")


def _marks(connection: Any, key: bytes) -> Iterator[tuple[str, str]]:
    """A keyed mark of every table's columns and rows."""
    listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (name,) in listed:
        if name == "backup" or name.startswith("sqlite_"):
            continue
        mark = hmac.new(key, f"table {name}".encode(), hashlib.sha256)
        rows = connection.execute(f'SELECT * FROM "{name}" ORDER BY 1')  # noqa: S608 - a name from the file's own list
        mark.update(repr([column[0] for column in rows.description]).encode())
        for row in rows:
            mark.update(repr(row).encode("utf-8", "surrogatepass"))
        yield name, mark.hexdigest()


def read_about(file: Path) -> dict[str, str]:
    """What a backup says of itself, before anything of it is believed.

    Raises:
        CallerError: ``backup.file`` when it cannot be read; ``backup.damaged`` when it is none, or is cut.
    """
    if not file.is_file():
        raise CallerError(f"there is no backup {file}", code="backup.file", hint="check the path")
    try:
        with contextlib.closing(_opened(file)) as connection:
            _check_plain(connection)
            told = dict(connection.execute("SELECT name, value FROM backup LIMIT 200").fetchall())
            installed = dict(connection.execute("SELECT name, value FROM installation LIMIT 200").fetchall())
    except sqlite3.Error:
        raise damaged("it is no backup of apiloom, or is cut") from None
    if told.get("format") != FORMAT:
        raise damaged("it is of a form that this release does not know")
    if not installed.get("schema", "").isdigit() or "made_at" not in told:
        raise damaged("what it says of itself is not whole")
    if int(installed["schema"]) > SCHEMA:
        raise CallerError(
            "the backup was made by a later release", code="backup.newer", hint="restore it with that release"
        )
    return {**installed, **told}


def read_wrapped(file: Path) -> tuple[str, list[HouseKey]]:
    """The id of the installation and its keys as they lie wrapped in a backup, which is not opened as a store for it.

    Raises:
        CallerError: ``backup.damaged``.
    """
    try:
        with contextlib.closing(_opened(file)) as connection:
            _check_plain(connection)
            (installation,) = connection.execute("SELECT value FROM installation WHERE name = 'id'").fetchone()
            found = connection.execute("SELECT id, purpose, version, wrapped FROM house_keys LIMIT 1000").fetchall()
    except (sqlite3.Error, TypeError):
        raise damaged("its keys cannot be read") from None
    if not found or any([type(value) for value in row] != [str, str, int, bytes] for row in found):
        raise damaged("its keys cannot be read")
    rows = [HouseKey(id=id_, purpose=purpose, version=number, wrapped=kept) for id_, purpose, number, kept in found]
    return str(installation), rows


def check_whole(file: Path, key: bytes, say: Say) -> None:
    """That all a backup defines, every page and every row of it are as it was made. Reads all of it.

    Raises:
        CallerError: ``backup.damaged``.
    """
    try:
        with contextlib.closing(_opened(file)) as connection:
            _check_plain(connection)
            told = dict(connection.execute("SELECT name, value FROM backup").fetchall())
            if not hmac.compare_digest(told.get("seal", ""), _sealed(told, key)):
                raise damaged("what it says of itself was changed, or it was made with another key")
            if not hmac.compare_digest(told.get(_SHAPE, ""), _shape(connection, key)):
                raise damaged("it defines something else than what was copied")
            say("looking at every page")
            if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                raise damaged("its pages do not fit together")
            say("looking at every row")
            kept = {name.removeprefix(_MARK): mark for name, mark in told.items() if name.startswith(_MARK)}
            found = dict(_marks(connection, key))
    except (sqlite3.Error, UnicodeError, TypeError):
        raise damaged("it is cut, or its pages do not fit together") from None
    differ = sorted(name for name in kept.keys() | found.keys() if kept.get(name) != found.get(name))
    if differ:
        raise damaged(f"the rows of {differ[0]} are not those that were copied")


def _opened(file: Path) -> Any:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def damaged(why: str) -> CallerError:
    """``backup.damaged``: a file that nothing may be taken from."""
    return CallerError(
        f"the backup cannot be used: {why}", code="backup.damaged", hint="take another; nothing was changed"
    )


async def remake(file: Path, draft: Path) -> None:
    """Make a store of a checked backup that nothing will act on: its rows, in tables that our own migrations make.

    Raises:
        CallerError: ``backup.damaged`` when its tables are none that a release of ours has made.
        HouseFault: ``store.unreachable``, ``backup.file`` when it cannot be written.
    """
    place = read_place(f"sqlite+aiosqlite:///{draft}")
    make_file(draft)
    engine = build_engine(place)
    migrate = plugins.load("apiloom.store.sql.migrating:migrate")
    try:
        writing = engine.execution_options(**{WRITES: True})
        async with translated(errors_of("sqlite")), writing.connect() as connection:
            await connection.begin()
            await connection.run_sync(migrate, await asyncio.to_thread(_revision, file))
            await connection.commit()
    finally:
        await engine.dispose()
    await asyncio.to_thread(_refill, file, draft)


def _revision(file: Path) -> str:
    """The migration that the schema of a checked backup is of."""
    with contextlib.closing(_opened(file)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _refill(file: Path, draft: Path) -> None:
    """Put the rows of a checked backup in the place of those that a new store has, and have it sleep."""
    try:
        with contextlib.closing(_opened(file)) as source, contextlib.closing(sqlite3.connect(draft)) as target, target:
            tables = _columns(target)
            if {**_columns(source), "backup": ()} != {**tables, "backup": ()}:
                raise damaged("its tables are not those of a store")
            for name, columns in tables.items():
                listed = ", ".join(f'"{column}"' for column in columns)
                put = f'INSERT INTO "{name}" ({listed}) VALUES ({", ".join("?" * len(columns))})'  # noqa: S608 - our names
                target.execute(f'DELETE FROM "{name}"')  # noqa: S608 - our names
                rows = source.execute(f'SELECT {listed} FROM "{name}"')  # noqa: S608 - our names
                while some := rows.fetchmany(_HEAVY.get(name, _AT_ONCE)):
                    target.executemany(put, some)
            asleep = [("dormant", "restored"), ("copy", secrets.token_hex(16))]
            target.executemany("INSERT OR REPLACE INTO installation (name, value) VALUES (?, ?)", asleep)
    except (sqlite3.Error, OSError) as error:
        raise HouseFault(
            "the copy of the backup cannot be written",
            code="backup.file",
            hint="look for room on the disk",
            error=type(error).__name__,
        ) from None


def _columns(connection: Any) -> dict[str, tuple[str, ...]]:
    """The tables of a file and their columns, in order of names."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: tuple(sorted(row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')))
        for (name,) in names
        if not name.startswith("sqlite_")
    }


def let_go(file: Path) -> bool:
    """Have a store's file lie alone, without a log beside it; False while somebody works with it. A log that stayed
    would be applied to whatever takes the file's name.
    """
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=20)) as connection:
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.Error:
        return False
    return mode == ("delete",) and not file.with_name(file.name + "-wal").exists()


async def is_blank(store: SqlStore) -> bool:
    """Whether nothing was ever kept in a store but what it was made with."""
    async with store.reading() as work:
        house: Any = work.house()
        for rows in (house.connectors, house.api_tokens, house.accounts, house.servers, house.oauth_clients):
            if await rows.count():
                return False
        return int(await house.tenants.count()) <= 1
