"""The yardstick: the thinnest ASGI relay that still is an MCP ``tools/call``.

uvicorn with uvloop and httptools in front, raw kept-alive connections to the upstream behind, msgspec between: the
request is decoded once, the answer's text gets its one JSON escape and is spliced in, and again, as it is, for
``structuredContent``. No validation, no header rules, no session, no policy, no errors worth the name. What a product
costs above this is what its promises cost.

Run it as ``python bench/relay.py UPSTREAM_PORT PORT``.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from typing import Any

import httptools
import msgspec
import uvicorn


class Params(msgspec.Struct):
    """The two members of ``params`` a relay needs."""

    name: str
    arguments: dict[str, Any]


class Request(msgspec.Struct):
    """A JSON-RPC request as far as a relay reads it."""

    id: int | str
    params: Params


_request = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode
_INFO = b'"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"relay","version":"1"}}'
_HEAD = [(b"content-type", b"application/json")]


def _get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: upstream\r\nAccept: application/json\r\n\r\n".encode()


def _post(target: str, value: Any) -> bytes:
    body = _encode(value)
    return b"POST %b HTTP/1.1\r\nHost: upstream\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        target.encode(),
        len(body),
        body,
    )


TOOLS = {
    "get_item": lambda a: _get(f"/items/{a['item_id']}?color={a['color']}&size={a['size']}"),
    "create_order": lambda a: _post("/orders", a),
    "list_events": lambda a: _get(f"/events?user={a['user']}&limit={a['limit']}"),
    "get_report": lambda a: _get(f"/reports/{a['report_id']}"),
}


class Line(asyncio.Protocol):
    """One kept-alive connection to the upstream; it carries one exchange at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None
        self.parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self.parts)
        self.parts.clear()
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("the upstream closed the connection"))


class Relay:
    """The ASGI application and its free connections."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.free: deque[Line] = deque()

    async def ask(self, request: bytes) -> bytes:
        """One exchange with the upstream."""
        loop = asyncio.get_running_loop()
        line = self.free.pop() if self.free else None
        if line is None or line.transport.is_closing():
            _, line = await loop.create_connection(Line, "127.0.0.1", self.upstream)
        line.answer = loop.create_future()
        line.transport.write(request)
        answer = await line.answer
        self.free.append(line)
        return answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one ``tools/call``."""
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        call = _request(body)
        answer = await self.ask(TOOLS[call.params.name](call.params.arguments))
        text = b'{"jsonrpc":"2.0","id":%b,"result":{"content":[{"type":"text","text":%b}],' % (
            _encode(call.id),
            _encode(answer.decode()),
        ) + b'"structuredContent":%b,"resultType":"complete",%b}}' % (answer, _INFO)
        length = (b"content-length", b"%d" % len(text))
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEAD, length]})
        await send({"type": "http.response.body", "body": text})


def main() -> None:
    """Serve until ended."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=512)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(
        Relay(int(sys.argv[1])), loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning"
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
