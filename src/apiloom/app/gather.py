"""One system call for an answer instead of two.

An ASGI server writes an answer's head and its body one after the other, and each write is a system call that also
wakes the client. This transport holds what is written until the event loop's turn ends and hands it over in one piece.
Nothing waits longer than that turn.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Gathering:
    """A transport that passes on what was written in one turn of the event loop as one write.

    Everything else is the real transport's business; closing hands over what is held first.
    """

    __slots__ = ("_call_soon", "_held", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held: list[bytes] = []

    def write(self, piece: bytes) -> None:
        """Hold a piece until this turn ends."""
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(piece)

    def close(self) -> None:
        """Hand over what is held, then close when it has been sent."""
        self._flush()
        self._transport.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand over what is held before another protocol takes the connection."""
        self._flush()
        self._transport.set_protocol(protocol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        held = self._held
        if held:
            self._held = []
            if not self._transport.is_closing():
                self._transport.writelines(held)
