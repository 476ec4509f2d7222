"""Asks a provider for a token of its own in exchange for a caller's (RFC 8693), as an OAuth client of the house.

A tenant's own never counts: whoever registers a client says to which endpoint callers' tokens are sent. Once for a
caller's token and a connector; :class:`~apiloom.app.gateway.delegating.Exchanges` remembers what came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from apiloom.app.gateway.delegating import Exchange
from apiloom.app.gateway.learning import settled
from apiloom.app.gateway.terms import Renewing
from apiloom.base.errors import DesignError
from apiloom.base.secret import Secret
from apiloom.catalog.lending import Lending
from apiloom.flows.lending import exchanging_client
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Sender
from apiloom.store.ports import Store, Work
from apiloom.store.records import OAuthClient
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.terms import ByExchange, Terms, Tokens


def exchange_over(store: Store, renewing: Renewing, sender: Sender, now: Callable[[], float]) -> Exchange:
    """Exchanges with the OAuth clients of a store."""

    async def exchange(tenant: str, slug: str, lending: Lending, subject: Secret) -> Tokens:
        async def looked_up(inside: Renewing) -> Terms:
            async with store.reading() as work:
                client = await _client(work, tenant, slug, lending)
                # the endpoints are the client's: a token is not sent where a document says
                return await inside.of_client(work, client, SecurityScheme(id=client.scheme or slug, kind="oauth2"))

        terms = await settled(renewing, looked_up)
        return await fetch_tokens(sender, _asking(terms, lending), ByExchange(subject_token=subject), now())

    return exchange


async def _client(work: Work, tenant: str, slug: str, lending: Lending) -> OAuthClient:
    client = await exchanging_client(work.tenant(tenant), slug, lending)
    if client is None:
        raise DesignError(
            f"there is no OAuth client that exchanges tokens for {slug}",
            code="oauth.client",
            hint="ask whoever runs this server",
        )
    return client


def _asking(terms: Terms, lending: Lending) -> Terms:
    return replace(
        terms,
        scopes=lending.scopes or terms.scopes,
        audience=lending.audience or terms.audience,
        resource=lending.resource or terms.resource,
    )
