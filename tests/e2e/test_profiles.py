"""A running server lists what its URL's profile takes, whole requests and requests in pieces alike."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiloom.catalog.profiles import NAMES
from support.servers import Serving, serving

HOW_MANY = {
    "intersection": {"type": "integer", "description": "Or null."},
    "anthropic": {"type": ["integer", "null"]},
    "openai": {"type": ["integer", "null"]},
    "gemini": {"type": "integer", "nullable": True},
    "full": {"type": ["integer", "null"]},
}


def document(folder: Path) -> Path:
    body = {"content": {"application/json": {"schema": {"properties": {"how_many": {"type": ["integer", "null"]}}}}}}
    operation = {"operationId": "order", "requestBody": body, "responses": {"200": {"description": "done"}}}
    file = folder / "api.json"
    head = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "http://127.0.0.1:9"}]}
    file.write_text(json.dumps({**head, "paths": {"/orders": {"post": operation}}}))
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(document(tmp_path_factory.mktemp("orders"))) as one:
        yield one


def asked(server: Serving, query: str, *, whole: bool) -> tuple[int, Any]:
    """A list asked for twice on one connection, in a whole request or in a chunked one: one road in each."""
    host = server.url.removeprefix("http://").partition("/")[0]
    line = http.client.HTTPConnection(host, timeout=10)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    said = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    answers = []
    for _ in range(2):
        pieces = body if whole else iter([body[:9], body[9:]])
        line.request("POST", f"/mcp{query}", pieces, said, encode_chunked=not whole)
        reply = line.getresponse()
        answers.append((reply.status, json.loads(reply.read())))
    line.close()
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("query", "profile"), [("", "intersection"), *((f"?profile={name}", name) for name in NAMES)])
def test_every_profile_is_served_under_its_own_url(server: Serving, query: str, profile: str, *, whole: bool) -> None:
    status, answer = asked(server, query, whole=whole)
    assert status == 200
    (tool,) = answer["result"]["tools"]
    assert tool["inputSchema"]["properties"]["how_many"] == HOW_MANY[profile]


@pytest.mark.parametrize("query", ["?profile=claude", "?profile=", "?profile=full&profile=full"])
def test_a_profile_that_is_not_there_is_refused_on_both_roads_in(server: Serving, query: str) -> None:
    status, answer = asked(server, query, whole=True)
    assert status == 400
    assert "profile" in answer["error"]["message"]
    assert asked(server, query, whole=False) == (status, answer)
