"""From nothing to an answered tool call: a bookshop opens, apiloom serves its description, a client calls a tool.

It prints what it does, the URL and the configuration to paste into a client, and keeps serving until Ctrl-C. With
``--once`` it ends after the call. Run it with the project's environment: ``make demo``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bookshop.upstream import KEY, open_shop
from mcp import Client

from apiloom.emit.config import Launch, emit_claude_command, emit_config

PATIENCE = 30.0
"""Seconds to wait for a server that starts."""


@contextmanager
def serving(document: str, port: int) -> Iterator[str]:
    """``apiloom serve`` on a document while the context lasts; the URL of its MCP endpoint."""
    port = port or free_port()
    words = [sys.executable, "-m", "apiloom", "serve", document, "--http", f"127.0.0.1:{port}"]
    print(f"$ apiloom serve {document} --http 127.0.0.1:{port}")
    process = subprocess.Popen(words, env={**os.environ, "APILOOM_AUTH_SHOPKEY": KEY})
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"apiloom ended with {process.returncode} before it could be called")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"apiloom did not answer on port {port} within {PATIENCE:.0f} seconds")


async def show(url: str) -> None:
    """List the tools and call one, through the official client."""
    async with Client(url) as client:
        listed = await client.list_tools()
        print(f"\n{len(listed.tools)} tools:")
        for tool in listed.tools:
            print(f"  {tool.name:14} {tool.title or tool.description}")
        arguments = {"author": "austen", "max_price": 8}
        print(f"\ncalling list_books with {arguments}:")
        result = await client.call_tool("list_books", arguments)
        for part in result.content:
            print(f"  {getattr(part, 'text', part)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="end after the call")
    parser.add_argument("--port", type=int, default=0, help="where to serve MCP; any free port by default")
    asked = parser.parse_args()
    with open_shop() as shop, serving(f"{shop}/openapi.yaml", asked.port) as url:
        asyncio.run(show(url))
        launch = Launch(name="bookshop", url=url)
        print(f"\nserving MCP at {url}\n\nfor Claude Code:\n  {emit_claude_command(launch)}")
        print(f"\nfor Cursor, in ~/.cursor/mcp.json:\n{emit_config('cursor', launch)}")
        print(f"for VS Code, in .vscode/mcp.json:\n{emit_config('vscode', launch)}")
        print(f"for Codex, in ~/.codex/config.toml:\n{emit_config('codex', launch)}", flush=True)
        if not asked.once:
            print("Ctrl-C ends it.", flush=True)
            while True:
                time.sleep(3600)
    return 0


if __name__ == "__main__":
    # A polite request to end is an interrupt too, so that the server and the shop are closed behind us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nended")
