"""AWS Signature Version 4: AWS's own examples, a second implementation from its description, and what never leaks."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import logging
import sys
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from botocore import auth

from apiloom.base.errors import DesignError
from apiloom.base.pieces import Pieces
from apiloom.model.api import SecurityScheme
from apiloom.net.request import Request
from apiloom.net.target import sent_exactly
from apiloom.vault.aws import spelled
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import Signer, check_credentials, choose_signer, default_schemes

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET, "region": "us-east-1", "service": "service"}
S3_KEYS = {
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "region": "us-east-1",
    "service": "s3",
}
SCHEMES = {
    "hmac": SecurityScheme(
        id="hmac", kind="apiKey", place="header", name="Authorization", details={"signs": "AWS Signature"}
    ),
    "key": SecurityScheme(id="key", kind="apiKey", place="header", name="X-Api-Key"),
}
ORIGIN = "https://example.amazonaws.com"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock that signatures are made by."""

    def set_(text: str) -> None:
        moment = dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        monkeypatch.setattr(auth, "get_current_datetime", lambda: moment)

    set_("20150830T123600Z")
    return set_


def signer(keys: dict[str, Any], origin: str = ORIGIN, **more: Any) -> Signer:
    names = (("hmac", ()), *((name, ()) for name in more))
    found = choose_signer((names,), SCHEMES, parse_credentials({"hmac": keys, **more}), pinned=frozenset([origin]))
    assert found is not None
    return found


def signed(request: Request, keys: dict[str, Any] = KEYS) -> Request:
    return next(signer(keys, request.origin).sign(request))


def header(request: Request, name: str) -> str:
    (found,) = [value for key, value in request.headers if key.lower() == name]
    return found


# as AWS shows it


