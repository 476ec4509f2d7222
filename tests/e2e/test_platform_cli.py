"""The platform's commands on a real data folder beside a gateway that serves it, and over HTTP against that gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.main import main
from apiloom.base import json
from support.gateway import PATHS as DESK
from support.gateway import SCHEMES, call, desk, gateway, http, names

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Desk", "version": "1"},
    "servers": [{"url": "https://desk.example.com"}],
    "components": {"securitySchemes": SCHEMES},
    "security": [{"token": []}],
    "paths": DESK,
}

Ask = Callable[..., Any]


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an API's document, and an environment that knows no other gateway."""
    for name in ("APILOOM_GATEWAY", "APILOOM_TOKEN", "APILOOM_DATA", "APILOOM_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APILOOM_KEY_FILE", str(tmp_path / "keys" / "key"))
    monkeypatch.setenv("APILOOM_ALLOW_ADDRESSES", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk.json").write_bytes(json.dumps(DOCUMENT))
    secret = tmp_path / "credentials.json"
    secret.write_text('{"token": {"token": "ada-secret"}}')
    secret.chmod(0o600)
    return tmp_path


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def ask(typed: Callable[..., tuple[int, str, str]]) -> Ask:
    def run(*words: str) -> Any:
        code, out, err = typed(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


async def test_what_is_done_on_the_data_is_served_by_the_node_beside_it(around: Path, ask: Ask) -> None:
    with desk() as upstream:
        async with gateway(around) as house, http() as client:
            here = ("--data", str(around / "house"))

            async def do(*words: str) -> Any:
                done = await asyncio.to_thread(ask, *words, *here)
                await house.settle()
                return done

            made = await do("connector", "add", "desk.json", "--slug", "desk", "--base-url", upstream.api.url)
            assert made["tools"] == 5
            await do("account", "add", "desk", "--label", "Ada", "--credentials", "credentials.json")
            assert (await do("account", "test", "Ada"))["ok"] is True
            await do("server", "create", "support", "--account", "Ada", "--tag", "notes", "--expires", "never")
            rotated = await do("server", "rotate", "support", "--public-url", house.url)
            assert await names(client, rotated["url"]) == ["get_note", "list_notes"]
            assert (await call(client, rotated["url"], "list_notes"))["whose"] == "ada"
            await do("server", "remove", "support")
            assert (await client.post(rotated["url"], json={})).status_code == 404


async def test_a_gateway_over_http_answers_as_its_data_does(
    around: Path, ask: Ask, typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(around, running=True) as house:
        token = await house.api_token("owner")
        (around / "token").write_text(token)
        (around / "token").chmod(0o600)
        there = ("--gateway", house.url, "--token-file", "token")
        made = await asyncio.to_thread(ask, "connector", "add", "desk.json", "--slug", "desk", *there)
        assert (made["slug"], made["tools"]) == ("desk", 5)
        monkeypatch.setenv("APILOOM_GATEWAY", house.url)
        monkeypatch.setenv("APILOOM_TOKEN", token)
        far = [await asyncio.to_thread(ask, word, "list") for word in ("connector", "tenant", "token", "audit")]
        pulled = await asyncio.to_thread(ask, "pull")
        here = ("--data", str(around / "house"))
        near = [await asyncio.to_thread(ask, word, "list", *here) for word in ("connector", "tenant", "token", "audit")]
        # asking with a token is remembered with it
        assert [[{**item, "last_used_at": None, "revision": 0} for item in page["items"]] for page in far] == [
            [{**item, "last_used_at": None, "revision": 0} for item in page["items"]] for page in near
        ]
        assert pulled == await asyncio.to_thread(ask, "pull", *here)
        monkeypatch.setenv("APILOOM_TOKEN", "ala_wrong")
        code, out, err = await asyncio.to_thread(typed, "tenant", "list")
        assert (code, out) == (2, "")
        assert "a valid API token is needed" in err
        assert "ala_wrong" not in err


def test_a_gateway_that_cannot_be_reached_is_said_to_be_it(
    around: Path, typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert around.exists()
    monkeypatch.setenv("APILOOM_TOKEN", "ala_x")
    code, out, err = typed("tenant", "list", "--gateway", "http://127.0.0.1:1")
    assert (code, out) == (3, "")
    assert err.startswith("apiloom: the gateway: ")
    assert "APILOOM_GATEWAY" in err


def test_state_is_applied_to_an_empty_folder_and_pulled_into_another(around: Path, ask: Ask) -> None:
    state = """
kind: tenant
name: acme
spec: {}
---
kind: connector
name: desk
spec: {document: {file: desk.json}}
---
kind: account
tenant: acme
connector: desk
name: ada
spec: {credentials: {token: {ref: "file:SECRET"}}}
---
kind: server
tenant: acme
name: support
spec: {accounts: [desk/ada], expires_at: null}
"""
    secret = around / "secret"
    secret.write_text("ada-secret\n")
    secret.chmod(0o600)
    (around / "state.yaml").write_text(state.replace("SECRET", str(secret)))
    first, second = ("--data", str(around / "first")), ("--data", str(around / "second"))
    assert len(ask("apply", "-f", "state.yaml", *first)["actions"]) == 4
    assert ask("apply", "-f", "state.yaml", *first)["actions"] == []
    ask("pull", "-o", "pulled", *first)
    assert "secret" not in (around / "pulled" / "tenant-acme.yaml").read_text()
    again = ask("apply", "-f", "pulled", *second)
    assert [each["done"] for each in again["actions"]] == [True] * 4
    hashes = [ask("connector", "versions", "desk", *where)["items"][0]["hash"] for where in (first, second)]
    assert hashes[0] == hashes[1]
    assert ask("account", "show", "ada", *first)["schemes"] == ["token"]
    assert ask("account", "show", "ada", *second)["schemes"] == []
