"""The gateway's own sign-in: what a code, a refresh token and a consent are good for, and what they are not."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.app.gateway.signin import Reception
from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import revoke_api_token
from apiloom.flows.asking import Removal
from apiloom.flows.sign_ins import sweep_sign_ins
from support.fronts import front
from support.gateway import READS, Gateway, arrival, ask, gateway, http, names
from support.issuer import received, signing_issuer
from support.signing_in import CALLBACK, FORM, WEB, App


async def test_a_person_without_an_issuer_signs_in_with_an_api_token(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", 600, "mcp")
        assert await names(on.http, f"{on.house.url}/mcp", given["access_token"]) == [f"desk_{name}" for name in READS]
        token, consent = on.person.seen
        assert "API token" in token
        for told in ("The app", "this computer", "notes", "default"):
            assert told in consent
        assert on.person.token not in consent


async def test_metadata_say_what_clients_look_for(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        url = on.house.url
        told = (await on.http.get(f"{url}/.well-known/oauth-authorization-server")).json()
        assert told["issuer"] == url
        assert told["code_challenge_methods_supported"] == ["S256"]
        assert told["client_id_metadata_document_supported"] is True
        assert told["authorization_response_iss_parameter_supported"] is True
        resource = (await on.http.get(f"{url}/.well-known/oauth-protected-resource/mcp")).json()
        assert (resource["authorization_servers"], resource["scopes_supported"]) == ([url], ["mcp"])


async def test_without_a_facade_nothing_is_there(tmp_path: Path) -> None:
    with signing_issuer() as issuer:
        async with gateway(tmp_path) as house, http() as client:
            received(house, tmp_path, {"issuers": [issuer.settings()]})
            for path in ("/oauth/authorize", "/.well-known/oauth-authorization-server"):
                assert (await client.get(house.url + path)).status_code == 404


async def test_a_page_may_ask_for_the_metadata_with_headers_of_its_own(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        for place in ("oauth-protected-resource/mcp", "oauth-authorization-server"):
            asked = {"origin": "https://x.example", "access-control-request-headers": "mcp-protocol-version"}
            reply = await on.http.options(f"{on.house.url}/.well-known/{place}", headers=asked)
            assert (reply.status_code, reply.headers["access-control-allow-headers"]) == (204, "*")


async def test_the_host_of_a_resource_is_the_same_in_every_case_and_there_is_one(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        assert "://localhost:" in on.house.url or "://127.0.0.1:" in on.house.url
        loud = on.house.url.replace("http", "HTTP").upper()
        assert await on.status((await on.app.sign_in(on.person, resource=f"{loud}/mcp"))["access_token"]) == 200
        given = await on.app.sign_in(on.person)
        for wrong in (f"{loud}/MCP", f"{loud}.evil.example/mcp", f"{loud}@evil.example/mcp", loud):
            assert (await on.app.refresh(given["refresh_token"], resource=wrong)).json()["error"] == "invalid_target"
        named = f"resource={on.house.url}/mcp"
        twice = f"grant_type=refresh_token&client_id={on.app.id}&{named}&{named}"
        for more, error in (("", "invalid_target"), ("&client_id=x", "invalid_request")):
            reply = await on.http.post(
                f"{on.house.url}/oauth/token",
                content=f"{twice}&refresh_token={given['refresh_token']}{more}",
                headers={"content-type": "application/x-www-form-urlencoded"},
            )
            assert (reply.status_code, reply.json()["error"]) == (400, error)
        assert (await on.app.refresh(given["refresh_token"])).status_code == 200


async def test_a_token_is_good_for_its_resource_alone(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        one = await on.app.sign_in(on.person, resource=f"{on.house.url}/mcp/s/notes")
        token = one["access_token"]
        assert [await on.status(token, path) for path in ("/mcp/s/notes", "/mcp")] == [200, 401]
        all_ = (await on.app.sign_in(on.person))["access_token"]
        assert await on.status(all_) == 200
        for shown in (token, all_):
            reply = await on.http.get(f"{on.house.url}/api/v1/whoami", headers={"authorization": f"Bearer {shown}"})
            assert reply.status_code == 401


async def test_the_command_line_alone_may_ask_for_the_admin_api(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        on.person.token = await on.house.api_token(role="operator")
        cli = App(on.house, on.http, id="apiloom-cli", redirect_uri="http://127.0.0.1:9/")
        api = f"{on.house.url}/api/v1"
        came = cli.came(await on.person.open(cli.url(resource=api), until=("http://127.0.0.1:9/",)))
        assert "the admin API of this gateway, as operator" in on.person.seen[-1]
        token = (await cli.redeem(came["code"], resource=api)).json()["access_token"]
        reply = await on.http.get(f"{api}/whoami", headers={"authorization": f"Bearer {token}"})
        assert (reply.status_code, reply.json()["role"]) == (200, "operator")
        assert await on.status(token) == 401
        reply = await on.http.get(cli.url())
        assert on.app.came(reply.headers["location"])["error"] == "invalid_target"


async def test_a_code_works_once_and_a_second_time_ends_what_it_gave(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        code = on.app.came(await on.person.open(on.app.url()))["code"]
        token = (await on.app.redeem(code)).json()["access_token"]
        assert await on.status(token) == 200
        again = await on.app.redeem(code)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        assert await on.status(token) == 401


WRONG_CODES: list[dict[str, str | None]] = [
    {"code_verifier": "x" * 43},
    {"code_verifier": None},
    {"code_verifier": "short"},
    {"redirect_uri": "http://127.0.0.1:9/other"},
    {"client_id": "cli_another"},
    {"client_id": None},
    {"resource": "http://127.0.0.1:1/mcp"},
    {"code": "made up"},
    {"grant_type": "password"},
    {"grant_type": "client_credentials"},
]


async def test_a_code_is_worth_nothing_to_others(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        code = on.app.came(await on.person.open(on.app.url()))["code"]
        for wrong in WRONG_CODES:
            reply = await on.app.redeem(code, **{"code": code, **wrong})
            assert reply.status_code in {400, 401}, wrong
            assert set(reply.json()) == {"error", "error_description"}
        assert (await on.app.redeem(code)).status_code == 200


async def test_a_code_ends_after_a_minute(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        code = on.app.came(await on.person.open(on.app.url()))["code"]
        on.house.clock.now += 60
        assert (await on.app.redeem(code)).json()["error"] == "invalid_grant"


async def test_refresh_tokens_turn_over_with_grace_and_their_reuse_ends_all(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        first = await on.app.sign_in(on.person)
        together = await asyncio.gather(*(on.app.refresh(first["refresh_token"]) for _ in range(10)))
        assert {reply.status_code for reply in together} == {200}
        # whoever was late is given the same one, so that all of them go on
        assert len({reply.json()["refresh_token"] for reply in together}) == 1
        second = together[0].json()
        assert second["refresh_token"] != first["refresh_token"]
        for reply in together:
            assert await on.status(reply.json()["access_token"]) == 200
        on.house.clock.now += 60
        late = await on.app.refresh(first["refresh_token"])
        assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")
        assert await on.status(second["access_token"]) == 401
        assert (await on.app.refresh(second["refresh_token"])).status_code == 400


async def test_a_refresh_token_is_its_clients_and_of_this_house(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        token = (await on.app.sign_in(on.person))["refresh_token"]
        other = App(on.house, on.http)
        await other.register()
        assert (await other.refresh(token)).json()["error"] == "invalid_grant"
        said, _, proof = token.rpartition(".")
        for forged in (f"{said}.{proof[::-1]}", token.replace(".1.", ".2."), token[:-1], "alr_x", ""):
            assert (await on.app.refresh(forged)).status_code == 400
        assert (await on.app.refresh(token, resource=f"{on.house.url}/mcp/s/notes")).json()["error"] == "invalid_target"
        assert (await on.app.refresh(token)).status_code == 200


async def test_an_access_token_ends_and_no_other_can_be_made(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        token = (await on.app.sign_in(on.person))["access_token"]
        parts = token.split(".")
        for at in range(4):
            spoiled = [*parts]
            spoiled[at] = spoiled[at][:-2] + ("aa" if spoiled[at][-2:] != "aa" else "bb")
            assert await on.status(".".join(spoiled)) == 401
        assert await on.status(token) == 200
        on.house.clock.now += 600
        assert await on.status(token) == 401


async def test_revocation_cuts_what_is_open_on_every_node(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        token = given["access_token"]
        slow = asyncio.create_task(
            ask(on.http, f"{on.house.url}/mcp", "tools/call", {"name": "desk_wait_long", "arguments": {}}, token)
        )
        await arrival(on.desk)
        form = {"token": given["refresh_token"], "client_id": on.app.id}
        assert (await on.http.post(f"{on.house.url}/oauth/revoke", data=form)).status_code == 200
        await on.house.settle()
        with pytest.raises(httpx.HTTPError):
            (await asyncio.wait_for(slow, 20)).raise_for_status()
        assert await on.status(token) == 401
        assert (await on.app.refresh(given["refresh_token"])).status_code == 400


async def test_a_client_ends_its_own_sign_ins_and_no_others(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        other = App(on.house, on.http)
        await other.register()

        async def ended(**form: str) -> tuple[int, str]:
            reply = await on.http.post(f"{on.house.url}/oauth/revoke", data=form)
            await on.house.settle()
            assert ("www-authenticate" in reply.headers) == (reply.status_code == 401)
            return reply.status_code, reply.json().get("error", "")

        for token in (given["access_token"], given["refresh_token"]):
            assert await ended(token=token, client_id=other.id) == (400, "invalid_grant")
            assert await ended(token=token) == (401, "invalid_client")
            spoiled = token[:-4] + ("aaaa" if token[-4:] != "aaaa" else "bbbb")
            assert await ended(token=spoiled, client_id=other.id) == (200, "")
        assert await ended(client_id=on.app.id) == (400, "invalid_request")
        assert await on.status(given["access_token"]) == 200
        assert await ended(token=given["access_token"], client_id=on.app.id) == (200, "")
        assert await on.status(given["access_token"]) == 401
        # what is over is nobody's any more
        assert await ended(token=given["refresh_token"], client_id=other.id) == (200, "")


async def test_two_nodes_agree_on_who_is_signed_in(tmp_path: Path) -> None:
    async with front(tmp_path) as on, gateway(tmp_path) as other:
        received(other, tmp_path, {"facade": {}})
        # the other node is another process of the same house, behind the same URL
        given = await on.app.sign_in(on.person)
        token = given["access_token"]
        assert (await ask(on.http, f"{other.url}/mcp", "tools/list", token=token)).status_code == 200
        form = {"token": token, "client_id": on.app.id}
        await on.http.post(f"{on.house.url}/oauth/revoke", data=form)
        await other.settle()
        assert (await ask(on.http, f"{other.url}/mcp", "tools/list", token=token)).status_code == 401


async def test_a_sign_in_ends_with_the_api_token_it_began_with(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        given = await on.app.sign_in(on.person)
        assert await on.status(given["access_token"]) == 200
        holder = on.house.node.memory.index.get(on.person.token, on.house.clock())
        assert holder is not None
        await on.house.done(revoke_api_token(on.house.ground, HOST, holder.token, Removal()))
        assert await on.status(given["access_token"]) == 401
        refreshed = await on.app.refresh(given["refresh_token"])
        assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")


# nobody is sent where they should not be, and nobody acts for one who did not agree


WRONG_PLACES = [
    "https://evil.example/",
    "http://127.0.0.1:9/callback/../x",
    "http://127.0.0.1:9/callback?x=1",
    "http://127.0.0.1:9/CALLBACK",
    "http://127.0.0.1.evil.example/callback",
    "http://user@127.0.0.1:9/callback",
    "http://127.0.0.1:9/callback#x",
    "http://127.0.0.1:9\\@evil.example/callback",
    "https://127.0.0.1:9/callback",
    "//evil.example",
    "javascript:alert(1)",
    "",
]


async def test_nobody_is_sent_to_a_place_that_was_not_registered(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        await on.app.register(redirect_uris=[CALLBACK, WEB])
        for place in WRONG_PLACES:
            reply = await on.http.get(on.app.url(redirect_uri=place))
            assert reply.status_code == 400, place
            assert "location" not in reply.headers
            assert "evil" not in reply.text


async def test_only_the_port_of_this_computer_may_differ(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        reply = await on.http.get(on.app.url(redirect_uri="http://127.0.0.1:50123/callback"))
        assert reply.status_code == 303
        await on.app.register(redirect_uris=["https://client.example:444/callback"])
        reply = await on.http.get(on.app.url(redirect_uri="https://client.example:445/callback"))
        assert reply.status_code == 400


NO_PLACES: list[Any] = [
    "http://evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://u:p@h.example/",
    "https://h.example/#f",
    "https:///x",
    "http://localhost.evil.example/",
    "file:///etc/passwd",
    " https://h.example/",
    "https://h.example/\r\nx: y",
    "",
    7,
]


async def test_places_that_nobody_should_be_sent_to_cannot_be_registered(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        for uri in NO_PLACES:
            on.seconds[0] += 60
            told = await on.app.register(redirect_uris=[uri])
            assert told["error"] == "invalid_redirect_uri", uri


WRONG_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "x" * 44}, "invalid_request"),
    ({"code_challenge": "=" * 43}, "invalid_request"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"state": "x" * 2001}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"resource": None}, "invalid_target"),
    ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
    ({"resource": "{url}/api/v1"}, "invalid_target"),
    ({"resource": "{url}/mcp/"}, "invalid_target"),
    ({"resource": "{url}.evil.example/mcp"}, "invalid_target"),
]


async def test_a_wrong_request_is_told_to_a_program_and_sends_nobody_into_the_web(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        web = App(on.house, on.http, redirect_uri=WEB)
        await web.register()
        for wrong, word in WRONG_REQUESTS:
            asked = {name: value and value.replace("{url}", on.house.url) for name, value in wrong.items()}
            reply = await on.http.get(on.app.url(**asked))
            assert on.app.came(reply.headers["location"])["error"] == word
            reply = await on.http.get(web.url(**asked))
            assert (reply.status_code, "location" in reply.headers) == (400, False)


async def test_each_client_asks_for_consent_and_only_the_very_same_is_remembered(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        web = App(on.house, on.http, redirect_uri=WEB)
        await web.register()
        await web.sign_in(on.person)
        asked = len([page for page in on.person.seen if "Allow access?" in page])
        await web.sign_in(on.person)
        assert len([page for page in on.person.seen if "Allow access?" in page]) == asked
        # another resource, another client by the same name, and a program on this computer are asked about
        await web.sign_in(on.person, resource=f"{on.house.url}/mcp/s/notes")
        thief = App(on.house, on.http, redirect_uri=WEB)
        await thief.register()
        await thief.sign_in(on.person)
        await on.app.sign_in(on.person)
        await on.app.sign_in(on.person)
        assert len([page for page in on.person.seen if "Allow access?" in page]) == asked + 4


async def test_who_does_not_allow_it_is_asked_again_next_time(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        on.person.decision = "deny"
        came = on.app.came(await on.person.open(on.app.url()))
        assert (came["error"], came["iss"]) == ("access_denied", on.house.url)
        assert "code" not in came


async def test_a_sign_in_belongs_to_the_browser_it_began_in(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        reply = await on.person.client.get(on.app.url())
        page = await on.person.client.get(reply.headers["location"])
        async with httpx.AsyncClient(timeout=20) as stranger:
            stolen = await stranger.get(reply.headers["location"])
            assert stolen.status_code == 400
            sent = await stranger.post(reply.headers["location"], data={"token": on.person.token, "csrf": "x"})
            assert sent.status_code == 400
        forged = await on.person.client.post(reply.headers["location"], data={"token": on.person.token, "csrf": "x"})
        assert forged.status_code == 400
        elsewhere = {"sec-fetch-site": "cross-site"}
        crossed = await on.person.client.post(reply.headers["location"], data={"csrf": "x"}, headers=elsewhere)
        assert crossed.status_code == 400
        assert page.status_code == 200


async def test_pages_can_be_framed_by_nobody_and_show_names_as_text(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        await on.app.register(client_name='<script>alert("x")</script>\u202e\n')
        assert await on.person.open(on.app.url())
        consent = on.person.seen[-1]
        assert "<script" not in consent
        assert "&lt;script&gt;" in consent
        assert "\u202e" not in consent
        reply = await on.http.get(on.app.url())
        page = await on.person.client.get(reply.headers["location"], headers={"cookie": reply.headers["set-cookie"]})
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        cookie = reply.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie


RULES = "default-src 'none'; style-src 'nonce'; img-src data:; {}frame-ancestors 'none'; base-uri 'none'"


async def test_forms_stay_here_but_for_those_whose_answer_leads_to_the_client(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        token = await on.person.client.get(on.app.url(), follow_redirects=True)
        found = FORM.search(token.text)
        assert found is not None
        consent = await on.person.client.get((await on.person.send(token, found)).headers["location"])
        device = await on.person.client.get(f"{on.house.url}/oauth/device")
        sorry = await on.person.client.get(f"{on.house.url}/oauth/consent/none")
        # browsers hold every redirect behind a form to the rule, also those of the client's own pages
        for page, forms in (
            (token, ""),
            (consent, ""),
            (device, "form-action 'self'; "),
            (sorry, "form-action 'self'; "),
        ):
            rules = re.sub(r"'nonce-[A-Za-z0-9_-]{22}'", "'nonce'", page.headers["content-security-policy"])
            assert rules == RULES.format(forms)


async def test_registrations_and_guesses_are_bounded(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        replies = [await on.app.register() for _ in range(25)]
        assert [reply["error"] for reply in replies if "error" in reply] == ["slow_down"] * 6
        assert (await on.app.register(client_name="x" * 70_000))["error"] in {"slow_down", "invalid_request"}
        on.seconds[0] += 60
        assert "client_id" in await on.app.register()
        on.house.clock.now += 86_400
        await sweep_sign_ins(on.house.ground)
        async with on.house.ground.store.reading() as work:
            assert await work.house().registrations.count() == 0


async def test_a_client_is_named_by_its_document_and_shown_with_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://client.example/oauth/app.json"
    served: dict[str, Any] = {"client_id": url, "client_name": "Named", "redirect_uris": [WEB, CALLBACK]}
    asked: list[str] = []

    async def fetched(_: Reception, place: str) -> bytes:
        asked.append(place)
        return json.dumps(served).encode()

    monkeypatch.setattr(Reception, "document", fetched)
    async with front(tmp_path) as on:
        app = App(on.house, on.http, id=url, redirect_uri=WEB)
        token = (await app.sign_in(on.person))["access_token"]
        assert await on.status(token) == 200
        assert "client.example" in on.person.seen[-1]
        assert "any program on this computer" not in on.person.seen[-1]
        await app.sign_in(on.person)
        # who knows the client's URL knows its document: a program here may say that it is the client
        await App(on.house, on.http, id=url).sign_in(on.person)
        assert "any program on this computer" in on.person.seen[-1]
        assert asked == [url]
        served["client_id"] = "https://other.example/"
        on.house.clock.now += 3600
        assert (await on.http.get(app.url())).status_code == 400


async def test_a_document_is_not_looked_for_where_the_guard_lets_nobody_go(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        for url in ("https://127.0.0.1:1/x", "https://10.0.0.1/x", "https://169.254.169.254/latest"):
            reply = await on.http.get(App(on.house, on.http, id=url, redirect_uri=WEB).url())
            assert reply.status_code == 400
            assert str(urlsplit(url).hostname) not in reply.text


async def test_no_noise_at_any_door_is_our_fault(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        token = (await on.app.sign_in(on.person))["refresh_token"]
        kept = await counted(on.house)
        for path, form in noise(on.app, token):
            on.seconds[0] += 60
            method = "GET" if path in {"authorize", "callback"} else "POST"
            target = f"{on.house.url}/oauth/{path}"
            if method == "GET":
                reply = await on.http.get(target, params=form)
            elif path == "register":
                reply = await on.http.post(target, json=form)
            else:
                reply = await on.http.post(target, data=form)
            assert reply.status_code in {200, 201, 303, 400, 401, 404}, (path, form, reply.text)
            if reply.status_code == 200:
                assert path == "revoke"
        assert await counted(on.house) == kept


async def counted(house: Gateway) -> int:
    async with house.ground.store.reading() as work:
        return await work.house().token_families.count()


def noise(app: App, token: str) -> list[tuple[str, dict[str, str]]]:
    """Requests that are nearly right."""
    found: list[tuple[str, dict[str, str]]] = []
    words = st.one_of(
        st.text(max_size=60),
        st.sampled_from([app.id, CALLBACK, "code", "S256", "authorization_code", "refresh_token", app.house.url]),
        st.sampled_from([token[:-1], token.replace("alr", "alt"), "https://client.example/x", "\x00", "a" * 3000]),
    )
    members = st.sampled_from(
        [
            *("client_id", "redirect_uri", "response_type", "code", "code_verifier", "code_challenge", "state", "iss"),
            *("code_challenge_method", "resource", "grant_type", "refresh_token", "token", "scope", "error"),
        ]
    )

    @settings(max_examples=80, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["authorize", "callback", "token", "revoke", "register", "consent/sgn_x", "token-page/x"]),
        st.dictionaries(members, words, max_size=8),
    )
    def collect(path: str, form: dict[str, str]) -> None:
        found.append((path, form))

    collect()
    return found
