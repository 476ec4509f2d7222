"""Access for what has no browser: RFC 8628. The person confirms a short code at another screen meanwhile.

Who asks again, and how often, stands above; what is asked with then is a :class:`~apiloom.vault.oauth.terms.ByDevice`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from apiloom.base.secret import InTheClear, Secret, closed
from apiloom.net.request import Response, Sender
from apiloom.vault.oauth.asking import build_form_request, join_scopes, read_answer
from apiloom.vault.oauth.refusals import error_code, refused, unreadable, wanted_pause
from apiloom.vault.oauth.terms import Terms

INTERVAL = 5.0
"""Seconds between two questions where the provider does not say (RFC 8628 section 3.2)."""

_LONGEST_INTERVAL = 300.0
_LONGEST = 3_600.0


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation(InTheClear):
    """What a person is shown, and what we ask with. ``expires_at`` is in seconds since the epoch, ``interval`` too."""

    code: Secret
    user_code: str = field(repr=False)
    url: str
    complete_url: str = field(repr=False)
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


def _read(terms: Terms, response: Response, now: float) -> Confirmation:
    answer = read_answer(response)
    if response.status != 200 or answer is None:
        said = error_code((answer or {}).get("error"))
        raise refused(terms, None, response.status, said, wanted_pause(response, now))
    code, user_code = answer.get("device_code"), answer.get("user_code")
    # an early draft and one large provider call it verification_url
    url = answer.get("verification_uri") or answer.get("verification_url")
    if not (_is_text(code, 8_192) and _is_text(user_code, 64) and _is_page(terms, url)):
        raise unreadable(terms, "holds no code to confirm")
    complete = answer.get("verification_uri_complete")
    return Confirmation(
        code=Secret(str(code)),
        user_code=str(user_code),
        url=str(url),
        complete_url=str(complete) if _is_page(terms, complete) else "",
        expires_at=now + min(_seconds(answer.get("expires_in"), _LONGEST), _LONGEST),
        interval=min(_seconds(answer.get("interval"), INTERVAL), _LONGEST_INTERVAL),
    )


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def _is_page(terms: Terms, value: object) -> bool:
    """Whether a person may be sent there: no less protected than the answer was (RFC 8628 section 3.2)."""
    ways = ("https://",) if terms.endpoints.device_url.startswith("https:") else ("https://", "http://")
    return _is_text(value, 2_048) and str(value).startswith(ways)


def _seconds(told: object, otherwise: float) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < 1e9:
        return otherwise
    return float(told)
