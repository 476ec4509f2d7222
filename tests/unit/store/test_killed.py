"""Killed at any moment, a store is found whole: what was acknowledged is there, what was not is there whole or not."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apiloom.store.sql.opening import open_store
from support import store_writer

PATIENCE = 60


@contextmanager
def writer(url: str, what: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes; killed at the end, whatever happens."""
    words = [sys.executable, str(Path(store_writer.__file__)), url, what]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE)


def lines_until(process: subprocess.Popen[str], stop: int) -> list[str]:
    """The first lines that a process prints; every line is waited for as long as the process lives."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if len(lines) == stop:
            break
    assert len(lines) == stop, process.stderr.read() if process.stderr else ""
    return lines


async def check_whole(url: str, acknowledged: set[str]) -> None:
    """That the store is consistent, and holds all that was acknowledged."""
    store = await open_store(url)
    async with store.reading() as work:
        house = work.house()
        slugs = {connector.id for connector in await house.connectors.every()}
        assert acknowledged <= slugs
        assert {version.connector for version in await house.versions.every()} == slugs
        for slug in sorted(slugs)[-3:]:
            assert await house.versions.document(f"{slug}/1") == slug.encode() * 5000
    changes = await store.changes(0)
    assert changes is not None
    assert [change.seq for change in changes] == list(range(1, 2 * len(slugs) + 1))
    assert await store.change_seq() == 2 * len(slugs)
    await store.close()


async def kill_while_writing(url: str, moments: list[int]) -> None:
    acknowledged: set[str] = set()
    for moment in moments:
        with writer(url, "1000") as process:
            lines = lines_until(process, moment)
            process.kill()
            rest = process.stdout.read().split("\n") if process.stdout else []
        acknowledged |= {line.removeprefix("done ") for line in (*lines, *rest) if line.startswith("done ")}
        await check_whole(url, acknowledged)
    assert acknowledged


async def test_a_writer_that_is_killed_loses_nothing_it_has_acknowledged(bare: Any) -> None:
    await kill_while_writing(bare.url, [2, 9])


@pytest.mark.system
async def test_a_writer_that_is_killed_again_and_again_loses_nothing_it_has_acknowledged(bare: Any) -> None:
    chance = random.Random(7)
    await kill_while_writing(bare.url, [chance.randrange(2, 40) for _ in range(25)])


async def test_a_migration_that_is_killed_begins_anew(bare: Any) -> None:
    with writer(bare.url, "migrate") as process:
        assert lines_until(process, 1) == ["halfway"]
    store = await open_store(bare.url)
    async with store.reading() as work:
        assert [tenant.id for tenant in await work.house().tenants.every()] == ["default"]
    assert await store.change_seq() == 0
    await store.close()
