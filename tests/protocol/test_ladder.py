"""Which era speaks, and what a modern request's headers must say."""

import base64
from typing import Any

import pytest

from apiloom.identity.gate import OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.pets import Pets, pets


def serve(world: Pets) -> McpHttp:
    return McpHttp(world.directory, OpenGate(), WireSettings())


def base64_form(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


@holds("era")
async def test_every_revision_is_spoken_on_one_url() -> None:
    app = serve(pets())
    for revision in mcp.EVERY:
        reply = await mcp.call(app, revision, "echo", {"a": 1})
        assert reply.status == 200
        assert ("resultType" in reply.json()["result"]) == (revision == mcp.MODERN)


@holds("era", "method.removed")
async def test_initialize_with_modern_metadata_is_not_a_handshake() -> None:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    reply = await mcp.ask(serve(pets()), mcp.MODERN, "initialize", params)
    assert (reply.status, reply.json()["error"]["code"]) == (404, -32601)
    assert reply.header("mcp-session-id") is None


@holds("meta.required")
@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {mcp.CAPABILITIES_KEY: {}},
        {mcp.VERSION_KEY: mcp.MODERN},
        {mcp.VERSION_KEY: mcp.MODERN, mcp.CAPABILITIES_KEY: []},
        {mcp.VERSION_KEY: 2026, mcp.CAPABILITIES_KEY: {}},
    ],
)
async def test_incomplete_metadata_is_malformed(meta: dict[str, Any] | None) -> None:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 9, "method": "server/discover", "params": {}}
    if meta is not None:
        message["params"]["_meta"] = meta
    reply = await mcp.post(serve(pets()), message, mcp.routing(mcp.MODERN, message))
    assert (reply.status, reply.json()["error"]["code"], reply.json()["id"]) == (400, -32602, 9)


@holds("meta.client-info")
async def test_client_info_may_be_there_or_not() -> None:
    for more in ({}, {"io.modelcontextprotocol/clientInfo": {"name": "t", "version": "0"}, "traceparent": "00-x"}):
        assert (await mcp.ask(serve(pets()), mcp.MODERN, "tools/list", {"_meta": more})).status == 200


@holds("version.unsupported")
@pytest.mark.parametrize("version", ["v999.0.0", "2024-11-05", "2025-11-25", "2026-07-29"])
async def test_a_version_that_cannot_be_spoken_statelessly_is_unsupported(version: str) -> None:
    message = mcp.words(mcp.MODERN, "tools/list", {"_meta": {mcp.VERSION_KEY: version}})
    reply = await mcp.post(serve(pets()), message, mcp.routing(mcp.MODERN, message), {"mcp-protocol-version": version})
    error = reply.json()["error"]
    assert (reply.status, error["code"], error["data"]["requested"]) == (400, -32022, version)
    discovered = (await mcp.ask(serve(pets()), mcp.MODERN, "server/discover")).json()["result"]["supportedVersions"]
    assert error["data"]["supported"] == discovered


@holds("version.header")
@pytest.mark.parametrize("version", ["2024-11-05", "nonsense", ""])
async def test_a_legacy_request_with_a_wrong_version_header_is_refused(version: str) -> None:
    app = serve(pets())
    reply = await mcp.post(app, mcp.words("2025-11-25", "tools/list"), {"mcp-protocol-version": version})
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32022)
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await mcp.post(app, notification, {"mcp-protocol-version": version})).status == 400
    assert (await asgi.request(app, "GET", mcp.headers({"mcp-protocol-version": version}))).status == 400


@holds("version.header", "session.optional", "call.structured")
async def test_a_request_without_any_version_is_taken_for_the_oldest() -> None:
    reply = await mcp.post(serve(pets()), mcp.words("2025-03-26", "tools/call", {"name": "get_pet"}))
    assert reply.status == 200
    assert "structuredContent" not in reply.json()["result"]


