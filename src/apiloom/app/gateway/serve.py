"""``apiloom serve`` without sources: the gateway on its data, from the first look at the store to its last answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from apiloom.app.garbage import unhindered
from apiloom.app.gateway.addresses import Networks, read_proxies
from apiloom.app.gateway.front import AdminFront
from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.node import Node
from apiloom.app.gateway.place import Place, read_place
from apiloom.app.gateway.tending import Tending
from apiloom.app.listen import Application, bind, run, serve_http
from apiloom.app.outbound import ALLOWED
from apiloom.app.serve import allowed_hosts, allowed_origins, is_loopback, url_of
from apiloom.base import plugins
from apiloom.base.errors import DesignError
from apiloom.console.house import Gateway, Listen, Opened
from apiloom.flows.api_tokens import first_owner
from apiloom.wire.settings import WireSettings

Say = Callable[[str], None]

_log = logging.getLogger("apiloom.gateway")


def serve_gateway(gateway: Gateway, listen: Listen, say: Say, ready: Callable[[Opened], None]) -> int:
    """Serve the gateway until told to stop; the exit code. ``ready`` is told once callers can connect.

    Raises:
        ApiloomError: the place, its key or its store cannot be used; an address cannot be listened on.
    """
    place = read_place(gateway.data, os.environ)
    proxies = read_proxies(os.environ.get("APILOOM_TRUSTED_PROXIES", ""))
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(contextlib.closing(bind(listen.host, listen.port)))
        admin = None
        if gateway.admin is not None:
            admin = stack.enter_context(contextlib.closing(bind(*gateway.admin)))
        serving = _Serving(
            gateway=gateway,
            listen=listen,
            say=say,
            ready=ready,
            place=place,
            admin=admin,
            proxies=proxies,
            environment=_with_allowed(os.environ, gateway.allowed),
        )
        return run(serving.run(sock))


def _with_allowed(environment: Mapping[str, str], allowed: Sequence[str]) -> Mapping[str, str]:
    """The environment with what the command line lets through besides."""
    return {**environment, ALLOWED: ",".join([environment.get(ALLOWED, ""), *allowed])} if allowed else environment


@dataclass(slots=True, kw_only=True)
class _Serving:
    """One run of the gateway."""

    gateway: Gateway
    listen: Listen
    say: Say
    ready: Callable[[Opened], None]
    place: Place
    admin: socket.socket | None
    proxies: Networks
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    async def run(self, sock: socket.socket) -> int:
        host, port = sock.getsockname()[:2]
        url = (self.listen.public_url or url_of(host, port)).rstrip("/").removesuffix("/mcp")
        with contextlib.ExitStack() as starting:
            # what a start makes stays: it is looked through for garbage neither now nor under the first calls
            starting.enter_context(unhindered())
            async with self._opened(url) as grounds:
                node = await self._started(grounds, host)
                told = await self._owner(node, url)
                await node.poll()  # a token that was just made works from the first request on

                def announce() -> None:
                    starting.close()
                    self.ready(told)

                await self._served(node, sock, announce)
        return 0

    async def _started(self, grounds: Grounds, host: str) -> Node:
        settings = WireSettings(
            # every caller shows a token, so a page that plays tricks with names gains nothing here
            allowed_hosts=allowed_hosts(self.listen, host, guarded=not is_loopback(host)),
            allowed_origins=allowed_origins(self.listen.public_url),
            # of each server
            max_sessions=1_000,
            max_streams=200,
        )
        node = Node(grounds, settings, proxies=self.proxies)
        if identity := self.gateway.identity or self.environment.get("APILOOM_IDENTITY", ""):
            reception = plugins.load("apiloom.app.gateway.signin:Reception")
            reception(node=node, file=Path(identity), environment=self.environment).open()
        await node.start()
        return node

    async def _served(self, node: Node, sock: socket.socket, announce: Callable[[], None]) -> None:
        """Serve until told to stop, and do what a node does besides."""
        beside: list[tuple[Application, socket.socket]] = []
        if self.admin is not None:
            aside = AdminFront(node.api(), node.is_ready, node.admission)
            aside.also = node.readiness
            beside.append((aside, self.admin))
        keeping = asyncio.create_task(node.run())
        keeping.add_done_callback(_told)
        tending = Tending(ground=node.ground, url=self.place.url, folder=self.place.folder)
        beside_calls: list[asyncio.Task[None]] = []

        def ready() -> None:
            announce()
            beside_calls.append(asyncio.create_task(node.keep_up(tending.run)))

        try:
            await serve_http(node.front(admin=self.admin is None), sock, ready, node.close, beside)
        finally:
            for task in (keeping, *beside_calls):
                task.cancel()
            await asyncio.gather(keeping, *beside_calls, return_exceptions=True)
            await node.flush()

    @contextlib.asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[Grounds]:
        """The ground, held alone where only one node may serve it."""
        grounds = await open_grounds(self.place, public_url=url, environment=self.environment)
        try:
            lock = await plugins.load("apiloom.store.sql.node:hold_node_lock")(self.place.url)
            try:
                yield grounds
            finally:
                await lock.release()
        finally:
            await grounds.close()

    async def _owner(self, node: Node, url: str) -> Opened:
        """Who is told what: a house without an owner gets one, whose token only a person or a private file is shown."""
        opened = Opened(url=url, place=self.place.shown, servers=len(node.memory.servers))
        file = Path(self.gateway.token_file) if self.gateway.token_file else None
        if file is None and not sys.stderr.isatty():
            file = self.place.owner_file()
        if file is not None:
            _check_writable(file)
        hand_over = partial(_write_token, file) if file is not None else _shown_later
        issued = await first_owner(node.ground, hand_over)
        if issued is None:
            return opened
        if file is None:
            return replace(opened, token=issued.text)
        return replace(opened, token_file=str(file))


def _told(keeping: asyncio.Task[None]) -> None:
    """A node that no longer hears of changes turns not ready within a minute; why, is said at once."""
    error = None if keeping.cancelled() else keeping.exception()
    if error is not None:
        _log.critical("the node no longer follows the store: %s", type(error).__name__)


def _shown_later(_: str) -> None:
    """A terminal is shown the token once callers can connect."""


def _check_writable(file: Path) -> None:
    """Refuse a file that a token cannot go to before there is one: it is shown once."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(file, error) from None
    if not os.access(file.parent, os.W_OK):
        raise _unwritable(file, PermissionError(13, "no right to write there"))


def _write_token(file: Path, text: str) -> None:
    """Write a token whole, for its owner alone; an older one that nobody fetched gives way."""
    # not named after the process: in a container the one that was killed here had the same number
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(number, "w") as opened:
            opened.write(f"{text}\n")
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _unwritable(file, error) from None


def _unwritable(file: Path, error: OSError) -> DesignError:
    return DesignError(
        f"the owner token cannot be written to {file}: {error.strerror or 'no reason given'}",
        code="gateway.token_file",
        hint="name a file of your own with --token-file",
    )
