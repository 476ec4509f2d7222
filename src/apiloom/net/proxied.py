"""Under a guard and behind an operator's proxy: the proxy resolves names, so that what it reaches is its own matter.

What can be seen from here is looked at all the same: addresses written as hosts, names that always mean this machine or
a cloud's metadata, and names that lead inside when they are resolved here.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from apiloom.net import rules, target
from apiloom.net.guard import Guard
from apiloom.net.request import Request, Response, Sender

_SECONDS = 30.0
"""How long a host that was looked at is not looked at again."""


class Proxied:
    """A sender that asks the guard before it hands on."""

    __slots__ = ("_guard", "_inner", "_seen")

    def __init__(self, inner: Sender, guard: Guard) -> None:
        self._inner = inner
        self._guard = guard
        self._seen: dict[str, float] = {}

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        now = time.monotonic()
        if self._seen.get(request.origin, 0.0) < now:
            await self._look(request.origin)
            if len(self._seen) >= rules.MOST_ORIGINS:
                self._seen.clear()
            self._seen[request.origin] = now + _SECONDS
        return await self._inner.send(request)

    async def close(self) -> None:
        """Close the sender."""
        await self._inner.close()

    async def _look(self, origin: str) -> None:
        if not target.plain_origin(origin):
            return  # refused by the sender, in its words
        parts = urlsplit(origin)
        try:
            port = parts.port
        except ValueError:
            return  # likewise
        await self._guard.check(parts.hostname or "", port or (443 if parts.scheme == "https" else 80))
