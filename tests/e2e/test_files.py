"""Files both ways through a real server: hundreds of megabytes in and out, exact to the byte, in bounded memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp import Client
from mcp.types import BlobResourceContents, ResourceLink

import apiloom
from apiloom.calls.call import Link
from support import asgi
from support.depot import MEBIBYTE, Depot, depot, generated, hashed
from support.servers import Serving, serving
from support.servers import apiloom as shell

SIZE = 200 * MEBIBYTE
GROWTH = 64 * MEBIBYTE
HOST = ("host", "localhost:8787")


def peak(serving: Serving) -> int:
    """The most memory the server ever had, in bytes."""
    lines = Path(f"/proc/{serving.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


@contextlib.contextmanager
def served(*more: str) -> Iterator[tuple[Depot, Serving]]:
    with depot() as there, serving("-", *more, stdin=json.dumps(there.document()).encode()) as server:
        yield there, server


@contextlib.contextmanager
def connected(server: Serving) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def upload(server: Serving, size: int, name: str = "a.zip", kind: str = "application/zip") -> dict[str, Any]:
    headers = {"Content-Type": kind, "Content-Length": str(size), "Content-Disposition": f"x; filename={name}"}
    with connected(server) as connection:
        connection.request("POST", "/files", body=generated(size), headers=headers)
        response = connection.getresponse()
        assert response.status == 201
        value: dict[str, Any] = json.loads(response.read())
        return value


def download(server: Serving, uri: str) -> tuple[http.client.HTTPResponse, str]:
    """The answer's head and the hash of its bytes."""
    whole = hashlib.sha256()
    with connected(server) as connection:
        connection.request("GET", "/files/" + uri.removeprefix("apiloom://"))
        response = connection.getresponse()
        while piece := response.read(MEBIBYTE):
            whole.update(piece)
        return response, whole.hexdigest()


