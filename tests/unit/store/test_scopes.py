"""What a tenant's scope shows and takes, exactly; and that what is not there and what is another's look alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError
from apiloom.store.kinds import KINDS
from apiloom.store.ports import Store
from apiloom.store.records import Account, ApiToken, Audited, Connector, Overlay, Server, Tenant, Toolset, Version
from apiloom.store.sql.counting import counting
from support.stores import ACME, GLOBEX, HERS, HIS, OPEN, furnish, of_connector, of_house, of_tenant, rows_of, seen

READ_ONLY = ("connectors", "versions")
LAYERED = ("overlays", "toolsets", "oauth_clients")


def expected(tenant: str, slug: str) -> dict[str, set[str]]:
    return {
        "tenants": {tenant},
        "tenant_keys": {f"{tenant}/1"},
        "connectors": {OPEN, slug},
        "versions": {f"{OPEN}/1", f"{slug}/1"},
        "accounts": {f"acc_{tenant}"},
        "servers": {f"srv_{tenant}"},
        "server_tokens": {f"tok_{tenant}"},
        "api_tokens": {f"key_{tenant}"},
        "overlays": {f"ovl_{tenant}", f"ovl_{OPEN}", f"ovl_{slug}"},
        "toolsets": {f"{OPEN}/mine@{tenant}", f"{OPEN}/all", f"{slug}/all"},
        "oauth_clients": {f"ocl_{tenant}", f"ocl_{OPEN}", f"ocl_{slug}"},
        "grants": {f"acc_{tenant}/oauth"},
        "connect_sessions": {f"cs_{tenant}"},
        "events": {f"evt_1{tenant}"},
        "token_families": {f"fam_{tenant}"},
        "audit": {f"aud_1{tenant}"},
        "remembered": {f"h-{tenant}"},
        **{name: set() for name in of_house()},
    }


def test_there_is_a_sample_of_every_kind() -> None:
    samples = {**of_connector(OPEN, tenants=None), **of_tenant(ACME), **of_house()}
    assert set(samples) == {kind.rows for kind in KINDS}
    assert all(isinstance(samples[kind.rows], kind.record) for kind in KINDS)


async def test_a_tenant_sees_its_own_and_what_is_shown_to_it(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        assert await seen(work.tenant(ACME)) == expected(ACME, HIS)
        assert await seen(work.tenant(GLOBEX)) == expected(GLOBEX, HERS)


async def test_the_house_sees_everything(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        house = await seen(work.house())
    for tenant, slug in ((ACME, HIS), (GLOBEX, HERS)):
        for name, ids in expected(tenant, slug).items():
            assert ids <= house[name]
    assert {"key_house"} <= house["api_tokens"]
    assert {"aud_2house"} <= house["audit"]
    assert {"evt_2house"} <= house["events"]
    assert {"fam_house"} <= house["token_families"]
    for name, record in of_house().items():
        assert house[name] == {record.id}


@pytest.mark.parametrize("tenant", ["nobody", "", "*", "default", "acme ", "ACME", "acme'--", "\0"])
async def test_a_tenant_without_anything_sees_what_is_shown_to_all(store: Store, tenant: str) -> None:
    await furnish(store)
    async with store.reading() as work:
        found = await seen(work.tenant(tenant))
    shown = {
        "connectors": {OPEN},
        "versions": {f"{OPEN}/1"},
        "overlays": {f"ovl_{OPEN}"},
        "toolsets": {f"{OPEN}/all"},
        "oauth_clients": {f"ocl_{OPEN}"},
    }
    own = {"tenants": {"default"}} if tenant == "default" else {}
    nothing: set[str] = set()
    for name, ids in found.items():
        assert ids in ((own | shown).get(name, nothing), nothing if tenant == "\0" else None), name


async def test_every_way_of_looking_keeps_to_the_scope(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        for name, ids in expected(ACME, HIS).items():
            rows = rows_of(work.tenant(ACME), name)
            assert await rows.count() == len(ids)
            page, after = await rows.page(limit=50)
            assert ({record.id for record in page}, after) == (ids, "")
            for id_ in expected(GLOBEX, HERS)[name] - ids:
                assert await rows.load(id_) is None
                assert not await rows.every({"id": id_})
        assert not await work.tenant(ACME).accounts.every({"tenant": GLOBEX})


async def test_contents_are_shown_with_their_version(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        mine, theirs = work.tenant(ACME).versions, work.tenant(GLOBEX).versions
        assert (await mine.document("his/1"), await mine.artefact("his/1")) == (b"doc his", b"his")
        assert (await theirs.document("his/1"), await theirs.artefact("his/1")) == (None, None)
        assert (await theirs.document("no/1"), await theirs.artefact("no/1")) == (None, None)


async def refusal_of(attempt: Any) -> str:
    with pytest.raises(ApiloomError) as refused:
        await attempt
    return refused.value.code


async def test_a_tenant_writes_nothing_of_the_house_and_nothing_of_another(store: Store) -> None:
    await furnish(store)
    layer = of_connector(OPEN, tenants=None)
    async with store.writing() as work:
        mine = work.tenant(ACME)
        for name in READ_ONLY:
            assert await refusal_of(rows_of(mine, name).add(replace(layer[name], id="new"))) == "store.scope"
            assert await refusal_of(rows_of(mine, name).save(layer[name], 1)) == "store.scope"
            for id_ in (layer[name].id, of_connector(HERS, tenants=())[name].id, "nothing"):
                assert await refusal_of(rows_of(mine, name).remove(id_)) == "store.scope"
        assert await refusal_of(mine.versions.put_content("his/1", document=b"", artefact=b"")) == "store.scope"
        for name, record in of_house().items():
            assert await refusal_of(rows_of(mine, name).add(replace(record, id="new"))) == "store.scope"
            assert await refusal_of(rows_of(mine, name).save(record, 1)) == "store.scope"
            assert await refusal_of(rows_of(mine, name).remove(record.id)) == "store.scope"
        for name in LAYERED:
            assert await refusal_of(rows_of(mine, name).add(replace(layer[name], id="new"))) == "store.scope"
            assert await refusal_of(rows_of(mine, name).save(layer[name], 1)) == "store.scope"
            assert not await rows_of(mine, name).remove(layer[name].id)
        for name, record in of_tenant(GLOBEX).items():
            assert await refusal_of(rows_of(mine, name).add(record)) == "store.scope", name
            assert await refusal_of(rows_of(mine, name).save(record, 1)) == "store.scope", name
            assert not await rows_of(mine, name).remove(record.id), name
        assert await refusal_of(mine.api_tokens.add(ApiToken(id="n", tenant=None, name="", role="owner", digest=b"n")))
        assert await refusal_of(mine.audit.add(Audited(id="n", at=0, principal="p", action="x"))) == "store.scope"
    assert await store.change_seq() == (await store.changes(0) or [])[-1].seq
    async with store.reading() as work:
        assert await seen(work.tenant(GLOBEX)) == expected(GLOBEX, HERS)


async def test_an_id_of_another_tenant_cannot_be_taken_over(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        mine = work.tenant(ACME).accounts
        forged = Account(id="acc_globex", tenant=ACME, connector=OPEN)
        assert await refusal_of(mine.save(forged, 1)) == "store.stale"
        assert await refusal_of(mine.save(replace(forged, id="acc_none"), 1)) == "store.stale"
        assert await refusal_of(mine.add(forged)) == "store.exists"
    async with store.reading() as work:
        assert await work.tenant(GLOBEX).accounts.load("acc_globex") == of_tenant(GLOBEX)["accounts"]


async def test_a_tenant_writes_its_own(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        mine = work.tenant(ACME)
        await mine.tenants.save(Tenant(id=ACME, name="Acme Inc"), 1)
        await mine.overlays.add(Overlay(id="ovl_n", layer="server", connector=OPEN, tenant=ACME, target="srv_acme"))
        await mine.toolsets.add(Toolset(id="t", connector=OPEN, name="all", tenant=ACME))
        await mine.servers.save(replace(of_tenant(ACME)["servers"], name="renamed"), 1)
        assert await mine.toolsets.remove("t")
        assert await mine.grants.remove("acc_acme/oauth")
        assert await mine.accounts.remove("acc_acme")
        await mine.audit.add(Audited(id="aud_9", at=9, principal="p", action="x", tenant=ACME))
    async with store.reading() as work:
        tenant = await work.tenant(ACME).tenants.load(ACME)
        assert tenant is not None
        assert (tenant.name, tenant.revision) == ("Acme Inc", 2)


async def test_what_is_no_longer_shown_is_no_longer_seen(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        house = work.house()
        for slug, tenants in ((HIS, ()), (OPEN, (GLOBEX,))):
            connector = await house.connectors.load(slug)
            assert connector is not None
            await house.connectors.save(replace(connector, tenants=tenants), 1)
        found = await seen(work.tenant(ACME))
        assert not found["connectors"] | found["versions"]
        assert (found["overlays"], found["toolsets"]) == ({"ovl_acme"}, {"open/mine@acme"})
        assert found["oauth_clients"] == {"ocl_acme"}
        assert await work.tenant(ACME).versions.artefact("open/1") is None


async def test_scopes_of_one_transaction_do_not_mix(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        house, mine, theirs = work.house(), work.tenant(ACME), work.tenant(GLOBEX)
        for _ in range(2):
            assert await mine.accounts.count() == 1
            assert await house.accounts.count() == 2
            assert await theirs.accounts.load("acc_acme") is None
        await house.connectors.add(Connector(id="late", tenants=(GLOBEX,)))
        await theirs.servers.add(Server(id="srv_late", tenant=GLOBEX, name="late"))
        assert await mine.connectors.load("late") is None
        assert await mine.servers.load("srv_late") is None
        await house.versions.add(Version(id="late/1", connector="late", number=1))
        assert await theirs.versions.load("late/1") is not None


async def test_one_transaction_may_be_asked_several_things_at_once(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        counts = await asyncio.gather(
            *(work.tenant(tenant).accounts.count() for tenant in (ACME, GLOBEX, "nobody") for _ in range(4)),
            work.tenant(ACME).servers.add(Server(id="srv_n", tenant=ACME, name="n")),
            work.tenant(GLOBEX).servers.save(replace(of_tenant(GLOBEX)["servers"], name="n"), 1),
        )
    assert counts[:12] == [1] * 8 + [0] * 4


async def test_unknown_and_foreign_ids_run_the_same_queries(store: Store) -> None:
    await furnish(store)
    sent: list[list[str]] = []
    for id_ in ("{}_globex", "{}_nobody"):
        with counting() as counted:
            async with store.writing() as work:
                mine = work.tenant(ACME)
                for name, prefix in (("accounts", "acc"), ("servers", "srv"), ("api_tokens", "key")):
                    rows, foreign = rows_of(mine, name), id_.format(prefix)
                    assert await rows.load(foreign) is None
                    assert not await rows.remove(foreign)
                    record = replace(of_tenant(ACME)[name], id=foreign)
                    assert await refusal_of(rows.save(record, 1)) == "store.stale"
                assert await mine.versions.artefact(id_.format("ver")) is None
        sent.append(counted.statements)
    assert sent[0] == sent[1]