@pytest.mark.parametrize(
    ("method", "target", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
)
def test_the_examples_of_the_test_suite_come_out_as_aws_says(method: str, target: str, signature: str, at: Any) -> None:
    request = signed(Request(method=method, origin=ORIGIN, target=target))
    assert header(request, "authorization") == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    assert header(request, "x-amz-date") == "20150830T123600Z"


def test_the_example_of_the_reference_comes_out_as_aws_says(at: Any) -> None:
    kind = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
    target = "/?Action=ListUsers&Version=2010-05-08"
    request = Request(method="GET", origin="https://iam.amazonaws.com", target=target, headers=kind)
    told = header(signed(request, {**KEYS, "service": "iam"}), "authorization")
    assert told.endswith("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


@pytest.mark.parametrize(
    ("target", "signature"),
    [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_the_examples_for_storage_come_out_as_aws_says(target: str, signature: str, at: Any) -> None:
    at("20130524T000000Z")
    request = Request(method="GET", origin="https://examplebucket.s3.amazonaws.com", target=target)
    assert header(signed(request, S3_KEYS), "authorization").endswith(f"Signature={signature}")


# as its description says, written anew


def described(request: Request, keys: dict[str, str], names: list[str]) -> str:
    """The signature of what is about to be sent, from the four steps of AWS's description."""
    at = header(request, "x-amz-date")
    path, _, query = request.target.partition("?")
    segments = [quote(unquote(segment), safe="-_.~") for segment in path.split("/")]
    if keys["service"] != "s3":
        segments = [quote(segment, safe="-_.~") for segment in segments]
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    told = {name.lower(): value for name, value in request.headers} | {"host": request.origin.partition("://")[2]}
    body = b"".join(request.body.chunks()) if isinstance(request.body, Pieces) else request.body or b""
    content = told.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    whole = "\n".join(
        [
            request.method,
            "/".join(segments),
            "&".join(f"{k}={v}" for k, v in pairs),
            *(f"{name}:{' '.join(told[name].split())}" for name in names),
            "",
            ";".join(names),
            content,
        ]
    )
    scope = f"{at[:8]}/{keys['region']}/{keys['service']}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(whole.encode()).hexdigest()])
    key = f"AWS4{keys['secret_access_key']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


TARGETS = [
    "/",
    "/a/b",
    "/a%2Fb/c%20d",
    "/!$&'()*+,;=:@/~-._|^",
    "/%e1%88%b4/%C3%BC",
    "/?a=b:c/d@e!f,g;h&e=%2B+%20&flag&empty=",
    "/x?b=2&a=2&a=1&B=0",
    "/x?sp%61ce=a%20b&%C3%BC=%e2%82%ac",
]


@pytest.mark.parametrize("service", ["execute-api", "s3"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("body", [b"", b'{"a": 1}', Pieces((b"one", b"two"))], ids=["none", "bytes", "pieces"])
def test_what_is_signed_is_what_is_sent(target: str, body: Any, service: str, at: Any) -> None:
    keys = {**KEYS, "service": service, "session_token": "a-session-token=="}
    headers = [("Content-Type", "application/json"), ("Accept", "a"), ("X-Amz-Meta-Note", "two  words")]
    request = signed(Request(method="PUT", origin=ORIGIN, target=target, headers=headers, body=body or None), keys)
    assert sent_exactly(request.target)
    told = header(request, "authorization")
    names = told.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"content-type", "host", "x-amz-date", "x-amz-meta-note", "x-amz-security-token"} <= set(names)
    assert "accept" not in names
    assert told.endswith(f"Signature={described(request, keys, names)}")
    if service == "s3" and isinstance(body, Pieces):
        assert header(request, "x-amz-content-sha256") == "UNSIGNED-PAYLOAD"


def test_a_body_in_pieces_is_always_signed_where_nothing_protects_it(at: Any) -> None:
    request = Request(method="PUT", origin="http://minio.example", target="/a", body=Pieces((b"one", b"two")))
    told = header(signed(request, S3_KEYS), "x-amz-content-sha256")
    assert told == hashlib.sha256(b"onetwo").hexdigest()


@pytest.mark.parametrize("target", TARGETS)
def test_the_spelling_of_aws_means_the_same_and_is_its_own(target: str) -> None:
    again = spelled(target)
    assert spelled(again) == again
    assert [unquote(part) for part in again.partition("?")[0].split("/")] == [
        unquote(part) for part in target.partition("?")[0].split("/")
    ]
    assert parse_qsl(again.partition("?")[2], keep_blank_values=True) == parse_qsl(
        target.partition("?")[2], keep_blank_values=True
    )


# beside others, and what stays hidden


def test_it_comes_last_and_what_a_call_says_of_it_gives_way(at: Any) -> None:
    mine = [
        ("authorization", "AWS4-HMAC-SHA256 forged"),
        ("x-amz-date", "19990101T000000Z"),
        ("X-Amz-Security-Token", "t"),
    ]
    request = Request(method="GET", origin=ORIGIN, target="/", headers=mine)
    found = next(signer(KEYS, key={"key": "an-api-key"}).sign(request))
    assert header(found, "x-api-key") == "an-api-key"
    assert header(found, "x-amz-date") == "20150830T123600Z"
    assert "forged" not in header(found, "authorization")
    assert not [name for name, _ in found.headers if name.lower() == "x-amz-security-token"]


def test_nothing_secret_is_shown_or_told(at: Any, caplog: pytest.LogCaptureFixture) -> None:
    keys = {**KEYS, "session_token": "a-session-token=="}
    made = signer(keys)
    with caplog.at_level(logging.DEBUG):
        next(made.sign(Request(method="GET", origin=ORIGIN, target="/")))
    seen = caplog.text + repr(made) + repr(parse_credentials({"hmac": keys}))
    preview = made.masked(Request(method="GET", origin=ORIGIN, target="/a:b?c=d/e"))
    assert preview.target == "/a%3Ab?c=d%2Fe"
    seen += repr(preview.headers)
    for secret in (SECRET, "a-session-token==", "AKIDEXAMPLE"):
        assert secret not in seen
        assert secret in made.secrets
    assert ("Authorization", "AWS4-HMAC-SHA256 ***") in preview.headers


def test_the_kind_aws_defines_such_a_scheme(at: Any) -> None:
    schemes = default_schemes("aws")
    made = choose_signer((), schemes, parse_credentials({"DEFAULT": KEYS}), pinned=frozenset([ORIGIN]))
    assert made is not None
    found = next(made.sign(Request(method="GET", origin=ORIGIN, target="/")))
    assert header(found, "authorization").startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"access_key_id": "AKIDEXAMPLE"}, "credentials.form"),
        ({**KEYS, "more": "x"}, "credentials.form"),
        ({**KEYS, "secret_access_key": 7}, "credentials.form"),
        ({**KEYS, "secret_access_key": ""}, "credentials.value"),
        ({**KEYS, "access_key_id": "AKID EXAMPLE"}, "credentials.value"),
        ({**KEYS, "region": "us east"}, "credentials.value"),
        ({**KEYS, "service": "a/b"}, "credentials.value"),
        ({**KEYS, "region": 1}, "credentials.form"),
    ],
)
def test_keys_that_are_none_are_refused_without_being_repeated(value: dict[str, Any], code: str) -> None:
    with pytest.raises(DesignError) as caught:
        parse_credentials({"hmac": value})
    assert caught.value.code == code
    assert SECRET not in caught.value.sentence()


def test_a_plain_value_does_not_do() -> None:
    with pytest.raises(DesignError, match="AWS Signature signs each request anew") as caught:
        check_credentials(SCHEMES, parse_credentials({"hmac": {"key": "some-token"}}))
    assert caught.value.code == "credentials.value"


def test_where_the_library_is_missing_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.delitem(sys.modules, "apiloom.vault.aws", raising=False)
    with pytest.raises(DesignError, match="a library that is not installed") as caught:
        signer(KEYS)
    assert (caught.value.code, caught.value.hint) == ("credentials.aws", "install apiloom with the extra aws")
