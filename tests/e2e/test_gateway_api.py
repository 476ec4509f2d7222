"""The admin API of a node that serves, over the network: what is made there can be called as soon as it is told of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.console.api.build import build_document
from apiloom.console.client import Gateway as Client
from support.admin import PETS, text_of
from support.gateway import Gateway, ask, call, gateway, http, names


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, running=True) as node:
        yield node


@pytest.fixture
async def client(node: Gateway) -> AsyncIterator[Client]:
    async with Client(node.url, await node.api_token("owner")) as client:
        yield client


async def test_what_is_made_over_http_is_served_at_once(node: Gateway, client: Client) -> None:
    await client.connectors.create(slug="pets", source={"text": text_of(PETS)})
    await client.tenants.create(id="acme")
    account = await client.accounts.create(tenant="acme", connector="pets")
    server = await client.accounts.create_server(account.id, config={"methods": ["read"]})
    assert server.url is not None
    async with http() as agent:
        assert await names(agent, server.url) == ["list_pets", "list_shops"]
        await client.servers.update(server.id, {"config": {"tags": ["shops"]}})
        assert await names(agent, server.url) == ["list_shops"]
        rotated = await client.servers.rotate(server.id)
        assert (await ask(agent, server.url, "tools/list")).status_code == 404
        assert rotated.url is not None
        assert await names(agent, rotated.url) == ["list_shops"]
        await client.servers.delete(server.id)
        assert (await ask(agent, rotated.url, "tools/list")).status_code == 404
    health = await client.health()
    assert (health.status, health.node["ready"]) == ("ok", True)


async def test_a_document_that_was_sent_to_files_is_imported_by_its_handle(node: Gateway, client: Client) -> None:
    token = await node.api_token("owner")
    async with http() as sender, Client(node.url, token) as same:
        heads = {"authorization": f"Bearer {token}", "content-disposition": 'attachment; filename="pets.json"'}
        sent = await sender.post(f"{node.url}/files", content=text_of(PETS), headers=heads)
        assert sent.status_code == 201, sent.text
        handle = sent.json()["handle"]
        with pytest.raises(CallerError) as another:
            await client.connectors.create(slug="pets", source={"upload": handle})
        assert another.value.code == "connector.source"
        made = await same.connectors.create(slug="pets", source={"upload": handle})
        assert (made.tools, made.source) == (3, {"upload": handle})


async def test_an_agent_makes_servers_over_mcp_through_the_api_as_a_connector(node: Gateway, client: Client) -> None:
    await client.connectors.create(slug="pets", source={"text": text_of(PETS)})
    await client.connectors.create(
        slug="loom",
        source={"text": json.dumps(build_document()).decode()},
        options={"base_url": f"{node.url}/api/v1"},
    )
    token = await client.api_tokens.create(name="agent", role="tenant-admin", tenant="default")
    account = await client.accounts.create(connector="loom", credentials={"ApiToken": {"token": token.token}})
    own = await client.accounts.create_server(
        account.id, config={"methods": ["read", "write"], "tools": {"allow": ["*_server", "list_servers", "whoami"]}}
    )
    assert own.url is not None
    async with http() as agent:
        assert "create_server" in await names(agent, own.url)
        assert (await call(agent, own.url, "whoami"))["role"] == "tenant-admin"
        wanted = {"name": "made by an agent", "connectors": ["pets"], "expires_at": "2027-01-20T00:00:00Z"}
        made = await call(agent, own.url, "create_server", wanted)
        assert await names(agent, made["url"]) == ["list_pets", "list_shops"]
        refused = await call(agent, own.url, "create_server", {**wanted, "name": "for ever", "expires_at": None})
        assert "wider" in refused
        assert [each.name async for each in client.servers.every(name="made by an agent")] == ["made by an agent"]
