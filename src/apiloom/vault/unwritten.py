"""Pairs of tokens that are in hand and nowhere else, because the store takes nothing: used meanwhile, and written as
soon as it does.

A refresh token that works once is used up by the time its successor comes: whoever loses that one loses the access. So
this node alone uses the new pair, under a generation that no store ever gives, and tries to write it until it is told
to stop. Whoever waits for the lease of such a pair counts only the time in which the store answered. The keeper of
pairs stands above; what is kept of a pair is only where it is held.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from apiloom.base.errors import ApiloomError
from apiloom.vault.moments import Timing
from apiloom.vault.oauth.terms import Terms, Tokens
from apiloom.vault.ports import Held, SecretStore

MOST = 1_000
"""Pairs that are held: as many renewals may be under way when a store goes away. None begins without it."""

AGAIN = 4.0
"""Seconds between two attempts to write them. A lease that seems to be over is left alone for longer than that."""

_LAST = 0.25
"""Seconds between two attempts of a node that stops."""

_log = logging.getLogger("apiloom.vault")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """New tokens of a grant, in place of those of generation ``was``; ``terms`` are those they came on."""

    id: str
    was: int
    terms: Terms
    tokens: Tokens
    refresh_at: float | None


@dataclass(frozen=True, slots=True)
class _InHand:
    pair: Pair
    held: Held


def in_hand(held: Held) -> bool:
    """Whether a pair was used before it was written, be it written by now. Its generation lies below all that a store
    gives: whoever is told of any change of the grant looks at it anew.
    """
    return held.generation < 0


Settle = Callable[[Pair, Held | None], Awaitable[None]]
"""Told of a pair that is in hand no more: what was kept, None where another pair or none is there by now."""


@dataclass(slots=True)
class Unwritten:
    """The pairs that one process has in hand. Lives on one event loop."""

    store: SecretStore
    timing: Timing
    settle: Settle
    _found: dict[str, _InHand] = field(default_factory=dict, init=False, repr=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False, repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._found)

    def hold(self, pair: Pair, why: str) -> Held | None:
        """Have a pair used though it is not written, and go on trying; None where too many are held."""
        if len(self._found) >= MOST:
            _log.error("the new tokens of %s could not be written (%s) and are lost: too many are held", pair.id, why)
            return None
        _log.error("the new tokens of %s could not be written (%s): they are held in memory until then", pair.id, why)
        held = Held(
            id=pair.id,
            generation=-pair.was - 1,
            tokens=pair.tokens,
            refresh_at=pair.refresh_at,
            made_at=self.timing.now(),
        )
        self._found[pair.id] = _InHand(pair, held)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())
        return held

    def latest(self, held: Held) -> Held:
        """The pair that came for this one and is not written yet; itself where there is none."""
        found = self._found.get(held.id)
        return found.held if found is not None and held.generation == found.pair.was else held

    def holds(self, held: Held) -> bool:
        """Whether this is a pair that is not written yet."""
        return in_hand(held) and held.id in self._found

    async def write(self, id_: str) -> Held | None:
        """Write a pair now; None where it is in hand no more, or another counts by now.

        Raises:
            ApiloomError: it cannot be written yet.
        """
        async with self._turn:
            found = self._found.get(id_)
            if found is None:
                return None
            pair = found.pair
            kept = await self.store.keep(id_, pair.was, pair.tokens, pair.refresh_at)
            if self._found.get(id_) is found:
                del self._found[id_]
        _log.warning("the tokens of %s that were held in memory are %s", id_, "written" if kept else "outdated")
        await self.settle(pair, kept)
        return kept

    async def _go_on(self) -> None:
        while self._found:
            await self.timing.pause(AGAIN * (0.75 + self.timing.dice() / 2))
            await self._round()

    async def _round(self) -> None:
        """Try each once; where the store does not answer, the first tells it of all."""
        for id_ in list(self._found):
            try:
                await self.write(id_)
            except ApiloomError as error:
                if error.code == "store.unreachable":
                    return

    async def close(self, seconds: float) -> None:
        """Try for so long to write what is left, then give up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not self._found:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._round()
                while self._found:
                    await asyncio.sleep(_LAST)
                    await self._round()
        except TimeoutError:
            _log.error(
                "%d new pairs of tokens could not be written before the end: if their old ones work once, "
                "the accounts have to be connected anew",
                len(self._found),
            )
