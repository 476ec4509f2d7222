"""The vault's side of connect sessions: what a compiled version needs of an account, and the way to a provider and
back.

Tokens are made, kept and given back here; the flows above carry them without being able to read them. Stands beside the
keeping of grants; the page and its flows stand above.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apiloom.app.gateway.connections import defined_schemes, directed
from apiloom.app.gateway.grants import KeptGrants, Made
from apiloom.app.gateway.learning import settled
from apiloom.app.gateway.pinning import MOVED, given_endpoints, named_by, places_at
from apiloom.app.gateway.terms import Asked, Renewing, open_variables
from apiloom.app.gateway.versions import CompiledVersions
from apiloom.app.gateway.visits import Linked, Make, MakeFirst
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError, CallerError, DesignError, UpstreamError
from apiloom.base.seal import Sealer
from apiloom.base.secret import Secret
from apiloom.catalog.servers import choose_server, unfilled
from apiloom.compile.artefact import Artefact
from apiloom.flows.changing import see_through
from apiloom.flows.connect_links import Place, first_link_for, link_for
from apiloom.flows.connect_ports import Begun, Blank, Confirming, Consent, Granted, Needs, People
from apiloom.flows.ground import Compiled, Ground
from apiloom.model.api import SecurityScheme, Server
from apiloom.net.request import Sender
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Account, OAuthClient, Version
from apiloom.vault.forms import filled_up
from apiloom.vault.oauth.places import place_of, token_places
from apiloom.vault.oauth.terms import ByCode, ByDevice, Endpoints, Provider, Terms, Tokens

_KEPT = 64
"""Versions whose needs stay at hand."""

_MOST_PARAMETERS = 50
_UNREACHED = frozenset({"oauth.unavailable", "net.timeout", "net.broken", "net.refused"})
_PATIENCE = 5.0
"""Seconds that a page waits to learn what a provider is called."""


@dataclass(slots=True, kw_only=True)
class Consents:
    """The :class:`~apiloom.flows.connect_ports.Connecting` of a house."""

    store: Store
    sender: Sender
    versions: CompiledVersions
    grants: KeptGrants
    now: Callable[[], float]
    keys: Callable[[], Sequence[bytes]] = field(repr=False)
    people: People | None = None
    _needs: OrderedDict[str, Needs] = field(default_factory=OrderedDict, init=False, repr=False)
    _providers: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    @property
    def sealers(self) -> tuple[Sealer, ...]:
        """See the port."""
        return tuple(Sealer(key) for key in self.keys())

    async def needs(
        self, version: Version, artefact: Callable[[], Awaitable[bytes]], options: Mapping[str, Any]
    ) -> Needs:
        """See the port."""
        key = f"{version.id}/{version.hash}/{sorted(options.items())!r}"
        known = self._needs.get(key)
        if known is None:
            opened = await self.versions.artefact(Compiled(version=version, artefact=artefact))
            known = await asyncio.to_thread(_needs_of, opened, version.connector, options)
            self._needs[key] = known
            if len(self._needs) > _KEPT:
                self._needs.popitem(last=False)
        else:
            self._needs.move_to_end(key)
        return known

    async def provider(self, client: OAuthClient, scheme: SecurityScheme) -> str:
        """See the port."""
        entry = self._entry(client, scheme)
        if client.provider and entry is not None and entry.title:
            return entry.title
        key = f"{client.id}/{client.revision}/{scheme.id}"
        known = self._providers.get(key)
        if known is None:
            known = _host(client, scheme)
            with contextlib.suppress(ApiloomError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    # its name needs no secret, and a page can do without it
                    terms = await self._terms(Consent(tenant="", client=replace(client, sealed=b""), scheme=scheme), "")
                known = terms.provider.title or urlsplit(terms.endpoints.authorization_url).hostname or known
            if len(self._providers) >= _KEPT:
                self._providers.clear()
            self._providers[key] = known
        return known

    def _entry(self, client: OAuthClient, scheme: SecurityScheme) -> Provider | None:
        """What is known of a client's provider by its name, or by what is said of its addresses."""
        own = given_endpoints(client.endpoints)
        with contextlib.suppress(DesignError):
            return self.grants.renewing.provider_of(client.provider, filled_up(own, named_by(scheme, own)))
        return None

    def blanks(self, client: OAuthClient, scheme: SecurityScheme) -> tuple[Blank, ...]:
        """See the port. Only a provider that is named is at a customer's own address."""
        entry = self._entry(client, scheme) if client.provider else None
        if entry is None:
            return ()
        own = given_endpoints(client.endpoints)
        if own.issuer or (own.token_url and (own.authorization_url or own.device_url)):
            return ()  # the client says all there is to say
        return tuple(
            Blank(
                name=name, provider=entry.title, default=entry.variables[name], given=bool(client.parameters.get(name))
            )
            for name in open_variables(entry)
        )

    def check_blank(self, client: OAuthClient, variables: Mapping[str, str]) -> None:
        """See the port."""
        renewing = self.grants.renewing
        values = renewing.values(client.provider, client.parameters, variables)
        renewing.provider_of(client.provider, Endpoints(), values)

    async def begin(self, consent: Consent, state: str, redirect_uri: str) -> Begun | Confirming:
        """See the port."""
        terms = await self._terms(consent, redirect_uri)
        if not terms.endpoints.authorization_url:
            if terms.endpoints.device_url:
                return await self._confirming(terms)
            raise DesignError(
                f"nobody says where access for {consent.scheme.id} is granted",
                code="oauth.url",
                hint="give the OAuth client authorization_url or issuer",
            )
        verifier, nonce = Secret(secrets.token_urlsafe(48)), secrets.token_urlsafe(16)
        url: str = _load("authorizing:authorization_url")(terms, state=state, verifier=verifier, nonce=nonce)
        return Begun(url=url, kept={"state": state, "verifier": verifier.reveal(), "nonce": nonce})

    async def begin_device(self, consent: Consent) -> Confirming:
        """See the port."""
        terms = await self._terms(consent, "")
        if not terms.endpoints.device_url:
            raise DesignError(
                f"nobody says where a device asks for access for {consent.scheme.id}",
                code="oauth.url",
                hint="give the OAuth client device_url or issuer",
            )
        return await self._confirming(terms)

    async def _confirming(self, terms: Terms) -> Confirming:
        begun = await _load("device:begin_device")(self.sender, terms, self.now())
        return Confirming(
            user_code=begun.user_code,
            url=begun.url,
            complete_url=begun.complete_url,
            interval=begun.interval,
            expires_at=begun.expires_at,
            kept={"device_code": begun.code.reveal(), "place": _place(terms)},
        )

    async def finish_device(self, consent: Consent, kept: Mapping[str, str]) -> Granted:
        """See the port."""
        terms = await self._terms(consent, "")
        if kept["place"] != _place(terms):
            raise DesignError(
                "tokens are given elsewhere by now than when the device was begun", code=MOVED, hint="begin anew"
            )
        ask = ByDevice(code=Secret(kept["device_code"]))
        tokens: Tokens = await _load("fetching:fetch_tokens")(self.sender, terms, ask, self.now())
        granted = await self._identified(terms, consent, tokens, nonce="")
        return replace(granted, kind="device", places=token_places(terms.endpoints))

    async def _identified(self, terms: Terms, consent: Consent, tokens: Tokens, nonce: str) -> Granted:
        """What was granted, with as whom; where that is not found out, be it that nobody waits any more, it is given
        back.
        """
        tokens = replace(tokens, scopes=terms.scopes if tokens.scopes is None else tokens.scopes)
        is_known = False
        try:
            identity = await _load("identity:fetch_identity")(self.sender, terms, tokens, nonce=nonce, now=self.now())
            is_known = True
        except ApiloomError as error:
            if error.code in _UNREACHED:
                # what was asked with is used up: nobody may ask again
                raise UpstreamError(
                    "as whom access was granted could not be found out", code="oauth.identity", hint="begin anew"
                ) from None
            raise
        finally:
            if not is_known:
                await see_through(self.give_back(consent, Granted(tokens=tokens)))
        tokens = replace(tokens, identity=dict(identity))
        return Granted(tokens=tokens, identity=dict(identity), scopes=tokens.scopes or ())

    def pack(self, granted: Granted) -> Mapping[str, Any]:
        """See the port."""
        tokens: Tokens = granted.tokens
        return {
            "access": tokens.access.reveal(),
            "refresh": None if tokens.refresh is None else tokens.refresh.reveal(),
            "expires_at": tokens.expires_at,
            "type": tokens.type,
            "extra": dict(tokens.extra),
            "identity": dict(granted.identity),
            "scopes": list(granted.scopes),
            "places": sorted(granted.places),
            "kind": granted.kind,
        }

    def unpack(self, packed: Mapping[str, Any]) -> Granted:
        """See the port."""
        scopes, identity, refresh = tuple(packed["scopes"]), dict(packed["identity"]), packed["refresh"]
        tokens = Tokens(
            access=Secret(packed["access"]),
            refresh=None if refresh is None else Secret(refresh),
            expires_at=packed["expires_at"],
            scopes=scopes,
            type=packed["type"],
            identity=identity,
            extra=packed["extra"],
        )
        places = frozenset(packed["places"])
        return Granted(tokens=tokens, identity=identity, scopes=scopes, places=places, kind=packed["kind"])

    async def finish(self, consent: Consent, redirect_uri: str, kept: Mapping[str, str], query: str) -> Granted:
        """See the port."""
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            raise CallerError(
                "the way back from the provider says too much", code="oauth.callback", hint="begin anew"
            ) from None
        terms = await self._terms(consent, redirect_uri)
        code: Secret = _load("authorizing:read_callback")(pairs, terms, state=kept["state"])
        places = token_places(terms.endpoints)
        terms = _load("authorizing:called_back")(terms, pairs)
        ask = ByCode(code=code, verifier=Secret(kept["verifier"]), nonce=kept["nonce"])
        tokens: Tokens = await _load("fetching:fetch_tokens")(self.sender, terms, ask, self.now())
        extra = {**tokens.extra, **_load("authorizing:callback_extra")(pairs, terms)}
        nonce = kept["nonce"] if _load("authorizing:asks_identity")(terms) else ""
        granted = await self._identified(terms, consent, replace(tokens, extra=extra), nonce)
        return replace(granted, places=places | token_places(terms.endpoints))

    async def keep(self, scope: Scope, account: Account, consent: Consent, granted: Granted, who: str) -> None:
        """See the port."""
        made = Made(
            kind=granted.kind,
            tokens=granted.tokens,
            client=consent.client.id,
            identity=granted.identity,
            who=who,
            at=tuple(sorted({*places_at(consent.client.endpoints, [consent.scheme]), *granted.places})),
        )
        await self.grants.keep_new(scope, account, consent.scheme.id, made)

    async def give_back(self, consent: Consent, granted: Granted) -> None:
        """See the port."""
        tokens: Tokens = granted.tokens
        with contextlib.suppress(ApiloomError):
            terms = await self._terms(consent, "")
            kind = "access_token" if tokens.refresh is None else "refresh_token"
            await _load("revocation:revoke")(self.sender, terms, tokens.refresh or tokens.access, kind)

    async def _terms(self, consent: Consent, redirect_uri: str) -> Terms:
        async def looked_up(renewing: Renewing) -> Terms:
            async with self.store.reading() as work:
                asked = Asked(consent.scopes, variables=consent.variables)
                return await renewing.of_client(work, consent.client, consent.scheme, asked)

        return replace(await settled(self.grants.renewing, looked_up), redirect_uri=redirect_uri)


