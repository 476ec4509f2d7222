"""Every construct fixture, through the application: document in, bytes at a socket out, and the result back."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from apiloom.app.connectors import Loaded, Reading
from apiloom.app.quick import build_quick
from apiloom.base.errors import DesignError
from apiloom.base.values import replace
from apiloom.catalog.report import build_report
from apiloom.console.house import Options
from apiloom.identity.gate import OpenGate
from apiloom.net.request import Request, Response, Sender
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import LOOPBACK_HOSTS, WireSettings
from support import constructs, mcp
from support.constructs import Construct, FixtureError, answers_of, expected, read_construct, recorded, same
from support.recorder import Recorder, recorder

SOMEWHERE = "https://api.example"
"""Where the API of a document answers that does not say it, unless the fixture does."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


class Rerouted:
    """Sends every request to the recorder, whatever its origin, and keeps where it was meant to go."""

    def __init__(self, inner: Sender, upstream: Recorder) -> None:
        self.inner = inner
        self.upstream = upstream
        self.origins: list[str] = []

    async def send(self, request: Request) -> Response:
        self.origins.append(request.origin)
        return await self.inner.send(replace(request, origin=self.upstream.origin))

    async def close(self) -> None:
        await self.inner.close()


@dataclasses.dataclass
class Running:
    """One document, served."""

    app: McpHttp
    loaded: Loaded
    sender: Rerouted


@asynccontextmanager
async def served(construct: Construct, folder: Path, upstream: Recorder) -> AsyncIterator[Running]:
    source = construct.write(folder)
    options = options_of(construct, folder)
    loaded = Reading(lambda _: None).connector(source, options)
    quick = build_quick(options, lambda _: None)
    sender = quick.sender = Rerouted(quick.sender, upstream)
    try:
        try:
            quick.put([loaded])
        except DesignError as error:
            if options.base_url or "refused" in construct.tree or not error.code.startswith("server."):
                raise
            quick.base_url = SOMEWHERE
            quick.put([loaded])
        app = McpHttp(quick.directory, OpenGate(), WireSettings(allowed_hosts=LOOPBACK_HOSTS))
        yield Running(app, loaded, sender)
    finally:
        await sender.close()


def options_of(construct: Construct, folder: Path) -> Options:
    given = dict(construct.tree.get("options", {}))
    if "credentials" in given:
        path = folder / "credentials-of-the-fixture"
        path.touch(0o600)
        path.write_text(json.dumps(given["credentials"]))
        given["credentials"] = str(path)
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Options(**{"cache": False, "timeout": 10.0, **given})


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("APILOOM_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", constructs.names())
async def test_a_construct_is_read_sent_and_returned_right(name: str, tmp_path: Path, upstream: Recorder) -> None:
    await check(constructs.construct(name), tmp_path, upstream)


async def check(construct: Construct, tmp_path: Path, upstream: Recorder) -> None:
    says = construct.tree
    if "refused" in says:
        with pytest.raises(DesignError) as caught:
            async with served(construct, tmp_path, upstream):
                pass
        assert says["refused"] in f"{caught.value.code}: {caught.value.sentence()}"
        return
    async with served(construct, tmp_path, upstream) as running:
        assert running.loaded.catalog is not None
        report = build_report(running.loaded.catalog)
        strict = build_report(running.loaded.catalog, "full")
        check_account(says, report)
        tools = {tool["name"]: tool for tool in report["tools"]}
        await check_list(running, tools)
        for name, claims in says.get("tools", {}).items():
            assert name in tools, f"there is no tool {name}, there are {', '.join(tools)}"
            check_tool(claims, tools[name], next(tool for tool in strict["tools"] if tool["name"] == name), running)
        for call in says.get("calls", ()):
            await check_call(call, running, upstream, tools.get(call["tool"], {}))


