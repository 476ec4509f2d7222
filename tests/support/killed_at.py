"""The command line in a process that kills itself, as ``kill -9`` does, at the n-th thing it does to what it keeps.

Such things are beginnings and ends of transactions, opened databases, and files that are written, renamed, linked or
removed. Run as ``python killed_at.py N WORDS…``; with N of 0 it comes to its end and says in its last line of standard
error how many there were.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import count
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from support.servers import clean_environment

DONE = {"os.rename", "os.link", "os.remove", "sqlite3.connect"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def killed_at(
    point: int, *words: str, environment: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """One command, killed at a point, or run to its end."""
    with tempfile.TemporaryDirectory(prefix="apiloom-test-") as folder:
        return subprocess.run(
            [sys.executable, "-B", "-m", "support.killed_at", str(point), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=clean_environment(folder, {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}),
            check=False,
        )


def points_of(done: subprocess.CompletedProcess[str]) -> int:
    """How many points a command had that came to its end."""
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rpartition("points ")[2])


def main() -> None:
    """Run the command."""
    at, sys.argv = int(sys.argv[1]), ["apiloom", *sys.argv[2:]]
    numbers = count(1)
    seen = [0]

    def pass_one(*_: Any) -> None:
        seen[0] = next(numbers)
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if name in DONE or (writes and arguments[0] != os.devnull):
            pass_one()

    for name in ("begin", "commit"):
        event.listen(Engine, name, pass_one)
    atexit.register(lambda: print(f"points {seen[0]}", file=sys.stderr))
    sys.addaudithook(audited)
    runpy.run_module("apiloom", run_name="__main__")


if __name__ == "__main__":
    main()
