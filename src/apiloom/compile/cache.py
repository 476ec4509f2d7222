"""Compiled catalogs on disk, so that a document already seen is served without being read again.

A file holds what serving needs and nothing secret: one line of JSON with the digests of everything that was read, then
an artefact (see ``compile/artefact``). A file that is damaged, of another release or about other bytes is as good as
absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apiloom.base import json
from apiloom.base.errors import HouseFault
from apiloom.compile.artefact import Artefact, unpack
from apiloom.compile.layout import LAYOUT

MOST_FILES = 64
"""Files kept; the ones used longest ago go first."""


_BEGUN_FOR = 3600.0
"""Seconds after which a file that was begun and never finished is taken for what a killed process left."""


class Cache:
    """The files of one folder, which is made when first written to and readable by its owner only."""

    def __init__(self, folder: Path, *, release: str) -> None:
        self._folder = folder
        self._release = release

    def key(self, location: str, content: bytes, options: Mapping[str, Any]) -> str:
        """The name under which a source with these options is kept; different bytes have different names."""
        # The name of a file may be no text at all.
        place = location.encode("utf-8", "backslashreplace").decode()
        seal = hashlib.sha256(json.canonical([LAYOUT, self._release, place, dict(options)]))
        seal.update(hashlib.sha256(content).digest())
        return seal.hexdigest()

    def get(self, key: str, still: Callable[[Mapping[str, str]], bool]) -> tuple[dict[str, str], Artefact] | None:
        """What was kept under a key and the digests of its reads, if ``still`` agrees that these are unchanged."""
        path = self._path(key)
        try:
            text = self._read(path)
            end = text.index(b"\n")
            reads = json.loads(text[:end])
            # A file is whole when it has its length: it was renamed into place only once it was written.
            artefact = unpack(memoryview(text)[end + 1 :], checked=False)
            if not isinstance(reads, dict) or not still(reads):
                return None
        except (OSError, ValueError, HouseFault):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return reads, artefact

    def put(self, key: str, reads: Mapping[str, str], artefact: bytes) -> None:
        """Keep a compiled source and what was read for it; a folder that cannot be written to is no reason to fail."""
        # A ValueError is a location that is no text.
        with contextlib.suppress(OSError, ValueError):
            head = json.dumps(dict(reads))
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check(self._folder.stat())
            self._write(self._path(key), head + b"\n" + artefact)
            self._prune()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key[:48]}.catalog"

    def _read(self, path: Path) -> bytes:
        """A file's bytes, if nobody else can have put them there: they say where credentials are sent to.

        Raises:
            OSError: there is none, or it or the folder is not ours alone.
        """
        _check(self._folder.stat())
        with path.open("rb") as file:
            _check(os.fstat(file.fileno()))
            return file.read()

    def _write(self, path: Path, content: bytes) -> None:
        number, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # a file renamed before it is written may be all zeros after a power cut
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.catalog"), key=lambda path: path.stat().st_mtime, reverse=True)
        begun = [path for path in self._folder.glob(".new-*") if path.stat().st_mtime < time.time() - _BEGUN_FOR]
        for path in [*files[MOST_FILES:], *begun]:
            path.unlink(missing_ok=True)


def _check(found: os.stat_result) -> None:
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH):
        raise PermissionError("others may have written it")
