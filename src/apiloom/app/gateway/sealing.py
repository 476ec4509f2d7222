"""The vault over the store: what is secret is sealed under its tenant's data key, which the store keeps wrapped.

A tenant's data key is made with the first secret it has, in the same transaction. Keys that were unwrapped are held in
memory by what they were wrapped as, so that one which a transaction took back is never used again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from apiloom.base.errors import CallerError, HouseFault
from apiloom.store.ports import Scope
from apiloom.store.records import TenantKey
from apiloom.vault.custody import Custody
from apiloom.vault.envelope import (
    SealingKey,
    key_version,
    new_key,
    open_sealed,
    seal,
    unwrap_key,
    wrap_key,
)

_MOST = 1024
"""Data keys that stay unwrapped."""


class VaultSealing:
    """The :class:`~apiloom.flows.ground.Sealing` of a house.

    Args:
        custody: the key-encryption key.
        now: seconds since the epoch.
    """

    __slots__ = ("_custody", "_keys", "_now")

    def __init__(self, custody: Custody, now: Callable[[], float] = time.time) -> None:
        self._custody = custody
        self._now = now
        self._keys: OrderedDict[tuple[str, int, bytes], SealingKey] = OrderedDict()

    async def seal(self, scope: Scope, tenant: str, record: str, plain: bytes) -> bytes:
        """See :class:`~apiloom.flows.ground.Sealing`."""
        newest = await _newest(scope, tenant) or await self._first(scope, tenant)
        return seal(plain, self._unwrapped(newest), tenant=tenant, record=record, version=newest.version)

    async def open(self, scope: Scope, tenant: str, record: str, sealed: bytes) -> bytes:
        """See :class:`~apiloom.flows.ground.Sealing`."""
        version = key_version(sealed)
        kept = await scope.tenant_keys.load(f"{tenant}/{version}")
        if kept is None:
            raise HouseFault(
                "something that was kept sealed cannot be opened: its tenant's key is gone",
                code="vault.sealed",
                hint="restore the store from a backup, or set the credentials anew",
            )
        return open_sealed(sealed, self._unwrapped(kept), tenant=tenant, record=record, version=version)

    async def _first(self, scope: Scope, tenant: str) -> TenantKey:
        """A tenant's first key; where somebody else was quicker, theirs."""
        wrapped = wrap_key(new_key(), self._custody, tenant=tenant, version=1)
        made = TenantKey(id=f"{tenant}/1", tenant=tenant, version=1, wrapped=wrapped, created_at=self._now())
        try:
            return await scope.tenant_keys.add(made)
        except CallerError as error:
            there = await _newest(scope, tenant) if error.code == "store.exists" else None
            if there is None:
                raise
            return there

    def _unwrapped(self, kept: TenantKey) -> SealingKey:
        place = (kept.tenant, kept.version, kept.wrapped)
        key = self._keys.get(place)
        if key is None:
            key = self._keys[place] = unwrap_key(kept.wrapped, self._custody, tenant=kept.tenant, version=kept.version)
            if len(self._keys) > _MOST:
                self._keys.popitem(last=False)
        return key


async def _newest(scope: Scope, tenant: str) -> TenantKey | None:
    kept = await scope.tenant_keys.every({"tenant": tenant})
    return max(kept, key=lambda key: key.version, default=None)
