"""A canary in every field that takes a secret, then every road out of the house: none is found in any form.

Each field is one line of :func:`furnish`, each road one function that adds to the haul; all of it is searched at once.
Besides the canaries, everything that the house itself makes or holds as a secret meanwhile is looked for. The roads of
sign-ins and of connect pages are in ``test_leak_people.py``; that each road is really searched is proved in
``test_leak_roads.py``, and that no field is forgotten in ``test_leak_fields.py``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.leaks import Canaries, core_of, files, leaks, listening
from support.mirror import SCHEMES, STATIC, furnished, sent
from support.mirror_roads import ROADS
from support.openbao import OpenBao
from support.secret_fields import MEMBERS
from support.servers import APILOOM, clean_environment

REACHED = {
    "apiloom.app.references._token",
    "apiloom.vault.keyrings.read_entry",
    "apiloom.vault.references.follow",
    "apiloom.vault.references.read_secret_file",
    "apiloom.vault.transit.Bao.read",
}


@pytest.mark.system
async def test_no_secret_leaves_the_house_on_any_road(tmp_path: Path, openbao: OpenBao) -> None:
    async with furnished(tmp_path, openbao) as hunt:
        with listening() as heard:
            for road in ROADS:
                await road(hunt)
        hunt.take("logs", heard.text())
        hunt.files(tmp_path, tmp_path / "secret", *hunt.elsewhere.folder.iterdir())
        reached = "\n".join(sent(seen).decode() for seen in hunt.api.seen)
        sent_as_they_are = ("template value", "AWS session token", "referenced file", "bearer", "header key")
        for name in ("access token", "lent", *sent_as_they_are, *(f"far {one}" for one in sent_as_they_are)):
            assert core_of(name) in reached, f"{name} was never sent: nothing was hunted"
        assert hunt.harvest is not None
        assert hunt.harvest.touched >= REACHED
        assert {name for names in MEMBERS.values() for name in names} <= set(hunt.canaries.cores)
        assert hunt.size("answers") > 100_000
        assert "\n".join(map(str, hunt.found())) == ""


FEW = (("call", "read_query", "--dry-run", "--json"), ("call", "read_basic", "--dry-run"), ("export", "config"))
MANY = (
    ("call", "read_query", "--debug"),
    ("inspect", "--json"),
    *(("export", kind) for kind in ("anthropic", "openai")),
    *(("install", client) for client in ("cursor", "claude-desktop", "codex")),
    ("completion", "bash"),
    ("doctor", "--debug"),
)
FAILING = {"call--debug": 3, "doctor--debug": 1}
"""What commands end with that find no API, or no store; with the others, it is the work done that is searched."""


def test_no_secret_is_in_what_the_command_line_prints_or_writes(tmp_path: Path) -> None:
    haul = said(tmp_path, FEW)
    assert b"***" in haul["call read_query --dry-run --json"]
    assert haul.keys() >= {f"file out/config/{name}" for name in ("cursor.json", "codex.toml")}, sorted(haul)


@pytest.mark.system
def test_no_secret_is_in_what_any_command_prints_or_writes(tmp_path: Path) -> None:
    haul = said(tmp_path, MANY)
    assert haul.keys() >= {"file .cursor/mcp.json", "file out/anthropic/anthropic.json"}, sorted(haul)


def said(folder: Path, asked: Sequence[Sequence[str]]) -> dict[str, bytes]:
    """What commands print and write that were given a secret for every scheme; none of these is in it."""
    canaries, source = Canaries(), folder / "api.json"
    document_ = {
        "openapi": "3.1.0",
        "info": {"title": "Mirror", "version": "1"},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "components": {"securitySchemes": {name: SCHEMES[name] for name in STATIC}},
        "paths": {
            f"/m/{name}": {"get": {"operationId": f"read_{name}", "security": [{name: []}], "responses": {}}}
            for name in STATIC
        },
    }
    source.write_text(json.dumps(document_))
    given = {f"APILOOM_AUTH_{name.upper()}": canaries.add(name) for name in STATIC}
    given["APILOOM_AUTH_BASIC"] = f"me:{given['APILOOM_AUTH_BASIC']}"
    given["APILOOM_TOKEN"] = canaries.plain("gateway token")
    haul: dict[str, bytes] = {}
    for words_ in asked:
        placed = {
            "call": ("call", str(source), *words_[1:]),
            "inspect": ("inspect", str(source), *words_[1:]),
            "install": (*words_, str(source)),
            "export": ("export", str(source), "--to", words_[-1], str(folder / "out" / words_[-1])),
        }
        done = subprocess.run(
            [*APILOOM, *placed.get(words_[0], words_)],
            capture_output=True,
            timeout=60,
            check=False,
            env=clean_environment(str(folder), given),
        )
        assert done.returncode == FAILING.get(words_[0] + words_[-1], 0), (words_, done.stderr)
        haul[" ".join(words_)] = done.stdout + done.stderr
    haul |= files(folder, but=[source])
    assert leaks(canaries, haul) == []
    return haul
