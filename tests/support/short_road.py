"""The short road alone, for tests that must see its inside: nothing stands behind it, nothing is left when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apiloom.base.errors import UpstreamError
from apiloom.net.plain import Plain
from apiloom.net.request import Request, Response
from apiloom.net.settings import NetSettings
from support.sockets import WITHIN, Peer, peer, says

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Onward:
    """What stands behind the short road."""

    def __init__(self) -> None:
        self.origins: list[str] = []

    async def send(self, request: Request) -> Response:
        self.origins.append(request.origin)
        return Response(status=299, headers=(), body=b"")

    async def close(self) -> None:
        self.origins.append("closed")


@asynccontextmanager
async def plain(settings: NetSettings | None = None) -> AsyncIterator[Plain]:
    sender = Plain(settings or NetSettings(), onward=Onward())
    try:
        yield sender
    finally:
        await asyncio.wait_for(sender.close(), WITHIN)
        assert not sender.lines


def get(it: Peer, path: str = "/", method: str = "GET", **more: Any) -> Request:
    return Request(method=method, origin=it.origin, target=path, **{"timeout": WITHIN, **more})


async def asked(wire: bytes, then: str = "keep", **more: Any) -> Response:
    async with peer(says(wire, then=then)) as it, plain() as sender:
        return await asyncio.wait_for(sender.send(get(it, **more)), WITHIN)


async def refused(wire: bytes, then: str = "hang", **more: Any) -> UpstreamError:
    """The error; the connection must be gone with it."""
    async with peer(says(wire, then=then)) as it, plain() as sender:
        with pytest.raises(UpstreamError) as caught:
            await asyncio.wait_for(sender.send(get(it, **more)), WITHIN)
        await asyncio.wait_for(it.gone.wait(), WITHIN)
        return caught.value
