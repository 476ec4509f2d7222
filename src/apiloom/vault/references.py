"""References to secrets that lie elsewhere: ``env:NAME``, ``file:PATH``, ``keyring:SERVICE/NAME``, ``bao:PATH#MEMBER``.

What a reference stands for is never stored. It is held in memory for a minute, so that many accounts ask once, and read
anew after that or when somebody says that it no longer counts; while OpenBao cannot be asked, or a place does not
answer, the last value holds for some minutes more. Everything is bounded in size and time, and no sentence repeats a
value.

Knows no accounts and no schemes. :mod:`apiloom.vault.given` stands beside, ``app`` above.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Literal

from apiloom.base import plugins
from apiloom.base.errors import ApiloomError, DesignError, UpstreamError
from apiloom.base.secret import InTheClear, Secret, closed
from apiloom.vault.few import Few, Unanswered
from apiloom.vault.transit import Bao

FRESH: Final = 60.0
"""Seconds that a value counts without being read again."""

STALE: Final = 600.0
"""Seconds that a value counts when it cannot be read again."""

PATIENCE: Final = 15.0
"""Seconds that somebody waits for a value; what still reads it then is not begun a second time."""

MOST_LEFT: Final = 8
"""Files whose reading may hang; none is read until one of them comes to an end."""

SOONEST: Final = 1.0
"""Seconds between two readings of one reference, however often somebody says that it no longer counts."""

LARGEST: Final = 64 * 1024
"""Bytes of a secret."""

MOST: Final = 10_000
"""References that are held."""

LONGEST: Final = 1024
"""Characters of a reference."""

Kind = Literal["env", "file", "keyring", "bao"]

_OURS: Final = frozenset({"APILOOM_DATA", "APILOOM_KEY", "APILOOM_TOKEN", "BAO_TOKEN", "VAULT_TOKEN"})
"""Variables that are no API's, however a system spells them: what opens the house is never sent anywhere."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_reference(reference: str) -> tuple[Kind, str]:
    """The kind of a reference and its place; nothing is looked up.

    Raises:
        DesignError: ``credentials.form``.
    """
    kind, _, place = reference.partition(":")
    service, _, name = place.partition("/")
    known = {
        "env": bool(_NAME.fullmatch(place)) and place.upper() not in _OURS,
        "file": bool(place),
        "keyring": bool(service and name) and not _CONTROL.search(place),
        "bao": bool(place.partition("#")[0]) and not _CONTROL.search(place),
    }
    if len(reference) > LONGEST or not known.get(kind):
        raise DesignError(
            "a reference leads nowhere",
            code="credentials.form",
            hint="write env:NAME, file:PATH, keyring:SERVICE/NAME or bao:PATH#MEMBER",
        )
    return kind, place  # type: ignore[return-value]  # it is one of the four


@dataclass(slots=True)
class _Kept:
    value: Secret
    at: float


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Places(InTheClear):
    """Where references lead on this machine. ``bao`` opens a way to OpenBao; ``keyring`` names the keyring's class."""

    environment: Mapping[str, str] = field(repr=False)
    bao: Callable[[], AbstractAsyncContextManager[Bao]]
    keyring: str = ""


