"""What connecting an account needs from others, and the plain values that cross: the page's side of OAuth and of a
compiled version.

Knows no token: what a provider granted passes through here as a value that only its maker can read. ``app`` implements
the ports; :mod:`apiloom.flows.connecting` and its neighbours stand above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from apiloom.base.seal import Sealer
from apiloom.base.secret import Secret
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
class Blank:
    """What of a provider's addresses differs for each customer, and what stands there when nobody says: empty for
    nothing. ``given`` says that the OAuth client does, for all accounts.
    """

    name: str
    provider: str
    default: str = ""
    given: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether nobody can sign in without it."""
        return not (self.default or self.given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person is asked to grant: with which client, for which scheme, with which scopes. ``variables`` are those
    of the account.
    """

    tenant: str
    client: OAuthClient
    scheme: SecurityScheme
    scopes: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A consent under way: where the person goes, and what must be kept for when they come back."""

    url: str = field(repr=False)
    kept: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirming:
    """A consent under way at another screen (RFC 8628): what a person is shown, and what must be kept to ask what came
    of it. ``interval`` and ``expires_at`` are in seconds, the latter since the epoch.
    """

    user_code: str = field(repr=False)
    url: str
    complete_url: str = field(repr=False)
    interval: float
    expires_at: float
    kept: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a provider granted. ``tokens`` is a value of whoever asked for it; ``identity`` is as whom, in its words;
    ``places`` (origins) are where it may be sent; ``kind`` is how it was granted.
    """

    tokens: Any = field(repr=False)
    identity: Mapping[str, Any] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    places: frozenset[str] = frozenset()
    kind: Literal["code", "device"] = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an issuer is asked of a person who opens a link: the answer comes back with the ``state``, and proves itself
    by the others.
    """

    state: str = field(repr=False)
    verifier: Secret = field(repr=False)
    nonce: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who signed in to open a link. ``id`` is the principal's."""

    id: str
    tenant: str
    end_user: str = ""


class People(Protocol):
    """The operator's issuer, by whose word it is known who opens a link."""

    def is_there(self) -> bool:
        """Whether people sign in at an issuer now."""

    async def away(self, question: Question) -> str:
        """Where somebody goes to say who they are.

        Raises:
            CallerError: ``sign_in.…`` where nobody signs in any more.
            UpstreamError: the issuer cannot be asked.
        """

    async def home(self, form: Mapping[str, str], question: Question) -> Visitor:
        """Who comes back.

        Raises:
            CallerError: ``sign_in.…``: nobody that the gateway knows.
            UpstreamError: the issuer cannot be asked.
        """


class Connecting(Protocol):
    """The vault's side of connecting an account."""

    @property
    def people(self) -> People | None:
        """Who knows the people that open links; None where nobody does."""

    @property
    def sealers(self) -> tuple[Sealer, ...]:
        """What state and form tokens are sealed with, the newest key first."""

    async def needs(
        self, version: Version, artefact: Callable[[], Awaitable[bytes]], options: Mapping[str, Any]
    ) -> Needs:
        """What an account of this version must give, where the connector's ``options`` are known."""

    async def provider(self, client: OAuthClient, scheme: SecurityScheme) -> str:
        """What people call the provider: its name, else its host; empty when nobody knows."""

    def blanks(self, client: OAuthClient, scheme: SecurityScheme) -> tuple[Blank, ...]:
        """What of the addresses of a client's provider an account may say."""

    def check_blank(self, client: OAuthClient, variables: Mapping[str, str]) -> None:
        """That an account's variables may stand in the addresses of a client's provider.

        Raises:
            DesignError: ``oauth.variable``.
        """

    async def begin(self, consent: Consent, state: str, redirect_uri: str) -> Begun | Confirming:
        """The authorization request, with PKCE and a nonce; where a provider takes consent only at another screen,
        what is confirmed there.

        Raises:
            DesignError: ``oauth.…`` for a client or scheme without an address to go to.
            UpstreamError: the provider's metadata cannot be fetched.
        """

    async def begin_device(self, consent: Consent) -> Confirming:
        """Ask for what a person confirms at another screen.

        Raises:
            DesignError: ``oauth.url`` where the provider knows no such thing, and ``oauth.…`` as :meth:`begin`.
            UpstreamError: ``oauth.…``, ``net.…``.
        """

    async def finish_device(self, consent: Consent, kept: Mapping[str, str]) -> Granted:
        """Ask once what came of it.

        Raises:
            UpstreamError: ``oauth.pending`` while nothing did (``slower`` among its facts: ask less often),
                ``oauth.unavailable``, ``net.…``: ask again; else it is over.
            DesignError: ``oauth.moved`` where the provider is asked elsewhere by now.
        """

    def pack(self, granted: Granted) -> Mapping[str, Any]:
        """What was granted as plain values, secrets among them: to be sealed."""

    def unpack(self, packed: Mapping[str, Any]) -> Granted:
        """What :meth:`pack` made plain."""

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
