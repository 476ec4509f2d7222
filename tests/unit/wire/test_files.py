"""Files over HTTP in this process: in by the door, out to whoever sent them; half an upload leaves nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import pytest

from apiloom.app.asgi import Front
from apiloom.calls.endpoint import Directory
from apiloom.identity.gate import BearerGate, OpenGate, Refusal
from apiloom.identity.principal import ANYONE, Principal
from apiloom.store.kept import Bounds, KeptFiles
from apiloom.wire.files import FilesHttp
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import WireSettings
from support import asgi

HOST = ("host", "localhost:8787")
LARGE = 700_000


class Names:
    """A gate that takes whoever calls by the name they give."""

    def admit(self, authorization: bytes) -> Principal | Refusal:
        return Principal(id=authorization.decode()) if authorization else Refusal()


class Place:
    """Files at a path of an application, as a server would show them."""

    def __init__(self, gate: Any = None, keeper: KeptFiles | None = None, **settings: Any) -> None:
        self.keeper = keeper or KeptFiles()
        chosen = WireSettings(**settings)
        files = FilesHttp(self.keeper, gate or OpenGate(), chosen)
        self.app: Any = Front(McpHttp(Directory(), gate or OpenGate(), chosen), files, ready=lambda: True)

    def at(self, path: str, **more: Any) -> Any:
        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await self.app({**scope, "path": path, **more}, receive, send)

        return app

    async def send(self, body: bytes | Iterable[bytes], *headers: tuple[str, str], path: str = "/files") -> asgi.Reply:
        pieces = [body] if isinstance(body, bytes) else body
        return await asgi.request(self.at(path), "POST", [HOST, *headers], pieces)

    async def read(self, handle: str, *headers: tuple[str, str], method: str = "GET") -> asgi.Reply:
        path = "/files/" + handle.removeprefix("apiloom://")
        return await asgi.request(self.at(path), method, [HOST, *headers])

    def uploads(self, who: Principal = ANYONE) -> list[str]:
        return [kept.uri for kept in self.keeper.listing(who)]


# in


@pytest.mark.parametrize("size", [0, 5, LARGE])
async def test_a_body_becomes_a_file_with_a_handle_that_says_when_it_expires(size: int) -> None:
    place = Place(keeper=KeptFiles(clock=lambda: 1_700_000_000.5))
    content = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    named = ("content-disposition", 'attachment; filename="photo.png"')
    reply = await place.send([content[:3], content[3:]], named, ("content-type", "image/png"))
    told = reply.json()
    assert reply.status == 201
    assert re.fullmatch(r"apiloom://uploads/[A-Za-z0-9_-]{32}", told.pop("handle"))
    assert told == {"expires_at": "2023-11-14T23:13:20Z", "filename": "photo.png", "type": "image/png", "size": size}
    (uri,) = place.uploads()
    kept = place.keeper.open(ANYONE, uri)
    assert kept is not None
    assert kept.read(0, size) == content


@pytest.mark.parametrize(
    ("stated", "name", "kind"),
    [
        ("", "", "application/octet-stream"),
        ("", "a.pdf", "application/pdf"),
        ("application/octet-stream", "a.pdf", "application/pdf"),
        ("application/x-www-form-urlencoded", "a.csv", "text/csv"),
        ("text/csv; charset=latin1", "a.pdf", "text/csv; charset=latin1"),
        ("not a type", "a.pdf", "application/pdf"),
        ("a/ü", "", "application/octet-stream"),
    ],
)
async def test_the_type_is_what_was_said_or_what_the_name_tells(stated: str, name: str, kind: str) -> None:
    place = Place()
    headers = [("content-disposition", f"attachment; filename={name}")] if name else []
    headers += [("content-type", stated)] if stated else []
    assert (await place.send(b"x", *headers)).json()["type"] == kind


async def test_a_form_of_several_gives_a_handle_for_each_in_order() -> None:
    place = Place()
    body = b"".join(
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="%d.txt"\r\n\r\n%d\r\n' % (n, n) for n in range(3)
    )
    kind = ("content-type", "multipart/form-data; boundary=B")
    reply = await place.send(body + b"--B--\r\n", kind)
    handles = reply.json()["handles"]
    assert [(one["filename"], one["type"], one["size"]) for one in handles] == [
        (f"{n}.txt", "text/plain", 1) for n in range(3)
    ]
    assert [one["handle"] for one in handles] == place.uploads()
    single = await place.send(body[: body.index(b"--B", 3)] + b"--B--", kind)
    assert single.json()["filename"] == "0.txt"


@pytest.mark.parametrize("end", [b"", b"--B", b"--Bx\r\n"])
async def test_of_a_form_that_is_broken_nothing_is_kept(end: bytes) -> None:
    place = Place()
    body = b"--B\r\n\r\n" + b"x" * LARGE + b"\r\n--B\r\n\r\nsecond\r\n" + end
    reply = await place.send([body], ("content-type", "multipart/form-data; boundary=B"))
    assert (reply.status, reply.json()["code"]) == (400, "files.form")
    assert place.uploads() == []


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_beyond_the_bound_is_refused_and_nothing_is_kept(told: bool) -> None:
    place = Place(max_upload=1000)
    headers = [("content-length", "1001")] if told else []
    reply = await place.send([b"x" * 600, b"x" * 401], *headers)
    assert reply.status == 413
    assert reply.json() == {
        "title": "Request Entity Too Large",
        "status": 413,
        "detail": "the body is larger than 1,000 bytes",
        "code": "files.too_large",
        "hint": "send a smaller file",
    }
    assert reply.header("connection") == "close"
    assert place.uploads() == []
    assert (await place.send(b"x" * 1000)).status == 201


async def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    place = Place()
    wire = asgi.Wire([b"x" * LARGE, b"x"])
    wire._feed.get_nowait()
    wire._feed.get_nowait()
    wire._feed.put_nowait({"type": "http.request", "body": b"x" * LARGE, "more_body": True})
    wire.hang_up()
    await place.at("/files")(asgi.scope("POST", [HOST]), wire.receive, wire.send)
    assert wire.reply.status == 0
    assert place.uploads() == []


async def test_an_upload_that_stands_still_is_ended() -> None:
    place = Place(body_timeout=0.01)
    wire = asgi.Wire([])
    wire._feed.put_nowait({"type": "http.request", "body": b"x" * LARGE, "more_body": True})
    headers = [HOST, ("expect", "100-continue")]
    async with asyncio.timeout(asgi.SECONDS):
        await place.at("/files")(asgi.scope("POST", headers), wire.receive, wire.send)
    assert (wire.reply.status, wire.reply.json()["code"]) == (408, "files.slow")
    assert place.uploads() == []


async def test_where_there_is_no_room_it_is_said() -> None:
    place = Place(keeper=KeptFiles(Bounds(disk=LARGE, share=1)))
    reply = await place.send(b"x" * (LARGE + 1))
    assert (reply.status, reply.json()["code"]) == (507, "files.no_room")
    assert (await place.send(b"x" * LARGE)).status == 201


async def test_a_compressed_body_is_refused() -> None:
    reply = await Place().send(b"x", ("content-encoding", "gzip"))
    assert (reply.status, reply.json()["code"]) == (415, "files.encoding")


# out


@pytest.mark.parametrize("size", [0, 5, LARGE])
async def test_what_is_kept_is_read_back_as_an_attachment_that_nothing_runs(size: int) -> None:
    place = Place()
    name = ("content-disposition", "attachment; filename*=UTF-8''%C3%BC%22%3B.html")
    handle = (await place.send(b"x" * size, name, ("content-type", "text/html"))).json()["handle"]
    reply = await place.read(handle)
    assert (reply.status, reply.body) == (200, b"x" * size)
    assert reply.header("content-type") == "text/html"
    assert reply.header("content-length") == str(size)
    assert reply.header("content-disposition") == "attachment; filename*=UTF-8''%C3%BC%22%3B.html"
    assert reply.header("x-content-type-options") == "nosniff"
    head = await place.read(handle, method="HEAD")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(size))


async def test_only_its_owner_reads_a_file_and_all_others_hear_the_same() -> None:
    place = Place(gate=Names())
    ann, bob = ("authorization", "ann"), ("authorization", "bob")
    handle = (await place.send(b"mine", ann)).json()["handle"]
    assert (await place.read(handle, ann)).body == b"mine"
    foreign, unknown = await place.read(handle, bob), await place.read("apiloom://uploads/never", bob)
    assert foreign.status == 404
    assert (foreign.status, foreign.headers, foreign.body) == (unknown.status, unknown.headers, unknown.body)


# the door


async def test_a_caller_without_the_token_may_neither_send_nor_read() -> None:
    place = Place(gate=BearerGate("secret"))
    for reply in (await place.send(b"x"), await place.read("apiloom://uploads/x")):
        assert reply.status == 401
        assert reply.header("www-authenticate") == "Bearer"
        assert reply.json()["detail"] == "A valid bearer token is needed in the Authorization header"
    assert (await place.send(b"x", ("authorization", "Bearer secret"))).status == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("host", "evil.example")], 421),
        ([HOST, ("origin", "https://evil.example")], 403),
        ([HOST, ("origin", "http://localhost:3000")], 201),
    ],
)
async def test_hosts_and_origins_are_those_of_the_endpoint(headers: list[tuple[str, str]], status: int) -> None:
    place = Place()
    reply = await asgi.request(place.at("/files"), "POST", headers, [b"x"])
    assert reply.status == status
    assert (reply.header("access-control-allow-origin") is not None) == (status == 201 and len(headers) == 2)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/files", "POST"), ("PUT", "/files", "POST"), ("POST", "/files/uploads/x", "GET, HEAD")],
)
async def test_other_methods_are_told_which_there_are(method: str, path: str, allow: str) -> None:
    reply = await asgi.request(Place().at(path), method, [HOST])
    assert (reply.status, reply.header("allow"), reply.json()["code"]) == (405, allow, "files.method")


@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "left in front"])
async def test_mounted_below_a_path_files_stand_below_it(cut: bool) -> None:
    place = Place()
    files = FilesHttp(place.keeper, OpenGate(), WireSettings())
    place.app = McpHttp(Directory(), OpenGate(), WireSettings(), files=files)
    front = "" if cut else "/api/mcp"
    sent = await asgi.request(place.at(f"{front}/files", root_path="/api/mcp"), "POST", [HOST], [b"x"])
    assert sent.status == 201
    below = f"{front}/files/{sent.json()['handle'].removeprefix('apiloom://')}"
    assert (await asgi.request(place.at(below, root_path="/api/mcp"), "GET", [HOST])).body == b"x"
    other = await asgi.request(place.at(front, root_path="/api/mcp"), "GET", [HOST])
    assert other.status == 404  # no endpoint under this key: MCP has answered
    assert b"jsonrpc" in other.body
