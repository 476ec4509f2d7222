"""Records are kept as they were given, found as they were asked for, and never overwritten unseen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError, CallerError, HouseFault
from apiloom.store.kinds import KINDS
from apiloom.store.ports import Store
from apiloom.store.records import (
    Account,
    ApiToken,
    Audited,
    Connector,
    Overlay,
    Server,
    ServerToken,
    Tenant,
    Toolset,
    Version,
)
from support.stores import ACME, GLOBEX, HIS, OPEN, furnish, of_connector, of_tenant, rows_of

BOTH = {**of_connector(HIS, tenants=(ACME,)), **of_tenant(ACME)}


async def refused(store: Store, name: str, record: Any, *, tenant: str | None = None, was: int = 0) -> str:
    """The code with which a record is refused, after which the same transaction still works."""
    async with store.writing() as work:
        scope = work.house() if tenant is None else work.tenant(tenant)
        rows = rows_of(scope, name)
        with pytest.raises(ApiloomError) as refusal:
            await (rows.save(record, was) if was else rows.add(record))
        assert await rows.load("no such id") is None
    return refusal.value.code


async def test_a_fresh_store_has_one_tenant_and_an_id(store: Store) -> None:
    async with store.reading() as work:
        assert [tenant.id for tenant in await work.house().tenants.every()] == ["default"]
    assert (await store.installation())["id"].startswith("ins_")
    assert await store.change_seq() == 0


async def test_every_kind_of_record_comes_back_as_it_was_given(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        for record in (*of_connector(HIS, tenants=(ACME,)).values(), *of_tenant(ACME).values()):
            name = next(kind.rows for kind in KINDS if kind.record is type(record))
            assert await rows_of(work.house(), name).load(record.id) == record


async def test_what_add_and_save_give_back_is_what_load_gives(store: Store) -> None:
    await furnish(store)
    given = Server(id="srv_n", tenant=ACME, name="n", config={"pair": (1, 2)}, accounts=("a",))
    async with store.writing() as work:
        added = await work.house().servers.add(given)
        assert added.config == {"pair": [1, 2]}
        assert added == await work.house().servers.load("srv_n")
        saved = await work.house().servers.save(replace(added, name="m"), 1)
        assert (saved.revision, saved.name) == (2, "m")
        assert saved == await work.house().servers.load("srv_n")


async def test_a_save_needs_the_revision_that_was_read(store: Store) -> None:
    await furnish(store)
    given = {**of_connector(HIS, tenants=(ACME,)), **of_tenant(ACME)}
    async with store.writing() as work:
        for name, record in given.items():
            rows = rows_of(work.house(), name)
            assert (await rows.save(record, 1)).revision == 2
            with pytest.raises(CallerError) as refusal:
                await rows.save(record, 1)
            assert refusal.value.code == "store.stale", name
            assert (await rows.save(record, 2)).revision == 3
    async with store.writing() as work:
        for name in ("server_tokens", "api_tokens", "remembered", "overlays", "versions"):
            rows = rows_of(work.house(), name)
            assert await rows.remove(given[name].id)
            assert not await rows.remove(given[name].id)
            with pytest.raises(CallerError, match="since it was read"):
                await rows.save(given[name], 3)


async def test_many_records_are_kept_and_removed_together_as_one_by_one(store: Store) -> None:
    await furnish(store)
    many = [Toolset(id=f"{OPEN}/t{number}", connector=OPEN, name=f"t{number}") for number in range(250)]
    before = await store.change_seq()
    async with store.writing() as work:
        await work.house().toolsets.add_all(many)
    async with store.writing() as work:
        rows = work.house().toolsets
        assert await rows.count({"connector": OPEN}) >= 250
        assert await rows.load(f"{OPEN}/t249") == many[249]
        assert await rows.load_all([*(one.id for one in many), "no such id", "\x00"]) == {one.id: one for one in many}
        assert await rows.remove_all([*(one.id for one in many[:120]), "no such id", "\x00"]) == 120
    changes = await store.changes(before, limit=1000)
    assert changes is not None
    assert [one.id for one in changes] == [one.id for one in many] + [one.id for one in many[:120]]
    async with store.writing() as work:
        with pytest.raises(CallerError) as taken:
            await work.house().toolsets.add_all([replace(many[0], name="other"), many[200]])
        assert taken.value.code == "store.exists"
        await work.house().toolsets.add_all([])
        assert await work.house().toolsets.remove_all([]) == 0


async def test_many_records_are_written_in_their_own_scope_only(store: Store) -> None:
    await furnish(store)
    theirs = Server(id="srv_many", tenant=GLOBEX, name="many")
    async with store.writing() as work:
        with pytest.raises(CallerError):
            await work.tenant(ACME).servers.add_all([theirs])
        await work.tenant(GLOBEX).servers.add_all([theirs])
        assert await work.tenant(ACME).servers.load_all(["srv_many"]) == {}
        assert await work.tenant(ACME).servers.remove_all(["srv_many"]) == 0
        assert await work.tenant(GLOBEX).servers.remove_all(["srv_many"]) == 1


async def test_a_record_never_moves_to_another_tenant(store: Store) -> None:
    await furnish(store)
    moved = replace(of_tenant(ACME)["accounts"], tenant=GLOBEX, external_id=None)
    assert await refused(store, "accounts", moved, was=1) == "store.stale"
    layer = replace(of_tenant(ACME)["overlays"], tenant=None)
    assert await refused(store, "overlays", layer, was=1) == "store.stale"


TAKEN = (
    ("tenants", Tenant(id="other", external_id="ext-acme")),
    ("tenants", Tenant(id=ACME)),
    ("connectors", Connector(id=OPEN)),
    ("versions", Version(id="x", connector=OPEN, number=1)),
    ("accounts", Account(id="acc_n", tenant=ACME, connector=OPEN, external_id="x1")),
    ("servers", Server(id="srv_n", tenant=ACME, name="main")),
    ("servers", Server(id="srv_n", tenant=ACME, name="n", external_id="x1")),
    ("server_tokens", ServerToken(id="tok_n", tenant=ACME, server="srv_acme", digest=b"s-globex")),
    ("api_tokens", ApiToken(id="key_n", tenant=None, name="n", role="agent", digest=b"a-acme")),
    ("overlays", Overlay(id="ovl_n", layer="connector", connector=OPEN)),
    ("overlays", Overlay(id="ovl_n", layer="tenant", connector=OPEN, tenant=ACME, target=ACME)),
    ("toolsets", Toolset(id="n", connector=OPEN, name="all")),
    ("toolsets", Toolset(id="n", connector=OPEN, name="mine", tenant=ACME)),
)


async def test_what_is_unique_is_taken_once(store: Store) -> None:
    await furnish(store)
    for name, record in TAKEN:
        assert await refused(store, name, record) == "store.exists", record


async def test_two_tenants_may_use_the_same_names(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        named = await work.house().servers.every({"name": "main"})
        assert [server.tenant for server in named] == [ACME, GLOBEX]
        assert len(await work.house().accounts.every({"external_id": "x1"})) == 2


async def test_a_name_is_taken_by_a_save_too_and_the_transaction_goes_on(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        rows = work.tenant(ACME).servers
        other = await rows.add(Server(id="srv_n", tenant=ACME, name="n"))
        with pytest.raises(CallerError) as refusal:
            await rows.save(replace(other, name="main"), 1)
        assert refusal.value.code == "store.exists"
        await rows.save(replace(other, name="o"), 1)
    async with store.reading() as work:
        assert [server.name for server in await work.tenant(ACME).servers.every()] == ["main", "o"]


FOUND: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"connector": OPEN}, ["acc_acme", "acc_globex"]),
    ({"connector": OPEN, "tenant": ACME}, ["acc_acme"]),
    ({"connector": "nobody"}, []),
    ({"shared": False}, ["acc_acme", "acc_globex"]),
    ({"shared": True}, []),
    ({"end_user": None}, []),
    ({"end_user": "u1", "metadata.tier": "3"}, ["acc_acme", "acc_globex"]),
    ({"metadata.tier": 3}, ["acc_acme", "acc_globex"]),
    ({"metadata.text": "3"}, ["acc_acme", "acc_globex"]),
    ({"metadata.beta": "true"}, ["acc_acme", "acc_globex"]),
    ({"metadata.beta": True}, ["acc_acme", "acc_globex"]),
    ({"metadata.ratio": 1.5}, ["acc_acme", "acc_globex"]),
    ({"metadata.none": None}, ["acc_acme", "acc_globex"]),
    ({"metadata.absent": None}, ["acc_acme", "acc_globex"]),
    ({"metadata.tier": None}, []),
    ({"metadata.tier": "4"}, []),
    ({'metadata."tier': "3"}, []),
    ({"metadata.$.tier": "3"}, []),
    ({"metadata.tier": "3\0"}, []),
    ({"label": "\ud800"}, []),
    ({"revision": 10**30}, []),
    ({"revision": "1"}, []),
    ({"revision": True}, []),
    ({"shared": "false"}, []),
    ({"shared": 0}, []),
    ({"connector": 5}, []),
    ({"created_at": 0}, ["acc_acme", "acc_globex"]),
    ({"sealed": "x"}, []),
    ({"sealed": bytes(range(256))}, ["acc_acme", "acc_globex"]),
)


async def test_records_are_found_by_their_members(store: Store) -> None:
    await furnish(store)
    async with store.reading() as work:
        rows = work.house().accounts
        for where, found in FOUND:
            assert [account.id for account in await rows.every(where)] == found, where
            assert await rows.count(where) == len(found), where


async def test_records_are_found_by_no_other_members(store: Store) -> None:
    async with store.reading() as work:
        for member in ("password", "sealed'; --", "variables", "schemes", "metadata"):
            with pytest.raises(HouseFault) as fault:
                await work.house().accounts.every({member: "x"})
            assert fault.value.code == "store.member"


async def test_pages_join_to_the_whole_in_the_order_of_ids(store: Store) -> None:
    ids = sorted(["a", "B", "Z", "aa", "é", "z", "ß", "_", "0", "日", "🧵", "Ab"])
    async with store.writing() as work:
        for id_ in reversed(ids):
            await work.house().connectors.add(Connector(id=id_))
    async with store.reading() as work:
        rows = work.house().connectors
        got, after = [], ""
        while True:
            page, after = await rows.page(limit=5, after=after)
            got.append([connector.id for connector in page])
            if not after:
                break
    assert got == [ids[:5], ids[5:10], ids[10:]]


async def test_a_page_that_ends_with_the_last_record_is_the_last(store: Store) -> None:
    async with store.writing() as work:
        for id_ in "ab":
            await work.house().connectors.add(Connector(id=id_))
        assert (await work.house().connectors.page(limit=2))[1] == ""
        assert (await work.house().connectors.page(limit=1))[1] == "a"
        assert len((await work.house().connectors.page(limit=10**12))[0]) == 2
        assert (await work.house().connectors.page(after="a\0"))[0] == []


async def test_what_is_due_is_told_in_turn_where_one_tenant_has_a_crowd(store: Store) -> None:
    await furnish(store)
    async with store.writing() as work:
        for tenant, times in {ACME: (1.0, 2.0, 2.0, 9.0), GLOBEX: (3.0, 4.0)}.items():
            scope = work.tenant(tenant)
            made = of_tenant(tenant)["connect_sessions"]
            for at, time in enumerate(times):
                one = replace(made, id=f"cs_{tenant}{at}", digest=f"{tenant}{at}".encode(), poll_at=time)
                await scope.connect_sessions.add(one)
    async with store.reading() as work:
        sessions = work.house().connect_sessions
        plain = [one.id for one in await sessions.due("poll_at", 5.0, 4)]
        assert plain == ["cs_acme0", "cs_acme1", "cs_acme2", "cs_globex0"]
        fair = [one.id for one in await sessions.due("poll_at", 5.0, 4, in_turn=True)]
        assert fair == ["cs_acme0", "cs_globex0", "cs_acme1", "cs_globex1"]
        own = await work.tenant(ACME).connect_sessions.due("poll_at", 5.0, in_turn=True)
        assert [one.id for one in own] == ["cs_acme0", "cs_acme1", "cs_acme2"]


async def test_the_audit_is_read_newest_first(store: Store) -> None:
    entries = [Audited(id=f"aud_{n}", at=n, principal="p", action="call", tenant=ACME) for n in range(5)]
    await store.append_audit(entries)
    await store.append_audit(entries[:2])
    async with store.reading() as work:
        page, after = await work.tenant(ACME).audit.page(limit=2)
        assert [line.id for line in page] == ["aud_4", "aud_3"]
        page, after = await work.tenant(ACME).audit.page(limit=3, after=after)
        assert ([line.id for line in page], after) == (["aud_2", "aud_1", "aud_0"], "")


UNKEEPABLE = (
    Account(id="a\0", tenant=ACME, connector=OPEN),
    Account(id="a", tenant=ACME, connector=OPEN, label="\0"),
    Account(id="a", tenant=ACME, connector=OPEN, label="\ud800"),
    Account(id="a", tenant=ACME, connector=OPEN, metadata={"a": ["\0"]}),
    Account(id="a", tenant=ACME, connector=OPEN, metadata={"a\0": 1}),
    Account(id="a", tenant=ACME, connector=OPEN, metadata={"a": "\udfff"}),
    Account(id="a", tenant=ACME, connector=OPEN, metadata={"a": object()}),
    Account(id="a", tenant=ACME, connector=OPEN, schemes=("\0",)),
    Account(id="a" * 513, tenant=ACME, connector=OPEN),
    Account(id="a", tenant=ACME, connector=OPEN, external_id="é" * 257),
    Account(id="a", tenant=ACME, connector=OPEN, created_at=float("nan")),
    Account(id="a", tenant=ACME, connector=OPEN, revision=2**63),
)


async def test_what_not_every_database_keeps_is_refused_by_all(store: Store) -> None:
    await furnish(store)
    for record in UNKEEPABLE:
        assert await refused(store, "accounts", record) == "store.value", record


async def test_odd_but_sound_values_are_kept(store: Store) -> None:
    await furnish(store)
    odd = Account(
        id="i" * 512,
        tenant=ACME,
        connector=OPEN,
        label="\x01\\u0000 '; DROP TABLE accounts; --",
        metadata={"\\u0000": "\\\\u0000", "'\"": [None, 2**60, 1e300, -0.5, ""], "": {}},
        external_id="é" * 256,
        created_at=float("inf"),
        sealed=b"",
        revision=2**62,
    )
    async with store.writing() as work:
        await work.tenant(ACME).accounts.add(odd)
    async with store.reading() as work:
        assert await work.tenant(ACME).accounts.load(odd.id) == odd


@pytest.mark.parametrize("of_house", [True, False])
async def test_an_id_that_cannot_be_is_not_there(store: Store, of_house: bool) -> None:
    await furnish(store)
    async with store.writing() as work:
        for id_ in ("", "*", "\0", "a\0b", "\ud800", "x" * 100_000, "%", "acc_acme' OR 1=1 --"):
            for scope in (work.house() if of_house else work.tenant(ACME), work.tenant(id_)):
                assert await scope.accounts.load(id_) is None
                assert not await scope.accounts.remove(id_)
                assert await scope.versions.artefact(id_) is None
            assert not await work.tenant(id_).accounts.every()


DANGLING: tuple[tuple[str, Any], ...] = (
    ("accounts", Account(id="n", tenant="nobody", connector=OPEN)),
    ("accounts", Account(id="n", tenant=ACME, connector="nothing")),
    ("servers", Server(id="n", tenant="nobody", name="n")),
    ("server_tokens", ServerToken(id="n", tenant=ACME, server="srv_globex", digest=b"n")),
    ("versions", Version(id="n", connector="nothing", number=1)),
    ("overlays", Overlay(id="n", layer="connector", connector="nothing")),
    ("api_tokens", ApiToken(id="n", tenant="nobody", name="n", role="agent", digest=b"n")),
)


async def test_a_record_names_only_records_that_are_there(store: Store) -> None:
    await furnish(store)
    before = await store.change_seq()
    for name, record in DANGLING:
        with pytest.raises(CallerError) as refusal:
            async with store.writing() as work:
                await rows_of(work.house(), name).add(record)
        assert refusal.value.code == "store.depended_on", record
        async with store.reading() as work:
            assert await rows_of(work.house(), name).load("n") is None
    assert await store.change_seq() == before


async def test_what_others_depend_on_stays_unless_they_go_too(store: Store) -> None:
    await furnish(store)
    with pytest.raises(CallerError) as refusal:
        async with store.writing() as work:
            assert await work.tenant(ACME).servers.remove("srv_acme")
    assert refusal.value.code == "store.depended_on"
    async with store.writing() as work:
        assert await work.tenant(ACME).servers.remove("srv_acme")
        assert await work.tenant(ACME).server_tokens.remove("tok_acme")
    async with store.reading() as work:
        assert await work.tenant(ACME).servers.count() == 0


async def test_a_block_that_raises_leaves_nothing(store: Store) -> None:
    await furnish(store)
    before = await store.change_seq()

    async def broken() -> None:
        async with store.writing() as work:
            await work.house().connectors.add(Connector(id="n"))
            await work.house().versions.remove("his/1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    async with store.reading() as work:
        assert await work.house().connectors.load("n") is None
        assert await work.house().versions.artefact("his/1") == b"his"
    assert await store.change_seq() == before


async def test_a_transaction_that_only_reads_does_not_write(store: Store) -> None:
    async with store.reading() as work:
        for attempt in (
            work.house().connectors.add(Connector(id="n")),
            work.house().connectors.save(Connector(id="n"), 1),
            work.house().connectors.remove("n"),
            work.house().versions.put_content("n/1", document=b"", artefact=b""),
        ):
            with pytest.raises(HouseFault, match="only reads"):
                await attempt


async def test_nobody_goes_on_with_a_transaction_that_has_ended(store: Store) -> None:
    async with store.writing() as work:
        rows = work.house().connectors
    async with store.reading() as read:
        pass
    for attempt in (rows.load("a"), rows.add(Connector(id="n")), read.house().tenants.every()):
        with pytest.raises(HouseFault) as fault:
            await attempt
        assert fault.value.code == "store.over"


async def test_what_a_caller_does_to_a_record_changes_nothing_kept(store: Store) -> None:
    await furnish(store)
    metadata: dict[str, Any] = {"a": [1]}
    async with store.writing() as work:
        added = await work.house().connectors.add(Connector(id="n", metadata=metadata))
        metadata["a"].append(2)
        added.metadata["a"].append(3)
        found = await work.house().connectors.load("n")
        assert found is not None
        assert found.metadata == {"a": [1]}
