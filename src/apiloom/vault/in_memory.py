"""Pairs of tokens that live and die with the process: the ports of keeping for the quick server, and for tests.

The twin of the gateway's, which lie in its store; it keeps the same promises among the tasks of one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from apiloom.vault.oauth.terms import Tokens
from apiloom.vault.ports import Failure, Held


@dataclass(slots=True)
class InMemory:
    """A :class:`~apiloom.vault.ports.SecretStore` and a :class:`~apiloom.vault.ports.Lease`.

    ``told`` are the ids of grants that have ended, in order: what a store tells by events.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    told: list[str] = field(default_factory=list)
    _held: dict[str, Held] = field(default_factory=dict, repr=False)
    _leases: dict[str, float] = field(default_factory=dict, repr=False)

    def put(self, held: Held) -> None:
        """Have a pair, whatever was there before."""
        self._held[held.id] = held
        self._leases.pop(held.id, None)

    def drop(self, id_: str) -> None:
        """Have no pair there any more."""
        self._held.pop(id_, None)
        self._leases.pop(id_, None)

    async def load(self, id_: str) -> Held | None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        held = self._held.get(id_)
        return None if held is None else replace(held, leased=self._leased(id_), mine=False)

    async def keep(self, id_: str, was: int, tokens: Tokens, refresh_at: float | None) -> Held | None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        held = self._held.get(id_)
        if held is None or held.generation != was:
            return None
        kept = Held(id=id_, generation=was + 1, tokens=tokens, refresh_at=refresh_at, made_at=self.now())
        self.put(kept)
        return kept

    async def failed(self, id_: str, was: int, failure: Failure) -> None:
        """See :class:`~apiloom.vault.ports.SecretStore`."""
        held = self._held.get(id_)
        if held is None or held.generation != was:
            return
        if failure.ended and not held.ended:
            self.told.append(id_)
        ended, doubt = held.ended or failure.ended, held.doubt or failure.doubt
        at = held.refresh_at if held.refresh_at is None else max(held.refresh_at, self.now() + failure.after)
        self.put(replace(held, ended=ended, doubt=doubt, code=failure.code, refresh_at=at, leased=False, mine=False))

    async def take(self, id_: str, was: int, seconds: float) -> Held | None:
        """See :class:`~apiloom.vault.ports.Lease`."""
        held = await self.load(id_)
        if held is None or held.leased or held.generation != was or held.ended:
            return held
        doubt = id_ in self._leases or held.doubt
        self._leases[id_] = self.clock() + seconds
        return replace(held, leased=True, mine=True, doubt=doubt)

    def _leased(self, id_: str) -> bool:
        return self.clock() < self._leases.get(id_, 0.0)
