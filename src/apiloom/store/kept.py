"""What is too large to be said and files on their way to an API, each for one principal and for a while.

Small contents lie in memory, larger ones in files without a name (:mod:`apiloom.store.spool`). Everything is bounded:
in all, for each principal, in number and in time. Whoever needs room makes it from what is their own, oldest first;
nobody's content goes because somebody else keeps more. No thread: what has expired goes when something is kept, and is
not found before that either.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from apiloom.calls.call import Link
from apiloom.calls.ports import Kept, Shelf
from apiloom.identity.principal import Principal
from apiloom.store.spool import Spool

SCHEME = "apiloom://"
LARGEST_IN_MEMORY = 256 * 1024
"""Bytes of a content that stays in memory; larger ones go to disk."""

_ENTRY = 1024
"""Bytes of memory that anything kept is counted for beside its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Bytes of memory and of disk, open files, and seconds a content is kept. A principal may fill ``share`` of each.

    The files have no names, so each holds a descriptor of this process.
    """

    memory: int = 64 * 1024 * 1024
    disk: int = 2 * 1024 * 1024 * 1024
    files: int = 256
    seconds: float = 3600.0
    share: float = 0.5


@dataclass(slots=True)
class _Use:
    """What is taken, by one principal or by all."""

    memory: int = 0
    disk: int = 0
    files: int = 0

    def add(self, memory: int, disk: int, files: int) -> None:
        self.memory += memory
        self.disk += disk
        self.files += files

    def fits(self, wanted: tuple[int, int, int], bounds: Bounds, share: float) -> bool:
        memory, disk, files = wanted
        return (
            self.memory + memory <= bounds.memory * share
            and self.disk + disk <= bounds.disk * share
            and self.files + files <= bounds.files * share
        )


@dataclass(slots=True)
class _Owner:
    """One principal: what it takes, and what is kept for it by URI, oldest first."""

    use: _Use = field(default_factory=_Use)
    kept: dict[str, Kept] = field(default_factory=dict)


class KeptFiles:
    """The :class:`~apiloom.calls.ports.Keeper` of one process. ``clock`` gives seconds since the epoch."""

    __slots__ = ("_all", "_bounds", "_clock", "_dues", "_owners")

    def __init__(self, bounds: Bounds | None = None, clock: Callable[[], float] = time.time) -> None:
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._all = _Use()
        self._owners: dict[str, _Owner] = {}
        self._dues: dict[str, tuple[float, str]] = {}

    def keep(self, principal: Principal, content: bytes, *, mime_type: str, name: str = "") -> Link | None:
        """See :class:`~apiloom.calls.ports.Keeper`."""
        draft = self.begin(principal)
        if draft is None or not draft.write(content):
            return None
        kept = draft.keep(mime_type=mime_type, name=name)
        return Link(uri=kept.uri, name=kept.name, mime_type=kept.mime_type, size=kept.size)

    def open(self, principal: Principal, uri: str) -> Kept | None:
        """What a URI stands for; None alike for what is another's, has expired or never was."""
        owner = self._owners.get(_owner(principal))
        kept = owner.kept.get(uri) if owner is not None else None
        return kept if kept is not None and kept.expires_at > self._clock() else None

    def listing(self, principal: Principal) -> list[Kept]:
        """All that is kept for a principal, oldest first."""
        owner, now = self._owners.get(_owner(principal)), self._clock()
        return [kept for kept in owner.kept.values() if kept.expires_at > now] if owner is not None else []

    def begin(self, principal: Principal, shelf: Shelf = "results") -> Begun | None:
        """Content of unknown size, to be written in pieces; None where there is no room to begin."""
        begun = Begun(self, _owner(principal), shelf)
        return begun if begun.begin() else None

    def close(self) -> None:
        """Forget everything."""
        for uri in tuple(self._dues):
            self._forget(uri)

    # what Begun needs

    def take(self, owner_id: str, memory: int = 0, disk: int = 0, files: int = 0) -> bool:
        """Take room for a principal, if need be from the oldest of its own."""
        self._expire()
        owner = self._owners.setdefault(owner_id, _Owner())
        wanted = (memory, disk, files)
        bounds, share = self._bounds, self._bounds.share
        while not (owner.use.fits(wanted, bounds, share) and self._all.fits(wanted, bounds, 1)):
            oldest = next(iter(owner.kept), None)
            if oldest is None or not _Use().fits(wanted, bounds, share):
                self._sweep(owner_id)
                return False
            self._forget(oldest)
        owner.use.add(*wanted)
        self._all.add(*wanted)
        return True

    def give(self, owner_id: str, memory: int = 0, disk: int = 0, files: int = 0) -> None:
        """Give room back."""
        self._all.add(-memory, -disk, -files)
        owner = self._owners.get(owner_id)
        if owner is not None:
            owner.use.add(-memory, -disk, -files)
            self._sweep(owner_id)

    def due(self) -> float:
        """When what is kept now expires."""
        return self._clock() + self._bounds.seconds

    def put(self, owner_id: str, kept: Kept) -> None:
        """Keep what room was taken for."""
        self._owners[owner_id].kept[kept.uri] = kept
        self._dues[kept.uri] = (kept.expires_at, owner_id)

    def _expire(self) -> None:
        """All have the same time to live, so those that are due stand in front."""
        now = self._clock()
        while self._dues:
            uri = next(iter(self._dues))
            if self._dues[uri][0] > now:
                break
            self._forget(uri)

    def _forget(self, uri: str) -> None:
        _, owner_id = self._dues.pop(uri)
        kept = self._owners[owner_id].kept.pop(uri)
        # what lies on disk is given back with its file, once nobody reads it any more
        self.give(owner_id, memory=_ENTRY if kept.seal else _ENTRY + kept.size)

    def _sweep(self, owner_id: str) -> None:
        owner = self._owners.get(owner_id)
        if owner is not None and not owner.kept and owner.use == _Use():
            del self._owners[owner_id]


