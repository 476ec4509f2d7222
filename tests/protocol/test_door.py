"""Who may come in over HTTP, and what."""

import asyncio
import json

import pytest

from apiloom.calls.endpoint import Directory
from apiloom.identity.gate import BearerGate, OpenGate
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi, mcp
from support.behaviours import holds
from support.pets import pets

TOKEN = "ala_" + "t" * 43


def open_app(**settings: object) -> McpHttp:
    return McpHttp(pets().directory, OpenGate(), WireSettings(**settings))  # type: ignore[arg-type]


@holds("origin")
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost.evil.example", "null", "http://evil.example:8787", "localhost:8787"],
)
async def test_a_foreign_origin_is_forbidden(origin: str) -> None:
    reply = await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"origin": origin})
    assert reply.status == 403
    assert "id" not in reply.json()


@holds("origin", "cors")
@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:99", "HTTP://LOCALHOST:1"]
)
async def test_pages_of_this_machine_may_read_answers(origin: str) -> None:
    reply = await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"origin": origin})
    assert reply.status == 200
    assert reply.header("access-control-allow-origin") == origin
    assert reply.header("vary") == "origin"


@holds("origin")
async def test_origins_can_be_named_or_all_allowed() -> None:
    named = open_app(allowed_origins=("https://app.example",))
    assert (await mcp.ask(named, mcp.MODERN, "tools/list", extra={"origin": "https://app.example"})).status == 200
    assert (await mcp.ask(named, mcp.MODERN, "tools/list", extra={"origin": "https://app.example:444"})).status == 403
    everyone = open_app(allowed_origins=("*",))
    assert (await mcp.ask(everyone, mcp.MODERN, "tools/list", extra={"origin": "null"})).status == 200


@holds("cors")
async def test_a_preflight_is_answered_without_credentials() -> None:
    app = McpHttp(pets().directory, BearerGate(TOKEN), WireSettings())
    asked = {
        "origin": "http://localhost:6274",
        "access-control-request-method": "POST",
        "access-control-request-headers": "mcp-method, authorization",
    }
    reply = await asgi.request(app, "OPTIONS", mcp.headers(asked))
    assert reply.status == 204
    assert reply.header("access-control-allow-headers") == "mcp-method, authorization"
    assert (await asgi.request(app, "OPTIONS", mcp.headers(asked, {"origin": "http://evil.example"}))).status == 403


@holds("host")
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "localhost.evil.example", "localhost:8787:1", "localhost:", "", None]
)
async def test_a_foreign_host_is_misdirected(host: str | None) -> None:
    reply = await mcp.ask(
        open_app(),
        mcp.MODERN,
        "tools/list",
        extra={"host": host, "x-forwarded-host": "localhost:8787", "forwarded": "host=localhost"},
    )
    assert reply.status == 421


@holds("host")
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8787", "[::1]:8787"])
async def test_this_machine_is_served_by_its_names(host: str) -> None:
    assert (await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"host": host})).status == 200


@holds("host")
async def test_hosts_can_be_named_exactly_or_all_allowed() -> None:
    named = open_app(allowed_hosts=("mcp.example",))
    assert (await mcp.ask(named, mcp.MODERN, "tools/list", extra={"host": "MCP.example"})).status == 200
    assert (await mcp.ask(named, mcp.MODERN, "tools/list", extra={"host": "mcp.example:8443"})).status == 421
    everyone = open_app(allowed_hosts=("*",))
    assert (await mcp.ask(everyone, mcp.MODERN, "tools/list", extra={"host": "anything:1"})).status == 200
    assert (await mcp.ask(everyone, mcp.MODERN, "tools/list", extra={"host": None})).status == 200


@holds("auth.401")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_every_bad_token_gets_the_same_answer(method: str) -> None:
    app = McpHttp(pets().directory, BearerGate(TOKEN), WireSettings())
    shown = [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN} {TOKEN}",
    ]
    replies = [await asgi.request(app, method, mcp.headers({"authorization": value})) for value in shown]
    assert {reply.status for reply in replies} == {401}
    assert len({(reply.body, tuple(reply.headers)) for reply in replies}) == 1
    assert replies[0].header("www-authenticate") == "Bearer"


@holds("auth.401")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_right_token_is_let_in_and_named_without_it(scheme: str) -> None:
    world = pets()
    app = McpHttp(world.directory, BearerGate(TOKEN), WireSettings())
    reply = await mcp.call(app, mcp.MODERN, "echo", extra={"authorization": f"{scheme} {TOKEN}"})
    assert reply.status == 200
    assert world.calls[0].principal.id == "bearer"


