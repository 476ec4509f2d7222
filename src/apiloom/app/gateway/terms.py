"""On which terms an account's tokens are renewed: its own OAuth form or the OAuth client it was connected with, the
endpoints of the client, of the connector's security scheme or of the issuer's metadata, and what is odd at a provider.

Asks the store while a token is renewed, never for a call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.base import json
from apiloom.base.errors import DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.flows.ground import Sealing
from apiloom.flows.oauth_clients import load_client
from apiloom.model.api import SecurityScheme
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Account, Connector, Grant, GrantKind, OAuthClient
from apiloom.vault.forms import (
    OAuthForm,
    build_ask,
    build_terms,
    documented_endpoints,
    filled_up,
    form_kind,
    form_secrets,
    read_form,
)
from apiloom.vault.given import is_oauth_form
from apiloom.vault.oauth.authorizing import called_back
from apiloom.vault.oauth.providers import provider_of
from apiloom.vault.oauth.terms import (
    ByClient,
    ByRefresh,
    Endpoints,
    Method,
    OAuthKeys,
    Provider,
    Terms,
    Tokens,
)
from apiloom.vault.ports import Renewal

Discover = Callable[[str], Awaitable[Endpoints]]
"""The endpoints of an issuer (or of the URL of its metadata)."""

ProviderOf = Callable[[str, Endpoints], Provider]
"""What is odd at a provider, by its id, or empty, by its endpoints."""

Resolve = Callable[[str], Awaitable[str]]
"""What a reference leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewing:
    """Makes the terms of grants."""

    sealing: Sealing
    artefacts: Artefacts
    discover: Discover | None = None
    provider_of: ProviderOf = provider_of
    resolve: Resolve | None = None

    async def _own(self, scope: Scope, account: Account, grant: Grant) -> OAuthForm | None:
        """The form with which an account gets tokens by itself; None where it has none."""
        if grant.client or not account.sealed:
            return None
        plain = json.loads(await self.sealing.open(scope, account.tenant, account.id, account.sealed))
        given = plain.get(grant.scheme)
        if not is_oauth_form(given):
            return None
        found = {reference: await self._followed(reference) for reference in _references(given)}
        return read_form(grant.scheme, given, found.__getitem__)

    async def _followed(self, reference: str) -> str:
        if self.resolve is None:
            raise DesignError(
                "the secret of this account is a reference, which cannot be followed here",
                code="credentials.ref",
                hint="run it on the gateway's own machine",
            )
        return await self.resolve(reference)

    async def renewal(self, work: Work, grant: Grant, tokens: Tokens | None) -> Renewal:
        """How a grant is renewed.

        Raises:
            UpstreamError: ``oauth.ended`` where there is nothing to renew it with.
            DesignError: ``oauth.client`` when its client is gone, ``oauth.url`` without a token endpoint.
            HouseFault: ``store.unreachable``, ``vault.sealed``.
        """
        terms, own = await self._granted(work, grant)
        if tokens is not None:
            # some providers said on the way back which of their hosts renews
            terms = called_back(terms, tokens.extra)
        if own is not None:
            return Renewal(terms=terms, ask=build_ask(own, tokens))
        if grant.kind == "client_credentials":
            return Renewal(terms=terms, ask=ByClient())
        if tokens is None or tokens.refresh is None:
            raise UpstreamError(
                "the access has run out and there is nothing to renew it with",
                code="oauth.ended",
                hint="connect the account anew",
            )
        return Renewal(terms=terms, ask=ByRefresh(token=tokens.refresh))

    async def terms(self, work: Work, grant: Grant) -> Terms:
        """The terms of a grant: with what it was granted to."""
        return (await self._granted(work, grant))[0]

    async def _granted(self, work: Work, grant: Grant) -> tuple[Terms, OAuthForm | None]:
        scope = work.tenant(grant.tenant)
        account = await scope.accounts.load(grant.account)
        connector = None if account is None else await scope.connectors.load(account.connector)
        if account is None or connector is None or not connector.current:
            raise DesignError("the connector of this account is gone", code="oauth.client", hint="remove the account")
        scheme = await self._scheme(connector, grant.scheme)
        own = await self._own(scope, account, grant)
        if own is not None and own.keys.client_id:
            endpoints = await self.endpoints(asdict(own.endpoints), scheme)
            provider = self.provider_of(own.provider, endpoints)
            return build_terms(own, filled_up(endpoints, provider.endpoints), provider), own
        client = await self._client(scope, account, grant)
        return await self.of_client(work, client, scheme, own.scopes if own is not None else grant.scopes), own

    async def of_client(
        self, work: Work, client: OAuthClient, scheme: SecurityScheme, scopes: tuple[str, ...] = ()
    ) -> Terms:
        """The terms of an OAuth client for a scheme.

        Raises:
            DesignError: ``oauth.url`` when nobody says where tokens are given.
        """
        endpoints = await self.endpoints(client.endpoints, scheme)
        provider = self.provider_of(client.provider, endpoints)
        endpoints = filled_up(endpoints, provider.endpoints)
        if not endpoints.token_url:
            raise DesignError(
                f"nobody says where tokens for {scheme.id} are given",
                code="oauth.url",
                hint="give the OAuth client token_url or issuer",
            )
        return Terms(
            endpoints=endpoints,
            keys=await self._keys(work, client),
            provider=provider,
            scopes=scopes or client.scopes,
            parameters={str(name): str(value) for name, value in client.parameters.items()},
        )

    async def endpoints(self, given: Mapping[str, Any], scheme: SecurityScheme) -> Endpoints:
        """Where a provider is asked: as it was given, as the issuer that was given says, then as the document does."""
        known = {one.name for one in fields(Endpoints)}
        found = Endpoints(**{name: value for name, value in given.items() if name in known})
        if self.discover is not None and found.issuer and not found.token_url:
            found = filled_up(found, await self.discover(found.issuer))
        found = filled_up(found, documented_endpoints(scheme))
        issuer = str(scheme.details.get("openIdConnectUrl") or "")
        if self.discover is not None and issuer and not found.token_url:
            found = filled_up(found, await self.discover(issuer))
        return found

    async def _scheme(self, connector: Connector, name: str) -> SecurityScheme:
        shared = await self.artefacts.get(connector, connector.current)
        # one that a later version has renamed is renewed where its client says
        return shared.artefact.schemes.get(name) or SecurityScheme(id=name, kind="oauth2")

    async def _client(self, scope: Scope, account: Account, grant: Grant) -> OAuthClient:
        if grant.client:
            client = await scope.oauth_clients.load(grant.client)
        else:
            client = await load_client(scope, account.connector, grant.scheme, grant.tenant)
        if client is None:
            raise DesignError(
                "the OAuth client that this account was connected with is gone",
                code="oauth.client",
                hint="register one for the connector and connect the account anew",
            )
        return client

    async def _keys(self, work: Work, client: OAuthClient) -> OAuthKeys:
        proof: Mapping[str, str] = {}
        if client.sealed:
            scope = work.house() if client.tenant is None else work.tenant(client.tenant)
            proof = json.loads(await self.sealing.open(scope, client.tenant or "", client.id, client.sealed))
        return await self.keys(client.client_id, client.method, proof)

    async def keys(self, client_id: str, method: str, proof: Mapping[str, str]) -> OAuthKeys:
        """What a client proves itself with, references followed."""
        secret = proof.get("client_secret")
        if "ref" in proof:
            if self.resolve is None:
                raise DesignError(
                    "the secret of this OAuth client is a reference, which cannot be followed here",
                    code="credentials.ref",
                    hint="run it on the gateway's own machine",
                )
            secret = await self.resolve(proof["ref"])
        private = proof.get("private_key")
        return OAuthKeys(
            client_id=client_id,
            secret=None if secret is None else Secret(secret),
            private_key=None if private is None else Secret(private),
            key_id=proof.get("key_id", ""),
            algorithm=proof.get("algorithm", ""),
            method=cast("Method", method),
        )


def machine_kind(form: Any) -> GrantKind | None:
    """How an account gets tokens by itself with what it was given for a scheme; None where that is no OAuth form."""
    return form_kind(form) if is_oauth_form(form) else None


def machine_secrets(form: Mapping[str, Any]) -> tuple[str, ...]:
    """What of such a form must not come back in an answer; what its references stand for is not among it."""
    return form_secrets(form)


def _references(given: Mapping[str, Any]) -> list[str]:
    found = [given, *(each for each in given.values() if isinstance(each, Mapping))]
    return [each["ref"] for each in found if isinstance(each.get("ref"), str)]
