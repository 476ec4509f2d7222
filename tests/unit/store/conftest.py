"""One suite for every store: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from apiloom.store.ports import Store
from apiloom.store.sql.opening import open_store
from apiloom.store.sql.tables import METADATA
from support.memory_store import MemoryStore
from support.postgres import Postgres

ENGINES = ("sqlite", "postgresql")


@dataclass
class Bare:
    """A place for a store with nothing in it yet."""

    engine: str
    url: str
    new: Callable[[], Awaitable[str]]

    async def raw(self, statement: str, postgres: Postgres | None) -> list[Any]:
        """Send a statement past the store, as somebody with a database's own tool would."""
        if postgres is None:
            async with aiosqlite.connect(self.url.partition(":///")[2]) as file:
                rows = list(await file.execute_fetchall(statement))
                await file.commit()
                return rows
        async with postgres.connected(self.url.rpartition("/")[2], role="apiloom") as connection:
            return [tuple(row) for row in await connection.fetch(statement)]


EMPTIED = [name for name in METADATA.tables if name not in ("installation", "change_seq")]


@dataclass
class Copies:
    """Fresh stores, made from one that was migrated once: migrating takes longer than copying."""

    folder: Path
    file: Path | None = None
    database: str = ""
    empty: list[str] = field(default_factory=list)

    async def on_sqlite(self, folder: Path) -> str:
        if self.file is None:
            self.file = self.folder / "fresh.db"
            await (await open_store(f"sqlite+aiosqlite:///{self.file}")).close()
        folder.mkdir(mode=0o700)
        shutil.copyfile(self.file, folder / "apiloom.db")
        return f"sqlite+aiosqlite:///{folder}/apiloom.db"

    async def on_postgres(self, server: Postgres) -> str:
        """The same database again and again, emptied: making one takes longer than most tests."""
        if not self.database:
            self.database = await server.database()
            await (await open_store(server.url(self.database))).close()
            return server.url(self.database)
        async with server.connected(self.database) as connection:
            await connection.execute(f"TRUNCATE {', '.join(EMPTIED)}")
            await connection.execute("""
                INSERT INTO tenants (id, name, metadata, created_at, revision) VALUES ('default', '', '{}', 1, 1);
                UPDATE change_seq SET seq = 0;
                UPDATE installation SET value = '' WHERE name = 'key_fingerprint'
            """)
        return server.url(self.database)


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    return Copies(tmp_path_factory.mktemp("stores"))


@pytest.fixture(params=("memory", *ENGINES))
async def store(request: pytest.FixtureRequest, tmp_path: Path, copies: Copies) -> AsyncIterator[Store]:
    """A fresh store of each sort."""
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "sqlite":
        opened = await open_store(await copies.on_sqlite(tmp_path / "kept"))
    else:
        opened = await open_store(await copies.on_postgres(request.getfixturevalue("postgres")))
    yield opened
    await opened.close()


@pytest.fixture(params=ENGINES)
async def bare(request: pytest.FixtureRequest, tmp_path: Path, copies: Copies) -> Bare:
    """An empty place on each database."""
    if request.param == "sqlite":
        numbers = iter(range(1000))

        async def new() -> str:
            return f"sqlite+aiosqlite:///{tmp_path}/empty{next(numbers)}/apiloom.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        empty = iter(tuple(copies.empty))

        async def new() -> str:
            name = next(empty, "")
            if not name:
                name = await server.database()
                copies.empty.append(name)
            async with server.connected(name) as connection:
                await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION apiloom")
            return server.url(name)

    return Bare(engine=request.param, url=await new(), new=new)
