"""Schema 2: keys of the house, OAuth clients and grants, connect sessions, events, sign-in at the gateway.

Only tables are added, so a release that knows schema 1 can still use the store.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from apiloom.store.sql.migrations.making import OF_SHOWN, make_indexes, make_tables, show, wall

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = {
    "house_keys": "id purpose version:whole wrapped:bytes created_at:number revision:whole",
    "oauth_clients": "id connector tenant? scheme provider client_id method proof sealed:bytes scopes:json "
    "endpoints:json parameters:json label created_by created_at:number revision:whole",
    "grants": "id tenant account scheme kind client state sealed:bytes scopes:json identity:json generation:whole "
    "expires_at?:number refresh_at?:number refreshed_at?:number failures:whole last_error last_error_at?:number "
    "doubt:flag lease_holder lease_until:number created_by created_at:number revision:whole",
    "connect_sessions": "id tenant connector account? digest:bytes key_version:whole end_user? external_id? "
    "wanted:json look:json origins:json return_url state browser:bytes sealed:bytes code:bytes result:json "
    "poll_at?:number expires_at:number created_by created_at:number revision:whole",
    "events": "id at:number kind tenant? target detail:json revision:whole",
    "beats": "id started_at:number at:number revision:whole",
    "registrations": "id kind name redirect_uris:json metadata:json created_at:number expires_at?:number "
    "revision:whole",
    "sign_ins": "id client digest:bytes user_code:bytes key_version:whole state asked:json browser:bytes sealed:bytes "
    "expires_at:number created_at:number revision:whole",
    "token_families": "id tenant? client subject principal:json resource scopes:json digest:bytes "
    "key_version:whole generation:whole grace_until:number ended:flag expires_at:number created_at:number "
    "revision:whole",
}

_UNIQUE = {
    "house_keys": ["purpose version"],
    "connect_sessions": ["digest"],
    "sign_ins": ["digest"],
    "token_families": ["digest"],
}

_REFERENCES = {
    "oauth_clients": ["tenant tenants id", "connector connectors id"],
    "grants": ["tenant tenants id", "account accounts id"],
    "connect_sessions": ["tenant tenants id", "connector connectors id"],
    "token_families": ["tenant tenants id"],
}

_INDEXES = (
    "oauth_clients tenant id",
    "oauth_clients connector",
    "grants tenant id",
    "grants account",
    "grants refresh_at",
    "connect_sessions tenant id",
    "connect_sessions expires_at",
    "connect_sessions poll_at",
    "events tenant id",
    "events at",
    "registrations expires_at",
    "sign_ins expires_at",
    "sign_ins user_code",
    "token_families tenant id",
    "token_families subject",
    "token_families expires_at",
)

_OWNED = {
    "oauth_clients": "tenant",
    "grants": "tenant",
    "connect_sessions": "tenant",
    "events": "tenant",
    "token_families": "tenant",
}


def upgrade() -> None:
    """Make the tables."""
    make_tables(_TABLES, unique=_UNIQUE, references=_REFERENCES)
    make_indexes(_INDEXES, unique_without_tenant={"oauth_clients": "connector scheme"})
    op.get_bind().execute(sa.text("UPDATE installation SET value = '2' WHERE name = 'schema'"))
    if op.get_context().dialect.name == "postgresql":
        wall(_TABLES, _OWNED)
        show({"oauth_clients": f"tenant IS NULL AND {OF_SHOWN.format(table='oauth_clients')}"})
