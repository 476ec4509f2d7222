"""The first schema: every table, the tenant ``default``, the installation's id, and PostgreSQL's policies.

Schema 1; whoever knows schema 1 can use it.
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from alembic import op

from apiloom.base.ids import fresh

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "": _TEXT,
    "whole": sa.BigInteger(),
    "number": sa.Float(53),
    "flag": sa.Boolean(),
    "bytes": sa.LargeBinary(),
    "json": sa.JSON(none_as_null=True),
}

# NAME is text, NAME:TYPE something else, NAME? may be NULL. The first column is the key.
_TABLES = {
    "tenants": "id name external_id? metadata:json created_at:number revision:whole",
    "tenant_keys": "id tenant version:whole wrapped:bytes created_at:number revision:whole",
    "connectors": "id title source:json options:json tenants?:json current:whole enabled:flag trusted:flag "
    "auto_promote:flag metadata:json created_at:number revision:whole",
    "versions": "id connector number:whole state hash title api_version tools:whole ledger:json findings:json verdict "
    "difference:json against:whole options:json created_by created_at:number promoted_at?:number revision:whole",
    "contents": "version document:bytes artefact:bytes",
    "accounts": "id tenant connector label variables:json schemes:json sealed:bytes end_user? external_id? "
    "shared:flag enabled:flag metadata:json created_by created_at:number revision:whole",
    "servers": "id tenant name accounts:json connectors:json config:json toolsets_off:json expires_at?:number "
    "enabled:flag external_id? metadata:json created_by created_at:number revision:whole",
    "server_tokens": "id tenant server label digest:bytes key_version:whole expires_at?:number last_used_at?:number "
    "created_by created_at:number revision:whole",
    "api_tokens": "id tenant? name role digest:bytes key_version:whole servers?:json end_user? allow_commands:flag "
    "expires_at?:number last_used_at?:number created_by created_at:number revision:whole",
    "overlays": "id layer connector tenant? target patch:json base:json created_by created_at:number revision:whole",
    "toolsets": "id connector name tenant? title description select:json origin created_by created_at:number "
    "revision:whole",
    "audit": "id at:number principal action tenant? target outcome detail:json revision:whole",
    "remembered": "id request status:whole tenant? answer:json expires_at:number revision:whole",
    "changes": "seq:whole kind id tenant?",
    "change_seq": "one:whole seq:whole",
    "installation": "name value",
}

_UNIQUE = {
    "tenants": ["external_id"],
    "tenant_keys": ["tenant version"],
    "versions": ["connector number"],
    "accounts": ["tenant external_id"],
    "servers": ["tenant name", "tenant external_id", "tenant id"],
    "server_tokens": ["digest"],
    "api_tokens": ["digest"],
}

_UNIQUE_WITHOUT_TENANT = {"overlays": "layer connector target", "toolsets": "connector name"}
"""Unique together with the tenant, and once more without one."""

_REFERENCES = {
    "tenant_keys": ["tenant tenants id"],
    "versions": ["connector connectors id"],
    "accounts": ["tenant tenants id", "connector connectors id"],
    "servers": ["tenant tenants id"],
    "server_tokens": ["tenant,server servers tenant,id"],
    "api_tokens": ["tenant tenants id"],
    "overlays": ["tenant tenants id", "connector connectors id"],
    "toolsets": ["tenant tenants id", "connector connectors id"],
}

_INDEXES = (
    "accounts tenant id",
    "accounts connector",
    "server_tokens tenant server",
    "api_tokens tenant id",
    "overlays tenant id",
    "overlays connector",
    "toolsets tenant id",
    "toolsets connector",
    "audit tenant id",
    "remembered expires_at",
)

# Row-level security. The house sets '*'; a tenant its own id, which may be neither that nor empty.
_NOW = "current_setting('apiloom.tenant', true)"
_HOUSE = f"({_NOW} = '*')"
_SHOWN = f"(tenants IS NULL OR CAST(tenants AS jsonb) @> to_jsonb({_NOW}))"
_OF_SHOWN = "EXISTS (SELECT 1 FROM connectors WHERE connectors.id = {table}.connector)"
_OWNED = {
    "tenants": "id",
    "tenant_keys": "tenant",
    "accounts": "tenant",
    "servers": "tenant",
    "server_tokens": "tenant",
    "api_tokens": "tenant",
    "overlays": "tenant",
    "toolsets": "tenant",
    "audit": "tenant",
    "remembered": "tenant",
}
_READ = {
    "connectors": _SHOWN,
    "versions": _OF_SHOWN.format(table="versions"),
    "contents": "EXISTS (SELECT 1 FROM versions WHERE versions.id = contents.version)",
    "overlays": f"tenant IS NULL AND {_OF_SHOWN.format(table='overlays')}",
    "toolsets": f"tenant IS NULL AND {_OF_SHOWN.format(table='toolsets')}",
}


def upgrade() -> None:
    """Make everything."""
    for name, columns in _TABLES.items():
        op.create_table(name, *_columns(columns), *_constraints(name))
    for line in _INDEXES:
        table, *columns_of = line.split()
        op.create_index(f"ix_{table}_{'_'.join(columns_of)}", table, columns_of)
    for table, members in _UNIQUE_WITHOUT_TENANT.items():
        parts: list[Any] = [*members.split(), sa.text("coalesce(tenant, '')")]
        op.create_index(f"uq_{table}_{members.replace(' ', '_')}_tenant", table, parts, unique=True)
    _fill()
    if op.get_context().dialect.name == "postgresql":
        _wall()


def _columns(line: str) -> list[sa.Column[Any]]:
    made: list[sa.Column[Any]] = []
    for word in line.split():
        name, _, kind = word.partition(":")
        key: dict[str, Any] = {"primary_key": True, "autoincrement": False} if not made else {}
        made.append(sa.Column(name.rstrip("?"), _TYPES[kind], nullable=name.endswith("?"), **key))
    return made


def _constraints(table: str) -> list[sa.Constraint]:
    made: list[sa.Constraint] = [
        sa.UniqueConstraint(*members.split(), name=f"uq_{table}_{members.replace(' ', '_')}")
        for members in _UNIQUE.get(table, ())
    ]
    if table == "contents":
        made.append(sa.ForeignKeyConstraint(["version"], ["versions.id"], "fk_contents_versions", ondelete="CASCADE"))
    for line in _REFERENCES.get(table, ()):
        members, other, there = line.split()
        names = [f"{other}.{name}" for name in there.split(",")]
        key = f"fk_{table}_{other}"
        made.append(sa.ForeignKeyConstraint(members.split(","), names, key, deferrable=True, initially="DEFERRED"))
    return made


def _fill() -> None:
    connection = op.get_bind()
    tenant = "INSERT INTO tenants (id, name, metadata, created_at, revision) VALUES ('default', '', '{}', :at, 1)"
    connection.execute(sa.text(tenant), {"at": time.time()})
    connection.execute(sa.text("INSERT INTO change_seq (one, seq) VALUES (1, 0)"))
    said = {"id": fresh("ins"), "key_fingerprint": "", "schema": "1", "schema_least": "1"}
    for name, value in said.items():
        row = {"name": name, "value": value}
        connection.execute(sa.text("INSERT INTO installation (name, value) VALUES (:name, :value)"), row)


def _wall() -> None:
    op.execute("ALTER TABLE tenants ADD CONSTRAINT ck_tenants_id CHECK (id NOT IN ('', '*'))")
    for table in (*_OWNED, "connectors", "versions", "contents", "changes"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        own = f" OR {_OWNED[table]} = {_NOW}" if table in _OWNED else ""
        op.execute(f"CREATE POLICY own ON {table} USING ({_HOUSE}{own}) WITH CHECK ({_HOUSE}{own})")
    for table, condition in _READ.items():
        op.execute(f"CREATE POLICY shown ON {table} FOR SELECT USING ({condition})")
