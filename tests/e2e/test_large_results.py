"""The official SDK is shown what fits, follows the links, and puts the whole answer together again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ResourceLink, TextContent, TextResourceContents

from support.recorder import recorder
from support.servers import APILOOM, MODERN, clean_environment, serving

ITEMS = [{"id": number, "name": f"item {number}", "body": "b" * 300} for number in range(400)]
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Large", "version": "1"},
    "paths": {"/items": {"get": {"operationId": "listItems", "responses": {"200": {"description": "items"}}}}},
}


async def whole(client: Client) -> list[Any]:
    """Every item, from what was shown and from the links to the rest."""
    result = await client.call_tool("list_items", {})
    link = next(part for part in result.content if isinstance(part, ResourceLink))
    shown, note = (part.text for part in result.content if isinstance(part, TextContent))
    assert result.structured_content == json.loads(shown)
    assert str(link.uri) in note
    [cut] = (result.meta or {})["dev.apiloom/truncated"]["cut"]
    assert f"{cut['kept']} of 400 items" in note
    items = json.loads(shown)["items"][: cut["kept"]]
    following = cut["next"]
    while following:
        [contents] = (await client.read_resource(following)).contents
        assert isinstance(contents, TextResourceContents)
        chunk = json.loads(contents.text)
        items += chunk["items"]
        following = chunk.get("next")
    with pytest.raises(MCPError):
        await client.read_resource(f"{link.uri}x")
    return items


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_the_python_sdk_reads_what_was_cut_over_http(mode: str, tmp_path: Path) -> None:
    source = tmp_path / "openapi.json"
    source.write_text(json.dumps(DOCUMENT))
    with recorder() as upstream:
        upstream.expect([{"body": {"items": ITEMS}}])
        with serving(str(source), "--base-url", upstream.origin, "--result-tokens", "2000") as server:
            async with Client(server.url, mode=mode) as client:
                assert await whole(client) == ITEMS


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_the_python_sdk_reads_what_was_cut_over_stdio(mode: str, tmp_path: Path) -> None:
    source = tmp_path / "openapi.json"
    source.write_text(json.dumps(DOCUMENT))
    with recorder() as upstream:
        upstream.expect([{"body": {"items": ITEMS}}])
        command, *rest = [*APILOOM, "serve", str(source), "--base-url", upstream.origin, "--stdio"]
        parameters = StdioServerParameters(
            command=command, args=[*rest, "--result-tokens", "2000"], env=clean_environment(str(tmp_path))
        )
        async with Client(stdio_client(parameters), mode=mode) as client:
            assert await whole(client) == ITEMS
            listed = await client.list_resources()
            assert len(listed.resources) == 1
