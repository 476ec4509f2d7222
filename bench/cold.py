"""From nothing to tools: how long a process takes from its start to a complete ``tools/list``, and what it holds then.

The largest documents of the corpus, cold and from the compiled cache; ``inspect`` of the largest; and one of 12,000
operations, made by repeating it, that must not cost more for each operation. The fastest of several starts counts, as
whatever else the machine does can only add to it. Prints a table, writes ``bench/results/cold.json`` and ends with 1
when a limit is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from documents import GITHUB, KUBERNETES, STRIPE, corpus, repeated
from load import MODERN
from measure import HERE, Ask, apiloom, end, memory, processor_seconds

RESULTS = HERE / "results"
"""Where figures are written unless ``--results`` says otherwise."""
_URL = re.compile(rb"http://127\.0\.0\.1:([1-9]\d*)")


class Page(msgspec.Struct):
    """A page of ``tools/list``."""

    tools: list[msgspec.Raw]
    nextCursor: str | None = None  # noqa: N815 - the member's name on the wire


class Reply(msgspec.Struct):
    """A JSON-RPC response with a page."""

    result: Page


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds to the complete list, CPU seconds, MB at most and at rest, and what was listed."""

    seconds: float
    cpu: float
    peak_mb: float
    rest_mb: float
    tools: int
    size: int
    pages: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A whole list: its entries, its size on the wire, and the pages it came in."""

    tools: list[msgspec.Raw]
    size: int
    pages: int


async def whole_list(port: int, query: str = "") -> Listed:
    """Every page of ``tools/list``."""
    ask = Ask("127.0.0.1", port)
    await ask.connect(time.perf_counter() + 10)
    tools: list[msgspec.Raw] = []
    size = pages = 0
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        }
        if cursor is not None:
            params["cursor"] = cursor
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": pages, "method": "tools/list", "params": params})
        status, text = await ask.post(
            b"POST /mcp%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
            b"Mcp-Method: tools/list\r\n"
            b"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (query.encode(), port, MODERN.encode(), len(body), body)
        )
        if status != 200:
            raise SystemExit(f"tools/list answered {status}: {text[:500]!r}")
        page = msgspec.json.decode(text, type=Reply).result
        tools += page.tools
        size, pages = size + len(text), pages + 1
        cursor = page.nextCursor
        if cursor is None:
            ask.close()
            return Listed(tools, size, pages)


@contextlib.contextmanager
def begun(document: Path, cache: Path) -> Iterator[tuple[subprocess.Popen[bytes], float, int]]:
    """A server of a document: its process, when it began, and its port."""
    command = [*apiloom(), "serve", str(document), "--http", "127.0.0.1:0", "--base-url", "http://127.0.0.1:9"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--mode", "direct"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "APILOOM_CACHE": str(cache)},
    )
    said = b""
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        for line in process.stderr:
            said += line
            if found := _URL.search(line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield process, began, int(found[1])
                return
        raise SystemExit(f"apiloom serve {document.name} said no URL: {said.decode(errors='replace')}")
    finally:
        killer.cancel()
        end(process)


def start(document: Path, cache: Path, *, keeps: bool) -> Start:
    """Start, list everything, end. With ``keeps`` the end waits until the compiled cache has been written."""
    with begun(document, cache) as (process, began, port):
        listed = asyncio.run(whole_list(port))
        seconds = time.perf_counter() - began
        cpu = processor_seconds(process.pid)
        rest = memory(process.pid)
        if keeps:
            _settle(cache)
        peak = memory(process.pid, "VmHWM")
        return Start(
            seconds=round(seconds, 3),
            cpu=round(cpu, 2),
            peak_mb=round(peak, 1),
            rest_mb=round(rest, 1),
            tools=len(listed.tools),
            size=listed.size,
            pages=listed.pages,
        )


def _settle(cache: Path) -> None:
    """Wait until compiled catalogs in the cache exist and have stopped growing; bounded."""
    before: list[int] = []
    for _ in range(200):
        time.sleep(0.1)
        sizes = sorted(path.stat().st_size for path in cache.rglob("*.catalog") if path.is_file())
        if sizes and sizes == before:
            return
        before = sizes


def _inspect(document: Path) -> float:
    began = time.perf_counter()
    command = [*apiloom(), "inspect", str(document), "--json", "--no-cache"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=120)
    if done.returncode:
        raise SystemExit(f"inspect {document.name} ended with {done.returncode}")
    return time.perf_counter() - began


def _row(what: str, runs: list[Start]) -> dict[str, Any]:
    fastest = min(run.seconds for run in runs)
    peak = max(run.peak_mb for run in runs)
    last = runs[-1]
    each = " ".join(f"{run.seconds:.2f}" for run in runs)
    print(
        f"{what:<22} {fastest:>7.3f} s  {min(run.cpu for run in runs):>5.2f} s CPU  ({each})  peak {peak:>6.1f} MB  "
        f"{last.tools:>6,} tools  {last.size:>10,} bytes in {last.pages} pages",
        flush=True,
    )
    return {"what": what, "seconds": fastest, "peak_mb": peak, "runs": [asdict(run) for run in runs]}


def main() -> int:
    """Run, print, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--github-only", action="store_true")
    chosen = parser.parse_args()
    checks: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []

    def check(what: str, figure: float, limit: float) -> None:
        checks.append({"what": what, "figure": round(figure, 3), "limit": limit, "ok": figure <= limit})

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        documents = [("bench20", HERE / "bench20.yaml"), ("github", corpus(GITHUB))]
        if not chosen.github_only:
            documents += [("stripe", corpus(STRIPE)), ("kubernetes", corpus(KUBERNETES))]
        for title, document in documents:
            caches = [folder / f"{title}-{turn}" for turn in range(chosen.runs)]
            cold = _row(f"{title} cold", [start(document, cache, keeps=True) for cache in caches])
            kept = _row(f"{title} cached", [start(document, caches[0], keeps=False) for _ in range(chosen.runs)])
            rows += [cold, kept]
            if title == "github":
                check("GitHub cold, seconds to the complete list", cold["seconds"], 1.2)
                check("GitHub cached, seconds to the complete list", kept["seconds"], 0.45)
                check("GitHub, MB at most", max(cold["peak_mb"], kept["peak_mb"]), 250)
                inspected = min(_inspect(document) for _ in range(chosen.runs))
                check("GitHub inspect, seconds", inspected, 2.0)
                github = cold["runs"][0]
        if not chosen.github_only:
            large = folder / "large.json"
            count = repeated(corpus(GITHUB), 10, large)
            print(f"{count:,} operations in {large.stat().st_size / 1e6:.0f} MB, GitHub's repeated ten times")
            runs = [start(large, folder / f"large-{turn}", keeps=True) for turn in range(2)]
            row = _row("github x 10 cold", runs)
            kept = _row("github x 10 cached", [start(large, folder / "large-0", keeps=False) for _ in range(2)])
            rows += [row, kept]
            base = next(each for each in rows if each["what"] == "github cold")
            ratio = (row["seconds"] / runs[0].tools) / (base["seconds"] / github["tools"])
            check("time for each of 12,230 operations, times for each of 1,223", ratio, 1.3)
            ratio = (row["peak_mb"] / runs[0].tools) / (base["peak_mb"] / github["tools"])
            check("memory for each of 12,230 operations, times for each of 1,223", ratio, 1.3)
    for each in checks:
        print(f"{'ok    ' if each['ok'] else 'BROKEN'} {each['what']}: {each['figure']} (limit {each['limit']})")
    chosen.results.mkdir(exist_ok=True)
    (chosen.results / "cold.json").write_text(json.dumps({"rows": rows, "checks": checks}, indent=1) + "\n")
    return 0 if chosen.report or all(each["ok"] for each in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
