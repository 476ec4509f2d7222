"""An HTTP upstream on a real socket that keeps every byte it was sent and says what it was told, in order."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO

_BODILESS = frozenset({204, 304})


class Recorder:
    """``seen`` are requests as they came, the framing of chunked bodies taken off."""

    def __init__(self, listener: socket.socket) -> None:
        self.origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.seen: list[bytes] = []
        self._answers: deque[bytes] = deque()

    def expect(self, answers: list[Mapping[str, Any]]) -> None:
        """Forget what was, and say these answers to the next requests."""
        self.seen.clear()
        self._answers = deque(encoded(answer) for answer in answers)

    def serve(self, connection: socket.socket) -> None:
        """Answer every request of one connection until the client closes it."""
        with connection, contextlib.suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while raw := _request(stream):
                self.seen.append(raw)
                answer = self._answers.popleft() if self._answers else b"HTTP/1.1 599 Unexpected\r\n\r\n"
                connection.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if raw[:5] == b"HEAD " else answer)


def encoded(answer: Mapping[str, Any]) -> bytes:
    """An answer in HTTP/1.1: JSON unless it says otherwise, ``{}`` unless it says something."""
    status = answer.get("status", 200)
    body = answer.get("body", "" if status in _BODILESS else {})
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if "body_base64" in answer:
        content = base64.b64decode(answer["body_base64"], validate=True)
    headers = answer.get("headers", {})
    given = {name.lower() for name in headers}
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    if "content-type" not in given and status not in _BODILESS:
        lines.append("Content-Type: application/json")
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value]) if one is not None]
    if status not in _BODILESS:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _request(stream: BinaryIO) -> bytes:
    """One request, or nothing when the connection ends."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(1 << 20)
        if not line:
            return b""
        head += line
    fields = [field.partition(b":") for field in head.split(b"\r\n")[1:]]
    by_name = {name.lower(): value.strip() for name, _, value in fields}
    if by_name.get(b"transfer-encoding", b"").lower() == b"chunked":
        return head + _chunks(stream)
    return head + stream.read(int(by_name.get(b"content-length", 0)))


def _chunks(stream: BinaryIO) -> bytes:
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        """Trailers are of no interest."""
    return body


@contextlib.contextmanager
def recorder() -> Iterator[Recorder]:
    """Listen on a free port of the loopback interface until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        it = Recorder(listener)
        over = threading.Event()
        connections: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not over.is_set():
                    connection, _ = listener.accept()
                    connections.append(connection)
                    threading.Thread(target=it.serve, args=(connection,), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield it
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
