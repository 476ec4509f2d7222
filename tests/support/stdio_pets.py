"""The pets of :mod:`support.pets` on standard input and output, for a client that starts a process."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from apiloom.wire.settings import WireSettings
from apiloom.wire.stdio import serve_standard
from support.pets import pets


async def main() -> None:
    world = pets()
    serving = asyncio.ensure_future(serve_standard(world.directory, WireSettings()))
    await asyncio.sleep(0)
    print("a stray line of some library")  # must not reach the client
    await serving


asyncio.run(main())
