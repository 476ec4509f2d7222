"""Files that hang keep nobody from revoking, and no renewal from going on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway import copies as room
from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.lane import Lane
from apiloom.app.gateway.place import read_place
from apiloom.flows.access import HOST
from apiloom.flows.accounts import delete_account
from apiloom.flows.asking import Removal
from apiloom.store.records import Account, Connector

PATIENCE = 20.0


@pytest.fixture
def go() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


async def opened(folder: Path) -> Grounds:
    place = read_place(str(folder / "house"), {"APILOOM_KEY_FILE": str(folder / "keys" / "key")})
    grounds = await open_grounds(place, environment=place.environment)
    async with grounds.store.writing() as work:
        await work.house().connectors.add(Connector(id="shop"))
        for number in range(3):
            await work.house().accounts.add(Account(id=f"acc_{number}", tenant="default", connector="shop"))
    return grounds


async def test_what_is_late_is_done_all_the_same_and_nobody_waits_behind_it(go: threading.Event) -> None:
    lane, done = Lane("test"), []

    def work(number: int) -> int:
        go.wait(PATIENCE)
        done.append(number)
        return number

    async with asyncio.timeout(PATIENCE / 2):
        with pytest.raises(TimeoutError):
            await lane.run(0.01, work, 0)
        with pytest.raises(TimeoutError):
            await lane.run(3600, work, 1)
        go.set()
        while lane._under_way:
            await asyncio.sleep(0.001)
        assert await lane.run(3600, work, 2) == 2
    assert done == [0, 1, 2]


async def test_a_journal_that_does_not_answer_keeps_nobody_from_revoking(
    tmp_path: Path, go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounds = await opened(tmp_path)
    journal = grounds.copies.journal
    append = type(journal).append
    monkeypatch.setattr(room, "WRITTEN_IN", 0.05)

    def hangs(self: Any, *given: Any, **more: Any) -> Any:
        go.wait(PATIENCE)
        return append(self, *given, **more)

    monkeypatch.setattr(type(journal), "append", hangs)
    try:
        async with asyncio.timeout(PATIENCE / 2):
            await delete_account(grounds.ground, HOST, "acc_0", Removal())
            assert grounds.copies.trouble == "it does not answer in time"
            await delete_account(grounds.ground, HOST, "acc_1", Removal())
            await asyncio.to_thread(lambda: None)
            go.set()
            while grounds.copies._writing._under_way:
                await asyncio.sleep(0.001)
            assert {"acc_0", "acc_1"} <= {one.id for one in journal.read().entries}
            monkeypatch.setattr(room, "WRITTEN_IN", PATIENCE)
            await delete_account(grounds.ground, HOST, "acc_2", Removal())
        assert grounds.copies.trouble == ""
        assert "acc_2" in {one.id for one in journal.read().entries}
    finally:
        go.set()
        await grounds.close()


async def test_a_claim_that_cannot_be_read_holds_up_no_renewal_and_the_last_look_counts(
    tmp_path: Path, go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounds = await opened(tmp_path)
    monkeypatch.setattr(room, "READ_IN", 0.01)
    monkeypatch.setattr(type(grounds.copies.journal), "read_claim", lambda _: go.wait(PATIENCE) and None)
    try:
        async with asyncio.timeout(PATIENCE / 2):
            await grounds.copies.check_awake()
            grounds.copies.reason = "lost"
            with pytest.raises(Exception, match="copy"):
                await grounds.copies.check_awake()
    finally:
        go.set()
        await grounds.close()
