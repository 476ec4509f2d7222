"""What was too large for a result is listed and read, in every revision, by whom it belongs to and nobody else."""

from __future__ import annotations

import base64
import json
from typing import Any

import mcp_types.methods as official
import pytest

import apiloom
from apiloom import Options
from apiloom.identity.gate import Refusal
from apiloom.identity.principal import Principal
from apiloom.protocol.errors import RESOURCE_NOT_FOUND
from apiloom.wire.http import McpHttp
from apiloom.wire.resources import PAGE
from apiloom.wire.settings import WireSettings
from support import mcp
from support.behaviours import holds
from support.lines import served

ITEMS = [{"id": n, "name": f"item {n}"} for n in range(2_000)]
FILE = bytes(range(256)) * 300
ANSWERS = {"/items": (b"application/json", json.dumps({"items": ITEMS}).encode()), "/file": (b"application/zip", FILE)}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Large", "version": "1"},
    "paths": {
        path: {"get": {"operationId": f"get{path[1:].title()}", "responses": {"200": {"description": "it"}}}}
        for path in ANSWERS
    },
}


async def upstream(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    del receive
    kind, body = ANSWERS[scope["path"]]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})


class NamedGate:
    """Takes anyone at their word: the token is the name."""

    def admit(self, authorization: bytes) -> Principal | Refusal:
        return Principal(id=authorization.decode() or "nobody")


def running() -> tuple[apiloom.Api, McpHttp]:
    api = apiloom.load(DOCUMENT, app=upstream, options=Options(result_tokens=500))
    return api, McpHttp(api.quick.directory, NamedGate(), WireSettings())


ADA, EVE = {"authorization": "ada"}, {"authorization": "eve"}


async def asked(app: Any, revision: str, method: str, extra: Any = ADA, **params: Any) -> Any:
    """The result of a request, checked against the official types of its revision; or its error."""
    message = (await mcp.ask(app, revision, method, params, extra)).json()
    if "result" in message:
        official.validate_server_result(method, revision, message["result"])
        return message["result"]
    return message["error"]


def uri_of(result: Any) -> str:
    [link] = [part for part in result["content"] if part["type"] == "resource_link"]
    return str(link["uri"])


@holds("resources.link", "schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_what_is_too_large_comes_as_a_link_that_can_be_read(revision: str) -> None:
    _, app = running()
    result = await asked(app, revision, "tools/call", name="get_items", arguments={})
    note = result["content"][-1]["text"]
    if revision == "2025-03-26":
        assert {part["type"] for part in result["content"]} == {"text"}
        uri = result["content"][1]["text"].partition("resource ")[2].rstrip("]")
    else:
        uri = uri_of(result)
    assert uri in note
    assert result["_meta"]["dev.apiloom/truncated"]["uri"] == uri
    [contents] = (await asked(app, revision, "resources/read", uri=uri))["contents"]
    assert (contents["uri"], contents["mimeType"]) == (uri, "application/json")
    assert json.loads(contents["text"]) == {"items": ITEMS}
    following = result["_meta"]["dev.apiloom/truncated"]["cut"][0]["next"]
    [chunk] = (await asked(app, revision, "resources/read", uri=following))["contents"]
    start = json.loads(chunk["text"])["from"]
    assert json.loads(chunk["text"])["items"][0] == ITEMS[start]


@holds("resources.link", "schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_bytes_are_read_as_a_blob(revision: str) -> None:
    _, app = running()
    result = await asked(app, revision, "tools/call", name="get_file", arguments={})
    [listed] = (await asked(app, revision, "resources/list"))["resources"]
    assert listed["uri"] in json.dumps(result)
    [contents] = (await asked(app, revision, "resources/read", uri=listed["uri"]))["contents"]
    assert base64.b64decode(contents["blob"]) == FILE


@holds("resources.owner")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_resource_of_another_is_as_one_that_never_was(revision: str) -> None:
    _, app = running()
    result = await asked(app, revision, "tools/call", name="get_items", arguments={})
    uri = result["_meta"]["dev.apiloom/truncated"]["uri"]
    theirs = await asked(app, revision, "resources/read", EVE, uri=uri)
    never = await asked(app, revision, "resources/read", EVE, uri="apiloom://results/never")
    assert theirs["code"] == never["code"] == (-32602 if revision == mcp.MODERN else RESOURCE_NOT_FOUND)
    assert theirs["message"] == never["message"]
    assert (await asked(app, revision, "resources/list", EVE))["resources"] == []
    assert len((await asked(app, revision, "resources/list"))["resources"]) == 1


@holds("resources.list", "schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_lists_of_resources_come_in_pages_newest_first(revision: str) -> None:
    api, app = running()
    for number in range(PAGE + 5):
        api.quick.keeper.keep(Principal(id="ada"), b"{}", mime_type="application/json", name=f"n{number}")
    first = await asked(app, revision, "resources/list")
    rest = await asked(app, revision, "resources/list", cursor=first["nextCursor"])
    names = [one["name"] for one in (*first["resources"], *rest["resources"])]
    assert names == [f"n{number}" for number in reversed(range(PAGE + 5))]
    assert "nextCursor" not in rest
    assert (await asked(app, revision, "resources/list", cursor="nonsense"))["code"] == -32602


@holds("resources.list", "schema")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_the_template_of_parts_is_told(revision: str) -> None:
    _, app = running()
    [template] = (await asked(app, revision, "resources/templates/list"))["resourceTemplates"]
    assert template["uriTemplate"] == "apiloom://results/{id}{?pointer,from}"


@holds("resources.list")
async def test_what_a_caller_keeps_is_cached_by_nobody() -> None:
    _, app = running()
    for method in ("resources/list", "resources/templates/list"):
        result = await asked(app, mcp.MODERN, method)
        assert (result["ttlMs"], result["cacheScope"]) == (0, "private")


@holds("resources.read.wrong")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_reading_that_is_wrongly_asked_for_is_an_error_with_a_sentence(revision: str) -> None:
    _, app = running()
    assert (await asked(app, revision, "resources/read"))["code"] == -32602
    result = await asked(app, revision, "tools/call", name="get_items", arguments={})
    uri = result["_meta"]["dev.apiloom/truncated"]["uri"]
    wrong = await asked(app, revision, "resources/read", uri=f"{uri}?pointer=/nowhere")
    assert wrong["code"] == -32602
    assert "/nowhere" in wrong["message"]


@holds("resources.link")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_resources_are_read_over_standard_input_and_output(revision: str) -> None:
    api, _ = running()
    async with served(api.quick.directory) as client:
        if revision != mcp.MODERN:
            opening = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
            opened = await client.ask(mcp.words("2025-11-25", "initialize", opening, "open"))
            assert opened["result"]["capabilities"]["resources"] == {}
        call = mcp.words(revision, "tools/call", {"name": "get_items", "arguments": {}})
        result = (await client.ask(call))["result"]
        uri = result["_meta"]["dev.apiloom/truncated"]["uri"]
        read = (await client.ask(mcp.words(revision, "resources/read", {"uri": uri}, 2)))["result"]
        assert json.loads(read["contents"][0]["text"]) == {"items": ITEMS}
        listed = (await client.ask(mcp.words(revision, "resources/list", {}, 3)))["result"]
        assert [one["uri"] for one in listed["resources"]] == [uri]
