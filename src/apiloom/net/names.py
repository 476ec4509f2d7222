"""Host names into addresses, as this machine resolves them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""``await resolve(host, port)``: its addresses, those to be tried first in front.

Raises:
    socket.gaierror, UnicodeError: the name cannot be resolved.
"""

_MOST_ADDRESSES = 8


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host; both families take turns (RFC 8305 section 4).

    Raises:
        socket.gaierror, UnicodeError: the name cannot be resolved.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, dict[str, None]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, {})[str(address[0])] = None
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None][:_MOST_ADDRESSES]
