"""Small bodies that mean large ones: they are bounded by what they mean, in codings that only the client reads."""

from __future__ import annotations

import asyncio
import resource

import pytest

from apiloom.base.errors import UpstreamError
from apiloom.net.request import Request
from support.roads import by_client
from support.sockets import WITHIN, answer, peer, says

BLOCK = 128 * 1024
MOST_GROWTH = 300 << 20


def zstd_bomb(size: int) -> bytes:
    """A frame of RFC 8878 whose blocks each repeat one byte: three bytes of head and the byte, for 128 KiB."""
    block = (BLOCK << 3 | 1 << 1).to_bytes(3, "little") + b"["
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"]"
    return bytes.fromhex("28b52ffd0058") + block * (size // BLOCK) + last


async def test_a_gigabyte_in_32_kilobytes_of_zstd_is_not_unpacked() -> None:
    bomb = zstd_bomb(1 << 30)
    assert len(bomb) < 64 * 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with peer(says(answer(bomb, "Content-Encoding: zstd", "Content-Type: application/json"))) as it:
        sender = by_client()
        request = Request(method="GET", origin=it.origin, target="/", timeout=4 * WITHIN)
        with pytest.raises(UpstreamError) as caught:
            await asyncio.wait_for(sender.send(request), 4 * WITHIN)
        await sender.close()
    assert caught.value.code == "net.too_large"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_GROWTH


async def test_the_same_bomb_made_small_is_what_it_means() -> None:
    async with peer(says(answer(zstd_bomb(BLOCK), "Content-Encoding: zstd"))) as it:
        sender = by_client()
        found = await asyncio.wait_for(sender.send(Request(method="GET", origin=it.origin, target="/")), WITHIN)
        await sender.close()
    assert found.body == b"[" * BLOCK + b"]"
