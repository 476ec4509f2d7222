"""Variables of an account that fill the addresses of a provider rather than those of the API: one customer's shop or
tenant, where the vendor's one OAuth client serves them all.

Stands beside the flows of accounts, which ask here before they check the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiloom.flows.ground import Compiled, Ground
from apiloom.flows.oauth_clients import load_client
from apiloom.model.api import SecurityScheme
from apiloom.store.ports import Scope
from apiloom.store.records import Connector, OAuthClient


async def own_variables(
    ground: Ground, scope: Scope, connector: Connector, made: Compiled, variables: Mapping[str, str]
) -> Mapping[str, str]:
    """Those of an account's variables that are for the API's address. The others are checked.

    Raises:
        DesignError: ``oauth.variable`` for one that cannot stand in a provider's address.
    """
    port = ground.connecting
    if not variables or port is None:
        return variables
    tenant = next((one.id for one in await scope.tenants.every()), "")
    clients = await scope.oauth_clients.every({"connector": connector.id})
    if not any(client.provider for client in clients):
        return variables  # only one that is named has addresses of its own for each customer
    needs = await port.needs(made.version, made.artefact, connector.options)
    blanks: set[str] = set()
    for client, scheme in [await _serving(scope, connector.id, scheme, tenant) for scheme in needs.schemes.values()]:
        if client is not None:
            blanks |= {blank.name for blank in port.blanks(client, scheme)}
            port.check_blank(client, variables)
    return {name: value for name, value in variables.items() if name in needs.known or name not in blanks}


async def _serving(
    scope: Scope, slug: str, scheme: SecurityScheme, tenant: str
) -> tuple[OAuthClient | None, SecurityScheme]:
    if scheme.kind not in ("oauth2", "openIdConnect"):
        return None, scheme
    return await load_client(scope, slug, scheme.id, tenant), scheme
