"""What a scope reaches, as conditions of a query: the first wall. PostgreSQL's row-level security is the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, and_, case, cast, false, func, literal, null, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB

from apiloom.store import shapes
from apiloom.store.kinds import Kind
from apiloom.store.sql.tables import TABLES

Condition = ColumnElement[bool]

EVERYWHERE = "*"
"""The setting of the house's scope; no tenant can be called so."""

SETTING = "apiloom.tenant"
"""The setting that row-level security compares with."""

ANY: Condition = true()
NONE = null()


def setting(tenant: str | None) -> str:
    """What the database is told of a scope (None: the house)."""
    if tenant is None:
        return EVERYWHERE
    return tenant if tenant != EVERYWHERE and shapes.is_keepable(tenant) else ""


def visible(kind: Kind, tenant: str | None, dialect: str) -> Condition:
    """Which records of a kind a scope sees."""
    if tenant is None:
        return true()
    if not shapes.is_keepable(tenant):
        return false()
    table = TABLES[kind.rows]
    if kind.shown == "house":
        return false()
    if kind.shown == "shown":
        return _shown(tenant, dialect)
    if kind.shown == "of_shown":
        return table.c.connector.in_(_connectors(tenant, dialect))
    own = table.c[kind.owner] == tenant
    if kind.shown == "layered":
        return or_(own, and_(table.c.tenant.is_(None), table.c.connector.in_(_connectors(tenant, dialect))))
    return own


def writable(kind: Kind, tenant: str | None) -> Condition:
    """Which records of a kind a scope may change; only for kinds that tenants write."""
    if tenant is None:
        return true()
    return TABLES[kind.rows].c[kind.owner] == tenant if shapes.is_keepable(tenant) else false()


def named(table: Table, id_: str) -> Condition:
    """The record of an id; texts that no database can hold name none."""
    return table.c.id == id_ if shapes.is_keepable(id_) else false()


def among(table: Table, ids: Sequence[str]) -> Condition:
    """The records of several ids."""
    return table.c.id.in_([id_ for id_ in ids if shapes.is_keepable(id_)])


def behind(table: Table, after: str, *, newest_first: bool) -> Condition:
    """The records behind an id in their order."""
    if not shapes.is_keepable(after):
        return false()
    return table.c.id < after if newest_first else table.c.id > after


def matching(kind: Kind, where: Mapping[str, Any] | None, dialect: str) -> Condition:
    """The records whose members are as asked.

    Raises:
        HouseFault: ``store.member`` for a member that there is not.
    """
    table = TABLES[kind.rows]
    asked: list[Condition] = [true()]
    for name, value in shapes.check_where(kind, where).items():
        if not shapes.may_match(kind, name, value):
            asked.append(false())
        elif name.startswith(shapes.METADATA):
            there = _inside(table, name.removeprefix(shapes.METADATA), dialect)
            spelled = shapes.as_compared(value)
            asked.append(there.is_(None) if spelled is None else there == spelled)
        else:
            asked.append(table.c[name].is_(None) if value is None else table.c[name] == value)
    return and_(*asked)


def _inside(table: Table, name: str, dialect: str) -> ColumnElement[str]:
    """A value of the metadata as ``shapes.as_compared`` spells it, NULL where there is none."""
    if dialect == "postgresql":
        return func.json_extract_path_text(table.c.metadata, name)
    each = func.json_each(table.c.metadata).table_valued("key", "value", "type")
    spelled = case(
        (each.c.type.in_(("true", "false")), each.c.type),
        (each.c.type == "null", null()),
        else_=cast(each.c.value, Text()),
    )
    return select(spelled).where(each.c.key == name).correlate(table).scalar_subquery()


def _shown(tenant: str, dialect: str) -> Condition:
    tenants = TABLES["connectors"].c.tenants
    if dialect == "postgresql":
        to_it: Condition = cast(tenants, JSONB).contains(func.to_jsonb(cast(literal(tenant), Text())))
    else:
        each = func.json_each(tenants).table_valued("value")
        to_it = select(literal(1)).select_from(each).where(each.c.value == tenant).exists()
    return or_(tenants.is_(null()), to_it)


def _connectors(tenant: str, dialect: str) -> Any:
    return select(TABLES["connectors"].c.id).where(_shown(tenant, dialect))
