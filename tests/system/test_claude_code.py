"""The Claude Code program starts what was installed for it, and signs in at a gateway that it knows the bare URL of."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway.signin import Reception
from apiloom.app.main import main
from support.bookshop import DOCUMENT as BOOKSHOP
from support.bookshop import KEY, open_shop
from support.claude_code import ClaudeCode
from support.fronts import issued_front
from support.gateway import READS
from support.signing_in import Person

pytestmark = pytest.mark.system

LIST = "mcp__apiloom__desk_list_notes"
ISBN = "9780141439518"
DOCUMENT = "https://claude.ai/oauth/claude-code-client-metadata"


def fresh(folder: Path) -> ClaudeCode:
    home = folder / "home"
    home.mkdir()
    return ClaudeCode(home)


async def test_it_starts_what_was_installed_and_hands_the_key_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude = fresh(tmp_path)
    monkeypatch.setenv("HOME", str(claude.home))
    monkeypatch.setenv("APILOOM_AUTH_SHOPKEY", "of no use: what counts is there when Claude Code starts")
    with open_shop() as shop:
        assert await asyncio.to_thread(main, ["install", "claude-code", str(BOOKSHOP), "--base-url", shop]) == 0
        assert "of no use" not in (claude.home / ".claude.json").read_text()
        claude.variables["APILOOM_AUTH_SHOPKEY"] = KEY
        found, ordered = await claude.use(
            ("mcp__bookshop__get_book", {"isbn": ISBN}),
            ("mcp__bookshop__place_order", {"customer": {"name": "Zoë"}, "lines": [{"isbn": ISBN, "copies": 2}]}),
        )
    assert json.loads(found)["author"]["name"] == "Jane Austen"
    assert json.loads(ordered)["copies"] == 2


async def test_it_registers_itself_signs_in_calls_and_refreshes(tmp_path: Path) -> None:
    claude, person = fresh(tmp_path), Person()
    async with person.client, issued_front(tmp_path, documents=False) as on:
        await claude.add(f"{on.house.url}/mcp")
        assert "Needs authentication" in await claude.run("mcp", "list")
        assert (await claude.log_in(person)).startswith("cli_")
        assert "Claude Code" in person.seen[-1]
        assert "Connected" in await claude.run("mcp", "list")
        (result,) = await claude.use((LIST, {}))
        assert json.loads(result)["whose"] == "ada"
        assert {f"mcp__apiloom__desk_{name}" for name in READS} <= claude.told
        on.house.clock.now += 601  # the access token has ended
        consents = len(person.seen)
        (result,) = await claude.use((LIST, {}))
        assert json.loads(result)["whose"] == "ada"
        assert len(person.seen) == consents
        await claude.run("mcp", "logout", "apiloom")
        assert "Needs authentication" in await claude.run("mcp", "list")


async def test_it_is_named_by_its_makers_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claude, person = fresh(tmp_path), Person()
    # what its maker serves lies in the web, out of reach of tests: the same members, without ports
    served: dict[str, Any] = {
        "client_id": DOCUMENT,
        "client_name": "Claude Code",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }

    async def fetched(_: Reception, place: str) -> bytes:
        assert place == DOCUMENT
        return json.dumps(served).encode()

    monkeypatch.setattr(Reception, "document", fetched)
    async with person.client, issued_front(tmp_path) as on:
        await claude.add(f"{on.house.url}/mcp/s/notes")
        assert await claude.log_in(person) == DOCUMENT
        assert "claude.ai" in person.seen[-1]
        (result,) = await claude.use(("mcp__apiloom__list_notes", {}))
        assert json.loads(result)["whose"] == "ada"


async def test_where_its_document_is_out_of_reach_the_page_says_what_to_do(tmp_path: Path) -> None:
    claude, person = fresh(tmp_path), Person()
    async with person.client, issued_front(tmp_path) as on:
        await claude.add(f"{on.house.url}/mcp")
        assert await claude.log_in(person) == ""
        assert "cannot be read now" in person.seen[-1]
        assert "`documents`" in person.seen[-1]


async def test_it_is_told_where_to_connect_an_account(tmp_path: Path) -> None:
    """It says that it opens pages; with nobody at its screen it does not, and its model reads the link instead."""
    claude, person = fresh(tmp_path), Person()
    async with person.client, issued_front(tmp_path, documents=False) as on:
        await on.house.connector("bare", "http://127.0.0.1:9")
        await on.house.server(connectors=["bare"], name="bare")
        await claude.add(f"{on.house.url}/mcp/s/bare")
        await claude.log_in(person)
        told = await claude.use(("mcp__apiloom__list_notes", {}), ("mcp__apiloom__list_notes", {}))
        links = {word for text in told for word in text.split() if word.startswith(f"{on.house.url}/connect/")}
        assert len(told) == 2
        assert len(links) == 1
        assert all("connect it, then try again" in text for text in told)
        # the link is theirs alone: whoever opens it shows at the issuer who they are
        leads = (await person.client.get(links.pop())).headers["location"]
        assert leads.startswith(on.issuer.issuer)
