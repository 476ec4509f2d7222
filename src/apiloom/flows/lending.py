"""Whether a server's delegations can be: that they name what it shows, and let nobody reach further than they may.

The house's own OAuth clients may be used by every tenant, for what the house registered them for: what else is asked
for with one, only somebody of the house says.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiloom.base.errors import CallerError
from apiloom.catalog.lending import Lending
from apiloom.catalog.server_config import read_config
from apiloom.flows.oauth_clients import load_client
from apiloom.identity.principal import Principal
from apiloom.store.ports import Scope
from apiloom.store.records import Server

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
            await _check_exchange(scope, who, server, slug, lending)


async def _check_exchange(scope: Scope, who: Principal, server: Server, slug: str, lending: Lending) -> None:
    if lending.client:
        client = await scope.oauth_clients.load(lending.client)
        if client is None or client.connector != slug or client.tenant not in (None, server.tenant):
            raise _wrong(f"{_AT}/{slug}/client", "names no OAuth client of this connector")
    else:
        client = await load_client(scope, slug, "", server.tenant)
        if client is None:
            raise _wrong(f"{_AT}/{slug}", "needs an OAuth client of this connector, and there is none")
    beyond = lending.audience or lending.resource or lending.scopes
    if beyond and client.tenant is None and not who.of_house:
        raise CallerError(
            "audience, resource and scopes of an exchange with the house's own OAuth client are the house's to set",
            code="identity.wider",
            hint="register an OAuth client of your own, or ask whoever runs this gateway",
            pointer=f"{_AT}/{slug}",
        )


def _wrong(at: str, rule: str) -> CallerError:
    return CallerError(f"{at.rpartition('/')[2]} {rule}", code="config.form", hint="mend it and try again", pointer=at)
