"""Toolsets: whose they are, what suggestions do, and that removing one shows nothing that was hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from apiloom.flows.asking import Query, Removal
from apiloom.flows.servers import create_server, patch_server, show_server, switch_toolset
from apiloom.flows.toolsets import (
    create_toolset,
    delete_toolset,
    keep_suggested,
    list_toolsets,
    patch_toolset,
    read_toolset,
)
from apiloom.store.records import Toolset
from support.grounds import NOON, OPERATOR, OWNER, Grounds, admin, with_shop
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")
ITEMS: dict[str, Any] = {"connector": "shop", "name": "items", "select": {"tags": ["items"]}}


@dataclass(frozen=True)
class Suggestion:
    name: str
    tools: tuple[str, ...]
    title: str = ""
    description: str = ""


async def test_the_houses_is_for_all_and_a_tenants_own_for_itself() -> None:
    grounds = await with_shop()

    house = await create_toolset(grounds.ground, OPERATOR, ITEMS)
    own = await create_toolset(grounds.ground, ACME, {**ITEMS, "title": "Ours"})
    given = await create_toolset(grounds.ground, OPERATOR, {**ITEMS, "tenant": "bolt"})

    assert [house.id, own.id, given.id] == ["shop/items", "shop/items@acme", "shop/items@bolt"]
    seen = {each.id for each in (await list_toolsets(grounds.ground, ACME, Query())).items}
    assert seen == {"shop/orders", "shop/items", "shop/items@acme"}
    await refusal(create_toolset(grounds.ground, ACME, ITEMS), "store.exists")
    await refusal(read_toolset(grounds.ground, BOLT, own.id), "toolset.not_found")
    await refusal(patch_toolset(grounds.ground, ACME, own.id, {"select": {"tools": ["gone"]}}), "toolset.unknown")
    await refusal(patch_toolset(grounds.ground, ACME, house.id, {"title": "x"}), "identity.forbidden")
    await refusal(delete_toolset(grounds.ground, ACME, house.id, Removal()), "identity.forbidden")
    await refusal(create_toolset(grounds.ground, BOLT, {**ITEMS, "connector": "vault"}), "connector.not_found")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"name": "Items"}, "field.form"),
        ({"name": "a/b"}, "field.form"),
        ({"name": None}, "field.form"),
        ({"select": None}, "toolset.form"),
        ({"select": {"tags": []}}, "toolset.form"),
        ({"select": {"tag": ["items"]}}, "toolset.unknown"),
        ({"select": {"tags": ["item"]}}, "toolset.unknown"),
        ({"select": {"tools": ["x" * 201]}}, "selection.pattern"),
        ({"select": {"tags": [str(at) for at in range(10_000)]}}, "toolset.form"),
        ({"select": {"tags": ["\ud800"]}}, "toolset.unknown"),
        ({"description": "x" * 2001}, "field.bounds"),
    ],
)
async def test_what_is_wrong_is_refused(members: dict[str, Any], code: str) -> None:
    grounds = await with_shop()

    await refusal(create_toolset(grounds.ground, ACME, {**ITEMS, **members}), code)


async def test_a_server_that_names_a_toolset_shows_none_of_it_once_it_is_gone() -> None:
    grounds = await with_shop()
    await create_toolset(grounds.ground, OWNER, ITEMS)
    asked = {"connectors": ["shop"], "config": {"toolsets": ["items"]}}
    server = (await create_server(grounds.ground, ACME, asked)).server
    await create_server(grounds.ground, BOLT, {"connectors": ["shop"]})

    refused = await refusal(delete_toolset(grounds.ground, OWNER, "shop/items", Removal()), "toolset.depended_on")
    plan = await delete_toolset(grounds.ground, OWNER, "shop/items", Removal(plan=True))

    assert refused.facts["affected"] == [{"kind": "server", "id": server.id, "becomes": "changed"}]
    assert [(each.id, each.becomes) for each in plan.affected] == [(server.id, "changed")]
    assert (await show_server(grounds.ground, ACME, server.id)).shown.tools == 2
    assert (await delete_toolset(grounds.ground, OWNER, "shop/items", Removal(cascade=True))).done
    await refusal(read_toolset(grounds.ground, OWNER, "shop/items"), "toolset.not_found")
    seen = await show_server(grounds.ground, ACME, server.id)
    assert (seen.shown.tools, seen.shown.warnings[0]) == (0, "there is no toolset 'items'")
    assert (await patch_server(grounds.ground, ACME, server.id, {"name": "still"})).server.name == "still"
    await refusal(patch_server(grounds.ground, ACME, server.id, {"config": {"mode": "direct"}}), "selection.unknown")


async def test_a_toolset_that_is_switched_off_somewhere_is_not_removed_since_that_would_show_it() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server
    await switch_toolset(grounds.ground, ACME, server.id, "shop/orders", on=False)

    for how in (Removal(), Removal(cascade=True)):
        await refusal(delete_toolset(grounds.ground, OWNER, "shop/orders", how), "toolset.conflict")
    assert (await show_server(grounds.ground, ACME, server.id)).shown.tools == 2
    await switch_toolset(grounds.ground, ACME, server.id, "shop/orders", on=True)
    assert (await delete_toolset(grounds.ground, OWNER, "shop/orders", Removal())).done


async def suggest(grounds: Grounds, *suggested: Suggestion) -> dict[str, Toolset]:
    async with grounds.ground.store.writing() as work:
        await keep_suggested(work.house(), "shop", suggested, NOON)
    return {each.name: each for each in (await list_toolsets(grounds.ground, OWNER, Query())).items}


async def test_suggestions_come_and_go_with_versions_and_what_somebody_has_edited_stays() -> None:
    grounds = await with_shop()
    first = await suggest(grounds, Suggestion("read", ("get_item",)), Suggestion("write", ("create_item",)))
    assert {(each.name, each.origin) for each in first.values()} == {
        ("orders", "given"),
        ("read", "suggested"),
        ("write", "suggested"),
    }
    edited = await patch_toolset(grounds.ground, OWNER, "shop/read", {"title": "Reading"})
    asked = {"connectors": ["shop"], "config": {"methods": ["read", "write"], "toolsets": ["write"]}}
    server = (await create_server(grounds.ground, ACME, asked)).server

    second = await suggest(grounds, Suggestion("read", ("list_items",)), Suggestion("orders", ("create_item",)))

    assert second["read"] == edited
    assert second["orders"].select == {"tags": ["orders"]}
    assert second["write"].origin == "suggested", "a server names it still"
    await patch_server(grounds.ground, ACME, server.id, {"config": {"toolsets": None}})
    assert set(await suggest(grounds)) == {"orders", "read"}


async def test_the_same_suggestions_again_change_nothing() -> None:
    grounds = await with_shop()
    await suggest(grounds, Suggestion("read", ("get_item",)))
    before = await grounds.ground.store.change_seq()

    await suggest(grounds, Suggestion("read", ("get_item",)))

    assert await grounds.ground.store.change_seq() == before
