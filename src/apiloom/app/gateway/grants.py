"""What accounts were granted, kept in the store: the ports of keeping tokens alive, and how a new grant gets there.

Tokens lie sealed under their tenant's key. Who renews a grant is written on its row, in a transaction of its own,
before anybody is asked. Clocks of nodes may be minutes apart, so a lease of another is over when it was seen unchanged
for as long as it lasts, or when it ended longer ago than clocks differ.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.app.gateway.terms import Renewing
from apiloom.base import json
from apiloom.base.errors import HouseFault
from apiloom.base.secret import Secret
from apiloom.flows import events
from apiloom.flows.ground import Sealing
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Account, Grant, GrantKind
from apiloom.vault.keeping import LEASE, Timing, refresh_at
from apiloom.vault.oauth.terms import Tokens
from apiloom.vault.ports import Held, Renewal

SKEW = 300.0
"""Seconds that the clocks of two nodes may be apart."""

MACHINE: frozenset[str] = frozenset({"client_credentials", "jwt_bearer", "token_exchange", "imported"})
"""Kinds of grants that are made anew with what the account itself was given."""

_AT_ONCE = 4
"""Grants whose terms are looked up at the same time: each holds a connection to the store meanwhile."""

LONGEST_RETRY = 300.0
"""Seconds after a failure until the scheduled work tries again, at most."""

_UNSURE = frozenset({"net.timeout", "net.broken"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new grant. ``client`` is the id of the OAuth client it was granted to, empty where the account holds its own.

    ``tokens`` None: the first pair is fetched when it is needed. ``identity`` is as whom, where the tokens do not say.
    """

    kind: GrantKind
    tokens: Tokens | None = field(default=None, repr=False)
    client: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""


