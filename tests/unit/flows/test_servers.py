"""Servers: what they may name, who may make them and for how long, and what becomes of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiloom.flows.accounts import create_account, patch_account, try_account
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.server_tokens import add_token, rotate_tokens
from apiloom.flows.servers import (
    create_server,
    create_server_for,
    delete_server,
    list_servers,
    patch_server,
    read_server,
    show_server,
    switch_toolset,
)
from apiloom.identity.principal import Principal
from apiloom.store.records import Connector, Version
from support.grounds import AUDITOR, NOON, OPERATOR, OWNER, Grounds, admin, agent, with_shop
from support.refusals import refusal

DAY = 86400.0
ACME, BOLT = admin("acme"), admin("bolt")


async def account(grounds: Grounds, who: Principal = ACME, **members: Any) -> str:
    made = await create_account(
        grounds.ground, who, {"connector": "shop", "credentials": {"key": {"key": "k"}}, **members}
    )
    return made.id


async def test_a_server_for_an_account_only_reads_ends_in_thirty_days_and_shows_its_url_once() -> None:
    grounds = await with_shop()
    id_ = await account(grounds)

    opened = await create_server_for(grounds.ground, ACME, id_, {"name": "Ann's"})

    server = opened.server
    assert (server.tenant, server.name, server.accounts) == ("acme", "Ann's", (id_,))
    assert server.config["methods"] == ["read"]
    assert server.expires_at == NOON + 30 * DAY
    assert opened.shown.tools == 3
    assert opened.issued.url == f"https://loom.example.com/mcp/{opened.issued.text}"
    assert opened.issued.text.startswith("als_")
    assert opened.issued.text not in repr(opened)
    assert await read_server(grounds.ground, ACME, server.id) == server
    async with grounds.ground.store.reading() as work:
        (token,) = await work.house().server_tokens.every()
    assert opened.issued.text.encode() not in token.digest
    assert token.digest in grounds.ground.digests(opened.issued.text)


async def test_a_server_is_named_by_its_id_when_nobody_names_it() -> None:
    grounds = await with_shop()

    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    assert server.name == server.id


@pytest.mark.parametrize(
    ("who", "expires_at", "code"),
    [
        (OWNER, None, ""),
        (OWNER, NOON + 4000 * DAY, ""),
        (OPERATOR, None, "identity.wider"),
        (ACME, None, "identity.wider"),
        (ACME, NOON + 4000 * DAY, ""),
        (replace(ACME, expires_at=NOON + DAY), NOON + 2 * DAY, "identity.wider"),
        (replace(ACME, expires_at=NOON + DAY), NOON + DAY, ""),
        (ACME, NOON, "field.bounds"),
        (ACME, NOON - 1, "field.bounds"),
        (ACME, float("nan"), "field.form"),
        (ACME, float("inf"), "field.form"),
        (ACME, 1e300, "field.bounds"),
        (ACME, "tomorrow", "field.form"),
        (ACME, True, "field.form"),
        (AUDITOR, NOON + DAY, "identity.forbidden"),
        (agent("acme"), NOON + DAY, "identity.forbidden"),
        (Principal(id="tok_1", tenant="acme", token="tok_1", servers=("srv_1",)), NOON + DAY, "identity.forbidden"),
        (replace(ACME, servers=("srv_1",)), NOON + DAY, "identity.forbidden"),
    ],
)
async def test_a_server_ends_no_later_than_whoever_makes_it_but_an_owner(
    who: Principal, expires_at: Any, code: str
) -> None:
    grounds = await with_shop()
    asked = create_server(grounds.ground, who, {"tenant": "acme", "connectors": ["shop"], "expires_at": expires_at})

    if code:
        await refusal(asked, code)
        assert (await list_servers(grounds.ground, OWNER, Query())).items == ()
    else:
        assert (await asked).server.expires_at == expires_at


async def test_an_end_that_nobody_names_is_that_of_a_short_lived_token() -> None:
    grounds = await with_shop()
    short = replace(ACME, expires_at=NOON + DAY)

    opened = await create_server(grounds.ground, short, {"connectors": ["shop"]})
    owned = await create_server(grounds.ground, replace(OWNER, expires_at=NOON + 60), {"connectors": ["shop"]})

    assert opened.server.expires_at == NOON + DAY
    assert "the server ends in 24 hours and 0 minutes" in opened.shown.warnings
    assert owned.server.expires_at == NOON + 30 * DAY


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "field.form"),
        ({"accounts": []}, "field.form"),
        ({"accounts": ["acc_none"]}, "account.not_found"),
        ({"accounts": "acc_none"}, "field.form"),
        ({"connectors": ["vault"]}, "connector.not_found"),
        ({"connectors": ["shop", "shop"]}, "field.form"),
        ({"connectors": [7]}, "field.form"),
        ({"connectors": [f"c{at}" for at in range(101)]}, "field.bounds"),
        ({"connectors": ["shop"], "config": {"method": ["read"]}}, "config.unknown"),
        ({"connectors": ["shop"], "config": {"tags": ["item"]}}, "selection.unknown"),
        ({"connectors": ["shop"], "config": {"tools": {"deny": ["delete_itm"]}}}, "selection.unknown"),
        ({"connectors": ["shop"], "config": {"pin_version": 2}}, "version.not_found"),
        ({"connectors": ["shop"], "config": {"pin_version": {"other": 1}}}, "field.form"),
        ({"connectors": ["shop"], "name": ""}, "field.form"),
        ({"connectors": ["shop"], "name": "x" * 201}, "field.bounds"),
        ({"connectors": ["shop"], "name": "a\u202eb"}, "field.form"),
        ({"connectors": ["shop"], "enabled": 1}, "field.form"),
        ({"connectors": ["shop"], "toolsets_off": []}, "field.unknown"),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_kept(members: dict[str, Any], code: str) -> None:
    grounds = await with_shop()

    await refusal(create_server(grounds.ground, BOLT, members), code)

    assert (await list_servers(grounds.ground, OWNER, Query())).items == ()
    async with grounds.ground.store.reading() as work:
        assert await work.house().server_tokens.every() == []


async def test_another_tenants_account_is_like_one_that_never_was() -> None:
    grounds = await with_shop()
    theirs = await account(grounds)

    foreign = await refusal(create_server(grounds.ground, BOLT, {"accounts": [theirs]}), "account.not_found")
    unknown = await refusal(create_server(grounds.ground, BOLT, {"accounts": ["acc_none"]}), "account.not_found")
    through = await refusal(create_server_for(grounds.ground, BOLT, theirs, {}), "account.not_found")

    assert foreign.message == f"there is no account {theirs}" == through.message
    assert unknown.message == "there is no account acc_none"
    # the houses' roles open a server within one tenant, too
    await refusal(create_server(grounds.ground, OWNER, {"tenant": "bolt", "accounts": [theirs]}), "account.not_found")


async def test_another_tenants_server_is_like_one_that_never_was() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    for asked in (
        read_server(grounds.ground, BOLT, server.id),
        show_server(grounds.ground, BOLT, server.id),
        patch_server(grounds.ground, BOLT, server.id, {"name": "x"}),
        delete_server(grounds.ground, BOLT, server.id, Removal()),
        switch_toolset(grounds.ground, BOLT, server.id, "orders", on=False),
    ):
        error = await refusal(asked, "server.not_found")
        assert (error.message, error.facts) == (f"there is no server {server.id}", {})
    assert (await list_servers(grounds.ground, BOLT, Query())).items == ()


async def test_a_name_is_taken_once_in_a_tenant() -> None:
    grounds = await with_shop()
    asked = {"name": "main", "connectors": ["shop"]}
    await create_server(grounds.ground, ACME, asked)

    await refusal(create_server(grounds.ground, ACME, asked), "store.exists")
    await create_server(grounds.ground, BOLT, asked)


async def test_a_token_that_is_limited_to_servers_sees_those() -> None:
    grounds = await with_shop()
    mine, other = [(await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server for _ in range(2)]
    limited = replace(ACME, servers=(mine.id, "srv_none"))

    assert (await list_servers(grounds.ground, limited, Query())).items == (mine,)
    assert (await list_servers(grounds.ground, limited, Query(where={"name": other.name}))).items == ()
    assert await read_server(grounds.ground, limited, mine.id) == mine
    await refusal(read_server(grounds.ground, limited, other.id), "server.not_found")
    await refusal(patch_server(grounds.ground, limited, mine.id, {"name": "x"}), "identity.forbidden")
    await refusal(list_servers(grounds.ground, limited, Query(where={"nam": "x"})), "list.filter")


async def test_a_version_that_was_never_served_cannot_be_pinned() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        for number, state in ((2, "proposed"), (3, "rejected"), (4, "past")):
            version = Version(id=f"shop/{number}", connector="shop", number=number, hash="x", state=state)  # type: ignore[arg-type]
            artefact = await work.house().versions.artefact("shop/1")
            await work.house().versions.add(version)
            await work.house().versions.put_content(version.id, document=b"", artefact=artefact or b"")

    async def pinned(number: Any, **members: Any) -> Any:
        asked = {"connectors": ["shop"], "config": {"pin_version": number}, **members}
        return (await create_server(grounds.ground, ACME, asked)).server.config["pin_version"]

    await refusal(pinned(2), "version.conflict")
    await refusal(pinned(3), "version.conflict")
    assert await pinned(4) == 4
    assert await pinned({"shop": 1}) == {"shop": 1}
    await refusal(pinned(1, connectors=["shop", "vault"]), "field.form")
    assert await pinned({"shop": 4}, connectors=["shop", "vault"]) == {"shop": 4}


async def test_a_connector_that_serves_no_version_yet_is_not_shown() -> None:
    grounds = await with_shop()
    async with grounds.ground.store.writing() as work:
        await work.house().connectors.add(Connector(id="empty"))

    await refusal(create_server(grounds.ground, ACME, {"connectors": ["empty"]}), "connector.conflict")


async def test_a_patch_of_the_config_changes_what_it_names_and_nothing_else() -> None:
    grounds = await with_shop()
    asked = {"connectors": ["shop"], "config": {"methods": ["read", "write"], "tags": ["items"], "mode": "direct"}}
    server = (await create_server(grounds.ground, ACME, asked)).server

    seen = await patch_server(
        grounds.ground, ACME, server.id, {"config": {"tags": None, "tools": {"deny": ["delete_*"]}}}
    )

    assert (seen.server.config["methods"], seen.server.config["tags"]) == (["read", "write"], None)
    assert (seen.server.config["mode"], seen.server.config["tools"]["deny"]) == ("direct", ["delete_*"])
    assert seen.shown.tools == 4
    await refusal(patch_server(grounds.ground, ACME, server.id, {"config": {"methods": ["raed"]}}), "selection.unknown")
    assert await read_server(grounds.ground, ACME, server.id) == seen.server
    assert (await patch_server(grounds.ground, ACME, server.id, {"enabled": False})).shown.warnings == (
        "the server is switched off",
    )


async def test_a_server_is_changed_but_not_prolonged_by_whoever_ends_sooner() -> None:
    grounds = await with_shop()
    server = (
        await create_server(grounds.ground, OWNER, {"tenant": "acme", "connectors": ["shop"], "expires_at": None})
    ).server
    short = replace(ACME, expires_at=NOON + DAY)

    patched = await patch_server(grounds.ground, short, server.id, {"name": "new"})
    await refusal(patch_server(grounds.ground, short, server.id, {"expires_at": NOON + 2 * DAY}), "identity.wider")
    ended = await patch_server(grounds.ground, short, server.id, {"expires_at": NOON + 10})
    await refusal(patch_server(grounds.ground, ACME, server.id, {"expires_at": None}), "identity.wider")

    assert (patched.server.name, patched.server.expires_at) == ("new", None)
    assert ended.server.expires_at == NOON + 10


async def test_the_second_of_two_patches_of_one_revision_is_refused() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    await patch_server(grounds.ground, ACME, server.id, {"name": "one"}, server.revision)
    await refusal(patch_server(grounds.ground, ACME, server.id, {"name": "two"}, server.revision), "store.stale")
    await refusal(delete_server(grounds.ground, ACME, server.id, Removal(if_match=server.revision)), "store.stale")

    assert (await read_server(grounds.ground, ACME, server.id)).name == "one"


async def test_a_server_that_is_deleted_takes_its_tokens_along_and_can_be_planned() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    assert not (await delete_server(grounds.ground, ACME, server.id, Removal(plan=True))).done
    assert (await delete_server(grounds.ground, ACME, server.id, Removal())).done

    await refusal(delete_server(grounds.ground, ACME, server.id, Removal()), "server.not_found")
    async with grounds.ground.store.reading() as work:
        assert await work.house().server_tokens.every() == []


async def test_a_toolset_is_switched_for_all_callers_by_whoever_may_and_leaves_a_line() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    off = await switch_toolset(grounds.ground, ACME, server.id, "orders", on=False)
    again = await switch_toolset(grounds.ground, ACME, server.id, "orders", on=False)

    assert (off.server.toolsets_off, off.shown.tools) == (("orders",), 2)
    assert again == off
    on = await switch_toolset(grounds.ground, OPERATOR, server.id, "orders", on=True)
    assert (on.server.toolsets_off, on.shown.tools) == ((), 3)
    unknown = await refusal(switch_toolset(grounds.ground, ACME, server.id, "ordres", on=False), "selection.unknown")
    assert "orders" in unknown.hint
    await refusal(switch_toolset(grounds.ground, ACME, server.id, "x\0" * 500, on=False), "selection.unknown")
    await refusal(switch_toolset(grounds.ground, AUDITOR, server.id, "orders", on=False), "identity.forbidden")
    await refusal(switch_toolset(grounds.ground, agent("acme"), server.id, "orders", on=False), "identity.forbidden")
    lines = (await list_audit(grounds.ground, ACME, Query(where={"target": server.id}))).items
    assert sorted((line.action, line.detail.get("toolset")) for line in lines if line.action != "server.create") == [
        ("server.toolset_off", "orders"),
        ("server.toolset_on", "orders"),
    ]


async def test_of_switches_at_once_none_is_lost() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    await asyncio.gather(
        switch_toolset(grounds.ground, ACME, server.id, "orders", on=False),
        switch_toolset(grounds.ground, ACME, server.id, "shop/orders", on=False),
        patch_server(grounds.ground, ACME, server.id, {"metadata": {"seen": True}}),
    )

    kept = await read_server(grounds.ground, ACME, server.id)
    assert (kept.toolsets_off, kept.metadata) == (("orders", "shop/orders"), {"seen": True})


async def test_what_cannot_be_shown_any_more_is_a_warning_and_no_error() -> None:
    grounds = await with_shop()
    id_ = await account(grounds)
    server = (await create_server(grounds.ground, ACME, {"accounts": [id_], "connectors": ["vault"]})).server

    await patch_account(grounds.ground, ACME, id_, {"enabled": False})
    async with grounds.ground.store.writing() as work:
        vault = await work.house().connectors.load("vault")
        assert vault is not None
        await work.house().connectors.save(replace(vault, tenants=("bolt",)), vault.revision)

    seen = await show_server(grounds.ground, ACME, server.id)
    assert seen.shown.warnings == (f"the account {id_} is switched off", "the connector vault is not there any more")
    assert (await patch_server(grounds.ground, ACME, server.id, {"name": "still"})).server.name == "still"


async def test_one_who_stands_for_a_person_gets_no_url_that_acts_for_another() -> None:
    grounds = await with_shop()
    ann = admin("acme", end_user="ann")
    anns, bobs = [await account(grounds, end_user=user) for user in ("ann", "bob")]
    shared = await account(grounds, end_user="bob", shared=True)
    server = (await create_server(grounds.ground, ACME, {"accounts": [bobs]})).server

    await refusal(create_server(grounds.ground, ann, {"accounts": [anns, bobs]}), "identity.wider")
    await refusal(create_server_for(grounds.ground, ann, bobs, {}), "identity.wider")
    await refusal(add_token(grounds.ground, ann, server.id, {}), "identity.wider")
    await refusal(rotate_tokens(grounds.ground, ann, server.id, {}), "identity.wider")
    await refusal(try_account(grounds.ground, ann, bobs), "identity.wider")
    mine = (await create_server(grounds.ground, ann, {"accounts": [anns, shared]})).server
    await refusal(patch_server(grounds.ground, ann, mine.id, {"accounts": [bobs]}), "identity.wider")
    assert (await patch_server(grounds.ground, ann, mine.id, {"accounts": [anns]})).server.accounts == (anns,)


@pytest.mark.parametrize("name", ["می\u200cخواهم", "山田\u3000太郎", "👩\u200d👩\u200d👧", "Ann\u00a0Lee"])
async def test_people_name_servers_in_their_own_script(name: str) -> None:
    grounds = await with_shop()

    assert (await create_server(grounds.ground, ACME, {"name": name, "connectors": ["shop"]})).server.name == name
    assert len((await list_servers(grounds.ground, ACME, Query(where={"name": name}))).items) == 1
