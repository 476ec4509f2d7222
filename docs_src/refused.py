import asyncio

import apiloom


async def main() -> None:
    async with apiloom.load("openapi.yaml") as api:
        outcome = await api.call("get_pet", {"petId": "seven"})
        print(outcome.failed, outcome.meta["dev.apiloom/error"]["code"])
        try:
            await api.call("get_pets", {})
        except apiloom.CallerError as error:
            print(error.sentence())


asyncio.run(main())
