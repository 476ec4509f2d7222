"""The official conformance suite, run against apiloom over an API whose operations have the suite's own names.

:data:`EXPECTED` is the whole account: every scenario of the suite, and for each that does not pass the reason why an
OpenAPI document's server has nothing to pass it with.
"""

from __future__ import annotations

import json
import re
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
    "test_logging_tool": Answer(b"done", content_type="text/plain"),
    "test_streaming_elicitation": Answer(b"done", content_type="text/plain"),
    "test_reconnection": Answer(b"done", content_type="text/plain"),
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


_FOLDER = re.compile(r"server-(?P<scenario>.+?)-\d{4}-\d\d-\d\dT.*")


def _scenario(folder: str) -> str:
    """The scenario of a result folder such as ``server-ping-2026-11-21T09-40-00-000Z``."""
    match = _FOLDER.fullmatch(folder)
    assert match, folder
    return match["scenario"]


def scenarios(revision: str) -> set[str]:
    """The names of the server scenarios that apply to a revision, by the suite's own list."""
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


def failures(checks: list[Check]) -> set[str]:
    """The names of the checks that failed."""
    return {check.name for check in checks if check.status == "FAILURE"}


PROMPTS = "an OpenAPI document has no prompts"
RESOURCES = "an OpenAPI document has no resources of its own; what there is to read comes from answers"
COMPLETION = "completion serves prompts and resource templates, and there are none"
ASKING = "an HTTP API cannot ask the client anything while it answers"
LOGGING = "an HTTP API says nothing while it works, so there is nothing to log to the client"
ONE_BODY = "an HTTP answer is one body of one media type, so it is never mixed content"
VIEW = "schemas are shown in the view every major client accepts, and checked against the canonical ones"
HEADERS = "no tool asks the client to repeat an argument as a header"

EXPECTED: Mapping[str, str] = {
    "server-initialize": "",
    "server-session-lifecycle": "",
    "server-stateless": ASKING,
    "logging-set-level": "",
    "ping": "",
    "completion-complete": COMPLETION,
    "tools-list": "",
    "tools-call-simple-text": "",
    "tools-call-image": "",
    "tools-call-audio": "",
    "tools-call-embedded-resource": "",
    "tools-call-mixed-content": ONE_BODY,
    "tools-call-with-logging": LOGGING,
    "tools-call-error": "",
    "tools-call-with-progress": "",
    "tools-call-sampling": ASKING,
    "tools-call-elicitation": ASKING,
    "json-schema-2020-12": VIEW,
    "elicitation-sep1034-defaults": ASKING,
    "server-sse-polling": "",
    "server-sse-multiple-streams": "",
    "elicitation-sep1330-enums": ASKING,
    "resources-list": "",
    "resources-read-text": RESOURCES,
    "resources-read-binary": RESOURCES,
    "resources-templates-read": RESOURCES,
    "resources-subscribe": RESOURCES,
    "resources-unsubscribe": RESOURCES,
    "sep-2164-resource-not-found": "",
    "prompts-list": PROMPTS,
    "prompts-get-simple": PROMPTS,
    "prompts-get-with-args": PROMPTS,
    "prompts-get-embedded-resource": PROMPTS,
    "prompts-get-with-image": PROMPTS,
    "dns-rebinding-protection": "",
    "caching": f"{PROMPTS}; {RESOURCES}",
    "http-header-validation": "",
    "http-custom-header-server-validation": HEADERS,
    "input-required-result-basic-elicitation": ASKING,
    "input-required-result-basic-sampling": ASKING,
    "input-required-result-basic-list-roots": ASKING,
    "input-required-result-request-state": ASKING,
    "input-required-result-multiple-input-requests": ASKING,
    "input-required-result-multi-round": ASKING,
    "input-required-result-missing-input-response": "",
    "input-required-result-non-tool-request": ASKING,
    "input-required-result-result-type": ASKING,
    "input-required-result-unsupported-methods": "",
    "input-required-result-tampered-state": ASKING,
    "input-required-result-capability-check": ASKING,
    "input-required-result-ignore-extra-params": "",
    "input-required-result-validate-input": "",
}
"""Every server scenario of both revisions: empty when it passes, else why it cannot."""

PARTLY: Mapping[str, frozenset[str]] = {
    "server-stateless": frozenset(
        {"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400"}
    ),
    "caching": frozenset(
        {
            "sep-2549-prompts-list-caching-hints",
        }
    ),
}
"""Scenarios of which only these checks fail. No tool of ours needs a capability of the client, so the two checks of
``server-stateless`` that want such a tool have nothing to call."""
