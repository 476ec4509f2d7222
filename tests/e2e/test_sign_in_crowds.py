"""Sign-ins by many at the same time, and by some who never come to an end: bounds hold for them as for one by one."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apiloom.console.signin import app, devices, walls
from support.devices import ALL, sent
from support.fronts import Front, front
from support.signing_in import FORM

PATHS = ("token", "register", "revoke", "device_authorization", "device")
HEAD = (
    "POST /oauth/{} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n"
)


async def begun(on: Front, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose body has begun, and goes on when somebody sends more."""
    place = urlsplit(on.house.url)
    reading, writing = await asyncio.open_connection(place.hostname, place.port)
    writing.write(HEAD.format(path).encode() + b"\r\na=")
    await writing.drain()
    return reading, writing


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "BODY_IN", 0.05)
    async with front(tmp_path, **ALL) as on, asyncio.timeout(60):
        for path in PATHS:
            reading, writing = await begun(on, path)
            assert await reading.readline() == b"HTTP/1.1 400 Bad Request\r\n", path
            assert b"did not arrive in time" in await reading.readuntil(b"again")
            writing.close()


async def test_who_goes_away_while_they_ask_is_no_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    over = asyncio.Event()
    real = walls.read_body

    async def read(*given: object) -> bytes:
        try:
            return await real(*given)  # type: ignore[arg-type]
        finally:
            over.set()

    monkeypatch.setattr(walls, "read_body", read)
    async with front(tmp_path) as on, asyncio.timeout(60):
        _, writing = await begun(on, "token")
        writing.close()
        await over.wait()
        assert (await on.http.get(f"{on.house.url}/healthz")).status_code == 200
    assert not [told for told in caplog.records if told.levelno >= logging.ERROR]


async def test_guesses_at_the_same_time_are_as_few_as_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "GUESSES", 3)
    async with front(tmp_path, **ALL) as on:
        page = await on.person.client.get(f"{on.house.url}/oauth/device")
        guesses = [sent(page, "BCDF-GHJK", on.person.client) for _ in range(12)]
        told = Counter(reply.status_code for reply in await asyncio.gather(*guesses))
        assert told == {400: 3, 429: 9}


async def test_codes_that_are_none_at_the_same_time_are_as_few_as_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WRONG", 3)
    async with front(tmp_path) as on:
        told = Counter(reply.status_code for reply in await asyncio.gather(*(on.app.redeem("x") for _ in range(12))))
        assert told == {400: 3, 429: 9}


async def test_what_is_no_form_is_not_read_as_one(tmp_path: Path) -> None:
    async with front(tmp_path, **ALL) as on:
        for path in ("token", "revoke", "device_authorization"):
            for kind in ("text/plain", "multipart/form-data; boundary=x", ""):
                reply = await on.http.post(
                    f"{on.house.url}/oauth/{path}",
                    content=f"client_id={on.app.id}&token=x",
                    headers={"content-type": kind},
                )
                assert (reply.status_code, "must be a form" in reply.text) == (400, True), path


async def test_guesses_at_api_tokens_are_few_and_the_right_one_is_no_help_then(tmp_path: Path) -> None:
    async with front(tmp_path) as on:
        page = await on.person.client.get(on.app.url(), follow_redirects=True)
        found = FORM.search(page.text)
        assert found is not None
        right, on.person.token = on.person.token, "ala_guess"
        told = [(await on.person.send(page, found)).status_code for _ in range(11)]
        on.person.token = right
        assert [*told, (await on.person.send(page, found)).status_code] == [400] * 10 + [429] * 2
        on.seconds[0] += 60
        assert (await on.person.send(page, found)).status_code == 303


async def test_clients_come_in_only_the_ways_that_the_operator_offers(tmp_path: Path) -> None:
    async with front(tmp_path, registration=False, documents=False) as on:
        assert await on.app.register() == {
            "error": "access_denied",
            "error_description": "clients do not register themselves here",
        }
        told = (await on.http.get(f"{on.house.url}{app.WELL_KNOWN}")).json()
        assert (told.get("registration_endpoint"), told["client_id_metadata_document_supported"]) == (None, False)
        reply = await on.http.get(on.app.url(client_id="https://client.example/app.json"))
        assert (reply.status_code, "not known here" in reply.text) == (400, True)


async def test_who_is_asked_is_told_of_all_servers_or_how_many_more_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front(tmp_path) as on:
        for number in range(3):
            account = await on.house.account("desk", f"more-{number}", shared=True)
            await on.house.server(accounts=[account.id], name=f"other {number}")
        await on.app.sign_in(on.person)
        assert on.person.seen[-1].count("<li>") == 4
        monkeypatch.setattr(app, "MOST_NAMED", 3)
        await on.app.sign_in(on.person)
        assert on.person.seen[-1].count("<li>") == 4
        assert "and 1 more" in on.person.seen[-1]


async def test_what_one_address_may_begin_and_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BEGINNINGS", 2)
    monkeypatch.setattr(app, "REVOCATIONS", 2)
    async with front(tmp_path) as on:
        begun = [(await on.http.get(on.app.url())).status_code for _ in range(3)]
        form = {"token": "x", "client_id": on.app.id}
        ended = [(await on.http.post(f"{on.house.url}/oauth/revoke", data=form)).status_code for _ in range(3)]
        assert (begun, ended) == ([303, 303, 429], [200, 200, 429])
    monkeypatch.setattr(app, "BEGINNINGS", 100)
    monkeypatch.setattr(app, "ALL_BEGINNINGS", 2)
    (tmp_path / "more").mkdir()
    async with front(tmp_path / "more") as on:
        assert [(await on.http.get(on.app.url())).status_code for _ in range(3)] == [303, 303, 429]
