"""The API behind every contestant: a lean ASGI application on uvicorn, uvloop and httptools.

It costs what a well-made service costs and does nothing beside answering, so a contestant hardly waits for it and a
direct call to it is a fair measure of one hop less. Run it as ``python bench/upstream.py PORT`` (0 takes a free one);
it prints its URL on one line and serves until ended.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn
from cells import answer

_HEAD = [(b"content-type", b"application/json")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request from nothing but the request."""
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    status, text = answer(scope["method"], scope["path"], scope["query_string"].decode(), body)
    length = (b"content-length", b"%d" % len(text))
    await send({"type": "http.response.start", "status": status, "headers": [*_HEAD, length]})
    await send({"type": "http.response.body", "body": text})


def main(port: int) -> None:
    """Serve until ended."""
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    # Contestants wait for their turn longer than the usual five seconds between two requests.
    patient = {"timeout_keep_alive": 600, "access_log": False, "log_level": "warning"}
    config = uvicorn.Config(app, loop="uvloop", http="httptools", lifespan="off", **patient)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
