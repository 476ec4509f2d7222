"""Breakers: an endpoint that does not answer is left alone for a while, then tried by one request alone.

Knows nothing of what is asked. The keeper of credentials stands above.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from apiloom.base.errors import UpstreamError

FAILURES = 5
"""Failures in a row after which an endpoint is left alone."""

SECONDS = 30.0
"""How long it is left alone before one request tries it again."""

_MOST = 1000


class Breaker:
    """Closed while all is well. Whoever passed :meth:`enter` says afterwards what came of it, with what that gave."""

    __slots__ = ("_clock", "_failures", "_opened", "_probing")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._opened = 0.0
        self._probing = False

    def enter(self) -> bool:
        """Go ahead; whether it is the one request that tries an endpoint that was left alone.

        Raises:
            UpstreamError: ``oauth.paused`` while the endpoint is left alone, or another request tries it.
        """
        if self._failures < FAILURES:
            return False
        if self._probing or self._clock() - self._opened < SECONDS:
            raise UpstreamError(
                "the provider's token endpoint has not answered several times and is left alone for half a minute",
                code="oauth.paused",
                hint="try again in a minute",
            )
        self._probing = True
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._failures = 0
        self._probing = False

    def failed(self, *, probe: bool) -> None:
        """It did not. Of requests that began before it was left alone, none ends the attempt of another."""
        self._failures += 1
        self._opened = self._clock()
        self.left(probe=probe)

    def left(self, *, probe: bool) -> None:
        """The request ended, maybe without a word on the endpoint."""
        if probe:
            self._probing = False


class Breakers:
    """The breakers of a process, by endpoint and by who asks there: what one client gets says nothing of another."""

    __slots__ = ("_breakers", "_clock")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._breakers: OrderedDict[tuple[str, str], Breaker] = OrderedDict()

    def of(self, endpoint: str, client: str) -> Breaker:
        """The breaker of a client at one endpoint."""
        key = (endpoint, client)
        found = self._breakers.get(key)
        if found is None:
            found = self._breakers[key] = Breaker(self._clock)
            if len(self._breakers) > _MOST:
                self._breakers.popitem(last=False)
        return found
