"""Who may do what: five roles, the verbs of the admin API, and one table; and that nobody makes more than they are.

Decides from a principal and the tenant of an object alone. It knows no objects: that an id lies in a tenant, and that a
connector is shown to one, is found by the store's scopes. Flows ask here before they act, the index of tokens before a
call. An object of the house has no tenant, written as None or as an empty text.

``use`` is what each kind is for: to call a server, to put an account or a connector to work, to switch a toolset of a
server on or off, to redeem a connect session's code, to decide an approval, to apply a state. For versions, ``create``
is an import and ``update`` a promotion or a rollback; for audit, ``read`` opens the body of a line; for state, ``read``
is a pull.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from apiloom.base.errors import CallerError
from apiloom.identity.principal import Principal, Role

Verb = Literal["list", "read", "create", "update", "delete", "use"]
Kind = Literal[
    "tenants",
    "connectors",
    "versions",
    "accounts",
    "servers",
    "server-tokens",
    "toolsets",
    "overlays",
    "policies",
    "approvals",
    "api-tokens",
    "oauth-clients",
    "connect-sessions",
    "sign-ins",
    "events",
    "audit",
    "catalogue",
    "health",
    "state",
]

VERBS: tuple[Verb, ...] = ("list", "read", "create", "update", "delete", "use")

# One column of six letters for each role: list, read, create, update, delete, use (x); a dot where it may not.
TABLE = """
kind              owner   operator  auditor  tenant-admin  agent
tenants           lrcud.  lrcu..    lr....   lr....        ......
connectors        lrcudx  lrcudx    lr....   lr...x        lr....
versions          lrcud.  lrcud.    lr....   lr....        lr....
accounts          lrcudx  lrcudx    lr....   lrcudx        ......
servers           lrcudx  lrcudx    lr....   lrcudx        lr...x
server-tokens     lrcud.  lrcud.    lr....   lrcud.        ......
toolsets          lrcudx  lrcudx    lr....   lrcudx        lr....
overlays          lrcud.  lrcud.    lr....   lrcud.        ......
policies          lrcud.  lrcud.    lr....   lr....        ......
approvals         lr...x  lr...x    lr....   lr...x        ......
api-tokens        lrcud.  lrcud.    lr....   lrcud.        ......
oauth-clients     lrcud.  lrcud.    lr....   lrcud.        ......
connect-sessions  lrc.dx  lrc.dx    lr....   lrc.dx        ......
sign-ins          lr..d.  lr..d.    lr....   lr..d.        ......
events            lr....  lr....    lr....   lr....        ......
audit             lr....  lr....    lr....   lr....        ......
catalogue         lr....  lr....    lr....   lr....        lr....
health            lr....  lr....    lr....   lr....        lr....
state             lr...x  lr...x    lr....   lr...x        ......
"""

Cell = tuple[str, str]
"""A verb and a kind."""


def _grants() -> dict[str, frozenset[Cell]]:
    (_, *roles), *rows = (line.split() for line in TABLE.strip().splitlines())
    return {
        role: frozenset(
            (verb, row[0]) for row in rows for verb, sign in zip(VERBS, row[column], strict=True) if sign != "."
        )
        for column, role in enumerate(roles, 1)
    }


GRANTS = _grants()
"""What each role may, within the scope of whoever has it."""

ROLES = tuple(GRANTS)
KINDS: tuple[str, ...] = tuple(line.split()[0] for line in TABLE.strip().splitlines()[1:])

OF_HOUSE_ONLY = frozenset({"owner"})
"""Roles that no tenant's token has."""

OF_TENANT_ONLY = frozenset({"tenant-admin", "agent"})
"""Roles that only a tenant's token has."""

SHOWN: frozenset[Cell] = frozenset(
    (verb, kind)
    for kind in ("connectors", "versions", "toolsets", "overlays", "oauth-clients", "catalogue", "health")
    for verb in ("list", "read")
) | {("use", "connectors")}
"""What a tenant's token may do with objects of the house, if its role may: see what is shown to it, and connect."""

WITHIN_SERVERS = frozenset({"list", "read"})
"""What a token that is limited to some servers may do besides calling them: one that could change a server, or make a
token for another, would not be limited."""

_NOTHING: frozenset[Cell] = frozenset()
_CALLS_ONLY: frozenset[Cell] = frozenset({("use", "servers")})
_LIMITED = {
    role: frozenset(cell for cell in cells if cell[0] in WITHIN_SERVERS or cell in _CALLS_ONLY)
    for role, cells in GRANTS.items()
}


def granted(principal: Principal) -> frozenset[Cell]:
    """What a principal may, where it may anything: its role's cells, less what its limits take away."""
    role = principal.role
    if not role:
        return _CALLS_ONLY if principal.servers and principal.tenant else _NOTHING
    if (role in OF_HOUSE_ONLY and principal.tenant) or (role in OF_TENANT_ONLY and not principal.tenant):
        return _NOTHING
    return (GRANTS if principal.servers is None else _LIMITED).get(role, _NOTHING)


def may(principal: Principal, verb: Verb, kind: Kind, tenant: str | None) -> bool:
    """Whether a principal may do this with objects of a kind that belong to a tenant (None or "": to the house).

    For a server, :func:`sees_server` says whether it is one of those a limited token knows.
    """
    if (verb, kind) not in granted(principal):
        return False
    return not principal.tenant or tenant == principal.tenant or (not tenant and (verb, kind) in SHOWN)