def check_account(says: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """No operation is lost, and the account is the one the fixture names."""
    ledger = report["ledger"]
    assert ledger["operations"] == ledger["exposed"] + ledger["gated"] + ledger["quarantined"]
    reasons = {f"{one['method']} {one['path']}": one["reason"] for one in report["operations"]}
    for status, count in says.get("ledger", {}).items():
        assert ledger[status] == count, f"{status}: {ledger[status]}, not {count}; {reasons}"
    for operation, reason in says.get("reasons", {}).items():
        assert operation in reasons, f"there is no {operation}, there are {list(reasons)}"
        assert reason in (reasons[operation] or ""), f"{operation}: {reasons[operation]!r}"
    for operation, name in says.get("names", {}).items():
        found = {f"{one['method']} {one['path']}": one["tool"] for one in report["operations"]}
        assert found.get(operation) == name, f"{operation} is called {found.get(operation)!r}, not {name!r}"
    codes = {one["code"] for one in report["findings"]}
    assert not set(says.get("findings", ())) - codes, f"findings are {sorted(codes)}"
    assert not set(says.get("no_findings", ())) & codes, f"findings are {sorted(codes)}"


async def check_list(running: Running, tools: Mapping[str, Any]) -> None:
    """What is served is what the report shows."""
    reply = await mcp.ask(running.app, mcp.MODERN, "tools/list")
    for entry in reply.json()["result"]["tools"]:
        for key in ("title", "description", "inputSchema", "annotations"):
            assert same(entry[key], tools[entry["name"]][key])


def check_tool(claims: Mapping[str, Any], tool: Mapping[str, Any], strict: Mapping[str, Any], running: Running) -> None:
    held = {
        "input": strict["inputSchema"],
        "view": tool["inputSchema"],
        "output": tool.get("outputSchema"),
        "strict_output": strict.get("outputSchema"),
        "title": tool["title"],
        "description": tool["description"],
        "annotations": tool["annotations"],
        "arguments": tool["arguments"],
    }
    for key in claims.keys() & held.keys():
        claim = claims[key].removesuffix("\n") if isinstance(claims[key], str) else claims[key]
        assert same(claim, held[key]), f"{key} of {tool['name']} is {json.dumps(held[key], ensure_ascii=False)}"
    for profile, claim in claims.get("views", {}).items():
        assert running.loaded.catalog is not None
        shown = {one["name"]: one["inputSchema"] for one in build_report(running.loaded.catalog, profile)["tools"]}
        assert same(claim, shown[tool["name"]]), f"{profile} shows {json.dumps(shown[tool['name']])}"
    for part in listed(claims.get("description_has", [])):
        assert part in tool["description"], tool["description"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


async def check_call(call: Mapping[str, Any], running: Running, upstream: Recorder, tool: Mapping[str, Any]) -> None:
    said = answers_of(call)
    upstream.expect(said)
    running.sender.origins.clear()
    reply = await mcp.call(running.app, mcp.MODERN, call["tool"], call.get("arguments"))
    frame = reply.events()[-1] if reply.body.startswith((b"data:", b"event:", b":")) else reply.json()
    if "refused" in call:
        told = frame["error"]["message"] if "error" in frame else text_of(frame["result"])
        assert not upstream.seen, f"it was sent: {upstream.seen}"
        assert "error" in frame or frame["result"]["isError"], f"it was not refused: {told}"
        assert call["refused"] in told, told
    else:
        check_sent(call, running, upstream)
        assert "result" in frame, frame
        if "failed" not in call.get("result", {}):
            failed = any(answer.get("status", 200) >= 400 for answer in said)
            assert frame["result"]["isError"] == failed, text_of(frame["result"])
    if "result" in frame:
        check_result(call.get("result", {}), frame["result"], tool)


def check_sent(call: Mapping[str, Any], running: Running, upstream: Recorder) -> None:
    if "to" in call:
        assert running.sender.origins == listed(call["to"])
    if "sends" not in call:
        return
    wanted = listed(call["sends"])
    assert len(upstream.seen) == len(wanted), f"{len(upstream.seen)} requests were sent: {upstream.seen}"
    for position, raw in enumerate(upstream.seen):
        allowed = [wanted[position], *call.get("or_sends", [])]
        seen = []
        for text in allowed:
            boundary = boundary_of(raw)
            want, names = expected(text.replace("{boundary}", boundary), call.get("body_base64"))
            got = recorded(raw, names, running.sender.origins[position])
            seen.append((want, got))
        if not any(want == got for want, got in seen):
            want, got = seen[0]
            assert got.shown() == want.shown()
            assert got == want


def boundary_of(raw: bytes) -> str:
    """The boundary of a multipart request, which a fixture need not know."""
    head = raw.partition(b"\r\n\r\n")[0].decode("latin-1")
    return head.partition("boundary=")[2].split("\r\n")[0].strip('"') or "{boundary}"


def text_of(result: Mapping[str, Any]) -> str:
    return "\n".join(part["text"] for part in result["content"] if part["type"] == "text")


def check_result(claims: Mapping[str, Any], result: Mapping[str, Any], tool: Mapping[str, Any]) -> None:
    structured = result.get("structuredContent")
    if structured is not None and "outputSchema" in tool:
        jsonschema_rs.validate(tool["outputSchema"], structured)
    if "structured" in claims:
        assert same(structured, claims["structured"]), f"structuredContent is {json.dumps(structured)}"
    text = text_of(result)
    if "text" in claims:
        assert text.removesuffix("\n") == claims["text"].removesuffix("\n")
    for part in listed(claims.get("text_has", [])):
        assert part in text, text
    for part in listed(claims.get("text_lacks", [])):
        assert part not in text, text
    if "failed" in claims:
        assert result["isError"] == claims["failed"], text
    if "content" in claims:
        assert same(result["content"], claims["content"]), json.dumps(result["content"])
    for name, value in claims.get("meta", {}).items():
        held = result.get("_meta", {}).get(name)
        assert same(held, value), f"_meta {name} is {json.dumps(held)}"
    if "blobs" in claims:
        assert [blob_of(part) for part in result["content"] if part["type"] != "text"] == claims["blobs"]


def blob_of(part: Mapping[str, Any]) -> dict[str, str]:
    inner = part.get("resource", part)
    return {"mime": inner.get("mimeType", ""), "base64": inner.get("blob", inner.get("data", ""))}


FIXTURE = b"""
construct: a greeting
verdict: supported
document:
  openapi: 3.1.0
  paths:
    /hello/{name}:
      get:
        operationId: hello
        parameters: [{name: name, in: path, required: true, schema: {type: string}}]
        responses: {200: {description: done}}
calls:
  - tool: hello
    arguments: {name: you}
    sends: GET /hello/you HTTP/1.1
"""


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (b"verdict: supported", b"verdict: supported\nsurprise: 1"),
        (b"verdict: supported", b"verdict: supported\nwhy: because"),
        (b"verdict: supported", b"verdict: gated\nwhy: because"),
        (b"verdict: supported", b"verdict: fine"),
        (b"construct: a greeting", b"rows: [1]"),
        (b"    sends: GET /hello/you HTTP/1.1\n", b""),
        (b"    sends:", b"    snds:"),
        (b"    arguments: {name: you}", b"    arguments: [you]"),
        (FIXTURE[FIXTURE.index(b"calls:") :], b""),
    ],
)
def test_a_fixture_with_a_mistake_is_refused(true: bytes, false: bytes) -> None:
    read_construct("01_greeting", FIXTURE)
    with pytest.raises(FixtureError):
        read_construct("01_greeting", FIXTURE.replace(true, false))


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (b"GET /hello/you HTTP/1.1", b"GET /hello/You HTTP/1.1"),
        (b"    sends: GET /hello/you HTTP/1.1", b'    sends: "GET /hello/you HTTP/1.1\\n\\n{}"'),
        (b"    sends: GET /hello/you HTTP/1.1", b"    refused: no"),
        (b"    sends:", b"    result: {structured: {a: 1}}\n    sends:"),
        (b"    sends:", b"    result: {failed: true}\n    sends:"),
        (b"    sends:", b"    to: https://elsewhere.example\n    sends:"),
        (b"calls:", b"ledger: {exposed: 2}\ncalls:"),
        (b"calls:", b"findings: [document.tabs]\ncalls:"),
        (b"calls:", b"tools: {hello: {title: Good bye}}\ncalls:"),
        (b"calls:", b"tools: {hello: {input: {type: object}}}\ncalls:"),
    ],
)
async def test_a_fixture_that_says_what_is_not_so_fails(
    true: bytes, false: bytes, tmp_path: Path, upstream: Recorder
) -> None:
    await check(read_construct("01_greeting", FIXTURE), tmp_path, upstream)
    with pytest.raises(AssertionError):
        await check(read_construct("01_greeting", FIXTURE.replace(true, false)), tmp_path, upstream)


def test_a_blob_is_compared_by_its_bytes() -> None:
    block = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(b"x").decode()}
    assert blob_of(block) == {"mime": "image/png", "base64": "eA=="}
