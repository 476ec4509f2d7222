"""What keeping credentials alive needs from others. Rooms above implement these; ``app`` hands them in.

Everything here speaks of one grant by its id. Times are seconds since the epoch by this node's clock: who implements
:class:`SecretStore` and :class:`Lease` sees to it that clocks of other nodes, which may be minutes off, decide nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from apiloom.vault.oauth.terms import Ask, Terms, Tokens

UNSURE: Final = frozenset({"net.timeout", "net.broken"})
"""What a request may have failed with although it was carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A pair of tokens as it is kept. ``generation`` rises with each pair.

    ``tokens`` is None before the first, ``made_at`` is when they came. ``refresh_at`` is when the pair is renewed ahead
    of its end, None: only when it is refused. ``leased`` says that somebody renews it at this moment, ``mine`` that it
    is we. ``doubt`` says that whoever held the lease before never gave it back, or that somebody could not tell what
    became of a request: the refresh token may have been used. ``renewable`` says that there is something to renew it
    with, ``ended`` that only a person can.
    ``code`` is what the last attempt failed with.
    """

    id: str
    generation: int
    tokens: Tokens | None = field(repr=False)
    refresh_at: float | None = None
    made_at: float | None = None
    leased: bool = False
    mine: bool = False
    doubt: bool = False
    renewable: bool = True
    ended: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """How a pair is renewed: on which terms, and with what."""

    terms: Terms
    ask: Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What came of an attempt that brought no tokens: the ``code`` of its error.

    ``ended``: the grant is over and only a person can renew it. ``doubt``: the refresh token may have been used, in
    this attempt or in one before it. ``after`` are the seconds for which the provider wants not to be asked again.
    """

    code: str
    ended: bool = False
    doubt: bool = False
    after: float = 0.0


class SecretStore(Protocol):
    """Keeps pairs of tokens. What was kept is there for every node before :meth:`keep` returns.

    Raises:
        HouseFault: ``store.unreachable``, ``vault.sealed``.
    """

    async def load(self, id_: str) -> Held | None:
        """The pair as it is now; None when it is gone."""

    async def keep(self, id_: str, was: int, tokens: Tokens, refresh_at: float | None) -> Held | None:
        """Replace the pair of generation ``was`` and give up the lease; None when it is another generation by now,
        or gone.
        """

    async def failed(self, id_: str, was: int, failure: Failure) -> None:
        """Give up the lease without new tokens. That a grant has ended is told to whoever listens for events, once.
        A doubt stays with the pair until another one is kept.
        """


class Lease(Protocol):
    """Sees to it that of all tasks and nodes one renews a pair."""

    async def take(self, id_: str, was: int, seconds: float) -> Held | None:
        """The pair with ``mine`` set when the lease is ours for so long; without where it is another's, where the pair
        is of another generation already, or where it has ended; None when it is gone.
        """


class Renewals(Protocol):
    """Knows on which terms a pair is renewed."""

    async def renewal(self, held: Held) -> Renewal:
        """How this pair is renewed.

        Raises:
            UpstreamError: ``oauth.ended`` where there is nothing to renew it with.
            ApiloomError: its client is gone, or its endpoints are not known.
        """


Fetch = Callable[[Terms, Ask], Awaitable[Tokens]]
"""Asks a token endpoint. Raises ``oauth.ended`` when only a person can help; anything else may pass. The fact ``after``
of an error are the seconds for which the endpoint wants not to be asked again.
"""

GiveBack = Callable[[Terms, Tokens], Awaitable[None]]
"""Tells a provider that tokens which nobody will use are not needed; what fails in that is nobody's trouble."""
