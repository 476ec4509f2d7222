"""How migrations make tables: columns, constraints, indexes and PostgreSQL's policies, written as short lines.

A migration holds what it makes; nothing here changes what an old one made. Below it stands Alembic.

A column is ``NAME`` for text, ``NAME:TYPE`` for something else; ``NAME?`` may be NULL. The first one is the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "": _TEXT,
    "whole": sa.BigInteger(),
    "number": sa.Float(53),
    "flag": sa.Boolean(),
    "bytes": sa.LargeBinary(),
    "json": sa.JSON(none_as_null=True),
}

# Row-level security. The house sets '*'; a tenant its own id, which may be neither that nor empty.
NOW = "current_setting('apiloom.tenant', true)"
_HOUSE = f"({NOW} = '*')"
OF_SHOWN = "EXISTS (SELECT 1 FROM connectors WHERE connectors.id = {table}.connector)"


def make_tables(
    tables: Mapping[str, str],
    *,
    unique: Mapping[str, Sequence[str]] | None = None,
    references: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Make tables. ``unique`` are members that no two rows share; ``references`` are ``MEMBERS TABLE MEMBERS``."""
    for name, columns in tables.items():
        keys = _constraints(name, (unique or {}).get(name, ()), (references or {}).get(name, ()))
        op.create_table(name, *_columns(columns), *keys)


def make_indexes(lines: Iterable[str], *, unique_without_tenant: Mapping[str, str] | None = None) -> None:
    """Make indexes, each ``TABLE COLUMN …``; those of the second kind are unique with the tenant, and without one."""
    for line in lines:
        table, *columns = line.split()
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    for table, members in (unique_without_tenant or {}).items():
        parts: list[Any] = [*members.split(), sa.text("coalesce(tenant, '')")]
        op.create_index(f"uq_{table}_{members.replace(' ', '_')}_tenant", table, parts, unique=True)


def wall(tables: Iterable[str], owned: Mapping[str, str]) -> None:
    """Put tables behind row-level security: to the house, and where a column names it, to the tenant of the row."""
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        own = f" OR {owned[table]} = {NOW}" if table in owned else ""
        op.execute(f"CREATE POLICY own ON {table} USING ({_HOUSE}{own}) WITH CHECK ({_HOUSE}{own})")


def show(read: Mapping[str, str]) -> None:
    """Let tenants read rows of tables where a condition holds."""
    for table, condition in read.items():
        op.execute(f"CREATE POLICY shown ON {table} FOR SELECT USING ({condition})")


def _columns(line: str) -> list[sa.Column[Any]]:
    made: list[sa.Column[Any]] = []
    for word in line.split():
        name, _, kind = word.partition(":")
        key: dict[str, Any] = {"primary_key": True, "autoincrement": False} if not made else {}
        made.append(sa.Column(name.rstrip("?"), _TYPES[kind], nullable=name.endswith("?"), **key))
    return made


def _constraints(table: str, unique: Sequence[str], references: Sequence[str]) -> list[sa.Constraint]:
    made: list[sa.Constraint] = [
        sa.UniqueConstraint(*members.split(), name=f"uq_{table}_{members.replace(' ', '_')}") for members in unique
    ]
    if table == "contents":
        made.append(sa.ForeignKeyConstraint(["version"], ["versions.id"], "fk_contents_versions", ondelete="CASCADE"))
    for line in references:
        members, other, there = line.split()
        names = [f"{other}.{name}" for name in there.split(",")]
        key = f"fk_{table}_{other}"
        made.append(sa.ForeignKeyConstraint(members.split(","), names, key, deferrable=True, initially="DEFERRED"))
    return made
