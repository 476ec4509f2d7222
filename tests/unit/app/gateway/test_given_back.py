"""Tokens that were got at connect and will not be used are given back, however that comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiloom.app.gateway.connecting import Consents
from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.flows.connect_ports import Consent, Granted
from apiloom.net.request import Request, Response
from apiloom.vault.oauth.terms import Endpoints, OAuthKeys, Terms, Tokens

TERMS = Terms(
    endpoints=Endpoints(token_url="https://id.example/token", identity_url="https://id.example/me"),
    keys=OAuthKeys(client_id="client"),
)
CONSENT: Any = None
TOKENS = Tokens(access=Secret("access"), refresh=Secret("refresh"))


class Sender:
    """An identity endpoint that does what it is told to."""

    def __init__(self, error: UpstreamError | None = None) -> None:
        self.asked = asyncio.Event()
        self.error = error

    async def send(self, _: Request) -> Response:
        self.asked.set()
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def returned(monkeypatch: pytest.MonkeyPatch) -> list[Tokens]:
    found: list[Tokens] = []

    async def give_back(_self: Consents, _consent: Consent, granted: Granted) -> None:
        await asyncio.sleep(0)
        found.append(granted.tokens)

    monkeypatch.setattr(Consents, "give_back", give_back)
    return found


def consents(sender: Sender) -> Consents:
    nothing: Any = None
    return Consents(store=nothing, sender=sender, versions=nothing, grants=nothing, now=lambda: 0.0, keys=list)


@pytest.mark.parametrize("code", ["net.timeout", "oauth.identity"])
async def test_tokens_of_somebody_who_cannot_be_found_out_are_given_back(returned: list[Tokens], code: str) -> None:
    sender = Sender(UpstreamError("it went wrong", code=code))
    with pytest.raises(UpstreamError) as told:
        await consents(sender)._identified(TERMS, CONSENT, TOKENS, nonce="")
    assert told.value.code == "oauth.identity"
    assert [one.refresh for one in returned] == [TOKENS.refresh]


async def test_tokens_are_given_back_when_whoever_waited_for_them_is_gone(returned: list[Tokens]) -> None:
    sender = Sender()
    asking = asyncio.create_task(consents(sender)._identified(TERMS, CONSENT, TOKENS, nonce=""))
    await sender.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(10):
        while not returned:
            await asyncio.sleep(0)
    assert [one.refresh for one in returned] == [TOKENS.refresh]
