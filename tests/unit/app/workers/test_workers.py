"""Worker processes: what they make, what they refuse, what they survive, and whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from apiloom.app.workers import process as workers_process
from apiloom.app.workers.bounds import Bounds
from apiloom.app.workers.pool import Workers
from apiloom.app.workers.turns import Turns
from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError, DesignError, HouseFault
from apiloom.compile.artefact import unpack
from apiloom.flows.ground import Imported, ImportJob
from support.servers import HERE
from support.sockets import Peer, peer, silence

OK = {"200": {"description": "done"}}
WAIT = 60.0


def document(*names: str, **more: Any) -> bytes:
    paths = {f"/{name}": {"get": {"operationId": name, "responses": OK}} for name in names}
    head = {"openapi": "3.1.0", "info": {"title": "Things", "version": "7"}, "servers": [{"url": "https://a.example"}]}
    return json.dumps({**head, "paths": paths, **more})


def silently(_: str) -> None:
    """Nobody listens."""


@contextlib.asynccontextmanager
async def workers(size: int = 1, bounds: Bounds | None = None) -> AsyncIterator[Workers]:
    pool = Workers(size, bounds or Bounds(), {**os.environ, "APILOOM_ALLOW_ADDRESSES": HERE})
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), WAIT)
        assert pool.pids == ()


async def imported(pool: Workers, content: bytes, **job: Any) -> Imported:
    return await asyncio.wait_for(pool.run(ImportJob(slug="things", document=content, **job), silently), WAIT)


async def test_an_import_gives_an_artefact_its_counts_and_how_far_it_was() -> None:
    said: list[str] = []
    content = document("one", "two")
    async with workers() as pool:
        made = await asyncio.wait_for(pool.run(ImportJob(slug="things", document=content), said.append), WAIT)
    artefact = unpack(made.artefact)
    assert (made.title, made.api_version, made.tools, made.document) == ("Things", "7", 2, content)
    assert made.ledger == {"operations": 2, "exposed": 2, "gated": 0, "quarantined": 0}
    assert (made.hash, set(artefact.tools)) == (artefact.hash, {"one", "two"})
    assert {finding["code"] for finding in made.findings} == {"catalog.undescribed"}
    assert (made.verdict, made.difference) == ("none", {})
    assert [text.split()[0] for text in said] == ["reading", "shaping", "packing"]


async def test_one_worker_after_the_other_gives_the_same_bytes() -> None:
    content = document("one", "two")
    turned = json.dumps(dict(reversed(json.loads(content).items())))
    async with workers() as first, workers() as second:
        made = [await imported(first, content), await imported(first, turned), await imported(second, content)]
    assert len({one.artefact for one in made}) == 1


async def test_a_worker_is_kept_for_the_next_job_and_replaced_when_it_has_grown() -> None:
    async with workers() as pool:
        await imported(pool, document("one"))
        before = pool.pids
        with pytest.raises(DesignError):
            await imported(pool, b"{}")
        await imported(pool, document("two"))
        assert pool.pids == before
    async with workers(bounds=Bounds(retire=1)) as pool:
        await imported(pool, document("one"))
        assert pool.pids == ()


async def test_names_that_were_published_are_kept_from_every_version_that_was() -> None:
    async with workers() as pool:
        first = await imported(pool, document("one", "two"))
        other = await imported(pool, document("one", "three"))
        moved = {"/moved": {"get": {"operationId": "one", "responses": OK}}}
        again = await imported(pool, document(paths=moved), before=first.artefact, pinned=(other.artefact,))
    artefact = unpack(again.artefact)
    assert artefact.tools["one"].operation == "GET /moved"
    assert {pin.name for pin in artefact.pins} == {"one", "two", "three"}
    assert again.verdict == again.difference["verdict"] == "breaking"
    assert {tool["name"]: tool["what"] for tool in again.difference["tools"]} == {"one": "changed", "two": "removed"}


async def test_options_shape_the_catalog_and_change_the_hash() -> None:
    parameters = [{"name": "X-Version", "in": "header", "schema": {"type": "string"}}]
    paths = {"/a": {"get": {"operationId": "a", "parameters": parameters, "responses": OK}}}
    async with workers() as pool:
        plain = await imported(pool, document(paths=paths))
        with_header = await imported(pool, document(paths=paths), options={"headers": {"X-Version": "3"}})
        gated = await imported(pool, document(paths=paths), options={"require_descriptions": True})
        with pytest.raises(DesignError) as told:
            await imported(pool, document(paths=paths), options={"headers": {"Host": "elsewhere"}})
    assert [argument.name for argument in unpack(plain.artefact).tools["a"].arguments] == ["X-Version"]
    assert unpack(with_header.artefact).tools["a"].arguments == ()
    assert gated.ledger["gated"] == 1
    assert len({plain.hash, with_header.hash, gated.hash}) == 3
    assert told.value.code == "header.reserved"


async def test_a_document_that_was_handed_over_reaches_no_file(tmp_path: Any) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(json.dumps({"get": {"operationId": "leak", "responses": OK}}))
    places = {f"/p{number}": {"$ref": text} for number, text in enumerate((str(secret), secret.as_uri(), secret.name))}
    async with workers() as pool:
        for options in ({}, {"remote_refs": True}):
            made = await imported(
                pool, document("one", paths=places | {"/one": {"get": {"responses": OK}}}), options=options
            )
            assert set(unpack(made.artefact).tools) == {"get_one"}


async def test_a_url_is_fetched_and_its_redirects_and_refusals_are_told() -> None:
    content = document("one")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)

    async def answer(it: Peer, writer: asyncio.StreamWriter) -> bool:
        found = it.targets()[-1].startswith(b"/api.json")
        writer.write(head + content if found else b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        return False

    async with peer(answer) as it, workers() as pool:
        made = await asyncio.wait_for(pool.run(ImportJob(slug="x", url=f"{it.origin}/api.json?key=k"), silently), WAIT)
        assert made.document == content
        assert unpack(made.artefact).base_url == f"{it.origin}/api.json"
        for url, code in ((f"{it.origin}/no.json", "document.fetch"), ("file:///etc/passwd", "document.fetch")):
            with pytest.raises(DesignError) as told:
                await asyncio.wait_for(pool.run(ImportJob(slug="x", url=url), silently), WAIT)
            assert told.value.code == code


BOMBS = {
    "no document": b"\x00\x01",
    "nothing": b"",
    "no operation": b'{"openapi": "3.1.0", "info": {}, "paths": {}}',
    "depth": b'{"openapi": "3.1.0", "paths": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"b%d: &b%d [%s]\n" % (n, n, b",".join([b"*b%d" % (n - 1) if n else b"*a"] * 9)) for n in range(12)),
}


async def test_what_cannot_be_read_is_one_error_and_the_next_job_works() -> None:
    async with workers() as pool:
        for name, content in BOMBS.items():
            with pytest.raises(DesignError) as told:
                await imported(pool, content)
            assert told.value.message, name
            assert (await imported(pool, document("one"))).tools == 1


LARGE = document(*(f"operation{number}" for number in range(60_000)))


@pytest.mark.parametrize(
    "bounds",
    [pytest.param(Bounds(cpu=1), marks=pytest.mark.system), Bounds(memory=60 * 1024 * 1024)],
    ids=["cpu", "memory"],
)
async def test_a_job_over_its_bounds_is_ended_and_the_next_one_works(bounds: Bounds) -> None:
    async with workers(bounds=bounds) as pool:
        with pytest.raises(DesignError) as told:
            await imported(pool, LARGE)
        assert told.value.code == "import.bounds"
        assert pool.pids == ()
        assert (await imported(pool, document("one"))).tools == 1


async def test_a_job_that_comes_to_no_end_is_ended() -> None:
    async with peer(silence()) as it, workers(bounds=Bounds(seconds=1.0)) as pool:
        with pytest.raises(DesignError) as told:
            await asyncio.wait_for(pool.run(ImportJob(slug="x", url=it.origin), silently), WAIT)
        assert told.value.code == "import.bounds"
        assert pool.pids == ()


async def test_a_cancelled_import_ends_its_process() -> None:
    started = asyncio.Event()
    async with workers() as pool:
        job = ImportJob(slug="x", document=LARGE)
        running = asyncio.create_task(pool.run(job, lambda _: started.set()))
        await asyncio.wait_for(started.wait(), WAIT)
        (pid,) = pool.pids
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, WAIT)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert (await imported(pool, document("one"))).tools == 1


async def test_a_worker_ends_with_whoever_started_it_in_the_middle_of_a_job_too() -> None:
    started = asyncio.Event()
    worker = workers_process.Worker(Bounds())
    running = asyncio.create_task(
        worker.run(ImportJob(slug="x", document=LARGE), lambda _: started.set()),
    )
    await asyncio.wait_for(started.wait(), WAIT)
    assert worker._process is not None
    assert worker._process.stdin is not None
    worker._process.stdin.close()
    with pytest.raises(HouseFault):
        await asyncio.wait_for(running, WAIT)
    assert worker.pid is None


async def test_a_pool_that_is_closed_ends_the_job_it_is_at() -> None:
    started = asyncio.Event()
    async with workers() as pool:
        job = ImportJob(slug="x", document=LARGE)
        running = asyncio.create_task(pool.run(job, lambda _: started.set()))
        await asyncio.wait_for(started.wait(), WAIT)
        await asyncio.wait_for(pool.close(), WAIT)
        assert pool.pids == ()
        with pytest.raises(ApiloomError):
            await asyncio.wait_for(running, WAIT)


async def test_a_worker_without_work_is_gone_after_a_while() -> None:
    async with workers(bounds=Bounds(idle=0.0)) as pool:
        await imported(pool, document("one"))
        process = pool._workers[0]._process
        assert process is not None
        await asyncio.wait_for(process.wait(), WAIT)
        assert pool.pids == ()
        assert (await imported(pool, document("one"))).tools == 1


async def test_a_worker_that_was_killed_is_replaced() -> None:
    async with workers() as pool:
        await imported(pool, document("one"))
        (pid,) = pool.pids
        os.kill(pid, 9)
        made: list[object] = []
        for _ in range(2):  # whether its end is seen before the next job or during it is up to the system
            with contextlib.suppress(ApiloomError):
                made.append((await imported(pool, document("one"))).tools)
        assert made


async def test_a_worker_is_not_taken_for_as_large_as_whoever_started_it() -> None:
    ours = bytearray(os.urandom(4096)) * (Bounds().retire // 4096 + 1)
    async with workers() as pool:
        await imported(pool, document("one"))
        (first,) = pool.pids
        await imported(pool, document("one"))
        assert pool.pids == (first,)
    assert len(ours) > Bounds().retire


async def test_a_worker_has_nothing_secret_of_our_environment() -> None:
    worker = workers_process.Worker(
        Bounds(),
        {"PATH": "/bin", "HTTPS_PROXY": "http://p", "APILOOM_TOKEN": "ala_x", "APILOOM_AUTH_KEY": "k", "X": "1"},
    )
    assert set(worker._environment) == {"PATH", "HTTPS_PROXY", "MALLOC_ARENA_MAX", "TOKIO_WORKER_THREADS"}


async def test_a_fault_of_ours_says_where_and_not_what(monkeypatch: pytest.MonkeyPatch) -> None:
    async with workers() as pool:
        job = ImportJob(slug="x", document=document("one"), options={"headers": ["no", "mapping"]})
        with pytest.raises(HouseFault) as told:
            await asyncio.wait_for(pool.run(job, silently), WAIT)
        assert told.value.code == "import.failed"
        assert "importing.py" in str(told.value.facts["why"])
        assert (await imported(pool, document("one"))).tools == 1


async def test_a_damaged_artefact_to_compare_with_is_told() -> None:
    async with workers() as pool:
        with pytest.raises(HouseFault) as told:
            await imported(pool, document("one"), before=b"no artefact")
        assert told.value.code == "artefact.damaged"


async def test_a_pool_that_is_closed_takes_no_job() -> None:
    async with workers() as pool:
        await pool.close()
        with pytest.raises(CallerError) as told:
            await imported(pool, document("one"))
        assert told.value.code == "import.busy"


async def test_whose_job_is_ended_because_the_pool_stops_is_told_so() -> None:
    stopping: list[asyncio.Task[None]] = []
    async with workers() as pool:
        job = ImportJob(slug="s", tenant="t", document=document(*(f"n{number}" for number in range(3000))))

        def say(_: str) -> None:
            if not stopping:
                stopping.append(asyncio.create_task(pool.stop(0)))

        with pytest.raises(CallerError) as told:
            await pool.run(job, say)
        assert (told.value.code, str(told.value.message)) == ("import.busy", "the gateway is stopping")
        await stopping[0]
        assert not pool.pids


async def test_answers_of_a_worker_that_was_taken_over_are_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = workers_process.Frame
    lies: list[dict[str, Any]] = [
        {"kind": "done"},
        {"kind": "done", "hash": 1, "peak": "x"},
        {
            "kind": "done",
            "hash": "",
            "title": "",
            "api_version": "",
            "tools": 1,
            "ledger": {},
            "difference": {},
            "verdict": "fine",
        },
        {"kind": "nothing"},
    ]
    async with workers() as pool:
        for lie in lies:

            async def asked(*_: object, lie: dict[str, Any] = lie) -> Any:
                return frame(told=lie, parts=(b"", b""))

            monkeypatch.setattr(workers_process.Worker, "_asked", asked)
            with pytest.raises(HouseFault) as told:
                await imported(pool, document("one"))
            assert told.value.code == "import.failed"


async def test_jobs_are_bounded_and_each_tenant_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    free = asyncio.Event()

    async def run(_: object, job: ImportJob, __: object) -> ImportJob:
        await free.wait()
        done.append(f"{job.tenant}{job.slug}")
        return job

    monkeypatch.setattr(workers_process.Worker, "run", run)
    async with workers() as pool:
        base = ImportJob(slug="0", tenant="a")
        running = []
        for tenant, count in (("a", 5), ("b", 3), ("c", 1)):
            running += [
                asyncio.create_task(pool.run(replace(base, tenant=tenant, slug=str(number)), silently))
                for number in range(count)
            ]
            await asyncio.sleep(0)
        for _ in range(12):
            running.append(asyncio.create_task(pool.run(replace(base, tenant="d"), silently)))
        crowd = [asyncio.create_task(pool.run(replace(base, tenant="e"), silently)) for _ in range(18)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        refused = [one for one in crowd if one.done()]
        assert len(refused) == 2
        assert all(getattr(one.exception(), "code", "") == "import.busy" for one in refused)
        for one in (*crowd, *running[9:]):
            one.cancel()
        await asyncio.gather(*crowd, *running[9:], return_exceptions=True)
        free.set()
        await asyncio.wait_for(asyncio.gather(*running[:9]), WAIT)
    assert done == ["a0", "a1", "b0", "c0", "a2", "b1", "a3", "b2", "a4"]


async def test_a_seat_that_comes_as_its_taker_goes_is_not_lost() -> None:
    turns = Turns(["seat"], most=9, most_each=9)
    taken: list[str] = []

    async def take(name: str) -> None:
        async with turns.seat(name) as seat:
            taken.append(seat)

    first = turns.seat("a")
    await first.__aenter__()
    second, third = asyncio.create_task(take("b")), asyncio.create_task(take("c"))
    await asyncio.sleep(0)
    assert turns.waiting == 2
    await first.__aexit__(None, None, None)
    second.cancel()
    await asyncio.wait_for(third, WAIT)
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.wait_for(take("d"), WAIT)
    assert taken == ["seat", "seat"]
