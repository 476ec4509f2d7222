"""How much of a request's head, and how long, we wait for: uvicorn bounds neither.

What a caller may cost before it has shown who it is must not depend on its good will. Bodies are bounded by the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_HEAD = 64 * 1024
"""Bytes of a request line and its headers."""

ROUND = 10.0
"""Seconds between rounds; a connection that two of them find waiting for the same head is closed."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def impatient(protocol: type[Any]) -> type[Any]:
    """The HTTP protocol of uvicorn on httptools, with bounds on the head of a request."""

    class Impatient(protocol):  # type: ignore[misc]
        """One connection. ``waited`` says how far it was when a round found it waiting; ``task`` and ``served`` are of
        requests that come by a shorter road (:mod:`apiloom.app.straight`).
        """

        waited: tuple[Any, int] | None = None
        headless = 0
        task: Any = None
        served = 0

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:
                self.headless = 0
                if len(data) > MOST_HEAD and _head_size(self) > MOST_HEAD:
                    self.refuse()
            elif before is None or before.response_complete:
                self.headless += len(data)
                if self.headless > MOST_HEAD:
                    self.refuse()

        def refuse(self) -> None:
            """Say that the head is too large, and hang up."""
            if not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    return Impatient


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
