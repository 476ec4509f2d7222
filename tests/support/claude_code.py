"""The Claude Code program of the npm lock, without a screen: it adds a gateway, signs in there and uses its tools.

Its model is a stranger's service, so that alone is a stand-in (:func:`scripted_model`): it says what tools to use. All
that goes between the program and the gateway is real.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import pty
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.node import node_package
from support.signing_in import Person
from support.upstream import Answer, Seen, upstream

_MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_ADDRESS = re.compile(rb"(http[^\s\x07\x1b]+/oauth/authorize[^\s\x07\x1b]+)")

Use = tuple[str, dict[str, Any]]
"""A tool that the model wants used, by the name that Claude Code shows it, and the arguments."""


def program() -> str:
    """The program itself, which needs no Node.js; fails the test where it is not installed."""
    node_package("@anthropic-ai/claude-code")
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), "linux")
    place = node_package(f"@anthropic-ai/claude-code-{system}-{_MACHINES.get(platform.machine(), 'x64')}") / "claude"
    if not place.is_file():
        pytest.fail("Claude Code's program is not in its package: run `make node-modules`")
    return str(place)


@dataclass
class ClaudeCode:
    """A fresh home of the program in a folder. ``variables`` are set where it is started.

    ``told`` are the names of tools that its model was told of.
    """

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "ENABLE_TOOL_SEARCH": "false",
            "ANTHROPIC_API_KEY": "of-no-service",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
            **self.variables,
            **(more or {}),
        }

    async def run(self, *arguments: str, environment: dict[str, str] | None = None, seconds: float = 90) -> str:
        """What a command printed. It must end well, and by itself."""
        process = await asyncio.create_subprocess_exec(
            *(program(), *arguments),
            env=self.environment(environment),
            cwd=self.home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            printed, _ = await asyncio.wait_for(process.communicate(), seconds)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, printed.decode()
        return printed.decode()

    async def add(self, url: str) -> None:
        await self.run("mcp", "add", "--transport", "http", "apiloom", url)

    async def log_in(self, person: Person) -> str:
        """``claude mcp login``, by somebody who opens the URL in a browser elsewhere and pastes where they came to.

        Returns the client id that the program went by; empty where the person was sent nowhere.
        """
        ours, its = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(program(), "mcp", "login", "--no-browser", "apiloom"),
            env=self.environment({"TERM": "dumb"}),
            cwd=self.home,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        os.set_blocking(ours, False)
        printed = bytearray()
        try:
            async with asyncio.timeout(90):
                while (found := _ADDRESS.search(printed)) is None or b"\n" not in printed[found.end() :]:
                    await _read(ours, printed)
                url = found[1].decode()
                asked = parse_qs(urlsplit(url).query)
                came = await person.open(url, (asked["redirect_uri"][0],))
                if not came:
                    return ""
                os.write(ours, f"{came}\r".encode())
                while process.returncode is None:
                    await _read(ours, printed)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)
        assert process.returncode == 0, printed.decode()
        return asked["client_id"][0]

    async def use(self, *uses: Use) -> list[str]:
        """Let its model use tools one after the other; the text of each result."""
        with scripted_model(uses) as model:
            printed = await self.run(
                *("-p", "go on", "--output-format", "json", "--permission-mode", "bypassPermissions"),
                *("--max-turns", str(len(uses) + 2), "--model", "scripted"),
                environment={"ANTHROPIC_BASE_URL": model.url, "IS_SANDBOX": "1"},
            )
        assert json.loads(printed.splitlines()[-1])["is_error"] is False, printed
        self.told |= {tool["name"] for tool in model.asked[-1]["tools"]}
        return [_text_of(block) for block in _results(model.asked[-1])]


async def _read(terminal: int, into: bytearray) -> None:
    await asyncio.sleep(0.05)
    with suppress(BlockingIOError, OSError):
        into += os.read(terminal, 65_536)


@dataclass
class Model:
    """Where the model is, and the requests with tools that it got."""

    url: str
    asked: list[dict[str, Any]]


@contextmanager
def scripted_model(uses: Sequence[Use]) -> Iterator[Model]:
    """A stand-in for the model's service, which none but its owner has: it has a list of tools used, then says so."""
    asked: list[dict[str, Any]] = []

    def answer(seen: Seen) -> Answer:
        if not seen.body or "/messages" not in seen.target:
            return Answer({})
        if "count_tokens" in seen.target:
            return Answer({"input_tokens": 10})
        request = seen.json
        block: dict[str, Any] = {"type": "text", "text": ""}
        delta: dict[str, Any] = {"type": "text_delta", "text": "done"}
        if request.get("tools"):
            asked.append(request)
            at = len(_results(request))
            if at < len(uses):
                name, arguments = uses[at]
                block = {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        return Answer(_stream(request["model"], block, delta), content_type="text/event-stream")

    with upstream(answer) as api:
        yield Model(api.url, asked)


def _stream(model: str, block: dict[str, Any], delta: dict[str, Any]) -> bytes:
    """A message of one block in the order of the Messages API's events."""
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)


def _results(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of tools in a request, in order."""
    contents = [each["content"] for each in request["messages"] if isinstance(each["content"], list)]
    return [block for content in contents for block in content if block.get("type") == "tool_result"]


def _text_of(block: dict[str, Any]) -> str:
    content = block["content"]
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)