def _owner(principal: Principal) -> str:
    """Whose it is: of the several tokens of one server each keeps its own; of two that are shown together the caller's
    own, which comes last and is also shown where files are sent. Whoever lends nothing but that token is told by it.
    """
    lent = principal.delegation
    caller = principal.id if lent is None or not lent.caller else lent.caller
    return f"{caller} {principal.token.rpartition(' ')[2]}"


class Begun:
    """A content while it is written: in memory until it is larger than what stays there."""

    __slots__ = ("_content", "_held", "_keeper", "_owner", "_shelf", "_spool", "size")

    def __init__(self, keeper: KeptFiles, owner_id: str, shelf: Shelf) -> None:
        self._keeper = keeper
        self._owner = owner_id
        self._shelf = shelf
        self._content = bytearray()
        self._spool: Spool | None = None
        self._held = 0
        self.size = 0

    def begin(self) -> bool:
        """Take the room that anything kept needs."""
        return self._hold(_ENTRY)

    def write(self, piece: bytes) -> bool:
        """Take a piece. False: there is no room for it; what was written is of no more use."""
        size = self.size + len(piece)
        if self._spool is None:
            if size <= LARGEST_IN_MEMORY and self._hold(_ENTRY + size):
                self._content += piece
                self.size = size
                return True
            if not self._move():
                self.drop()
                return False
        if not self._written(piece):
            self.drop()
            return False
        return True

    def keep(self, *, mime_type: str, name: str = "") -> Kept:
        """End the content and keep it under a new URI."""
        spool, content = self._spool, bytes(self._content)
        kept = Kept(
            uri=f"{SCHEME}{self._shelf}/{secrets.token_urlsafe(24)}",
            name=name,
            mime_type=mime_type,
            size=self.size,
            expires_at=self._keeper.due(),
            read=spool.read if spool is not None else (lambda start, length: content[start : start + length]),
            seal=spool.seal() if spool is not None else b"",
        )
        self._keeper.put(self._owner, kept)
        self._held = 0
        self._spool = None
        return kept

    def drop(self) -> None:
        """Forget it, if it was not kept."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()
        if self._held:
            self._keeper.give(self._owner, memory=self._held)
            self._held = 0
        self._content = bytearray()

    def __del__(self) -> None:
        self.drop()

    def _hold(self, memory: int) -> bool:
        more = memory - self._held
        if more > 0 and not self._keeper.take(self._owner, memory=more):
            return False
        self._held = max(self._held, memory)
        return True

    def _move(self) -> bool:
        """Go on in a file, with what is there so far."""
        keeper, owner = self._keeper, self._owner
        if not keeper.take(owner, files=1):
            return False
        try:
            self._spool = Spool(lambda size: keeper.give(owner, disk=size, files=1))
        except OSError:
            keeper.give(owner, files=1)
            return False
        content, self._content = bytes(self._content), bytearray()
        self.size = 0
        keeper.give(owner, memory=self._held - _ENTRY)
        self._held = _ENTRY
        return self._written(content)

    def _written(self, piece: bytes) -> bool:
        spool = self._spool
        if spool is None or not self._keeper.take(self._owner, disk=len(piece)):
            return False
        try:
            spool.write(piece)
        except OSError:
            return False
        self.size += len(piece)
        return True
