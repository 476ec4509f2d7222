"""The endpoints that are at hand: made when first called, once for all who wait, and made anew when they are outdated.

An idle server costs nothing here. A resident one has its own wire: its streams hear of its changes alone, its sessions
and running calls end with it. The longest unused ones give way when there are too many; they are made again when they
are called again. Knows keys, not what they stand for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from apiloom.base.errors import ApiloomError
from apiloom.calls.endpoint import Directory, Endpoint
from apiloom.identity.principal import Principal
from apiloom.wire.http import McpHttp

MOST = 4096
"""Endpoints at hand."""

_log = logging.getLogger("apiloom.gateway")


class Resident:
    """One endpoint at hand, and its wire. ``due`` says that what it shows has changed since it was made."""

    __slots__ = ("directory", "due", "edition", "key", "making", "mcp")

    def __init__(self, key: str, wire: Callable[[str, Directory], McpHttp]) -> None:
        self.key = key
        self.directory = Directory()
        self.mcp = wire(key, self.directory)
        self.due = True
        self.edition = 0
        self.making: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody would notice if it gave way."""
        return not self.mcp.busy and self.making is None


class Residents:
    """The resident endpoints of a node.

    Args:
        compile_endpoint: the endpoint of a key; None when there is none (any more).
        wire: the wire of a key, over its directory.
        most: how many stay.
    """

    __slots__ = ("_compile", "_failed", "_most", "_table", "_wire")

    def __init__(
        self,
        compile_endpoint: Callable[[str], Awaitable[Endpoint | None]],
        wire: Callable[[str, Directory], McpHttp],
        most: int = MOST,
    ) -> None:
        self._compile = compile_endpoint
        self._wire = wire
        self._most = most
        self._table: OrderedDict[str, Resident] = OrderedDict()
        self._failed: set[str] = set()

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def keys(self) -> tuple[str, ...]:
        """The keys of those at hand."""
        return tuple(self._table)

    def is_busy(self, key: str) -> bool:
        """Whether somebody listens to an endpoint, or waits for an answer of it."""
        return key in self._table and self._table[key].mcp.busy

    def get(self, key: str) -> McpHttp | None:
        """The wire of an endpoint that is at hand and up to date. Counts as use."""
        resident = self._table.get(key)
        if resident is None or resident.due:
            return None
        self._table.move_to_end(key)
        return resident.mcp

    async def ensure(self, key: str) -> McpHttp | None:
        """The wire of an endpoint, made or made anew first if need be; None when there is no such endpoint.

        One that cannot be made anew goes on as it was, until it can.

        Raises:
            ApiloomError: it is not at hand and cannot be made.
        """
        resident = self._table.get(key)
        if resident is None:
            resident = self._table[key] = Resident(key, self._wire)
            self._give_way()
        if resident.due:
            if resident.making is None:
                resident.making = asyncio.create_task(self._make(resident))
            # one who leaves early must not take the others' endpoint along
            await asyncio.shield(resident.making)
        if self._table.get(key) is not resident or resident.directory.get() is None:
            return None
        # what has changed since it was made a moment ago is for whoever asks next: it is there
        self._table.move_to_end(key)
        return resident.mcp

    async def _make(self, resident: Resident) -> None:
        try:
            while resident.due:
                edition = resident.edition
                endpoint = await self._compile(resident.key)
                if self._table.get(resident.key) is not resident:
                    return
                if endpoint is None:
                    self.drop(resident.key)
                    return
                # what changed while it was made is made next; until then this is better than what was before
                resident.directory.put(endpoint)
                resident.due = resident.edition != edition
        except ApiloomError as error:
            if resident.directory.get() is None:
                self.drop(resident.key)
                raise
            _log.error("%s is served as it was: %s", resident.key, error.sentence())
            resident.due = False
            self._failed.add(resident.key)
        finally:
            resident.making = None

    def outdate(self, keys: Iterable[str]) -> list[str]:
        """What these show has changed: they are made anew before they are next used. Those that are at hand."""
        found = [self._table[key] for key in keys if key in self._table]
        for resident in found:
            resident.due = True
            resident.edition += 1
        return [resident.key for resident in found]

    def retry(self) -> list[str]:
        """Outdate once more what could not be made anew."""
        failed, self._failed = self._failed, set()
        return self.outdate(failed)

    def drop(self, key: str) -> None:
        """An endpoint is no more: its streams end, its calls are cut, its sessions are forgotten."""
        resident = self._table.pop(key, None)
        if resident is None:
            return
        resident.directory.remove()
        resident.mcp.close()
        resident.mcp.cut(_everybody)

    def cut(self, ends: Callable[[Principal], bool], keys: Iterable[str] | None = None) -> int:
        """End the streams and calls of principals whose right to them has ended; how many that were."""
        chosen = self._table.values() if keys is None else [self._table[key] for key in keys if key in self._table]
        return sum(resident.mcp.cut(ends) for resident in tuple(chosen) if resident.mcp.busy)

    def close(self) -> None:
        """End every stream gracefully; calls in flight finish."""
        for resident in self._table.values():
            resident.mcp.close()

    def _give_way(self) -> None:
        while len(self._table) > self._most:
            # the newest is what somebody waits for; of the others the longest unused that nobody would miss
            keys = list(self._table)[: min(_LOOKED_AT, len(self._table) - 1)]
            chosen = next((key for key in keys if self._table[key].idle), None)
            if chosen is None:
                return
            resident = self._table.pop(chosen)
            resident.directory.remove()
            resident.mcp.close()


_LOOKED_AT = 64


def _everybody(_principal: Principal) -> bool:
    return True
