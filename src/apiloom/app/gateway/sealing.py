"""The vault over the store: what is secret is sealed under its tenant's data key, which the store keeps wrapped.

A tenant's data key is made with the first secret it has, in the same transaction. Keys that were unwrapped are held in
memory by what they were wrapped as, so that one which a transaction took back is never used again. What belongs to no
tenant is sealed under the house's own key.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from apiloom.base.errors import CallerError, HouseFault
from apiloom.store.ports import Scope
from apiloom.store.records import TenantKey
from apiloom.vault.custody import Custody, Purpose
from apiloom.vault.envelope import (
    SealingKey,
    house_key,
    key_version,
    new_key,
    open_sealed,
    seal,
    unwrap_key,
    wrap_key,
)

HOUSE: Final = ""
"""Stands for the house where a tenant is asked for."""

_MOST: Final = 1024
"""Data keys that stay unwrapped."""

_MOST_DAMAGED: Final = 100
"""Records that are remembered as damaged."""

_log = logging.getLogger("apiloom.gateway")


async def _unchanged() -> None:
    """Keys that never change."""


class VaultSealing:
    """The :class:`~apiloom.flows.ground.Sealing` of a house.

    Args:
        custody: the keys of the house.
        now: seconds since the epoch.
        refresh: looks at the keys of the house again, when something was made with one that is not known yet.
    """

    __slots__ = ("_custody", "_damaged", "_keys", "_now", "_refresh")

    def __init__(
        self,
        custody: Custody,
        now: Callable[[], float] = time.time,
        refresh: Callable[[], Awaitable[None]] = _unchanged,
    ) -> None:
        self._custody = custody
        self._now = now
        self._refresh = refresh
        self._keys: OrderedDict[tuple[str, int, bytes], SealingKey] = OrderedDict()
        self._damaged: OrderedDict[tuple[str, str], None] = OrderedDict()

    @property
    def damaged(self) -> int:
        """Records that could not be opened when they were last asked for; at most a hundred are counted."""
        return len(self._damaged)

    async def seal(self, scope: Scope, tenant: str, record: str, plain: bytes) -> bytes:
        """See :class:`~apiloom.flows.ground.Sealing`."""
        if tenant == HOUSE:
            version = self._custody.newest("secrets")
            return seal(plain, house_key(self._custody, version), tenant=tenant, record=record, version=version)
        newest = await newest_key(scope, tenant) or await self._first(scope, tenant)
        return seal(plain, await self._unwrapped(newest), tenant=tenant, record=record, version=newest.version)

    async def open(self, scope: Scope, tenant: str, record: str, sealed: bytes) -> bytes:
        """See :class:`~apiloom.flows.ground.Sealing`. What does not open is told loudly, once for each record."""
        place = (tenant, record)
        try:
            plain = await self._opened(scope, place, sealed)
        except HouseFault as error:
            if error.code == "vault.sealed" and place not in self._damaged:
                self._damaged[place] = None
                if len(self._damaged) > _MOST_DAMAGED:
                    self._damaged.popitem(last=False)
                _log.error("what is kept sealed of %s (tenant %s) cannot be opened", record, tenant or "none")
            raise
        if self._damaged:
            self._damaged.pop(place, None)
        return plain

    async def _opened(self, scope: Scope, place: tuple[str, str], sealed: bytes) -> bytes:
        tenant, record = place
        version = key_version(sealed)
        if tenant == HOUSE:
            await self._know("secrets", version)
            return open_sealed(sealed, house_key(self._custody, version), tenant=tenant, record=record, version=version)
        kept = await scope.tenant_keys.load(f"{tenant}/{version}")
        if kept is None or (kept.tenant, kept.version) != (tenant, version):
            raise HouseFault(
                "something that was kept sealed cannot be opened: its tenant's key is gone",
                code="vault.sealed",
                hint="restore the store from a backup, or set the credentials anew",
            )
        return open_sealed(sealed, await self._unwrapped(kept), tenant=tenant, record=record, version=version)

    async def _first(self, scope: Scope, tenant: str) -> TenantKey:
        """A tenant's first key; where somebody else was quicker, theirs."""
        wrapped = wrap_key(new_key(), self._custody, tenant=tenant, version=1)
        made = TenantKey(id=f"{tenant}/1", tenant=tenant, version=1, wrapped=wrapped, created_at=self._now())
        try:
            return await scope.tenant_keys.add(made)
        except CallerError as error:
            there = await newest_key(scope, tenant) if error.code == "store.exists" else None
            if there is None:
                raise
            return there

    async def _unwrapped(self, kept: TenantKey) -> SealingKey:
        place = (kept.tenant, kept.version, kept.wrapped)
        key = self._keys.get(place)
        if key is None:
            await self._know("data-keys", key_version(kept.wrapped))
            key = self._keys[place] = unwrap_key(kept.wrapped, self._custody, tenant=kept.tenant, version=kept.version)
            if len(self._keys) > _MOST:
                self._keys.popitem(last=False)
        return key

    async def _know(self, purpose: Purpose, version: int) -> None:
        """See to it that a key is known that another node may have made a moment ago."""
        if not self._custody.knows(purpose, version):
            await self._refresh()


async def newest_key(scope: Scope, tenant: str) -> TenantKey | None:
    """The data key that a tenant's new secrets are sealed under."""
    kept = await scope.tenant_keys.every({"tenant": tenant})
    return max(kept, key=lambda key: key.version, default=None)
