"""Keeps tokens alive: one request to the provider however many need it, and the new pair kept before it is used.

Of all tasks of this process one renews a pair, of all nodes the one that holds its lease; the others wait for what it
brings. Whoever got the lease looks first whether somebody else has done it. A failed attempt costs nobody anything
while the old token lives; attempts are spaced, and an endpoint that does not answer, or says so, is left alone for a
while. A pair that cannot be kept is used by this node alone until it can: :mod:`apiloom.vault.unwritten`. Knows
neither how pairs are kept nor how requests look: see :mod:`apiloom.vault.ports`. The gateway stands above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from apiloom.base.errors import ApiloomError, HouseFault, UpstreamError
from apiloom.vault.breaking import Breakers
from apiloom.vault.moments import SETTLED, Timing, refresh_at, used_until
from apiloom.vault.oauth.terms import ByRefresh, Terms, Tokens
from apiloom.vault.ports import UNSURE, Failure, Fetch, GiveBack, Held, Lease, Renewal, Renewals, SecretStore
from apiloom.vault.unwritten import Pair, Unwritten, in_hand

EXCHANGE = 10.0
"""Seconds that one request to a token endpoint may take."""

ONCE = 20.0
"""Seconds that the first request with a refresh token may take: whoever hangs up on a slow provider throws the new pair
away, and the old one may be used up by then.
"""

LOOKUP = 5.0
"""Seconds that it may take to find out on which terms a grant is renewed: endpoints may have to be asked for."""

LEASE = 60.0
"""Seconds of a lease: the terms, a request, its one repeat, and ample time to write what came, for a store may be
away for a while.
"""

WAIT = LEASE + 15.0
"""Seconds that somebody waits for another node at most; one that died is succeeded when its lease is over."""

QUIET = 30.0
"""Seconds after a renewal in which a refusal is no reason for another: the API refuses something else then."""

LONGEST_REST = 60.0
"""Seconds between two attempts for one grant at most, where the provider wants no more; the first pause is one second,
then it doubles.
"""

MOST_RESTING = 10_000

IN_DOUBT = "oauth.in_doubt"
ENDED = "oauth.ended"
HELD_UP = "oauth.busy"

_KEEPING = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to keep a pair that is in hand and nowhere else."""

_GIVING_UP = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to give up a lease."""

_ASKING = (0.05, 0.2, 0.5)
"""Seconds between attempts to ask a store, for which callers wait: a connection that has died is no reason to fail."""

_LAST = 2.0
"""Seconds that a keeper which is closed has to write what it still holds."""

_PASSING = frozenset({"store.unreachable", "store.stale"})
"""What a store refuses with that takes the same a moment later."""

_PROCESSED = frozenset({500, 502, 504})
"""Answers behind which a request may have been carried out."""

_UNREAD = frozenset({*UNSURE, "oauth.answer", "net.too_large", "net.no_room"})
"""What an attempt fails with whose answer, with the new tokens in it, may just not have been read."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Rest:
    """Until when an attempt for one grant makes no sense, and why."""

    until: float
    failures: int
    error: ApiloomError


@dataclass(frozen=True, slots=True)
class _Since:
    """When a lease was asked for, by two clocks: either may stand still, or jump, where a machine is put to sleep."""

    clock: float
    now: float


