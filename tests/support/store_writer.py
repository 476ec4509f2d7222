"""A process that writes to a store until it is killed, saying each time what was acknowledged.

``python store_writer.py URL COUNT`` adds a connector, a version and its content in one transaction, again and again,
and prints a line for each that was committed. ``python store_writer.py URL migrate`` opens the store and stops in the
middle of the migration, waiting to be killed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from sqlalchemy import Connection

from apiloom.store.records import Connector, Version
from apiloom.store.sql import migrating
from apiloom.store.sql.opening import open_store


async def write(url: str, count: int) -> None:
    store = await open_store(url)
    print("open", flush=True)
    start = (await store.change_seq()) // 2
    for number in range(start, start + count):
        slug = f"c{number:06}"
        async with store.writing() as work:
            house = work.house()
            await house.connectors.add(Connector(id=slug, current=1))
            print(f"began {slug}", flush=True)
            await house.versions.add(Version(id=f"{slug}/1", connector=slug, number=1))
            await house.versions.put_content(f"{slug}/1", document=slug.encode() * 5000, artefact=slug.encode())
        print(f"done {slug}", flush=True)
    await store.close()


async def migrate(url: str) -> None:
    whole: Callable[[Connection], None] = migrating.migrate

    def halfway(connection: Connection) -> None:
        whole(connection)
        print("halfway", flush=True)
        time.sleep(60)

    migrating.migrate = halfway
    await open_store(url)


if __name__ == "__main__":
    asyncio.run(migrate(sys.argv[1]) if sys.argv[2] == "migrate" else write(sys.argv[1], int(sys.argv[2])))
