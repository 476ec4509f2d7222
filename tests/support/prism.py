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
from typing import Any
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
    """One request as Prism judged it. ``wrong`` says what it found wrong with the request; empty when nothing.

    ``unread`` is true where Prism says that it cannot read such a body, and so judged nothing.
    """

    seen: Seen
    status: int
    wrong: str
    unread: bool


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
        kind = reply.getheader("content-type") or "application/json"
        told = reply.getheader("sl-violations") or ""
        if not told and reply.status < 500 and kind.startswith("application/problem+json"):
            told = body.decode("utf-8", "replace")
        unread = "Cannot deserialize JSON object array in form data" in told
        found = [] if unread or not told else [each for each in _violations(told) if not _invented(each, seen)]
        self.judged.append(Judged(seen, reply.status, json.dumps(found)[:900] if found else "", unread))
        return Answer(body, reply.status, kind)


def _violations(told: str) -> list[dict[str, Any]]:
    """What is held against the request: neither Prism's own answers nor warnings, both of which it reports too."""
    try:
        value = json.loads(told)
    except ValueError:
        # Long lists are cut off in the header; what matters is whether the request is among them.
        return [{"location": ["request"], "told": told}] if '"request"' in told else []
    if isinstance(value, dict):
        given = value.get("validation") or [{"told": told}]
        return [{**each, "location": ["request", *each.get("location", [])]} for each in given]
    return [each for each in value if each["location"][0] == "request" and each["severity"] == "Error"]


def _invented(violation: dict[str, Any], seen: Seen) -> bool:
    """Whether a violation is about an object that was not sent at all.

    Prism reads an absent ``deepObject`` parameter, or an absent object in a form, as an empty one, and then misses its
    required members. Real ones stand in the request by their name.
    """
    _, _, *path = [*violation["location"], "", ""]
    names = [name for name in path if name]
    if violation.get("code") != "required" or not names:
        return False
    is_form = "form" in seen.headers.get("content-type", "")
    sent = seen.body.decode("latin-1") if violation["location"][1] == "body" else seen.target
    written = names[0] + "".join(f"%5B{name}%5D" for name in names[1:])
    return (
        (is_form or violation["location"][1] == "query") and f"{written}%5B" not in sent and f"{written}=" not in sent
    )
