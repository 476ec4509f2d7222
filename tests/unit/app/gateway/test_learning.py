"""Nobody waits for the network with a connection to the store in hand, and nobody for another tenant's provider."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from apiloom.app.gateway import learning
from apiloom.app.gateway.exchanging import exchange_over
from apiloom.app.gateway.grants import Made
from apiloom.app.gateway.learning import FAILED, Remembered, settled
from apiloom.app.gateway.living import Living
from apiloom.base.errors import ApiloomError, CallerError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.catalog.lending import Lending
from apiloom.flows.access import HOST
from apiloom.flows.accounts import delete_account
from apiloom.flows.asking import Removal
from apiloom.flows.connect_ports import Consent
from apiloom.flows.grants import revoke_account
from apiloom.flows.oauth_clients import create_oauth_client
from apiloom.model.api import SecurityScheme
from apiloom.store.records import Account, OAuthClient
from apiloom.vault.oauth.terms import Endpoints, Tokens
from apiloom.vault.ports import Held
from support.gateway import Gateway, gateway

PATIENCE = 20.0
ISSUER = "https://id.example.com"
SCHEME = SecurityScheme(id="token", kind="oauth2")
FOUND = Endpoints(
    token_url=f"{ISSUER}/token",
    authorization_url=f"{ISSUER}/authorize",
    revocation_url=f"{ISSUER}/revoke",
    issuer=ISSUER,
)


@dataclass
class Outside:
    """An issuer and the place of a secret: each notes how many transactions are open when it is asked."""

    house: Gateway
    client: OAuthClient
    account: Account
    open: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    hangs: bool = False

    async def discover(self, issuer: str) -> Endpoints:
        self.asked.append((issuer, self.open))
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        return FOUND

    async def resolve(self, reference: str) -> str:
        self.asked.append((reference, self.open))
        return "hush"

    @property
    def living(self) -> Living:
        return self.house.grounds.living

    @property
    def consent(self) -> Consent:
        return Consent(tenant="default", client=self.client, scheme=SCHEME, scopes=("read",))

    async def held(self) -> Held:
        found = await self.living.grants.load(f"{self.account.id}/token")
        assert found is not None
        return found


@asynccontextmanager
async def outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    """A house with an account whose OAuth client names an issuer, and a reference for a secret."""
    async with gateway(folder) as house:
        await house.connector("notes", "http://127.0.0.1:9")
        wanted = {"client_id": "web", "secret": {"ref": "env:SECRET"}, "endpoints": {"issuer": ISSUER}}
        client = await create_oauth_client(house.ground, HOST, {"connector": "notes", "scheme": "token", **wanted})
        made = Outside(house, client, await house.account("notes"))
        tokens = Tokens(access=Secret("a" * 20), refresh=Secret("r" * 20), expires_at=house.clock() + 3600)
        async with house.ground.store.writing() as work:
            await made.living.grants.keep_new(
                work.tenant("default"), made.account, "token", Made(kind="code", client=client.id, tokens=tokens)
            )
        for name in ("reading", "writing"):
            monkeypatch.setattr(type(house.ground.store), name, counted(made, getattr(house.ground.store, name)))
        grants = made.living.grants
        grants.renewing = replace(grants.renewing, discover=made.discover, resolve=made.resolve)
        yield made


def counted(there: Outside, opens: Any) -> Any:
    @asynccontextmanager
    async def transaction(_: Any) -> AsyncIterator[Any]:
        async with opens() as work:
            there.open += 1
            try:
                yield work
            finally:
                there.open -= 1

    return transaction


async def renew(there: Outside) -> Any:
    return await there.living.grants.renewal(await there.held())


async def begin(there: Outside) -> Any:
    assert there.house.ground.connecting is not None
    return await there.house.ground.connecting.begin(there.consent, "state", "https://here.example/back")


async def exchange(there: Outside) -> None:
    house = there.house
    swap = exchange_over(house.ground.store, there.living.grants.renewing, house.grounds.sender, house.clock)
    with contextlib.suppress(ApiloomError):
        await swap("default", "notes", Lending(mode="exchange", client=there.client.id), Secret("t" * 20))


async def revoke(there: Outside) -> None:
    answer = await revoke_account(there.house.ground, HOST, there.account.id)
    assert answer["revoked"] == 1


async def delete(there: Outside) -> None:
    await delete_account(there.house.ground, HOST, there.account.id, Removal())


@pytest.mark.parametrize("way", [renew, begin, exchange, revoke, delete])
async def test_what_has_to_be_asked_for_is_asked_for_outside_of_every_transaction(
    way: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outside(tmp_path, monkeypatch) as there:
        await way(there)
        assert sorted(there.asked) == [("env:SECRET", 0), (ISSUER, 0)]


@pytest.mark.parametrize("flow", [revoke, delete])
async def test_an_issuer_that_never_answers_undoes_no_revocation(
    flow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PATIENCE", 0.05)
    async with outside(tmp_path, monkeypatch) as there, asyncio.timeout(PATIENCE):
        there.hangs = True
        await flow(there)
        found = await there.living.grants.load(f"{there.account.id}/token")
        assert found is None or found.ended


async def test_nobody_is_asked_for_an_account_that_is_not_removed_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outside(tmp_path, monkeypatch) as there:
        with pytest.raises(CallerError) as refused:
            await delete_account(there.house.ground, HOST, there.account.id, Removal(if_match=99))
        assert (refused.value.code, there.asked) == ("store.stale", [])


async def test_an_issuer_that_never_answers_keeps_nobody_elses_grant_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outside(tmp_path, monkeypatch) as there, asyncio.timeout(PATIENCE):
        there.hangs = True
        held = await there.held()
        waiting = [asyncio.create_task(there.living.grants.renewal(held)) for _ in range(40)]
        while sum(one == ISSUER for one, _ in there.asked) < 40:
            await asyncio.sleep(0.001)
        there.hangs = False
        assert (await renew(there)).terms.endpoints.token_url == FOUND.token_url
        assert there.open == 0
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_was_refused_longest_ago_is_forgotten_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiloom.app.gateway.living.MOST_REFUSED", 2)
    async with outside(tmp_path, monkeypatch) as there:
        held = await there.held()
        for id_ in ("a", "b", "a", "c"):
            there.living._refuse(replace(held, id=id_))
        assert set(there.living.refused) == {"a", "c"}


class Asked:
    """Something that is asked for by its name; ``error`` says why it is not given, ``go`` when it is."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.error: ApiloomError | None = None
        self.go: asyncio.Event | None = None

    async def __call__(self, name: str) -> str:
        self.names.append(name)
        if self.go is not None:
            await self.go.wait()
        if self.error is not None:
            raise self.error
        return name.upper()


