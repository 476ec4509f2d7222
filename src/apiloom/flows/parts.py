"""What of the store makes up a server: for each connector it shows the version, account, overlays and toolsets.

Reads inside one transaction and within the server's tenant, so that nothing of another can become part of it. Knows
nothing of documents: what a version holds, :class:`~apiloom.flows.ground.Versions` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.flows.access import find
from apiloom.flows.ground import Compiled, Part
from apiloom.identity.principal import ANYONE
from apiloom.identity.whose import choose_account
from apiloom.store.ports import Scope
from apiloom.store.records import Account, Connector, Overlay, Server, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a server, and in sentences what it names that cannot be shown."""

    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()


def compiled(scope: Scope, version: Version) -> Compiled:
    """A version with the way to its artefact, to be used while the transaction of ``scope`` lasts."""

    async def artefact() -> bytes:
        return await scope.versions.artefact(version.id) or b""

    return Compiled(version=version, artefact=artefact)


async def version_of(scope: Scope, connector: Connector, pinned: int | None = None) -> Version:
    """The version of a connector that is served, or the one that is pinned.

    Raises:
        CallerError: ``version.not_found`` for a pinned one that is not there, ``connector.conflict`` for a connector
            that serves none yet.
    """
    if pinned is None and not connector.current:
        raise CallerError(
            f"the connector {connector.id} has no version yet that is served",
            code="connector.conflict",
            hint="promote one of its versions first",
        )
    return await find(scope.versions, "version", f"{connector.id}/{connector.current if pinned is None else pinned}")


def pins_of(config: Mapping[str, Any], slugs: Sequence[str]) -> Mapping[str, int]:
    """The pinned version of each connector: ``pin_version`` is a number where there is one connector, else by slug."""
    pinned = config.get("pin_version")
    if pinned is None:
        return {}
    if isinstance(pinned, Mapping):
        return {slug: number for slug, number in pinned.items() if number is not None}
    return dict.fromkeys(slugs, pinned)


async def load_parts(scope: Scope, server: Server) -> Parts:
    """The parts of a server, in the order it names them: its accounts, then its connectors."""
    warnings: list[str] = []
    chosen = await _chosen(scope, server, warnings)
    pins = pins_of(server.config, [slug for slug, _ in chosen])
    parts = []
    for slug, account in chosen:
        connector = await scope.connectors.load(slug)
        if connector is None or not connector.enabled:
            warnings.append(f"the connector {slug} is {'switched off' if connector else 'not there any more'}")
            continue
        try:
            version = await version_of(scope, connector, pins.get(slug))
        except CallerError as error:
            warnings.append(error.message)
            continue
        grants = await scope.grants.every({"account": account.id}) if account else ()
        if account and any(grant.state == "needs_reconnect" for grant in grants):
            warnings.append(f"the account {account.label or account.id} needs to be connected anew")
        parts.append(
            Part(
                compiled=compiled(scope, version),
                account=account,
                granted=tuple(grant.scheme for grant in grants),
                overlays=await overlays_for(scope, server, slug, account),
                toolsets=tuple(await scope.toolsets.every({"connector": slug})),
            )
        )
    return Parts(parts=tuple(parts), warnings=tuple(warnings))


async def _chosen(scope: Scope, server: Server, warnings: list[str]) -> list[tuple[str, Account | None]]:
    """The connectors a server shows, each with the account that is named, or shared, or None."""
    chosen: list[tuple[str, Account | None]] = []
    for id_ in server.accounts:
        account = await scope.accounts.load(id_)
        if account is None or not account.enabled:
            warnings.append(f"the account {id_} is {'switched off' if account else 'not there any more'}")
        if account is not None:
            chosen.append((account.connector, account))
    shared = [
        (slug, choose_account("", await scope.accounts.every({"connector": slug, "shared": True}), ANYONE))
        for slug in server.connectors
        if slug not in {named for named, _ in chosen}
    ]
    return [*chosen, *shared]


async def overlays_for(scope: Scope, server: Server, slug: str, account: Account | None) -> tuple[Overlay, ...]:
    """The overlays of a connector that reach a server: the connector's, the tenant's, the account's and its own."""
    targets = {"", server.tenant, server.id} | ({account.id} if account else set())
    return tuple(each for each in await scope.overlays.every({"connector": slug}) if each.target in targets)


async def account_named(scope: Scope, id_: str) -> Account:
    """An account that a server is to show.

    Raises:
        CallerError: ``account.not_found``, for another tenant's too.
    """
    return await find(scope.accounts, "account", id_)


async def connector_named(scope: Scope, slug: str) -> Connector:
    """A connector that is shown to the tenant.

    Raises:
        CallerError: ``connector.not_found``, for one that is shown to others too.
    """
    return await find(scope.connectors, "connector", slug)
