"""Serving HTTP: one bound socket, one event loop, one uvicorn server that stops when told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Protocol

from apiloom.app.asgi import Receive, Scope, Send
from apiloom.app.patience import ROUND, hang_up, impatient
from apiloom.app.straight import Hearer, straight
from apiloom.base import plugins
from apiloom.base.errors import DesignError

BACKLOG = 2048
"""Connections the kernel may hold before they are accepted."""

GRACE = 5
"""Seconds given to calls in flight when the server is told to stop."""

_TICKS = int(ROUND * 10)
"""uvicorn ticks ten times a second."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket at an address; port 0 takes any free one.

    Raises:
        DesignError: ``listen.taken``, ``listen.address``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _unbound(host, port, error) from error
    return sock


def _unbound(host: str, port: int, error: OSError) -> DesignError:
    hint = "choose another with --http HOST:PORT, or port 0 for any free one"
    if isinstance(error, PermissionError):
        return DesignError(f"port {port} needs more rights than this user has", code="listen.address", hint=hint)
    if isinstance(error, socket.gaierror):
        return DesignError(f"{host} is no address of this machine", code="listen.address", hint="see --http")
    if error.errno is not None and "in use" in (error.strerror or ""):
        return DesignError(f"port {port} on {host} is taken", code="listen.taken", hint=hint)
    return DesignError(
        f"cannot listen at {host} port {port} ({error.strerror})", code="listen.address", hint="see --http"
    )


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on the fastest event loop there is.

    Raises:
        KeyboardInterrupt: the terminal asked to stop before the coroutine had its own handlers.
    """
    factory = plugins.load("uvloop:new_event_loop") if sys.platform != "win32" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


class Application(Protocol):
    """An ASGI application that also says which requests may come by the short road."""

    def straight(self, path: bytes) -> Hearer | None: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


async def serve_http(
    application: Application,
    sock: socket.socket,
    announce: Callable[[], None],
    retire: Callable[[], None],
    beside: Sequence[tuple[Application, socket.socket]] = (),
) -> None:
    """Serve until SIGINT or SIGTERM.

    ``announce`` is called once connections are accepted, ``retire`` when the server begins to stop: open streams are
    ended then, so that they do not hold it up. ``beside`` are further applications on sockets of their own, which start
    before and end after it.
    """
    others = [http_server(other, lambda: None, lambda: None, heeds_signals=False) for other, _ in beside]
    running = [
        asyncio.create_task(other.serve(sockets=[its_sock]))
        for other, (_, its_sock) in zip(others, beside, strict=True)
    ]
    try:
        await http_server(application, announce, retire, heeds_signals=True).serve(sockets=[sock])
    finally:
        for other in others:
            other.should_exit = True
        await asyncio.gather(*running, return_exceptions=True)


def http_server(
    application: Application, announce: Callable[[], None], retire: Callable[[], None], *, heeds_signals: bool
) -> Any:
    """The HTTP server for an application: ``serve(sockets=[…])`` runs it until ``should_exit`` is set."""
    uvicorn = plugins.load("uvicorn")

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
        """uvicorn's server with our own word when it is ready, and our own signals."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            announce()

        async def on_tick(self, counter: int) -> bool:
            if counter % _TICKS == 0:
                hang_up(self.server_state.connections)
            return bool(await super().on_tick(counter))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            retire()
            await super().shutdown(sockets=sockets)

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # The library's own handlers raise the signal again at the end, which would turn a polite stop into a
            # failure exit code.
            loop = asyncio.get_running_loop()
            with contextlib.ExitStack() as undo:
                for number in (signal.SIGINT, signal.SIGTERM) if heeds_signals else ():
                    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                        loop.add_signal_handler(number, self.handle_exit, number, None)
                        undo.callback(loop.remove_signal_handler, number)
                yield

    spoken = impatient(plugins.load("uvicorn.protocols.http.httptools_impl:HttpToolsProtocol"))

    config = uvicorn.Config(
        application,
        loop="none",
        http=straight(spoken, application.straight),
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        backlog=BACKLOG,
    )
    return Server(config)
