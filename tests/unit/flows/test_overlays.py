"""Overlays: who may edit which layer, and what an edit rests on."""

from __future__ import annotations

from typing import Any

import pytest

from apiloom.base.json import dumps, loads
from apiloom.compile.artefact import pack
from apiloom.flows.accounts import create_account
from apiloom.flows.asking import Query, Removal
from apiloom.flows.overlays import (
    create_overlay,
    delete_overlay,
    list_overlays,
    patch_overlay,
    put_overlay,
    read_overlay,
    review_overlay,
)
from apiloom.flows.servers import create_server, delete_server, show_server
from apiloom.store.records import Version
from support.catalogs import catalog_of
from support.grounds import (
    AUDITOR,
    OPERATOR,
    OWNER,
    SHOP_PATHS,
    SHOP_SCHEMES,
    SHOP_SERVERS,
    Grounds,
    admin,
    agent,
    with_shop,
)
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")
HIDE = {"tools": {"list_orders": {"hide": True}}}


def on(layer: str, target: str = "", **members: Any) -> dict[str, Any]:
    return {"layer": layer, "connector": "shop", "target": target or None, "patch": HIDE, **members}


async def test_each_layer_lies_where_it_belongs() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, {"connector": "shop"})
    server = (await create_server(grounds.ground, ACME, {"accounts": [account.id]})).server

    house = await create_overlay(grounds.ground, OPERATOR, on("connector"))
    tenant = await create_overlay(grounds.ground, ACME, on("tenant"))
    of_account = await create_overlay(grounds.ground, ACME, on("account", account.id))
    of_server = await create_overlay(grounds.ground, ACME, on("server", server.id))

    made = [house, tenant, of_account, of_server]
    assert [(each.tenant, each.target) for each in made] == [
        (None, ""),
        ("acme", "acme"),
        ("acme", account.id),
        ("acme", server.id),
    ]
    assert house.base == {"tools": {"list_orders": {"operation": "GET /orders"}}}
    seen = (await list_overlays(grounds.ground, ACME, Query())).items
    assert {each.id for each in seen} == {each.id for each in made}
    assert [each.id for each in (await list_overlays(grounds.ground, BOLT, Query())).items] == [house.id]
    assert (await show_server(grounds.ground, ACME, server.id)).shown.tools == 2


async def test_nobody_edits_above_or_beside_their_own_layer() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server
    house = await create_overlay(grounds.ground, OWNER, on("connector"))
    own = await create_overlay(grounds.ground, ACME, on("server", server.id))

    await refusal(create_overlay(grounds.ground, ACME, on("connector")), "identity.forbidden")
    await refusal(patch_overlay(grounds.ground, ACME, house.id, {"patch": {}}), "identity.forbidden")
    await refusal(delete_overlay(grounds.ground, ACME, house.id, Removal()), "identity.forbidden")
    foreign = await refusal(create_overlay(grounds.ground, BOLT, on("server", server.id)), "server.not_found")
    unknown = await refusal(create_overlay(grounds.ground, BOLT, on("server", "srv_none")), "server.not_found")
    assert foreign.message.replace(server.id, "X") == unknown.message.replace("srv_none", "X")
    await refusal(create_overlay(grounds.ground, ACME, on("tenant", "bolt")), "tenant.not_found")
    for asked in (
        read_overlay(grounds.ground, BOLT, own.id),
        patch_overlay(grounds.ground, BOLT, own.id, {"patch": {}}),
        delete_overlay(grounds.ground, BOLT, own.id, Removal()),
    ):
        await refusal(asked, "overlay.not_found")
    for who in (AUDITOR, agent("acme")):
        await refusal(create_overlay(grounds.ground, who, on("tenant")), "identity.forbidden")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"layer": "house"}, "field.form"),
        ({"layer": None}, "field.form"),
        ({"connector": "none"}, "connector.not_found"),
        ({"patch": None}, "field.form"),
        ({"patch": {"tools": {"list_order": {"hide": True}}}}, "overlay.unknown"),
        ({"patch": {"x": "y" * 300_000}}, "field.bounds"),
        ({"ptch": {}}, "field.unknown"),
    ],
)
async def test_what_cannot_be_applied_is_refused(members: dict[str, Any], code: str) -> None:
    grounds = await with_shop()

    await refusal(create_overlay(grounds.ground, ACME, {**on("tenant"), **members}), code)

    assert (await list_overlays(grounds.ground, OWNER, Query())).items == ()


