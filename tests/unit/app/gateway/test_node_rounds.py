"""What a node does beside requests: gone on with after whatever went wrong, and nothing that ended is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway import node as room
from apiloom.app.gateway import serve
from apiloom.app.gateway.place import read_place
from apiloom.app.listen import bind
from apiloom.base.errors import HouseFault
from apiloom.console.house import Gateway, Listen
from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import create_api_token
from apiloom.flows.sweeper import Swept
from support.gateway import PATHS, document, gateway

WITHIN = 20.0


@pytest.mark.parametrize("missed", [False, True])
async def test_a_token_s_end_is_acted_on_though_keys_that_changed_with_it_could_not_be_looked_at_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missed: bool
) -> None:
    async with gateway(tmp_path) as house:
        node, keys = house.node, house.grounds.keys
        made = await create_api_token(house.ground, HOST, {"role": "operator"})
        await house.settle()
        async with house.ground.store.writing() as work:
            rows = work.house().house_keys
            (row, *_) = await rows.every()
            await rows.save(row, row.revision)
            await work.house().api_tokens.remove(made.token.id)
        if missed:
            node._seq = -1
        over: list[str] = []
        really, looked = keys.refresh, [False]

        async def refresh() -> None:
            if not looked[0]:
                looked[0] = True
                raise HouseFault("the store does not answer", code="store.unreachable")
            await really()

        def end(ids: Iterable[str]) -> None:
            over.extend(ids)

        monkeypatch.setattr(keys, "refresh", refresh)
        monkeypatch.setattr(node, "_end", end)
        with pytest.raises(HouseFault):
            await node.poll()
        await node.poll()
        assert made.token.id in over


async def test_what_one_round_of_the_broom_leaves_does_not_wait_for_the_next_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, swept = [Swept(events=500, more=True), Swept(events=1)], asyncio.Event()

    async def sweep(_: Any) -> Swept:
        found = rounds.pop(0)
        if not rounds:
            swept.set()
        return found

    monkeypatch.setattr(room, "sweep", sweep)
    monkeypatch.setattr(room, "RETRY", 0.0)
    async with gateway(tmp_path) as house:
        house.node._sweep_now.set()
        task = asyncio.create_task(house.node._sweep())
        await asyncio.wait_for(swept.wait(), WITHIN)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(kw_only=True)
class Stumbling:
    """Tends nothing, and ends the first time for a reason that nobody expected."""

    ground: Any
    url: str
    folder: Any
    begun: list[int] = field(default_factory=list)
    again: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        self.begun.append(1)
        if len(self.begun) == 1:
            raise RuntimeError("nobody expected this")
        self.again.set()
        await asyncio.Event().wait()


async def test_tokens_are_renewed_ahead_again_after_whatever_stopped_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Stumbling] = []

    def tending(**given: Any) -> Stumbling:
        made.append(Stumbling(**given))
        return made[0]

    async def serve_http(_app: Any, _sock: Any, announce: Any, _retire: Any, _beside: Any) -> None:
        announce()
        await asyncio.wait_for(made[0].again.wait(), WITHIN)

    monkeypatch.setattr(serve, "Tending", tending)
    monkeypatch.setattr(serve, "serve_http", serve_http)
    around = {"APILOOM_KEY_FILE": str(tmp_path / "keys" / "key")}
    told: list[Any] = []
    with bind("127.0.0.1", 0) as sock:
        serving = serve._Serving(
            gateway=Gateway(token_file=str(tmp_path / "token")),
            listen=Listen(),
            say=lambda _: None,
            ready=told.append,
            place=read_place(str(tmp_path / "house"), around),
            admin=None,
            proxies=(),
            environment=around,
        )
        assert await serving.run(sock) == 0
    assert len(made[0].begun) == 2
    assert len(told) == 1


async def test_a_node_whose_store_was_put_back_believes_no_number_that_it_knew(tmp_path: Path) -> None:
    async with gateway(tmp_path) as house:
        await house.connector("desk", "http://127.0.0.1:9")
        account = await house.account("desk", "one")
        connector = house.node.memory.connectors["desk"]
        assert set((await house.grounds.artefacts.get(connector, 1)).artefact.tools) != {"wait_long"}
        opened = await house.grounds.connections.connect(account)
        async with house.ground.store.writing() as work:
            # another version under the same number, as after a backup was put back and imported into
            content = document({"/only": PATHS["/slow"]})
            await work.house().versions.put_content("desk/1", document=b"{}", artefact=content)
        await house.node.reload()
        after = await house.grounds.artefacts.get(connector, 1)
        assert set(after.artefact.tools) == {"wait_long"}
        assert house.grounds.connections.get(account) is None
        assert await house.grounds.connections.connect(account) is not opened
