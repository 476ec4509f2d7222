"""Prism, a mock server that validates requests against an OpenAPI document: the oracle for what we put on the wire."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.node import node, node_package
from support.servers import clean_environment, ended

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
