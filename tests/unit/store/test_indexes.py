"""What is asked again and again is found by an index, however much else there is."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from apiloom.store.sql.opening import open_store

ASKED = {
    "grants that are due": "SELECT * FROM grants WHERE refresh_at <= 1 ORDER BY refresh_at, id LIMIT 500",
    "events that are long past": "SELECT * FROM events WHERE at <= 1 ORDER BY at, id LIMIT 500",
    "connect sessions that are over": "SELECT * FROM connect_sessions WHERE expires_at <= 1 ORDER BY expires_at, id",
    "answers that are over": "SELECT * FROM remembered WHERE expires_at <= 1 ORDER BY expires_at, id LIMIT 500",
    "sign-ins of one person": "SELECT * FROM token_families WHERE client = 'c' AND subject = 's' AND resource = '/mcp' "
    "AND ended = 0 ORDER BY id LIMIT 50",
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_no_table_is_read_from_end_to_end_for(tmp_path: Path, asked: str) -> None:
    store = await open_store(f"sqlite+aiosqlite:///{tmp_path / 'store.db'}")
    await store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as there:
        plan = [row[3] for row in there.execute(f"EXPLAIN QUERY PLAN {asked}")]
    assert plan[0].startswith("SEARCH "), plan
