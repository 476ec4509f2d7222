"""What a caller on the long road is told when the server stops before its call has ended."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from apiloom.app.asgi import Front

WITHIN = 10.0


class Hanging:
    """A wire that never answers; ``began`` is set when it was asked."""

    def __init__(self, *said: MutableMapping[str, Any]) -> None:
        self.said = said
        self.began = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        for message in self.said:
            await send(message)
        self.began.set()
        await asyncio.Event().wait()


class Sent:
    """What was sent, by the rule of ASGI servers that an answer starts once."""

    def __init__(self) -> None:
        self.messages: list[MutableMapping[str, Any]] = []

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and self.messages:
            raise RuntimeError("the answer has started")
        self.messages.append(message)


async def cut(wire: Hanging) -> list[MutableMapping[str, Any]]:
    """What a caller was sent whose call was cut by the server's end."""
    sent = Sent()
    front = Front(wire, ready=lambda: True)  # type: ignore[arg-type]
    scope = {"type": "http", "path": "/mcp", "method": "POST", "headers": []}
    task = asyncio.create_task(front(scope, lambda: asyncio.sleep(WITHIN), sent))  # type: ignore[arg-type]
    await asyncio.wait_for(wire.began.wait(), WITHIN)
    task.cancel()
    await asyncio.wait_for(task, WITHIN)
    return sent.messages


async def test_a_call_that_does_not_end_in_time_is_told_that_the_server_stops() -> None:
    start, body = await cut(Hanging())
    assert start["status"] == 503
    assert (b"retry-after", b"2") in start["headers"]
    assert b"This server is stopping" in body["body"]


@pytest.mark.parametrize("more", [True, False])
async def test_an_answer_that_has_begun_is_left_as_it_is(more: bool) -> None:
    said = [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"part", "more_body": more},
    ]
    assert await cut(Hanging(*said)) == said
