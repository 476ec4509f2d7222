"""The JSON that the pages about accounts and servers show is what the gateway takes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from apiloom.base import json
from apiloom.flows.accounts import create_account, patch_account
from apiloom.flows.servers import create_server, create_server_for
from support.grounds import OPERATOR, with_shop
from support.source import ROOT


def example(page: str, kind: str) -> Any:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"```json {kind}\n(.*?)```", text, re.DOTALL)
    return json.loads(found)


async def test_requests_on_the_pages_do_what_the_pages_say() -> None:
    grounds = await with_shop()
    ends = datetime.fromisoformat("2027-06-30T00:00:00Z").timestamp()
    grounds.clock.now = ends - 86400.0

    account = await create_account(grounds.ground, OPERATOR, example("accounts.md", "account"))
    assert (account.tenant, account.schemes, account.variables) == ("acme", ("key",), {"region": "eu"})
    patched = await patch_account(grounds.ground, OPERATOR, account.id, example("accounts.md", "account-patch"))
    assert patched.schemes == ("login",)

    asked = example("servers.md", "account-server")
    assert asked["expires_at"] == "2027-06-30T00:00:00Z"
    opened = await create_server_for(grounds.ground, OPERATOR, account.id, {**asked, "expires_at": ends})
    assert (opened.server.accounts, opened.server.expires_at, opened.shown.tools) == ((account.id,), ends, 1)
    shared = await create_server(grounds.ground, OPERATOR, example("servers.md", "server"))
    assert (shared.server.connectors, shared.shown.tools) == (("shop",), 1)
