"""Who somebody is by the word of the operator's issuer: only by an answer to the very question that was asked."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from apiloom.app.gateway import identifying, issuers
from apiloom.app.gateway.asking import Metadata
from apiloom.app.gateway.identifying import Identifying
from apiloom.app.gateway.issuers import Town
from apiloom.base.errors import CallerError
from apiloom.base.secret import Secret
from apiloom.flows.sign_ins import Begun
from apiloom.identity.settings import read_identity
from apiloom.net.request import Response
from apiloom.store.records import SignIn
from support.issuer import RSA, jwk

URL = "https://a.example"
NOW = 1_800_000_000.0
FILE = {
    "facade": {
        "issuer": URL,
        "client_id": "g",
        "principals": [{"when": {"email": ["ada@example.com"]}, "tenant": "acme", "end_user": "{email}"}],
    }
}


def identifying_by(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], more: dict[str, Any], **published: Any
) -> Identifying:
    """People are known by an issuer whose token says something, which tells more, and which publishes something."""
    claims = {"iss": URL, "sub": "s", "aud": "g", "nonce": "n", "exp": int(NOW) + 60, **said}
    claims = {name: value for name, value in claims.items() if value is not None}
    token = jwt.encode(claims, RSA, algorithm="RS256", headers={"kid": "one"})

    async def fetch_metadata(*_: Any) -> Metadata:
        places = {name: f"{URL}/{name}" for name in ("jwks", "authorization", "token", "userinfo")}
        return Metadata(**{**places, **published})

    async def post_form(*_: Any) -> tuple[int, dict[str, Any]]:
        return 200, {"id_token": token, "access_token": "x"}

    async def fetch(*_: Any, **__: Any) -> Response:
        return Response(status=200, headers=(), body=json.dumps({"sub": "s", **more}).encode())

    async def fetch_body(*_: Any) -> bytes:
        return json.dumps({"keys": [jwk(RSA, "one")]}).encode()

    monkeypatch.setattr(identifying, "fetch_metadata", fetch_metadata)
    monkeypatch.setattr(identifying, "post_form", post_form)
    monkeypatch.setattr(identifying, "fetch", fetch)
    monkeypatch.setattr(issuers, "fetch_body", fetch_body)
    town = Town(
        sender=None,  # type: ignore[arg-type]
        public_url="https://g.example",
        now=lambda: NOW,
        clock=lambda: 0.0,
        server_id=lambda _tenant, _name: "",
        secret=lambda _: Secret("x"),
    )
    facade = read_identity(json.dumps(FILE).encode()).facade
    assert facade is not None
    return Identifying(town, facade)


BEGUN = Begun(sign_in=SignIn(id="", client=""), browser=Secret(""), state=Secret("s"), verifier=Secret("v"), nonce="n")


async def home(
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any],
    more: dict[str, Any],
    form: dict[str, str] | None = None,
    *,
    iss_told: bool = False,
) -> str:
    """The end user of whoever comes home with a form."""
    known = identifying_by(monkeypatch, said, more, iss_told=iss_told)
    return (await known.home({"code": "c", **(form or {})}, BEGUN)).end_user


@pytest.mark.parametrize(
    ("own", "begins"), [("", "?response_type=code&"), ("?p=b2c_1", "?p=b2c_1&response_type=code&")]
)
async def test_the_address_of_an_issuer_keeps_its_own_query(
    own: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = identifying_by(monkeypatch, {}, {}, authorization=f"{URL}/authorize{own}")
    assert (await known.away(BEGUN)).startswith(f"{URL}/authorize{begins}")


ADA, OTHER = "ada@example.com", "ada@elsewhere.example"


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ({"email": ADA, "email_verified": True}, {}),
        ({"email": ADA}, {"email": ADA, "email_verified": True}),
        ({}, {"email": ADA, "email_verified": True}),
        ({"email_verified": False}, {"email": ADA, "email_verified": True}),
    ],
)
async def test_an_address_counts_where_it_is_said_to_be_verified(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], more: dict[str, Any]
) -> None:
    assert await home(monkeypatch, said, more) == ADA


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ({"email": ADA}, {}),
        ({"email": ADA}, {"email": OTHER, "email_verified": True}),
        ({"email": ADA}, {"email_verified": True}),
        ({"email": ADA, "email_verified": False}, {"email": ADA, "email_verified": True}),
        ({"email_verified": True}, {"email": ADA}),
        ({"email": OTHER, "email_verified": True}, {"email": ADA, "email_verified": True}),
    ],
)
async def test_that_another_address_is_verified_says_nothing_of_this_one(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], more: dict[str, Any]
) -> None:
    with pytest.raises(CallerError) as caught:
        await home(monkeypatch, said, more)
    assert caught.value.code == "sign_in.access_denied"


PROVEN = {"email": ADA, "email_verified": True}


@pytest.mark.parametrize(
    ("said", "form", "iss_told"),
    [
        ({}, {}, False),
        ({}, {"iss": URL}, True),
        ({"aud": ["g", "other"], "azp": "g"}, {}, False),
        ({"azp": "g"}, {"iss": URL}, False),
    ],
)
async def test_an_answer_to_the_very_question_counts(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], form: dict[str, str], iss_told: bool
) -> None:
    assert await home(monkeypatch, {**PROVEN, **said}, {}, form, iss_told=iss_told) == ADA


@pytest.mark.parametrize(
    ("said", "form", "iss_told"),
    [
        ({"nonce": "another"}, {}, False),
        ({"nonce": None}, {}, False),
        ({"aud": "other"}, {}, False),
        ({"aud": None}, {}, False),
        ({"aud": ["g", "other"]}, {}, False),
        ({"aud": ["g", "other"], "azp": "other"}, {}, False),
        ({"azp": "other"}, {}, False),
        ({"iss": "https://b.example"}, {}, False),
        ({"sub": None}, {}, False),
        ({"exp": int(NOW) - 61}, {}, False),
        ({}, {}, True),
        ({}, {"iss": "https://b.example"}, False),
        ({}, {"iss": f"{URL}/"}, True),
        ({}, {"error": "access_denied"}, False),
    ],
)
async def test_an_answer_to_another_question_or_of_another_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], form: dict[str, str], iss_told: bool
) -> None:
    with pytest.raises(CallerError) as caught:
        await home(monkeypatch, {**PROVEN, **said}, {}, form, iss_told=iss_told)
    assert caught.value.code == "sign_in.access_denied"


@pytest.mark.parametrize("sub", ["another", None])
async def test_what_is_told_of_somebody_else_does_not_count(monkeypatch: pytest.MonkeyPatch, sub: str | None) -> None:
    with pytest.raises(CallerError):
        await home(monkeypatch, {}, {**PROVEN, "sub": sub})
