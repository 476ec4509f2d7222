"""A :class:`~apiloom.store.ports.Store` that lives in memory: the twin of the real ones, kept to the same suite."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.base import json
from apiloom.base.errors import HouseFault
from apiloom.base.ids import fresh
from apiloom.store import refusals, shapes
from apiloom.store.ending import ended_by, removed
from apiloom.store.kinds import BY_ROWS, KINDS, Kind
from apiloom.store.ports import Ended, Watch
from apiloom.store.records import DEFAULT_TENANT, Audited, Change, Tenant


@dataclass
class Memory:
    """All that is kept: records by kind and id, contents by the version's id, and the feed of changes."""

    rows: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind.rows: {} for kind in KINDS})
    contents: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    seq: int = 0
    installation: dict[str, str] = field(default_factory=dict)

    def copied(self) -> Memory:
        return Memory(
            rows={name: dict(rows) for name, rows in self.rows.items()},
            contents=dict(self.contents),
            changes=list(self.changes),
            seq=self.seq,
            installation=dict(self.installation),
        )


class MemoryStore:
    """See :class:`~apiloom.store.ports.Store`; a fresh one has the tenant ``default``.

    ``down = True`` makes it unreachable. ``trips`` counts transactions and single questions.
    """

    def __init__(self, *, kept_changes: int = 100_000) -> None:
        self._memory = Memory(installation={"id": fresh("ins"), "key_fingerprint": ""})
        self._memory.rows["tenants"][DEFAULT_TENANT] = Tenant(id=DEFAULT_TENANT)
        self._turn = asyncio.Lock()
        self._kept_changes = kept_changes
        self.down = False
        self.trips = 0
        self._watch: Watch | None = None

    def _answer(self) -> Memory:
        self.trips += 1
        if self.down:
            raise refusals.unreachable()
        return self._memory

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[MemoryWork]:
        work = MemoryWork(self._answer().copied(), writes=False)
        try:
            yield work
        finally:
            work.ended = True

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[MemoryWork]:
        async with self._turn:
            work = MemoryWork(self._answer().copied(), writes=True)
            try:
                yield work
                if self._watch is not None and work.ends:
                    await self._watch(tuple(work.ends), self._memory.seq, work.memory.seq)
            finally:
                work.ended = True
            if self.down:
                raise refusals.unreachable()
            memory = work.memory
            check_references(memory.rows)
            del memory.changes[: -self._kept_changes]
            self._memory = memory

    async def change_seq(self) -> int:
        return self._answer().seq

    async def changes(self, after: int, limit: int = 1000) -> Sequence[Change] | None:
        memory = self._answer()
        if after > memory.seq or (after < memory.seq and (not memory.changes or memory.changes[0].seq > after + 1)):
            return None
        return [change for change in memory.changes if change.seq > after][:limit]

    async def note_use(self, at: Mapping[str, float]) -> None:
        async with self._turn:
            rows = self._answer().rows
            for id_, when in at.items():
                for name in ("server_tokens", "api_tokens"):
                    token = rows[name].get(id_)
                    if token is not None and (token.last_used_at or 0) < when:
                        rows[name] = {**rows[name], id_: replace(token, last_used_at=when)}

    async def append_audit(self, entries: Sequence[Audited]) -> None:
        async with self._turn:
            for entry in entries:
                shapes.check_keepable(BY_ROWS["audit"], entry)
            memory = self._answer()
            memory.rows["audit"] = {**{entry.id: settled(entry) for entry in entries}, **memory.rows["audit"]}

    async def installation(self) -> Mapping[str, str]:
        return dict(self._answer().installation)

    def watch(self, watch: Watch) -> None:
        self._watch = watch

    async def set_installation(self, was: Mapping[str, str], becomes: Mapping[str, str]) -> bool:
        kept = self._answer().installation
        if any(kept.get(name, "") != value for name, value in was.items()):
            return False
        kept.update(becomes)
        return True

    async def place(self) -> str:
        return f"memory\n{id(self)}"

    async def bind_key(self, fingerprint: str, was: str = "") -> bool:
        memory = self._answer()
        if memory.installation["key_fingerprint"] != was:
            return False
        memory.installation["key_fingerprint"] = fingerprint
        return True

    async def close(self) -> None:
        self.down = True


