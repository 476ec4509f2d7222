"""What a gateway does though nobody calls: nothing is loaded for nothing, and nothing that is due is left."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from apiloom.app.gateway.tending import Tending
from apiloom.flows.durable.beats import DEAD, Beats
from apiloom.flows.durable.in_memory import InMemoryEngine
from apiloom.flows.durable.renewing import renewing
from apiloom.store.records import Account, Beat, Grant
from support.grounds import NOON, Grounds, with_shop


class Renewer:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def renew(self, id_: str, generation: int) -> None:
        self.asked.append(id_)


class Taking(InMemoryEngine):
    """Says whose work it was told to take over."""

    def __init__(self, flows: Any) -> None:
        super().__init__(flows)
        self.taken: list[str] = []

    async def take_over(self, gone: Collection[str]) -> int:
        self.taken += gone
        return len(gone)


class Tended:
    """A house that is tended round by round, with the engines that were opened."""

    def __init__(self, grounds: Grounds, monkeypatch: pytest.MonkeyPatch, *, alone: bool) -> None:
        self.grounds = grounds
        self.opened: list[Taking] = []
        self.seconds = 0.0
        self.tending = Tending(ground=grounds.ground, url="", folder=None, node="mine", clock=lambda: self.seconds)
        self.beats = Beats(ground=grounds.ground, node="mine", clock=lambda: self.seconds, alone=alone)

        async def opened(_: Tending) -> Taking:
            assert "mine" in await self.known(), "who takes over after us must know that there was somebody"
            self.opened.append(Taking([renewing(grounds.ground)]))
            self.tending.engine = self.opened[-1]
            return self.opened[-1]

        monkeypatch.setattr(Tending, "_open", opened)

    async def round(self) -> None:
        await self.tending.round(self.beats)
        for engine in self.opened:
            await engine.idle()

    async def known(self) -> set[str]:
        async with self.grounds.ground.store.reading() as work:
            return {one.id for one in await work.house().beats.every()}

    async def leave(self, node: str) -> None:
        async with self.grounds.ground.store.writing() as work:
            await work.house().beats.add(Beat(id=node, started_at=1.0, at=1.0))


async def house(monkeypatch: pytest.MonkeyPatch, *, alone: bool = False, **more: Any) -> tuple[Tended, Renewer]:
    renewer = Renewer()
    grounds = await with_shop(grants=renewer, **more)
    async with grounds.ground.store.writing() as work:
        scope = work.tenant("acme")
        await scope.accounts.add(Account(id="acc_1", tenant="acme", connector="shop"))
        await scope.grants.add(
            Grant(id="acc_1/login", tenant="acme", account="acc_1", scheme="login", refresh_at=NOON + 60)
        )
    return Tended(grounds, monkeypatch, alone=alone), renewer


@pytest.mark.parametrize("alone", [True, False])
async def test_a_gateway_with_nothing_to_renew_opens_no_engine_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    tended, renewer = await house(monkeypatch, alone=alone)
    for _ in range(3):
        tended.seconds += DEAD
        await tended.round()
    assert (tended.opened, renewer.asked, await tended.known()) == ([], [], set())


async def test_what_is_due_opens_the_engine_and_is_renewed_in_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    tended, renewer = await house(monkeypatch)
    await tended.round()
    tended.grounds.clock.now = NOON + 60
    await tended.round()
    assert renewer.asked == ["acc_1/login"]
    await tended.round()
    assert len(tended.opened) == 1


async def test_on_sqlite_the_work_of_a_node_before_is_taken_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tended, _ = await house(monkeypatch, alone=True)
    await tended.leave("before")
    await tended.round()
    assert [engine.taken for engine in tended.opened] == [["before"]]
    assert await tended.known() == {"mine"}


async def test_elsewhere_only_that_of_a_node_which_was_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    tended, _ = await house(monkeypatch)
    await tended.leave("other")
    await tended.round()
    tended.seconds += DEAD - 1
    await tended.round()
    assert tended.opened == []
    tended.seconds += 1
    await tended.round()
    assert [engine.taken for engine in tended.opened] == [["other"]]


async def test_a_copy_that_nobody_has_claimed_opens_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    tended, renewer = await house(monkeypatch, alone=True, dormant=lambda: True)
    await tended.leave("before")
    tended.grounds.clock.now = NOON + 60
    await tended.round()
    assert (tended.opened, renewer.asked, await tended.known()) == ([], [], {"before"})
