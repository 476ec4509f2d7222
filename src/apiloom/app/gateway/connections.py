"""What lives as long as an account is connected: its opened credentials, what was seen of its API, the keys of cursors.

Keyed by account and connector, so that endpoints come and go over it: a promoted version opens no connection and
forgets nothing. Credentials are opened from the vault when the account is first called, and again after it changed;
they are never in the node's records. All accounts go out through one pool.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.app.answering import Answering
from apiloom.app.connectors import Loaded
from apiloom.app.directions import Directions, directions
from apiloom.app.environment import Given
from apiloom.app.gateway.artefacts import Shared
from apiloom.base import json
from apiloom.base.seal import Sealer
from apiloom.calls.observing import Drift
from apiloom.calls.ports import Keeper
from apiloom.compile.artefact import Artefact
from apiloom.console.house import Options
from apiloom.flows.ground import Sealing
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Sender
from apiloom.store.ports import Store
from apiloom.store.records import Account, Connector
from apiloom.vault.credentials import Credentials
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import default_schemes

MOST = 10_000
"""Accounts that stay connected; the longest unused one is opened anew when it is called again."""


@dataclass(slots=True, kw_only=True)
class Connection:
    """One account's connection, as of a revision of its record."""

    account: Account
    credentials: Credentials = field(repr=False)
    drift: Drift
    sealer: Sealer = field(repr=False)
    answering: dict[tuple[str, int, int], Answering] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """What every connection of a node shares. ``key`` is the secret that cursors are sealed with."""

    store: Store
    sealing: Sealing
    sender: Sender
    keeper: Keeper
    key: bytes = field(repr=False)
    timeout: float = 60.0


class Connections:
    """The connections of a node, by account."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._open: OrderedDict[str, Connection] = OrderedDict()
        self._opening: dict[tuple[str, int], asyncio.Task[Connection]] = {}

    def get(self, account: Account) -> Connection | None:
        """The connection of an account as it is now, if it is open."""
        found = self._open.get(account.id)
        if found is None or found.account.revision != account.revision:
            return None
        return found

    async def connect(self, account: Account) -> Connection:
        """The connection of an account, opened if need be, once for all who wait.

        Raises:
            HouseFault: ``store.unreachable``, ``vault.sealed``.
        """
        found = self.get(account)
        if found is not None:
            self._open.move_to_end(account.id)
            return found
        key = (account.id, account.revision)
        task = self._opening.get(key)
        if task is None:
            task = self._opening[key] = asyncio.create_task(self._connect(account))
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        return await asyncio.shield(task)

    def forget(self, account: str) -> None:
        """An account is no more."""
        self._open.pop(account, None)

    async def _connect(self, account: Account) -> Connection:
        outlet = self._outlet
        credentials = Credentials()
        if account.schemes:
            async with outlet.store.reading() as work:
                scope = work.tenant(account.tenant)
                kept = await scope.accounts.load(account.id)
                if kept is not None and kept.sealed:
                    plain = await outlet.sealing.open(scope, account.tenant, account.id, kept.sealed)
                    credentials = opened_credentials(json.loads(plain))
        before = self._open.get(account.id)
        connection = Connection(
            account=account,
            credentials=credentials,
            drift=before.drift if before is not None else Drift(),
            sealer=Sealer(hmac.digest(outlet.key, account.id.encode(), hashlib.sha256)),
        )
        self._open[account.id] = connection
        self._open.move_to_end(account.id)
        if len(self._open) > MOST:
            self._open.popitem(last=False)
        return connection

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
        )
        answering.check()
        if len(connection.answering) > _MOST_VERSIONS:
            connection.answering.clear()
        connection.answering[key] = answering
        return answering


_MOST_VERSIONS = 8
"""Versions of a connector that one account is called in at the same time; pins may hold old ones."""


def opened_credentials(raw: Mapping[str, Any]) -> Credentials:
    """Credentials as the vault kept them. References lead to this machine, which is no tenant's: none is followed.

    Raises:
        DesignError: ``credentials.*``.
    """
    return parse_credentials(raw)


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
