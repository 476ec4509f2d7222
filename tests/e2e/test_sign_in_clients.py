"""Official clients that know a bare URL sign in through the gateway at a real issuer, list and call."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from support.fronts import issued_front
from support.gateway import READS
from support.node import NODE_MODULES, node, node_package
from support.servers import clean_environment
from support.signing_in import CALLBACK, Person


class Kept:
    """Where a client of the Python SDK keeps what it was given."""

    tokens: OAuthToken | None = None
    info: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.info

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.info = client_info


@pytest.mark.parametrize(("mode", "path"), [("auto", "/mcp"), ("legacy", "/mcp/s/notes")])
async def test_the_python_sdk_signs_in_from_a_bare_url(mode: Any, path: str, tmp_path: Path) -> None:
    async with issued_front(tmp_path) as on:
        person, kept, came = Person(), Kept(), []

        async def away(url: str) -> None:
            came.append(await person.open(url))

        async def home() -> AuthorizationCodeResult:
            told = parse_qs(urlsplit(came[-1]).query)
            return AuthorizationCodeResult(code=told["code"][0], state=told["state"][0], iss=told["iss"][0])

        metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="The Python SDK")  # type: ignore[list-item]
        provider = OAuthClientProvider(f"{on.house.url}{path}", metadata, kept, away, home)
        async with (
            httpx.AsyncClient(auth=provider, timeout=20) as http,
            Client(streamable_http_client(f"{on.house.url}{path}", http_client=http), mode=mode) as client,
        ):
            prefix = "desk_" if path == "/mcp" else ""
            assert [tool.name for tool in (await client.list_tools()).tools] == [prefix + name for name in READS]
            answer = await client.call_tool(f"{prefix}list_notes", {})
            assert answer.structured_content is not None
            assert answer.structured_content["whose"] == "ada"
        assert len(came) == 1
        assert "The Python SDK" in person.seen[-1]
        assert kept.tokens is not None
        assert kept.tokens.access_token.startswith("alt_")
        await person.client.aclose()


@pytest.mark.parametrize("client", ["v1", "v2"])
async def test_the_typescript_sdk_signs_in_from_a_bare_url(client: str, tmp_path: Path) -> None:
    node_package("@modelcontextprotocol/sdk")
    node_package("@modelcontextprotocol/client")
    async with issued_front(tmp_path) as on:
        script = str(NODE_MODULES.parent / "sign_in.mjs")
        process = await asyncio.create_subprocess_exec(
            *(str(node()), script, client, f"{on.house.url}/mcp", CALLBACK, "desk_list_notes"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(str(tmp_path)),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(60):
                line = await process.stdout.readline()
                assert line, (await process.stderr.read()).decode()
                person = Person()
                came = await person.open(json.loads(line)["open"])
                process.stdin.write(f"{came}\n".encode())
                line = await process.stdout.readline()
                assert line, (await process.stderr.read()).decode()
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        seen = json.loads(line)
        assert seen["listed"] == [f"desk_{name}" for name in READS]
        assert seen["answer"]["whose"] == "ada"
        assert seen["expires"] == 600
        await person.client.aclose()
