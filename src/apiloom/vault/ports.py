"""What keeping credentials alive needs from others. Rooms above implement these; ``app`` hands them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from apiloom.vault.oauth.terms import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A pair of tokens as it is kept. ``generation`` rises with each pair; ``mine`` says that we may renew it now."""

    id: str
    generation: int
    tokens: Tokens | None
    mine: bool = False
    needs_reconnect: bool = False


class SecretStore(Protocol):
    """Keeps pairs of tokens. What was kept is there for every node before :meth:`keep` returns.

    Raises:
        HouseFault: ``store.unreachable``, ``vault.sealed``.
    """

    async def load(self, id_: str) -> Held | None:
        """The pair as it is now; None when it is gone."""

    async def keep(self, id_: str, was: int, tokens: Tokens) -> Held | None:
        """Replace the pair of generation ``was`` and give up the lease; None when it is another generation by now."""

    async def failed(self, id_: str, was: int, code: str, *, ended: bool) -> None:
        """Give up the lease without new tokens. ``ended``: the grant is over, and only a person can renew it."""


class Lease(Protocol):
    """Sees to it that of all tasks and nodes one renews a pair."""

    async def take(self, id_: str, was: int, seconds: float) -> Held | None:
        """The pair with ``mine`` set when the lease is ours for so long; without where it is another's, or where the
        pair is of a later generation already; None when it is gone.
        """


class Events(Protocol):
    """Told of what others may want to know. Never fails for its listeners' sake."""

    async def record(self, kind: str, *, tenant: str | None, target: str, detail: Mapping[str, Any]) -> None: ...
