"""Watching the files a server was made from, so that a changed document is served without a restart.

Only local files are watched, by their size, time and identity, once a second: cheap enough to leave on, and the same
on every system.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from apiloom.app.connectors import Loaded
from apiloom.app.sources import MISSING, read_file
from apiloom.base.errors import DesignError

SECONDS = 1.0
"""Between two looks; a change is served after the second look that finds the same state, so that no half-written
file is read."""

State = tuple[tuple[str, int, int, int], ...]


@dataclass(slots=True)
class Watched:
    """Some files and how they were when last served."""

    files: tuple[Path, ...]
    state: State

    @classmethod
    def of(cls, loaded: Iterable[Loaded]) -> Watched:
        """The local files that connectors were read from or wanted to read, as they are now."""
        reads = (location for connector in loaded for location in connector.reads)
        files = tuple(sorted({Path(location) for location in reads if "://" not in location}))
        return cls(files, _look(files))

    async def changed(self) -> None:
        """Return once a file differs from when it was last served, and has stopped changing."""
        while True:
            await asyncio.sleep(SECONDS)
            seen = _look(self.files)
            if seen == self.state:
                continue
            await asyncio.sleep(SECONDS)
            if _look(self.files) == seen:
                self.state = seen
                return


def outrun(loaded: Iterable[Loaded]) -> bool:
    """Whether a local file holds something else by now than what was read of it."""
    reads = [read for connector in loaded for read in connector.reads.items() if "://" not in read[0]]
    return any(_digest(Path(location)) != digest for location, digest in reads)


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(read_file(file)).hexdigest()
    except DesignError:
        return MISSING


def _look(files: Iterable[Path]) -> State:
    return tuple(_signature(file) for file in files)


def _signature(file: Path) -> tuple[str, int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (str(file), -1, -1, -1)
    return (str(file), found.st_mtime_ns, found.st_size, found.st_ino)
