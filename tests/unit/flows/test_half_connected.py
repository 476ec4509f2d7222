"""New accounts that are tried before they count: whoever is interrupted meanwhile leaves nothing half connected."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import CallerError, HouseFault
from apiloom.flows.asking import Removal
from apiloom.flows.connect_create import create_session
from apiloom.flows.connect_device import due_sessions, look_after
from apiloom.flows.connect_page import find_visit
from apiloom.flows.connect_ports import Confirming, Consent, Granted
from apiloom.flows.connect_visit import Step, bind, returned, submit
from apiloom.flows.connecting import TRIED_FOR, delete_session
from apiloom.flows.sweeper import Swept, sweep
from apiloom.store.records import Account, ConnectSession, OAuthClient, Tenant
from support.connecting import EITHER, notes
from support.consents import Consents
from support.grounds import HOST_OWNER, NOON, Grounds, add_connector, with_shop
from support.memory_store import MemoryStore
from support.refusals import refusal
from support.renewer import Renewer

BROWSER = "b" * 43
WITHIN = 10


class Tried:
    """The safe read: it works, or does what ``then`` does. ``on`` is set once it was begun."""

    def __init__(self) -> None:
        self.on = asyncio.Event()
        self.then: Any = None

    async def __call__(self, _account: str, _tool: str) -> Mapping[str, Any]:
        self.on.set()
        if self.then is not None:
            await self.then()
        return {"ok": True, "tool": "list"}

    async def for_ever(self) -> None:
        await asyncio.Event().wait()


class Devices(Consents):
    """A provider that grants what is confirmed at another screen as soon as it is asked."""

    async def begin_device(self, _: Consent) -> Confirming:
        shown = {"user_code": "ABCD", "url": "https://auth.example.com/d", "complete_url": ""}
        return Confirming(**shown, interval=5.0, expires_at=NOON + 600, kept={})

    async def finish_device(self, consent: Consent, kept: Mapping[str, str]) -> Granted:
        return Granted(tokens="ann", identity={"sub": "ann"}, scopes=consent.scopes)


async def house(**members: Any) -> tuple[Grounds, Tried]:
    tried = Tried()
    grounds = await with_shop(test_call=tried, **members)
    async with grounds.ground.store.writing() as work:
        await add_connector(work.house(), "notes", notes(EITHER))
        client = OAuthClient(id="ocl_1", connector="notes", scheme="Account", client_id="c")
        await work.house().oauth_clients.add(client)
    return grounds, tried


async def opened(grounds: Grounds, connector: str = "shop", **wanted: Any) -> str:
    asked = {"tenant": "acme", "connector": connector, "check": True, "external_id": "crm-1", **wanted}
    text = (await create_session(grounds.ground, HOST_OWNER, asked)).url.rpartition("/")[2]
    await bind(grounds.ground, text, BROWSER)
    return text


async def typed(grounds: Grounds, text: str) -> Step:
    session = await find_visit(grounds.ground, text)
    return await submit(grounds.ground, text, session, 1, {"c:key:token": "k"})


async def come_back(grounds: Grounds, text: str) -> Step:
    state = (await typed(grounds, text)).url.partition("state=")[2].partition("&")[0]
    return await returned(grounds.ground, BROWSER, state, f"code=ann&state={state}")


async def every(grounds: Grounds, rows: str) -> list[Any]:
    async with grounds.ground.store.reading() as work:
        return list(await getattr(work.house(), rows).every())


async def interrupted(tried: Tried, step: Any) -> None:
    """Whoever waits for a step goes away while the account is tried."""
    tried.then = tried.for_ever
    waiting = asyncio.ensure_future(step)
    async with asyncio.timeout(WITHIN):
        await tried.on.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    tried.then = None


async def check_connected(grounds: Grounds) -> None:
    (account,) = await every(grounds, "accounts")
    assert (account.enabled, account.external_id, account.created_by) == (True, "crm-1", "host")
    (event,) = await every(grounds, "events")
    assert (event.target, event.detail["external_id"]) == (account.id, "crm-1")


@pytest.mark.parametrize(
    "fault",
    [
        HouseFault("the store does not answer", code="store.unreachable"),
        CallerError("there is no such account", code="account.not_found"),
        RuntimeError("a mistake of ours"),
    ],
)
async def test_whatever_stops_the_trial_the_same_link_connects_the_account_afterwards(fault: Exception) -> None:
    grounds, tried = await house()
    text = await opened(grounds)

    async def fails() -> None:
        raise fault

    tried.then = fails
    with pytest.raises(type(fault)):
        await typed(grounds, text)
    assert await every(grounds, "accounts") == []
    tried.then = None
    assert (await typed(grounds, text)).session.state == "done"
    await check_connected(grounds)


async def test_whoever_goes_away_while_the_account_is_tried_leaves_nothing() -> None:
    grounds, tried = await house()
    text = await opened(grounds)
    await interrupted(tried, typed(grounds, text))
    assert await every(grounds, "accounts") == []
    await typed(grounds, text)
    await check_connected(grounds)


async def test_what_was_granted_is_given_back_when_whoever_waited_is_gone() -> None:
    consents = Consents()
    grounds, tried = await house(connecting=consents)
    text = await opened(grounds, "notes")
    await interrupted(tried, come_back(grounds, text))
    assert consents.returned == ["ann"]
    assert await every(grounds, "accounts") == await every(grounds, "grants") == []
    assert (await come_back(grounds, text)).error is None
    await check_connected(grounds)
    assert consents.returned == ["ann"]


async def test_what_a_device_was_granted_is_given_back_when_its_round_is_cut_off() -> None:
    devices = Devices()
    grounds, tried = await house(connecting=devices)
    await create_session(
        grounds.ground,
        HOST_OWNER,
        {"tenant": "acme", "connector": "notes", "check": True, "external_id": "crm-1", "device": True},
    )
    grounds.clock.now += 10
    (due,) = await due_sessions(grounds.ground)
    await interrupted(tried, look_after(grounds.ground, due))
    assert devices.returned == ["ann"]
    assert await every(grounds, "accounts") == await every(grounds, "grants") == []


async def test_a_crowd_of_confirmations_of_one_tenant_holds_up_no_other() -> None:
    grounds, _ = await house()
    async with grounds.ground.store.writing() as work:
        await work.house().tenants.add(Tenant(id="globex"))
        for tenant, many in (("acme", 300), ("globex", 2)):
            asked = [
                ConnectSession(
                    id=f"cs_{tenant}{at}",
                    tenant=tenant,
                    connector="notes",
                    digest=f"{tenant}{at}".encode(),
                    poll_at=NOON + (tenant == "globex"),
                )
                for at in range(many)
            ]
            await work.tenant(tenant).connect_sessions.add_all(asked)
    grounds.clock.now += 10
    due = await due_sessions(grounds.ground)
    assert len(due) == 200
    assert [one.tenant for one in due[:5]] == ["acme", "globex", "acme", "globex", "acme"]


async def test_a_link_that_is_taken_back_while_the_account_is_tried_makes_none() -> None:
    consents = Consents()
    grounds, tried = await house(connecting=consents)
    text = await opened(grounds, "notes")

    async def ends() -> None:
        await delete_session(grounds.ground, HOST_OWNER, text.partition(".")[0], Removal())

    tried.then = ends
    done = await come_back(grounds, text)
    assert done.error is not None
    assert done.error.code == "connect.gone"
    assert consents.returned == ["ann"]
    assert await every(grounds, "accounts") == await every(grounds, "grants") == []


async def test_what_a_node_that_died_left_behind_blocks_nobody_and_goes() -> None:
    store, renewer = MemoryStore(), Renewer()
    grounds, tried = await house(store=store, grants=renewer)

    async def dies() -> None:
        store.down = True

    tried.then = dies
    done = await come_back(grounds, await opened(grounds, "notes"))
    store.down = False
    assert done.error is not None
    assert done.error.code == "store.unreachable"
    (left,) = await every(grounds, "accounts")
    assert (left.enabled, left.external_id) == (False, None)

    tried.then = None
    await typed(grounds, await opened(grounds))
    grounds.clock.now = NOON + TRIED_FOR - 1
    assert await sweep(grounds.ground) == Swept()
    grounds.clock.now = NOON + TRIED_FOR
    assert await sweep(grounds.ground) == Swept(accounts=1)
    await check_connected(grounds)
    assert await every(grounds, "grants") == []
    assert renewer.told == [f"{left.id}/Account"]


async def test_an_account_that_somebody_switched_off_is_none_that_is_tried() -> None:
    grounds, _ = await house()
    await typed(grounds, await opened(grounds))
    (account,) = await every(grounds, "accounts")
    async with grounds.ground.store.writing() as work:
        await work.house().accounts.save(replace(account, enabled=False), account.revision)
    grounds.clock.now = NOON + TRIED_FOR
    assert await sweep(grounds.ground) == Swept()


async def test_an_external_id_that_is_taken_while_the_account_is_tried_leaves_no_second_account() -> None:
    grounds, tried = await house()
    text = await opened(grounds)

    async def taken() -> None:
        async with grounds.ground.store.writing() as work:
            other = Account(id="acc_1", tenant="acme", connector="shop", external_id="crm-1")
            await work.tenant("acme").accounts.add(other)

    tried.then = taken
    await refusal(typed(grounds, text), "store.exists")
    assert [each.id for each in await every(grounds, "accounts")] == ["acc_1"]


async def test_an_account_that_was_kept_though_nobody_heard_keeps_what_it_was_granted() -> None:
    consents = Consents()
    grounds, _ = await house(connecting=consents)
    text = await opened(grounds, "notes")
    step = await typed(grounds, text)
    state = step.url.partition("state=")[2].partition("&")[0]
    commits = iter(range(10))

    def committed() -> None:
        if next(commits) == 2:  # the way back is used up, the account is kept, and then it counts
            raise HouseFault("the answer of the store was lost", code="store.unreachable")

    ground = replace(grounds.ground, committed=committed)
    done = await returned(ground, BROWSER, state, f"code=ann&state={state}")
    assert done.error is not None
    assert consents.returned == []
    await check_connected(grounds)
    assert len(await every(grounds, "grants")) == 1
