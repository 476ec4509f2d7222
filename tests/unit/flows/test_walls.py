"""What tokens cannot get by asking sideways: by another member, another kind of thing, or in the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import CallerError
from apiloom.base.ids import fresh_at
from apiloom.flows.accounts import create_account, try_account
from apiloom.flows.api_tokens import create_api_token
from apiloom.flows.asking import Query, Removal
from apiloom.flows.audit import list_audit
from apiloom.flows.connectors import list_connectors, patch_connector
from apiloom.flows.leaked import MOST_ENDED, report_leak
from apiloom.flows.overlays import create_overlay
from apiloom.flows.server_tokens import add_token, revoke_token, rotate_tokens
from apiloom.flows.servers import create_server
from apiloom.flows.tenants import create_tenant, delete_tenant, patch_tenant
from apiloom.identity.principal import Principal
from apiloom.identity.tokens import MOST_TEXT, mint
from apiloom.store.records import Audited
from support.grounds import NOON, OPERATOR, OWNER, admin, with_shop
from support.refusals import refusal

ACME = admin("acme")


async def test_a_token_that_ends_soon_mints_no_url_that_outlives_it() -> None:
    grounds = await with_shop()
    opened = await create_server(grounds.ground, OWNER, {"tenant": "acme", "connectors": ["shop"], "expires_at": None})
    soon = admin("acme", expires_at=NOON + 3600)
    short = await create_server(grounds.ground, soon, {"connectors": ["shop"]})

    for who in (soon, ACME, replace(OPERATOR, expires_at=NOON + 3600)):
        await refusal(add_token(grounds.ground, who, opened.server.id, {}), "identity.wider")
        await refusal(rotate_tokens(grounds.ground, who, opened.server.id, {}), "identity.wider")
    assert (await add_token(grounds.ground, soon, short.server.id, {})).text
    assert (await rotate_tokens(grounds.ground, OWNER, opened.server.id, {"grace_seconds": 5})).text
    assert await revoke_token(grounds.ground, soon, opened.server.id, opened.issued.token.id)


async def test_a_tenant_finds_no_connector_by_what_it_is_not_told() -> None:
    grounds = await with_shop()
    await patch_connector(grounds.ground, OWNER, "shop", {"metadata": {"customer": "bolt"}})

    asked = Query(where={"metadata.customer": "bolt"})
    assert [each.id for each in (await list_connectors(grounds.ground, OWNER, asked)).items] == ["shop"]
    await refusal(list_connectors(grounds.ground, ACME, asked), "list.filter")


async def test_a_tenants_operator_learns_no_external_id_of_other_tenants() -> None:
    grounds = await with_shop()
    await create_tenant(grounds.ground, OWNER, {"id": "third", "external_id": "secret"})
    inside = Principal(id="key_in", token="key_in", role="operator", tenant="acme")

    for wanted in ("secret", "nobodys", None):
        await refusal(patch_tenant(grounds.ground, inside, "acme", {"external_id": wanted}), "identity.forbidden")
    assert (await patch_tenant(grounds.ground, inside, "acme", {"name": "Acme"})).name == "Acme"


async def test_an_account_is_not_tried_with_a_connector_that_is_shown_no_longer() -> None:
    calls: list[str] = []

    async def test_call(account: str, tool: str) -> dict[str, Any]:
        calls.append(account)
        return {"ok": True, "tool": tool}

    grounds = await with_shop()
    ground = replace(grounds.ground, test_call=test_call)
    account = await create_account(ground, ACME, {"connector": "shop"})
    assert (await try_account(ground, ACME, account.id))["ok"]
    await patch_connector(ground, OWNER, "shop", {"tenants": ["bolt"]}, Removal(cascade=True))

    await refusal(try_account(ground, ACME, account.id), "connector.not_found")
    assert calls == [account.id]


async def test_one_who_stands_for_a_person_edits_no_account_of_another() -> None:
    grounds = await with_shop()
    bobs = await create_account(grounds.ground, ACME, {"connector": "shop", "end_user": "bob"})
    wanted = {
        "layer": "account",
        "connector": "shop",
        "target": bobs.id,
        "patch": {"tools": {"get_item": {"title": "x"}}},
    }

    await refusal(create_overlay(grounds.ground, admin("acme", end_user="ann"), wanted), "identity.wider")
    assert await create_overlay(grounds.ground, admin("acme", end_user="bob"), wanted)


async def test_a_report_says_what_of_a_text_it_did_not_look_at() -> None:
    grounds = await with_shop()
    opened = await create_server(grounds.ground, ACME, {"connectors": ["shop"]})
    many = " ".join(mint("als") for _ in range(MOST_ENDED + 7))

    report = await report_leak(grounds.ground, ACME, f"{many} {opened.issued.url}")
    assert (report.leaks, report.more_tokens, report.more_characters) == ((), 8, 0)
    report = await report_leak(grounds.ground, ACME, " " * MOST_TEXT + opened.issued.url)
    assert (report.leaks, report.more_characters) == ((), len(opened.issued.url))


async def test_what_a_leaked_token_did_is_found_under_the_names_that_a_node_writes() -> None:
    grounds = await with_shop()
    opened = await create_server(grounds.ground, ACME, {"connectors": ["shop"]})
    other = await add_token(grounds.ground, ACME, opened.server.id, {})
    api = await create_api_token(grounds.ground, ACME, {"role": "agent"})
    server, mine = f"server:{opened.server.id}", opened.issued.token.id
    lines = [
        Audited(
            id=fresh_at("aud", NOON + number),
            at=NOON + number,
            principal=principal,
            action="call",
            tenant="acme",
            target=opened.server.id,
            detail={"tool": f"tool{number}", "token": token},
        )
        for number, (principal, token) in enumerate(
            [
                (server, mine),
                (server, other.token.id),
                (f"token:{api.token.id}", api.token.id),
                (f"token:{api.token.id}", f"{mine} {api.token.id}"),
            ]
        )
    ]
    await grounds.ground.store.append_audit(lines)

    report = await report_leak(grounds.ground, ACME, f"{opened.issued.url} {api.text}")
    told = [[line.detail["tool"] for line in leak.lines if line.action == "call"] for leak in report.leaks]
    assert told == [["tool3", "tool0"], ["tool3", "tool2"]]


@pytest.mark.parametrize("end", ["soon", float("nan"), float("inf"), -1, 0, True, 1e300, [], {}, NOON, "2027-01-01"])
async def test_no_end_but_a_time_to_come_is_taken(end: Any) -> None:
    grounds = await with_shop()

    for make in (create_server, create_api_token):
        wanted = {"connectors": ["shop"]} if make is create_server else {"role": "agent", "name": "x"}
        with pytest.raises(CallerError) as refused:
            await make(grounds.ground, ACME, {**wanted, "expires_at": end})
        assert refused.value.code in {"field.form", "field.bounds"}


async def test_the_first_secrets_of_a_tenant_may_come_in_the_same_moment() -> None:
    grounds = await with_shop()
    wanted = {"connector": "shop", "credentials": {"key": {"key": "k"}}}

    made = await asyncio.gather(*(create_account(grounds.ground, ACME, wanted) for _ in range(8)))
    assert len({account.id for account in made}) == 8


async def test_a_tenant_made_anew_sees_nothing_of_the_one_before_it() -> None:
    grounds = await with_shop()
    await create_account(grounds.ground, ACME, {"connector": "shop", "label": "before"})
    await delete_tenant(grounds.ground, OWNER, "acme", Removal(cascade=True))
    grounds.clock.now += 10
    await create_tenant(grounds.ground, OWNER, {"id": "acme"})
    grounds.clock.now += 10  # lines of one moment stand in no order
    made = await create_account(grounds.ground, ACME, {"connector": "shop"})

    lines = await list_audit(grounds.ground, ACME, Query(limit=50))
    assert [line.target for line in lines.items] == [made.id, "acme"]
    assert lines.next_cursor == ""
    first = await list_audit(grounds.ground, ACME, Query(limit=1))
    rest = await list_audit(grounds.ground, ACME, Query(limit=2, after=first.next_cursor))
    assert ([line.target for line in rest.items], rest.next_cursor) == (["acme"], "")
    assert len((await list_audit(grounds.ground, OWNER, Query())).items) > 3
