"""What tokens are asked for with, and what comes back: plain values of the OAuth client.

Knows no requests and no stores. :mod:`apiloom.vault.oauth.asking` makes requests of them; the room of connections
decides which terms an account has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from apiloom.base.secret import Secret

Method = Literal[
    "", "client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt", "tls_client_auth", "none"
]
"""How a client proves itself at a token endpoint (RFC 8414 section 2, RFC 8705); empty: what the provider wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a provider is asked. Empty where it has none, or none is known.

    ``refresh_url`` is where tokens are renewed, empty: at the token URL. ``methods`` are the ways of a client to prove
    itself that the provider says it takes (RFC 8414). ``iss_told``: RFC 9207.
    """

    token_url: str = ""
    authorization_url: str = ""
    device_url: str = ""
    revocation_url: str = ""
    identity_url: str = ""
    issuer: str = ""
    jwks_url: str = ""
    refresh_url: str = ""
    methods: tuple[str, ...] = ()
    iss_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthKeys:
    """Who the client is, and what it proves that with. ``private_key`` is PEM or a JWK in JSON."""

    client_id: str
    secret: Secret | None = None
    private_key: Secret | None = None
    key_id: str = ""
    algorithm: str = ""
    method: Method = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What one provider does differently, as plain values. The plain one keeps to the standard.

    ``hosts`` are where it is asked, with ``*.`` before a suffix for all below it. ``separator`` joins scopes, those
    of answers are split at ``answer_separator`` (and at it) too; ``parameters`` are added to the authorization
    request, ``headers`` to all requests. ``access_token`` and its like are the members, or JSON pointers into the
    answer, where the value stands, several with ``|`` between them; ``expires_at`` where a moment stands instead of a
    length (epoch seconds or ISO 8601). A token that says nothing of its end lives until it is refused. ``one_use`` says
    that a refresh token works once; nothing depends on it, for every pair is kept as though it did. ``pkce`` says that
    a verifier is taken, ``json_body`` that the token endpoint reads JSON; ``always`` are scopes asked whatever the
    tools need. ``errors`` are members where an error's code stands, ``ended`` further codes, or whole sentences, that
    mean ``invalid_grant``. ``extra`` are members of the answer that are kept, ``callback`` parameters of the way back
    that are. ``server`` names the parameter of the way back that says which of ``hosts`` gives the tokens. ``identity``
    are the members that name a person: a stable id, an e-mail address, a name; they stand in the token answer itself
    where ``told_at_once``. ``variables`` are the parts of endpoints that differ for each customer, with what they are
    when nothing is said; ``kinds`` says what each may hold: ``label``, ``labels``, ``name`` or ``host``.
    ``source`` is the documentation that says so.
    """

    id: str = ""
    title: str = ""
    hosts: tuple[str, ...] = ()
    method: Method = ""
    separator: str = " "
    answer_separator: str = ""
    scope_parameter: str = "scope"
    client_parameter: str = "client_id"
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    access_token: str = "access_token"  # noqa: S105 - the name of a member
    refresh_token: str = "refresh_token"  # noqa: S105
    expires_in: str = "expires_in"
    expires_at: str = ""
    scope: str = "scope"
    one_use: bool = False
    pkce: bool = True
    json_body: bool = False
    always: tuple[str, ...] = ()
    errors: tuple[str, ...] = ("error",)
    ended: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    callback: tuple[str, ...] = ()
    server: str = ""
    endpoints: Endpoints = field(default_factory=Endpoints)
    identity: tuple[str, ...] = ("sub", "email", "name")
    told_at_once: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms an account gets tokens for one security scheme."""

    endpoints: Endpoints
    keys: OAuthKeys
    provider: Provider = field(default_factory=Provider)
    scopes: tuple[str, ...] = ()
    redirect_uri: str = ""
    resource: str = ""
    audience: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a token endpoint gave. ``expires_at`` is in seconds since the epoch, None where nothing was told.

    ``scopes`` None: as asked (RFC 6749 section 5.1). ``identity`` is what an ID token or the identity endpoint said.
    ``extra`` is what else the answer had and a provider needs later, such as the address of an instance.
    ``id_token`` is not checked yet and not kept.
    """

    access: Secret
    refresh: Secret | None = None
    expires_at: float | None = None
    scopes: tuple[str, ...] | None = None
    type: str = "Bearer"
    identity: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    id_token: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ByCode:
    """RFC 6749 section 4.1.3 with RFC 7636."""

    code: Secret
    verifier: Secret
    nonce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByRefresh:
    """RFC 6749 section 6."""

    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ByClient:
    """Client credentials: RFC 6749 section 4.4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByDevice:
    """RFC 8628 section 3.4."""

    code: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ByAssertion:
    """A JWT as grant (RFC 7523 section 2.1), signed with the terms' key. ``subject`` is whom the service acts as."""

    issuer: str
    subject: str = ""
    audience: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ByExchange:
    """Token exchange: RFC 8693 section 2.1."""

    subject_token: Secret
    subject_token_type: str = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
    actor_token: Secret | None = None
    actor_token_type: str = ""
    requested_token_type: str = ""


Ask = ByCode | ByRefresh | ByClient | ByDevice | ByAssertion | ByExchange
"""What a token is asked for with."""
