"""The MCP Inspector's command line lists and calls over HTTP, in each era, and over standard input and output."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.node import node, node_package
from support.servers import APILOOM, clean_environment, serving
from support.shop import TOOLS, shop

ERAS = ["legacy", "modern", "auto"]


def inspector(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = node_package("@modelcontextprotocol/inspector") / "clients/launcher/build/index.js"
    return subprocess.run(
        [str(node()), str(script), "--cli", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=folder,
        env=clean_environment(str(folder)),
        check=False,
    )


def target(transport: str, source: str, base_url: str, url: str) -> tuple[list[str], list[str]]:
    """What stands before the options, and what after them."""
    if transport == "http":
        return [url, "--transport", "http"], []
    return [], ["--", *APILOOM, "serve", source, "--base-url", base_url, "--stdio"]


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_lists_and_calls(era: str, transport: str, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream), serving(source, "--base-url", upstream.url) as server:
        before, after = target(transport, source, upstream.url, server.url)
        options = ["--protocol-era", era, "--format", "json"]

        listing = inspector(*before, *options, "--method", "tools/list", *after, folder=tmp_path)
        assert listing.returncode == 0, listing.stderr
        assert [tool["name"] for tool in json.loads(listing.stdout)["result"]["tools"]] == TOOLS

        call = ["--method", "tools/call", "--tool-name", "get_item", "--tool-arg", "id=7"]
        called = inspector(*before, *options, *call, *after, folder=tmp_path)
        assert called.returncode == 0, called.stderr
        assert json.loads(called.stdout)["result"]["structuredContent"]["name"] == "item 7"

        failing = ["--method", "tools/call", "--tool-name", "always_fails"]
        failed = inspector(*before, *options, *failing, *after, folder=tmp_path)
        assert failed.returncode == 5, failed.stderr


def test_the_inspector_finds_no_error_in_the_schemas_and_doubts_only_what_answers_may_be(tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream), serving(source, "--base-url", upstream.url) as server:
        seen = inspector(server.url, "--transport", "http", "--strict", "--method", "tools/list", folder=tmp_path)
    assert seen.returncode == 0, seen.stderr
    assert "0 errors" in seen.stderr
    # Output schemas of the default view name members and constrain nothing, so that no real answer breaks them.
    doubted = [line.split(":")[1].strip() for line in seen.stderr.splitlines() if line.strip().startswith("Path:")]
    assert doubted
    assert all(path.startswith("outputSchema.") for path in doubted), doubted
