"""``apiloom login``: somebody signs in with the browser of this computer, and commands are theirs until that ends."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import stat
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from apiloom.base.errors import CallerError, UpstreamError
from apiloom.console.cli.platform.signed_in import ended, sign_in
from apiloom.console.signin import devices, polls
from support.devices import sent
from support.gateway import gateway
from support.issuer import received
from support.servers import APILOOM, clean_environment
from support.signing_in import Person
from support.tls import identity, tls_door
from support.upstream import Answer, upstream


async def said(folder: Path, *words: str, **more: str) -> tuple[int, str, str]:
    """What a command prints, and its exit code; ``more`` are variables of its environment."""
    process = await asyncio.create_subprocess_exec(
        *(*APILOOM, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(str(folder), more),
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), errors.decode()


async def test_somebody_signs_in_and_their_commands_are_theirs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with gateway(tmp_path, running=True) as house:
        received(house, tmp_path, {"facade": {}})
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] == 2
        process = await asyncio.create_subprocess_exec(
            *(*APILOOM, "login", "--gateway", house.url),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(str(home)),
        )
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        url = line[line.index("http") :].strip()
        hint = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        assert "apiloom login --device" in hint
        person = Person(token=await house.api_token(role="auditor"))
        place = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        back = await person.open(url, until=(place,))
        assert "as auditor" in person.seen[-1]
        assert (await person.client.get(back)).status_code == 200
        rest = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
        assert process.returncode == 0
        assert "you are signed in" in rest
        (file,) = home.rglob("sign-ins/*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_bytes())["access"] not in line + rest

        code, out, _ = await said(home, "tenant", "list", "--gateway", house.url, "--json")
        assert (code, json.loads(out)["items"][0]["id"]) == (0, "default")
        assert (await said(home, "tenant", "add", "acme", "--gateway", house.url))[0] == 2
        # a token that has ended is renewed by itself
        file.write_text(json.dumps({**json.loads(file.read_bytes()), "ends": 0}))
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] == 0

        kept = file.read_bytes()
        assert (await said(home, "login", "--gateway", house.url, "--end"))[0] == 0
        assert not file.exists()
        file.write_bytes(kept)
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] != 0
        await person.client.aclose()


def signing_in(home: Path, url: str, **more: str) -> Awaitable[asyncio.subprocess.Process]:
    return asyncio.create_subprocess_exec(
        *(*APILOOM, "login", "--device", "--gateway", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(str(home), more),
    )


async def shown(process: asyncio.subprocess.Process) -> tuple[str, str, str]:
    """The page, the code, and the page with the code, as they stand on the terminal."""
    assert process.stderr is not None
    lines = [(await asyncio.wait_for(process.stderr.readline(), 60)).decode() for _ in range(3)]
    page, link = (line[line.index("http") :].strip() for line in (lines[0], lines[2]))
    return page, lines[1].rpartition(" ")[2].strip(), link


async def test_somebody_signs_in_from_a_machine_without_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "INTERVAL", 1)
    monkeypatch.setattr(polls, "INTERVAL", 1)
    home = tmp_path / "home"
    home.mkdir()
    async with gateway(tmp_path, running=True) as house, httpx.AsyncClient(timeout=20) as browser:
        received(house, tmp_path, {"facade": {}})
        person = Person(token=await house.api_token(role="auditor"), client=browser)
        process = await signing_in(home, house.url)
        page, code, link = await shown(process)
        assert page == f"{house.url}/oauth/device"
        assert link.endswith(f"user_code={code}")
        reply = await sent(await browser.get(page), code, browser)
        await person.open(reply.headers["location"])
        assert any("as auditor" in each for each in person.seen)
        rest = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
        assert (process.returncode, "you are signed in" in rest) == (0, True)
        (file,) = home.rglob("sign-ins/*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        code, out, _ = await said(home, "sign-in", "list", "--gateway", house.url, "--json")
        (living,) = json.loads(out)["items"]
        assert (living["client"], living["client_name"]) == ("apiloom-cli", "apiloom on the command line")
        assert (living["role"], living["resource"], living["redirect_uri"]) == ("auditor", "/api/v1", None)
        # an auditor looks, and ends nothing; whoever has the store ends it
        assert (await said(home, "sign-in", "end", living["id"], "--gateway", house.url))[0] == 2
        assert (await said(home, "sign-in", "show", living["id"], "--gateway", house.url))[0] == 0

        process = await signing_in(home, house.url)
        _, code, _ = await shown(process)
        person.decision = "deny"
        reply = await sent(await browser.get(page), code, browser)
        await person.open(reply.headers["location"])
        rest = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
        assert (process.returncode, "it was not allowed" in rest) == (2, True)
        # what was kept before stays
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] == 0


async def test_a_gateway_of_a_private_authority_is_signed_in_at_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "INTERVAL", 1)
    monkeypatch.setattr(polls, "INTERVAL", 1)
    home = tmp_path / "home"
    home.mkdir()
    authority = identity("the company's own authority")
    trusted = tmp_path / "authority.pem"
    trusted.write_bytes(authority.certificate_pem)
    trusting = ssl.create_default_context(cafile=trusted)
    async with (
        tls_door(identity("gateway", "127.0.0.1", by=authority), tmp_path) as door,
        gateway(tmp_path, running=True, public_url=door.url) as house,
        httpx.AsyncClient(timeout=20, verify=trusting) as browser,
    ):
        door.target = urlsplit(house.url).port or 0
        received(house, tmp_path, {"facade": {}})
        code, _, errors = await said(home, "login", "--device", "--gateway", door.url)
        assert (code, "certificate" in errors) == (3, True)
        process = await signing_in(home, door.url, APILOOM_CA_FILE=str(trusted))
        page, typed, _ = await shown(process)
        person = Person(token=await house.api_token(role="auditor"), client=browser)
        reply = await sent(await browser.get(page), typed, browser)
        await person.open(reply.headers["location"])
        rest = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
        assert (process.returncode, "you are signed in" in rest) == (0, True)
        (file,) = home.rglob("sign-ins/*.json")
        file.write_text(json.dumps({**json.loads(file.read_bytes()), "ends": 0}))
        listing = ("tenant", "list", "--gateway", door.url)
        assert (await said(home, *listing, APILOOM_CA_FILE=str(trusted)))[0] == 0
        assert json.loads(file.read_bytes())["ends"] > 0, "it was renewed"
        ending = ("login", "--end", "--gateway", door.url)
        assert (await said(home, *ending))[0] != 0
        assert file.exists(), "what could not be ended there is kept"
        code, out, _ = await said(home, *ending, "--json", APILOOM_CA_FILE=str(trusted))
        assert (code, json.loads(out)) == (0, {"gateway": door.url, "ended": True})
        assert not file.exists()


async def test_a_gateway_that_signs_in_for_another_is_sent_no_code() -> None:
    good = "https://good.example.com"
    told = {"issuer": good, "authorization_endpoint": f"{good}/oauth/authorize"}
    with upstream(lambda _: Answer(told)) as evil:
        with pytest.raises(CallerError, match="signs in for another gateway"):
            await sign_in(evil.url, lambda _: pytest.fail("nobody is sent anywhere"))
        assert [seen.method for seen in evil.seen] == ["GET"]


async def test_an_issuer_is_no_gateway() -> None:
    told: dict[str, str] = {}
    with upstream(lambda _: Answer(told)) as issuer:
        told |= {"issuer": issuer.url, "authorization_endpoint": f"{issuer.url}/auth"}
        with pytest.raises(CallerError, match="is no gateway that people sign in at"):
            await sign_in(issuer.url, lambda _: pytest.fail("nobody is sent anywhere"))


async def test_a_sign_in_that_was_not_ended_there_is_not_called_so() -> None:
    busy = upstream(lambda _: Answer({"error": "slow_down"}, status=429))
    with busy as there, pytest.raises(UpstreamError, match="did not end the sign-in"):
        await ended(there.url, {"refresh": "alr_x"})


@pytest.mark.system
async def test_who_stops_waiting_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with gateway(tmp_path, running=True) as house:
        received(house, tmp_path, {"facade": {}})
        process = await signing_in(home, house.url)
        await shown(process)
        process.send_signal(signal.SIGINT)
        rest = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
        assert (process.returncode, "Traceback" in rest) == (130, False)
        assert list(home.rglob("sign-ins/*")) == []
        code, _, errors = await said(home, "login", "--device", "--end", "--gateway", house.url)
        assert (code, "exclude each other" in errors) == (2, True)
        code, _, errors = await said(home, "login", "--gateway", house.url.removeprefix("http://"))
        assert (code, "--gateway" in errors) == (2, True)
        received(house, tmp_path, {"facade": {"devices": "none"}})
        code, _, errors = await said(home, "login", "--device", "--gateway", house.url)
        assert (code, "lets nobody sign in by a code" in errors) == (2, True)
