"""Prism, a mock server that validates requests against an OpenAPI document: the oracle for what we put on the wire."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from support.node import node, node_package
from support.servers import clean_environment, ended
from support.upstream import Answer, Seen

_READY = re.compile(r"Prism is listening on (http://\S+?:\d+)")
_CODES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Prism:
    """A running mock. ``lines`` is its log so far, without colours."""

    url: str
    lines: list[str]


@contextlib.contextmanager
def prism(document: Path, folder: Path, *, timeout: float = 120) -> Iterator[Prism]:
    """Mock the API of a document until the block ends. A request that breaks the document is answered with 422.

    Large documents take Prism long: ``timeout`` seconds are waited for it to be ready.
    """
    script = node_package("@stoplight/prism-cli") / "dist/index.js"
    lines: list[str] = []
    ready = threading.Event()
    found: list[str] = []
    listen = ["-h", "127.0.0.1", "-p", str(free_port())]
    process = subprocess.Popen(
        [str(node()), "--max-old-space-size=6144", str(script), "mock", "--errors", *listen, str(document)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(str(folder)),
        start_new_session=True,
    )

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.append(_CODES.sub("", line))
                if not found and (match := _READY.search(lines[-1])):
                    found.append(match[1])
                    ready.set()
        ready.set()

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    try:
        assert ready.wait(timeout), f"Prism was not ready within {timeout} s: {''.join(lines)[-1000:]}"
        assert found, f"Prism ended: {''.join(lines)[-2000:]}"
        yield Prism(found[0], lines)
    finally:
        ended(process)
        reading.join(5)


def free_port() -> int:
    """A port that was free a moment ago; Prism cannot be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Judged:
    """One request as Prism judged it. ``wrong`` says what it found wrong with the request; empty when nothing."""

    seen: Seen
    status: int
    wrong: str


class Tap:
    """Passes every request on to Prism, byte for byte, and keeps what Prism said of it."""

    def __init__(self, url: str) -> None:
        self.where = urlsplit(url)
        self.judged: list[Judged] = []

    def answer(self, seen: Seen) -> Answer:
        line = http.client.HTTPConnection(str(self.where.hostname), self.where.port, timeout=60)
        with contextlib.closing(line):
            line.putrequest(seen.method, seen.target, skip_host=True, skip_accept_encoding=True)
            for name, value in seen.headers.items():
                if name not in ("connection", "content-length", "transfer-encoding"):
                    line.putheader(name, value)
            if seen.body or "content-length" in seen.headers:
                line.putheader("content-length", str(len(seen.body)))
            line.endheaders(seen.body)
            reply = line.getresponse()
            body = reply.read()
        found, kind = reply.getheader("sl-violations") or "", reply.getheader("content-type") or "application/json"
        self.judged.append(Judged(seen, reply.status, _wrong(reply.status, found, kind, body)))
        return Answer(body, reply.status, kind)


def _wrong(status: int, violations: str, content_type: str, body: bytes) -> str:
    """What Prism holds against a request: in a header where the document declares an answer for it, else the body.

    It also reports its own answers there, and deprecated parameters as warnings: neither is the request's fault.
    """
    if violations:
        for each in json.loads(violations):
            if each["location"][0] == "request" and each["severity"] == "Error":
                return violations[:600]
        return ""
    told = 400 <= status < 500 and content_type.startswith("application/problem+json")
    return body.decode("utf-8", "replace")[:600] if told else ""
