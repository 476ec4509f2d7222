"""Keeps tokens alive: one request to the provider however many need it, and the new pair kept before it is used.

Of all tasks of this process one renews a pair, of all nodes the one that holds its lease; the others wait for what it
brings. Whoever got the lease looks first whether somebody else has done it. A failed attempt costs nobody anything
while the old token lives; attempts are spaced, and an endpoint that does not answer is left alone for a while. Knows
neither how pairs are kept nor how requests look: see :mod:`apiloom.vault.ports`. The gateway stands above.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from apiloom.base.errors import ApiloomError, HouseFault, UpstreamError
from apiloom.vault.breaking import Breakers
from apiloom.vault.oauth.terms import ByRefresh, Tokens
from apiloom.vault.ports import UNSURE, Fetch, Held, Lease, Renewal, Renewals, SecretStore

EXCHANGE = 10.0
"""Seconds that one request to a token endpoint may take."""

LOOKUP = 5.0
"""Seconds that it may take to find out on which terms a grant is renewed: endpoints may have to be asked for."""

LEASE = 60.0
"""Seconds of a lease: the terms, a request, its one repeat, and ample time to write what came, for a store may be
away for a while.
"""

WAIT = LEASE + 15.0
"""Seconds that somebody waits for another node at most; one that died is succeeded when its lease is over."""

LIFE = 0.8
"""The share of a token's life after which it is renewed ahead of its end."""

AHEAD = 60.0
"""Seconds before its end when a token is renewed at the latest, where its life is twice as long."""

MARGIN = 5.0
"""Seconds before its end from which a token is not used any more: it must still live when it arrives."""

SETTLED = 10.0
"""Seconds after a renewal in which nothing is renewed only because a pair ends soon: it is used to its very end."""

BRIEFEST = 1.0
"""Seconds for which a new pair is used although it says that it is over: asking again brings no other."""

QUIET = 30.0
"""Seconds after a renewal in which a refusal is no reason for another: the API refuses something else then."""

LONGEST_REST = 60.0
"""Seconds between two attempts for one grant at most; the first pause is one second, then it doubles."""

MOST_RESTING = 10_000

IN_DOUBT = "oauth.in_doubt"
ENDED = "oauth.ended"

_KEEPING = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to keep a pair that is in hand and nowhere else."""

_GIVING_UP = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to give up a lease."""

_T = TypeVar("_T")

Pause = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class _Rest:
    """Until when an attempt for one grant makes no sense, and why."""

    until: float
    failures: int
    error: ApiloomError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What passes for time: ``now`` in seconds since the epoch, ``clock`` seconds that only rise, ``pause`` waits,
    ``dice`` gives 0 to 1 so that no two nodes do the same at the same moment.
    """

    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    pause: Pause = asyncio.sleep
    dice: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What others do for a :class:`Keeper`."""

    store: SecretStore
    lease: Lease
    renewals: Renewals
    fetch: Fetch


