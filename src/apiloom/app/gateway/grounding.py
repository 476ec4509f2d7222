"""The ground of a gateway: its store opened, its key checked, and the ports of every flow over them.

The same for a serving node and for a command that works on ``--data`` itself. Nothing is served here.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.app.gateway.connections import Connections, Outlet
from apiloom.app.gateway.place import Place, prepare, read_place, take_key
from apiloom.app.gateway.sealing import VaultSealing
from apiloom.app.gateway.testing import Tester
from apiloom.app.gateway.versions import CompiledVersions
from apiloom.app.outbound import open_sender
from apiloom.app.workers.pool import Workers
from apiloom.base import plugins
from apiloom.compile.server import Shelf
from apiloom.flows.ground import Ground, Minted
from apiloom.identity import tokens
from apiloom.identity.tokens import TokenHasher
from apiloom.net.request import Sender
from apiloom.store.kept import KeptFiles
from apiloom.store.ports import Store
from apiloom.vault.custody import Custody, check_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """A :class:`~apiloom.flows.ground.Ground` with what it is made of. Close it when done."""

    place: Place
    ground: Ground
    store: Store
    hasher: TokenHasher
    custody: Custody = field(repr=False)
    artefacts: Artefacts
    connections: Connections
    keeper: KeptFiles
    shelf: Shelf
    sender: Sender
    workers: Workers

    async def close(self) -> None:
        """End workers, connections and the store."""
        await self.workers.close()
        await self.sender.close()
        await self.store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a ground takes from where it is opened."""

    now: Callable[[], float]
    public_url: str
    environment: Mapping[str, str] = field(repr=False)


async def open_grounds(
    place: Place,
    *,
    public_url: str = "",
    now: Callable[[], float] = time.time,
    environment: Mapping[str, str] | None = None,
) -> Grounds:
    """Open a place: make its folder, key and store where nothing is yet, else check that they belong together.

    Raises:
        DesignError: ``gateway.*`` for a place that cannot be used; ``custody.*`` for a key that is missing, open to
            others, with the data, or another's.
        CallerError: ``store.newer``, ``store.url``.
        HouseFault: ``store.unreachable``.
    """
    prepare(place)
    custody = take_key(place, bound=not place.is_new)
    async with AsyncExitStack() as undo:
        store: Store = await plugins.load("apiloom.store.sql.opening:open_store")(place.url)
        undo.push_async_callback(store.close)
        await _bind(store, custody)
        around = os.environ if environment is None else environment
        grounds = _grounds(place, store, custody, Around(now=now, public_url=public_url, environment=around))
        undo.pop_all()
        return grounds


async def _bind(store: Store, custody: Custody) -> None:
    """See to it that this is the store's key; a store that has none yet takes it."""
    kept = (await store.installation())["key_fingerprint"]
    if not kept and await store.bind_key(custody.fingerprint):
        return
    check_fingerprint(custody, kept or (await store.installation())["key_fingerprint"])


def _grounds(place: Place, store: Store, custody: Custody, around: Around) -> Grounds:
    now = around.now
    hasher = TokenHasher(custody.sub_keys("tokens"), custody.newest("tokens"))
    sealing = VaultSealing(custody, now)
    keeper = KeptFiles(clock=now)
    # no certificate of this machine's is shown to what tenants connect to
    sender = open_sender(around.environment, frozenset())
    key = custody.sub_key("seals", custody.newest("seals"))
    connections = Connections(Outlet(store=store, sealing=sealing, sender=sender, keeper=keeper, key=key))
    artefacts = Artefacts(store)
    workers = Workers()
    shelf = Shelf()
    ground = Ground(
        store=store,
        sealing=sealing,
        imports=workers,
        versions=CompiledVersions(shelf),
        digests=hasher.digests,
        mint=lambda kind: _minted(hasher, kind),
        now=now,
        public_url=around.public_url.rstrip("/"),
        test_call=Tester(store, artefacts, connections).call,
    )
    return Grounds(
        place=place,
        ground=ground,
        store=store,
        hasher=hasher,
        custody=custody,
        artefacts=artefacts,
        connections=connections,
        keeper=keeper,
        shelf=shelf,
        sender=sender,
        workers=workers,
    )


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
