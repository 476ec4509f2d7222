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
