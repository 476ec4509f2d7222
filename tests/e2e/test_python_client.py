"""The official Python SDK lists and calls, in every mode it has, over HTTP and over standard input and output."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ImageContent, TextContent, ToolListChangedNotification

from support.servers import APILOOM, MODERN, clean_environment, serving
from support.shop import DOCUMENT, PIXEL, TOOLS, shop

MODES = {"auto": MODERN, "legacy": "2025-11-25", MODERN: MODERN}


@asynccontextmanager
async def connected(
    transport: str, mode: str, source: str, base_url: str, folder: Path, hear: Any = None
) -> AsyncIterator[Client]:
    if transport == "http":
        with serving(source, "--base-url", base_url) as server:
            async with Client(server.url, mode=mode, message_handler=hear) as client:
                yield client
        return
    command, *rest = [*APILOOM, "serve", source, "--base-url", base_url, "--stdio"]
    parameters = StdioServerParameters(command=command, args=rest, env=clean_environment(str(folder)))
    async with Client(stdio_client(parameters), mode=mode, message_handler=hear) as client:
        yield client


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("mode", MODES)
async def test_the_python_sdk_lists_and_calls(mode: str, transport: str, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream):
        async with connected(transport, mode, source, upstream.url, tmp_path) as client:
            assert client.protocol_version == MODES[mode]
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == TOOLS
            item = next(tool for tool in listed.tools if tool.name == "get_item")
            assert item.annotations is not None
            assert item.annotations.read_only_hint is True

            read = await client.call_tool("get_item", {"id": 7, "fields": ["a b", "c"], "X-Trace": "t1"})
            assert read.is_error is False
            assert read.structured_content == {"id": 7, "name": "item 7", "fields": ["a b", "c"]}
            assert upstream.last().target == "/items/7?fields=a%20b&fields=c"
            assert upstream.last().headers["x-trace"] == "t1"

            order = {"customer": {"name": "Ada"}, "lines": [{"sku": "S", "count": 2}]}
            placed = await client.call_tool("create_order", order)
            assert placed.structured_content == {"number": 1, "order": order}
            assert upstream.last().json == order

            found = await client.call_tool("find_items", {"q": "öl & salz"})
            assert found.structured_content is not None
            assert found.structured_content["result"][0]["name"] == "öl & salz"

            photo = await client.call_tool("get_photo", {})
            picture = next(part for part in photo.content if isinstance(part, ImageContent))
            assert (picture.mime_type, picture.data) == ("image/png", base64.b64encode(PIXEL).decode())


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("mode", MODES)
async def test_the_python_sdk_is_told_of_failures(mode: str, transport: str, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream):
        async with connected(transport, mode, source, upstream.url, tmp_path) as client:
            wrong = await client.call_tool("get_item", {"id": "seven", "colour": "red"})
            assert wrong.is_error is True
            assert isinstance(wrong.content[0], TextContent)
            assert "id" in wrong.content[0].text
            assert "colour" in wrong.content[0].text
            assert upstream.seen == []

            failed = await client.call_tool("always_fails", {})
            assert failed.is_error is True
            assert isinstance(failed.content[0], TextContent)
            assert "503" in failed.content[0].text
            assert "the shelf fell down" in failed.content[0].text

            with pytest.raises(MCPError) as unknown:
                await client.call_tool("get_itme", {})
            assert unknown.value.error.code == -32602
            assert "get_item" in unknown.value.error.message

            gone = await client.call_tool("delete_item", {"id": 3})
            assert gone.is_error is False
            assert (upstream.last().method, upstream.last().target) == ("DELETE", "/items/3")


def grown(source: str) -> None:
    """Write the document anew with one more operation."""
    more = {"/news": {"get": {"operationId": "readNews", "responses": {"200": {"description": "News."}}}}}
    Path(source).write_text(json.dumps({**DOCUMENT, "paths": {**DOCUMENT["paths"], **more}}))


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_changed_document_is_told_to_a_modern_listener(transport: str, tmp_path: Path) -> None:
    with shop(tmp_path) as (source, upstream):
        async with connected(transport, MODERN, source, upstream.url, tmp_path) as client:
            async with client.listen(tools_list_changed=True) as changes:
                grown(source)
                async with asyncio.timeout(15):
                    await anext(changes)
            assert "read_news" in [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_changed_document_is_told_to_a_legacy_session(transport: str, tmp_path: Path) -> None:
    told = asyncio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            told.set()

    with shop(tmp_path) as (source, upstream):
        async with connected(transport, "legacy", source, upstream.url, tmp_path, hear) as client:
            grown(source)
            async with asyncio.timeout(15):
                await told.wait()
            assert "read_news" in [tool.name for tool in (await client.list_tools()).tools]
