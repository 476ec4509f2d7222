"""How vendors spell rate limits in headers: a table of names, lower-case, and nothing else.

Rows are in order of trust: where two of them say the same of a limit, the first is told.
"""

from __future__ import annotations

from typing import NamedTuple


class Spelling(NamedTuple):
    """The headers of one limit: how many, how many are left, when it starts anew (the first that is there), how many
    were used.
    """

    limit: str
    remaining: str
    resets: tuple[str, ...] = ()
    used: str = ""


def _family(form: str, *, used: str = "", after: bool = False) -> Spelling:
    """A family whose names differ in one word; ``after`` where a header of seconds stands beside that of a time."""
    resets = (form.format("reset-after"), form.format("reset")) if after else (form.format("reset"),)
    return Spelling(form.format("limit"), form.format("remaining"), resets, form.format(used) if used else "")


SPELLINGS: tuple[Spelling, ...] = (
    # IETF drafts to 07, GitLab, Docker Hub, PagerDuty, Klaviyo
    Spelling(
        "ratelimit-limit", "ratelimit-remaining", ("ratelimit-reset", "ratelimit-resettime"), "ratelimit-observed"
    ),
    # GitHub, Discord, Reddit, Datadog, Intercom, Atlassian and most others
    _family("x-ratelimit-{}", used="used", after=True),
    # Strava counts what was used
    Spelling("x-ratelimit-limit", "", (), "x-ratelimit-usage"),
    # X, Okta, Zendesk
    _family("x-rate-limit-{}"),
    Spelling("x-rate-limit", "x-rate-limit-remaining", ("x-rate-limit-reset",)),
    _family("rate-limit-{}"),
    # OpenAI, Groq: requests and tokens apart
    _family("x-ratelimit-{}-requests"),
    _family("x-ratelimit-{}-tokens"),
    # Linear
    _family("x-ratelimit-requests-{}"),
    _family("x-ratelimit-endpoint-requests-{}"),
    _family("x-ratelimit-complexity-{}"),
    # Anthropic
    _family("anthropic-ratelimit-requests-{}"),
    _family("anthropic-ratelimit-tokens-{}"),
    _family("anthropic-ratelimit-input-tokens-{}"),
    _family("anthropic-ratelimit-output-tokens-{}"),
    # HubSpot: the window is the longest it can take
    Spelling(
        "x-hubspot-ratelimit-max", "x-hubspot-ratelimit-remaining", ("x-hubspot-ratelimit-interval-milliseconds",)
    ),
    Spelling("x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"),
    # Trello
    Spelling("x-rate-limit-api-token-max", "x-rate-limit-api-token-remaining", ("x-rate-limit-api-token-interval-ms",)),
    Spelling("x-rate-limit-api-key-max", "x-rate-limit-api-key-remaining", ("x-rate-limit-api-key-interval-ms",)),
    # BigCommerce
    Spelling("x-rate-limit-requests-quota", "x-rate-limit-requests-left", ("x-rate-limit-time-reset-ms",)),
    # Contentful
    Spelling(
        "x-contentful-ratelimit-second-limit",
        "x-contentful-ratelimit-second-remaining",
        ("x-contentful-ratelimit-reset",),
    ),
    Spelling(
        "x-contentful-ratelimit-hour-limit", "x-contentful-ratelimit-hour-remaining", ("x-contentful-ratelimit-reset",)
    ),
    # Sentry
    _family("x-sentry-rate-limit-{}"),
    # Imgur
    Spelling("x-ratelimit-userlimit", "x-ratelimit-userremaining", ("x-ratelimit-userreset",)),
    Spelling("x-ratelimit-clientlimit", "x-ratelimit-clientremaining"),
    # Etsy
    Spelling("x-limit-per-second", "x-remaining-this-second"),
    Spelling("x-limit-per-day", "x-remaining-today"),
    # Azure, by subscription
    Spelling("", "x-ms-ratelimit-remaining-subscription-reads"),
    Spelling("", "x-ms-ratelimit-remaining-subscription-writes"),
    # Amazon's selling partners: requests a second
    Spelling("x-amzn-ratelimit-limit", ""),
)

USED_OF = ("x-shopify-shop-api-call-limit", "http_x_shopify_shop_api_call_limit", "sforce-limit-info")
"""``32/40``: what was used of what there is. Shopify, a bucket that leaks; Salesforce, behind ``api-usage=``."""

PERCENT = ("x-app-usage", "x-ad-account-usage", "x-page-usage")
"""``{"call_count": 28}``: shares of a hundred, of Facebook's."""

ZENDESK = "zendesk-ratelimit-tickets-index"
"""``total=100; remaining=99; resets=41``."""

TELLING = frozenset(
    name
    for name in (
        *(name for row in SPELLINGS for name in (row.limit, row.remaining, *row.resets)),
        *USED_OF,
        *PERCENT,
        ZENDESK,
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
        "retry-after-ms",
    )
    if name
)
"""The headers without which there is nothing to be read."""
