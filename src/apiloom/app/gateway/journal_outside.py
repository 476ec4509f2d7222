"""What was ended and renewed, written down outside of the store, so that no copy of the store can bring it back.

A line is on the disk before the change that it tells of is committed. A line whose change was not committed does no
harm: it names what was to end, or a pair of tokens that was asked for and may be in use. Each machine writes a file of
its own; whoever restores reads all that are there. Every line carries a keyed mark, so that nobody without the key can
end anything by writing here. Beside the lines lies the claim: which of all copies is the one that acts. What ends in a
copy that does not act lies apart, in a file that nobody reads, until that copy is claimed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from apiloom.base import json, plugins
from apiloom.store.ports import Ended

KEPT_SECONDS: Final = 400 * 86400.0
"""How long a line is kept: older backups than that should not be restored."""

LARGEST: Final = 8 << 20
"""Bytes of a file after which it is made smaller; what counts still may make it larger."""

MOST: Final = 256 << 20
"""Bytes of a file above which the oldest lines are dropped, and that is told."""

_LONGEST_LINE: Final = 2048
_SUFFIX: Final = ".journal"
_APART: Final = ".dormant"
_DROPPED: Final = "dropped"
"""The kind of a line that says until when ends may be missing."""
_CLAIM: Final = "claim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. ``claim`` is the number of the claim it was written under, ``was`` that of the last change before it;
    the rest as in :class:`~apiloom.store.ports.Ended`.
    """

    at: float
    claim: int
    was: int
    kind: str
    id: str
    until: float = 0.0
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which copy acts: the number of the claim, its id, and the last change that was seen under it."""

    number: int
    id: str
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a journal says. ``forged`` are lines that nobody with the key wrote; a cut last line is none of them.
    ``dropped`` above 0 is the time until which ends may be missing: there were too many to keep, or this journal began
    after the copy was made.
    """

    entries: tuple[Entry, ...] = ()
    claim: Claim | None = None
    forged: int = 0
    dropped: float = 0.0

    @property
    def is_there(self) -> bool:
        """Whether anything was found."""
        return self.claim is not None or bool(self.entries)


