import asyncio

import apiloom


async def main() -> None:
    async with apiloom.load("openapi.yaml") as api:
        for tool in api.tools():
            print(tool["name"], "-", tool["title"])
        outcome = await api.call("get_pet", {"petId": 7})
        print(outcome.content[0].text)


asyncio.run(main())