@holds("auth.401")
async def test_a_stranger_learns_nothing_from_a_body() -> None:
    app = McpHttp(pets().directory, BearerGate(TOKEN), WireSettings())
    assert (await mcp.post(app, b"{garbage", {"content-type": "text/plain"})).status == 401


@holds("content-type")
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-rpc",
        "application/json; charset=utf-16",
    ],
)
async def test_only_json_is_taken(kind: str | None) -> None:
    assert (await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"content-type": kind})).status == 415


@holds("content-type")
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; profile=x",
    ],
)
async def test_json_is_taken_however_it_is_written(kind: str) -> None:
    assert (await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"content-type": kind})).status == 200


@holds("content-type")
async def test_a_compressed_body_is_refused_unread() -> None:
    assert (await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"content-encoding": "gzip"})).status == 415


@holds("accept")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/json;q=0, text/event-stream;q=0.0", "image/*"]
)
async def test_a_client_that_takes_neither_form_is_told_so(revision: str, accept: str) -> None:
    assert (await mcp.ask(open_app(), revision, "tools/list", extra={"accept": accept})).status == 406


@holds("accept")
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/*",
        "application/json",
        "text/event-stream;q=0.5, application/json",
        "application/json, text/event-stream",
    ],
)
async def test_json_is_the_answer_where_it_is_accepted(accept: str | None) -> None:
    reply = await mcp.ask(open_app(), mcp.MODERN, "tools/list", extra={"accept": accept})
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    assert int(reply.header("content-length") or "") == len(reply.body)


@holds("accept")
@pytest.mark.parametrize("revision", mcp.EVERY)
async def test_a_stream_is_the_answer_where_nothing_else_is_accepted(revision: str) -> None:
    reply = await mcp.ask(open_app(), revision, "tools/list", extra={"accept": "text/event-stream"})
    assert (reply.status, reply.header("content-type")) == (200, "text/event-stream")
    assert [event["id"] for event in reply.events()] == [1]
    called = await mcp.call(open_app(), revision, "echo", extra={"accept": "text/event-stream"})
    assert called.events()[0]["result"]["isError"] is False


@holds("body.bound")
async def test_a_body_announced_too_large_is_refused_before_it_is_read() -> None:
    app = open_app(max_body=1000)
    headers = mcp.headers({"content-length": "1001"})
    assert (await asgi.request(app, "POST", headers, [])).status == 413
    assert (await asgi.request(app, "POST", mcp.headers({"content-length": "9" * 5000}), [])).status == 413
    assert (await asgi.request(app, "POST", mcp.headers({"content-length": "-1"}), [])).status == 413


@holds("body.bound")
@pytest.mark.parametrize("size", [7, 1 << 20])
async def test_a_body_that_turns_out_too_large_is_refused(size: int) -> None:
    app = open_app(max_body=1000)
    message = mcp.words(mcp.MODERN, "tools/list", {"pad": "x" * 1000})
    headers = mcp.headers(mcp.routing(mcp.MODERN, message))
    reply = await asgi.request(app, "POST", headers, mcp.chunks(mcp.encoded(message), size))
    assert reply.status == 413
    assert "1000 bytes" in reply.json()["error"]["message"]


@holds("body.bound")
async def test_a_body_in_pieces_is_one_body() -> None:
    message = mcp.words(mcp.MODERN, "tools/list")
    headers = mcp.headers(mcp.routing(mcp.MODERN, message))
    reply = await asgi.request(open_app(), "POST", headers, mcp.chunks(mcp.encoded(message), 3))
    assert reply.status == 200


@holds("body.slow")
async def test_a_body_that_stops_arriving_is_given_up() -> None:
    app = open_app(body_timeout=0.01, watch_after=0.005)
    wire = asgi.Wire([b'{"jsonrpc"', b""])
    wire._feed.get_nowait()
    wire._feed.get_nowait()
    wire._feed.put_nowait({"type": "http.request", "body": b'{"json', "more_body": True})
    async with asyncio.timeout(asgi.SECONDS):
        await app(asgi.scope("POST", mcp.headers()), wire.receive, wire.send)
    assert wire.reply.status == 408


@holds("body.slow")
async def test_a_client_that_leaves_while_sending_gets_no_answer() -> None:
    wire = asgi.Wire([])
    wire._feed.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    wire.hang_up()
    async with asyncio.timeout(asgi.SECONDS):
        await open_app()(asgi.scope("POST", mcp.headers()), wire.receive, wire.send)
    assert wire.reply.status == 0


@holds("parse")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"jsonrpc":"2.0","id":1,"method":"ping"} x',
        b"\xef\xbb\xbf{}",
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b'{"a":' + b"[" * 100_000,
        "{}".encode("utf-16"),
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"arguments":{"a":NaN}}}',
    ],
)
async def test_what_is_not_json_is_a_parse_error(body: bytes) -> None:
    reply = await mcp.post(open_app(), body)
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32700)
    assert "id" not in reply.json()


@holds("invalid-request")
@pytest.mark.parametrize(
    ("message", "key"),
    [
        (1, None),
        ("ping", None),
        ({}, None),
        ({"id": 5, "method": "ping"}, 5),
        ({"jsonrpc": "1.0", "id": "a", "method": "ping"}, "a"),
        ({"jsonrpc": 2.0, "id": "a", "method": "ping"}, "a"),
        ({"jsonrpc": "2.0", "id": 5}, 5),
        ({"jsonrpc": "2.0", "id": 5, "method": 7}, 5),
        ({"jsonrpc": "2.0", "id": 5, "method": ""}, 5),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": [1], "method": "ping"}, None),
    ],
)
async def test_what_is_no_message_is_an_invalid_request(message: object, key: object) -> None:
    reply = await mcp.post(open_app(), message)
    assert (reply.status, reply.json()["error"]["code"]) == (400, -32600)
    assert reply.json().get("id") == key


@holds("id")
@pytest.mark.parametrize("revision", mcp.EVERY)
@pytest.mark.parametrize("key", [0, -1, 7, 2**53 + 1, 10**30, "", "a", "1", 'q"\\\n\u2028é', "x" * 1000])
async def test_an_id_comes_back_as_it_was(revision: str, key: object) -> None:
    reply = await mcp.ask(open_app(), revision, "tools/list", key=key)
    assert reply.json()["id"] == key
    assert type(reply.json()["id"]) is type(key)
    assert (await mcp.ask(open_app(), revision, "no/such", key=key)).json()["id"] == key


@holds("params")
@pytest.mark.parametrize(
    "params", [[1], "x", {"name": 5}, {"name": "echo", "arguments": [1]}, {"name": "echo", "_meta": []}, {"cursor": 5}]
)
async def test_parameters_of_the_wrong_shape_are_told_by_name_not_by_value(params: object) -> None:
    reply = await mcp.post(open_app(), {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert (reply.json()["error"]["code"], reply.json()["id"]) == (-32602, 1)
    assert "params" in reply.json()["error"]["message"]


@holds("methods")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    reply = await asgi.request(open_app(), method, mcp.headers())
    assert reply.status == 405
    assert reply.header("allow") == "GET, POST, DELETE"


@holds("mount")
@pytest.mark.parametrize(
    ("path", "root"), [("/mcp", ""), ("/", ""), ("/api/tools/mcp/", "/api/tools/mcp"), ("/api", "/api")]
)
async def test_the_path_is_not_looked_at(path: str, root: str) -> None:
    message = mcp.words(mcp.MODERN, "tools/list")
    scope = {**asgi.scope("POST", mcp.headers(mcp.routing(mcp.MODERN, message)), path), "root_path": root}
    wire = asgi.Wire([json.dumps(message).encode()])
    await open_app()(scope, wire.receive, wire.send)
    assert wire.reply.status == 200


@holds("mount")
async def test_a_key_without_an_endpoint_is_not_found() -> None:
    app = McpHttp(Directory(), OpenGate(), WireSettings())
    assert (await mcp.ask(app, mcp.MODERN, "tools/list")).status == 404
    assert (await asgi.request(app, "GET", mcp.headers())).status == 404


@holds("lifespan")
async def test_start_and_stop_are_acknowledged() -> None:
    said: list[str] = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, object]:
        return dict(next(events))

    async def send(event: object) -> None:
        said.append(event["type"])  # type: ignore[index]

    await open_app()({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@holds("lifespan")
async def test_a_websocket_is_turned_away() -> None:
    said: list[str] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(event: object) -> None:
        said.append(event["type"])  # type: ignore[index]

    await open_app()({"type": "websocket"}, receive, send)
    assert said == ["websocket.close"]


@holds("invalid-request")
@pytest.mark.parametrize(
    "name", ["host", "authorization", "content-type", "content-length", "mcp-session-id", "origin"]
)
async def test_a_header_that_must_stand_once_may_not_stand_twice(name: str) -> None:
    message = mcp.words(mcp.MODERN, "tools/list")
    pairs = [*mcp.headers(mcp.routing(mcp.MODERN, message)), (name, "a"), (name, "a")]
    assert (await asgi.request(open_app(), "POST", pairs, [mcp.encoded(message)])).status == 400


@holds("accept")
async def test_several_accept_headers_are_one_list() -> None:
    message = mcp.words(mcp.MODERN, "tools/list")
    pairs = [*mcp.headers(mcp.routing(mcp.MODERN, message), {"accept": "text/html"}), ("accept", "application/json")]
    assert (await asgi.request(open_app(), "POST", pairs, [mcp.encoded(message)])).status == 200
