"""The way from a command to a gateway's API: over the network, or straight into the application on its data.

Both ways end at the same application and the same flows. What a command asks with it is not known here.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from apiloom.app.gateway.confirming import Confirmations
from apiloom.app.gateway.grounding import open_ground
from apiloom.app.outbound import open_sender
from apiloom.base import plugins
from apiloom.base.errors import UpstreamError
from apiloom.console.client import Gateway
from apiloom.console.house import Reach
from apiloom.flows.access import HOST
from apiloom.flows.ground import Imported, ImportJob, Imports
from apiloom.net.inprocess import InProcess
from apiloom.net.request import Request, Response, Sender

_HERE: Final = "http://127.0.0.1"
"""Where an application in this process is said to be; no request ever goes there."""

Say = Callable[[str], None]


def reach_platform(reach: Reach, say: Say, work: Callable[[Gateway], Awaitable[Any]]) -> Any:
    """What ``work`` returns, done with a client of the gateway.

    Raises:
        ApiloomError: the gateway cannot be reached or opened, and what ``work`` raises.
    """

    async def reached() -> Any:
        async with (_over_network if reach.gateway else _on_place)(reach, say) as gateway:
            return await work(gateway)

    return asyncio.run(reached())


@asynccontextmanager
async def _over_network(reach: Reach, _: Say) -> AsyncIterator[Gateway]:
    sender = _Named(open_sender(os.environ, frozenset()))
    async with Gateway(reach.gateway, reach.token, sender=sender) as gateway:
        yield gateway


@asynccontextmanager
async def _on_place(reach: Reach, say: Say) -> AsyncIterator[Gateway]:
    """The application on a ground of its own. Its one token is made here and leaves this process nowhere."""
    token = secrets.token_urlsafe(32)
    async with open_ground(reach.data, public_url=reach.public_url) as ground:
        told = replace(ground, imports=_Told(ground.imports, say))
        build_api = plugins.load("apiloom.console.api.build:build_api")
        api = build_api(told, lambda shown: HOST if secrets.compare_digest(shown.encode(), token.encode()) else None)
        # where no gateway runs on the data, nobody else asks after what is confirmed while a command waits for it
        confirming = asyncio.create_task(Confirmations(ground=ground).run())
        try:
            async with Gateway(_HERE, token, sender=InProcess(api)) as gateway:
                yield gateway
        finally:
            confirming.cancel()
            await asyncio.gather(confirming, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Told:
    """Imports that tell a person as well how far they are."""

    imports: Imports
    say: Say

    async def run(self, job: ImportJob, say: Say) -> Imported:
        """See :class:`~apiloom.flows.ground.Imports`."""

        def both(text: str) -> None:
            self.say(text)
            say(text)

        return await self.imports.run(job, both)


@dataclass(frozen=True, slots=True)
class _Named:
    """A way out whose failures say that it is the gateway which cannot be reached."""

    sender: Sender

    async def send(self, request: Request) -> Response:
        """See :class:`~apiloom.net.request.Sender`."""
        try:
            return await self.sender.send(request)
        except UpstreamError as error:
            hint = "is APILOOM_GATEWAY or --gateway right, and the gateway running?"
            raise UpstreamError(f"the gateway: {error.message}", code=error.code, hint=hint) from None

    async def close(self) -> None:
        """Close it."""
        await self.sender.close()
