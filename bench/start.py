"""From nothing to a gateway that is ready: how long a node takes, what it holds, how long others wait, how it ends.

A gateway is started again and again on one folder and asked ``/readyz`` until the answer is 200, then every two
milliseconds for five seconds, as calls would come: the longest answer is how long the loop was held. Three nodes take
turns: one that nobody asks for anything else, one whose admin API is asked for the first time, and one that has durable
work to take over. In between, a bare Python imports SQLAlchemy and FastAPI: what else the machine does meets all of
them, so that times are told as a multiple of that as well. The best of several starts counts, as other work can only
add to it. Prints a table, writes ``bench/results/start.json`` and ends with 1 when a limit is broken.

    python bench/run.py start [--runs 5] [--report]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway import environment
from measure import HERE, ROOT, Ask, apiloom, memory, processor_seconds

from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.place import read_place
from apiloom.store.records import Beat

RESULTS = HERE / "results"
WATCHED = 5.0
"""Seconds after the first answer for which the loop is watched."""

BETWEEN = 0.002
ASKED_AFTER = 0.2
"""Seconds after the first answer when the admin API is asked."""

BARE = "import sqlalchemy, fastapi"
NODES = ("idle", "admin", "durable")

MOST_BARE = 2.0
MOST_SECONDS = 1.6
MOST_MB = 105.0
MOST_STOP = 0.5
MOST_HELD = 0.050


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds and CPU seconds to the first 200, MB at rest, seconds to its end, and what was waited for.

    ``held`` is the longest answer of all that were asked for in the first seconds; ``admin`` that of the first request
    to the admin API, 0 where nobody made one.
    """

    seconds: float
    cpu: float
    rest_mb: float
    stop: float
    held: float
    admin: float


