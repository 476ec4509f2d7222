"""What the versions of a gateway say of accounts and servers, from real artefacts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apiloom.app.gateway.versions import CompiledVersions
from apiloom.flows.accounts import create_account, patch_account
from apiloom.flows.asking import Removal
from apiloom.flows.servers import create_server, show_server
from apiloom.flows.toolsets import create_toolset, delete_toolset
from apiloom.store.records import Grant
from support.grounds import OWNER, Grounds, admin, with_shop
from support.refusals import refusal

ACME = admin("acme")


async def with_versions() -> Grounds:
    grounds = await with_shop()
    return replace(grounds, ground=replace(grounds.ground, versions=CompiledVersions()))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"variables": {"regio": "us"}}, "server.variable"),
        ({"variables": {"region": "evil.example.com/"}}, "server.variable"),
        ({"credentials": {"kee": {"key": "s3cr3t"}}}, "credentials.scheme"),
        ({"credentials": {"key": {"username": "s3cr3t"}}}, "credentials.form"),
        ({"credentials": {"key": {"key": "s3cr3t\n\n"}, "login": {"key": "s3cr3t\n x"}}}, "credentials.value"),
    ],
)
async def test_an_account_is_checked_against_what_its_connector_asks_for(members: dict[str, Any], code: str) -> None:
    grounds = await with_versions()

    await refusal(create_account(grounds.ground, ACME, {"connector": "shop", **members}), code, "s3cr3t")


async def test_credentials_stay_with_their_host() -> None:
    grounds = await with_versions()
    asked = {"connector": "shop", "credentials": {"key": {"key": "s3cr3t"}}}
    account = await create_account(grounds.ground, ACME, asked)

    await refusal(patch_account(grounds.ground, ACME, account.id, {"variables": {"region": "mine"}}), "account.moved")
    assert (await patch_account(grounds.ground, ACME, account.id, {"variables": {"stage": "v2"}})).variables


async def test_a_server_says_what_its_account_cannot_sign() -> None:
    grounds = await with_versions()
    bare = await create_account(grounds.ground, ACME, {"connector": "shop", "label": "Main"})

    opened = await create_server(grounds.ground, ACME, {"accounts": [bare.id]})
    assert opened.shown.tools == 3
    assert opened.shown.warnings == ("the account Main has no credentials (key) for 3 tools of shop",)

    await patch_account(grounds.ground, ACME, bare.id, {"credentials": {"key": {"key": "k"}}})
    assert (await show_server(grounds.ground, ACME, opened.server.id)).shown.warnings == ()


async def test_a_server_counts_what_its_account_was_granted() -> None:
    grounds = await with_versions()
    bare = await create_account(grounds.ground, ACME, {"connector": "shop", "label": "Main"})
    grant = Grant(id=f"{bare.id}/key", tenant="acme", account=bare.id, scheme="key")
    async with grounds.ground.store.writing() as work:
        await work.tenant("acme").grants.add(grant)

    opened = await create_server(grounds.ground, ACME, {"accounts": [bare.id]})
    assert opened.shown.warnings == ()

    async with grounds.ground.store.writing() as work:
        await work.tenant("acme").grants.save(replace(grant, state="needs_reconnect"), 1)
    told = (await show_server(grounds.ground, ACME, opened.server.id)).shown.warnings
    assert told == ("the account Main needs to be connected anew",)


async def test_a_server_needs_no_credentials_where_callers_lend_theirs() -> None:
    grounds = await with_versions()
    bare = await create_account(grounds.ground, ACME, {"connector": "shop", "label": "Main"})
    config = {"delegation": {"shop": {"mode": "header"}}}

    opened = await create_server(grounds.ground, ACME, {"accounts": [bare.id], "config": config})
    assert opened.shown.warnings == ()


async def test_a_server_outlives_what_its_filters_name() -> None:
    grounds = await with_versions()
    await create_toolset(grounds.ground, OWNER, {"connector": "shop", "name": "items", "select": {"tags": ["items"]}})
    asked = {"connectors": ["shop"], "config": {"toolsets": ["items"]}}
    server = (await create_server(grounds.ground, ACME, asked)).server

    await delete_toolset(grounds.ground, OWNER, "shop/items", Removal(cascade=True))

    seen = await show_server(grounds.ground, ACME, server.id)
    assert (seen.shown.tools, seen.shown.warnings) == (
        0,
        ("there is no toolset 'items'", "the server shows no tool at all"),
    )
    await refusal(create_server(grounds.ground, ACME, asked), "selection.unknown")
