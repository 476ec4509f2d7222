"""apiloom as a library: in-process calls to a service's own application, mounted and unmounted."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, Response
from starlette.testclient import TestClient

import apiloom
from apiloom.console.house import Options
from apiloom.net.inprocess import InProcess
from apiloom.net.request import Request
from apiloom.net.request import Response as Answer
from support import mcp

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


@pytest.fixture
def service() -> FastAPI:
    app = FastAPI(title="Pets")

    @app.get("/pets/{pet_id}", operation_id="get_pet")
    def get_pet(pet_id: int, kind: str = "dog") -> dict[str, Any]:
        return {"id": pet_id, "kind": kind}

    @app.post("/pets", operation_id="add_pet", status_code=201)
    def add_pet(pet: dict[str, Any]) -> dict[str, Any]:
        return pet

    @app.get("/broken", operation_id="break_it")
    def break_it() -> Response:
        raise RuntimeError("a secret cause")

    return app


async def test_a_service_is_called_in_process_from_its_own_document(service: FastAPI) -> None:
    api = apiloom.load(service.openapi(), app=service)
    outcome = await api.call("get_pet", {"pet_id": 7, "kind": "a/b ü"})
    assert json.loads(outcome.structured or b"") == {"id": 7, "kind": "a/b ü"}
    created = await api.call("add_pet", {"body": {"name": "Rex", "born": None}})
    assert json.loads(created.structured or b"") == {"name": "Rex", "born": None}


async def test_what_the_service_refuses_is_an_outcome_a_model_can_read(service: FastAPI) -> None:
    api = apiloom.load(service.openapi(), app=service)
    outcome = await api.call("get_pet", {"pet_id": "seven"})
    assert outcome.failed
    assert outcome.meta["dev.apiloom/error"]["code"] == "policy.arguments.invalid"


async def test_a_service_that_raises_is_told_without_its_words(service: FastAPI) -> None:
    api = apiloom.load(service.openapi(), app=service)
    outcome = await api.call("break_it")
    assert outcome.failed
    assert "500 Internal Server Error" in outcome.content[0].text
    assert "secret" not in outcome.content[0].text


async def test_an_unknown_tool_is_raised(service: FastAPI) -> None:
    api = apiloom.load(service.openapi(), app=service)
    with pytest.raises(apiloom.CallerError, match="no tool named 'get_pets'"):
        await api.call("get_pets")


async def test_a_tool_with_nowhere_to_go_answers_with_an_error() -> None:
    nowhere = {"url": "https://{host}", "variables": {"host": {"default": "{your-host}"}}}
    ok = {"responses": {"200": {"description": ""}}}
    paths = {"/a": {"get": {"operationId": "a", **ok}}, "/b": {"get": {"operationId": "b", "servers": [nowhere], **ok}}}
    info, servers = {"title": "T", "version": "1"}, [{"url": "https://api.example.com"}]
    api = apiloom.load({"openapi": "3.1.0", "info": info, "servers": servers, "paths": paths})
    outcome = await api.call("b")
    assert outcome.failed
    assert outcome.meta["dev.apiloom/error"]["code"] == "server.variable"


async def test_a_returned_tool_call_is_executed_and_answered_in_its_own_form(service: FastAPI) -> None:
    api = apiloom.load(service.openapi(), app=service)
    block = {"type": "tool_use", "id": "toolu_1", "name": "get_pet", "input": {"pet_id": 3}}
    assert await api.execute(block) == {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": '{"id":3,"kind":"dog"}'}],
    }
    unknown = {"type": "function_call", "call_id": "c1", "name": "no_such_tool", "arguments": "{}"}
    answer = await api.execute(unknown)
    assert "no tool named 'no_such_tool'" in answer["output"]


def test_mounted_in_the_service_it_lists_and_calls(service: FastAPI) -> None:
    service.mount("/mcp", apiloom.load(service.openapi(), app=service).asgi(allowed_hosts=["testserver"]))
    client = TestClient(service)
    listed = client.post("/mcp/", json=LIST, headers=ACCEPT).json()["result"]["tools"]
    assert {tool["name"] for tool in listed} == {"get_pet", "add_pet", "break_it"}
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "get_pet", "arguments": {"pet_id": 4}},
    }
    assert client.post("/mcp/", json=call, headers=ACCEPT).json()["result"]["structuredContent"]["id"] == 4


def test_a_mounted_server_can_demand_a_token_and_refuses_foreign_hosts(service: FastAPI) -> None:
    api = apiloom.load(service.openapi(), app=service)
    service.mount("/mcp", api.asgi(allowed_hosts=["testserver"], token="open sesame"))
    service.mount("/other", api.asgi())
    client = TestClient(service)
    assert client.post("/mcp/", json=LIST, headers=ACCEPT).status_code == 401
    bearer = {**ACCEPT, "authorization": "Bearer open sesame"}
    assert client.post("/mcp/", json=LIST, headers=bearer).status_code == 200
    assert client.post("/other/", json=LIST, headers=ACCEPT).status_code == 421


def test_credentials_are_sent_and_never_shown() -> None:
    seen: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value for name, value in scope["headers"] if name == b"authorization")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": seen[-1]})

    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"Key": []}],
        "paths": {"/x": {"get": {"operationId": "echo", "responses": {"200": {"description": "ok"}}}}},
    }
    api = apiloom.load(document, app=application, credentials={"Key": "s3cret-value"})

    async def run() -> apiloom.Outcome:
        return await api.call("echo")

    outcome = asyncio.run(run())
    assert seen == [b"Bearer s3cret-value"]
    assert "s3cret" not in repr(outcome)
    assert "s3cret" not in repr(api)


def test_every_public_name_is_there_and_others_are_not() -> None:
    for name in apiloom.__all__:
        assert getattr(apiloom, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'loads'"):
        _ = apiloom.loads  # type: ignore[attr-defined]


async def test_credentials_stay_with_the_documents_own_server() -> None:
    seen: dict[str, list[bytes]] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        seen[headers[b"host"].decode()] = [headers.get(b"authorization", b"none")]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "servers": [{"url": "http://api.example.com"}],
        "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"Key": []}],
        "paths": {
            "/home": {"get": {"operationId": "home", "responses": {"204": {"description": "ok"}}}},
            "/away": {
                "servers": [{"url": "http://elsewhere.example.net"}],
                "get": {"operationId": "away", "responses": {"204": {"description": "ok"}}},
            },
        },
    }
    options = apiloom.Options(base_url="http://api.example.com")
    api = apiloom.load(document, app=application, credentials={"Key": "s3cret-value"}, options=options)
    await api.call("home")
    await api.call("away")
    assert seen == {"api.example.com": [b"Bearer s3cret-value"], "elsewhere.example.net": [b"none"]}


async def test_a_longer_timeout_holds_for_calls_over_the_wire_too(
    service: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    original = InProcess.send

    async def send(self: InProcess, request: Request) -> Answer:
        asked.append(request.timeout)
        return await original(self, request)

    monkeypatch.setattr(InProcess, "send", send)
    api = apiloom.load(service.openapi(), app=service, options=Options(timeout=300))
    reply = await mcp.call(api.asgi(), mcp.MODERN, "get_pet", {"pet_id": 7})
    assert not reply.json()["result"]["isError"]
    assert asked == [300]


@pytest.mark.parametrize(("auth", "hint"), [("", "Key"), ("bearer", "DEFAULT, Key")])
def test_a_credential_for_a_scheme_that_is_not_there_is_refused(auth: str, hint: str) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "servers": [{"url": "https://api.example"}],
        "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}},
        "paths": {"/x": {"get": {"operationId": "echo", "responses": {"200": {"description": "ok"}}}}},
    }
    with pytest.raises(apiloom.DesignError, match="no security scheme 'key'") as told:
        apiloom.load(document, credentials={"key": "s3cret"}, options=apiloom.Options(auth=auth))
    assert told.value.hint == f"there are {hint}"
