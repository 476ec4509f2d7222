"""The tables as this release reads and writes them, made from the kinds of records.

What they are made *by* are the migrations; a test compares the two. Row-level security stands in the migrations alone:
nothing here needs to know of it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.types import TypeEngine

from apiloom.store.kinds import KINDS, Kind
from apiloom.store.shapes import Form, Member, members_of

# Ids are ordered the same everywhere: by their bytes, whatever language a database speaks.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")

_TYPES: Final[dict[Form, TypeEngine[Any]]] = {
    "text": TEXT,
    "whole": BigInteger(),
    "number": Float(53),
    "flag": Boolean(),
    "bytes": LargeBinary(),
    "json": JSON(none_as_null=True),
    "tuple": JSON(none_as_null=True),
}

_INDEXED: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "versions": (),
    "accounts": (("tenant", "id"), ("connector",)),
    "servers": (),
    "server_tokens": (("tenant", "server"),),
    "api_tokens": (("tenant", "id"),),
    "overlays": (("tenant", "id"), ("connector",)),
    "toolsets": (("tenant", "id"), ("connector",)),
    "oauth_clients": (("tenant", "id"), ("connector",)),
    "grants": (("tenant", "id"), ("account",), ("refresh_at",)),
    "connect_sessions": (("tenant", "id"), ("expires_at",), ("poll_at",)),
    "events": (("tenant", "id"), ("at",)),
    "registrations": (("expires_at",),),
    "sign_ins": (("expires_at",), ("user_code",)),
    "token_families": (("tenant", "id"), ("subject",), ("expires_at",)),
    "audit": (("tenant", "id"),),
    "remembered": (("expires_at",),),
}
"""Members by which records are looked for besides their id and what is unique."""

METADATA: Final = MetaData()


def _column(member: Member) -> Column[Any]:
    return Column(member.name, _TYPES[member.form], primary_key=member.name == "id", nullable=member.optional)


def _table(kind: Kind) -> Table:
    table = Table(kind.rows, METADATA, *(_column(member) for member in members_of(kind.record)))
    for members in kind.unique:
        name = f"uq_{kind.rows}_{'_'.join(members)}"
        if kind.none_counts:
            columns = [func.coalesce(table.c[m], "") if table.c[m].nullable else table.c[m] for m in members]
            Index(name, *columns, unique=True)
        else:
            table.append_constraint(UniqueConstraint(*members, name=name))
    for reference in kind.refers:
        table.append_constraint(
            ForeignKeyConstraint(
                reference.members,
                [f"{reference.rows}.{member}" for member in reference.there],
                name=f"fk_{kind.rows}_{reference.rows}",
                deferrable=True,
                initially="DEFERRED",
            )
        )
    for members in _INDEXED.get(kind.rows, ()):
        Index(f"ix_{kind.rows}_{'_'.join(members)}", *(table.c[member] for member in members))
    return table


TABLES: Final = {kind.rows: _table(kind) for kind in KINDS}

# A server's tokens name it together with its tenant, so that no token can stand on another tenant's server.
TABLES["servers"].append_constraint(UniqueConstraint("tenant", "id", name="uq_servers_tenant_id"))

CONTENTS: Final = Table(
    "contents",
    METADATA,
    Column(
        "version", TEXT, ForeignKey("versions.id", name="fk_contents_versions", ondelete="CASCADE"), primary_key=True
    ),
    Column("document", LargeBinary(), nullable=False),
    Column("artefact", LargeBinary(), nullable=False),
)
"""A version's document and artefact, compressed, apart from the version so that listing versions stays light."""

CHANGES: Final = Table(
    "changes",
    METADATA,
    Column("seq", BigInteger(), primary_key=True, autoincrement=False),
    Column("kind", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("tenant", TEXT),
)

CHANGE_SEQ: Final = Table(
    "change_seq",
    METADATA,
    Column("one", BigInteger(), primary_key=True, autoincrement=False),
    Column("seq", BigInteger(), nullable=False),
)
"""One row: the number of the last change. Writers take turns on it."""

INSTALLATION: Final = Table(
    "installation",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)
"""What is said of the store as a whole: its id, the key it is bound to, its schema and who may still read it."""
