"""Asks a token endpoint over the network: :mod:`apiloom.vault.oauth.asking` with a sender.

Asks once and tells what came; who keeps tokens alive, and how often it tries, is :mod:`apiloom.vault.keeping`.
"""

from __future__ import annotations

from dataclasses import replace

from apiloom.net.request import Response, Sender
from apiloom.vault.oauth.asking import build_request, chosen_method, read_answer, read_tokens
from apiloom.vault.oauth.refusals import error_code, read_moment
from apiloom.vault.oauth.terms import Ask, ByAssertion, Terms, Tokens

SKEW = 20.0
"""Seconds that two clocks may differ before a signed request is made anew by the other one."""


async def fetch_tokens(sender: Sender, terms: Terms, ask: Ask, now: float) -> Tokens:
    """Ask for tokens. ``now`` is in seconds since the epoch; ends of tokens are told by that clock.

    Two refusals are answered with one more request, since neither can have used anything up: a signed statement whose
    clock differs from the provider's is made anew by the provider's, and a secret that a provider of which nothing is
    known does not take in a header is sent in the form.

    Raises:
        GrantEnded: ``oauth.ended`` (for devices also ``oauth.expired``, ``oauth.denied``): only a person can help.
        UpstreamError: ``oauth.refused`` (the client or the request is wrong), ``oauth.unavailable`` (try again),
            ``oauth.answer`` (unreadable), ``oauth.pending`` (devices), ``net.*``.
        DesignError: ``oauth.url``, ``oauth.key``.
    """
    response = await sender.send(build_request(terms, ask, now))
    again = _with_other_clock(terms, ask, response, now)
    if again is not None:
        response = await sender.send(build_request(terms, ask, again))
    elif _wants_form(terms, response):
        terms = replace(terms, keys=replace(terms.keys, method="client_secret_post"))
        response = await sender.send(build_request(terms, ask, now))
    return read_tokens(terms, ask, response, now)


def _with_other_clock(terms: Terms, ask: Ask, response: Response, now: float) -> float | None:
    """The provider's time, where it may be the reason why a signed request was refused."""
    signs = chosen_method(terms) in ("private_key_jwt", "client_secret_jwt")
    if response.status not in (400, 401, 403) or not (signs or isinstance(ask, ByAssertion)):
        return None
    theirs = read_moment(response.header("date"))
    # a statement for a time of the provider's choosing is of use to nobody else: it names that provider alone
    return theirs if theirs is not None and abs(theirs - now) > SKEW else None


def _wants_form(terms: Terms, response: Response) -> bool:
    if terms.keys.method or terms.provider.method or terms.endpoints.methods:
        return False
    if response.status not in (400, 401) or chosen_method(terms) != "client_secret_basic":
        return False
    answer = read_answer(response)
    return answer is not None and error_code(answer.get("error")) == "invalid_client"