class References:
    """Follows references and holds what they stand for, each for a bounded time.

    Args:
        places: where they lead.
        clock: seconds that only rise.
    """

    __slots__ = ("_clock", "_kept", "_places", "_reading")

    def __init__(self, places: Places, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Secret]] = {}

    def __repr__(self) -> str:
        return f"References({len(self._kept)} held)"

    async def resolve(self, reference: str, *, anew: bool = False) -> Secret:
        """What a reference stands for; ``anew`` when what was held no longer counts.

        Raises:
            DesignError: ``credentials.form``, ``credentials.ref``, ``keyring.*``, ``bao.settings``.
            UpstreamError: ``bao.*``, when nothing is held that may still count.
        """
        now = self._clock()
        held = self._kept.get(reference)
        if held is not None and now - held.at < (SOONEST if anew else FRESH):
            return held.value
        task = self._reading.get(reference)
        if task is None:
            task = self._reading[reference] = asyncio.create_task(self._read(reference))
            task.add_done_callback(lambda done: self._read_once(reference, done))
        try:
            # a thread that hangs on a dead disk cannot be ended; whoever waits for it can be told
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(task)
        except (UpstreamError, TimeoutError) as error:
            if held is not None and not anew and now - held.at <= STALE:
                return held.value
            if isinstance(error, UpstreamError):
                raise
            kind = reference.partition(":")[0]
            raise _refused(f"what a {kind}: reference leads to is not there in time", "look after it") from None

    def _read_once(self, reference: str, done: asyncio.Task[Secret]) -> None:
        self._reading.pop(reference, None)
        if not done.cancelled():
            done.exception()  # whoever waited may have gone: then nobody else looks at it

    def get(self, reference: str) -> Secret | None:
        """What a reference stood for when it was last read; None where nobody here ever had it, or long ago."""
        held = self._kept.get(reference)
        return None if held is None else held.value

    async def text(self, reference: str) -> str:
        """What a reference stands for, as text for whoever signs with it.

        Raises:
            ApiloomError: as :meth:`resolve`.
        """
        return (await self.resolve(reference)).reveal()

    async def _read(self, reference: str) -> Secret:
        value = await follow(reference, self._places)
        self._kept[reference] = _Kept(value, self._clock())
        self._kept.move_to_end(reference)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return value


async def follow(reference: str, places: Places) -> Secret:
    """What a reference stands for, read now.

    Raises:
        ApiloomError: as :meth:`References.resolve`.
    """
    kind, place = read_reference(reference)
    found: Secret | None
    if kind == "env":
        text = places.environment.get(place, "")
        found = Secret(text) if text else None
    elif kind == "file":
        found = await asyncio.to_thread(_read_bounded, place)
    elif kind == "keyring":
        service, _, name = place.partition("/")
        read = plugins.load("apiloom.vault.keyrings:read_entry")
        found = await asyncio.to_thread(read, service, name, places.keyring)
    else:
        path, _, member = place.partition("#")
        async with places.bao() as bao:
            found = await bao.read(path, member)
    if found is None or not found.reveal():
        raise missing(kind, place)
    if len(found.reveal()) > LARGEST:
        raise _refused(f"what {kind}:{place[:100]} leads to is too large for a secret", "it should hold one line")
    return found


_FEW = Few("files", MOST_LEFT, PATIENCE)


def _read_bounded(place: str) -> Secret:
    """A secret in a file, be it on a disk that is gone: what hangs there keeps no other work waiting."""
    try:
        return _FEW.run(lambda: read_secret_file(place))
    except Unanswered as silence:
        more = f": {MOST_LEFT} others are not either, and no more are read" if silence.all_hang else ""
        raise _refused(f"the secret in {place[:200]} is not there in time{more}", "look after its disk") from None


def missing(kind: str, place: str) -> ApiloomError:
    """What is said when there is nothing where a reference leads."""
    if kind == "env":
        return _refused(f"the environment has no {place[:200]}", "set it, or mend the ref")
    return _refused(f"there is no secret at {kind}:{place[:200]}", "put it there, or mend the ref")


def read_secret_file(place: str) -> Secret:
    """The text of a file that nobody else can read.

    Raises:
        DesignError: ``credentials.ref``.
    """
    try:
        # without waiting: opening a pipe would otherwise block until somebody writes into it
        with os.fdopen(os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            _refuse_shared(place, os.fstat(file.fileno()))
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise _refused(f"the secret in {place} cannot be read: {why}", "check the path") from None
    if len(content) > LARGEST:
        raise _refused(f"{place} is too large for a secret", "it should hold one line")
    try:
        return Secret(content.decode().rstrip("\r\n"))
    except UnicodeDecodeError:
        raise _refused(f"{place} is not UTF-8 text", "it should hold one line") from None


def _refuse_shared(place: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(f"{place} is not a regular file", "put the secret into one")
    if os.name == "nt":
        return  # modes say nothing there; the folder of the user's profile is the wall
    if status.st_uid not in {os.geteuid(), 0}:
        raise _refused(f"{place} belongs to another user", f"chown it to yourself, then chmod 600 {place}")
    if status.st_mode & 0o077:
        raise _refused(f"{place} can be read by others", f"chmod 600 {place}")


def _refused(what: str, hint: str) -> DesignError:
    return DesignError(what, code="credentials.ref", hint=hint)
