"""Tokens of a server: one for each place it was given to, rotated with grace, ended at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiloom.flows.asking import Query
from apiloom.flows.audit import list_audit
from apiloom.flows.server_tokens import MOST_TOKENS, add_token, list_tokens, revoke_token, rotate_tokens
from apiloom.flows.servers import create_server
from apiloom.store.records import Server, ServerToken
from support.grounds import AUDITOR, NOON, Grounds, admin, agent, with_shop
from support.refusals import refusal

ACME, BOLT = admin("acme"), admin("bolt")


async def opened(grounds: Grounds) -> tuple[Server, str]:
    made = await create_server(grounds.ground, ACME, {"connectors": ["shop"]})
    return made.server, made.issued.token.id


async def tokens(grounds: Grounds, server: Server) -> dict[str, ServerToken]:
    page = await list_tokens(grounds.ground, ACME, server.id, Query(limit=200))
    return {token.id: token for token in page.items}


async def test_tokens_are_listed_with_label_and_last_use_and_without_their_text() -> None:
    grounds = await with_shop()
    server, first = await opened(grounds)

    issued = await add_token(grounds.ground, ACME, server.id, {"label": "Claude"})
    await grounds.ground.store.note_use({issued.token.id: NOON + 5})
    kept = await tokens(grounds, server)

    assert set(kept) == {first, issued.token.id}
    assert (kept[issued.token.id].label, kept[issued.token.id].last_used_at) == ("Claude", NOON + 5)
    assert issued.url.endswith(f"/mcp/{issued.text}")
    assert issued.text not in f"{kept}{issued}"
    assert len({issued.text, first}) == 2


async def test_a_rotation_ends_what_was_there_at_once() -> None:
    grounds = await with_shop()
    server, _ = await opened(grounds)
    await add_token(grounds.ground, ACME, server.id, {"label": "Claude"})

    issued = await rotate_tokens(grounds.ground, ACME, server.id, {})

    assert set(await tokens(grounds, server)) == {issued.token.id}


async def test_a_rotation_with_grace_lets_the_old_live_on_but_no_longer_than_they_would() -> None:
    grounds = await with_shop()
    server, first = await opened(grounds)
    await rotate_tokens(grounds.ground, ACME, server.id, {"grace_seconds": 60})

    newest = await rotate_tokens(grounds.ground, ACME, server.id, {"grace_seconds": 3600})

    kept = await tokens(grounds, server)
    assert kept[first].expires_at == NOON + 60
    assert sorted(token.expires_at or 0 for token in kept.values()) == [0, NOON + 60, NOON + 3600]
    assert kept[newest.token.id].expires_at is None


async def test_one_token_can_be_rotated_alone_and_its_label_stays() -> None:
    grounds = await with_shop()
    server, first = await opened(grounds)
    claude = await add_token(grounds.ground, ACME, server.id, {"label": "Claude"})

    issued = await rotate_tokens(grounds.ground, ACME, server.id, {"token": claude.token.id})
    named = await rotate_tokens(grounds.ground, ACME, server.id, {"token": issued.token.id, "label": "Cursor"})

    assert issued.token.label == "Claude"
    assert (await tokens(grounds, server)).keys() == {first, named.token.id}
    assert (await tokens(grounds, server))[named.token.id].label == "Cursor"
    await refusal(rotate_tokens(grounds.ground, ACME, server.id, {"token": claude.token.id}), "server_token.not_found")


async def test_of_rotations_at_once_one_token_is_left() -> None:
    grounds = await with_shop()
    server, _ = await opened(grounds)

    await asyncio.gather(*(rotate_tokens(grounds.ground, ACME, server.id, {}) for _ in range(4)))

    assert len(await tokens(grounds, server)) == 1


async def test_one_token_is_revoked_and_the_others_live_on() -> None:
    grounds = await with_shop()
    server, first = await opened(grounds)
    other, others = await opened(grounds)
    claude = await add_token(grounds.ground, ACME, server.id, {"label": "Claude"})

    await revoke_token(grounds.ground, ACME, server.id, claude.token.id)

    assert set(await tokens(grounds, server)) == {first}
    for id_ in (claude.token.id, others, "tok_none", "\0"):
        await refusal(revoke_token(grounds.ground, ACME, server.id, id_), "server_token.not_found")
    assert set(await tokens(grounds, other)) == {others}


async def test_a_server_has_so_many_tokens_and_no_more() -> None:
    grounds = await with_shop()
    server, _ = await opened(grounds)
    for _ in range(MOST_TOKENS - 1):
        await add_token(grounds.ground, ACME, server.id, {})

    await refusal(add_token(grounds.ground, ACME, server.id, {}), "server.tokens")
    await refusal(rotate_tokens(grounds.ground, ACME, server.id, {"grace_seconds": 5}), "server.tokens")

    assert len(await tokens(grounds, server)) == MOST_TOKENS
    await rotate_tokens(grounds.ground, ACME, server.id, {})


async def test_only_who_may_change_the_server_makes_and_ends_its_tokens() -> None:
    grounds = await with_shop()
    server, first = await opened(grounds)

    for who, code in (
        (BOLT, "server.not_found"),
        (AUDITOR, "identity.forbidden"),
        (agent("acme"), "identity.forbidden"),
        (replace(ACME, servers=(server.id,)), "identity.forbidden"),
    ):
        await refusal(add_token(grounds.ground, who, server.id, {}), code)
        await refusal(rotate_tokens(grounds.ground, who, server.id, {}), code)
        await refusal(revoke_token(grounds.ground, who, server.id, first), code)
    await refusal(list_tokens(grounds.ground, BOLT, server.id, Query()), "server.not_found")
    other = await create_server(grounds.ground, BOLT, {"connectors": ["shop"]})
    hidden = Query(where={"server": other.server.id})
    assert {token.id for token in (await list_tokens(grounds.ground, ACME, server.id, hidden)).items} == {first}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"grace_seconds": -1}, "field.bounds"),
        ({"grace_seconds": 10**9}, "field.bounds"),
        ({"grace_seconds": 1.5}, "field.form"),
        ({"grace_seconds": "60"}, "field.form"),
        ({"grace": 60}, "field.unknown"),
        ({"label": ""}, "field.form"),
        ({"token": 7}, "field.form"),
    ],
)
async def test_what_is_wrong_ends_no_token(wanted: dict[str, Any], code: str) -> None:
    grounds = await with_shop()
    server, first = await opened(grounds)

    await refusal(rotate_tokens(grounds.ground, ACME, server.id, wanted), code)

    assert set(await tokens(grounds, server)) == {first}


async def test_every_change_of_a_token_leaves_a_line() -> None:
    grounds = await with_shop()
    server, _ = await opened(grounds)
    issued = await add_token(grounds.ground, ACME, server.id, {})
    await revoke_token(grounds.ground, ACME, server.id, issued.token.id)
    await rotate_tokens(grounds.ground, ACME, server.id, {})

    lines = (await list_audit(grounds.ground, ACME, Query())).items

    assert sorted(line.action for line in lines) == [
        "server.create",
        "server.rotate",
        "server_token.create",
        "server_token.revoke",
    ]
    assert issued.text not in repr(lines)
