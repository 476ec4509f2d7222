"""The same flows on a real store: what they look for is found there, and who races there loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiloom.flows.accounts import create_account, delete_account, open_credentials, patch_account, read_account
from apiloom.flows.api_tokens import first_owner
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.idempotency import begin
from apiloom.flows.leaked import report_leak
from apiloom.flows.server_tokens import rotate_tokens
from apiloom.flows.servers import create_server, list_servers, patch_server
from apiloom.flows.sweeper import Swept, sweep
from apiloom.flows.tenants import delete_tenant
from apiloom.store.ports import Store
from apiloom.store.sql.opening import open_store
from support.grounds import NOON, OWNER, admin, with_shop
from support.refusals import refusal

ACME = admin("acme")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite+aiosqlite:///{tmp_path}/kept/apiloom.db")
    yield opened
    await opened.close()


async def test_a_life_of_an_account_and_its_server(store: Store) -> None:
    ground = (await with_shop(store)).ground
    asked = {"connector": "shop", "credentials": {"key": {"key": "one"}}, "metadata": {"plan": "gold"}}
    account = await create_account(ground, ACME, asked)
    opened = await create_server(ground, ACME, {"name": "main", "accounts": [account.id], "metadata": {"plan": "gold"}})
    await patch_account(ground, ACME, account.id, {"credentials": {"key": {"key": "two"}}})
    await patch_server(ground, ACME, opened.server.id, {"config": {"tags": ["items"]}})
    async with ground.store.reading() as work:
        kept = await work.tenant("acme").accounts.load(account.id)
        assert kept is not None
        assert await open_credentials(ground, work.tenant("acme"), kept) == {"key": {"key": "two"}}
    found = await list_servers(ground, OWNER, Query(where={"metadata.plan": "gold", "tenant": "acme", "enabled": True}))
    assert [server.id for server in found.items] == [opened.server.id]

    await refusal(delete_account(ground, ACME, account.id, Removal()), "account.depended_on")
    assert await read_account(ground, ACME, account.id) == kept, "nothing is half-changed"
    (leak,) = (await report_leak(ground, ACME, opened.issued.url)).leaks
    assert leak.token.id == opened.issued.token.id
    assert (await delete_tenant(ground, OWNER, "acme", Removal(cascade=True))).done
    assert (await list_servers(ground, OWNER, Query())).items == ()
    assert len((await list_audit(ground, OWNER, Query(where={"tenant": "acme"}))).items) == 6


async def test_what_is_asked_at_once_is_done_one_after_the_other(store: Store) -> None:
    grounds = await with_shop(store)
    ground = grounds.ground
    opened = await create_server(ground, ACME, {"connectors": ["shop"], "expires_at": NOON + 60})

    await asyncio.gather(
        *(patch_server(ground, ACME, opened.server.id, {"metadata": {str(at): at}}) for at in range(4)),
        *(rotate_tokens(ground, ACME, opened.server.id, {}) for _ in range(3)),
    )
    owners = await asyncio.gather(*(first_owner(ground) for _ in range(3)))
    claims = await asyncio.gather(*(begin(ground, ACME, "key", b"q") for _ in range(3)), return_exceptions=True)

    (server,) = (await list_servers(ground, ACME, Query())).items
    assert server.metadata == {str(at): at for at in range(4)}
    assert sum(each is not None for each in owners) == 1
    assert claims.count(None) == 1
    grounds.clock.now = NOON + 60
    assert await sweep(ground) == Swept(servers=1)