async def test_it_is_asked_for_once_by_all_who_want_it_and_a_caller_who_goes_stops_nothing() -> None:
    ask, seconds = Asked(), [0.0]
    ask.go = asyncio.Event()
    kept = Remembered(ask=ask, clock=lambda: seconds[0], seconds=10.0)
    tasks = [asyncio.create_task(kept.get("a")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    ask.go.set()
    assert await asyncio.gather(*tasks[1:]) == ["A"] * 4
    seconds[0] = 10.0
    assert (await kept.get("a"), ask.names) == ("A", ["a"])
    seconds[0] = 10.1
    assert (await kept.get("a"), ask.names) == ("A", ["a", "a"])


async def test_what_cannot_be_had_is_not_asked_for_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    ask, seconds = Asked(), [0.0]
    kept = Remembered(ask=ask, clock=lambda: seconds[0])
    ask.error = UpstreamError("no", code="oauth.discovery")
    for _ in range(3):
        with pytest.raises(UpstreamError, match="no"):
            await kept.get("a")
    assert ask.names == ["a"]
    seconds[0] = FAILED + 1
    ask.error = DesignError("mend it", code="credentials.ref")
    for _ in range(2):  # what is to be mended here may be mended by now
        with pytest.raises(DesignError):
            await kept.get("a")
    assert ask.names == ["a"] * 3

    monkeypatch.setattr(learning, "PATIENCE", 0.01)
    ask.go, ask.error = asyncio.Event(), None
    for _ in range(3):
        with pytest.raises(UpstreamError) as late:
            await kept.get("a")
        assert late.value.code == "oauth.unavailable"
    assert ask.names == ["a"] * 4
    ask.go.set()
    assert await kept.get("b") == "B"


async def test_one_attempt_waits_only_so_long_however_many_things_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outside(tmp_path, monkeypatch) as there, asyncio.timeout(PATIENCE):
        number = [0]

        async def attempt(inside: Any) -> None:
            number[0] += 1
            for one in range(number[0]):
                await inside.discover(f"https://{one}.example")

        with pytest.raises(UpstreamError) as late:
            await settled(there.living.grants.renewing, attempt)
        assert late.value.code == "oauth.unavailable"
        assert len(there.asked) < 20
        monkeypatch.setattr(learning, "PATIENCE", 0.02)
        there.hangs = True
        with pytest.raises(UpstreamError) as late:
            await settled(there.living.grants.renewing, attempt)
        assert late.value.code == "oauth.unavailable"