@dataclass(slots=True, kw_only=True)
class KeptGrants:
    """The :class:`~apiloom.vault.ports.SecretStore`, :class:`~apiloom.vault.ports.Lease` and
    :class:`~apiloom.vault.ports.Renewals` of a house.

    ``node`` names this process in leases. ``committed`` is told of what was written. ``dormant`` raises where nothing
    may be renewed, because the store is a copy that nobody has claimed.
    """

    store: Store
    sealing: Sealing
    renewing: Renewing
    timing: Timing = field(default_factory=Timing)
    node: str = field(default_factory=lambda: secrets.token_hex(6))
    committed: Callable[[], None] = lambda: None
    check_awake: Callable[[], None] = lambda: None
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False, repr=False)
    _mine: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict, init=False, repr=False)

    async def load(self, id_: str) -> Held | None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        async with self.store.reading() as work:
            grant = await work.house().grants.load(id_)
            return None if grant is None else await self.held(work.tenant(grant.tenant), grant)

    async def of_account(self, scope: Scope, account: Account) -> dict[str, Held]:
        """The pairs of an account by security scheme, in the scope of its tenant."""
        grants = await scope.grants.every({"account": account.id})
        return {grant.scheme: await self.held(scope, grant) for grant in grants}

    async def held(self, scope: Scope, grant: Grant) -> Held:
        """A pair as it is kept. ``scope`` is that of its tenant.

        Raises:
            HouseFault: ``vault.sealed``.
        """
        tokens = await open_tokens(self.sealing, scope, grant)
        return Held(
            id=grant.id,
            generation=grant.generation,
            tokens=tokens,
            refresh_at=grant.refresh_at,
            leased=self._leased(grant),
            # a lease that was never given back, or an answer that never came
            doubt=bool(grant.lease_holder) or grant.last_error in _UNSURE,
            renewable=grant.kind in MACHINE or (tokens is not None and tokens.refresh is not None),
            ended=grant.state == "needs_reconnect",
            code=grant.last_error,
        )

    async def take(self, id_: str, was: int, seconds: float) -> Held | None:
        """See :class:`~apiloom.vault.ports.Lease`."""
        self.check_awake()
        async with self.store.writing() as work:
            grant = await work.house().grants.load(id_)
            if grant is None:
                return None
            scope = work.tenant(grant.tenant)
            held = await self.held(scope, grant)
            if held.leased or held.ended or grant.generation != was:
                return replace(held, mine=False)
            until = self.timing.now() + seconds
            holder = f"{self.node}/{secrets.token_hex(4)}"
            await scope.grants.save(replace(grant, lease_holder=holder, lease_until=until), grant.revision)
        self._mine[id_] = holder
        return replace(held, leased=True, mine=True)

    async def keep(self, id_: str, was: int, tokens: Tokens, refresh_at: float | None) -> Held | None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        async with self.store.writing() as work:
            grant = await work.house().grants.load(id_)
            self._mine.pop(id_, None)
            if grant is None or grant.generation != was:
                return None
            scope = work.tenant(grant.tenant)
            saved = await scope.grants.save(
                await self._with(scope, grant, tokens, refresh_at),
                grant.revision,
            )
            held = await self.held(scope, saved)
        self.committed()
        return held

    async def failed(self, id_: str, was: int, code: str, *, ended: bool) -> None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        now, mine = self.timing.now(), self._mine.pop(id_, "")
        async with self.store.writing() as work:
            grant = await work.house().grants.load(id_)
            if grant is None or grant.generation != was or grant.lease_holder != mine:
                return  # whoever has the lease by now finds out what became of it
            scope = work.tenant(grant.tenant)
            if ended and grant.state != "needs_reconnect":
                await events.record(
                    scope,
                    at=now,
                    kind=events.NEEDS_RECONNECT,
                    tenant=grant.tenant,
                    target=grant.account,
                    detail={"scheme": grant.scheme, "code": code},
                )
            over = ended or grant.state == "needs_reconnect"
            again = now + min(2.0 ** min(grant.failures, 10), LONGEST_RETRY)
            await scope.grants.save(
                replace(
                    grant,
                    state="needs_reconnect" if over else "failing",
                    refresh_at=None if over or grant.refresh_at is None else again,
                    failures=grant.failures + 1,
                    last_error=code,
                    last_error_at=now,
                    lease_holder="",
                    lease_until=0.0,
                ),
                grant.revision,
            )
        self.committed()

    async def renewal(self, held: Held) -> Renewal:
        """See :class:`~apiloom.vault.ports.Renewals`."""
        async with self._turns, self.store.reading() as work:
            grant = await work.house().grants.load(held.id)
            if grant is None:
                raise HouseFault("there is no such access any more", code="oauth.gone", hint="connect the account anew")
            return await self.renewing.renewal(work, grant, held.tokens)

    async def keep_new(self, scope: Scope, account: Account, scheme: str, made: Made) -> Grant:
        """Keep what an account was granted just now for a security scheme, instead of what it had; in the transaction
        of ``scope``.
        """
        id_, now = f"{account.id}/{scheme}", self.timing.now()
        before = await scope.grants.load(id_)
        grant = before or Grant(
            id=id_, tenant=account.tenant, account=account.id, scheme=scheme, generation=0, created_at=now
        )
        by = made.who or grant.created_by
        grant = replace(
            grant, kind=made.kind, client=made.client, created_by=by, scopes=(), identity=dict(made.identity)
        )
        if made.tokens is None:
            grant = replace(_cleared(grant), sealed=b"", generation=grant.generation + 1)
        else:
            grant = await self._with(scope, grant, made.tokens, refresh_at(made.tokens.expires_at, self.timing))
        return await (scope.grants.add(grant) if before is None else scope.grants.save(grant, before.revision))

    async def _with(self, scope: Scope, grant: Grant, tokens: Tokens, at: float | None) -> Grant:
        """A grant with a new pair."""
        renewable = grant.kind in MACHINE or tokens.refresh is not None
        return replace(
            _cleared(grant),
            sealed=await self.sealing.seal(scope, grant.tenant, _label(grant.id), _written(tokens)),
            scopes=grant.scopes if tokens.scopes is None else tokens.scopes,
            identity=dict(tokens.identity or grant.identity),
            generation=grant.generation + 1,
            expires_at=tokens.expires_at,
            refresh_at=at if renewable else None,
            refreshed_at=self.timing.now(),
        )

    def _leased(self, grant: Grant) -> bool:
        """Whether somebody renews it now, whatever their clock says."""
        if not grant.lease_holder:
            self._seen.pop(grant.id, None)
            return False
        now, clock = self.timing.now(), self.timing.clock()
        if now > grant.lease_until + SKEW:
            return False
        holder, since = self._seen.get(grant.id, ("", 0.0))
        if holder != grant.lease_holder:
            if len(self._seen) > _MOST_SEEN:
                self._seen.clear()
            self._seen[grant.id] = (grant.lease_holder, clock)
            return True
        return clock - since < LEASE


_MOST_SEEN = 10_000


async def open_tokens(sealing: Sealing, scope: Scope, grant: Grant) -> Tokens | None:
    """The tokens of a grant, None where it has none.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    if not grant.sealed:
        return None
    plain: Mapping[str, Any] = json.loads(await sealing.open(scope, grant.tenant, _label(grant.id), grant.sealed))
    refresh = plain.get("refresh")
    return Tokens(
        access=Secret(plain["access"]),
        refresh=None if refresh is None else Secret(refresh),
        expires_at=grant.expires_at,
        scopes=grant.scopes,
        type=plain.get("type", "Bearer"),
        identity=grant.identity,
        extra=plain.get("extra", {}),
    )


def _label(id_: str) -> str:
    """What the tokens of a grant are sealed for: no credential of an account opens as one."""
    return f"grant/{id_}"


def _written(tokens: Tokens) -> bytes:
    plain: dict[str, Any] = {"access": tokens.access.reveal(), "type": tokens.type, "extra": dict(tokens.extra)}
    if tokens.refresh is not None:
        plain["refresh"] = tokens.refresh.reveal()
    return json.canonical(plain)


def _cleared(grant: Grant) -> Grant:
    """A grant as if nothing had ever gone wrong with it, held by nobody."""
    return replace(
        grant,
        state="active",
        expires_at=None,
        refresh_at=None,
        failures=0,
        last_error="",
        last_error_at=None,
        lease_holder="",
        lease_until=0.0,
    )


def monotonic_with(now: Callable[[], float]) -> Callable[[], float]:
    """Seconds that only rise, beside a clock of the day: the machine's, or the same where tests move theirs."""
    return time.monotonic if now is time.time else now
