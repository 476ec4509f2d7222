"""Compiled catalogs on disk, so that a document already seen is served without being read again.

A file holds what serving needs and nothing secret: the digests of everything that was read, list entries ready to
send, and each tool and each definition as its own JSON text, decoded when first used. A file that is damaged, of
another release or about other bytes is as good as absent.

Layout: one line of JSON (the head), then the texts it points into by offset and length.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from apiloom.base import json

Value = TypeVar("Value")

LAYOUT = 2
"""Raised whenever the meaning of a file changes."""

MOST_FILES = 64
"""Files kept; the ones used longest ago go first."""


_BEGUN_FOR = 3600.0
"""Seconds after which a file that was begun and never finished is taken for what a killed process left."""


class LazyTexts(Mapping[str, Value], Generic[Value]):
    """Values by name, each decoded from its JSON text when first asked for and kept from then on."""

    __slots__ = ("_decode", "_places", "_ready", "_text")

    def __init__(
        self, text: memoryview, places: Mapping[str, tuple[int, int]], decode: Callable[[bytes], Value]
    ) -> None:
        self._text = text
        self._places = places
        self._decode = decode
        self._ready: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._ready:
            start, length = self._places[name]
            self._ready[name] = self._decode(bytes(self._text[start : start + length]))
        return self._ready[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What is kept of one source. ``head`` is plain JSON; the three groups hold JSON texts by name, in order."""

    head: dict[str, Any]
    entries: Mapping[str, bytes]
    tools: Mapping[str, bytes]
    schemas: Mapping[str, bytes]


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

    def get(self, key: str, still: Callable[[Mapping[str, str]], bool]) -> tuple[dict[str, Any], Groups] | None:
        """What was kept under a key, if ``still`` agrees that everything it was made from is unchanged."""
        path = self._path(key)
        try:
            text = self._read(path)
            end = text.index(b"\n")
            head = json.loads(text[:end])
            groups = Groups.read(memoryview(text)[end + 1 :], head["places"])
            if head["length"] != len(text) - end - 1 or not still(head["reads"]):
                return None
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return head, groups

    def put(self, key: str, compiled: Compiled) -> None:
        """Keep a compiled source; a folder that cannot be written to is no reason to fail."""
        text, places = bytearray(), {}
        for group in ("entries", "tools", "schemas"):
            places[group] = _append(text, getattr(compiled, group))
        # A ValueError is a location that is no text.
        with contextlib.suppress(OSError, ValueError):
            head = json.dumps({**compiled.head, "places": places, "length": len(text)})
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check(self._folder.stat())
            self._write(self._path(key), head + b"\n" + bytes(text))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The three groups of a file by name: where each text starts and how long it is."""

    text: memoryview
    entries: Mapping[str, tuple[int, int]]
    tools: Mapping[str, tuple[int, int]]
    schemas: Mapping[str, tuple[int, int]]

    @classmethod
    def read(cls, text: memoryview, places: dict[str, Any]) -> Groups:
        """The groups of a head's ``places``.

        Raises:
            KeyError, TypeError, ValueError: the head is not one of ours.
        """
        named = {group: {name: (start, size) for name, (start, size) in places[group].items()} for group in places}
        return cls(text=text, entries=named["entries"], tools=named["tools"], schemas=named["schemas"])

    def lazily(self, group: str, decode: Callable[[bytes], Value]) -> LazyTexts[Value]:
        """One group as a mapping that decodes when asked."""
        return LazyTexts(self.text, getattr(self, group), decode)


def _append(text: bytearray, group: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    for name, value in group.items():
        places[name] = (len(text), len(value))
        text += value
    return places
