"""Whatever a provider, a browser or a person writes: our own errors, and no secret in any of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiloom.base.errors import ApiloomError, CallerError, DesignError, UpstreamError
from apiloom.base.secret import Secret
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Response
from apiloom.vault.forms import (
    build_ask,
    documented_endpoints,
    form_secrets,
    metadata_url,
    read_form,
)
from apiloom.vault.given import is_oauth_form, parse_credentials
from apiloom.vault.oauth.asking import LARGEST_ANSWER, LONGEST_LIFE, build_request, read_tokens
from apiloom.vault.oauth.authorizing import authorization_url, read_callback
from apiloom.vault.oauth.discovery import read_endpoints
from apiloom.vault.oauth.providers import provider_for
from apiloom.vault.oauth.refusals import GrantEnded
from apiloom.vault.oauth.terms import (
    ByClient,
    ByCode,
    ByDevice,
    ByRefresh,
    Endpoints,
    OAuthKeys,
    Provider,
    Terms,
    Tokens,
)

CANARY = "canary_Secret"
NOW = 1_800_000_000.0
ASKS = [
    ByCode(code=Secret(CANARY), verifier=Secret(CANARY)),
    ByRefresh(token=Secret(CANARY)),
    ByClient(),
    ByDevice(code=Secret(CANARY)),
]


def terms(provider: Provider | None = None, **more: Any) -> Terms:
    endpoints = Endpoints(token_url="https://id.example/token", authorization_url="https://id.example/auth?x=1")
    keys = OAuthKeys(client_id="client", secret=Secret(CANARY))
    return Terms(endpoints=endpoints, keys=keys, provider=provider or Provider(), **more)


def answer(value: Any, status: int = 200, content_type: str = "application/json") -> Response:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Response(status=status, headers=[("content-type", content_type)], body=body)


def attempted(act: Callable[[], Any], kind: type[ApiloomError] = ApiloomError) -> Any:
    """What came of it, or the error of ours that did."""
    try:
        return act()
    except kind as error:
        return error


def told(error: ApiloomError) -> str:
    return error.sentence() + repr(error) + repr(error.facts)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
_members = st.sampled_from(
    [
        "access_token",
        "refresh_token",
        "expires_in",
        "scope",
        "token_type",
        "error",
        "id_token",
        "data",
        "authed_user",
        "errors",
    ]
)
_bodies = (
    st.dictionaries(_members | st.text(max_size=8), _json, max_size=8).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200)
    | st.dictionaries(_members, st.text(max_size=20), max_size=5).map(lambda form: urlencode(form).encode())
)
_providers = st.sampled_from(["", "slack-user", "github", "hubspot", "square", "asana", "strava", "facebook", "zoho"])


@settings(max_examples=120, deadline=None)
@given(
    _bodies, st.integers(200, 599), _providers, st.sampled_from(ASKS), st.sampled_from(["", "text/html", "text/plain"])
)
def test_any_answer_is_tokens_that_can_be_used_or_an_error_of_ours(
    body: bytes, status: int, provider: str, ask: Any, content_type: str
) -> None:
    chosen, came = terms(provider_for(provider)), answer(body, status, content_type)
    tokens = attempted(lambda: read_tokens(chosen, ask, came, NOW), UpstreamError)
    if isinstance(tokens, UpstreamError):
        assert tokens.code.startswith("oauth.")
        assert CANARY not in told(tokens)
        return
    assert tokens.access.reveal().isascii()
    assert tokens.access.reveal().isprintable()
    assert tokens.expires_at is None or math.isfinite(tokens.expires_at)
    assert tokens.expires_at is None or tokens.expires_at <= NOW + LONGEST_LIFE
    assert CANARY not in repr(replace(tokens, identity={}, extra={}, scopes=()))


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ({"error": "invalid_grant", "error_description": f"token {CANARY} is over"}, 400, "oauth.ended"),
        ({"error": f"no such token {CANARY}"}, 400, "oauth.refused"),
        ({"error": "x" * 65}, 400, "oauth.refused"),
        ({"error": CANARY}, 400, "oauth.refused"),
        ({"error": {"message": CANARY, "type": "Odd"}}, 400, "oauth.refused"),
        ({"error": "temporarily_unavailable"}, 400, "oauth.unavailable"),
        ({"error": "invalid_grant"}, 503, "oauth.unavailable"),
        ({"error": "invalid_scope"}, 400, "oauth.refused"),
        ({}, 429, "oauth.unavailable"),
        ({}, 404, "oauth.refused"),
        ({}, 302, "oauth.answer"),
        ({}, 200, "oauth.answer"),
        ({"access_token": "a b"}, 200, "oauth.answer"),
        ({"access_token": "a\r\nX-Evil: 1"}, 200, "oauth.answer"),
        ({"access_token": ["a"]}, 200, "oauth.answer"),
        ({"access_token": "x" * 70_000}, 200, "oauth.answer"),
        ({"access_token": "a", "token_type": "DPoP"}, 200, "oauth.answer"),
        ([{"access_token": "a"}], 200, "oauth.answer"),
        (b"<html>access_token=a</html>", 200, "oauth.answer"),
        (b"{" * 200_000, 200, "oauth.answer"),
        (b'{"access_token": "a"' + b" " * LARGEST_ANSWER + b"}", 200, "oauth.answer"),
    ],
)
def test_what_gives_no_token_is_told_apart(value: Any, status: int, code: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_tokens(terms(), ByRefresh(token=Secret(CANARY)), answer(value, status), NOW)
    assert caught.value.code == code
    assert isinstance(caught.value, GrantEnded) == (code == "oauth.ended")
    assert CANARY not in told(caught.value)
    assert len(caught.value.sentence()) < 300
    assert caught.value.hint


@pytest.mark.parametrize(
    ("told_", "expires_at"),
    [
        (3600, NOW + 3600), ("3600", NOW + 3600), (3599.5, NOW + 3599.5), (None, None), (0, None), (-1, None),
        ("soon", None), (True, None), (1e300, NOW + LONGEST_LIFE), ("1e400", None), ([], None), ("9" * 30, None),
    ],
)  # fmt: skip
def test_how_long_a_token_lives_is_read_as_it_was_meant(told_: Any, expires_at: float | None) -> None:
    body = answer({"access_token": "a", "expires_in": told_, "token_type": "bearer", "scope": "b a"})
    tokens = read_tokens(terms(), ByClient(), body, NOW)
    assert tokens.expires_at == expires_at
    assert (tokens.scopes, tokens.type) == (("a", "b"), "Bearer")


# the way back


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["code", "state", "iss", "error", "error_description", "realmId", "x"]),
        st.text(max_size=30) | st.just("the-state") | st.just(CANARY),
        max_size=6,
    )
)
def test_any_way_back_is_a_code_or_an_error_of_ours(query: dict[str, str]) -> None:
    chosen = terms(replace(provider_for("quickbooks")))
    chosen = replace(chosen, endpoints=replace(chosen.endpoints, issuer="https://id.example"))
    code = attempted(lambda: read_callback(query, chosen, state="the-state"))
    if isinstance(code, ApiloomError):
        assert code.code in ("oauth.callback", "oauth.denied", "oauth.refused")
        assert CANARY not in told(code)
        return
    assert query["state"] == "the-state"
    assert query.get("iss", "https://id.example") == "https://id.example"
    assert code.reveal() == query["code"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"code": "c", "state": "other"}, "oauth.callback"),
        ({"code": "c"}, "oauth.callback"),
        ({"code": "c", "state": "s", "iss": "https://evil.example"}, "oauth.callback"),
        ({"code": "c", "state": "s"}, "oauth.callback"),
        ({"state": "s", "iss": "https://id.example"}, "oauth.callback"),
        ([("code", "c"), ("code", "d"), ("state", "s"), ("iss", "https://id.example")], "oauth.callback"),
        ([("x", str(number)) for number in range(60)], "oauth.callback"),
        ({"error": "access_denied", "state": "s", "iss": "https://id.example"}, "oauth.denied"),
        ({"error": "access_denied", "state": "other", "iss": "https://id.example"}, "oauth.callback"),
        ({"error": "invalid_scope", "state": "s", "iss": "https://id.example"}, "oauth.refused"),
    ],
)
def test_a_way_back_that_belongs_to_another_question_brings_nothing(query: Any, code: str) -> None:
    chosen = terms()
    chosen = replace(chosen, endpoints=replace(chosen.endpoints, issuer="https://id.example", iss_told=True))
    with pytest.raises(ApiloomError) as caught:
        read_callback(query, chosen, state="s")
    assert caught.value.code == code
    assert isinstance(caught.value, UpstreamError if code == "oauth.refused" else CallerError)


def test_what_others_add_to_the_authorization_request_replaces_nothing_of_the_flow() -> None:
    hostile = {
        "state": "theirs",
        "redirect_uri": "https://evil.example",
        "client_id": "x",
        "code_challenge": "x",
        "y": "1",
    }
    provider = Provider(parameters=hostile, separator=",")
    chosen = terms(provider, parameters=hostile, scopes=("b", "a", "b"), redirect_uri="https://us.example/back")
    url = authorization_url(chosen, state="ours", verifier=Secret("v" * 43), nonce="n")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert (asked["state"], asked["redirect_uri"], asked["client_id"]) == ("ours", "https://us.example/back", "client")
    assert (asked["x"], asked["y"], asked["scope"]) == ("1", "1", "b,a")
    assert len(asked["code_challenge"]) == 43
    assert "nonce" not in asked, "without openid there is no ID token to put it in"
    assert CANARY not in url


def test_the_example_of_rfc_7636_comes_out_as_it_stands_there() -> None:
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    url = authorization_url(terms(), state="s", verifier=verifier)
    assert "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&" in url + "&"


def test_a_request_holds_the_secret_where_it_is_told_to_and_nowhere_else() -> None:
    odd = OAuthKeys(client_id="a:b", secret=Secret("s+é &"))
    request = build_request(replace(terms(), keys=odd), ByClient(), NOW)
    assert dict(request.headers)["authorization"].startswith("Basic ")
    assert b"secret" not in bytes(request.body or b"")  # type: ignore[arg-type]
    posted = build_request(replace(terms(), keys=replace(odd, method="client_secret_post")), ByClient(), NOW)
    assert "authorization" not in dict(posted.headers)
    assert quote_plus("s+é &").encode() in bytes(posted.body or b"")  # type: ignore[arg-type]
    assert request.max_bytes == LARGEST_ANSWER


@pytest.mark.parametrize("secret", ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "ssh-rsa AAAA"])
def test_a_public_key_is_no_secret_to_sign_with(secret: str) -> None:
    keys = OAuthKeys(client_id="c", secret=Secret(secret), method="client_secret_jwt")
    with pytest.raises(DesignError) as caught:
        build_request(replace(terms(), keys=keys), ByClient(), NOW)
    assert caught.value.code == "oauth.key"
    assert "AAAA" not in told(caught.value)


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "https://u:p@id.example/t", "https://", "https://[", "//x", "https://é/"]
)
def test_an_address_that_is_none_is_asked_for_nothing(url: str) -> None:
    with pytest.raises(DesignError) as caught:
        build_request(replace(terms(), endpoints=Endpoints(token_url=url)), ByClient(), NOW)
    assert caught.value.code == "oauth.url"
    assert "p@" not in told(caught.value)


# forms

KEYS = [
    "client_id", "client_secret", "private_key", "key_id", "algorithm", "method", "scopes", "service_account",
    "subject", "refresh_token", "access_token", "expires_at", "token_url", "issuer", "audience", "resource",
    "provider", "ref",
]  # fmt: skip
_values = (
    st.just(CANARY)
    | st.just(CANARY + "\n\x00")
    | st.just(f"https://{CANARY}.example/t")
    | st.just(f"http://{CANARY}")
    | st.just(f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----")
    | st.just(json.dumps({"client_email": CANARY, "private_key": CANARY, "token_uri": CANARY}))
    | st.just([CANARY])
    | st.just({"ref": CANARY})
    | st.just({"client_email": CANARY, "private_key": CANARY, "type": "service_account"})
    | st.integers()
    | st.floats()
    | st.none()
    | st.just("")
    | st.text(max_size=10)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), _values, min_size=1, max_size=6))
def test_any_form_is_read_or_refused_in_a_sentence_without_its_values(value: dict[str, Any]) -> None:
    form_secrets(value)
    if not is_oauth_form(value):
        return
    form = attempted(lambda: read_form("Scheme", value, lambda reference: reference), DesignError)
    if isinstance(form, DesignError):
        assert form.code in ("credentials.form", "credentials.value", "oauth.key", "oauth.url")
        assert CANARY.lower() not in told(form).lower()
        return
    assert form.secrets
    build_ask(form, None)


def test_members_that_do_not_belong_together_are_named() -> None:
    for value, says in (
        ({"client_id": "a"}, "neither client_secret nor private_key"),
        ({"client_secret": CANARY}, "no client_id"),
        ({"client_id": "a", "client_secret": CANARY, "subject": "b"}, "together: subject"),
        ({"access_token": CANARY, "client_id": "a"}, "give it as token"),
        ({"service_account": "{}", "scopes": []}, "needs private_key and issuer"),
        ({"service_account": CANARY}, "no JSON object"),
        ({"client_id": "a", "client_secret": CANARY, "scopes": ["a b"]}, "a scope that is none"),
        ({"client_id": "a", "client_secret": CANARY, "method": "magic"}, "method that is not known"),
        ({"client_id": "a", "private_key": CANARY}, "private key that cannot be used"),
        ({"client_id": "a", "client_secret": CANARY, "token_url": "http://id.example/t"}, "without encryption"),
        ({"refresh_token": CANARY, "access_token": "a", "expires_at": "soon"}, "no moment"),
        ({"client_id": "a", "client_secret": {"ref": "env:X"}}, "reference of Scheme cannot be followed"),
    ):
        with pytest.raises(DesignError, match=says) as caught:
            parse_credentials({"Scheme": value})
        assert CANARY not in told(caught.value)


def test_a_form_is_told_from_those_that_are_no_oauth() -> None:
    for members in ({"client_id"}, {"service_account"}, {"refresh_token"}, {"private_key", "issuer"}, {"access_token"}):
        assert is_oauth_form(dict.fromkeys(members, "x")), members
    for members in (
        {"token"},
        {"private_key", "certificate"},
        {"access_key_id"},
        {"headers", "values"},
        {"ref"},
        set(),
    ):
        assert not is_oauth_form(dict.fromkeys(members, "x")), members
    assert not is_oauth_form("client_id")


def test_forms_say_what_they_say() -> None:
    found = parse_credentials(
        {
            "A": {"client_id": "a", "client_secret": "s\n", "scopes": "x y", "token_url": "http://127.0.0.1:1/t"},
            "B": {"refresh_token": "r", "access_token": "t", "expires_at": "2027-01-01T00:00:00Z"},
            "C": {"client_id": "a", "ref": "env:NAME"},
            "D": {"token": "t"},
        },
        lambda reference: f"<{reference}>",
    )
    assert set(found.by_scheme) == {"D"}
    first, second, third = (found.forms[name] for name in "ABC")
    assert (first.kind, first.scopes, [one.reveal() for one in first.secrets]) == (
        "client_credentials",
        ("x", "y"),
        ["s"],
    )
    assert second.kind == "imported"
    assert second.tokens is not None
    assert second.tokens.expires_at == 1_798_761_600.0
    assert build_ask(second, None) == ByRefresh(token=Secret("r"))
    newer = Tokens(access=Secret("t2"), refresh=Secret("r2"))
    assert build_ask(second, newer) == ByRefresh(token=Secret("r2"))
    assert third.keys.secret == Secret("<env:NAME>")
    assert CANARY not in repr(found)


def test_endpoints_come_from_the_flow_that_fits() -> None:
    flows = {
        "authorizationCode": {
            "tokenUrl": "https://a/t",
            "authorizationUrl": "https://a/a",
            "refreshUrl": "https://a/r",
        },
        "clientCredentials": {"tokenUrl": "https://c/t"},
    }
    scheme = SecurityScheme(id="S", kind="oauth2", details={"flows": flows})
    assert documented_endpoints(scheme, "client_credentials").token_url == "https://c/t"
    assert documented_endpoints(scheme).token_url == "https://a/t"
    assert documented_endpoints(scheme).refresh_url == "https://a/r"
    odd = SecurityScheme(id="S", kind="oauth2", details={"flows": {"clientCredentials": {"tokenUrl": 7}, "x": []}})
    assert documented_endpoints(odd) == Endpoints()
    issued = SecurityScheme(id="S", kind="openIdConnect", details={"openIdConnectUrl": "https://i/.well-known/x"})
    assert metadata_url(issued, Endpoints()) == "https://i/.well-known/x"
    assert metadata_url(issued, Endpoints(token_url="https://t")) == ""


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["issuer", "token_endpoint", "jwks_uri", "x"]), _json | st.just("https://i.example")
    )
)
def test_any_metadata_is_endpoints_or_an_error_of_ours(told_: dict[str, Any]) -> None:
    found = attempted(lambda: read_endpoints(told_, "https://i.example"))
    if isinstance(found, ApiloomError):
        assert found.code in ("oauth.discovery", "oauth.url")
        assert CANARY not in told(found)


@pytest.mark.parametrize(
    ("iss", "ours"),
    [("https://login.example/tenant", True), ("https://honest.example", False), ("https://who.example", False)],
)
def test_where_no_issuer_is_known_an_answer_is_of_the_host_that_gives_the_tokens(iss: str, ours: bool) -> None:
    endpoints = Endpoints(authorization_url="https://who.example/authorize", token_url="https://login.example/token")
    terms = Terms(endpoints=endpoints, keys=OAuthKeys(client_id="c"))
    read = attempted(lambda: read_callback({"state": "s", "code": "c", "iss": iss}, terms, state="s"))
    assert getattr(read, "code", "") == ("" if ours else "oauth.callback")
