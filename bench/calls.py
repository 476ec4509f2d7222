"""What one ``tools/call`` costs, beside a direct call and the thinnest relay, in one interleaved run.

Everything is pinned to one core and takes turns on it, so the figures to compare are ratios: CPU of the server's
process tree per call, and latency against the direct call. Prints a table, writes ``bench/results/calls.json`` and
``calls.svg``, and ends with 1 when a limit is broken or any answer was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from cells import CELLS
from documents import GITHUB, corpus, with_bench_operations
from load import LEGACY, DirectWork, McpWork
from measure import HERE, Contestant, Served, apiloom, interleaved, memory, served

SHAPES = (("get", 1), ("get", 16), ("get", 64), ("post", 16), ("list", 16), ("big", 16))
RESULTS = HERE / "results"
"""Where figures are written unless ``--results`` says otherwise."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="short rounds: shows that everything works, measures badly"
    )
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    parser.add_argument("--cpu", type=int, default=min(os.sched_getaffinity(0)), help="core for all (default: first)")
    parser.add_argument("--only", default="", help="cells such as get@16,big@16")
    parser.add_argument("--no-many", action="store_true", help="leave out the document of 1,242 operations")
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


async def _measure(chosen: argparse.Namespace, servers: dict[str, Served]) -> list[dict[str, Any]]:
    wanted = [part for part in chosen.only.split(",") if part]
    rounds, seconds, warm = (2, 0.1, 0.1) if chosen.quick else (chosen.rounds, 0.5, 0.7)
    cells = []
    for name, connections in SHAPES:
        title = f"{name}@{connections}"
        if wanted and title not in wanted:
            continue
        cell = CELLS[name]
        contestants = [
            Contestant("direct", servers["upstream"], DirectWork(cell)),
            Contestant("relay", servers["relay"], McpWork(cell)),
            Contestant("apiloom", servers["apiloom"], McpWork(cell)),
        ]
        if title == "get@16":
            contestants.append(Contestant("apiloom legacy", servers["apiloom"], McpWork(cell, LEGACY)))
            if "many" in servers:
                contestants.append(Contestant("apiloom many tools", servers["many"], McpWork(cell)))
        await interleaved(contestants, connections, rounds=rounds, seconds=seconds, warm=warm)
        cells.append({"cell": title, "contestants": [each.summary() for each in contestants]})
        _print_cell(cells[-1])
    return cells


def _print_cell(cell: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in cell["contestants"]}
    for row in cell["contestants"]:
        against = row["cpu_us"] / max(0.1, rows["relay"]["cpu_us"])
        slower = row["p50_ms"] / max(1e-6, rows["direct"]["p50_ms"])
        print(
            f"{cell['cell']:<8} {row['name']:<20} {row['cpu_us']:>9,.1f} us  {against:>5.2f} x relay   "
            f"p50 {row['p50_ms']:>8.3f} ms  {slower:>5.2f} x direct   p99 {row['p99_ms']:>8.3f} ms   "
            f"{row['calls']:>7,} calls  {row['failed']} wrong",
            flush=True,
        )


def judge(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The limits and what was measured against each."""
    figures = {(c["cell"], row["name"]): row for c in cells for row in c["contestants"]}
    checks: list[dict[str, Any]] = []

    def check(what: str, figure: float, limit: float) -> None:
        checks.append({"what": what, "figure": round(figure, 3), "limit": limit, "ok": figure <= limit})

    def ratio(cell: str, one: str, other: str, key: str) -> float | None:
        if (cell, one) not in figures or (cell, other) not in figures:
            return None
        return figures[cell, one][key] / max(1e-6, figures[cell, other][key])

    for what, cell, one, other, key, limit in (
        ("CPU of a small GET, times the relay", "get@16", "apiloom", "relay", "cpu_us", 1.6),
        ("p50 of a small GET, times a direct call", "get@16", "apiloom", "direct", "p50_ms", 2.2),
        ("CPU of a 200 KB answer, times the relay", "big@16", "apiloom", "relay", "cpu_us", 1.3),
        ("CPU with 1,242 tools, times with 20", "get@16", "apiloom many tools", "apiloom", "cpu_us", 1.1),
    ):
        figure = ratio(cell, one, other, key)
        if figure is not None:
            check(what, figure, limit)
    check("wrong answers", sum(row["failed"] for row in figures.values()), 0)
    return checks


def _picture(cells: list[dict[str, Any]]) -> str:
    colors = {"direct": "#9aa5b1", "relay": "#5b8def", "apiloom": "#e4572e", "apiloom legacy": "#f3a712"}
    rows = [(c["cell"], row) for c in cells for row in c["contestants"]]
    widest = max((row["cpu_us"] for _, row in rows), default=1) or 1
    parts = []
    for place, (cell, row) in enumerate(rows):
        top = 30 + place * 18
        width = row["cpu_us"] / widest * 520
        parts.append(
            f'<text x="200" y="{top + 11}" text-anchor="end">{cell} {row["name"]}</text>'
            f'<rect x="208" y="{top}" width="{width:.1f}" height="13" fill="{colors.get(row["name"], "#7d5ba6")}"/>'
            f'<text x="{214 + width:.1f}" y="{top + 11}">{row["cpu_us"]:.0f}</text>'
        )
    height = 40 + len(rows) * 18
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="{height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/><text x="10" y="18" font-size="13">'
        f"Server CPU per call, microseconds</text>{''.join(parts)}</svg>"
    )


def main() -> int:
    """Run, print, write, judge."""
    chosen = _arguments()
    os.sched_setaffinity(0, {chosen.cpu})
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = {"APILOOM_CACHE": str(folder / "cache")}
        python = sys.executable
        upstream = stack.enter_context(served("upstream", [python, str(HERE / "upstream.py"), "0"]))
        port = upstream.url.rpartition(":")[2]
        # The budget of a result would cut the 200 KB answers; what is measured here is the road.
        serve = [*apiloom(), "serve", "--result-tokens", "0"]
        listen = ["--http", "127.0.0.1:0", "--base-url", upstream.url]
        servers = {
            "upstream": upstream,
            "relay": stack.enter_context(served("relay", [python, str(HERE / "relay.py"), port, "0"])),
            "apiloom": stack.enter_context(
                served("apiloom", [*serve, str(HERE / "bench20.yaml"), *listen], env=env),
            ),
        }
        if not chosen.no_many:
            many = folder / "many.json"
            print(f"a document of {with_bench_operations(corpus(GITHUB), many):,} operations beside the one of 20")
            servers["many"] = stack.enter_context(served("apiloom many", [*serve, str(many), *listen], env=env))
        cells = uvloop.run(_measure(chosen, servers))
        resident = {name: round(memory(each.pid), 1) for name, each in servers.items()}
    checks = judge(cells)
    print(f"\nresident memory after load, MB: {resident}")
    for each in checks:
        print(f"{'ok    ' if each['ok'] else 'BROKEN'} {each['what']}: {each['figure']} (limit {each['limit']})")
    errors = [(row["name"], row["errors"]) for c in cells for row in c["contestants"] if row["errors"]]
    for name, texts in errors[:5]:
        print(f"       {name}: {texts[0]}")
    chosen.results.mkdir(exist_ok=True)
    figures = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "cells": cells,
        "memory_mb": resident,
        "checks": checks,
    }
    (chosen.results / "calls.json").write_text(json.dumps(figures, indent=1) + "\n")
    (chosen.results / "calls.svg").write_text(_picture(cells))
    return 0 if chosen.report or all(each["ok"] for each in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
