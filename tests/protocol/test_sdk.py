"""The official Python client against our HTTP application under uvicorn and against our standard streams, each era."""

import asyncio
import base64
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import ElicitResult

from apiloom.identity.gate import OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.node import NODE_MODULES, node, node_package
from support.pets import PNG, Pets, pets

MODES = {"auto": mcp.MODERN, "legacy": "2025-11-25", mcp.MODERN: mcp.MODERN}
SCRIPT = Path(__file__).parents[1] / "support/stdio_pets.py"


@asynccontextmanager
async def listening(world: Pets) -> AsyncIterator[str]:
    """The URL of the application under uvicorn on any free port."""
    app = McpHttp(world.directory, OpenGate(), WireSettings())
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server._serve([sock]))
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
        finally:
            app.close()
            server.should_exit = True
            async with asyncio.timeout(asgi.SECONDS):
                await task


@asynccontextmanager
async def connected(transport: str, mode: str, world: Pets, **options: Any) -> AsyncIterator[Client]:
    if transport == "http":
        async with listening(world) as url, Client(url, mode=mode, **options) as client:
            yield client
    else:
        parameters = StdioServerParameters(command=sys.executable, args=[str(SCRIPT)])
        async with Client(stdio_client(parameters), mode=mode, **options) as client:
            yield client


@holds("era", "list", "call", "stdio.eras", "stdio.frames")
@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_opens_lists_and_calls(mode: str, transport: str) -> None:
    async with asyncio.timeout(60), connected(transport, mode, pets()) as client:
        assert client.protocol_version == MODES[mode]
        if mode != mcp.MODERN:
            assert client.instructions == "Ask for pets."
            assert client.server_info is not None
            assert client.server_info.title == "Pet shop"
        names: list[str] = []
        cursor = None
        while True:
            listed = await client.list_tools(cursor=cursor)
            names += [tool.name for tool in listed.tools]
            if (cursor := listed.next_cursor) is None:
                break
        assert {"echo", "get_pet", "media"} <= set(names)
        assert (await client.call_tool("echo", {"a": [1, "é"]})).structured_content == {"a": [1, "é"]}
        media = await client.call_tool("media", {})
        assert [block.type for block in media.content] == ["text", "image", "audio", "resource", "resource"]
        assert media.content[1].data == base64.b64encode(PNG).decode()  # type: ignore[union-attr]
        assert (await client.call_tool("down", {})).is_error is True
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("nobody", {})
        assert unknown.value.error.code == -32602


@holds("progress", "stdio.progress")
@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_is_told_of_progress(mode: str, transport: str) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))

    async with asyncio.timeout(60), connected(transport, mode, pets()) as client:
        result = await client.call_tool("steps", {}, progress_callback=note)
    assert result.is_error is False
    assert told[0] == (1.0, 3.0, "one")
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})


@holds("listen", "get")
@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_is_told_of_changes(mode: str) -> None:
    world, told = pets(), asyncio.Event()

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            told.set()

    async with asyncio.timeout(60), connected("http", mode, world, message_handler=hear) as client:
        if MODES[mode] == mcp.MODERN:
            async with client.listen(tools_list_changed=True) as changes:
                pets(etag="two", world=world)
                assert await anext(changes) is not None
            return
        edition = 0
        # The client opens its stream on its own time: change again until it has heard.
        while not told.is_set():
            edition += 1
            pets(etag=f"edition {edition}", world=world)
            await client.call_tool("echo", {})


@holds("header.params")
async def test_the_official_client_mirrors_arguments() -> None:
    async with asyncio.timeout(60), connected("http", mcp.MODERN, pets()) as client:
        await client.list_tools()
        cursor = (await client.list_tools()).next_cursor
        await client.list_tools(cursor=cursor)
        sent = {"region": "Zażółć ", "count": 7, "deep": {"flag": True}}
        assert (await client.call_tool("regions", sent)).structured_content == sent


@holds("visit")
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_the_official_python_client_opens_the_page_and_goes_on(action: str) -> None:
    world = pets()
    opened: list[str] = []

    async def ask_the_person(_context: Any, params: Any) -> ElicitResult:
        opened.append(params.url)
        if action == "accept":
            world.connected.add("home")
        return ElicitResult(action=action)  # type: ignore[arg-type]

    async with listening(world) as url, Client(url, mode=mcp.MODERN, elicitation_callback=ask_the_person) as client:
        result = await client.call_tool("adopt", {})
    assert opened == ["https://pets.example/connect/home"]
    assert result.is_error is (action == "decline")


@holds("visit", "visit.legacy")
@pytest.mark.parametrize(
    ("client", "mode", "action"),
    [("v2", mcp.MODERN, "accept"), ("v2", "auto", "decline"), ("v2", "legacy", "accept"), ("v1", "legacy", "accept")],
)
async def test_the_official_typescript_clients_open_the_page(client: str, mode: str, action: str) -> None:
    node_package("@modelcontextprotocol/client")
    world = pets()
    visited = asyncio.Event()

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        world.connected.add("home")
        visited.set()
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with server, listening(world) as url, asyncio.timeout(60):
        done = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        script = NODE_MODULES.parent / "visit.mjs"
        process = await asyncio.create_subprocess_exec(
            str(node()), str(script), client, mode, action, url, "adopt", done, stdout=asyncio.subprocess.PIPE
        )
        said = json.loads((await process.communicate())[0])
    assert visited.is_set() is (mode == mcp.MODERN)
    if mode == "legacy":
        assert (said["result"], said["error"]["code"]) == (None, -32042)
        assert said["error"]["data"]["elicitations"][0]["url"] == "https://pets.example/connect/home"
    else:
        assert [one["url"] for one in said["asked"]] == ["https://pets.example/connect/home"]
        assert said["result"].get("isError", False) is (action == "decline")
