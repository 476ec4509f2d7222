"""What lives as long as an account is connected: its opened credentials, what was seen of its API, the keys of cursors.

Keyed by account and connector, so that endpoints come and go over it: a promoted version opens no connection and
forgets nothing. Credentials are opened from the vault when the account is first called, and again after it changed;
they are never in the node's records. All accounts go out through one pool.

A connection with tokens that end says until when it may be used without a thought; a call compares that with the clock
and asks nobody. From then on tokens are renewed beside the calls, and only one that is over is waited for.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from apiloom.app.answering import Answering
from apiloom.app.connectors import Loaded
from apiloom.app.directions import Directions, directions
from apiloom.app.environment import Given
from apiloom.app.gateway.artefacts import Shared
from apiloom.app.gateway.following import follow_all, follow_given
from apiloom.app.gateway.identities import Identities
from apiloom.app.gateway.living import Alive, Living
from apiloom.app.gateway.terms import machine_kind, machine_secrets
from apiloom.app.gateway.visits import Links
from apiloom.base import json
from apiloom.base.errors import HouseFault
from apiloom.base.seal import Sealer
from apiloom.base.secret import InTheClear, Secret, closed
from apiloom.calls.observing import Drift
from apiloom.calls.ports import Keeper
from apiloom.compile.artefact import Artefact
from apiloom.console.house import Options
from apiloom.flows.ground import Sealing
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Sender
from apiloom.store.ports import Store
from apiloom.store.records import Account, Connector, Grant
from apiloom.vault.credentials import Credentials
from apiloom.vault.references import FRESH, References
from apiloom.vault.signers import default_schemes

LOOK_AGAIN = 5.0
"""Seconds after which somebody looks again whether tokens that were due have been renewed."""

MOST = 10_000
"""Accounts that stay connected; the longest unused one is opened anew when it is called again."""


@dataclass(slots=True, kw_only=True)
class Connection:
    """One account's connection, as of a revision of its record and a generation of each of its grants.

    ``fresh_until`` is when there is something to do for its tokens, ``over_at`` when the first of them is of no more
    use; in seconds since the epoch, infinite where it has none that end.
    """

    account: Account
    credentials: Credentials = field(repr=False)
    drift: Drift
    sealer: Sealer = field(repr=False)
    alive: Alive = field(default_factory=Alive, repr=False)
    fresh_until: float = math.inf
    over_at: float = math.inf
    followed: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    """What its references stood for when they were last read."""
    watched: bool = False
    """Whether something can be done when the API refuses its credentials."""
    answering: dict[tuple[str, int, int], Answering] = field(default_factory=dict, repr=False)


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet(InTheClear):
    """What every connection of a node shares. ``key`` is the secret that cursors are sealed with. Without ``living``
    no tokens are renewed. ``identities`` are the ways out of accounts that show certificates.
    """

    store: Store
    sealing: Sealing
    sender: Sender
    identities: Identities
    keeper: Keeper
    key: bytes = field(repr=False)
    timeout: float = 60.0
    living: Living | None = None
    references: References | None = None
    links: Links = field(default_factory=Links)
    now: Callable[[], float] = time.time


class Connections:
    """The connections of a node, by account."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._open: OrderedDict[str, Connection] = OrderedDict()
        self._opening: dict[tuple[str, int], asyncio.Task[Connection]] = {}
        self._meanwhile: dict[tuple[str, int], dict[str, float]] = {}
        """Generations of grants that were told of while their account was being opened; infinite: it is gone."""

    @property
    def links(self) -> Links:
        """Where people are sent who have to do something."""
        return self._outlet.links

    @property
    def living(self) -> Living | None:
        """Who keeps tokens alive."""
        return self._outlet.living

    def get(self, account: Account) -> Connection | None:
        """The connection of an account as it is now, if it is open and there is nothing to do for it."""
        found = self._open.get(account.id)
        if found is None or found.account.revision != account.revision or found.fresh_until <= self._outlet.now():
            return None
        return found

    async def connect(self, account: Account) -> Connection:
        """The connection of an account, opened if need be, once for all who wait.

        Raises:
            HouseFault: ``store.unreachable``, ``vault.sealed``.
        """
        found = self._open.get(account.id)
        if found is not None and found.account.revision == account.revision and self._usable(found):
            self._open.move_to_end(account.id)
            return found
        key = (account.id, account.revision)
        task = self._opening.get(key)
        if task is None:
            self._meanwhile[key] = {}
            task = self._opening[key] = asyncio.create_task(self._connected(account))
            task.add_done_callback(lambda done: self._opened(key, done))
        return await asyncio.shield(task)

    def _opened(self, key: tuple[str, int], task: asyncio.Task[Connection]) -> None:
        self._opening.pop(key, None)
        self._meanwhile.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waits is told; that nobody does is no fault

    async def renewed(self, connection: Connection) -> Connection | None:
        """The connection behind one whose tokens were refused; None where there is no other to be had now.

        Raises:
            ApiloomError: why the tokens could not be renewed, where that may pass.
        """
        living = self._outlet.living
        again = living is not None and await living.renewed(connection.alive)
        if connection.followed:
            found = await follow_all(self._outlet.references, connection.followed, anew=True)
            again = found != connection.followed or again
        if not again:
            return None
        account = connection.account
        if self._open.get(account.id) is connection:
            self.outdate(account.id)
        return await self.connect(account)

    def _usable(self, connection: Connection) -> bool:
        """Whether nobody has to wait for its tokens; those that are due are renewed beside."""
        now, living = self._outlet.now(), self._outlet.living
        if now >= connection.over_at:
            return False
        if now >= connection.fresh_until and living is not None:
            living.begin(connection.alive)
            connection.fresh_until = min(connection.over_at, now + LOOK_AGAIN)
        return True

    def forget(self, account: str) -> None:
        """An account is no more."""
        self._open.pop(account, None)
        self._tell(account, "", math.inf)
        self._outlet.identities.forget(account)

    def outdate(self, account: str) -> None:
        """What an account was granted has changed: it is read again for the next call."""
        found = self._open.get(account)
        if found is not None:
            found.fresh_until = found.over_at = -math.inf

    def heard(self, id_: str, grant: Grant | None) -> None:
        """Word of a grant. What changes nothing for its connection, such as a lease, is let be."""
        account, _, scheme = id_.partition("/")
        self._tell(account, scheme, math.inf if grant is None else grant.generation)
        found, living = self._open.get(account), self._outlet.living
        held = None if found is None else found.alive.held.get(scheme)
        if held is None or grant is None or grant.generation != held.generation:
            self.outdate(account)
            if living is not None and (grant is None or held is not None):
                living.keeper.forget(id_)

    def heard_nothing(self) -> None:
        """Changes were missed, or the store was put back: what any account has may be another by now."""
        for account in self._open:
            self.outdate(account)
        for account, _ in self._meanwhile:
            self._tell(account, "", math.inf)

    def _tell(self, account: str, scheme: str, generation: float) -> None:
        """Word of a grant for whoever is opening its account at this moment, and has read it before."""
        for (id_, _), told in self._meanwhile.items():
            if id_ == account:
                told[scheme] = max(generation, told.get(scheme, 0))

    def _is_overtaken(self, account: Account, alive: Alive) -> bool:
        """Whether what was read of an account's grants is no longer so."""
        for scheme, generation in self._meanwhile.get((account.id, account.revision), {}).items():
            held = alive.held.get(scheme)
            if generation > (0 if held is None else held.generation):
                return True
        return False

    async def _connected(self, account: Account) -> Connection:
        """The connection of an account opened anew, or as it was with the tokens that came since, while the store takes
        none and tells nothing.
        """
        try:
            return await self._connect(account)
        except HouseFault as error:
            found = self._in_hand(account) if error.code == "store.unreachable" else None
            if found is None:
                raise
            return found

    def _in_hand(self, account: Account) -> Connection | None:
        before, living = self._open.get(account.id), self._outlet.living
        if before is None or living is None or before.account.revision != account.revision:
            return None
        alive = living.in_hand(before.alive)
        if alive is None:
            return None
        own = {
            name: tuple(one.reveal() for one in given.hidden) for name, given in before.credentials.by_scheme.items()
        }
        found = Connection(
            account=account,
            credentials=alive.signing(before.credentials, own, before.alive),
            drift=before.drift,
            sealer=before.sealer,
            alive=alive,
            fresh_until=min(alive.fresh_until, self._outlet.now() + LOOK_AGAIN),
            over_at=alive.over_at,
            followed=before.followed,
            watched=before.watched,
        )
        self._open[account.id] = found
        return found

    async def _connect(self, account: Account) -> Connection:
        outlet = self._outlet
        raw: Mapping[str, Any] = {}
        alive = Alive()
        if account.schemes or outlet.living is not None:
            async with outlet.store.reading() as work:
                scope = work.tenant(account.tenant)
                kept = await scope.accounts.load(account.id)
                if kept is not None and kept.sealed:
                    plain = await outlet.sealing.open(scope, account.tenant, account.id, kept.sealed)
                    raw = json.loads(plain)
                if outlet.living is not None:
                    alive = await outlet.living.load(scope, account)
        before = self._open.get(account.id)
        machines = {scheme: kind for scheme, form in raw.items() if (kind := machine_kind(form)) is not None}
        given = {scheme: form for scheme, form in raw.items() if scheme not in machines}
        known = {} if before is None else before.followed
        credentials, followed = await follow_given(outlet.references, given, known)
        same = before is not None and followed and not alive and not machines and _is_as(before, account, followed)
        if before is not None and same and not self._is_overtaken(account, alive):
            before.fresh_until = before.over_at = outlet.now() + FRESH
            return before
        if outlet.living is not None:
            alive = await outlet.living.bring(account, machines, alive)
            own = {scheme: machine_secrets(raw[scheme], outlet.references) for scheme in machines}
            credentials = alive.signing(credentials, own, before.alive if before is not None else Alive())
        until = outlet.now() + FRESH if followed else math.inf
        connection = Connection(
            account=account,
            credentials=credentials,
            drift=before.drift if before is not None else Drift(),
            sealer=Sealer(hmac.digest(outlet.key, account.id.encode(), hashlib.sha256)),
            alive=alive,
            fresh_until=min(alive.fresh_until, until),
            over_at=min(alive.over_at, until),
            followed=followed,
            watched=bool(alive) or bool(followed),
        )
        if self._is_overtaken(account, alive):
            return connection  # for whoever has waited; the next call opens it anew
        self._open[account.id] = connection
        self._open.move_to_end(account.id)
        if len(self._open) > MOST:
            self._open.popitem(last=False)
        return connection

    def _identified(self, account: str, certificate: bytes, origins: frozenset[str]) -> Sender:
        """The way out on which an account shows its certificate."""
        outlet = self._outlet
        return outlet.identities.sender(account, certificate, origins, outlet.sender)

    def answering(self, connection: Connection, connector: Connector, shared: Shared) -> Answering:
        """The answering side of an account for one version of its connector.

        Raises:
            DesignError: ``server.*``, ``header.*``, ``credentials.value``: what it was given does not fit.
        """
        key = (shared.slug, shared.number, connector.revision)
        known = connection.answering.get(key)
        if known is not None:
            return known
        outlet = self._outlet
        answering = Answering(
            loaded=loaded_of(connector.id, shared.artefact),
            directions=directed(connector.options, connector.id, connection.account.variables),
            timeout=min(float(connector.options.get("timeout") or outlet.timeout), outlet.timeout),
            sender=outlet.sender,
            given=Given(
                credentials=connection.credentials,
                schemes={**shared.artefact.schemes, **defined_schemes(connector.options)},
            ),
            keeper=outlet.keeper,
            drift=connection.drift,
            sealer=connection.sealer,
            slug=connector.id,
            at_account=True,
            identify=partial(self._identified, connection.account.id),
        )
        answering.check()
        if len(connection.answering) > _MOST_VERSIONS:
            connection.answering.clear()
        connection.answering[key] = answering
        return answering

    def lent(self, account: Account | None, tenant: str, connector: Connector, shared: Shared) -> Answering:
        """The answering side of a connector for callers who lend their own credential: an account says where the API
        is, and none of its credentials is known here.

        Raises:
            DesignError: as :meth:`answering`.
        """
        outlet = self._outlet
        place = json.canonical(["lent", tenant, connector.id, "" if account is None else account.id])
        answering = Answering(
            loaded=loaded_of(connector.id, shared.artefact),
            directions=directed(connector.options, connector.id, {} if account is None else account.variables),
            timeout=min(float(connector.options.get("timeout") or outlet.timeout), outlet.timeout),
            sender=outlet.sender,
            given=Given(
                credentials=Credentials(),
                schemes={**shared.artefact.schemes, **defined_schemes(connector.options)},
            ),
            keeper=outlet.keeper,
            sealer=Sealer(hmac.digest(outlet.key, place, hashlib.sha256)),
            slug=connector.id,
            at_account=True,
            lent=True,
        )
        answering.check()
        return answering


