"""A database that goes away is a store that does not answer, never a library's error; when it is back, so are we."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Float, Interval, cast, exc, func, select, text

from apiloom.base.errors import HouseFault
from apiloom.store.records import Audited, Connector
from apiloom.store.sql.failures import as_ours, errors_of
from apiloom.store.sql.opening import open_store
from apiloom.store.sql.store import SqlStore
from support.postgres import Postgres


def questions(store: SqlStore) -> list[Callable[[], Awaitable[Any]]]:
    """Everything that a store can be asked."""

    async def read() -> None:
        async with store.reading() as work:
            await work.house().connectors.every()

    async def write() -> None:
        async with store.writing() as work:
            await work.house().connectors.add(Connector(id="n"))

    return [
        read,
        write,
        store.change_seq,
        lambda: store.changes(0),
        lambda: store.note_use({"tok_1": 1.0}),
        lambda: store.append_audit([Audited(id="aud_1", at=1, principal="p", action="x")]),
        store.installation,
        lambda: store.bind_key("k"),
    ]


async def test_an_outage_is_said_and_over_when_it_is_over(postgres: Postgres, copies: Any) -> None:
    url = await copies.on_postgres(postgres)
    store = await open_store(url)
    assert await store.change_seq() == 0
    postgres.stop()
    try:
        for ask in questions(store):
            with pytest.raises(HouseFault) as fault:
                await ask()
            assert fault.value.code == "store.unreachable"
            assert fault.value.__cause__ is None
        with pytest.raises(HouseFault):
            await open_store(url)
    finally:
        postgres.start()
    for ask in questions(store):
        await ask()
    await store.close()


async def test_connections_that_died_unseen_are_made_anew(postgres: Postgres, copies: Any) -> None:
    url = await copies.on_postgres(postgres)
    store = await open_store(url)
    for ask in questions(store)[:1] * 3 + questions(store)[4:6] * 2:
        await ask()
        async with postgres.connected() as connection:
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'apiloom'")
    await store.close()


async def test_a_connection_that_dies_in_the_middle_leaves_nothing(postgres: Postgres, copies: Any) -> None:
    store = await open_store(await copies.on_postgres(postgres))

    async def cut() -> None:
        async with store.writing() as work:
            await work.house().connectors.add(Connector(id="a"))
            async with postgres.connected() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'apiloom'"
                )
            await work.house().connectors.add(Connector(id="b"))

    with pytest.raises(HouseFault) as fault:
        await cut()
    assert fault.value.code == "store.unreachable"
    async with store.reading() as work:
        assert await work.house().connectors.count() == 0
    await store.close()


async def test_a_cancelled_writer_leaves_nothing_and_frees_its_turn(bare: Any) -> None:
    store = await open_store(bare.url)
    wrote = asyncio.Event()

    async def write() -> None:
        async with store.writing() as work:
            await work.house().connectors.add(Connector(id="a"))
            wrote.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    async with asyncio.timeout(30):
        await wrote.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with store.writing() as work:
            assert await work.house().connectors.count() == 0
            await work.house().connectors.add(Connector(id="b"))
    assert await store.change_seq() == 1
    await store.close()


async def test_a_failed_statement_of_our_own_says_nothing_of_its_values(bare: Any) -> None:
    store = await open_store(bare.url)

    async def fail() -> None:
        async with store.writing() as work:
            await work.run(None, text("SELECT secret_word FROM nowhere"))

    with pytest.raises(HouseFault) as fault:
        await fail()
    assert "secret_word" not in f"{fault.value.sentence()} {fault.value.facts}"
    assert fault.value.__cause__ is None
    assert await store.change_seq() == 0
    await store.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError("refused"), "store.unreachable"),
        (TimeoutError(), "store.unreachable"),
        (exc.TimeoutError("pool"), "store.unreachable"),
        (exc.OperationalError("s", {}, Exception("disk I/O error")), "store.unreachable"),
        (exc.InterfaceError("s", {}, Exception("closed")), "store.unreachable"),
        (exc.ProgrammingError("s", {}, Exception("syntax")), "store.failed"),
        (exc.IntegrityError("s", {}, Exception("NOT NULL constraint failed: a.b")), "store.failed"),
        (exc.IntegrityError("s", {}, Exception("FOREIGN KEY constraint failed")), "store.depended_on"),
        (exc.InvalidRequestError("ours"), "store.failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_error_of_a_library_is_one_of_ours(error: BaseException, code: str) -> None:
    assert isinstance(error, errors_of("sqlite"))
    assert getattr(as_ours(error), "code", "") == code


async def test_a_writer_that_stands_still_loses_its_turn_before_those_who_wait_give_up(
    postgres: Postgres, copies: Any
) -> None:
    store = await open_store(await copies.on_postgres(postgres))
    bounds = ("idle_in_transaction_session_timeout", "lock_timeout")
    asked = select(*(cast(func.extract("epoch", cast(func.current_setting(name), Interval)), Float) for name in bounds))
    async with store.writing() as work:
        stands_still, waits = (await work.run(None, asked)).one()
    assert 0 < 1.5 * stands_still < waits
    await store.close()
