"""A grant, its provider, and as many keepers over one store as are wanted, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from apiloom.base.errors import HouseFault, UpstreamError
from apiloom.base.secret import Secret
from apiloom.vault.in_memory import InMemory
from apiloom.vault.keeping import Keeper, Ports
from apiloom.vault.moments import Timing
from apiloom.vault.oauth.terms import Ask, ByRefresh, Endpoints, OAuthKeys, Terms, Tokens
from apiloom.vault.ports import Held, Renewal
from support.grounds import NOON, Clock

TERMS = Terms(endpoints=Endpoints(token_url="https://provider.example/token"), keys=OAuthKeys(client_id="c"))


@dataclass
class Provider:
    """A token endpoint whose refresh tokens work once. ``answers`` are what it does next instead."""

    clock: Clock
    life: float = 3600.0
    asked: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    answers: list[Callable[[], None]] = field(default_factory=list)
    wait: asyncio.Event | None = None

    async def fetch(self, _terms: Terms, ask: Ask) -> Tokens:
        assert isinstance(ask, ByRefresh)
        token = ask.token.reveal()
        self.asked.append(token)
        if self.wait is not None:
            await self.wait.wait()
        if self.answers:
            self.answers.pop(0)()
        if token in self.used:
            raise UpstreamError("it is used up", code="oauth.ended")
        self.used.add(token)
        return pair(len(self.asked), self.clock.now + self.life)


def pair(number: int, expires_at: float | None) -> Tokens:
    return Tokens(access=Secret(f"access-{number}"), refresh=Secret(f"refresh-{number}"), expires_at=expires_at)


def fails(code: str) -> Callable[[], None]:
    def fail() -> None:
        raise UpstreamError("it went wrong", code=code)

    return fail


class Asking:
    async def renewal(self, held: Held) -> Renewal:
        assert held.tokens is not None
        assert held.tokens.refresh is not None
        return Renewal(terms=TERMS, ask=ByRefresh(token=held.tokens.refresh))


@dataclass
class Bench:
    """A grant, its provider, and as many nodes as are wanted."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.provider = Provider(self.clock)
        self.store = InMemory(self.clock, self.clock)
        self.put()
        self.node = self.another()

    def another(self) -> Keeper:
        async def pause(seconds: float) -> None:
            self.clock.now += seconds
            await asyncio.sleep(0)

        timing = Timing(now=self.clock, clock=self.clock, pause=pause, dice=lambda: 0.0)
        ports = Ports(store=self.store, lease=self.store, renewals=Asking(), fetch=self.provider.fetch)
        return Keeper(ports, timing)

    def put(self, **more: object) -> None:
        end = self.clock.now + 3600
        first = Held(id="g", generation=1, tokens=pair(0, end), refresh_at=self.clock.now + 2880)
        self.store.put(replace(first, **more))  # type: ignore[arg-type]

    async def idle(self) -> None:
        await self.node.close()

    async def refused(self, keeper: Keeper | None = None) -> str:
        with pytest.raises((UpstreamError, HouseFault)) as told:
            await (keeper or self.node).fresh("g")
        return told.value.code


class With:
    """A store that keeps, or gives up a lease, in another way."""

    def __init__(
        self,
        store: InMemory,
        keep: Callable[..., Awaitable[Held | None]],
        failed: Callable[..., Awaitable[None]] | None = None,
    ) -> None:
        self.load, self.failed, self.keep = store.load, failed or store.failed, keep


@dataclass
class Asked:
    """Grants of two clients at one token endpoint, and what comes of the requests of the first."""

    bench: Bench
    fails: Callable[[], None]

    def __post_init__(self) -> None:
        ports = Ports(store=self.bench.store, lease=self.bench.store, renewals=self, fetch=self.fetch)
        self.node = Keeper(ports, self.bench.node.timing)

    async def renewal(self, held: Held) -> Renewal:
        keys = OAuthKeys(client_id=held.id.partition("/")[0])
        return Renewal(terms=replace(TERMS, keys=keys), ask=ByRefresh(token=Secret("r")))

    async def fetch(self, terms: Terms, _ask: Ask) -> Tokens:
        self.bench.provider.asked.append(terms.keys.client_id)
        if terms.keys.client_id == "bad":
            self.fails()
        return pair(1, self.bench.clock.now + 3600)

    async def come_to(self, id_: str) -> str:
        self.bench.store.put(Held(id=id_, generation=1, tokens=pair(0, NOON)))
        try:
            await self.node.fresh(id_)
        except UpstreamError as error:
            return error.code
        return ""
