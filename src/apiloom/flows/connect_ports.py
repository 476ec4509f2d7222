"""What connecting an account needs from others, and the plain values that cross: the page's side of OAuth and of a
compiled version.

Knows no token: what a provider granted passes through here as a value that only its maker can read. ``app`` implements
the ports; :mod:`apiloom.flows.connecting` and its neighbours stand above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiloom.base.seal import Sealer
from apiloom.model.api import SecurityNeed, SecurityScheme, ServerVariable
from apiloom.store.ports import Scope
from apiloom.store.records import Account, OAuthClient, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a version's tools need of an account.

    ``variables`` are those of the server's address that have no value yet; ``known`` all that there are. ``tools`` are
    the alternatives of security of each tool that is shown.
    """

    title: str = ""
    variables: tuple[str, ...] = ()
    known: Mapping[str, ServerVariable] = field(default_factory=dict)
    schemes: Mapping[str, SecurityScheme] = field(default_factory=dict)
    tools: tuple[tuple[SecurityNeed, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person is asked to grant: with which client, for which scheme, with which scopes."""

    tenant: str
    client: OAuthClient
    scheme: SecurityScheme
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A consent under way: where the person goes, and what must be kept for when they come back."""

    url: str = field(repr=False)
    kept: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a provider granted. ``tokens`` is a value of whoever asked for it; ``identity`` is as whom, in its words;
    ``places`` (origins) are where it may be sent.
    """

    tokens: Any = field(repr=False)
    identity: Mapping[str, Any] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    places: frozenset[str] = frozenset()


class Connecting(Protocol):
    """The vault's side of connecting an account."""

    @property
    def sealers(self) -> tuple[Sealer, ...]:
        """What state and form tokens are sealed with, the newest key first."""

    async def needs(
        self, version: Version, artefact: Callable[[], Awaitable[bytes]], options: Mapping[str, Any]
    ) -> Needs:
        """What an account of this version must give, where the connector's ``options`` are known."""

    async def provider(self, client: OAuthClient, scheme: SecurityScheme) -> str:
        """What people call the provider: its name, else its host; empty when nobody knows."""

    async def begin(self, consent: Consent, state: str, redirect_uri: str) -> Begun:
        """The authorization request, with PKCE and a nonce.

        Raises:
            DesignError: ``oauth.…`` for a client or scheme without an address to go to.
            UpstreamError: the provider's metadata cannot be fetched.
        """

    async def finish(self, consent: Consent, redirect_uri: str, kept: Mapping[str, str], query: str) -> Granted:
        """Check what the browser came back with (RFC 9207 too) and exchange its code.

        Raises:
            UpstreamError: ``oauth.…``, ``net.…``.
            CallerError: ``oauth.…`` for an answer that is not the one to our question.
        """

    async def keep(self, scope: Scope, account: Account, consent: Consent, granted: Granted, who: str) -> None:
        """Keep the tokens of an account, in the transaction of ``scope``."""

    async def give_back(self, consent: Consent, granted: Granted) -> None:
        """Revoke what was granted and will not be used; what fails in that is nobody's trouble here."""
