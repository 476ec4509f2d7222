"""Random work of several tenants on every store beside a plain model: the same answers, and nothing foreign in any."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.store.ports import Scope, Store, Work
from apiloom.store.records import Account, ApiToken, Connector, Overlay, Server, ServerToken, Tenant, Toolset, Version
from support.stores import rows_of

TENANTS = ("red", "green", "blue")
SLUGS = ("a", "b", "c")
STEPS = 120
SHOWN_BY_CONNECTOR = ("connectors", "versions")
LAYERED = ("overlays", "toolsets")
ID_OF_TENANT = ("tenants",)
KINDS = (
    "tenants",
    "connectors",
    "versions",
    "accounts",
    "servers",
    "server_tokens",
    "api_tokens",
    "overlays",
    "toolsets",
)


@dataclass
class Model:
    """What should be there, said as plainly as can be: one list of records, filtered by hand."""

    records: dict[tuple[str, str], Any] = field(default_factory=dict)
    changes: int = 0

    def shown(self, who: str, name: str) -> dict[str, Any]:
        here = {id_: record for (kind, id_), record in self.records.items() if kind == name}
        if who == "house":
            return here
        return {id_: record for id_, record in here.items() if self._may_see(who, name, record)}

    def _may_see(self, who: str, name: str, record: Any) -> bool:
        if name in ID_OF_TENANT:
            return bool(record.id == who)
        if name in SHOWN_BY_CONNECTOR or (name in LAYERED and record.tenant is None):
            slug = record.id if name == "connectors" else record.connector
            connector = self.records.get(("connectors", slug))
            return connector is not None and (connector.tenants is None or who in connector.tenants)
        return bool(record.tenant == who)

    def add(self, who: str, name: str, record: Any) -> str:
        if not self._may_write(who, name, record):
            return "store.scope"
        if (name, record.id) in self.records or self._taken(name, record):
            return "store.exists"
        self._put(name, record)
        return "ok"

    def save(self, who: str, name: str, record: Any, was: int) -> str:
        if not self._may_write(who, name, record):
            return "store.scope"
        there = self.records.get((name, record.id))
        if there is None or there.revision != was or owner(name, there) != owner(name, record):
            return "store.stale"
        if self._taken(name, record):
            return "store.exists"
        self._put(name, replace(record, revision=was + 1))
        return "ok"

    def remove(self, who: str, name: str, id_: str) -> str:
        if who != "house" and name in SHOWN_BY_CONNECTOR:
            return "store.scope"
        there = self.records.get((name, id_))
        if there is None or (who != "house" and owner(name, there) != who):
            return "False"
        del self.records[name, id_]
        self.changes += 1
        return "True"

    def dangles(self) -> bool:
        held = set(self.records)
        for (name, _), record in self.records.items():
            named = [("tenants", record.tenant)] if name != "tenants" and getattr(record, "tenant", None) else []
            if name in ("versions", "accounts", "overlays", "toolsets"):
                named.append(("connectors", record.connector))
            if name == "server_tokens":
                server = self.records.get(("servers", record.server))
                named.append(("servers", record.server if server and server.tenant == record.tenant else "?"))
            if not held.issuperset(named):
                return True
        return False

    def _may_write(self, who: str, name: str, record: Any) -> bool:
        return who == "house" or (name not in SHOWN_BY_CONNECTOR and owner(name, record) == who)

    def _put(self, name: str, record: Any) -> None:
        self.records[name, record.id] = record
        self.changes += 1

    def _taken(self, name: str, record: Any) -> bool:
        keys = unique(name, record)
        return any(
            keys & unique(name, other)
            for (kind, id_), other in self.records.items()
            if kind == name and id_ != record.id
        )


def owner(name: str, record: Any) -> Any:
    return record.id if name in ID_OF_TENANT else getattr(record, "tenant", None)


def unique(name: str, record: Any) -> set[tuple[Any, ...]]:
    if name == "versions":
        return {(record.connector, record.number)}
    if name == "overlays":
        return {(record.layer, record.connector, record.target, record.tenant)}
    if name == "toolsets":
        return {(record.connector, record.name, record.tenant)}
    if name in ("server_tokens", "api_tokens"):
        return {(record.digest,)}
    keys: set[tuple[Any, ...]] = {("name", record.tenant, record.name)} if name == "servers" else set()
    external = getattr(record, "external_id", None)
    return keys if external is None else keys | {("external", getattr(record, "tenant", None), external)}


def some_record(chance: random.Random, name: str) -> Any:
    """A record out of few, so that ids and names clash, names are shared, and tenants meet."""
    tenant, slug, number = chance.choice(TENANTS), chance.choice(SLUGS), chance.randrange(4)
    maybe, external = chance.choice((tenant, None)), chance.choice((None, f"x{number}"))
    if name == "tenants":
        return Tenant(id=tenant, external_id=external, name=f"{number}")
    if name == "connectors":
        shown = chance.choice((None, (), (tenant,), TENANTS[:2]))
        return Connector(id=slug, tenants=shown, current=number)
    if name == "versions":
        return Version(id=f"{slug}/{number}", connector=slug, number=number)
    if name == "accounts":
        return Account(id=f"acc_{number}", tenant=tenant, connector=slug, external_id=external)
    if name == "servers":
        return Server(id=f"srv_{number}", tenant=tenant, name=f"n{chance.randrange(3)}", external_id=external)
    if name == "server_tokens":
        server = f"srv_{chance.randrange(4)}"
        return ServerToken(id=f"tok_{number}", tenant=tenant, server=server, digest=bytes([chance.randrange(4)]))
    if name == "api_tokens":
        return ApiToken(id=f"key_{number}", tenant=maybe, name="n", role="agent", digest=bytes([chance.randrange(4)]))
    if name == "overlays":
        layer = "connector" if maybe is None else "tenant"
        return Overlay(id=f"ovl_{number}", layer=layer, connector=slug, tenant=maybe, target=maybe or "")
    return Toolset(id=f"{slug}/{number}@{maybe}", connector=slug, name=f"t{number}", tenant=maybe)


async def said(attempt: Awaitable[Any]) -> str:
    """The code of a refusal, True or False of a removal, else "ok"."""
    try:
        answer = await attempt
    except CallerError as error:
        return error.code
    return str(answer) if isinstance(answer, bool) else "ok"


def scope_of(work: Work, who: str) -> Scope:
    return work.house() if who == "house" else work.tenant(who)


async def one_step(chance: random.Random, work: Work, model: Model) -> None:
    who = chance.choice((*TENANTS, *TENANTS, "house", "house", "nobody"))
    name = chance.choice(KINDS)
    rows = rows_of(scope_of(work, who), name)
    record = some_record(chance, name)
    there = model.records.get((name, record.id))
    deed = chance.randrange(4)
    if deed == 0:
        assert await said(rows.remove(record.id)) == model.remove(who, name, record.id)
    elif deed == 1 and there is not None:
        was = there.revision if chance.random() < 0.8 else there.revision + 1
        assert await said(rows.save(record, was)) == model.save(who, name, record, was)
    else:
        assert await said(rows.add(record)) == model.add(who, name, record)


async def compare(store: Store, model: Model) -> None:
    async with store.reading() as work:
        for who in (*TENANTS, "house", "nobody"):
            for name in KINDS:
                rows, expected = rows_of(scope_of(work, who), name), model.shown(who, name)
                assert {record.id: record for record in await rows.every()} == expected, (who, name)
                for kind, id_ in model.records:
                    if kind == name and who == "red":
                        assert await rows.load(id_) == expected.get(id_)


async def test_random_work_of_several_tenants_shows_nothing_foreign(store: Store) -> None:
    await work_at_random(store, random.Random(1), STEPS)


@pytest.mark.system
@pytest.mark.parametrize("seed", range(2, 7))
async def test_much_random_work_of_several_tenants_shows_nothing_foreign(store: Store, seed: int) -> None:
    await work_at_random(store, random.Random(seed), STEPS * 10)


async def work_at_random(store: Store, chance: random.Random, steps: int) -> None:
    model = Model()
    async with store.writing() as work:
        assert await work.house().tenants.remove("default")
        for record in (*(Tenant(id=tenant) for tenant in TENANTS), *(Connector(id=slug) for slug in SLUGS)):
            name = "tenants" if isinstance(record, Tenant) else "connectors"
            await rows_of(work.house(), name).add(record)
            assert model.add("house", name, record) == "ok"
    told = await store.change_seq() - model.changes
    committed = 0
    for _ in range(steps // 5):
        before = Model(dict(model.records), model.changes)
        dangles, refused = False, ""
        try:
            async with store.writing() as work:
                for _ in range(5):
                    await one_step(chance, work, model)
                dangles = model.dangles()
        except CallerError as error:
            refused = error.code
        assert refused == ("store.depended_on" if dangles else "")
        committed += not dangles
        model = before if dangles else model
        assert await store.change_seq() == told + model.changes
        if chance.random() < 0.15:
            await compare(store, model)
    await compare(store, model)
    assert committed > steps // 20