class MemoryWork:
    def __init__(self, memory: Memory, *, writes: bool) -> None:
        self.memory = memory
        self.writes = writes
        self.ended = False
        self.ends: list[Ended] = []

    def tenant(self, id_: str) -> MemoryScope:
        return MemoryScope(self, id_)

    def house(self) -> MemoryScope:
        return MemoryScope(self, None)

    async def is_dormant(self) -> bool:
        return bool(self.memory.installation.get("dormant"))

    def note(self, kind: Kind, record: Any) -> None:
        if kind.noted:
            tenant = record.id if kind.name == "tenant" else getattr(record, "tenant", None)
            self.memory.seq += 1
            self.memory.changes.append(Change(seq=self.memory.seq, kind=kind.name, id=record.id, tenant=tenant))


class MemoryScope:
    def __init__(self, work: MemoryWork, tenant: str | None) -> None:
        self._work = work
        self._tenant = tenant

    def __getattr__(self, name: str) -> MemoryRows:
        if name not in BY_ROWS:
            raise AttributeError(name)
        return MemoryRows(self._work, BY_ROWS[name], self._tenant)


class MemoryRows:
    """See :class:`~apiloom.store.ports.Rows`."""

    def __init__(self, work: MemoryWork, kind: Kind, tenant: str | None) -> None:
        self._work = work
        self._kind = kind
        self._tenant = tenant

    async def load(self, id_: str) -> Any:
        return copy.deepcopy(self._seen().get(id_))

    async def load_all(self, ids: Sequence[str]) -> Mapping[str, Any]:
        found = {id_: await self.load(id_) for id_ in ids}
        return {id_: record for id_, record in found.items() if record is not None}

    async def page(
        self, *, limit: int = 50, after: str = "", where: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[Any], str]:
        limit = max(1, min(limit, shapes.LARGEST_PAGE))
        found = await self.every(where)
        if after and not shapes.is_keepable(after):
            found = []
        elif after:
            newest = self._kind.newest_first
            found = [record for record in found if (record.id < after if newest else record.id > after)]
        return found[:limit], found[limit - 1].id if len(found) > limit else ""

    async def every(self, where: Mapping[str, Any] | None = None) -> Sequence[Any]:
        where = shapes.check_where(self._kind, where)
        possible = all(shapes.may_match(self._kind, name, value) for name, value in where.items())
        found = [record for record in self._seen().values() if possible and matches(record, where)]
        return copy.deepcopy(sorted(found, key=lambda record: record.id, reverse=self._kind.newest_first))

    async def due(self, member: str, at: float, limit: int = 500, *, in_turn: bool = False) -> Sequence[Any]:
        come = [one for one in await self.every() if getattr(one, member) is not None and getattr(one, member) <= at]
        come.sort(key=lambda one: (getattr(one, member), one.id))
        if in_turn:
            owners = [getattr(one, self._kind.owner) for one in come]
            turns = {one.id: owners[:at].count(owners[at]) for at, one in enumerate(come)}
            come.sort(key=lambda one: turns[one.id])
        return come[: max(1, min(limit, 1000))]

    async def count(self, where: Mapping[str, Any] | None = None) -> int:
        return len(await self.every(where))

    async def add(self, record: Any) -> Any:
        self._check_own(record)
        rows = self._rows()
        kept = settled(record)
        if record.id in rows or any(clash(self._kind, kept, other) for other in rows.values()):
            raise refusals.taken(self._kind)
        rows[record.id] = kept
        self._work.note(self._kind, kept)
        return copy.deepcopy(kept)

    async def save(self, record: Any, was: int) -> Any:
        self._check_own(record)
        rows = self._rows()
        there = self._seen().get(record.id)
        owner = self._kind.owner
        if there is None or there.revision != was or getattr(there, owner, None) != getattr(record, owner, None):
            raise refusals.stale(self._kind)
        kept = settled(replace(record, revision=was + 1))
        if any(clash(self._kind, kept, other) for other in rows.values() if other.id != record.id):
            raise refusals.taken(self._kind)
        rows[record.id] = kept
        self._work.note(self._kind, kept)
        ended = ended_by(self._kind, shapes.as_row(kept))
        if ended is not None:
            self._work.ends.append(ended)
        return copy.deepcopy(kept)

    async def remove(self, id_: str) -> bool:
        self._check_writes()
        if self._tenant is not None and self._kind.read_only:
            raise refusals.outside(self._kind)
        there = self._seen().get(id_)
        if there is None or (self._tenant is not None and getattr(there, self._kind.owner) != self._tenant):
            return False
        del self._rows()[id_]
        if self._kind.name == "version":
            self._work.memory.contents.pop(id_, None)
        self._work.note(self._kind, there)
        ended = removed(self._kind, id_)
        if ended is not None:
            self._work.ends.append(ended)
        return True

    async def add_all(self, records: Sequence[Any]) -> None:
        for record in records:
            await self.add(record)

    async def remove_all(self, ids: Sequence[str]) -> int:
        return sum([await self.remove(id_) for id_ in ids])

    async def put_content(self, id_: str, *, document: bytes, artefact: bytes) -> None:
        self._check_writes()
        if self._tenant is not None:
            raise refusals.outside(self._kind)
        if id_ not in self._rows():
            raise refusals.stale(self._kind)
        self._work.memory.contents[id_] = (document, artefact)

    async def document(self, id_: str) -> bytes | None:
        return self._work.memory.contents.get(id_, (None, None))[0] if id_ in self._seen() else None

    async def artefact(self, id_: str) -> bytes | None:
        return self._work.memory.contents.get(id_, (None, None))[1] if id_ in self._seen() else None

    def _rows(self) -> dict[str, Any]:
        if self._work.ended:
            raise refusals.over()
        return self._work.memory.rows[self._kind.rows]

    def _seen(self) -> dict[str, Any]:
        rows = self._rows()
        return rows if self._tenant is None else {id_: one for id_, one in rows.items() if self._shows(one)}

    def _shows(self, record: Any) -> bool:
        kind = self._kind
        if kind.shown == "house":
            return False
        if kind.shown == "shown":
            return self._connector_shown(record.id)
        if kind.shown == "of_shown":
            return self._connector_shown(record.connector)
        if kind.shown == "layered" and record.tenant is None:
            return self._connector_shown(record.connector)
        return bool(getattr(record, kind.owner) == self._tenant)

    def _connector_shown(self, slug: str) -> bool:
        connector = self._work.memory.rows["connectors"].get(slug)
        return connector is not None and (connector.tenants is None or self._tenant in connector.tenants)

    def _check_own(self, record: Any) -> None:
        self._check_writes()
        if self._tenant is not None and (self._kind.read_only or getattr(record, self._kind.owner) != self._tenant):
            raise refusals.outside(self._kind)
        shapes.check_keepable(self._kind, record)

    def _check_writes(self) -> None:
        if self._work.ended:
            raise refusals.over()
        if not self._work.writes:
            raise HouseFault("this transaction only reads", code="store.over", hint="begin one that writes")


