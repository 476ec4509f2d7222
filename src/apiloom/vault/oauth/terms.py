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
    """Where a provider is asked. Empty where it has none, or none is known. ``iss_told``: RFC 9207."""

    token_url: str = ""
    authorization_url: str = ""
    device_url: str = ""
    revocation_url: str = ""
    identity_url: str = ""
    issuer: str = ""
    jwks_url: str = ""
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

    ``separator`` joins scopes; ``parameters`` are added to the authorization request, ``token_parameters`` to requests
    of tokens; ``access_token`` and its like are the members (or pointers into the answer) where the value stands;
    ``seconds`` is how long a token lives that says nothing of it (None: until it is refused); ``one_use`` says that a
    refresh token works once; ``pkce`` that a verifier is taken; ``json_body`` that the token endpoint reads JSON.
    """

    id: str = ""
    title: str = ""
    hosts: tuple[str, ...] = ()
    method: Method = ""
    separator: str = " "
    scope_parameter: str = "scope"
    parameters: Mapping[str, str] = field(default_factory=dict)
    token_parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    access_token: str = "access_token"  # noqa: S105 - the name of a member
    refresh_token: str = "refresh_token"  # noqa: S105
    expires_in: str = "expires_in"
    token_type: str = ""
    seconds: float | None = None
    one_use: bool = False
    pkce: bool = True
    json_body: bool = False
    scopes_on_refresh: bool = False
    endpoints: Endpoints = field(default_factory=Endpoints)
    identity: tuple[str, ...] = ("sub", "email", "name")


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
    """

    access: Secret
    refresh: Secret | None = None
    expires_at: float | None = None
    scopes: tuple[str, ...] | None = None
    type: str = "Bearer"
    identity: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


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
