"""Rotating keys while nodes serve: a new key-encryption key, a new data key of a tenant, new keys of the house.

Nothing that callers hold is made with a key that goes away: tokens, URLs, cursors and sessions stay what they are, for
the key-encryption key only wraps, and keys that seal get a new version beside the old one. What was sealed is sealed
anew in small transactions, each of which leaves everything as it should be: killed anywhere, a rotation goes on where
it was when it is begun again. One at a time; whoever holds the lock stands above.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from apiloom.app.gateway.key_sources import Found
from apiloom.app.gateway.keys import HouseKeys, save_rows, unwrapped, wrapped_row, wrapped_rows
from apiloom.app.gateway.sealing import HOUSE, VaultSealing, newest_key
from apiloom.base.errors import CallerError, HouseFault
from apiloom.store.kinds import KINDS, Kind
from apiloom.store.ports import Rows, Scope
from apiloom.store.records import TenantKey
from apiloom.vault.custody import KEY_SIZE, Purpose
from apiloom.vault.envelope import key_version, new_key, unwrap_key, wrap_key

TOGETHER: Final = 25
"""Records that are sealed anew in one transaction: writers wait for it."""

_SEALED: Final = tuple(kind for kind in KINDS if "sealed" in kind.record.__dataclass_fields__)
"""Kinds of records with something sealed in them."""

_LABELS: Final[Mapping[str, Callable[[str], str]]] = {"grant": lambda id_: f"grant/{id_}"}
"""What something is sealed for, where that is not the id of its record."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What a rotation did: what it rotated, to which version or key, and which records could not be opened."""

    what: str
    now: str
    sealed: int = 0
    damaged: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"rotated": self.what, "now": self.now, "sealed_anew": self.sealed, "damaged": list(self.damaged)}


async def rotate_root(keys: HouseKeys) -> Turned:
    """Wrap the keys of the house under a new key-encryption key, made by the first source, or found in it already.

    Raises:
        DesignError: ``custody.given`` where the source is changed by hand; ``custody.*``, ``keyring.*``, ``bao.*``.
        HouseFault: ``vault.sealed`` for keys that cannot be opened; nothing is changed then.
    """
    kept = await keys.store.installation()
    rows = await keys.rows()
    roots = await keys.roots(rows)
    used = unwrapped(rows, roots, kept["id"]).fingerprint
    first = keys.sources[0]
    there = await keys.first_roots(rows)
    found = Found(roots=there) if there else await first.create(rows)
    if found.roots[0].fingerprint == used:
        # what the source holds first is in use already: a newer one is wanted
        found = await first.renew(rows)
    target = found.roots[0]
    async with keys.store.writing() as work:
        custody = unwrapped(await work.house().house_keys.every(), [*roots, target], kept["id"])
        made = list(found.rows)
        if target.fingerprint != custody.fingerprint:
            made += wrapped_rows(custody, target, kept["id"])
        await save_rows(work, [replace(row, created_at=row.created_at or keys.now()) for row in made])
    await keys.bind(target.fingerprint)
    await keys.refresh()
    return Turned(what="key-encryption key", now=target.fingerprint)


async def rotate_tenant(keys: HouseKeys, sealing: VaultSealing, tenant: str, say: Say) -> Turned:
    """Give a tenant a new data key, and seal everything of it anew. One that was begun before is completed.

    Raises:
        CallerError: ``tenant.not_found``.
        HouseFault: ``store.unreachable``.
    """
    async with keys.store.reading() as work:
        if await work.tenant(tenant).tenants.load(tenant) is None:
            raise CallerError("there is no such tenant", code="tenant.not_found", hint="apiloom tenant list names them")
    what = f"data key of {tenant}"
    # one that was interrupted has left something behind
    sealed, damaged = await _seal_anew(keys, sealing, tenant, say)
    if not sealed:
        await _add_tenant_key(keys, tenant)
        sealed, damaged = await _seal_anew(keys, sealing, tenant, say)
    async with keys.store.reading() as work:
        version = await _newest(keys, work.tenant(tenant), tenant)
    return Turned(what=what, now=f"version {version}", sealed=sealed, damaged=damaged)


async def _add_tenant_key(keys: HouseKeys, tenant: str) -> None:
    async with keys.store.writing() as work:
        scope = work.tenant(tenant)
        version = await _newest(keys, scope, tenant) + 1
        wrapped = wrap_key(new_key(), keys.custody, tenant=tenant, version=version)
        made = TenantKey(
            id=f"{tenant}/{version}", tenant=tenant, version=version, wrapped=wrapped, created_at=keys.now()
        )
        await scope.tenant_keys.add(made)


async def rotate_house(keys: HouseKeys, sealing: VaultSealing, say: Say) -> Turned:
    """Give the house new keys for its own secrets and for wrapping data keys, and use them for all there is.

    Raises:
        HouseFault: ``store.unreachable``, ``vault.sealed``.
    """
    sealed, damaged = await _house_anew(keys, sealing, say)
    if not sealed:
        await _add_versions(keys, ("secrets", "data-keys"))
        sealed, damaged = await _house_anew(keys, sealing, say)
    version = f"secrets version {keys.custody.newest('secrets')}, data-keys version {keys.custody.newest('data-keys')}"
    return Turned(what="keys of the house", now=version, sealed=sealed, damaged=damaged)


