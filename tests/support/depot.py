"""An API of files: it takes uploads of any size and gives generated ones, and holds none of them in memory."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MEBIBYTE = 1 << 20
_NOISE = random.Random(7).randbytes(MEBIBYTE)


def generated(size: int) -> Iterator[bytes]:
    """The same bytes for the same size, every mebibyte another one."""
    for number, start in enumerate(range(0, size, MEBIBYTE)):
        piece = number.to_bytes(8, "big") + _NOISE[8:]
        yield piece[: min(MEBIBYTE, size - start)]


def hashed(pieces: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


@dataclass
class Taken:
    """An upload as it arrived: its head, its size, the hash of all its bytes, the first and last of them."""

    path: str
    headers: dict[str, str]
    size: int
    digest: str
    start: bytes
    end: bytes


@dataclass
class Depot:
    """A running API. ``taken`` grows with every upload that came to its end."""

    url: str
    taken: list[Taken] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """What it takes and gives, in OpenAPI."""
        done = {"200": {"description": "done"}}
        file = {"type": "string", "format": "binary"}
        form = {"file": file, "files": {"type": "array", "items": file}, "note": {"type": "string"}}
        sized = [{"name": "size", "in": "query", "schema": {"type": "integer"}}]
        sized += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("type", "name", "coding")]
        return {
            "openapi": "3.1.0",
            "info": {"title": "Depot", "version": "1"},
            "servers": [{"url": self.url}],
            "components": {"securitySchemes": {"Key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
            "paths": {
                "/form": {"post": _operation("send_form", {"multipart/form-data": _object(form)}, done)},
                "/whole": {"put": _operation("send_whole", {"application/octet-stream": {}}, done)},
                "/image": {"put": _operation("send_image", {"image/*": {"schema": file}}, done)},
                "/early": {"put": _operation("send_early", {"application/octet-stream": {}}, done)},
                "/close": {"put": _operation("send_close", {"application/octet-stream": {}}, done)},
                "/give": {"get": {"operationId": "give", "parameters": sized, "responses": done}},
                "/echo": {
                    "get": {
                        "operationId": "echo",
                        "parameters": sized[:1],
                        "responses": done,
                        "security": [{"Key": []}],
                    }
                },
            },
        }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": properties}}


def _operation(name: str, content: dict[str, Any], responses: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "requestBody": {"required": True, "content": content}, "responses": responses}


@contextlib.contextmanager
def depot() -> Iterator[Depot]:
    """Serve on a free port of the loopback interface until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            if self.path == "/early":
                self.close_connection = True
                self._answer(413, b"no more than that", "text/plain")
            elif self.path == "/close":
                self.close_connection = True
                self.connection.close()
            else:
                self._take()

        do_POST = do_PUT  # noqa: N815

        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            size = int(asked.get("size", "10"))
            if self.path.startswith("/echo"):
                self._echo(size)
                return
            self.send_response(200)
            self.send_header("Content-Type", asked.get("type", "application/pdf"))
            if "name" in asked:
                self.send_header("Content-Disposition", asked["name"])
            if asked.get("coding") == "gzip":
                body = gzip.compress(bytes(size), 1)
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.send_header("Content-Length", str(size))
            self.end_headers()
            for piece in generated(size):
                self.wfile.write(piece)

        def _echo(self, size: int) -> None:
            """Bytes with the caller's key among them, across every border of pieces there may be."""
            key = self.headers["X-Key"].encode()
            body = (key + b"\0" * 9 + b"%7B").ljust(1009, b"\1") * (size // 1009)
            self._answer(200, body, "application/pdf")

        def _take(self) -> None:
            left = int(self.headers["Content-Length"])
            whole, size, start, end = hashlib.sha256(), 0, b"", b""
            while left:
                piece = self.rfile.read(min(left, MEBIBYTE))
                if not piece:
                    self.close_connection = True
                    return
                left -= len(piece)
                size += len(piece)
                whole.update(piece)
                start, end = start or piece[:4096], (end + piece)[-4096:]
            headers = {name.lower(): value for name, value in self.headers.items()}
            there.taken.append(Taken(self.path, headers, size, whole.hexdigest(), start, end))
            self._answer(200, b'{"ok":true}', "application/json")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Depot(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
