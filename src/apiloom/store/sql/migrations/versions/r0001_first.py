"""The first schema: every table, the tenant ``default``, the installation's id, and PostgreSQL's policies.

Schema 1; whoever knows schema 1 can use it.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from apiloom.base.ids import fresh
from apiloom.store.sql.migrations.making import NOW, OF_SHOWN, make_indexes, make_tables, show, wall

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

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
_SHOWN = f"(tenants IS NULL OR CAST(tenants AS jsonb) @> to_jsonb({NOW}))"
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
    "versions": OF_SHOWN.format(table="versions"),
    "contents": "EXISTS (SELECT 1 FROM versions WHERE versions.id = contents.version)",
    "overlays": f"tenant IS NULL AND {OF_SHOWN.format(table='overlays')}",
    "toolsets": f"tenant IS NULL AND {OF_SHOWN.format(table='toolsets')}",
}


def upgrade() -> None:
    """Make everything."""
    make_tables(_TABLES, unique=_UNIQUE, references=_REFERENCES)
    make_indexes(_INDEXES, unique_without_tenant=_UNIQUE_WITHOUT_TENANT)
    _fill()
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE tenants ADD CONSTRAINT ck_tenants_id CHECK (id NOT IN ('', '*'))")
        wall((*_OWNED, "connectors", "versions", "contents", "changes"), _OWNED)
        show(_READ)


def _fill() -> None:
    connection = op.get_bind()
    tenant = "INSERT INTO tenants (id, name, metadata, created_at, revision) VALUES ('default', '', '{}', :at, 1)"
    connection.execute(sa.text(tenant), {"at": time.time()})
    connection.execute(sa.text("INSERT INTO change_seq (one, seq) VALUES (1, 0)"))
    said = {"id": fresh("ins"), "key_fingerprint": "", "schema": "1", "schema_least": "1"}
    for name, value in said.items():
        row = {"name": name, "value": value}
        connection.execute(sa.text("INSERT INTO installation (name, value) VALUES (:name, :value)"), row)
