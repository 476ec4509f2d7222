"""What the gateway remembers, as plain frozen values: one for each kind of row, and nothing about how rows are kept.

Times are seconds since the epoch (UTC). Members named ``config``, ``metadata`` and the like are plain JSON values.
``revision`` starts at 1 and rises with every save: whoever saves says which revision was read, so that nobody
overwrites what somebody else has changed in between. Secrets are here only sealed or hashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["owner", "operator", "auditor", "tenant-admin", "agent"]
Layer = Literal["connector", "tenant", "account", "server"]
Verdict = Literal["none", "additive", "review", "breaking"]
VersionState = Literal["proposed", "current", "past", "rejected"]
GrantState = Literal["active", "failing", "needs_reconnect"]
GrantKind = Literal["code", "device", "client_credentials", "jwt_bearer", "token_exchange", "imported"]
SessionState = Literal["open", "bound", "authorizing", "done", "failed"]
SignInState = Literal["issuer", "redeeming", "consent", "code", "used", "device", "approved", "denied", "redeemed"]

DEFAULT_TENANT = "default"
"""The tenant that a fresh store has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The isolation boundary. ``external_id`` is unique in the house."""

    id: str
    name: str = ""
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantKey:
    """A tenant's data key, wrapped by the key-encryption key. ``id`` is ``{tenant}/{version}``."""

    id: str
    tenant: str
    version: int
    wrapped: bytes = field(repr=False)
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """An imported API. ``id`` is its slug; it belongs to the house and is shown to ``tenants`` (None: to all).

    ``source`` is where versions come from: ``{"url": …}``, ``{"text": true}`` or ``{"upload": NAME}``. ``options`` are
    those of reading and calling: ``base_url``, ``server``, ``variables``, ``headers``, ``trust``, ``auth``,
    ``require_descriptions``, ``remote_refs``, ``timeout``. ``current`` is the number of the version that is served, 0
    before the first. ``trusted`` marks a source whose texts may change without review; ``auto_promote`` lets a version
    whose verdict is ``additive`` (or ``none``) become current by itself.
    """

    id: str
    title: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    tenants: tuple[str, ...] | None = None
    current: int = 0
    enabled: bool = True
    trusted: bool = False
    auto_promote: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One immutable import of a connector; only ``state`` and the times move. ``id`` is ``{slug}/{number}``.

    ``hash`` is of what is served (SHA-256 of the artefact without times), equal for equal documents and options
    anywhere. ``ledger`` are the counts of ``inspect``, ``findings`` the first of them. ``difference`` is that to the
    version it was compared with (``against``, 0: none). The document and the artefact lie apart: see the repository.
    """

    id: str
    connector: str
    number: int
    state: VersionState = "proposed"
    hash: str = ""
    title: str = ""
    api_version: str = ""
    tools: int = 0
    ledger: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Mapping[str, Any], ...] = ()
    verdict: Verdict = "none"
    difference: Mapping[str, Any] = field(default_factory=dict)
    against: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    created_at: float = 0.0
    promoted_at: float | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A tenant's connection to one connector. ``id`` is ``acc_…``.

    ``sealed`` are its credentials, sealed together under the tenant's data key and this record's id; ``schemes`` names
    those that are set. ``end_user`` is whose it is in the vendor's own words; ``shared`` opens it to every caller of
    the tenant. ``external_id`` is unique in the tenant.
    """

    id: str
    tenant: str
    connector: str
    label: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    schemes: tuple[str, ...] = ()
    sealed: bytes = field(default=b"", repr=False)
    end_user: str | None = None
    external_id: str | None = None
    shared: bool = False
    enabled: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One addressable MCP server. ``id`` is ``srv_…``; ``name`` is unique in the tenant.

    It shows ``accounts`` (ids) and, for ``connectors`` (slugs), the account of whoever calls. ``config`` is the one
    of the admin API, complete. ``toolsets_off`` are the toolsets that are switched off. ``expires_at`` None: never.
    """

    id: str
    tenant: str
    name: str
    accounts: tuple[str, ...] = ()
    connectors: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    toolsets_off: tuple[str, ...] = ()
    expires_at: float | None = None
    enabled: bool = True
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerToken:
    """One secret URL of a server, hashed. ``id`` is ``tok_…``; ``expires_at`` is the end of a grace period, if any."""

    id: str
    tenant: str
    server: str
    label: str = ""
    digest: bytes = field(repr=False)
    key_version: int = 1
    expires_at: float | None = None
    last_used_at: float | None = None
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token for the admin API and for ``/mcp``. ``id`` is ``key_…``; ``tenant`` None: it belongs to the house.

    ``servers`` are the ids of those it may call over MCP, None: all of its tenant. ``end_user`` is who calls with it.
    ``expires_at`` None: never.
    """

    id: str
    tenant: str | None
    name: str
    role: Role
    digest: bytes = field(repr=False)
    key_version: int = 1
    servers: tuple[str, ...] | None = None
    end_user: str | None = None
    allow_commands: bool = False
    expires_at: float | None = None
    last_used_at: float | None = None
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Edits kept apart from what was read. ``id`` is ``ovl_…``; ``tenant`` is None for the connector's own layer.

    ``target`` is the tenant's, account's or server's id, empty for the connector's layer. ``patch`` is what
    ``catalog/overlays.py`` reads; ``base`` is what the patched places held when the edit was made, for the merge.
    One overlay for each layer, connector and target.
    """

    id: str
    layer: Layer
    connector: str
    tenant: str | None = None
    target: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """A named group of a connector's tools. ``id`` is ``{slug}/{name}`` or ``{slug}/{name}@{tenant}``.

    ``select`` says which: ``tags``, ``paths``, ``tools`` (globs), any of them. ``origin`` is ``suggested`` for those
    that were made from the document and nobody has edited.
    """

    id: str
    connector: str
    name: str
    tenant: str | None = None
    title: str = ""
    description: str = ""
    select: Mapping[str, Any] = field(default_factory=dict)
    origin: Literal["suggested", "given"] = "given"
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One line of what was done: a call or an admin change. ``id`` is ``aud_…`` and sorts by time.

    ``action`` is dotted, such as ``call``, ``server.create`` or ``token.revoke``; ``target`` the id of what it was done
    to; ``outcome`` is ``ok`` or an error's code. ``detail`` never holds arguments, results or secrets.
    """

    id: str
    at: float
    principal: str
    action: str
    tenant: str | None = None
    target: str = ""
    outcome: str = "ok"
    detail: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Word of one committed change. ``seq`` rises by one for each; ``kind`` is a record's name such as ``server``."""

    seq: int
    kind: str
    id: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The answer to an admin request that carried an ``Idempotency-Key``. ``id`` is a hash of principal and key.

    ``request`` is a hash of what was asked: the same key with another question is refused. Answers that hold a secret
    are kept without it.
    """

    id: str
    request: str
    status: int
    tenant: str | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    expires_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseKey:
    """A key of the house itself, wrapped by the key-encryption key. ``id`` is ``{purpose}/{version}``.

    ``purpose`` is one of the vault's: hashing tokens, sealing cursors and sessions, wrapping the tenants' data keys,
    and ``secrets``, which seals what belongs to the house, such as the secrets of its OAuth clients.
    """

    id: str
    purpose: str
    version: int
    wrapped: bytes = field(repr=False)
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """An OAuth client registered with a provider. ``id`` is ``ocl_…``; ``tenant`` None: the house's own, for all.

    A tenant's client goes before the house's. ``scheme`` is the security scheme of the connector that it serves,
    empty: every OAuth scheme. ``provider`` names known quirks, empty: found by the endpoints. ``method`` is how it
    proves itself at the token endpoint (RFC 8414 ``token_endpoint_auth_methods``), empty: what the provider wants.
    ``sealed`` is its secret or private key with the places (origins) it belongs to, ``proof`` which of them.
    ``endpoints`` override those of the document (``authorization_url``, ``token_url``, ``device_url``,
    ``revocation_url``, ``identity_url``, ``issuer``). ``scopes``
    are asked besides those that the exposed tools need; ``parameters`` are added to the authorization request.
    """

    id: str
    connector: str
    tenant: str | None = None
    scheme: str = ""
    provider: str = ""
    client_id: str = ""
    method: str = ""
    proof: str = ""
    sealed: bytes = field(default=b"", repr=False)
    scopes: tuple[str, ...] = ()
    endpoints: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an account was granted by OAuth for one security scheme. ``id`` is ``{account}/{scheme}``.

    ``client`` is the OAuth client it belongs to, empty where the account itself holds one. ``sealed`` are the tokens,
    with the places (origins) they may be sent to.
    ``generation`` rises with every pair of tokens that is written; ``expires_at`` is the end of the access token (None:
    not told), ``refresh_at`` when it is renewed ahead of that (None: never). ``lease_holder`` renews it until
    ``lease_until``; nobody else does meanwhile. ``identity`` says as whom it is connected, in the provider's words.
    ``last_error`` is a code, never a text from outside; ``doubt`` says that an answer to an attempt since the last pair
    was not seen, so that the refresh token may have been used.
    """

    id: str
    tenant: str
    account: str
    scheme: str
    kind: GrantKind = "code"
    client: str = ""
    state: GrantState = "active"
    sealed: bytes = field(default=b"", repr=False)
    scopes: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    generation: int = 1
    expires_at: float | None = None
    refresh_at: float | None = None
    refreshed_at: float | None = None
    failures: int = 0
    last_error: str = ""
    last_error_at: float | None = None
    doubt: bool = False
    lease_holder: str = ""
    lease_until: float = 0.0
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSession:
    """One hosted page that connects an account. ``id`` is ``cs_…``; the secret of its URL is kept only as ``digest``.

    ``account`` is set where an account is connected anew. ``wanted`` is what the vendor gave beforehand (variables,
    label, metadata, scopes), ``look`` how the page looks. ``browser`` is a hash of the cookie of the first browser that
    opened it; ``sealed`` is what only this house may read of a sign-in under way (PKCE verifier, nonce, what was typed
    so far). ``result`` is told when it is asked for: the account, or an error's code. ``code`` is a hash of the
    one-time code that the vendor's backend redeems. ``poll_at`` is when a provider is asked next what became of a
    device's confirmation, or a session that ended half-way is tidied up; None: never.
    """

    id: str
    tenant: str
    connector: str
    account: str | None = None
    digest: bytes = field(default=b"", repr=False)
    key_version: int = 1
    end_user: str | None = None
    external_id: str | None = None
    wanted: Mapping[str, Any] = field(default_factory=dict)
    look: Mapping[str, Any] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    return_url: str = ""
    state: SessionState = "open"
    browser: bytes = field(default=b"", repr=False)
    sealed: bytes = field(default=b"", repr=False)
    code: bytes = field(default=b"", repr=False)
    result: Mapping[str, Any] = field(default_factory=dict)
    poll_at: float | None = None
    expires_at: float = 0.0
    created_by: str = ""
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened and that others may want to be told. ``id`` is ``evt_…`` and sorts by time.

    ``kind`` is dotted, such as ``account.needs_reconnect``; ``target`` the id of what it happened to. ``detail`` never
    holds a secret.
    """

    id: str
    at: float
    kind: str
    tenant: str | None = None
    target: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The heartbeat of a node: whose unfinished work others may take over when it stops. ``id`` is the node's."""

    id: str
    started_at: float
    at: float
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An MCP client that the gateway's own authorization server knows. ``id`` is its client id.

    ``kind`` is ``dynamic`` (RFC 7591) or ``document``: then the id is the URL of its metadata document. ``metadata`` is
    what it said of itself, checked.
    """

    id: str
    kind: Literal["dynamic", "document"]
    name: str = ""
    redirect_uris: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    expires_at: float | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A person's sign-in at the gateway's own authorization server, from its first page to its one-use code.

    ``id`` is ``sgn_…``. ``digest`` is the keyed hash of the secret that leads back to it: the state, then the code.
    ``asked`` is the client's request; ``sealed`` is what only this house may read (the verifier and nonce of the
    operator's issuer, who it turned out to be). One that a device began is found by the keyed hash of its
    ``user_code`` while it waits for somebody (``device``); then it is ``approved``, ``denied`` or ``redeemed``.
    """

    id: str
    client: str
    digest: bytes = field(default=b"", repr=False)
    user_code: bytes = field(default=b"", repr=False)
    key_version: int = 1
    state: SignInState = "issuer"
    asked: Mapping[str, Any] = field(default_factory=dict)
    browser: bytes = field(default=b"", repr=False)
    sealed: bytes = field(default=b"", repr=False)
    expires_at: float = 0.0
    created_at: float = 0.0
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFamily:
    """The tokens that one consent of one person to one MCP client gave. ``id`` is ``fam_…``.

    ``digest`` is the seed that its refresh tokens are proven with, of which that of the present ``generation`` counts,
    and the one before until ``grace_until``. ``principal`` is who they stand for: id, role, servers, end_user, the id
    of the API ``token`` that was shown, if one was, the name of the settings they were ``admitted`` by, and the
    ``redirect`` URI they were given to. ``resource`` is the audience (RFC 8707), a path of this gateway. Once
    ``ended``, nothing of it counts.
    """

    id: str
    tenant: str | None
    client: str
    subject: str
    principal: Mapping[str, Any] = field(default_factory=dict)
    resource: str = ""
    scopes: tuple[str, ...] = ()
    digest: bytes = field(default=b"", repr=False)
    key_version: int = 1
    generation: int = 1
    grace_until: float = 0.0
    ended: bool = False
    expires_at: float = 0.0
    created_at: float = 0.0
    revision: int = 1
