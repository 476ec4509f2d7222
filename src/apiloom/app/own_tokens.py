"""Tokens that a process gets by itself with the OAuth forms of its credentials, and the backends that sign with them.

For the quick server, the library and single calls: pairs live in memory and end with the process. The keeper that
renews them is the gateway's. Where a form's tokens are asked for is settled by the first time, since a document that
names another address later would be sent the client's secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.backends.http.failures import unanswered
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.secret import Secret
from apiloom.calls.call import Call, Outcome
from apiloom.calls.ports import Backend
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Sender
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.forms import (
    OAuthForm,
    build_ask,
    build_terms,
    documented_endpoints,
    filled_up,
    metadata_url,
)
from apiloom.vault.in_memory import InMemory
from apiloom.vault.keeping import Keeper, Ports
from apiloom.vault.oauth.discovery import discover
from apiloom.vault.oauth.fetching import fetch_tokens
from apiloom.vault.oauth.places import entry_endpoints
from apiloom.vault.oauth.providers import provider_of
from apiloom.vault.oauth.terms import Ask, Terms, Tokens
from apiloom.vault.ports import Held, Renewal

_HIDDEN = Credential(token=Secret("***"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A form, and the scheme that it gets tokens for."""

    form: OAuthForm
    scheme: SecurityScheme
    address: str


@dataclass(slots=True)
class OwnTokens:
    """The pairs of a process. A pair's id is the slug of its source and the name of its scheme."""

    sender: Sender
    _wanted: dict[str, _Wanted] = field(default_factory=dict, init=False, repr=False)
    _terms: dict[str, Terms] = field(default_factory=dict, init=False, repr=False)
    _store: InMemory = field(default_factory=InMemory, init=False, repr=False)
    keeper: Keeper = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.keeper = Keeper(Ports(store=self._store, lease=self._store, renewals=self, fetch=self._fetch))

    def want(self, slug: str, scheme: SecurityScheme, form: OAuthForm) -> str:
        """Have a form get tokens; the id of its pair.

        Raises:
            DesignError: ``oauth.url`` where nobody says where, ``oauth.provider``; ``server.moved`` where the document
                says another address than at the start.
        """
        id_ = f"{slug} {scheme.id}"
        endpoints = filled_up(form.endpoints, documented_endpoints(scheme, form.kind))
        provider = provider_of(form.provider, endpoints)
        endpoints = filled_up(endpoints, entry_endpoints(provider, endpoints.token_url))
        address = endpoints.token_url or metadata_url(scheme, endpoints)
        if not address:
            raise DesignError(
                f"nobody says where tokens for {scheme.id} are given",
                code="oauth.url",
                hint="give token_url or issuer beside the client_id",
            )
        before = self._wanted.get(id_)
        if before is not None and before.address != address:
            raise DesignError(
                f"the document now says that tokens for {scheme.id} are given elsewhere than at the start",
                code="server.moved",
                hint="start apiloom anew if that is meant",
            )
        if before is None:
            self._store.put(Held(id=id_, generation=0, tokens=_brought(form)))
        elif before.form != form:
            self._terms.pop(id_, None)
        self._wanted[id_] = _Wanted(form=form, scheme=scheme, address=address)
        return id_

    def backend(self, given: Credentials, ids: Mapping[str, str], build: Callable[[Credentials], Backend]) -> Backend:
        """A backend that signs with these pairs."""
        return OwnBackend(self, given, ids, build)

    async def renewal(self, held: Held) -> Renewal:
        """See :class:`~apiloom.vault.ports.Renewals`."""
        form = self._wanted[held.id].form
        return Renewal(terms=await self._terms_of(held.id), ask=build_ask(form, held.tokens))

    async def _terms_of(self, id_: str) -> Terms:
        known = self._terms.get(id_)
        if known is not None:
            return known
        wanted = self._wanted[id_]
        form, scheme = wanted.form, wanted.scheme
        endpoints = filled_up(form.endpoints, documented_endpoints(scheme, form.kind))
        provider = provider_of(form.provider, endpoints)
        endpoints = filled_up(endpoints, entry_endpoints(provider, endpoints.token_url))
        published = metadata_url(scheme, endpoints)
        if published:
            endpoints = filled_up(endpoints, await discover(self.sender, published))
        terms = self._terms[id_] = build_terms(form, endpoints, provider)
        return terms

    async def _fetch(self, terms: Terms, ask: Ask) -> Tokens:
        return await fetch_tokens(self.sender, terms, ask, time.time())

    async def close(self) -> None:
        """End what is under way."""
        await self.keeper.close(0.0)


def _brought(form: OAuthForm) -> Tokens | None:
    """The pair that a form brought along; None where it has to be got first."""
    tokens = form.tokens
    return None if tokens is None or not tokens.access.reveal() else tokens


@dataclass(slots=True)
class OwnBackend:
    """Answers a tool's calls with tokens that live. ``build`` makes the backend that signs with given credentials; it
    is made anew when a pair was replaced.
    """

    tokens: OwnTokens
    given: Credentials
    ids: Mapping[str, str]
    build: Callable[[Credentials], Backend]
    _held: dict[str, Held] = field(default_factory=dict, init=False, repr=False)
    _inner: Backend | None = field(default=None, init=False, repr=False)

    async def answer(self, call: Call) -> Outcome:
        """See :class:`~apiloom.calls.ports.Backend`. A pair that is refused is renewed, the call made again."""
        try:
            outcome = await (await self._ready()).answer(call)
            if outcome.failed and _was_refused(outcome) and await self._renewed():
                outcome = await (await self._ready()).answer(call)
        except ApiloomError as error:
            if error.actor == "house":
                raise
            return unanswered(error, None)
        return outcome

    def preview(self, call: Call) -> dict[str, Any]:
        """See :class:`~apiloom.calls.ports.Backend`. No token is asked for."""
        shown = {**self.given.by_scheme, **dict.fromkeys(self.ids, _HIDDEN)}
        return self.build(Credentials(shown)).preview(call)

    async def _ready(self) -> Backend:
        inner = self._inner
        for scheme, id_ in self.ids.items():
            known = self._held.get(scheme)
            # what another tool got meanwhile is in the store; what is known here may be older
            if known is None or not self.tokens.keeper.lives(known) or self.tokens.keeper.is_due(known):
                found = await self.tokens.keeper.fresh(id_)
                if known is None or found.generation != known.generation:
                    self._held[scheme] = found
                    inner = None
        if inner is None:
            inner = self._inner = self.build(self._signing())
        return inner

    async def _renewed(self) -> bool:
        """Whether there is anything newer than what was refused."""
        changed = False
        for scheme, held in list(self._held.items()):
            found = await self.tokens.keeper.renewed(held)
            if found.generation != held.generation:
                self._held[scheme] = found
                self._inner = None
                changed = True
        return changed

    def _signing(self) -> Credentials:
        found = dict(self.given.by_scheme)
        for scheme, held in self._held.items():
            if held.tokens is None:
                continue
            refresh = () if held.tokens.refresh is None else (held.tokens.refresh,)
            own = self.given.forms[scheme].secrets
            found[scheme] = Credential(token=held.tokens.access, hidden=(*own, *refresh))
        return Credentials(found)


def _was_refused(outcome: Outcome) -> bool:
    error = outcome.meta.get("dev.apiloom/error")
    return isinstance(error, dict) and error.get("status") == 401
