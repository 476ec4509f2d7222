"""The official TypeScript clients, both generations, list and call over HTTP and over standard input and output."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.node import NODE_MODULES, node, node_package
from support.servers import APILOOM, MODERN, clean_environment, serving
from support.shop import TOOLS, shop

CLIENTS = [("v1", "legacy"), ("v2", "legacy"), ("v2", "auto"), ("v2", MODERN)]
CALLS = [
    {"name": "get_item", "arguments": {"id": 7, "fields": ["a b"]}},
    {"name": "create_order", "arguments": {"customer": {"name": "Ada"}, "lines": [{"sku": "S", "count": 2}]}},
    {"name": "find_items", "arguments": {"q": "x"}},
    {"name": "get_photo", "arguments": {}},
    {"name": "get_item", "arguments": {"id": "seven"}},
    {"name": "always_fails", "arguments": {}},
    {"name": "no_such_tool", "arguments": {}},
]


def drive(client: str, mode: str, *target: str, folder: Path) -> dict[str, Any]:
    node_package("@modelcontextprotocol/sdk")
    node_package("@modelcontextprotocol/client")
    done = subprocess.run(
        [str(node()), str(NODE_MODULES.parent / "drive.mjs"), client, mode, json.dumps(CALLS), *target],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(str(folder)),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize(("client", "mode"), CLIENTS)
def test_the_typescript_sdk_lists_and_calls(client: str, mode: str, transport: str, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream):
        if transport == "http":
            with serving(source, "--base-url", upstream.url) as server:
                seen = drive(client, mode, "http", server.url, folder=tmp_path)
        else:
            command = [*APILOOM, "serve", source, "--base-url", upstream.url, "--stdio"]
            seen = drive(client, mode, "stdio", *command, folder=tmp_path)

    if seen["version"] is not None:
        assert seen["version"] == ("2025-11-25" if mode == "legacy" else MODERN)
    assert [tool["name"] for tool in seen["tools"]] == TOOLS
    item, order, found, photo, wrong, failed, unknown = seen["answers"]
    assert item["result"]["structuredContent"] == {"id": 7, "name": "item 7", "fields": ["a b"]}
    assert order["result"]["structuredContent"]["order"] == CALLS[1]["arguments"]
    assert found["result"]["structuredContent"]["result"][1] == {"id": 2, "name": "x"}
    assert photo["result"]["content"][0]["mimeType"] == "image/png"
    assert wrong["result"]["isError"] is True
    assert failed["result"]["isError"] is True
    assert unknown["error"]["code"] == -32602
