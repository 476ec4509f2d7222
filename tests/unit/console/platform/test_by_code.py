"""Signing in by a code from the command line: how often it asks, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from apiloom.base.errors import CallerError, UpstreamError
from apiloom.console.cli.platform.by_code import Telling, sign_in_by_code
from support.upstream import Answer, Seen, upstream

PENDING = Answer({"error": "authorization_pending"}, status=400)
SLOWER = Answer({"error": "slow_down"}, status=400)
GIVEN = Answer({"access_token": "alt_x", "refresh_token": "alr_x", "expires_in": 600})
BEGUN = {"device_code": "d", "user_code": "BCDF-GHJK", "expires_in": 900, "interval": 5}


class Watch:
    """Somebody who waits, and a clock that only moves while they do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.shown: list[str] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def telling(self) -> Telling:
        return Telling(
            show=lambda waiting: self.shown.append(waiting.code),
            say=lambda left: None,
            sleep=self.sleep,
            clock=lambda: self.now,
        )


async def signed_in(
    answers: list[Answer], watch: Watch, begun: Mapping[str, Any] | Answer = BEGUN
) -> Mapping[str, Any]:
    asked: list[str] = []

    def answer(seen: Seen) -> Answer:
        path = seen.target.partition("?")[0]
        if path.startswith("/.well-known"):
            url = f"http://{seen.headers['host']}"
            more = {"device_authorization_endpoint": f"{url}/oauth/device_authorization"}
            return Answer({"issuer": url, "authorization_endpoint": f"{url}/oauth/authorize", **more})
        if path == "/oauth/device_authorization":
            url = f"http://{seen.headers['host']}"
            return begun if isinstance(begun, Answer) else Answer({"verification_uri": f"{url}/oauth/device", **begun})
        form = parse_qs(seen.body.decode())
        assert form["device_code"] == ["d"]
        asked.append(json.dumps(form))
        return answers.pop(0) if len(answers) > 1 else answers[0]

    with upstream(answer) as api:
        return await sign_in_by_code(api.url, watch.telling())


async def test_it_waits_as_long_as_it_is_told_and_longer_when_it_was_too_early() -> None:
    watch = Watch()
    kept = await signed_in([PENDING, SLOWER, PENDING, Answer({}, status=503), GIVEN], watch)
    assert (kept["access"], kept["refresh"]) == ("alt_x", "alr_x")
    assert watch.slept == [5, 5, 10, 10, 15]
    assert watch.shown == ["BCDF-GHJK"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer({"error": "access_denied"}, status=400), "it was not allowed"),
        (Answer({"error": "expired_token"}, status=400), "nobody allowed it in time"),
        (Answer({"error": "odd", "error_description": "that is odd"}, status=400), "that is odd"),
        (Answer({}, status=404), "the gateway refused"),
    ],
)
async def test_it_ends_with_a_sentence(answer: Answer, said: str) -> None:
    with pytest.raises(CallerError, match=said):
        await signed_in([PENDING, answer], Watch())


async def test_it_ends_with_the_code_and_asks_seldom_enough_whatever_it_is_told() -> None:
    watch = Watch()
    with pytest.raises(CallerError, match="nobody allowed it in time"):
        await signed_in([PENDING], watch, {**BEGUN, "expires_in": 31})
    assert sum(watch.slept) == 31
    watch = Watch()
    with pytest.raises(CallerError, match="nobody allowed it in time"):
        await signed_in([SLOWER], watch, {**BEGUN, "interval": 0, "expires_in": 10**9})
    assert watch.slept[0] == 1
    assert max(watch.slept) == 60
    assert sum(watch.slept) == 3600


async def test_a_gateway_that_cannot_begin_is_told_of() -> None:
    with pytest.raises(UpstreamError, match="cannot answer now"):
        await signed_in([PENDING], Watch(), Answer({}, status=503))
    refused = Answer({"error": "unauthorized_client", "error_description": "not for you"}, status=400)
    with pytest.raises(CallerError, match="not for you"):
        await signed_in([PENDING], Watch(), refused)


@pytest.mark.parametrize("place", ["https://good.example.com/oauth/device", "", "javascript:x"])
async def test_the_page_of_another_gateway_is_shown_to_nobody(place: str) -> None:
    watch = Watch()
    with pytest.raises(UpstreamError, match="cannot answer now"):
        await signed_in([GIVEN], watch, {**BEGUN, "verification_uri": place})
    assert watch.shown == []
