"""How much of a request's head, and how long, we wait for: uvicorn bounds neither. And where a head ends.

What a caller may cost before it has shown who it is must not depend on its good will. Bodies are bounded by the wire.
Fields that stand behind a body in chunks are no part of the head: uvicorn would put them there. Proxies that take a
header away from what clients send, as they must with those they write themselves, let such fields pass.
Source: RFC 9110 section 6.5.1, RFC 9112 section 7.1.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

MOST_HEAD = 64 * 1024
"""Bytes of a request line and its headers; and of what stands between or behind the pieces of a body."""

MOST_LEFT = 32 * 1024 * 1024
"""Bytes of a body that are still taken after its request was answered. Whoever is not done writing, a proxy above all,
hears no answer when the line is cut.
"""

ROUND = 10.0
"""Seconds between rounds; a connection that two of them find waiting for the same head is closed."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


if TYPE_CHECKING:

    class _Below(asyncio.Protocol):
        """What is needed of the protocol below."""

        cycle: Any
        scope: Any
        url: bytes
        transport: asyncio.Transport

        def on_message_begin(self) -> None: ...

        def on_header(self, name: bytes, value: bytes) -> None: ...

        def on_headers_complete(self) -> None: ...

        def on_body(self, body: bytes) -> None: ...

else:
    _Below = asyncio.Protocol


class Impatient(_Below):
    """One connection. ``waited`` says how far it was when a round found it waiting; ``task`` and ``served`` are of
    requests that come by a shorter road (:mod:`apiloom.app.straight`). ``headless`` is how much has come that is
    neither a head nor a body, ``left`` how much of a body since it was answered, ``headed`` that the head is whole.
    """

    waited: tuple[Any, int] | None = None
    headless = 0
    left = 0
    headed = False
    task: Any = None
    served = 0

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        self.headless += len(data)
        super().data_received(data)
        if self.cycle is not before:
            self.headless = self.left = 0
            if len(data) > MOST_HEAD and _head_size(self) > MOST_HEAD:
                self.refuse()
        elif self.headless > MOST_HEAD or self.left > MOST_LEFT:
            self.refuse()

    def on_message_begin(self) -> None:
        self.headed = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.headed = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.headless = 0
        if self.cycle.response_complete:
            self.left += len(body)
        super().on_body(body)

    def refuse(self) -> None:
        """Say that the head is too large, unless that would stand in or behind another answer, and hang up."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or not cycle.response_started or (cycle.response_complete and not self.headed):
            self.transport.write(_TOO_LARGE)
        self.transport.close()


def impatient(protocol: type[Any]) -> type[Any]:
    """The HTTP protocol of uvicorn on httptools, with bounds on the head of a request."""
    return type("Impatient", (Impatient, protocol), {})


def hang_up(connections: Iterable[Any]) -> None:
    """One round: close every connection that is as far with its next request as at the last round."""
    for connection in tuple(connections):
        cycle = connection.cycle
        busy = connection.task is not None or not (cycle is None or cycle.response_complete)
        waited, here = connection.waited, (cycle, connection.served)
        if busy or connection.timeout_keep_alive_task is not None:
            connection.waited = None
        elif waited is not None and waited[0] is cycle and waited[1] == connection.served:
            connection.transport.close()
        else:
            connection.waited = here


def _head_size(connection: Any) -> int:
    scope = connection.scope
    return len(connection.url) + sum(len(name) + len(value) for name, value in scope["headers"])
