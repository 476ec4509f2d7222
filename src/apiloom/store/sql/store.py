"""The store on a database: where transactions begin and end, and the few questions that need none.

Above it stand flows and the gateway, who know only the ports; below it work, rows and tables.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from apiloom.store import shapes
from apiloom.store.kinds import BY_ROWS
from apiloom.store.ports import Watch
from apiloom.store.records import Audited, Change
from apiloom.store.sql.engine import ASKS, WRITES
from apiloom.store.sql.failures import as_ours, errors_of, translated
from apiloom.store.sql.places import identify
from apiloom.store.sql.tables import CHANGE_SEQ, CHANGES, INSTALLATION, TABLES
from apiloom.store.sql.work import SqlWork

_SEQ: Final = select(CHANGE_SEQ.c.seq)
_USED: Final = {"tok": TABLES["server_tokens"], "key": TABLES["api_tokens"]}
"""Tables of tokens by the prefix of their ids."""

_AT_ONCE: Final = 500
"""Rows that go into one statement."""


class SqlStore:
    """See :class:`~apiloom.store.ports.Store`; made by :func:`~apiloom.store.sql.opening.open_store`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.errors = errors_of(self.dialect)
        self._turn = asyncio.Lock()
        self._watch: Watch | None = None
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        postgres = self.dialect == "postgresql"
        self._reads = engine.execution_options(**snapshot) if postgres else engine
        self._writes = engine.execution_options(**{WRITES: True})
        alone = {"isolation_level": "AUTOCOMMIT"} if postgres else {ASKS: True}
        self._asks = engine.execution_options(**alone)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SqlWork]:
        """See the port. All that one transaction reads is of one moment."""
        async with AsyncExitStack() as stack:
            work = await self._begun(stack, self._reads, writes=False)
            try:
                yield work
            finally:
                work.close()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[SqlWork]:
        """See the port. Writers take turns from the beginning: what one has read stays true until it commits."""
        async with AsyncExitStack() as stack:
            if self.dialect == "sqlite":
                # in one process they queue here, in order, instead of asking the file again and again
                await stack.enter_async_context(self._turn)
            work = await self._begun(stack, self._writes, writes=True)
            try:
                yield work
                await work.tell()
                await work.warn(self._watch)
            finally:
                work.close()
            await self._commit(work.connection)

    async def change_seq(self) -> int:
        """See the port."""
        async with translated(self.errors), self._asks.connect() as connection:
            return int((await connection.execute(_SEQ)).scalar_one())

    async def changes(self, after: int, limit: int = 1000) -> Sequence[Change] | None:
        """See the port. A number that was never reached (a backup was restored) is too long ago as well."""
        told = select(CHANGES).where(CHANGES.c.seq > after).order_by(CHANGES.c.seq).limit(limit)
        async with self.reading() as work:
            last = int((await work.run(None, _SEQ)).scalar_one())
            if after == last:
                return []
            found = [Change(**row) for row in (await work.run(None, told)).mappings()]
        return found if found and found[0].seq == after + 1 else None

    async def note_use(self, at: Mapping[str, float]) -> None:
        """See the port. It takes its turn like any writer: it changes rows that others change too."""
        async with self._noting(in_turn=True) as work:
            for prefix, table in _USED.items():
                noted = [{"of": id_, "at": when} for id_, when in sorted(at.items()) if id_.startswith(f"{prefix}_")]
                used = table.c.last_used_at
                later = or_(used.is_(None), used < bindparam("at"))
                statement = (
                    update(table).where(table.c.id == bindparam("of"), later).values(last_used_at=bindparam("at"))
                )
                for start in range(0, len(noted), _AT_ONCE):
                    await work.run(None, statement, noted[start : start + _AT_ONCE])

    async def append_audit(self, entries: Sequence[Audited]) -> None:
        """See the port. A line that is there already stays as it is, so that whoever is in doubt may say it again."""
        kind = BY_ROWS["audit"]
        for entry in entries:
            shapes.check_keepable(kind, entry)
        insert: Any = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        statement = insert(TABLES["audit"]).on_conflict_do_nothing()
        async with self._noting() as work:
            for start in range(0, len(entries), _AT_ONCE):
                await work.run(None, statement, [shapes.as_row(entry) for entry in entries[start : start + _AT_ONCE]])

    def watch(self, watch: Watch) -> None:
        """See the port."""
        self._watch = watch

    async def installation(self) -> Mapping[str, str]:
        """See the port."""
        others = INSTALLATION.c.name.not_in(("schema", "schema_least"))
        async with self.reading() as work:
            found = (await work.run(None, select(INSTALLATION).where(others))).mappings()
            return {row["name"]: row["value"] for row in found}

    async def set_installation(self, was: Mapping[str, str], becomes: Mapping[str, str]) -> bool:
        """See the port. It takes its turn: of two who set the same, one is told that it is too late."""
        insert: Any = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        async with self._noting(in_turn=True) as work:
            rows = (await work.run(None, select(INSTALLATION))).mappings()
            there = {row["name"]: row["value"] for row in rows}
            if any(there.get(name, "") != value for name, value in was.items()):
                return False
            for name, value in becomes.items():
                put = insert(INSTALLATION).values(name=name, value=value)
                await work.run(None, put.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
        return True

    async def place(self) -> str:
        """See the port."""
        return await identify(self.engine, self.errors)

    async def bind_key(self, fingerprint: str, was: str = "") -> bool:
        """See the port."""
        unbound = INSTALLATION.c.name == "key_fingerprint", INSTALLATION.c.value == was
        async with self._noting() as work:
            bound = await work.run(None, update(INSTALLATION).where(*unbound).values(value=fingerprint))
            return bool(bound.rowcount)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def _noting(self, *, in_turn: bool = False) -> AsyncIterator[SqlWork]:
        """A transaction that writes what nobody serves from; on PostgreSQL it need not wait for a turn."""
        async with AsyncExitStack() as stack:
            if self.dialect == "sqlite":
                await stack.enter_async_context(self._turn)
            work = await self._begun(stack, self._writes, writes=True, in_turn=in_turn)
            try:
                yield work
            finally:
                work.close()
            await self._commit(work.connection)

    async def _commit(self, connection: AsyncConnection) -> None:
        try:
            await connection.commit()
        except self.errors as error:
            # SQLite keeps a transaction open that it could not commit: nobody else may find it in the pool
            await connection.invalidate()
            raise as_ours(error) from None

    async def _begun(
        self, stack: AsyncExitStack, engine: AsyncEngine, *, writes: bool, in_turn: bool = True
    ) -> SqlWork:
        async with translated(self.errors):
            connection: AsyncConnection = await engine.connect()
            stack.push_async_callback(self._let_go, connection)
            await connection.begin()
            work = SqlWork(connection, self.errors, writes=writes)
            if writes and in_turn:
                await work.take_turn()
            return work

    async def _let_go(self, connection: AsyncConnection) -> None:
        """Give a connection back. What it was for is known by now: one that died meanwhile changes nothing of that."""
        try:
            # as leaving ``async with`` does: not cut short when its task is cancelled
            await connection.__aexit__(None, None, None)
        except self.errors:
            with contextlib.suppress(*self.errors):
                await connection.invalidate()
                await connection.close()
