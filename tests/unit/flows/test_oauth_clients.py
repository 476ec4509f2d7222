"""OAuth clients: whose serves whom, what is refused, and that secrets neither come out nor go elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from apiloom.base import json
from apiloom.base.errors import ApiloomError
from apiloom.flows.accounts import delete_account
from apiloom.flows.asking import Query, Removal
from apiloom.flows.ground import Ground
from apiloom.flows.oauth_clients import (
    create_oauth_client,
    delete_oauth_client,
    list_oauth_clients,
    load_client,
    patch_oauth_client,
    read_oauth_client,
    redirect_uri,
)
from apiloom.flows.tenants import delete_tenant
from apiloom.store.records import Account, Grant, OAuthClient
from support.grounds import AUDITOR, HOST_OWNER, OPERATOR, OWNER, admin, agent, with_shop
from support.renewer import Renewer


@contextmanager
def refused(code: str) -> Iterator[pytest.ExceptionInfo[ApiloomError]]:
    with pytest.raises(ApiloomError) as caught:
        yield caught
    assert caught.value.code == code


ACME, BOLT = admin("acme"), admin("bolt")


async def made(ground: Ground, who: Any, **members: Any) -> OAuthClient:
    return await create_oauth_client(ground, who, {"connector": "shop", "client_id": "c", **members})


async def test_a_tenants_client_goes_before_the_houses_and_one_scheme_before_all() -> None:
    ground = (await with_shop()).ground
    everyone = await made(ground, OWNER)
    one = await made(ground, OWNER, scheme="login")
    acmes = await made(ground, ACME, client_id="its own")
    async with ground.store.reading() as work:
        for scope in (work.house(), work.tenant("acme")):
            for scheme in ("login", "other"):
                assert await load_client(scope, "shop", scheme, "acme") == acmes
        for scope in (work.house(), work.tenant("bolt")):
            assert await load_client(scope, "shop", "login", "bolt") == one
            assert await load_client(scope, "shop", "other", "bolt") == everyone
            assert await load_client(scope, "vault", "other", "bolt") is None


async def test_a_tenants_client_comes_back_elsewhere_than_the_houses() -> None:
    ground = (await with_shop()).ground
    assert redirect_uri(ground, await made(ground, OWNER)) == "https://loom.example.com/connect/callback"
    acmes = await made(ground, ACME)
    assert redirect_uri(ground, acmes) == f"https://loom.example.com/connect/callback/{acmes.id}"


@pytest.mark.parametrize(
    ("secret", "proof", "opened"),
    [
        (None, "", {}),
        ("hush", "client_secret", {"client_secret": "hush"}),
        ({"client_secret": "hush"}, "client_secret", {"client_secret": "hush"}),
        ({"private_key": "PEM", "key_id": "k"}, "private_key", {"private_key": "PEM", "key_id": "k"}),
        ({"ref": "env:SECRET"}, "ref", {"ref": "env:SECRET"}),
        ({"client_secret": {"ref": "env:S"}}, "client_secret", {"client_secret": {"ref": "env:S"}}),
        (
            {"private_key": {"ref": "file:/key"}, "key_id": "k"},
            "private_key",
            {"private_key": {"ref": "file:/key"}, "key_id": "k"},
        ),
    ],
)
@pytest.mark.parametrize("tenant", [None, "acme"])
async def test_a_secret_is_sealed_for_its_client_alone(
    secret: Any, proof: str, opened: dict[str, str], tenant: str | None
) -> None:
    ground = (await with_shop()).ground
    client = await made(ground, HOST_OWNER, secret=secret, tenant=tenant)
    assert client.proof == proof
    assert "hush" not in repr(client)
    async with ground.store.reading() as work:
        scope = work.house() if tenant is None else work.tenant(tenant)
        assert bool(client.sealed) == bool(opened)
        if client.sealed:
            plain = json.loads(await ground.sealing.open(scope, client.tenant or "", client.id, client.sealed))
            assert {name: value for name, value in plain.items() if name != "at"} == opened
            with pytest.raises(ApiloomError) as fault:
                await ground.sealing.open(scope, client.tenant or "", "ocl_other", client.sealed)
            assert fault.value.code == "vault.sealed"
        assert not [line for line in await work.house().audit.every() if "hush" in repr(line)]


async def test_the_places_where_a_secret_belongs_are_sealed_with_it_and_taken_anew_with_a_new_one() -> None:
    renewer = Renewer()
    ground = (await with_shop(grants=renewer)).ground

    async def sealed(client: OAuthClient) -> Any:
        async with ground.store.reading() as work:
            plain = await ground.sealing.open(work.house(), "", client.id, client.sealed)
        return json.loads(plain).get("at")

    renewer.at = ("https://id.example.com",)
    client = await made(ground, OWNER, secret="hush")
    assert await sealed(client) == ["https://id.example.com"]
    renewer.at = ("https://new.example.com",)
    assert await sealed(await patch_oauth_client(ground, OWNER, client.id, {"label": "x"})) == [
        "https://id.example.com"
    ]
    endpoints = {"token_url": "https://own.example.com/token"}
    patched = await patch_oauth_client(ground, OWNER, client.id, {"secret": "new", "endpoints": endpoints})
    assert await sealed(patched) == ["https://new.example.com", "https://own.example.com/token"]

    alone = replace(ground, grants=None)
    assert await sealed(await patch_oauth_client(alone, OWNER, client.id, {"secret": "newer"})) == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"client_id": ""}, "field.form"),
        ({"connector": "nowhere"}, "connector.not_found"),
        ({"colour": 1}, "field.unknown"),
        ({"method": "magic"}, "field.form"),
        ({"scopes": ["a b"]}, "field.form"),
        ({"scopes": "a"}, "field.form"),
        ({"endpoints": {"token_url": "http://id.example.com/token"}}, "oauth_client.endpoint"),
        ({"endpoints": {"token_url": "https://user@id.example.com/token"}}, "oauth_client.endpoint"),
        ({"endpoints": {"token_url": "https://id.example.com/token#x"}}, "oauth_client.endpoint"),
        ({"endpoints": {"token_url": "file:///etc/passwd"}}, "oauth_client.endpoint"),
        ({"endpoints": {"token_url": "https://[::1/token"}}, "oauth_client.endpoint"),
        ({"endpoints": {"token": "https://id.example.com"}}, "field.unknown"),
        ({"parameters": {"state": "mine"}}, "field.form"),
        ({"parameters": {"prompt": 1}}, "field.form"),
        ({"secret": {"ref": "env:X"}}, "identity.forbidden"),
        ({"secret": {"client_secret": "a", "ref": "env:X"}}, "field.form"),
        ({"secret": {"client_secret": {"ref": "env:X"}}}, "identity.forbidden"),
        ({"secret": {"private_key": {"ref": "env:X"}, "key_id": "k"}}, "identity.forbidden"),
        ({"secret": {"private_key": "PEM", "key_id": {"ref": "env:X"}}}, "field.form"),
        ({"secret": {"private_key": {"ref": {"ref": "env:X"}}}}, "field.form"),
        ({"secret": {"ref": {"ref": "env:X"}}}, "field.form"),
        ({"secret": {"client_secret": {"ref": ""}}}, "field.form"),
        ({"secret": {"key_id": "k"}}, "field.form"),
        ({"secret": ""}, "field.form"),
        ({"secret": "x" * 20_000}, "field.bounds"),
        ({"secret": "\ud800"}, "field.form"),
        ({"provider": "gihub"}, "oauth_client.provider"),
        ({"tenant": "nobody"}, "tenant.not_found"),
    ],
)
async def test_what_is_no_client_is_refused_and_nothing_is_kept(members: dict[str, Any], code: str) -> None:
    grounds = await with_shop()
    ground = replace(grounds.ground, providers=lambda: frozenset({"github", "google"}))
    with refused(code) as refusal:
        await made(ground, OWNER, **members)
    assert "gihub" not in members.get("provider", "") or "github" in refusal.value.hint
    async with ground.store.reading() as work:
        assert not await work.house().oauth_clients.count()


async def test_plain_http_leads_to_this_machine_alone() -> None:
    ground = (await with_shop()).ground
    client = await made(ground, OWNER, endpoints={"token_url": "http://127.0.0.1:9/token"})
    assert client.endpoints == {"token_url": "http://127.0.0.1:9/token"}


async def test_a_kept_secret_goes_to_no_other_endpoints() -> None:
    ground = (await with_shop()).ground
    client = await made(ground, ACME, secret="hush", endpoints={"token_url": "https://id.example.com/token"})
    for patch in (
        {"endpoints": {"token_url": "https://evil.example.com/token"}},
        {"endpoints": {"issuer": "https://evil.example.com"}},
        {"endpoints": None},
        {"provider": "github"},
    ):
        with refused("oauth_client.moved"):
            await patch_oauth_client(ground, ACME, client.id, patch)
    moved = await patch_oauth_client(
        ground, ACME, client.id, {"endpoints": {"token_url": "https://new.example.com/token"}, "secret": "other"}
    )
    assert moved.endpoints == {"token_url": "https://new.example.com/token"}
    bare = await patch_oauth_client(ground, ACME, client.id, {"secret": None, "endpoints": None})
    assert (bare.sealed, bare.proof, bare.endpoints) == (b"", "", {})


async def test_changes_keep_what_is_not_named_and_meet_the_revision() -> None:
    ground = (await with_shop()).ground
    client = await made(ground, ACME, secret="hush", parameters={"a": "1", "b": "2"}, scopes=["x"])
    changed = await patch_oauth_client(ground, ACME, client.id, {"parameters": {"a": None}, "label": "Ours"}, 1)
    assert (changed.parameters, changed.label, changed.sealed) == ({"b": "2"}, "Ours", client.sealed)
    assert changed.revision == 2
    with refused("store.stale"):
        await patch_oauth_client(ground, ACME, client.id, {"label": "late"}, 1)
    with refused("store.exists"):
        await made(ground, ACME)


async def test_tenants_see_the_houses_and_change_only_their_own() -> None:
    ground = (await with_shop()).ground
    house = await made(ground, OWNER, secret="hush")
    hidden = await made(ground, OWNER, connector="vault")
    acmes = await made(ground, ACME)
    assert {each.id for each in (await list_oauth_clients(ground, ACME, Query())).items} == {
        house.id,
        hidden.id,
        acmes.id,
    }
    assert {each.id for each in (await list_oauth_clients(ground, BOLT, Query())).items} == {house.id}
    assert await read_oauth_client(ground, BOLT, house.id) == house
    for who in (ACME, AUDITOR):
        with refused("identity.forbidden"):
            await patch_oauth_client(ground, who, house.id, {"label": "mine"})
        with refused("identity.forbidden"):
            await delete_oauth_client(ground, who, house.id, Removal())
    for flow in (read_oauth_client(ground, BOLT, acmes.id), delete_oauth_client(ground, BOLT, acmes.id, Removal())):
        with refused("oauth_client.not_found"):
            await flow
    with refused("identity.forbidden"):
        await list_oauth_clients(ground, agent("acme"), Query())
    with refused("identity.forbidden"):
        await made(ground, BOLT, tenant="acme")


async def test_one_that_grants_use_goes_only_with_them() -> None:
    grounds = await with_shop()
    ground = grounds.ground
    client = await made(ground, OPERATOR)
    async with ground.store.writing() as work:
        acme = work.tenant("acme")
        await acme.accounts.add(Account(id="acc_1", tenant="acme", connector="shop"))
        grant = Grant(
            id="acc_1/login",
            tenant="acme",
            account="acc_1",
            scheme="login",
            client=client.id,
            sealed=b"t",
            refresh_at=9.0,
        )
        await acme.grants.add(grant)
    with refused("oauth_client.depended_on") as refusal:
        await delete_oauth_client(ground, OPERATOR, client.id, Removal())
    assert refusal.value.facts["affected"] == [{"kind": "grant", "id": "acc_1/login", "becomes": "changed"}]
    planned = await delete_oauth_client(ground, OPERATOR, client.id, Removal(plan=True))
    assert (planned.done, [each.id for each in planned.affected]) == (False, ["acc_1/login"])
    assert (await delete_oauth_client(ground, OPERATOR, client.id, Removal(cascade=True))).done
    async with ground.store.reading() as work:
        left = await work.tenant("acme").grants.load("acc_1/login")
        assert left is not None
        assert (left.state, left.refresh_at, left.last_error, left.sealed) == (
            "needs_reconnect",
            None,
            "oauth.client",
            b"t",
        )
        told = await work.tenant("acme").events.every()
        assert [(event.kind, event.target) for event in told] == [("account.needs_reconnect", "acc_1")]
        assert not await work.house().oauth_clients.count()


async def test_an_account_takes_its_grants_along_and_a_tenant_its_clients() -> None:
    ground = (await with_shop()).ground
    client = await made(ground, ACME)
    async with ground.store.writing() as work:
        acme = work.tenant("acme")
        await acme.accounts.add(Account(id="acc_1", tenant="acme", connector="shop"))
        await acme.grants.add(Grant(id="acc_1/login", tenant="acme", account="acc_1", scheme="login", client=client.id))
    assert (await delete_account(ground, OWNER, "acc_1", Removal())).done
    planned = await delete_tenant(ground, OWNER, "acme", Removal(plan=True))
    assert ("oauth_client", client.id) in {(each.kind, each.id) for each in planned.affected}
    assert (await delete_tenant(ground, OWNER, "acme", Removal(cascade=True))).done
    async with ground.store.reading() as work:
        assert not await work.house().grants.count()
        assert not await work.house().oauth_clients.count()
