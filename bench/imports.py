"""How long others wait while the largest documents are imported: the lag of the event loop of a gateway.

A gateway's own ground (store, key, workers) on a new folder imports the documents as connectors, imports each again
against a version of two operations, promotes and takes back, round after round, two at a time. All the while the loop
is asked every two milliseconds to come back; what is more than that is its lag. Prints a table, writes
``bench/results/imports.json`` and ends with 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from documents import GITHUB, KUBERNETES, STRIPE, corpus
from measure import HERE

from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.place import read_place
from apiloom.flows.access import HOST
from apiloom.flows.asking import Removal
from apiloom.flows.connectors import create_connector
from apiloom.flows.versions import import_version, promote_version, rollback_version

DOCUMENTS = {"github": GITHUB, "stripe": STRIPE, "kubernetes": KUBERNETES}
BETWEEN = 0.002
LAG = 0.050
"""Seconds that the loop may be late, 99 times of 100."""
MOVED = 1.0
"""Seconds that a promotion or a rollback may take, 99 times of 100."""

SMALL = """{"openapi": "3.1.0", "info": {"title": "Small", "version": "1"}, "paths": {
    "/a": {"get": {"operationId": "a", "responses": {}}}, "/b": {"get": {"operationId": "b", "responses": {}}}}}"""


async def lag(samples: list[float]) -> None:
    """Note how late the loop is, for ever."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(BETWEEN)
        samples.append(time.perf_counter() - began - BETWEEN)


async def timed(taken: list[float], act: Callable[[], Awaitable[Any]]) -> Any:
    """Do something and note how long it took."""
    began = time.perf_counter()
    result = await act()
    taken.append(time.perf_counter() - began)
    return result


async def rounds(grounds: Grounds, name: str, path: Path, times: dict[str, list[float]], count: int) -> None:
    """One document, imported again and again."""
    ground, text, cascade = grounds.ground, path.read_text(encoding="utf-8"), Removal(cascade=True)
    whole, small = {"source": {"text": text}}, {"source": {"text": SMALL}}
    await timed(times["import"], lambda: create_connector(ground, HOST, {"slug": name, **small}))
    for _ in range(count):
        made = await timed(times["import"], lambda: import_version(ground, HOST, name, whole))
        promoted = partial(promote_version, ground, HOST, name, made.version.number, cascade)
        await timed(times["promote"], promoted)
        await timed(times["import"], lambda: import_version(ground, HOST, name, small))
        await timed(times["rollback"], lambda: rollback_version(ground, HOST, name))


def at(samples: list[float], share: float) -> float:
    """The sample below which a share of all lies."""
    return sorted(samples)[min(int(len(samples) * share), len(samples) - 1)]


async def measured(count: int) -> dict[str, Any]:
    """All documents side by side in one gateway."""
    samples: list[float] = []
    times: dict[str, list[float]] = {"import": [], "promote": [], "rollback": []}
    with tempfile.TemporaryDirectory(prefix="apiloom-bench-") as folder:
        environment = {**os.environ, "APILOOM_KEY_FILE": f"{folder}/key/key"}
        grounds = await open_grounds(read_place(f"{folder}/kept", environment))
        watching = asyncio.create_task(lag(samples))
        try:
            await asyncio.gather(
                *(rounds(grounds, name, corpus(path), times, count) for name, path in DOCUMENTS.items())
            )
        finally:
            watching.cancel()
            await grounds.close()
    return {
        "samples": len(samples),
        "lag_ms": {"p50": at(samples, 0.5) * 1e3, "p99": at(samples, 0.99) * 1e3, "max": max(samples) * 1e3},
        "seconds": {
            name: {"n": len(each), "p50": at(each, 0.5), "p99": at(each, 0.99)} for name, each in times.items()
        },
    }


def main() -> int:
    """Measure, print, keep, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the figures")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    figures = asyncio.run(measured(given.rounds))
    told = figures["lag_ms"]
    print(f"lag of the loop: p50 {told['p50']:.1f} ms, p99 {told['p99']:.1f} ms, at most {told['max']:.1f} ms")
    for name, each in figures["seconds"].items():
        print(f"{name:<9} {each['n']:>4}  p50 {each['p50']:.2f} s  p99 {each['p99']:.2f} s")
    checks = [
        {"what": "lag p99, ms", "figure": told["p99"], "limit": LAG * 1e3},
        *(
            {"what": f"{name} p99, s", "figure": figures["seconds"][name]["p99"], "limit": MOVED}
            for name in ("promote", "rollback")
        ),
    ]
    for check in checks:
        check["ok"] = check["figure"] <= check["limit"]
        print(
            f"{'ok    ' if check['ok'] else 'BROKEN'} {check['what']}: {check['figure']:.3f} (limit {check['limit']})"
        )
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "imports.json").write_text(json.dumps({**figures, "checks": checks}, indent=1) + "\n")
    return 0 if given.report or all(check["ok"] for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
