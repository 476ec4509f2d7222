"""How long the lists of the largest documents are, how soon they are there, and whether they say everything.

Stripe's 446 operations and GitHub's 1,223, each served by processes of its own: seconds from the start to the complete
``tools/list`` on the wire, its bytes, the memory at most; the same list in every other profile; and each argument that
``inspect`` knows, looked for in the schema that was listed. Then GitHub's operations three and ten times under other
names: a list must not grow faster than its document. Prints a table, writes ``bench/results/sizes.json`` and ends with
1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from cold import RESULTS, begun, whole_list
from documents import GITHUB, STRIPE, corpus, repeated
from measure import apiloom, memory, processor_seconds

MB = 1_000_000
LIMITS = {"stripe": 1.2 * MB, "github": 1.6 * MB}
"""Bytes of the whole list on the wire, in the default view."""

SECONDS = 1.5
OTHERS = ("anthropic", "openai", "gemini", "full")


class Named(msgspec.Struct):
    """What is compared of a tool: its name and its arguments."""

    name: str
    inputSchema: dict[str, Any]  # noqa: N815 - the member's name on the wire


def _once(document: Path, cache: Path) -> dict[str, Any]:
    """One start from nothing to the complete list."""
    with begun(document, cache) as (process, began, port):
        listed = asyncio.run(whole_list(port))
        return {
            "seconds": round(time.perf_counter() - began, 3),
            "cpu": round(processor_seconds(process.pid), 2),
            "peak_mb": round(memory(process.pid, "VmHWM"), 1),
            "tools": len(listed.tools),
            "bytes": listed.size,
            "pages": listed.pages,
            "arguments": {tool.name: set(tool.inputSchema["properties"]) for tool in map(_named, listed.tools)},
        }


def _named(entry: msgspec.Raw) -> Named:
    return msgspec.json.decode(entry, type=Named)


def _by_profile(document: Path, cache: Path) -> dict[str, Any]:
    """The list in each other profile, from a server that runs in its own: bytes, seconds when first asked for."""
    found = {}
    with begun(document, cache) as (process, _, port):
        asyncio.run(whole_list(port))
        for profile in OTHERS:
            began = time.perf_counter()
            listed = asyncio.run(whole_list(port, f"?profile={profile}"))
            found[profile] = {"bytes": listed.size, "seconds": round(time.perf_counter() - began, 3)}
        found["all"] = {"peak_mb": round(memory(process.pid, "VmHWM"), 1)}
    return found


def _kept(run: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in run.items() if key != "arguments"}


def _lost(document: Path, arguments: dict[str, set[str]]) -> list[str]:
    """Arguments of the canonical schemas that the list does not have."""
    command = [*apiloom(), "inspect", str(document), "--json", "--no-cache"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120)
    report = json.loads(done.stdout)
    known = {tool["name"]: set(tool["arguments"]) for tool in report["tools"]}
    if known.keys() != arguments.keys():
        raise SystemExit(f"the list and the report differ by {sorted(known.keys() ^ arguments.keys())[:5]}")
    return [f"{name}: {argument}" for name in known for argument in sorted(known[name] - arguments[name])]


def main() -> int:
    """Run, print, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the figures")
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    checks: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []

    def check(what: str, figure: float, limit: float) -> None:
        checks.append({"what": what, "figure": round(figure, 3), "limit": limit, "ok": figure <= limit})

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for title, document in (("stripe", corpus(STRIPE)), ("github", corpus(GITHUB))):
            runs = [_once(document, folder / f"{title}-{turn}") for turn in range(chosen.runs)]
            fastest, peak = min(run["seconds"] for run in runs), max(run["peak_mb"] for run in runs)
            last = runs[-1]
            others = _by_profile(document, folder / f"{title}-0")
            lost = _lost(document, last["arguments"])
            count = sum(map(len, last["arguments"].values()))
            cpu = min(run["cpu"] for run in runs)
            print(
                f"{title:<12} {last['tools']:>6,} tools  {count:>7,} arguments  {last['bytes']:>10,} bytes in "
                f"{last['pages']} pages  {fastest:.2f} s  {cpu:.2f} s CPU  peak {peak:.0f} MB",
                flush=True,
            )
            for profile in OTHERS:
                line = others[profile]
                print(f"  {profile:<10} {line['bytes']:>12,} bytes, {line['seconds']:.2f} s when first asked for")
            print(f"  all of them  peak {others['all']['peak_mb']:.0f} MB", flush=True)
            check(f"{title}, bytes of the whole list", last["bytes"], LIMITS[title])
            check(f"{title}, seconds to the whole list", fastest, SECONDS)
            check(f"{title}, arguments that are not listed", len(lost), 0)
            best = {"what": title, "seconds": fastest, "cpu": cpu, "peak_mb": peak}
            rows.append({**_kept(last), **best, "profiles": others, "lost": lost})
        base = rows[-1]
        for times in (3, 10):
            large = folder / f"github-{times}.json"
            count = repeated(corpus(GITHUB), times, large)
            run = _once(large, folder / f"large-{times}")
            rows.append({**_kept(run), "what": f"github x {times}"})
            print(
                f"github x {times:<3} {count:>6,} tools  {run['bytes']:>12,} bytes, {run['bytes'] / count:,.0f} each  "
                f"{run['seconds']:.2f} s  {run['cpu']:.2f} s CPU  peak {run['peak_mb']:.0f} MB",
                flush=True,
            )
            ratio = (run["bytes"] / run["tools"]) / (base["bytes"] / base["tools"])
            check(f"bytes of each of {count:,} tools, times those of each of {base['tools']:,}", ratio, 1.1)
            ratio = (run["cpu"] / run["tools"]) / (base["cpu"] / base["tools"])
            check(f"CPU time of each of {count:,} tools, times that of each of {base['tools']:,}", ratio, 1.3)
    for each in checks:
        print(f"{'ok    ' if each['ok'] else 'BROKEN'} {each['what']}: {each['figure']:,} (limit {each['limit']:,})")
    chosen.results.mkdir(exist_ok=True)
    (chosen.results / "sizes.json").write_text(json.dumps({"rows": rows, "checks": checks}, indent=1) + "\n")
    return 0 if chosen.report or all(each["ok"] for each in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
