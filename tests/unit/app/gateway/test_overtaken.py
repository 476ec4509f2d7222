"""An account that was given up while it was being opened is opened anew: what was read before is used no more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway.grants import Made
from apiloom.app.gateway.living import Alive, Living
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.grants import revoke_account
from apiloom.store.records import Account
from apiloom.vault.oauth.terms import Tokens
from support.gateway import Gateway, gateway

WITHIN = 20.0


async def connected(house: Gateway) -> Account:
    await house.connector("desk", "http://127.0.0.1:9")
    account = await house.account("desk")
    tokens = Tokens(access=Secret("access-1"), refresh=Secret("refresh-1"), expires_at=house.clock() + 3600)
    async with house.ground.store.writing() as work:
        scope = work.tenant(account.tenant)
        await house.grounds.living.grants.keep_new(scope, account, "token", Made(kind="code", tokens=tokens))
    await house.settle()
    return account


async def test_what_is_given_up_while_it_is_opened_is_not_used_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, go = asyncio.Event(), asyncio.Event()
    really = Living.bring

    async def slowly(self: Living, account: Account, machines: Any, alive: Alive) -> Alive:
        read.set()
        await go.wait()
        return await really(self, account, machines, alive)

    monkeypatch.setattr(Living, "bring", slowly)
    async with gateway(tmp_path) as house:
        account = await connected(house)
        connections = house.grounds.connections
        opening = asyncio.create_task(connections.connect(account))
        await asyncio.wait_for(read.wait(), WITHIN)
        await house.done(revoke_account(house.ground, HOST, account.id))
        go.set()
        await asyncio.wait_for(opening, WITHIN)
        assert connections.get(account) is None
        after = await connections.connect(account)
        assert "token" not in after.credentials.by_scheme
        assert not connections._meanwhile


async def test_an_account_that_nothing_happened_to_stays_open(tmp_path: Path) -> None:
    async with gateway(tmp_path) as house:
        account = await connected(house)
        connections = house.grounds.connections
        opened = await connections.connect(account)
        assert connections.get(account) is opened
        assert opened.credentials.by_scheme["token"].token is not None


async def test_what_became_over_while_it_was_renewed_is_over_still_with_its_last_pair(tmp_path: Path) -> None:
    async with gateway(tmp_path) as house:
        account = await connected(house)
        grants, id_ = house.grounds.living.grants, f"{account.id}/token"
        assert await grants.take(id_, 1, 60.0) is not None
        async with house.ground.store.writing() as work:
            rows = work.tenant(account.tenant).grants
            grant = await rows.load(id_)
            assert grant is not None
            # as when its OAuth client is removed
            over = replace(grant, state="needs_reconnect", refresh_at=None, last_error="oauth.client")
            await rows.save(over, grant.revision)
        fresh = Tokens(access=Secret("access-2"), refresh=Secret("refresh-2"), expires_at=house.clock() + 60)
        kept = await grants.keep(id_, 1, fresh, house.clock() + 48)
        assert kept is not None
        assert (kept.generation, kept.ended, kept.refresh_at, kept.code) == (2, True, None, "oauth.client")
        assert kept.tokens is not None
        assert kept.tokens.access.reveal() == "access-2"
