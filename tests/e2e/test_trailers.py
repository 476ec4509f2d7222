"""What follows the head of a request: fields behind its body are no headers, and what nobody asked for is bounded."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apiloom.app.patience import MOST_HEAD, MOST_LEFT
from support.gateway import Gateway, desk, gateway, words
from support.issuer import received
from support.shown_certificates import AUTHORITY, as_bytes, shown_certificate

PATIENCE = 20.0


@dataclass
class Met:
    """A gateway with a server, which believes this machine as a proxy."""

    house: Gateway
    path: str
    token: str

    async def answered(self, head: bytes, pieces: Iterable[bytes]) -> bytes:
        """The start of what is answered to bytes that are all written before anything is read; empty for a cut line."""
        return await asyncio.to_thread(self._answered, head, pieces)

    def _answered(self, head: bytes, pieces: Iterable[bytes]) -> bytes:
        place = urlsplit(self.house.url)
        assert place.port is not None
        with socket.create_connection(("127.0.0.1", place.port), PATIENCE) as line:
            try:
                line.sendall(head)
                for piece in pieces:
                    line.sendall(piece)
                return line.recv(4096).split(b"\r\n")[0]
            except ConnectionError:
                return b""

    def head(self, *fields: str, path: str = "/mcp") -> bytes:
        told = {**words("tools/list")[1], "host": "127.0.0.1", "content-type": "application/json"}
        lines = [f"POST {path} HTTP/1.1", *fields, *(f"{name}: {value}" for name, value in told.items())]
        return "\r\n".join((*lines, "", "")).encode()

    async def status(self, *fields: str, trailer: str = "", path: str = "/mcp") -> int:
        """The status of a list of tools in chunks, with a field behind it."""
        body = json.dumps(words("tools/list")[0]).encode()
        end = f"{trailer}\r\n\r\n" if trailer else "\r\n"
        head = self.head(*fields, "transfer-encoding: chunked", path=path)
        said = await self.answered(head, [b"%x\r\n%b\r\n0\r\n%b" % (len(body), body, end.encode())])
        return int(said.split(b" ")[1])


@asynccontextmanager
async def met(folder: Path) -> AsyncIterator[Met]:
    with desk() as upstream:
        async with gateway(folder, proxies=("127.0.0.1/32",)) as house:
            house.clock.now = time.time()
            await house.connector("desk", upstream.api.url)
            account = await house.account("desk", "ada-x", shared=True)
            config = {"allowed_addresses": ["192.0.2.1"]}
            server = await house.server(accounts=[account.id], name="notes", config=config)
            rules = [{"when": {"cn": "ada"}, "tenant": "default"}]
            received(house, folder, {"certificates": {"principals": rules}})
            path = house.at(server).removeprefix(house.url)
            yield Met(house, path, await house.api_token(tenant="default"))


async def test_a_field_behind_the_body_is_no_header(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        certificate = f"client-cert: {as_bytes(shown_certificate('ada', AUTHORITY, time.time()))}"
        bearer = f"authorization: Bearer {on.token}"
        for field in (certificate, bearer):
            assert await on.status(field) == 200
            assert await on.status(trailer=field) == 401
            assert await on.status("trailer: client-cert, authorization", "te: trailers", trailer=field) == 401
        address = "x-forwarded-for: 192.0.2.1"
        assert await on.status(address, path=on.path) == 200
        assert await on.status(trailer=address, path=on.path) == 404
        assert await on.status("x-forwarded-for: 192.0.2.9", trailer=address, path=on.path) == 404
        # nor does one take anything away from what stands in the head
        assert await on.status(bearer, trailer="authorization: Bearer x\r\nhost: evil.example\r\norigin: null") == 200


@pytest.mark.parametrize("what", ["trailer", "chunk extension"])
async def test_what_is_neither_head_nor_body_is_bounded(what: str, tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        head = on.head(f"authorization: Bearer {on.token}", "transfer-encoding: chunked")
        begin = b"1\r\n[\r\n0\r\nx: " if what == "trailer" else b"1\r\n[\r\n1;x="
        few = [begin, *[b"a" * 1000] * 50]
        many = [begin, *[b"a" * MOST_HEAD] * 60]
        end = b"\r\n\r\n" if what == "trailer" else b"\r\n]\r\n0\r\n\r\n"
        assert (await on.answered(head, [*few, end])).startswith(b"HTTP/1.1 400 ")
        assert await on.answered(head, many) in {b"HTTP/1.1 431 Request Header Fields Too Large", b""}


async def test_whoever_writes_on_after_a_refusal_still_hears_it_within_bounds(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        bearer, mega = f"authorization: Bearer {on.token}", bytes(1 << 20)
        for fields, path, status in (((bearer,), "/mcp", 413), ((), "/files", 401)):
            size = 24 << 20
            head = on.head(*fields, f"content-length: {size}", path=path)
            said = await on.answered(head, [mega] * 24)
            assert said.startswith(f"HTTP/1.1 {status} ".encode()), path
            # somebody who never ends is cut off
            endless = on.head(*fields, f"content-length: {size << 6}", path=path)
            with pytest.raises(ConnectionError):
                await asyncio.to_thread(write_on, on.house.url, endless)


def write_on(url: str, head: bytes) -> None:
    place = urlsplit(url)
    assert place.port is not None
    with socket.create_connection(("127.0.0.1", place.port), PATIENCE) as line:
        line.sendall(head)
        for _ in range(4 * MOST_LEFT >> 20):
            line.sendall(bytes(1 << 20))
