"""An official client with a certificate calls through a proxy that ends TLS; whoever has none does not get around."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from support.gateway import READS, Gateway, ask, desk, gateway
from support.issuer import received
from support.shown_certificates import (
    AUTHORITY,
    OTHER_AUTHORITY,
    TlsProxy,
    as_bytes,
    client_context,
    shown_certificate,
    tls_proxy,
)
from support.tls import Identity

RULES = [{"when": {"cn": ["ada", "bob"]}, "tenant": "default", "end_user": "{cn}"}]


@dataclass
class Met:
    """A gateway with the server ``notes``, and the proxy in front of it."""

    house: Gateway
    proxy: TlsProxy
    folder: Path

    def certificate(self, name: str, by: Identity = AUTHORITY) -> Identity:
        return shown_certificate(name, by, time.time())

    @asynccontextmanager
    async def client(self, of: Identity | None, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(verify=client_context(of, self.folder), timeout=20, **more) as client:
            yield client

    async def status(self, of: Identity, path: str = "/mcp", **headers: str) -> int:
        async with self.client(of, headers=headers) as client:
            return (await ask(client, self.proxy.url + path, "tools/list")).status_code


@asynccontextmanager
async def met(folder: Path, **more: Any) -> AsyncIterator[Met]:
    with desk() as upstream:
        async with gateway(folder, proxies=("127.0.0.1/32",)) as house:
            house.clock.now = time.time()
            await house.connector("desk", upstream.api.url)
            accounts = [await house.account("desk", f"{name}-x", end_user=name) for name in ("ada", "bob")]
            assert len(accounts) == 2
            await house.server(connectors=["desk"], name="notes")
            received(house, folder, {"certificates": {"principals": RULES}})
            port = urlsplit(house.url).port
            assert port is not None
            async with tls_proxy(folder, port, **more) as proxy:
                yield Met(house, proxy, folder)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_python_sdk_calls_with_a_certificate_and_uses_its_holders_account(mode: str, tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        for name in ("ada", "bob"):
            async with on.client(on.certificate(name)) as client:
                transport = streamable_http_client(f"{on.proxy.url}/mcp/s/notes", http_client=client)
                async with Client(transport, mode=mode) as mcp:
                    assert [tool.name for tool in (await mcp.list_tools()).tools] == READS
                    answer = await mcp.call_tool("list_notes", {})
                    assert answer.structured_content is not None
                    assert answer.structured_content["whose"] == name
        assert len(on.proxy.seen) >= 4


async def test_a_header_that_a_client_sends_itself_is_worth_nothing(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        mallory, ada = on.certificate("mallory"), as_bytes(on.certificate("ada"))
        assert await on.status(on.certificate("ada")) == 200
        assert await on.status(mallory) == 401
        for name in ("client-cert", "Client-Cert", "CLIENT-CERT"):
            assert await on.status(mallory, **{name: ada}) == 401
        # a proxy that is set up wrong and strips nothing: two headers are believed less than none
        on.proxy.strips = False
        assert await on.status(mallory, **{"client-cert": ada}) == 401
        # straight to the gateway, from this machine, the proxy is not to be told from anybody: its network is the wall
        assert on.house.node.admission.proxies == ("127.0.0.1/32",)


async def test_the_proxy_turns_away_who_has_no_certificate_or_another_authoritys(tmp_path: Path) -> None:
    async with met(tmp_path) as on:
        for of in (None, on.certificate("ada", OTHER_AUTHORITY)):
            async with on.client(of) as client:
                with pytest.raises((httpx.TransportError, ssl.SSLError)):
                    await ask(client, f"{on.proxy.url}/mcp", "tools/list")
        assert on.proxy.seen == []
