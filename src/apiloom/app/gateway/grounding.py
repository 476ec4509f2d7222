"""The ground of a gateway: its store opened, its key checked, and the ports of every flow over them.

The same for a serving node and for a command that works on ``--data`` itself. Nothing is served here.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.app.gateway.connecting import Consents, linking, linking_first
from apiloom.app.gateway.connections import Connections, Outlet
from apiloom.app.gateway.copies import Copies, open_copies
from apiloom.app.gateway.grants import monotonic_with
from apiloom.app.gateway.identities import Identities
from apiloom.app.gateway.key_sources import key_sources
from apiloom.app.gateway.keys import HouseKeys
from apiloom.app.gateway.living import Living, build_living
from apiloom.app.gateway.parting import VaultGrants
from apiloom.app.gateway.place import Place, prepare, read_place
from apiloom.app.gateway.sealing import VaultSealing
from apiloom.app.gateway.testing import Tester
from apiloom.app.gateway.versions import CompiledVersions
from apiloom.app.gateway.visits import Links
from apiloom.app.outbound import ALLOWED, open_identified, open_sender, read_guard
from apiloom.app.references import places_of
from apiloom.app.workers.pool import Workers
from apiloom.base import plugins
from apiloom.base.secret import InTheClear, closed
from apiloom.compile.server import Shelf
from apiloom.flows.claiming import reapply
from apiloom.flows.ground import Ground, Minted
from apiloom.identity import tokens
from apiloom.identity.tokens import TokenHasher
from apiloom.net.guard import Guard
from apiloom.net.request import Sender
from apiloom.store.kept import KeptFiles
from apiloom.store.ports import Store
from apiloom.vault.custody import Custody
from apiloom.vault.references import References


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """A :class:`~apiloom.flows.ground.Ground` with what it is made of. Close it when done."""

    place: Place
    ground: Ground
    store: Store
    hasher: TokenHasher
    custody: Custody = field(repr=False)
    keys: HouseKeys
    copies: Copies
    sealing: VaultSealing
    artefacts: Artefacts
    connections: Connections
    living: Living
    keeper: KeptFiles
    shelf: Shelf
    sender: Sender
    identities: Identities
    workers: Workers

    async def close(self) -> None:
        """End workers, connections and the store."""
        await self.workers.close()
        await self.identities.close()
        await self.sender.close()
        await self.store.close()


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Around(InTheClear):
    """What a ground takes from where it is opened."""

    now: Callable[[], float]
    public_url: str
    guard: Guard
    environment: Mapping[str, str] = field(repr=False)


async def open_grounds(
    place: Place,
    *,
    public_url: str = "",
    now: Callable[[], float] = time.time,
    environment: Mapping[str, str] | None = None,
    guard: Guard | None = None,
    watched: bool = True,
) -> Grounds:
    """Open a place: make its folder, key and store where nothing is yet, else check that they belong together.

    The ``guard`` is that of the environment unless another one is given. Not ``watched``, a store is only looked at, or
    what ends in it is known to the journal already: nothing is written there.

    Raises:
        DesignError: ``net.settings``; ``gateway.*`` for a place that cannot be used; ``custody.*`` for a key that is
            missing, open to others, with the data, or another's.
        CallerError: ``store.newer``, ``store.url``.
        HouseFault: ``store.unreachable``.
    """
    around = os.environ if environment is None else environment
    guard = guard or read_guard(around)
    prepare(place)
    sources = key_sources(place)
    async with AsyncExitStack() as undo:
        store: Store = await plugins.load("apiloom.store.sql.opening:open_store")(place.url)
        undo.push_async_callback(store.close)
        # also where somebody died right after making the store: nothing depends on a key before there is one
        keys = HouseKeys(store, sources, now, may_make=place.folder is not None)
        await keys.open()
        copies = await open_copies(place, store, keys.custody, now)
        told = Around(now=now, public_url=public_url, guard=guard, environment=around)
        grounds = _grounds(place, copies, keys, told)
        if copies.dormant():
            # what was ended since the copy was made stays ended, claimed or not
            again = await reapply(grounds.ground, (await asyncio.to_thread(copies.journal.read)).entries)
            copies.ended, copies.stale = again.ended, again.stale
        if watched:
            # only now: what was ended again is in the journal already
            store.watch(copies.watch)
        undo.pop_all()
        return grounds


def _grounds(place: Place, copies: Copies, keys: HouseKeys, around: Around) -> Grounds:
    store, now, custody = copies.store, around.now, keys.custody
    hasher = TokenHasher(custody.sub_keys("tokens"), custody.newest("tokens"))
    sealing = VaultSealing(custody, now, keys.refresh)
    keeper = KeptFiles(clock=now)
    # no certificate of this machine's is shown to what tenants connect to
    sender = open_sender(around.environment, frozenset(), around.guard)
    identities = Identities(partial(open_identified, around.environment, around.guard))
    key = custody.sub_key("seals", custody.newest("seals"))
    artefacts = Artefacts(store)
    references = References(places_of(around.environment), monotonic_with(now))
    living = build_living(store, sealing, artefacts, sender, now, references.text)
    links = Links(now=now)
    connections = Connections(
        Outlet(
            store=store,
            sealing=sealing,
            sender=sender,
            identities=identities,
            keeper=keeper,
            key=key,
            living=living,
            references=references,
            links=links,
            now=now,
        )
    )
    workers = Workers(environment={**os.environ, ALLOWED: around.environment.get(ALLOWED, "")})
    shelf = Shelf()
    versions = CompiledVersions(shelf)
    ground = Ground(
        store=store,
        sealing=sealing,
        imports=workers,
        versions=versions,
        digests=hasher.digests,
        mint=lambda kind: _minted(hasher, kind),
        now=now,
        public_url=around.public_url.rstrip("/"),
        grants=VaultGrants(living=living, sender=sender),
        connecting=Consents(
            store=store,
            sender=sender,
            versions=versions,
            grants=living.grants,
            now=now,
            keys=lambda: tuple(custody.sub_keys("seals").values())[::-1],
        ),
        test_call=Tester(store, artefacts, connections).call,
        dormant=copies.dormant,
        providers=_known_providers,
    )
    living.grants.check_awake = copies.check_awake
    links.make, links.make_first = linking(ground), linking_first(ground)
    return Grounds(
        place=place,
        ground=ground,
        store=store,
        hasher=hasher,
        custody=custody,
        keys=keys,
        copies=copies,
        sealing=sealing,
        artefacts=artefacts,
        connections=connections,
        living=living,
        keeper=keeper,
        shelf=shelf,
        sender=sender,
        identities=identities,
        workers=workers,
    )


def _known_providers() -> frozenset[str]:
    return frozenset(plugins.load("apiloom.vault.oauth.providers:provider_ids")())


def _minted(hasher: TokenHasher, kind: str) -> Minted:
    text = tokens.mint(tokens.SERVER if kind == tokens.SERVER else tokens.API)
    digest, version = hasher.digest(text)
    return Minted(text=text, digest=digest, key_version=version)


@asynccontextmanager
async def open_ground(
    chosen: str = "", *, public_url: str = "", environment: Mapping[str, str] | None = None
) -> AsyncIterator[Ground]:
    """The ground of ``--data`` for a command that does not serve; ``chosen`` as :func:`~.place.read_place` takes it.

    Raises:
        ApiloomError: as :func:`open_grounds`.
    """
    around = os.environ if environment is None else environment
    grounds = await open_grounds(read_place(chosen, around), public_url=public_url, environment=around)
    try:
        yield grounds.ground
    finally:
        await grounds.close()
