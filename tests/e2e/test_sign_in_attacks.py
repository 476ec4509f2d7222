"""What others do with somebody's sign-in: planting a cookie, sending people away, using up turns, staying on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest

from apiloom.app.gateway import signin
from apiloom.base.errors import CallerError
from apiloom.console.signin import app
from apiloom.console.signin.app import build_signin
from apiloom.flows import device_sign_ins, sign_in_clients, sign_ins, token_families
from apiloom.flows.sign_ins import Wanted
from support.fronts import Front, front
from support.gateway import arrival, ask, gateway, http
from support.issuer import received, signing_issuer
from support.signing_in import CALLBACK, FORM, WEB, App, Person


def fields(reply: httpx.Response) -> Any:
    found = FORM.search(reply.text)
    assert found is not None, reply.text[:400]
    return found


async def test_who_planted_a_cookie_in_somebodys_browser_has_no_part_in_what_follows(tmp_path: Path) -> None:
    async with front(tmp_path) as on, httpx.AsyncClient(timeout=20) as attacker:
        began = await attacker.get(on.app.url())
        page = began.headers["location"]
        ((name, value),) = ((cookie.name, cookie.value) for cookie in attacker.cookies.jar)
        victim = on.person.client
        victim.cookies.set(name, str(value), domain="127.0.0.1", path="/oauth")
        shown = await victim.get(page)
        signed_in = await on.person.send(shown, fields(shown))
        consent = signed_in.headers["location"]
        assert (await attacker.get(consent)).status_code == 400
        # what the person is asked, they are asked in their own browser alone
        asked = await victim.get(consent)
        assert asked.status_code == 200
        assert on.app.came((await on.person.send(asked, fields(asked))).headers["location"])["code"]


async def test_over_https_the_cookie_can_be_set_by_this_host_alone(tmp_path: Path) -> None:
    url = "https://gateway.example.com"
    async with front(tmp_path) as on:
        desk = replace(on.reception._desk(), ground=replace(on.house.ground, public_url=url))
        transport = httpx.ASGITransport(build_signin(desk))
        async with httpx.AsyncClient(transport=transport, base_url=url) as browser:
            client = App(SimpleNamespace(url=url), browser)  # type: ignore[arg-type]
            await client.register()
            person = Person(token=on.person.token, client=browser)
            replies = [await browser.get(client.url())]
            replies.append(await browser.get(replies[0].headers["location"]))
            replies.append(await person.send(replies[1], fields(replies[1])))
            replies.append(await browser.get(replies[2].headers["location"]))
            replies.append(await person.send(replies[3], fields(replies[3])))
            assert client.came(replies[4].headers["location"])["code"]
            cookies = [reply.headers["set-cookie"] for reply in (replies[0], replies[2], replies[4])]
            values = {cookie.partition(";")[0].partition("=")[2] for cookie in cookies}
            assert len(values) == 3
            for cookie in cookies:
                assert cookie.startswith("__Host-sign-in-")
                parts = {part.strip().lower() for part in cookie.split(";")}
                assert {"path=/", "secure", "httponly"} <= parts
                assert not any(part.startswith("domain") for part in parts)
            assert len(browser.cookies) == 0


WANTED = Wanted(client="c", redirect_uri=CALLBACK, state="", challenge="x" * 43, resource="/mcp", scope="mcp")


async def test_a_way_back_is_gone_once_and_before_the_issuer_is_asked(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        ground = on.house.ground
        begun = await sign_ins.begin(ground, WANTED)
        cookies = {sign_ins.cookie_of(ground, begun.sign_in.id): begun.browser.reveal()}
        ways = [sign_ins.returned(ground, begun.state.reveal(), cookies) for _ in range(4)]
        came = await asyncio.gather(*ways, return_exceptions=True)
        (first,) = (each for each in came if isinstance(each, sign_ins.Begun))
        assert first.sign_in.state == "redeeming"
        assert {each.code for each in came if isinstance(each, CallerError)} == {"sign_in.lost"}
        with pytest.raises(CallerError, match="over"):
            await sign_ins.found(ground, begun.sign_in.id, begun.browser.reveal(), "issuer")


async def test_a_way_back_counts_in_the_browser_it_began_in_alone(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        ground = on.house.ground
        begun, other = [await sign_ins.begin(ground, WANTED) for _ in range(2)]
        name, its = (sign_ins.cookie_of(ground, each.sign_in.id) for each in (begun, other))
        # whoever has a person open the end of a way that they went themselves finds no cookie of theirs there
        for cookies in ({}, {name: ""}, {its: begun.browser.reveal()}, {name: other.browser.reveal()}):
            with pytest.raises(CallerError, match="another browser"):
                await sign_ins.returned(ground, begun.state.reveal(), cookies)
        came = await sign_ins.returned(ground, begun.state.reveal(), {name: begun.browser.reveal()})
        assert came.sign_in.id == begun.sign_in.id


async def test_each_page_is_there_at_its_own_step_alone(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        browser = on.person.client
        token = (await browser.get(on.app.url())).headers["location"]
        consent = token.replace("token-page", "consent")
        assert (await browser.get(consent)).status_code == 400
        shown = await browser.get(token)
        assert (await on.person.send(shown, fields(shown))).headers["location"] == consent
        assert (await browser.get(token)).status_code == 400
        asked = await browser.get(consent)
        assert asked.status_code == 200
        cookie = {"cookie": str(asked.request.headers["cookie"])}
        assert (await on.person.send(asked, fields(asked))).status_code == 303
        for page in (token, consent):
            assert (await on.http.get(page, headers=cookie)).status_code == 400


async def test_a_parameter_that_cannot_stand_in_one_line_is_refused(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        for sign in ("\n", "\r\n", "\x00", "\x1b[2J", "\x7f"):
            reply = await on.http.get(on.app.url(state=f"a{sign}b"))
            assert (reply.status_code, "location" in reply.headers, "control character" in reply.text) == (
                400,
                False,
                True,
            )


async def test_what_failed_late_ends_nothing_that_has_gone_on(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        ground = on.house.ground
        begun = await sign_ins.begin(ground, WANTED)
        person = sign_ins.Person(id="p", subject="p", tenant="default", role="agent")
        fresh, browser = await sign_ins.identified(ground, begun.sign_in, person)
        await sign_ins.declined(ground, begun.sign_in)
        assert (await sign_ins.found(ground, fresh.id, browser.reveal(), "consent")).id == fresh.id
        with pytest.raises(CallerError, match="over"):
            await sign_ins.identified(ground, begun.sign_in, person)
        await sign_ins.declined(ground, fresh)
        with pytest.raises(CallerError, match="over"):
            await sign_ins.found(ground, fresh.id, browser.reveal(), "consent")


async def test_nobody_is_sent_to_an_application_before_they_agreed(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        own = App(on.house, on.http, redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback")
        assert "client_id" in await own.register()
        reply = await on.http.get(own.url(response_type="token"))
        assert (reply.status_code, "location" in reply.headers) == (400, False)
        assert (await on.http.get(own.url())).status_code == 303


SYSTEMS = ["search-ms:query=x", "ms-msdt:/id", "itms-services://?x", "shell:x", "jar:x", "smb://h/x", "x:y", "web"]


async def test_a_path_that_is_nearly_one_of_ours_leads_nowhere(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        for path in (app.WELL_KNOWN, *(f"/oauth/{name}" for name in ("authorize", "token", "consent/x", "device"))):
            for method in ("GET", "POST"):
                reply = await on.http.request(method, f"{on.house.url}{path}/", headers={"host": "evil.example"})
                assert (reply.status_code, "location" in reply.headers) == (404, False), path


async def test_a_scheme_that_may_be_the_systems_own_is_not_registered(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        for uri in SYSTEMS:
            told = await on.app.register(redirect_uris=[uri])
            assert told["error"] == "invalid_redirect_uri", uri


async def test_what_is_right_is_never_too_often_and_what_is_wrong_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WRONG", 5)
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        for _ in range(8):
            given = (await on.app.refresh(given["refresh_token"])).json()
        wrong = {"grant_type": "refresh_token", "refresh_token": "alr_x", "client_id": on.app.id}
        replies = [await on.http.post(f"{on.house.url}/oauth/token", data=wrong) for _ in range(6)]
        assert [reply.status_code for reply in replies] == [400] * 5 + [429]
        assert replies[-1].headers["retry-after"] == "60"
        on.seconds[0] += 60
        assert (await on.app.refresh(given["refresh_token"])).status_code == 200


async def test_ways_back_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "RETURNS", 5)
    async with front(tmp_path) as on:
        replies = [await on.http.get(f"{on.house.url}/oauth/callback?state=x") for _ in range(6)]
        assert [reply.status_code for reply in replies] == [400] * 5 + [429]


def told_to(on: Front, **facade: Any) -> None:
    on.reception.file.write_text(json.dumps({"facade": facade}))
    on.reception._state = ()
    assert on.reception.reload()


ELSEWHERE = {
    "issuer": "https://new.example",
    "client_id": "x",
    "principals": [{"when": {"sub": "nobody"}, "tenant": "default"}],
}


async def test_a_sign_in_ends_with_the_settings_that_let_somebody_in(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        token = given["access_token"]
        told_to(on, access_seconds=300)
        slow = asyncio.create_task(
            ask(on.http, f"{on.house.url}/mcp", "tools/call", {"name": "desk_wait_long", "arguments": {}}, token)
        )
        await arrival(on.desk)
        code = on.app.came(await on.person.open(on.app.url()))["code"]
        told_to(on, **ELSEWHERE)
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()
        assert await on.status(token) == 401
        refreshed = await on.app.refresh(given["refresh_token"])
        assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
        # nor is somebody let in who was recognised by the settings before
        assert (await on.app.redeem(code)).json()["error"] == "invalid_grant"
        told_to(on)
        assert (await on.app.refresh(given["refresh_token"])).status_code == 400


async def test_what_was_agreed_to_under_other_settings_is_asked_about_anew(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        web = App(on.house, on.http, redirect_uri=WEB)
        await web.register()
        await web.sign_in(on.person)
        rows = await families(on)
        async with on.house.ground.store.writing() as work:
            old = replace(rows[0], principal={**rows[0].principal, "admitted": "others"})
            await work.house().token_families.save(old, old.revision)
        await web.sign_in(on.person)
        assert len([page for page in on.person.seen if "Allow access?" in page]) == 2


async def test_a_crowd_of_registrations_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_clients, "MOST", 5)
    async with front(tmp_path) as on:
        await on.app.sign_in(on.person)  # in use: it stays
        for _ in range(12):
            assert "client_id" in await App(on.house, on.http).register()
        assert (await on.app.sign_in(on.person))["access_token"]
        async with on.house.ground.store.reading() as work:
            assert await work.house().registrations.count() == 5


async def test_who_began_and_is_over_takes_no_place_of_those_who_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_ins, "MOST", 4)
    monkeypatch.setattr(sign_ins, "_TOGETHER", 2)
    monkeypatch.setattr(device_sign_ins, "MOST", 2)
    async with front(tmp_path) as on:
        ground = on.house.ground

        async def fill(begin: Any, count: int) -> None:
            for _ in range(count):
                await begin()
            with pytest.raises(CallerError) as told:
                await begin()
            assert told.value.code == "sign_in.temporarily_unavailable"

        def device() -> Any:
            return device_sign_ins.start(ground, replace(WANTED, redirect_uri="", challenge=""), "")

        await fill(device, 2)
        await fill(lambda: sign_ins.begin(ground, WANTED), 2)
        on.house.clock.now += sign_ins.MINUTES
        # nobody has swept: two devices live yet, two sign-ins do not
        await fill(lambda: sign_ins.begin(ground, WANTED), 2)
        on.house.clock.now += device_sign_ins.LIFE
        await fill(device, 2)


async def test_a_broom_says_whether_it_is_to_come_again_soon(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        ground = on.house.ground
        for _ in range(3):
            await sign_ins.begin(ground, WANTED)
        on.house.clock.now += sign_ins.MINUTES
        assert [await sign_ins.sweep_sign_ins(ground, 2) for _ in range(2)] == [True, False]
        async with ground.store.reading() as work:
            assert await work.house().sign_ins.count() == 0


async def test_the_broom_comes_again_at_once_while_there_is_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signin, "SWEEP", 0.0)
    monkeypatch.setattr(signin, "RETRY", 0.0)
    left, done = [True, True, False], asyncio.Event()

    async def swept(_: object) -> bool:
        if len(left) == 1:
            done.set()
            await asyncio.Event().wait()
        # a pause of a whole round here would never end
        monkeypatch.setattr(signin, "SWEEP", 3600.0)
        return left.pop(0)

    monkeypatch.setattr(signin, "sweep_sign_ins", swept)
    async with front(tmp_path) as on:
        sweeping = asyncio.create_task(on.reception._sweep())
        await asyncio.wait_for(done.wait(), 20)
        sweeping.cancel()


async def families(on: Front) -> list[Any]:
    async with on.house.ground.store.reading() as work:
        return [each for each in await work.house().token_families.every() if not each.ended]


async def test_of_many_sign_ins_with_one_client_the_oldest_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_families, "MOST_EACH", 3)
    async with front(tmp_path) as on:
        given = []
        for _ in range(5):
            given.append(await on.app.sign_in(on.person))
            on.house.clock.now += 1
        other = await on.app.sign_in(on.person, resource=f"{on.house.url}/mcp/s/notes")
        assert len(await families(on)) == 4
        seen = [await on.status(each["access_token"]) for each in given]
        assert seen == [401, 401, 200, 200, 200]
        assert await on.status(other["access_token"], "/mcp/s/notes") == 200


async def test_an_ended_token_that_is_shown_again_and_again_costs_one_look_at_the_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        await on.http.post(
            f"{on.house.url}/oauth/revoke", data={"token": given["refresh_token"], "client_id": on.app.id}
        )
        await on.house.settle()
        looks: list[int] = []
        real = on.house.node._poll

        async def counted() -> None:
            looks.append(1)
            await real()

        monkeypatch.setattr(on.house.node, "_poll", counted)
        assert {await on.status(given["access_token"]) for _ in range(10)} == {401}
        assert len(looks) <= 1


async def test_somebody_who_is_known_is_asked_about_at_no_door(tmp_path: Path) -> None:
    with signing_issuer() as issuer:
        async with gateway(tmp_path) as house, http() as client:
            asked = {"url": f"{issuer.url}/introspect", "client_id": "g", "client_secret": "env:SIGN_IN_SECRET"}
            reception = received(house, tmp_path, {"issuers": [issuer.settings(introspection=asked)]})
            issuer.active["opaque"] = {"active": True, **issuer.claims(house.clock(), aud=f"{house.url}/mcp")}
            head = {"authorization": "Bearer opaque"}
            # known, and yet refused there: the token is for another resource
            for _ in range(5):
                assert (await client.get(f"{house.url}/api/v1/whoami", headers=head)).status_code == 401
                assert (await ask(client, f"{house.url}/mcp/s/none", "tools/list", token="opaque")).status_code != 200
            assert issuer.asked.count("/introspect") == 1
            assert len(reception.guests) == 1
