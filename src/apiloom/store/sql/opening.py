"""Opening a store: make what is not there, migrate what is older, refuse what is newer than we can read.

Loaded by dotted name (``apiloom.store.sql.opening:open_store``). Above it stands whoever opens ``--data``.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine

from apiloom.base import plugins
from apiloom.base.errors import CallerError
from apiloom.store.sql.engine import WRITES, Place, build_engine, make_file, read_place
from apiloom.store.sql.failures import errors_of, translated
from apiloom.store.sql.store import SqlStore
from apiloom.store.sql.tables import INSTALLATION

SCHEMA: Final = 2
"""The number of the schema that this release is written for: that of its last migration."""

_MIGRATION_LOCK: Final = 0x61706C6F6F6D
"""The advisory lock of PostgreSQL under which one node at a time migrates."""


async def open_store(url: str) -> SqlStore:
    """Open the store of a URL, ``sqlite+aiosqlite:///PATH`` or ``postgresql+asyncpg://…``.

    Raises:
        CallerError: ``store.url`` for another address; ``store.newer`` when a later release has changed it so that
            this one cannot use it any more.
        HouseFault: ``store.unreachable`` when the database does not answer.
    """
    place = read_place(url)
    if place.file is not None:
        make_file(place.file)
    engine = build_engine(place)
    async with AsyncExitStack() as failing:
        failing.push_async_callback(engine.dispose)
        async with translated(errors_of(engine.dialect.name)):
            await _bring_up(engine, place)
        failing.pop_all()
    return SqlStore(engine)


async def schema_of(url: str) -> int:
    """The number of the schema of a store, 0 where there is none; nothing is changed.

    Raises:
        CallerError: ``store.url``.
        HouseFault: ``store.unreachable``.
    """
    engine = build_engine(read_place(url))
    try:
        async with translated(errors_of(engine.dialect.name)), engine.connect() as connection:
            return (await connection.run_sync(_schema))[0]
    finally:
        await engine.dispose()


async def bring_up(url: str) -> tuple[int, int]:
    """Bring a store to this release's schema; the number of the one it had, and of the one it has.

    Raises:
        CallerError, HouseFault: as :func:`open_store`.
    """
    place = read_place(url)
    engine = build_engine(place)
    try:
        async with translated(errors_of(engine.dialect.name)):
            async with engine.connect() as connection:
                before, _ = await connection.run_sync(_schema)
            await _bring_up(engine, place)
            async with engine.connect() as connection:
                after, _ = await connection.run_sync(_schema)
        return before, after
    finally:
        await engine.dispose()


async def _bring_up(engine: AsyncEngine, place: Place) -> None:
    if place.file is not None:
        await _use_log(engine)
    async with engine.connect() as connection:
        there = await connection.run_sync(_schema)
    if not _is_older(there):
        return
    migrate = plugins.load("apiloom.store.sql.migrating:migrate")
    async with engine.execution_options(**{WRITES: True}).connect() as connection:
        await connection.begin()
        if place.file is None:
            await connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        # another node may have done it while this one waited
        if _is_older(await connection.run_sync(_schema)):
            await connection.run_sync(migrate)
        await connection.commit()


def _is_older(there: tuple[int, int]) -> bool:
    """Whether a store must be migrated before this release can use it.

    Raises:
        CallerError: ``store.newer`` when it is one of a later release that this one cannot use.
    """
    number, least = there
    if least > SCHEMA:
        raise CallerError(
            f"this store was made by a later release of apiloom (its schema is {number}, this release knows {SCHEMA})",
            code="store.newer",
            hint="run the later release, or restore the backup from before the upgrade",
        )
    return number < SCHEMA


def _schema(connection: Connection) -> tuple[int, int]:
    """The number of the schema that is there, 0 for none, and the least that a release must know to use it."""
    if not inspect(connection).has_table(INSTALLATION.name):
        return 0, 0
    names = INSTALLATION.c.name.in_(("schema", "schema_least"))
    rows = connection.execute(select(INSTALLATION.c.name, INSTALLATION.c.value).where(names))
    found: dict[str, str] = {row[0]: row[1] for row in rows}
    return int(found["schema"]), int(found["schema_least"])


async def _use_log(engine: AsyncEngine) -> None:
    """Have SQLite write ahead, which the file remembers; outside of any transaction, as SQLite wants it."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        if driver is not None:
            await driver.execute_fetchall("PRAGMA journal_mode=WAL")
