"""What calls need from others. Rooms above or beside implement these; ``app`` hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

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


Shelf = Literal["results", "uploads"]
"""Where something is kept: answers, or files on their way to an API. It is the host of the URI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a :class:`Keeper` holds. ``read(start, length)`` gives bytes; ``expires_at`` is seconds since the epoch.

    ``seal`` is a hash of the content where it lies on disk, empty where it lies in memory.
    """

    uri: str
    name: str
    mime_type: str
    size: int
    expires_at: float
    read: Callable[[int, int], bytes]
    seal: bytes = b""


class Draft(Protocol):
    """Content on its way into a :class:`Keeper`: written in pieces, then kept, or dropped without a trace."""

    def write(self, piece: bytes) -> bool:
        """Take a piece. False: there is no room for it; what was written is of no more use."""

    def keep(self, *, mime_type: str, name: str = "") -> Kept:
        """End the content and keep it."""

    def drop(self) -> None:
        """Forget it, if it was not kept."""


class Keeper(Protocol):
    """Holds what is too large to be said, for a while, for one principal.

    What one principal keeps no other can open: a URI that is another's, has expired or never was is None, alike.
    """

    def keep(self, principal: Principal, content: bytes, *, mime_type: str, name: str = "") -> Link | None:
        """A link to the content; None where there is no room for it."""

    def open(self, principal: Principal, uri: str) -> Kept | None: ...

    def listing(self, principal: Principal) -> Sequence[Kept]:
        """All that is kept for a principal, oldest first."""

    def begin(self, principal: Principal, shelf: Shelf = "results") -> Draft | None:
        """Content of unknown size, to be written in pieces; None where there is no room to begin."""


class AuditSink(Protocol):
    """Told of every call once it has ended, however it did. Never waits, never fails: what it does with it comes later.

    ``outcome`` is ``ok``, an error's code, or ``call.cut`` for one that was cancelled; ``seconds`` how long it took.
    Neither arguments nor results are told.
    """

    def called(self, principal: Principal, tool: str, outcome: str, seconds: float) -> None: ...


class Observer(Protocol):
    """Told of answers after they were given; it never changes or delays one."""

    def seen(self, tool: str, answer: bytes) -> list[dict[str, Any]] | None:
        """A good JSON answer as the upstream gave it. Cheap: most are not looked at, and none before it is sent.

        What comes back is :meth:`known`.
        """

    def known(self, tool: str) -> list[dict[str, Any]] | None:
        """What earlier answers of this tool were found to break: pointer, promise, what was seen, how often."""
