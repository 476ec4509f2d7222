"""A program that imports, promotes and rolls back for ever, and says after each step what was acknowledged.

``python -m support.import_drill URL``; it is to be killed. Each line is ``WHAT NUMBER``, the number of the version that
was imported, or that is served from then on.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from dataclasses import replace

from apiloom.flows.asking import Removal
from apiloom.flows.connectors import create_connector
from apiloom.flows.versions import import_version, promote_version, rollback_version
from apiloom.store.sql.opening import open_store
from support.grounds import OWNER, ground_on
from support.importing import ThreadImports, described


async def drill(url: str) -> None:
    """Work until killed."""
    store = await open_store(url)
    ground = replace(ground_on(store).ground, imports=ThreadImports())
    async with store.reading() as work:
        there = await work.house().connectors.load("shop")
        number = await work.house().versions.count({"connector": "shop"})
    if there is None:
        await create_connector(ground, OWNER, {"slug": "shop", "source": {"text": described("first")}})
        say("current", 1)
    for step in itertools.count(number):
        text = described(*(f"tool{step}n{each}" for each in range(20)))
        made = await import_version(ground, OWNER, "shop", {"source": {"text": text}})
        say("imported", made.version.number)
        done = await promote_version(ground, OWNER, "shop", made.version.number, Removal(cascade=True))
        say("current", done.version.number)
        if step % 3 == 0:
            say("current", (await rollback_version(ground, OWNER, "shop")).version.number)


def say(what: str, number: int) -> None:
    """One line, out at once."""
    sys.stdout.write(f"{what} {number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(drill(sys.argv[1]))
