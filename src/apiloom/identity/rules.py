"""What the claims of a verified token make of whoever shows it: rules that an operator has written, as plain values.

A rule holds where every claim it names has one of the values it lists, letter by letter. All rules that hold must say
the same, or nobody is let in: who somebody is must not depend on the order of a list. A role is only ever what the
rule itself says, so that no claim can name one. Knows no tokens; whoever verifies them stands above.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiloom.base import json
from apiloom.identity.principal import Principal, Role

PLACE = re.compile(r"\{([^{}]+)\}")
"""A claim's name in a template: ``{tid}``, ``{realm.tenant}``."""

LONGEST = 200
"""Characters of a value that a claim may lend."""

_PLAIN = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{LONGEST}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of an operator's mapping.

    ``when`` lists by claim the values of which it must have one (a claim that is a list: contain one). ``tenant`` and
    ``end_user`` are texts with at most one claim in braces; ``servers`` are names or ids, None: every one of the
    tenant. An empty tenant is the house's.
    """

    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tenant: str = ""
    role: Role = "agent"
    servers: tuple[str, ...] | None = None
    end_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What somebody is by the rules."""

    tenant: str
    role: Role
    servers: tuple[str, ...] | None
    end_user: str


def map_claims(rules: Sequence[Rule], claims: Mapping[str, Any], *, unverified_email: bool = False) -> Mapped | None:
    """Who the holder of these claims is; None where no rule holds, two disagree, or a claim that is needed is missing.

    An ``email`` that its issuer does not call verified (OpenID Connect Core section 5.1) counts as none unless
    ``unverified_email``: at many issuers people write there what they like.
    """
    if "email" in claims and not unverified_email and claims.get("email_verified") is not True:
        claims = {name: value for name, value in claims.items() if name != "email"}
    found: Mapped | None = None
    for rule in rules:
        if not _holds(rule, claims):
            continue
        tenant, end_user = _filled(rule.tenant, claims), _filled(rule.end_user, claims)
        if tenant is None or end_user is None:
            return None
        mapped = Mapped(tenant=tenant, role=rule.role, servers=rule.servers, end_user=end_user)
        if found is not None and found != mapped:
            return None
        found = mapped
    return found


def build_principal(mapped: Mapped, id_: str, ends: float, server_id: Callable[[str, str], str]) -> Principal:
    """Who the rules make of somebody until ``ends``, in seconds since the epoch.

    ``server_id`` finds the id of a tenant's server by its id or name; those that are not there ("") are left out.
    """
    servers = mapped.servers
    if servers is not None:
        servers = tuple(sorted({found for name in servers if (found := server_id(mapped.tenant, name))}))
    return Principal(
        id=id_, tenant=mapped.tenant, role=mapped.role, servers=servers, end_user=mapped.end_user, expires_at=ends
    )


def view_of(principal: Principal) -> str:
    """A name for all who may do the same as the same person, whichever token they show."""
    rights = [principal.id, principal.tenant, principal.role, principal.servers, principal.end_user]
    return f"view:{json.digest(rights)}"


def may_be_same(first: str, second: str) -> bool:
    """Whether two templates can become the same text, whatever the claims are."""
    (start, end, open_), (other_start, other_end, other_open) = _ends(first), _ends(second)
    if not open_ and not other_open:
        return first == second
    if not open_ or not other_open:
        text, start, end = (first, other_start, other_end) if not open_ else (second, start, end)
        return len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end)
    starts = start.startswith(other_start) or other_start.startswith(start)
    return starts and (end.endswith(other_end) or other_end.endswith(end))


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its whole name, else by the names of members joined by dots; None where there is none."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _holds(rule: Rule, claims: Mapping[str, Any]) -> bool:
    return all(_has(claim(claims, name), wanted) for name, wanted in rule.when.items())


def _has(value: Any, wanted: tuple[str, ...]) -> bool:
    if isinstance(value, list):
        return any(isinstance(each, str) and each in wanted for each in value)
    if isinstance(value, bool):
        return ("true" if value else "false") in wanted
    return isinstance(value, str) and value in wanted


def _ends(template: str) -> tuple[str, str, bool]:
    """What stands before and behind the claim of a template, and whether it has one."""
    place = PLACE.search(template)
    return (template, "", False) if place is None else (template[: place.start()], template[place.end() :], True)


def _filled(template: str, claims: Mapping[str, Any]) -> str | None:
    """A template with its claim in place; None where the claim is no plain text."""
    place = PLACE.search(template)
    if place is None:
        return template
    value = claim(claims, place[1])
    if not isinstance(value, str) or _PLAIN.fullmatch(value) is None:
        return None
    return template[: place.start()] + value + template[place.end() :]