async def test_a_layer_has_one_overlay_which_is_put_and_patched() -> None:
    grounds = await with_shop()
    overlay = await create_overlay(grounds.ground, ACME, on("tenant"))

    await refusal(create_overlay(grounds.ground, ACME, on("tenant")), "store.exists")
    put = await put_overlay(grounds.ground, ACME, on("tenant", patch={"tools": {"get_item": {"title": "One"}}}))
    patched = await patch_overlay(
        grounds.ground, ACME, overlay.id, {"patch": {"tools": {"get_item": None, "list_items": {"hide": True}}}}
    )
    again = await put_overlay(grounds.ground, ACME, on("tenant", patch=patched.patch))

    assert put.id == overlay.id == patched.id
    assert patched.patch == {"tools": {"list_items": {"hide": True}}}
    assert again == patched
    await refusal(patch_overlay(grounds.ground, ACME, overlay.id, {"patch": {}}, overlay.revision), "store.stale")
    assert (await put_overlay(grounds.ground, BOLT, on("tenant"))).target == "bolt"
    assert (await delete_overlay(grounds.ground, ACME, overlay.id, Removal())).done


async def test_an_account_is_edited_for_its_own_connector() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, {"connector": "vault"})

    await refusal(create_overlay(grounds.ground, ACME, on("account", account.id)), "field.form")


async def test_an_overlay_goes_with_what_it_edits() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server
    overlay = await create_overlay(grounds.ground, ACME, on("server", server.id))

    await delete_server(grounds.ground, ACME, server.id, Removal())

    await refusal(read_overlay(grounds.ground, ACME, overlay.id), "overlay.not_found")


async def promote_without_orders(grounds: Grounds) -> None:
    paths = {path: item for path, item in loads(dumps(SHOP_PATHS)).items() if path != "/orders"}
    paths["/items/{id}"]["get"]["summary"] = "Get one item of many"
    artefact = pack(catalog_of(paths, schemes=SHOP_SCHEMES, servers=SHOP_SERVERS))
    async with grounds.ground.store.writing() as work:
        house = work.house()
        shop = await house.connectors.load("shop")
        assert shop is not None
        await house.versions.add(Version(id="shop/2", connector="shop", number=2, state="current", hash="two"))
        await house.versions.put_content("shop/2", document=b"", artefact=artefact)
        await house.connectors.save(type(shop)(id="shop", current=2), shop.revision)


async def test_after_a_new_version_an_edit_sleeps_or_is_reviewed_and_others_can_still_be_made() -> None:
    grounds = await with_shop()
    edits = {"tools": {"list_orders": {"hide": True}, "get_item": {"description": "Ours"}}}
    overlay = await create_overlay(grounds.ground, ACME, on("tenant", patch=edits))
    assert (await review_overlay(grounds.ground, ACME, overlay.id)).findings == ()

    await promote_without_orders(grounds)

    reviewed = await review_overlay(grounds.ground, ACME, overlay.id)
    assert [finding.code for finding in reviewed.findings] == ["overlay.conflict", "overlay.gone"]
    patched = await patch_overlay(
        grounds.ground, ACME, overlay.id, {"patch": {"tools": {"list_items": {"title": "x"}}}}
    )
    assert patched.patch["tools"].keys() == {"list_orders", "get_item", "list_items"}
    still = await review_overlay(grounds.ground, ACME, overlay.id)
    assert still.findings == reviewed.findings, "whoever edits one tool has not looked at the others"
    await put_overlay(grounds.ground, ACME, on("tenant", patch=still.patch))
    settled = await review_overlay(grounds.ground, ACME, overlay.id)
    assert [finding.code for finding in settled.findings] == ["overlay.gone"]
    await refusal(
        patch_overlay(grounds.ground, ACME, overlay.id, {"patch": {"tools": {"list_orders": {"title": "x"}}}}),
        "overlay.unknown",
    )
