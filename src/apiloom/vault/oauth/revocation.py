"""Gives tokens back: RFC 7009."""

from __future__ import annotations

import asyncio
import contextlib
from time import time

from apiloom.base.errors import ApiloomError
from apiloom.base.secret import Secret, Unshown
from apiloom.net.request import Sender
from apiloom.vault.oauth.asking import build_form_request, read_answer
from apiloom.vault.oauth.refusals import error_code, refused
from apiloom.vault.oauth.terms import Terms, Tokens

PATIENCE = 5.0
"""Seconds that a provider gets to hear that tokens will not be used."""


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
    form = Unshown(token=token.reveal(), token_type_hint=kind)
    response = await sender.send(build_form_request(terms, url, form, time()))
    if response.status < 300:
        return True  # also for a token that was not known: RFC 7009 section 2.2
    answer = read_answer(response) or {}
    raise refused(terms, None, response.status, error_code(answer.get("error")))


async def give_back(sender: Sender, terms: Terms, tokens: Tokens) -> None:
    """Tell the provider that nobody will use a pair, as well as it can be told: once, in :data:`PATIENCE` seconds."""
    kind = "access_token" if tokens.refresh is None else "refresh_token"
    with contextlib.suppress(ApiloomError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await revoke(sender, terms, tokens.refresh or tokens.access, kind)
