"""Accounts whose forms have members that lie elsewhere: followed when they are used, and again when they are replaced
there; never stored, never told.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from apiloom.base.errors import DesignError
from apiloom.compile.artefact import pack
from apiloom.flows.accounts import open_credentials
from apiloom.store.records import Account
from support.catalogs import OK, catalog_of
from support.gateway import Gateway, call, gateway, http
from support.granted import document
from support.oidc import AuthorizationServer, authorization_server
from support.openbao import OpenBao
from support.sockets import Peer, answer, peer
from support.source import ROOT
from support.tls import identity, server_context
from support.upstream import Answer, Seen, upstream

SCHEMES = {
    "aws": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
    "odd": {"type": "apiKey", "in": "header", "name": "X-Auth"},
    "login": {"type": "http", "scheme": "basic"},
    "mtls": {"type": "mutualTLS"},
    "mtls_too": {"type": "mutualTLS"},
}
READ_AGAIN = 61.0
"""Seconds after which a value is read again."""


def artefact(scheme: str) -> bytes:
    paths = {"/look": {"get": {"operationId": "look", "summary": "Look", "responses": OK}}}
    return pack(catalog_of(paths, {}, SCHEMES, security=[{scheme: []}]))


def echoing(seen: Seen) -> Answer:
    """Tells everything it was told."""
    return Answer({"headers": seen.headers})


def put(file: Path, text: str) -> dict[str, str]:
    """A file that nobody else can read, and the reference to it."""
    file.write_text(text)
    file.chmod(0o600)
    return {"ref": f"file:{file}"}


async def kept(at: Gateway, account: Account) -> dict[str, Any]:
    async with at.ground.store.reading() as work:
        return await open_credentials(at.ground, work.tenant(account.tenant), account)


def signed_with(seen: Seen, secret: str) -> bool:
    """Whether AWS would take the signature of a request without a body (Signature Version 4)."""
    told = dict(part.partition("=")[::2] for part in seen.headers["authorization"].replace(",", "").split(" ")[1:])
    scope = told["Credential"].split("/")[1:]
    names = told["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{seen.headers[name]}\n" for name in names)
    nothing = hashlib.sha256(b"").hexdigest()
    canonical = f"{seen.method}\n{seen.target}\n\n{headers}\n{told['SignedHeaders']}\n{nothing}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{seen.headers['x-amz-date']}\n{'/'.join(scope)}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (*scope, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() == told["Signature"]


async def test_keys_of_aws_in_the_environment_a_file_and_openbao_sign_and_are_followed(
    tmp_path: Path, openbao: OpenBao
) -> None:
    openbao.put("secret/aws", session="session-token-one")
    around = {**openbao.environment, "AWS_ID": "AKIDFROMENVIRONMENT"}
    form = {
        "access_key_id": {"ref": "env:AWS_ID"},
        "secret_access_key": put(tmp_path / "secret", "the-first-secret-key\n"),
        "session_token": {"ref": "bao:secret/aws#session"},
        "region": "eu-west-1",
        "service": "execute-api",
    }
    with upstream(echoing) as api:
        async with gateway(tmp_path, surroundings=around) as at, http() as client:
            await at.connector("api", api.url, artefact("aws"))
            account = await at.account("api", credentials={"aws": form})
            assert await kept(at, account) == {"aws": form}
            url = at.at(await at.server(accounts=[account.id]))
            told = str(await call(client, url, "look"))
            sent = api.last()
            assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDFROMENVIRONMENT/")
            assert sent.headers["x-amz-security-token"] == "session-token-one"
            assert signed_with(sent, "the-first-secret-key")
            # both are replaced where they lie
            put(tmp_path / "secret", "the-second-secret-key")
            openbao.put("secret/aws", session="session-token-two")
            at.clock.now += READ_AGAIN
            told += str(await call(client, url, "look"))
            assert signed_with(api.last(), "the-second-secret-key")
            assert api.last().headers["x-amz-security-token"] == "session-token-two"
            assert "***" in told
            for secret in ("AKIDFROM", "session-token", "secret-key"):
                assert secret not in told
            assert await kept(at, account) == {"aws": form}


async def test_the_example_of_the_page_works(tmp_path: Path, openbao: OpenBao) -> None:
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    wanted = json.loads(page.partition("```json elsewhere\n")[2].partition("```")[0])
    openbao.put("secret/aws", id="AKIDOFTHEPAGE", secret="a-secret-key")
    around = {**openbao.environment, "AWS_SESSION_TOKEN": "a-session-token"}
    paths = {"/look": {"get": {"operationId": "look", "summary": "Look", "responses": OK}}}
    with upstream(echoing) as api:
        async with gateway(tmp_path, surroundings=around) as at, http() as client:
            head = {"authorization": f"Bearer {await at.api_token('owner', allow_commands=True)}"}
            source = {"openapi": "3.1.0", "info": {"title": "Storage", "version": "1"}, "paths": paths}
            options = {"base_url": api.url, "auth": "aws"}
            body = {"slug": "storage", "source": {"text": json.dumps(source)}, "options": options}
            made = await client.post(f"{at.url}/api/v1/connectors", json=body, headers=head)
            assert made.status_code == 201, made.text
            made = await client.post(f"{at.url}/api/v1/accounts", json=wanted, headers=head)
            assert made.status_code == 201, made.text
            await at.settle()
            url = at.at(await at.server(accounts=[made.json()["id"]]))
            await call(client, url, "look")
    assert signed_with(api.last(), "a-secret-key")
    assert api.last().headers["x-amz-security-token"] == "a-session-token"


async def test_a_user_name_and_a_password_and_the_values_of_a_template_lie_elsewhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    around = {"WHO": "ann", "HALF": "the-key-half"}
    login = {"username": {"ref": "env:WHO"}, "password": put(tmp_path / "password", "first-password")}
    odd = {
        "headers": {"X-Auth": "Token {key}:{secret}"},
        "values": {"key": {"ref": "env:HALF"}, "secret": "the-secret-half"},
    }
    with upstream(echoing) as api:
        async with gateway(tmp_path, surroundings=around) as at, http() as client:
            urls = {}
            for scheme, form in {"login": login, "odd": odd}.items():
                await at.connector(scheme, api.url, artefact(scheme))
                account = await at.account(scheme, credentials={scheme: form})
                urls[scheme] = at.at(await at.server(accounts=[account.id]))
            told = str(await call(client, urls["odd"], "look"))
            assert api.last().headers["x-auth"] == "Token the-key-half:the-secret-half"
            told += str(await call(client, urls["login"], "look"))
            assert api.last().headers["authorization"] == "Basic YW5uOmZpcnN0LXBhc3N3b3Jk"
            put(tmp_path / "password", "other-password")
            at.clock.now += READ_AGAIN
            told += str(await call(client, urls["login"], "look"))
            assert api.last().headers["authorization"] == "Basic YW5uOm90aGVyLXBhc3N3b3Jk"
            # a password that is nowhere: one sentence, without the place
            (tmp_path / "password").unlink()
            at.clock.now += READ_AGAIN
            before = len(api.seen)
            with caplog.at_level(logging.WARNING, logger="apiloom.gateway"):
                told += await call(client, urls["login"], "look")
    assert "lies where it cannot be read now" in told
    assert len(api.seen) == before
    assert str(tmp_path / "password") in caplog.text
    for secret in ("-half", "first-password", "other-password", "YW5u", str(tmp_path)):
        assert secret not in told


async def test_a_certificate_and_its_key_lie_elsewhere_and_are_replaced_one_after_the_other(
    tmp_path: Path, openbao: OpenBao
) -> None:
    authority = identity("authority")
    pairs = {name: identity(name, f"{name}.example", by=authority) for name in ("ada", "bob")}
    keys = {name: each.pem.removeprefix(each.certificate_pem).decode() for name, each in pairs.items()}
    shown: list[str] = []

    async def script(_it: Peer, writer: asyncio.StreamWriter) -> None:
        found: Any = writer.get_extra_info("peercert")
        shown.extend(value for group in found["subject"] for key, value in group if key == "commonName")
        writer.write(answer(b'{"seen": true}', "Content-Type: application/json"))
        await writer.drain()

    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    around = {**openbao.environment, "APILOOM_CA_FILE": str(tmp_path / "ca.pem")}
    openbao.put("secret/bank", key=keys["ada"])
    certificate = put(tmp_path / "certificate", pairs["ada"].certificate_pem.decode())
    form = {"certificate": certificate, "private_key": {"ref": "bao:secret/bank#key"}}
    demanding = server_context(identity("server", "127.0.0.1", by=authority), tmp_path, clients_of=authority)
    async with peer(script, tls=demanding) as bank, gateway(tmp_path, surroundings=around) as at, http() as client:
        await at.connector("bank", bank.origin, artefact("mtls"))
        account = await at.account("bank", credentials={"mtls": form})
        assert await kept(at, account) == {"mtls": form}
        url = at.at(await at.server(accounts=[account.id]))
        assert await call(client, url, "look") == {"seen": True}
        put(tmp_path / "certificate", pairs["bob"].certificate_pem.decode())
        at.clock.now += READ_AGAIN
        assert "cannot be used together" in await call(client, url, "look")
        openbao.put("secret/bank", key=keys["bob"])
        at.clock.now += 2
        assert await call(client, url, "look") == {"seen": True}
        assert await call(client, url, "look") == {"seen": True}
    assert shown == ["ada", "bob", "bob"]


async def test_an_account_with_two_certificates_is_refused(tmp_path: Path) -> None:
    one = {"certificate": {"ref": "file:/one"}, "private_key": {"ref": "file:/key"}}
    async with gateway(tmp_path) as at:
        await at.connector("bank", "https://bank.example", artefact("mtls"))
        with pytest.raises(DesignError, match="certificates for mtls and for mtls_too") as caught:
            await at.account("bank", credentials={"mtls": one, "mtls_too": one})
        assert caught.value.code == "credentials.form"
        assert (await at.account("bank", credentials={"mtls_too": one})).schemes == ("mtls_too",)


async def test_a_tenants_token_names_no_place_of_the_host_in_any_form(tmp_path: Path) -> None:
    place = {"ref": "env:HOME"}
    forms: dict[str, dict[str, Any]] = {
        "aws": {"access_key_id": "A" * 20, "secret_access_key": place, "region": "eu-west-1", "service": "s3"},
        "odd": {"headers": {"X-Auth": "{a}"}, "values": {"a": place}},
        "login": {"username": "ann", "password": place},
        "mtls": {"certificate": place, "private_key": place},
    }
    async with gateway(tmp_path, surroundings={"HOME_OF": "x"}) as at, http() as client:
        await at.tenant("acme")
        tokens = [await at.api_token("tenant-admin", tenant="acme"), await at.api_token("owner")]
        trusted = await at.api_token("owner", allow_commands=True)
        for scheme, form in forms.items():
            await at.connector(scheme, "https://api.example", artefact(scheme))
            body = {"connector": scheme, "label": "one", "credentials": {scheme: form}}
            for token in tokens:
                head = {"authorization": f"Bearer {token}"}
                refused = await client.post(f"{at.url}/api/v1/accounts", json=body, headers=head)
                assert (refused.status_code, refused.json()["code"]) == (403, "identity.forbidden")
            head = {"authorization": f"Bearer {trusted}"}
            made = await client.post(f"{at.url}/api/v1/accounts", json={**body, "tenant": "acme"}, headers=head)
            assert (made.status_code, made.json()["schemes"]) == (201, [scheme])
            head = {"authorization": f"Bearer {tokens[0]}"}
            where = f"{at.url}/api/v1/accounts/{made.json()['id']}"
            refused = await client.patch(where, json={"credentials": {scheme: form}}, headers=head)
            assert refused.status_code == 403
            read = await client.get(where, headers=head)
            assert "env:HOME" not in f"{made.text}{read.text}{refused.text}"


async def machine(at: Gateway, server: AuthorizationServer, api: str, form: dict[str, Any]) -> tuple[Account, str]:
    await at.connector("notes", api, document(server))
    account = await at.account("notes", credentials={"login": {**form, "scopes": "read"}})
    return account, at.at(await at.server(accounts=[account.id]))


async def health(at: Gateway, account: Account) -> tuple[str, str]:
    async with at.ground.store.reading() as work:
        grant = await work.house().grants.load(f"{account.id}/login")
    assert grant is not None
    return grant.state, grant.last_error


async def test_a_client_that_signs_with_a_key_that_lies_elsewhere_gets_tokens_and_follows_it(tmp_path: Path) -> None:
    with authorization_server() as server:

        def told(_seen: Seen) -> Answer:
            return Answer({"said": f"I know {server.key.splitlines()[1]} of you"})

        with upstream(told) as api:
            async with gateway(tmp_path) as at, http() as client:
                form = {"client_id": "signed", "private_key": put(tmp_path / "key", server.key), "key_id": "client-1"}
                account, url = await machine(at, server, api.url, form)
                assert await kept(at, account) == {"login": {**form, "scopes": "read"}}
                # the key signs for the provider alone; what it is, no API may tell a caller either
                assert await call(client, url, "list_notes") == {"said": "I know *** of you"}
                assert server.count("client_credentials") == 1
                # it is nowhere when the next token is due: told without the place, and health says why
                (tmp_path / "key").unlink()
                at.clock.now += 4000
                failed = await call(client, url, "list_notes")
                assert "lies where it cannot be read now" in failed
                assert str(tmp_path) not in failed
                assert await health(at, account) == ("failing", "credentials.ref")
                # and there again, it is followed
                put(tmp_path / "key", server.key)
                at.clock.now += READ_AGAIN
                assert "I know" in str(await call(client, url, "list_notes"))
                assert await health(at, account) == ("active", "")
                assert server.count("client_credentials") == 2
