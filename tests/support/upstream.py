"""An HTTP API for tests: it records every request it gets and answers as it was told, or badly on purpose."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. ``target`` is the request line's, byte for byte."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to answer. ``value`` is encoded as JSON unless it is bytes."""

    value: Any = None
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        if isinstance(self.value, bytes):
            return self.value
        return b"" if self.value is None else json.dumps(self.value).encode()


@dataclass
class Upstream:
    """A running API. ``seen`` grows with every request."""

    url: str
    seen: list[Seen]

    def last(self) -> Seen:
        return self.seen[-1]


@contextlib.contextmanager
def upstream(answer: Callable[[Seen], Answer]) -> Iterator[Upstream]:
    """Serve on a free port of the loopback interface until the block ends."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle_one_request()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                body = self._chunks()
            seen.append(Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            said = answer(seen[-1])
            content = said.encoded()
            self.send_response(said.status)
            if content or said.status not in (204, 304):
                self.send_header("Content-Type", said.content_type)
                self.send_header("Content-Length", str(len(content)))
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def __getattr__(self, name: str) -> Any:
            # The base class looks for a method per verb; every verb there is or may be is answered alike.
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Tests read ``seen`` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Upstream(f"http://127.0.0.1:{server.server_address[1]}", seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


Conduct = Callable[[socket.socket, threading.Event], None]
"""What to do with one accepted connection; the event is set when the test is over."""


@contextlib.contextmanager
def misbehaving(conduct: Conduct) -> Iterator[str]:
    """A listener that treats every connection as told; yields its URL."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    threads: list[threading.Thread] = []

    def treat(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            conduct(connection, over)

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=treat, args=(connection,), daemon=True)
            thread.start()
            threads.append(thread)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        accepting.join(5)
        for thread in threads:
            thread.join(6)
        listener.close()


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Read the request and never answer."""
    connection.recv(65536)
    over.wait(60)


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Begin a good answer and send it a byte at a time, without end in sight."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    while not over.wait(0.05):
        connection.sendall(b" ")


def flood(connection: socket.socket, over: threading.Event) -> None:
    """Answer without end."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"[" * (1 << 20))


def half_close(connection: socket.socket, over: threading.Event) -> None:
    """Promise more than is sent, then close."""
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":')
    connection.shutdown(socket.SHUT_WR)


def close_at_once(connection: socket.socket, over: threading.Event) -> None:
    """Read the request and close without a word."""
    connection.recv(65536)


def garbage(connection: socket.socket, over: threading.Event) -> None:
    """Answer with bytes that are no HTTP."""
    connection.recv(65536)
    connection.sendall(bytes(range(256)) * 16 + b"\r\n\r\n")


def wrong_json(connection: socket.socket, over: threading.Event) -> None:
    """Call JSON what is none."""
    connection.recv(65536)
    body = b'{"unfinished": [1, 2'
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (len(body), body)
    )
