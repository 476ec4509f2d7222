"""What calls need from others. Rooms above or beside implement these; ``app`` hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from apiloom.calls.call import Call, Outcome

Proceed = Callable[[Call], Awaitable[Outcome]]
"""The rest of the chain."""

Policy = Callable[[Call, Proceed], Awaitable[Outcome]]
"""One rule in the path of a call: it may refuse, answer, rewrite, observe or shape. Nothing else."""


class Backend(Protocol):
    """Who answers a tool's calls.

    ``answer`` raises :class:`~apiloom.base.errors.ApiloomError` only; failures an agent can act on are outcomes with
    ``failed`` set. ``preview`` says what would be sent, with every secret as ``***``, and sends nothing.
    """

    async def answer(self, call: Call) -> Outcome: ...

    def preview(self, call: Call) -> dict[str, Any]: ...
