"""Records become endpoints: a server by its id, and for an API token the union of the servers it may call.

Done when an endpoint is first called and after what it shows has changed; never for a call. What is shown of a
connector is shared between the servers that show the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.app.gateway.connections import Connections
from apiloom.app.gateway.delegating import Delegating, Exchanges
from apiloom.app.gateway.journal import Journal
from apiloom.app.gateway.memory import Memory
from apiloom.app.gateway.shaping import cut_of
from apiloom.app.gateway.whose import Whose
from apiloom.calls.endpoint import Endpoint
from apiloom.calls.policies.results import Budget
from apiloom.calls.ports import Keeper
from apiloom.catalog.server_config import ServerConfig
from apiloom.compile.server import Manner, Seat, Shelf, build_server
from apiloom.store.records import Account, Connector, Server

MOST_IN_UNION = 50
"""Servers that ``/mcp`` shows together; a token for more of them names one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What endpoints are made from."""

    memory: Memory
    artefacts: Artefacts
    connections: Connections
    journal: Journal
    keeper: Keeper
    shelf: Shelf
    exchanges: Exchanges | None = None


async def compile_server(shop: Workshop, server: Server) -> Endpoint:
    """The endpoint of a server as its records are now.

    Raises:
        HouseFault: ``store.unreachable``, ``gateway.version``, ``artefact.damaged``.
        CallerError: what its records say cannot be served.
    """
    settings = shop.memory.settings(server)
    seats = await _seats(shop, server, settings)
    budget = Budget(tokens=settings.result_tokens, keeper=shop.keeper)
    return build_server(server.name, seats, shop.shelf, Manner(profile=settings.profile, budget=budget))


async def compile_union(shop: Workshop, servers: Sequence[Server]) -> Endpoint:
    """Several servers as one endpoint: every connector of every server under a prefix of its own, filtered as there.

    Results are as long as the strictest of them allows.

    Raises:
        HouseFault: as :func:`compile_server`.
    """
    seats: list[Seat] = []
    bounds: list[int] = []
    for server in servers[:MOST_IN_UNION]:
        settings = shop.memory.settings(server)
        seats += await _seats(shop, server, settings)
        bounds.append(settings.result_tokens)
    budget = Budget(tokens=min((bound for bound in bounds if bound), default=0), keeper=shop.keeper)
    return build_server("apiloom", seats, shop.shelf, Manner(budget=budget, prefixed=True))


async def _seats(shop: Workshop, server: Server, settings: ServerConfig) -> list[Seat]:
    shown = _connectors(shop.memory, server, settings)
    return [await _seat(shop, server, settings, one, alone=len(shown) == 1) for one in shown]


def _connectors(memory: Memory, server: Server, settings: ServerConfig) -> list[tuple[Connector, Account | None]]:
    """The connectors that a server shows now, each with the account it names, in the order it names them."""
    named = (memory.accounts.get(id_) for id_ in server.accounts)
    wanted: list[tuple[str, Account | None]] = [
        (account.connector, account) for account in named if account is not None and account.tenant == server.tenant
    ]
    # whose account it is follows from who calls only where the server names none
    theirs = {slug for slug, _ in wanted}
    wanted += [(slug, None) for slug in server.connectors if slug not in theirs]
    found = []
    for slug, account in wanted:
        connector = memory.connectors.get(slug)
        if connector is None or not connector.enabled:
            continue
        if connector.tenants is not None and server.tenant not in connector.tenants:
            continue
        if settings.version(slug) or connector.current:
            found.append((connector, account))
    return found


async def _seat(
    shop: Workshop, server: Server, settings: ServerConfig, shown: tuple[Connector, Account | None], *, alone: bool
) -> Seat:
    connector, account = shown
    memory, slug = shop.memory, connector.id
    shared = await shop.artefacts.get(connector, settings.version(slug) or connector.current)
    named = "" if account is None else account.id
    targets = {"", server.tenant, server.id, named}
    cut = cut_of(
        shared.artefact,
        settings.selection(server.toolsets_off),
        [one for one in memory.overlays(slug) if one.target in targets],
        [one for one in memory.toolsets(slug) if one.tenant in (None, server.tenant)],
        prefix="" if alone else slug,
    )
    whose = Whose(
        memory=memory,
        connections=shop.connections,
        connector=connector,
        shared=shared,
        tenant=server.tenant,
        named=named,
    )
    lending = settings.delegation.get(slug)
    backend = whose.backend
    if lending is not None:
        backend = Delegating(whose=whose, lending=lending, exchanges=shop.exchanges).backend
    return Seat(
        # a large connector takes a tenth of a second to cut: calls must not wait for that
        edition=await asyncio.to_thread(shop.shelf.edition, slug, shared.artefact, cut),
        backend=backend,
        label=account.label if account is not None else "",
        sink=shop.journal.sink(server.id, server.tenant),
    )
