"""Nobody but the person a link was sent to connects anything by it, and nobody is led astray by one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from apiloom.base.errors import CallerError
from apiloom.flows import connect_visit
from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import create_api_token, revoke_api_token
from apiloom.flows.asking import Removal
from apiloom.flows.connect_links import link_for
from apiloom.flows.connecting import delete_session, read_session, redeem
from apiloom.flows.oauth_clients import create_oauth_client, redirect_uri
from apiloom.identity.principal import Principal
from support.connecting import (
    EITHER,
    KEYS,
    OPENED,
    VENDOR,
    ConnectHouse,
    Shown,
    connect_house,
    notes,
    query_of,
    visitor,
)
from support.oidc import authorization_server
from support.refusals import refusal
from support.upstream import Answer, upstream

GONE = "This does not work This link is not valid, or not any more. Go back to where you got it and ask for a new one."
HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
RULES = ["default-src 'none'", "style-src 'nonce'", "img-src data:", "form-action 'self'", "base-uri 'none'"]


async def nothing_kept(house: ConnectHouse) -> None:
    for rows in ("accounts", "grants", "events"):
        assert await house.kept(rows) == [], rows


def check_walls(page: Shown, *, framed: str = "'none'") -> None:
    for name, value in HEADERS.items():
        assert page.header(name) == value, name
    rules = re.sub(r"'nonce-[A-Za-z0-9_-]{22}'", "'nonce'", page.header("content-security-policy")).split("; ")
    scripted = [] if framed == "'none'" else ["script-src 'nonce'", "connect-src 'self'"]
    assert rules == [*RULES, f"frame-ancestors {framed}", *scripted]
    assert (page.header("x-frame-options") == "DENY") == (framed == "'none'")
    assert (page.header("cross-origin-opener-policy") == "same-origin") == (framed == "'none'")
    assert not re.findall(r'(?:src|href)="(?!data:|#|\?|/connect/)[^"]*"', page.reply.text.replace(page.onward, ""))
    assert not re.findall(r"<script(?! nonce)|<style(?! nonce)|\son\w+=|\sstyle=", page.reply.text)


async def test_every_page_stands_behind_the_same_walls(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann, visitor(house) as thief:
        started = await house.start(connector="notes", allowed_origins=[VENDOR])
        embedded = await ann.open(started.embed_url)
        check_walls(embedded, framed=VENDOR)
        form = await ann.open(started.url)
        check_walls(form)
        check_walls(await thief.open(started.url))
        check_walls(await thief.open(f"{house.gateway.url}/connect/nothing"))
        check_walls(await thief.open(f"{house.gateway.url}/connect/callback?state=x"))
        check_walls(await ann.send(form, Key=""))
        done = await ann.send(form, Key="k")
        assert "Connected" in done.text
        check_walls(done)
        nonces = {re.search(r"'nonce-([^']+)'", each.header("content-security-policy")) for each in (embedded, form)}
        assert len({found[1] for found in nonces if found}) == 2


async def test_a_stolen_link_is_refused_in_one_sentence_and_the_owner_goes_on(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann, visitor(house) as thief:
        started = await house.start(connector="notes")
        form = await ann.open(started.url)
        stolen = await thief.open(started.url)
        assert stolen.status == 403
        assert "This link was already opened in another browser" in stolen.text
        assert "set-cookie" not in stolen.reply.headers
        sent = await thief.send(form, Key="theirs")
        assert sent.status == 403
        await nothing_kept(house)
        assert "Connected" in (await ann.send(form, Key="k")).text
        assert (await thief.open(started.url)).status == 403, "nor is the result theirs to see"


async def test_a_preview_of_a_link_does_not_use_it_up(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann, visitor(house) as scanner:
        started = await house.start(connector="notes")
        for headers in ({}, {**OPENED, "sec-purpose": "prefetch"}, {**OPENED, "sec-fetch-dest": "iframe"}):
            reply = await scanner.client.get(started.url, headers=headers)
            assert reply.status_code == 200
            assert "set-cookie" not in reply.headers
        assert (await scanner.client.head(started.url, headers=OPENED)).status_code == 200
        assert "Acme Inc. asks to use notes" in (await ann.open(started.url)).text


async def test_a_browser_that_says_nothing_of_itself_opens_it_by_a_button(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        started = await house.start(connector="notes")
        asking = Shown(await ann.client.get(started.url))
        assert "Open this page here?" in asking.text
        form = await ann.send(asking)
        assert "API key (X-Key)" in form.text
        assert "Connected" in (await ann.send(form, Key="k")).text


async def test_a_form_of_another_site_is_refused(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        started = await house.start(connector="notes")
        form = await ann.open(started.url)
        for headers in (
            {"origin": "https://evil.example.com"},
            {"origin": "null", "sec-fetch-site": "cross-site"},
            {"origin": "null", "sec-fetch-site": "same-site"},
            {"sec-fetch-site": "none"},
        ):
            sent = await ann.send(form, headers, Key="k")
            assert sent.status == 403, headers
            assert "This form was not sent from its own page" in sent.text
        await nothing_kept(house)


async def test_no_page_of_another_site_uses_up_a_link_or_asks_what_came_of_it(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann, visitor(house) as eve:
        started = await house.start(connector="notes", allowed_origins=[VENDOR])
        for headers in ({"origin": "https://evil.example.com"}, {"origin": VENDOR, "sec-fetch-site": "cross-site"}):
            for step in ("begin", "status"):
                reply = await eve.client.post(f"{started.url}/{step}", headers=headers, data={"channel": "x"})
                assert (reply.status_code, "set-cookie" in reply.headers) == (403, False), step
        assert "API key (X-Key)" in (await ann.open(started.url)).text


async def test_a_form_without_its_own_token_is_refused(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann, visitor(house) as eve:
        one, other = await house.start(connector="notes"), await house.start(connector="notes")
        form, beside = await ann.open(one.url), await ann.open(other.url)
        hers = await eve.open((await house.start(connector="notes")).url)
        for token in ("", "x", beside.fields["token"], hers.fields["token"], form.fields["token"][:-1]):
            sent = await ann.send(form, token=token, Key="k")
            assert sent.status == 403, token
        await nothing_kept(house)
        body = [("token", form.fields["token"]), ("way", "1"), ("way", "2")]
        reply = await ann.client.post(one.url, content="&".join(f"{n}={v}" for n, v in body), headers=FORM)
        assert reply.status_code == 403
        reply = await ann.client.post(one.url, content="x" * 200_000, headers=FORM)
        assert reply.status_code == 403
        reply = await ann.client.post(one.url, json={"token": form.fields["token"]})
        assert reply.status_code == 403
        sent = await ann.send(form, Key="k" * 132_000)
        assert (sent.status, "not sent from its own page" in sent.text) == (403, True)
        await nothing_kept(house)


FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_an_ended_an_unknown_and_a_removed_link_look_alike(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        ended, removed = await house.start(connector="notes", expires_in=60), await house.start(connector="notes")
        form = await ann.open(ended.url)
        await delete_session(house.gateway.ground, HOST, removed.session.id, Removal())
        house.gateway.clock.now += 61
        unknown = f"{house.gateway.url}/connect/cs_{'a' * 20}.{'b' * 43}"
        wrong = f"{removed.url[:-3]}abc"
        pages = [await ann.open(url) for url in (ended.url, unknown, removed.url, wrong)]
        pages.append(await ann.send(form, Key="k"))
        assert {(page.status, page.text) for page in pages} == {
            (
                404,
                GONE,
            )
        }
        await nothing_kept(house)
        assert (await read_session(house.gateway.ground, HOST, ended.session.id)).state == "bound"


async def test_a_link_ends_with_the_token_that_made_it(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        served = house.gateway
        issued = await create_api_token(served.ground, HOST, {"name": "t", "role": "tenant-admin", "tenant": "acme"})
        await served.settle()
        made = await ann.client.post(
            f"{served.url}/api/v1/connect-sessions",
            json={"connector": "notes"},
            headers={"authorization": f"Bearer {issued.text}"},
        )
        assert made.status_code == 201, made.text
        form = await ann.open(made.json()["url"])
        assert form.status == 200
        await revoke_api_token(served.ground, HOST, issued.token.id, Removal())
        assert (await ann.open(made.json()["url"])).status == 404
        assert (await ann.send(form, Key="k")).status == 404
        await nothing_kept(house)


async def test_a_tenants_client_is_not_given_what_a_provider_gave_to_the_houses(tmp_path: Path) -> None:
    with upstream(lambda _: Answer({"access_token": "x", "token_type": "Bearer"})) as evil:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            ground = house.gateway.ground
            wanted = {
                "connector": "notes",
                "scheme": "Account",
                "client_id": "evil",
                "endpoints": {"authorization_url": f"{evil.url}/authorize", "token_url": f"{evil.url}/token"},
            }
            client = await create_oauth_client(ground, HOST, {**wanted, "tenant": "acme"})
            other = await create_oauth_client(ground, HOST, {**wanted, "tenant": "default"})
            await house.gateway.settle()
            started = await house.start(connector="notes")
            asked = query_of((await ann.send(await ann.open(started.url))).onward)
            assert asked["redirect_uri"] == f"{house.gateway.url}/connect/callback/{client.id}"
            answer = f"?code=HONEST&state={asked['state']}"
            for path in ("/connect/callback", f"/connect/callback/{other.id}"):
                page = await ann.open(f"{house.gateway.url}{path}{answer}")
                assert (page.status, "belongs to no question" in page.text) == (400, True), path
            assert (await ann.open(f"{asked['redirect_uri']}/x{answer}")).status == 404
            page = await ann.open(f"{asked['redirect_uri']}{answer}&iss=https://honest.example.com")
            assert "The answer did not come from where you were sent." in page.text
            assert evil.seen == []
            await nothing_kept(house)


async def test_a_tenants_own_client_comes_back_to_its_own_place(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            client = await house.client(server, tenant="acme")
            server.allow(redirect_uri(house.gateway.ground, client))
            started = await house.start(connector="notes")
            leaving = await ann.send(await ann.open(started.url))
            assert "Connected" in (await ann.open(server.authorize(leaving.onward))).text


async def test_the_way_back_counts_once_in_the_same_browser_and_untouched(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann, visitor(house) as thief:
            await house.client(server)
            started = await house.start(connector="notes")
            leaving = await ann.send(await ann.open(started.url))
            back = server.authorize(leaving.onward)
            query = query_of(back)

            other = await thief.open(back)
            assert other.status == 403
            assert "another browser" in other.text
            state = query["state"]
            for forged in (state[:-1], f"{state[:-2]}AA", state[1:], "x", ""):
                page = await ann.open(back.replace(state, forged))
                assert page.status == 400, forged
            twice = await ann.open(f"{back}&state={state}")
            assert twice.status == 400
            assert server.count("authorization_code") == 0
            await nothing_kept(house)

            assert "Connected" in (await ann.open(back)).text
            assert server.count("authorization_code") == 1
            replayed = await ann.open(back)
            assert replayed.status == 400
            assert "belongs to no question that is still open" in replayed.text
            assert server.count("authorization_code") == 1
            assert sum(server.stats().get(f"authorization_code {why}", 0) for why in ("invalid_grant",)) == 0
            assert len(await house.kept("accounts")) == 1


async def test_two_answers_at_once_connect_once(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            await house.client(server)
            started = await house.start(connector="notes")
            leaving = await ann.send(await ann.open(started.url))
            back = server.authorize(leaving.onward)
            replies = await asyncio.gather(*(ann.client.get(back) for _ in range(4)))
            assert sorted(reply.status_code for reply in replies) == [303, 400, 400, 400]
            assert server.count("authorization_code") == 1
            assert len(await house.kept("accounts")) == 1


async def test_an_answer_of_another_provider_is_refused_before_its_code_is_sent_anywhere(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            await house.client(server)
            for change in ("https://evil.example.com", ""):
                started = await house.start(connector="notes")
                leaving = await ann.send(await ann.open(started.url))
                back = server.authorize(leaving.onward)
                iss = f"iss={re.search(r'iss=([^&]*)', back)[1]}"  # type: ignore[index]
                page = await ann.open(back.replace(iss, f"iss={change}" if change else "no=iss"))
                assert "The answer did not come from where you were sent." in page.text, page.text
            assert server.count("authorization_code") == 0
            await nothing_kept(house)


async def test_whoever_declines_is_told_so_and_can_begin_again(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            await house.client(server)
            started = await house.start(connector="notes")
            leaving = await ann.send(await ann.open(started.url))
            page = await ann.open(server.authorize(leaving.onward, deny=True))
            assert "Access was not granted." in page.text
            leaving = await ann.send(page)
            assert "Connected" in (await ann.open(server.authorize(leaving.onward))).text


async def test_somebody_else_cannot_take_over_an_account_unless_the_session_says_so(tmp_path: Path) -> None:
    with authorization_server() as server:
        async with connect_house(tmp_path) as house, visitor(house) as ann:
            await house.client(server)
            started = await house.start(connector="notes", end_user="ann")
            leaving = await ann.send(await ann.open(started.url))
            assert "Connected" in (await ann.open(server.authorize(leaving.onward, "alice"))).text
            (account,) = await house.kept("accounts")
            (before,) = await house.kept("grants")

            again = await house.start(account=account.id)
            page = await ann.open(again.url)
            assert "Connect notes again" in page.text
            assert "Connected as alice@example.com" in page.text
            leaving = await ann.send(page)
            page = await ann.open(server.authorize(leaving.onward, "mallory"))
            assert "You signed in as somebody else" in page.text
            (kept,) = await house.kept("grants")
            assert kept == before
            assert any("revocation" in asked for asked in server.stats()), server.stats()

            stated = await house.start(account=account.id, allow_other_identity=True)
            leaving = await ann.send(await ann.open(stated.url))
            assert "Connected" in (await ann.open(server.authorize(leaving.onward, "bob"))).text
            (kept,) = await house.kept("grants")
            assert (kept.identity["sub"], kept.generation) == ("bob", before.generation + 1)
            assert len(await house.kept("accounts")) == 1


async def test_a_code_is_redeemed_once_by_the_tenant_it_belongs_to(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        await house.gateway.tenant("bolt")
        ground = house.gateway.ground
        started = await house.start(connector="notes", end_user="ann", return_url=f"{VENDOR}/back?a=1&b=%20")
        done = await ann.send(await ann.open(started.url), Key="k")
        query = query_of(done.onward)
        assert done.onward.startswith(f"{VENDOR}/back?a=1&b=%20&connect_session={started.session.id}&connect_code=")
        assert "connect_code" not in query_of((await ann.open(started.url)).onward), "it is shown once"
        code = query["connect_code"]
        bolt = Principal(id="key_b", token="key_b", tenant="bolt", role="tenant-admin")
        bob = replace(bolt, tenant="acme", end_user="bob")
        assert (await refusal(redeem(ground, bolt, {"code": code}), "connect.code")).hint
        await refusal(redeem(ground, bob, {"code": code}), "identity.wider")
        for wrong in (f"{code[:-1]}A", code.partition(".")[0], "cs_x.y", f"{started.session.id}."):
            await refusal(redeem(ground, HOST, {"code": wrong}), "connect.code")
        assert (await redeem(ground, HOST, {"code": code})).result["account"]
        await refusal(redeem(ground, HOST, {"code": code}), "connect.code")


async def test_the_embedded_page_gives_its_code_only_to_whoever_opened_the_window(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann, visitor(house) as thief:
        started = await house.start(connector="notes", allowed_origins=[VENDOR])
        held = await ann.open(started.embed_url)
        channel, link = _dataset(held, "channel"), re.search(r'id="open" href="([^"]+)"', held.reply.text)
        assert link
        form = await ann.open(f"{house.gateway.url}{link[1]}")
        stolen = _dataset(await thief.open(started.embed_url), "channel")
        assert stolen != channel
        assert "Connected" in (await ann.send(form, Key="k")).text
        status = f"{started.url}/status"
        for other in (stolen, "", "x"):
            assert (await thief.client.post(status, data={"channel": other})).json() == {"state": "done"}
        told = (await ann.client.post(status, data={"channel": channel})).json()
        assert sorted(told) == ["code", "state"]
        assert (await ann.client.post(status, data={"channel": channel})).json() == {"state": "done"}
        assert (await redeem(house.gateway.ground, HOST, {"code": told["code"]})).id == started.session.id


def _dataset(page: Shown, name: str) -> str:
    found = re.search(rf'data-{name}="([^"]*)"', page.reply.text)
    assert found
    return found[1]


ELSEWHERE = (
    "https://evil.example.com/",
    "https://app.example.com.evil.example.com/",
    "https://app.example.com@evil.example.com/",
    "https://app.example.com:444/",
    "http://app.example.com/",
    "//app.example.com/",
    "https:/\\app.example.com/",
    "https://app.example.com\\@evil.example.com/",
    "javascript:alert(1)",
    "data:text/html,x",
    "HTTPS://app.example.com/",
    "https://APP.example.com/",
    "https://app.example.com/#x",
    "https://app.example.com/a b",
    "https://app.example.com/\tx",
    " https://app.example.com/",
    "https://app.example.com%2eevil.example.com/",
    "/relative",
)


async def test_a_page_leads_back_only_to_origins_of_the_tenant(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(KEYS)) as house:
        for url in ELSEWHERE:
            with pytest.raises(CallerError) as refused:
                await house.start(connector="notes", return_url=url)
            assert refused.value.code in ("connect.origin", "field.form"), url
        assert await house.kept("connect_sessions") == []
        good = await house.start(connector="notes", return_url="https://app.example.com/back?x=1")
        assert good.session.return_url == "https://app.example.com/back?x=1"


async def test_the_form_cannot_be_sent_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect_visit, "MOST_TRIES", 3)
    async with connect_house(tmp_path, notes(KEYS)) as house, visitor(house) as ann:
        started = await house.start(connector="notes")
        form = await ann.open(started.url)
        for _ in range(3):
            assert (await ann.send(form, Key="")).status == 422
        assert (await ann.send(form, Key="k")).status == 429
        await nothing_kept(house)


async def test_a_link_for_an_agents_person_names_them_and_connects_their_account_anew(tmp_path: Path) -> None:
    async with connect_house(tmp_path, notes(EITHER)) as house, visitor(house) as ann:
        account = await house.gateway.account(
            "notes", tenant="acme", end_user="ann", credentials={"Key": {"key": "old"}}
        )
        link = await link_for(house.gateway.ground, account, ("profile",))
        assert link is not None
        page = await ann.open(link.url)
        assert "For ann" in page.text
        assert "Connected" in (await ann.send(page, Key="new")).text
        (kept,) = await house.kept("accounts")
        assert (kept.id, kept.revision) == (account.id, account.revision + 1)
