"""The tour of the documentation, line by line: a gateway that is served, the commands of the page, official clients."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from mcp import Client

from apiloom.app.main import main
from apiloom.base import json
from support.gateway import PATHS, SCHEMES, desk
from support.source import ROOT

PAGE = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
PATIENCE = 60.0
NOTES = {
    "openapi": "3.1.0",
    "info": {"title": "Notes", "version": "1"},
    "servers": [{"url": "https://notes.example.com"}],
    "components": {"securitySchemes": SCHEMES},
    "security": [{"token": []}],
    "paths": PATHS,
}


def lines(section: str) -> list[list[str]]:
    """The words of the lines to type below a heading."""
    part = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [shlex.split(line)[1:] for line in re.findall(r"^\$ (.*)$", part, re.MULTILINE)]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The page's gateway, on a free port; its URL."""
    words = shlex.split(next(line for line in re.findall(r"^\$ apiloom (serve.*)$", PAGE, re.MULTILINE)))
    process = subprocess.Popen(
        [sys.executable, "-m", "apiloom", *words, "--http", "127.0.0.1:0", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told, process.stderr.read() if process.stderr else ""
        yield json.loads(told)["url"]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("APILOOM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("APILOOM_KEY_FILE", str(tmp_path / "keys" / "key"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openapi.yaml").write_text((ROOT / "docs_src" / "openapi.yaml").read_text())
    (tmp_path / "notes.json").write_bytes(json.dumps(NOTES))
    for who in ("ada", "bob"):
        file = tmp_path / f"{who}.json"
        file.write_bytes(json.dumps({"token": {"token": f"{who}-secret"}}))
        file.chmod(0o600)
    return tmp_path


async def test_the_tour_goes_as_its_page_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    async def type_(*words: str) -> str:
        capsys.readouterr()
        code = await asyncio.to_thread(main, words)
        out, err = capsys.readouterr()
        assert code == 0, f"{shlex.join(words)}: {err}"
        seen.append(err)
        return out

    async def listed(url: str) -> dict[str, str | None]:
        async with asyncio.timeout(PATIENCE), Client(url) as client:
            return {tool.name: tool.title for tool in (await client.list_tools()).tools}

    with desk() as upstream, served(folder) as gateway:
        monkeypatch.setenv("APILOOM_GATEWAY", gateway)
        token = (folder / "owner.token").read_text().strip()
        assert (folder / "owner.token").stat().st_mode & 0o777 == 0o600
        monkeypatch.setenv("APILOOM_TOKEN", token)
        for words in lines("Two connectors, two tenants, accounts"):
            out = await type_(*(word.replace("http://127.0.0.1:9001", upstream.api.url) for word in words))
            assert "secret" not in out

        (create,) = lines("A server that only reads, with an end")
        made = json.loads(await type_(*create, "--json"))
        assert 3500 < (datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)).total_seconds() <= 3600
        assert sorted(await listed(made["url"])) == ["notes_get_note", "notes_list_notes"]

        (button,) = lines("The button")
        pressed = await type_(*button, "--json")
        headers = {"authorization": f"Bearer {json.loads(pressed)['token']}"}
        async with httpx.AsyncClient(base_url=f"{gateway}/api/v1", headers=headers, timeout=PATIENCE) as product:
            (account,) = (await product.get("/accounts", params={"external_id": "bob"})).json()["items"]
            ends = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
            body = {"name": "claude", "config": {"methods": ["read"], "tags": ["notes"]}, "expires_at": ends}
            answer = await product.post(f"/accounts/{account['id']}/servers", json=body)
            assert answer.status_code == 201, answer.text
            url = answer.json()["url"]
            theirs = made["accounts"][0]
            hidden = [await product.get(f"/accounts/{id_}") for id_ in (theirs, "acc_neverwasneverwasnev")]
            assert [each.status_code for each in hidden] == [404, 404]
            assert [item["id"] for item in (await product.get("/tenants")).json()["items"]] == ["bolt"]

            async with asyncio.timeout(PATIENCE), Client(url) as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == ["get_note", "list_notes"]
                answered = await client.call_tool("list_notes", {})
                assert answered.structured_content == {"path": "/notes", "method": "GET", "whose": "bob"}

            overlay, narrow, remove = lines("Changing it while it is used")
            await type_(*overlay)
            assert (await listed(url))["list_notes"] == "All of my notes"
            await type_(*narrow)
            assert list(await listed(url)) == ["list_notes"]
            await type_(*remove)
            assert (await product.post(url, json={})).status_code == 404

        printed = [await type_(*words) for words in lines("What is left of it")]
        assert "server.delete" in printed[0]
        assert "nothing would change" in printed[2]
        state = "".join(path.read_text() for path in (folder / "state").glob("*.yaml"))
        assert "tenant: bolt" in state
        for secret in ("ada-secret", "bob-secret", token):
            assert secret not in state + "".join(printed) + "".join(seen)
