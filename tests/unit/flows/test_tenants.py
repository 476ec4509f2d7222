"""Tenants: made, found, changed, and removed only with all that lies in them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apiloom.flows.accounts import create_account
from apiloom.flows.api_tokens import create_api_token
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.servers import create_server
from apiloom.flows.tenants import create_tenant, delete_tenant, list_tenants, patch_tenant, read_tenant
from apiloom.store.records import Connector
from support.grounds import AUDITOR, OPERATOR, OWNER, admin, agent, with_shop
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")


async def test_a_tenant_has_an_id_outside_id_and_metadata() -> None:
    grounds = await with_shop()
    wanted = {"id": "corp", "name": "Corp Ltd", "external_id": "crm-7", "metadata": {"plan": "gold"}}

    tenant = await create_tenant(grounds.ground, OPERATOR, wanted)

    assert (tenant.id, tenant.name, tenant.external_id, tenant.metadata) == (
        "corp",
        "Corp Ltd",
        "crm-7",
        {"plan": "gold"},
    )
    assert (await list_tenants(grounds.ground, OWNER, Query(where={"external_id": "crm-7"}))).items == (tenant,)
    assert (await list_tenants(grounds.ground, OWNER, Query(where={"metadata.plan": "gold"}))).items == (tenant,)
    await refusal(create_tenant(grounds.ground, OWNER, {"id": "other", "external_id": "crm-7"}), "store.exists")
    await refusal(create_tenant(grounds.ground, OWNER, {"id": "corp"}), "store.exists")


@pytest.mark.parametrize("name", ["", "Acme Corp", "ÄÖÜ", "7 dwarfs", "-", "x" * 200, "日本"])
async def test_a_tenant_without_an_id_is_given_one_that_fits(name: str) -> None:
    grounds = await with_shop()

    first, second = [await create_tenant(grounds.ground, OWNER, {"name": name}) for _ in range(2)]

    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", first.id)
    assert len(first.id) <= 40
    assert first.id != second.id


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"id": "Corp"}, "field.form"),
        ({"id": "7corp"}, "field.form"),
        ({"id": "corp-"}, "field.form"),
        ({"id": "a" * 41}, "field.bounds"),
        ({"id": "a\n"}, "field.form"),
        ({"id": 7}, "field.form"),
        ({"external_id": ""}, "field.form"),
        ({"metadata": {"x": float("nan"), "y": object()}}, "field.form"),
        ({"nam": "x"}, "field.unknown"),
        ([], "field.form"),
    ],
)
async def test_what_is_wrong_is_refused(wanted: Any, code: str) -> None:
    grounds = await with_shop()

    await refusal(create_tenant(grounds.ground, OWNER, wanted), code)


async def test_tenants_see_themselves_alone_and_change_nothing() -> None:
    grounds = await with_shop()

    assert [tenant.id for tenant in (await list_tenants(grounds.ground, ACME, Query())).items] == ["acme"]
    assert (await read_tenant(grounds.ground, ACME, "acme")).id == "acme"
    foreign = await refusal(read_tenant(grounds.ground, ACME, "bolt"), "tenant.not_found")
    unknown = await refusal(read_tenant(grounds.ground, ACME, "none"), "tenant.not_found")
    assert foreign.sentence().replace("bolt", "X") == unknown.sentence().replace("none", "X")
    for who in (ACME, AUDITOR, agent("acme")):
        await refusal(create_tenant(grounds.ground, who, {"id": "new"}), "identity.forbidden")
        await refusal(patch_tenant(grounds.ground, who, "acme", {"name": "x"}), "identity.forbidden")
        await refusal(delete_tenant(grounds.ground, who, "bolt", Removal(cascade=True)), "identity.forbidden")
    await refusal(list_tenants(grounds.ground, agent("acme"), Query()), "identity.forbidden")


async def test_a_patch_changes_what_it_names_at_the_revision_that_was_read() -> None:
    grounds = await with_shop()
    tenant = await read_tenant(grounds.ground, OWNER, "acme")

    patched = await patch_tenant(
        grounds.ground, OWNER, "acme", {"metadata": {"a": 1}, "external_id": "x"}, tenant.revision
    )

    assert (patched.metadata, patched.external_id, patched.revision) == ({"a": 1}, "x", tenant.revision + 1)
    await refusal(patch_tenant(grounds.ground, OWNER, "acme", {"name": "y"}, tenant.revision), "store.stale")
    assert (await patch_tenant(grounds.ground, OWNER, "acme", {"metadata": None})).metadata == {}
    await refusal(patch_tenant(grounds.ground, OWNER, "acme", {"id": "other"}), "field.unknown")


async def test_a_tenant_that_holds_something_goes_only_with_it() -> None:
    grounds = await with_shop()
    ground = grounds.ground
    account = await create_account(ground, ACME, {"connector": "shop", "credentials": {"key": {"key": "k"}}})
    server = (await create_server(ground, ACME, {"accounts": [account.id]})).server
    token = (await create_api_token(ground, ACME, {"role": "agent"})).token
    others = (await create_server(ground, BOLT, {"connectors": ["shop"]})).server
    expected = {
        ("account", account.id, "removed"),
        ("server", server.id, "removed"),
        ("api_token", token.id, "removed"),
        ("connector", "vault", "changed"),
    }

    refused = await refusal(delete_tenant(ground, OWNER, "acme", Removal()), "tenant.depended_on")
    listed: Any = refused.facts["affected"]
    assert {(each["kind"], each["id"], each["becomes"]) for each in listed} == expected
    plan = await delete_tenant(ground, OWNER, "acme", Removal(plan=True, cascade=True))
    assert {(each.kind, each.id, each.becomes) for each in plan.affected} == expected
    assert (await read_tenant(ground, OWNER, "acme")).revision == 1

    assert (await delete_tenant(ground, OWNER, "acme", Removal(cascade=True))).done

    async with ground.store.reading() as work:
        house = work.house()
        assert [each.id for each in await house.servers.every()] == [others.id]
        assert await house.accounts.every() == []
        assert await house.api_tokens.every() == []
        assert [each.server for each in await house.server_tokens.every()] == [others.id]
        vault = await house.connectors.load("vault")
    assert vault is not None
    assert vault.tenants == (), "shown to nobody, not to all"
    await refusal(read_tenant(ground, OWNER, "acme"), "tenant.not_found")
    actions = [line.action for line in (await list_audit(ground, OWNER, Query(where={"tenant": "acme"}))).items]
    assert "tenant.delete" in actions
    assert "account.create" in actions


async def test_an_empty_tenant_goes_and_the_one_of_every_store_stays() -> None:
    grounds = await with_shop()

    assert (await delete_tenant(grounds.ground, OWNER, "bolt", Removal())).affected == ()
    await refusal(delete_tenant(grounds.ground, OWNER, "default", Removal(cascade=True)), "tenant.conflict")
    await refusal(delete_tenant(grounds.ground, OWNER, "none", Removal(cascade=True)), "tenant.not_found")


async def test_an_overlay_of_the_house_does_not_hold_a_tenant() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        await work.house().connectors.add(Connector(id="new", tenants=("acme", "bolt")))

    plan = await delete_tenant(grounds.ground, OWNER, "bolt", Removal(plan=True))

    assert [(each.kind, each.id) for each in plan.affected] == [("connector", "new")]
