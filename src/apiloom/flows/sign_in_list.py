"""The sign-ins that live, for those who look after them: listed, read and ended.

A sign-in is a family of tokens that one person gave one client. A tenant's roles see those of their tenant, the house's
all. How one comes about, and what its tokens are, is :mod:`apiloom.flows.token_families`' matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from apiloom.flows.access import find, not_found, scope_of
from apiloom.flows.asking import Page, Query, Removal, Removed, check_query
from apiloom.flows.audit import note
from apiloom.flows.changing import check_revision
from apiloom.flows.ground import Ground
from apiloom.flows.removing import removed, removing
from apiloom.flows.sign_in_clients import names_of
from apiloom.identity.principal import Principal
from apiloom.identity.roles import Verb, check_may, check_reaches
from apiloom.store.ports import Work
from apiloom.store.records import TokenFamily

_FILTERS = {"tenant": str, "client": str, "subject": str, "resource": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """A sign-in, and what its client calls itself: empty where that is not known any more."""

    family: TokenFamily
    client_name: str

    @property
    def revision(self) -> int:
        """How often it was changed."""
        return self.family.revision


async def list_sign_ins(ground: Ground, who: Principal, query: Query) -> Page[Living]:
    """The sign-ins that a principal reaches, in the order of their ids. What is over is left out.

    Raises:
        CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.check_query`.
    """
    check_may(who, "list", "sign-ins", who.tenant)
    check_query(query, _FILTERS)
    async with ground.store.reading() as work:
        rows = scope_of(work, who).token_families
        items, after = await rows.page(limit=query.limit, after=query.after, where={**query.where, "ended": False})
        names = await names_of(work, [each.client for each in items])
    seen = (each for each in items if _lives(ground, each) and _is_theirs(who, each))
    return Page(tuple(Living(family=each, client_name=names.get(each.client, "")) for each in seen), after)


async def read_sign_in(ground: Ground, who: Principal, id_: str) -> Living:
    """One sign-in.

    Raises:
        CallerError: ``sign_in.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        family = await _find(ground, work, who, "read", id_)
        names = await names_of(work, [family.client])
    return Living(family=family, client_name=names.get(family.client, ""))


async def end_sign_in(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """End a sign-in at once: its tokens count no more, and what is open with them is cut on every node.

    Raises:
        CallerError: ``sign_in.not_found``, ``identity.wider`` for somebody who may more than the principal,
            ``identity.forbidden``, ``store.stale``.
    """

    async def change(work: Work) -> Removed:
        family = await _find(ground, work, who, "delete", id_)
        check_revision(family, how.if_match)
        check_reaches(who, role=family.principal.get("role") or "agent", tenant=family.tenant)
        if not how.plan:
            scope = scope_of(work, who)
            over = await scope.token_families.save(replace(family, ended=True), family.revision)
            await note(ground, scope, who, "revoke", over, client=over.client)
        return removed("sign_in", family.id, (), how)

    return await removing(ground, change, how)


async def _find(ground: Ground, work: Work, who: Principal, verb: Verb, id_: str) -> TokenFamily:
    check_may(who, verb, "sign-ins", who.tenant)
    family = await find(scope_of(work, who).token_families, "sign_in", id_)
    if not _lives(ground, family) or not _is_theirs(who, family):
        raise not_found("sign_in", id_)
    check_may(who, verb, "sign-ins", family.tenant)
    return family


def _lives(ground: Ground, family: TokenFamily) -> bool:
    return not family.ended and ground.now() < family.expires_at


def _is_theirs(who: Principal, family: TokenFamily) -> bool:
    """Whether somebody who stands for one person looks at that person's own."""
    return not who.end_user or family.principal.get("end_user") == who.end_user
