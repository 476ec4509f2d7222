"""How long others wait while the largest documents are imported: the lag of a node's event loop, and another's calls.

A node on a new folder is asked over its admin API, by a process of its own, to import the documents as connectors,
import each again against a version of two operations, promote and take back, round after round, all of them side by
side. All the while the node's loop is asked every two milliseconds to come back (what is more than that is its lag),
and a third process calls another tenant's server. Prints a table, writes ``bench/results/imports.json`` and ends with 1
when a limit is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
from documents import GITHUB, KUBERNETES, STRIPE, corpus
from gateway import api
from measure import HERE
from spread import META

from apiloom.app.gateway.grounding import open_grounds
from apiloom.app.gateway.node import Node
from apiloom.app.gateway.place import read_place
from apiloom.app.listen import bind, http_server, run
from apiloom.flows.access import HOST
from apiloom.flows.api_tokens import create_api_token
from apiloom.wire.settings import WireSettings

DOCUMENTS = {"github": GITHUB, "stripe": STRIPE, "kubernetes": KUBERNETES}
BETWEEN = 0.002
LAG = 0.050
"""Seconds that the loop may be late, 99 times of 100."""
MOVED = 1.0
"""Seconds that a promotion or a rollback may take, 99 times of 100."""
PATIENCE = 300.0

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


class Admin:
    """The admin API of a node, for whoever has an owner's token."""

    def __init__(self, client: httpx.AsyncClient, url: str, token: str) -> None:
        self._client, self._url = client, url
        self._head = {"authorization": f"Bearer {token}"}

    async def __call__(self, path: str, body: Any) -> Any:
        reply = await self._client.post(f"{self._url}/api/v1{path}", json=body, headers=self._head)
        assert reply.status_code < 300, f"{path}: {reply.status_code} {reply.text[:300]}"
        return reply.json()


async def rounds(admin: Admin, name: str, path: Path, times: dict[str, list[float]], count: int) -> None:
    """One document, imported again and again."""
    whole, small = {"source": {"text": path.read_text(encoding="utf-8")}}, {"source": {"text": SMALL}}
    versions = f"/connectors/{name}/versions"
    await timed(times["import"], lambda: admin("/connectors", {"slug": name, **small}))
    for _ in range(count):
        made = await timed(times["import"], lambda: admin(versions, whole))
        await timed(times["promote"], partial(admin, f"{versions}/{made['number']}/promote?cascade=true", {}))
        await timed(times["import"], lambda: admin(versions, small))
        await timed(times["rollback"], lambda: admin(f"/connectors/{name}/rollback", {}))


async def import_all(url: str, token: str, names: list[str], count: int) -> dict[str, Any]:
    """The process that imports: how long each step took."""
    times: dict[str, list[float]] = {"import": [], "promote": [], "rollback": []}
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        admin = Admin(client, url, token)
        await asyncio.gather(*(rounds(admin, name, corpus(DOCUMENTS[name]), times, count) for name in names))
    return {name: {"n": len(each), "p50": at(each, 0.5), "p99": at(each, 0.99)} for name, each in times.items()}


