"""Every role, verb, kind and place; and that no token makes, changes or ends what is wider than itself.

The expectations are written as sentences here, apart from the table of the house. Whether something is wider is judged
by what it could do: everything :func:`may` and :func:`may_call` would let it.
"""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest

from apiloom.base.errors import CallerError
from apiloom.identity import roles
from apiloom.identity.principal import ANYONE, Principal
from apiloom.identity.roles import (
    KINDS,
    ROLES,
    VERBS,
    check_commands,
    check_end_user,
    check_lasts,
    check_may,
    check_no_wider,
    check_reaches,
    check_shape,
    may,
    may_call,
    sees_server,
)
from support.source import ROOT

SEE, WRITE = {"list", "read"}, {"create", "update", "delete"}
MEANT: dict[str, set[str]] = {
    "tenants": SEE | WRITE,
    "connectors": SEE | WRITE | {"use"},
    "versions": SEE | WRITE,
    "accounts": SEE | WRITE | {"use"},
    "servers": SEE | WRITE | {"use"},
    "server-tokens": SEE | WRITE,
    "toolsets": SEE | WRITE | {"use"},
    "overlays": SEE | WRITE,
    "policies": SEE | WRITE,
    "approvals": SEE | {"use"},
    "api-tokens": SEE | WRITE,
    "oauth-clients": SEE | WRITE,
    "connect-sessions": SEE | {"create", "delete", "use"},
    "sign-ins": SEE | {"delete"},
    "events": SEE,
    "audit": SEE,
    "catalogue": SEE,
    "health": SEE,
    "state": SEE | {"use"},
}
"""What can be done with each kind at all."""

A_TENANTS_OWN = {"accounts", "servers", "server-tokens", "toolsets", "overlays", "api-tokens"} | {
    "oauth-clients",
    "connect-sessions",
    "sign-ins",
}
SHOWN_TO_TENANTS = {"connectors", "versions", "toolsets", "overlays", "oauth-clients", "catalogue", "health"}
SHOWN_TO_AGENTS = {"connectors", "versions", "servers", "toolsets", "catalogue", "health"}


def role_may(role: str, verb: str, kind: str) -> bool:
    if verb not in MEANT[kind]:
        return False
    match role:
        case "owner":
            return True
        case "operator":
            return (verb, kind) != ("delete", "tenants")
        case "auditor":
            return verb in SEE
        case "tenant-admin":
            return (
                verb in SEE or kind in A_TENANTS_OWN or (verb == "use" and kind in {"connectors", "approvals", "state"})
            )
        case "agent":
            return (verb in SEE and kind in SHOWN_TO_AGENTS) or (verb, kind) == ("use", "servers")
    return False


def expected(principal: Principal, verb: str, kind: str, tenant: str | None) -> bool:
    role = principal.role
    if not role:
        its_own = bool(principal.tenant and principal.servers)
        return its_own and (verb, kind, tenant) == ("use", "servers", principal.tenant)
    if role == "owner" and principal.tenant:
        return False
    if role in {"tenant-admin", "agent"} and not principal.tenant:
        return False
    if not role_may(role, verb, kind):
        return False
    if principal.servers is not None and verb not in SEE and (verb, kind) != ("use", "servers"):
        return False
    if not principal.tenant or tenant == principal.tenant:
        return True
    to_see = verb in SEE and kind in SHOWN_TO_TENANTS
    return not tenant and (to_see or (verb, kind) == ("use", "connectors"))


SERVERS = {"srv_a1": "acme", "srv_a2": "acme", "srv_b1": "beta"}
NOW, SOON, LATE = 0.0, 100.0, 200.0


def principals() -> Iterator[Principal]:
    """Every role, of the house and of a tenant, limited to servers and not, ending and not, with commands and not."""
    limits = (None, (), ("srv_a1",), ("srv_a1", "srv_b1"))
    for role, tenant, servers, ends, commands in itertools.product(
        (*ROLES, ""), ("", "acme"), limits, (SOON, math.inf), (False, True)
    ):
        yield Principal(id="p", role=role, tenant=tenant, servers=servers, expires_at=ends, allow_commands=commands)


def named(principal: Principal) -> str:
    limit = "all" if principal.servers is None else "+".join(principal.servers) or "none"
    commands = "-commands" if principal.allow_commands else ""
    return f"{principal.role or 'nobody'}-{principal.tenant or 'house'}-{limit}-{principal.expires_at}{commands}"


EVERY = list(principals())


def test_the_table_speaks_of_every_role_kind_and_verb() -> None:
    assert set(KINDS) == set(MEANT) == set(get_args(roles.Kind))
    assert set(VERBS) == SEE | WRITE | {"use"} == set(get_args(roles.Verb))
    assert set(ROLES) == {"owner", "operator", "auditor", "tenant-admin", "agent"}


