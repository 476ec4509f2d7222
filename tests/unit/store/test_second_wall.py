"""PostgreSQL's row-level security: a query that forgets where it is still shows and changes nothing foreign."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from apiloom.store.sql.opening import open_store
from apiloom.store.sql.reach import setting
from apiloom.store.sql.tables import METADATA
from support.postgres import Postgres
from support.stores import ACME, GLOBEX, furnish

OF_NOBODY = {"change_seq", "installation"}
"""Tables that say nothing of any tenant."""


@dataclass
class Direct:
    """A plain connection as the role that the gateway uses."""

    connection: asyncpg.Connection

    async def ids(self, table: str) -> set[str]:
        key = "version" if table == "contents" else "seq" if table == "changes" else "id"
        return {row[0] for row in await self.connection.fetch(f"SELECT {key} FROM {table}")}  # noqa: S608

    async def as_(self, tenant: str) -> None:
        await self.connection.execute("SELECT set_config('apiloom.tenant', $1, true)", tenant)


@pytest.fixture
async def direct(postgres: Postgres, copies: Any) -> AsyncIterator[Direct]:
    url = await copies.on_postgres(postgres)
    store = await open_store(url)
    await furnish(store)
    await store.close()
    async with postgres.connected(url.rpartition("/")[2], role="apiloom") as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield Direct(connection)
        await transaction.rollback()


EXPECTED: Mapping[str, set[str]] = {
    "tenants": {"acme"},
    "tenant_keys": {"acme/1"},
    "connectors": {"open", "his"},
    "versions": {"open/1", "his/1"},
    "contents": {"open/1", "his/1"},
    "accounts": {"acc_acme"},
    "servers": {"srv_acme"},
    "server_tokens": {"tok_acme"},
    "api_tokens": {"key_acme"},
    "overlays": {"ovl_acme", "ovl_open", "ovl_his"},
    "toolsets": {"open/mine@acme", "open/all", "his/all"},
    "audit": {"aud_1acme"},
    "remembered": {"h-acme"},
    "oauth_clients": {"ocl_acme", "ocl_open", "ocl_his"},
    "grants": {"acc_acme/oauth"},
    "connect_sessions": {"cs_acme"},
    "events": {"evt_1acme"},
    "token_families": {"fam_acme"},
    "house_keys": set(),
    "beats": set(),
    "registrations": set(),
    "sign_ins": set(),
    "changes": set(),
}


async def test_the_role_that_is_tested_cannot_step_over_the_wall(direct: Direct) -> None:
    row = await direct.connection.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    assert tuple(row) == (False, False)


async def test_a_query_without_any_condition_shows_only_what_the_scope_may_see(direct: Direct) -> None:
    await direct.as_(ACME)
    assert {table: await direct.ids(table) for table in EXPECTED} == EXPECTED


@pytest.mark.parametrize("setting", [None, "", "nobody"])
async def test_without_a_scope_nothing_of_any_tenant_is_shown(direct: Direct, setting: str | None) -> None:
    if setting is not None:
        await direct.as_(setting)
    shown = {table: await direct.ids(table) for table in EXPECTED}
    layers = {"connectors": "open", "versions": "open/1", "contents": "open/1", "overlays": "ovl_open"}
    layers |= {"toolsets": "open/all", "oauth_clients": "ocl_open"}
    for table, ids in shown.items():
        assert ids <= ({layers[table]} if table in layers else set()), table


def test_every_table_is_looked_at() -> None:
    assert set(EXPECTED) == set(METADATA.tables) - OF_NOBODY


async def test_the_house_is_shown_everything(direct: Direct) -> None:
    await direct.as_("*")
    assert await direct.ids("accounts") == {"acc_acme", "acc_globex"}
    assert await direct.ids("tenants") == {"default", "acme", "globex"}
    assert await direct.ids("changes")


async def test_changes_without_any_condition_change_only_the_own(direct: Direct) -> None:
    await direct.as_(ACME)
    assert await direct.connection.execute("UPDATE accounts SET label = 'x'") == "UPDATE 1"
    assert await direct.connection.execute("UPDATE connectors SET title = 'x'") == "UPDATE 0"
    assert await direct.connection.execute("UPDATE versions SET title = 'x'") == "UPDATE 0"
    assert await direct.connection.execute("UPDATE overlays SET target = 'x'") == "UPDATE 1"
    assert await direct.connection.execute("DELETE FROM contents") == "DELETE 0"
    assert await direct.connection.execute("DELETE FROM toolsets") == "DELETE 1"
    assert await direct.connection.execute("DELETE FROM changes") == "DELETE 0"
    assert await direct.connection.execute("UPDATE oauth_clients SET client_id = 'x'") == "UPDATE 1"
    assert await direct.connection.execute("UPDATE grants SET state = 'failing'") == "UPDATE 1"
    assert await direct.connection.execute("DELETE FROM token_families") == "DELETE 1"
    for table in ("house_keys", "beats", "registrations", "sign_ins"):
        assert await direct.connection.execute(f"DELETE FROM {table}") == "DELETE 0"  # noqa: S608 - our own words


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET tenant = 'globex'",
        "UPDATE overlays SET tenant = NULL",
        "UPDATE tenants SET id = 'n'",
        "INSERT INTO remembered SELECT 'n', request, status, 'globex', answer, expires_at, revision FROM remembered",
        "INSERT INTO remembered SELECT 'n', request, status, NULL, answer, expires_at, revision FROM remembered",
        "INSERT INTO versions SELECT * FROM versions",
        "UPDATE oauth_clients SET tenant = NULL",
        "UPDATE grants SET tenant = 'globex'",
        "UPDATE token_families SET tenant = NULL",
        "INSERT INTO beats (id, started_at, at, revision) VALUES ('n', 0, 0, 1)",
        "INSERT INTO house_keys (id, purpose, version, wrapped, created_at, revision) VALUES ('n', 'p', 9, '', 0, 1)",
        "INSERT INTO changes (seq, kind, id) VALUES (9999, 'x', 'x')",
    ],
)
async def test_nothing_is_written_into_another_scope(direct: Direct, statement: str) -> None:
    await direct.as_(ACME)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await direct.connection.execute(statement)


async def test_every_table_stands_behind_the_wall(direct: Direct) -> None:
    rows = await direct.connection.fetch(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
    )
    walled = {row[0]: row[1] for row in rows}
    assert walled == {table: table not in OF_NOBODY for table in METADATA.tables}


async def test_a_scope_does_not_outlive_its_transaction(postgres: Postgres, copies: Any) -> None:
    url = await copies.on_postgres(postgres)
    store = await open_store(url)
    await furnish(store)
    async with store.reading() as work:
        assert await work.house().accounts.count() == 2
    async with store.engine.connect() as connection:
        # the same pooled connection, by someone who names no scope
        found = await connection.exec_driver_sql("SELECT id FROM accounts")
        assert found.fetchall() == []
    await store.close()


async def test_no_tenant_can_be_called_what_the_house_is(direct: Direct) -> None:
    await direct.as_("*")
    for name in ("*", ""):
        savepoint = direct.connection.transaction()
        await savepoint.start()
        with pytest.raises(asyncpg.CheckViolationError):
            await direct.connection.execute(
                "INSERT INTO tenants (id, name, metadata, created_at, revision) VALUES ($1, '', '{}', 0, 1)", name
            )
        await savepoint.rollback()


@pytest.mark.parametrize("tenant", ["*", "\0", "\ud800", "*\0"])
def test_a_tenant_that_cannot_be_is_told_to_the_database_as_nobody(tenant: str) -> None:
    assert (setting(tenant), setting(None), setting(ACME)) == ("", "*", ACME)


async def test_a_scope_of_one_tenant_reads_only_itself_even_from_a_forged_condition(direct: Direct) -> None:
    await direct.as_(ACME)
    found = await direct.connection.fetch("SELECT id FROM accounts WHERE tenant = $1 OR true", GLOBEX)
    assert [row[0] for row in found] == ["acc_acme"]