@dataclass(slots=True)
class Keeper:
    """Keeps the pairs of one process alive. Lives on one event loop."""

    ports: Ports
    timing: Timing = field(default_factory=Timing)
    breakers: Breakers = field(init=False)
    _running: dict[str, asyncio.Task[Held]] = field(default_factory=dict, init=False, repr=False)
    _resting: dict[str, _Rest] = field(default_factory=dict, init=False, repr=False)
    _renewed: dict[str, tuple[int, float]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.timing.clock)

    async def fresh(self, id_: str, known: Held | None = None) -> Held:
        """A pair whose access token lives: the one that is ``known`` (else kept), renewed if it is due.

        While the old token lives nobody waits for a new one: it is renewed beside.

        Raises:
            UpstreamError: ``oauth.ended``, ``oauth.in_doubt`` when only a person can renew it; else why it could not
                be renewed (``oauth.*``, ``net.*``).
            HouseFault: ``store.*``, ``vault.sealed``, ``oauth.gone`` when there is no such grant.
        """
        held = known or await self.ports.store.load(id_)
        if held is None:
            raise _gone()
        if self.lives(held):
            if self.is_due(held):
                self.begin(held)
            return held
        return await self.renew(held)

    async def renewed(self, refused: Held) -> Held:
        """A pair of a later generation than the one that was refused, or that one again where another makes no sense:
        it was made just now, so something else was refused, or there is nothing to renew it with.

        Raises:
            ApiloomError: as :meth:`fresh`.
        """
        generation, at = self._renewed.get(refused.id, (-1, 0.0))
        if not refused.renewable or (generation == refused.generation and self.timing.clock() - at < QUIET):
            return refused
        held = await self.ports.store.load(refused.id)
        if held is None:
            raise _gone()
        return held if held.generation != refused.generation else await self.renew(held)

    def begin(self, held: Held) -> None:
        """Renew beside: nobody waits for it, and nobody is told when it fails."""
        if not held.ended and held.renewable and self._rested(held.id) is None:
            self._task(held)

    async def renew(self, held: Held) -> Held:
        """The pair behind ``held``, once for all who wait. A caller who goes away stops nothing.

        Raises:
            ApiloomError: as :meth:`fresh`.
        """
        if held.ended:
            raise over(held.code)
        running = self._running.get(held.id)
        if running is None:
            rest = self._rested(held.id)
            if rest is not None:
                raise type(rest.error)(
                    rest.error.message, code=rest.error.code, hint=rest.error.hint, **rest.error.facts
                )
            running = self._task(held)
        return await asyncio.shield(running)

    def lives(self, held: Held) -> bool:
        """Whether the access token may be used."""
        return self.timing.now() < used_until(held)

    def is_new(self, held: Held) -> bool:
        """Whether a pair was made just now, so that there is no sense in another."""
        if held.tokens is None or held.made_at is None or held.ended:
            return False
        return 0 <= self.timing.now() - held.made_at < SETTLED

    def is_due(self, held: Held) -> bool:
        """Whether it is to be renewed ahead of its end."""
        return not held.ended and held.refresh_at is not None and self.timing.now() >= held.refresh_at

    def rest(self, id_: str) -> float:
        """Seconds until an attempt for a grant makes sense again."""
        found = self._rested(id_)
        return 0.0 if found is None else found.until - self.timing.clock()

    def forget(self, id_: str) -> None:
        """A grant was made anew, or is no more: what is remembered of its attempts says nothing any longer."""
        self._resting.pop(id_, None)
        self._renewed.pop(id_, None)

    async def close(self, seconds: float = 6.0) -> None:
        """Let what is under way be written, for so long; then end it."""
        running = list(self._running.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    # one renewal

    def _task(self, held: Held) -> asyncio.Task[Held]:
        running = self._running.get(held.id)
        if running is None:
            running = self._running[held.id] = asyncio.create_task(self._turn(held))
            running.add_done_callback(lambda done: self._done(held.id, done))
        return running

    def _done(self, id_: str, task: asyncio.Task[Held]) -> None:
        self._running.pop(id_, None)
        if not task.cancelled():
            task.exception()  # whoever waits is told; that nobody does is no fault

    async def _turn(self, held: Held) -> Held:
        try:
            found = await self._led(held)
        except ApiloomError as error:
            if error.code not in (ENDED, IN_DOUBT):
                self._note_failure(held.id, error)
            raise
        self._resting.pop(held.id, None)
        return found

    async def _led(self, held: Held) -> Held:
        """Get the lease, or what whoever has it brings."""
        clock = self.timing.clock
        until = clock() + WAIT
        wait = 0.05
        while True:
            taken = await self.ports.lease.take(held.id, held.generation, LEASE)
            if taken is not None and taken.mine:
                return await self._held(taken)
            while taken is not None and taken.leased and taken.generation == held.generation and clock() < until:
                await self.timing.pause(wait * (0.75 + self.timing.dice() / 2))
                wait = min(wait * 1.5, 0.5)
                taken = await self.ports.store.load(held.id)
            if taken is None:
                raise _gone()
            if taken.ended:
                raise over(taken.code)
            if taken.generation != held.generation:
                return taken
            if clock() >= until:
                raise UpstreamError(
                    "another node is renewing this access and has not finished", code="oauth.busy", hint="try again"
                )

    async def _held(self, held: Held) -> Held:
        """Renew while the lease is ours, and give it up whatever happens."""
        store, was = self.ports.store, held.generation
        try:
            tokens = await self._asked(held)
        except ApiloomError as error:
            if error.code == ENDED and held.doubt:
                error = over(IN_DOUBT)
            code, ended = error.code, error.code in (ENDED, IN_DOUBT)
            # a lease that is not given up keeps everybody waiting until it runs out
            await self._written(lambda: store.failed(held.id, was, code, ended=ended), _GIVING_UP)
            raise error from None
        # whoever is cancelled does not know what became of the request: the lease runs out, which tells the next one so
        kept = await self._kept(held, tokens)
        self._note_renewal(kept)
        return kept

    async def _asked(self, held: Held) -> Tokens:
        try:
            async with asyncio.timeout(LOOKUP):
                renewal = await self.ports.renewals.renewal(held)
        except TimeoutError:
            raise UpstreamError(
                "where tokens are given could not be found out in time",
                code="oauth.unavailable",
                hint="try again later",
            ) from None
        tokens = await self._repeated(renewal)
        before = held.tokens
        if before is None:
            return tokens
        # a provider that does not rotate gives no refresh token again: the old one still counts (RFC 6749 section 6)
        return replace(
            tokens,
            refresh=tokens.refresh or before.refresh,
            scopes=before.scopes if tokens.scopes is None else tokens.scopes,
            identity=tokens.identity or before.identity,
            extra={**before.extra, **tokens.extra},
        )

    async def _repeated(self, renewal: Renewal) -> Tokens:
        """Ask; where it is not known whether a refresh token was used, once more with the same one."""
        try:
            return await self._fetched(renewal)
        except UpstreamError as error:
            if error.code not in UNSURE or not isinstance(renewal.ask, ByRefresh):
                raise
            unsure = error
        try:
            return await self._fetched(renewal)
        except UpstreamError as error:
            if error.code == ENDED:
                raise over(IN_DOUBT) from None
            # whoever asks next must know that the token may have been used
            raise (error if error.code in UNSURE else unsure) from None

    async def _fetched(self, renewal: Renewal) -> Tokens:
        terms = renewal.terms
        breaker = self.breakers.of(terms.endpoints.token_url, terms.keys.client_id)
        probe = breaker.enter()
        try:
            async with asyncio.timeout(EXCHANGE):
                tokens = await self.ports.fetch(terms, renewal.ask)
            breaker.succeeded()
        except TimeoutError:
            breaker.failed(probe=probe)
            raise UpstreamError(
                "the provider's token endpoint did not answer in time", code="net.timeout", hint="try again later"
            ) from None
        except UpstreamError as error:
            if _is_down(error):
                breaker.failed(probe=probe)
            else:
                breaker.succeeded()  # one that says no, or to be slower, is well
            raise
        finally:
            breaker.left(probe=probe)
        return tokens

    async def _kept(self, held: Held, tokens: Tokens) -> Held:
        """Keep the new pair: it is in hand and nowhere else, so that is tried for a while."""
        at = refresh_at(tokens.expires_at, self.timing)
        kept = await self._written(lambda: self.ports.store.keep(held.id, held.generation, tokens, at), _KEEPING)
        if kept is not None:
            return kept
        # somebody wrote another pair meanwhile, such as a person who connected anew: theirs counts
        found = await self.ports.store.load(held.id)
        if found is None:
            raise _gone()
        return found

    async def _written(self, write: Callable[[], Awaitable[_T]], pauses: Sequence[float]) -> _T:
        """What writing comes to, tried again while the store is away."""
        for wait in pauses:
            try:
                return await write()
            except HouseFault as error:
                if error.code != "store.unreachable":
                    raise
            await self.timing.pause(wait)
        return await write()

    # what is remembered of attempts

    def _note_renewal(self, held: Held) -> None:
        if len(self._renewed) >= MOST_RESTING:
            self._renewed.clear()
        self._renewed[held.id] = (held.generation, self.timing.clock())

    def _note_failure(self, id_: str, error: ApiloomError) -> None:
        before = self._resting.get(id_)
        failures = 1 if before is None else before.failures + 1
        seconds = min(2.0 ** (failures - 1), LONGEST_REST) * (0.75 + self.timing.dice() / 2)
        if len(self._resting) >= MOST_RESTING:
            self._resting.clear()
        self._resting[id_] = _Rest(self.timing.clock() + seconds, failures, error)

    def _rested(self, id_: str) -> _Rest | None:
        found = self._resting.get(id_)
        return found if found is not None and self.timing.clock() < found.until else None


def _is_down(error: UpstreamError) -> bool:
    """Whether a failure says that an endpoint is not well: HTTP 429 and answers that cannot be read do not."""
    if error.code == "oauth.unavailable":
        status = error.facts.get("status")
        return not isinstance(status, int) or status >= 500
    return error.code.startswith("net.")


def used_until(held: Held) -> float:
    """Until when an access token is used, in seconds since the epoch: :data:`MARGIN` before its end, or to the end
    where it was made less than :data:`SETTLED` ago.
    """
    if held.tokens is None:
        return -math.inf
    end = held.tokens.expires_at
    if end is None:
        return math.inf
    if held.made_at is None:
        return end - MARGIN
    return max(end - MARGIN, min(held.made_at + SETTLED, max(end, held.made_at + BRIEFEST)))


def refresh_at(expires_at: float | None, timing: Timing) -> float | None:
    """When a token is renewed ahead of its end: at four fifths of its life, a little earlier by chance, and at least
    :data:`AHEAD` before the end where it lives twice as long; not before it has :data:`SETTLED`.
    """
    if expires_at is None:
        return None
    now = timing.now()
    life = max(0.0, expires_at - now)
    share = LIFE * life * (1 - 0.05 * timing.dice())
    return now + max(SETTLED, min(share, life - AHEAD) if life >= 2 * AHEAD else share)


def over(code: str) -> UpstreamError:
    """What is said of a grant that only a person can renew."""
    if code == IN_DOUBT:
        return UpstreamError(
            "the access was being renewed when the answer got lost, and the provider has ended it since",
            code=IN_DOUBT,
            hint="connect the account anew",
        )
    return UpstreamError(
        "the access was ended by the provider or by its user", code=ENDED, hint="connect the account anew"
    )


def _gone() -> HouseFault:
    return HouseFault("there is no such access any more", code="oauth.gone", hint="connect the account anew")