def _place(terms: Terms) -> str:
    """Where tokens are given, for what was begun to be ended there."""
    return place_of(terms.endpoints.token_url)


def _load(dotted: str) -> Any:
    return plugins.load(f"apiloom.vault.oauth.{dotted}")


def _needs_of(artefact: Artefact, slug: str, options: Mapping[str, Any]) -> Needs:
    """What the tools of a version need. Decodes every tool: to be called in a thread."""
    said = directed(options, slug, {})
    schemes = {**artefact.schemes, **defined_schemes(options)}
    bindings = [artefact.tools[name].binding for name in artefact.tools]
    lists: dict[int, Sequence[Server]] = {}
    for binding in bindings:
        if binding.own_servers or not said.base_url:
            lists[id(binding.servers)] = binding.servers
    wanted: dict[str, None] = {}
    for listed in lists.values():
        chosen = _chosen(listed, said.server)
        wanted.update(dict.fromkeys(unfilled(chosen, said.variables)))
    defined = tuple((name, ()) for name in defined_schemes(options))
    return Needs(
        title=artefact.title,
        variables=tuple(wanted),
        known={name: one for listed in lists.values() for server in listed for name, one in server.variables.items()},
        schemes=schemes,
        tools=tuple((*binding.security, defined) if defined else binding.security for binding in bindings),
    )


