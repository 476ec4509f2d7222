"""The path of a call stays one sitting long: one real tools/call, traced from the ASGI request to its answer."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import pytest

import apiloom
from support.source import PACKAGE, ROOT

LIMITS = {"functions": 60, "files": 10}
MOST_LINES = 1200
"""Lines of the functions entered, all together: what one reads in a sitting."""
ANSWER = b'{"id": 7, "name": "Rex"}'
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets/{petId}": {
            "get": {
                "operationId": "getPet",
                "summary": "One pet",
                "parameters": [
                    {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}},
                    {"name": "full", "in": "query", "schema": {"type": "boolean"}},
                ],
                "responses": {"200": {"description": "a pet", "content": {"application/json": {"schema": {}}}}},
            }
        }
    },
}

CALL: dict[str, Any] = {"name": "get_pet", "arguments": {"petId": 7, "full": True}}
STATELESS = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
ERAS = {
    "stateless": (
        {**CALL, "_meta": STATELESS},
        {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "get_pet"},
    ),
    "sessions": (CALL, {"mcp-protocol-version": "2025-11-25"}),
}


class Trace:
    """Counts the functions of the package that are entered, each frame once however often it is resumed."""

    def __init__(self) -> None:
        self.entered: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)) and not code.co_name.startswith("<"):
            self.entered.add(frame)

    def functions(self) -> Counter[str]:
        return Counter(
            f"{frame.f_code.co_filename.removeprefix(str(PACKAGE) + '/')}:{frame.f_code.co_qualname}"
            for frame in self.entered
        )

    def lines(self) -> int:
        return sum(len(inspect.getsourcelines(code)[0]) for code in {frame.f_code for frame in self.entered})

    def files(self) -> set[str]:
        return {name.split(":")[0] for name in self.functions()}


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """The address of an API that answers every request with one pet."""
    connections: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n"
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(head.encode() + ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.ensure_future(answer(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def ask(application: Callable[..., Any], params: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """One tools/call over ASGI."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    sent = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "content-length": str(len(body)),
        **headers,
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8787),
        "state": {},
    }
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    answered = bytearray()

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        answered.extend(message.get("body", b""))

    await asyncio.wait_for(application(scope, receive, send), 20)
    answer: dict[str, Any] = json.loads(answered)
    return answer


async def shortest(call: Callable[[], Awaitable[None]]) -> Trace:
    """The shortest of a few traces of one call: on a busy machine the timer that watches calls looks in as well."""
    traces = []
    for _ in range(5):
        trace = Trace()
        sys.setprofile(trace)
        try:
            await call()
        finally:
            sys.setprofile(None)
        traces.append(trace)
    return min(traces, key=lambda trace: len(trace.entered))


class Short:
    """The line of a request that came by the short road in."""

    def __init__(self) -> None:
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, event: Any) -> None:
        raise AssertionError(event)

    async def answer(self, reply: Any, extra: Any) -> None:
        self.body = reply.body


async def test_the_short_road_in_is_the_shorter_one() -> None:
    async with upstream() as origin, apiloom.load(DOCUMENT, base_url=origin) as api:
        application: Any = api.asgi()
        params, headers = ERAS["sessions"]
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        heads = {"host": "127.0.0.1", "content-type": "application/json", **headers}
        visitor = application.look([(name.encode(), value.encode()) for name, value in heads.items()], len(body))
        line = Short()
        for _ in range(2):
            await asyncio.create_task(application.hear(visitor, body, line, asyncio.current_task()))
        trace = await shortest(lambda: application.hear(visitor, body, line, asyncio.current_task()))
    assert json.loads(line.body)["result"]["content"] == [{"type": "text", "text": ANSWER.decode()}]
    record = tomllib.loads((ROOT / "tests/architecture/call_path.toml").read_text())
    # app/straight itself enters five: data_received, serve, answer, usual, after
    assert len(trace.entered) + 5 < record["functions"], trace.functions()


async def traced_call(era: str) -> Trace:
    """One call, traced; two came before it, so that nothing is compiled or connected for the first time."""
    async with upstream() as origin, apiloom.load(DOCUMENT, base_url=origin) as api:
        application = api.asgi()
        answers = [await ask(application, *ERAS[era]) for _ in range(2)]

        async def call() -> None:
            answers.append(await ask(application, *ERAS[era]))

        trace = await shortest(call)
        for answer in answers:
            assert answer.get("result", answer)["content"] == [{"type": "text", "text": ANSWER.decode()}], answer
        return trace


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_stays_one_sitting_long(era: str) -> None:
    trace = await traced_call(era)
    record = tomllib.loads((ROOT / "tests/architecture/call_path.toml").read_text())
    measured = {"functions": len(trace.entered), "files": len(trace.files())}
    told = "\n".join(f"{count} {name}" for name, count in sorted(trace.functions().items()))
    print(f"path of a call ({era}): {measured}, {trace.lines()} lines\n{told}")
    assert all(measured[what] <= record[what] for what in LIMITS), f"{measured} over {record}\n{told}"
    assert trace.lines() <= MOST_LINES


def test_a_path_longer_than_the_house_allows_has_a_page_that_says_why() -> None:
    record = tomllib.loads((ROOT / "tests/architecture/call_path.toml").read_text())
    if any(record[what] > LIMITS[what] for what in LIMITS):
        page = (ROOT / record.get("decision", "docs/decisions/none.md")).read_text(encoding="utf-8")
        assert all(str(record[what]) in page for what in LIMITS)
    else:
        assert "decision" not in record


async def test_the_record_of_the_path_follows_it_down() -> None:
    traces = [await traced_call(era) for era in ERAS]
    record = tomllib.loads((ROOT / "tests/architecture/call_path.toml").read_text())
    # A little slack: Python versions enter a comprehension or a context manager differently.
    assert record["functions"] - max(len(trace.entered) for trace in traces) <= 2
    assert record["files"] == max(len(trace.files()) for trace in traces)


async def test_a_call_passes_through_the_rooms_that_have_business_in_it() -> None:
    """Each room of the path is there, and none of design time, of people or of choosing."""
    trace = await traced_call("stateless")
    seen = {name.split("/")[0] for name in trace.files()}
    assert {"wire", "identity", "calls", "catalog", "backends", "net"} <= seen
    assert not seen & {"readers", "emit", "console", "app", "model"}