_MOST_VERSIONS = 8
"""Versions of a connector that one account is called in at the same time; pins may hold old ones."""


def _is_as(before: Connection, account: Account, followed: Mapping[str, Secret]) -> bool:
    """Whether a connection that only has references is what it would become if it were opened again."""
    return before.account.revision == account.revision and before.followed == followed and not before.alive


def directed(options: Mapping[str, Any], slug: str, variables: Mapping[str, str]) -> Directions:
    """What a connector's options and an account's variables say together, in the words of the command line.

    Raises:
        DesignError: ``option.*``, ``server.invalid``.
    """
    own = options.get("variables") or {}
    merged = {**own, **variables}
    headers = options.get("headers") or {}
    trusted = options.get("trust") or ()
    said = Options(
        base_url=str(options.get("base_url") or ""),
        servers=(str(options["server"]),) if options.get("server") else (),
        headers=tuple(f"{name}={value}" for name, value in dict(headers).items()),
        trusted=tuple(str(origin) for origin in ([trusted] if isinstance(trusted, str) else trusted)),
    )
    found = directions(said, slug, (slug,))
    return Directions(
        base_url=found.base_url,
        server=found.server,
        variables={str(name): str(value) for name, value in merged.items()},
        headers=found.headers,
        trusted=found.trusted,
    )


def defined_schemes(options: Mapping[str, Any]) -> Mapping[str, SecurityScheme]:
    """The schemes that a connector's ``auth`` option defines.

    Raises:
        DesignError: ``auth.kind``.
    """
    return default_schemes(str(options["auth"])) if options.get("auth") else {}


def loaded_of(slug: str, artefact: Artefact) -> Loaded:
    """A compiled version as the answering side reads it."""
    return Loaded(
        slug=slug,
        source="",
        location="",
        title=artefact.title,
        version=artefact.version,
        description=artefact.description,
        base_url=artefact.base_url,
        schemes=artefact.schemes,
        tools=artefact.tools,
        schemas=artefact.schemas,
        entries=artefact.entries,
        reads={},
        catalog=None,
        aliases=artefact.aliases,
        listed=_unlisted,
        keep=_unkept,
    )


def _unlisted(_profile: str) -> Mapping[str, bytes]:
    """Lists are made elsewhere."""
    return {}


def _unkept() -> None:
    """Nothing is cached: the store has it."""
