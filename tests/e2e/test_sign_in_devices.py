"""Signing in for a device without a browser (RFC 8628): whose code it is, who decides, and what others can do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.console.signin import devices
from apiloom.flows import device_sign_ins
from apiloom.flows.device_sign_ins import LETTERS
from apiloom.flows.sign_ins import sweep_sign_ins
from support.devices import ALL, GRANT, GRANTS, Device, decided, device, sent, typed
from support.fronts import Front, front
from support.gateway import READS, gateway, names
from support.issuer import received
from support.signing_in import FORM, WEB, App, Person


async def rows(on: Front, kind: str = "sign_ins") -> list[Any]:
    async with on.house.ground.store.reading() as work:
        return list(await getattr(work.house(), kind).every())


async def test_a_device_is_let_in_by_whoever_types_its_code(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        assert it.told["verification_uri"] == f"{on.house.url}/oauth/device"
        assert (it.told["expires_in"], it.told["interval"]) == (900, 5)
        assert len(it.code.replace("-", "")) == 8
        assert set(it.code.replace("-", "")) <= set(LETTERS)
        assert await it.says() == "authorization_pending"
        page = await decided(on, it.code.lower().replace("-", " "))
        assert "Go back to your device" in page
        consent = next(page for page in on.person.seen if "another device" in page and "calls itself" in page)
        for told in ("The app", "notes", "default", "just now", "127.0.0.1", "where you are too"):
            assert told in consent
        given = (await it.ask()).json()
        assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", 600, "mcp")
        assert await names(on.http, f"{on.house.url}/mcp", given["access_token"]) == [f"desk_{name}" for name in READS]
        assert (await it.app.refresh(given["refresh_token"])).status_code == 200
        (family,) = await rows(on, "token_families")
        assert (family.client, family.principal["redirect"]) == (it.app.id, "")


async def test_the_command_line_may_by_itself_and_for_the_admin_api_alone(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        told = (await on.http.get(f"{on.house.url}/.well-known/oauth-authorization-server")).json()
        assert told["device_authorization_endpoint"] == f"{on.house.url}/oauth/device_authorization"
        assert GRANT in told["grant_types_supported"]
        on.person.token = await on.house.api_token(role="operator")
        cli = Device(on, App(on.house, on.http, id="apiloom-cli"))
        assert (await cli.begin()).json()["error"] == "invalid_target"
        api = f"{on.house.url}/api/v1"
        assert (await cli.begin(resource=api)).status_code == 200
        await decided(on, cli.code)
        assert any("the admin API of this gateway, as operator" in page for page in on.person.seen)
        token = (await cli.ask()).json()["access_token"]
        reply = await on.http.get(f"{api}/whoami", headers={"authorization": f"Bearer {token}"})
        assert (reply.status_code, reply.json()["role"]) == (200, "operator")
        assert await on.status(token) == 401


async def test_other_clients_may_only_where_the_operator_and_they_themselves_say_so(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        it = Device(on, App(on.house, on.http))
        told = await it.app.register(grant_types=[GRANT])
        assert told["error"] == "invalid_client_metadata"
        told = await it.app.register(grant_types=["authorization_code", GRANT])
        assert told["grant_types"] == ["authorization_code", "refresh_token"]
        assert (await it.begin()).json()["error"] == "unauthorized_client"
    (tmp_path / "all").mkdir()
    async with front(tmp_path / "all", **ALL) as on:
        it = Device(on, on.app)
        assert (await it.begin()).json()["error"] == "unauthorized_client"
        told = await it.app.register(grant_types=GRANTS, redirect_uris=[])
        assert (told["grant_types"], told["response_types"]) == (["refresh_token", GRANT], [])
        assert (await it.begin()).status_code == 200
        # one that has nobody sent back cannot have people sent anywhere
        assert (await on.http.get(it.app.url())).status_code == 400
    (tmp_path / "none").mkdir()
    async with front(tmp_path / "none", devices="none") as on:
        told = (await on.http.get(f"{on.house.url}/.well-known/oauth-authorization-server")).json()
        assert "device_authorization_endpoint" not in told
        assert GRANT not in told["grant_types_supported"]
        cli = Device(on, App(on.house, on.http, id="apiloom-cli"))
        assert (await cli.begin(resource=f"{on.house.url}/api/v1")).json()["error"] == "unauthorized_client"
        assert (await on.http.get(f"{on.house.url}/oauth/device")).status_code == 400


@pytest.mark.system
async def test_what_was_begun_ends_when_the_operator_switches_it_off(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it, late = await device(on), await device(on)
        await decided(on, it.code)
        on.reception.file.write_text(json.dumps({"facade": {"devices": "cli"}}))
        on.reception._state = ()
        assert on.reception.reload()
        assert await it.says() == "unauthorized_client"
        assert (await typed(on, late.code)).status_code == 400


async def test_who_does_not_allow_it_ends_it_for_good(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        assert "told so" in await decided(on, it.code, "deny")
        assert await it.says() == "access_denied"
        assert (await typed(on, it.code)).status_code == 400
        assert await it.says() == "access_denied"
        assert await rows(on, "token_families") == []


async def test_both_codes_die_in_a_quarter_of_an_hour(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        page = await typed(on, it.code)
        await on.person.open(page.headers["location"], until=(f"{on.house.url}/oauth/consent",))
        on.house.clock.now += 900
        assert await it.says() == "expired_token"
        assert (await typed(on, it.code)).status_code == 400
        await sweep_sign_ins(on.house.ground)
        assert await it.says() == "expired_token"
        on.house.clock.now += 120
        await sweep_sign_ins(on.house.ground)
        assert await it.says() == "invalid_grant"
        assert await rows(on) == []


@pytest.mark.system
async def test_a_device_that_was_let_in_has_two_minutes_to_ask_once_more(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        for late in (899, 0):
            it, lazy = await device(on), await device(on)
            on.house.clock.now += late
            for each in (it, lazy):
                await decided(on, each.code)
            on.house.clock.now += 119
            assert (await it.ask()).status_code == 200
            on.house.clock.now += 1
            assert await lazy.says() == "expired_token"


@pytest.mark.system
async def test_agreeing_after_the_end_lets_nobody_in(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        on.house.clock.now += 600
        consent, page = await at_consent(on, it.code)
        on.house.clock.now += 301
        reply = await on.person.send(page, consent)
        assert reply.status_code == 400
        assert await it.says() == "expired_token"


async def at_consent(on: Front, code: str, person: Person | None = None) -> tuple[Any, httpx.Response]:
    """The form of the last page, and that page, before it is sent."""
    somebody = person or on.person
    reply = await typed(on, code, somebody)
    page = await somebody.client.get(reply.headers["location"])
    found = FORM.search(page.text)
    assert found is not None
    reply = await somebody.send(page, found)
    page = await somebody.client.get(reply.headers["location"])
    found = FORM.search(page.text)
    assert found is not None, page.text
    return found, page


async def test_the_first_decision_counts_whoever_else_has_typed_the_code(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on, httpx.AsyncClient(timeout=20) as browser:
        bob = Person(token=await on.house.api_token(tenant="default", end_user="bob"), client=browser)
        for first in ("allow", "deny"):
            it = await device(on)
            mine, page = await at_consent(on, it.code)
            theirs, other = await at_consent(on, it.code, bob)
            on.person.decision, bob.decision = first, "allow" if first == "deny" else "deny"
            assert (await on.person.send(page, mine)).status_code == 200
            late = await bob.send(other, theirs)
            assert late.status_code == 400
            assert "over" in late.text
            assert (await on.person.send(page, mine)).status_code == 400
            if first == "allow":
                assert (await it.ask()).status_code == 200
                (family,) = await rows(on, "token_families")
                assert family.principal["end_user"] == ""
            else:
                assert await it.says() == "access_denied"


async def test_who_typed_the_code_is_who_decides(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on, httpx.AsyncClient(timeout=20) as browser:
        it = await device(on)
        consent, page = await at_consent(on, it.code)
        thief = Person(client=browser)
        assert (await thief.client.get(str(page.request.url))).status_code == 400
        assert (await thief.send(page, consent)).status_code == 400
        assert await it.says() == "authorization_pending"
        # nor is the form sent by a page of somebody else
        reply = await on.person.client.post(
            str(page.request.url), data={"decision": "allow"}, headers={"sec-fetch-site": "cross-site"}
        )
        assert reply.status_code == 400
        assert await it.says() == "authorization_pending"


async def test_a_link_with_the_code_does_nothing_until_somebody_says_it_is_the_right_one(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        page = await on.person.client.get(it.told["verification_uri_complete"])
        assert page.status_code == 200
        assert it.code in page.text
        assert "Nobody who helps you needs such a code" in page.text
        assert len(await rows(on)) == 1
        reply = await sent(page, it.code, on.person.client)
        assert reply.status_code == 303
        # what is no code is not shown
        for text in ("<script>alert(1)</script>", "AAAA-AAAA", "BCDF", "B" * 5000, "ＢＣＤＦＧＨＪＫ"):
            page = await on.http.get(f"{on.house.url}/oauth/device", params={"user_code": text})
            assert page.status_code == 200
            assert 'value=""' in page.text
            assert "<script" not in page.text


async def test_the_page_takes_no_form_that_it_did_not_show(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on, httpx.AsyncClient(timeout=20) as attacker:
        it = await device(on)
        url = f"{on.house.url}/oauth/device"
        own = await attacker.get(url)
        csrf = own.text.split('name="csrf" value="')[1].split('"')[0]
        await on.person.client.get(url)
        for form in ({"user_code": it.code}, {"user_code": it.code, "csrf": csrf}, {"user_code": it.code, "csrf": "x"}):
            reply = await on.person.client.post(url, data=form)
            assert (reply.status_code, "location" in reply.headers) == (400, False)
        fresh = await on.person.client.get(url)
        token = fresh.text.split('name="csrf" value="')[1].split('"')[0]
        reply = await on.person.client.post(
            url, data={"user_code": it.code, "csrf": token}, headers={"sec-fetch-site": "cross-site"}
        )
        assert reply.status_code == 400
        assert len(await rows(on)) == 1


async def test_guesses_are_few_from_one_address_and_few_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "GUESSES", 3)
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        replies = [await typed(on, "BCDF-GHJK") for _ in range(3)]
        assert {reply.status_code for reply in replies} == {400}
        # the right one is no help to whoever has guessed too often
        assert (await typed(on, it.code)).status_code == 429
        on.seconds[0] += 60
        assert (await typed(on, it.code)).status_code == 303
    monkeypatch.setattr(devices, "GUESSES", 100)
    monkeypatch.setattr(devices, "ALL_GUESSES", 3)
    (tmp_path / "more").mkdir()
    async with front(tmp_path / "more", **ALL) as on:
        assert [(await typed(on, "BCDF-GHJK")).status_code for _ in range(4)] == [400] * 3 + [429]


@pytest.mark.system
async def test_what_a_code_begins_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "STARTS", 4)
    monkeypatch.setattr(device_sign_ins, "MOST", 3)
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        replies = [await typed(on, it.code) for _ in range(device_sign_ins.MOST_TYPED + 1)]
        assert [reply.status_code for reply in replies] == [303] * device_sign_ins.MOST_TYPED + [400]
        more = [await it.begin() for _ in range(4)]
        assert [reply.status_code for reply in more] == [200, 200, 503, 429]


async def test_who_asks_too_early_is_told_to_wait_longer_and_costs_no_look_at_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    real = device_sign_ins.redeem_device

    async def counted(*given: Any) -> Any:
        looks.append(1)
        return await real(*given)

    monkeypatch.setattr(device_sign_ins, "redeem_device", counted)
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        assert await it.says() == "authorization_pending"
        storm = [await it.ask(wait=0) for _ in range(50)]
        assert {(reply.status_code, reply.json()["error"]) for reply in storm} == {(400, "slow_down")}
        assert len(looks) == 1
        assert await it.says(wait=20) == "slow_down"
        assert await it.says(wait=60) == "authorization_pending"
        # another device is not held up by it
        other = await device(on)
        assert await other.says(wait=0) == "authorization_pending"


async def test_a_device_code_is_its_clients_and_of_one_resource_and_works_once(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        thief = App(on.house, on.http)
        await thief.register(grant_types=GRANTS, redirect_uris=[])
        await decided(on, it.code)
        wrong: list[tuple[dict[str, str | None], str]] = [
            ({"client_id": thief.id}, "invalid_grant"),
            ({"client_id": "apiloom-cli"}, "invalid_grant"),
            ({"client_id": None}, "invalid_client"),
            ({"resource": f"{on.house.url}/mcp/s/notes"}, "invalid_target"),
            ({"resource": f"{on.house.url}/api/v1"}, "invalid_target"),
            ({"device_code": it.told["user_code"]}, "invalid_grant"),
            ({"device_code": "x"}, "invalid_grant"),
            ({"device_code": None}, "invalid_request"),
            ({"grant_type": "authorization_code", "code": it.told["device_code"]}, "invalid_grant"),
        ]
        for more, error in wrong:
            assert await it.says(wait=60, **more) == error, more
        token = (await it.ask(wait=60)).json()["access_token"]
        assert await on.status(token) == 200
        # shown twice it is in other hands: what it gave ends
        assert await it.says(wait=60) == "invalid_grant"
        assert await on.status(token) == 401


async def test_what_is_kept_of_the_codes_opens_nothing(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        (row,) = await rows(on)
        kept = repr(row).encode() + row.digest + row.user_code + json.dumps(dict(row.asked)).encode()
        for secret in (it.code, it.code.replace("-", ""), it.told["device_code"]):
            assert secret.encode() not in kept
        await decided(on, it.code)
        (row,) = await rows(on)
        assert (row.state, row.user_code) == ("approved", b"")
        assert b"token:" not in row.sealed


async def test_a_person_who_is_let_in_no_more_when_the_device_asks_gives_it_nothing(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        await decided(on, it.code)
        others = {"issuer": "https://new.example", "client_id": "x", "principals": [{"tenant": "default"}]}
        on.reception.file.write_text(json.dumps({"facade": {**others, **ALL}}))
        on.reception._state = ()
        assert on.reception.reload()
        assert await it.says() == "invalid_grant"


@pytest.mark.system
async def test_two_questions_at_the_same_time_give_one_sign_in(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        await decided(on, it.code)
        replies = await asyncio.gather(*(it.ask(wait=0) for _ in range(5)))
        assert sorted(reply.status_code for reply in replies) == [200, 400, 400, 400, 400]
        token = next(reply.json()["access_token"] for reply in replies if reply.status_code == 200)
        assert await on.status(token) == 200


@pytest.mark.system
async def test_a_device_begins_at_one_node_is_let_in_at_another_and_asks_the_first(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on, gateway(tmp_path) as other:
        received(other, tmp_path, {"facade": ALL}, clock=lambda: on.seconds[0])
        it = await device(on)
        page = await on.person.client.get(f"{other.url}/oauth/device")
        reply = await sent(page, it.code, on.person.client)
        # each node of this test has a URL of its own; a browser would meet both behind one
        await on.person.open(reply.headers["location"].replace(on.house.url, other.url))
        assert "Go back to your device" in on.person.seen[-1]
        token = (await it.ask()).json()["access_token"]
        assert await on.status(token) == 200


@pytest.mark.system
async def test_a_place_in_the_web_is_not_remembered_from_a_device(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        await it.app.register(grant_types=["authorization_code", GRANT], redirect_uris=[WEB])
        it.app.redirect_uri = WEB
        await it.begin()
        await decided(on, it.code)
        assert (await it.ask()).status_code == 200
        before = len(on.person.seen)
        await it.app.sign_in(on.person)
        assert any("Allow access?" in page for page in on.person.seen[before:])
        # nor the other way round
        await it.begin()
        before = len(on.person.seen)
        await decided(on, it.code)
        assert any("another device" in page and "calls itself" in page for page in on.person.seen[before:])


@pytest.mark.system
async def test_no_noise_at_the_doors_of_devices_is_our_fault(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        it = await device(on)
        for path, form in noise(on, it):
            on.seconds[0] += 60
            target = f"{on.house.url}/oauth/{path}"
            method = "GET" if path.startswith("device?") else "POST"
            reply = await on.http.request(method, target, data=None if method == "GET" else form)
            allowed = (
                {200, 400} if method == "GET" else {400, 401} if path != "device_authorization" else {200, 400, 401}
            )
            assert reply.status_code in allowed, (path, form, reply.text)
        assert await rows(on, "token_families") == []
        assert {each.state for each in await rows(on)} == {"device"}
        huge = await on.http.post(f"{on.house.url}/oauth/device", data={"user_code": "B" * 70_000})
        assert huge.status_code == 400
        assert (await on.http.get(f"{on.house.url}/oauth/device?user_code=B&user_code=C")).status_code == 400


def noise(on: Front, it: Device) -> list[tuple[str, dict[str, str]]]:
    """Requests that are nearly right."""
    found: list[tuple[str, dict[str, str]]] = []
    known = [it.app.id, it.code, it.told["device_code"][:-1], GRANT, f"{on.house.url}/mcp", "apiloom-cli", "\x00", "é"]
    members = st.sampled_from(["client_id", "user_code", "device_code", "grant_type", "resource", "csrf", "scope"])
    words = st.one_of(st.sampled_from(known), st.text(max_size=40))

    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["device_authorization", "device", "token", "device?user_code=%FF", "device?user_code=%E9"]),
        st.dictionaries(members, words, max_size=6),
    )
    def collect(path: str, form: dict[str, str]) -> None:
        found.append((path, form))

    collect()
    return found