@pytest.mark.parametrize("principal", EVERY, ids=named)
def test_every_role_verb_kind_and_tenant_is_as_the_sentences_say(principal: Principal) -> None:
    for verb, kind, tenant in itertools.product(VERBS, KINDS, (None, "", "acme", "beta")):
        wanted = expected(principal, verb, kind, tenant)
        assert may(principal, verb, kind, tenant) == wanted, (verb, kind, tenant)
        if wanted:
            check_may(principal, verb, kind, tenant)
        else:
            with pytest.raises(CallerError) as refused:
                check_may(principal, verb, kind, tenant)
            assert refused.value.code == "identity.forbidden"


def test_what_nobody_has_heard_of_nobody_may() -> None:
    owner = Principal(id="p", role="owner")
    assert not may(owner, "own", "servers", None)
    assert not may(owner, "read", "secrets", None)
    assert not may(Principal(id="p", role="root"), "read", "servers", None)
    assert not any(may(ANYONE, verb, kind, tenant) for verb in VERBS for kind in KINDS for tenant in ("", "acme"))


def test_a_refusal_reads_the_same_for_a_tenant_that_is_there_and_one_that_is_not() -> None:
    ann = Principal(id="p", role="tenant-admin", tenant="acme")
    sentences = set()
    for tenant in ("beta", "nobody-knows-it", None):
        with pytest.raises(CallerError) as refused:
            check_may(ann, "create", "servers", tenant)
        sentences.add((refused.value.sentence(), str(refused.value.facts)))
    assert len(sentences) == 1


@pytest.mark.parametrize("principal", EVERY, ids=named)
def test_a_server_is_called_by_whoever_may_use_servers_there_and_is_not_kept_from_it(principal: Principal) -> None:
    for server, tenant in SERVERS.items():
        wanted = expected(principal, "use", "servers", tenant)
        wanted = wanted and (principal.servers is None or server in principal.servers)
        assert may_call(principal, tenant, server) == wanted
    assert not may_call(principal, "", "srv_a1")


def test_a_limited_token_sees_only_its_servers() -> None:
    limited = Principal(id="p", role="agent", tenant="acme", servers=("srv_a1",))
    assert [sees_server(limited, server) for server in SERVERS] == [True, False, False]
    assert all(sees_server(replace(limited, servers=None), server) for server in SERVERS)


def powers(principal: Principal) -> set[tuple[Any, ...]]:
    """Everything a principal could do."""
    done: set[tuple[Any, ...]] = {
        cell for cell in itertools.product(VERBS, KINDS, (None, "acme", "beta")) if may(principal, *cell)
    }
    done |= {("call", server) for server, tenant in SERVERS.items() if may_call(principal, tenant, server)}
    done |= {("see", server) for server in SERVERS if sees_server(principal, server)}
    if principal.allow_commands and owns(principal):
        done.add(("commands",))
    return done


def owns(principal: Principal) -> bool:
    return principal.role == "owner" and not principal.tenant and principal.servers is None


def unlimited(principal: Principal) -> Principal:
    return replace(principal, servers=None)


def shaped(principal: Principal) -> bool:
    try:
        check_shape(role=principal.role, tenant=principal.tenant, allow_commands=principal.allow_commands)
    except CallerError as error:
        return error.code != "identity.scope"
    return True


def makes(maker: Principal, made: Principal, ends: float | None) -> bool:
    try:
        check_no_wider(
            maker,
            role=made.role,
            tenant=made.tenant or None,
            servers=made.servers,
            expires_at=ends,
            allow_commands=made.allow_commands,
        )
    except CallerError as error:
        return error.code != "identity.wider"
    return True


# a limit to no servers and one to another's is no more or less than one to fewer, so these are enough to be made
MADE = [
    Principal(id="made", role=role, tenant=tenant, servers=servers, allow_commands=commands)
    for role, tenant, servers, commands in itertools.product(
        ROLES, ("", "acme", "beta"), (None, (), ("srv_a1",), ("srv_a2",), ("srv_a1", "srv_b1")), (False, True)
    )
]
SHAPED = [made for made in MADE if shaped(made)]
POWERS = {made: powers(made) for made in SHAPED}
UNLIMITED = {made: powers(unlimited(made)) for made in SHAPED}


