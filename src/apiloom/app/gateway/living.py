"""The tokens of an account while it is called: brought to life when it is opened, renewed beside its calls.

Joins what is kept of grants to the keeper of tokens. What could not be had is remembered with its reason, so that a
call that needs it is told at once, and nobody asks again before that makes sense.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.app.gateway.following import in_confidence
from apiloom.app.gateway.grants import KeptGrants, Made, monotonic_with
from apiloom.app.gateway.learning import Remembered
from apiloom.app.gateway.terms import Renewing, Resolve
from apiloom.base.errors import ApiloomError
from apiloom.base.secret import Secret
from apiloom.flows.ground import Sealing
from apiloom.net.request import Sender
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Account, GrantKind
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.keeping import ENDED, IN_DOUBT, Keeper, Ports, over
from apiloom.vault.moments import Timing, used_until
from apiloom.vault.oauth.discovery import discover
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.revocation import give_back
from apiloom.vault.oauth.terms import Ask, Endpoints, Terms, Tokens
from apiloom.vault.ports import Held

SOONEST = 1.0
"""Seconds after a failure within which nobody asks again."""

PUBLISHED = 3600.0
"""Seconds for which what an issuer publishes of its endpoints is taken to be so still."""

MOST_REFUSED = 10_000
"""Grants whose refusal is remembered; the one that was refused longest ago is forgotten first."""

_MOST_PREVIOUS = 4
"""Secrets of pairs that were replaced and may still come back in an answer."""


@dataclass(slots=True, kw_only=True)
class Alive:
    """The pairs of one account, by security scheme, and why some of them cannot be used (``troubles``).

    ``fresh_until`` and ``over_at`` as at a connection; ``previous`` are secrets of the pairs before.
    """

    held: dict[str, Held] = field(default_factory=dict)
    troubles: dict[str, ApiloomError] = field(default_factory=dict)
    previous: dict[str, tuple[Secret, ...]] = field(default_factory=dict, repr=False)
    fresh_until: float = math.inf
    over_at: float = math.inf

    def __bool__(self) -> bool:
        return bool(self.held)

    def signing(self, given: Credentials, own: Mapping[str, tuple[str, ...]], before: Alive) -> Credentials:
        """Credentials to sign with: those that were given, and the living tokens. ``own`` are the secrets that an
        account gets tokens with, by scheme, which must not come back either.
        """
        found: dict[str, Credential] = dict(given.by_scheme)
        for scheme in self.held.keys() | self.troubles.keys():
            hidden = tuple(Secret(text) for text in own.get(scheme, ()))
            held = self.held.get(scheme)
            found.pop(scheme, None)
            if held is None or held.tokens is None:
                continue
            self.previous[scheme] = _previous(before, scheme, held)
            if scheme in self.troubles:
                continue
            refresh = () if held.tokens.refresh is None else (held.tokens.refresh,)
            found[scheme] = Credential(token=held.tokens.access, hidden=(*hidden, *refresh, *self.previous[scheme]))
        return Credentials(found)


def _previous(before: Alive, scheme: str, held: Held) -> tuple[Secret, ...]:
    """Secrets of the pairs before this one: an API may still tell of them for a while."""
    known = before.previous.get(scheme, ())
    old = before.held.get(scheme)
    if old is None or old.tokens is None or old.generation == held.generation:
        return known
    replaced = [old.tokens.access] if old.tokens.refresh is None else [old.tokens.access, old.tokens.refresh]
    return (*known, *replaced)[-_MOST_PREVIOUS:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """Keeps the tokens of accounts alive for a node."""

    keeper: Keeper
    grants: KeptGrants
    refused: dict[str, int] = field(default_factory=dict)
    """Generations that were refused when their grant had ended: they are not used although they seem to live."""

    async def load(self, scope: Scope, account: Account) -> Alive:
        """What an account was granted, as it is kept."""
        return Alive(held=await self.grants.of_account(scope, account))

    async def bring(self, account: Account, machines: Mapping[str, GrantKind], alive: Alive) -> Alive:
        """The same with tokens that live; ``machines`` are the schemes for which the account gets them by itself. What
        fails is told of in ``troubles``; the others are used.

        Raises:
            HouseFault: ``store.unreachable``, ``vault.sealed``.
        """
        alive = replace(alive, held=await self._with_own(account, machines, alive.held))
        now = self.keeper.timing.now()
        for scheme, held in alive.held.items():
            if held.ended and self.refused.get(held.id) == held.generation:
                alive.troubles[scheme] = over(held.code)
                continue
            try:
                found = await self.keeper.fresh(held.id, held)
            except ApiloomError as error:
                alive.troubles[scheme] = error
                if error.code not in (ENDED, IN_DOUBT):
                    again = now + max(SOONEST, self.keeper.rest(held.id))
                    alive.over_at = min(alive.over_at, again)
                continue
            alive.held[scheme] = found
            alive.over_at = min(alive.over_at, used_until(found))
            if found.refresh_at is not None:
                alive.fresh_until = min(alive.fresh_until, found.refresh_at)
        alive.fresh_until = min(alive.fresh_until, alive.over_at)
        return alive

    def begin(self, alive: Alive) -> None:
        """Renew beside what is due."""
        for held in alive.held.values():
            if self.keeper.is_due(held):
                self.keeper.begin(held)

    def in_hand(self, alive: Alive) -> Alive | None:
        """The same with the pairs that came since and are not written yet; None where none is, or another is over."""
        unwritten = self.keeper.unwritten
        held = {scheme: unwritten.latest(each) for scheme, each in alive.held.items()}
        over_at = min(map(used_until, held.values()), default=-math.inf)
        if self.keeper.timing.now() >= over_at or not any(map(unwritten.holds, held.values())):
            return None
        return Alive(held=held, over_at=over_at, fresh_until=over_at)

    async def renewed(self, alive: Alive) -> bool:
        """Renew what was refused; whether anything is different now, be it that a grant has ended.

        Raises:
            ApiloomError: why it could not be renewed, where that may pass.
        """
        different = False
        for scheme, held in alive.held.items():
            if scheme in alive.troubles:
                continue
            try:
                found = await self.keeper.renewed(held)
            except ApiloomError as error:
                if error.code not in (ENDED, IN_DOUBT):
                    raise
                self._refuse(held)
                different = True
            else:
                different = different or found.generation != held.generation
        return different

    def _refuse(self, held: Held) -> None:
        self.refused.pop(held.id, None)
        self.refused[held.id] = held.generation
        if len(self.refused) > MOST_REFUSED:
            del self.refused[next(iter(self.refused))]

    async def _with_own(
        self, account: Account, machines: Mapping[str, GrantKind], held: Mapping[str, Held]
    ) -> dict[str, Held]:
        """The pairs, with one for each machine's credential of the account that was never used before."""
        new = [scheme for scheme in machines if scheme not in held]
        if not new:
            return dict(held)
        async with self.grants.store.reading() as work:
            places = {scheme: await self.grants.renewing.form_places(work, account, scheme) for scheme in new}
        async with self.grants.store.writing() as work:
            scope = work.tenant(account.tenant)
            there = await self.grants.of_account(scope, account)
            for scheme in new:
                if scheme not in there:
                    made = Made(kind=machines[scheme], at=places[scheme])
                    grant = await self.grants.keep_new(scope, account, scheme, made)
                    there[scheme] = await self.grants.held(scope, grant)
        self.grants.committed()
        return {**held, **there}


def build_living(
    store: Store,
    sealing: Sealing,
    artefacts: Artefacts,
    sender: Sender,
    now: Callable[[], float],
    resolve: Resolve | None = None,
) -> Living:
    """What keeps the tokens of a store's accounts alive."""
    timing = Timing(now=now, clock=monotonic_with(now))

    async def fetch(terms: Terms, ask: Ask) -> Tokens:
        return await fetch_tokens(sender, terms, ask, now())

    published: Remembered[Endpoints] = Remembered(ask=partial(discover, sender), clock=timing.clock, seconds=PUBLISHED)
    followed = None if resolve is None else Remembered(ask=in_confidence(resolve), clock=timing.clock).get
    renewing = Renewing(sealing=sealing, artefacts=artefacts, discover=published.get, resolve=followed)
    grants = KeptGrants(store=store, sealing=sealing, renewing=renewing, timing=timing)
    ports = Ports(store=grants, lease=grants, renewals=grants, fetch=fetch, give_back=partial(give_back, sender))
    return Living(keeper=Keeper(ports, timing), grants=grants)
