"""Watching the files a server was made from, so that a changed document is served without a restart.

Only local files are watched, by their size, time and identity, once a second: cheap enough to leave on, and the same
on every system. In a folder that was given as the source a better entry document may appear: its files are watched for
that, and only a change of the choice counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from apiloom.app.connectors import Loaded
from apiloom.app.folders import candidates, entry_document
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
    folders: tuple[WatchedFolder, ...] = ()

    @classmethod
    def of(cls, loaded: Iterable[Loaded]) -> Watched:
        """The local files that connectors were read from or wanted to read, as they are now."""
        connectors = tuple(loaded)
        reads = (location for connector in connectors for location in connector.reads)
        files = tuple(sorted({Path(location) for location in reads if _is_local(location)}))
        return cls(files, _look(files), tuple(WatchedFolder(*one) for one in _folders(connectors)))

    async def changed(self) -> None:
        """Return once a file differs from when it was last served, and has stopped changing."""
        while True:
            await asyncio.sleep(SECONDS)
            seen = _look(self.files)
            if seen == self.state:
                # a folder may hold thousands of files: looking at them must not keep callers waiting
                if bool(self.folders) and await asyncio.to_thread(self._chosen_anew):
                    return
                continue
            await asyncio.sleep(SECONDS)
            if _look(self.files) == seen:
                self.state = seen
                return

    def _chosen_anew(self) -> bool:
        found = [folder.chosen_anew() for folder in self.folders]  # each of them keeps what it saw
        return any(found)


@dataclass(slots=True)
class WatchedFolder:
    """A folder that was given as the source, and the entry document that is served of it."""

    folder: Path
    entry: str
    judged: State = ()
    last: State = ()

    def chosen_anew(self) -> bool:
        """Whether another entry document would be chosen now, once its files have changed and stopped changing."""
        seen, before = _look(candidates(self.folder)), self.last
        self.last = seen
        if seen == self.judged or seen != before:
            return False
        self.judged = seen
        return _entry(self.folder) != self.entry


def outrun(loaded: Iterable[Loaded]) -> bool:
    """Whether a local file holds something else by now than what was read of it, or another one would be read."""
    connectors = tuple(loaded)
    reads = [read for connector in connectors for read in connector.reads.items() if _is_local(read[0])]
    return any(_digest(Path(location)) != digest for location, digest in reads) or any(
        _entry(folder) != entry for folder, entry in _folders(connectors)
    )


def _is_local(location: str) -> bool:
    return "://" not in location and location != "-"


def _folders(loaded: Iterable[Loaded]) -> list[tuple[Path, str]]:
    """The folders among the sources, each with the entry document that was read."""
    return [(Path(one.source), one.location) for one in loaded if _is_local(one.source) and Path(one.source).is_dir()]


def _entry(folder: Path) -> str:
    """The location of the entry document, or why there is none."""
    try:
        return os.path.abspath(entry_document(folder))  # noqa: PTH100 - spelled as it is when a source is opened
    except DesignError as error:
        return error.code


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
