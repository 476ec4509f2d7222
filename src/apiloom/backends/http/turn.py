"""What one exchange among several carries in and out beside its call: where it goes instead, and what came back."""

from __future__ import annotations

from dataclasses import dataclass

from apiloom.net.request import Request, Response


@dataclass(slots=True)
class Turn:
    """``target`` takes the place of the planned one unless it is empty; the other two are filled in on the way.

    ``asked`` is the planned target, before any credential was put on it; ``response`` is free of credentials.
    """

    target: str = ""
    origin: str = ""
    asked: str = ""
    response: Response | None = None

    def redirect(self, request: Request) -> None:
        """Let the request go where this turn leads, which is always at its own origin."""
        if self.target:
            request.target = self.target
        self.origin, self.asked = request.origin, request.target
