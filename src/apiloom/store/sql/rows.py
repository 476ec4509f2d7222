"""The records of one kind inside one scope, for every kind the same code: what differs stands in the table of kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar, cast

from sqlalchemy import ColumnElement, Executable, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult

from apiloom.store import refusals, shapes
from apiloom.store.ending import ended_by, removed
from apiloom.store.kinds import Kind
from apiloom.store.ports import Ended
from apiloom.store.records import Version
from apiloom.store.sql import contents, reach
from apiloom.store.sql.failures import Taken
from apiloom.store.sql.tables import CONTENTS, TABLES

Record = TypeVar("Record")

_TOGETHER = 100
"""Records read or written by one statement: a database bounds how many values one may carry."""


class Transaction(Protocol):
    """What rows need of the transaction they stand in."""

    dialect: str

    async def run(
        self, tenant: str | None, statement: Executable, given: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]: ...

    async def attempt(self, tenant: str | None, statement: Executable) -> CursorResult[Any]: ...

    def check_writes(self) -> None: ...

    def note(self, kind: Kind, id_: str, tenant: str | None) -> None: ...

    def end(self, ended: Ended) -> None: ...


class SqlRows(Generic[Record]):
    """See :class:`~apiloom.store.ports.Rows`."""

    def __init__(self, work: Transaction, kind: Kind, tenant: str | None) -> None:
        self._work = work
        self._kind = kind
        self._tenant = tenant
        self._table: Table = TABLES[kind.rows]

    async def load(self, id_: str) -> Record | None:
        """See the port."""
        found = await self._select(reach.named(self._table, id_))
        return found[0] if found else None

    async def load_all(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """See the port."""
        chunks = [ids[start : start + _TOGETHER] for start in range(0, len(ids), _TOGETHER)]
        found = [record for chunk in chunks for record in await self._select(reach.among(self._table, chunk))]
        return {cast("Any", record).id: record for record in found}

    async def page(
        self, *, limit: int = 50, after: str = "", where: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[Record], str]:
        """See the port. One row more is read than given, to know whether there are more."""
        limit = max(1, min(limit, shapes.LARGEST_PAGE))
        conditions = [reach.matching(self._kind, where, self._work.dialect)]
        if after:
            conditions.append(reach.behind(self._table, after, newest_first=self._kind.newest_first))
        found = await self._select(*conditions, limit=limit + 1)
        more = len(found) > limit
        return found[:limit], cast("Any", found[limit - 1]).id if more else ""

    async def every(self, where: Mapping[str, Any] | None = None) -> Sequence[Record]:
        """See the port."""
        return await self._select(reach.matching(self._kind, where, self._work.dialect))

    async def due(self, member: str, at: float, limit: int = 500, *, in_turn: bool = False) -> Sequence[Record]:
        """See the port."""
        column, id_ = self._table.c[member], self._table.c.id
        order: list[ColumnElement[Any]] = [column, id_]
        if in_turn:
            order.insert(0, func.row_number().over(partition_by=self._table.c[self._kind.owner], order_by=order))
        most = max(1, min(limit, shapes.LARGEST_PAGE))
        asked = select(self._table).where(self._visible(), column <= at).order_by(*order).limit(most)
        return [shapes.as_record(self._kind, row) for row in (await self._run(asked)).mappings()]

    async def count(self, where: Mapping[str, Any] | None = None) -> int:
        """How many there are."""
        condition = reach.matching(self._kind, where, self._work.dialect)
        counted = select(func.count()).select_from(self._table).where(self._visible(), condition)
        return int((await self._run(counted)).scalar_one())

    async def add(self, record: Record) -> Record:
        """See the port. A conflict changes nothing and ends nothing, so whoever asked may go on."""
        row = self._checked(record)
        insert: Any = postgresql.insert if self._work.dialect == "postgresql" else sqlite.insert
        added = await self._run(insert(self._table).values(row).on_conflict_do_nothing())
        if added.rowcount != 1:
            raise refusals.taken(self._kind)
        self._note(row)
        return self._settled(row)

    async def save(self, record: Record, was: int) -> Record:
        """See the port."""
        row = self._checked(replace(cast("Any", record), revision=was + 1))
        owner = self._kind.owner
        belongs = self._table.c[owner].is_not_distinct_from(row[owner]) if owner in row else reach.ANY
        saved = (
            update(self._table)
            .where(
                reach.named(self._table, row["id"]),
                self._table.c.revision == was,
                belongs,
                reach.writable(self._kind, self._tenant),
            )
            .values({name: value for name, value in row.items() if name != "id"})
        )
        try:
            done = await (self._work.attempt(self._tenant, saved) if self._kind.unique else self._run(saved))
        except Taken:
            raise refusals.taken(self._kind) from None
        if done.rowcount != 1:
            raise refusals.stale(self._kind)
        self._note(row)
        ended = ended_by(self._kind, row)
        if ended is not None:
            self._work.end(ended)
        return self._settled(row)

    async def remove(self, id_: str) -> bool:
        """See the port."""
        self._check_writes()
        gone = delete(self._table).where(reach.named(self._table, id_), reach.writable(self._kind, self._tenant))
        tenant = self._table.c.get(self._kind.owner)
        found = (await self._run(gone.returning(reach.NONE if tenant is None else tenant))).first()
        if found is None:
            return False
        self._gone(id_, found[0])
        return True

    async def add_all(self, records: Sequence[Record]) -> None:
        """See the port."""
        insert: Any = postgresql.insert if self._work.dialect == "postgresql" else sqlite.insert
        rows = [self._checked(record) for record in records]
        for start in range(0, len(rows), _TOGETHER):
            chunk = rows[start : start + _TOGETHER]
            added = await self._run(insert(self._table).values(chunk).on_conflict_do_nothing())
            if added.rowcount != len(chunk):
                raise refusals.taken(self._kind)
            for row in chunk:
                self._note(row)

    async def remove_all(self, ids: Sequence[str]) -> int:
        """See the port."""
        self._check_writes()
        tenant = self._table.c.get(self._kind.owner)
        count = 0
        for start in range(0, len(ids), _TOGETHER):
            named = reach.among(self._table, ids[start : start + _TOGETHER])
            gone = delete(self._table).where(named, reach.writable(self._kind, self._tenant))
            told = gone.returning(self._table.c.id, reach.NONE if tenant is None else tenant)
            rows: Sequence[Any] = (await self._run(told)).all()
            for row in rows:
                self._gone(row[0], row[1])
            count += len(rows)
        return count

    def _gone(self, id_: str, tenant: str | None) -> None:
        self._work.note(self._kind, id_, tenant)
        ended = removed(self._kind, id_)
        if ended is not None:
            self._work.end(ended)

    def _visible(self) -> reach.Condition:
        return reach.visible(self._kind, self._tenant, self._work.dialect)

    async def _run(self, statement: Executable) -> CursorResult[Any]:
        return await self._work.run(self._tenant, statement)

    async def _select(self, *conditions: reach.Condition, limit: int | None = None) -> list[Record]:
        id_ = self._table.c.id
        order = id_.desc() if self._kind.newest_first else id_
        asked = select(self._table).where(self._visible(), *conditions).order_by(order).limit(limit)
        return [shapes.as_record(self._kind, row) for row in (await self._run(asked)).mappings()]

    def _check_writes(self) -> None:
        self._work.check_writes()
        if self._tenant is not None and self._kind.read_only:
            raise refusals.outside(self._kind)

    def _checked(self, record: Any) -> dict[str, Any]:
        """The row of a record that may be written in this scope."""
        self._check_writes()
        if self._tenant is not None and getattr(record, self._kind.owner) != self._tenant:
            raise refusals.outside(self._kind)
        shapes.check_keepable(self._kind, record)
        return shapes.as_row(record)

    def _note(self, row: Mapping[str, Any]) -> None:
        self._work.note(self._kind, row["id"], row.get(self._kind.owner))

    def _settled(self, row: Mapping[str, Any]) -> Record:
        return cast("Record", shapes.as_record(self._kind, shapes.settled(self._kind, row)))


class SqlVersionRows(SqlRows[Version]):
    """See :class:`~apiloom.store.ports.VersionRows`."""

    async def put_content(self, id_: str, *, document: bytes, artefact: bytes) -> None:
        """See the port."""
        self._check_writes()
        if await self.load(id_) is None:
            raise refusals.stale(self._kind)
        row = {"document": await contents.deflate(document), "artefact": await contents.deflate(artefact)}
        insert: Any = postgresql.insert if self._work.dialect == "postgresql" else sqlite.insert
        put = insert(CONTENTS).values(version=id_, **row)
        await self._run(put.on_conflict_do_update(index_elements=["version"], set_=row))

    async def document(self, id_: str) -> bytes | None:
        """The document as it was imported."""
        return await self._content(id_, "document")

    async def artefact(self, id_: str) -> bytes | None:
        """The compiled artefact."""
        return await self._content(id_, "artefact")

    async def _content(self, id_: str, column: str) -> bytes | None:
        here = CONTENTS.join(self._table, CONTENTS.c.version == self._table.c.id)
        asked = select(CONTENTS.c[column]).select_from(here).where(self._visible(), reach.named(self._table, id_))
        found = (await self._run(asked)).scalar()
        return None if found is None else await contents.inflate(found)
