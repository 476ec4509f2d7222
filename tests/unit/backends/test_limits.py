"""Rate limits of every spelling come out in one shape."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from apiloom.backends.http.limits import limits_sentence, read_limits

NOW = 1_790_000_000.0


def limits(**headers: str) -> dict[str, Any] | None:
    return read_limits({name.replace("_", "-"): value for name, value in headers.items()}, lambda: NOW)


def shape(limit: Any = None, remaining: Any = None, reset: Any = None, retry_after: Any = None) -> dict[str, Any]:
    return {"limit": limit, "remaining": remaining, "reset": reset, "retry_after": retry_after}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # GitHub and many others: reset is a time since the epoch
        (
            {"x_ratelimit_limit": "60", "x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW) + 35)},
            shape(60, 0, 35),
        ),
        ({"x_ratelimit_limit": "60", "x_ratelimit_remaining": "9", "x_ratelimit_reset": "30"}, shape(60, 9, 30)),
        ({"x_ratelimit_remaining": "9", "x_ratelimit_reset": str(int(NOW * 1000) + 1500)}, shape(None, 9, 2)),
        ({"x_ratelimit_limit": "100, 100;w=60", "x_ratelimit_remaining": "7.0"}, shape(100, 7)),
        ({"x_rate_limit_limit": "15", "x_rate_limit_remaining": "3", "x_rate_limit_reset": "10"}, shape(15, 3, 10)),
        # OpenAI: durations, requests apart from tokens
        (
            {
                "x_ratelimit_limit_requests": "50",
                "x_ratelimit_remaining_requests": "49",
                "x_ratelimit_reset_requests": "6m0s",
            },
            shape(50, 49, 360),
        ),
        # the drafts of the IETF, oldest to newest
        ({"ratelimit_limit": "100", "ratelimit_remaining": "50", "ratelimit_reset": "50"}, shape(100, 50, 50)),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, shape(100, 50, 5)),
        ({"ratelimit": '"default";r=50;t=30', "ratelimit_policy": '"default";q=100;w=60'}, shape(100, 50, 30)),
        (
            {
                "ratelimit": '"day";r=900;t=4000, "min";r=2;t=7',
                "ratelimit_policy": '"day";q=1000;w=86400, "min";q=10;w=60',
            },
            shape(10, 2, 7),
        ),
        ({"ratelimit_policy": '"burst";q=100;w=60'}, shape(100)),
        ({"x_shopify_shop_api_call_limit": "32/40"}, shape(40, 8)),
        # Retry-After as seconds, a fraction and a date (RFC 9110)
        ({"retry_after": "120"}, shape(retry_after=120)),
        ({"retry_after": "0.5"}, shape(retry_after=0.5)),
        ({"retry_after": formatdate(NOW + 90, usegmt=True)}, shape(retry_after=90)),
        ({"retry_after": formatdate(NOW - 90, usegmt=True)}, shape(retry_after=0)),
        ({"x_ratelimit_limit": "5", "x_ratelimit_reset": "2026-09-21T14:13:30Z"}, shape(5, None, 10)),
        ({"x_ratelimit_limit": "5", "retry_after": "20ms"}, shape(5, retry_after=0.02)),
    ],
)
def test_every_spelling_comes_out_in_one_shape(headers: dict[str, str], expected: dict[str, Any]) -> None:
    assert limits(**headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "application/json", "date": "x"},
        {"retry_after": "soon"},
        {"retry_after": ""},
        {"retry_after": "9" * 5000},
        {"retry_after": "Mon, 99 Foo 2026 99:99:99 GMT"},
        {"retry_after": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
        {"x_ratelimit_limit": "unlimited", "x_ratelimit_remaining": "-"},
        {"ratelimit": ";;;,,==", "ratelimit_policy": '"x";w=60'},
        {"x_shopify_shop_api_call_limit": "a/b"},
    ],
)
def test_headers_that_say_nothing_give_nothing(headers: dict[str, str]) -> None:
    assert limits(**headers) is None


def test_the_clock_is_asked_only_when_a_header_is_there() -> None:
    def clock() -> float:
        raise AssertionError("asked")

    assert read_limits({"content-type": "text/plain", "date": "x"}, clock) is None


def test_limits_are_told_in_a_few_words() -> None:
    assert limits_sentence(shape(60, 0, 35, 40)) == "limit 60, 0 remaining, resets in 35 s, retry after 40 s"
    assert limits_sentence(shape(retry_after=2)) == "retry after 2 s"
