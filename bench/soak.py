"""100,000 checked calls of every shape, good and bad, in both eras: no error, and memory that stays flat.

Ends by itself after the calls, or after ten minutes with what it has. Ends with 1 when an answer was wrong or the
server holds more at the end than after it was warm.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from cells import CELLS
from load import LEGACY, Load, McpWork, Tally, Work
from measure import HERE, Served, apiloom, memory, served

RESULTS = HERE / "results"
"""Where figures are written unless ``--results`` says otherwise."""
GROWTH_MB = 6.0
"""More than this between warm and end is a leak: 100,000 calls at 60 bytes each."""


@dataclass(slots=True)
class Refused:
    """Calls that must be refused: a wrong argument, as a tool error that names it, or an unknown tool."""

    inner: McpWork

    def request(self, number: int) -> bytes:
        right = self.inner.request(number)
        if number % 2:
            return right.replace(b"get_item", b"got_item")
        head, _, body = right.partition(b"\r\n\r\n")
        value = msgspec.json.decode(body)
        value["params"]["arguments"] = {"item_id": "seven", "color": f"c{number}", "surplus": number}
        body = msgspec.json.encode(value)
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])

    def wrong(self, number: int, status: int, body: bytes) -> str:
        value: dict[str, Any] = msgspec.json.decode(body)
        if number % 2:
            return "" if value.get("error", {}).get("code") == -32602 else f"{status}: {body[:200]!r}"
        text = str(value.get("result", {}).get("content"))
        refused = value.get("result", {}).get("isError") is True
        return "" if refused and "item_id" in text and "color" in text else f"{status}: {body[:200]!r}"


def _mix() -> list[tuple[Work, int]]:
    """Kinds of work and how many calls of each there are in every thousand."""
    return [
        (McpWork(CELLS["get"]), 450),
        (McpWork(CELLS["get"], LEGACY), 150),
        (McpWork(CELLS["post"]), 200),
        (McpWork(CELLS["list"]), 110),
        (McpWork(CELLS["big"]), 10),
        (Refused(McpWork(CELLS["get"])), 80),
    ]


async def _soak(server: Served, calls: int) -> tuple[Tally, list[dict[str, float]]]:
    total = Tally()
    kept: list[dict[str, float]] = []
    numbers = itertools.count(1)
    rounds = 20
    deadline = time.monotonic() + 600
    for turn in range(rounds):
        for work, share in _mix():
            count = max(2, calls * share // 1000 // rounds)
            tally = await Load(server.url, work, 16, numbers).run(calls=count)
            tally.latencies.clear()
            total.add(tally)
        kept.append({"calls": total.calls, "mb": round(memory(server.pid), 2)})
        print(f"{total.calls:>8,} calls  {total.failed} wrong  {kept[-1]['mb']:.1f} MB", flush=True)
        if time.monotonic() > deadline:
            print(f"stopped after ten minutes and {turn + 1} of {rounds} rounds")
            break
    return total, kept


def main() -> int:
    """Run, print, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        upstream = stack.enter_context(served("upstream", [sys.executable, str(HERE / "upstream.py"), "0"]))
        command = [*apiloom(), "serve", str(HERE / "bench20.yaml"), "--http", "127.0.0.1:0", "--result-tokens", "0"]
        server = stack.enter_context(
            served("apiloom", [*command, "--base-url", upstream.url], env={"APILOOM_CACHE": str(Path(folder))})
        )
        total, kept = uvloop.run(_soak(server, chosen.calls))
    warm = max(each["mb"] for each in kept[: max(1, len(kept) // 4)])
    growth = kept[-1]["mb"] - warm
    checks = [
        {"what": "checked calls", "figure": total.calls, "ok": total.calls >= chosen.calls * 0.99},
        {"what": "wrong answers", "figure": total.failed, "ok": total.failed == 0},
        {"what": f"MB more than when warm (limit {GROWTH_MB})", "figure": round(growth, 2), "ok": growth <= GROWTH_MB},
    ]
    for text in total.errors:
        print(f"       {text}")
    for each in checks:
        print(f"{'ok    ' if each['ok'] else 'BROKEN'} {each['what']}: {each['figure']}")
    chosen.results.mkdir(exist_ok=True)
    (chosen.results / "soak.json").write_text(json.dumps({"memory": kept, "checks": checks}, indent=1) + "\n")
    return 0 if chosen.report or all(each["ok"] for each in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
