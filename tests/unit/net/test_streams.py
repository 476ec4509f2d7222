"""Answers that may never end: on every road, what came of them is the answer, in bounded time and memory."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from apiloom.base.errors import UpstreamError
from apiloom.net.inprocess import InProcess
from apiloom.net.request import MOST_OF_A_STREAM, Request, Response
from support.roads import ROADS
from support.sockets import WITHIN, peer, says

EVENTS = frozenset({"text/event-stream"})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=list(ROADS))
def connect(request: pytest.FixtureRequest) -> Any:
    return ROADS[request.param]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def asked(connect: Any, said: bytes, then: str, *, seconds: float = WITHIN, **more: Any) -> Response:
    async with peer(says(said, then=then)) as it:
        sender = connect()
        accepted = [("Accept", "text/event-stream")]
        request = Request(method="GET", origin=it.origin, target="/", headers=accepted, timeout=seconds, **more)
        try:
            answer: Response = await asyncio.wait_for(sender.send(request), 2 * WITHIN)
        finally:
            await sender.close()
        return answer


async def test_a_stream_without_end_is_given_as_far_as_it_came_before_the_time_is_up(connect: Any) -> None:
    answer = await asked(connect, HEAD + CHUNKED + chunk(b"data: 1\n\n"), "hang", seconds=0.5, partial=EVENTS)
    assert (answer.status, answer.body, answer.cut) == (200, b"data: 1\n\n", "time")


async def test_a_stream_that_breaks_off_is_given_as_far_as_it_came(connect: Any) -> None:
    answer = await asked(connect, HEAD + CHUNKED + chunk(b"data: 1\n\n"), "half-close", partial=EVENTS)
    assert (answer.body, answer.cut) == (b"data: 1\n\n", "broken")


async def test_a_stream_that_ends_is_whole(connect: Any) -> None:
    whole = HEAD + CHUNKED + chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n") + b"0\r\n\r\n"
    answer = await asked(connect, whole, "keep", partial=EVENTS)
    assert (answer.body, answer.cut) == (b"data: 1\n\ndata: 2\n\n", "")


@pytest.mark.parametrize("packed", [False, True])
async def test_a_stream_that_is_too_long_is_given_up_to_the_bound(connect: Any, packed: bool) -> None:
    body = b"data: " + b"x" * (2 * MOST_OF_A_STREAM)
    coded = HEAD + b"Content-Encoding: gzip\r\n" + CHUNKED + chunk(gzip.compress(body)) if packed else b""
    answer = await asked(connect, coded or HEAD + CHUNKED + chunk(body), "hang", partial=EVENTS)
    assert answer.cut == "size"
    assert 0 < len(answer.body) <= MOST_OF_A_STREAM
    assert body.startswith(answer.body)


@pytest.mark.parametrize(
    ("head", "partial"),
    [
        (HEAD, frozenset[str]()),
        (HEAD.replace(b"Event-Stream", b"plain"), EVENTS),
        (HEAD.replace(b"200 OK", b"500 Oops"), EVENTS),
    ],
)
async def test_any_other_answer_without_end_is_a_timeout(connect: Any, head: bytes, partial: frozenset[str]) -> None:
    with pytest.raises(UpstreamError) as caught:
        await asked(connect, head + CHUNKED + chunk(b"data: 1\n\n"), "hang", seconds=0.3, partial=partial)
    assert caught.value.code == "net.timeout"


async def in_process(then: Callable[[Any], Any], kind: bytes = b"text/event-stream") -> Response:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await then(send)

    request = Request(method="GET", origin="http://localhost", target="/", timeout=0.5, partial=EVENTS)
    return await asyncio.wait_for(InProcess(application).send(request), WITHIN)


async def hang(send: Any) -> None:
    await asyncio.Event().wait()


async def leave(send: Any) -> None:
    """End without the end of the answer."""


async def fail(send: Any) -> None:
    raise KeyError


async def flood(send: Any) -> None:
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})


@pytest.mark.parametrize(("then", "cut"), [(hang, "time"), (leave, "broken"), (fail, "broken"), (flood, "size")])
async def test_a_stream_of_an_application_in_this_process_is_given_as_far_as_it_came(then: Any, cut: str) -> None:
    answer = await in_process(then)
    assert answer.cut == cut
    assert answer.body.startswith(b"data: 1\n\n")
    assert len(answer.body) <= MOST_OF_A_STREAM
    with pytest.raises(UpstreamError):
        await in_process(then, kind=b"text/plain") if then is not flood else await in_process(fail, kind=b"text/plain")
