"""Durable work: run once for a key on whichever engine, taken over from nodes that died, and tokens renewed by it."""

from __future__ import annotations

import asyncio
import base64
import pickle
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apiloom.base import plugins
from apiloom.flows.durable.beats import DEAD, Beats
from apiloom.flows.durable.engine import Engine, Flow, Plain, Steps
from apiloom.flows.durable.in_memory import InMemoryEngine
from apiloom.flows.durable.renewing import AGAIN, NAME, renewing, start_due
from apiloom.flows.grants import due_grants
from apiloom.store.records import Account, Grant, Tenant
from support.grounds import NOON, Grounds, with_shop
from support.postgres import Postgres
from support.renewer import Renewer

PATIENCE = 30.0


@dataclass
class Ran:
    """What steps were run with, and on which thread."""

    given: list[Plain] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def flow(self, steps: Steps, given: str) -> Plain:
        return await steps.run("one", self.step, given)

    async def step(self, given: str) -> Plain:
        self.given.append(given)
        self.threads.add(threading.get_ident())
        self.done.set()
        return given


@pytest.fixture
def ran() -> Ran:
    return Ran()


@pytest.fixture(params=["in memory", "dbos"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path, ran: Ran) -> AsyncIterator[Engine]:
    flows = [Flow(name="f", run=ran.flow)]
    made: Engine = InMemoryEngine(flows) if request.param == "in memory" else await opened(tmp_path, "n", flows)
    yield made
    await made.close()


async def opened(folder: Path, node: str, flows: Sequence[Flow]) -> Engine:
    open_engine = await asyncio.to_thread(plugins.load, "apiloom.flows.durable.dbos_engine:open_engine")
    made: Engine = await open_engine("", folder, node, flows)
    return made


async def test_a_flow_runs_once_for_a_key_and_its_steps_on_the_loop_of_the_node(engine: Engine, ran: Ran) -> None:
    for _ in range(5):
        await engine.start("f", "f/1", "a")
    await engine.start("f", "f/2", "b")
    async with asyncio.timeout(PATIENCE):
        while len(ran.given) < 2:
            await asyncio.sleep(0.01)
    await engine.start("f", "f/1", "a")
    assert sorted(map(str, ran.given)) == ["a", "b"]
    assert ran.threads == {threading.get_ident()}


async def test_a_pickle_in_the_database_of_the_engine_is_not_opened(tmp_path: Path, ran: Ran) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "owned",))

    planted = base64.b64encode(pickle.dumps({"args": (Evil(),), "kwargs": {}})).decode()
    first = await opened(tmp_path, "n1", [Flow(name="f", run=ran.flow)])
    await first.start("f", "f/1", "a")
    async with asyncio.timeout(PATIENCE):
        await ran.done.wait()
    await first.close()
    with sqlite3.connect(tmp_path / "durable.sqlite3") as there:
        there.execute("UPDATE workflow_input SET inputs = ?", (planted,))
        there.execute("UPDATE workflow_status SET serialization = 'py_pickle', status = 'PENDING', executor_id = 'n1'")
        assert there.execute("SELECT count(*) FROM workflow_input").fetchone() == (1,)
    there.close()
    ran.done.clear()
    second = await opened(tmp_path, "n2", [Flow(name="f", run=ran.flow)])
    assert await second.take_over(["n1"]) == 1
    await second.start("f", "f/2", "b")
    async with asyncio.timeout(PATIENCE):
        await ran.done.wait()
    await second.close()
    assert not (tmp_path / "owned").exists()
    assert ran.given == ["a", "b"]


async def test_nothing_but_ids_lies_in_the_database_of_the_engine(tmp_path: Path, ran: Ran) -> None:
    made = await opened(tmp_path, "n", [Flow(name="f", run=ran.flow)])
    await made.start("f", "f/1", "acc_1/login")
    async with asyncio.timeout(PATIENCE):
        await ran.done.wait()
    await made.close()
    with sqlite3.connect(tmp_path / "durable.sqlite3") as there:
        rows = there.execute("""SELECT i.inputs, s.serialization, s.application_version
            FROM workflow_status s JOIN workflow_input i ON i.workflow_uuid = s.workflow_uuid""").fetchall()
    there.close()
    assert rows == [('{"args":["acc_1/login"],"kwargs":{}}', "apiloom_json", "apiloom-1")]
    assert (tmp_path / "durable.sqlite3").stat().st_mode & 0o077 == 0


