"""What calls need from others. Rooms above or beside implement these; ``app`` hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from apiloom.calls.call import Call, Link, Outcome
from apiloom.identity.principal import Principal

Proceed = Callable[[Call], Awaitable[Outcome]]
"""The rest of the chain."""

Policy = Callable[[Proceed], Proceed]
"""One rule in the path of a call, put around the rest of the chain when a route is built: it may refuse, answer,
rewrite, observe or shape. Nothing else."""


class Backend(Protocol):
    """Who answers a tool's calls.

    ``answer`` raises :class:`~apiloom.base.errors.ApiloomError` only; failures an agent can act on are outcomes with
    ``failed`` set. ``preview`` says what would be sent, with every secret as ``***``, and sends nothing.
    """

    async def answer(self, call: Call) -> Outcome: ...

    def preview(self, call: Call) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a :class:`Keeper` holds. ``read(start, length)`` gives bytes; ``expires_at`` is seconds since the epoch."""

    uri: str
    name: str
    mime_type: str
    size: int
    expires_at: float
    read: Callable[[int, int], bytes]


class Keeper(Protocol):
    """Holds what is too large to be said, for a while, for one principal.

    What one principal keeps no other can open: a URI that is another's, has expired or never was is None, alike.
    """

    def keep(self, principal: Principal, content: bytes, *, mime_type: str, name: str = "") -> Link | None:
        """A link to the content; None where there is no room for it."""

    def open(self, principal: Principal, uri: str) -> Kept | None: ...


class Observer(Protocol):
    """Told of answers after they were given; it never changes or delays one."""

    def seen(self, tool: str, answer: bytes) -> None:
        """A good JSON answer as the upstream gave it. Cheap: most are not looked at, and none before it is sent."""

    def known(self, tool: str) -> list[dict[str, str]] | None:
        """What earlier answers of this tool were found to break: pointer, what was promised, what was seen."""
