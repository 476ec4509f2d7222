"""Credentials that are OAuth forms: the process gets tokens by itself, and calls are signed with those that live."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import apiloom
from apiloom.base.errors import DesignError
from support.oidc import AuthorizationServer
from support.servers import apiloom as command
from support.servers import modern, serving, text_of
from support.upstream import Answer, Seen, Upstream, upstream


@pytest.fixture
def server(oidc: AuthorizationServer) -> AuthorizationServer:
    return oidc


@pytest.fixture
def api(server: AuthorizationServer) -> Iterator[Upstream]:
    def answer(seen: Seen) -> Answer:
        given = seen.headers.get("authorization", "")
        told = server.introspect(given.removeprefix("Bearer ")) if given else {"active": False}
        return Answer({"by": told.get("sub") or told.get("client_id"), "token": given}, 200 if told["active"] else 401)

    with upstream(answer) as one:
        yield one


def document(api: Upstream, server: AuthorizationServer, **flow: Any) -> dict[str, Any]:
    flow = {"tokenUrl": f"{server.url}/token", "scopes": {"read": "", "write": ""}, **flow}
    schemes = {
        "Machine": {"type": "oauth2", "flows": {"clientCredentials": flow}},
        "Issued": {"type": "openIdConnect", "openIdConnectUrl": f"{server.issuer}/.well-known/openid-configuration"},
    }
    reply = {"responses": {"200": {"description": "Who called.", "content": {"application/json": {}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Whoami", "version": "1"},
        "servers": [{"url": api.url}],
        "paths": {
            "/machine": {"get": {"operationId": "machine", "security": [{"Machine": ["read"]}], **reply}},
            "/issued": {"get": {"operationId": "issued", "security": [{"Issued": ["read"]}], **reply}},
        },
        "components": {"securitySchemes": schemes},
    }


def machine(server: AuthorizationServer, **more: Any) -> dict[str, Any]:
    return {"client_id": "machine", "client_secret": server.secret, "scopes": ["read"], **more}


async def test_many_calls_share_one_token(api: Upstream, server: AuthorizationServer) -> None:
    given = {"Machine": machine(server), "Issued": machine(server)}
    async with apiloom.load(document(api, server), credentials=given) as tools:
        answers = await asyncio.gather(*(tools.call("machine") for _ in range(20)))
        assert not any(answer.failed for answer in answers)
        assert server.count("client_credentials") == 1
        assert not (await tools.call("issued")).failed
        assert server.count(".well-known/openid-configuration", "GET") == 1
        assert server.count("client_credentials") == 2


async def test_a_token_that_ends_before_it_arrives_is_not_used(api: Upstream, server: AuthorizationServer) -> None:
    server.ttl(1)  # it is never used: it would end before it arrives, so every call is preceded by a new one
    async with apiloom.load(document(api, server), credentials={"Machine": machine(server)}) as tools:
        assert not (await tools.call("machine")).failed
        server.ttl(3600)
        assert not (await tools.call("machine")).failed
        before = server.count("client_credentials")
        assert not (await tools.call("machine")).failed
        assert server.count("client_credentials") == before


async def test_no_secret_that_tokens_are_got_with_comes_back(api: Upstream, server: AuthorizationServer) -> None:
    async with apiloom.load(document(api, server), credentials={"Machine": machine(server)}) as tools:
        answer = await tools.call("machine")
    sent = api.last().headers["authorization"].removeprefix("Bearer ")
    assert sent not in repr(answer)
    assert "***" in repr(answer)


async def test_a_client_that_is_refused_fails_the_call_and_names_the_reason(
    api: Upstream, server: AuthorizationServer
) -> None:
    given = {"Machine": machine(server, client_secret="n0t-the-secret")}
    async with apiloom.load(document(api, server), credentials=given) as tools:
        answer = await tools.call("machine")
        assert answer.failed
        assert "invalid_client" in repr(answer)
        assert "n0t" not in repr(answer)
        assert await tools.call("machine")
        assert server.count("client_credentials", "invalid_client") <= 2
    assert not api.seen


def test_a_scheme_that_says_nowhere_where_tokens_are_given_is_told_at_the_start(
    api: Upstream, server: AuthorizationServer
) -> None:
    with pytest.raises(DesignError) as caught:
        apiloom.load(document(api, server, tokenUrl=""), credentials={"Machine": machine(server)})
    assert caught.value.code == "oauth.url"
    told = machine(server, token_url=f"{server.url}/token")
    apiloom.load(document(api, server, tokenUrl=""), credentials={"Machine": told})


async def test_an_api_that_declares_nothing_is_signed_with_tokens_too(
    api: Upstream, server: AuthorizationServer
) -> None:
    described = document(api, server)
    del described["paths"]["/machine"]["get"]["security"], described["components"]
    told = machine(server, token_url=f"{server.url}/token")
    options = apiloom.Options(auth="bearer")
    async with apiloom.load(described, credentials={"DEFAULT": told}, options=options) as tools:
        assert not (await tools.call("machine")).failed


def test_the_quick_server_gets_tokens_with_a_credentials_file(
    api: Upstream, server: AuthorizationServer, tmp_path: Path
) -> None:
    source, secrets = tmp_path / "api.json", tmp_path / "credentials.json"
    source.write_text(json.dumps(document(api, server)))
    secrets.write_text(json.dumps({"Machine": machine(server)}))
    secrets.chmod(0o600)
    with serving(str(source), "--credentials", str(secrets)) as running:
        for _ in range(3):
            assert json.loads(text_of(running.call("machine"))) == {"by": "machine", "token": "Bearer ***"}
        assert server.count("client_credentials") == 1
        assert server.secret not in running.said()
    done = command("call", str(source), "machine", "--credentials", str(secrets), "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert ["Authorization", "Bearer ***"] in [
        [name.title(), value] for name, value in json.loads(done.stdout)["headers"]
    ]
    assert server.count("client_credentials") == 1, "a dry run asks for no token"


def test_a_call_and_a_dry_run_tell_of_credentials_that_fit_no_scheme(
    api: Upstream, server: AuthorizationServer, tmp_path: Path
) -> None:
    source, secrets = tmp_path / "api.json", tmp_path / "credentials.json"
    source.write_text(json.dumps(document(api, server)))
    secrets.write_text(json.dumps({"Machine": machine(server), "Mashine": {"token": "never"}}))
    secrets.chmod(0o600)
    done = command("call", str(source), "machine", "--credentials", str(secrets))
    assert done.returncode == 0, done.stderr
    assert "Mashine, which is no security scheme of this API: there are" in done.stderr
    told = command("call", str(source), "machine", "--credentials", str(secrets), "--dry-run", "--json")
    assert len(json.loads(told.stdout)["warnings"]) == 1


def test_a_document_that_names_another_token_address_while_it_is_served_gets_no_secret(
    api: Upstream, server: AuthorizationServer, tmp_path: Path
) -> None:
    source, secrets = tmp_path / "api.json", tmp_path / "credentials.json"
    source.write_text(json.dumps(document(api, server)))
    secrets.write_text(json.dumps({"Machine": machine(server)}))
    secrets.chmod(0o600)

    def stealing(_: Seen) -> Answer:
        return Answer({"access_token": "stolen", "token_type": "Bearer"})

    with upstream(stealing) as thief, serving(str(source), "--credentials", str(secrets)) as running:
        assert not running.call("machine")["result"].get("isError")
        moved = document(api, server, tokenUrl=f"{thief.url}/token")
        moved["paths"]["/more"] = moved["paths"]["/machine"]
        source.write_text(json.dumps(moved))
        os.utime(source)
        told = _until(lambda: "elsewhere than at the start" in running.said())
        assert told, running.said()
        assert not running.call("machine")["result"].get("isError")
        assert modern(running.url, "tools/list").status == 200
        assert not thief.seen


def _until(done: Any, seconds: float = 20) -> bool:
    ends = time.monotonic() + seconds
    while not done():
        if time.monotonic() > ends:
            return False
        threading.Event().wait(0.05)
    return True
