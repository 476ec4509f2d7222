"""The keys of the house: opened when a place is, looked at again whenever they change, made where there are none yet.

The store keeps them wrapped under a key-encryption key, which comes from a source outside of it. What a running node
has once opened stays open: while keys are being rotated it goes on, and only asks its sources again when it meets a
wrapping that it does not know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from apiloom.app.gateway.key_sources import ROOT, Found, KeySource
from apiloom.base.errors import ApiloomError, DesignError, HouseFault
from apiloom.store.ports import Store, Work
from apiloom.store.records import HouseKey
from apiloom.vault.custody import PURPOSES, Custody, RootKey, derived_custody, fresh_custody, other_key
from apiloom.vault.house import unwrap_house_key, wrap_house_key, wrapped_under

SECOND: Final = "v2/"
"""Stands before the fingerprint of a store whose keys are not derived from it: releases that derive them keep away."""

_MOST_ROOTS = 32
"""Key-encryption keys in hand: those of a rotation, and of some before it."""

_log = logging.getLogger("apiloom.gateway")


class HouseKeys:
    """The keys of one store, from the key-encryption keys of its sources.

    Args:
        store: keeps them wrapped.
        sources: where key-encryption keys come from, the newest first.
        now: seconds since the epoch.
        may_make: whether a key may be made for a store that has never had one: where nobody else serves it.
    """

    def __init__(
        self, store: Store, sources: Sequence[KeySource], now: Callable[[], float], *, may_make: bool = False
    ) -> None:
        self.store = store
        self.sources = tuple(sources)
        self.trouble = ""
        """The code of what is wrong with the keys as they are in the store now; empty while nothing is."""
        self.now = now
        self._may_make = may_make
        self._roots: tuple[RootKey, ...] = ()
        self._custody: Custody | None = None

    @property
    def custody(self) -> Custody:
        """The keys, once opened."""
        if self._custody is None:
            raise HouseFault("the keys of the house were not opened", code="custody.unopened")
        return self._custody

    async def open(self) -> Custody:
        """Open the keys of the store; one that has none yet gets them.

        Raises:
            DesignError: ``custody.*``, ``keyring.*``, ``bao.*``: a source gives no key, or another store's.
            HouseFault: ``vault.sealed`` for keys that are damaged or lie where they were not put.
            UpstreamError: ``bao.*``.
        """
        kept = await self.store.installation()
        rows = await self.rows()
        if not any(row.purpose != ROOT for row in rows):
            rows = await self._first(rows, kept["id"], kept["key_fingerprint"])
        else:
            self._roots = await self.roots(rows)
        self._custody = unwrapped(rows, self._roots, kept["id"])
        await self.bind(self._custody.fingerprint)
        return self._custody

    async def refresh(self) -> None:
        """Look at the keys again, because they have changed. What cannot be opened is told, and changes nothing.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        kept = await self.store.installation()
        rows = await self.rows()
        try:
            if any(wrapped_under(row.wrapped) not in self._known() for row in rows if row.purpose in PURPOSES):
                self._roots = _merged(await self.roots(rows), self._roots)
            self.custody.take(unwrapped(rows, self._roots, kept["id"]))
            self.trouble = ""
        except ApiloomError as error:
            self.trouble = error.code
            _log.error(
                "the keys of the house have changed and cannot be opened (%s); "
                "this node goes on with those it has, and could not start again: %s",
                error.code,
                error.sentence(),
            )

    async def rows(self) -> Sequence[HouseKey]:
        """The keys as they are kept."""
        async with self.store.reading() as work:
            return await work.house().house_keys.every()

    async def roots(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:
        """What the sources hold now, the newest first."""
        found = list(await self.first_roots(rows) if len(self.sources) > 1 else await self.sources[0].read(rows))
        for source in self.sources[1:]:
            found += await source.read(rows)
        return tuple(found)

    async def first_roots(self, rows: Sequence[HouseKey]) -> tuple[RootKey, ...]:
        """What the first source holds; nothing yet where it is to take over from another."""
        try:
            return await self.sources[0].read(rows)
        except DesignError as error:
            if error.code != "custody.missing":
                raise
            return ()

    async def bind(self, fingerprint: str) -> None:
        """Note which key the store is wrapped under. An interrupted rotation, or first opening, is completed here."""
        kept = (await self.store.installation())["key_fingerprint"]
        if kept.removeprefix(SECOND) != fingerprint:
            await self.store.bind_key(SECOND + fingerprint, kept)

    def _known(self) -> set[str]:
        return {root.fingerprint for root in self._roots}

    async def _first(self, rows: Sequence[HouseKey], installation: str, bound: str) -> Sequence[HouseKey]:
        """The first keys of a store. A store of schema 1 has used keys that were derived: it keeps them."""
        if not bound and (self._may_make or (self.sources[0].shared and not rows)):
            found = await self.sources[0].create(rows)
        else:
            found = Found(roots=await self.roots(rows))
        self._roots = found.roots
        if bound:
            root = next((one for one in found.roots if one.fingerprint == bound), None)
            if root is None:
                raise other_key(found.roots, bound)
            custody = derived_custody(root)
        else:
            root = found.roots[0]
            custody = fresh_custody(root)
        made = [*found.rows, *wrapped_rows(custody, root, installation)]
        async with self.store.writing() as work:
            keys = work.house().house_keys
            there = await keys.every()
            if not any(row.purpose != ROOT for row in there):
                for row in made:
                    await keys.add(replace(row, created_at=self.now()))
                return made
        # another node was first: its keys count
        self._roots = await self.roots(there)
        return there


def _merged(found: Sequence[RootKey], known: Sequence[RootKey]) -> tuple[RootKey, ...]:
    """Each root once, those that were found just now in front."""
    by_name: dict[str, RootKey] = {}
    for root in (*found, *known):
        by_name.setdefault(root.fingerprint, root)
    return tuple(by_name.values())[:_MOST_ROOTS]


def wrapped_rows(custody: Custody, root: RootKey, installation: str) -> list[HouseKey]:
    """The keys of a custody as they are kept."""
    return [
        wrapped_row(key, root, (purpose, version), installation)
        for purpose in PURPOSES
        for version, key in custody.sub_keys(purpose).items()
    ]


def wrapped_row(key: bytes, root: RootKey, what: tuple[str, int], installation: str) -> HouseKey:
    """One key of the house as it is kept; ``what`` is its purpose and version."""
    purpose, version = what
    wrapped = wrap_house_key(key, root, purpose=purpose, version=version, installation=installation)
    return HouseKey(id=f"{purpose}/{version}", purpose=purpose, version=version, wrapped=wrapped)


def unwrapped(rows: Sequence[HouseKey], roots: Sequence[RootKey], installation: str) -> Custody:
    """The custody of the keys in a store.

    Raises:
        DesignError: ``custody.other`` when none of the key-encryption keys is the right one.
        HouseFault: ``vault.sealed`` when a key is damaged, relabelled, swapped or gone.
    """
    held: dict[str, dict[int, bytes]] = {}
    known = {root.fingerprint for root in roots}
    used = ""
    ours = [row for row in rows if row.purpose in PURPOSES]
    for row in ours:
        under = wrapped_under(row.wrapped)
        if under not in known:
            # where others open, it is this row that is damaged
            if any(wrapped_under(one.wrapped) in known for one in ours):
                raise _damaged(row.id)
            raise other_key(roots, under)
        used = under
    for row in ours:
        if row.id != f"{row.purpose}/{row.version}":
            raise _damaged(row.id)
        try:
            key = unwrap_house_key(
                row.wrapped, roots, purpose=row.purpose, version=row.version, installation=installation
            )
        except HouseFault:
            raise _damaged(row.id) from None
        held.setdefault(row.purpose, {})[row.version] = key
    gone = next((purpose for purpose in PURPOSES if purpose not in held), None)
    if gone is not None:
        raise _damaged(f"{gone}/1")
    return Custody(held, used)


def _damaged(id_: str) -> HouseFault:
    return HouseFault(
        f"the key {id_} of the house cannot be opened: it is damaged, gone, or lies where it was not put",
        code="vault.sealed",
        hint="restore the store from a backup; nothing is served until then",
    )


async def save_rows(work: Work, rows: Sequence[HouseKey]) -> None:
    """Keep rows, new or changed, in a transaction."""
    keys = work.house().house_keys
    there = {row.id: row for row in await keys.every()}
    for row in rows:
        before = there.get(row.id)
        if before is None:
            await keys.add(row)
        elif before.wrapped != row.wrapped:
            await keys.save(replace(row, created_at=before.created_at), before.revision)
