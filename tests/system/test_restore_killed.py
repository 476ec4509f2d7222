"""A restore that is killed at any step, and a disk that is full: what was there is there, or what is new, whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from apiloom.app.gateway.backups import back_up, sealed_things
from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.place import STORE, read_place
from support.gateway import Gateway, call, desk, gateway, http
from support.killed_at import killed_at, points_of
from support.servers import APILOOM, clean_environment

pytestmark = pytest.mark.system

ACCOUNTS = 30
EARLY = 5
LAST = 6
"""So many points all over it at which a restore is killed, and so many at its end."""


def silent(_: str) -> None:
    """Nobody watches."""


@dataclass
class Kept:
    """A folder with a house in it, a backup of it, and what was made after that."""

    folder: Path
    backup: Path
    then: frozenset[str]
    now: frozenset[str]
    url: str
    late: str

    @property
    def around(self) -> dict[str, str]:
        return {"APILOOM_DATA": str(self.folder / "house"), "APILOOM_KEY_FILE": str(self.folder / "keys" / "key")}

    def keep(self) -> None:
        """Remember how it is."""
        for each in ("house", "keys"):
            shutil.copytree(self.folder / each, self.folder / "pristine" / each)
        # a store is told from its copies by its file, so it is this very file that comes back
        os.link(self.folder / "house" / STORE, self.folder / "held")

    def reset(self) -> None:
        """Have it all as it was."""
        pristine = self.folder / "pristine"
        for each in (self.folder / "house").iterdir():
            each.unlink()
        shutil.rmtree(self.folder / "keys")
        shutil.copytree(pristine / "keys", self.folder / "keys")
        (self.folder / "held").write_bytes((pristine / "house" / STORE).read_bytes())
        os.link(self.folder / "held", self.folder / "house" / STORE)

    async def run(self, point: int, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, killed at a point of it."""
        return await asyncio.to_thread(partial(killed_at, point, *words, environment=self.around))

    async def limited(self, most: int | None, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, of which no file may grow beyond so many bytes."""
        return await asyncio.to_thread(partial(limited, most, *words, environment=self.around))

    def drafts(self) -> list[str]:
        return [each.name for each in (self.folder / "house").iterdir() if "restoring" in each.name]


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[Kept]:
    with desk() as api:
        async with gateway(folder) as house:
            await house.connector("desk", api.api.url)
            accounts = [await house.account("desk", f"w{number}-x") for number in range(ACCOUNTS)]
            url = (await house.server(name="one", accounts=[accounts[0].id], expires_at=None)).issued.text
            backup = folder / "backup"
            await back_up(house.grounds.place, backup, silent)
            late = await house.account("desk", "late-x")
            second = (await house.server(name="two", accounts=[late.id], expires_at=None)).issued.text
        then = frozenset(one.id for one in accounts)
        made = Kept(folder, backup, then, then | {late.id}, url, second)
        made.keep()
        yield made


async def found_in(grounds: Grounds) -> frozenset[str]:
    """The accounts of a store, all of which open."""
    opened = frozenset([one async for one in sealed_things(grounds)])
    async with grounds.store.reading() as work:
        assert opened == frozenset(one.id for one in await work.house().accounts.every())
    assert grounds.sealing.damaged == 0
    return opened


async def served(at: Gateway, url: str) -> str:
    async with http() as client:
        answer = await call(client, f"{at.url}/mcp/{url}", "list_notes")
        return str(answer["whose"])


async def check(of: Kept) -> bool:
    """That the house is whole, and either what it was or what the backup is; whether it is the backup's."""
    with contextlib.closing(sqlite3.connect(of.folder / "house" / "apiloom.db")) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    grounds = await open_grounds(read_place("", of.around), environment=of.around, watched=False)
    try:
        accounts, dormant = await found_in(grounds), grounds.copies.dormant()
    finally:
        await grounds.close()
    assert (accounts, dormant) in {(of.now, False), (of.then, True)}
    async with gateway(of.folder) as at:
        assert await served(at, of.url) == "w0"
        if not dormant:
            assert await served(at, of.late) == "late"
    return dormant


async def test_a_restore_killed_at_any_step_leaves_what_was_there_or_what_is_new(tmp_path: Path) -> None:
    async with kept(tmp_path) as of:
        words = ("db", "restore", str(of.backup), "--force")
        points = points_of(await of.run(0, *words))
        assert await check(of)
        # evenly over all of it, and each step of the end, where files change their places
        first = range(1, points - LAST, max(1, points // EARLY))
        seen = []
        for point in [*first, *range(points - LAST, points + 1)]:
            of.reset()
            done = await of.run(point, *words)
            assert done.returncode == -signal.SIGKILL, (point, done.stderr)
            seen.append(await check(of))
            if point % 2:
                again = await of.run(0, *words)
                assert again.returncode == 0, again.stderr
                assert await check(of)
                assert not of.drafts()
        # some came before the change of places and some after it, and never back
        assert seen == sorted(seen)
        assert {*seen} == {False, True}


# a disk that is full


def limited(most: int | None, *words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One command, of which no file may grow beyond so many bytes."""

    def fill() -> None:
        if most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as folder:
        return subprocess.run(
            [*APILOOM, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(folder, environment),
            preexec_fn=fill,
            check=False,
        )


async def test_a_backup_that_finds_the_disk_full_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    async with kept(tmp_path) as of:
        store = of.folder / "house" / "apiloom.db"
        size, before = of.backup.stat().st_size, store.read_bytes()
        target = tmp_path / "backups"
        target.mkdir()
        said = set()
        for most in (0, 4096, size // 4, size // 2, size - 8192, size - 4096):
            done = await of.limited(most, "db", "backup", str(target / "new"))
            assert done.returncode == 70, (most, done)
            assert done.stderr.count("\n") == 1, done.stderr
            assert "Traceback" not in done.stderr
            said.add(done.stderr)
            assert [*target.iterdir()] == []
            assert store.read_bytes() == before
        assert any("the backup new cannot be written" in line for line in said), said
        done = await of.limited(None, "db", "backup", str(target / "new"))
        assert done.returncode == 0, done.stderr
        assert [each.name for each in target.iterdir()] == ["new"]


async def test_a_restore_that_finds_the_disk_full_says_so_and_changes_nothing(tmp_path: Path) -> None:
    async with kept(tmp_path) as of:
        size = of.backup.stat().st_size
        for most in (4096, size // 2, size - 4096):
            of.reset()
            done = await of.limited(most, "db", "restore", str(of.backup), "--force")
            assert done.returncode == 70, (most, done)
            assert done.stderr.count("\n") == 1, done.stderr
            assert not await check(of)
            assert not of.drafts()
