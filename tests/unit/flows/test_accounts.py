"""Accounts: whose they are, what goes in, and that no secret comes out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import CallerError, DesignError
from apiloom.flows.access import well_formed
from apiloom.flows.accounts import (
    create_account,
    delete_account,
    list_accounts,
    open_credentials,
    patch_account,
    read_account,
    try_account,
)
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.overlays import create_overlay, read_overlay
from apiloom.flows.servers import create_server, read_server
from apiloom.store.records import Account
from support.grounds import AUDITOR, HOST_OWNER, OPERATOR, OWNER, CompiledVersions, Grounds, admin, agent, with_shop
from support.refusals import refusal

SECRET = "s3cr3t-w0rd"
ACME, BOLT = admin("acme"), admin("bolt")
NEW: dict[str, Any] = {"connector": "shop", "label": "Main", "credentials": {"key": {"key": SECRET}}}


async def credentials_of(grounds: Grounds, account: Account) -> dict[str, dict[str, str]]:
    async with grounds.ground.store.reading() as work:
        return await open_credentials(grounds.ground, work.tenant(account.tenant), account)


async def test_an_account_lies_in_the_tenant_of_whoever_makes_it_and_tells_only_the_names_of_its_schemes() -> None:
    grounds = await with_shop()

    account = await create_account(grounds.ground, ACME, {**NEW, "variables": {"region": "us"}})

    assert (account.tenant, account.connector, account.label) == ("acme", "shop", "Main")
    assert account.schemes == ("key",)
    assert account.created_by == ACME.id
    assert SECRET not in repr(account)
    assert SECRET.encode() not in account.sealed
    assert await credentials_of(grounds, account) == {"key": {"key": SECRET}}
    assert len(grounds.commits) == 1


async def test_the_houses_roles_name_the_tenant_or_mean_default() -> None:
    grounds = await with_shop()

    named = await create_account(grounds.ground, OPERATOR, {**NEW, "tenant": "bolt"})
    unnamed = await create_account(grounds.ground, OWNER, NEW)

    assert (named.tenant, unnamed.tenant) == ("bolt", "default")
    assert (await list_accounts(grounds.ground, BOLT, Query())).items == (named,)


async def test_another_tenants_account_is_like_one_that_never_was() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)

    unknown = await refusal(read_account(grounds.ground, BOLT, "acc_" + "a" * 20), "account.not_found")
    foreign = await refusal(read_account(grounds.ground, BOLT, account.id), "account.not_found")

    assert foreign.message.replace(account.id, "ID") == unknown.message.replace("acc_" + "a" * 20, "ID")
    assert (foreign.hint, foreign.facts) == (unknown.hint, unknown.facts)
    for asked in (
        patch_account(grounds.ground, BOLT, account.id, {"label": "mine"}),
        delete_account(grounds.ground, BOLT, account.id, Removal(cascade=True)),
        try_account(grounds.ground, BOLT, account.id),
    ):
        await refusal(asked, "account.not_found")
    assert await read_account(grounds.ground, ACME, account.id) == account
    assert (await list_accounts(grounds.ground, BOLT, Query())).items == ()


@pytest.mark.parametrize("id_", ["", "\0", "ä", "x" * 5000, "\ud800", "a/../b", "acc_'; drop table accounts"])
async def test_what_can_be_no_id_is_not_found(id_: str) -> None:
    grounds = await with_shop()

    error = await refusal(read_account(grounds.ground, ACME, id_), "account.not_found")

    assert len(error.sentence()) < 300


async def test_another_tenant_is_like_one_that_never_was() -> None:
    grounds = await with_shop()

    # whoever belongs to a tenant may not make anything elsewhere, wherever that is
    first = await refusal(create_account(grounds.ground, ACME, {**NEW, "tenant": "bolt"}), "identity.forbidden")
    second = await refusal(create_account(grounds.ground, ACME, {**NEW, "tenant": "nobody"}), "identity.forbidden")
    await refusal(create_account(grounds.ground, OWNER, {**NEW, "tenant": "nobody"}), "tenant.not_found")

    assert first.sentence() == second.sentence()


async def test_a_connector_that_is_not_shown_is_like_one_that_never_was() -> None:
    grounds = await with_shop()

    assert (await create_account(grounds.ground, ACME, {**NEW, "connector": "vault"})).connector == "vault"
    hidden = await refusal(create_account(grounds.ground, BOLT, {**NEW, "connector": "vault"}), "connector.not_found")
    unknown = await refusal(create_account(grounds.ground, BOLT, {**NEW, "connector": "vaulx"}), "connector.not_found")

    assert hidden.sentence().replace("vault", "X") == unknown.sentence().replace("vaulx", "X")


async def test_auditors_and_agents_make_no_accounts() -> None:
    grounds = await with_shop()

    await refusal(create_account(grounds.ground, AUDITOR, NEW), "identity.forbidden")
    await refusal(create_account(grounds.ground, agent("acme"), NEW), "identity.forbidden")
    await refusal(list_accounts(grounds.ground, agent("acme"), Query()), "identity.forbidden")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"labell": "x"}, "field.unknown"),
        ({"label": "x" * 201}, "field.bounds"),
        ({"label": "two\nlines"}, "field.form"),
        ({"label": "\ud800"}, "field.form"),
        ({"label": 7}, "field.form"),
        ({"connector": ""}, "field.form"),
        ({"connector": None}, "field.form"),
        ({"shared": "yes"}, "field.form"),
        ({"metadata": []}, "field.form"),
        ({"metadata": {"x": "y" * 17_000}}, "field.bounds"),
        ({"metadata": {"x": {"\ud800": 1}}}, "field.form"),
        ({"variables": {"regio": "us"}}, "server.variable"),
        ({"variables": ["us"]}, "field.form"),
        ({"variables": {"region": 1}}, "field.form"),
        ({"variables": {"region": "evil.example.com/"}}, "server.variable"),
        ({"credentials": {"kee": {"key": SECRET}}}, "credentials.scheme"),
        ({"credentials": {"key": SECRET}}, "credentials.form"),
        ({"credentials": {"key": {"key": [SECRET]}}}, "credentials.form"),
        ({"credentials": {"key": {"key": SECRET + "\n\n x"}}}, "credentials.value"),
        ({"credentials": {"key": {"key": "\ud800"}}}, "credentials.value"),
        ({"credentials": {"key": {"key": SECRET * 5000}}}, "field.bounds"),
        ({"credentials": [SECRET]}, "field.form"),
        ({"credentials": {"key": {"word": SECRET}}}, "credentials.form"),
        ({"credentials": {f"k{at}": {"key": SECRET} for at in range(30)}}, "field.bounds"),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_kept(members: dict[str, Any], code: str) -> None:
    grounds = await with_shop()

    await refusal(create_account(grounds.ground, ACME, {**NEW, **members}), code, SECRET)

    assert (await list_accounts(grounds.ground, OWNER, Query())).items == ()
    assert (await list_audit(grounds.ground, OWNER, Query())).items == ()


async def test_metadata_that_nests_without_end_is_refused() -> None:
    grounds = await with_shop()
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"x": deep}

    await refusal(create_account(grounds.ground, ACME, {**NEW, "metadata": deep}), "field.bounds")


async def test_references_to_places_of_the_host_come_from_its_owner_alone() -> None:
    grounds = await with_shop()
    asked = {**NEW, "credentials": {"key": {"ref": "env:HOME"}}}

    for who in (ACME, OPERATOR, OWNER):
        await refusal(create_account(grounds.ground, who, asked), "identity.forbidden")
    account = await create_account(grounds.ground, HOST_OWNER, asked)

    assert account.schemes == ("key",)
    await refusal(
        patch_account(grounds.ground, OWNER, account.id, {"credentials": {"key": {"ref": "file:/etc/passwd"}}}),
        "identity.forbidden",
    )


@pytest.mark.parametrize(
    "form",
    [
        {"token": {"ref": "env:HOME"}},
        {"username": "ann", "password": {"ref": "file:/etc/passwd"}},
        {"certificate": "PEM", "private_key": {"ref": "file:/etc/ssl/key"}},
        {"access_key_id": "A" * 20, "secret_access_key": {"ref": "bao:x#y"}, "region": "r", "service": "s"},
        {"headers": {"X-A": "{k}{l}"}, "values": {"k": "plain", "l": {"ref": "env:HOME"}}},
        {"client_id": "me", "client_secret": {"ref": "keyring:a/b"}},
        {"client_id": "me", "ref": "env:HOME"},
        {"service_account": {"ref": "file:/sa.json"}},
        {"service_account": {"client_email": "a", "private_key": {"ref": "file:/key"}}},
        {"token": {"ref": "env:HOME", "more": 1}},
        {"token": [[{"ref": "env:HOME"}]]},
        {"token": {"a": {"b": {"c": {"ref": "env:HOME"}}}}},
    ],
)
async def test_members_that_lie_elsewhere_are_named_by_the_hosts_owner_alone(form: dict[str, Any]) -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, HOST_OWNER, {**NEW, "tenant": "acme"})
    for who in (ACME, OPERATOR, OWNER):
        asked = {"credentials": {"key": form}}
        await refusal(create_account(grounds.ground, who, {**NEW, **asked}), "identity.forbidden")
        await refusal(patch_account(grounds.ground, who, account.id, asked), "identity.forbidden")
    assert await credentials_of(grounds, account) == {"key": {"key": SECRET}}


async def test_references_in_members_are_kept_as_they_were_given_and_replaced_whole() -> None:
    grounds = await with_shop()
    form = {"headers": {"X-A": "{k}{l}"}, "values": {"k": {"ref": "env:K"}, "l": {"ref": "env:L"}}}
    asked = {**NEW, "tenant": "acme", "credentials": {"key": form}}
    account = await create_account(grounds.ground, HOST_OWNER, asked)
    before = {"headers": '{"X-A":"{k}{l}"}', "values": form["values"]}
    assert await credentials_of(grounds, account) == {"key": before}

    # who may not name places keeps those that are there, and takes over no part of an object that holds one
    headers = {"headers": {"X-B": "{k}"}}
    patched = await patch_account(grounds.ground, ACME, account.id, {"credentials": {"key": headers}})
    assert (await credentials_of(grounds, patched))["key"]["values"] == form["values"]
    values = {"values": {"k": "plain", "l": None}}
    patched = await patch_account(grounds.ground, ACME, account.id, {"credentials": {"key": values}})
    assert await credentials_of(grounds, patched) == {"key": {"headers": '{"X-B":"{k}"}', "values": '{"k":"plain"}'}}


async def test_a_secret_that_lies_elsewhere_follows_nobody_to_another_host() -> None:
    grounds = await with_shop()
    form = {"headers": {"X-A": "{k}{l}"}, "values": {"k": {"ref": "env:K"}, "l": "x"}}
    asked = {**NEW, "tenant": "acme", "credentials": {"key": form}, "variables": {"region": "eu"}}
    account = await create_account(grounds.ground, HOST_OWNER, asked)
    moved = {"variables": {"region": "us"}}
    await refusal(patch_account(grounds.ground, ACME, account.id, moved), "account.moved")
    for given in ({"key": {"headers": {"X-A": "{l}"}}}, {"key": {"values": form["values"]}}, {"key": form}):
        code = "identity.forbidden" if "values" in given["key"] else "account.moved"
        await refusal(patch_account(grounds.ground, ACME, account.id, {**moved, "credentials": given}), code)
    given = {"key": {"headers": {"X-A": "{l}"}, "values": {"l": "y"}}}
    left = await patch_account(grounds.ground, ACME, account.id, {**moved, "credentials": given})
    assert "env:K" not in str(await credentials_of(grounds, left))


async def test_a_patch_merges_credentials_and_null_removes_a_scheme() -> None:
    grounds = await with_shop()
    both = {"key": {"key": SECRET}, "login": {"username": "ann", "password": "one"}}
    account = await create_account(grounds.ground, ACME, {**NEW, "credentials": both})

    patched = await patch_account(
        grounds.ground, ACME, account.id, {"credentials": {"key": None, "login": {"password": "two"}}}
    )

    assert patched.schemes == ("login",)
    assert await credentials_of(grounds, patched) == {"login": {"username": "ann", "password": "two"}}
    replaced = await patch_account(grounds.ground, ACME, account.id, {"credentials": {"login": {"token": "three"}}})
    assert await credentials_of(grounds, replaced) == {"login": {"token": "three"}}
    emptied = await patch_account(grounds.ground, ACME, account.id, {"credentials": None})
    assert (emptied.schemes, emptied.sealed) == ((), b"")


async def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    grounds = await with_shop()
    account = await create_account(
        grounds.ground, ACME, {**NEW, "metadata": {"a": 1, "b": {"c": 2, "d": 3}}, "external_id": "x1", "end_user": "u"}
    )

    patched = await patch_account(
        grounds.ground, ACME, account.id, {"metadata": {"a": None, "b": {"c": 9}}, "external_id": None, "shared": True}
    )

    assert patched.metadata == {"b": {"c": 9, "d": 3}}
    assert (patched.external_id, patched.shared, patched.end_user) == (None, True, "u")
    assert patched.revision == account.revision + 1
    assert await credentials_of(grounds, patched) == {"key": {"key": SECRET}}
    assert await patch_account(grounds.ground, ACME, account.id, {"label": "Main"}) == patched


@pytest.mark.parametrize("member", ["tenant", "connector", "id", "sealed", "schemes", "created_by", "revision"])
async def test_what_makes_an_account_what_it_is_cannot_be_patched(member: str) -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)

    await refusal(patch_account(grounds.ground, ACME, account.id, {member: "bolt"}), "field.unknown")


async def test_credentials_do_not_follow_variables_to_another_host() -> None:
    grounds = await with_shop()
    both = {"key": {"key": SECRET}, "login": {"username": "ann", "password": SECRET}}
    account = await create_account(grounds.ground, ACME, {**NEW, "credentials": both})

    async def move(**members: Any) -> Account:
        return await patch_account(grounds.ground, ACME, account.id, {"variables": {"region": "mine"}, **members})

    await refusal(move(), "account.moved")
    await refusal(move(credentials={"key": {"key": SECRET}}), "account.moved")
    await refusal(move(credentials={"key": None, "login": {"username": "bob"}}), "account.moved")
    assert (await read_account(grounds.ground, ACME, account.id)).variables == {}

    same_host = await patch_account(grounds.ground, ACME, account.id, {"variables": {"stage": "v2"}})
    assert same_host.variables == {"stage": "v2"}
    moved = await move(credentials={"key": None, "login": {"username": "ann", "password": "other"}})
    assert moved.variables == {"stage": "v2", "region": "mine"}
    assert await credentials_of(grounds, moved) == {"login": {"username": "ann", "password": "other"}}


async def test_of_two_patches_at_once_neither_is_lost() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)

    await asyncio.gather(
        patch_account(grounds.ground, ACME, account.id, {"metadata": {"left": 1}}),
        patch_account(grounds.ground, ACME, account.id, {"metadata": {"right": 1}}),
    )

    assert (await read_account(grounds.ground, ACME, account.id)).metadata == {"left": 1, "right": 1}


async def test_of_two_patches_of_one_revision_the_second_is_refused() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)

    done = await asyncio.gather(
        patch_account(grounds.ground, ACME, account.id, {"label": "one"}, account.revision),
        patch_account(grounds.ground, ACME, account.id, {"label": "two"}, account.revision),
        return_exceptions=True,
    )

    refused = [each for each in done if isinstance(each, CallerError)]
    assert [each.code for each in refused] == ["store.stale"]
    assert (await read_account(grounds.ground, ACME, account.id)).revision == account.revision + 1


async def test_an_external_id_is_taken_once_in_a_tenant() -> None:
    grounds = await with_shop()
    await create_account(grounds.ground, ACME, {**NEW, "external_id": "same"})

    await refusal(create_account(grounds.ground, ACME, {**NEW, "external_id": "same"}), "store.exists")
    other = await create_account(grounds.ground, BOLT, {**NEW, "external_id": "same"})

    assert (
        await list_accounts(grounds.ground, OWNER, Query(where={"external_id": "same", "tenant": "bolt"}))
    ).items == (other,)


async def test_a_listing_goes_on_from_page_to_page_and_can_be_narrowed() -> None:
    grounds = await with_shop()
    made = [await create_account(grounds.ground, ACME, {**NEW, "metadata": {"plan": f"p{at % 2}"}}) for at in range(5)]

    seen: list[str] = []
    cursor = ""
    while True:
        page = await list_accounts(grounds.ground, ACME, Query(limit=2, after=cursor))
        seen += [account.id for account in page.items]
        cursor = page.next_cursor
        if not cursor:
            break

    assert seen == sorted(account.id for account in made)
    narrowed = await list_accounts(grounds.ground, ACME, Query(where={"metadata.plan": "p1"}))
    assert {account.id for account in narrowed.items} == {made[1].id, made[3].id}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (Query(limit=0), "list.limit"),
        (Query(limit=201), "list.limit"),
        (Query(after="ä"), "list.cursor"),
        (Query(after="x" * 500), "list.cursor"),
        (Query(where={"sealed": "x"}), "list.filter"),
        (Query(where={"metadata": "x"}), "list.filter"),
        (Query(where={"metadata.a'b": "x"}), "list.filter"),
        (Query(where={"labl": "x"}), "list.filter"),
        (Query(where={"shared": "x"}), "list.filter"),
        (Query(where={"label": 1}), "list.filter"),
        (Query(where={"label": "\0"}), "list.filter"),
        (Query(where={"metadata.a": ["x"]}), "list.filter"),
        (Query(where={f"metadata.a{at}": "x" for at in range(30)}), "list.filter"),
    ],
)
async def test_a_listing_takes_only_what_it_knows(query: Query, code: str) -> None:
    grounds = await with_shop()

    await refusal(list_accounts(grounds.ground, ACME, query), code)


async def test_an_account_that_servers_show_is_removed_only_with_them() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)
    other = await create_account(grounds.ground, ACME, {**NEW, "connector": "vault"})
    only = (await create_server(grounds.ground, ACME, {"name": "only", "accounts": [account.id]})).server
    two = (await create_server(grounds.ground, ACME, {"name": "two", "accounts": [account.id, other.id]})).server

    refused = await refusal(delete_account(grounds.ground, ACME, account.id, Removal()), "account.depended_on")
    plan = await delete_account(grounds.ground, ACME, account.id, Removal(plan=True))

    expected = {(only.id, "removed"), (two.id, "changed")}
    listed: Any = refused.facts["affected"]
    assert {(each["id"], each["becomes"]) for each in listed} == expected
    assert {(each.id, each.becomes) for each in plan.affected} == expected
    assert not plan.done
    assert await read_account(grounds.ground, ACME, account.id) == account

    done = await delete_account(grounds.ground, ACME, account.id, Removal(cascade=True))

    assert done.done
    await refusal(read_account(grounds.ground, ACME, account.id), "account.not_found")
    await refusal(read_server(grounds.ground, ACME, only.id), "server.not_found")
    assert (await read_server(grounds.ground, ACME, two.id)).accounts == (other.id,)
    async with grounds.ground.store.reading() as work:
        tokens = await work.house().server_tokens.every()
    assert {token.server for token in tokens} == {two.id}


async def test_every_change_leaves_a_line_that_tells_no_value() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)
    await patch_account(grounds.ground, ACME, account.id, {"credentials": {"key": {"key": SECRET + "2"}}})
    await delete_account(grounds.ground, ACME, account.id, Removal())

    lines = (await list_audit(grounds.ground, ACME, Query())).items

    assert sorted(line.action for line in lines) == ["account.create", "account.delete", "account.update"]
    assert {(line.tenant, line.target, line.principal) for line in lines} == {("acme", account.id, ACME.id)}
    assert SECRET not in repr(lines)
    assert (await list_audit(grounds.ground, BOLT, Query())).items == ()


async def test_one_who_stands_for_a_person_makes_no_account_of_another() -> None:
    grounds = await with_shop()
    ann = admin("acme", end_user="ann")

    await refusal(create_account(grounds.ground, ann, {**NEW, "end_user": "bob"}), "identity.wider")
    account = await create_account(grounds.ground, ann, {**NEW, "end_user": "ann"})
    bobs = await create_account(grounds.ground, ACME, {**NEW, "end_user": "bob"})

    await refusal(patch_account(grounds.ground, ann, account.id, {"end_user": "bob"}), "identity.wider")
    await refusal(patch_account(grounds.ground, ann, bobs.id, {"end_user": "ann"}), "identity.wider")


async def test_an_account_is_tested_where_something_can_call() -> None:
    asked: list[tuple[str, str]] = []

    async def call(account: str, tool: str) -> dict[str, Any]:
        asked.append((account, tool))
        return {"ok": True}

    grounds = await with_shop(test_call=call)
    account = await create_account(grounds.ground, ACME, NEW)

    assert await try_account(grounds.ground, ACME, account.id, "list_items") == {"ok": True}
    assert asked == [(account.id, "list_items")]
    offline = await with_shop()
    account = await create_account(offline.ground, ACME, NEW)
    await refusal(try_account(offline.ground, ACME, account.id), "account.untested")


async def test_a_design_error_of_an_account_is_its_authors() -> None:
    grounds = await with_shop()

    error = await refusal(create_account(grounds.ground, ACME, {**NEW, "variables": {"x": "y"}}), "server.variable")

    assert isinstance(error, DesignError)


async def test_an_account_is_deleted_at_the_revision_that_was_read_and_its_overlays_with_it() -> None:
    grounds = await with_shop()
    account = await create_account(grounds.ground, ACME, NEW)
    edit = {"tools": {"get_item": {"hide": True}}}
    asked = {"layer": "account", "connector": "shop", "target": account.id, "patch": edit}
    overlay = await create_overlay(grounds.ground, ACME, asked)
    changed = await patch_account(grounds.ground, ACME, account.id, {"label": "new"})

    await refusal(delete_account(grounds.ground, ACME, account.id, Removal(if_match=account.revision)), "store.stale")
    done = await delete_account(grounds.ground, ACME, account.id, Removal(if_match=changed.revision))

    assert [(each.kind, each.id) for each in done.affected] == [("overlay", overlay.id)]
    await refusal(read_overlay(grounds.ground, ACME, overlay.id), "overlay.not_found")


async def test_a_connector_that_is_taken_away_while_an_account_is_checked_is_not_found() -> None:
    grounds = await with_shop()
    ground = grounds.ground

    class Slow(CompiledVersions):
        async def check_account(self, *asked: Any) -> frozenset[str]:
            async with ground.store.writing() as work:
                vault = await work.house().connectors.load("vault")
                assert vault is not None
                await work.house().connectors.save(replace(vault, tenants=()), vault.revision)
            return await super().check_account(*asked)

    await refusal(
        create_account(replace(ground, versions=Slow()), ACME, {**NEW, "connector": "vault"}), "connector.not_found"
    )
    assert (await list_accounts(ground, OWNER, Query())).items == ()


def test_only_what_can_be_an_id_is_put_to_a_database() -> None:
    assert well_formed("acc_" + "a" * 20)
    assert well_formed("shop/orders@acme")
    assert not [id_ for id_ in ("", "\0", "a\n", "\ud800", "ä", "x" * 121) if well_formed(id_)]
