"""What is large is kept compressed (zlib, RFC 1950), squeezed and unfolded beside the event loop."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from apiloom.store import refusals

LARGEST: Final = 1 << 30
"""Bytes that a content may unfold to."""

_LEVEL: Final = 3
"""Contents are squeezed while their writer has the turn: a quarter more bytes for a third of the time."""


async def deflate(content: bytes) -> bytes:
    """Compress a content."""
    return await asyncio.to_thread(zlib.compress, content, _LEVEL)


async def inflate(kept: bytes) -> bytes:
    """A content as it was.

    Raises:
        HouseFault: ``store.failed`` when it is damaged or unfolds to more than anything that was ever kept.
    """
    try:
        return await asyncio.to_thread(_inflate, kept)
    except (zlib.error, ValueError) as error:
        raise refusals.failed(error) from None


def _inflate(kept: bytes) -> bytes:
    unfolding = zlib.decompressobj()
    content = unfolding.decompress(kept, LARGEST)
    if not unfolding.eof:
        raise ValueError("the content is cut off or too large")
    return content
