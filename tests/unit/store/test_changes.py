"""The feed of changes, and what is kept without one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from apiloom.base.errors import CallerError
from apiloom.store.ports import Store
from apiloom.store.records import ApiToken, Audited, Connector, Remembered, Server, TenantKey, Version
from apiloom.store.sql import work as work_module
from apiloom.store.sql.counting import counting
from apiloom.store.sql.store import SqlStore
from support.stores import ACME, GLOBEX, furnish, of_tenant


async def test_every_add_save_and_remove_is_told_in_order(store: Store) -> None:
    async with store.writing() as work:
        connector = await work.house().connectors.add(Connector(id="a"))
        await work.house().connectors.save(replace(connector, title="A"), 1)
        server = await work.tenant("default").servers.add(Server(id="srv_1", tenant="default", name="s"))
    async with store.writing() as work:
        await work.house().servers.remove(server.id)
        await work.house().connectors.remove("a")
    changes = await store.changes(0)
    assert changes is not None
    assert [(change.seq, change.kind, change.id, change.tenant) for change in changes] == [
        (1, "connector", "a", None),
        (2, "connector", "a", None),
        (3, "server", "srv_1", "default"),
        (4, "server", "srv_1", "default"),
        (5, "connector", "a", None),
    ]
    assert await store.change_seq() == 5


async def test_changes_are_read_from_a_number_on_and_in_pieces(store: Store) -> None:
    async with store.writing() as work:
        for number in range(7):
            await work.house().connectors.add(Connector(id=f"c{number}"))
    assert [change.seq for change in await store.changes(2, limit=3) or ()] == [3, 4, 5]
    assert [change.seq for change in await store.changes(5) or ()] == [6, 7]
    assert await store.changes(7) == []


async def test_a_number_that_was_never_reached_asks_for_everything_anew(store: Store) -> None:
    assert await store.changes(0) == []
    assert await store.changes(5) is None


async def test_a_refused_write_is_not_told(store: Store) -> None:
    await furnish(store)
    before = await store.change_seq()
    async with store.writing() as work:
        for attempt in (
            work.house().servers.add(Server(id="n", tenant=ACME, name="main")),
            work.house().servers.save(Server(id="srv_acme", tenant=ACME, name="main"), 7),
        ):
            with pytest.raises(CallerError):
                await attempt
        assert not await work.tenant(ACME).servers.remove("srv_globex")
    assert await store.change_seq() == before


async def test_what_nobody_serves_from_is_kept_without_a_change(store: Store) -> None:
    await furnish(store)
    before = await store.change_seq()
    async with store.writing() as work:
        mine = work.tenant(ACME)
        await mine.audit.add(Audited(id="aud_3", at=3, principal="p", action="x", tenant=ACME))
        await mine.remembered.add(Remembered(id="h", request="q", status=200, tenant=ACME))
        await mine.tenant_keys.add(TenantKey(id="acme/2", tenant=ACME, version=2, wrapped=b"w"))
        await mine.remembered.remove("h")
    await store.append_audit([Audited(id="aud_4", at=4, principal="p", action="x", tenant=GLOBEX)])
    await store.note_use({"tok_acme": 7.5})
    assert await store.change_seq() == before


async def test_the_last_use_of_tokens_only_rises_and_leaves_their_revision(store: Store) -> None:
    await furnish(store)
    await store.note_use({"tok_acme": 7.5, "key_acme": 8.5, "tok_nobody": 1.0, "key_nobody": 1.0, "odd": 1.0})
    await store.note_use({"tok_acme": 7.0, "key_acme": 9.0})
    await store.note_use({})
    async with store.reading() as work:
        token = await work.tenant(ACME).server_tokens.load("tok_acme")
        key = await work.tenant(ACME).api_tokens.load("key_acme")
        assert token == replace(of_tenant(ACME)["server_tokens"], last_used_at=7.5)
        assert key == replace(of_tenant(ACME)["api_tokens"], last_used_at=9.0)


async def test_many_uses_and_audit_lines_are_written_at_once(store: Store) -> None:
    await store.append_audit(
        [Audited(id=f"aud_{n:05}", at=n, principal="p", action="call", tenant=None) for n in range(1200)]
    )
    await store.note_use({f"tok_{n}": 1.0 for n in range(1200)})
    await store.append_audit([])
    async with store.reading() as work:
        assert await work.house().audit.count() == 1200


async def test_writers_take_turns_and_numbers_have_no_gaps(store: Store) -> None:
    async def write(number: int) -> None:
        async with store.writing() as work:
            rows = work.house().connectors
            counted = await rows.count()
            await asyncio.sleep(0)
            await rows.add(Connector(id=f"c{number:02}", current=counted))
            if number % 3 == 0:
                raise ZeroDivisionError

    outcomes = await asyncio.gather(*(write(number) for number in range(12)), return_exceptions=True)
    assert sum(isinstance(outcome, ZeroDivisionError) for outcome in outcomes) == 4
    assert [change.seq for change in await store.changes(0) or ()] == list(range(1, 9))
    async with store.reading() as work:
        # whoever counted saw everything that was committed before
        assert sorted(connector.current for connector in await work.house().connectors.every()) == list(range(8))


async def test_a_reader_sees_one_moment(store: Store) -> None:
    await furnish(store)
    async with store.reading() as reading:
        before = await reading.house().servers.every()
        async with store.writing() as work:
            await work.house().servers.add(Server(id="srv_n", tenant=ACME, name="n"))
        assert await reading.house().servers.every() == before
    async with store.reading() as reading:
        assert await reading.house().servers.count() == len(before) + 1


async def test_old_changes_are_pruned_and_who_lags_behind_is_told_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(store, SqlStore):
        store = type(store)(kept_changes=10)  # type: ignore[call-arg]
    monkeypatch.setattr(work_module, "KEPT_CHANGES", 10)
    monkeypatch.setattr(work_module, "_PRUNED_EVERY", 5)
    for number in range(6):
        async with store.writing() as work:
            for part in range(4):
                await work.house().connectors.add(Connector(id=f"c{number}{part}"))
    assert await store.change_seq() == 24
    assert await store.changes(0) is None
    assert [change.seq for change in await store.changes(20) or ()] == [21, 22, 23, 24]
    assert await store.changes(3) is None


async def test_a_key_is_bound_once(store: Store) -> None:
    assert (await store.installation())["key_fingerprint"] == ""
    assert await store.bind_key("one")
    assert not await store.bind_key("two")
    assert (await store.installation())["key_fingerprint"] == "one"


async def test_large_contents_come_back_and_go_with_their_version(store: Store) -> None:
    document, artefact = bytes(range(256)) * 20_000, b"\x00" * 3_000_000
    async with store.writing() as work:
        house = work.house()
        await house.connectors.add(Connector(id="a"))
        with pytest.raises(CallerError, match="since it was read"):
            await house.versions.put_content("a/1", document=b"", artefact=b"")
        await house.versions.add(Version(id="a/1", connector="a", number=1))
        assert await house.versions.document("a/1") is None
        await house.versions.put_content("a/1", document=b"", artefact=b"x")
        await house.versions.put_content("a/1", document=document, artefact=artefact)
    async with store.writing() as work:
        house = work.house()
        assert await house.versions.document("a/1") == document
        assert await house.versions.artefact("a/1") == artefact
        await house.versions.remove("a/1")
        assert await house.versions.artefact("a/1") is None
        await house.versions.add(Version(id="a/1", connector="a", number=1))
        assert await house.versions.artefact("a/1") is None


async def test_a_poll_is_one_question(store: Store) -> None:
    if isinstance(store, SqlStore):
        await store.change_seq()
        with counting() as counted:
            await store.change_seq()
        assert counted.statements == ["SELECT change_seq.seq \nFROM change_seq"]
    assert await store.change_seq() == 0


async def test_nothing_is_counted_that_is_not_sent(store: Store) -> None:
    await furnish(store)
    with counting() as counted:
        async with store.reading() as work:
            work.house()
            rows = work.tenant(ACME).api_tokens
        before = counted.trips
        assert isinstance(rows, object)
    assert counted.trips == before
    with counting() as after:
        pass
    assert after.trips == 0
    async with store.writing() as work:
        await work.house().api_tokens.add(ApiToken(id="key_n", tenant=None, name="n", role="agent", digest=b"n"))
    assert after.trips == 0
