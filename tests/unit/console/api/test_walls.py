"""What one caller sends takes no room from others, and what one is told is no oracle for another."""

from __future__ import annotations

import pytest

from apiloom.console.api.door import MOST
from support.admin import AdminHouse


@pytest.mark.parametrize(
    ("role", "tenant", "status"),
    [("owner", "", 422), ("operator", "", 422), ("tenant-admin", "default", 413), ("agent", "default", 413)],
)
async def test_only_who_may_import_sends_large_bodies(role: str, tenant: str, status: int) -> None:
    house = AdminHouse()
    token = house.principal("somebody", role, tenant)
    answer = await house.ask("POST", "/connectors", {"slug": "x", "text": "x" * MOST}, token=token)
    assert answer.status == status, answer.value
