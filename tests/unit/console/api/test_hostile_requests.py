"""Whatever is asked, the answer is an answer: never a fault of ours, and always of one shape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.base import json
from apiloom.console.api.build import build_document
from apiloom.store.sql.opening import open_store
from support.admin import AdminHouse
from support.memory_store import MemoryStore
from support.postgres import Postgres

MEMBERS = {"type", "title", "status", "detail", "code", "hint", "pointer", "request_id"}
QUIET = settings(
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

DOCUMENT = build_document()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if operation["operationId"] != "create_connector"  # reading documents has hostile tests of its own
]

texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["pets", "default", "acme", "none", "pets/shops", "*", "..", ".", "%", "'", "\\", "\u2028", "\u202e", "🐕"]
    ),
    st.text(alphabet="\x01\x1f\x7f\u0085 ", min_size=1, max_size=3),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.sampled_from(["2027-02-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "read"]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def schema_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    return resolved(next(iter(content.values()))["schema"]) if content else None


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return resolved(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return schema


def like(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values near what a schema wants: mostly of its type, now and then anything."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return st.one_of(*(like(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return st.one_of(st.sampled_from(schema["enum"]), leaves)
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        known = {name: like(member) for name, member in schema["properties"].items()}
        needed = {name: known.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=known)
    if kind == "array":
        return st.lists(like(schema.get("items", {})), max_size=3)
    return {"string": texts, "integer": st.integers(), "boolean": st.booleans()}.get(kind or "", values)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, Any, dict[str, str]]:
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    for part in [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]:
        path = path.replace(f"{{{part}}}", quote(draw(texts) or "x", safe=""))
    names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    if names and draw(st.booleans()):
        pairs = [(draw(st.sampled_from([*names, "metadata[x]", "odd"])), str(draw(leaves))) for _ in range(2)]
        path += "?" + "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)
    headers = {}
    if draw(st.booleans()):
        headers = {"if_match": draw(st.sampled_from(['"1"', "*", "W/", '"']))}
    if method == "POST" and draw(st.integers(0, 4)) == 0:
        headers["idempotency_key"] = draw(st.sampled_from(["a", "b", "a" * 300]))
    schema = schema_of(operation)
    body = draw(st.one_of(like(schema), values)) if schema is not None else None
    return method, path, body, headers


Running = tuple[asyncio.Runner, AdminHouse]


@pytest.fixture(scope="module", params=("memory", "sqlite", "postgresql"))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A house on each store, asked one thing after another."""
    with asyncio.Runner() as runner:
        store: Any = MemoryStore()
        if request.param == "sqlite":
            folder = tmp_path_factory.mktemp("store")
            folder.chmod(0o700)
            store = runner.run(open_store(f"sqlite+aiosqlite:///{folder}/apiloom.db"))
        elif request.param == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            store = runner.run(open_store(server.url(runner.run(server.database()))))
        house = AdminHouse(store=store)
        house.principal("admin", "tenant-admin", "default")
        runner.run(house.pets())
        yield runner, house
        runner.run(store.close())


@QUIET
@given(asks=st.lists(requests(), min_size=1, max_size=6), who=st.sampled_from(["owner", "admin"]))
def test_no_request_is_a_fault_of_ours(
    running: Running, asks: list[tuple[str, str, Any, dict[str, str]]], who: str
) -> None:
    runner, house = running
    runner.run(put(house, asks, who))


async def put(house: AdminHouse, asks: list[tuple[str, str, Any, dict[str, str]]], who: str) -> None:
    for method, path, body, headers in asks:
        answer = await house.ask(method, path, json.dumps(body) if body is not None else None, token=who, **headers)
        asked = f"{method} {path} {body!r} {headers} → {answer.body[:300]!r}"
        assert answer.status < 500, asked
        if answer.status >= 400:
            assert set(answer.value) == MEMBERS, asked
        else:
            assert answer.status in {200, 201}, asked
            assert answer.value is not None, asked


@QUIET
@given(
    text=st.binary(max_size=60), kind=st.sampled_from(["application/json", "application/merge-patch+json", "a/b", ""])
)
def test_no_body_is_a_fault_of_ours(text: bytes, kind: str) -> None:
    async def ask() -> None:
        house = AdminHouse()
        answer = await house.ask("POST", "/tenants", text, content_type=kind)
        assert answer.status in {201, 400, 415, 422}, answer.value

    asyncio.run(ask())
