"""What accounts were granted, kept in the store: the ports of keeping tokens alive, and how a new grant gets there.

Tokens lie sealed under their tenant's key. Who renews a grant is written on its row, in a transaction of its own,
before anybody is asked. Clocks of nodes may be minutes apart, so a lease of another is over when it was seen unchanged
for as long as it lasts, or when it ended longer ago than clocks differ. Whoever holds it may have the new pair in hand
and a store that takes nothing: so only time counts in which the store answered, and while the old token lives, which
hurts nobody, no lease is over before the clocks agree on it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apiloom.app.gateway.learning import settled
from apiloom.app.gateway.pinning import grant_label, opened_grant
from apiloom.app.gateway.terms import Renewing
from apiloom.base import json
from apiloom.base.errors import HouseFault
from apiloom.base.secret import Secret
from apiloom.flows import events
from apiloom.flows.ground import Sealing, dormant_refusal
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Account, Grant, GrantKind
from apiloom.vault.keeping import IN_DOUBT, LEASE
from apiloom.vault.moments import MARGIN, Timing, refresh_at
from apiloom.vault.oauth.places import token_places
from apiloom.vault.oauth.terms import Tokens
from apiloom.vault.ports import Failure, Held, Renewal
from apiloom.vault.unwritten import AGAIN

SKEW = 300.0
"""Seconds that the clocks of two nodes may be apart."""

MACHINE: frozenset[str] = frozenset({"client_credentials", "jwt_bearer", "token_exchange", "imported"})
"""Kinds of grants that are made anew with what the account itself was given."""

LONGEST_RETRY = 300.0
"""Seconds after a failure until the scheduled work tries again, at most."""

GAP = 10.0
"""Seconds between two sights of a lease that count: of a longer time nobody knows whether the store answered, so that
its holder could have given it up.
"""

OLD = 4 * AGAIN
"""Seconds for which a lease is seen that all clocks agree is over: time to write what its holder may have in hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new grant. ``client`` is the id of the OAuth client it was granted to, empty where the account holds its own.

    ``tokens`` None: the first pair is fetched when it is needed. ``identity`` is as whom, where the tokens do not say.
    ``at`` are the places that were in force then: what is secret of it is sent to no other. None: those of its first
    use.
    """

    kind: GrantKind
    tokens: Tokens | None = field(default=None, repr=False)
    client: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    at: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Sight:
    """A lease of somebody as it is seen: for how many seconds by now, and when it was seen last."""

    holder: str
    last: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Lease:
    """A lease of ours: the name it was written under, and when its grant was made. Of two that had one id, one after
    the other, each counts its generations from the beginning.
    """

    holder: str
    made: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """Tokens, and the places they may be sent to."""

    tokens: Tokens
    at: Sequence[str] | None


async def _awake() -> None:
    """No copy of anything."""


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
    check_awake: Callable[[], Awaitable[None]] = _awake
    _mine: dict[str, _Lease] = field(default_factory=dict, init=False, repr=False)
    _begun: dict[str, set[str]] = field(default_factory=dict, init=False, repr=False)
    """Leases that may have been written although the store did not say so."""
    _seen: dict[str, _Sight] = field(default_factory=dict, init=False, repr=False)
    _used: dict[str, frozenset[str]] = field(default_factory=dict, init=False, repr=False)

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
            made_at=grant.refreshed_at,
            leased=self._leased(grant),
            # a lease that was never given back, or an answer that never came
            doubt=bool(grant.lease_holder) or grant.doubt,
            renewable=grant.kind in MACHINE or (tokens is not None and tokens.refresh is not None),
            ended=grant.state == "needs_reconnect",
            code=grant.last_error,
        )

    async def take(self, id_: str, was: int, seconds: float) -> Held | None:
        """See :class:`~apiloom.vault.ports.Lease`."""
        await self.check_awake()
        async with self.store.writing() as work:
            if await work.is_dormant():
                # all its rows may have been replaced since this node looked last
                raise dormant_refusal()
            grant = await work.house().grants.load(id_)
            if grant is None:
                return None
            scope = work.tenant(grant.tenant)
            if grant.lease_holder in self._begun.get(id_, ()):
                # nobody has it: a process renews a grant once at a time, and that time nothing was asked
                grant = replace(grant, lease_holder="", lease_until=0.0)
            held = await self.held(scope, grant)
            if held.leased or held.ended or grant.generation != was:
                return replace(held, mine=False)
            until = self.timing.now() + seconds
            holder = f"{self.node}/{secrets.token_hex(4)}"
            self._begun.setdefault(id_, set()).add(holder)
            await scope.grants.save(replace(grant, lease_holder=holder, lease_until=until), grant.revision)
        self._begun.pop(id_, None)
        self._mine[id_] = _Lease(holder, grant.created_at)
        return replace(held, leased=True, mine=True)

    async def keep(self, id_: str, was: int, tokens: Tokens, refresh_at: float | None) -> Held | None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        held, mine = None, self._mine.get(id_)
        async with self.store.writing() as work:
            grant = await work.house().grants.load(id_)
            if grant is not None and grant.generation == was and (mine is None or grant.created_at == mine.made):
                scope = work.tenant(grant.tenant)
                at = self._pinned(await opened_grant(self.sealing, scope, grant), id_)
                fresh = await self._with(scope, grant, _Pair(tokens, at), refresh_at)
                saved = await scope.grants.save(_over_still(grant, fresh), grant.revision)
                held = await self.held(scope, saved)
        # known until then: where the store is away this is tried again
        self._mine.pop(id_, None)
        self._used.pop(id_, None)
        if held is not None:
            self.committed()
        return held

    def _pinned(self, opened: Mapping[str, Any], id_: str) -> Sequence[str] | None:
        """The places of a grant: those it was made with, and those of its first use."""
        at, used = opened.get("at"), self._used.get(id_, frozenset())
        if (at is not None and "access" in opened) or not used:
            return at
        return sorted({*(at or ()), *used})

    async def failed(self, id_: str, was: int, failure: Failure) -> None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        # known until it is written: where the store is away this is tried again
        now, mine = self.timing.now(), self._mine.get(id_)
        self._used.pop(id_, None)
        async with self.store.writing() as work:
            grant = await work.house().grants.load(id_)
            if grant is None or grant.generation != was or mine is None or grant.lease_holder != mine.holder:
                return  # whoever has the lease by now finds out what became of it
            scope = work.tenant(grant.tenant)
            if failure.ended and grant.state != "needs_reconnect":
                await events.record_of_grant(scope, grant, events.NEEDS_RECONNECT, at=now, code=failure.code)
            over = failure.ended or grant.state == "needs_reconnect"
            again = now + max(min(2.0 ** min(grant.failures, 10), LONGEST_RETRY), failure.after)
            await scope.grants.save(
                replace(
                    grant,
                    state="needs_reconnect" if over else "failing",
                    refresh_at=None if over or grant.refresh_at is None else again,
                    failures=grant.failures + 1,
                    last_error=failure.code,
                    last_error_at=now,
                    doubt=grant.doubt or failure.doubt,
                    lease_holder="",
                    lease_until=0.0,
                ),
                grant.revision,
            )
        self._mine.pop(id_, None)
        self.committed()

    async def renewal(self, held: Held) -> Renewal:
        """See :class:`~apiloom.vault.ports.Renewals`."""

        async def looked_up(renewing: Renewing) -> Renewal:
            async with self.store.reading() as work:
                grant = await work.house().grants.load(held.id)
                if grant is None:
                    raise HouseFault(
                        "there is no such access any more", code="oauth.gone", hint="connect the account anew"
                    )
                return await renewing.renewal(work, grant, held.tokens)

        found = await settled(self.renewing, looked_up)
        if len(self._used) > _MOST_SEEN:
            self._used.clear()
        self._used[held.id] = token_places(found.terms.endpoints)
        return found

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
            sealed = b"" if made.at is None else await self._sealed(scope, grant, {"at": list(made.at)})
            grant = replace(_cleared(grant), sealed=sealed, generation=grant.generation + 1)
        else:
            at = refresh_at(made.tokens.expires_at, self.timing)
            grant = await self._with(scope, grant, _Pair(made.tokens, made.at), at)
        return await (scope.grants.add(grant) if before is None else scope.grants.save(grant, before.revision))

    async def _sealed(self, scope: Scope, grant: Grant, plain: Mapping[str, Any]) -> bytes:
        return await self.sealing.seal(scope, grant.tenant, grant_label(grant.id), json.canonical(plain))

    async def _with(self, scope: Scope, grant: Grant, pair: _Pair, at: float | None) -> Grant:
        """A grant with a new pair, renewed at a moment."""
        tokens = pair.tokens
        renewable = grant.kind in MACHINE or tokens.refresh is not None
        return replace(
            _cleared(grant),
            sealed=await self._sealed(scope, grant, _written(pair)),
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
        seen = self._seen.get(grant.id)
        if seen is None or seen.holder != grant.lease_holder:
            if len(self._seen) > _MOST_SEEN:
                self._seen.clear()
            seen = self._seen[grant.id] = _Sight(grant.lease_holder, clock)
        passed, seen.last = clock - seen.last, clock
        seen.seconds += passed if passed <= GAP else 0.0
        if now > grant.lease_until + SKEW:
            return seen.seconds < OLD
        # one without an end is renewed because it was refused: somebody waits for it
        lives = bool(grant.sealed) and grant.expires_at is not None and now < grant.expires_at - MARGIN
        return lives or seen.seconds < LEASE


_MOST_SEEN = 10_000


async def open_tokens(sealing: Sealing, scope: Scope, grant: Grant) -> Tokens | None:
    """The tokens of a grant, None where it has none.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    plain = await opened_grant(sealing, scope, grant)
    if "access" not in plain:
        return None
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


def _written(pair: _Pair) -> dict[str, Any]:
    tokens = pair.tokens
    plain: dict[str, Any] = {"access": tokens.access.reveal(), "type": tokens.type, "extra": dict(tokens.extra)}
    if tokens.refresh is not None:
        plain["refresh"] = tokens.refresh.reveal()
    if pair.at is not None:
        plain["at"] = list(pair.at)
    return plain


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
        doubt=False,
        lease_holder="",
        lease_until=0.0,
    )


def _over_still(before: Grant, fresh: Grant) -> Grant:
    """A grant with a new pair. One that was over by the time the pair came, such as one whose OAuth client was removed
    meanwhile, is over still: the pair is its last. Not so where that was only for want of this very pair.
    """
    if before.state != "needs_reconnect" or before.last_error == IN_DOUBT:
        return fresh
    return replace(
        fresh, state=before.state, refresh_at=None, last_error=before.last_error, last_error_at=before.last_error_at
    )


def monotonic_with(now: Callable[[], float]) -> Callable[[], float]:
    """Seconds that only rise, beside a clock of the day: the machine's, or the same where tests move theirs."""
    return time.monotonic if now is time.time else now