@pytest.mark.parametrize("maker", EVERY, ids=named)
def test_no_token_makes_a_token_that_could_do_more_or_last_longer(maker: Principal) -> None:
    mine, mine_unlimited = powers(maker), powers(unlimited(maker))
    for made in SHAPED:
        # the role must fit as such, and what is left of it within the limits
        within = POWERS[made] <= mine and UNLIMITED[made] <= mine_unlimited
        within = within and bool(maker.role and roles.granted(maker))
        within = within and (not made.allow_commands or (maker.allow_commands and owns(maker)))
        for ends in (SOON, LATE, None, math.inf, math.nan, -math.inf):
            lasts = not math.isnan(ends or 0.0) and (
                owns(maker) or (ends is not None and ends != math.inf and ends <= maker.expires_at)
            )
            assert makes(maker, made, ends) == (within and lasts), (made, ends)


@pytest.mark.parametrize("maker", EVERY, ids=named)
def test_a_token_of_no_shape_adds_nothing_either(maker: Principal) -> None:
    mine = powers(maker)
    for made in (made for made in MADE if made not in POWERS):
        if makes(maker, made, SOON):
            assert powers(made) <= mine


@pytest.mark.parametrize("maker", EVERY, ids=named)
def test_servers_and_accounts_lie_within_the_makers_tenant_servers_and_time(maker: Principal) -> None:
    for tenant, servers, ends in itertools.product(
        (None, "acme", "beta"), (None, ("srv_a1",), ("srv_a2",)), (SOON, LATE, None)
    ):
        made = Principal(id="made", tenant=tenant or "", servers=servers)
        wanted = bool(maker.role) and bool(roles.granted(maker))
        wanted = wanted and (not maker.tenant or tenant == maker.tenant)
        wanted = wanted and (maker.servers is None or (servers is not None and set(servers) <= set(maker.servers)))
        if not owns(maker):
            wanted = wanted and ends is not None and ends <= maker.expires_at
        assert makes(maker, made, ends) == wanted


ATTACKS: list[tuple[str, Principal, dict[str, Any]]] = [
    (
        "a tenant's admin makes an owner",
        Principal(id="p", role="tenant-admin", tenant="acme"),
        {"role": "owner", "tenant": None},
    ),
    (
        "a tenant's admin makes an owner of the tenant",
        Principal(id="p", role="tenant-admin", tenant="acme"),
        {"role": "owner", "tenant": "acme"},
    ),
    (
        "a tenant's admin makes an operator of the tenant",
        Principal(id="p", role="tenant-admin", tenant="acme"),
        {"role": "operator", "tenant": "acme"},
    ),
    (
        "a tenant's admin makes an agent of the house",
        Principal(id="p", role="tenant-admin", tenant="acme"),
        {"role": "agent", "tenant": None},
    ),
    (
        "a tenant's admin makes an auditor of the house by an empty tenant",
        Principal(id="p", role="tenant-admin", tenant="acme"),
        {"role": "auditor", "tenant": ""},
    ),
    (
        "a tenant's admin makes one of a neighbour",
        Principal(id="p", role="tenant-admin", tenant="acme"),
        {"role": "agent", "tenant": "beta"},
    ),
    ("an operator makes an owner", Principal(id="p", role="operator"), {"role": "owner", "tenant": None}),
    (
        "an operator allows commands",
        Principal(id="p", role="operator"),
        {"role": "operator", "tenant": None, "allow_commands": True},
    ),
    (
        "an operator who was allowed commands by mistake hands them on",
        Principal(id="p", role="operator", allow_commands=True),
        {"role": "operator", "tenant": None, "allow_commands": True},
    ),
    (
        "an owner without commands allows them",
        Principal(id="p", role="owner"),
        {"role": "owner", "tenant": None, "allow_commands": True},
    ),
    (
        "an owner of a tenant, which there is not, makes anything",
        Principal(id="p", role="owner", tenant="acme"),
        {"role": "agent", "tenant": "acme"},
    ),
    (
        "an auditor makes an auditor that may do what it may not",
        Principal(id="p", role="auditor"),
        {"role": "agent", "tenant": "acme"},
    ),
    (
        "an agent raises its own role",
        Principal(id="p", role="agent", tenant="acme"),
        {"role": "tenant-admin", "tenant": "acme"},
    ),
    (
        "an agent sheds its tenant",
        Principal(id="p", role="agent", tenant="acme"),
        {"role": "agent", "tenant": None},
    ),
    (
        "an agent sheds its limit",
        Principal(id="p", role="agent", tenant="acme", servers=("srv_a1",)),
        {"role": "agent", "tenant": "acme", "servers": None},
    ),
    (
        "an agent moves its limit",
        Principal(id="p", role="agent", tenant="acme", servers=("srv_a1",)),
        {"role": "agent", "tenant": "acme", "servers": ("srv_a2",)},
    ),
    (
        "an agent extends its own end",
        Principal(id="p", role="agent", tenant="acme", expires_at=SOON),
        {"role": "agent", "tenant": "acme", "expires_at": SOON + 0.001},
    ),
    (
        "an operator makes itself eternal",
        Principal(id="p", role="operator", expires_at=SOON),
        {"role": "operator", "tenant": None, "expires_at": None},
    ),
    (
        "one that never ends hands that on",
        Principal(id="p", role="operator"),
        {"role": "operator", "tenant": None, "expires_at": None},
    ),
    (
        "never, written as infinity",
        Principal(id="p", role="operator"),
        {"role": "operator", "tenant": None, "expires_at": math.inf},
    ),
    (
        "an end that is no number",
        Principal(id="p", role="owner"),
        {"role": "owner", "tenant": None, "expires_at": math.nan},
    ),
    (
        "who shows a server's token makes one",
        Principal(id="p", tenant="acme", servers=("srv_a1",)),
        {"role": "", "tenant": "acme", "servers": ("srv_a1",)},
    ),
    ("nobody in particular makes a server", ANYONE, {"role": "", "tenant": "acme"}),
    ("a role nobody knows", Principal(id="p", role="owner"), {"role": "root", "tenant": None}),
    (
        "whoever has a role nobody knows",
        Principal(id="p", role="root"),
        {"role": "agent", "tenant": "acme"},
    ),
]


