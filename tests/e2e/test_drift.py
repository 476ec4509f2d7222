"""What an API answers beside its document: the answer comes through, the difference is told, nothing moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import apiloom
from apiloom.calls.call import Text
from support.servers import apiloom as command
from support.servers import modern, serving
from support.upstream import Answer, Seen, upstream

KEY = "dev.apiloom/discrepancies"
PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
WRONG = {"id": "p-7", "tags": ["a", None], "mine": "hunter2"}
FOUND = [
    {"pointer": "/id", "expected": "integer", "observed": "string", "count": 1},
    {"pointer": "/name", "expected": "required", "observed": "absent", "count": 1},
    {"pointer": "/tags/*", "expected": "string", "observed": "null", "count": 1},
]
PROPOSAL = {
    "properties": {"id": {"type": ["integer", "string"]}, "tags": {"items": {"type": ["string", "null"]}}},
    "required": ["id"],
}


def document(url: str) -> dict[str, Any]:
    described = {
        "description": "a pet",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
    }
    missing = {"description": "none", "content": {"application/json": {"schema": {"type": "object"}}}}
    ask = {"parameters": [{"name": "how", "in": "query", "schema": {"type": "string"}}]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pets", "version": "1"},
        "servers": [{"url": url}],
        "paths": {
            "/pet": {"get": {"operationId": "getPet", **ask, "responses": {"200": described, "404": missing}}},
            "/any": {"get": {"operationId": "getAny", "responses": {"200": {"description": "anything"}}}},
        },
        "components": {"schemas": {"Pet": PET}},
    }


def answer(seen: Seen) -> Answer:
    if "right" in seen.target:
        return Answer({"id": 7, "name": "Rex"})
    if "error" in seen.target:
        return Answer({"message": "no such pet"}, status=404)
    if "text" in seen.target:
        return Answer(b"sleeping", content_type="text/plain")
    return Answer(WRONG)


async def test_a_deviating_answer_comes_through_whole_and_later_results_tell_of_it() -> None:
    with upstream(answer) as api:
        async with apiloom.load(document(api.url)) as it:
            before = it.tools()
            outcome = await it.call("get_pet")
            assert json.loads(outcome.structured or b"") == WRONG
            assert isinstance(outcome.content[0], Text)
            assert json.loads(outcome.content[0].text) == WRONG
            assert KEY not in outcome.meta
            await it.quick.drift.settle()
            later = await it.call("get_pet", {"how": "right"})
            assert later.meta[KEY] == FOUND
            assert json.loads(later.structured or b"") == {"id": 7, "name": "Rex"}
            assert "hunter2" not in str(later.meta)
            # observation never edits a view
            assert it.tools() == before


async def test_errors_text_and_answers_that_nobody_described_are_not_judged() -> None:
    with upstream(answer) as api:
        async with apiloom.load(document(api.url)) as it:
            for how in ("error", "text"):
                await it.call("get_pet", {"how": how})
            await it.call("get_any")
            await it.quick.drift.settle()
            later = await it.call("get_pet", {"how": "right"})
            assert KEY not in later.meta
            assert it.quick.drift.found("get_any") == []


@pytest.fixture
def source(tmp_path: Path) -> Any:
    with upstream(answer) as api:
        path = tmp_path / "pets.json"
        path.write_text(json.dumps(document(api.url)))
        yield str(path)


def test_a_single_call_tells_what_its_answer_breaks_and_what_would_make_it_true(source: str) -> None:
    done = command("call", "--json", source, "get_pet")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["structured"] == WRONG
    assert told["discrepancies"] == {"found": FOUND, "proposal": PROPOSAL}
    assert KEY not in told["meta"]
    shown = command("call", source, "get_pet")
    assert json.loads(shown.stdout) == WRONG
    assert "the document says otherwise at /id: expected integer, observed string" in shown.stderr
    right = json.loads(command("call", "--json", source, "get_pet", "--arg", "how=right").stdout)
    assert "discrepancies" not in right


def test_the_server_says_a_new_discrepancy_once_and_the_wire_carries_it(source: str) -> None:
    with serving(source) as server:
        reply = modern(server.url, "tools/call", {"name": "get_pet", "arguments": {}})
        assert reply.value["result"]["structuredContent"] == WRONG
        for _ in range(500):  # it is judged a moment after it was given
            result = modern(server.url, "tools/call", {"name": "get_pet", "arguments": {"how": "right"}}).value[
                "result"
            ]
            if KEY in result["_meta"]:
                break
        assert result["_meta"][KEY] == FOUND
        assert server.said().count("at /id: expected integer, observed string") == 1
        assert "hunter2" not in server.said()


async def test_several_sources_are_told_apart(tmp_path: Path) -> None:
    with upstream(answer) as api:
        paths = []
        for name in ("one", "two"):
            value = document(api.url)
            value["info"]["title"] = name
            paths.append(str(tmp_path / f"{name}.json"))
            Path(paths[-1]).write_text(json.dumps(value))
        with serving(*paths) as server:
            modern(server.url, "tools/call", {"name": "one_get_pet", "arguments": {}})
            for _ in range(500):
                params = {"name": "one_get_pet", "arguments": {"how": "right"}}
                if KEY in modern(server.url, "tools/call", params).value["result"]["_meta"]:
                    break
            params = {"name": "two_get_pet", "arguments": {"how": "right"}}
            assert KEY not in modern(server.url, "tools/call", params).value["result"]["_meta"]
            assert "one_get_pet answered what its document does not say" in server.said()
