"""How something goes away: not while others depend on it, unless they are to go along; and a server with all its own.

Stands on the store's ports; the flows of each kind stand above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from apiloom.base.errors import CallerError
from apiloom.flows.asking import Affected, Removal, Removed
from apiloom.flows.changing import changing
from apiloom.flows.ground import Ground
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Server

MOST_AFFECTED = 200
"""Dependants that an answer names; the rest are counted."""


@dataclass(frozen=True, slots=True)
class _InUse:
    """What is said where something is in use."""

    code: str


_IN_USE = {
    "tenant": _InUse(code="tenant.depended_on"),
    "connector": _InUse(code="connector.depended_on"),
    "version": _InUse(code="version.depended_on"),
    "account": _InUse(code="account.depended_on"),
    "toolset": _InUse(code="toolset.depended_on"),
    "oauth_client": _InUse(code="oauth_client.depended_on"),
}


async def removing(ground: Ground, change: Callable[[Work], Awaitable[Removed]], how: Removal) -> Removed:
    """Run ``change`` in a transaction; one that only reads where nothing but a plan is asked for."""
    if how.plan:
        async with ground.store.reading() as work:
            return await change(work)
    return await changing(ground, change, how.if_match)


def check_free(kind: str, id_: str, affected: tuple[Affected, ...], how: Removal) -> None:
    """Refuse to remove what others depend on, unless they are to be taken along or nothing is done at all.

    Raises:
        CallerError: ``KIND.depended_on``; its facts list what depends on it.
    """
    if not affected or how.cascade or how.plan:
        return
    kinds = sorted({entry.kind for entry in affected})
    counts = ", ".join(f"{sum(entry.kind == word for entry in affected)} {word}" for word in kinds)
    raise CallerError(
        f"{id_} is in use ({counts})",
        code=_IN_USE[kind].code,
        hint="plan shows what would go along; cascade takes it along",
        affected=[{"kind": e.kind, "id": e.id, "becomes": e.becomes} for e in affected[:MOST_AFFECTED]],
        more=max(0, len(affected) - MOST_AFFECTED),
    )


def removed(kind: str, id_: str, affected: Sequence[Affected], how: Removal) -> Removed:
    """The answer to a removal."""
    return Removed(
        kind=kind,
        id=id_,
        done=not how.plan,
        affected=tuple(affected[:MOST_AFFECTED]),
        more=max(0, len(affected) - MOST_AFFECTED),
    )


async def remove_server(scope: Scope, server: Server) -> None:
    """Remove a server, its tokens and its overlays, in the scope of its tenant: from the commit on it is gone."""
    for token in await scope.server_tokens.every({"server": server.id}):
        await scope.server_tokens.remove(token.id)
    for overlay in await scope.overlays.every({"layer": "server", "target": server.id}):
        await scope.overlays.remove(overlay.id)
    await scope.servers.remove(server.id)


async def remove_account(scope: Scope, id_: str) -> None:
    """Remove an account and what it was granted, in the scope of its tenant."""
    for grant in await scope.grants.every({"account": id_}):
        await scope.grants.remove(grant.id)
    await scope.accounts.remove(id_)
