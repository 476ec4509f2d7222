"""apiloom as a process of its own: started, found ready, asked, stopped, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib import error, request

MODERN = "2026-07-28"
LEGACY = ("2025-03-26", "2025-06-18", "2025-11-25")
HERE = "127.0.0.0/8,::1"
"""Where the APIs of tests are, which a gateway reaches only when told so."""

APILOOM = [sys.executable, "-m", "apiloom"]
_URL = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]|localhost):[1-9]\d*\S*")


class Reading(threading.Thread):
    """Reads a stream to its end in the background and keeps its lines; ``url`` is set at the first URL seen."""

    def __init__(self, stream: Any) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.lines: list[str] = []
        self.url = ""
        self.told = threading.Event()
        self.start()

    def run(self) -> None:
        with self.stream:
            for line in self.stream:
                self.lines.append(line)
                if not self.url and (found := _URL.search(line)):
                    self.url = found[0].rstrip(".,")
                    self.told.set()
        self.told.set()

    def text(self) -> str:
        return "".join(self.lines)


@dataclass
class Serving:
    """A running ``apiloom serve``."""

    process: subprocess.Popen[str]
    url: str
    errors: Reading
    environment: dict[str, str] = field(repr=False)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port, for connections that speak for themselves."""
        host, port = self.url.removeprefix("http://").partition("/")[0].split(":")
        return host, int(port)

    def said(self) -> str:
        """What it wrote to standard error so far."""
        return self.errors.text()

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout)
        self.errors.join(5)
        return code

    def call(self, tool: str, arguments: dict[str, Any] | None = None, *, timeout: float = 30) -> dict[str, Any]:
        """The whole JSON-RPC answer to one modern ``tools/call``."""
        return modern(self.url, "tools/call", {"name": tool, "arguments": arguments or {}}, timeout=timeout).value


@contextlib.contextmanager
def serving(
    *arguments: str,
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    listen: str = "127.0.0.1:0",
    stdin: bytes = b"",
) -> Iterator[Serving]:
    """``apiloom serve ARGUMENTS --http 127.0.0.1:0`` until the block ends; killed with its children if it lingers."""
    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as folder:
        surroundings = clean_environment(folder, environment)
        (piped := Path(folder, "stdin")).write_bytes(stdin)
        with piped.open("rb") as given:
            process = subprocess.Popen(
                [*APILOOM, "serve", *arguments, "--http", listen],
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=surroundings,
                start_new_session=True,
            )
        errors = Reading(process.stderr)
        try:
            assert errors.told.wait(timeout), f"no URL within {timeout} s: {errors.text()}"
            assert errors.url, f"ended with {process.wait(5)} and no URL: {errors.text()}"
            yield Serving(process, errors.url, errors, surroundings)
        finally:
            ended(process)
            errors.join(5)


def ended(process: subprocess.Popen[Any]) -> None:
    """End a process group for certain: politely, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def clean_environment(folder: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with folders of its own for cache and home, without credentials of apiloom.

    A gateway may reach this machine, where the APIs of tests are.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APILOOM_")}
    places = {"APILOOM_CACHE": str(Path(folder, "cache")), "HOME": folder, "XDG_CONFIG_HOME": folder}
    return {**kept, **places, "APILOOM_ALLOW_ADDRESSES": HERE, **(more or {})}


def apiloom(
    *arguments: str, timeout: float = 60, environment: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """One command, run to its end within ``timeout`` seconds."""
    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as folder:
        done = subprocess.run(
            [*APILOOM, *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env=clean_environment(folder, environment),
            check=False,
        )
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer whose body is JSON (or nothing)."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> dict[str, Any]:
        """The JSON of the body, or of the last event of an event stream."""
        text = self.body.decode()
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
        value: dict[str, Any] = json.loads(text)
        return value


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None, *, timeout: float = 30) -> Reply:
    """POST bytes and return whatever comes, whatever its status."""
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(headers or {})}
    try:
        with _opener.open(request.Request(url, body, sent, method="POST"), timeout=timeout) as answer:
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except error.HTTPError as refused:
        with refused:
            return Reply(refused.code, {k.lower(): v for k, v in refused.headers.items()}, refused.read())


_opener = request.build_opener(request.ProxyHandler({}))


def modern(url: str, method: str, params: dict[str, Any] | None = None, *, timeout: float = 30) -> Reply:
    """One request of revision 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {**(params or {}), "_meta": meta}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    if "name" in params:
        headers["Mcp-Name"] = str(params["name"])
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    return post(url, body, headers, timeout=timeout)


def listed(url: str) -> list[dict[str, Any]]:
    """Every tool of a server, all pages of ``tools/list``."""
    tools: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        result = modern(url, "tools/list", cursor).value["result"]
        tools += result["tools"]
        if "nextCursor" not in result:
            return tools
        cursor = {"cursor": result["nextCursor"]}


def text_of(answer: dict[str, Any]) -> str:
    """The text content of a ``tools/call`` answer; fails when the answer is a protocol error."""
    assert "result" in answer, answer
    return "\n".join(part["text"] for part in answer["result"]["content"] if part["type"] == "text")
