"""The gateway's HTTP front: secret URLs, named servers, callers' own views, files, the admin API and health.

Routes by the path and lets in by what is in memory; what is behind a path is a server's own wire. A token in a path is
a secret: no answer, log or error repeats a path, and no answer below one may be kept or named to others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any

from apiloom.app.asgi import AsgiApp, Receive, Scope, Send, say, to_the_end
from apiloom.app.gateway.admission import GONE, Admission, Admitted
from apiloom.app.gateway.delegating import lent_in
from apiloom.app.gateway.residents import Residents
from apiloom.base.errors import ApiloomError
from apiloom.console.api.door import UNVOUCHED
from apiloom.identity.gate import REFUSED, Refusal
from apiloom.identity.principal import Principal
from apiloom.identity.tokens import LENGTH
from apiloom.wire.door import AsgiLine, Door, Exchange, Line, Pairs, Reply, Visitor, refused
from apiloom.wire.files import FilesHttp, behind_files
from apiloom.wire.http import walled
from apiloom.wire.settings import WireSettings

MCP = "/mcp"
NAMED = "/mcp/s/"
API = "/api/v1"

SECRETIVE: Pairs = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))
"""On every answer whose URL may hold a token: it is in no cache, and no page that is opened from it names it."""

_LONGEST_NAME = 200
_UNVOUCHED = refused(503, "Whoever vouches for this token cannot be asked now; try again", (b"retry-after", b"2"))
_UNAVAILABLE = refused(503, "This server cannot be made ready now; try again in a moment", (b"retry-after", b"2"))


class Way:
    """Where a path leads: to a wire that is chosen when a request comes, for what it leads to may end any second."""

    __slots__ = ("_admit", "_by_url", "_front")

    def __init__(
        self, front: GatewayFront, admit: Callable[[bytes, str], Admitted | Reply], *, by_url: bool = False
    ) -> None:
        self._front = front
        self._admit = admit
        self._by_url = by_url

    def look(self, headers: Iterable[tuple[bytes, bytes]], length: int, query: bytes = b"") -> Visitor | None:
        """See :class:`~apiloom.app.straight.Hearer`."""
        return self._front.look(headers, length, query)

    async def hear(self, visitor: Visitor, body: bytes, line: Line, task: asyncio.Task[None]) -> None:
        """See :class:`~apiloom.app.straight.Hearer`."""
        await walled(self._hear(visitor, body, line, task), line)

    async def _hear(self, visitor: Visitor, body: bytes, line: Line, task: asyncio.Task[None]) -> None:
        found = self._front.enter(self, visitor, line)
        if not isinstance(found, tuple):
            found = await self._front.made_ready(self, visitor, line, found)
        if isinstance(found, Reply):
            await line.answer(found, visitor.extra)
        else:
            mcp, exchange = found
            await mcp.hear_admitted(exchange, body, task)

    def admit(self, visitor: Visitor, line: Line) -> Admitted | Reply:
        """Who this is, and whose server it leads to now."""
        admission = self._front.admission
        shown = admission.shown(visitor, line.address, alone=self._by_url)
        admitted = self._admit(shown, admission.address(visitor, line.address))
        if admission.lends is None or isinstance(admitted, Reply):
            return admitted
        principal = admission.lends.lending(admitted.key, admitted.principal, visitor)
        return admitted if principal is admitted.principal else Admitted(admitted.key, principal)


class GatewayFront:
    """The ASGI application of a node.

    Args:
        admission: who is let in where.
        residents: the endpoints.
        settings: bounds, hosts, origins.
        files: uploads and kept files.
        api: the admin API, None when it has a listener of its own.
        ready: whether requests can be answered now.
    """

    def __init__(
        self,
        admission: Admission,
        residents: Residents,
        settings: WireSettings,
        *,
        files: FilesHttp,
        api: AsgiApp | None,
        ready: Callable[[], bool],
    ) -> None:
        self.admission = admission
        self._residents = residents
        self._settings = settings
        self._files = files
        self._api = api
        self._ready = ready
        self.apps: Mapping[str, AsgiApp] = {}
        """What else is answered, by the path it lies at or below."""
        self.also: Callable[[], Mapping[str, str]] = dict
        """What ``/readyz`` says besides."""
        self._door = Door(ClosedGate(), settings)
        self._own = Way(self, admission.by_bearer)

    # the short road

    def straight(self, path: bytes) -> Way | None:
        """Who answers a POST to a path, if a server may hand it over without a scope."""
        if path == b"/mcp":
            return self._own
        if not path.startswith(b"/mcp/") or b"%" in path:
            return None
        try:
            return self._way(path.decode("ascii"))
        except UnicodeDecodeError:
            return None

    def look(self, headers: Iterable[tuple[bytes, bytes]], length: int, query: bytes) -> Visitor | None:
        """What the head of a POST says."""
        visitor = self._door.look("POST", headers, query)
        if isinstance(visitor, Reply) or length > self._settings.max_body:
            return None
        return lent_in(replace(visitor, extra=(*visitor.extra, *SECRETIVE)))

    def _way(self, path: str) -> Way:
        """Where a path below ``/mcp`` leads: for one that no server can have, by the same road to the same refusal."""
        if path == MCP:
            return self._own
        if path.startswith(NAMED):
            name = path[len(NAMED) :]
            if not 0 < len(name) <= _LONGEST_NAME or "/" in name:
                return Way(self, _nowhere)
            return Way(self, lambda authorization, address: self.admission.by_name(name, authorization, address))
        token = path[len(MCP) + 1 :]
        if len(token) != LENGTH:
            return Way(self, _nowhere)
        return Way(self, partial(self.admission.by_path, token), by_url=True)

    # both roads

    def enter(self, way: Way, visitor: Visitor, line: Line) -> tuple[Any, Exchange] | Reply | Admitted:
        """The wire and the exchange of a request that is let in; whom it leads to where that is not at hand yet."""
        admitted = way.admit(visitor, line)
        if isinstance(admitted, Reply):
            return admitted
        if visitor.wrong is not None:
            return visitor.wrong
        mcp = self._residents.get(admitted.key)
        if mcp is None:
            return admitted
        return mcp, Exchange(visitor, admitted.principal, line, self._settings.keep_alive)

    async def made_ready(
        self, way: Way, visitor: Visitor, line: Line, found: Reply | Admitted
    ) -> tuple[Any, Exchange] | Reply:
        """Make an endpoint ready, then ask once more who may come in: it may have taken a while."""
        if isinstance(found, Reply):
            asked = await self._met(found, visitor, line)
            if isinstance(asked, Reply):
                return asked
            again = self.enter(way, visitor, line)
            if not isinstance(again, Admitted):
                return again
            found = again
        try:
            mcp = await self._residents.ensure(found.key)
        except ApiloomError:
            return _UNAVAILABLE
        admitted = way.admit(visitor, line)
        if isinstance(admitted, Reply):
            return admitted
        if mcp is None or admitted.key != found.key:
            return GONE
        return mcp, Exchange(visitor, admitted.principal, line, self._settings.keep_alive)

    async def _met(self, refusal: Reply, visitor: Visitor, line: Line) -> Reply | None:
        """Have a stranger recognised by whoever vouches for them; a refusal where nobody does."""
        welcome = self.admission.welcome
        if refusal.status != 401 or welcome is None:
            return refusal
        address = self.admission.address(visitor, line.address)
        try:
            return None if await welcome.meet(visitor.heads.get(b"authorization", b""), address) else refusal
        except ApiloomError:
            return _UNVOUCHED

    # the long road

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; only ``http`` is spoken."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path == MCP or path.startswith(f"{MCP}/"):
            line = AsgiLine(receive, send, _address(scope))
            await to_the_end(walled(self._mcp(scope, path, line), line), line, SECRETIVE)
        elif behind_files(path) is not None:
            await self._files(await introduced(self.admission, scope), receive, send)
        elif self._api is not None and (path == API or path.startswith(f"{API}/")):
            await self._api(await introduced(self.admission, scope), receive, send)
        elif path == "/healthz":
            await say(send, 200, {"status": "ok"})
        elif path == "/readyz":
            ready = self._ready()
            await say(send, 200 if ready else 503, {"status": "ready" if ready else "not ready", **self.also()})
        elif (app := self._app(path)) is not None:
            await app(scope, receive, send)
        else:
            await say(send, 404, {"title": "Not Found", "status": 404, "detail": "MCP is spoken at /mcp"})

    def _app(self, path: str) -> AsgiApp | None:
        """Who else answers a path."""
        return next((app for at, app in self.apps.items() if path == at or path.startswith(f"{at}/")), None)

    async def _mcp(self, scope: Scope, path: str, line: AsgiLine) -> None:
        visitor = self._door.look(scope["method"], scope["headers"], scope.get("query_string", b""))
        if isinstance(visitor, Reply):
            return await line.answer(visitor, SECRETIVE)
        visitor = lent_in(replace(visitor, extra=(*visitor.extra, *SECRETIVE)))
        way = self._way(path)
        found = self.enter(way, visitor, line)
        if not isinstance(found, tuple):
            found = await self.made_ready(way, visitor, line, found)
        if isinstance(found, Reply):
            return await line.answer(found, visitor.extra)
        mcp, exchange = found
        await mcp.serve(exchange, scope["method"])
        return None


class ClosedGate:
    """Lets nobody in by itself: callers are admitted by path, token and time together."""

    __slots__ = ()

    def admit(self, authorization: bytes) -> Principal | Refusal:  # noqa: ARG002 - the gate's shape
        """Always a refusal."""
        return REFUSED


class BearerGate:
    """The gate of files: whoever ``/mcp`` would let in with the same header."""

    __slots__ = ("_admission",)

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def admit(self, authorization: bytes) -> Principal | Refusal:
        """See :class:`~apiloom.identity.gate.Gate`."""
        admitted = self._admission.by_bearer(authorization, "")
        return REFUSED if isinstance(admitted, Reply) else admitted.principal


class AdminFront:
    """The admin API on a listener of its own, with health beside it."""

    def __init__(self, api: AsgiApp, ready: Callable[[], bool], admission: Admission) -> None:
        self._api = api
        self._ready = ready
        self._admission = admission
        self.also: Callable[[], Mapping[str, str]] = dict

    def straight(self, path: bytes) -> None:  # noqa: ARG002 - the shape of a front
        """Nothing here takes the short road."""
        return

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; only ``http`` is spoken."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path == API or path.startswith(f"{API}/"):
            await self._api(await introduced(self._admission, scope), receive, send)
        elif path == "/healthz":
            await say(send, 200, {"status": "ok"})
        elif path == "/readyz":
            ready = self._ready()
            await say(send, 200 if ready else 503, {"status": "ready" if ready else "not ready", **self.also()})
        else:
            await say(send, 404, {"title": "Not Found", "status": 404, "detail": "the admin API is at /api/v1"})


async def introduced(admission: Admission, scope: Scope) -> Scope:
    """Have a stranger recognised before a gate is asked that does not wait; the request as that gate is to see it."""
    if admission.welcome is None:
        return scope
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    try:
        if len(shown) == 1:
            await admission.welcome.meet(shown[0], admission.peer(scope))
    except ApiloomError:
        scope = {**scope, "state": {**scope.get("state", {}), UNVOUCHED: True}}
    return admission.with_shown(scope)


def _nowhere(_authorization: bytes, _address: str) -> Reply:
    return GONE


def _address(scope: MutableMapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