async def call_on(url: str) -> dict[str, Any]:
    """The process that calls, until its input ends: how often, how often in vain, and how long it took."""
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    params = {"name": "a", "arguments": {}, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    head = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
    head |= {"mcp-method": "tools/call", "mcp-name": "a"}
    taken: list[float] = []
    failed = 0
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        while not over.done():
            reply = await timed(taken, lambda: client.post(url, json=message, headers=head))
            failed += reply.status_code != 200 or bool(reply.json()["result"].get("isError"))
            await asyncio.sleep(5 * BETWEEN)
    return {
        "n": len(taken),
        "failed": failed,
        "milliseconds": {"p50": at(taken, 0.5) * 1e3, "p99": at(taken, 0.99) * 1e3, "most": max(taken) * 1e3},
    }


def at(samples: list[float], share: float) -> float:
    """The sample below which a share of all lies."""
    return sorted(samples)[min(int(len(samples) * share), len(samples) - 1)]


async def asked(*words: str) -> asyncio.subprocess.Process:
    """This program as another process, with one of its parts."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).resolve()), *words, stdin=pipe, stdout=pipe
    )


async def told(process: asyncio.subprocess.Process) -> Any:
    """What a part says at its end."""
    said, _ = await process.communicate(b"")
    if process.returncode:
        raise SystemExit(f"bench: a part ended with {process.returncode}")
    return json.loads(said)


async def measured(names: list[str], count: int) -> dict[str, Any]:
    """All documents side by side in one node, and another tenant's calls."""
    samples: list[float] = []
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(api())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="apiloom-bench-"))
        sock = bind("127.0.0.1", 0)
        url = "http://{}:{}".format(*sock.getsockname())
        environment = {
            **os.environ,
            "APILOOM_KEY_FILE": f"{folder}/key/key",
            "APILOOM_ALLOW_ADDRESSES": "127.0.0.1",
        }
        grounds = await open_grounds(read_place(f"{folder}/kept", environment), public_url=url, environment=environment)
        stack.push_async_callback(grounds.close)
        node = Node(grounds, WireSettings())
        await node.start()
        server = http_server(node.front(), lambda: None, node.close, heeds_signals=False)
        tasks = [asyncio.create_task(work) for work in (server.serve(sockets=[sock]), node.run(), lag(samples))]
        try:
            token = (await create_api_token(node.ground, HOST, {"role": "owner", "name": "bench"})).text
            await node.poll()
            async with httpx.AsyncClient(timeout=PATIENCE) as client:
                secret = await another(Admin(client, url, token), base)
            calling = await asked("--call", secret)
            samples.clear()
            steps = await told(await asked("--import", url, token, "--rounds", str(count), "--only", *names))
            late = list(samples)
            calls = await told(calling)
        finally:
            server.should_exit = True
            await tasks[0]
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks[1:], return_exceptions=True)
    return {
        "samples": len(late),
        "lag_ms": {"p50": at(late, 0.5) * 1e3, "p99": at(late, 0.99) * 1e3, "max": max(late) * 1e3},
        "seconds": steps,
        "calls": calls,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


async def another(admin: Admin, base: str) -> str:
    """The secret URL of a server of another tenant."""
    await admin("/tenants", {"id": "other"})
    await admin("/connectors", {"slug": "other", "source": {"text": SMALL}, "options": {"base_url": base}})
    account = await admin("/accounts", {"tenant": "other", "connector": "other"})
    return str((await admin(f"/accounts/{account['id']}/servers", {"name": "calls"}))["url"])


def main() -> int:
    """Measure, print, keep, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", action="store_true", help="print the limits, but do not fail on them")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the figures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=DOCUMENTS, default=[*DOCUMENTS], help="some of the documents")
    parser.add_argument("--import", nargs=2, dest="imports", help=argparse.SUPPRESS)
    parser.add_argument("--call", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.imports or given.call:
        part = import_all(*given.imports, given.only, given.rounds) if given.imports else call_on(given.call)
        print(json.dumps(asyncio.run(part)))
        return 0
    figures = run(measured(given.only, given.rounds))
    late, calls = figures["lag_ms"], figures["calls"]
    print(f"lag of the loop: p50 {late['p50']:.1f} ms, p99 {late['p99']:.1f} ms, at most {late['max']:.1f} ms")
    took = calls["milliseconds"]
    print(f"calls of another tenant: {calls['n']}, failed {calls['failed']}", end=", ")
    print(f"p50 {took['p50']:.1f} ms, p99 {took['p99']:.1f} ms, at most {took['most']:.0f} ms; load {figures['load']}")
    for name, each in figures["seconds"].items():
        print(f"{name:<9} {each['n']:>4}  p50 {each['p50']:.2f} s  p99 {each['p99']:.2f} s")
    checks = [
        {"what": "lag p99, ms", "figure": late["p99"], "limit": LAG * 1e3},
        {"what": "failed calls", "figure": calls["failed"], "limit": 0},
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
