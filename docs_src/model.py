import asyncio

import apiloom

# What a model answered to a request that carried `tools=api.anthropic_tools()`.
BLOCK = {"type": "tool_use", "id": "toolu_1", "name": "get_pet", "input": {"petId": 8}}


async def main() -> None:
    async with apiloom.load("openapi.yaml") as api:
        print([tool["name"] for tool in api.anthropic_tools()])
        print(await api.execute(BLOCK))


asyncio.run(main())
