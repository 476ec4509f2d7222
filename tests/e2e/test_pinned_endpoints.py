"""Whoever names other OAuth endpoints later, a document or a client, is not sent what accounts were granted there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.gateway.grants import Made
from apiloom.app.gateway.pinning import opened_grant
from apiloom.base.errors import DesignError
from apiloom.compile.artefact import pack
from apiloom.flows.access import HOST
from apiloom.flows.accounts import delete_account, patch_account
from apiloom.flows.asking import Removal
from apiloom.flows.connect_ports import Consent, Granted
from apiloom.flows.grants import health, refresh_account, revoke_account
from apiloom.flows.oauth_clients import create_oauth_client, patch_oauth_client
from apiloom.model.api import SecurityScheme
from apiloom.vault.moments import SETTLED
from support.catalogs import OK, catalog_of
from support.gateway import Gateway, ask, gateway, http
from support.granted import Granted as There
from support.granted import granted, office
from support.oidc import SECRET, AuthorizationServer, authorization_server
from support.upstream import Answer, Seen, Upstream, upstream

HOUR = 3600.0


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServer]:
    with authorization_server() as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Upstream]:
    """Somebody who would like to be sent secrets."""

    def answer(seen: Seen) -> Answer:
        here = f"http://{seen.headers['host']}/taken"
        published = {"issuer": here, "token_endpoint": here, "revocation_endpoint": here, "userinfo_endpoint": here}
        return Answer({"access_token": "theirs", "token_type": "Bearer", "expires_in": 3600, **published})

    with upstream(answer) as other:
        yield other


def told_flows(server: AuthorizationServer, **members: str) -> dict[str, Any]:
    flow = {"authorizationUrl": f"{server.url}/auth", "tokenUrl": f"{server.url}/token", "scopes": {"read": "read"}}
    return {"type": "oauth2", "flows": {"authorizationCode": {**flow, **members}}}


async def promote(house: Gateway, scheme: dict[str, Any], number: int = 2) -> None:
    """A further version with another scheme, which is served from now on."""
    paths = {"/notes": {"get": {"operationId": "listNotes", "summary": "List", "responses": OK}}}
    content = pack(catalog_of(paths, {}, {"login": scheme}, security=[{"login": ["read"]}]))
    await house.version("notes", number, content)
    await house.promote("notes", number)


@asynccontextmanager
async def connected(folder: Path, server: AuthorizationServer) -> AsyncIterator[tuple[There, httpx.AsyncClient]]:
    server.ttl(HOUR)
    server.skew(0)
    with office(server) as api:
        async with gateway(folder) as house, http() as client:
            there = await granted(house, server, api)
            server.reset()
            yield there, client


def later(there: There, seconds: float = HOUR) -> None:
    there.gateway.clock.now += seconds
    there.server.skew(there.gateway.clock.now - 1_800_000_000.0)


async def told(client: httpx.AsyncClient, url: str) -> tuple[str, str]:
    """The code of what came of a call, empty where it went well, and its words."""
    result = (await ask(client, url, "tools/call", {"name": "list_notes", "arguments": {}})).json()["result"]
    return result.get("_meta", {}).get("dev.apiloom/error", {}).get("code", ""), result["content"][0]["text"]


def strange(elsewhere: Upstream, server: AuthorizationServer, which: str) -> dict[str, Any]:
    if which == "openIdConnectUrl":
        return {"type": "openIdConnect", which: f"{elsewhere.url}/.well-known/openid-configuration"}
    return told_flows(server, **{which: f"{elsewhere.url}/token"})


@pytest.mark.parametrize("which", ["tokenUrl", "refreshUrl", "authorizationUrl", "openIdConnectUrl"])
async def test_a_promoted_version_that_names_other_endpoints_is_sent_no_secret_and_the_endpoints_mend_it(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream, which: str
) -> None:
    async with connected(tmp_path, server) as (there, client):
        house = there.gateway
        assert (await told(client, there.url))[0] == ""
        await promote(house, strange(elsewhere, server, which))
        assert (await told(client, there.url))[0] == ""  # what it holds is still good

        later(there)
        code, text = await told(client, there.url)
        assert code == "account.unrenewed"
        assert elsewhere.url in text
        assert "where the secret of its OAuth client does not belong" in text
        assert "try again" not in text
        state = health(await there.grant())
        assert (state["state"], state["last_error"]) == ("failing", "oauth.moved")
        assert not elsewhere.seen
        assert server.count("refresh_token") == 0

        endpoints = {"token_url": f"{server.url}/token", "authorization_url": f"{server.url}/auth"}
        patch = {"endpoints": endpoints, "secret": SECRET}
        await house.done(patch_oauth_client(house.ground, HOST, there.client.id, patch))
        later(there, 80)
        assert (await told(client, there.url))[0] == ""
        assert health(await there.grant())["last_error"] is None
        assert server.count("refresh_token") == 1
        assert not elsewhere.seen


async def test_a_client_whose_secret_was_given_anew_does_not_take_what_accounts_were_granted_along(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream
) -> None:
    async with connected(tmp_path, server) as (there, client):
        house = there.gateway
        await promote(house, strange(elsewhere, server, "tokenUrl"))
        await house.done(patch_oauth_client(house.ground, HOST, there.client.id, {"secret": SECRET}))
        later(there)
        code, text = await told(client, there.url)
        assert code == "account.needs_reconnect"
        assert "where what this account was granted does not belong" in text
        assert (await there.grant()).last_error == "oauth.moved"
        assert not elsewhere.seen


async def test_nobody_is_sent_to_sign_in_for_a_client_whose_secret_would_go_elsewhere(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream
) -> None:
    async with connected(tmp_path, server) as (there, _):
        connecting = there.gateway.ground.connecting
        assert connecting is not None
        for details in (told_flows(server, tokenUrl=f"{elsewhere.url}/token")["flows"], {}):
            scheme = SecurityScheme(
                id="login",
                kind="oauth2" if details else "openIdConnect",
                details={"flows": details, "openIdConnectUrl": elsewhere.url},
            )
            consent = Consent(tenant="default", client=there.client, scheme=scheme)
            kept = {"state": "s", "verifier": "v" * 43, "nonce": "n"}
            with pytest.raises(DesignError) as begun:
                await connecting.begin(consent, "s", "http://127.0.0.1:9/connect/callback")
            with pytest.raises(DesignError) as finished:
                await connecting.finish(consent, "http://127.0.0.1:9/connect/callback", kept, "code=c&state=s")
            assert (begun.value.code, finished.value.code) == ("oauth.moved", "oauth.moved")
        assert not elsewhere.seen


async def test_an_address_without_encryption_that_a_document_names_is_not_used(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, client):
        await promote(there.gateway, told_flows(server, tokenUrl="http://id.example.com/token"))
        later(there)
        code, text = await told(client, there.url)
        assert code == "account.unrenewed"
        assert "an address without encryption" in text
        assert (await there.grant()).last_error == "oauth.url"


async def test_what_the_connect_page_keeps_belongs_to_the_places_that_the_document_named_then(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, _):
        ground, living = there.gateway.ground, there.gateway.grounds.living
        assert ground.connecting is not None
        flows = told_flows(server, refreshUrl="https://renew.example.com/token")["flows"]
        scheme = SecurityScheme(id="login", kind="oauth2", details={"flows": flows})
        consent = Consent(tenant="default", client=there.client, scheme=scheme)
        async with ground.store.writing() as work:
            scope = work.tenant(there.account.tenant)
            kept = await living.grants.of_account(scope, there.account)
            given = Granted(tokens=kept["login"].tokens, identity={}, scopes=())
            await ground.connecting.keep(scope, there.account, consent, given, "ada")
            grant = await scope.grants.load(f"{there.account.id}/login")
            assert grant is not None
            opened = await opened_grant(ground.sealing, scope, grant)
        assert opened["at"] == [server.url, "https://renew.example.com"]


async def test_the_form_that_an_account_gets_tokens_with_does_not_follow_the_document_either(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream
) -> None:
    async with connected(tmp_path, server) as (there, client):
        house = there.gateway
        form = {"client_id": "machine", "client_secret": SECRET, "scopes": "read"}
        account = await house.account("notes", credentials={"login": form})
        url = house.at(await house.server(name="machine", accounts=[account.id]))
        for _ in range(2):  # also once it was renewed
            assert (await told(client, url))[0] == ""
            later(there)
        await promote(house, strange(elsewhere, server, "tokenUrl"))
        code, text = await told(client, url)
        assert code == "account.needs_reconnect"
        assert "where what this account was granted does not belong" in text
        assert not elsewhere.seen

        # whoever gives it anew has seen where the document leads by now
        other = server.url.replace("127.0.0.1", "localhost")
        await promote(house, told_flows(server, tokenUrl=f"{other}/token"), 3)
        later(there, 80)
        assert (await told(client, url))[0] == "account.needs_reconnect"
        await house.done(patch_account(house.ground, HOST, account.id, {"credentials": {"login": form}}))
        assert (await told(client, url))[0] == ""
        assert not elsewhere.seen


@pytest.mark.parametrize("which", ["token_url", "revocation_url", "identity_url", "device_url", "issuer"])
@pytest.mark.parametrize("secret", [SECRET, None])
async def test_a_client_that_is_moved_with_a_new_secret_takes_nothing_along_that_an_account_was_granted(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream, which: str, secret: str | None
) -> None:
    async with connected(tmp_path, server) as (there, client):
        house = there.gateway
        patch = {"endpoints": {which: f"{elsewhere.url}/taken"}, "secret": secret}
        await house.done(patch_oauth_client(house.ground, HOST, there.client.id, patch))
        later(there)
        assert (await told(client, there.url))[0] == "account.needs_reconnect"
        assert (await there.grant()).last_error == "oauth.moved"
        later(there, 80)
        with pytest.raises(DesignError) as refused:
            await house.done(refresh_account(house.ground, HOST, there.account.id))
        assert refused.value.code == "oauth.moved"
        assert "connect the account anew" in refused.value.hint
        assert (await house.done(revoke_account(house.ground, HOST, there.account.id)))["told_provider"] == 0
        assert not [one for one in elsewhere.seen if one.method == "POST"]
        assert server.count("refresh_token") == 0


async def test_an_account_that_is_removed_tells_nobody_else_what_it_was_granted(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream
) -> None:
    async with connected(tmp_path, server) as (there, _):
        house = there.gateway
        patch = {"endpoints": {"revocation_url": f"{elsewhere.url}/taken"}, "secret": SECRET}
        await house.done(patch_oauth_client(house.ground, HOST, there.client.id, patch))
        await house.done(delete_account(house.ground, HOST, there.account.id, Removal(cascade=True)))
        assert not elsewhere.seen


async def test_a_refresh_token_that_was_brought_along_goes_to_no_client_that_a_tenant_made(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream
) -> None:
    async with connected(tmp_path, server) as (there, client):
        house = there.gateway
        form = {"refresh_token": "brought", "access_token": "old", "expires_at": "1"}
        account = await house.account("notes", credentials={"login": form})
        url = house.at(await house.server(name="brought", accounts=[account.id]))
        made = {
            "tenant": account.tenant,
            "connector": "notes",
            "client_id": "own",
            "secret": "new",
            "endpoints": {"token_url": f"{elsewhere.url}/taken"},
        }
        await house.done(create_oauth_client(house.ground, HOST, made))
        code, text = await told(client, url)
        assert code == "account.needs_reconnect"
        assert "where what this account was granted does not belong" in text
        assert not elsewhere.seen

        # a form that says so itself means it
        again = {**form, "token_url": f"{elsewhere.url}/taken"}
        await house.done(patch_account(house.ground, HOST, account.id, {"credentials": {"login": again}}))
        assert (await told(client, url))[0] != "account.needs_reconnect"
        assert [b"brought" in one.body for one in elsewhere.seen] == [True]


async def test_a_grant_from_before_places_were_kept_belongs_to_those_of_its_first_use(
    tmp_path: Path, server: AuthorizationServer, elsewhere: Upstream
) -> None:
    async with connected(tmp_path, server) as (there, client):
        house = there.gateway
        ground, living = house.ground, house.grounds.living
        async with ground.store.writing() as work:
            scope = work.tenant(there.account.tenant)
            kept = await living.grants.of_account(scope, there.account)
            made = Made(kind="code", client=there.client.id, tokens=kept["login"].tokens)
            await living.grants.keep_new(scope, there.account, "login", made)
        await house.settle()
        later(there)
        assert (await told(client, there.url))[0] == ""
        assert server.count("refresh_token") == 1
        patch = {"endpoints": {"token_url": f"{elsewhere.url}/taken"}, "secret": SECRET}
        await house.done(patch_oauth_client(house.ground, HOST, there.client.id, patch))
        later(there)
        assert (await told(client, there.url))[0] == "account.needs_reconnect"
        assert not elsewhere.seen


async def test_who_asks_for_a_renewal_right_after_one_gets_what_there_is(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with connected(tmp_path, server) as (there, _):
        house = there.gateway
        later(there, SETTLED)
        for _ in range(3):
            (grant,) = await house.done(refresh_account(house.ground, HOST, there.account.id))
            assert grant.state == "active"
        assert server.count("refresh_token") == 1


async def test_calls_with_tokens_of_a_short_life_share_one_request(tmp_path: Path, server: AuthorizationServer) -> None:
    async with connected(tmp_path, server) as (there, client):
        server.ttl(4)
        later(there)
        for _ in range(10):
            assert (await told(client, there.url))[0] == ""
        assert server.count("refresh_token") == 1
