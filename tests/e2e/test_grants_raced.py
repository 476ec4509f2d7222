"""What happens to a grant while it is renewed: a node stands still, a person is quicker, it ends, the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway.grants import KeptGrants, Made
from apiloom.app.gateway.pinning import opened_grant
from apiloom.base.errors import ApiloomError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.flows.access import HOST
from apiloom.flows.accounts import delete_account
from apiloom.flows.asking import Removal
from apiloom.flows.grants import revoke_account
from apiloom.flows.oauth_clients import patch_oauth_client
from apiloom.store import refusals
from apiloom.vault.keeping import Keeper
from apiloom.vault.oauth.terms import Ask, Terms, Tokens
from apiloom.vault.ports import Held, Renewal
from support.gateway import gateway
from support.granted import Granted, granted, office
from support.oidc import SECRET, AuthorizationServer

HOUR = 3600.0
Then = Callable[[], Awaitable[Any]]


@pytest.fixture
def server(oidc: AuthorizationServer) -> AuthorizationServer:
    return oidc


@dataclass
class Race:
    """A grant that is due, and two nodes that keep it: ``first``, and ``second`` over the same store."""

    there: Granted
    first: Keeper
    second: Keeper

    @property
    def id(self) -> str:
        return f"{self.there.account.id}/login"

    def later(self, seconds: float) -> None:
        self.there.gateway.clock.now += seconds
        self.there.server.skew(self.there.gateway.clock.now - 1_800_000_000.0)

    async def due(self) -> Held:
        held = await self.first.ports.store.load(self.id)
        assert held is not None
        return held

    def before_asking(self, keeper: Keeper, then: Then) -> None:
        """Have something happen when all is ready, right before the provider is asked."""
        renewals, done = keeper.ports.renewals, []

        class Late:
            async def renewal(self, held: Held) -> Renewal:
                found = await renewals.renewal(held)
                if not done:
                    done.append(held)
                    await then()
                return found

        keeper.ports = replace(keeper.ports, renewals=Late())

    def on_the_way(self, keeper: Keeper, then: Then, *, lost: bool = False, reaches: bool = True) -> None:
        """Have something happen while the first answer is on its way; it gets lost, or the request did."""
        fetch, done = keeper.ports.fetch, []

        async def fetched(terms: Terms, ask: Ask) -> Tokens:
            if done:
                return await fetch(terms, ask)
            done.append(ask)
            tokens = await fetch(terms, ask) if reaches else None
            await then()
            if tokens is None or lost:
                raise UpstreamError("it did not answer in time", code="net.timeout")
            return tokens

        keeper.ports = replace(keeper.ports, fetch=fetched)

    async def passed_over(self) -> None:
        """The first node stands still for longer than its lease, and the second renews meanwhile."""
        assert (await self.second.renew(await self.due())).generation == 2


@asynccontextmanager
async def racing(folder: Path, server: AuthorizationServer) -> AsyncIterator[Race]:
    with office(server) as api:
        async with gateway(folder) as house:
            there = await granted(house, server, api)
            server.reset()
            first = house.grounds.living.keeper
            kept = house.grounds.living.grants
            another = KeptGrants(
                store=kept.store, sealing=kept.sealing, renewing=kept.renewing, timing=kept.timing, node="second"
            )

            ports = replace(first.ports, store=another, lease=another, renewals=another)
            race = Race(there, first, Keeper(ports, first.timing))

            async def pause(_: float) -> None:
                race.later(5)  # whoever waits for a lease waits for as long as it takes

            race.second.timing = replace(first.timing, pause=pause)
            race.later(HOUR)
            yield race


# a node that stood still


async def test_a_node_that_was_paused_before_it_asked_does_not_show_a_token_that_another_has_used(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with racing(tmp_path, server) as race:
        race.before_asking(race.first, race.passed_over)
        assert (await race.first.renew(await race.due())).generation == 2
        assert (server.count("refresh_token"), server.count("refresh_token", "invalid_grant")) == (1, 0)


async def test_a_node_that_was_paused_while_it_asked_does_not_ask_again_with_a_token_that_another_has_used(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with racing(tmp_path, server) as race:
        race.on_the_way(race.first, race.passed_over, reaches=False)
        assert (await race.first.renew(await race.due())).generation == 2
        assert (server.count("refresh_token"), server.count("refresh_token", "invalid_grant")) == (1, 0)
        assert not await race.there.events()


async def test_a_pair_that_a_paused_node_brings_late_is_what_its_successor_goes_on_with(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with racing(tmp_path, server) as race:
        answered, written = asyncio.Event(), asyncio.Event()

        async def paused() -> None:
            answered.set()
            await written.wait()

        race.on_the_way(race.first, paused)
        late = asyncio.create_task(race.first.renew(await race.due()))
        await answered.wait()

        async def resumed() -> None:
            written.set()
            await late

        race.on_the_way(race.second, resumed, lost=True, reaches=False)
        taken = await race.second.renew(await race.due())
        assert taken.generation == (await late).generation == 2
        assert server.count("refresh_token", "invalid_grant") == 0
        assert (await race.there.grant()).state == "active"


# a person who is quicker


async def test_whoever_reconnects_while_a_renewal_fails_is_connected_for_all_who_wait(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with racing(tmp_path, server) as race:
        due = await race.due()
        server.revoke("alice")

        async def reconnected() -> None:
            await race.there.connect()

        race.before_asking(race.first, reconnected)
        found = await asyncio.gather(*(race.first.renew(due) for _ in range(5)))
        grant = await race.there.grant()
        assert {held.generation for held in found} == {2} == {grant.generation}
        assert (grant.state, grant.last_error) == ("active", "")
        assert not await race.there.events()


async def test_a_grant_that_was_made_anew_is_not_overwritten_with_the_pair_of_the_one_before(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with racing(tmp_path, server) as race:
        theirs = Tokens(access=Secret("of-somebody-else"), refresh=Secret("theirs"), expires_at=None)

        async def made_anew() -> None:
            race.later(1)
            async with race.there.gateway.ground.store.writing() as work:
                scope = work.tenant("default")
                await scope.grants.remove(race.id)
                made = Made(kind="code", client=race.there.client.id, tokens=theirs)
                await race.there.gateway.grounds.living.grants.keep_new(scope, race.there.account, "login", made)

        race.on_the_way(race.first, made_anew)
        found = await race.first.renew(await race.due())
        assert found.tokens is not None
        assert found.tokens.access == Secret("of-somebody-else")
        held = await race.due()
        assert held.tokens is not None
        assert held.tokens.access == Secret("of-somebody-else")


# an end in the middle


async def _revoke(race: Race) -> None:
    await revoke_account(race.there.gateway.ground, HOST, race.there.account.id)


async def _delete(race: Race) -> None:
    await delete_account(race.there.gateway.ground, HOST, race.there.account.id, Removal(cascade=True))


@pytest.mark.parametrize("end", [_revoke, _delete], ids=["revoked", "account removed"])
async def test_a_pair_that_comes_after_the_end_of_its_grant_is_not_kept_and_is_given_back(
    tmp_path: Path, server: AuthorizationServer, end: Callable[[Race], Awaitable[None]]
) -> None:
    async with racing(tmp_path, server) as race:
        told: list[str] = []
        ends = {"endpoints": {"revocation_url": f"{server.url}/token/revocation"}, "secret": SECRET}
        await patch_oauth_client(race.there.gateway.ground, HOST, race.there.client.id, ends)
        sender = race.there.gateway.grounds.sender
        send = type(sender).send

        async def noted(self: Any, request: Any) -> Any:
            if request.target.endswith("/token/revocation"):
                told.append(bytes(request.body).decode())
            return await send(self, request)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(sender), "send", noted)
            got: list[Tokens] = []
            fetch = race.first.ports.fetch

            async def fetched(terms: Terms, ask: Ask) -> Tokens:
                got.append(await fetch(terms, ask))
                await end(race)
                return got[0]

            race.first.ports = replace(race.first.ports, fetch=fetched)
            with pytest.raises(ApiloomError):
                await race.first.renew(await race.due())
            await race.first.close()
        assert got[0].refresh is not None
        assert any(got[0].refresh.reveal() in one for one in told)
        async with race.there.gateway.ground.store.reading() as work:
            grant = await work.house().grants.load(race.id)
        assert grant is None or not grant.sealed


# a store that is away at the wrong moment


class Broken:
    """A store whose connection dies once: at the commit of a turn, ``before`` it or right after."""

    def __init__(self, store: Any, turn: int = 1, *, before: bool = False) -> None:
        self._store, self._turn, self._before = store, turn, before
        self.turns = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        self.turns += 1
        dies = self.turns == self._turn
        async with self._store.writing() as work:
            yield work
            if dies and self._before:
                raise refusals.unreachable()
        if dies:
            raise refusals.unreachable()


async def test_a_lease_that_was_written_though_nobody_was_told_keeps_nobody_waiting(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    async with racing(tmp_path, server) as race:
        kept = race.there.gateway.grounds.living.grants
        broken = Broken(kept.store)
        kept.store = broken  # type: ignore[assignment]
        before = race.there.gateway.clock.now
        due = await race.due()
        async with asyncio.timeout(20):
            found = await asyncio.gather(*(race.first.renew(due) for _ in range(5)))
        assert broken.turns > 1
        assert {held.generation for held in found} == {2}
        assert race.there.gateway.clock.now == before
        assert server.count("refresh_token") == 1


@pytest.mark.parametrize("before", [True, False], ids=["before its commit", "after its commit"])
async def test_a_pair_whose_first_writing_broke_is_kept_once_with_the_places_of_its_first_use(
    tmp_path: Path, server: AuthorizationServer, before: bool
) -> None:
    async with racing(tmp_path, server) as race:
        kept, there = race.there.gateway.grounds.living.grants, race.there
        due = await race.due()
        made = Made(kind="code", client=there.client.id, tokens=due.tokens)
        async with there.gateway.ground.store.writing() as work:
            await kept.keep_new(work.tenant("default"), there.account, "login", made)
        broken = Broken(kept.store, turn=2, before=before)
        kept.store = broken  # type: ignore[assignment]
        async with asyncio.timeout(20):
            found = await race.first.renew(await race.due())
        assert (found.generation, broken.turns) == (3, 3)
        assert server.count("refresh_token") == 1
        async with there.gateway.ground.store.reading() as work:
            opened = await opened_grant(kept.sealing, work.tenant("default"), await there.grant())
        assert server.url in opened["at"]
