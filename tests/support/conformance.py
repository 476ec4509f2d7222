"""The official conformance suite, run against apiloom over an API whose operations have the suite's own names.

:data:`EXPECTED` is the whole account: every scenario of the suite, and for each that does not pass the reason why an
OpenAPI document's server has nothing to pass it with.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.node import node, node_package
from support.servers import clean_environment
from support.shop import PIXEL
from support.upstream import Answer, Seen

SILENCE = (
    b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00@\x1f\x00\x00"
    b"\x01\x00\x08\x00data\x00\x00\x00\x00"
)


def _operation(name: str, media_type: str, **more: Any) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}}}
    return {
        "operationId": name,
        "summary": f"Answer as {name} of the conformance suite",
        "responses": {"200": {"description": "As asked.", "content": content}},
        **more,
    }


ANSWERS: dict[str, Answer] = {
    "test_simple_text": Answer(b"This is a simple text response for testing.", content_type="text/plain"),
    "test_image_content": Answer(PIXEL, content_type="image/png"),
    "test_audio_content": Answer(SILENCE, content_type="audio/wav"),
    "test_embedded_resource": Answer(b"%PDF-1.4 an embedded resource", content_type="application/pdf"),
    "test_error_handling": Answer({"message": "This tool intentionally returns an error for testing"}, 500),
    "test_tool_with_progress": Answer(b"done", content_type="text/plain"),
}
"""What the upstream answers, by operation."""

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Conformance", "version": "1"},
    "servers": [{"url": "http://conformance.invalid"}],
    "paths": {f"/{name}": {"get": _operation(name, answer.content_type)} for name, answer in ANSWERS.items()},
}


def answer(seen: Seen) -> Answer:
    """The upstream of :data:`DOCUMENT`."""
    return ANSWERS.get(seen.target.partition("?")[0].lstrip("/"), Answer({"message": "not here"}, 404))


@dataclass(frozen=True)
class Check:
    """One check of a scenario: ``SUCCESS``, ``FAILURE``, ``WARNING``, ``SKIPPED`` or ``INFO``."""

    name: str
    status: str
    message: str


def run_suite(url: str, revision: str, folder: Path, scenario: str = "") -> dict[str, list[Check]]:
    """Run every scenario that applies to a revision (or one), and read what each of its checks found.

    ``folder`` takes the suite's own files.
    """
    script = node_package("@modelcontextprotocol/conformance") / "dist/index.js"
    chosen = ["--scenario", scenario] if scenario else ["--suite", "all"]
    done = subprocess.run(
        [str(node()), str(script), "server", "--url", url, *chosen, "--spec-version", revision, "-o", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        env=clean_environment(str(folder)),
        check=False,
    )
    found: dict[str, list[Check]] = {}
    for path in sorted(folder.rglob("checks.json")):
        checks = [
            Check(each.get("id", ""), each.get("status", ""), each.get("errorMessage") or "")
            for each in json.loads(path.read_text())
        ]
        found[_scenario(path.parent.name)] = checks
    assert found, f"the suite wrote no result: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return found


def _scenario(folder: str) -> str:
    """The scenario of a result folder such as ``server-ping-2026-11-21T09-40-00-000Z``."""
    name = folder.removeprefix("server-") if folder.startswith("server-server-") else folder
    stem, _, _ = name.rpartition("-20")
    return stem or name


def scenarios(revision: str) -> set[str]:
    """The names of the server scenarios that apply to a revision."""
    script = node_package("@modelcontextprotocol/conformance") / "dist/index.js"
    done = subprocess.run(
        [str(node()), str(script), "list", "--server"], capture_output=True, text=True, timeout=60, check=True
    )
    found = set()
    for line in done.stdout.partition("Client scenarios")[0].splitlines():
        name, _, revisions = line.strip().removeprefix("- ").partition(" [")
        if revision in revisions:
            found.add(name)
    return found


def failures(checks: list[Check]) -> list[str]:
    """What failed, in words."""
    return [f"{check.name}: {check.message}" for check in checks if check.status == "FAILURE"]


EXPECTED: Mapping[str, str] = {}
