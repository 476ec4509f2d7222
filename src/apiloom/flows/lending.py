"""Whether a server's delegations can be: that they name what it shows, and let nobody reach further than they may.

Callers' tokens are exchanged with the house's own OAuth clients alone, for whoever registers a client says to which
endpoint they are sent. Every tenant may use those for what the house registered them for: what else is asked for with
one, only somebody of the house says.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiloom.base.errors import CallerError
from apiloom.catalog.lending import Lending
from apiloom.catalog.server_config import read_config
from apiloom.identity.principal import Principal
from apiloom.store.ports import Scope
from apiloom.store.records import OAuthClient, Server

_AT = "/config/delegation"


async def check_lendings(scope: Scope, who: Principal, server: Server, slugs: Iterable[str]) -> None:
    """Check the delegations of a server that shows the connectors ``slugs``.

    Raises:
        CallerError: ``config.form`` for a connector that is not shown or a client that is not there;
            ``identity.wider`` for terms that only the house may give.
    """
    shown = frozenset(slugs)
    for slug, lending in read_config(server.config).delegation.items():
        at = f"{_AT}/{slug}"
        if slug not in shown:
            raise _wrong(f"{at[:200]}", "names a connector that the server does not show")
        if lending.mode == "exchange":
            await _check_exchange(scope, who, slug, lending)


async def exchanging_client(scope: Scope, slug: str, lending: Lending) -> OAuthClient | None:
    """The house's OAuth client that exchanges callers' tokens for a connector, None where there is none."""
    if lending.client:
        client = await scope.oauth_clients.load(lending.client)
        return client if client is not None and client.tenant is None and client.connector == slug else None
    found = await scope.oauth_clients.every({"connector": slug, "tenant": None})
    return next((client for client in found if not client.scheme), None)


async def _check_exchange(scope: Scope, who: Principal, slug: str, lending: Lending) -> None:
    if await exchanging_client(scope, slug, lending) is None:
        if lending.client:
            raise _wrong(f"{_AT}/{slug}/client", "names no OAuth client of the house's own for this connector")
        raise _wrong(f"{_AT}/{slug}", "needs an OAuth client of the house's own for this connector, and there is none")
    if (lending.audience or lending.resource or lending.scopes) and not who.of_house:
        raise CallerError(
            "audience, resource and scopes of an exchange are the house's to set",
            code="identity.wider",
            hint="ask whoever runs this gateway",
            pointer=f"{_AT}/{slug}",
        )


def _wrong(at: str, rule: str) -> CallerError:
    return CallerError(f"{at.rpartition('/')[2]} {rule}", code="config.form", hint="mend it and try again", pointer=at)