async def house(**more: Any) -> tuple[Grounds, Renewer]:
    renewer = Renewer()
    grounds = await with_shop(grants=renewer, **more)
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        await scope.accounts.add(Account(id="acc_1", tenant="acme", connector="shop"))
        for scheme, at in (("due", NOON), ("later", NOON + 60), ("never", None)):
            grant = Grant(id=f"acc_1/{scheme}", tenant="acme", account="acc_1", scheme=scheme, refresh_at=at)
            await scope.grants.add(grant)
    return grounds, renewer


async def test_what_is_due_is_renewed_once_however_often_nodes_look() -> None:
    grounds, renewer = await house()
    engine = InMemoryEngine([renewing(grounds.ground)])
    for _ in range(3):
        assert await start_due(grounds.ground, engine) == 1
    await engine.idle()
    assert renewer.asked == [("acc_1/due", 1)]
    assert list(engine.results) == [f"{NAME}/acc_1/due/1/0.0"]

    grounds.clock.now = NOON + 60
    await start_due(grounds.ground, engine)
    await engine.idle()
    assert renewer.asked[1:] == [("acc_1/later", 1)]


async def test_an_attempt_that_left_no_trace_is_made_again_after_a_while() -> None:
    grounds, renewer = await house()
    renewer.code = "oauth.busy"
    engine = InMemoryEngine([renewing(grounds.ground)])
    await start_due(grounds.ground, engine)
    await engine.idle()
    assert engine.results == {f"{NAME}/acc_1/due/1/0.0": "oauth.busy"}
    grounds.clock.now = NOON + AGAIN
    await start_due(grounds.ground, engine)
    await engine.idle()
    assert renewer.asked.count(("acc_1/due", 1)) == 2


async def test_a_copy_that_nobody_has_claimed_renews_nothing() -> None:
    grounds, renewer = await house(dormant=lambda: True)
    engine = InMemoryEngine([renewing(grounds.ground)])
    assert await start_due(grounds.ground, engine) == 0
    await engine.start(NAME, "left behind", "acc_1/due", 1)
    await engine.idle()
    assert engine.results == {"left behind": "store.dormant"}
    assert renewer.asked == []


async def test_a_node_is_gone_when_it_was_seen_silent_for_long_whatever_its_clock_says() -> None:
    grounds = await with_shop()
    seconds = [0.0]
    one = Beats(ground=grounds.ground, node="one", clock=lambda: seconds[0])
    two = Beats(ground=grounds.ground, node="two", clock=lambda: seconds[0])
    assert list(await one.beat()) == []
    grounds.clock.now += 86_400
    assert list(await two.beat()) == []
    assert list(await one.beat()) == []
    seconds[0] += DEAD - 1
    assert list(await two.beat()) == []
    assert list(await one.beat()) == []
    seconds[0] += DEAD
    # one has beaten since two looked last; two has not
    assert list(await two.beat()) == []
    seconds[0] += DEAD
    assert list(await two.beat()) == ["one"]
    await two.forget(["one"])
    assert list(await two.beat()) == []


async def test_where_one_node_serves_at_a_time_every_other_is_gone_at_once() -> None:
    grounds = await with_shop()
    one = Beats(ground=grounds.ground, node="one", clock=lambda: 0.0, alone=True)
    two = Beats(ground=grounds.ground, node="two", clock=lambda: 0.0, alone=True)
    await one.beat()
    assert list(await two.beat()) == ["one"]


