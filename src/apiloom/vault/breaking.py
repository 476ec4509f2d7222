"""Breakers: an endpoint that does not answer is left alone for a while, then tried by one request alone. So is one that
says for how long.

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

    __slots__ = ("_clock", "_failures", "_probing", "_until", "_wished")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._until: float | None = None
        self._wished = False
        self._probing = False

    def enter(self) -> bool:
        """Go ahead; whether it is the one request that tries an endpoint that was left alone.

        Raises:
            UpstreamError: ``oauth.paused`` while the endpoint is left alone, or another request tries it. Its fact
                ``after`` are the seconds until then.
        """
        if self._until is None:
            return False
        left = self._until - self._clock()
        if self._probing or left > 0:
            why = "wants to be left alone for a while" if self._wished else "has not answered several times"
            raise UpstreamError(
                f"the provider's token endpoint {why} and is not asked for now",
                code="oauth.paused",
                hint="try again in a minute" if left <= SECONDS else f"try again in {left / 60:.0f} minutes",
                after=max(0.0, left),
            )
        self._probing = True
        return True

    def succeeded(self, *, probe: bool) -> None:
        """It answered. That ends no pause which the endpoint has wished for since the request began."""
        self._failures = 0
        if probe or not self._wished:
            self._until, self._wished, self._probing = None, False, False

    def failed(self, *, probe: bool) -> None:
        """It did not. Of requests that began before it was left alone, none ends the attempt of another."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._rest(SECONDS)
        self.left(probe=probe)

    def wished(self, seconds: float, *, probe: bool) -> None:
        """It wants to be left alone for so long."""
        self._wished = True
        self._rest(seconds)
        self.left(probe=probe)

    def left(self, *, probe: bool) -> None:
        """The request ended, maybe without a word on the endpoint."""
        if probe:
            self._probing = False

    def _rest(self, seconds: float) -> None:
        until = self._clock() + seconds
        self._until = until if self._until is None else max(self._until, until)


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