async def _nobody(_terms: Terms, _tokens: Tokens) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What others do for a :class:`Keeper`."""

    store: SecretStore
    lease: Lease
    renewals: Renewals
    fetch: Fetch
    give_back: GiveBack = _nobody


@dataclass(slots=True)
class Keeper:
    """Keeps the pairs of one process alive. Lives on one event loop."""

    ports: Ports
    timing: Timing = field(default_factory=Timing)
    breakers: Breakers = field(init=False)
    unwritten: Unwritten = field(init=False)
    _running: dict[str, asyncio.Task[Held]] = field(default_factory=dict, init=False, repr=False)
    _resting: dict[str, _Rest] = field(default_factory=dict, init=False, repr=False)
    _renewed: dict[str, tuple[int, float]] = field(default_factory=dict, init=False, repr=False)
    _beside: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.timing.clock)
        self.unwritten = Unwritten(self.ports.store, self.timing, self._settled)

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
        held = self.unwritten.latest(held)
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
        held = self.unwritten.latest(held)
        return held if held.generation != refused.generation else await self.renew(held)

    def begin(self, held: Held) -> None:
        """Renew beside: nobody waits for it, and nobody is told when it fails."""
        held = self.unwritten.latest(held)
        if self.is_due(held) and held.renewable and self._rested(held.id) is None:
            self._task(held, self._ahead)

    async def renew(self, held: Held) -> Held:
        """The pair behind ``held``, once for all who wait. A caller who goes away stops nothing.

        Raises:
            ApiloomError: as :meth:`fresh`.
        """
        if held.ended:
            raise over(held.code)
        latest = self.unwritten.latest(held)
        if latest.generation != held.generation:
            return latest
        running = self._running.get(held.id)
        if running is None:
            rest = self._rested(held.id)
            if rest is not None:
                raise type(rest.error)(
                    rest.error.message, code=rest.error.code, hint=rest.error.hint, **rest.error.facts
                )
            running = self._task(held, self._turn)
        found = await asyncio.shield(running)
        if found.generation == held.generation and _is_same(found, held):
            # that was one ahead of its time, which found that it is not due
            found = await asyncio.shield(self._task(held, self._turn))
        return found

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
        """Let what is under way be written, for so long; then end it. What could not be is tried a last time."""
        running = [*self._running.values(), *self._beside]
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await self.unwritten.close(_LAST)

    # one renewal

    def _task(self, held: Held, turn: Callable[[Held], Coroutine[Any, Any, Held]]) -> asyncio.Task[Held]:
        running = self._running.get(held.id)
        if running is None:
            running = self._running[held.id] = asyncio.create_task(turn(held))
            running.add_done_callback(lambda done: self._done(held.id, done))
        return running

    def _done(self, id_: str, task: asyncio.Task[Held]) -> None:
        self._running.pop(id_, None)
        if not task.cancelled():
            task.exception()  # whoever waits is told; that nobody does is no fault

    async def _ahead(self, held: Held) -> Held:
        """Renew ahead of its end, unless somebody does, or was told not to yet: another node may know better."""
        now = None if in_hand(held) else await self.ports.store.load(held.id)
        is_same = now is not None and now.generation == held.generation and self.lives(now)
        if now is not None and is_same and (now.leased or not self.is_due(now)):
            return now
        return await self._turn(held)

    async def _turn(self, held: Held) -> Held:
        try:
            written = await self._written_first(held)
            found = await self._led(written) if _is_same(written, held) else written
        except ApiloomError as error:
            if error.code not in (ENDED, IN_DOUBT):
                self._note_failure(held.id, error)
            raise
        self._resting.pop(held.id, None)
        return found

    async def _written_first(self, held: Held) -> Held:
        """The pair, once it is in the store: what is renewed from there is nothing that only we know."""
        if not in_hand(held):
            return held
        await self.unwritten.write(held.id)
        found = await self.ports.store.load(held.id)
        if found is None:
            raise _gone()
        if found.ended:
            raise over(found.code)
        return found

    async def _led(self, held: Held) -> Held:
        """Get the lease, or what whoever has it brings."""
        clock = self.timing.clock
        until = clock() + WAIT
        wait = 0.05
        is_first = True
        while True:
            since = _Since(clock(), self.timing.now())
            taken = await self._written(lambda: self.ports.lease.take(held.id, held.generation, LEASE), _ASKING)
            if taken is not None and taken.mine:
                try:
                    return await self._held(taken, since)
                except ApiloomError as error:
                    if is_first and error.code == HELD_UP:
                        is_first = False
                        continue  # nothing was asked: whoever has slept too long begins anew
                    taken = await self._meanwhile(taken, since)
                    if taken is None:
                        raise
                    until = clock() + WAIT
            while taken is not None and taken.leased and taken.generation == held.generation and clock() < until:
                await self.timing.pause(wait * (0.75 + self.timing.dice() / 2))
                wait = min(wait * 1.5, 0.5)
                taken = await self._written(lambda: self.ports.store.load(held.id), _ASKING)
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

    async def _meanwhile(self, held: Held, since: _Since) -> Held | None:
        """What somebody else has brought, or is about to bring, while we failed; None where that is nobody."""
        try:
            found = await self.ports.store.load(held.id)
        except ApiloomError:
            return None
        if found is None or found.ended:
            return None
        is_ours_no_more = found.leased and self._left(since) < 0
        return found if found.generation != held.generation or is_ours_no_more else None

    def _left(self, since: _Since) -> float:
        """Seconds that a lease is surely ours for still, whatever this process, or its machine, has slept through."""
        return LEASE - max(self.timing.clock() - since.clock, self.timing.now() - since.now)

    async def _held(self, held: Held, since: _Since) -> Held:
        """Renew while the lease is ours, and give it up whatever happens."""
        store, was = self.ports.store, held.generation
        try:
            terms, tokens = await self._asked(held, since)
        except ApiloomError as error:
            failure = _failure(error, held)
            # a lease that is not given up keeps everybody waiting until it runs out
            await self._written(lambda: store.failed(held.id, was, failure), _GIVING_UP)
            raise error from None
        # whoever is cancelled does not know what became of the request: the lease runs out, which tells the next one so
        at = refresh_at(tokens.expires_at, self.timing)
        return await self._kept(Pair(id=held.id, was=was, terms=terms, tokens=tokens, refresh_at=at))

    async def _asked(self, held: Held, since: _Since) -> tuple[Terms, Tokens]:
        try:
            async with asyncio.timeout(LOOKUP):
                renewal = await self._written(lambda: self.ports.renewals.renewal(held), _ASKING)
        except TimeoutError:
            raise UpstreamError(
                "where tokens are given could not be found out in time",
                code="oauth.unavailable",
                hint="try again later",
            ) from None
        try:
            tokens = await self._repeated(renewal, held, since)
        except UpstreamError as error:
            if error.code == ENDED and held.doubt and isinstance(renewal.ask, ByRefresh):
                raise over(IN_DOUBT) from None
            raise
        before = held.tokens
        if before is None:
            return renewal.terms, tokens
        # a provider that does not rotate gives no refresh token again: the old one still counts (RFC 6749 section 6)
        return renewal.terms, replace(
            tokens,
            refresh=tokens.refresh or before.refresh,
            scopes=before.scopes if tokens.scopes is None else tokens.scopes,
            identity=tokens.identity or before.identity,
            extra={**before.extra, **tokens.extra},
        )

    async def _repeated(self, renewal: Renewal, held: Held, since: _Since) -> Tokens:
        """Ask; where it is not known whether a refresh token was used, once more with the same one."""
        works_once = isinstance(renewal.ask, ByRefresh)
        try:
            return await self._fetched(renewal, since, ONCE if works_once else EXCHANGE)
        except UpstreamError as error:
            if error.code not in UNSURE or not works_once:
                raise
            unsure = error
        if await self._meanwhile(held, since) is not None:
            raise unsure  # another pair came meanwhile: showing the old token once more could end both
        try:
            return await self._fetched(renewal, since, EXCHANGE)
        except UpstreamError as error:
            if error.code == ENDED:
                raise over(IN_DOUBT) from None
            # whoever asks next must know that the token may have been used
            raise (error if error.code in UNSURE else unsure) from None

    async def _fetched(self, renewal: Renewal, since: _Since, seconds: float) -> Tokens:
        if self._left(since) < seconds:
            # somebody else may renew by now, and what we would show is what they have used
            raise UpstreamError("the renewal of this access was held up for too long", code=HELD_UP, hint="try again")
        terms = renewal.terms
        breaker = self.breakers.of(terms.endpoints.token_url, terms.keys.client_id)
        probe = breaker.enter()
        try:
            async with asyncio.timeout(seconds):
                tokens = await self.ports.fetch(terms, renewal.ask)
            breaker.succeeded(probe=probe)
        except TimeoutError:
            breaker.failed(probe=probe)
            raise UpstreamError(
                "the provider's token endpoint did not answer in time", code="net.timeout", hint="try again later"
            ) from None
        except UpstreamError as error:
            if _is_down(error):
                breaker.failed(probe=probe)
            elif not _after(error):
                breaker.succeeded(probe=probe)  # one that says no is well
            if _after(error):
                breaker.wished(_after(error), probe=probe)
            raise
        finally:
            breaker.left(probe=probe)
        return tokens

    async def _kept(self, pair: Pair) -> Held:
        """Keep the new pair: it is in hand and nowhere else, so that is tried for a while, and then beside."""
        store = self.ports.store
        try:
            kept = await self._written(
                lambda: store.keep(pair.id, pair.was, pair.tokens, pair.refresh_at),
                _KEEPING,
            )
        except ApiloomError as error:
            held = self.unwritten.hold(pair, error.code)
            if held is None:
                raise
            self._note_renewal(held)
            return held
        except asyncio.CancelledError:
            self.unwritten.hold(pair, "stopping")
            raise
        await self._settled(pair, kept)
        if kept is not None:
            return kept
        # somebody wrote another pair meanwhile, such as a person who connected anew: theirs counts
        found = await store.load(pair.id)
        if found is None:
            raise _gone()
        if found.tokens is None:
            raise over(found.code)
        return found

    async def _settled(self, pair: Pair, kept: Held | None) -> None:
        """A pair was written, or never will be. One that nobody will use is given back, if there is no other of its
        account: with one token many providers take back all that a person granted.
        """
        if kept is not None:
            self._note_renewal(kept)
            return
        found = await self.ports.store.load(pair.id)
        if found is None or found.tokens is None:
            task = asyncio.create_task(self._given_back(pair))
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)

    async def _given_back(self, pair: Pair) -> None:
        await self.ports.give_back(pair.terms, pair.tokens)

    async def _written(self, write: Callable[[], Awaitable[_T]], pauses: Sequence[float]) -> _T:
        """What writing comes to, tried again while the store is away."""
        for wait in pauses:
            try:
                return await write()
            except ApiloomError as error:
                if error.code not in _PASSING:
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
        after = _after(error)
        seconds = max(seconds, after + min(after / 10, 10.0) * self.timing.dice())
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


def _after(error: ApiloomError) -> float:
    """For how many seconds a provider wants not to be asked; 0 where it says nothing of that."""
    after = error.facts.get("after")
    return float(after) if isinstance(after, int | float) else 0.0


def _failure(error: ApiloomError, held: Held) -> Failure:
    """What is kept of an attempt that failed. Doubt stays until an answer is definite, which brings another pair or
    the end.
    """
    unread = error.code in _UNREAD or (error.code == "oauth.unavailable" and error.facts.get("status") in _PROCESSED)
    ended = error.code in (ENDED, IN_DOUBT)
    return Failure(code=error.code, ended=ended, doubt=held.doubt or unread, after=_after(error))


def _is_same(one: Held, other: Held) -> bool:
    """Whether two hold the same access token, or none."""
    return (one.tokens and one.tokens.access) == (other.tokens and other.tokens.access)


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
