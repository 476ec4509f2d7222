"""Rules of the standards that are easily overlooked: pauses that are asked for, and for whom a statement is."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest

from apiloom.base import json
from apiloom.base.errors import UpstreamError
from apiloom.base.secret import Secret
from apiloom.net.request import Request, Response
from apiloom.vault.oauth.asking import build_form_request, build_request, read_tokens
from apiloom.vault.oauth.authorizing import asks_identity, authorization_url
from apiloom.vault.oauth.device import begin_device
from apiloom.vault.oauth.refusals import LONGEST_PAUSE
from apiloom.vault.oauth.terms import ByClient, ByExchange, ByRefresh, Endpoints, OAuthKeys, Provider, Terms, Tokens

NOW = 1_800_000_000.0
TERMS = Terms(
    endpoints=Endpoints(
        token_url="https://id.example/token",
        authorization_url="https://id.example/auth",
        device_url="https://id.example/device",
        revocation_url="https://elsewhere.example/revoke",
    ),
    keys=OAuthKeys(
        client_id="client", secret=Secret("a secret of the client, long enough"), method="client_secret_jwt"
    ),
)


def answered(status: int, *headers: tuple[str, str], **members: Any) -> Response:
    return Response(status=status, headers=headers, body=json.dumps(members or {"error": "slow_down"}))


def pause(response: Response) -> object:
    with pytest.raises(UpstreamError) as told:
        read_tokens(TERMS, ByRefresh(token=Secret("r")), response, NOW)
    return told.value.facts.get("after")


@pytest.mark.parametrize(
    ("status", "said", "after"),
    [
        (429, "120", 120),
        (503, "120", 120),
        (429, "86400", LONGEST_PAUSE),
        (429, formatdate(NOW + 90, usegmt=True), 90),
        (429, formatdate(NOW + 9e6, usegmt=True), LONGEST_PAUSE),
        (429, formatdate(NOW - 90, usegmt=True), None),
        (429, "0", None),
        (429, "-5", None),
        (429, "1.5", None),
        (429, "١٢٠", None),
        (429, "9" * 300, None),
        (429, "soon", None),
        (429, "", None),
        (500, "120", None),
        (400, "120", None),
    ],
)
def test_a_pause_that_an_answer_wants_is_told_in_seconds_and_bounded(
    status: int, said: str, after: float | None
) -> None:
    assert pause(answered(status, ("retry-after", said))) == after


def test_a_moment_to_ask_again_is_read_by_the_clock_of_whoever_told_it() -> None:
    off = 3600
    headers = ("retry-after", formatdate(NOW + off + 90, usegmt=True)), ("date", formatdate(NOW + off, usegmt=True))
    assert pause(answered(429, *headers)) == 90


def audience(request: Request) -> str:
    assert isinstance(request.body, bytes)
    statement = dict(parse_qsl(request.body.decode()))["client_assertion"]
    return str(jwt.decode(statement, options={"verify_signature": False})["aud"])


def test_a_statement_that_goes_to_another_host_is_of_no_use_at_the_token_endpoint() -> None:
    assert audience(build_request(TERMS, ByClient(), NOW)) == "https://id.example/token"
    assert audience(build_form_request(TERMS, TERMS.endpoints.device_url, {}, NOW)) == "https://id.example/token"
    revoking = build_form_request(TERMS, TERMS.endpoints.revocation_url, {}, NOW)
    assert audience(revoking) == "https://elsewhere.example/revoke"


KIND = "urn:ietf:params:oauth:token-type:"


@pytest.mark.parametrize("issued", ["refresh_token", "id_token", "saml2"])
def test_what_is_no_access_token_is_not_taken_for_one(issued: str) -> None:
    ask = ByExchange(subject_token=Secret("subject"))
    told = answered(200, access_token="t", issued_token_type=KIND + issued, token_type="N_A")
    with pytest.raises(UpstreamError) as refused:
        read_tokens(TERMS, ask, told, NOW)
    assert refused.value.code == "oauth.answer"
    assert isinstance(read_tokens(TERMS, replace(ask, requested_token_type=KIND + issued), told, NOW), Tokens)
    for fine in ("access_token", "jwt"):
        told = answered(200, access_token="t", issued_token_type=KIND + fine, token_type="Bearer")
        assert read_tokens(TERMS, ask, told, NOW).access == Secret("t")


def test_a_refusal_does_not_repeat_the_token_of_an_actor() -> None:
    ask = ByExchange(subject_token=Secret("subject"), actor_token=Secret("abcdefghijk"))
    with pytest.raises(UpstreamError) as refused:
        read_tokens(TERMS, ask, answered(400, error="abcdefghijk"), NOW)
    assert "abcdefghijk" not in refused.value.sentence()


@pytest.mark.parametrize(
    ("scopes", "always", "asks"), [(("read",), (), False), (("openid",), (), True), ((), ("openid",), True)]
)
def test_a_nonce_is_sent_exactly_where_an_id_token_is_asked_for(
    scopes: tuple[str, ...], always: tuple[str, ...], asks: bool
) -> None:
    terms = replace(TERMS, scopes=scopes, provider=Provider(always=always))
    url = authorization_url(terms, state="s", verifier=Secret("v" * 43), nonce="n")
    assert ("nonce=n" in url) is asks_identity(terms) is asks


class Sender:
    def __init__(self, url: str) -> None:
        self.url = url

    async def send(self, _: Request) -> Response:
        told = {"device_code": "d", "user_code": "ABCD", "verification_uri": self.url, "expires_in": 60}
        return answered(200, **told)

    async def close(self) -> None:
        """Nothing is open."""


async def test_nobody_is_sent_to_confirm_at_an_address_without_encryption() -> None:
    assert (await begin_device(Sender("https://id.example/d"), TERMS, NOW)).url == "https://id.example/d"
    with pytest.raises(UpstreamError) as refused:
        await begin_device(Sender("http://id.example/d"), TERMS, NOW)
    assert refused.value.code == "oauth.answer"
