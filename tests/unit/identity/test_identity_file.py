"""The identity file: what it may say, and one sentence for everything else."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiloom.base.errors import DesignError
from apiloom.identity.settings import is_safe_url, read_identity
from support.source import ROOT

RULES = [{"when": {"groups": ["a", "b"]}, "tenant": "acme"}]
ISSUER = {"issuer": "https://id.example", "principals": RULES}
FACADE = {"issuer": "https://id.example", "client_id": "us", "client_secret": "env:X", "principals": RULES}


def read(**members: Any) -> Any:
    return read_identity(json.dumps(members).encode())


def test_what_is_left_out_is_as_careful_as_can_be() -> None:
    issuer = read(issuers=[ISSUER]).issuers[0]
    assert issuer.algorithms == ("RS256", "ES256")
    assert issuer.audiences == ()
    assert issuer.unverified_email is False
    assert issuer.rules[0].role == "agent"
    assert issuer.rules[0].when == {"groups": ("a", "b")}
    facade = read(facade={}).facade
    assert (facade.issuer, facade.access_seconds, facade.grace_seconds) == ("", 600.0, 60.0)


def test_certificates_are_told_of_in_the_usual_header_and_form() -> None:
    rules = [{"when": {"uri": "spiffe://a/b"}, "tenant": "acme", "end_user": "{uri}"}]
    found = read(certificates={"principals": rules}).certificates
    assert (found.header, found.form, found.authorities) == ("client-cert", "rfc9440", "")
    for header, form in (("X-Forwarded-Client-Cert", "xfcc"), ("X-SSL-Client-Cert", "pem")):
        found = read(certificates={"header": header, "principals": rules}).certificates
        assert (found.header, found.form) == (header.lower(), form)
    # only to prove that somebody may show a token that is bound to one
    assert read(issuers=[ISSUER], certificates={}).certificates.rules == ()
    apart = [{"tenant": "acme", "end_user": "b:{cn}"}]
    issuer = {**ISSUER, "principals": [{"tenant": "acme", "end_user": "a:{sub}"}]}
    assert read(issuers=[issuer], certificates={"principals": apart}).certificates.rules[0].end_user == "b:{cn}"


SHOWN: dict[str, Any] = {"principals": [{"tenant": "acme"}]}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"certificates": []}, "/certificates"),
    ({"certificates": {}}, "/certificates/principals"),
    ({"certificates": {**SHOWN, "principals": []}}, "/certificates/principals"),
    ({"certificates": {**SHOWN, "colour": 1}}, "/certificates/colour"),
    ({"certificates": {**SHOWN, "header": "authorization"}}, "/certificates/header"),
    ({"certificates": {**SHOWN, "header": "Client_Cert"}}, "/certificates/header"),
    ({"certificates": {**SHOWN, "header": "x-upstream-authorization-a"}}, "/certificates/header"),
    ({"certificates": {**SHOWN, "format": "der"}}, "/certificates/format"),
    ({"certificates": {**SHOWN, "authorities": "env:X"}}, "/certificates/authorities"),
    ({"certificates": {**SHOWN, "authorities": "/a.pem"}}, "/certificates/authorities"),
    ({"certificates": {"principals": [{"role": "operator"}]}}, "/certificates/principals/0/when"),
    ({"certificates": {"principals": [{"when": {"sub": "a"}, "tenant": "b"}]}}, "/certificates/principals/0/when"),
    ({"certificates": {"principals": [{"tenant": "{sub}"}]}}, "/certificates/principals/0/tenant"),
    ({"certificates": {"principals": [{"tenant": "a", "end_user": "{sub}"}]}}, "/certificates/principals/0/end_user"),
    (
        {"certificates": {"principals": [{"when": {"fingerprint": "AA:BB"}, "tenant": "a"}]}},
        "/certificates/principals/0/when",
    ),
    (
        {
            "issuers": [{**ISSUER, "principals": [{"tenant": "acme", "end_user": "{sub}"}]}],
            "certificates": {"principals": [{"tenant": "{dns}", "end_user": "{cn}"}]},
        },
        "/certificates/principals",
    ),
    ({"issuer": []}, "/issuer"),
    ({"issuers": {}}, "/issuers"),
    ({"issuers": [{}]}, "/issuers/0/issuer"),
    ({"issuers": [{**ISSUER, "issuer": "http://id.example"}]}, "/issuers/0/issuer"),
    ({"issuers": [{**ISSUER, "issuer": "https://u:p@id.example"}]}, "/issuers/0/issuer"),
    ({"issuers": [{**ISSUER, "jwks": "https://id.example/k#f"}]}, "/issuers/0/jwks"),
    ({"issuers": [{**ISSUER, "principals": []}]}, "/issuers/0/principals"),
    ({"issuers": [{**ISSUER, "algorithms": ["HS256"]}]}, "/issuers/0/algorithms"),
    ({"issuers": [{**ISSUER, "algorithms": ["none"]}]}, "/issuers/0/algorithms"),
    ({"issuers": [{**ISSUER, "algorithms": []}]}, "/issuers/0/algorithms"),
    ({"issuers": [{**ISSUER, "types": ["id_token"]}]}, "/issuers/0/types"),
    ({"issuers": [{**ISSUER, "scopes": ["a b"]}]}, "/issuers/0/scopes"),
    ({"issuers": [{**ISSUER, "scopes": ['"']}]}, "/issuers/0/scopes"),
    ({"issuers": [{**ISSUER, "colour": 1}]}, "/issuers/0/colour"),
    ({"issuers": [ISSUER, ISSUER]}, "/issuers"),
    ({"issuers": [{**ISSUER, "principals": [{"tenant": "{a}-{b}"}]}]}, "/issuers/0/principals/0/tenant"),
    ({"issuers": [{**ISSUER, "principals": [{"tenant": "{a"}]}]}, "/issuers/0/principals/0/tenant"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "root"}]}]}, "/issuers/0/principals/0/role"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "{r}"}]}]}, "/issuers/0/principals/0/role"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "agent"}]}]}, "/issuers/0/principals/0/role"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "owner", "tenant": "a"}]}]}, "/issuers/0/principals/0/role"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "owner"}]}]}, "/issuers/0/principals/0/when"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "operator"}]}]}, "/issuers/0/principals/0/when"),
    ({"issuers": [{**ISSUER, "principals": [{"role": "auditor"}]}]}, "/issuers/0/principals/0/when"),
    (
        {"issuers": [{**ISSUER, "principals": [{"role": "tenant-admin", "tenant": "a"}]}]},
        "/issuers/0/principals/0/when",
    ),
    ({"issuers": [{**ISSUER, "principals": [{"tenant": "a", "when": {"x": []}}]}]}, "/principals/0/when/x"),
    ({"facade": {**FACADE, "client_secret": "s3cret"}}, "/facade/client_secret"),
    ({"facade": {**FACADE, "scopes": ["email"]}}, "/facade/scopes"),
    ({"facade": {**FACADE, "access_seconds": 1e9}}, "/facade/access_seconds"),
    ({"facade": {**FACADE, "access_seconds": True}}, "/facade/access_seconds"),
    ({"facade": {"client_id": "us"}}, "/facade/client_id"),
    ({"issuers": [{**ISSUER, "audiences": ["us"]}], "facade": FACADE}, "/issuers/0/audiences"),
]


@pytest.mark.parametrize(("members", "at"), WRONG)
def test_each_mistake_is_one_sentence_that_says_where(members: dict[str, Any], at: str) -> None:
    with pytest.raises(DesignError) as told:
        read(**members)
    assert told.value.code == "identity.file"
    assert at in told.value.message
    assert "s3cret" not in told.value.sentence()


def test_tokens_that_cannot_be_read_are_shown_to_one_issuer_at_most() -> None:
    asked = {"introspection": {"url": "https://id.example/i", "client_id": "us", "client_secret": "env:X"}}
    second = {**ISSUER, "issuer": "https://other.example"}
    assert read(issuers=[{**ISSUER, **asked}, second])
    with pytest.raises(DesignError, match="only one issuer"):
        read(issuers=[{**ISSUER, **asked}, {**second, **asked}])


def naming(*rules: tuple[str, str]) -> list[dict[str, Any]]:
    """Issuers, each with one rule of a tenant and an end user."""
    return [
        {"issuer": f"https://{at}.example", "principals": [{"tenant": tenant, "end_user": user}]}
        for at, (tenant, user) in enumerate(rules)
    ]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (("acme", "{sub}"), ("acme", "{sub}"), False),
        (("acme", "{sub}"), ("other", "{sub}"), True),
        (("acme", "{sub}"), ("{tid}", "{sub}"), False),
        (("acme", "a:{sub}"), ("acme", "b:{sub}"), True),
        (("acme", "{sub}"), ("acme", "b:{sub}"), False),
        (("acme", "{sub}"), ("acme", "ada"), False),
        (("acme", "a:{sub}"), ("acme", "ada"), True),
        (("acme", "ada"), ("acme", "ada"), False),
        (("acme", "ada"), ("acme", "bob"), True),
        (("acme", "{sub}@a"), ("acme", "{sub}@b"), True),
        (("t-{tid}", "{sub}"), ("u-{tid}", "{sub}"), True),
        (("acme", ""), ("acme", ""), True),
    ],
)
def test_two_issuers_never_name_the_same_end_user(one: tuple[str, str], other: tuple[str, str], apart: bool) -> None:
    if apart:
        assert read(issuers=naming(one, other))
        return
    with pytest.raises(DesignError, match="same end_user"):
        read(issuers=naming(one, other))
    facade = {**FACADE, "principals": [{"tenant": other[0], "end_user": other[1]}]}
    with pytest.raises(DesignError, match="/facade/principals"):
        read(issuers=naming(one), facade=facade)
    # people of one issuer are the same people at both doors
    assert read(issuers=naming(one), facade={**facade, "issuer": "https://0.example"})


def test_the_name_of_whom_a_facade_lets_in_is_that_of_its_issuer_and_rules() -> None:
    first = read(facade=FACADE).facade.admits
    same = (
        {"access_seconds": 60},
        {"scopes": ["openid", "email"]},
        {"registration": False},
        {"client_secret": "env:Y"},
    )
    assert {read(facade={**FACADE, **more}).facade.admits for more in same} == {first}
    others = (
        {"issuer": "https://b.example"},
        {"client_id": "them"},
        {"unverified_email": True},
        {"principals": [{"when": {"groups": ["a"]}, "tenant": "acme"}]},
    )
    assert len({first, *(read(facade={**FACADE, **more}).facade.admits for more in others)}) == 5


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["issuers", "facade", "issuer", "principals", "when", "scopes"]), inner)
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_file_does_more_than_be_refused(text: bytes) -> None:
    with contextlib.suppress(DesignError):
        read_identity(text)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example", True),
        ("https://id.example:8443/realms/a", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://id.example", False),
        ("http://localhost.evil.example", False),
        ("ftp://id.example", False),
        ("https://", False),
        ("https://id.example:x", False),
        ("https://id.example/?a=1", False),
        ("https://id.example\\@evil.example", False),
        ("https://ïd.example", False),
        ("", False),
    ],
)
def test_tokens_and_keys_go_over_https_or_nowhere(url: str, safe: bool) -> None:
    assert is_safe_url(url) is safe


def test_every_file_that_the_page_shows_is_one() -> None:
    page = (ROOT / "docs" / "sign-in.md").read_text(encoding="utf-8")
    shown = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert len(shown) > 1
    for text in shown:
        read_identity(text.encode())