class OutsideJournal:
    """The journal of one installation.

    Args:
        folder: where journals lie.
        installation: the id of the store.
        key: 32 bytes that lines are marked with.
        now: seconds since the epoch.
    """

    def __init__(self, folder: Path, installation: str, key: bytes, now: Callable[[], float]) -> None:
        self.folder = folder / installation
        self._installation = installation
        self._key = key
        self._now = now
        self._known: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._roomy = 0
        self._lock = _locks()

    @property
    def file(self) -> Path:
        """The file that this machine writes."""
        name = hashlib.sha256(socket.gethostname().encode("utf-8", "replace")).hexdigest()[:12]
        return self.folder / f"{name}{_SUFFIX}"

    def file_apart(self, apart: str) -> Path:
        """The file that this machine writes for a copy that does not act."""
        return self.file.with_suffix(f".{apart}{_APART}")

    def append(self, ended: Sequence[Ended], claim: int, was: int, apart: str = "") -> None:
        """Write lines, and have them on the disk before this returns. A renewal or a time that was told before is not
        told again; an end always is, for what ends may have been made anew under the same id. ``apart`` names a copy
        that does not act: its lines are not read.

        Raises:
            OSError: they cannot be written.
        """
        fresh = [one for one in ended if self._known.get((apart, one.kind, one.id)) != (one.until, one.generation)]
        if not fresh:
            return
        at = self._now()
        entries = [
            Entry(at=at, claim=claim, was=was, kind=e.kind, id=e.id, until=e.until, generation=e.generation)
            for e in fresh
        ]
        self._write(b"".join(self._line(entry) for entry in entries), self.file_apart(apart) if apart else self.file)
        for one in fresh:
            if one.until or one.generation:
                self._known[apart, one.kind, one.id] = (one.until, one.generation)
            else:
                self._known.pop((apart, one.kind, one.id), None)
        if len(self._known) > 100_000:
            self._known.clear()

    def adopt(self, apart: str) -> None:
        """Have what a copy wrote apart count, now that it acts. What was taken over twice does no harm.

        Raises:
            OSError: it cannot be written.
        """
        file = self.file_apart(apart)
        try:
            number = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return
        with os.fdopen(number, "rb"), self._lock(number):
            # whoever waits to write there finds it gone, and begins another
            lines = [line + b"\n" for line in _lines(file) if self._read_line(line) is not None]
            self._write(b"".join(lines), self.file)
            file.unlink(missing_ok=True)

    def check_writable(self) -> None:
        """That lines can be written.

        Raises:
            OSError: they cannot.
        """
        self._write(b"", self.file)

    def note_gap(self, claim: int) -> None:
        """Write down that nobody knows here what ended before a claim: copies of claims before it are not to trust the
        journal that begins with it.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._line(Entry(at=self._now(), claim=claim, was=0, kind=_DROPPED, id=f"ends {claim}")), self.file)

    def read(self, others: Iterable[Path] = (), since: int = 0) -> Told:
        """All that this journal and those in other folders say of the installation, oldest first. ``since`` is the
        number of the claim of the copy that is looked at: a gap before that claim is none for it.
        """
        entries: list[Entry] = []
        claims: list[Claim] = []
        forged, dropped = 0, 0.0
        for folder in (self.folder, *(found for other in others for found in (other, other / self._installation))):
            for file in sorted(folder.glob(f"*{_SUFFIX}")):
                for line in _lines(file):
                    entry = self._read_line(line)
                    if entry is None:
                        forged += 1
                    elif entry.kind == _DROPPED:
                        dropped = max(dropped, entry.at) if not entry.claim or entry.claim > since else dropped
                    else:
                        entries.append(entry)
            claim = self.read_claim(folder)
            if claim is not None:
                claims.append(claim)
        newest = max(claims, key=lambda one: (one.number, one.seq), default=None)
        return Told(
            entries=tuple(sorted(entries, key=lambda one: one.at)), claim=newest, forged=forged, dropped=dropped
        )

    def read_claim(self, folder: Path | None = None) -> Claim | None:
        """The claim that lies outside; None where there is none that we wrote."""
        try:
            with ((folder or self.folder) / _CLAIM).open("rb") as file:
                value = self._read(file.read(_LONGEST_LINE))
            return None if value is None else Claim(**value)
        except (OSError, TypeError):
            return None

    def write_claim(self, claim: Claim) -> None:
        """Put a claim in the place of the one before, whole.

        Raises:
            OSError: it cannot be written.
        """
        self._make_folder()
        draft = self.folder / f".{_CLAIM}.{secrets.token_hex(6)}"
        try:
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(self._marked(asdict(claim)))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.folder / _CLAIM)
        finally:
            draft.unlink(missing_ok=True)

    def _line(self, entry: Entry) -> bytes:
        return self._marked(asdict(entry))

    def _marked(self, value: dict[str, Any]) -> bytes:
        text = json.canonical(value)
        return text + b" " + self._mark(text).encode() + b"\n"

    def _mark(self, text: bytes) -> str:
        return hmac.digest(self._key, f"journal {self._installation}\n".encode() + text, "sha256").hex()

    def _read(self, line: bytes) -> dict[str, Any] | None:
        text, _, mark = line.rstrip(b"\n").rpartition(b" ")
        if not hmac.compare_digest(mark, self._mark(text).encode()):
            return None
        value = json.loads(text)
        return value if isinstance(value, dict) else None

    def _read_line(self, line: bytes) -> Entry | None:
        value = self._read(line)
        try:
            return None if value is None else Entry(**value)
        except TypeError:  # a later release may say more; what we cannot read we do not guess
            return None

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _write(self, lines: bytes, path: Path) -> None:
        self._make_folder()
        while True:
            number = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with os.fdopen(number, "ab", buffering=0) as file, self._lock(number):
                # somebody may have put a smaller file in its place while we waited
                if not _is_still(number, path):
                    continue
                size = os.fstat(number).st_size
                if lines:
                    # a line that was cut by a crash ends here, and is read as one that nobody wrote
                    file.write(lines if not size or os.pread(number, 1, size - 1) == b"\n" else b"\n" + lines)
                    os.fsync(number)
                if size > max(LARGEST, self._roomy):
                    self._shrink(path)
                return

    def _shrink(self, path: Path) -> None:
        """Keep what counts still of each thing, and nothing too old, in a new file that takes the place of this one."""
        last: dict[tuple[str, str, bool], tuple[float, bytes]] = {}
        oldest = self._now() - KEPT_SECONDS
        read = ((self._read_line(line), line) for line in _lines(path))
        # what was taken over from a copy stands behind what came after it
        for entry, line in sorted(((e, line) for e, line in read if e and e.at > oldest), key=lambda one: one[0].at):
            # an end counts, and the newest generation since
            thing = (entry.kind, entry.id, bool(entry.generation))
            last.pop(thing, None)
            if not entry.generation and not entry.until:
                last.pop((entry.kind, entry.id, True), None)
            last[thing] = (entry.at, line)
        kept = self._bounded([(at, line + b"\n") for at, line in last.values()])
        draft = self.folder / f".{secrets.token_hex(6)}.draft"
        try:
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(b"".join(kept))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)  # on a full disk it would take what is left
        # not again before it has doubled: the work for a line stays small, however much counts
        self._roomy = min(2 * sum(map(len, kept)), MOST)

    def _bounded(self, lines: list[tuple[float, bytes]]) -> list[bytes]:
        """Lines of which there may not be more than fits, the oldest dropped; a line says so then."""
        size, most = sum(len(line) for _, line in lines), MOST // 4 * 3
        until, gone = 0.0, 0
        while size > most:
            at, line = lines[gone]
            until, gone, size = max(until, at), gone + 1, size - len(line)
        kept = [line for _, line in lines[gone:]]
        if gone:
            # in front, so that it goes no later than what it tells of would have; the one before it may be among them
            kept.insert(0, self._line(Entry(at=until, claim=0, was=0, kind=_DROPPED, id="ends")))
        return kept


def _is_still(number: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), file.stat())
    except OSError:
        return False


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of a file, of no more than can be ours; the last one only if it is whole."""
    try:
        with file.open("rb") as opened:
            while line := opened.readline(_LONGEST_LINE):
                if line.endswith(b"\n") and len(line) > 1:
                    yield line.rstrip(b"\n")
    except OSError:
        return


def _locks() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """How a file is held against other processes; where the system has no such thing, appending alone must do."""
    if sys.platform == "win32":
        return lambda _: contextlib.nullcontext()
    flock: Callable[[int, int], None] = plugins.load("fcntl:flock")

    @contextlib.contextmanager
    def held(number: int) -> Iterator[None]:
        flock(number, 2)  # LOCK_EX; closing the file lets go
        yield

    return held