def check_may(principal: Principal, verb: Verb, kind: Kind, tenant: str | None) -> None:
    """As :func:`may`.

    Raises:
        CallerError: ``identity.forbidden``, in the same words whether the role or the tenant is in the way.
    """
    if not may(principal, verb, kind, tenant):
        raise CallerError(
            f"this token may not {verb} {kind} here",
            code="identity.forbidden",
            hint="use a token with another role, or of the tenant it is about",
            principal=principal.id,
            verb=verb,
            kind=kind,
        )


def sees_server(principal: Principal, server: str) -> bool:
    """Whether a server is among those that a token is not kept from; its tenant is another question."""
    return principal.servers is None or server in principal.servers


def may_call(principal: Principal, tenant: str, server: str) -> bool:
    """Whether a principal may call one server of a tenant over MCP."""
    if principal.servers is not None and server not in principal.servers:
        return False
    return bool(tenant) and may(principal, "use", "servers", tenant)


def check_commands(principal: Principal) -> None:
    """That a principal may name commands, local paths and ``file:`` references.

    Raises:
        CallerError: ``identity.forbidden`` unless it is an owner that was allowed to.
    """
    if not (principal.allow_commands and _owns(principal)):
        raise CallerError(
            "this token may not name commands or files of the host",
            code="identity.forbidden",
            hint="do it on the host's own command line, or with an owner token that has allow_commands",
            principal=principal.id,
        )


def check_shape(*, role: Role, tenant: str | None, allow_commands: bool = False) -> None:
    """That a token of this role can have this tenant, and these rights.

    Raises:
        CallerError: ``identity.scope``.
    """
    if role not in GRANTS:
        raise _misshapen("there is no such role", f"the roles are {', '.join(ROLES)}")
    if role in OF_HOUSE_ONLY and tenant:
        raise _misshapen(f"the role {role} belongs to the house", "leave the tenant out, or make it a tenant-admin")
    if role in OF_TENANT_ONLY and not tenant:
        raise _misshapen(f"the role {role} belongs to a tenant", "name the tenant")
    if allow_commands and role != "owner":
        raise _misshapen("only an owner can be allowed commands", "leave allow_commands out")


def check_reaches(
    principal: Principal,
    *,
    role: Role,
    tenant: str | None,
    servers: Iterable[str] | None = None,
    allow_commands: bool = False,
) -> None:
    """That nothing described so could do more than the principal: what whoever changes or ends a token must pass too.

    Args:
        principal: who asks.
        role: of the token; "" for what has none, a server or an account.
        tenant: whose it is; None or "": the house's.
        servers: the ids of those it may call, None: all of its tenant.
        allow_commands: whether it may name commands.

    Raises:
        CallerError: ``identity.wider``.
    """
    if not principal.role or not granted(principal):
        raise _wider("this token makes nothing", principal)
    if principal.tenant and tenant != principal.tenant:
        raise _wider("it would belong to another tenant, or to the house", principal)
    # roles as such: that a limit takes something away from a wider role makes it no narrower role
    if role and (role not in GRANTS or not GRANTS[role] <= GRANTS[principal.role]):
        raise _wider("its role may more", principal)
    if principal.servers is not None and (servers is None or not set(servers) <= set(principal.servers)):
        raise _wider("it would reach other servers", principal)
    if allow_commands and not (principal.allow_commands and _owns(principal)):
        raise _wider("it would be allowed commands", principal)


def check_no_wider(
    principal: Principal,
    *,
    role: Role,
    tenant: str | None,
    servers: Iterable[str] | None = None,
    expires_at: float | None,
    allow_commands: bool = False,
) -> None:
    """That a token, a server or an account would be no wider than the principal who makes or changes it.

    Args:
        principal: who asks.
        role: of a token; "" for what has none, a server or an account.
        tenant: whose it would be; None or "": the house's.
        servers: the ids of those it may call, None: all of its tenant.
        expires_at: when it ends, in seconds since the epoch; None: never.
        allow_commands: whether it may name commands.

    Raises:
        CallerError: ``identity.wider``.
    """
    check_reaches(principal, role=role, tenant=tenant, servers=servers, allow_commands=allow_commands)
    check_lasts(principal, expires_at)


def check_lasts(principal: Principal, expires_at: float | None) -> None:
    """That something ends no later than whoever makes it; owners may make what lasts longer, or for ever.

    Raises:
        CallerError: ``identity.wider``.
    """
    ends = math.inf if expires_at is None else expires_at
    if math.isnan(ends):
        raise _wider("its end is no time", principal)
    if _owns(principal):
        return
    if math.isinf(ends) and ends > 0:
        raise _wider("it would never end, which only an owner can grant", principal)
    if ends > principal.expires_at:
        raise _wider("it would end later", principal)


def check_end_user(principal: Principal, end_user: str | None, *, shared: bool = False) -> None:
    """That a token which stands for one person acts for nobody else.

    Args:
        principal: who asks.
        end_user: whose the token or account is, in the vendor's words.
        shared: whether it is an account that is open to everyone of its tenant.

    Raises:
        CallerError: ``identity.wider``.
    """
    if principal.end_user and not shared and end_user != principal.end_user:
        raise _wider("it would act for somebody else", principal)


def _owns(principal: Principal) -> bool:
    return principal.role == "owner" and principal.of_house and principal.servers is None


def _wider(why: str, principal: Principal) -> CallerError:
    return CallerError(
        f"nothing can be made or changed to be wider than the token that asks: {why}",
        code="identity.wider",
        hint="ask for less, or use a wider token",
        principal=principal.id,
    )


def _misshapen(why: str, hint: str) -> CallerError:
    return CallerError(why, code="identity.scope", hint=hint)