def _host(client: OAuthClient, scheme: SecurityScheme) -> str:
    """Where a person is sent, as far as that is known without asking anybody."""
    flows = scheme.details.get("flows")
    stated = [flow.get("authorizationUrl") for flow in flows.values()] if isinstance(flows, Mapping) else []
    given = (client.endpoints.get("authorization_url"), client.endpoints.get("issuer"), *stated)
    return next((urlsplit(url).hostname or "" for url in given if isinstance(url, str) and url), "")


def _chosen(servers: Sequence[Server], wanted: str) -> Sequence[Server]:
    if not wanted:
        return servers
    try:
        return (choose_server(servers, wanted),)
    except DesignError:
        return servers


def linking(ground: Ground) -> Make:
    """Makes links for the errors of tools: to connect an account anew."""

    async def make(account: Account, scopes: Sequence[str], person: str) -> Linked | None:
        link = await link_for(ground, account, scopes, person)
        return None if link is None else Linked(url=link.url, expires_at=link.expires_at)

    return make


def linking_first(ground: Ground) -> MakeFirst:
    """Makes links for people who have no account at a connector yet."""

    async def make(tenant: str, connector: str, end_user: str, person: str) -> Linked | None:
        link = await first_link_for(ground, Place(tenant, connector, end_user), person)
        return None if link is None else Linked(url=link.url, expires_at=link.expires_at)

    return make