async def _house_anew(keys: HouseKeys, sealing: VaultSealing, say: Say) -> tuple[int, tuple[str, ...]]:
    sealed, damaged = await _seal_anew(keys, sealing, HOUSE, say)
    wrapped, broken = await _wrap_anew(keys, say)
    return sealed + wrapped, (*damaged, *broken)


async def _add_versions(keys: HouseKeys, purposes: Sequence[Purpose]) -> None:
    kept = await keys.store.installation()
    rows = await keys.rows()
    roots = await keys.roots(rows)
    async with keys.store.writing() as work:
        custody = unwrapped(await work.house().house_keys.every(), roots, kept["id"])
        root = next(one for one in roots if one.fingerprint == custody.fingerprint)
        for purpose in purposes:
            row = wrapped_row(secrets.token_bytes(KEY_SIZE), root, (purpose, custody.newest(purpose) + 1), kept["id"])
            await work.house().house_keys.add(replace(row, created_at=keys.now()))
    await keys.refresh()


async def _seal_anew(keys: HouseKeys, sealing: VaultSealing, tenant: str, say: Say) -> tuple[int, tuple[str, ...]]:
    """Seal what is under an older key; how much that was, and which records do not open."""
    done = 0
    damaged: list[str] = []
    for kind in _SEALED:
        after, more = "", True
        while more:
            async with keys.store.reading() as work:
                scope = _scope(work, tenant)
                page, after = await _rows(scope, kind).page(limit=TOGETHER, after=after, where=_where(kind, tenant))
                newest = await _newest(keys, scope, tenant)
            stale = [record.id for record in page if record.sealed and _version(record.sealed) != newest]
            sealed, broken = await _page_anew(keys, sealing, (tenant, kind), stale) if stale else (0, [])
            done, more = done + sealed, bool(after)
            damaged += broken
            if sealed:
                say(f"{done} records sealed anew")
    return done, tuple(damaged)


async def _page_anew(
    keys: HouseKeys, sealing: VaultSealing, what: tuple[str, Kind], ids: Sequence[str]
) -> tuple[int, list[str]]:
    """Seal some records anew in one transaction, as they are by then; how many, and which do not open."""
    tenant, kind = what
    label = _LABELS.get(kind.name, str)
    done, damaged = 0, []
    async with keys.store.writing() as work:
        scope = _scope(work, tenant)
        rows, newest = _rows(scope, kind), await _newest(keys, scope, tenant)
        for record in (await rows.load_all(ids)).values():
            if not record.sealed or _version(record.sealed) == newest:
                continue
            try:
                plain = await sealing.open(scope, tenant, label(record.id), record.sealed)
            except HouseFault as error:
                if error.code != "vault.sealed":
                    raise
                damaged.append(record.id)
                continue
            sealed = await sealing.seal(scope, tenant, label(record.id), plain)
            await rows.save(replace(record, sealed=sealed), record.revision)
            done += 1
    return done, damaged


async def _wrap_anew(keys: HouseKeys, say: Say) -> tuple[int, tuple[str, ...]]:
    """Wrap the data keys of all tenants under the newest key; how many, and which do not open."""
    done, broken, after = 0, [], ""
    newest = keys.custody.newest("data-keys")
    while True:
        async with keys.store.writing() as work:
            rows = work.house().tenant_keys
            page, after = await rows.page(limit=TOGETHER, after=after)
            for kept in page:
                if _version(kept.wrapped) == newest:
                    continue
                try:
                    key = unwrap_key(kept.wrapped, keys.custody, tenant=kept.tenant, version=kept.version)
                except HouseFault:
                    broken.append(kept.id)
                    continue
                wrapped = wrap_key(key, keys.custody, tenant=kept.tenant, version=kept.version)
                await rows.save(replace(kept, wrapped=wrapped), kept.revision)
                done += 1
        say(f"{done} data keys wrapped anew")
        if not after:
            return done, tuple(broken)


def _version(sealed: bytes) -> int | None:
    """The version that something says it is under; None for what is damaged."""
    try:
        return key_version(sealed)
    except HouseFault:
        return None


async def _newest(keys: HouseKeys, scope: Scope, tenant: str) -> int:
    if tenant == HOUSE:
        return keys.custody.newest("secrets")
    newest = await newest_key(scope, tenant)
    return 0 if newest is None else newest.version


def _scope(work: Any, tenant: str) -> Scope:
    scope: Scope = work.house() if tenant == HOUSE else work.tenant(tenant)
    return scope


def _rows(scope: Scope, kind: Kind) -> Rows[Any]:
    rows: Rows[Any] = getattr(scope, kind.rows)
    return rows


def _where(kind: Kind, tenant: str) -> Mapping[str, Any]:
    """The records of one owner: what a tenant sees of the house is not its own."""
    if kind.owner not in kind.record.__dataclass_fields__:
        return {} if tenant == HOUSE else {"id": ""}
    return {kind.owner: tenant or None}
