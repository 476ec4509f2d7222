"""Gives tokens back: RFC 7009."""

from __future__ import annotations

from time import time

from apiloom.base.secret import Secret
from apiloom.net.request import Sender
from apiloom.vault.oauth.asking import build_form_request, read_answer
from apiloom.vault.oauth.refusals import error_code, refused
from apiloom.vault.oauth.terms import Terms


async def revoke(sender: Sender, terms: Terms, token: Secret, kind: str = "refresh_token") -> bool:
    """Tell the provider that a token is not needed any more. False where it cannot be told.

    ``kind`` is ``refresh_token``, which most providers take as the end of the whole grant, or ``access_token``.

    Raises:
        UpstreamError: ``oauth.refused``, ``oauth.unavailable``, ``net.*``: it may live on.
        DesignError: ``oauth.url``, ``oauth.key``.
    """
    url = terms.endpoints.revocation_url
    if not url:
        return False
    form = {"token": token.reveal(), "token_type_hint": kind}
    response = await sender.send(build_form_request(terms, url, form, time()))
    if response.status < 300:
        return True  # also for a token that was not known: RFC 7009 section 2.2
    answer = read_answer(response) or {}
    raise refused(terms, None, response.status, error_code(answer.get("error")))
