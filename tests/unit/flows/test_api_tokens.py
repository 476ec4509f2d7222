"""API tokens: nobody makes more than they are, and the first comes only to a house without an owner."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apiloom.flows.api_tokens import (
    IssuedApiToken,
    create_api_token,
    first_owner,
    list_api_tokens,
    read_api_token,
    revoke_api_token,
    rotate_api_token,
)
from apiloom.flows.asking import Query, Removal
from apiloom.flows.servers import create_server
from apiloom.identity.principal import Principal
from support.grounds import AUDITOR, HOST_OWNER, NOON, OPERATOR, OWNER, Grounds, admin, agent, with_shop
from support.memory_store import MemoryStore
from support.refusals import refusal

DAY = 86400.0
ACME, BOLT = admin("acme"), admin("bolt")


def holder(issued: IssuedApiToken) -> Principal:
    token = issued.token
    return Principal(
        id=token.id,
        token=token.id,
        tenant=token.tenant or "",
        role=token.role,
        servers=token.servers,
        end_user=token.end_user or "",
        allow_commands=token.allow_commands,
        expires_at=float("inf") if token.expires_at is None else token.expires_at,
    )


async def made(grounds: Grounds, who: Principal, role: str, **members: Any) -> IssuedApiToken:
    return await create_api_token(grounds.ground, who, {"name": "n", "role": role, **members})


async def test_a_token_is_shown_once_and_kept_as_a_hash() -> None:
    grounds = await with_shop()

    issued = await made(grounds, OWNER, "operator")

    assert issued.text.startswith("ala_")
    assert issued.text not in repr(issued)
    assert (issued.token.tenant, issued.token.expires_at) == (None, NOON + 30 * DAY)
    assert await read_api_token(grounds.ground, OWNER, issued.token.id) == issued.token
    assert issued.token.digest in grounds.ground.digests(issued.text)


@pytest.mark.parametrize(
    ("who", "role", "members", "code"),
    [
        (OWNER, "owner", {}, ""),
        (OWNER, "owner", {"expires_at": None}, ""),
        (OWNER, "owner", {"tenant": "acme"}, "identity.scope"),
        (OWNER, "owner", {"allow_commands": True}, "identity.wider"),
        (HOST_OWNER, "owner", {"allow_commands": True}, ""),
        (HOST_OWNER, "operator", {"allow_commands": True}, "identity.scope"),
        (OWNER, "boss", {}, "identity.scope"),
        (OWNER, "", {}, "field.form"),
        (OWNER, "agent", {"tenant": "nobody"}, "tenant.not_found"),
        (OPERATOR, "operator", {}, ""),
        (OPERATOR, "owner", {}, "identity.wider"),
        (OPERATOR, "agent", {"expires_at": None}, "identity.wider"),
        (replace(OPERATOR, expires_at=NOON + 9), "agent", {"expires_at": NOON + 10}, "identity.wider"),
        (AUDITOR, "auditor", {}, "identity.forbidden"),
        (ACME, "tenant-admin", {}, ""),
        (ACME, "agent", {}, ""),
        (ACME, "operator", {}, "identity.wider"),
        (ACME, "owner", {}, "identity.scope"),
        (ACME, "agent", {"tenant": "bolt"}, "tenant.not_found"),
        (ACME, "agent", {"tenant": "nobody"}, "tenant.not_found"),
        (ACME, "agent", {"servers": ["srv_none"]}, "server.not_found"),
        (replace(ACME, end_user="ann"), "agent", {"end_user": "bob"}, "identity.wider"),
        (replace(ACME, end_user="ann"), "agent", {}, "identity.wider"),
        (replace(ACME, end_user="ann"), "agent", {"end_user": "ann"}, ""),
        (replace(ACME, servers=("srv_1",)), "agent", {"servers": ["srv_1"]}, "identity.forbidden"),
        (agent("acme"), "agent", {}, "identity.forbidden"),
    ],
)
async def test_nobody_makes_more_than_they_are(who: Principal, role: str, members: dict[str, Any], code: str) -> None:
    grounds = await with_shop()

    if code:
        await refusal(made(grounds, who, role, **members), code)
        assert (await list_api_tokens(grounds.ground, OWNER, Query())).items == ()
    else:
        assert (await made(grounds, who, role, **members)).token.role == role


async def test_a_tenants_token_is_of_that_tenant_and_limited_to_servers_of_it() -> None:
    grounds = await with_shop()
    server = (await create_server(grounds.ground, ACME, {"connectors": ["shop"]})).server

    issued = await made(grounds, ACME, "agent", servers=[server.id], end_user="ann")

    assert (issued.token.tenant, issued.token.servers, issued.token.end_user) == ("acme", (server.id,), "ann")
    await refusal(made(grounds, BOLT, "agent", servers=[server.id]), "server.not_found")
    await refusal(made(grounds, OWNER, "agent", tenant="bolt", servers=[server.id]), "server.not_found")
    assert (await made(grounds, OWNER, "agent")).token.tenant == "default"
    await refusal(read_api_token(grounds.ground, BOLT, issued.token.id), "api_token.not_found")


async def test_a_rotation_gives_a_new_text_for_the_same_rights() -> None:
    grounds = await with_shop()
    old = await made(grounds, ACME, "agent", end_user="ann")

    new = await rotate_api_token(grounds.ground, ACME, old.token.id, {"grace_seconds": 60})

    assert new.text != old.text
    assert (new.token.role, new.token.end_user, new.token.expires_at) == ("agent", "ann", old.token.expires_at)
    assert (await read_api_token(grounds.ground, ACME, old.token.id)).expires_at == NOON + 60
    await rotate_api_token(grounds.ground, ACME, new.token.id, {})
    await refusal(read_api_token(grounds.ground, ACME, new.token.id), "api_token.not_found")
    short = await made(grounds, ACME, "agent", expires_at=NOON + 5)
    grounds.clock.now = NOON + 5
    await refusal(rotate_api_token(grounds.ground, ACME, short.token.id, {}), "api_token.not_found")


async def test_nobody_gets_the_text_of_a_wider_token_by_rotating_it_or_ends_it() -> None:
    grounds = await with_shop()
    owner = await made(grounds, OWNER, "owner")
    lasting = await made(grounds, OWNER, "agent", tenant="acme", expires_at=None)
    commands = await made(grounds, HOST_OWNER, "owner", allow_commands=True)

    await refusal(rotate_api_token(grounds.ground, OPERATOR, owner.token.id, {}), "identity.wider")
    await refusal(revoke_api_token(grounds.ground, OPERATOR, owner.token.id, Removal()), "identity.wider")
    await refusal(rotate_api_token(grounds.ground, ACME, lasting.token.id, {}), "identity.wider")
    await refusal(rotate_api_token(grounds.ground, OWNER, commands.token.id, {}), "identity.wider")
    await refusal(rotate_api_token(grounds.ground, BOLT, lasting.token.id, {}), "api_token.not_found")
    assert len((await list_api_tokens(grounds.ground, OWNER, Query())).items) == 3


async def test_a_token_is_revoked_at_once_and_can_revoke_itself() -> None:
    grounds = await with_shop()
    issued = await made(grounds, ACME, "tenant-admin")
    itself = holder(issued)

    assert not (await revoke_api_token(grounds.ground, itself, issued.token.id, Removal(plan=True))).done
    assert (await revoke_api_token(grounds.ground, itself, issued.token.id, Removal())).done
    await refusal(read_api_token(grounds.ground, ACME, issued.token.id), "api_token.not_found")


async def test_tokens_made_by_tokens_never_grow() -> None:
    grounds = await with_shop()
    who = ACME
    for _ in range(3):
        issued = await made(grounds, who, "tenant-admin", expires_at=min(NOON + DAY, who.expires_at))
        who = holder(issued)
        await refusal(made(grounds, who, "tenant-admin", expires_at=NOON + DAY + 1), "identity.wider")
    assert (await made(grounds, who, "agent")).token.expires_at == NOON + DAY


async def test_the_first_owner_token_comes_once_and_lives_an_hour() -> None:
    grounds = await with_shop()

    first = await first_owner(grounds.ground)

    assert first is not None
    assert (first.token.role, first.token.tenant, first.token.expires_at) == ("owner", None, NOON + 3600)
    assert await first_owner(grounds.ground) is None
    grounds.clock.now = NOON + 3600
    second = await first_owner(grounds.ground)
    assert second is not None
    lasting = await made(grounds, holder(second), "owner", expires_at=None)
    grounds.clock.now = NOON + 10**7
    assert await first_owner(grounds.ground) is None
    await revoke_api_token(grounds.ground, OWNER, lasting.token.id, Removal())
    assert await first_owner(grounds.ground) is not None


async def test_of_first_owners_asked_for_at_once_there_is_one() -> None:
    grounds = await with_shop()

    issued = await asyncio.gather(*(first_owner(grounds.ground) for _ in range(5)))

    assert len([each for each in issued if each is not None]) == 1
    assert len((await list_api_tokens(grounds.ground, OWNER, Query())).items) == 1


async def test_a_first_owner_that_another_process_was_quicker_with_is_not_made() -> None:
    grounds, before = await with_shop(), await with_shop()
    assert await first_owner(grounds.ground) is not None

    class Late(MemoryStore):
        """What is read is from before the other's commit, what is written comes behind it."""

        reading = before.ground.store.reading
        writing = grounds.ground.store.writing

    assert await first_owner(replace(grounds.ground, store=Late())) is None
    assert len((await list_api_tokens(grounds.ground, OWNER, Query())).items) == 1
