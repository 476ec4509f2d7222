"""How principals list and find records of one kind: the same questions in the same order, whatever the kind.

A kind is told by :class:`Reached`: what roles call it, where its records lie, and by what a listing may be narrowed.
Which scope a principal has is :mod:`apiloom.flows.access`' to say. The flows of each kind stand above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from apiloom.flows.access import find, scope_of, tenant_for
from apiloom.flows.asking import Page, Query, listed
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal
from apiloom.identity.roles import Kind, Verb, check_may, check_reaches
from apiloom.store.ports import Rows, Scope, Work


class _Owned(Protocol):
    @property
    def tenant(self) -> str | None: ...


class _Past(_Owned, Protocol):
    @property
    def at(self) -> float: ...


Owned = TypeVar("Owned", bound=_Owned)
Past = TypeVar("Past", bound=_Past)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached(Generic[Owned]):
    """One kind of record, each of a tenant or of the house.

    ``kind`` is its word in roles; ``rows`` are its records in a scope, ``filters`` the members that may narrow a
    listing, with the type of their values. ``one`` is its word in refusals such as ``toolset.not_found``, empty where
    none is ever asked for by its id.
    """

    kind: Kind
    rows: Callable[[Scope], Rows[Owned]]
    filters: Mapping[str, type]
    one: str = ""

    async def page(self, ground: Ground, who: Principal, query: Query) -> Page[Owned]:
        """A page of those that a principal reaches.

        Raises:
            CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.listed`.
        """
        check_may(who, "list", self.kind, who.tenant)
        async with ground.store.reading() as work:
            return await listed(self.rows(scope_of(work, who)), query, self.filters)

    async def read(self, ground: Ground, who: Principal, id_: str) -> Owned:
        """One that a principal may read.

        Raises:
            CallerError: as :meth:`find`.
        """
        async with ground.store.reading() as work:
            return await self.find(work, who, "read", id_)

    async def find(self, work: Work, who: Principal, verb: Verb, id_: str) -> Owned:
        """One that a principal may do something with: asked of its own tenant, and of the record's once it is known.

        Raises:
            CallerError: ``identity.forbidden``; ``….not_found``, for another tenant's too.
        """
        check_may(who, verb, self.kind, who.tenant)
        record = await find(self.rows(scope_of(work, who)), self.one, id_)
        check_may(who, verb, self.kind, record.tenant)
        return record

    async def place(self, work: Work, who: Principal, named: str | None) -> tuple[str | None, Scope]:
        """Where a new one goes, and the scope of that: to the principal's own tenant; for the house's roles to the
        tenant that is named, else to the house.

        Raises:
            CallerError: ``identity.forbidden``, ``identity.wider``, ``tenant.not_found``.
        """
        tenant = named or who.tenant or None
        check_may(who, "create", self.kind, tenant)
        check_reaches(who, role="", tenant=tenant)
        return (None, work.house()) if tenant is None else await tenant_for(work, who, tenant)


async def page_of_past(past: Reached[Past], ground: Ground, who: Principal, query: Query) -> Page[Past]:
    """A page of what was, newest first. A tenant that was made anew under an id sees nothing from before.

    Raises:
        CallerError: ``identity.forbidden``, and as :func:`~apiloom.flows.asking.listed`.
    """
    check_may(who, "list", past.kind, who.tenant)
    async with ground.store.reading() as work:
        scope = scope_of(work, who)
        page = await listed(past.rows(scope), query, past.filters)
        tenant = None if who.of_house else await scope.tenants.load(who.tenant)
    if tenant is None:
        return page
    own = tuple(each for each in page.items if each.at >= tenant.created_at)
    return page if len(own) == len(page.items) else Page(own)


def home(work: Work, record: _Owned) -> Scope:
    """The scope that a record lies in: its tenant's, or the house's."""
    return work.house() if record.tenant is None else work.tenant(record.tenant)