@holds("header.mismatch")
@pytest.mark.parametrize(
    "wrong",
    [
        {"mcp-protocol-version": None},
        {"mcp-protocol-version": "2025-11-25"},
        {"mcp-method": None},
        {"mcp-method": "tools/list"},
        {"mcp-method": "TOOLS/CALL"},
        {"mcp-method": base64_form("tools/call")},
        {"mcp-name": None},
        {"mcp-name": "get_pet"},
        {"mcp-name": "ECHO"},
        {"mcp-name": ""},
        {"mcp-name": "=?base64?!!?="},
        {"mcp-name": "=?base64?ZWNobw?="},
        {"mcp-name": "=?BASE64?ZWNobw==?="},
        {"mcp-name": "ech\u00f6"},
    ],
)
async def test_headers_that_do_not_say_what_the_body_says_are_refused(wrong: mcp.Headers) -> None:
    reply = await mcp.call(serve(pets()), mcp.MODERN, "echo", extra=wrong, key=3)
    assert (reply.status, reply.json()["error"]["code"], reply.json()["id"]) == (400, -32020, 3)


@holds("header.mismatch")
@pytest.mark.parametrize("name", ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"])
async def test_a_routing_header_that_stands_twice_is_refused(name: str) -> None:
    message = mcp.words(mcp.MODERN, "tools/call", {"name": "echo"})
    pairs = mcp.headers(mcp.routing(mcp.MODERN, message))
    pairs.append((name, dict(pairs)[name.lower()]))
    reply = await asgi.request(serve(pets()), "POST", pairs, [mcp.encoded(message)])
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32020)


@holds("header.mismatch")
async def test_a_name_header_without_a_name_in_the_body_is_refused() -> None:
    message = mcp.words(mcp.MODERN, "tools/call")
    reply = await mcp.post(serve(pets()), message, mcp.routing(mcp.MODERN, message), {"mcp-name": "echo"})
    assert reply.json()["error"]["code"] == -32020
    bare = await mcp.post(serve(pets()), message, mcp.routing(mcp.MODERN, message))
    assert (bare.status, bare.json()["error"]["code"]) == (400, -32602)


@holds("header.mismatch", "header.encoding")
@pytest.mark.parametrize("name", ["  echo  ", "\techo", base64_form("echo"), f" {base64_form('echo')} "])
async def test_padding_and_encoding_do_not_change_a_name(name: str) -> None:
    assert (await mcp.call(serve(pets()), mcp.MODERN, "echo", extra={"mcp-name": name})).status == 200


@holds("header.encoding")
@pytest.mark.parametrize("name", ["zażółć", " echo", "=?base64?x?=", "a\nb"])
async def test_a_name_that_no_header_can_hold_comes_in_base64(name: str) -> None:
    app = serve(pets())
    encoded = await mcp.call(app, mcp.MODERN, name, extra={"mcp-name": base64_form(name)})
    assert (encoded.status, encoded.json()["error"]["code"]) == (400, -32602)  # no such tool: the ladder was passed
    if "\n" not in name:
        plain = await mcp.call(app, mcp.MODERN, name, extra={"mcp-name": name.encode().decode("latin-1")})
        assert plain.json()["error"]["code"] == -32020


@holds("header.params")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, {}),
        ({"region": None}, {}),
        ({"region": "us"}, {"mcp-param-region": "us"}),
        ({"region": "us"}, {"mcp-param-region": " us "}),
        ({"region": "Zażółć"}, {"mcp-param-region": base64_form("Zażółć")}),
        ({"region": " us"}, {"mcp-param-region": base64_form(" us")}),
        ({"count": 42}, {"mcp-param-count": "42"}),
        ({"count": 42}, {"mcp-param-count": "42.0"}),
        ({"count": 42.0}, {"mcp-param-count": "42"}),
        ({"count": -7}, {"mcp-param-count": "-7"}),
        ({"deep": {"flag": True}}, {"mcp-param-flag": "true"}),
        ({"deep": {"flag": False}}, {"mcp-param-flag": "false"}),
        ({"deep": "no object"}, {}),
        ({"other": 1}, {"mcp-param-unknown": "ignored"}),
    ],
)
async def test_mirrored_arguments_that_agree_are_let_through(arguments: dict[str, Any], said: mcp.Headers) -> None:
    reply = await mcp.call(serve(pets()), mcp.MODERN, "regions", arguments, extra=said)
    assert reply.status == 200


