"""The API's description: complete, true of every answer, published, and itself a connector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

import apiloom
from apiloom.base import json
from apiloom.console.api.build import build_document
from apiloom.console.api.later import RESOURCES
from support.admin import AdminHouse


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in build_document()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_operation_says_what_it_does_and_what_it_takes() -> None:
    ids = set()
    for method, path, operation in operations():
        place = f"{method} {path}"
        assert operation["summary"], place
        assert operation["description"], place
        assert operation["operationId"].isidentifier(), place
        assert len(operation["tags"]) == 1, place
        assert "default" in operation["responses"], place
        assert "422" not in operation["responses"], place
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], f"{place} {parameter['name']}"
        ids.add(operation["operationId"])
    assert len(ids) == len(list(operations()))


def test_every_member_of_a_body_is_described() -> None:
    document = build_document()
    bodies = {
        content["schema"]["$ref"].rpartition("/")[2]
        for _, _, operation in operations()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    assert len(bodies) > 10
    bare = [
        f"{name}.{member}"
        for name in sorted(bodies)
        for member, schema in document["components"]["schemas"][name]["properties"].items()
        if "description" not in schema
    ]
    assert not bare


def test_resources_of_later_releases_are_not_described() -> None:
    described = {path.strip("/").split("/")[0] for _, path, _ in operations()}
    assert not described & {resource.split("/")[0] for resource in RESOURCES}


async def test_the_description_is_served_to_whoever_asks() -> None:
    house = AdminHouse()
    answer = await house.ask("GET", "/api/v1/openapi.json", token="")
    assert answer.status == 200
    assert answer.value == json.loads(json.dumps(build_document()))
    assert "https://loom.example.com" not in answer.body.decode()


def validator(operation: dict[str, Any], status: str) -> Any:
    content = operation["responses"][status]["content"]
    schema = next(iter(content.values()))["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": build_document()["components"]})


async def test_answers_and_refusals_are_as_they_are_described() -> None:
    house = AdminHouse()
    await house.pets()
    assert (await house.ask("POST", "/tenants", {"id": "acme"})).status == 201
    account = await house.ask("POST", "/accounts", {"tenant": "acme", "connector": "pets", "label": "x"})
    server = await house.ask("POST", f"/accounts/{account.value['id']}/servers", {})
    known = {
        "tenant": "acme",
        "connector": "pets",
        "number": "1",
        "account": account.value["id"],
        "server": server.value["id"],
        "name": "github",
    }
    told = 0
    for method, path, operation in operations():
        asks = path.format_map(
            {**dict.fromkeys(("toolset", "overlay", "token", "client", "session", "sign_in"), "none"), **known}
        )
        if method == "get" and not path.endswith("/document"):
            answer = await house.ask("GET", asks)
            status = "200" if answer.status == 200 else "default"
            assert answer.status in {200, 404}, (asks, answer.value)
            validator(operation, status).validate(answer.value)
            told += answer.status == 200
        refused = await house.ask(method.upper(), asks, token="")
        validator(operation, "default").validate(refused.value)
    assert told > 20
    for made, operation_id in ((account, "create_account"), (server, "create_account_server")):
        operation = next(each for _, _, each in operations() if each["operationId"] == operation_id)
        validator(operation, "201").validate(made.value)


@pytest.fixture
async def own() -> Any:
    """The API's own tools, made from its description and answered by it."""
    house = AdminHouse()
    await house.pets()
    options = apiloom.Options()
    async with apiloom.load(build_document(), app=house.app, credentials={"ApiToken": "owner"}, options=options) as api:
        yield house, api


async def test_the_api_is_itself_a_connector(own: Any) -> None:
    house, api = own
    names = {tool["name"] for tool in api.tools()}
    assert names == {operation["operationId"] for _, _, operation in operations()}
    connected = await api.call("create_account", {"connector": "pets", "label": "by an agent"})
    assert not connected.failed, connected.content
    account = json.loads(connected.structured)
    made = await api.call(
        "create_server",
        {"name": "agent-made", "accounts": [account["id"]], "config": {"methods": ["read"], "tags": ["pets"]}},
    )
    assert not made.failed, made.content
    server = json.loads(made.structured)
    assert server["url"].startswith("https://loom.example.com/mcp/als_")
    assert (await house.ask("GET", f"/servers/{server['id']}")).value["name"] == "agent-made"
    changed = await api.call("update_server", {"server": server["id"], "config": {"tags": None}, "expires_at": None})
    assert not changed.failed, changed.content
    kept = (await house.ask("GET", f"/servers/{server['id']}")).value
    assert (kept["config"]["tags"], kept["config"]["methods"], kept["expires_at"]) == (None, ["read"], None)


async def test_what_the_api_refuses_is_an_answer_an_agent_can_act_on(own: Any) -> None:
    _, api = own
    refused = await api.call("create_server", {"connectors": ["pets"], "config": {"tags": ["petz"]}})
    assert refused.failed
    assert "pets" in refused.content[0].text
