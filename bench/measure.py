"""Processes under measurement: started, found ready, their CPU and memory read from /proc, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
from load import Load, Tally, Work

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
_URL = re.compile(r"http://127\.0\.0\.1:[1-9]\d*\S*")


def apiloom() -> list[str]:
    """The command line that starts this checkout's apiloom with this interpreter."""
    return [sys.executable, "-m", "apiloom"]


def tree(root: int) -> list[int]:
    """A process and all that descend from it, now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        process = todo.pop()
        found.append(process)
        todo += children.get(process, [])
    return found


def processor_seconds(root: int) -> float:
    """User and system time of a process tree, ended children that were waited for included."""
    total = 0
    for process in tree(root):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(value) for value in fields[11:15])
    return total / TICK


def memory(root: int, what: str = "VmRSS") -> float:
    """Resident memory of a process tree in MB: ``VmRSS`` now, or ``VmHWM`` at its highest."""
    total = 0
    for process in tree(root):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{process}/status").read_text()
            if match := re.search(rf"{what}:\s+(\d+) kB", text):
                total += int(match[1])
    return total / 1024


@dataclass(slots=True)
class Served:
    """A server that runs: its process, its URL, and what it wrote."""

    name: str
    process: subprocess.Popen[bytes]
    url: str
    began: float
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid


@contextlib.contextmanager
def served(
    name: str,
    command: Sequence[str],
    *,
    timeout: float = 60.0,
    env: dict[str, str] | None = None,
    port: int = 0,
) -> Iterator[Served]:
    """Start a server that prints its URL, wait for it, and end it with all its children.

    With ``port`` the URL is not awaited: the caller polls ``http://127.0.0.1:{port}/mcp`` himself.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        output = Path(folder, "output.txt")
        with output.open("wb") as sink:
            began = time.perf_counter()
            process = subprocess.Popen(
                list(command),
                stdout=sink,
                stderr=sink,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )
        try:
            url = f"http://127.0.0.1:{port}/mcp" if port else _printed_url(name, process, output, timeout)
            yield Served(name, process, url, began, output)
        finally:
            end(process)


def _printed_url(name: str, process: subprocess.Popen[bytes], output: Path, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        text = output.read_text(errors="replace")
        if match := _URL.search(text):
            return match[0].rstrip(".,")
        if process.poll() is not None:
            raise SystemExit(f"{name} ended with {process.returncode} before it served:\n{text[-2000:]}")
        time.sleep(0.01)
    raise SystemExit(f"{name} did not serve within {timeout:.0f} s:\n{output.read_text(errors='replace')[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its whole group: politely, then for certain."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait(10)


@dataclass(slots=True)
class Contestant:
    """One that is measured: who answers, where, and what it is asked."""

    name: str
    server: Served
    work: Work
    tally: Tally = field(default_factory=Tally)
    turns: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU of the server's process tree per call, in microseconds: the middle one of its turns."""
        return statistics.median(self.turns) if self.turns else 0.0

    def summary(self) -> dict[str, Any]:
        """The figures of this contestant in its cell."""
        return {
            "name": self.name,
            "calls": self.tally.calls,
            "failed": self.tally.failed,
            "errors": self.tally.errors,
            "cpu_us": round(self.cpu_us, 1),
            "p50_ms": round(self.tally.percentile(0.5) * 1000, 3),
            "p99_ms": round(self.tally.percentile(0.99) * 1000, 3),
            "calls_per_second": round(self.tally.calls / max(0.001, self.tally.seconds)),
        }


async def interleaved(
    contestants: Sequence[Contestant], connections: int, *, rounds: int, seconds: float, warm: float
) -> None:
    """Measure all contestants in turns, so that whatever else the machine does meets each of them alike."""
    loads = [Load(each.server.url, each.work, connections) for each in contestants]
    for load in loads:
        await load.run(seconds=warm)
    for turn in range(rounds):
        order = list(zip(contestants, loads, strict=True))
        for each, load in order if turn % 2 == 0 else reversed(order):
            before = processor_seconds(each.server.pid)
            block = await load.run(seconds=seconds)
            each.turns.append((processor_seconds(each.server.pid) - before) / max(1, block.calls) * 1e6)
            each.tally.add(block)


class Ask:
    """One request at a time over one connection to a server that may not be up yet; for cold starts."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def connect(self, deadline: float) -> None:
        """Connect as soon as somebody listens; ``deadline`` as of ``time.perf_counter``."""
        while True:
            try:
                self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                if time.perf_counter() > deadline:
                    raise
                await asyncio.sleep(0.002)
            else:
                return

    async def post(self, request: bytes) -> tuple[int, bytes]:
        """Send one whole request, read one whole response."""
        assert self.reader is not None
        assert self.writer is not None
        self.writer.write(request)
        whole = _Whole()
        parser = httptools.HttpResponseParser(whole)
        while not whole.done:
            data = await asyncio.wait_for(self.reader.read(1 << 18), 60)
            if not data:
                raise ConnectionError("the server closed the connection")
            parser.feed_data(data)
        return parser.get_status_code(), b"".join(whole.parts)

    def close(self) -> None:
        """Hang up."""
        if self.writer is not None:
            self.writer.close()


class _Whole:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.done = False

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        self.done = True
