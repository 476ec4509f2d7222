"""A server compiled for calls: immutable, swapped whole, found through a Directory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.nearest import nearest
from apiloom.calls.call import Call, Outcome
from apiloom.calls.ports import Backend, Keeper, Policy, Proceed
from apiloom.protocol.mirror import Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One callable tool behind the policies that apply.

    ``run`` answers a call. ``preview`` passes the same policies and then says what would be sent, as a structured
    outcome, instead of sending it. ``mirrored`` are the arguments that clients repeat outside the body.
    """

    run: Proceed
    preview: Proceed
    mirrored: tuple[Mirror, ...] = ()


class Listed(Protocol):
    """``tools/list`` of an endpoint in one profile, rendered or to be rendered.

    Each of ``pages`` is the JSON of its tools, without the brackets around them; unless the listing is ``ready``,
    asking for them may take a second, in any thread. ``etag`` changes whenever a page's bytes do.
    """

    @property
    def pages(self) -> tuple[bytes, ...]: ...

    @property
    def etag(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def ready(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list that is rendered. ``etag`` changes exactly when a page's bytes do."""

    pages: tuple[bytes, ...]
    etag: str
    count: int
    ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Everything one MCP server needs to answer. Nothing here changes after it is built.

    ``keeper`` holds what was too large for results of ``result_tokens`` (0: any size).
    ``profile`` names the one that ``listing`` is rendered in. ``listed`` renders it in another, which may take a second
    and is safe in any thread; calls depend on no profile.
    """

    name: str
    title: str
    version: str
    instructions: str
    listing: Listed
    routes: Mapping[str, Route]
    keeper: Keeper | None = None
    result_tokens: int = 0
    profile: str = ""
    listed: Callable[[str], Listed] | None = None

    def run(self, call: Call) -> Awaitable[Outcome]:
        """Answer one call through the whole chain.

        Raises:
            CallerError: ``call.unknown_tool``; a protocol error, not an outcome.
        """
        return self.route(call.tool).run(call)

    def route(self, tool: str) -> Route:
        """The route of a tool.

        Raises:
            CallerError: ``call.unknown_tool``, with the nearest names as hint.
        """
        try:
            return self.routes[tool]
        except KeyError:
            raise CallerError(
                f"there is no tool named {tool[:80]!r}", code="call.unknown_tool", hint=_nearest(tool, self.routes)
            ) from None


def _nearest(tool: str, routes: Mapping[str, Any]) -> str:
    close = nearest(tool, routes)
    return f"did you mean {' or '.join(close)}?" if close else "tools/list names every tool"


def build_route(policies: Sequence[Policy], backend: Backend) -> Route:
    """A route on which answering and previewing meet the same policies."""

    async def preview(call: Call) -> Outcome:
        return Outcome(content=(), structured=json.dumps(backend.preview(call)))

    return Route(run=chain(policies, backend.answer), preview=chain(policies, preview))


def chain(policies: Sequence[Policy], proceed: Proceed) -> Proceed:
    """The policies around an answer, first one outermost. Built once for each route, in this one visible loop."""
    for policy in reversed(policies):
        proceed = policy(proceed)
    return proceed


@dataclass(slots=True)
class Directory:
    """The endpoints of a node by key, and word of their changes.

    The quick server has one endpoint under the key ``""``. ``changed`` wakes whoever waits for a swap.
    """

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    _turn: asyncio.Event = field(default_factory=asyncio.Event)

    def get(self, key: str = "") -> Endpoint | None:
        """The endpoint now serving under this key."""
        return self.endpoints.get(key)

    def put(self, endpoint: Endpoint, key: str = "") -> None:
        """Swap an endpoint whole and wake everyone who waits in :meth:`changed`. Calls in flight keep the old one."""
        self.endpoints[key] = endpoint
        self._turn.set()
        self._turn = asyncio.Event()

    def remove(self, key: str = "") -> None:
        """Serve nothing under this key any more; whoever waits in :meth:`changed` wakes and finds it gone."""
        if self.endpoints.pop(key, None) is not None:
            self._turn.set()
            self._turn = asyncio.Event()

    async def changed(self) -> None:
        """Return at the next swap of any endpoint."""
        await self._turn.wait()
