"""Access for what has no browser: RFC 8628. The person confirms a short code at another screen while we ask again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import time

from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Response, Sender
from apiloom.vault.oauth.asking import build_form_request, join_scopes, read_answer
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.refusals import GrantEnded, error_code, host_of, refused, unreadable
from apiloom.vault.oauth.terms import ByDevice, Terms, Tokens

INTERVAL = 5.0
"""Seconds between two questions where the provider does not say (RFC 8628 section 3.2)."""

_LONGEST_INTERVAL = 300.0
_LONGEST = 3_600.0
_TRYING = frozenset({"oauth.unavailable", "net.timeout", "net.broken", "net.refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a person is shown, and what we ask with. ``expires_at`` is in seconds since the epoch, ``interval`` too."""

    code: Secret
    user_code: str
    url: str
    complete_url: str
    expires_at: float
    interval: float


async def begin_device(sender: Sender, terms: Terms, now: float) -> Confirmation:
    """Ask for a code that a person confirms.

    Raises:
        UpstreamError: ``oauth.refused``, ``oauth.unavailable``, ``oauth.answer``, ``net.*``.
        DesignError: ``oauth.url`` where the provider has no such endpoint, ``oauth.key``.
    """
    form = {}
    scopes = join_scopes(terms.scopes, terms.provider)
    if scopes:
        form[terms.provider.scope_parameter] = scopes
    if terms.resource:
        form["resource"] = terms.resource
    form[terms.provider.client_parameter] = terms.keys.client_id
    request = build_form_request(terms, terms.endpoints.device_url, form, now)
    return _read(terms, await sender.send(request), now)


async def wait_for_device(
    sender: Sender,
    terms: Terms,
    begun: Confirmation,
    *,
    pause: Callable[[float], Awaitable[None]],
    now: Callable[[], float] = time,
) -> Tokens:
    """Ask until it is confirmed, no more often than the provider wants.

    Raises:
        GrantEnded: ``oauth.denied``, ``oauth.expired``, ``oauth.ended``.
        UpstreamError: ``oauth.refused``, ``oauth.answer``, ``net.*``.
    """
    interval = begun.interval
    while True:
        await pause(interval)
        if now() >= begun.expires_at:
            raise GrantEnded(
                f"the confirmation at {host_of(begun.url)} took too long", code="oauth.expired", hint="begin anew"
            )
        try:
            return await fetch_tokens(sender, terms, ByDevice(code=begun.code), now())
        except UpstreamError as error:
            if error.code == "oauth.pending":
                # five seconds more, for this question and all that follow: RFC 8628 section 3.5
                interval += 5.0 if error.facts.get("slower") else 0.0
            elif error.code in _TRYING:
                interval = min(interval * 2, _LONGEST_INTERVAL)
            else:
                raise


def _read(terms: Terms, response: Response, now: float) -> Confirmation:
    answer = read_answer(response)
    if response.status != 200 or answer is None:
        raise refused(terms, None, response.status, error_code((answer or {}).get("error")))
    code, user_code = answer.get("device_code"), answer.get("user_code")
    # an early draft and one large provider call it verification_url
    url = answer.get("verification_uri") or answer.get("verification_url")
    if not (_is_text(code, 8_192) and _is_text(user_code, 64) and _is_page(url)):
        raise unreadable(terms, "holds no code to confirm")
    complete = answer.get("verification_uri_complete")
    return Confirmation(
        code=Secret(str(code)),
        user_code=str(user_code),
        url=str(url),
        complete_url=str(complete) if _is_page(complete) else "",
        expires_at=now + min(_seconds(answer.get("expires_in"), _LONGEST), _LONGEST),
        interval=min(_seconds(answer.get("interval"), INTERVAL), _LONGEST_INTERVAL),
    )


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def _is_page(value: object) -> bool:
    return _is_text(value, 2_048) and str(value).startswith(("https://", "http://"))


def _seconds(told: object, otherwise: float) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < 1e9:
        return otherwise
    return float(told)