async def test_all_that_ended_long_ago_is_forgotten_however_much_it_is(
    tmp_path: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiloom.flows.durable.dbos_engine._TOGETHER", 2)
    made = await opened(tmp_path, "n", [Flow(name="f", run=ran.flow)])
    for number in range(5):
        await made.start("f", f"f/{number}", "a")
    with sqlite3.connect(tmp_path / "durable.sqlite3") as there:
        asked = "SELECT count(*) FROM workflow_status WHERE status = ?"
        async with asyncio.timeout(PATIENCE):
            while there.execute(asked, ("SUCCESS",)).fetchone() != (5,):
                await asyncio.sleep(0.01)
        await made.forget(3600)
        assert there.execute(asked, ("SUCCESS",)).fetchone() == (5,), "they ended just now"
        await made.forget(-3600)
        assert there.execute(asked, ("SUCCESS",)).fetchone() == (0,)
    there.close()
    await made.close()


async def test_one_tenants_flows_that_take_long_leave_room_for_those_of_others(tmp_path: Path) -> None:
    begun: list[Plain] = []
    go = asyncio.Event()

    async def wait(whose: str) -> Plain:
        begun.append(whose)
        await go.wait()
        return whose

    async def flow(steps: Steps, whose: str) -> Plain:
        return await steps.run("wait", wait, whose)

    made = await opened(tmp_path, "n", [Flow(name="f", run=flow)])
    try:
        for number in range(12):
            await made.start("f", f"f/{number}", "crowd", whose="crowd")
        async with asyncio.timeout(PATIENCE):
            for number in range(4):
                await made.start("f", f"f/other/{number}", f"other {number}", whose=f"other {number}")
                while f"other {number}" not in begun or begun.count("crowd") < 4:
                    await asyncio.sleep(0.01)
        assert begun.count("crowd") == 4
    finally:
        go.set()
        await made.close()


async def test_the_due_of_one_tenant_do_not_hide_those_of_others() -> None:
    grounds, _ = await house()
    async with grounds.ground.store.writing() as work:
        await work.house().tenants.add(Tenant(id="late"))
        scope = work.tenant("late")
        await scope.accounts.add(Account(id="acc_2", tenant="late", connector="shop"))
        await scope.grants.add(
            Grant(id="acc_2/login", tenant="late", account="acc_2", scheme="login", refresh_at=NOON + 60)
        )
    grounds.clock.now = NOON + 60
    assert [one.id for one in await due_grants(grounds.ground, 2)] == ["acc_1/due", "acc_2/login"]
    assert [one.id for one in await due_grants(grounds.ground)] == ["acc_1/due", "acc_1/later", "acc_2/login"]


async def test_the_work_of_nodes_that_are_gone_is_another_s_until_it_was_taken_over() -> None:
    grounds = await with_shop()
    old = Beats(ground=grounds.ground, node="old", clock=lambda: 0.0, alone=True)
    await old.beat()
    new = Beats(ground=grounds.ground, node="new", clock=lambda: 0.0, alone=True)
    assert list(await new.beat()) == ["old"]
    # the engine did not take it
    assert list(await new.beat()) == ["old"]
    await new.forget(["old"])
    assert list(await new.beat()) == []


async def test_behind_a_pooler_that_mixes_transactions_there_is_durable_work_too(postgres: Postgres, ran: Ran) -> None:
    url = f"{postgres.url(await postgres.database())}?statement_cache_size=0&ssl=prefer"
    open_engine = await asyncio.to_thread(plugins.load, "apiloom.flows.durable.dbos_engine:open_engine")
    made: Engine = await open_engine(url, None, "n", [Flow(name="f", run=ran.flow)])
    try:
        await made.start("f", "f/1", "a")
        async with asyncio.timeout(PATIENCE):
            await ran.done.wait()
    finally:
        await made.close()
    assert ran.given == ["a"]


async def test_what_is_found_due_again_while_it_waits_for_its_turn_costs_the_database_nothing(
    tmp_path: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await opened(tmp_path, "n", [Flow(name="f", run=ran.flow)])
    try:
        dbos, asked = plugins.load("dbos:DBOS"), list[Any]()
        enqueue = dbos.enqueue_workflow
        monkeypatch.setattr(dbos, "enqueue_workflow", lambda *given: (asked.append(given), enqueue(*given)))
        for _ in range(5):
            await made.start("f", "f/1", "a")
        assert len(asked) == 1
    finally:
        await made.close()