def result(server: Serving, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = server.call(tool, arguments, timeout=60)["result"]
    return answer


def test_large_files_go_in_and_come_out_exact_in_bounded_memory() -> None:
    expected = hashed(generated(SIZE))
    with served() as (there, server):
        result(server, "give", {"size": 10})
        before = peak(server)
        handle = upload(server, SIZE)["handle"]
        # whole
        assert not result(server, "send_whole", {"body": handle})["isError"]
        assert (there.taken[-1].size, there.taken[-1].digest) == (SIZE, expected)
        assert there.taken[-1].headers["content-length"] == str(SIZE)
        # in a form, by the same handle
        assert not result(server, "send_form", {"file": {"uri": handle}, "note": "hi"})["isError"]
        sent = there.taken[-1]
        boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
        head, _, _ = sent.start.partition(b"\r\n\r\n")
        tail = b'\r\n--%b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhi\r\n--%b--\r\n' % (boundary, boundary)
        assert b'filename="a.zip"\r\nContent-Type: application/zip' in head
        around = iter([head + b"\r\n\r\n", *generated(SIZE), tail])
        assert sent.digest == hashed(around)
        # out
        (link,) = result(server, "give", {"size": SIZE, "name": "x; filename=b.pdf"})["content"]
        assert (link["type"], link["name"], link["size"]) == ("resource_link", "b.pdf", SIZE)
        assert "resource" in link["description"]
        response, digest = download(server, link["uri"])
        assert (response.getheader("content-type"), digest) == ("application/pdf", expected)
        assert peak(server) - before < GROWTH


def test_two_uploads_at_once_and_an_interrupted_one_are_told_apart() -> None:
    size = 20 * MEBIBYTE
    with served() as (there, server), connected(server) as broken:
        broken.putrequest("POST", "/files")
        broken.putheader("Content-Length", str(size))
        broken.endheaders()
        broken.send(bytes(size // 2))
        broken.close()
        handles: dict[str, str] = {}
        names = ("a", "b")
        threads = [
            Thread(target=lambda n=name, s=size + at: handles.update({n: upload(server, s, n)["handle"]}))  # type: ignore[misc]
            for at, name in enumerate(names)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        for at, name in enumerate(names):
            assert not result(server, "send_whole", {"body": handles[name]})["isError"]
            assert (there.taken[-1].size, there.taken[-1].digest) == (size + at, hashed(generated(size + at)))


def test_files_of_a_list_have_names_and_types_of_their_own() -> None:
    with served() as (there, server):
        first = upload(server, 300_000, "eins.png", "image/png")["handle"]
        files = [first, {"data": "aGk=", "filename": 'zwei "ä"\\.txt', "type": "text/plain"}, "AAEC"]
        assert not result(server, "send_form", {"files": files})["isError"]
        sent = there.taken[-1]
        assert b'name="files"; filename="eins.png"\r\nContent-Type: image/png' in sent.start
        assert 'name="files"; filename="zwei %22ä%22\\.txt"\r\nContent-Type: text/plain'.encode() in sent.end
        assert b"\r\n\r\nhi\r\n--" in sent.end


def test_an_upstream_that_says_no_or_hangs_up_in_the_middle_is_heard() -> None:
    with served() as (there, server):
        handle = upload(server, 30 * MEBIBYTE)["handle"]
        early = result(server, "send_early", {"body": handle})
        assert early["isError"]
        assert early["_meta"]["dev.apiloom/error"]["status"] == 413
        closed = result(server, "send_close", {"body": handle})
        assert closed["_meta"]["dev.apiloom/error"]["code"] == "net.broken"
        assert not there.taken


def test_nothing_has_a_name_on_disk_so_that_a_killed_server_leaves_nothing(tmp_path: Path) -> None:
    stdin = json.dumps(Depot("http://127.0.0.1:9").document()).encode()
    with serving("-", stdin=stdin, environment={"TMPDIR": str(tmp_path)}) as server:
        handle = upload(server, 5 * MEBIBYTE)["handle"]
        assert download(server, handle)[1] == hashed(generated(5 * MEBIBYTE))
        assert list(tmp_path.iterdir()) == []
        server.process.kill()
        server.process.wait(10)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_handle_and_another_uri_are_one_clear_error() -> None:
    with served() as (there, server):
        gone = result(server, "send_whole", {"body": "apiloom://uploads/never"})
        assert gone["isError"]
        assert "upload it again with POST /files" in gone["content"][0]["text"]
        for uri in ("file:///etc/passwd", "http://127.0.0.1/x", "apiloom:x"):
            refused = result(server, "send_whole", {"body": {"uri": uri}})
            assert "is not read from here" in refused["content"][0]["text"]
        assert not there.taken


def test_an_answer_that_echoes_the_credential_is_kept_without_it(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"Key": {"key": "k3y-of-the-house"}}))
    secrets.chmod(0o600)
    with served("--credentials", str(secrets)) as (_, server):
        (link,) = result(server, "echo", {"size": 3 * MEBIBYTE})["content"]
        with connected(server) as connection:
            connection.request("GET", "/files/" + link["uri"].removeprefix("apiloom://"))
            content = connection.getresponse().read()
    assert b"k3y" not in content
    assert content.startswith(b"***\0")
    assert content.count(b"***") == 3 * MEBIBYTE // 1009


async def test_the_library_keeps_files_too_and_takes_them_where_it_is_mounted() -> None:
    with depot() as there:
        async with apiloom.load(there.document()) as api:
            app = api.asgi()

            async def at_files(scope: dict[str, Any], receive: Any, send: Any) -> None:
                await app({**scope, "path": "/files"}, receive, send)

            reply = await asgi.request(at_files, "POST", [HOST], [bytes(400_000)])
            handle = reply.json()["handle"]
            outcome = await api.call("send_whole", {"body": handle})
            assert not outcome.failed
            assert there.taken[-1].digest == hashlib.sha256(bytes(400_000)).hexdigest()
            (link,) = (await api.call("give", {"size": 2 * MEBIBYTE})).content
            assert isinstance(link, Link)
            assert link.size == 2 * MEBIBYTE


@pytest.mark.parametrize("size", [10, 3 * MEBIBYTE])
def test_a_call_from_the_shell_writes_the_file_whatever_its_size(tmp_path: Path, size: int) -> None:
    with depot() as there:
        document, out = tmp_path / "depot.json", tmp_path / "out.bin"
        document.write_text(json.dumps(there.document()))
        done = shell("call", str(document), "give", "--arg", f"size={size}", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(out.read_bytes()).hexdigest() == hashed(generated(size))


async def test_a_client_reads_the_link_as_a_resource() -> None:
    size = 2 * MEBIBYTE
    with served() as (_, server):
        async with Client(server.url) as client:
            (link,) = (await client.call_tool("give", {"size": size})).content
            assert isinstance(link, ResourceLink)
            (content,) = (await client.read_resource(link.uri)).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "application/pdf"
    assert hashed(iter([base64.b64decode(content.blob)])) == hashed(generated(size))
