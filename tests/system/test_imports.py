"""Imports as they are in a gateway: on real stores, killed in the middle, and of the largest documents there are."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.workers.bounds import Bounds
from apiloom.app.workers.pool import Workers
from apiloom.compile.artefact import unpack
from apiloom.flows.asking import Removal
from apiloom.flows.connectors import create_connector, delete_connector, read_connector
from apiloom.flows.ground import Ground
from apiloom.flows.versions import import_version, promote_version, rollback_version
from apiloom.store.sql.opening import open_store
from support.corpus import openapi_documents
from support.grounds import OWNER, ground_on
from support.importing import ThreadImports, described
from support.postgres import Postgres

CASCADE = Removal(cascade=True)
WAIT = 120.0
KILLS = 8


@pytest.fixture(params=("sqlite", "postgresql"))
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place on each database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/kept/apiloom.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(await server.database())


@pytest.fixture
async def ground(url: str) -> AsyncIterator[Ground]:
    """The ground of flows on a fresh store."""
    store = await open_store(url)
    yield replace(ground_on(store).ground, imports=ThreadImports())
    await store.close()


async def test_a_connector_lives_from_its_first_import_to_its_end(ground: Ground) -> None:
    async def imported(*names: str) -> int:
        wanted = {"source": {"text": described(*names)}}
        return (await import_version(ground, OWNER, "shop", wanted)).version.number

    await create_connector(ground, OWNER, {"slug": "shop", "source": {"text": described("a")}})
    numbers = await asyncio.gather(*(imported(f"n{number}") for number in range(4)))
    assert sorted(numbers) == [2, 3, 4, 5]
    done = await asyncio.gather(
        *(promote_version(ground, OWNER, "shop", number, CASCADE) for number in numbers), return_exceptions=True
    )
    assert any(not isinstance(each, BaseException) for each in done)
    assert await consistent(ground) >= 2
    await rollback_version(ground, OWNER, "shop")
    await consistent(ground)
    assert (await delete_connector(ground, OWNER, "shop", Removal())).done
    async with ground.store.reading() as work:
        assert await work.house().versions.count() == 0


async def consistent(ground: Ground) -> int:
    """See to it that what a store holds of ``shop`` goes together; the number of the version being served."""
    async with ground.store.reading() as work:
        house = work.house()
        connector = await house.connectors.load("shop")
        assert connector is not None
        versions = {version.number: version for version in await house.versions.every({"connector": "shop"})}
        assert sorted(versions) == list(range(1, len(versions) + 1))
        assert [number for number, each in versions.items() if each.state == "current"] == [connector.current]
        for version in versions.values():
            artefact = unpack(await house.versions.artefact(version.id) or b"")
            assert (artefact.hash, len(artefact.tools)) == (version.hash, version.tools)
            assert await house.versions.document(version.id)
        acts = [line for line in await house.audit.every() if line.action.startswith(("version.", "connector."))]
        assert sum(line.action in ("version.import", "connector.create") for line in acts) == len(versions)
    return connector.current


async def killed(url: str, after: int) -> tuple[int, int, int]:
    """Run the drill and kill it after so many steps.

    The newest version and the one being served that were acknowledged, and how many steps were.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.import_drill", url),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout is not None
    newest = current = steps = 0
    try:
        async with asyncio.timeout(WAIT):
            while steps < after:
                line = (await process.stdout.readline()).split()
                assert line, "the drill has ended by itself"
                steps += 1
                newest = max(newest, int(line[1]))
                current = int(line[1]) if line[0] == b"current" else current
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    rest = [line.split() for line in (await process.stdout.read()).splitlines(keepends=True) if line.endswith(b"\n")]
    for what, number in rest:  # said before it was killed, read after
        newest = max(newest, int(number))
        current = int(number) if what == b"current" else current
    return newest, current, steps + len(rest)


async def test_whoever_is_killed_in_the_middle_has_lost_nothing_that_was_acknowledged(url: str) -> None:
    known = served = 0
    for round_ in range(KILLS):
        newest, current, _ = await killed(url, after=1 + 2 * round_ % 5)
        known, served = max(known, newest), current or served
        store = await open_store(url)
        try:
            ground = ground_on(store).ground
            now = await consistent(ground)
            async with store.reading() as work:
                count = await work.house().versions.count({"connector": "shop"})
            # at most the one step that was on its way is there beside what was acknowledged
            assert known <= count <= known + 1
            assert now in {served, known, count} or now < served
            known = count
        finally:
            await store.close()


LARGEST = 5


@pytest.mark.corpus
async def test_the_largest_documents_are_imported_again_and_again(tmp_path: Path) -> None:
    store = await open_store(f"sqlite+aiosqlite:///{tmp_path}/kept/apiloom.db")
    workers = Workers(2, Bounds())
    ground = replace(ground_on(store).ground, imports=workers)
    documents = sorted(openapi_documents(), key=lambda each: -each.path.stat().st_size)[:LARGEST]

    async def imported(document: Any) -> None:
        text = document.path.read_text(encoding="utf-8")
        made = await create_connector(ground, OWNER, {"source": {"text": text}})
        slug = made.connector.id
        same = await import_version(ground, OWNER, slug, {"source": {"text": text}})
        assert (same.new, same.promoted) == (False, True)
        other = await import_version(ground, OWNER, slug, {"source": {"text": described("only")}})
        assert other.version.verdict == "breaking"
        await promote_version(ground, OWNER, slug, other.version.number, CASCADE)
        await rollback_version(ground, OWNER, slug)
        assert (await read_connector(ground, OWNER, slug)).current == 1

    try:
        async with asyncio.timeout(20 * WAIT):
            await asyncio.gather(*(imported(document) for document in documents))
    finally:
        await workers.close()
        await store.close()
