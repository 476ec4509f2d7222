"""A person connects an account on the hosted page: with a key, with a login, and at a real provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.console.client import Gateway
from support.connecting import KEYS, LOGINS, REGION, connect_house, notes, query_of, visitor
from support.oidc import authorization_server


async def test_a_key_is_asked_for_checked_and_kept(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS, REGION), "") as house, visitor(house) as ann:
        started = await house.start(connector="notes", end_user="ann", external_id="ann-notes", label="Ann's")
        page = await ann.open(started.url)
        assert page.status == 200
        assert "Acme Inc. asks to use notes for you." in page.text
        assert "For ann" in page.text
        assert [name for name in page.fields if ":" in name] == ["v:region", "c:Key:token"]
        assert "Found under Settings, API." in page.text

        page = await ann.send(page, region="eu", Key=" s3cret ")
        assert "Connected" in page.text
        (account,) = await house.kept("accounts")
        assert (account.tenant, account.end_user, account.external_id, account.label) == (
            "acme",
            "ann",
            "ann-notes",
            "Ann's",
        )
        assert account.variables == {"region": "eu"}
        assert account.schemes == ("Key",)
        async with house.gateway.ground.store.reading() as work:
            scope = work.tenant("acme")
            opened = await house.gateway.ground.sealing.open(scope, "acme", account.id, account.sealed)
        assert json.loads(opened) == {"Key": {"token": "s3cret"}}
        (event,) = await house.kept("events")
        assert (event.kind, event.target, event.detail["session"]) == (
            "account.connected",
            account.id,
            started.session.id,
        )
        (session,) = await house.kept("connect_sessions")
        assert (session.state, session.result["account"]) == ("done", account.id)


async def test_what_is_missing_or_cannot_be_sent_is_said_and_nothing_is_kept(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(LOGINS, REGION), "") as house, visitor(house) as ann:
        started = await house.start(connector="notes")
        page = await ann.open(started.url)
        page = await ann.send(page, region="eu", username="", password="p w ")
        assert page.status == 422
        assert "Something is left to fill in." in page.text
        assert 'aria-invalid="true"' in page.reply.text
        assert page.fields["v:region"] == "eu"
        assert page.fields["c:Login:password"] == "", "a secret does not come back"
        page = await ann.send(page, username="a:b", password="p")
        assert page.status == 422
        page = await ann.send(page, region="eu@evil.example.com/", username="ann", password="p")
        assert page.status == 422
        assert await house.kept("accounts") == []
        page = await ann.send(page, region="eu", username="ann", password="p w ")
        assert "Connected" in page.text, page.text


async def test_consent_at_a_real_provider_connects_as_whoever_signed_in(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            client = await house.client(server)
            started = await house.start(connector="notes", end_user="ann")
            page = await ann.open(started.url)
            assert "Know who you are" in page.text
            assert [name for name in page.fields if ":" in name] == []
            page = await ann.send(page)
            asked = query_of(page.onward)
            assert asked["code_challenge_method"] == "S256"
            assert asked["redirect_uri"] == f"{house.gateway.url}/connect/callback"
            assert asked["scope"].split() == ["email", "openid"]
            assert asked["nonce"]

            back = server.authorize(page.onward, "alice")
            assert query_of(back)["iss"] == server.issuer
            page = await ann.open(back)
            assert "Connected" in page.text, page.text
            assert "alice" in page.text
            (grant,) = await house.kept("grants")
            assert (grant.scheme, grant.client, grant.kind, grant.state) == ("Account", client.id, "code", "active")
            assert grant.identity["sub"] == "alice"
            assert server.count("authorization_code") == 1


async def test_the_typed_client_makes_a_link_and_redeems_its_code(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        token = await house.gateway.api_token("tenant-admin", tenant="acme")
        async with Gateway(house.gateway.url, token) as vendor:
            made = await vendor.connect_sessions.create(
                connector="notes", end_user="ann", return_url="https://app.example.com/back", idempotency_key="1"
            )
            again = await vendor.connect_sessions.create(
                connector="notes", end_user="ann", return_url="https://app.example.com/back", idempotency_key="1"
            )
            assert (again.id, again.url) == (made.id, None)
            assert made.url
            assert made.url not in repr(made)
            page = await ann.open(made.url)
            assert (await vendor.connect_sessions.read(made.id)).state == "bound"
            done = await ann.send(page, Key="k")
            code = query_of(done.onward)["connect_code"]
            found = await vendor.connect_sessions.redeem(code)
            assert found.state == "done"
            account = await vendor.accounts.read(found.result["account"])
            assert (account.end_user, account.created_by) == ("ann", made.created_by)
            with pytest.raises(CallerError) as refused:
                await vendor.connect_sessions.redeem(code)
            assert refused.value.code == "connect.code"
            assert [event.kind async for event in vendor.events.every()] == ["account.connected"]
            await vendor.connect_sessions.delete(made.id)
