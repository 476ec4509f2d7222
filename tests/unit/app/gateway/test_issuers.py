"""Tokens that only their issuer can read: strangers use up no turns of those who are known, and silence is no word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from apiloom.app.gateway import issuers
from apiloom.app.gateway.issuers import MOST_ASKED, MOST_ASKED_EACH, MOST_WRONG, Issuers, Town
from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.identity.guests import Guests
from apiloom.identity.settings import read_identity

FILE = {
    "issuers": [
        {
            "issuer": "https://a.example",
            "audiences": ["g"],
            "introspection": {"url": "https://a.example/i", "client_id": "c", "client_secret": "env:X"},
            "principals": [{"tenant": "acme"}],
        }
    ]
}


@dataclass
class Scene:
    """An issuer whose answers about ``slow…`` wait for ``go``, and who is recognised by it."""

    now: float = 1000.0
    live: set[str] = field(default_factory=lambda: {"good"})
    down: bool = False
    ends: float | None = None
    asked: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    guests: Guests = field(default_factory=Guests)

    async def post(self, _sender: Any, _url: str, form: Mapping[str, str], _client: Any) -> tuple[int, dict[str, Any]]:
        token = form["token"]
        self.asked.append(token)
        if token.startswith("slow"):
            await self.go.wait()
        if self.down:
            return 503, {}
        told: dict[str, Any] = {"active": token in self.live, "sub": "s", "aud": "g"}
        return 200, told if self.ends is None else {**told, "exp": self.ends}

    def issuers(self, monkeypatch: pytest.MonkeyPatch) -> Issuers:
        monkeypatch.setattr(issuers, "post_form", self.post)
        town = Town(
            sender=None,  # type: ignore[arg-type]
            public_url="https://g",
            now=lambda: self.now,
            clock=lambda: self.now,
            server_id=lambda _tenant, _name: "",
            secret=lambda _: Secret("x"),
        )
        return Issuers(read_identity(json.dumps(FILE).encode()), self.guests, town)

    async def until(self, count: int) -> None:
        """Wait until so many questions have reached the issuer."""
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                await asyncio.sleep(0)


async def flooded(scene: Scene, asking: Issuers) -> list[asyncio.Task[Any]]:
    """All turns of strangers in use."""
    count = len(scene.asked)
    flood = [asyncio.create_task(asking.meet(f"slow{n}", f"192.0.2.{n // 4}")) for n in range(MOST_ASKED)]
    await scene.until(count + MOST_ASKED)
    return flood


async def test_who_is_known_is_asked_about_however_many_strangers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    asking = scene.issuers(monkeypatch)
    guest = await asking.meet("good", "198.51.100.1")
    assert guest is not None
    scene.now += 61
    flood = await flooded(scene, asking)
    assert await asking.meet("good", "198.51.100.1") is not None
    with pytest.raises(UpstreamError):
        await asking.meet("new", "198.51.100.1")
    scene.now += 61
    scene.live.clear()
    assert await asking.ask_again(lambda: {guest.principal.token}) == {guest.principal.token}
    scene.go.set()
    assert set(await asyncio.gather(*flood)) == {None}


async def test_one_address_has_a_part_of_the_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    asking = scene.issuers(monkeypatch)
    flood = [asyncio.create_task(asking.meet(f"slow{n}", "2001:db8::1")) for n in range(MOST_ASKED_EACH)]
    await scene.until(MOST_ASKED_EACH)
    with pytest.raises(UpstreamError):
        await asking.meet("good", "2001:db8::2")
    assert await asking.meet("good", "2001:db8:0:1::1") is not None
    scene.go.set()
    await asyncio.gather(*flood)


async def test_tokens_that_are_none_are_asked_about_so_often_from_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    asking = scene.issuers(monkeypatch)
    for number in range(MOST_WRONG):
        assert await asking.meet(f"junk{number}", "192.0.2.1") is None
    with pytest.raises(UpstreamError):
        await asking.meet("more", "192.0.2.1")
    assert len(scene.asked) == MOST_WRONG
    assert await asking.meet("good", "192.0.2.2") is not None
    scene.now += 60
    assert await asking.meet("more", "192.0.2.1") is None


async def test_what_cannot_be_asked_again_ends_after_five_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    asking = scene.issuers(monkeypatch)
    guest = await asking.meet("good", "192.0.2.1")
    assert guest is not None
    name = guest.principal.token
    scene.down = True
    scene.now += 60
    for _ in range(5):
        assert await asking.ask_again(lambda: {name}) == set()
        scene.now += 60
    assert await asking.ask_again(lambda: {name}) == {name}
    assert len(scene.guests) == 0


async def test_a_far_end_is_looked_at_again_within_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(ends=9e10)
    guest = await scene.issuers(monkeypatch).meet("good", "192.0.2.1")
    assert guest is not None
    assert guest.principal.expires_at == scene.now + 86_400
