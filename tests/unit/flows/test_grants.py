"""What accounts were granted is shown without its tokens, renewed when asked, and given up for good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.flows import events
from apiloom.flows.accounts import create_account, delete_account, patch_account
from apiloom.flows.asking import Query, Removal
from apiloom.flows.grants import (
    REVOKED,
    grants_of,
    health,
    list_grants,
    refresh_account,
    revoke_account,
)
from apiloom.store.records import Account, Grant
from support.grounds import NOON, OWNER, Grounds, admin, agent, with_shop
from support.renewer import Renewer

ACME, BOLT = admin("acme"), admin("bolt")


async def connected(**more: Any) -> tuple[Grounds, Renewer, Account]:
    renewer = Renewer()
    grounds = await with_shop(grants=renewer, **more)
    account = await create_account(grounds.ground, ACME, {"connector": "shop"})
    async with grounds.ground.store.writing() as work:
        await work.tenant("acme").grants.add(
            Grant(
                id=f"{account.id}/login",
                tenant="acme",
                account=account.id,
                scheme="login",
                sealed=b"secret",
                scopes=("read",),
                identity={"email": "ada@example.com"},
                generation=4,
                expires_at=NOON + 60,
                refresh_at=NOON + 48,
            )
        )
    return grounds, renewer, account


async def told(grounds: Grounds) -> list[tuple[str, str, Any]]:
    async with grounds.ground.store.reading() as work:
        return [(one.kind, one.target, one.detail) for one in await work.house().events.every()]


async def test_the_health_of_a_credential_says_all_but_its_tokens() -> None:
    grounds, _, account = await connected()
    (grant,) = await grants_of(grounds.ground, ACME, account.id)
    shown = health(grant)
    assert shown["expires_at"] == NOON + 60
    assert shown["next_refresh_at"] == NOON + 48
    assert shown["identity"] == {"email": "ada@example.com"}
    assert (shown["state"], shown["last_error"]) == ("active", None)
    assert "secret" not in repr(shown)
    assert [one.id for one in (await list_grants(grounds.ground, ACME, Query())).items] == [grant.id]
    assert (await list_grants(grounds.ground, BOLT, Query())).items == ()


async def test_a_refresh_renews_every_grant_of_the_account_at_its_generation() -> None:
    grounds, renewer, account = await connected()
    await refresh_account(grounds.ground, ACME, account.id)
    assert renewer.asked == [(f"{account.id}/login", 4)]
    renewer.code = "oauth.unavailable"
    with pytest.raises(ApiloomError, match="it went wrong"):
        await refresh_account(grounds.ground, OWNER, account.id)


async def test_what_is_revoked_is_gone_here_at_once_and_told_to_the_provider() -> None:
    grounds, renewer, account = await connected()
    answer = await revoke_account(grounds.ground, ACME, account.id)
    assert answer == {"account": account.id, "revoked": 1, "told_provider": 1}
    (grant,) = await grants_of(grounds.ground, ACME, account.id)
    assert (grant.state, grant.sealed, grant.generation, grant.refresh_at) == ("needs_reconnect", b"", 5, None)
    assert grant.last_error == REVOKED
    assert renewer.told == [grant.id]
    assert await told(grounds) == [(events.REVOKED, account.id, {"scheme": "login", "code": REVOKED})]


async def test_what_was_given_up_is_not_given_up_again() -> None:
    grounds, renewer, account = await connected()
    await revoke_account(grounds.ground, ACME, account.id)
    before, asked = await told(grounds), list(renewer.told)
    async with grounds.ground.store.reading() as work:
        lines = len(await work.house().audit.every())
    assert await revoke_account(grounds.ground, ACME, account.id) == {
        "account": account.id,
        "revoked": 0,
        "told_provider": 0,
    }
    assert await told(grounds) == before
    assert renewer.told == asked
    async with grounds.ground.store.reading() as work:
        assert len(await work.house().audit.every()) == lines


@pytest.mark.parametrize("flow", [refresh_account, revoke_account])
async def test_only_whoever_may_change_an_account_renews_and_revokes_it(flow: Any) -> None:
    grounds, renewer, account = await connected()
    for who, code in ((BOLT, "account.not_found"), (agent("acme"), "identity.forbidden")):
        with pytest.raises(CallerError) as refused:
            await flow(grounds.ground, who, account.id)
        assert refused.value.code == code
    plain = await create_account(grounds.ground, ACME, {"connector": "shop"})
    with pytest.raises(CallerError) as refused:
        await flow(grounds.ground, ACME, plain.id)
    assert refused.value.code == "account.ungranted"
    assert (renewer.asked, renewer.told) == ([], [])


@pytest.mark.parametrize("flow", [refresh_account, revoke_account])
async def test_a_copy_that_nobody_has_claimed_neither_renews_nor_revokes(flow: Any) -> None:
    grounds, renewer, account = await connected(dormant=lambda: True)
    with pytest.raises(CallerError) as refused:
        await flow(grounds.ground, ACME, account.id)
    assert refused.value.code == "store.dormant"
    # what is removed from a copy is the original's still
    await delete_account(grounds.ground, ACME, account.id, Removal())
    assert (renewer.asked, renewer.told) == ([], [])


async def test_an_account_takes_its_grants_along_and_the_provider_is_told() -> None:
    grounds, renewer, account = await connected()
    await delete_account(grounds.ground, ACME, account.id, Removal(plan=True))
    assert renewer.told == []
    await delete_account(grounds.ground, ACME, account.id, Removal())
    assert renewer.told == [f"{account.id}/login"]
    assert (await list_grants(grounds.ground, OWNER, Query())).items == ()


async def test_new_credentials_for_a_scheme_end_what_was_granted_for_it() -> None:
    grounds, _, account = await connected()
    await patch_account(grounds.ground, ACME, account.id, {"credentials": {"login": None}})
    assert await grants_of(grounds.ground, ACME, account.id) == []


async def test_a_moment_that_has_come_is_found_with_the_earliest_first() -> None:
    grounds, _, account = await connected()
    async with grounds.ground.store.writing() as work:
        rows = work.tenant("acme").grants
        for scheme, at in (("b", NOON + 10), ("c", NOON + 5), ("d", None)):
            await rows.add(
                Grant(id=f"{account.id}/{scheme}", tenant="acme", account=account.id, scheme=scheme, refresh_at=at)
            )
        assert [one.scheme for one in await rows.due("refresh_at", NOON + 48)] == ["c", "b", "login"]
        assert [one.scheme for one in await rows.due("refresh_at", NOON + 9)] == ["c"]
        assert [one.scheme for one in await rows.due("refresh_at", NOON + 48, 1)] == ["c"]


@pytest.mark.parametrize("flow", [refresh_account, revoke_account])
async def test_a_token_that_stands_for_one_person_does_neither_with_the_account_of_another(flow: Any) -> None:
    grounds, renewer, account = await connected()
    ada = replace(ACME, end_user="ada")
    with pytest.raises(CallerError) as refused:
        await flow(grounds.ground, ada, account.id)
    assert refused.value.code == "identity.wider"
    assert (renewer.asked, renewer.told) == ([], [])
    await patch_account(grounds.ground, ACME, account.id, {"end_user": "ada"})
    await flow(grounds.ground, ada, account.id)
    assert renewer.asked or renewer.told
