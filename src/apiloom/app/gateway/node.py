"""A serving node: what it knows, what it serves, and the tasks that keep both true.

Changes are asked for four times a second, and at once after a commit of this node. What they touch is made anew and
swapped whole: running calls finish on what was before. What was revoked, switched off or has ended is cut. A node that
cannot hear of changes for a minute is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial

from apiloom.app.asgi import AsgiApp
from apiloom.app.gateway.addresses import Networks
from apiloom.app.gateway.admission import Admission
from apiloom.app.gateway.compiling import MOST_IN_UNION, Workshop, compile_server, compile_union
from apiloom.app.gateway.confirming import Confirmations
from apiloom.app.gateway.delegating import Exchanges, Lends
from apiloom.app.gateway.exchanging import exchange_over
from apiloom.app.gateway.front import BearerGate, ClosedGate, GatewayFront
from apiloom.app.gateway.grounding import Grounds
from apiloom.app.gateway.journal import Journal
from apiloom.app.gateway.late import Late
from apiloom.app.gateway.memory import Memory, Touched
from apiloom.app.gateway.residents import MOST, Residents
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError
from apiloom.base.secret import Secret
from apiloom.calls.endpoint import Endpoint
from apiloom.flows.ground import Ground
from apiloom.flows.sweeper import sweep
from apiloom.identity.index import TokenIndex
from apiloom.identity.principal import Principal
from apiloom.wire.door import Door
from apiloom.wire.files import FilesHttp
from apiloom.wire.http import McpHttp
from apiloom.wire.session_ids import NODE_SIZE, SessionSeals
from apiloom.wire.settings import WireSettings

POLL = 0.25
"""Seconds between two questions for changes."""

STALE_AFTER = 60.0
"""Seconds without word of changes after which a node is not ready."""

IMPORTS_MAY = 3.0
"""Seconds that an import may take still when the node stops: less than the server waits for its answer."""

SWEEP = 60.0
NOTE_USE = 5.0
RETRY = 2.0
"""Seconds between two rounds of each."""

_log = logging.getLogger("apiloom.gateway")


class Node:
    """One node over an opened ground.

    Args:
        grounds: the store, the keys and the ports; stays its caller's to close.
        settings: bounds, hosts, origins.
        clock: seconds that only rise, for how long nothing was heard.
        residents: how many endpoints stay at hand.
        proxies: those whose word on where a request comes from counts.
    """

    def __init__(
        self,
        grounds: Grounds,
        settings: WireSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        residents: int = MOST,
        proxies: Networks = (),
    ) -> None:
        self.grounds = grounds
        self.memory = Memory(TokenIndex(grounds.hasher))
        self.journal = Journal(grounds.store, grounds.ground.now)
        self.ground: Ground = replace(grounds.ground, committed=self.nudge)
        grounds.living.grants.committed = self.nudge
        self.admission = Admission(self.memory, grounds.ground.now, self.is_stale, proxies)
        self.apps: dict[str, AsgiApp] = {"/connect": Late(self._page)}
        """What is answered beside MCP and the admin API, by the path it lies at or below."""
        self.confirmations = Confirmations(ground=self.ground)
        self.beside: list[Callable[[], Awaitable[None]]] = [grounds.copies.run, self.confirmations.run]
        """Further work that is kept up while the node runs."""
        self._settings = settings
        self._clock = clock
        self._heard = clock()
        self._seq = 0
        self._nudge = asyncio.Event()
        # two who read at the same time could take in the older state last
        self._turn = asyncio.Lock()
        self._sweep_now = asyncio.Event()
        self._members: dict[str, frozenset[str]] = {}
        self._renewing: set[asyncio.Task[None]] = set()
        door, seals = Door(ClosedGate(), settings), _seals(grounds)
        self.residents = Residents(
            self._compile,
            lambda key, directory: McpHttp(directory, door, settings, ids=seals.of(key)),
            most=residents,
        )
        self._shop = Workshop(
            memory=self.memory,
            artefacts=grounds.artefacts,
            connections=grounds.connections,
            journal=self.journal,
            keeper=grounds.keeper,
            shelf=grounds.shelf,
            exchanges=Exchanges(
                exchange_over(grounds.store, grounds.living.grants.renewing, grounds.sender, grounds.ground.now),
                grounds.ground.now,
            ),
        )
        key = grounds.custody.sub_key("seals", grounds.custody.newest("seals"))
        self.admission.lends = Lends(self.memory, lambda key: self._members.get(key, frozenset()), self._verified, key)

    def _verified(self, authorization: bytes, principal: Principal) -> Secret | None:
        """The token in a header that an issuer vouches for and that let the principal in, so that it may be exchanged;
        never one of ours, and none that was shown where nobody asked for it: nobody looked what it was given for.
        """
        welcome = self.admission.welcome
        guest = None if welcome is None else welcome.shown(authorization, self.ground.now())
        if guest is None or guest.family or guest.principal.token.partition(" ")[0] not in principal.token.split(" "):
            return None
        return Secret(authorization.partition(b" ")[2].strip(b" ").decode("latin-1"))

    # what is served

    def front(self, *, admin: bool = True) -> GatewayFront:
        """The HTTP front; without ``admin`` the admin API is elsewhere."""
        front = GatewayFront(
            self.admission,
            self.residents,
            self._settings,
            files=FilesHttp(self.grounds.keeper, BearerGate(self.admission), self._settings),
            api=self.api() if admin else None,
            ready=self.is_ready,
        )
        front.apps = self.apps
        front.also = self.readiness
        return front

    def readiness(self) -> dict[str, str]:
        """What is to be known of a node that is ready: that its store is dormant."""
        told = self.grounds.copies.told
        return {"dormant": told} if told else {}

    def api(self) -> AsgiApp:
        """The admin API over this node's ground."""
        return Late(self._api)

    def _api(self) -> AsgiApp:
        # what its framework would load in the first request, on the loop
        plugins.load("anyio:run")(plugins.load("anyio:sleep"), 0)
        app: AsgiApp = plugins.load("apiloom.console.api.build:build_api")(
            self.ground, self.admission.api, state=self.state, uploads=self._upload, settle=self.poll
        )
        return app

    def _page(self) -> AsgiApp:
        app: AsgiApp = plugins.load("apiloom.console.connect.build:build_connect")(self.ground)
        return app

    async def _upload(self, principal: Principal, handle: str) -> bytes | None:
        """The bytes of a file that the principal has sent to ``/files``."""
        kept = self.grounds.keeper.open(principal, handle)
        return None if kept is None else await asyncio.to_thread(kept.read, 0, kept.size)

    async def state(self) -> dict[str, object]:
        """What the node says of itself."""
        return {
            "ready": self.is_ready(),
            "change_seq": self._seq,
            "servers": len(self.memory.servers),
            "resident": len(self.residents),
            "dormant": self.grounds.copies.told or None,
            "vault": {
                "key": self.grounds.custody.fingerprint[:8],
                "trouble": self.grounds.keys.trouble,
                "damaged": self.grounds.sealing.damaged,
                "unwritten": len(self.grounds.living.keeper.unwritten),
            },
        }

    def is_stale(self) -> bool:
        """Whether nothing was heard of changes for too long."""
        return self._clock() - self._heard > STALE_AFTER

    def is_ready(self) -> bool:
        """Whether requests should come here."""
        return not self.is_stale()

    async def _compile(self, key: str) -> Endpoint | None:
        now = self.ground.now()
        server = self.memory.live(key, now)
        if server is not None:
            return await compile_server(self._shop, server)
        principal = self._viewer(key)
        if principal is None:
            return None
        servers = self.admission.usable(principal)
        if len(self._members) > 2 * MOST:
            # views come and go with people, and nobody says when one is over
            self._members = {one: ids for one, ids in self._members.items() if one in self.residents}
        self._members[key] = frozenset(one.id for one in servers[:MOST_IN_UNION])
        return await compile_union(self._shop, servers)

    def _viewer(self, key: str) -> Principal | None:
        """Whose own view a key stands for."""
        holder = self.memory.index.holder(key)
        if holder is not None:
            return None if holder.server else holder.principal
        welcome = self.admission.welcome
        return None if welcome is None else welcome.guests.view(key)

    # what keeps it true

    async def start(self) -> None:
        """Read everything.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        await self.reload()

    def nudge(self) -> None:
        """Something was committed here: look at once."""
        self._nudge.set()

    async def run(self) -> None:
        """Keep true until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (*self._rounds(), *self.beside):
                group.create_task(self.keep_up(work))

    def _rounds(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What every node does beside requests."""
        use, retry = partial(self._every, NOTE_USE, self.note_use), partial(self._every, RETRY, self._retry)
        return self._follow, self._sweep, use, retry, self.journal.run

    async def keep_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin again what ends for a reason that nobody expected: a node that follows no more would never say so."""
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the outer wall of what runs beside requests
                _log.error("a task of the node failed unexpectedly and begins again: %s", type(error).__name__)
                # what it was about to take in may be taken in by half: read everything
                self._seq = -1
            await asyncio.sleep(POLL)

    def close(self) -> None:
        """End every stream gracefully; for the moment a node stops. Imports end within less than calls are given."""
        self.residents.close()
        stopping = asyncio.ensure_future(self.grounds.workers.stop(IMPORTS_MAY))
        self._renewing.add(stopping)
        stopping.add_done_callback(self._renewing.discard)

    async def flush(self) -> None:
        """Write what waits to be written, as far as the store takes it; for the moment a node has stopped. Tokens that
        are on their way are waited for: they would be lost.
        """
        await self.grounds.living.keeper.close()
        with contextlib.suppress(ApiloomError):
            await self.journal.flush()
        with contextlib.suppress(ApiloomError):
            await self.note_use()

    async def poll(self) -> None:
        """Ask for changes once and take them in.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        async with self._turn:
            await self._poll()

    async def _poll(self) -> None:
        store = self.grounds.store
        seq = await store.change_seq()
        while seq != self._seq:
            changes = await store.changes(self._seq)
            if changes is None:
                await self._load()
                break
            if not changes:
                break
            if any(change.kind == "house_key" for change in changes):
                # first: once something is taken in, nothing may keep it from being acted on
                await self.grounds.keys.refresh()
            async with store.reading() as work:
                touched = await self.memory.follow(work.house(), changes)
            self._seq = changes[-1].seq
            self._take(touched)
        self._heard = self._clock()

    def tick(self) -> None:
        """Cut what has ended by now."""
        now = self.ground.now()
        ended = self.memory.due(now)
        if ended:
            self._end(ended)
            self._sweep_now.set()
        if self.admission.welcome is not None:
            self.cut(self.admission.welcome.guests.due(now))

    def cut(self, tokens: Iterable[str]) -> None:
        """End what is open for tokens (by the names their principals have) that count no more."""
        over = frozenset(tokens)
        if over and self.admission.welcome is not None:
            self.admission.welcome.guests.remove(lambda guest: not over.isdisjoint(guest.principal.token.split(" ")))
        if over:
            self.residents.cut(lambda principal: not over.isdisjoint(principal.token.split(" ")))

    def open_tokens(self) -> set[str]:
        """The names of the tokens that have something open."""
        seen: set[str] = set()

        def look(principal: Principal) -> bool:
            seen.update(principal.token.split(" "))
            return False

        self.residents.cut(look)
        return seen

    async def note_use(self) -> None:
        """Write when tokens were last used.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        used = self.memory.index.drain_used()
        if used:
            await self.grounds.store.note_use(used)

    async def reload(self) -> None:
        """Read everything anew.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        async with self._turn:
            await self._load()

    async def _load(self) -> None:
        store = self.grounds.store
        # asked first: what is changed while we read is read again
        seq = await store.change_seq()
        await self.grounds.keys.refresh()
        async with store.reading() as work:
            touched = await self.memory.load(work.house())
        self._seq = seq
        self._heard = self._clock()
        self.grounds.artefacts.forget()
        self.grounds.connections.heard_nothing()
        self._take(touched)

    def _take(self, touched: Touched) -> None:
        """Make true what has changed: cut, drop, and make anew what somebody is listening to."""
        now = self.ground.now()
        gone = {id_ for id_ in touched.servers if self.memory.live(id_, now) is None}
        self._end(gone | touched.tokens)
        self.residents.cut(_everybody, touched.guarded)
        for account in touched.accounts:
            if account not in self.memory.accounts:
                self.grounds.connections.forget(account)
        for id_, grant in touched.grants.items():
            self.grounds.connections.heard(id_, grant)
        changed = touched.servers - gone
        if touched.servers:
            changed |= {key for key in self._members if key in self.residents}
        self._renew(self.residents.outdate(changed))

    def _end(self, ids: Iterable[str]) -> None:
        """Servers and tokens that are no more: nothing is answered for them any longer."""
        over = set(ids)
        if not over:
            return
        for id_ in over:
            self.residents.drop(id_)
            self._members.pop(id_, None)
        unions = [key for key, members in self._members.items() if not over.isdisjoint(members)]
        for key in unions:
            # which of its servers a call in a union is on, its wire does not know
            self.residents.cut(_everybody, [key])
        self._renew(self.residents.outdate(unions))
        self.cut(id_ for id_ in over if not id_.startswith("srv_"))

    def _renew(self, keys: Iterable[str]) -> None:
        """Make endpoints anew that somebody listens to; the others are when they are next called."""
        for key in keys:
            if self.residents.is_busy(key):
                task = asyncio.create_task(self._renewed(key))
                self._renewing.add(task)
                task.add_done_callback(self._renewing.discard)

    async def _renewed(self, key: str) -> None:
        with contextlib.suppress(ApiloomError):
            await self.residents.ensure(key)

    async def _retry(self) -> None:
        self._renew(self.residents.retry())

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._nudge.wait()
            self._nudge.clear()
            self.tick()
            try:
                await self.poll()
            except ApiloomError as error:
                if self.is_stale():
                    _log.error("no word of changes for more than %g seconds: %s", STALE_AFTER, error.code)
                await asyncio.sleep(POLL)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP):
                    await self._sweep_now.wait()
            self._sweep_now.clear()
            with contextlib.suppress(ApiloomError):
                if (await sweep(self.ground)).more:
                    await asyncio.sleep(RETRY)  # others have their turn to write
                    self._sweep_now.set()

    async def _every(self, seconds: float, work: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(ApiloomError):
                done = work()
                if asyncio.iscoroutine(done):
                    await done


def _seals(grounds: Grounds) -> SessionSeals:
    """What session ids are sealed with: every node of a house reads them, and each run is a node of its own."""
    keys = grounds.custody.sub_keys("sessions")
    return SessionSeals(tuple(keys.values())[::-1], secrets.token_bytes(NODE_SIZE), grounds.ground.now)


def _everybody(_principal: Principal) -> bool:
    return True
