"""Accounts that hold OAuth forms: a service account, and a refresh token that was brought along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.gateway import call, gateway, http
from support.granted import granted, office
from support.oauth import sending, sign_in, terms_of
from support.oidc import SECRET, AuthorizationServer, authorization_server


@pytest.fixture(scope="module")
def server() -> Iterator[AuthorizationServer]:
    with authorization_server() as running:
        yield running


async def answers(folder: Path, server: AuthorizationServer, own: dict[str, Any]) -> list[Any]:
    """What five callers at once and one later get from a server of an account that holds a form."""
    with office(server) as api:
        async with gateway(folder) as house, http() as client:
            await granted(house, server, api)
            account = await house.account("notes", credentials={"login": own})
            url = house.at(await house.server(name="own", accounts=[account.id]))
            server.reset()
            found = await asyncio.gather(*(call(client, url, "list_notes") for _ in range(5)))
            return [*found, await call(client, url, "list_notes")]


async def test_a_service_account_signs_for_the_person_it_acts_as(tmp_path: Path, server: AuthorizationServer) -> None:
    file = {
        "type": "service_account",
        "client_email": "service@project.example",
        "private_key": server.key,
        "private_key_id": "client-1",
        "token_uri": f"{server.url}/token",
    }
    own = {"service_account": file, "subject": "nora", "scopes": ["read"]}
    found = await answers(tmp_path, server, own)
    assert all(isinstance(one, dict) for one in found), (found, server.told())
    assert server.count("urn:ietf:params:oauth:grant-type:jwt-bearer") == 1


async def test_a_refresh_token_that_was_brought_along_is_used_once(tmp_path: Path, server: AuthorizationServer) -> None:
    async with sending() as sender:
        tokens = await sign_in(sender, server, terms_of(server), "olga")
    assert tokens.refresh is not None
    own = {"refresh_token": tokens.refresh.reveal(), "client_id": "web", "client_secret": SECRET}
    found = await answers(tmp_path, server, own)
    assert all(isinstance(one, dict) for one in found), found
    assert server.count("refresh_token") == 1
    assert server.count("refresh_token", "invalid_grant") == 0
    assert SECRET not in json.dumps(found)
