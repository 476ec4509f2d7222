"""What the admin API answers, as frozen values: one for each kind of record, read from JSON.

Times are aware datetimes in UTC. Members that a newer gateway adds are passed over; those that an older one does not
have keep their defaults. Knows nothing of HTTP; :mod:`apiloom.console.client` stands above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, TypeVar

from apiloom.base.errors import UpstreamError

_Answer = TypeVar("_Answer")

_TIMES: Final = frozenset({"created_at", "expires_at", "last_used_at", "promoted_at", "at"})

Json = Mapping[str, Any]


def read_answer(kind: type[_Answer], value: Any) -> _Answer:
    """One answer as a value.

    Raises:
        UpstreamError: ``gateway.answer`` when it is of another form.
    """
    try:
        given = {}
        for member in fields(kind):  # type: ignore[arg-type]
            name = member.metadata.get("named", member.name)
            if name in value:
                given[member.name] = _member(name, member.metadata, value[name])
        return kind(**given)
    except (TypeError, ValueError, AttributeError):
        raise UpstreamError(
            f"the gateway's answer is no {kind.__name__}", code="gateway.answer", hint="is it of this release?"
        ) from None


def _member(name: str, told: Mapping[str, Any], value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if "one" in told:
        return read_answer(told["one"], value)
    if "of" in told:
        return tuple(read_answer(told["of"], item) for item in value)
    return tuple(value) if isinstance(value, list) else value


def _each(kind: type[Any]) -> Any:
    return field(default=(), metadata={"of": kind})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a token's holder is."""

    id: str
    role: str
    token: str = ""
    tenant: str | None = None
    servers: tuple[str, ...] | None = None
    end_user: str | None = None
    allow_commands: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a gateway is."""

    status: str
    version: str = ""
    store: Json = field(default_factory=dict)
    node: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Something that depends on what is removed or promoted."""

    kind: str
    id: str
    becomes: str = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed, or would be."""

    kind: str
    id: str
    done: bool
    affected: tuple[Affected, ...] = _each(Affected)
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A boundary of isolation."""

    id: str
    name: str = ""
    external_id: str | None = None
    metadata: Json = field(default_factory=dict)
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """An imported API. ``current`` is the number of the version that is served, 0 before the first."""

    slug: str
    title: str = ""
    source: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    tenants: tuple[str, ...] | None = None
    current: int = 0
    enabled: bool = True
    trusted: bool = False
    auto_promote: bool = False
    metadata: Json = field(default_factory=dict)
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConnector(Connector):
    """A connector that was just imported, and what its first version is."""

    version: int = 0
    tools: int = 0
    ledger: Json = field(default_factory=dict)
    findings: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One immutable import of a connector. In listings ``findings`` are left out."""

    connector: str
    number: int
    state: str = ""
    hash: str = ""
    title: str = ""
    api_version: str = ""
    tools: int = 0
    ledger: Json = field(default_factory=dict)
    findings: tuple[Json, ...] = ()
    verdict: str = ""
    against: int = 0
    options: Json = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None
    promoted_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedVersion(Version):
    """What an import became. ``new`` is False when a version that serves the same was there already."""

    new: bool = True
    promoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A version that is served now, or would be: then ``done`` is False."""

    version: Version = field(metadata={"one": Version})
    before: int
    done: bool
    affected: tuple[Affected, ...] = _each(Affected)
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSeen:
    """One tool of a version. ``kind`` is its class: read, write or custom."""

    name: str
    title: str = ""
    description: str = ""
    kind: str = field(default="", metadata={"named": "class"})
    operation: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A tenant's connection to a connector, without its credentials."""

    id: str
    tenant: str
    connector: str
    label: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    schemes: tuple[str, ...] = ()
    end_user: str | None = None
    external_id: str | None = None
    shared: bool = False
    enabled: bool = True
    metadata: Json = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsShown:
    """What a server shows: how many tools, and about how many tokens their listing costs."""

    tools: int
    tokens: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One addressable MCP server. ``tools`` and ``tokens`` are there when it was just made or changed."""

    id: str
    tenant: str
    name: str
    accounts: tuple[str, ...] = ()
    connectors: tuple[str, ...] = ()
    config: Json = field(default_factory=dict)
    toolsets_off: tuple[str, ...] = ()
    expires_at: datetime | None = None
    enabled: bool = True
    external_id: str | None = None
    metadata: Json = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0
    tools: int | None = None
    tokens: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeServer(Server):
    """A server that was just made. ``url`` is None when the same request was sent again."""

    url: str | None = field(default=None, repr=False)
    token_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerToken:
    """One secret URL of a server, without its text."""

    id: str
    server: str
    label: str = ""
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeServerToken(ServerToken):
    """A token that was just made. ``token`` and ``url`` are None when the same request was sent again."""

    token: str | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token for the API, without its text."""

    id: str
    name: str
    role: str
    tenant: str | None = None
    servers: tuple[str, ...] | None = None
    end_user: str | None = None
    allow_commands: bool = False
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeApiToken(ApiToken):
    """A token that was just made. ``token`` is None when the same request was sent again."""

    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One thing that was done."""

    id: str
    principal: str
    action: str
    at: datetime | None = None
    tenant: str | None = None
    target: str = ""
    outcome: str = ""
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    id: str
    kind: str
    at: datetime | None = None
    tenant: str | None = None
    target: str = ""
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSession:
    """A link to a page where somebody connects an account, and what came of it."""

    id: str
    tenant: str
    connector: str
    account: str | None = None
    end_user: str | None = None
    external_id: str | None = None
    state: str = ""
    result: Json = field(default_factory=dict)
    allowed_origins: tuple[str, ...] = ()
    return_url: str = ""
    expires_at: datetime | None = None
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeConnectSession(ConnectSession):
    """A session that was just made. ``url`` is None when the same request was sent again."""

    url: str | None = field(default=None, repr=False)
    embed_url: str | None = field(default=None, repr=False)
    user_code: str | None = field(default=None, repr=False)
    verification_uri: str | None = None
    verification_uri_complete: str | None = field(default=None, repr=False)
    interval: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """An OAuth client of a connector, without its secret."""

    id: str
    connector: str
    client_id: str
    tenant: str | None = None
    scheme: str = ""
    provider: str = ""
    method: str = ""
    proof: str = ""
    scopes: tuple[str, ...] = ()
    endpoints: Json = field(default_factory=dict)
    parameters: Json = field(default_factory=dict)
    label: str = ""
    redirect_uri: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What one person gave one client: tokens that renew themselves until it ends. ``servers`` None: all."""

    id: str
    client: str
    subject: str
    tenant: str | None = None
    client_name: str = ""
    role: str = ""
    servers: tuple[str, ...] | None = None
    end_user: str | None = None
    resource: str = ""
    scopes: tuple[str, ...] = ()
    redirect_uri: str | None = None
    api_token: str | None = None
    expires_at: datetime | None = None
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A token that was found, and is revoked now."""

    id: str
    kind: str
    tenant: str | None = None
    name: str = ""
    server: str | None = None
    lines: tuple[AuditLine, ...] = _each(AuditLine)
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Edits of a connector's tools in one layer."""

    id: str
    layer: str
    connector: str
    tenant: str | None = None
    target: str = ""
    patch: Json = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """A named group of tools."""

    id: str
    connector: str
    name: str
    tenant: str | None = None
    title: str = ""
    description: str = ""
    select: Json = field(default_factory=dict)
    origin: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    revision: int = 0
