"""Accounts whose credentials have forms of their own, made over the admin API and called over MCP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apiloom.base.errors import ApiloomError
from apiloom.compile.artefact import pack
from support.catalogs import OK, catalog_of
from support.gateway import call, gateway, http
from support.upstream import Answer, Seen, upstream

SCHEMES = {
    "aws": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
    "odd": {"type": "apiKey", "in": "header", "name": "X-Auth"},
}
KEYS = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "session_token": "a-session-token",
    "region": "eu-west-1",
    "service": "execute-api",
}
ODD = {"headers": {"X-Auth": "Token {key}:{secret}"}, "values": {"key": "the-key-half", "secret": "the-secret-half"}}


def artefact(scheme: str) -> bytes:
    paths = {"/look": {"get": {"operationId": "look", "summary": "Look", "responses": OK}}}
    return pack(catalog_of(paths, {}, SCHEMES, security=[{scheme: []}]))


def echoing(seen: Seen) -> Answer:
    """Tells everything it was told."""
    return Answer({"headers": seen.headers})


@pytest.mark.parametrize(("scheme", "form"), [("aws", KEYS), ("odd", ODD)])
async def test_an_account_signs_in_its_form_and_an_api_that_echoes_tells_nothing(
    scheme: str, form: dict[str, Any], tmp_path: Path
) -> None:
    with upstream(echoing) as api:
        async with gateway(tmp_path) as at, http() as client:
            await at.connector("api", api.url, artefact(scheme))
            owner = await at.api_token("owner")
            head = {"authorization": f"Bearer {owner}"}
            body = {"tenant": "default", "connector": "api", "label": "one", "credentials": {scheme: form}}
            made = await client.post(f"{at.url}/api/v1/accounts", json=body, headers=head)
            assert made.status_code == 201, made.text
            await at.settle()
            url = at.at(await at.server(accounts=[made.json()["id"]]))
            told = await call(client, url, "look")
    sent = api.last().headers
    if scheme == "aws":
        assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert sent["x-amz-security-token"] == "a-session-token"
    else:
        assert sent["x-auth"] == "Token the-key-half:the-secret-half"
    shown = f"{told}{made.text}"
    for secret in ("AKIDEXAMPLE", "a-session-token", "the-key-half", "the-secret-half", KEYS["secret_access_key"]):
        assert secret not in shown


async def test_what_looks_like_a_reference_inside_a_text_is_followed_for_nobody_at_an_account(tmp_path: Path) -> None:
    async with gateway(tmp_path) as at:
        await at.connector("api", "http://127.0.0.1:1", artefact("odd"))
        form = {"headers": {"X-Auth": "{key}"}, "values": '{"key": {"ref": "env:HOME"}}'}
        with pytest.raises(ApiloomError) as caught:
            await at.account("api", credentials={"odd": form})
        assert caught.value.code == "credentials.form"
