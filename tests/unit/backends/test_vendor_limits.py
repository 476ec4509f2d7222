"""Rate limits as vendors really write them, and the one shape they come out in."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest

from apiloom.backends.http.limits import read_limits

NOW = 1_790_000_000


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


VENDORS: dict[str, tuple[str, list[Any]]] = {
    "IETF to draft 07": ("RateLimit-Limit: 100, 100;w=60\nRateLimit-Remaining: 50\nRateLimit-Reset: 50", [100, 50, 50]),
    "IETF dictionary": ("RateLimit: limit=100, remaining=50, reset=5\nRateLimit-Policy: 100;w=10", [100, 50, 5]),
    "IETF list": ('RateLimit: "default";r=50;t=30\nRateLimit-Policy: "default";q=100;w=60', [100, 50, 30]),
    "IETF, several policies": (
        'RateLimit: "day";r=900;t=4000, "min";r=2;t=7\nRateLimit-Policy: "day";q=1000;w=86400, "min";q=10;w=60',
        [10, 2, 7],
    ),
    "IETF, policy alone": ('RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400', [100, None, None]),
    "GitHub": (
        (
            f"X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 0\nX-RateLimit-Used: 60\nX-RateLimit-Reset: {NOW + 35}\n"
            "X-RateLimit-Resource: core"
        ),
        [60, 0, 35],
    ),
    "GitHub, secondary": ("Retry-After: 60", [None, None, None, 60]),
    "GitLab": (
        (
            f"RateLimit-Limit: 60\nRateLimit-Observed: 67\nRateLimit-Remaining: 0\nRateLimit-Reset: {NOW + 30}\n"
            f"RateLimit-ResetTime: {formatdate(NOW + 30, usegmt=True)}\nRetry-After: 30"
        ),
        [60, 0, 30, 30],
    ),
    "GitLab, time alone": (
        f"RateLimit-Remaining: 5\nRateLimit-Observed: 55\nRateLimit-ResetTime: {formatdate(NOW + 30, usegmt=True)}",
        [60, 5, 30],
    ),
    "Docker Hub": ("ratelimit-limit: 100;w=21600\nratelimit-remaining: 76;w=21600", [100, 76, None]),
    "Shopify": ("X-Shopify-Shop-Api-Call-Limit: 32/40", [40, 8, None]),
    "Shopify, full": (
        "HTTP_X_SHOPIFY_SHOP_API_CALL_LIMIT: 40/40\nRetry-After: 2.0",
        [40, 0, None, 2],
    ),
    "HubSpot": (
        (
            "X-HubSpot-RateLimit-Daily: 500000\nX-HubSpot-RateLimit-Daily-Remaining: 499000\n"
            "X-HubSpot-RateLimit-Max: 100\n"
            "X-HubSpot-RateLimit-Remaining: 9\nX-HubSpot-RateLimit-Interval-Milliseconds: 10000"
        ),
        [100, 9, 10],
    ),
    "HubSpot, day over": (
        (
            "X-HubSpot-RateLimit-Daily: 500000\nX-HubSpot-RateLimit-Daily-Remaining: 0\n"
            "X-HubSpot-RateLimit-Max: 100\n"
            "X-HubSpot-RateLimit-Remaining: 9\nX-HubSpot-RateLimit-Interval-Milliseconds: 10000"
        ),
        [500000, 0, None],
    ),
    "Slack": ("Retry-After: 30", [None, None, None, 30]),
    "X": (f"x-rate-limit-limit: 15\nx-rate-limit-remaining: 0\nx-rate-limit-reset: {NOW + 900}", [15, 0, 900]),
    "Okta": (f"X-Rate-Limit-Limit: 600\nX-Rate-Limit-Remaining: 598\nX-Rate-Limit-Reset: {NOW + 5}", [600, 598, 5]),
    "Zendesk": ("X-Rate-Limit: 700\nX-Rate-Limit-Remaining: 700", [700, 700, None]),
    "Zendesk, one path": (
        (
            "x-rate-limit: 700\nx-rate-limit-remaining: 699\n"
            "zendesk-ratelimit-tickets-index: total=100; remaining=1; resets=41\nretry-after: 41"
        ),
        [100, 1, 41, 41],
    ),
    "Discord": (
        (
            f"X-RateLimit-Limit: 5\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: {NOW + 900}.123\n"
            "X-RateLimit-Reset-After: 0.25\nX-RateLimit-Bucket: abcd1234\nRetry-After: 1"
        ),
        [5, 0, 0.25, 1],
    ),
    "OpenAI": (
        (
            "x-ratelimit-limit-requests: 60\nx-ratelimit-limit-tokens: 150000\nx-ratelimit-remaining-requests: 59\n"
            "x-ratelimit-remaining-tokens: 149984\nx-ratelimit-reset-requests: 1s\nx-ratelimit-reset-tokens: 6m0s"
        ),
        [60, 59, 1],
    ),
    "OpenAI, tokens over": (
        (
            "x-ratelimit-limit-requests: 60\nx-ratelimit-limit-tokens: 150000\nx-ratelimit-remaining-requests: 59\n"
            "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-requests: 1s\nx-ratelimit-reset-tokens: 6m0s\n"
            "retry-after-ms: 1500\nretry-after: 2"
        ),
        [150000, 0, 360, 2],
    ),
    "Groq": (
        (
            "x-ratelimit-limit-requests: 14400\nx-ratelimit-remaining-requests: 14370\n"
            "x-ratelimit-reset-requests: 2m59.56s"
        ),
        [14400, 14370, 180],
    ),
    "Azure OpenAI": ("x-ratelimit-remaining-requests: 0\nretry-after-ms: 250", [None, 0, None, 0.25]),
    "Anthropic": (
        (
            f"anthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-requests-remaining: 49\n"
            f"anthropic-ratelimit-requests-reset: {moment(10)}\nanthropic-ratelimit-input-tokens-limit: 30000\n"
            f"anthropic-ratelimit-input-tokens-remaining: 1000\nanthropic-ratelimit-input-tokens-reset: {moment(58)}\n"
            "retry-after: 12"
        ),
        [30000, 1000, 58, 12],
    ),
    "Reddit": ("X-Ratelimit-Used: 1\nX-Ratelimit-Remaining: 599.0\nX-Ratelimit-Reset: 35", [600, 599, 35]),
    "Linear": (
        (
            "X-RateLimit-Requests-Limit: 5000\nX-RateLimit-Requests-Remaining: 4999\n"
            f"X-RateLimit-Requests-Reset: {(NOW + 60) * 1000}\nX-RateLimit-Complexity-Limit: 3000000\n"
            f"X-RateLimit-Complexity-Remaining: 100\nX-RateLimit-Complexity-Reset: {(NOW + 30) * 1000}"
        ),
        [3000000, 100, 30],
    ),
    "Atlassian": (
        (
            "X-RateLimit-Limit: 350\nX-RateLimit-Remaining: 0\nX-RateLimit-NearLimit: true\n"
            f"X-RateLimit-Reset: {moment(120)[:16]}Z\nRetry-After: 120"
        ),
        [350, 0, 120 - NOW % 60, 120],
    ),
    "Strava": ("X-RateLimit-Limit: 200,2000\nX-RateLimit-Usage: 150,1500", [200, 50, None]),
    "Trello": (
        (
            "x-rate-limit-api-token-interval-ms: 10000\nx-rate-limit-api-token-max: 100\n"
            "x-rate-limit-api-token-remaining: 99"
        ),
        [100, 99, 10],
    ),
    "BigCommerce": (
        (
            "X-Rate-Limit-Requests-Left: 6\nX-Rate-Limit-Requests-Quota: 25\nX-Rate-Limit-Time-Reset-Ms: 3000\n"
            "X-Rate-Limit-Time-Window-Ms: 5000"
        ),
        [25, 6, 3],
    ),
    "Contentful": (
        (
            "X-Contentful-RateLimit-Hour-Limit: 36000\nX-Contentful-RateLimit-Hour-Remaining: 35883\n"
            "X-Contentful-RateLimit-Second-Limit: 10\nX-Contentful-RateLimit-Second-Remaining: 0\n"
            "X-Contentful-RateLimit-Reset: 1"
        ),
        [10, 0, 1],
    ),
    "Datadog": (
        "X-RateLimit-Limit: 300\nX-RateLimit-Period: 3600\nX-RateLimit-Remaining: 299\nX-RateLimit-Reset: 1712",
        [300, 299, 1712],
    ),
    "Dynatrace": (f"X-RateLimit-Limit: 50\nX-RateLimit-Remaining: 1\nX-RateLimit-Reset: {NOW + 7}000000", [50, 1, 7]),
    "Etsy": (
        "X-Limit-Per-Second: 10\nX-Remaining-This-Second: 9\nX-Limit-Per-Day: 10000\nX-Remaining-Today: 2",
        [10000, 2, None],
    ),
    "Facebook": ('X-App-Usage: {"call_count":28,"total_time":25,"total_cputime":99.5}', [100, 0, None]),
    "Salesforce": ("Sforce-Limit-Info: api-usage=18/5000", [5000, 4982, None]),
    "Azure": ("x-ms-ratelimit-remaining-subscription-reads: 11999", [None, 11999, None]),
    "Amazon": ("x-amzn-RateLimit-Limit: 0.5", [0.5, None, None]),
    "Sentry": (
        f"X-Sentry-Rate-Limit-Limit: 40\nX-Sentry-Rate-Limit-Remaining: 39\nX-Sentry-Rate-Limit-Reset: {NOW + 1}",
        [40, 39, 1],
    ),
    "Zoom": (
        f"X-RateLimit-Remaining: 0\nX-RateLimit-Limit: 60000\nRetry-After: {moment(600)[:19]}Z",
        [60000, 0, None, 600],
    ),
    "RFC 9110 date": (f"Retry-After: {formatdate(NOW + 90, usegmt=True)}", [None, None, None, 90]),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_limits_of_a_vendor_come_out_in_one_shape(vendor: str) -> None:
    written, expected = VENDORS[vendor]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in written.split("\n"))}
    found = read_limits(headers, lambda: float(NOW))
    limit, remaining, reset, *retry_after = expected
    assert found == {
        "limit": limit,
        "remaining": remaining,
        "reset": reset,
        "retry_after": retry_after[0] if retry_after else None,
    }


@pytest.mark.parametrize(
    "written",
    [
        "x-app-usage: {}",
        "x-app-usage: [[[[",
        'x-app-usage: {"a":' + "9" * 6000,
        "sforce-limit-info: api-usage=" + "1" * 5000 + "/" + "2" * 5000,
        "zendesk-ratelimit-tickets-index: total=; remaining",
        "x-ratelimit-limit: -1\nx-ratelimit-remaining: NaN\nx-ratelimit-reset: 1e9999",
        "x-ratelimit-reset: 5",
        "retry-after-ms: soon",
        "retry-after: " + "9" * 17 + "." + "9" * 50,
        'ratelimit: "' + "a;r=" * 5000,
    ],
)
def test_nonsense_in_the_headers_of_a_vendor_says_nothing(written: str) -> None:
    headers = dict(line.split(": ", 1) for line in written.split("\n"))
    assert read_limits(headers, lambda: float(NOW)) is None
