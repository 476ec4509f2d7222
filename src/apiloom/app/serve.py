"""`apiloom serve SOURCE…`: the quick server from its sources to its last answer."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from apiloom.app.asgi import Front
from apiloom.app.connectors import Loaded, Reading
from apiloom.app.garbage import unhindered
from apiloom.app.listen import bind, run, serve_http
from apiloom.app.published import Published
from apiloom.app.quick import Quick, build_quick
from apiloom.app.watch import Watched, outrun
from apiloom.base.errors import ApiloomError
from apiloom.console.house import Listen, Options, Served
from apiloom.identity.gate import BearerGate, OpenGate
from apiloom.wire.files import FilesHttp
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import LOOPBACK_HOSTS, LOOPBACK_ORIGINS, WireSettings
from apiloom.wire.stdio import serve_standard

Say = Callable[[str], None]

KEEP_AFTER = 3.0
"""Seconds after the start when the compiled cache is written."""


def serve(sources: Sequence[str], options: Options, listen: Listen, say: Say, ready: Callable[[Served], None]) -> int:
    """Serve sources until told to stop; the exit code. Over HTTP ``ready`` is told once callers can connect.

    Raises:
        ApiloomError: a source cannot be read, an address cannot be listened on.
    """
    sock = None if listen.stdio else bind(listen.host, listen.port)
    try:
        serving = _Serving(sources=sources, options=options, say=say, ready=ready)
        serving.start()
        if sock is None:
            return run(serving.over_stdio())
        return run(serving.over_http(sock, listen))
    finally:
        if sock is not None:
            sock.close()


@dataclass(slots=True, kw_only=True)
class _Serving:
    """One run of the quick server."""

    sources: Sequence[str]
    options: Options
    say: Say
    ready: Callable[[Served], None]
    quick: Quick = field(init=False)
    loaded: list[Loaded] = field(init=False)
    watched: Watched = field(init=False)
    published: Published = field(default_factory=Published, init=False)

    def start(self) -> None:
        with unhindered():
            self.loaded = self._load()
            self.quick = build_quick(self.options, self.say)
            self.quick.put(self.loaded)
        self.watched = Watched.of(self.loaded)

    def _load(self) -> list[Loaded]:
        reading = Reading(_unheard)
        return [reading.connector(source, self.options) for source in self.sources]

    def _load_anew(self) -> list[Loaded]:
        """The sources as they are now, under the names that are served; one that did not change is not read again."""
        reading = Reading(_unheard, self.published.after(self.loaded))
        return [one if not outrun([one]) else reading.connector(one.source, self.options) for one in self.loaded]

    async def over_stdio(self) -> int:
        """Speak on standard input and output until the client closes it."""
        async with self._beside():
            await serve_standard(self.quick.directory, WireSettings(call_timeout=self.options.timeout))
        return 0

    async def over_http(self, sock: socket.socket, listen: Listen) -> int:
        """Listen on a bound socket until a signal asks to stop."""
        host, port = sock.getsockname()[:2]
        guarded = not (is_loopback(host) or listen.open)
        token = secrets.token_urlsafe(32) if guarded else ""
        gate = BearerGate(token) if token else OpenGate()
        settings = WireSettings(
            allowed_hosts=allowed_hosts(listen, host, guarded=guarded),
            allowed_origins=allowed_origins(listen.public_url),
            call_timeout=self.options.timeout,
        )
        mcp = McpHttp(self.quick.directory, gate, settings)
        front = Front(mcp, FilesHttp(self.quick.keeper, gate, settings), ready=lambda: True)
        url = f"{(listen.public_url or url_of(host, port)).rstrip('/').removesuffix('/mcp')}/mcp"
        everywhere = not listen.public_url and ipaddress.ip_address(host).is_unspecified
        async with self._beside():
            await serve_http(
                front, sock, lambda: self.ready(self._served(url, token, everywhere=everywhere)), mcp.close
            )
        return 0

    def _served(self, url: str, token: str, *, everywhere: bool) -> Served:
        endpoint = self.quick.directory.endpoints[""]
        return Served(title=endpoint.title, url=url, tools=endpoint.listing.count, token=token, everywhere=everywhere)

    @contextlib.asynccontextmanager
    async def _beside(self) -> AsyncIterator[None]:
        """What runs beside the serving: the cache is kept, sources are watched, the pool is closed at the end."""
        beside = [asyncio.create_task(self._watch()), asyncio.create_task(self._keep())]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.quick.close()

    async def _keep(self) -> None:
        """Write the compiled cache once the first callers have been answered: it is work for the next start."""
        await asyncio.sleep(KEEP_AFTER)
        for loaded in self.loaded:
            await asyncio.to_thread(loaded.keep)

    async def _watch(self) -> None:
        """Serve a source anew whenever its files differ from what is served. Nothing that is in them ends this."""
        fresh = True
        while True:
            # A file that was written while we read is seen by its content: its time is the one we start from.
            if not (fresh and await asyncio.to_thread(outrun, self.loaded)):
                await self.watched.changed()
            try:
                loaded = await asyncio.to_thread(self._load_anew)
                endpoint = self.quick.put(loaded)
            except (ApiloomError, OSError, ValueError, RuntimeError, MemoryError) as error:
                fresh = False
                why = error.sentence() if isinstance(error, ApiloomError) else type(error).__name__
                self.say(f"a source changed but is not served, the tools stay as they were: {why}")
                continue
            fresh = True
            self.loaded = loaded
            self.watched = Watched.of(loaded)
            self.say(f"a source changed: {endpoint.listing.count} tools are served now")


def _unheard(text: str) -> None:
    """Progress of reading is not shown by a server."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(host: str, port: int) -> str:
    """An address that can be called: an unspecified one is shown as this machine's own."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def allowed_hosts(listen: Listen, host: str, *, guarded: bool) -> tuple[str, ...]:
    """The Host headers to answer. A token makes DNS rebinding pointless, so a guarded server answers any name."""
    public = urlsplit(listen.public_url).netloc
    if public:
        return (public, *LOOPBACK_HOSTS)
    if guarded:
        return ("*",)
    if is_loopback(host):
        return LOOPBACK_HOSTS
    names = (socket.gethostname(), *_addresses()) if ipaddress.ip_address(host).is_unspecified else (host,)
    return (*LOOPBACK_HOSTS, *(f"[{name}]:*" if ":" in name else f"{name}:*" for name in names))


def _addresses() -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(place[4][0]) for place in found))


def allowed_origins(public_url: str) -> tuple[str, ...]:
    """The origins of pages that may call."""
    parts = urlsplit(public_url)
    return (*LOOPBACK_ORIGINS, f"{parts.scheme}://{parts.netloc}") if public_url else LOOPBACK_ORIGINS
