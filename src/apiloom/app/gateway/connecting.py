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
from apiloom.app.gateway.pinning import places_at
from apiloom.app.gateway.terms import Renewing
from apiloom.app.gateway.versions import CompiledVersions
from apiloom.app.gateway.visits import Linked, Make, MakeFirst
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError, CallerError, DesignError
from apiloom.base.seal import Sealer
from apiloom.base.secret import Secret
from apiloom.catalog.servers import choose_server, unfilled
from apiloom.compile.artefact import Artefact
from apiloom.flows.connect_links import first_link_for, link_for
from apiloom.flows.connect_ports import Begun, Consent, Granted, Needs
from apiloom.flows.ground import Compiled, Ground
from apiloom.model.api import SecurityScheme, Server
from apiloom.net.request import Sender
from apiloom.store.ports import Scope, Store
from apiloom.store.records import Account, OAuthClient, Version
from apiloom.vault.oauth.places import token_places
from apiloom.vault.oauth.terms import ByCode, Terms, Tokens

_KEPT = 64
"""Versions whose needs stay at hand."""

_MOST_PARAMETERS = 50
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

    async def begin(self, consent: Consent, state: str, redirect_uri: str) -> Begun:
        """See the port."""
        terms = await self._terms(consent, redirect_uri)
        if not terms.endpoints.authorization_url:
            raise DesignError(
                f"nobody says where access for {consent.scheme.id} is granted",
                code="oauth.url",
                hint="give the OAuth client authorization_url or issuer",
            )
        verifier, nonce = Secret(secrets.token_urlsafe(48)), secrets.token_urlsafe(16)
        url: str = _load("authorizing:authorization_url")(terms, state=state, verifier=verifier, nonce=nonce)
        return Begun(url=url, kept={"state": state, "verifier": verifier.reveal(), "nonce": nonce})

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
        tokens = replace(
            tokens,
            extra={**tokens.extra, **_load("authorizing:callback_extra")(pairs, terms)},
            scopes=terms.scopes if tokens.scopes is None else tokens.scopes,
        )
        identity = await _load("identity:fetch_identity")(
            self.sender, terms, tokens, nonce=kept["nonce"], now=self.now()
        )
        tokens = replace(tokens, identity=dict(identity))
        places |= token_places(terms.endpoints)
        return Granted(tokens=tokens, identity=dict(identity), scopes=tokens.scopes or (), places=places)

    async def keep(self, scope: Scope, account: Account, consent: Consent, granted: Granted, who: str) -> None:
        """See the port."""
        made = Made(
            kind="code",
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
                return await renewing.of_client(work, consent.client, consent.scheme, consent.scopes)

        return replace(await settled(self.grants.renewing, looked_up), redirect_uri=redirect_uri)


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

    async def make(account: Account, scopes: Sequence[str]) -> Linked | None:
        link = await link_for(ground, account, scopes)
        return None if link is None else Linked(url=link.url, expires_at=link.expires_at)

    return make


def linking_first(ground: Ground) -> MakeFirst:
    """Makes links for people who have no account at a connector yet."""

    async def make(tenant: str, connector: str, end_user: str) -> Linked | None:
        link = await first_link_for(ground, tenant, connector, end_user)
        return None if link is None else Linked(url=link.url, expires_at=link.expires_at)

    return make


class LatePage:
    """The connect page as an ASGI application that is loaded when it is first asked: no start waits for it."""

    __slots__ = ("_app", "_ground")

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one ASGI scope."""
        if self._app is None:
            self._app = plugins.load("apiloom.console.connect.build:build_connect")(self._ground)
        await self._app(scope, receive, send)
