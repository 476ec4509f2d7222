"""What token endpoints refuse with, in our own words.

Nothing that an endpoint wrote is repeated but its error code, and that only where it looks like one: descriptions have
been seen to hold the very token that was sent. Stands below all of the OAuth client.
"""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlsplit

from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Response
from apiloom.vault.oauth.terms import Ask, ByAssertion, ByCode, ByDevice, ByExchange, ByRefresh, Terms

_CODE = re.compile(r"(?=.{1,48}$)[A-Za-z]+(?:[_.-][A-Za-z]+)*", re.ASCII).fullmatch
"""Codes are words; digits stand in tokens."""

LONGEST_PAUSE = 300.0
"""Seconds that a provider is left alone because it wants to be, at most; then one request tries it."""

_PAUSING = frozenset({429, 503})
_LONGEST_MOMENT = 64

_ENDED = frozenset({"invalid_grant"})
_AGAIN = frozenset({"temporarily_unavailable", "server_error", "rate_limited", "ratelimited", "too_many_requests"})
_PENDING = "authorization_pending"
_SLOW = "slow_down"
_DEVICE_OVER = {"expired_token": "oauth.expired", "access_denied": "oauth.denied"}


class GrantEnded(UpstreamError):  # noqa: N818 - an end is no error of the program
    """Only a person can help: what was asked with is used up, taken back or too old (``oauth.ended``)."""


def error_code(told: object) -> str:
    """An error code fit to show; empty for what is none."""
    return told if isinstance(told, str) and _CODE(told) else ""


def refused(terms: Terms, ask: Ask | None, status: int, told: str, after: float = 0.0) -> UpstreamError:
    """What to raise for an answer that gives no tokens. ``told`` is its error code, empty when it has none, ``after``
    the seconds for which it wants not to be asked again.

    A code that is part of what was sent is no code: some endpoints, and all evil ones, give back what they got.
    """
    if any(told in secret.reveal() for secret in _sent(terms, ask)):
        told = ""
    provider, where = terms.provider, host_of(terms.endpoints.token_url)
    if isinstance(ask, ByDevice) and told in (_PENDING, _SLOW):
        return UpstreamError(
            "the device was not confirmed yet", code="oauth.pending", hint="ask again later", slower=told == _SLOW
        )
    if isinstance(ask, ByDevice) and told in _DEVICE_OVER:
        how = "was declined" if told == "access_denied" else "took too long"
        return GrantEnded(f"the confirmation at {where} {how}", code=_DEVICE_OVER[told], hint="begin anew")
    if status == 429 or status >= 500 or told in _AGAIN:
        return UpstreamError(
            f"{where} gives no tokens at the moment (HTTP {status})",
            code="oauth.unavailable",
            hint="try again later",
            status=status,
            **({"after": after} if after else {}),
        )
    if told in _ENDED or told in provider.ended:
        return GrantEnded(
            f"{where} does not take {_what(ask)} any more ({told})", code="oauth.ended", hint=_remedy(ask)
        )
    return UpstreamError(
        f"{where} refused to give tokens ({told or f'HTTP {status}'})", code="oauth.refused", hint=_hint(told)
    )


def wanted_pause(response: Response, now: float) -> float:
    """The seconds for which an answer wants nobody to ask again (Retry-After, RFC 9110 section 10.2.3); 0 where it says
    nothing of that, :data:`LONGEST_PAUSE` at most. A moment counts from the answer's own, where it tells that.
    """
    told = response.header("retry-after").strip()
    if response.status not in _PAUSING or not told or len(told) > _LONGEST_MOMENT:
        return 0.0
    if told.isascii() and told.isdigit():
        return min(float(told), LONGEST_PAUSE)
    moment = read_moment(told)
    if moment is None:
        return 0.0
    since = read_moment(response.header("date"))
    return min(max(0.0, moment - (now if since is None else since)), LONGEST_PAUSE)


def read_moment(told: str) -> float | None:
    """A moment as HTTP writes it (RFC 9110 section 5.6.7), in seconds since the epoch; older forms are rare enough."""
    try:
        return datetime.strptime(told.strip().replace("GMT", "+0000"), "%a, %d %b %Y %H:%M:%S %z").timestamp()
    except (ValueError, OverflowError):
        return None


def unreadable(terms: Terms, why: str) -> UpstreamError:
    """What to raise for an answer that cannot be read; ``why`` completes "the answer of HOST …"."""
    return UpstreamError(
        f"the answer of {host_of(terms.endpoints.token_url)} {why}",
        code="oauth.answer",
        hint="check the token URL; the provider may be one that needs an entry of its own",
    )


def host_of(url: str) -> str:
    """The host of a URL, for a sentence."""
    try:
        return urlsplit(url).hostname or "the provider"
    except ValueError:
        return "the provider"


def _sent(terms: Terms, ask: Ask | None) -> list[Secret]:
    found = [
        terms.keys.secret,
        *(getattr(ask, name, None) for name in ("code", "token", "verifier", "subject_token", "actor_token")),
    ]
    return [one for one in found if one is not None]


def _what(ask: Ask | None) -> str:
    if isinstance(ask, ByRefresh):
        return "the refresh token"
    if isinstance(ask, ByCode | ByDevice):
        return "the code"
    if isinstance(ask, ByExchange):
        return "the token that was to be exchanged"
    return "the signed statement" if isinstance(ask, ByAssertion) else "what was asked with"


def _remedy(ask: Ask | None) -> str:
    if isinstance(ask, ByAssertion):
        return "check the key, its account and the subject; the clock of this machine may be wrong"
    if isinstance(ask, ByExchange):
        return "sign in anew where the token came from"
    return "connect the account anew"


def _hint(told: str) -> str:
    if told in ("invalid_client", "unauthorized_client"):
        return "check the client id and secret, and how the provider wants them sent (method)"
    if told == "invalid_scope":
        return "check the scopes; the provider knows no such scope, or does not give it to this client"
    if told == "unsupported_grant_type":
        return "this client may not get tokens in this way: see its settings at the provider"
    return "check the client, its redirect address and the token URL"