@pytest.mark.parametrize(("maker", "made"), [attack[1:] for attack in ATTACKS], ids=[attack[0] for attack in ATTACKS])
def test_no_way_to_widen_passes(maker: Principal, made: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as refused:
        check_no_wider(maker, **({"expires_at": 1.0} | made))
    assert refused.value.code == "identity.wider"


@pytest.mark.parametrize("principal", EVERY, ids=named)
def test_a_token_limited_to_servers_changes_nothing(principal: Principal) -> None:
    if principal.servers is not None:
        allowed = {(verb, kind) for verb, kind, _ in (cell for cell in powers(principal) if len(cell) == 3)}
        assert not {cell for cell in allowed if cell[0] not in SEE and cell != ("use", "servers")}


def test_agents_never_approve_read_the_audit_change_policy_or_make_anything() -> None:
    for servers in (None, ("srv_a1",)):
        agent = Principal(id="p", role="agent", tenant="acme", servers=servers)
        for kind in ("approvals", "audit", "policies", "api-tokens", "server-tokens", "accounts", "state"):
            assert not any(may(agent, verb, kind, "acme") for verb in VERBS)
        assert not any(may(agent, verb, kind, "acme") for verb in WRITE for kind in KINDS)


def test_a_narrower_token_cannot_end_or_change_a_wider_one() -> None:
    operator = Principal(id="p", role="operator", expires_at=SOON)
    with pytest.raises(CallerError) as refused:
        check_reaches(operator, role="owner", tenant=None)
    assert refused.value.code == "identity.wider"
    check_reaches(operator, role="operator", tenant=None)
    check_reaches(operator, role="agent", tenant="acme")


def test_only_an_owner_that_was_allowed_may_name_commands() -> None:
    check_commands(Principal(id="p", role="owner", allow_commands=True))
    for principal in EVERY:
        if not (owns(principal) and principal.allow_commands):
            with pytest.raises(CallerError) as refused:
                check_commands(principal)
            assert refused.value.code == "identity.forbidden"


@pytest.mark.parametrize(
    "made",
    [
        {"role": "owner", "tenant": "acme"},
        {"role": "agent", "tenant": None},
        {"role": "tenant-admin", "tenant": ""},
        {"role": "operator", "tenant": None, "allow_commands": True},
        {"role": "", "tenant": "acme"},
        {"role": "root", "tenant": None},
    ],
)
def test_some_roles_belong_to_the_house_and_some_to_a_tenant(made: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as refused:
        check_shape(**made)
    assert refused.value.code == "identity.scope"


def test_one_persons_token_acts_for_nobody_else() -> None:
    ann = Principal(id="p", role="tenant-admin", tenant="acme", end_user="ann")
    check_end_user(ann, "ann")
    check_end_user(ann, "bob", shared=True)
    check_end_user(replace(ann, end_user=""), "bob")
    for other in ("bob", None, ""):
        with pytest.raises(CallerError) as refused:
            check_end_user(ann, other)
        assert refused.value.code == "identity.wider"


def test_owners_alone_make_what_lasts() -> None:
    check_lasts(Principal(id="p", role="owner", expires_at=SOON), None)
    check_lasts(Principal(id="p", role="operator", expires_at=SOON), SOON)
    for ends in (None, SOON + 1, math.inf, math.nan):
        with pytest.raises(CallerError):
            check_lasts(Principal(id="p", role="operator", expires_at=SOON), ends)


def test_the_page_shows_the_table_of_the_house() -> None:
    page = (ROOT / "docs/tokens.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(kind .*?)```", page, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == roles.TABLE.strip()
