"""A token that was found somewhere is recognised, ended, and what it did is listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apiloom.base.ids import fresh_at
from apiloom.flows.api_tokens import create_api_token, list_api_tokens
from apiloom.flows.asking import Query
from apiloom.flows.audit import list_audit
from apiloom.flows.leaked import MOST_LINES, report_leak
from apiloom.flows.server_tokens import add_token
from apiloom.flows.servers import create_server
from apiloom.identity.tokens import mint
from apiloom.store.records import Audited
from support.grounds import AUDITOR, NOON, OPERATOR, OWNER, admin, agent, with_shop
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")


async def test_every_token_in_a_text_is_ended_and_what_it_did_is_listed() -> None:
    grounds = await with_shop()
    opened = await create_server(grounds.ground, ACME, {"connectors": ["shop"]})
    other = await add_token(grounds.ground, ACME, opened.server.id, {})
    api = await create_api_token(grounds.ground, ACME, {"role": "tenant-admin"})
    used = replace(ACME, id=api.token.id, token=api.token.id)
    made = (await create_server(grounds.ground, used, {"connectors": ["shop"]})).server
    log = f"GET {opened.issued.url} 200\nAuthorization: Bearer {api.text}\n{mint('als')} als_nothing"

    leaks = (await report_leak(grounds.ground, ACME, log)).leaks

    assert [leak.token.id for leak in leaks] == [opened.issued.token.id, api.token.id]
    assert [(line.action, line.target) for line in leaks[1].lines] == [("server.create", made.id)]
    assert (await list_api_tokens(grounds.ground, OWNER, Query())).items == ()
    async with grounds.ground.store.reading() as work:
        left = {token.id for token in await work.house().server_tokens.every({"server": opened.server.id})}
    assert left == {other.token.id}
    lines = (await list_audit(grounds.ground, ACME, Query())).items
    ended = {line.target for line in lines if line.action in {"server_token.leak", "api_token.leak"}}
    assert ended == {opened.issued.token.id, api.token.id}
    assert opened.issued.text not in f"{leaks}{lines}"
    assert (await report_leak(grounds.ground, ACME, log)).leaks == ()


async def test_another_tenants_token_is_like_one_that_never_was() -> None:
    grounds = await with_shop()
    opened = await create_server(grounds.ground, ACME, {"connectors": ["shop"]})

    assert (await report_leak(grounds.ground, BOLT, opened.issued.url)).leaks == ()
    assert (await report_leak(grounds.ground, BOLT, mint("als"))).leaks == ()
    (leak,) = (await report_leak(grounds.ground, OPERATOR, opened.issued.url)).leaks
    assert leak.token.id == opened.issued.token.id


async def test_a_leaked_token_is_ended_by_whoever_may_end_tokens_though_it_may_more() -> None:
    grounds = await with_shop()
    owner = await create_api_token(grounds.ground, OWNER, {"role": "owner"})

    for who in (AUDITOR, agent("acme")):
        await refusal(report_leak(grounds.ground, who, owner.text), "identity.forbidden")
    assert len((await report_leak(grounds.ground, OPERATOR, owner.text)).leaks) == 1


@pytest.mark.parametrize("text", ["", "als_", "als_" * 100_000, "\0\ud800", "x" * 1_000_000])
async def test_a_text_without_tokens_changes_nothing(text: str) -> None:
    grounds = await with_shop()

    assert (await report_leak(grounds.ground, OWNER, text)).leaks == ()
    assert grounds.commits == []


async def test_of_very_much_that_was_done_the_newest_is_listed() -> None:
    grounds = await with_shop()
    api = await create_api_token(grounds.ground, ACME, {"role": "agent"})
    entries = [
        Audited(id=fresh_at("aud", NOON + at), at=NOON + at, principal=api.token.id, action="call", tenant="acme")
        for at in range(MOST_LINES + 5)
    ]
    await grounds.ground.store.append_audit(entries)

    (leak,) = (await report_leak(grounds.ground, ACME, api.text)).leaks

    assert (len(leak.lines), leak.more) == (MOST_LINES, True)
    assert leak.lines[0] == entries[-1]