def settled(record: Any) -> Any:
    """The record as a database gives it back: JSON values as JSON says them."""
    kept = {
        member.name: value if member.form not in ("json", "tuple") or value is None else json.loads(json.dumps(value))
        for member in shapes.members_of(type(record))
        for value in [getattr(record, member.name)]
    }
    kind = next(kind for kind in KINDS if kind.record is type(record))
    return shapes.as_record(kind, kept)


def matches(record: Any, where: Mapping[str, Any]) -> bool:
    for name, wanted in where.items():
        if name.startswith(shapes.METADATA):
            there = shapes.as_compared(record.metadata.get(name.removeprefix(shapes.METADATA)))
            same = there == shapes.as_compared(wanted)
        else:
            same = getattr(record, name) == wanted
        if not same:
            return False
    return True


def clash(kind: Kind, one: Any, other: Any) -> bool:
    """Whether two records may not be there together."""
    for members in kind.unique:
        values = [getattr(one, member) for member in members]
        if (kind.none_counts or None not in values) and values == [getattr(other, member) for member in members]:
            return True
    return False


def check_references(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """That every record names only records that are there, as the databases see to when a transaction ends."""
    keys: dict[tuple[str, tuple[str, ...]], set[tuple[Any, ...]]] = {}
    for kind in KINDS:
        for reference in kind.refers:
            place = (reference.rows, reference.there)
            if place not in keys:
                keys[place] = set(values_of(rows[reference.rows].values(), reference.there))
            for named in values_of(rows[kind.rows].values(), reference.members):
                if None not in named and named not in keys[place]:
                    raise refusals.depended_on()


def values_of(records: Iterable[Any], members: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return (tuple(getattr(record, member) for member in members) for record in records)
