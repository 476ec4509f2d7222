"""On which terms an account's tokens are renewed: its own OAuth form or the OAuth client it was connected with, the
endpoints of the client, of the connector's security scheme or of the issuer's metadata, and what is odd at a provider.

Asks the store while a token is renewed, never for a call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.app.gateway.pinning import (
    OAUTH,
    Known,
    Pin,
    ProviderOf,
    check_granted,
    check_pins,
    given_endpoints,
    named_by,
    opened_grant,
    pin_of,
    places_at,
)
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
    check_encrypted,
    filled_up,
    form_kind,
    form_secrets,
    read_form,
)
from apiloom.vault.given import is_oauth_form
from apiloom.vault.oauth.authorizing import called_back
from apiloom.vault.oauth.places import entry_endpoints, places_of
from apiloom.vault.oauth.providers import OPEN, provider_of
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
from apiloom.vault.references import References
from apiloom.vault.referring import is_reference, references_of, tell

Discover = Callable[[str], Awaitable[Endpoints]]
"""The endpoints of an issuer (or of the URL of its metadata)."""

Resolve = Callable[[str], Awaitable[str]]
"""What a reference leads to."""

_ENDPOINTS = frozenset({"token_url", "revocation_url", "identity_url", "issuer"})
"""Members of forms that say where they are used."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an account asks for with an OAuth client: ``scopes`` (none: the client's), the ``pins`` of what is sent
    beside its secret, and the account's own ``variables``.
    """

    scopes: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


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
        given = {} if grant.client else await self._form(scope, account, grant.scheme)
        if not given:
            return None
        found = {reference: await self._followed(reference) for reference in references_of(given)}
        return read_form(grant.scheme, given, found.__getitem__)

    async def _form(self, scope: Scope, account: Account, scheme: str) -> Mapping[str, Any]:
        """The OAuth form of an account for a scheme, as it was given."""
        if not account.sealed:
            return {}
        plain = json.loads(await self.sealing.open(scope, account.tenant, account.id, account.sealed))
        given = plain.get(scheme)
        return given if is_oauth_form(given) else {}

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
            DesignError: ``oauth.client`` when its client is gone, ``oauth.url`` without a token endpoint,
                ``oauth.moved`` when the document leads elsewhere by now.
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

    async def terms(self, work: Work, grant: Grant, account: Account | None = None) -> Terms:
        """The terms of a grant: with what it was granted to. The ``account`` is given where it is here no more."""
        return (await self._granted(work, grant, account))[0]

    async def _granted(
        self, work: Work, grant: Grant, account: Account | None = None
    ) -> tuple[Terms, OAuthForm | None]:
        scope = work.tenant(grant.tenant)
        account = account or await scope.accounts.load(grant.account)
        connector = None if account is None else await scope.connectors.load(account.connector)
        if account is None or connector is None or not connector.current:
            raise DesignError("the connector of this account is gone", code="oauth.client", hint="remove the account")
        scheme = await self._scheme(connector, grant.scheme)
        own = await self._own(scope, account, grant)
        opened = await opened_grant(self.sealing, scope, grant)
        pins = pin_of(opened, "grant")
        if own is not None and own.keys.client_id:
            endpoints = await self.endpoints(asdict(own.endpoints), scheme, pins, own.provider)
            provider = self.provider_of(own.provider, endpoints, self.values(own.provider, {}, account.variables))
            entry = entry_endpoints(provider, endpoints.token_url)
            terms = build_terms(own, filled_up(endpoints, entry), provider)
            if "access" not in opened:
                return terms, own  # its first use: it names these itself, or whom it trusts to
        else:
            client = await self._client(scope, account, grant)
            scopes = own.scopes if own is not None else grant.scopes
            terms = await self.of_client(work, client, scheme, Asked(scopes, pins, account.variables))
        check_granted(terms.endpoints, pins, self.provider_of)
        return terms, own

    async def of_client(
        self,
        work: Work,
        client: OAuthClient,
        scheme: SecurityScheme,
        asked: Asked | None = None,
    ) -> Terms:
        """The terms of an OAuth client for a scheme, for one account.

        Raises:
            DesignError: ``oauth.url`` when nobody says where tokens are given; ``oauth.moved`` when the document leads
                elsewhere than where the secret belongs; ``oauth.variable``.
        """
        asked = asked or Asked()
        proof = await self._proof(work, client)
        pins = (*pin_of(proof, "client"), *asked.pins)
        endpoints = await self.endpoints(client.endpoints, scheme, pins, client.provider)
        # an issuer that the client names says all there is to say
        own = not client.endpoints.get("issuer")
        values = self.values(client.provider, client.parameters, asked.variables) if own else {}
        provider = self.provider_of(client.provider, endpoints, values)
        if values:
            # whoever says whose customer it is means that customer's address, not the document's for all of them
            given = given_endpoints(client.endpoints)
            endpoints = filled_up(given, filled_up(entry_endpoints(provider, given.token_url), endpoints))
        endpoints = filled_up(endpoints, entry_endpoints(provider, endpoints.token_url))
        if not endpoints.token_url:
            raise DesignError(
                f"nobody says where tokens for {scheme.id} are given",
                code="oauth.url",
                hint="give the OAuth client token_url or issuer",
            )
        return Terms(
            endpoints=endpoints,
            keys=await self.keys(client.client_id, client.method, proof),
            provider=provider,
            scopes=asked.scopes or client.scopes,
            parameters={
                str(name): str(value) for name, value in client.parameters.items() if name not in provider.variables
            },
        )

    def values(self, provider: str, own: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
        """What fills the addresses of a provider that is named: what the client says of itself, else the account's.
        A whole host is neither's to say: the secret would follow it.
        """
        entry = self.provider_of(provider, Endpoints()) if provider else None
        found = {name: str(own.get(name) or variables.get(name) or "") for name in open_variables(entry)}
        return {name: value for name, value in found.items() if value}

    async def endpoints(
        self, given: Mapping[str, Any], scheme: SecurityScheme, pins: Sequence[Pin] = (), provider: str = ""
    ) -> Endpoints:
        """Where a provider is asked: as it was given, as the issuer that was given says, then as the document does,
        where that lies at the places of ``pins``.
        """
        found = given_endpoints(given)
        if self.discover is not None and found.issuer and not found.token_url:
            found = filled_up(found, await self.discover(found.issuer))
        named = named_by(scheme, found)
        check_encrypted(scheme, named)
        check_pins(found, named, pins, Known(provider_of=self.provider_of, id=provider))
        published = named.issuer
        found = filled_up(found, replace(named, issuer=""))
        if self.discover is not None and published and not found.token_url:
            found = filled_up(found, await self.discover(published))
        return found

    async def places(self, work: Work, client: OAuthClient) -> tuple[str, ...]:
        """The places where a client is used for what its connector's document says now."""
        connector = await work.house().connectors.load(client.connector)
        if connector is None or not connector.current:
            return places_at(client.endpoints, ())
        schemes = (await self.artefacts.get(connector, connector.current)).artefact.schemes
        if client.scheme:
            wanted = [schemes[client.scheme]] if client.scheme in schemes else []
        else:
            wanted = [scheme for scheme in schemes.values() if scheme.kind in OAUTH]
        return places_at(client.endpoints, wanted)

    async def form_places(self, work: Work, account: Account, name: str) -> tuple[str, ...]:
        """The places where an account's own form for a scheme is used: its own, those that its connector's document
        names now, and those of the house's client; never those of a client that a tenant made.
        """
        scope = work.tenant(account.tenant)
        connector = await work.house().connectors.load(account.connector)
        schemes = [await self._scheme(connector, name)] if connector is not None and connector.current else []
        # a node's own records hold nothing sealed
        given = await self._form(scope, await scope.accounts.load(account.id) or account, name)
        # what lies elsewhere is read when it is used
        urls = {member: url for member, url in given.items() if member in _ENDPOINTS and isinstance(url, str)}
        found = set(places_at(urls, schemes))
        if "client_id" not in given:
            client = await load_client(scope, account.connector, name, account.tenant)
            if client is not None and client.tenant is None:
                named = given_endpoints(client.endpoints)
                entry = entry_endpoints(self.provider_of(client.provider, named), named.token_url)
                found |= {*places_at(client.endpoints, schemes), *places_of(entry)}
        return tuple(sorted(found))

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

    async def _proof(self, work: Work, client: OAuthClient) -> Mapping[str, Any]:
        """What is sealed of a client: what it proves itself with, and where that belongs."""
        if not client.sealed:
            return {}
        scope = work.house() if client.tenant is None else work.tenant(client.tenant)
        found: Mapping[str, Any] = json.loads(
            await self.sealing.open(scope, client.tenant or "", client.id, client.sealed)
        )
        return found

    async def keys(self, client_id: str, method: str, proof: Mapping[str, Any]) -> OAuthKeys:
        """What a client proves itself with, references followed."""
        given = {"client_secret": {"ref": proof["ref"]}, **proof} if "ref" in proof else proof
        secret, private = [await self._proven(given.get(name)) for name in ("client_secret", "private_key")]
        return OAuthKeys(
            client_id=client_id,
            secret=None if secret is None else Secret(secret),
            private_key=None if private is None else Secret(private),
            key_id=proof.get("key_id", ""),
            algorithm=proof.get("algorithm", ""),
            method=cast("Method", method),
        )

    async def _proven(self, value: Any) -> Any:
        if not is_reference(value):
            return value
        if self.resolve is None:
            raise DesignError(
                "the secret of this OAuth client is a reference, which cannot be followed here",
                code="credentials.ref",
                hint="run it on the gateway's own machine",
            )
        return await self.resolve(value["ref"])


def open_variables(entry: Provider | None) -> tuple[str, ...]:
    """The variables of a provider's addresses that a client or an account may say; none of no provider."""
    return () if entry is None else tuple(name for name in entry.variables if entry.kinds.get(name) in OPEN)


def machine_kind(form: Any) -> GrantKind | None:
    """How an account gets tokens by itself with what it was given for a scheme; None where that is no OAuth form."""
    return form_kind(form) if is_oauth_form(form) else None


def machine_secrets(form: Mapping[str, Any], references: References | None = None) -> tuple[str, ...]:
    """What of such a form must not come back in an answer, with what its references stand for, where that was read."""

    def known(reference: str) -> str | None:
        found = None if references is None else references.get(reference)
        return None if found is None else found.reveal()

    told = tell("", form, known)
    return form_secrets({name: value for name, value in told.form.items() if name not in told.unread})