@holds("header.params")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"region": "us"}, {}),
        ({"region": "us"}, {"mcp-param-region": "eu"}),
        ({"region": "us"}, {"mcp-param-region": "US"}),
        ({}, {"mcp-param-region": "us"}),
        ({"region": None}, {"mcp-param-region": "us"}),
        ({"region": ["us"]}, {"mcp-param-region": "us"}),
        ({"region": "us"}, {"mcp-param-region": "=?base64?dXM?="}),
        ({"region": "us"}, {"mcp-param-region": "us\u00e9"}),
        ({"count": 42}, {"mcp-param-count": "42.5"}),
        ({"count": 42}, {"mcp-param-count": "4.2e1"}),
        ({"deep": {"flag": True}}, {"mcp-param-flag": "True"}),
        ({"deep": {"flag": True}}, {"mcp-param-flag": "1"}),
    ],
)
async def test_mirrored_arguments_that_disagree_are_refused(arguments: dict[str, Any], said: mcp.Headers) -> None:
    world = pets()
    reply = await mcp.call(serve(world), mcp.MODERN, "regions", arguments, extra=said)
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32020)
    assert world.calls == []


@holds("header.params")
async def test_a_doubled_mirror_is_refused_and_legacy_callers_need_none() -> None:
    message = mcp.words(mcp.MODERN, "tools/call", {"name": "regions", "arguments": {"region": "us"}})
    pairs = [*mcp.headers(mcp.routing(mcp.MODERN, message)), ("mcp-param-region", "us"), ("mcp-param-region", "us")]
    assert (await asgi.request(serve(pets()), "POST", pairs, [mcp.encoded(message)])).status == 400
    assert (await mcp.call(serve(pets()), "2025-11-25", "regions", {"region": "us"})).status == 200


@holds("method.unknown")
async def test_an_unknown_method_is_not_found_in_the_words_of_its_era() -> None:
    for revision in mcp.EVERY:
        reply = await mcp.ask(serve(pets()), revision, "unknown/method", key="u")
        assert (reply.json()["error"]["code"], reply.json()["id"]) == (-32601, "u")
        assert reply.status == (404 if revision == mcp.MODERN else 200)


@holds("method.removed", "method.unknown")
@pytest.mark.parametrize(
    "method",
    [
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "completion/complete",
        "tasks/get",
    ],
)
async def test_methods_we_do_not_declare_are_unknown_in_the_modern_era(method: str) -> None:
    reply = await mcp.ask(serve(pets()), mcp.MODERN, method)
    assert (reply.status, reply.json()["error"]["code"]) == (404, -32601)


@holds("method.removed")
@pytest.mark.parametrize("revision", mcp.LEGACY)
@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen", "prompts/list", "completion/complete"])
async def test_methods_of_the_modern_era_are_unknown_in_the_legacy_one(revision: str, method: str) -> None:
    assert (await mcp.ask(serve(pets()), revision, method)).json()["error"]["code"] == -32601


@holds("modern.get")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_modern_era_takes_post_only(method: str) -> None:
    reply = await asgi.request(serve(pets()), method, mcp.headers({"mcp-protocol-version": mcp.MODERN}))
    assert (reply.status, reply.header("allow")) == (405, "POST")


@holds("modern.stateless")
async def test_session_ids_mean_nothing_in_the_modern_era() -> None:
    app = serve(pets())
    session = await mcp.initialize(app)
    for claimed in (session, "never-minted"):
        reply = await mcp.ask(app, mcp.MODERN, "tools/list", extra={"mcp-session-id": claimed, "last-event-id": "7"})
        assert reply.status == 200
        assert reply.header("mcp-session-id") is None


@holds("one-way")
async def test_a_modern_notification_is_taken_note_of_and_a_response_is_wrong() -> None:
    app, modern = serve(pets()), {"mcp-protocol-version": mcp.MODERN}
    note = await mcp.post(
        app, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}, modern
    )
    assert (note.status, note.body) == (202, b"")
    response = await mcp.post(app, {"jsonrpc": "2.0", "id": 1, "result": {}}, modern)
    assert (response.status, response.json()["error"]["code"]) == (400, -32600)
