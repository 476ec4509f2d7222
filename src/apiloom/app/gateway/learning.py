"""What has to be asked for over the network before a transaction can go on: the endpoints that an issuer publishes, and
what references lead to.

Whoever holds a connection to the store waits for nobody else. So a transaction uses what is known; where something is
not, it is given up, that is asked for without one, and it is tried again. What cannot be had is remembered for a while,
so that one who never answers is not waited for by everybody in turn. :class:`~apiloom.app.gateway.terms.Renewing` makes
terms of it.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from apiloom.app.gateway.terms import Renewing
from apiloom.base.errors import ApiloomError, UpstreamError

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that one attempt may spend on what is not known, in all."""

FAILED = 30.0
"""Seconds for which it is remembered that something could not be had."""

_MOST = 1000
_MOST_ROUNDS = 16


class _UnknownError(Exception):
    """A transaction cannot go on without something: ``learn`` asks for it."""

    def __init__(self, learn: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.learn = learn


async def settled(renewing: Renewing, attempt: Callable[[Renewing], Awaitable[T]]) -> T:
    """What ``attempt`` gives. It opens and closes its own transaction, uses the terms it is handed, and is made anew
    each time that something more is known.

    Raises:
        UpstreamError: ``oauth.unavailable`` when it takes too long to know enough.
        ApiloomError: as the attempt.
    """
    told = _Told(renewing)
    inside = replace(
        renewing,
        discover=None if renewing.discover is None else told.discover,
        resolve=None if renewing.resolve is None else told.resolve,
    )
    left = PATIENCE
    for _ in range(_MOST_ROUNDS):
        try:
            return await attempt(inside)
        except _UnknownError as unknown:
            learn = unknown.learn
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(left):
                await learn()
        except TimeoutError:
            break
        left -= asyncio.get_running_loop().time() - begun
    raise unanswered()


def unanswered() -> UpstreamError:
    """What is said where a provider, or the place of a secret, does not answer in time."""
    return UpstreamError(
        "where tokens are given could not be found out in time",
        code="oauth.unavailable",
        hint="try again later",
    )


class _Told:
    """What one attempt was told, by what it asked."""

    def __init__(self, renewing: Renewing) -> None:
        self._renewing = renewing
        self._told: dict[tuple[str, str], Any] = {}

    async def discover(self, issuer: str) -> Any:
        return self._known("issuer", issuer, self._renewing.discover)

    async def resolve(self, reference: str) -> Any:
        return self._known("reference", reference, self._renewing.resolve)

    def _known(self, kind: str, asked: str, ask: Callable[[str], Awaitable[Any]] | None) -> Any:
        key = (kind, asked)
        if key not in self._told:

            async def learn() -> None:
                if ask is None:
                    return
                try:
                    self._told[key] = await ask(asked)
                except ApiloomError as error:
                    self._told[key] = error

            raise _UnknownError(learn)
        found = self._told[key]
        if isinstance(found, ApiloomError):
            raise found
        return found


@dataclass(slots=True, kw_only=True)
class Remembered(Generic[T]):
    """Asks for something by its name, once for all who want it at the same time. A caller who goes away stops nothing.

    Args:
        ask: gives it, or raises why not.
        seconds: for how long it is taken to be so; 0 where ``ask`` itself knows. What could not be reached is
            remembered for :data:`FAILED`.
        clock: seconds that only rise.
    """

    ask: Callable[[str], Awaitable[T]]
    clock: Callable[[], float]
    seconds: float = 0.0
    _known: OrderedDict[str, tuple[float, T]] = field(default_factory=OrderedDict, init=False, repr=False)
    _failed: OrderedDict[str, tuple[float, UpstreamError]] = field(default_factory=OrderedDict, init=False, repr=False)
    _running: dict[str, asyncio.Task[T]] = field(default_factory=dict, init=False, repr=False)

    async def get(self, name: str) -> T:
        """What has that name.

        Raises:
            UpstreamError: it cannot be had now, or could not a moment ago; ``oauth.unavailable`` where nobody answers.
            ApiloomError: as ``ask``.
        """
        at, found = self._known.get(name, (-math.inf, None))
        if found is not None and self.clock() - at <= self.seconds:
            return found
        since, error = self._failed.get(name, (-math.inf, None))
        if error is not None and self.clock() - since <= FAILED:
            raise type(error)(error.message, code=error.code, hint=error.hint)
        running = self._running.get(name)
        if running is None:
            running = self._running[name] = asyncio.create_task(self._asked(name))
            running.add_done_callback(lambda done: self._done(name, done))
        return await asyncio.shield(running)

    def _done(self, name: str, task: asyncio.Task[T]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()

    async def _asked(self, name: str) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self.ask(name)
        except TimeoutError:
            error = unanswered()
            _kept(self._failed, name, (self.clock(), error))
            raise error from None
        except UpstreamError as error:
            _kept(self._failed, name, (self.clock(), error))
            raise
        self._failed.pop(name, None)
        if self.seconds:
            _kept(self._known, name, (self.clock(), found))
        return found


def _kept(among: OrderedDict[str, Any], name: str, what: Any) -> None:
    among[name] = what
    among.move_to_end(name)
    if len(among) > _MOST:
        among.popitem(last=False)
