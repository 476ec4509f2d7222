"""Where key-encryption keys come from: the environment, a file, the keyring of the machine, OpenBao's transit engine.

``APILOOM_KEY`` names one or several of them, the newest first; without it the key is a file. What the database keeps of
a source that wraps (OpenBao) is handed in and out as rows; no source asks the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from apiloom.app.gateway.place import Place
from apiloom.app.references import KEYRING, opened_bao
from apiloom.base import plugins
from apiloom.base.errors import DesignError
from apiloom.base.secret import InTheClear, Secret, closed
from apiloom.store.records import HouseKey
from apiloom.vault.custody import (
    MOST_KEYS,
    RootKey,
    check_apart,
    create_key,
    new_key_text,
    parse_keys,
    put_key_first,
    read_keys,
)

ROOT: Final = "root"
"""The purpose of rows that hold a key-encryption key which somebody else has wrapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source holds: keys, the newest first, and rows that must be kept for it, new or changed."""

    roots: tuple[RootKey, ...]
    rows: tuple[HouseKey, ...] = ()


class KeySource(Protocol):
    """One place of key-encryption keys. ``shown`` says which, fit to print. What a ``shared`` one makes is kept in the
    store, where every node finds it.

    Raises:
        DesignError, UpstreamError: it cannot be read or written; nothing has been changed.
    """

    @property
    def shown(self) -> str: ...

    @property
    def shared(self) -> bool: ...

    async def read(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:
        """The keys that are there."""

    async def create(self, rows: Sequence[HouseKey]) -> Found:
        """Make the first key, where there is none."""

    async def renew(self, rows: Sequence[HouseKey]) -> Found:
        """Put a new key in front of those that are there."""


def key_sources(place: Place) -> tuple[KeySource, ...]:
    """The sources that a place's surroundings name, the newest first.

    Raises:
        DesignError: ``custody.inside``, ``custody.form``, ``bao.settings``.
    """
    around = place.environment
    named = [part.strip() for part in around.get("APILOOM_KEY", "").replace("\n", ",").split(",") if part.strip()]
    if not named:
        return (_file(place, place.key_file()),)
    sources: list[KeySource] = []
    literal = [part for part in named if part.partition(":")[0] not in {"file", "keyring", "bao"}]
    for part in named:
        kind, _, where = part.partition(":")
        if part in literal:
            if not any(isinstance(one, GivenKeys) for one in sources):
                sources.append(GivenKeys(Secret(",".join(literal))))
        elif kind == "file":
            sources.append(_file(place, Path(where).expanduser()))
        elif kind == "keyring":
            service, _, name = where.partition("/")
            if not service or not name:
                raise DesignError(
                    "the key in the keyring has no name", code="custody.source", hint="write keyring:SERVICE/NAME"
                )
            sources.append(KeyringKeys(service=service, name=name, backend=around.get(KEYRING, "").strip()))
        else:
            sources.append(TransitKeys(name=where, environment=around))
    return tuple(sources)


def _file(place: Place, path: Path) -> KeySource:
    if place.folder is not None:
        check_apart(path, place.folder)
    return KeyFile(path)


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """Keys as text in ``APILOOM_KEY``, which only who starts the process can change."""

    text: Secret = field(repr=False)

    @property
    def shown(self) -> str:
        return "APILOOM_KEY"

    @property
    def shared(self) -> bool:
        return False

    async def read(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:  # noqa: ARG002 - the port's shape
        """See :class:`KeySource`."""
        return parse_keys(self.text.reveal())

    async def create(self, rows: Sequence[HouseKey]) -> Found:
        """See :class:`KeySource`. It is there already."""
        return Found(roots=await self.read(rows))

    async def renew(self, rows: Sequence[HouseKey]) -> Found:  # noqa: ARG002 - the port's shape
        """See :class:`KeySource`."""
        raise DesignError(
            "a key that stands in APILOOM_KEY is changed there",
            code="custody.given",
            hint="put the new key in front of the old one, with a comma between, and rotate again",
        )


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Keys in a file, one a line."""

    path: Path

    @property
    def shown(self) -> str:
        return f"the file {self.path}"

    @property
    def shared(self) -> bool:
        return False

    async def read(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:  # noqa: ARG002 - the port's shape
        """See :class:`KeySource`."""
        return read_keys(self.path)

    async def create(self, rows: Sequence[HouseKey]) -> Found:  # noqa: ARG002 - the port's shape
        """See :class:`KeySource`."""
        if self.path.exists():
            return Found(roots=read_keys(self.path))
        return Found(roots=(create_key(self.path),))

    async def renew(self, rows: Sequence[HouseKey]) -> Found:  # noqa: ARG002 - the port's shape
        """See :class:`KeySource`."""
        put_key_first(self.path)
        return Found(roots=read_keys(self.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringKeys:
    """Keys in an entry of the machine's keyring, one a line."""

    service: str
    name: str
    backend: str = ""

    @property
    def shown(self) -> str:
        return f"the keyring, {self.service}/{self.name}"

    @property
    def shared(self) -> bool:
        return False

    async def read(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:  # noqa: ARG002 - the port's shape
        """See :class:`KeySource`."""
        kept = await self._text()
        if kept is None:
            raise DesignError(
                f"there is no key in {self.shown}",
                code="custody.missing",
                hint="put the key of this store back; without it nothing that is sealed can be opened",
            )
        return parse_keys(kept.reveal(), self.shown)

    async def create(self, rows: Sequence[HouseKey]) -> Found:
        """See :class:`KeySource`."""
        if await self._text() is None:
            await self._write(new_key_text())
        return Found(roots=await self.read(rows))

    async def renew(self, rows: Sequence[HouseKey]) -> Found:
        """See :class:`KeySource`."""
        kept = await self._text()
        if len(await self.read(rows)) >= MOST_KEYS or kept is None:
            raise DesignError(
                f"{self.shown} holds {MOST_KEYS} keys already",
                code="custody.many",
                hint="take away the last lines, which no backup needs any more",
            )
        await self._write(f"{new_key_text()}\n{kept.reveal().strip()}")
        return Found(roots=await self.read(rows))

    async def _text(self) -> Secret | None:
        read = plugins.load("apiloom.vault.keyrings:read_entry")
        found: Secret | None = await asyncio.to_thread(read, self.service, self.name, self.backend)
        return found

    async def _write(self, text: str) -> None:
        write = plugins.load("apiloom.vault.keyrings:write_entry")
        await asyncio.to_thread(write, self.service, self.name, Secret(text), self.backend)


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class TransitKeys(InTheClear):
    """A random key that OpenBao's transit engine wraps; what it wrapped is kept in the store."""

    name: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def shown(self) -> str:
        return f"OpenBao, the transit key {self.name}"

    @property
    def shared(self) -> bool:
        return True

    async def read(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:
        """See :class:`KeySource`."""
        mine = self._mine(rows)
        if not mine:
            raise DesignError(
                f"the store keeps no key that was wrapped by {self.shown}",
                code="custody.missing",
                hint="name the source that it was made with behind this one, with a comma between, and rotate",
            )
        async with opened_bao(self.environment) as bao:
            return tuple([parse_keys((await bao.unwrap(self.name, text)).decode("latin-1"))[0] for _, text in mine])

    async def create(self, rows: Sequence[HouseKey]) -> Found:
        """See :class:`KeySource`."""
        if self._mine(rows):
            return Found(roots=await self.read(rows))
        text = new_key_text()
        async with opened_bao(self.environment) as bao:
            wrapped = await bao.wrap(self.name, text.encode("ascii"))
        version = 1 + max((row.version for row in rows if row.purpose == ROOT), default=0)
        row = HouseKey(
            id=f"{ROOT}/{version}", purpose=ROOT, version=version, wrapped=f"bao\n{self.name}\n{wrapped}".encode()
        )
        return Found(roots=parse_keys(text), rows=(row,))

    async def renew(self, rows: Sequence[HouseKey]) -> Found:
        """See :class:`KeySource`. The transit key turns to a new version, and what it wrapped is wrapped anew."""
        changed = []
        async with opened_bao(self.environment) as bao:
            roots = await self.read(rows)
            await bao.rotate(self.name)
            for row, text in self._mine(rows):
                again = await bao.rewrap(self.name, text)
                changed.append(replace(row, wrapped=f"bao\n{self.name}\n{again}".encode()))
        return Found(roots=roots, rows=tuple(changed))

    def _mine(self, rows: Sequence[HouseKey]) -> list[tuple[HouseKey, str]]:
        """Rows that this transit key has wrapped, the newest first."""
        mine = []
        for row in sorted(rows, key=lambda row: -row.version):
            kind, _, rest = row.wrapped.decode("latin-1").partition("\n")
            name, _, text = rest.partition("\n")
            if row.purpose == ROOT and kind == "bao" and name == self.name:
                mine.append((row, text))
        return mine
