"""What people bring and are given when they sign in and connect is found nowhere but with them: a hunt of its own.

Everything that the house draws, unwraps or holds as a secret meanwhile is taken down as it comes to be, together with
what people and programs bring: keys that are typed in, verifiers, tokens of issuers. Then all roads are searched that
are not theirs: logs at their most talkative, the data folder, the admin API, what every living object shows, and what
is told to whoever comes with something wrong.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx2 as httpx
import pytest

from apiloom.base import plugins
from apiloom.flows.durable.renewing import renewing, start_due
from support.connecting import EITHER, KEYS, connect_house, notes, query_of, visitor
from support.fronts import Front, front
from support.gateway import PATIENCE, Gateway, ask, desk, gateway, http
from support.granted import granted, office
from support.hunted_keys import MADE_IN, by_a_key_source
from support.hunted_people import (
    Walk,
    by_a_device,
    by_a_device_at_one_that_tells_all,
    by_an_issuer,
    by_an_issuer_that_tells_all,
    by_two_consents,
    hunting,
    reached,
    searched,
)
from support.hunting import Hunt
from support.issuer import received, signing_issuer
from support.lending import exchanging, welcomed
from support.oidc import SECRET, authorization_server
from support.openbao import OpenBao

pytestmark = pytest.mark.system


async def test_nothing_of_a_sign_in_is_kept_or_told(tmp_path: Path) -> None:
    async with hunting(tmp_path) as harvest, front(tmp_path) as on, searched(on.house, tmp_path, harvest) as hunt:
        harvest.take(on.app.verifier, "the client's verifier")
        code = on.app.came(await on.person.open(on.app.url()))["code"]
        for wrong in ({"code_verifier": "x" * 43}, {"client_id": "cli_another"}, {"grant_type": "password"}):
            hunt.took("refusals", await on.app.redeem(code, **wrong))
        given = (await on.app.redeem(code)).json()
        assert await on.status(given["access_token"]) == 200
        for road in ("/mcp/s/other", "/api/v1/accounts", f"/mcp/{given['access_token']}", f"/oauth/{code}"):
            heads = {"authorization": f"Bearer {given['access_token']}"}
            hunt.took("refusals", await on.http.get(on.house.url + road, headers=heads))
        again = (await on.app.refresh(given["refresh_token"])).json()
        on.house.clock.now += 120
        hunt.took("refusals", await on.app.refresh(given["refresh_token"]))
        hunt.took("refusals", await on.app.refresh(again["refresh_token"] + "x"))
        hunt.took("refusals", await on.app.redeem(code))
        await pages_of_others(on, hunt)
        families = await on.app.sign_in(on.person)
        nearly = {"token": "x" + again["refresh_token"]}
        hunt.took("refusals", await on.http.post(f"{on.house.url}/oauth/revoke", data=nearly))
        assert families["access_token"]
    reached(harvest, "apiloom.flows.sign_ins", "apiloom.flows.token_families", "apiloom.identity.tokens.mint")


async def pages_of_others(on: Front, hunt: Hunt) -> None:
    """Somebody else opens the pages of a sign-in that is under way, and sends forms to them."""
    begun = await on.person.client.get(on.app.url())
    assert begun.cookies
    for place in (begun.headers["location"], f"{on.house.url}/oauth/callback?code=x&state=y"):
        async with httpx.AsyncClient(timeout=20) as stranger:
            hunt.took("strangers", await stranger.get(place))
            hunt.took("strangers", await stranger.post(place, data={"csrf": "x", "token": on.person.token}))


async def test_nothing_of_a_device_that_signs_in_is_kept_or_told(tmp_path: Path) -> None:
    async with hunting(tmp_path) as harvest, front(tmp_path) as on, searched(on.house, tmp_path, harvest) as hunt:
        url = f"{on.house.url}/oauth/device_authorization"
        asked = {"client_id": "apiloom-cli", "resource": f"{on.house.url}/api/v1", "scope": "api"}
        reply = await on.http.post(url, data=asked)
        assert reply.status_code == 200, reply.text
        told = reply.json()
        for code in (told["user_code"], told["user_code"].replace("-", "")):
            harvest.canaries.add(f"user code {len(code)}", code)
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "apiloom-cli"}
        for shown in (told["device_code"], told["device_code"] + "x"):
            hunt.took("refusals", await on.app.post({**form, "device_code": shown}))
        on.person.token = await on.house.api_token("operator")
        async with httpx.AsyncClient(timeout=20) as stranger:
            page = await stranger.post(told["verification_uri"], data={"user_code": "BCDF-GHJK"})
            hunt.take("strangers", page.content)
    reached(harvest, "apiloom.flows.device_sign_ins.start")


async def test_tokens_of_an_issuer_are_kept_nowhere(tmp_path: Path) -> None:
    async with hunting(tmp_path) as harvest:
        with desk() as api, signing_issuer() as issuer:
            async with gateway(tmp_path) as house, http() as client:
                await house.connector("desk", api.api.url)
                account = await house.account("desk", "ada-secret", shared=True)
                await house.server(accounts=[account.id], name="notes")
                secret = "an introspecting client's secret"
                asked = {"client_id": "gateway", "client_secret": "env:INTROSPECTING"}
                told = issuer.settings(introspection={"url": f"{issuer.url}/introspect", **asked})
                received(house, tmp_path, {"issuers": [told]}, environment={"INTROSPECTING": secret})
                async with searched(house, tmp_path, harvest) as hunt:
                    harvest.take(secret, "the client's secret")
                    now = house.clock()
                    for number, aud in enumerate(("the gateway", "another")):
                        opaque = harvest.canaries.plain(f"opaque {number}")
                        issuer.active[opaque] = {"active": True, **issuer.claims(now, aud=aud)}
                        signed = issuer.token(now, aud=aud)
                        harvest.take(signed, "a signed token")
                        harvest.take(signed.rpartition(".")[2], "its signature")
                        for token in (opaque, signed, signed[:-3], opaque + "x"):
                            reply = await ask(client, f"{house.url}/mcp", "tools/list", token=token)
                            hunt.took("answers", reply)
                            heads = {"authorization": f"Bearer {token}"}
                            hunt.took("refusals", await client.get(f"{house.url}/api/v1/x", headers=heads))
    reached(harvest, "apiloom.app.gateway.issuers.Issuers._introspect", "apiloom.app.gateway.signin.Reception._secret")


async def test_nothing_of_a_connect_page_is_kept_or_told(tmp_path: Path) -> None:
    async with (
        hunting(tmp_path) as harvest,
        connect_house(tmp_path, notes(KEYS)) as house,
        visitor(house) as ann,
        visitor(house) as eve,
        searched(house.gateway, tmp_path, harvest) as hunt,
    ):
        typed = harvest.canaries.plain("typed key")
        started = await house.start(connector="notes", return_url="https://app.example.com/back")
        page = await ann.open(started.url)
        hunt.take("strangers", (await eve.open(started.url)).reply.content)
        page = await ann.send(page, Key=f"{typed}\u0001")
        assert typed not in page.reply.text, "what was typed came back"
        page = await ann.send(page, Key=typed)
        code = query_of(page.onward)["connect_code"]
        harvest.take(code.partition(".")[2], "the one-time code")
        heads = {"authorization": f"Bearer {hunt.owner}"}
        at = f"{house.gateway.url}/api/v1/connect-sessions"
        for shown in (code + "x", code, code):
            reply = await ann.client.post(f"{at}/redeem", json={"code": shown}, headers=heads)
            hunt.took("redeemed", reply)
        hunt.take("strangers", (await eve.open(started.url)).reply.content)
    reached(
        harvest, "apiloom.console.connect.walls.new_browser", "apiloom.flows.connect_create", "apiloom.flows.connecting"
    )


async def test_nothing_of_a_providers_consent_is_kept_or_told(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with (
            hunting(tmp_path) as harvest,
            connect_house(tmp_path, notes(EITHER)) as house,
            visitor(house) as ann,
            visitor(house) as eve,
            searched(house.gateway, tmp_path, harvest) as hunt,
        ):
            harvest.take(SECRET, "the provider's client secret")
            await house.client(server)
            started = await house.start(connector="notes", end_user="ann")
            page = await ann.send(await ann.open(started.url))
            back = server.authorize(page.onward, "alice")
            harvest.take(query_of(back)["code"], "the provider's code")
            hunt.take("strangers", (await eve.open(back)).reply.content)
            page = await ann.open(back)
            assert "Connected" in page.text, page.text
            hunt.take("pages", page.reply.content)
            hunt.take("pages", (await ann.open(back)).reply.content)
    reached(harvest, "apiloom.app.gateway.connecting.Consents.begin", "apiloom.vault.oauth.asking.read_tokens")


async def test_nothing_of_a_grant_is_in_the_durable_engine_or_told_when_it_fails(tmp_path: Path) -> None:
    async with hunting(tmp_path) as harvest:
        with authorization_server(rotate=True) as server, office(server) as api:
            async with gateway(tmp_path) as house:
                house.clock.now = time.time()
                server.ttl(30)
                there = await granted(house, server, api)
                async with searched(house, tmp_path, harvest) as hunt:
                    await renewed_by_the_engine(house)
                    assert (await there.grant()).generation > 1
                    server.down("400")
                    house.clock.now += 3600
                    listing = {"name": "list_notes", "arguments": {}}
                    hunt.took("answers", await ask(hunt.client, there.url, "tools/call", listing))
                    server.up()
                    server.revoke("alice")
                    house.clock.now += 3600
                    hunt.took("answers", await ask(hunt.client, there.url, "tools/call", listing))
                assert any("durable" in road for road in hunt.haul), sorted(hunt.haul)
    reached(harvest, "apiloom.vault.oauth.asking.read_tokens")


async def renewed_by_the_engine(house: Gateway) -> None:
    """Let the durable engine of a node do what is due, and close it."""
    place, ground = house.grounds.place, house.ground
    open_engine = await asyncio.to_thread(plugins.load, "apiloom.flows.durable.dbos_engine:open_engine")
    engine = await open_engine("", place.folder, "n", [renewing(ground)])
    try:
        house.clock.now += 29
        assert await start_due(ground, engine) == 1
        async with asyncio.timeout(PATIENCE):
            while (await generations(house)) == [1]:
                await asyncio.sleep(0.05)
    finally:
        await engine.close()


async def generations(house: Gateway) -> list[int]:
    async with house.ground.store.reading() as work:
        return [grant.generation for grant in await work.house().grants.every()]


async def test_what_a_callers_token_is_exchanged_for_is_kept_nowhere(tmp_path: Path) -> None:
    async with (
        hunting(tmp_path) as harvest,
        exchanging(tmp_path) as (pad, provider, url),
        searched(pad.house, tmp_path, harvest) as hunt,
    ):
        token = "somebody-jwt-token"
        harvest.take(token, "a caller's token")
        welcomed(pad.house, somebody="")
        hunt.took("answers", await pad.call(url, token=token))
        provider.refuses = True
        pad.house.clock.now += 3600
        hunt.took("answers", await pad.call(url, token=token))
    reached(harvest, "apiloom.app.gateway.delegating.Exchanges._asked")


@pytest.mark.parametrize(
    "walk",
    [by_a_device, by_a_device_at_one_that_tells_all, by_two_consents, by_an_issuer, by_an_issuer_that_tells_all],
    ids=lambda walk: walk.__name__,
)
async def test_nothing_of_a_device_of_two_consents_and_of_an_issuer_is_kept_or_told(tmp_path: Path, walk: Walk) -> None:
    await walk(tmp_path)


@pytest.mark.parametrize("source", MADE_IN)
async def test_a_key_that_is_given_or_lies_elsewhere_is_kept_nowhere_else(
    tmp_path: Path, openbao: OpenBao, source: str
) -> None:
    await by_a_key_source(tmp_path, openbao, source)