@contextlib.asynccontextmanager
async def node(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, float, Ask]]:
    """A node on a folder: its process, the seconds until it was ready, and a connection to it."""
    words = [*apiloom(), "serve", "--data", str(folder / "house"), "--http", "127.0.0.1:0", "--json"]
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *words,
        "--token-file",
        str(folder / "token"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(folder),
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            told = json.loads(await process.stdout.readline())
            ask = Ask(*_place(told["url"]))
            await ask.connect(began + 120)
            while (await ask.post(_get("/readyz")))[0] != 200:
                await asyncio.sleep(BETWEEN)
        yield process, time.perf_counter() - began, ask
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _place(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def _get(path: str, *heads: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: localhost", *heads, "", ""]).encode()


async def start(folder: Path, kind: str) -> Start:
    """Start, watch, end."""
    if kind == "durable":
        await leave_work(folder)
    async with node(folder) as (process, seconds, ask):
        cpu = processor_seconds(process.pid)
        first = asyncio.create_task(_admin(ask, folder)) if kind == "admin" else None
        held, over = 0.0, time.perf_counter() + WATCHED
        while (began := time.perf_counter()) < over:
            await ask.post(_get("/readyz"))
            held = max(held, time.perf_counter() - began)
            await asyncio.sleep(BETWEEN)
        admin = await first if first is not None else 0.0
        rest = memory(process.pid)
        ask.close()
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            code = await process.wait()
        if code:
            raise SystemExit(f"bench: the node ended with {code}")
        stop = time.perf_counter() - began
    return Start(
        *(round(figure, 3) for figure in (seconds, cpu)),
        rest_mb=round(rest, 1),
        stop=round(stop, 3),
        held=round(held, 4),
        admin=round(admin, 3),
    )


async def _admin(ask: Ask, folder: Path) -> float:
    """Seconds that the first request to the admin API takes."""
    await asyncio.sleep(ASKED_AFTER)
    other = Ask(ask.host, ask.port)
    await other.connect(time.perf_counter() + 10)
    token = (folder / "token").read_text().strip()
    began = time.perf_counter()
    status, said = await other.post(_get("/api/v1/tenants", f"authorization: Bearer {token}"))
    took = time.perf_counter() - began
    if status != 200:
        raise SystemExit(f"bench: the admin API answered {status}: {said[:300]!r}")
    other.close()
    return took


async def leave_work(folder: Path) -> None:
    """Leave the heartbeat of a node that is no more: whoever starts next takes its durable work over."""
    around = environment(folder)
    grounds = await open_grounds(read_place(str(folder / "house"), around), environment=around)
    try:
        async with grounds.store.writing() as work:
            beats = work.house().beats
            if await beats.load("gone") is None:
                await beats.add(Beat(id="gone", started_at=1.0, at=1.0))
    finally:
        await grounds.close()


def bare() -> float:
    """Seconds of a Python that imports two libraries and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE], check=True)
    return time.perf_counter() - began


async def measured(runs: int) -> tuple[list[float], dict[str, list[Start]]]:
    """Every node in turns, each on a folder of its own, and a bare Python beside each."""
    bares: list[float] = []
    found: dict[str, list[Start]] = {kind: [] for kind in NODES}
    with tempfile.TemporaryDirectory(prefix="apiloom-bench-") as name:
        for kind in NODES:
            folder = Path(name, kind)
            folder.mkdir()
            async with node(folder) as (process, _, _):
                # the first start makes the store, which is done once
                process.send_signal(signal.SIGTERM)
                await process.wait()
        for _ in range(runs):
            for kind in NODES:
                bares.append(bare())
                found[kind].append(await start(Path(name, kind), kind))
    return bares, found


def row(kind: str, starts: Sequence[Start]) -> dict[str, Any]:
    """The figures of one node: the best of its starts, the most of what it held."""
    best = {
        "seconds": min(each.seconds for each in starts),
        "cpu": min(each.cpu for each in starts),
        "rest_mb": max(each.rest_mb for each in starts),
        "stop": min(each.stop for each in starts),
        "held": min(each.held for each in starts),
        "admin": min(each.admin for each in starts),
    }
    each = " ".join(f"{one.held * 1e3:.0f}" for one in starts)
    print(
        f"{kind:<8} ready {best['seconds']:.2f} s  {best['cpu']:.2f} s CPU  {best['rest_mb']:6.1f} MB  "
        f"stop {best['stop']:.2f} s  held {best['held'] * 1e3:.1f} ms ({each})"
        + (f"  first request {best['admin']:.2f} s" if kind == "admin" else "")
    )
    return {"what": kind, **best, "runs": [asdict(one) for one in starts]}


def main() -> int:
    """Run, print, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    # as an installation would: a start must not pay for compiling what was edited a moment ago
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "src")], check=True)
    bares, found = asyncio.run(measured(given.runs))
    beside = min(bares)
    print(f"bare     {BARE!r} takes {beside:.2f} s; load {os.getloadavg()[0]:.1f}")
    rows = {kind: row(kind, starts) for kind, starts in found.items()}
    idle = rows["idle"]
    checks = [
        ("start to ready, times the bare import", idle["seconds"] / beside, MOST_BARE),
        ("start to ready, s", idle["seconds"], MOST_SECONDS),
        ("MB of a node that was asked for nothing", idle["rest_mb"], MOST_MB),
        *((f"stop of {kind}, s", rows[kind]["stop"], MOST_STOP) for kind in NODES),
        *((f"loop of {kind} held, s", rows[kind]["held"], MOST_HELD) for kind in NODES),
    ]
    for what, figure, limit in checks:
        print(f"{'ok    ' if figure <= limit else 'BROKEN'} {what}: {figure:.3f} (limit {limit})")
    given.results.mkdir(parents=True, exist_ok=True)
    kept = {
        "bare": round(beside, 3),
        "rows": [*rows.values()],
        "checks": [
            {"what": what, "figure": round(figure, 3), "limit": limit, "ok": figure <= limit}
            for what, figure, limit in checks
        ],
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }
    (given.results / "start.json").write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if given.report or all(figure <= limit for _, figure, limit in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
