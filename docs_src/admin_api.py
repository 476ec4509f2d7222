import asyncio
from pathlib import Path

from apiloom.app.gateway.grounding import open_ground
from apiloom.console.api.build import build_api
from apiloom.console.client import Gateway
from apiloom.flows.access import HOST
from apiloom.net.inprocess import InProcess


async def connect_customer(gateway: Gateway) -> None:
    document = Path("openapi.yaml").read_text(encoding="utf-8")
    connector = await gateway.connectors.create(slug="pets", source={"text": document})
    print(f"{connector.slug}: version {connector.version}, {connector.tools} tools")

    await gateway.tenants.create(id="acme", metadata={"plan": "gold"})
    account = await gateway.accounts.create(tenant="acme", connector="pets", external_id="customer 7")
    server = await gateway.accounts.create_server(account.id, name="claude", config={"methods": ["read"]})
    print(f"{server.name}: {server.tools} tools at {server.url[:33]}…")

    found = await gateway.accounts.page(tenant="acme", external_id="customer 7")
    print([each.connector for each in found.items])


async def main() -> None:
    # over the network it is Gateway("https://gateway.example.com", token); here the gateway is in this process
    async with open_ground(
        "data", public_url="https://loom.example.com", environment={"APILOOM_KEY_FILE": "gateway.key"}
    ) as ground:
        api = build_api(ground, lambda _token: HOST)
        async with Gateway("http://localhost", "", sender=InProcess(api)) as gateway:
            await connect_customer(gateway)


if __name__ == "__main__":
    asyncio.run(main())
